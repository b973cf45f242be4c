// The simulator: what was written stays where it is while it is tried, how long that
// takes is seen, it can be stopped, and it cannot be begun twice. Without this script
// the form is sent, and its answer is a page.

const form = document.getElementById('simulate-form');
if (form) start();

function start() {
  const progress = document.getElementById('trial-progress');
  const stop = document.getElementById('trial-stop');
  let running;

  form.addEventListener('submit', async (event) => {
    if (event.submitter?.value === 'json') return; // is a file
    event.preventDefault();
    if (running) return;
    running = new AbortController();
    const data = new URLSearchParams(new FormData(form, event.submitter));
    const from = event.submitter;
    busy(true);
    const began = Date.now();
    const text = progress.querySelector('span');
    text.textContent = 'It is tried…';
    // Read out once; the seconds are for the eyes.
    const tick = setInterval(() => { text.textContent = `It is tried… ${Math.round((Date.now() - began) / 1000)} s`; progress.setAttribute('aria-live', 'off'); }, 1000);
    let said = '';
    try {
      const answer = await fetch(form.action, { method: 'POST', body: data, signal: running.signal });
      draw(new DOMParser().parseFromString(await answer.text(), 'text/html'), from);
    } catch (err) {
      said = err.name === 'AbortError' ? 'Stopped. Nothing came of it.' : 'The hub did not answer. Send it again in a moment.';
    } finally {
      clearInterval(tick);
      busy(false);
      progress.removeAttribute('aria-live');
      if (said) { progress.hidden = false; progress.querySelector('progress').hidden = true; text.textContent = said; }
      running = undefined;
    }
  });
  stop.addEventListener('click', () => running?.abort());
  document.addEventListener('change', (event) => {
    if (event.target.matches('[data-trial-filter]')) form.requestSubmit(document.getElementById('trial-show'));
  });
  tidy(document);

  function busy(on) {
    progress.hidden = !on;
    progress.querySelector('progress').hidden = false;
    stop.hidden = !on;
    for (const b of document.querySelectorAll('#simulate-form [type="submit"], [form="simulate-form"][type="submit"]')) b.disabled = on;
  }
}

// draw puts an answer in place of the one before, and goes to it, or to what is wrong.
function draw(page, from) {
  const fields = page.querySelector('[data-region="trial-fields"]');
  const answer = page.querySelector('[data-region="trial-answer"]');
  if (!fields || !answer) { // signed out, or an error page
    location.assign(location.pathname);
    return;
  }
  const filtered = from?.id === 'trial-show' && document.activeElement?.matches('[data-trial-filter], #trial-show') ? document.activeElement : undefined;
  const name = filtered?.getAttribute('name');
  document.querySelector('[data-region="trial-fields"]').replaceWith(document.adoptNode(fields));
  document.querySelector('[data-region="trial-answer"]').replaceWith(document.adoptNode(answer));
  form.dispatchEvent(new Event('change')); // what does not matter is out of the way again
  tidy(answer);
  const wrong = fields.querySelector('[aria-invalid="true"], [role="alert"]');
  if (wrong) {
    wrong.focus({ preventScroll: true });
    wrong.scrollIntoView({ block: 'center' });
    mark(fields);
  } else if (filtered) {
    (name ? answer.querySelector(`[name="${name}"]`) : answer.querySelector('#trial-show'))?.focus({ preventScroll: true });
  } else {
    answer.focus({ preventScroll: true });
    answer.scrollIntoView({ block: 'start' });
  }
}

// mark chooses the line that is wrong.
function mark(fields) {
  const line = Number(fields.querySelector('[data-line]')?.dataset.line);
  const area = fields.querySelector('textarea[name="events"]');
  if (!line || !area) return;
  const lines = area.value.split('\n');
  const at = lines.slice(0, line - 1).reduce((n, s) => n + s.length + 1, 0);
  area.setSelectionRange(at, at + (lines[line - 1] || '').length);
}

// tidy hides what a script makes needless, and has the command copied.
function tidy(root) {
  const show = root.querySelector('#trial-show');
  if (show) show.hidden = true;
  const copy = root === document ? null : root.querySelector('[data-copy]');
  if (!copy || !navigator.clipboard) return;
  copy.hidden = false;
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.querySelector(copy.dataset.copy).textContent);
    copy.textContent = 'Copied';
    setTimeout(() => { copy.textContent = 'Copy'; }, 2000);
  });
}
