// Web Push in this browser: turning it on and off, and keeping it true.
//
//   import { look, turnOn, turnOff, keep, visitor } from './push.js';
//   const now = await look();       // {state, why, steps, device}
//   button.onclick = () => turnOn(); // from a click, after the page has said why
//   keep({ userId });                // at every page load
//
// state is one of
//   'unsupported'    this browser has no Web Push, or not in this window
//   'insecure'       only https and localhost may
//   'needs-install'  iOS: only an app on the Home Screen may; steps say how
//   'denied'         notifications are blocked here; steps say how to allow them
//   'disabled'       the hub's administrator has turned Web Push off
//   'off'            it can be turned on
//   'on'             the hub has this browser's address
//   'stale'          there is an address, but the hub's key is another one by now,
//                    or the hub was not told yet: keep, or turnOn, mends it
//
// A browser has one subscription for a whole site. It may be a signed-in person's
// device, a visitor's of a public page, or both, and each part comes and goes by
// itself. What it is stands in IndexedDB (shared.js), beside what proves that it
// is ours: id and user of a device, pages of a visitor.

import './shared.js';
import { state as permission, ask, worker, explain } from './notifications.js';
import { system } from './permission.js';

const { get, put, remove, address, boundTo, browser } = self.tocsin;
const API = '/api/v1/push';

const kept = () => get('kept', 'push').catch(() => null);
const visits = (mine) => mine?.pages?.length > 0;
const note = (value) => (value ? put('kept', value, 'push') : remove('kept', 'push')).catch(() => {});

// standalone says that the page runs as an installed app.
export function standalone() {
  return navigator.standalone === true || matchMedia('(display-mode: standalone)').matches;
}

// onIOS decides who is told of the Home Screen.
export const onIOS = () => system(navigator.userAgent) === 'iOS';

async function call(method, path, body) {
  const answer = await fetch(`${API}${path}`, {
    method, credentials: 'same-origin', cache: 'no-store', signal: AbortSignal.timeout(15_000),
    ...(body ? { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) } : {}),
  });
  const text = await answer.text();
  let out = null;
  try { out = JSON.parse(text); } catch { /* 204, or a proxy's page */ }
  if (!answer.ok) throw Object.assign(new Error(out?.detail || `The hub answered ${answer.status}.`), { status: answer.status });
  return out;
}

const hubKey = () => call('GET', '/key');

async function subscription() {
  const reg = await navigator.serviceWorker.getRegistration('/');
  return await reg?.pushManager?.getSubscription() || null;
}

// look says how far we are. It changes nothing.
export async function look() {
  const on = (state, why, steps = [], device = null) => ({ state, why, steps, device });
  if (!window.isSecureContext) return on('insecure', explain().reason, explain().steps);
  if (!('PushManager' in window) || permission() === 'unsupported') {
    if (onIOS() && !standalone()) {
      return on('needs-install', 'On iPhone and iPad, notifications reach only apps on the Home Screen (iOS 16.4 or later).', [
        'In Safari, press Share (the square with the arrow).',
        'Choose “Add to Home Screen”, then “Add”.',
        'Open Tocsin from the Home Screen, sign in, and come back to this page.',
      ]);
    }
    return on('unsupported', 'This browser has no Web Push, or not in a private window.', ['Use a current Chrome, Edge, Firefox or Safari, in an ordinary window.']);
  }
  if (permission() === 'denied') return on('denied', explain().reason, explain().steps);
  let key;
  try { key = await hubKey(); } catch (error) { return on('unsupported', `The hub did not answer: ${error.message}`, ['Try again in a moment.']); }
  if (!key.enabled) return on('disabled', 'Web Push is turned off for this hub.', ['An administrator turns it on under Settings, Notifications.']);
  const [sub, mine] = [await subscription(), await kept()];
  const device = mine?.id ? { id: mine.id, name: mine.name } : null;
  if (permission() !== 'granted' || !sub || (visits(mine) && !device)) return on('off', '');
  if (!boundTo(sub, key.public_key)) return on('stale', 'The hub has a new key, and this browser still uses the old one.', [], device);
  if (!device || mine.endpoint !== sub.endpoint) return on('stale', 'This browser has an address for messages that the hub does not know of.', [], device);
  return on('on', '', [], device);
}

// renew answers a subscription with the hub's present key, and what it stands
// in for: the hub then moves the row and makes no second one.
async function renew(key, before) {
  const reg = await worker();
  let sub = await reg.pushManager.getSubscription();
  let replaces = before?.replaces || (before?.endpoint && before.endpoint !== sub?.endpoint ? { endpoint: before.endpoint, auth: before.auth } : null);
  if (sub && !boundTo(sub, key.public_key)) {
    replaces = address(sub);
    await sub.unsubscribe();
    sub = null;
  }
  try {
    sub ??= await reg.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key.public_key });
  } catch (error) { throw refusal(error); }
  if (replaces?.endpoint === sub.endpoint) replaces = null;
  return { sub, replaces };
}

// refusal turns what a browser throws into something that can be mended.
function refusal(error) {
  const [name] = browser(navigator.userAgent);
  const own = {
    NotAllowedError: ['The browser does not allow it.', explain().steps.join(' ')],
    AbortError: ['This browser could not reach its push service.', name === 'Chrome'
      ? 'A firewall may be in the way (it needs port 5228 to 5230 of mtalk.google.com); in Brave turn on “Use Google services for push messaging” in the privacy settings; some builds of Chromium have no push service.'
      : 'A firewall or an extension may be in the way. Try again in a moment.'],
    NotSupportedError: ['This browser does not take the hub’s key.', 'Use a current version of it.'],
  }[error.name] || [`The browser refused: ${error.message || error}.`, 'Reload the page and try again.'];
  return Object.assign(new Error(own[0]), { mend: own[1] });
}

const label = () => { const [name] = browser(navigator.userAgent); return `${standalone() ? 'Tocsin app, ' : ''}${name} on ${system(navigator.userAgent)}`; };

async function tellDevice(key, before, userId) {
  const { sub, replaces } = await renew(key, before);
  const told = await call('PUT', '/devices', {
    subscription: sub.toJSON(), key_id: key.key_id, name: label(), language: navigator.language || '',
    ...(replaces ? { replaces } : {}),
  });
  await note({ ...before, user: userId || before?.user || '', ...address(sub), key_id: key.key_id, id: told.id, name: told.name, replaces: null });
  return told;
}

// turnOn has to be called from a click. It answers look's answer, and throws
// {message, mend} when the browser or the hub refused.
export async function turnOn({ userId = document.documentElement.dataset.user } = {}) {
  if (await ask() !== 'granted') return look();
  const key = await hubKey();
  if (key.enabled) await tellDevice(key, await kept(), userId);
  return look();
}

// turnOff ends it here and at the hub. Without network the hub learns of it from
// the push service, with the next message. What the browser is to a public page
// stays.
export async function turnOff() {
  const [sub, mine] = [await subscription().catch(() => null), await kept()];
  if (!mine) {
    // What is noted was lost: whose it is, only the hub knows.
    await sub?.unsubscribe();
    if (sub) await call('POST', '/subscription/delete', address(sub));
    return;
  }
  if (!visits(mine)) await sub?.unsubscribe();
  const { id, name, user, ...rest } = mine;
  await note(visits(mine) ? rest : null);
  if (id) await call('DELETE', `/devices/${encodeURIComponent(id)}`).catch((e) => { if (e.status !== 404) throw e; });
}

// keep is called at every page load of somebody who is signed in: browsers lose
// subscriptions, push services move them, the hub's key changes, and not every
// browser says so (pushsubscriptionchange).
export async function keep({ userId }) {
  if (!window.isSecureContext || !('PushManager' in window) || permission() !== 'granted') return null;
  const [sub, mine] = [await subscription(), await kept()];
  if (visits(mine) && !mine.id) return null; // a visitor's: their page keeps it
  if (!sub && (!mine || mine.user !== userId)) {
    if (mine) await note(null);
    return null;
  }
  const key = await hubKey();
  if (!key.enabled) return null;
  if (!mine) {
    // What is noted was lost, and it may be a visitor's.
    const wants = await call('POST', '/subscription/lookup', address(sub)).catch(() => null);
    if (wants) return null;
  }
  return tellDevice(key, mine, userId);
}

// test asks the hub for a message to a device: {accepted, status, detail}.
export const test = (id) => call('POST', `/devices/${encodeURIComponent(id)}/test`);

// onPush calls f with what the worker says of each message that came, until the
// answered function is called.
export function onPush(f) {
  const listen = ({ data }) => { if (data?.kind === 'push') f(data); };
  navigator.serviceWorker?.addEventListener('message', listen);
  return () => navigator.serviceWorker?.removeEventListener('message', listen);
}

// visitor is the same for those who read a public page and have no user.
export const visitor = {
  // save turns it on, or changes what somebody wants to hear: {page, components,
  // kinds, min_impact, incident}; without a page, the main one, as for the hub. With
  // an incident it is about that one alone, and
  // what else is wanted of the page stays. From a click, as turnOn.
  async save({ page = 'main', components = [], kinds = [], min_impact = '', incident = '', language = navigator.language || '' }) {
    if (await ask() !== 'granted') return look();
    const key = await hubKey();
    if (!key.enabled) return look();
    const before = await kept();
    const { sub, replaces } = await renew(key, before);
    // A device moves with it, signed in or not.
    if (before?.id && replaces) await call('POST', '/change', { old: replaces, subscription: sub.toJSON(), key_id: key.key_id }).catch(() => {});
    await call('PUT', '/subscription', {
      subscription: sub.toJSON(), key_id: key.key_id, page, components, kinds, ...(min_impact ? { min_impact } : {}), ...(incident ? { incident } : {}), language,
      ...(replaces ? { replaces } : {}),
    });
    await note({ ...before, pages: [...new Set([...before?.pages || [], page])], ...address(sub), key_id: key.key_id, replaces: null });
    return { state: 'on', why: '', steps: [], device: null };
  },
  // wants answers what is kept at the hub for this browser of a page, or of one
  // incident of it, null if nothing.
  async wants(page, incident = '') {
    const sub = permission() === 'granted' ? await subscription() : null;
    if (!sub) return null;
    return call('POST', '/subscription/lookup', { ...address(sub), page, incident }).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
  },
  // keep sends the subscription again at every load of a page, as keep above.
  async keep(page) {
    const mine = await kept();
    if (!mine?.pages?.includes(page) || permission() !== 'granted') return null;
    const at = mine.replaces || { endpoint: mine.endpoint, auth: mine.auth };
    const wants = await call('POST', '/subscription/lookup', { endpoint: at.endpoint, auth: at.auth, page }).catch(() => null);
    return wants ? visitor.save(wants) : null;
  },
  // remove ends what is told of a page, or of one incident of it, at the hub, and
  // here where nothing else is left. A device stays one.
  async remove(page, incident = '') {
    const [sub, mine] = [await subscription().catch(() => null), await kept()];
    const at = address(sub) || mine;
    if (!at?.endpoint) return;
    const proof = { endpoint: at.endpoint, auth: at.auth };
    // What surely is the last works without network, too.
    const last = mine && !mine.id && !incident && !mine.pages?.some((p) => p !== page);
    if (last) {
      await sub?.unsubscribe();
      await note(null);
    }
    await call('POST', '/subscription/delete', { ...proof, page, incident });
    if (last) return;
    const left = await call('POST', '/subscription/lookup', proof).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
    const { pages, ...rest } = mine || {};
    if (!left && !mine?.id) await sub?.unsubscribe();
    await note(left ? { ...rest, pages: left.pages } : mine?.id ? rest : null);
  },
};
