// Web Push on the page of one's own: this browser's switch, its true state, and
// a test that says where it got stuck. On every page: the device is kept true.

import './shared.js';
import { look, turnOn, turnOff, keep, test, onPush, standalone } from './push.js';

const { get } = self.tocsin;

const PILLS = {
  on: ['good', 'ok', 'On'], off: ['dim', 'dash', 'Off'], stale: ['warn', 'warn', 'Must be renewed'], denied: ['bad', 'no', 'Blocked'],
  'needs-install': ['info', 'dash', 'Needs the Home Screen'], unsupported: ['dim', 'no', 'Not possible'], insecure: ['bad', 'no', 'Not possible'], disabled: ['dim', 'dash', 'Off for this hub'],
};

const WHY = {
  on: 'You are told on this device also when no tab of Tocsin is open. Signing out here ends it.',
  off: 'You are told on this device only while a tab of Tocsin is open.',
};

// startPush keeps this browser's device true and drives the switch where the
// page has one.
export function startPush({ userId }) {
  const box = document.getElementById('push');
  const kept = keep({ userId }).catch((error) => ({ error }));
  signOut();
  if (!box) return { draw() {} };

  const on = document.getElementById('push-on');
  const off = document.getElementById('push-off');
  const tries = document.getElementById('push-test');
  const result = document.getElementById('push-result');

  async function draw(problem = null) {
    const now = await look();
    const [cls, icon, word] = PILLS[now.state] || PILLS.unsupported;
    const pill = document.getElementById('push-pill');
    pill.className = `pill pill-${cls}`;
    pill.querySelector('use').setAttribute('href', pill.querySelector('use').getAttribute('href').replace(/#.*/, `#${icon}`));
    pill.querySelector('span').textContent = word;
    box.dataset.state = now.state;
    document.getElementById('push-why').textContent = problem ? [problem.message, problem.mend].filter(Boolean).join(' ') : now.why || WHY[now.state] || '';
    const steps = document.getElementById('push-steps');
    steps.hidden = now.steps.length === 0;
    steps.replaceChildren(...now.steps.map((text) => { const li = document.createElement('li'); li.textContent = text; return li; }));
    on.hidden = !(now.state === 'off' || now.state === 'stale');
    on.textContent = now.state === 'stale' ? 'Renew Web Push here' : standalone() ? 'Turn on Web Push in this app' : 'Turn on Web Push here';
    off.hidden = !(now.state === 'on' || now.state === 'stale');
    tries.hidden = now.state !== 'on';
    for (const tr of document.querySelectorAll('[data-device]')) {
      tr.querySelector('[data-this-browser]').hidden = tr.dataset.device !== now.device?.id;
    }
    return now;
  }

  // busy runs what a button does; its failure stands where the state does.
  const busy = (button, run) => async () => {
    button.disabled = true;
    result.replaceChildren();
    let problem = null;
    try { await run(); } catch (error) { problem = error; }
    button.disabled = false;
    await draw(problem);
  };
  on.addEventListener('click', busy(on, async () => {
    const now = await turnOn({ userId });
    if (now.state === 'on') await list();
  }));
  off.addEventListener('click', busy(off, async () => { await turnOff(); await list(); }));
  tries.addEventListener('click', busy(tries, async () => { await tryOut((await look()).device?.id); await list(); }));

  // list draws my devices anew, as the server writes them.
  async function list() {
    const answer = await fetch(location.pathname, { credentials: 'same-origin', headers: { 'Tocsin-Fragment': '1' } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('.device-list');
    if (fresh) document.querySelector('.device-list').replaceChildren(...document.importNode(fresh, true).childNodes);
  }

  // tryOut goes the way of a message and says of each step how it went.
  async function tryOut(id) {
    if (!id) return;
    const line = (mark, cls, text, more = '') => {
      const li = document.createElement('li');
      const m = document.createElement('strong');
      m.textContent = mark;
      m.className = cls;
      const body = document.createElement('div');
      const p = document.createElement('p');
      p.textContent = text;
      body.append(p);
      if (more) {
        const d = document.createElement('p');
        d.className = 'dim';
        d.textContent = more;
        body.append(d);
      }
      li.append(m, body);
      result.append(li);
      return li;
    };
    let stop = () => {};
    const arrived = new Promise((resolve) => { stop = onPush((m) => { if (m.data?.kind === 'test') resolve(m); }); });
    try {
      const sent = await test(id);
      if (!sent.accepted) { line('✕', 'no', 'The push service did not take it', sent.detail); return; }
      line('✓', 'ok', 'The push service took it');
      const waiting = line('…', '', 'It is on its way to this browser');
      const came = await Promise.race([arrived, new Promise((resolve) => { setTimeout(resolve, 20_000, null); })]);
      waiting.remove();
      if (!came) line('✕', 'no', 'Nothing came within 20 s', 'The push service has it, but this browser has not fetched it: is it connected to the network without a firewall that keeps long connections out? It may still come.');
      else if (came.shown !== 'shown') line('✕', 'no', 'It came, but the browser did not show it', 'Look into the operating system’s settings for notifications of this browser.');
      else line('✓', 'ok', 'It came and was shown', 'If you do not see it: the operating system’s “Do not disturb” or its settings for this browser keep it back.');
    } finally { stop(); }
  }

  kept.then((k) => draw(k?.error || null));
  navigator.permissions?.query({ name: 'notifications' }).then((s) => s.addEventListener('change', () => draw()), () => {});
  return { draw };
}

// signOut ends Web Push on this device with the session: whoever sits here next
// must not read on in the dark what comes for somebody else. A session that only
// runs out ends nothing: people on call sleep.
function signOut() {
  const form = document.getElementById('sign-out');
  if (!form) return;
  get('kept', 'push').then((mine) => {
    if (mine?.id) document.getElementById('sign-out-push').hidden = false;
  }).catch(() => {});
  form.addEventListener('submit', (event) => {
    if (form.dataset.ended) return;
    event.preventDefault();
    form.dataset.ended = 'yes';
    end().finally(() => form.requestSubmit());
  });
}

// end waits for the hub only for a moment: the browser's half is done by then.
async function end() {
  const mine = await get('kept', 'push').catch(() => null);
  if (mine && !mine.id) return;
  await Promise.race([turnOff().catch(() => {}), new Promise((resolve) => { setTimeout(resolve, 3000); })]);
}
