// Passkeys: a part of a page with data-passkey asks the hub for a challenge, has the
// browser answer it, and sends the answer back. "get" uses a passkey, "add" makes one.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

// options turns what the hub sent into what the browser takes. Browsers of before
// 2025 have no function for it.
function options(key, adding) {
  const own = adding ? PublicKeyCredential.parseCreationOptionsFromJSON : PublicKeyCredential.parseRequestOptionsFromJSON;
  if (own) return own.call(PublicKeyCredential, key);
  const named = (list) => (list ?? []).map((c) => ({ ...c, id: bytes(c.id) }));
  const out = { ...key, challenge: bytes(key.challenge) };
  if (adding) {
    out.user = { ...key.user, id: bytes(key.user.id) };
    out.excludeCredentials = named(key.excludeCredentials);
  } else {
    out.allowCredentials = named(key.allowCredentials);
  }
  return out;
}

// plain turns a credential into what the hub takes.
function plain(c) {
  if (c.toJSON) return c.toJSON();
  const r = c.response;
  const out = { id: c.id, rawId: text(c.rawId), type: c.type, authenticatorAttachment: c.authenticatorAttachment ?? undefined, clientExtensionResults: c.getClientExtensionResults() };
  out.response = { clientDataJSON: text(r.clientDataJSON) };
  if (r.attestationObject) {
    out.response.attestationObject = text(r.attestationObject);
    out.response.transports = r.getTransports?.() ?? [];
  } else {
    out.response.authenticatorData = text(r.authenticatorData);
    out.response.signature = text(r.signature);
    if (r.userHandle) out.response.userHandle = text(r.userHandle);
  }
  return out;
}

async function post(url, body) {
  const answer = await fetch(url, { method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body ?? {}) });
  let said = {};
  try { said = await answer.json(); } catch { /* no JSON: what stands below is said */ }
  if (answer.ok) return said;
  if (said.to) location.assign(said.to);
  throw new Error([said.problem ?? `The hub answered ${answer.status}.`, said.mend].filter(Boolean).join(' '));
}

// words are what a refusal of the browser means.
function words(problem, adding) {
  switch (problem.name) {
    case 'NotAllowedError': return adding ? 'No passkey was made: it was cancelled, or took too long.' : 'No passkey was used: it was cancelled, took too long, or this device has none for this hub.';
    case 'InvalidStateError': return 'This device has a passkey of yours for this hub already.';
    case 'SecurityError': return 'This page is not at the address that the hub is set up for (TOCSIN_BASE_URL), so the browser has no passkeys here.';
    case 'NotSupportedError': return 'This device cannot make such a passkey.';
    default: return problem.message;
  }
}

function showCodes(part, said) {
  const box = part.querySelector('.codes') ?? document.querySelector('.codes');
  if (!box || !said.codes) return false;
  box.querySelector('ol').replaceChildren(...said.codes.map((code) => {
    const line = document.createElement('li');
    line.textContent = code;
    return line;
  }));
  box.querySelector('a').href = said.to ?? location.href;
  for (const other of part.children) if (other !== box) other.hidden = true;
  box.hidden = false;
  box.focus();
  return true;
}

for (const part of document.querySelectorAll('[data-passkey]')) {
  const button = part.querySelector('button');
  const problem = part.querySelector('[role=alert]');
  const adding = part.dataset.passkey === 'add';
  if (!window.PublicKeyCredential) {
    problem.textContent = 'This browser has no passkeys here.';
    if (adding) problem.hidden = false;
    continue;
  }
  button.hidden = false;
  part.closest('#others')?.removeAttribute('hidden');
  button.addEventListener('click', async () => {
    problem.hidden = true;
    button.disabled = true;
    try {
      const { publicKey } = await post(part.dataset.begin);
      const asked = { publicKey: options(publicKey, adding) };
      const credential = adding ? await navigator.credentials.create(asked) : await navigator.credentials.get(asked);
      const said = await post(part.dataset.finish, { response: plain(credential), next: (part.dataset.next ?? '') + location.hash, name: part.querySelector('input')?.value ?? '' });
      if (!showCodes(part, said)) location.assign(said.to);
    } catch (e) {
      problem.textContent = words(e, adding);
      problem.hidden = false;
    } finally {
      button.disabled = false;
    }
  });
}

for (const button of document.querySelectorAll('[data-copy-codes]')) {
  button.addEventListener('click', async () => {
    const list = [...button.closest('.codes').querySelectorAll('li')].map((l) => l.textContent);
    try {
      await navigator.clipboard.writeText(list.join('\n') + '\n');
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(button.closest('.codes').querySelector('ol'));
    }
  });
}
