// Sets the colours before the first paint. The choice is the console's, too: it is kept
// under the same name.
(() => {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const wish = () => {
    let w = null;
    try { w = localStorage.getItem('tocsin-theme'); } catch { /* storage may be off */ }
    return w === 'dark' || w === 'light' ? w : 'system';
  };
  const apply = () => {
    const w = wish();
    document.documentElement.dataset.theme = w === 'system' ? (dark.matches ? 'dark' : 'light') : w;
    document.documentElement.dataset.wish = w;
    // Pictures know the system only.
    for (const s of document.querySelectorAll('picture source')) {
      s.media = w === 'system' ? '(prefers-color-scheme: dark)' : w === 'dark' ? 'all' : 'not all';
    }
  };
  apply();
  document.documentElement.classList.add('js');
  dark.addEventListener('change', apply);
  addEventListener('DOMContentLoaded', apply);
  addEventListener('storage', (e) => { if (e.key === 'tocsin-theme') apply(); });
  addEventListener('tocsin-theme', apply);
})();
