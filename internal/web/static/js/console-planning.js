// Forms with parts that can be added, moved and removed: layers of a schedule, steps
// of a policy. The hub draws the parts anew; what is filled in stays. Without this
// script the same buttons send the form, which comes back so.

import { draw } from './console-form.js';
import { parts } from './console-status-maintenance.js';

const form = document.querySelector('form[data-parts-form]');
if (form) start();

// send asks for the form drawn anew. What is filled in while the hub answers is not
// lost: it is asked again with it.
async function send(button) {
  const filled = () => new URLSearchParams(new FormData(form, button)).toString();
  for (;;) {
    const body = filled();
    const answer = await fetch(button.formAction, {
      method: 'POST', credentials: 'same-origin', headers: { 'Tocsin-Fragment': '1', 'Content-Type': 'application/x-www-form-urlencoded' }, body,
    });
    if (answer.status === 401) location.reload();
    if (!answer.ok) throw new Error(`the hub answered ${answer.status}`);
    const text = await answer.text();
    if (filled() === body) return new DOMParser().parseFromString(text, 'text/html');
  }
}

function start() {
  const box = document.getElementById('form-parts');
  let written = false;

  form.addEventListener('input', () => { written = true; });
  form.addEventListener('submit', (event) => { if (!event.submitter?.matches('[data-redraw]')) written = false; });
  addEventListener('beforeunload', (event) => { if (written) event.preventDefault(); });

  async function redraw(button) {
    const had = box.querySelectorAll('.part-box').length;
    let fresh;
    try {
      fresh = (await send(button)).getElementById('form-parts');
    } catch {
      written = false;
      form.requestSubmit(button);
      return;
    }
    const wanted = button.dataset.focus;
    box.replaceChildren(...document.importNode(fresh, true).childNodes);
    for (const field of box.querySelectorAll('.parts-field')) parts(field);
    draw(form);
    const all = box.querySelectorAll('.part-box');
    focus(all.length > had && button.value === 'add' ? box.querySelector(box.dataset.added === 'last' ? '.part-box:last-of-type' : '.part-box') : wanted && document.getElementById(wanted), button);
    form.dispatchEvent(new Event('input', { bubbles: true }));
  }

  // focus goes to the same button of what was moved, else to what can be reached there.
  function focus(place, button) {
    const verb = (button.value ?? '').split(' ')[0];
    const same = place && [...place.querySelectorAll('button[name="do"]')].find((b) => b.value.split(' ')[0] === verb && !b.disabled);
    const target = place?.matches?.('select, input, button') ? place : same ?? place?.querySelector('input:not([type="hidden"]), select, button:not(:disabled)');
    (target ?? document.getElementById('part-add'))?.focus({ preventScroll: false });
  }

  form.addEventListener('click', (event) => {
    const button = event.target.closest('[data-redraw]');
    if (!button || button.disabled) return;
    event.preventDefault();
    redraw(button);
  });
  // Who is chosen to be added is: the button beside is for those without JavaScript.
  form.addEventListener('change', (event) => {
    if (event.target.matches('[data-turn-add]') && event.target.value) redraw(event.target.parentElement.querySelector('button'));
  });
  drag(box, (list) => {
    const any = list.querySelector('button[name="do"]');
    const still = any.cloneNode();
    still.value = 'show';
    still.disabled = false;
    still.dataset.focus = '';
    any.after(still);
    redraw(still);
  });
}

// drag moves somebody in a rotation by the grip; the buttons beside do the same.
function drag(box, moved) {
  box.addEventListener('pointerdown', (down) => {
    const grip = down.target.closest('[data-turn-grip]');
    if (!grip || down.button !== 0) return;
    down.preventDefault();
    const item = grip.closest('li'), list = item.parentElement, before = [...list.children].indexOf(item);
    item.classList.add('turn-moving');
    const move = (e) => {
      const over = [...list.children].find((li) => li !== item && e.clientY >= li.getBoundingClientRect().top && e.clientY <= li.getBoundingClientRect().bottom);
      if (!over) return;
      const r = over.getBoundingClientRect();
      over.parentElement.insertBefore(item, e.clientY < r.top + r.height / 2 ? over : over.nextSibling);
    };
    const up = () => {
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', up);
      removeEventListener('pointercancel', up);
      item.classList.remove('turn-moving');
      if ([...list.children].indexOf(item) !== before) moved(list);
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', up);
    addEventListener('pointercancel', up);
  });
}
