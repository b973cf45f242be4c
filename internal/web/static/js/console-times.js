// Times in the reader's zone, relative ones kept true. The server has written
// each in UTC; without this script that is what people read.

const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayClock = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });

function length(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return 'under 1 min'; // seconds would be wrong before they are read
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) {
    const m = Math.floor(s % 3600 / 60);
    return m ? `${Math.floor(s / 3600)} h ${m} min` : `${Math.floor(s / 3600)} h`;
  }
  const h = Math.floor(s % 86400 / 3600);
  return h && s < 14 * 86400 ? `${Math.floor(s / 86400)} d ${h} h` : `${Math.floor(s / 86400)} d`;
}

// words is what a time element says now.
function words(style, at, now) {
  const ago = (now - at) / 1000;
  if (style === 'span') return length(ago);
  if (style === 'clock') {
    return new Date(at).toDateString() === new Date(now).toDateString() ? clock.format(at) : dayClock.format(at);
  }
  if (ago < -60) return `in ${length(-ago)}`;
  return ago < 60 ? 'just now' : `${length(ago)} ago`;
}

// tick writes all times below root. Text is only touched where it differs: a
// screen reader and a selection are left in peace.
export function tick(root = document) {
  const now = Date.now();
  for (const el of root.querySelectorAll('time[data-when]')) {
    const at = Date.parse(el.dateTime);
    if (Number.isNaN(at)) continue;
    const text = words(el.dataset.when, at, now);
    if (el.textContent !== text) el.textContent = text;
    const title = full.format(at);
    if (el.title !== title) el.title = title;
  }
}

export function keepTimes() {
  tick();
  setInterval(tick, 10_000);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) tick(); });
}
