// What pages and the service worker have in common. It is a classic script, so
// that the worker can import it (importScripts) and a module can, too
// (import './shared.js'); both find it as self.tocsin.
//
// The database "tocsin" holds what must be known on both sides and outlive them:
//   shown   which messages were shown on this device, so that one rings once
//   outbox  acknowledgements that wait for the network
//   kept    single values: the owner, the subscription, the alerts last known

self.tocsin = (() => {
  const NAME = 'tocsin';
  let opening = null;

  function open() {
    opening ??= new Promise((resolve, reject) => {
      const r = indexedDB.open(NAME, 1);
      r.onupgradeneeded = () => {
        r.result.createObjectStore('shown', { keyPath: 'key' }).createIndex('at', 'at');
        r.result.createObjectStore('outbox', { keyPath: 'id' });
        r.result.createObjectStore('kept');
      };
      r.onsuccess = () => {
        const db = r.result;
        // A newer version of the program or "clear site data" must not wait for us.
        db.onversionchange = () => { db.close(); opening = null; };
        db.onclose = () => { opening = null; };
        resolve(db);
      };
      r.onerror = () => reject(r.error);
      r.onblocked = () => reject(new Error('another version holds the database'));
    }).catch((error) => { opening = null; throw error; });
    return opening;
  }

  // within runs work(store) in one transaction and answers what its last
  // request or its own promise-free value gave, once the transaction is done.
  async function within(name, mode, work) {
    const db = await open();
    return new Promise((resolve, reject) => {
      const t = db.transaction(name, mode);
      let result;
      t.oncomplete = () => resolve(result instanceof IDBRequest ? result.result : result);
      t.onabort = () => reject(t.error || new Error('aborted'));
      result = work(t.objectStore(name), (value) => { result = value; });
    });
  }

  const get = (store, key) => within(store, 'readonly', (s) => s.get(key));
  const all = (store) => within(store, 'readonly', (s) => s.getAll());
  const put = (store, value, key) => within(store, 'readwrite', (s) => (key === undefined ? s.put(value) : s.put(value, key)));
  const remove = (store, key) => within(store, 'readwrite', (s) => s.delete(key));

  // ---- one message, one ring
  //
  // A message may come twice to a device: by the stream of an open tab and by
  // Web Push. Whoever claims it first shows it. A claim that was not confirmed
  // within PATIENCE is void: its tab was closed, or its worker killed, half-way.

  const PATIENCE = 3000;
  const KEEP = 2 * 86_400_000; // a push may arrive a day late
  const MOST = 2000;

  // messageKey names what a notification tells, whichever way it came. Seconds
  // are exact enough, and both ways write them alike. '' for what is told anew
  // each time.
  function messageKey({ tag, notice = '', state = '', at }) {
    const time = Date.parse(at);
    if (!tag || Number.isNaN(time)) return '';
    return `${tag} ${notice} ${state} ${Math.floor(time / 1000)}`;
  }

  // claim answers true for the one who is to show the message. Where there is
  // no database everybody is: two rings are better than none.
  async function claim(key) {
    if (!key) return true;
    for (;;) {
      let got;
      try {
        got = await within('shown', 'readwrite', (s, answer) => {
          const r = s.get(key);
          r.onsuccess = () => {
            const was = r.result;
            if (was?.done) answer('lost');
            else if (was && Date.now() - was.at < PATIENCE) answer('wait');
            else { s.put({ key, at: Date.now(), done: false }); answer('won'); }
          };
          prune(s);
          return 'wait';
        });
      } catch { return true; }
      if (got !== 'wait') return got === 'won';
      await new Promise((resolve) => { setTimeout(resolve, 150); });
    }
  }

  function prune(s) {
    s.index('at').openCursor(IDBKeyRange.upperBound(Date.now() - KEEP)).onsuccess = ({ target }) => {
      const c = target.result;
      if (c) { c.delete(); c.continue(); }
    };
    s.count().onsuccess = ({ target }) => {
      let over = target.result - MOST;
      if (over <= 0) return;
      s.index('at').openCursor().onsuccess = ({ target: t }) => {
        if (t.result && over-- > 0) { t.result.delete(); t.result.continue(); }
      };
    };
  }

  // confirm says that a claimed message is on screen, give gives the claim back.
  async function confirm(key) {
    if (key) await put('shown', { key, at: Date.now(), done: true }).catch(() => {});
  }
  async function give(key) {
    if (key) await remove('shown', key).catch(() => {});
  }
  async function wasShown(key) {
    if (!key) return false;
    try { return Boolean((await get('shown', key))?.done); } catch { return false; }
  }

  // ---- what is on screen
  //
  // Chromium forgets a notification that is asked for (getNotifications) after
  // showNotification was answered but before the desktop has drawn it: it is then
  // never seen. So whoever shows something says so, and nobody asks before it has
  // settled.

  const SETTLE = 1000;

  async function drawn() { await put('kept', Date.now(), 'drawn').catch(() => {}); }

  // settled waits for that, 5 s at most; false says that too much is being shown.
  async function settled() {
    for (const end = Date.now() + 5000; ;) {
      const left = (await get('kept', 'drawn').catch(() => 0) || 0) + SETTLE - Date.now();
      if (left <= 0 || left > SETTLE) return true; // the clock may have been set back
      if (Date.now() + left > end) return false;
      await new Promise((resolve) => { setTimeout(resolve, left); });
    }
  }

  // ---- push subscriptions

  function base64url(buffer) {
    if (!buffer) return '';
    return btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  }

  // address is what proves that a subscription is ours: {endpoint, auth}.
  function address(subscription) {
    return subscription ? { endpoint: subscription.endpoint, auth: base64url(subscription.getKey('auth')) } : null;
  }

  // boundTo says whether it was made with that key of the hub. Browsers that do
  // not tell are believed.
  function boundTo(subscription, publicKey) {
    const bound = subscription.options?.applicationServerKey;
    return !bound || base64url(bound) === publicKey;
  }

  // ---- which browser this is

  function browser(text) {
    // In this order: each says that it is also those after it.
    for (const [pattern, name] of [
      [/\bEdgA?(?:iOS)?\/(\d+)/, 'Edge'], [/\b(?:OPR|Opera)\/(\d+)/, 'Opera'], [/\bSamsungBrowser\/(\d+)/, 'Samsung Internet'],
      [/\b(?:Firefox|FxiOS)\/(\d+)/, 'Firefox'], [/\b(?:HeadlessChrome|Chrome|Chromium|CriOS)\/(\d+)/, 'Chrome'], [/\bVersion\/(\d+)[^ ]* .*Safari\//, 'Safari'],
    ]) {
      const m = pattern.exec(text);
      if (m) return [name, m[1]];
    }
    return ['a browser', ''];
  }

  function system(text) {
    // An iPad says that it is a Mac; only its screen gives it away.
    if (/iPhone|iPad|iPod/.test(text) || (/Macintosh/.test(text) && navigator.maxTouchPoints > 1)) return 'iOS';
    if (/Android/.test(text)) return 'Android';
    if (/Windows/.test(text)) return 'Windows';
    if (/Macintosh/.test(text)) return 'macOS';
    if (/CrOS/.test(text)) return 'ChromeOS';
    return /Linux|X11/.test(text) ? 'Linux' : 'an unknown system';
  }

  // agent is the browser for people: "Firefox 140 on Linux".
  function agent(text = navigator.userAgent) {
    const [name, version] = browser(text);
    return `${name}${version ? ` ${version}` : ''} on ${system(text)}`;
  }

  return {
    get, all, put, remove, within, messageKey, claim, confirm, give, wasShown, drawn, settled, SETTLE, address, boundTo, browser, system, agent,
  };
})();
