// One event stream for all tabs of a browser.
//
// A browser allows about six connections to a host over HTTP/1.1, and a person
// who has ten tabs open wants one notification, not ten. So one tab, the leader,
// holds the stream; it hands every frame to the others over a BroadcastChannel.
// Who leads is decided by a Web Lock: when the leader's tab goes away, the
// browser gives the lock to the next one, which goes on after the last frame that
// any tab has seen (its number is in localStorage).
//
//   const live = startLive({
//     userId: '…',
//     onFrame(frame) {},  // {kind, seq, data, leader, replayed}
//     onState(state) {},  // {state, retryIn, leader}
//   });
//
// Frames are handed on in ascending order and never twice to one tab. kind is
// the event's name: 'alert', 'notification', …; besides:
//   'hello'  the stream stands (again); data {seq, until, node, heartbeat}
//   'health' whether the hub is well; data {ok, warnings}. It has no number: it is
//            told after each hello and whenever it changes
//   'reset'  what was missed cannot be replayed, or was too much to: load anew
//            what the page shows
// replayed says that the frame is from before the stream stood. leader says that
// this tab is the one to act (to show a notification, to send a receipt).
//
// state is one of 'connecting', 'live', 'reconnecting' (retryIn: seconds, told
// again every second), 'offline' (the same, and the browser says that there is no
// network), 'signed-out'.

const PATIENCE = 90_000; // followers wait so long for a silent leader; hidden tabs have timers of a minute

export function startLive({
  userId, onFrame = () => {}, onState = () => {}, url = '/api/v1/live', check = '/api/v1/me', kinds = [], since = null,
}) {
  const name = `tocsin-live:${userId}`;
  const key = `tocsin-seq:${userId}`;
  const channel = 'BroadcastChannel' in window ? new BroadcastChannel(name) : null;

  let seen = since ?? stored();  // the last frame this tab was given; null: none
  let leader = false;
  let release = null;            // gives the lock back
  let source = null;
  let until = 0;                 // frames up to here are replayed ones
  let heartbeat = 15_000;
  let heard = Date.now();        // of the stream (leader) or of the leader (others)
  let attempts = 0;
  let retryAt = 0;
  let now = { state: 'connecting', retryIn: 0, leader: false };
  let stopped = false;
  let ticked = Date.now();

  function stored() {
    try {
      const text = localStorage.getItem(key);
      return text === null || !/^\d+$/.test(text) ? null : Number(text);
    } catch { return null; } // storage is forbidden: begin where the log ends
  }
  function store(seq) {
    try { localStorage.setItem(key, String(seq)); } catch { /* the next leader then loads anew */ }
  }
  function tell(message) { channel?.postMessage(message); }

  function setState(state, retryIn = 0, passOn = true) {
    const changed = state !== now.state || retryIn !== now.retryIn || leader !== now.leader;
    now = { state, retryIn, leader };
    if (leader && passOn) tell({ t: 'state', state, retryIn });
    if (changed) onState(now);
  }

  // take gives a frame to this tab, once. A leader that dies between telling the
  // others and noting the number makes the next one replay it; hence the check.
  function take(frame) {
    if (frame.kind === 'reset') seen = frame.seq;
    else if (frame.kind === 'health') { /* what is true now is never out of date */ }
    else if (frame.kind !== 'hello') {
      if (seen !== null && frame.seq <= seen) return;
      seen = frame.seq;
    } else if (seen === null) seen = frame.data.seq;
    onFrame({ ...frame, leader });
  }

  // ---- the leader's stream

  function connect() {
    if (!leader || stopped) return;
    disconnect();
    retryAt = 0;
    heard = Date.now();
    if (now.state !== 'reconnecting' && now.state !== 'offline') setState('connecting');
    const last = seen ?? stored();
    const es = new EventSource(last === null ? url : `${url}?last=${last}`);
    source = es;
    const mine = (f) => (event) => { if (source === es) { heard = Date.now(); f(event); } };

    es.addEventListener('hello', mine((event) => {
      const data = JSON.parse(event.data);
      heartbeat = (data.heartbeat || 15) * 1000;
      until = data.until ?? data.seq;
      pass({ kind: 'hello', seq: data.seq, data, replayed: false });
      if (seen !== null && event.lastEventId) store(seen);
      setState('live');
    }));
    es.addEventListener('ping', mine(() => {
      attempts = 0;
      tell({ t: 'beat' });
    }));
    const frame = (kind) => mine((event) => {
      const seq = Number(event.lastEventId);
      let data = {};
      try { data = JSON.parse(event.data); } catch { /* the number counts all the same */ }
      pass({ kind, seq, data, replayed: seq <= until });
      store(seq);
    });
    for (const kind of new Set(['alert', 'notification', ...kinds])) es.addEventListener(kind, frame(kind));
    es.addEventListener('health', mine((event) => {
      pass({ kind: 'health', seq: null, data: JSON.parse(event.data), replayed: false });
    }));
    es.addEventListener('reset', frame('reset'));
    es.addEventListener('many', frame('reset')); // a storm: the page does the same for both
    es.addEventListener('moved', mine(() => retry(200 + Math.random() * 1800)));
    es.addEventListener('replaced', mine(() => retry(60_000)));
    es.addEventListener('signed-out', mine(signedOut));
    // EventSource tries again by itself after some errors and gives up after
    // others, at times of its own: this is taken over here for all of them.
    es.onerror = mine(() => { disconnect(); diagnose(); });
  }

  function pass(frame) {
    tell({ t: 'frame', frame });
    take(frame);
  }

  function disconnect() {
    source?.close();
    source = null;
  }

  // An EventSource does not say which error it got.
  async function diagnose() {
    setState(navigator.onLine === false ? 'offline' : 'reconnecting', 1);
    try {
      const answer = await fetch(check, { credentials: 'same-origin', cache: 'no-store' });
      if (answer.status === 401) { signedOut(); return; }
    } catch { /* no answer at all: try again below */ }
    attempts++;
    // Half of it by chance, or all tabs of a company come back at the same moment.
    retry(Math.min(30_000, 500 * 2 ** attempts) * (0.5 + Math.random() / 2));
  }

  function retry(ms) {
    disconnect();
    if (!leader || stopped) return;
    retryAt = Date.now() + ms;
    countDown();
  }

  function countDown() {
    if (!retryAt || !leader || stopped) return;
    const left = retryAt - Date.now();
    if (left <= 0) { connect(); return; }
    setState(navigator.onLine === false ? 'offline' : 'reconnecting', Math.ceil(left / 1000));
    setTimeout(countDown, Math.min(left, 1000));
  }

  function signedOut() {
    disconnect();
    retryAt = 0;
    setState('signed-out');
  }

  // ---- who leads

  async function lead(steal) {
    if (!navigator.locks) { leadWhileVisible(); return; }
    const held = () => new Promise((done) => {
      if (stopped) { done(); return; }
      leader = true;
      release = done;
      seen = stored() === null ? seen : Math.max(seen ?? 0, stored());
      connect();
    });
    try {
      await navigator.locks.request(name, steal ? { steal: true } : {}, held);
    } catch { /* another tab took it, because this one had fallen silent */ }
    leader = false;
    release = null;
    retryAt = 0;
    disconnect();
    heard = Date.now();
    waiting = false;
    waitForTurn();
  }

  let waiting = false;
  function waitForTurn(steal = false) {
    if (stopped || (waiting && !steal)) return;
    waiting = true;
    lead(steal);
  }

  // Without a secure context there are no locks: then each tab that is looked at
  // has a stream of its own, and the hidden ones leave the connections to it.
  function leadWhileVisible() {
    const visible = document.visibilityState === 'visible';
    if (visible === leader) return;
    leader = visible;
    if (leader) connect(); else { disconnect(); retryAt = 0; }
  }

  channel?.addEventListener('message', ({ data: m }) => {
    if (m.t === 'who') {
      if (leader) tell({ t: 'state', state: now.state, retryIn: now.retryIn });
      return;
    }
    if (leader) return;
    heard = Date.now();
    if (m.t === 'frame') take(m.frame);
    if (m.t === 'state') setState(m.state, m.retryIn);
  });

  // ---- waking up

  // check after anything that may mean that the machine slept or the network
  // changed: a dead connection looks just like a silent one.
  function wake() {
    if (stopped) return;
    if (!navigator.locks) leadWhileVisible();
    if (!leader) return;
    if (!source || now.state === 'signed-out' || retryAt || Date.now() - heard > 2 * heartbeat) {
      attempts = 0;
      connect();
    }
  }

  const tick = setInterval(() => {
    const gap = Date.now() - ticked;
    ticked = Date.now();
    if (leader) {
      if (now.state !== 'live') tell({ t: 'beat' });
      if (gap > 2 * heartbeat || (source && Date.now() - heard > 2 * heartbeat)) wake();
      return;
    }
    if (gap > PATIENCE / 2) { heard = Date.now(); return; } // we slept ourselves
    // A leader whose tab was frozen keeps its lock.
    if (navigator.locks && channel && Date.now() - heard > PATIENCE * (1 + Math.random())) {
      heard = Date.now();
      waiting = false;
      waitForTurn(true);
    }
  }, 5000);

  const visible = () => { if (document.visibilityState === 'visible') wake(); else if (!navigator.locks) leadWhileVisible(); };
  const freeze = () => release?.();
  // A tab that is being closed is still given frames for some milliseconds, but
  // what it begins to show then is never drawn: they are the next leader's.
  const leave = () => disconnect();
  const events = [
    [window, 'online', wake], [window, 'offline', wake], [window, 'pagehide', leave], [window, 'pageshow', wake], [window, 'focus', visible],
    [document, 'visibilitychange', visible], [document, 'resume', () => { heard = Date.now(); wake(); }], [document, 'freeze', freeze],
  ];
  for (const [on, event, f] of events) on.addEventListener(event, f);

  onState(now);
  tell({ t: 'who' });
  waitForTurn();

  return {
    state: () => ({ ...now }),
    isLeader: () => leader,
    // reconnect does at once what would be done in some seconds ("Try now").
    reconnect() { attempts = 0; if (leader) connect(); },
    stop() {
      stopped = true;
      clearInterval(tick);
      for (const [on, event, f] of events) on.removeEventListener(event, f);
      disconnect();
      release?.();
      channel?.close();
    },
  };
}
