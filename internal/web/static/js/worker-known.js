// Part of the service worker (sw-push.js): what was known last, for when there
// is no network.
//
// The worker keeps the list of open alerts as JSON, never a page: what is shown
// offline is drawn by itself and says from when it is. Only pages of the console
// are looked after, network first and untouched; the API, files and everything
// that is not a GET go past it. Sign-out and another user remove what is kept.

/* global tocsin */

const KNOWN = 'known';     // {listed, at, items}: in the store "kept"
const MOST_KNOWN = 100;
const FRESH = 20_000;      // a list so young is not asked for again
let asking = null;

// What the engine made of an acknowledgement; of one that it is not told nothing.
const SAYS = { pending: 'waiting for the engine to confirm', confirmed: 'confirmed by the engine', refused: 'refused by the engine', unconfirmed: 'not confirmed by the engine' };

// learn asks the hub for the open alerts. Whoever is not signed in learns
// nothing, and what pushes brought stays.
function learn(force = false) {
  asking ??= (async () => {
    const was = await tocsin.get('kept', KNOWN).catch(() => null);
    if (!force && was?.listed && Date.now() - was.listed < FRESH) return;
    const owner = await tocsin.get('kept', 'owner');
    if (!owner) return;
    const answer = await fetch(`/api/v1/alerts?limit=${MOST_KNOWN}`, { credentials: 'same-origin', cache: 'no-store', signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) return;
    const { items = [] } = await answer.json();
    const now = Date.now();
    const open = items.filter((a) => a.status !== 'resolved').map((a) => ({
      id: a.id, name: a.object?.name || '', state: a.state, status: a.status, output: a.output || '',
      since: a.since, by: a.acknowledgement?.author || '', engine: SAYS[a.acknowledgement?.confirmation] || '', at: now,
    }));
    if (await tocsin.get('kept', 'owner') !== owner) return; // signed out meanwhile
    await tocsin.put('kept', { listed: now, at: now, items: open }, KNOWN);
    badge(open);
  })().catch(() => { /* no network: what is kept stays */ }).finally(() => { asking = null; });
  return asking;
}

// learnFrom takes one alert out of a push message, which comes without a session.
async function learnFrom(n) {
  const d = n.data;
  if (d.kind === 'storm') { await learnWorst(d.worst); return; }
  if (d.kind !== 'alert' || !d.alert_id) return;
  const was = await tocsin.get('kept', KNOWN).catch(() => null) || { listed: 0, at: 0, items: [] };
  const items = was.items.filter((x) => x.id !== d.alert_id);
  const before = was.items.find((x) => x.id === d.alert_id);
  if (d.notice !== 'recovery') {
    items.unshift({
      id: d.alert_id, name: before?.name || n.title, state: d.state || before?.state || '', output: n.body || before?.output || '',
      status: d.notice === 'acknowledgement' ? 'acknowledged' : d.notice === 'problem' ? 'firing' : before?.status || 'firing',
      since: before?.since || d.at, by: before?.by || '', engine: '', at: Date.now(),
    });
  }
  await tocsin.put('kept', { ...was, at: Date.now(), items: items.slice(0, MOST_KNOWN) }, KNOWN).catch(() => {});
  badge(items);
}

// learnWorst takes the few alerts out of a storm's message that it names.
async function learnWorst(worst) {
  if (!worst.length) return;
  const was = await tocsin.get('kept', KNOWN).catch(() => null) || { listed: 0, at: 0, items: [] };
  const others = was.items.filter((x) => !worst.some((w) => w.id === x.id));
  const items = worst.map((w) => ({
    output: '', by: '', engine: '', since: w.since, ...was.items.find((x) => x.id === w.id), id: w.id, name: w.name, state: w.state, status: w.status, at: Date.now(),
  })).concat(others).slice(0, MOST_KNOWN);
  await tocsin.put('kept', { ...was, at: Date.now(), items }, KNOWN).catch(() => {});
  badge(items);
}

// badge counts what fires on the icon of an installed app.
function badge(items) {
  const n = items.filter((x) => x.status === 'firing').length;
  try { (n ? navigator.setAppBadge?.(n) : navigator.clearAppBadge?.())?.catch(() => {}); } catch { /* only where there is one */ }
}

// own notes whose browser this is. Another user than before finds nothing.
async function own(user) {
  if (!user) return;
  const was = await tocsin.get('kept', 'owner');
  if (was === user) return;
  if (was) await forget();
  await tocsin.put('kept', user, 'owner');
}

// forget removes what is private. Acknowledgements that carry a token stay until
// they are sent: somebody gave them, and they hold no more than a name.
async function forget() {
  await tocsin.remove('kept', 'owner');
  await tocsin.remove('kept', KNOWN);
  await tocsin.within('shown', 'readwrite', (s) => s.clear());
  for (const x of await tocsin.all('outbox')) if (!x.token) await tocsin.remove('outbox', x.id);
  badge([]);
  for (const n of await self.registration.getNotifications()) n.close();
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.mode !== 'navigate') return;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin || !/^\/console(\/|$)/.test(url.pathname)) return;
  if (request.method !== 'GET') {
    if (url.pathname === '/console/sign-out') event.waitUntil(forget().catch(() => {}));
    return;
  }
  const answer = fetch(request);
  event.respondWith(answer.catch((error) => offline(url).catch(() => { throw error; })));
  event.waitUntil(answer.then(() => flush()).catch(() => {}));
});

// ---- the page without network

const SHAPES = { critical: '✕', down: '✕', warning: '▲', unknown: '?', unreachable: '?', ok: '✓', up: '✓' };
const LOOKS = { critical: 'bad', down: 'bad', warning: 'warn', ok: 'good', up: 'good' };

const STYLE = `
:root { color-scheme: light dark; --ground: #f5f6f8; --card: #fff; --line: #dde1e7; --text: #1d2127; --dim: #586170; --bad: #ad2621; --warn: #7d4a00; --good: #1f6b2a; --link: #2f43b3; }
@media (prefers-color-scheme: dark) { :root { --ground: #12151a; --card: #1a1e25; --line: #2a303a; --text: #e6e9ee; --dim: #9ba5b4; --bad: #f59591; --warn: #f3bf72; --good: #85d78b; --link: #9fb0ff; } }
* { box-sizing: border-box; margin: 0; }
body { padding: 16px; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 720px; margin: 0 auto; }
h1 { font-size: 20px; margin-bottom: 6px; } h2 { font-size: 16px; margin: 22px 0 8px; }
.dim { color: var(--dim); } ul { list-style: none; padding: 0; }
li { padding: 12px 14px; margin-bottom: 8px; background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow-wrap: anywhere; }
.state { font-weight: 650; } .bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
a { color: var(--link); } .button { display: inline-block; margin-top: 12px; padding: 9px 18px; border: 1px solid var(--dim); border-radius: 6px; background: var(--card); color: var(--text); text-decoration: none; font-weight: 550; }`;

// The page comes back when the hub does, and never flickers before.
const RETRY = `
const look = () => fetch('/healthz', { cache: 'no-store' }).then((a) => { if (a.ok) location.reload(); }, () => {});
addEventListener('online', look);
setInterval(look, 10000);`;

function escape(text) {
  return String(text ?? '').replace(/[&<>"']/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }[c]));
}

// clock is a time as people say it: 03:12, with the day if that is another one.
function clock(at) {
  const d = new Date(at);
  if (Number.isNaN(d.getTime())) return '';
  const time = d.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
  return d.toDateString() === new Date().toDateString() ? time
    : `${time} on ${d.toLocaleDateString(undefined, { weekday: 'long', day: 'numeric', month: 'long' })}`;
}

function row(x) {
  const state = x.state ? x.state[0].toUpperCase() + x.state.slice(1) : 'Not told';
  const taken = x.status === 'acknowledged' ? ` · acknowledged${x.by ? ` by ${escape(x.by)}` : ''}${x.engine ? ` – ${escape(x.engine)}` : ''}` : '';
  return `<li><p><span class="state ${LOOKS[x.state] || 'dim'}"><span aria-hidden="true">${SHAPES[x.state] || '?'}</span> ${escape(state)}</span> · <strong>${escape(x.name)}</strong></p>
<p class="dim">${x.since ? `since ${escape(clock(x.since))}` : ''}${taken}</p>${x.output ? `<p>${escape(x.output)}</p>` : ''}</li>`;
}

async function offline(url) {
  const known = await tocsin.get('kept', KNOWN);
  const waiting = await tocsin.all('outbox');
  const id = /^\/console\/(?:alerts|act)\/([^/]+)$/.exec(url.pathname)?.[1];
  const items = known?.items || [];
  const this_ = items.find((x) => x.id === id);
  const others = items.filter((x) => x !== this_);
  const why = navigator.onLine === false ? 'This device has no network.' : 'Tocsin does not answer: the network is away, or the hub is.';
  const parts = [];
  if (known) parts.push(`<h1>Offline: this is what was known at ${escape(clock(known.at))}</h1>`);
  else parts.push('<h1>Offline</h1>');
  parts.push(`<p class="dim">${why} This page tries again by itself.</p>`);
  if (known && !known.listed) parts.push('<p class="dim">It is put together from push messages alone: there may be more.</p>');
  else if (known && known.at !== known.listed) parts.push(`<p class="dim">The whole list is from ${escape(clock(known.listed))}; what came by push since then is in it.</p>`);
  parts.push('<p><a class="button" href="">Try again</a></p>');
  if (waiting.length) {
    parts.push('<h2>Waiting to be sent</h2><ul>', ...waiting.map((x) => `<li>${escape(x.action === 'snooze' ? 'Snooze' : 'Acknowledge')}: ${escape(x.title)}</li>`), '</ul>');
  }
  if (this_) parts.push('<h2>This alert</h2><ul>', row(this_), '</ul>');
  if (others.length) parts.push(`<h2>${this_ ? 'Other open' : 'Open'} alerts</h2><ul>`, ...others.map(row), '</ul>');
  else if (known && !this_) parts.push('<h2>No alert was open</h2>');
  if (!known) parts.push('<p>Nothing is kept on this device: nobody is signed in here, or nothing was loaded yet.</p>');
  const nonce = crypto.randomUUID();
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Offline · Tocsin</title><style nonce="${nonce}">${STYLE}</style></head>
<body data-offline="${known ? 'known' : 'nothing'}"><main>${parts.join('\n')}</main><script nonce="${nonce}">${RETRY}</script></body></html>`;
  return new Response(html, {
    status: 503,
    headers: {
      'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    },
  });
}
