// Dialogs that an integration opens.
import { markdown } from "./markdown.js";
import { api, where } from "./chat.js";

const $ = (id) => document.getElementById(id);
let open = null; // the dialog that is shown, and its fields

// openDialog shows a dialog. It is never shown over another: the new one counts.
export function openDialog(dialog) {
  open = { dialog, fields: [] };
  $("dialogtitle").textContent = dialog.title;
  $("dialogintro").replaceChildren(...markdown(dialog.introduction_text ?? ""));
  $("dialogsubmit").textContent = dialog.submit_label || "Submit";
  $("dialogwrong").textContent = "";
  open.fields = (dialog.elements ?? []).map(field);
  $("dialogfields").replaceChildren(...open.fields.map((f) => f.row));
  if (!$("dialog").open) $("dialog").showModal();
  open.fields[0]?.input.focus();
}

function field(e, i) {
  const id = `field${i}`;
  let input;
  if (e.type === "select" || e.type === "radio") {
    input = document.createElement("select");
    if (e.optional || !e.default) input.append(new Option(e.placeholder || "Choose…", ""));
    for (const o of e.options ?? []) input.append(new Option(o.text, o.value));
  } else if (e.type === "textarea") {
    input = document.createElement("textarea");
    input.rows = 3;
  } else {
    input = document.createElement("input");
    input.type = e.type === "bool" ? "checkbox" : ["email", "number", "tel", "url", "password"].includes(e.subtype) ? e.subtype : "text";
  }
  input.id = id;
  if (e.type === "bool") input.checked = e.default === "true";
  else input.value = e.default ?? "";
  if (e.type === "text" || e.type === "textarea") {
    input.placeholder = e.placeholder ?? "";
    if (e.max_length) input.maxLength = e.max_length;
  }
  const label = document.createElement("label");
  label.htmlFor = id;
  label.textContent = e.display_name + (e.optional || e.type === "bool" ? "" : " (needed)");
  const help = document.createElement("p");
  help.className = "dim";
  help.id = `${id}help`;
  help.textContent = e.type === "bool" ? e.placeholder || e.help_text || "" : e.help_text ?? "";
  const wrong = document.createElement("p");
  wrong.className = "wrong";
  wrong.id = `${id}wrong`;
  input.setAttribute("aria-describedby", `${help.id} ${wrong.id}`);
  const row = document.createElement("div");
  row.className = e.type === "bool" ? "elem tick" : "elem";
  row.append(label, input, help, wrong);
  return { e, row, input, wrong };
}

function values() {
  const out = {};
  for (const { e, input } of open.fields) {
    if (e.type === "bool") out[e.name] = input.checked;
    else if (e.subtype === "number" && input.value !== "") out[e.name] = Number(input.value);
    else if (input.value !== "") out[e.name] = input.value;
    else out[e.name] = null;
  }
  return out;
}

// complain says what is wrong, by field, and leads to the first of them.
function complain(errors) {
  let first = null;
  for (const { e, input, wrong } of open.fields) {
    wrong.textContent = errors[e.name] ?? "";
    input.toggleAttribute("aria-invalid", Boolean(errors[e.name]));
    if (errors[e.name]) first ??= input;
  }
  first?.focus();
  return first !== null;
}

async function send(cancelled) {
  const { dialog } = open;
  return api("POST", "/api/v4/actions/dialogs/submit", {
    url: dialog.url, callback_id: dialog.callback_id, state: dialog.state, channel_id: where(), cancelled, submission: cancelled ? {} : values(),
  });
}

$("dialogform").onsubmit = async (event) => {
  event.preventDefault();
  const missing = {};
  for (const { e, input } of open.fields) {
    if (!e.optional && e.type !== "bool" && !input.value.trim()) missing[e.name] = "This is needed.";
  }
  if (complain(missing)) return;
  $("dialogwrong").textContent = "";
  try {
    const said = await send(false);
    $("dialogwrong").textContent = said.error ?? "";
    if (!complain(said.errors ?? {}) && !said.error) $("dialog").close();
  } catch (e) {
    $("dialogwrong").textContent = e.message;
  }
};

async function cancel() {
  $("dialog").close();
  if (open.dialog.notify_on_cancel) await send(true).catch(() => {});
}
$("dialogcancel").onclick = cancel;
$("dialog").oncancel = (e) => {
  e.preventDefault();
  cancel();
};
