// The pages of incidents: while somebody writes, what visitors will see and who
// will be told are kept true beside the form. Without this script both come with a
// button.

import { toast } from './console-toast.js';

const previewURL = '/console/incidents/preview';
const reachURL = '/console/incidents/reach';

// asked sends a form as it is now and answers the hub's text; what an earlier call
// asked for is not waited for any more.
function asker(url) {
  let last = null;
  return async (form) => {
    last?.abort();
    last = new AbortController();
    const body = new URLSearchParams(new FormData(form));
    body.delete('step');
    const answer = await fetch(url, { method: 'POST', body, credentials: 'same-origin', headers: { 'Tocsin-Fragment': '1' }, signal: last.signal });
    if (!answer.ok) throw new Error(`the hub answered ${answer.status}`);
    return answer.text();
  };
}

// after runs f once nothing has happened for so long.
function after(ms, f) {
  let timer = null;
  return () => { clearTimeout(timer); timer = setTimeout(() => f().catch(() => { /* the next key tries again */ }), ms); };
}

const parsed = (text) => new DOMParser().parseFromString(text, 'text/html');

// reacher keeps the count of who will be told, and what the button says.
function reacher(form) {
  const place = form.querySelector('[data-reach]');
  const ask = asker(reachURL);
  return async () => {
    const fresh = parsed(await ask(form)).querySelector('.reach');
    if (!fresh) return;
    if (place.innerHTML.trim() !== fresh.outerHTML.trim()) place.replaceChildren(document.importNode(fresh, true));
    const button = form.querySelector('[data-publishes]');
    if (button && fresh.dataset.button) button.textContent = fresh.dataset.button;
  };
}

// painter draws the preview: the frame keeps its styles and its place, only what it
// says is changed.
function painter(form) {
  const frame = form.querySelector('iframe');
  if (!frame) return async () => {};
  const ask = asker(previewURL);
  const ready = new Promise((resolve) => {
    if (frame.contentDocument?.readyState === 'complete' && frame.contentDocument.URL !== 'about:blank') resolve();
    else frame.addEventListener('load', resolve, { once: true });
  });
  return async () => {
    const fresh = parsed(await ask(form));
    await ready;
    const page = frame.contentDocument;
    if (!page?.body || !fresh.body) return;
    page.documentElement.lang = fresh.documentElement.lang;
    page.documentElement.dir = fresh.documentElement.dir;
    if (page.body.innerHTML !== fresh.body.innerHTML) page.body.replaceChildren(...page.importNode(fresh.body, true).childNodes);
  };
}

// finder narrows a long list of components to those whose names hold a text.
function finder(form) {
  const input = form.querySelector('[data-find]');
  if (!input) return;
  input.parentElement.hidden = false;
  const draw = () => {
    const text = input.value.trim().toLowerCase();
    let title = null, shown = 0;
    const close = () => { if (title) title.hidden = shown === 0; };
    for (const el of form.querySelectorAll('.states-list > *')) {
      if ('group' in el.dataset) { close(); title = el; shown = 0; continue; }
      const on = !text || el.dataset.name.toLowerCase().includes(text) || el.querySelector('select').value !== '';
      el.hidden = !on;
      if (on) shown++;
    }
    close();
  };
  input.addEventListener('input', (e) => { e.stopPropagation(); draw(); });
  input.addEventListener('keydown', (e) => { if (e.key === 'Enter') e.preventDefault(); });
}

function editor(form) {
  const paint = after(250, painter(form));
  const count = after(450, reacher(form));
  const draw = () => { paint(); count(); };
  let written = false, leaving = false;
  form.addEventListener('input', () => { written = true; draw(); });
  form.addEventListener('change', (e) => {
    const row = e.target.closest('.states-row');
    if (row) row.classList.toggle('touched', e.target.value !== '');
    draw();
  });
  form.querySelector('[data-template]')?.addEventListener('change', (e) => {
    if (e.target.value) form.requestSubmit(form.querySelector('button[value="template"]'));
  });
  form.addEventListener('submit', (e) => {
    // Enter in a field looks at it; it never publishes.
    if (e.submitter?.dataset.review !== undefined) { e.preventDefault(); draw(); return; }
    leaving = true;
  });
  window.addEventListener('beforeunload', (e) => { if (written && !leaving) e.preventDefault(); });
  window.addEventListener('pageshow', () => { leaving = false; draw(); });
  finder(form);
}

for (const form of document.querySelectorAll('[data-editor]')) editor(form);

for (const form of document.querySelectorAll('[data-ask-reach]')) {
  const count = after(300, reacher(form));
  form.addEventListener('change', count);
  if (form.dataset.askReach !== 'open') { count(); continue; }
  const box = form.closest('details');
  box.addEventListener('toggle', () => {
    if (!box.open) return;
    count();
    form.querySelector('textarea').focus();
  });
  form.addEventListener('submit', (e) => {
    if (e.submitter?.value === 'review' || form.elements.body.value.trim()) return;
    e.preventDefault();
    toast({ title: 'Nothing is written yet', text: 'Say in a sentence what is known.', seconds: 6 });
  });
}
