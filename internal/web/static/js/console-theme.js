// Sets the theme before the first paint, so that a dark page does not flash
// white. A classic script in the head on purpose: modules wait for the page.
(() => {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    let wish = null;
    try { wish = localStorage.getItem('tocsin-theme'); } catch { /* storage may be off */ }
    const theme = wish === 'dark' || wish === 'light' ? wish : dark.matches ? 'dark' : 'light';
    document.documentElement.dataset.theme = theme;
    document.documentElement.dataset.wish = wish || 'system';
  };
  apply();
  document.documentElement.classList.add('js');
  dark.addEventListener('change', apply);
  addEventListener('storage', (e) => { if (e.key === 'tocsin-theme') apply(); });
  addEventListener('tocsin-theme', apply);
})();
