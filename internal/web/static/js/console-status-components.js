// The components of a page: their order by dragging, by keys and by buttons, and
// states in a dialog. Without this script there are forms for all of it.

import { page, post } from './console-fetch.js';
import { tick } from './console-times.js';
import { toast } from './console-toast.js';

startStates();
startTree();

// startStates shows the form of a component's state over the page.
function startStates() {
  const dialog = document.getElementById('state-dialog');
  if (!dialog) return;
  document.addEventListener('click', async (event) => {
    const link = event.target.closest('a[data-state-form]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    try {
      const form = (await page(link.href)).getElementById('state-form');
      dialog.replaceChildren(document.importNode(form, true));
    } catch {
      location.href = link.href;
      return;
    }
    dialog.showModal();
    dialog.querySelector('input[type="radio"]:checked')?.focus();
  });
  dialog.addEventListener('click', (event) => {
    if (event.target !== dialog && !event.target.closest('[data-close]')) return;
    event.preventDefault();
    dialog.close();
  });
}

function startTree() {
  const tree = document.querySelector('[data-tree]');
  if (!tree) return;
  const says = document.getElementById('tree-says');
  const say = (text) => { says.textContent = text; };
  let now = null; // what is being moved
  let dragged = false; // a moment ago
  let held = false; // by its grip
  let saving = 0, asked = 0;

  const nameOf = (list) => {
    const group = list.closest('[data-kind="g"]');
    const outer = group?.parentElement.closest('[data-kind="g"]');
    return !group ? 'the top' : outer ? `${outer.dataset.name} › ${group.dataset.name}` : group.dataset.name;
  };
  const siblings = (list) => [...list.children].filter((x) => x.dataset.kind);
  const depth = (list) => (list.dataset.parent ? 1 : 0);

  // takes answers the lists that something can stand in: groups stand in others once.
  function takes(item) {
    const lists = [...tree.querySelectorAll(`ol[data-list="${item.dataset.kind}"]`)].filter((l) => !item.contains(l));
    if (item.dataset.kind === 'c') return lists;
    const full = item.querySelector('[data-kind="g"]');
    return lists.filter((l) => !l.dataset.parent || (!full && !l.closest('[data-kind="g"]').parentElement.dataset.parent));
  }

  // places are what the hub is told: everything in its order, with what it stands in.
  function places() {
    return [...tree.querySelectorAll('[data-kind]')].map((x) => ['place', `${x.dataset.kind}:${x.dataset.id}:${x.parentElement.dataset.parent}`]);
  }
  const same = (a, b) => a.length === b.length && a.every((x, i) => x[1] === b[i][1]);

  function begin(item, how) {
    drop();
    now = { item, how, places: places(), back: [...tree.querySelectorAll('ol[data-list]')].map((l) => [l, [...l.children]]) };
    for (const l of takes(item)) l.classList.add('takes');
    tree.classList.add('moving');
    item.classList.add('moved');
  }

  function end() {
    const { item } = now;
    now = null;
    for (const l of tree.querySelectorAll('.takes')) l.classList.remove('takes');
    tree.classList.remove('moving', 'dragging', 'folded');
    item.classList.remove('moved');
    item.querySelector('.mover')?.remove();
    item.querySelector('[data-grip]')?.setAttribute('aria-pressed', 'false');
  }

  function cancel() {
    if (!now) return;
    const { item, back } = now;
    for (const [list, children] of back) list.replaceChildren(...children);
    end();
    item.querySelector('[data-grip]').focus({ preventScroll: true });
    say(`${item.dataset.name} is back where it was.`);
  }

  function drop() {
    if (!now) return;
    const { item, places: before } = now;
    const at = item.parentElement;
    end();
    if (same(before, places())) return;
    const words = `${item.dataset.name}: ${siblings(at).indexOf(item) + 1} of ${siblings(at).length} in ${nameOf(at)}`;
    save(item.dataset, places(), before, `Moved ${words}`);
  }

  async function save({ kind, id, name }, order, before, title) {
    saving++;
    asked++; // what is on its way to here was drawn before this
    try {
      await post('/console/components/order', [['page', tree.dataset.page], ...order]);
      say(`${title}.`);
      toast({ title, action: before && { title: 'Undo', run: () => save({ kind, id, name }, before, null, `${name} is back where it was`) } });
    } catch (e) {
      toast({ title: 'Not moved', text: e.message, seconds: 20 });
    } finally {
      saving--;
    }
    await refresh();
  }

  // refresh draws the list as the hub has it; the focus stays on the same thing. An
  // old answer that comes late must not undo what was moved meanwhile: the next move
  // would send that.
  async function refresh() {
    const mine = ++asked;
    const doc = await page(location.href);
    const fresh = doc.querySelector('[data-tree]');
    if (!fresh || now || held || saving || mine !== asked) return;
    const at = document.activeElement;
    const item = tree.contains(at) && at.closest('[data-kind]');
    const what = item && (at.matches('[data-grip]') ? '[data-grip]' : at.matches('a[data-state-form]') ? 'a[data-state-form]' : 'a');
    tree.replaceChildren(...document.importNode(fresh, true).childNodes);
    const overall = document.querySelector('.tree-head');
    const head = doc.querySelector('.tree-head');
    if (overall && head) overall.replaceChildren(...document.importNode(head, true).childNodes);
    tick(tree);
    if (item) tree.querySelector(`[data-kind="${item.dataset.kind}"][data-id="${CSS.escape(item.dataset.id)}"] ${what}`)?.focus({ preventScroll: true });
  }

  // Alerts change states while the page is open.
  setInterval(() => {
    if (!now && document.visibilityState === 'visible' && !document.querySelector('dialog[open]')) refresh().catch(() => {});
  }, 20000);

  if (!('may' in tree.dataset)) return;

  // put lets something stand before another, or at the end of a list, and keeps
  // the focus.
  function put(list, before) {
    const { item } = now;
    const at = document.activeElement;
    now.shifting = true;
    list.insertBefore(item, before);
    if (item.contains(at) && at !== document.activeElement) at.focus({ preventScroll: true });
    now.shifting = false;
  }

  function told() {
    const { item } = now;
    const list = item.parentElement;
    const all = siblings(list);
    item.scrollIntoView({ block: 'nearest' });
    const select = item.querySelector('.mover select');
    if (select) select.value = list.dataset.parent;
    say(`${item.dataset.name}: ${all.indexOf(item) + 1} of ${all.length} in ${nameOf(list)}`);
  }

  // step moves something up or down. Components go on into the next group.
  function step(by) {
    const { item } = now;
    const list = item.parentElement;
    const all = siblings(list);
    const i = all.indexOf(item);
    if (by < 0 && i > 0) put(list, all[i - 1]);
    else if (by > 0 && i < all.length - 1) put(list, all[i + 2] || null);
    else if (item.dataset.kind === 'c') {
      const lists = takes(item);
      const next = lists[lists.indexOf(list) + by];
      if (next) put(next, by < 0 ? null : siblings(next)[0] || null);
    }
    told();
  }

  // turn puts a group into the one above it, or out beside the one it stands in.
  function turn(by) {
    const { item } = now;
    if (item.dataset.kind !== 'g') return;
    if (by > 0) {
      const above = item.previousElementSibling;
      const list = above && takes(item).find((l) => l.parentElement === above);
      if (list) put(list, null);
    } else {
      const outer = item.parentElement.closest('[data-kind="g"]');
      if (outer) put(outer.parentElement, outer.nextElementSibling);
    }
    told();
  }

  // mover shows buttons for what dragging does: not everybody can drag, or has keys.
  function mover(item) {
    const bar = document.createElement('div');
    bar.className = 'mover';
    bar.setAttribute('role', 'group');
    bar.setAttribute('aria-label', `Move ${item.dataset.name}`);
    const button = (text, run, cls = '') => {
      const b = document.createElement('button');
      b.type = 'button';
      b.className = `button small ${cls}`;
      b.textContent = text;
      b.addEventListener('click', run);
      bar.append(b);
    };
    button('Up', () => step(-1));
    button('Down', () => step(1));
    const lists = takes(item);
    if (lists.length > 1) {
      const label = document.createElement('label');
      const select = document.createElement('select');
      for (const l of lists) select.add(new Option(nameOf(l) === 'the top' ? 'At the top' : nameOf(l), l.dataset.parent, false, l === item.parentElement));
      select.addEventListener('change', () => {
        const list = takes(item).find((l) => l.dataset.parent === select.value);
        if (list) put(list, null);
        told();
      });
      label.append('In', select);
      bar.append(label);
    }
    button('Done', () => { drop(); item.querySelector('[data-grip]')?.focus({ preventScroll: true }); }, 'primary');
    button('Cancel', cancel, 'plain');
    (item.querySelector(':scope > .tree-group-head') || item.lastElementChild).after(bar);
  }

  tree.addEventListener('click', (event) => {
    const grip = event.target.closest('[data-grip]');
    if (!grip || dragged) return;
    const item = grip.closest('[data-kind]');
    if (now?.item === item) { drop(); grip.focus({ preventScroll: true }); return; }
    begin(item, 'keys');
    grip.setAttribute('aria-pressed', 'true');
    mover(item);
    grip.focus({ preventScroll: true });
    say(`${item.dataset.name} is picked up. Arrow keys move it, Enter puts it down, Escape puts it back.`);
  });

  tree.addEventListener('keydown', (event) => {
    if (!now || !now.item.contains(event.target)) return;
    if (event.key === 'Escape') { event.preventDefault(); cancel(); return; }
    if (event.target.matches('select') || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { ArrowUp: () => step(-1), ArrowDown: () => step(1), ArrowRight: () => turn(1), ArrowLeft: () => turn(-1) }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // Whoever goes on to something else is done with this.
  tree.addEventListener('focusout', (event) => {
    if (now?.how === 'keys' && !now.shifting && event.relatedTarget && !now.item.contains(event.relatedTarget)) drop();
  });

  // Dragging, with a mouse, a pen or a finger.
  tree.addEventListener('pointerdown', (event) => {
    const grip = event.target.closest('[data-grip]');
    if (!grip || event.button !== 0) return;
    const item = grip.closest('[data-kind]');
    const from = { x: event.clientX, y: event.clientY };
    let at = { ...from }, dragging = false, scroll = 0, origin = 0;
    held = true;

    const follow = () => {
      const { x, y } = at;
      const lists = takes(item);
      const wish = item.dataset.kind === 'c' ? null : Math.min(1, Math.max(0, origin + (x - from.x > 30 ? 1 : x - from.x < -30 ? -1 : 0)));
      const r = item.getBoundingClientRect();
      if (y >= r.top && y <= r.bottom && (wish === null || wish === depth(item.parentElement))) return;
      let best = null;
      for (const list of lists) {
        const all = siblings(list).filter((s) => s !== item);
        const away = wish === null || wish === depth(list) ? 0 : 40;
        const gap = (top, before) => {
          const far = Math.abs(y - top) + away;
          if (!best || far < best.far) best = { far, list, before };
        };
        for (const s of all) gap(s.getBoundingClientRect().top, s);
        if (all.length) gap(all.at(-1).getBoundingClientRect().bottom, null);
        else { const e = list.getBoundingClientRect(); gap((e.top + e.bottom) / 2, null); }
      }
      if (best && (best.list !== item.parentElement || best.before !== item.nextElementSibling)) put(best.list, best.before);
    };
    const roll = () => {
      scroll = 0;
      if (!dragging || !now) return;
      const by = at.y < 90 ? at.y - 90 : at.y > innerHeight - 60 ? at.y - innerHeight + 60 : 0;
      if (by) { scrollBy(0, by / 4); follow(); }
      scroll = requestAnimationFrame(roll);
    };
    const moves = (e) => {
      if (e.pointerId !== event.pointerId) return;
      at = { x: e.clientX, y: e.clientY };
      if (!dragging) {
        if (Math.hypot(at.x - from.x, at.y - from.y) < 5) return;
        dragging = true;
        begin(item, 'drag');
        // The list hears of it wherever the pointer goes. The grip would not: what is
        // put elsewhere in the page loses the pointer.
        tree.setPointerCapture(e.pointerId);
        origin = depth(item.parentElement);
        tree.classList.add('dragging');
        // A group is moved among headings: what stands in them is folded away.
        if (item.dataset.kind === 'g') {
          tree.classList.add('folded');
          scrollBy(0, grip.getBoundingClientRect().top + 16 - at.y);
        }
        scroll = requestAnimationFrame(roll);
      }
      if (now?.item === item) follow();
    };
    const over = (e) => {
      if (e.pointerId !== event.pointerId) return;
      document.removeEventListener('pointermove', moves);
      document.removeEventListener('pointerup', over);
      document.removeEventListener('pointercancel', over);
      document.removeEventListener('keydown', escape);
      cancelAnimationFrame(scroll);
      held = false;
      if (!dragging) return;
      // The click that ends a drag picks nothing up.
      dragged = true;
      setTimeout(() => { dragged = false; });
      if (now?.item !== item) return;
      if (e.type === 'pointercancel') cancel();
      else { drop(); item.scrollIntoView({ block: 'nearest' }); }
    };
    const escape = (e) => {
      if (e.key !== 'Escape' || !dragging) return;
      e.preventDefault();
      cancel();
    };
    document.addEventListener('pointermove', moves);
    document.addEventListener('pointerup', over);
    document.addEventListener('pointercancel', over);
    document.addEventListener('keydown', escape);
  });
}
