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
  p.textContent = p.getAttribute(`data-say-is${key.replace('-', '')}`) || '';
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

// of is what the form is about: the page, or the one incident that is chosen. A
// browser may want both, each with its own kinds.
const of = () => (chosen() === 'one' ? one : '');
let wanted = { page: null, one: null };
const known = () => wanted[of() ? 'one' : 'page'];

function state(said) {
  const mine = known();
  submit.textContent = mine ? submit.dataset.renew : submit.dataset.begin;
  remove.hidden = !mine;
  if (said) say(said);
}

// show fills the form in with what is wanted of the page, or of the incident.
function show() {
  const mine = known();
  if (mine) {
    for (const b of boxes('kind')) b.checked = mine.kinds.includes(b.value);
    form.elements.impact.value = mine.min_impact || 'none';
    if (!of()) for (const b of boxes('component')) b.checked = mine.components.includes(b.value);
  }
  mark();
}

async function fill() {
  const now = await look();
  if (!['off', 'on', 'stale'].includes(now.state)) {
    say(now.state);
    form.hidden = true;
    return;
  }
  const wants = await visitor.wants(page);
  wanted.page = wants?.incident ? null : wants;
  if (wanted.page) what(wanted.page.components.length ? 'some' : 'all');
  const incident = asked || wants?.incident || '';
  if (incident) {
    wanted.one = wants?.incident === incident ? wants : wants?.incidents.includes(incident) ? await visitor.wants(page, incident) : null;
    await only(incident);
  }
  show();
  state(known() ? 'on' : 'off');
}

form.addEventListener('change', ({ target }) => {
  if (target.matches('[data-group]')) for (const b of target.closest('fieldset').querySelectorAll('input[name=component]')) b.checked = target.checked;
  reveal();
  if (target.name === 'what') {
    show();
    state(known() ? 'on' : 'off');
  }
  mark();
});

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  submit.disabled = true;
  try {
    if (Notification.permission === 'default') await Notification.requestPermission();
    const want = {
      page,
      incident: of(),
      components: chosen() === 'some' ? boxes('component').filter((b) => b.checked).map((b) => b.value) : [],
      kinds: boxes('kind').filter((b) => b.checked).map((b) => b.value),
      min_impact: form.elements.impact.value,
      language: document.documentElement.lang,
    };
    const now = await visitor.save(want);
    if (now.state === 'on') wanted[of() ? 'one' : 'page'] = want;
    state(now.state === 'on' ? 'saved' : now.state);
  } catch { say('failed'); }
  submit.disabled = false;
});

remove.onclick = async () => {
  try {
    // With the page go its incidents: who leaves it wants to hear no more of it.
    await visitor.remove(page, of());
    wanted = of() ? { ...wanted, one: null } : { page: null, one: null };
    state('ended');
  } catch { say('failed'); }
};

part.hidden = false;
fill().catch(() => say('failed'));
