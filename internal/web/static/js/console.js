// The console's behaviour on every page: what is live, notifications, theme.
// Everything here is an addition; pages and forms work without it.

import { startLive } from './live.js';
import { startNotifications, state as permission, ask, explain, selftest } from './notifications.js';
import { keepTimes } from './console-times.js';
import { toast } from './console-toast.js';
import { startAlerts } from './console-alerts.js';
import { startPage } from './console-page.js';
import { startForms } from './console-form.js';
import { startPush } from './console-push.js';
import { startWorker } from './console-worker.js';

const root = document.documentElement;
const { user, collapse } = root.dataset;

keepTimes();
theme();
copyButtons();
startForms();
waiting();
help();

const warnings = headerWarnings();
const parts = [startAlerts(), startPage()];
const hubWorker = startWorker({ userId: user });
const push = startPush({ userId: user });
const notes = startNotifications({ userId: user, collapseAfter: Number(collapse) || 5, onPage: shown });
const live = startLive({
  userId: user,
  onFrame(frame) {
    notes.frame(frame);
    hubWorker.frame(frame);
    if (frame.kind === 'health') warnings.hub(frame.data.warnings);
    refusals(frame);
    for (const p of parts) p.frame(frame);
  },
  onState(now) {
    showState(now);
    followUp(now);
  },
});
nudge();
selfTest();

// followUp draws what is live anew when the page finds another tab's stream: what
// that one told between the drawing of this page and now was told to nobody here.
function followUp({ state, leader }) {
  if (state !== 'live' || root.dataset.followed) return;
  root.dataset.followed = 'yes';
  if (!leader) for (const p of parts) p.frame({ kind: 'reset', data: {} });
}

// refusals says aloud what the page shows and the engine did not take: whoever
// acknowledged has turned to something else by then.
function refusals({ kind, data, replayed }) {
  if (kind !== 'alert' || replayed || data.outcome !== 'ack_answered') return;
  if (data.confirmation !== 'refused' && data.confirmation !== 'unconfirmed') return;
  const here = document.getElementById(`alert-${data.id}`) || document.querySelector(`[data-alert="${CSS.escape(data.id)}"]`);
  if (!here) return;
  toast({
    title: `${data.confirmation === 'refused' ? 'The engine refused' : 'Not confirmed'}: ${data.name}`,
    text: data.engine_words || 'The engine does not show the acknowledgement.',
    icon: '/static/icons/engine.svg', url: `/console/alerts/${data.id}`, seconds: 20,
  });
}

// waiting says on a button that its form is on its way, where that may take a
// while, and keeps it from being pressed twice.
function waiting() {
  document.addEventListener('submit', (event) => {
    const word = event.submitter?.dataset.wait || event.target.dataset.wait;
    const button = word && (event.submitter || event.target.querySelector('button'));
    if (!button) return;
    const was = button.textContent;
    button.textContent = word;
    // Not before the form is on its way: a button that is off sends it elsewhere.
    setTimeout(() => { button.disabled = true; });
    window.addEventListener('pageshow', () => { button.textContent = was; button.disabled = false; }, { once: true });
  });
}

// shown draws a notification that the desktop cannot show. It does not stay for
// ever even where the desktop's would: the list behind it does.
function shown(body) {
  toast({ title: body.title, text: body.body, icon: body.icon, url: body.url, seconds: body.auto_close || 30 });
}

// showState keeps the word and the shape in the header; a channel that is away
// for longer than a moment is a warning.
function showState({ state, retryIn }) {
  const el = document.getElementById('live-state');
  const [shape, word] = {
    live: ['live', 'Live'],
    connecting: ['connecting', 'Connecting'],
    reconnecting: ['offline', retryIn > 1 ? `Not live, again in ${retryIn} s` : 'Reconnecting'],
    offline: ['offline', 'No network'],
    'signed-out': ['offline', 'Signed out'],
  }[state] || ['offline', state];
  el.dataset.state = shape;
  // Counting down would be read out each second: only a change of state is.
  el.setAttribute('aria-live', el.dataset.was === state ? 'off' : 'polite');
  el.dataset.was = state;
  el.querySelector('.live-word').textContent = word;
  const note = document.getElementById('health-live');
  const gone = shape === 'offline';
  if (note) {
    note.hidden = !gone;
    note.textContent = gone ? `The live channel of this browser is away (${word.toLowerCase()}): nothing new is shown here, and notifications wait. It reconnects by itself; if it does not, look whether a proxy cuts long answers.` : '';
  }
  warnings.live(gone);
  if (state === 'signed-out') toast({ title: 'You are signed out', text: 'Sign in again to be told.', url: '/console/sign-in', seconds: 0 });
}

// headerWarnings keeps the header's warning true: the page brought how many the
// hub had then, the live channel tells when that changes, and when the channel
// itself is away that is one more.
function headerWarnings() {
  const el = document.getElementById('health-badge');
  let ofHub = Number(el.dataset.warnings) || 0;
  let away = false;
  const draw = () => {
    const n = ofHub + (away ? 1 : 0);
    const text = n === 1 ? '1 warning' : `${n} warnings`;
    const line = el.querySelector('span');
    if (line.textContent !== text) { line.textContent = text; el.removeAttribute('title'); }
    el.hidden = n === 0;
  };
  return {
    hub(n) { ofHub = n; draw(); },
    live(gone) { away = gone; draw(); },
  };
}

// nudge asks for permission: why first, and only on a click.
function nudge() {
  const el = document.getElementById('nudge');
  const draw = () => {
    el.replaceChildren();
    el.hidden = true;
    const now = permission();
    if (now === 'granted' || sessionStorage.getItem('tocsin-nudge') === 'later') return;
    const p = document.createElement('p');
    const act = [];
    const button = (text, cls, run) => {
      const b = document.createElement('button');
      b.type = 'button';
      b.className = cls;
      b.textContent = text;
      b.addEventListener('click', run);
      act.push(b);
    };
    if (now === 'default') {
      p.textContent = 'Let this browser show desktop notifications, so that you hear of a problem while you work in another window.';
      button('Turn on notifications', 'button primary', async () => { await ask(); draw(); selfTest(); push.draw(); offerPush(); });
    } else {
      const why = explain();
      p.textContent = `${why.reason} ${why.steps.join(' ')}`;
    }
    button('Not now', 'button plain', () => { sessionStorage.setItem('tocsin-nudge', 'later'); draw(); });
    el.append(p, ...act);
    el.hidden = false;
  };
  draw();
  navigator.permissions?.query({ name: 'notifications' }).then((s) => s.addEventListener('change', draw), () => {});
}

// offerPush tells of the other way, once there is permission.
function offerPush() {
  if (permission() !== 'granted' || !('PushManager' in window) || document.getElementById('push')) return;
  toast({ title: 'Also with every tab closed?', text: 'Turn on Web Push for this device under My notifications.', url: '/console/me', seconds: 20 });
}

// selfTest drives "Send me a test notification" on the page of one's own.
function selfTest() {
  const b = document.getElementById('self-test');
  if (!b) return;
  const say = () => {
    const why = explain();
    const text = {
      granted: 'This browser may show notifications.',
      default: 'This browser has not been asked yet. Turn notifications on above, or send a test: it asks.',
    }[permission()] || `${why.reason} ${why.steps.join(' ')}`;
    const line = document.getElementById('permission');
    if (line.textContent !== text) line.textContent = text;
  };
  say();
  b.hidden = false;
  b.onclick = async () => {
    b.disabled = true;
    const steps = document.getElementById('self-test-steps');
    steps.replaceChildren();
    try {
      if (permission() === 'default') await ask();
      for await (const s of selftest({ live, notes })) {
        let li = steps.querySelector(`[data-step="${CSS.escape(s.name)}"]`);
        if (!li) {
          li = document.createElement('li');
          li.dataset.step = s.name;
          steps.append(li);
        }
        const word = { running: ['…', 'is tried'], ok: ['✓', 'works'], failed: ['✕', 'failed'], skipped: ['–', 'not tried'] }[s.status];
        li.replaceChildren();
        const mark = document.createElement('strong');
        mark.textContent = word[0];
        mark.className = s.status === 'ok' ? 'ok' : s.status === 'failed' ? 'no' : '';
        const text = document.createElement('div');
        const head = document.createElement('p');
        head.textContent = `${s.title}: ${word[1]}${s.ms ? ` (${Math.round(s.ms)} ms)` : ''}`;
        text.append(head);
        for (const more of [s.detail, s.mend].flat()) {
          if (!more) continue;
          const p = document.createElement('p');
          p.className = 'dim';
          p.textContent = more;
          text.append(p);
        }
        li.append(mark, text);
      }
    } finally {
      say();
      b.disabled = false;
    }
  };
}

function theme() {
  const b = document.getElementById('theme-button');
  b.hidden = false;
  const words = { system: 'as the system', light: 'light', dark: 'dark' };
  const name = () => {
    b.title = `Theme: ${words[root.dataset.wish]}`;
    b.setAttribute('aria-label', b.title);
  };
  name();
  b.addEventListener('click', () => {
    const next = { system: 'dark', dark: 'light', light: 'system' }[root.dataset.wish];
    try {
      if (next === 'system') localStorage.removeItem('tocsin-theme');
      else localStorage.setItem('tocsin-theme', next);
    } catch { /* it then holds for this page alone */ }
    dispatchEvent(new Event('tocsin-theme'));
    name();
  });
}

function copyButtons() {
  if (!navigator.clipboard) return;
  for (const b of document.querySelectorAll('[data-copy]')) {
    b.hidden = false;
    b.addEventListener('click', async () => {
      await navigator.clipboard.writeText(document.querySelector(b.dataset.copy).textContent);
      const name = b.getAttribute('aria-label');
      b.textContent = 'Copied';
      if (name) b.setAttribute('aria-label', name.replace(/^Copy/, 'Copied'));
      setTimeout(() => { b.textContent = 'Copy'; if (name) b.setAttribute('aria-label', name); }, 2000);
    });
  }
}

function help() {
  const dialog = document.getElementById('keys-help');
  const b = document.getElementById('keys-button');
  b.hidden = false;
  b.addEventListener('click', () => dialog.showModal());
  const menu = document.querySelector('.user-menu');
  document.addEventListener('click', (e) => { if (!menu.contains(e.target)) menu.open = false; });
  document.addEventListener('keydown', (e) => {
    if (e.key === 'Escape') menu.open = false;
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches('input:not([type="checkbox"]), textarea, select')) return;
    if (e.key === '?') dialog.showModal();
    if (e.key === '/') {
      const search = document.getElementById('search');
      if (search) { e.preventDefault(); search.focus(); search.select(); }
    }
  });
}
