// Markdown as Mattermost shows it, made of nodes: no text becomes HTML.

const entities = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: "\u00a0", apos: "'" };
const smileys = {
  white_check_mark: "✅", heavy_check_mark: "✔️", warning: "⚠️", rotating_light: "🚨", red_circle: "🔴", large_orange_circle: "🟠", large_yellow_circle: "🟡",
  large_green_circle: "🟢", green_circle: "🟢", large_blue_circle: "🔵", white_circle: "⚪", black_circle: "⚫", question: "❓", exclamation: "❗", bell: "🔔",
  no_bell: "🔕", zzz: "💤", eyes: "👀", hourglass: "⌛", hourglass_flowing_sand: "⏳", information_source: "ℹ️", speech_balloon: "💬", wrench: "🔧",
  hammer_and_wrench: "🛠️", construction: "🚧", arrows_counterclockwise: "🔄", x: "❌", fire: "🔥", ok: "🆗", tada: "🎉", link: "🔗", sos: "🆘", small_red_triangle: "🔺",
};

function element(tag, children, className) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

function link(href, children) {
  if (!/^(https?|mailto):/i.test(href)) return element("span", children);
  const a = element("a", children);
  a.href = href;
  a.target = "_blank";
  a.rel = "noopener noreferrer";
  return a;
}

const rules = [
  [/^\\([!-/:-@[-`{-~])/, (m) => m[1]],
  [/^(`+)([^`](?:.*?[^`])?)\1(?!`)/s, (m) => element("code", [m[2]])],
  [/^\[((?:\\.|[^[\]\\])*)\]\(<?([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)>?\)/, (m) => link(m[2], inline(m[1]))],
  [/^<(https?:\/\/[^\s<>]+)>/, (m) => link(m[1], [m[1]])],
  [/^https?:\/\/[^\s<>()*~`|\\]+[^\s<>()*_~`|\\.,:;!?'"]/, (m) => link(m[0], [m[0]])],
  [/^\*\*(?=\S)((?:\\.|[^\\])+?[^\s\\])\*\*(?!\*)|^\*\*(\S)\*\*/s, (m) => element("strong", inline(m[1] ?? m[2]))],
  [/^__(?=\S)((?:\\.|[^\\])+?)__(?!\w)/s, (m) => element("strong", inline(m[1]))],
  [/^~~(?=\S)((?:\\.|[^\\])+?)~~/s, (m) => element("del", inline(m[1]))],
  [/^\*(?=[^\s*])((?:\\.|[^\\*])+?)\*(?!\*)/s, (m) => element("em", inline(m[1]))],
  [/^_(?=[^\s_])((?:\\.|[^\\_])+?)_(?!\w)/s, (m) => element("em", inline(m[1]))],
  [/^:([a-z0-9_+-]+):/, (m) => smileys[m[1]] ?? m[0]],
  [/^&(#\d{1,6}|[a-z]+);/i, (m) => entity(m)],
  [/^\n/, () => document.createElement("br")],
];
const mention = /^@([a-z0-9][a-z0-9._-]*)/i;

function entity(m) {
  if (m[1][0] !== "#") return entities[m[1]] ?? m[0];
  const code = Number(m[1].slice(1));
  return code > 31 && code < 0x110000 ? String.fromCodePoint(code) : m[0];
}

// inline answers the nodes of a text without blocks.
export function inline(text) {
  const out = [];
  let plain = "";
  let before = "";
  const flush = () => {
    if (plain) out.push(plain);
    plain = "";
  };
  outer: while (text) {
    if (!/\w/.test(before)) {
      const m = mention.exec(text);
      if (m) {
        flush();
        out.push(element("span", [m[0]], "mention"));
        text = text.slice(m[0].length);
        before = "a";
        continue;
      }
    }
    for (const [pattern, make] of rules) {
      const m = pattern.exec(text);
      if (!m || ((m[0][0] === "_" || m[0][0] === "h") && /\w/.test(before))) continue;
      const made = make(m);
      if (typeof made === "string") {
        plain += made;
      } else {
        flush();
        out.push(made);
      }
      before = m[0].at(-1);
      text = text.slice(m[0].length);
      continue outer;
    }
    // By code point, so that a smiley is not cut in two.
    const one = String.fromCodePoint(text.codePointAt(0));
    plain += one;
    before = one;
    text = text.slice(one.length);
  }
  flush();
  return out;
}

const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((c) => c.trim());

// markdown answers the blocks of a text.
export function markdown(text) {
  const lines = text.replaceAll("\r", "").split("\n");
  const out = [];
  let i = 0;
  const take = (fits) => {
    const taken = [];
    while (i < lines.length && fits(lines[i])) taken.push(lines[i++]);
    return taken;
  };
  while (i < lines.length) {
    const line = lines[i];
    if (!line.trim()) {
      i++;
    } else if (/^```/.test(line)) {
      i++;
      const code = take((l) => !/^```/.test(l));
      i++;
      out.push(element("pre", [element("code", [code.join("\n")])]));
    } else if (/^#{1,6} /.test(line)) {
      out.push(element("p", inline(line.replace(/^#+ +/, "")), "heading"));
      i++;
    } else if (/^> ?/.test(line)) {
      out.push(element("blockquote", markdown(take((l) => /^> ?/.test(l)).map((l) => l.replace(/^> ?/, "")).join("\n"))));
    } else if (/^ {0,3}([-*+]|\d{1,9}\.) /.test(line)) {
      const kind = /^ {0,3}\d/.test(line) ? "ol" : "ul";
      const items = take((l) => /^ {0,3}([-*+]|\d{1,9}\.) /.test(l));
      out.push(element(kind, items.map((l) => element("li", inline(l.replace(/^ *([-*+]|\d+\.) +/, ""))))));
    } else if (line.includes("|") && /^ *\|?[ :-]*-[ :|-]*$/.test(lines[i + 1] ?? "")) {
      const head = cells(line);
      i += 2;
      const body = take((l) => l.includes("|")).map(cells);
      out.push(table(head, body));
    } else if (/^(---+|\*\*\*+)$/.test(line.trim())) {
      out.push(document.createElement("hr"));
      i++;
    } else {
      const para = take((l) => l.trim() && !/^(```|#{1,6} |> ?)/.test(l));
      out.push(element("p", inline((para.length ? para : [lines[i++]]).join("\n"))));
    }
  }
  return out;
}

function table(head, body) {
  const row = (list, tag) => element("tr", list.map((c) => element(tag, inline(c))));
  const t = element("table", [element("thead", [row(head, "th")]), element("tbody", body.map((r) => row(r, "td")))]);
  const scroll = element("div", [t], "wide");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Table");
  return scroll;
}
