// Part of the service worker (sw-push.js): Acknowledge and Snooze from a
// notification, also without network; and Unsubscribe from that of a public page.

/* global tocsin, learn, notice, target */

const SYNC = 'tocsin-outbox';
const SNOOZE_MINUTES = 30;
const MOST_WAITING = 50;
const WORDS = {
  ack: { did: 'Acknowledged', not: 'Not acknowledged', kept: 'Acknowledgement kept' },
  snooze: { did: 'Snoozed', not: 'Not snoozed', kept: 'Snooze kept' },
};

// expiry reads when a token ends: a byte for the version, then seconds.
function expiry(token) {
  try {
    const bytes = Uint8Array.from(atob(token.slice(0, 8).replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
    const at = new DataView(bytes.buffer).getUint32(1) * 1000;
    return bytes[0] === 1 ? at : 0;
  } catch { return 0; }
}

// act does what a button of a notification says. It is told only when it failed
// or had to be kept: a success shows on every other screen.
async function act(action, data, title) {
  const item = {
    id: `${action} ${data.alert_id}`, action, alert_id: data.alert_id, delivery_id: data.via === 'push' ? data.delivery_id : '',
    token: data.token || '', url: target(data.url), title, made: Date.now(),
    expires: (data.token && expiry(data.token)) || Date.now() + 8 * 3_600_000,
  };
  const r = await send(item);
  if (r.ok) await learn(true);
  else if (r.away) await keep(item);
  else await say(item, 'not', r.why);
}

// send tries once: {ok}, {away} when the hub was not reached, or {why}.
async function send(item) {
  if (item.token) {
    const r = await post('/api/v1/push/act', {
      token: item.token, action: item.action === 'ack' ? 'acknowledge' : 'snooze', minutes: SNOOZE_MINUTES,
      ...(item.delivery_id ? { delivery_id: item.delivery_id } : {}),
    });
    // 410: the token has done its work, or had its time. Whoever is signed in
    // here needs none.
    if (r.status !== 401 && r.status !== 410) return r;
    // Our first try did arrive: only its answer was lost. Unless it is too late by
    // the hub's clock, which alone counts: then nothing was done.
    if (r.status === 410 && item.tried && !(r.at >= item.expires)) return { ok: true };
    const again = await bySession(item);
    return again.status === 401 || again.status === 403 ? r : again;
  }
  return bySession(item);
}

function bySession(item) {
  const url = `/api/v1/alerts/${encodeURIComponent(item.alert_id)}`;
  if (item.action === 'snooze') return post(`${url}/snooze`, { minutes: SNOOZE_MINUTES });
  return post(`${url}/acknowledge`, { origin: 'notification', comment: 'Acknowledged from the desktop notification.' });
}

async function post(url, body) {
  let answer;
  try {
    answer = await fetch(url, {
      method: 'POST', credentials: 'include', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body), signal: AbortSignal.timeout(20_000),
    });
  } catch { return { away: true, status: 0 }; }
  if (answer.ok) return { ok: true, status: answer.status };
  // A hub that restarts, or a proxy before one that is away.
  if (answer.status === 429 || answer.status >= 500) return { away: true, status: answer.status };
  let why = '';
  try { why = (await answer.json()).detail || ''; } catch { /* no problem document: the status must do */ }
  if (!why) why = answer.status === 401 || answer.status === 403 ? 'You are signed out or may not do it' : `The hub answered ${answer.status}`;
  return { status: answer.status, at: Date.parse(answer.headers.get('Date')), why: `${why.replace(/\.$/, '')}.` };
}

// say tells the outcome of one act; the next word on it replaces it.
function say(item, word, more, silent = false) {
  return notice({
    title: WORDS[item.action][word],
    body: `${item.title}\n${more}`,
    tag: `act-${item.id}`,
    silent,
    auto_close: word === 'did' ? 10 : 0,
    data: { url: item.url, alert_id: item.alert_id },
  });
}

async function keep(item) {
  try {
    const waiting = await tocsin.all('outbox');
    if (waiting.length >= MOST_WAITING && !waiting.some((x) => x.id === item.id)) {
      await say(item, 'not', 'The hub cannot be reached, and too much waits for it already. Click to open the alert.');
      return;
    }
    await tocsin.put('outbox', { ...item, tried: true });
  } catch {
    await say(item, 'not', 'The hub cannot be reached, and this browser keeps nothing. Click to open the alert.');
    return;
  }
  // Where there is no Background Sync the next event of the worker sends it.
  try { await self.registration.sync?.register(SYNC); } catch { /* switched off by the person or the browser */ }
  await say(item, 'kept', 'The hub cannot be reached just now. It will be sent when the network is back.', true);
}

// flush sends what waits. It answers whether some still does.
let flushing = null;
function flush() {
  flushing ??= flushOnce().catch(() => true).finally(() => { flushing = null; });
  return flushing;
}

async function flushOnce() {
  const waiting = (await tocsin.all('outbox')).sort((a, b) => a.made - b.made);
  for (const item of waiting) {
    if (Date.now() > item.expires) {
      await tocsin.remove('outbox', item.id);
      await say(item, 'not', `It waited since ${clockOf(item.made)}, and its time is over. Click to open the alert.`);
      continue;
    }
    const r = await send(item);
    if (r.away) return true;
    await tocsin.remove('outbox', item.id);
    // 409: it has recovered, or somebody else has it. That is no failure by now.
    if (r.ok) await say(item, 'did', `Sent at ${clockOf(Date.now())}, now that the network is back.`, true);
    else await say(item, 'not', `${r.why} Click to open the alert.`, r.status === 409);
  }
  if (waiting.length) await learn(true);
  return false;
}

function clockOf(at) {
  return new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
}

// unsubscribe ends what this browser is to a public page. A contact's device, and
// what it is to other pages, stay; where nothing does, the hub learns of it from
// the push service if there is no network.
async function unsubscribe(url, page) {
  const data = { url };
  try {
    const sub = await self.registration.pushManager.getSubscription();
    const mine = await tocsin.get('kept', 'push').catch(() => null) || {};
    const pages = (mine.pages || []).filter((p) => p !== page);
    const told = sub ? await post('/api/v1/push/subscription/delete', { ...tocsin.address(sub), page }) : { ok: true };
    if (mine.id || pages.length) {
      if (!told.ok) throw new Error(told.why || 'The hub cannot be reached just now.');
      await tocsin.put('kept', { ...mine, pages }, 'push');
    } else {
      await sub?.unsubscribe();
      await tocsin.remove('kept', 'push').catch(() => {});
    }
    await notice({ title: 'Unsubscribed', body: 'This browser is told no more of this page.', tag: 'unsubscribe', silent: true, auto_close: 10, data });
  } catch (error) {
    await notice({ title: 'Not unsubscribed', body: `${error.message || error} You can also take the permission away in the browser’s settings for this site.`, tag: 'unsubscribe', data });
  }
}

self.addEventListener('sync', (event) => {
  if (event.tag !== SYNC) return;
  event.waitUntil(flush().then((left) => {
    if (left) throw new Error('the hub is still away'); // the browser then tries again by itself
  }));
});
