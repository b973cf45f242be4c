// The page where visitors choose what they are told of. The form stands in the
// page; it is filled in from what is kept for this browser, and shown when it can
// do something.

import { look, visitor } from '/static/js/push.js';

const part = document.querySelector('[data-push]');
const form = part.querySelector('form');
const submit = form.querySelector('[type=submit]');
const remove = form.querySelector('[data-remove]');
const some = form.querySelector('[data-some]');
const page = document.documentElement.dataset.page;
const boxes = (name) => [...form.querySelectorAll(`input[name=${name}]`)];
const asked = new URLSearchParams(location.search).get('incident') || '';

function say(key) {
  const p = part.querySelector('[data-says]');
  p.textContent = p.getAttribute(`data-say-${key}`) || '';
}

function what(value) {
  for (const r of boxes('what')) r.checked = r.value === value;
  reveal();
}
const chosen = () => boxes('what').find((r) => r.checked)?.value || 'all';
function reveal() { if (some) some.hidden = chosen() !== 'some'; }

// mark makes the boxes of groups say what is in them.
function mark() {
  for (const g of [...form.querySelectorAll('[data-group]')].reverse()) {
    const inside = [...g.closest('fieldset').querySelectorAll('input[name=component]')];
    const on = inside.filter((b) => b.checked).length;
    g.checked = on > 0 && on === inside.length;
    g.indeterminate = on > 0 && on < inside.length;
  }
}

let one = '';
async function only(id) {
  if (!/^[\w-]{1,64}$/.test(id)) return;
  const answer = await fetch(`${document.documentElement.dataset.base}/incidents/${id}`).catch(() => null);
  if (!answer?.ok) return;
  const title = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main h1')?.textContent;
  if (!title) return;
  one = id;
  form.querySelector('[data-slot=one]').textContent = title;
  form.querySelector('[data-one]').hidden = false;
  what('one');
}

function state(on) {
  submit.textContent = on ? submit.dataset.on : submit.dataset.off;
  remove.hidden = !on;
}

async function fill() {
  const now = await look();
  if (!['off', 'on', 'stale'].includes(now.state)) {
    say(now.state);
    form.hidden = true;
    return;
  }
  const wants = await visitor.wants();
  const mine = wants?.page === page;
  state(mine);
  say(mine ? 'on' : 'off');
  if (mine) {
    for (const b of boxes('component')) b.checked = wants.components.includes(b.value);
    for (const b of boxes('kind')) b.checked = wants.kinds.includes(b.value);
    form.elements.impact.value = wants.min_impact || 'none';
    what(wants.components.length ? 'some' : 'all');
    if (wants.incident) await only(wants.incident);
  }
  if (asked) await only(asked);
  mark();
}

form.addEventListener('change', ({ target }) => {
  if (target.matches('[data-group]')) for (const b of target.closest('fieldset').querySelectorAll('input[name=component]')) b.checked = target.checked;
  reveal();
  mark();
});

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  submit.disabled = true;
  try {
    if (Notification.permission === 'default') await Notification.requestPermission();
    const now = await visitor.save({
      page,
      incident: chosen() === 'one' ? one : '',
      components: chosen() === 'some' ? boxes('component').filter((b) => b.checked).map((b) => b.value) : [],
      kinds: boxes('kind').filter((b) => b.checked).map((b) => b.value),
      min_impact: form.elements.impact.value,
      language: document.documentElement.lang,
    });
    state(now.state === 'on');
    say(now.state === 'on' ? 'saved' : now.state);
  } catch { say('failed'); }
  submit.disabled = false;
});

remove.onclick = async () => {
  try {
    await visitor.remove();
    state(false);
    say('ended');
  } catch { say('failed'); }
};

part.hidden = false;
fill().catch(() => say('failed'));
