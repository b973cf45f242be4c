// The service worker. Tabs show notifications through its registration, so
// that a click still leads somewhere after the tab that showed it was closed,
// and so that any tab can find and close what another one showed.
//
// It keeps no cache and handles no fetch: it is never between a page and the hub.

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

// options makes what showNotification wants of a notification frame (see
// notifications.js, which makes the same). Kept here for short notices of the
// worker's own; a handler of the 'push' event calls notify(frame) likewise.
function notify(frame) {
  return self.registration.showNotification(frame.title, {
    body: frame.body,
    icon: frame.icon,
    tag: frame.tag,
    data: { url: frame.url, alert_id: frame.alert_id, delivery_id: frame.delivery_id },
  });
}

// Only our own pages are opened, and the engine's pages that the hub linked to;
// never a "javascript:" or "data:" address.
function target(url) {
  try {
    const u = new URL(url || '/console/alerts', self.location.origin);
    if (u.protocol === 'https:' || u.protocol === 'http:') return u.href;
  } catch { /* no address at all: the list of alerts is never wrong */ }
  return new URL('/console/alerts', self.location.origin).href;
}

async function acknowledge(data, title) {
  const url = target(data.url);
  const again = (why) => notify({
    title: 'Not acknowledged',
    body: `${title}\n${why} Click to open the alert.`,
    icon: '/static/icons/acknowledgement.png',
    tag: `ack-failed-${data.alert_id}`,
    url, alert_id: data.alert_id, delivery_id: '',
  });
  let answer;
  try {
    answer = await fetch(`/api/v1/alerts/${encodeURIComponent(data.alert_id)}/acknowledge`, {
      method: 'POST',
      credentials: 'include',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ origin: 'notification', comment: 'Acknowledged from the desktop notification.' }),
    });
  } catch {
    return again('The hub cannot be reached.');
  }
  if (answer.ok) return undefined;
  if (answer.status === 401 || answer.status === 403) return again('You are signed out or may not acknowledge.');
  let detail = '';
  try { detail = (await answer.json()).detail || ''; } catch { /* no problem document: the status must do */ }
  return again(detail ? `${detail}.`.replace(/\.\.$/, '.') : `The hub answered ${answer.status}.`);
}

self.addEventListener('notificationclick', (event) => {
  const data = event.notification.data || {};
  event.notification.close();
  if (event.action === 'ack' && data.alert_id) {
    event.waitUntil(acknowledge(data, event.notification.title));
    return;
  }
  // A new tab, even if one of ours is open: that one may be showing something
  // that its owner does not want to lose.
  event.waitUntil(self.clients.openWindow(target(data.url)));
});

// Tabs keep no list of what is on screen, so nothing has to be undone here; they
// are only told, for pages that show a list of what is open.
self.addEventListener('notificationclose', (event) => {
  const data = event.notification.data || {};
  event.waitUntil((async () => {
    for (const client of await self.clients.matchAll({ type: 'window' })) {
      client.postMessage({ kind: 'notification-closed', tag: event.notification.tag, delivery_id: data.delivery_id || '' });
    }
  })());
});
