// The page of the demo's chat. It shows what the server has, and sends what a
// person does; the server is the one that knows.
import { markdown, inline } from "./markdown.js";
import { openDialog } from "./dialog.js";

const $ = (id) => document.getElementById(id);
const app = { people: [], me: null, state: null, channel: null, thread: null, live: null, seen: {} };

// api is a request in the name of whom the visitor is.
export async function api(method, path, body) {
  const r = await fetch(path, {
    method,
    headers: { Authorization: `Bearer ${app.me.token}`, ...(body ? { "Content-Type": "application/json" } : {}) },
    body: body && JSON.stringify(body),
  });
  const said = await r.json().catch(() => ({}));
  if (!r.ok) throw new Error(said.message ?? `answered ${r.status}`);
  return said;
}

export const where = () => app.channel;

function make(tag, className, ...children) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

async function begin() {
  app.people = await (await fetch("/chat/people")).json();
  const kept = sessionStorage.getItem("who");
  $("who").replaceChildren(...app.people.map((p) => new Option(p.about ? `${p.display} (${p.about})` : p.display, p.id)));
  await become(app.people.find((p) => p.id === kept) ?? app.people.find((p) => p.about) ?? app.people[0]);
}

// become makes the visitor somebody else.
async function become(person) {
  app.me = person;
  app.seen = {};
  sessionStorage.setItem("who", person.id);
  $("who").value = person.id;
  closeThread();
  app.live?.abort();
  app.live = new AbortController();
  follow(app.live.signal);
}

async function load() {
  const s = await api("GET", "/chat/state");
  app.state = s;
  for (const c of s.channels) {
    const mine = s.private.filter((p) => p.channel_id === c.id);
    c.posts = [...c.posts, ...mine].sort((a, b) => a.create_at - b.create_at);
    app.seen[c.id] ??= c.posts.length;
  }
  if (!s.channels.some((c) => c.id === app.channel)) app.channel = s.channels[0]?.id;
  draw();
  if (s.dialog) openDialog(s.dialog);
}

// follow reads the event stream, and connects anew when it ends. The session is
// sent as a header, which EventSource cannot.
async function follow(signal) {
  for (let wait = 250; !signal.aborted; wait = Math.min(wait * 2, 5000)) {
    try {
      const r = await fetch("/chat/live", { headers: { Authorization: `Bearer ${app.me.token}` }, signal });
      const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
      let left = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        left += value;
        if (wait) {
          wait = 0; // the stream stands: now nothing is missed
          await load();
          status("");
        }
        const frames = left.split("\n\n");
        left = frames.pop();
        for (const f of frames) if (f.startsWith("data: ")) take(JSON.parse(f.slice(6)));
      }
    } catch (e) {
      if (signal.aborted) return;
    }
    if (signal.aborted) return;
    wait ||= 250;
    status("The chat does not answer. Trying again…");
    await new Promise((r) => setTimeout(r, wait));
  }
}

function status(text) {
  $("state").textContent = text;
}

// take shows one event.
function take({ event, post, dialog }) {
  if (event === "open_dialog") return openDialog(dialog);
  const c = app.state.channels.find((x) => x.id === post?.channel_id);
  if (event === "channel" || !c) return load();
  const at = c.posts.findIndex((p) => p.id === post.id);
  if (event === "post_deleted") {
    c.posts = c.posts.filter((p) => p.id !== post.id && p.root_id !== post.id);
    if (c.id === app.channel) drawPosts();
  } else if (at >= 0) {
    c.posts[at] = post;
    redraw(post);
  } else {
    c.posts.push(post);
    const root = c.posts.find((p) => p.id === post.root_id);
    if (root && event === "posted") root.reply_count++;
    if (c.id === app.channel) added(post, root);
  }
  drawChannels();
}

function draw() {
  drawChannels();
  drawPosts();
}

const channel = () => app.state.channels.find((c) => c.id === app.channel);
const sign = (c) => (c.type === "D" ? "@" : "#");

function drawChannels() {
  if (app.channel) app.seen[app.channel] = channel().posts.length;
  $("team").textContent = app.state.channels.find((c) => c.team)?.team ?? "Channels";
  const had = document.activeElement?.dataset?.channel;
  $("channels").replaceChildren(...app.state.channels.map((c) => {
    const b = make("button", "", make("span", "sign", sign(c)), c.name);
    b.type = "button";
    b.dataset.channel = c.id;
    const fresh = c.posts.length - (app.seen[c.id] ?? 0);
    if (fresh > 0) b.append(make("span", "fresh", `${fresh} new`));
    if (c.id === app.channel) b.setAttribute("aria-current", "page");
    b.onclick = () => {
      app.channel = c.id;
      closeThread();
      draw();
      $("box").focus();
    };
    return make("li", "", b);
  }));
  if (had) $("channels").querySelector(`[data-channel="${had}"]`)?.focus();
  $("title").replaceChildren(make("span", "sign", sign(channel())), channel().name);
  $("boxlabel").textContent = `Message to ${channel().name}`;
  document.title = `${channel().name} · Team chat of the demo`;
}

function drawPosts() {
  const posts = channel().posts.filter((p) => !p.root_id || p.type === "system_ephemeral");
  $("posts").replaceChildren(...posts.map((p) => drawPost(p, false)));
  if (!posts.length) $("posts").append(make("p", "empty", "Nothing was said here yet. The first alert appears by itself."));
  $("posts").scrollTop = $("posts").scrollHeight;
  if (app.thread) drawThread();
}

// added shows a new post where the reader is.
function added(post, root) {
  const log = $("posts");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  if (!post.root_id || post.type === "system_ephemeral") {
    log.querySelector(".empty")?.remove();
    log.append(drawPost(post, false));
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
  if (root) redraw(root);
  if (app.thread && (post.root_id === app.thread)) drawThread();
}

// redraw shows a post anew wherever it stands, and keeps the focus in it.
function redraw(post) {
  for (const old of document.querySelectorAll(`article[data-id="${post.id}"]`)) {
    const focused = old.contains(document.activeElement) ? document.activeElement.dataset.action ?? "" : null;
    const fresh = drawPost(post, old.closest("#threadposts") !== null);
    old.replaceWith(fresh);
    if (focused === null) continue;
    const again = focused && fresh.querySelector(`[data-action="${CSS.escape(focused)}"]`);
    (again || fresh).focus();
  }
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

function drawPost(p, inThread) {
  const author = app.state.users[p.user_id] ?? { display: "Somebody", name: "somebody" };
  const quiet = p.type === "system_ephemeral";
  const name = p.props.override_username || (quiet ? "Answer to you" : author.display);
  const art = make("article", quiet ? "post only" : "post");
  art.dataset.id = p.id;
  art.tabIndex = -1;
  const face = make("span", "face", [...name][0] ?? "?");
  face.setAttribute("aria-hidden", "true");
  face.dataset.hue = [...name].reduce((n, c) => (n + c.codePointAt(0)) % 6, 0);
  const time = make("time", "", clock.format(p.create_at));
  time.dateTime = new Date(p.create_at).toISOString();
  const head = make("p", "head", make("strong", "", name), time);
  if (!quiet && (author.bot || p.props.from_webhook)) head.insertBefore(make("span", "tag", author.bot ? "bot" : "webhook"), time);
  if (p.edit_at) head.append(make("span", "dim", "edited"));
  if (quiet) head.append(make("span", "dim", "only you see this"));
  const body = make("div", "body", head, ...markdown(p.message ?? ""));
  for (const a of p.props.attachments ?? []) body.append(drawAttachment(p, a));
  if (p.reply_count && !inThread) {
    const b = make("button", "link replies", p.reply_count === 1 ? "1 reply" : `${p.reply_count} replies`);
    b.type = "button";
    b.dataset.action = "thread";
    b.onclick = () => openThread(p.id);
    body.append(b);
  } else if (!inThread && !quiet && !p.root_id) {
    const b = make("button", "link replies", "Reply");
    b.type = "button";
    b.dataset.action = "thread";
    b.setAttribute("aria-label", `Reply to ${name}, ${clock.format(p.create_at)}`);
    b.onclick = () => openThread(p.id);
    body.append(b);
  }
  art.append(face, body);
  return art;
}

function drawAttachment(p, a) {
  const box = make("div", "attachment");
  if (/^#[0-9a-f]{3,8}$/i.test(a.color)) box.style.setProperty("--bar", a.color);
  if (a.pretext) box.append(make("div", "pretext", ...markdown(a.pretext)));
  if (a.author_name) box.append(make("p", "dim", a.author_name));
  if (a.title) {
    const t = make("p", "atitle");
    if (/^https?:/i.test(a.title_link)) {
      const l = make("a", "", ...inline(a.title));
      l.href = a.title_link;
      l.target = "_blank";
      l.rel = "noopener noreferrer";
      t.append(l);
    } else t.append(...inline(a.title));
    box.append(t);
  }
  if (a.text) box.append(make("div", "atext", ...markdown(a.text)));
  if (a.fields?.length) {
    box.append(make("dl", "fields", ...a.fields.map((f) => make("div", f.short ? "field" : "field long",
      make("dt", "", ...inline(String(f.title ?? ""))), make("dd", "", ...markdown(String(f.value ?? "")))))));
  }
  if (a.footer) box.append(make("p", "dim footer", a.footer));
  const usable = (a.actions ?? []).filter((x) => x.id && x.name && (x.type === "button" || x.type === "select"));
  if (usable.length) {
    const wrong = make("p", "wrong");
    wrong.setAttribute("role", "alert");
    box.append(make("div", "actions", ...usable.map((x) => (x.type === "select" ? menu(p, x, wrong) : button(p, x, wrong)))), wrong);
  }
  return box;
}

function button(p, x, wrong) {
  const b = make("button", ["primary", "danger", "good", "success", "warning"].includes(x.style) ? x.style : "", ...inline(x.name));
  b.type = "button";
  b.dataset.action = x.id;
  b.onclick = () => click(p, x, "", b, wrong);
  return b;
}

function menu(p, x, wrong) {
  const summary = make("summary", "", ...inline(x.name));
  summary.dataset.action = x.id;
  const d = make("details", "menu", summary);
  d.append(make("ul", "", ...(x.options ?? []).map((o) => {
    const b = make("button", "", o.text);
    b.type = "button";
    b.dataset.option = o.value;
    b.onclick = () => {
      d.open = false;
      summary.focus();
      click(p, x, o.value, summary, wrong);
    };
    return make("li", "", b);
  })));
  d.onkeydown = (e) => {
    if (e.key !== "Escape" || !d.open) return;
    d.open = false;
    summary.focus();
  };
  return d;
}

async function click(p, x, option, control, wrong) {
  if (control.getAttribute("aria-busy")) return;
  control.setAttribute("aria-busy", "true");
  wrong.textContent = "";
  try {
    await api("POST", `/api/v4/posts/${p.id}/actions/${x.id}`, { selected_option: option });
  } catch (e) {
    wrong.textContent = e.message;
  }
  control.removeAttribute("aria-busy");
}

function openThread(id) {
  app.thread = id;
  $("thread").hidden = false;
  $("frame").classList.add("threaded");
  drawThread();
  $("replybox").focus();
}

function closeThread() {
  const id = app.thread;
  app.thread = null;
  $("thread").hidden = true;
  $("frame").classList.remove("threaded");
  if (id) document.querySelector(`#posts article[data-id="${id}"] .replies`)?.focus();
}

function drawThread() {
  const posts = channel().posts.filter((p) => p.id === app.thread || (p.root_id === app.thread && p.type !== "system_ephemeral"));
  if (!posts.some((p) => p.id === app.thread)) return closeThread();
  $("threadposts").replaceChildren(...posts.map((p) => drawPost(p, true)));
  $("threadposts").scrollTop = $("threadposts").scrollHeight;
}

// say sends a line: a slash command, or a message.
async function say(text, root, wrong) {
  wrong.textContent = "";
  // Who says something wants to see what is answered, wherever they had read.
  if (!root) $("posts").scrollTop = $("posts").scrollHeight;
  try {
    if (text.startsWith("/")) await api("POST", "/api/v4/commands/execute", { channel_id: app.channel, command: text, root_id: root });
    else await api("POST", "/api/v4/posts", { channel_id: app.channel, message: text, root_id: root });
    return true;
  } catch (e) {
    wrong.textContent = e.message;
    return false;
  }
}

function composer(form, box, wrong, root) {
  form.onsubmit = async (e) => {
    e.preventDefault();
    const text = box.value.trim();
    if (text && (await say(text, root(), wrong))) box.value = "";
  };
  box.onkeydown = (e) => {
    if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    form.requestSubmit();
  };
}

composer($("compose"), $("box"), $("boxwrong"), () => "");
composer($("reply"), $("replybox"), $("replywrong"), () => app.thread);
for (const b of document.querySelectorAll("[data-say]")) b.onclick = () => say(b.dataset.say, "", $("boxwrong"));
$("threadclose").onclick = closeThread;
$("thread").onkeydown = (e) => {
  if (e.key === "Escape") closeThread();
};
$("who").onchange = () => become(app.people.find((p) => p.id === $("who").value));
document.addEventListener("click", (e) => {
  for (const d of document.querySelectorAll("details.menu[open]")) if (!d.contains(e.target)) d.open = false;
});
begin().catch((e) => status(`The chat does not answer: ${e.message}`));
