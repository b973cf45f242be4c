// Forms: what does not matter for what is chosen is out of the way. Without this
// script all of it shows, and the hub looks only at what matters.
//
// data-for="kind=nagios naemon;write_back=livestatus": both fields have one of the
// values named.

function matters(form, when) {
  return when.split(';').every((part) => {
    const [name, values] = part.split('=');
    const control = form.elements[name];
    return control && values.split(' ').includes(control.value);
  });
}

// draw shows what matters. An option that cannot be chosen any more gives way to
// the first that can.
export function draw(form) {
  for (const o of form.querySelectorAll('option[data-for]')) {
    const on = matters(form, o.dataset.for);
    o.hidden = !on;
    o.disabled = !on;
    if (!on && o.selected) o.parentElement.selectedIndex = [...o.parentElement.options].findIndex((x) => !x.disabled);
  }
  for (const box of form.querySelectorAll('div[data-for]')) {
    const on = matters(form, box.dataset.for);
    box.hidden = !on;
    for (const x of box.querySelectorAll('input, select, textarea, button')) {
      if (!on && !x.disabled) { x.disabled = true; x.dataset.off = 'yes'; }
      if (on && x.dataset.off) { x.disabled = false; delete x.dataset.off; }
    }
  }
}

export function startForms() {
  for (const form of document.querySelectorAll('form.form')) {
    if (!form.querySelector('[data-for]')) continue;
    draw(form);
    form.addEventListener('change', () => draw(form));
    // The browser may fill in later what was typed before it went back.
    window.addEventListener('pageshow', () => draw(form));
  }
  link();
}

// link goes on with the token of a one-time link. It comes behind the address' #,
// which browsers send nobody, and is taken out of it at once.
function link() {
  const form = document.getElementById('link-form');
  const token = location.hash.slice(1);
  if (!form || !token) return;
  history.replaceState(null, '', location.pathname);
  form.elements.token.value = token;
  form.requestSubmit();
}
