// Desktop notifications: permission, showing, closing, receipts.
//
//   import { startNotifications, state, ask, explain } from './notifications.js';
//   const notes = startNotifications({ userId, collapseAfter, onPage(frame) {} });
//   startLive({ userId, onFrame(frame) { notes.frame(frame); … } });
//
// Only the leader of a browser's tabs shows (live.js says who that is), through
// the service worker's registration: so a click works after the tab was closed,
// and whichever tab leads next can close what this one showed.

import { agent, explain } from './permission.js';

export { agent, explain };

const WORKER = '/sw-push.js';

// One message, one ring: what Web Push has shown on this device no tab shows
// again, and the other way round. SETTLE: nobody asks what is on screen before
// it surely is. Both are explained in shared.js.
const { messageKey, claim, confirm, give, wasShown, drawn, settled: allSettled, SETTLE } = self.tocsin;

// state says how far we are: 'unsupported', 'insecure' (only https and localhost
// may notify), 'default' (not asked yet), 'granted', 'denied'.
export function state() {
  if (!window.isSecureContext) return 'insecure';
  if (!('Notification' in window) || !('serviceWorker' in navigator)) return 'unsupported';
  return Notification.permission;
}

// ask has to be called from a click, after the page has said what it is for.
// Firefox and Safari refuse anything else, and people do too.
export async function ask() {
  const before = state();
  if (before !== 'default') return before;
  await Notification.requestPermission();
  if (state() === 'granted') await worker();
  return state();
}

// worker registers the service worker and waits until it can show something.
export async function worker() {
  await navigator.serviceWorker.register(WORKER, { scope: '/', updateViaCache: 'none' });
  return navigator.serviceWorker.ready;
}

// A ring of what was shown or answered here, for all tabs and over reconnects.
function ring(key, size = 1000) {
  const read = () => { try { return JSON.parse(localStorage.getItem(key)) || []; } catch { return []; } };
  const extra = new Set(); // where storage is forbidden, this tab at least remembers
  return {
    has: (id) => extra.has(id) || read().includes(id),
    add(id) {
      extra.add(id);
      const ids = read().filter((x) => x !== id);
      ids.push(id);
      try { localStorage.setItem(key, JSON.stringify(ids.slice(-size))); } catch { /* see above */ }
    },
  };
}

// receipts tells the hub what became of deliveries: some together, again until
// it took them, also while the page is being left.
function receipts(url) {
  let waiting = [];
  let timer = null;
  let failures = 0;
  async function flush() {
    timer = null;
    const batch = waiting.splice(0, 100);
    if (!batch.length) return;
    try {
      const answer = await fetch(url, {
        method: 'POST',
        credentials: 'same-origin',
        keepalive: true,
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ receipts: batch }),
      });
      // What the hub refuses it will refuse again; what it could not do it may do later.
      if (answer.status === 429 || answer.status >= 500) throw new Error(String(answer.status));
      failures = 0;
    } catch {
      if (++failures <= 8) waiting = batch.concat(waiting);
    }
    if (waiting.length && !timer) timer = setTimeout(flush, Math.min(60_000, 500 * 2 ** failures));
  }
  window.addEventListener('pagehide', flush);
  return (deliveryId, result, detail = agent()) => {
    if (!deliveryId) return;
    waiting.push({ delivery_id: deliveryId, result, detail });
    timer ??= setTimeout(flush, 100);
  };
}

// options are those of showNotification for a notification frame.
function options(body) {
  const o = {
    body: body.body,
    icon: body.icon,
    badge: '/static/icons/badge.png', // one colour: the icon is for people, this for the status bar
    tag: body.tag,
    renotify: Boolean(body.tag) && !body.quiet, // a changed state rings again, though it replaces the old one
    silent: Boolean(body.quiet),
    requireInteraction: body.auto_close === 0,
    timestamp: Date.parse(body.at) || Date.now(),
    data: {
      via: 'tab',
      url: body.url,
      alert_id: body.alert_id || '',
      object_id: body.object_id || '',
      delivery_id: body.delivery_id || '',
      notice: body.notice || '',
      close_at: body.auto_close > 0 ? Date.now() + body.auto_close * 1000 : 0,
    },
  };
  if (body.notice === 'problem' && body.alert_id && !body.test) {
    o.actions = [{ action: 'ack', title: 'Acknowledge' }, { action: 'snooze', title: 'Snooze 30 min' }].slice(0, Notification.maxActions || 0);
  }
  return o;
}

// startNotifications answers {frame(f), show(body), sweep()}. onPage is called with
// the body of each notification that only the page can show, for want of
// permission; onShown with each that was shown.
export function startNotifications({
  userId, collapseAfter = 5, listUrl = '/console/alerts', api = '/api/v1', onPage = () => {}, onShown = () => {},
}) {
  const known = ring(`tocsin-shown:${userId}`);
  const receipt = receipts(`${api}/live/receipts`);
  let missed = [];        // replayed notification frames, until it is known which still matter
  let caught = Promise.resolve(); // settles when what was missed before the stream stood is shown
  let sweeping = null;
  let registered = null;

  let showing = 0;        // showNotification calls under way
  let settledAt = 0;      // when what was shown last is surely on screen
  let listing = Promise.resolve();

  const registration = () => (registered ??= worker().catch((error) => { registered = null; throw error; }));
  // Early, so that the first notification need not wait for it.
  if (state() === 'granted') registration().catch(() => {});

  const begun = new Set(); // deliveries that this tab is about to show
  // message is what a frame tells, whichever of a person's contacts it is for.
  // What only brings up to date what is shown is told anew each time.
  const message = (b) => (b.test || b.quiet || !b.tag ? '' : `${b.tag} ${b.notice} ${b.state} ${b.at}`);

  async function show(body, result = 'shown') {
    const id = body.delivery_id;
    if (begun.has(id)) return;
    if (id && known.has(id)) {
      receipt(id, result); // the hub asks again: our receipt was lost
      return;
    }
    const told = message(body);
    if (told && (known.has(told) || begun.has(told))) {
      if (id) known.add(id);
      receipt(id, result); // as another contact this person has it already
      return;
    }
    if (id) begun.add(id);
    if (told) begun.add(told);
    let detail = '';
    const key = told && state() === 'granted' ? messageKey(body) : '';
    try {
      if (!await claim(key)) {
        detail = `${agent()}, by Web Push`;
      } else if (body.quiet && !(state() === 'granted' && (await list({ tag: body.tag })).length)) {
        detail = `${agent()}, where nothing was left to replace`;
      } else if (state() === 'granted') {
        await display(body);
        await confirm(key);
        onShown(body);
      } else {
        onPage(body);
        result = 'page';
        detail = `${agent()}: ${explain().reason}`;
      }
    } catch (error) {
      await give(key);
      onPage(body);
      result = 'failed';
      detail = `${agent()}: ${error.message || error}`;
    }
    // Not before: a tab that is closed half-way leaves it to the next one.
    if (id) known.add(id);
    if (told && result !== 'failed') known.add(told);
    begun.delete(id);
    begun.delete(told);
    receipt(id, result, detail);
  }

  async function display(body) {
    showing++; // before anything is awaited: list looks at it
    try {
      const reg = await registration();
      await listing;
      await reg.showNotification(body.title, options(body));
    } finally {
      showing--;
      settledAt = Date.now() + SETTLE;
      await drawn();
    }
    sweep().catch(() => {});
  }

  // list waits until what was just shown is on screen (see SETTLE).
  async function list(filter) {
    const reg = await registration();
    while (showing || Date.now() < settledAt) await sleep(showing ? 50 : settledAt - Date.now());
    await allSettled(); // what the worker shows, too
    const found = reg.getNotifications(filter);
    listing = found.catch(() => {});
    return found;
  }

  // sweep closes what had its time. The time is kept in the notification, not
  // here: the tab that showed it may be closed by then.
  async function sweep() {
    clearTimeout(sweeping);
    if (state() !== 'granted') return;
    let next = 0;
    for (const n of await list()) {
      const at = n.data?.close_at || 0;
      if (!at) continue;
      if (at <= Date.now()) n.close();
      else next = next ? Math.min(next, at) : at;
    }
    if (next) sweeping = setTimeout(sweep, Math.max(100, next - Date.now()));
  }

  // settled closes the problem notices of an alert that needs nobody any more.
  // The notice that says so has the same tag and stays for its time.
  async function settled(alert) {
    if (state() !== 'granted') return;
    if (alert.status !== 'resolved' && alert.status !== 'acknowledged') return;
    for (const n of await list({ tag: `alert-${alert.id || alert.object_id}` })) {
      const notice = n.data?.notice;
      if (notice === 'problem' || (notice === 'acknowledgement' && alert.status === 'resolved')) n.close();
    }
  }

  // reconcile looks at each notification on screen after frames were missed.
  async function reconcile() {
    if (state() !== 'granted') return;
    const shown = await list();
    for (const n of shown.slice(0, 20)) {
      if (!n.data?.alert_id) continue;
      try {
        const answer = await fetch(`${api}/alerts/${encodeURIComponent(n.data.alert_id)}`, { credentials: 'same-origin' });
        if (!answer.ok) continue;
        const body = await answer.json();
        const alert = body.alert || body;
        await settled({ id: n.data.alert_id, object_id: n.data.object_id, status: alert.status });
      } catch { /* the next alert frame will do it */ }
    }
  }

  // catchUp shows what was missed. The hub knows which deliveries nobody has
  // answered yet; replayed frames alone could have been shown elsewhere, or be
  // of a problem that is long over.
  async function catchUp() {
    missed = [];
    let pending;
    try {
      const answer = await fetch(`${api}/live/pending`, { credentials: 'same-origin', cache: 'no-store', signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(String(answer.status));
      const body = await answer.json();
      pending = Array.isArray(body) ? body : body.items || body.notifications || body.pending || [];
    } catch {
      pending = missed; // better one too many than one too few
    }
    missed = [];
    const fresh = [];
    for (const body of pending) {
      if (body.delivery_id && known.has(body.delivery_id)) receipt(body.delivery_id, 'shown');
      else if (message(body) && await wasShown(messageKey(body))) receipt(body.delivery_id, 'shown', `${agent()}, by Web Push`);
      else if (body.quiet) await show(body); // it calls nobody, and tells of nothing new
      else fresh.push(body);
    }
    if (fresh.length <= collapseAfter) {
      for (const body of fresh) await show(body);
      return;
    }
    await collapsed(fresh);
  }

  async function collapsed(bodies) {
    const n = bodies.reduce((sum, b) => sum + (b.total || 0), 0)
      + new Set(bodies.filter((b) => !b.total).map((b) => b.alert_id || b.object_id || b.delivery_id)).size;
    const one = {
      title: n === 1 ? '1 alert, told several times while you were away' : `${n} alerts while you were away`,
      body: bodies.slice(-3).map((b) => b.title).join('\n'),
      icon: '/static/icons/app.png',
      tag: 'tocsin-missed',
      url: listUrl,
      auto_close: 0,
      at: new Date().toISOString(),
      delivery_id: '',
    };
    let result = 'collapsed';
    let detail = agent();
    if (state() !== 'granted') {
      onPage(one);
      result = 'page';
      detail += `: ${explain().reason}`;
    } else {
      try { await display(one); onShown(one); } catch (error) {
        onPage(one);
        result = 'failed';
        detail += `: ${error.message || error}`;
      }
    }
    for (const b of bodies) { known.add(b.delivery_id); receipt(b.delivery_id, result, detail); }
  }

  const listeners = new Set();

  function frame(f) {
    for (const listen of listeners) listen(f);
    if (!f.leader) return;
    if (f.kind === 'hello') {
      settledAt = Date.now() + SETTLE; // the tab that led before may have shown something as it went
      caught = caught.then(catchUp).catch(() => {});
      caught.then(sweep).catch(() => {});
    }
    if (f.kind === 'reset') reconcile().catch(() => {});
    if (f.kind === 'alert') settled(f.data).catch(() => {});
    if (f.kind !== 'notification') return;
    // The hub sends what waited for this browser as soon as the stream stands:
    // that is what was missed, too, and must not come one by one before it.
    if (!f.replayed) caught.then(() => show(f.data));
    else if (!f.data.test) missed.push(f.data);
  }

  return {
    frame,
    show,
    sweep,
    // listen calls f with each frame until the answered function is called.
    listen(f) { listeners.add(f); return () => listeners.delete(f); },
  };
}

// selftest goes the way of a notification step by step and tells of each:
//   for await (const step of selftest({ live, notes })) …
// step: {name, title, status: 'running' | 'ok' | 'failed' | 'skipped', ms, detail, mend}
// Each step comes as 'running' first, then with its result. After a failure the
// others are skipped.
export async function* selftest({ live, notes, api = '/api/v1', wait = 10_000 }) {
  let id = '';
  let arrived = null;
  let stopListening = () => {};
  const steps = [
    ['browser', 'This browser can show notifications here', async () => {
      const s = state();
      if (s === 'insecure') throw problem('This page was not loaded over https.', 'Open the console by its https address. Browsers allow notifications only there (and on localhost).');
      if (s === 'unsupported') throw problem('This browser has no notifications for web pages.', explain().steps.join(' ') || 'Use a current Chrome, Edge, Firefox or Safari; in a private window some of them turn notifications off.');
      return agent();
    }],
    ['permission', 'Notifications are allowed', async () => {
      const s = state();
      if (s === 'default') throw problem('You have not been asked yet.', 'Press “Turn on notifications” and choose Allow.');
      if (s === 'denied') throw problem(explain().reason, explain().steps.join(' '));
      return 'granted';
    }],
    ['worker', 'The service worker is active', async () => {
      const reg = await within(worker(), wait, 'It did not become active.', 'Reload the page. If that does not help, clear this site’s data in the browser’s settings and sign in again.');
      if (!reg.active) throw problem('It is registered but not active.', 'Close all tabs of this site and open it again.');
      return reg.active.scriptURL;
    }],
    ['stream', 'The live stream is open', async () => {
      for (const end = Date.now() + wait; live.state().state !== 'live'; await sleep(100)) {
        if (live.state().state === 'signed-out') throw problem('You are signed out.', 'Sign in again.');
        if (Date.now() > end) throw problem(`The stream is ${live.state().state}.`, 'Is there a proxy before the hub? It must not buffer /api/v1/live, and must let a connection stay open for longer than a minute.');
      }
      return live.isLeader() ? 'held by this tab' : 'held by another tab of this browser';
    }],
    ['send', 'The hub accepts the test', async () => {
      arrived = new Promise((resolve) => {
        // Any test frame will do: its id may come by the stream before the answer does.
        stopListening = notes.listen((f) => { if (f.kind === 'notification' && f.data.test) resolve(f.data); });
      });
      const answer = await fetch(`${api}/live/test`, { method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json' }, body: '{}' });
      if (!answer.ok) {
        let detail = '';
        try { detail = (await answer.json()).detail; } catch { /* the status must do */ }
        throw problem(detail || `The hub answered ${answer.status}.`, answer.status === 401 ? 'Sign in again.' : 'System health shows what is wrong with the hub.');
      }
      id = (await answer.json()).id || '';
      return id;
    }],
    ['arrive', 'The test arrives over the stream', async () => {
      const body = await within(arrived, wait, `Nothing came within ${wait / 1000} s.`, 'The hub took the test, but its live channel did not carry it: see System health, part “live channel”. If it is well there, a proxy is buffering the stream.');
      return body.title;
    }],
    ['show', 'The browser shows it', async () => {
      const body = await arrived;
      const reg = await navigator.serviceWorker.ready;
      await sleep(SETTLE); // the tab that shows it may be another one
      for (const end = Date.now() + wait; ; await sleep(SETTLE / 2)) {
        const shown = await reg.getNotifications(body.tag ? { tag: body.tag } : {});
        if (shown.some((n) => n.title === body.title)) return 'If you do not see it: the operating system’s “Do not disturb” or its settings for this browser keep it back.';
        if (Date.now() > end) throw problem('The browser took it but does not list it.', 'Look into the operating system’s notification settings: is this browser allowed there, is “Do not disturb” or “Focus” on?');
      }
    }],
  ];
  let failed = false;
  for (const [name, title, run] of steps) {
    const step = { name, title, status: 'running', ms: 0, detail: '', mend: '' };
    if (failed) { yield { ...step, status: 'skipped' }; continue; }
    yield { ...step };
    const t = performance.now();
    try {
      step.detail = await run() || '';
      step.status = 'ok';
    } catch (error) {
      failed = true;
      step.status = 'failed';
      step.detail = error.message || String(error);
      step.mend = error.mend || 'Reload the page and try again.';
    }
    step.ms = Math.round(performance.now() - t);
    yield { ...step };
  }
  stopListening();
}

function problem(message, mend) { return Object.assign(new Error(message), { mend }); }
function sleep(ms) { return new Promise((resolve) => { setTimeout(resolve, ms); }); }
function within(promise, ms, message, mend) {
  return Promise.race([promise, sleep(ms).then(() => { throw problem(message, mend); })]);
}
