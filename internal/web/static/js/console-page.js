// Pages that follow: their regions are drawn again by the server when
// something happens to what they show.

import { page, coalesce } from './console-fetch.js';
import { tick } from './console-times.js';

// busy says that somebody works in a region: it must not be taken away.
function busy(region) {
  if (region.querySelector('dialog[open]')) return true;
  const a = document.activeElement;
  if (region.contains(a) && a.matches('input, textarea, select, button')) return true;
  return [...region.querySelectorAll('textarea, input[type="text"]')].some((x) => x.value !== x.defaultValue);
}

function swap(region, fresh) {
  if (region.innerHTML === fresh.innerHTML) return;
  const open = [...region.querySelectorAll('details')].map((d) => d.open);
  const at = document.activeElement;
  const link = region.contains(at) && at.matches('a[href]') ? at.getAttribute('href') : null;
  region.replaceChildren(...document.importNode(fresh, true).childNodes);
  region.querySelectorAll('details').forEach((d, i) => { d.open = open[i] ?? d.open; });
  if (link) region.querySelector(`a[href="${CSS.escape(link)}"]`)?.focus({ preventScroll: true });
  tick(region);
}

export function startPage() {
  const root = document.querySelector('[data-live-page]');
  if (!root) return { frame() {} };
  const url = root.dataset.from || location.href;
  const refresh = coalesce(1000, async () => {
    const doc = await page(url);
    for (const region of root.querySelectorAll('[data-region]')) {
      const fresh = doc.querySelector(`[data-region="${region.dataset.region}"]`);
      if (fresh && !busy(region)) swap(region, fresh);
    }
    if (root.dataset.alert) document.title = doc.title;
  });
  const every = Number(root.dataset.refresh);
  if (every) setInterval(() => { if (!document.hidden) refresh(); }, every * 1000);
  return {
    frame({ kind, data }) {
      const about = data && (data.id === root.dataset.alert || data.alert_id === root.dataset.alert || data.object_id === root.dataset.object);
      if (kind === 'reset' || kind === 'hello') refresh();
      else if (about && (root.dataset.alert || root.dataset.object)) {
        refresh();
        // Receipts of tabs end deliveries a moment after the frame.
        setTimeout(refresh, 2500);
      }
    },
  };
}
