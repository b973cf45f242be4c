// The service worker: shows what Web Push brings while no tab is open, answers
// clicks on notifications (those that tabs showed, too: they show through its
// registration), sends acknowledgements, and knows what was known last.
//
// Browsers stop a worker whenever it does nothing and start it for the next
// event. So nothing is kept in variables that must outlive an event, and what
// has a time (closing a notification, sending again) is looked at with each.

importScripts('/static/js/shared.js', '/static/js/worker-known.js', '/static/js/worker-act.js', '/static/js/worker-page.js');

/* global tocsin, act, flush, forget, learn, learnFrom, own, unsubscribe */

const ICON = '/static/icons/app.png';
const BADGE = '/static/icons/badge.png';

self.addEventListener('install', (event) => {
  self.skipWaiting();
  // What the worker never looks at need not wake it up (Chromium 123).
  try {
    event.addRoutes?.([
      { condition: { urlPattern: { pathname: '/api/*' } }, source: 'network' },
      { condition: { urlPattern: { pathname: '/static/*' } }, source: 'network' },
    ])?.catch?.(() => {});
  } catch { /* it then sees them pass */ }
});
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

// Safari shows each push by itself if the worker does not, and takes the
// permission away from those who are silent too often. It has no buttons either,
// and does not replace by tag.
const mustShow = () => !('maxActions' in Notification) && /Safari\//.test(navigator.userAgent) && !/Chrom|Firefox/.test(navigator.userAgent);

// ---- a message comes

self.addEventListener('push', (event) => {
  const n = read(event.data);
  event.waitUntil((async () => {
    const shown = await present(n);
    await Promise.all([
      tellTabs({ kind: 'push', shown: shown.result, data: { ...n.data, token: '' }, tag: n.tag }),
      receipt(n.data.delivery_id, shown.result, shown.detail),
      learnFrom(n).then(() => learn()).catch(() => {}),
      sweep().catch(() => {}),
      flush(),
    ]);
  })());
});

// read makes one thing of the forms in which a message may come: ours, which is
// also a declarative one (web_push 8030), a bare notification, text, nothing.
function read(data) {
  let body = null;
  let text = '';
  try { text = data?.text() || ''; } catch { /* not even text */ }
  try { body = JSON.parse(text); } catch { /* see below */ }
  const n = body && typeof body === 'object' ? (typeof body.notification === 'object' && body.notification) || body : {};
  const d = n.data && typeof n.data === 'object' ? n.data : {};
  const string = (x, otherwise = '') => (typeof x === 'string' && x ? x : otherwise);
  // What cannot be read is still a message from the hub: something is to be seen there.
  const buttons = Array.isArray(n.actions) ? n.actions.filter((a) => string(a?.action) && string(a?.title)) : [];
  // Who reads a public page has no other place to end it but that page.
  if (d.kind === 'page') buttons.push({ action: 'unsubscribe', title: 'Unsubscribe' });
  const plain = text && !body ? text.slice(0, 300) : 'There is something new. Open Tocsin to see it.';
  return {
    title: string(n.title, 'Tocsin'),
    body: string(n.body, string(n.title) ? '' : plain),
    lang: string(n.lang), dir: string(n.dir, 'auto'),
    icon: string(n.icon, ICON), badge: string(n.badge, BADGE),
    tag: string(n.tag, string(n.title) ? '' : 'tocsin'),
    // Where there are no buttons, the page with the big ones stands in for them.
    url: mustShow() ? string(n.navigate, string(d.url)) : string(d.url, string(n.navigate)),
    timestamp: Number(n.timestamp) || Date.parse(d.at) || Date.now(),
    silent: n.silent === true || d.quiet === true,
    renotify: d.renotify !== false,
    requireInteraction: n.require_interaction === true || n.requireInteraction === true,
    actions: buttons,
    data: {
      kind: string(d.kind), alert_id: string(d.alert_id), object_id: string(d.object_id), delivery_id: string(d.delivery_id),
      notice: string(d.notice), state: string(d.state), at: string(d.at), token: string(d.token),
      worst: (Array.isArray(d.worst) ? d.worst : []).slice(0, 5).filter((w) => string(w?.id) && string(w?.name))
        .map((w) => ({ id: w.id, name: w.name, state: string(w.state), status: string(w.status, 'firing'), since: string(w.since) })),
      page: string(d.page), publication: string(d.publication), quiet: d.quiet === true, auto_close: Number(d.auto_close) || 0,
    },
  };
}

// options are those of showNotification; what a browser does not know it leaves
// out by itself, but some throw for combinations that make no sense.
function options(n, silent) {
  const most = Notification.maxActions || 0;
  const o = {
    body: n.body, icon: n.icon, badge: n.badge, tag: n.tag, dir: n.dir, lang: n.lang, silent,
    renotify: Boolean(n.tag) && n.renotify && !silent,
    requireInteraction: n.requireInteraction,
    timestamp: n.timestamp,
    data: {
      ...n.data, via: 'push', url: n.url, tag: n.tag,
      close_at: n.data.auto_close > 0 ? Date.now() + n.data.auto_close * 1000 : 0,
      navigate: Object.fromEntries(n.actions.map((a) => [a.action, a.navigate || ''])),
    },
  };
  if (most && n.actions.length) o.actions = n.actions.slice(0, most).map(({ action, title }) => ({ action, title }));
  return o;
}

// present puts a message on screen, once for all ways by which it reaches this
// device: an open tab may have shown it already (see shared.js). Browsers want
// to see something for each push, unless a tab of ours is looked at.
async function present(n) {
  const key = n.silent ? '' : tocsin.messageKey({ tag: n.tag, ...n.data });
  const first = await tocsin.claim(key);
  if (first && !n.silent) return draw(n, key, false);
  // Listing what is on screen has to wait until it surely is (see tocsin.settled).
  if (n.tag && await tocsin.settled()) {
    const same = await self.registration.getNotifications({ tag: n.tag });
    if (same.length === 0 && !mustShow() && await seen()) return { result: 'shown', detail: `${tocsin.agent()}, ${first ? 'where nothing was left to replace' : 'in an open tab'}` };
    if (same.length && !first && !mustShow()) return { result: 'shown', detail: `${tocsin.agent()}, in an open tab` };
  }
  return draw(n, '', true);
}

// clear closes what a message replaces, where the browser does not do that.
async function clear(n) {
  if (!mustShow() || !n.tag) return;
  for (const old of await self.registration.getNotifications()) {
    const tag = old.tag || old.data?.tag;
    const same = tag ? tag === n.tag : n.data.alert_id && old.data?.alert_id === n.data.alert_id;
    if (same) old.close();
  }
}

async function draw(n, key, silent) {
  try {
    await clear(n).catch(() => {}); // two of them are better than none
    try {
      await self.registration.showNotification(n.title, options(n, silent));
    } catch {
      // Better the bare words than nothing.
      await self.registration.showNotification(n.title, { body: n.body, tag: n.tag, data: options(n, silent).data });
    }
    await Promise.all([tocsin.confirm(key), tocsin.drawn()]);
    return { result: 'shown', detail: tocsin.agent() };
  } catch (error) {
    await tocsin.give(key);
    return { result: 'failed', detail: `${tocsin.agent()}: ${error.message || error}`.slice(0, 300) };
  }
}

// seen says that a page of ours is being looked at.
async function seen() {
  const tabs = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return tabs.some((c) => c.visibilityState === 'visible');
}

// notice shows a few words of the worker's own.
async function notice({ title, body, tag, silent, auto_close = 0, data }) {
  await self.registration.showNotification(title, {
    body, tag, silent, icon: '/static/icons/acknowledgement.png', badge: BADGE, renotify: !silent,
    data: { ...data, close_at: auto_close ? Date.now() + auto_close * 1000 : 0 },
  });
  await tocsin.drawn();
}

// receipt tells the hub what became of a push, as far as it can be told.
async function receipt(deliveryId, result, detail = tocsin.agent()) {
  if (!deliveryId) return;
  await fetch('/api/v1/push/receipts', {
    method: 'POST', credentials: 'same-origin', keepalive: true, headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ receipts: [{ delivery_id: deliveryId, result, detail }] }), signal: AbortSignal.timeout(10_000),
  }).catch(() => { /* the delivery then says "accepted by the push service" and no more */ });
}

// sweep closes what had its time. A worker cannot sleep until then: the next
// event, or an open tab, does it.
async function sweep() {
  if (!await tocsin.settled()) return;
  for (const n of await self.registration.getNotifications()) {
    const at = n.data?.close_at || 0;
    if (at && at <= Date.now()) n.close();
  }
}

async function tellTabs(message) {
  for (const c of await self.clients.matchAll({ type: 'window', includeUncontrolled: true })) c.postMessage(message);
}

// ---- a click

// Only our own pages are opened, and the engine's pages that the hub linked to;
// never a "javascript:" or "data:" address.
function target(url) {
  try {
    const u = new URL(url || '/console/alerts', self.location.origin);
    if (u.protocol === 'https:' || u.protocol === 'http:') return u.href;
  } catch { /* no address at all: the list of alerts is never wrong */ }
  return new URL('/console/alerts', self.location.origin).href;
}

self.addEventListener('notificationclick', (event) => {
  const data = event.notification.data || {};
  event.notification.close();
  if ((event.action === 'ack' || event.action === 'snooze') && data.alert_id) {
    event.waitUntil(act(event.action, data, event.notification.title));
    return;
  }
  if (event.action === 'unsubscribe' && data.kind === 'page') {
    event.waitUntil(unsubscribe(target(data.url), data.page));
    return;
  }
  event.waitUntil(Promise.all([
    lead(target(data.navigate?.[event.action] || data.url), data.via === 'push'),
    data.via === 'push' ? receipt(data.delivery_id, 'clicked') : null,
  ]));
});

// lead brings somebody to a page. A push may come to a device with many tabs: one
// that shows this very page is brought forward. No other one is led away from
// what its owner looks at or has half filled in, and a notification that a tab
// itself has shown opens a new tab always, as that tab is known to be there.
async function lead(url, focus) {
  if (focus) {
    const path = new URL(url).pathname;
    for (const c of await self.clients.matchAll({ type: 'window', includeUncontrolled: true })) {
      const at = new URL(c.url);
      if (at.origin !== self.location.origin || at.pathname !== path) continue;
      try { await c.focus(); return; } catch { /* the browser does not let us: open one */ }
    }
  }
  await self.clients.openWindow(url);
}

// Tabs keep no list of what is on screen, so nothing has to be undone here; they
// are only told, for pages that show a list of what is open.
self.addEventListener('notificationclose', (event) => {
  const data = event.notification.data || {};
  event.waitUntil(tellTabs({ kind: 'notification-closed', tag: event.notification.tag, delivery_id: data.delivery_id || '' }));
});

// ---- what tabs say

self.addEventListener('message', (event) => {
  // Anybody who can send here has our origin: it is one of our pages.
  const m = event.data || {};
  event.waitUntil((async () => {
    if (m.kind === 'hello') { await own(m.user); await Promise.all([learn(), sweep(), flush()]); }
    if (m.kind === 'online') await flush();
    if (m.kind === 'changed') await learn(true);
    if (m.kind === 'forget') await forget();
  })().catch(() => {}));
});

// ---- the browser changed its address

// Its push service has given the device another address, or the key is another
// one. If the hub cannot be told now, the next page that is loaded does it, from
// what is kept here.
self.addEventListener('pushsubscriptionchange', (event) => {
  event.waitUntil((async () => {
    const mine = await tocsin.get('kept', 'push').catch(() => null);
    const was = tocsin.address(event.oldSubscription) || (mine?.endpoint ? { endpoint: mine.endpoint, auth: mine.auth } : null);
    if (!was) return;
    const kept = { ...mine, replaces: was };
    await tocsin.put('kept', kept, 'push');
    const key = await (await fetch('/api/v1/push/key', { credentials: 'same-origin', cache: 'no-store' })).json();
    let now = event.newSubscription || await self.registration.pushManager.getSubscription();
    if (now && !tocsin.boundTo(now, key.public_key)) { await now.unsubscribe(); now = null; }
    now ??= await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key.public_key });
    const answer = await fetch('/api/v1/push/change', {
      method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ old: was, subscription: now.toJSON(), key_id: key.key_id }),
    });
    if (!answer.ok) return;
    await tocsin.put('kept', { ...mine, ...tocsin.address(now), key_id: key.key_id, replaces: null }, 'push');
  })().catch(() => { /* see above */ }));
});
