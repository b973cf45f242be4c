// The list of alerts: rows that follow live, ticks, the keyboard.

import { page, post, coalesce } from './console-fetch.js';
import { tick } from './console-times.js';
import { toast } from './console-toast.js';

export function startAlerts() {
  const list = document.querySelector('[data-live-list]');
  const form = document.getElementById('alert-form');
  if (!list || !form) return { frame() {} };
  const waiting = new Set();
  const rows = () => document.getElementById('alert-rows');

  // counts writes the figures above the list and at the tabs.
  function counts(doc) {
    const fresh = doc.getElementById('counts');
    const old = document.getElementById('counts');
    if (!fresh || !old) return;
    if (fresh.innerHTML !== old.innerHTML) old.replaceChildren(...document.importNode(fresh, true).childNodes);
    const n = { Firing: Number(fresh.dataset.firing), Acknowledged: Number(fresh.dataset.acknowledged) };
    n.Open = n.Firing + n.Acknowledged;
    for (const el of document.querySelectorAll('[data-tab]')) {
      const text = String(n[el.dataset.tab] ?? el.textContent);
      if (el.textContent !== text) el.textContent = text;
    }
    document.title = n.Firing ? `(${n.Firing}) Alerts · Tocsin` : 'Alerts · Tocsin';
  }

  // remember where the focus is and what is ticked, so that drawing anew does not lose them.
  function keep(change) {
    const at = document.activeElement?.closest?.('.row');
    const part = at && document.activeElement;
    const where = at && { id: at.id, next: at.nextElementSibling?.id, sel: part.matches('[data-ack]') ? '[data-ack]' : part.matches('input') ? 'input[name="id"]' : '.row-link' };
    const ticked = new Set([...list.querySelectorAll('input[name="id"]:checked')].map((x) => x.value));
    change();
    for (const x of list.querySelectorAll('input[name="id"]')) x.checked = ticked.has(x.value);
    if (where && !document.activeElement?.closest?.('.row')) {
      const row = document.getElementById(where.id) || (where.next && document.getElementById(where.next)) || rows()?.lastElementChild;
      (row?.querySelector(where.sel) || row?.querySelector('.row-link'))?.focus({ preventScroll: true });
    }
    bulk();
  }

  // place puts a row where its order wants it.
  function place(row) {
    for (const other of rows().children) {
      if (other.dataset.order < row.dataset.order) { other.before(row); return; }
    }
    rows().append(row);
  }

  const reload = coalesce(1000, async () => {
    const doc = await page(location.href);
    const fresh = doc.querySelector('[data-live-list]');
    if (!fresh) return;
    counts(doc);
    keep(() => list.replaceChildren(...document.importNode(fresh, true).childNodes));
    tick(list);
  });

  const update = coalesce(300, async () => {
    const ids = [...waiting];
    waiting.clear();
    if (!ids.length) return;
    // Later pages are cut by a cursor, and an empty list has no table.
    if (ids.length > 40 || !rows()) { waiting.clear(); reload(); return; }
    const q = new URLSearchParams(location.search);
    q.delete('cursor');
    q.set('ids', ids.join(','));
    const doc = await page(`/console/alerts/rows?${q}`);
    counts(doc);
    let empty = false;
    keep(() => {
      for (const id of ids) {
        const old = document.getElementById(`alert-${id}`);
        const got = doc.getElementById(`alert-${id}`);
        if (!got) { old?.remove(); continue; }
        if (!old && list.dataset.first !== 'yes') continue;
        const row = document.importNode(got, true);
        if (old && old.dataset.order === row.dataset.order) {
          tick(row);
          if (old.innerHTML !== row.innerHTML || old.className !== row.className) old.replaceWith(row);
        } else {
          old?.remove();
          row.classList.add('fresh');
          place(row);
        }
      }
      empty = !rows()?.children.length;
    });
    tick(list);
    if (empty) reload();
  });

  function bulk() {
    const n = list.querySelectorAll('input[name="id"]:checked').length;
    document.getElementById('bulk')?.classList.toggle('on', n > 0);
    const text = document.getElementById('bulk-count');
    if (text) text.textContent = n ? `${n} ticked` : '';
  }
  list.addEventListener('change', bulk);
  bulk();

  async function acknowledge(button) {
    const { ack: id, name } = button.dataset;
    button.disabled = true;
    try {
      await post(`/console/alerts/${id}/acknowledge`);
      waiting.add(id);
      update();
      toast({
        title: `Acknowledged ${name}`, icon: '/static/icons/acknowledgement.svg',
        action: {
          title: 'Undo', run: async () => {
            try { await post(`/console/alerts/${id}/unacknowledge`); } catch (e) { toast({ title: 'Not undone', text: e.message }); }
            waiting.add(id);
            update();
          },
        },
      });
    } catch (e) {
      button.disabled = false;
      toast({ title: 'Not acknowledged', text: e.message });
      waiting.add(id);
      update();
    }
  }
  form.addEventListener('submit', (e) => {
    if (!e.submitter?.dataset.ack) return;
    e.preventDefault();
    acknowledge(e.submitter);
  });
  // Return in a row's tick must not send the form's first button.
  form.addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && e.target.matches('input[name="id"]')) e.preventDefault();
  });

  function step(n) {
    const all = [...list.querySelectorAll('.row-link')];
    if (!all.length) return;
    const here = document.activeElement?.closest?.('.row')?.querySelector('.row-link');
    const i = all.indexOf(here);
    all[Math.min(all.length - 1, Math.max(0, i < 0 ? (n > 0 ? 0 : all.length - 1) : i + n))].focus();
  }
  const keys = {
    j: () => step(1),
    k: () => step(-1),
    a: (row) => row?.querySelector('[data-ack]')?.click(),
    x: (row) => row?.querySelector('input[name="id"]')?.click(),
  };
  document.addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches('input:not([type="checkbox"]), textarea, select')) return;
    if (!Object.hasOwn(keys, e.key)) return;
    e.preventDefault();
    keys[e.key](document.activeElement?.closest?.('.row'));
  });

  return {
    frame({ kind, data }) {
      if (kind === 'reset') reload();
      else if (kind === 'hello' && list.dataset.said) reload();
      else if (kind === 'alert' && data.id) { waiting.add(data.id); update(); }
      if (kind === 'hello') list.dataset.said = 'yes';
    },
  };
}
