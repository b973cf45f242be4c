// A component's bindings: what they stand for now, while they are written.

import { draw } from './console-form.js';

const form = document.querySelector('[data-bindings-form]');
if (form) start();

// send sends the form and answers a document; nothing in it runs.
async function send(url, submitter, signal) {
  const answer = await fetch(url, {
    method: 'POST', credentials: 'same-origin', signal, headers: { 'Tocsin-Fragment': '1' }, body: new URLSearchParams(new FormData(form, submitter)),
  });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(`the hub answered ${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), 'text/html');
}

function start() {
  const bindings = document.getElementById('bindings');
  let timer = null, asked = null, written = false;

  async function look() {
    asked?.abort();
    const mine = asked = new AbortController();
    const regions = [...bindings.querySelectorAll('[data-matches]')];
    for (const r of regions) r.setAttribute('aria-busy', 'true');
    try {
      const doc = await send('/console/components/matches', null, mine.signal);
      for (const r of regions) {
        const fresh = doc.querySelector(`[data-matches="${r.dataset.matches}"]`);
        if (fresh && fresh.innerHTML !== r.innerHTML) r.replaceChildren(...document.importNode(fresh, true).childNodes);
      }
    } catch { /* what was shown stays; the next letter asks again */ }
    if (asked === mine) for (const r of regions) r.removeAttribute('aria-busy');
  }

  bindings.addEventListener('input', (event) => {
    if (!event.target.closest('[data-binding]')) return;
    clearTimeout(timer);
    timer = setTimeout(look, event.target.matches('textarea') ? 300 : 60);
  });
  form.addEventListener('input', () => { written = true; });
  form.addEventListener('change', () => draw(form));
  form.addEventListener('submit', (event) => { if (!event.submitter?.matches('[data-redraw]')) written = false; });
  addEventListener('beforeunload', (event) => { if (written) event.preventDefault(); });

  bindings.addEventListener('click', async (event) => {
    const button = event.target.closest('[data-redraw]');
    if (!button) return;
    event.preventDefault();
    const had = bindings.querySelectorAll('[data-binding]').length;
    button.disabled = true;
    let fresh;
    try {
      button.disabled = false;
      fresh = (await send(button.formAction, button)).getElementById('bindings');
    } catch {
      written = false;
      form.requestSubmit(button);
      return;
    }
    bindings.replaceChildren(...document.importNode(fresh, true).childNodes);
    written = true;
    draw(form);
    const all = bindings.querySelectorAll('[data-binding]');
    const focus = all.length > had ? all[all.length - 1].querySelector('textarea') : bindings.querySelector('button[name="add"]');
    focus?.focus();
  });
}
