// The form of a status page: what can be known is filled in, and the colour can
// be chosen.

const root = document.querySelector('[data-status-page]');
if (root) {
  accent();
  logo();
  if ('new' in root.dataset) fresh();
}

// fresh fills in a new page's short name and zone until somebody writes their own.
function fresh() {
  const name = document.getElementById('f-name');
  const slug = document.getElementById('f-slug');
  const zone = document.getElementById('f-zone');
  let ours = '';
  // What stands there and is not ours is somebody's, even if the browser has put it
  // back after it went back.
  const follow = () => {
    if (slug.value !== '' && slug.value !== ours) return;
    slug.value = ours = name.value.toLowerCase().replace(/ä/g, 'ae').replace(/ö/g, 'oe').replace(/ü/g, 'ue').replace(/ß/g, 'ss')
      .normalize('NFD').replace(/[^a-z0-9]+/g, (x) => (/[\u0300-\u036f]/.test(x) && x.length === 1 ? '' : '-')).replace(/^-+|-+$/g, '').slice(0, 40).replace(/-+$/, '');
  };
  name.addEventListener('input', follow);
  follow(); // the name may have been written before this script came
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone.value === 'UTC' && here) zone.value = here;
}

// accent sets a palette beside the field of the colour.
function accent() {
  const text = document.getElementById('f-accent');
  if (!text || text.disabled || text.closest('fieldset[disabled]')) return;
  const row = document.createElement('span');
  row.className = 'accent-row';
  text.before(row);
  const pick = document.createElement('input');
  pick.type = 'color';
  pick.setAttribute('aria-label', 'Choose the accent colour');
  const follow = () => { pick.value = /^#[0-9a-f]{6}$/i.test(text.value) ? text.value : '#1d5fd1'; };
  follow();
  row.append(pick, text);
  pick.addEventListener('input', () => { text.value = pick.value; });
  text.addEventListener('input', follow);
}

// logo says at once what the hub would refuse, and sends a picture when it is
// chosen.
function logo() {
  const form = document.querySelector('[data-logo]');
  if (!form) return;
  const file = form.elements.logo;
  const problem = document.getElementById('logo-problem');
  file.addEventListener('change', () => {
    const [f] = file.files;
    if (!f) return;
    const most = Number(form.dataset.most) * 1024;
    problem.textContent = f.size > most ? `This picture has ${Math.ceil(f.size / 1024)} KiB. Keep to ${form.dataset.most}.`
      : f.type !== 'image/png' && f.type !== 'image/jpeg' ? 'This is neither PNG nor JPEG. Save it as one of them.' : '';
    problem.hidden = problem.textContent === '';
    if (problem.hidden) form.requestSubmit();
    else file.value = '';
  });
}
