// What pages have with JavaScript and can do without: a search while one types, buttons that
// copy, a choice of colours, and where one is in the table of contents. A classic script: a
// page that was opened from a folder may load no modules.
(() => {
  'use strict';
  const root = document.documentElement;
  const up = root.dataset.up;
  const make = (tag, props, ...children) => {
    const e = Object.assign(document.createElement(tag), props);
    e.append(...children);
    return e;
  };

  // Colours: as the system, light, dark.
  const theme = document.getElementById('theme');
  const words = { system: 'system', light: 'light', dark: 'dark' };
  const name = () => { theme.replaceChildren(make('span', {}, 'Colours: '), words[root.dataset.wish]); };
  theme.hidden = false;
  name();
  theme.addEventListener('click', () => {
    const next = { system: 'light', light: 'dark', dark: 'system' }[root.dataset.wish];
    try {
      if (next === 'system') localStorage.removeItem('tocsin-theme');
      else localStorage.setItem('tocsin-theme', next);
    } catch { /* storage may be off */ }
    dispatchEvent(new Event('tocsin-theme'));
    name();
  });

  // Copy. Of what a person types only that, without what the program answers.
  const typed = (code) => {
    if (code.dataset.language !== 'console') return code.textContent;
    const out = [];
    let more = false;
    for (const line of code.textContent.split('\n')) {
      if (line.startsWith('$ ') || line.startsWith('# ')) out.push(line.slice(2));
      else if (more) out.push(line);
      else continue;
      more = line.endsWith('\\');
    }
    return out.join('\n') + '\n';
  };
  if (navigator.clipboard) {
    for (const code of document.querySelectorAll('.code code')) {
      const button = make('button', { type: 'button', className: 'copy', textContent: 'Copy' });
      button.addEventListener('click', async () => {
        try {
          await navigator.clipboard.writeText(typed(code));
          button.textContent = 'Copied';
        } catch {
          button.textContent = 'Not allowed';
        }
        setTimeout(() => { button.textContent = 'Copy'; }, 2000);
      });
      code.closest('.code').append(button);
    }
  }

  // Where one is.
  const marks = new Map();
  for (const a of document.querySelectorAll('.contents.wide a')) {
    const heading = document.getElementById(decodeURIComponent(a.hash.slice(1)));
    if (heading) marks.set(heading, a);
  }
  if (marks.size) {
    const look = () => {
      let here = null;
      for (const h of marks.keys()) if (h.getBoundingClientRect().top < 120) here = h;
      for (const [h, a] of marks) {
        if (h === here) a.setAttribute('aria-current', 'true');
        else a.removeAttribute('aria-current');
      }
    };
    let waits = false;
    addEventListener('scroll', () => {
      if (waits) return;
      waits = true;
      requestAnimationFrame(() => { waits = false; look(); });
    }, { passive: true });
    look();
  }
  document.querySelector('.menu [aria-current]')?.scrollIntoView({ block: 'nearest' });

  // The search: the same as the program's own, see search.go.
  const input = document.getElementById('find');
  const found = document.getElementById('found');
  const fold = (text) => text.toLowerCase().replace(/[^\p{L}\p{Nd}_\-./]/gu, ' ');
  const occurs = (text, term) => {
    let n = 0;
    for (let at = text.indexOf(term); at >= 0; at = text.indexOf(term, at + term.length)) {
      if (at === 0 || ' _-./'.includes(text[at - 1])) n++;
    }
    return n;
  };
  let index = null;
  const load = () => {
    index ??= new Promise((resolve, reject) => {
      const script = make('script', { src: `${up}search-index.js` });
      script.onload = () => resolve(window.tocsinIndex.map((x) => ({
        ...x, head: fold(x.h ?? ''), text: fold(x.x ?? ''), title: fold(`${x.p} ${x.t}`),
      })));
      script.onerror = () => { index = null; reject(new Error('no index')); };
      document.head.append(script);
    });
    return index;
  };
  const search = (all, query) => {
    const terms = [...new Set(fold(query).split(/\s+/).filter(Boolean))].slice(0, 12);
    if (!terms.length) return { terms, hits: [] };
    let best = 0;
    const hits = [];
    for (const x of all) {
      let has = 0;
      let weight = 0;
      for (const t of terms) {
        const title = Math.min(occurs(x.title, t), 1);
        const w = 10 * Math.min(occurs(x.head, t), 2) + (x.h ? 4 : 10) * title + Math.min(occurs(x.text, t), 4);
        if (w) has++;
        weight += w;
      }
      if (terms.length > 1 && `${x.head} ${x.text}`.includes(terms.join(' '))) weight += 8;
      if (x.d) weight = Math.floor(weight / 2);
      if (has) hits.push({ x, has, weight });
      best = Math.max(best, has);
    }
    return { terms, hits: hits.filter((f) => f.has === best).sort((a, b) => b.weight - a.weight) };
  };
  const excerpt = (x, terms, length) => {
    const text = x.x ?? '';
    const first = terms.map((t) => x.text.indexOf(t)).find((i) => i >= 0) ?? 0;
    let begin = Math.max(0, first - 60);
    while (begin > 0 && text[begin - 1] !== ' ') begin--;
    let end = Math.min(text.length, begin + length);
    while (end < text.length && text[end] !== ' ') end++;
    return (begin ? '… ' : '') + text.slice(begin, end).trim() + (end < text.length ? ' …' : '');
  };
  const item = ({ x }, terms, length) => {
    const a = make('a', { href: up + x.u }, x.h || x.p);
    if (x.h) a.append(' ', make('span', { className: 'of' }, x.p));
    return make('li', {}, a, make('p', {}, excerpt(x, terms, length)));
  };

  const close = () => { found.hidden = true; found.replaceChildren(); };
  let asked = 0;
  const ask = async () => {
    const query = input.value.trim();
    const mine = ++asked;
    if (query.length < 2) return close();
    let all;
    try { all = await load(); } catch { return close(); }
    if (mine !== asked) return undefined;
    const { terms, hits } = search(all, query);
    const say = hits.length ? `${hits.length} ${hits.length === 1 ? 'place' : 'places'}` : 'Nothing has these words.';
    found.replaceChildren(make('p', { role: 'status' }, say), make('ol', { className: 'hits' }, ...hits.slice(0, 8).map((h) => item(h, terms, 110))));
    found.hidden = false;
    return undefined;
  };
  input.addEventListener('focus', () => { load().catch(() => {}); });
  input.addEventListener('input', ask);
  document.addEventListener('click', (e) => { if (!e.target.closest('.find')) close(); });
  document.addEventListener('keydown', (e) => {
    if (e.key === '/' && !e.target.closest('input, textarea') && !e.ctrlKey && !e.metaKey && !e.altKey) {
      e.preventDefault();
      input.focus();
    }
    if (e.key === 'Escape' && !found.hidden) { close(); input.focus(); }
    if ((e.key === 'ArrowDown' || e.key === 'ArrowUp') && !found.hidden && e.target.closest('.find')) {
      const links = [input, ...found.querySelectorAll('a')];
      const at = links.indexOf(document.activeElement) + (e.key === 'ArrowDown' ? 1 : -1);
      links[Math.max(0, Math.min(links.length - 1, at))].focus();
      e.preventDefault();
    }
  });

  // The page of a search that was sent: from a folder nobody else answers it.
  const hits = document.getElementById('hits');
  const sent = new URLSearchParams(location.search).get('q');
  if (hits && sent && !hits.children.length) {
    input.value = sent;
    load().then((all) => {
      const r = search(all, sent);
      if (r.hits.length) hits.replaceChildren(make('ol', { className: 'hits' }, ...r.hits.slice(0, 30).map((h) => item(h, r.terms, 200))));
      else hits.replaceChildren(make('p', {}, `Nothing has “${sent}”. Try fewer words, or the beginning of one.`));
    }, () => {});
  }
})();
