// Forms of maintenance say beside them what comes of what is filled in; the calendar
// takes a click on a day. Without this script a button asks for the same, and the
// form begins with tomorrow.

const wait = 350; // ms after the last key

// means keeps what stands beside a form true: the hub is asked, so that dates are
// those that will be announced.
function means(form) {
  const region = document.querySelector('[data-region="means"]');
  if (!region) return;
  let timer = null, asked = 0;
  const ask = async () => {
    const mine = ++asked;
    region.classList.add('old');
    try {
      const answer = await fetch(form.dataset.check, {
        method: 'POST', credentials: 'same-origin', headers: { 'Tocsin-Fragment': '1' }, body: new URLSearchParams(new FormData(form)),
      });
      if (mine !== asked) return; // a later one is on its way
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('[data-region="means"]');
        if (fresh && fresh.innerHTML !== region.innerHTML) region.replaceChildren(...document.importNode(fresh, true).childNodes);
        here(region);
      }
    } catch { /* the next change asks again */ }
    if (mine === asked) region.classList.remove('old');
  };
  form.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(ask, wait); });
  for (const b of form.querySelectorAll('.section-foot button[formaction*="/check"]')) b.closest('.section-foot').hidden = true;
}

// together moves the end with the beginning: how long it lasts is what was meant.
// Both are on one clock, so they are counted as if it knew no daylight saving.
function together(form) {
  const start = form.elements.start, end = form.elements.end;
  if (!start || !end) return;
  const at = (x) => Date.parse(`${x.value}Z`);
  let was = at(start);
  start.addEventListener('change', () => {
    const now = at(start), over = at(end);
    if (!Number.isNaN(now) && !Number.isNaN(was) && !Number.isNaN(over) && over > was) end.value = new Date(over + now - was).toISOString().slice(0, 16);
    if (!Number.isNaN(now)) was = now;
  });
}

// parts counts what is chosen of components, and finds some among many.
export function parts(field) {
  const chosen = field.querySelector('.parts-chosen');
  const count = () => {
    const n = field.querySelectorAll('input[type="checkbox"]:checked').length;
    chosen.textContent = `${n} chosen`;
    chosen.hidden = n === 0;
  };
  field.addEventListener('change', count);
  const box = field.querySelector('.parts-search');
  if (!box) return;
  box.hidden = false;
  const search = box.querySelector('input');
  search.addEventListener('keydown', (e) => { if (e.key === 'Enter') e.preventDefault(); });
  search.addEventListener('input', (e) => {
    e.stopPropagation(); // is nothing of the form
    const words = search.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    for (const group of field.querySelectorAll('.parts-group')) {
      const title = group.querySelector('.parts-title')?.textContent ?? '';
      for (const label of group.querySelectorAll('label')) {
        const text = `${title} ${label.textContent}`.toLocaleLowerCase();
        label.hidden = !words.every((w) => text.includes(w)) && !label.querySelector('input').checked;
      }
    }
  });
}

// here says a time on the reader's own clock, where that is another one.
function here(root) {
  for (const el of root.querySelectorAll('[data-here]')) {
    const at = new Date(el.dataset.here);
    if (Number.isNaN(at.getTime())) continue;
    const wall = new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    if (wall === el.dataset.wall) continue;
    const text = new Intl.DateTimeFormat(undefined, { weekday: 'short', hour: '2-digit', minute: '2-digit', timeZoneName: 'short' }).format(at);
    el.textContent = ` · for you ${text}`;
    el.hidden = false;
  }
}

// days has a click on an empty place of a day announce something then. Who uses the
// keyboard has the button above, which comes first.
function days() {
  document.addEventListener('click', (e) => {
    const day = e.target.closest('.month[data-announce] td[data-ahead]');
    if (!day || e.target.closest('a')) return;
    location.href = day.closest('table').dataset.announce + day.dataset.date;
  });
}

for (const form of document.querySelectorAll('form[data-check]')) { means(form); together(form); }
for (const field of document.querySelectorAll('.parts-field')) parts(field);
days();
here(document);
