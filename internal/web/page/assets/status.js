// What a browser adds to a public page: times in the visitor's own zone, a look
// every half minute whether something changed, the Subscribe button, and the last
// page without network. Nothing of the page needs it.

const root = document.documentElement;
const base = root.dataset.base;
const lang = root.lang;
// English is told as the visitor's own English does; to others as the page itself does.
const locale = navigator.languages?.find((l) => l.split('-')[0] === lang) || (lang === 'en' ? 'en-GB' : lang);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const say = (text) => { const p = document.querySelector('[data-said]'); if (p) p.textContent = text; };

// ---- times

const format = (options) => new Intl.DateTimeFormat(locale, options);
const full = format({ dateStyle: 'full', timeStyle: 'long' });
const dated = format({ dateStyle: 'long', timeStyle: 'short' });
const clock = format({ timeStyle: 'short' });
const near = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
const noon = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate(), 12).getTime();

function show(t) {
  const at = new Date(t.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const days = Math.round((noon(at) - noon(new Date())) / 86_400_000);
  t.textContent = Math.abs(days) < 2 ? `${near.format(days, 'day')}, ${clock.format(at)}` : dated.format(at);
  t.title = full.format(at);
}
const times = () => all('time[datetime]').forEach(show);

// ---- a look whether something changed

const EVERY = 30_000;
let looked = Date.now();

async function look() {
  const main = document.querySelector('main[data-live]');
  if (!main || document.hidden) return;
  looked = Date.now();
  try {
    const answer = await fetch(`${base}/live.json`, { cache: 'no-cache', signal: AbortSignal.timeout(15_000) });
    if (!answer.ok) return;
    const { content, at } = await answer.json();
    if (content !== main.dataset.live) await swap(main);
    for (const t of all('time[data-asof]')) if (t.dateTime < at) t.dateTime = at;
    offline(false);
  } catch { offline(true); }
  times();
}

function offline(yes) { for (const p of all('[data-offline]')) p.hidden = !yes; }

// swap puts the new page in the place of the old one, and leaves open what was
// opened and the focus where it was.
async function swap(main) {
  const answer = await fetch(location.href, { cache: 'no-cache', signal: AbortSignal.timeout(15_000) });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const next = page.querySelector('main[data-live]');
  if (!next) return;
  const name = (d) => d.querySelector('summary .name')?.textContent ?? `${d.closest('li')?.querySelector('.name')?.textContent} days`;
  const open = new Map(all('details', main).map((d) => [name(d), d.open]));
  const path = main.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
  for (const d of all('details', next)) if (open.get(name(d))) d.open = true;
  main.replaceWith(document.importNode(next, true));
  if (path) all('main a').find((a) => a.getAttribute('href') === path)?.focus();
  document.title = page.title;
  if (link) keep().catch(() => {});
  const icon = page.querySelector('link[rel=icon]');
  if (icon) document.querySelector('link[rel=icon]')?.setAttribute('href', icon.getAttribute('href'));
  if (next.dataset.headline !== main.dataset.headline) say(next.dataset.headline || '');
}

// ---- the Subscribe button

// granted is only ever asked for on a click.
const able = 'PushManager' in window && 'serviceWorker' in navigator && 'Notification' in window;
const push = () => import('/static/js/push.js');

async function subscribed() {
  if (!able || Notification.permission !== 'granted') return false;
  const { visitor } = await push();
  visitor.keep(root.dataset.page).catch(() => {});
  const wants = await visitor.wants(root.dataset.page);
  return wants !== null && !wants.incident;
}

function toggle(link) {
  const choose = link.href;
  const button = Object.assign(document.createElement('button'), { type: 'button', className: link.className, textContent: link.textContent });
  const more = Object.assign(document.createElement('a'), { href: choose, textContent: link.dataset.choose, hidden: true });
  const set = (on) => { button.setAttribute('aria-pressed', String(on)); more.hidden = !on; };
  set(false);
  link.replaceWith(more, button);
  subscribed().then(set, () => {});
  // What the click needs is there before it.
  button.addEventListener('pointerenter', () => { push().catch(() => {}); }, { once: true });
  button.onclick = async () => {
    button.disabled = true;
    try {
      if (button.getAttribute('aria-pressed') === 'true') {
        await (await push()).visitor.remove(root.dataset.page);
        set(false);
        say(link.dataset.ended);
      } else {
        if (Notification.permission === 'default') await Notification.requestPermission();
        const { state } = await (await push()).visitor.save({ page: root.dataset.page });
        set(state === 'on');
        location.assign(choose); // what exactly, or why not
      }
    } catch { say(link.dataset.failed); }
    button.disabled = false;
  };
}

// ---- beginning

times();
if (document.querySelector('main[data-live]')) {
  // Visitors who came at the same moment do not ask at the same moment.
  setInterval(look, EVERY * (0.9 + Math.random() / 5));
  document.addEventListener('visibilitychange', () => { if (Date.now() - looked > 5_000) look(); });
  addEventListener('online', look);
  addEventListener('offline', () => offline(true));
}
const link = document.querySelector('a[data-subscribe]');
if (link && able && !document.querySelector('[data-push]')) toggle(link);

// ---- without network

// What was shown last is kept for the worker (worker-page.js), unless it may not
// be: pages that are not public say so.
const MOST = 20;
async function keep() {
  await navigator.serviceWorker.register('/sw-push.js', { scope: '/', updateViaCache: 'none' });
  const answer = await fetch(location.href, { cache: 'no-cache' });
  if (!answer.ok || /no-store/.test(answer.headers.get('cache-control') || '')) return;
  const kept = await caches.open('page');
  await kept.put(location.pathname, answer);
  for (const old of (await kept.keys()).slice(0, -MOST)) await kept.delete(old);
  for (const s of all('script[src],link[rel=icon]')) if (!await kept.match(s.src || s.href)) await kept.add(s.src || s.href);
}
if (link && self.isSecureContext && 'serviceWorker' in navigator && 'caches' in self) addEventListener('load', () => keep().catch(() => {}));
