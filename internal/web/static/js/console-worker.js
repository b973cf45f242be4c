// What the page tells the service worker: whose browser this is, that the network
// is back, that alerts changed. The worker keeps what is known for when there is
// no network, so it is there also without permission to notify.

import { coalesce } from './console-fetch.js';
import { worker } from './notifications.js';

export function startWorker({ userId }) {
  if (!window.isSecureContext || !('serviceWorker' in navigator)) return { frame() {} };
  const tell = (message) => navigator.serviceWorker.ready.then((reg) => reg.active?.postMessage(message)).catch(() => {});
  worker().then(() => tell({ kind: 'hello', user: userId })).catch(() => { /* it then is as it was before there were workers */ });
  addEventListener('online', () => tell({ kind: 'online' }));
  // One tab tells for all; a storm of changes is one look at the list.
  const changed = coalesce(15_000, async () => { await tell({ kind: 'changed' }); });
  return {
    frame({ kind, leader }) {
      if (leader && (kind === 'alert' || kind === 'reset')) changed();
    },
  };
}
