// Short messages at the edge of the page. They are read out politely.

// toast shows a message. It stays while it has the focus or the pointer.
//   toast({title, text, icon, url, action: {title, run}, seconds})
export function toast({ title, text = '', icon = '', url = '', action = null, seconds = 8 }) {
  const box = document.getElementById('toasts');
  const el = document.createElement('div');
  el.className = 'toast';
  if (icon) {
    const img = new Image(32, 32);
    img.src = icon;
    img.alt = '';
    el.append(img);
  }
  const body = document.createElement('div');
  body.className = 'toast-body';
  const head = document.createElement(url ? 'a' : 'strong');
  head.textContent = title;
  if (url) head.href = url;
  body.append(head);
  if (text) {
    const p = document.createElement('p');
    p.textContent = text;
    body.append(p);
  }
  el.append(body);
  if (action) {
    const b = document.createElement('button');
    b.type = 'button';
    b.className = 'button small';
    b.textContent = action.title;
    b.addEventListener('click', () => { el.remove(); action.run(); });
    el.append(b);
  }
  const close = document.createElement('button');
  close.type = 'button';
  close.className = 'icon-button';
  close.setAttribute('aria-label', 'Close this message');
  close.textContent = '✕';
  close.addEventListener('click', () => el.remove());
  el.append(close);
  box.append(el);
  while (box.children.length > 3) box.firstChild.remove();
  if (seconds > 0) {
    const end = () => {
      if (el.matches(':hover, :focus-within')) setTimeout(end, 2000);
      else el.remove();
    };
    setTimeout(end, seconds * 1000);
  }
  return el;
}
