// Pages and forms, fetched in the background.

async function reach(url, init = {}) {
  const answer = await fetch(url, { credentials: 'same-origin', ...init, headers: { 'Tocsin-Fragment': '1', ...init.headers } });
  if (answer.status === 401) {
    location.reload(); // signed out: the server leads to the sign-in page and back here
    return new Promise(() => {});
  }
  return answer;
}

// page answers a page as a document of its own; nothing in it runs.
export async function page(url) {
  const answer = await reach(url);
  if (!answer.ok) throw new Error(`the hub answered ${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), 'text/html');
}

// post sends a form. It throws with the hub's sentence when it was refused.
export async function post(url, fields = {}) {
  const answer = await reach(url, { method: 'POST', body: new URLSearchParams(fields) });
  if (!answer.ok) throw new Error((answer.status === 409 && await answer.text()) || `The hub answered ${answer.status}.`);
}

// coalesce runs f at most once in ms; calls in between make one more run.
export function coalesce(ms, f) {
  let timer = null, again = false, last = 0;
  const run = async () => {
    timer = null;
    again = false;
    last = Date.now();
    try { await f(); } catch { /* the next frame tries again */ }
    if (again) call();
  };
  const call = () => {
    if (timer) { again = true; return; }
    timer = setTimeout(run, Math.max(0, ms - (Date.now() - last)));
  };
  return call;
}
