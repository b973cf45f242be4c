// Part of the service worker (sw-push.js): public pages without network.
//
// A page keeps itself, with what it needs, each time it is shown (status.js of
// internal/web/page). Here it is only found again, and says that it is old.

const PAGES = 'page'; // the cache

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  const page = request.mode === 'navigate' && !/^\/(console|api|static|callback)(\/|$)/.test(url.pathname);
  if (!page && !url.pathname.startsWith('/assets/')) return;
  event.respondWith(fetch(request).catch(async (error) => {
    const kept = await caches.open(PAGES).then((c) => c.match(url.pathname));
    if (!kept) throw error;
    return page ? old(kept) : kept;
  }));
});

// old shows the sentence about that, which every page has, hidden.
async function old(kept) {
  const text = (await kept.text()).replace(' data-offline hidden', ' data-offline');
  const headers = new Headers(kept.headers);
  headers.delete('Content-Encoding');
  headers.delete('Content-Length');
  return new Response(text, { status: 200, headers });
}
