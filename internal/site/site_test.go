package site_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/net/html"

	"tocsin"
	"tocsin/internal/site"
)

// ours is the site of this project.
func ours(t *testing.T) *site.Site {
	t.Helper()
	api, err := os.ReadFile("../web/api/testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := site.New(site.Options{Files: tocsin.Documents, API: api, Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// file answers one of a site's.
func file(t *testing.T, s *site.Site, name string) []byte {
	t.Helper()
	body, err := s.File(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return body
}

// read is what a test looks at in a page.
type read struct {
	ids     map[string]bool
	refers  []string // addresses of links, pictures, scripts and styles
	current []string // addresses of links to the page itself in the navigation
	tags    map[string]int
	styles  int // attributes that the headers of a hub would not let through
	text    string
}

func parsed(t *testing.T, name string, body []byte) read {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r := read{ids: map[string]bool{}, tags: map[string]int{}}
	var text strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.TextNode {
			text.WriteString(n.Data)
		}
		if n.Type != html.ElementNode {
			continue
		}
		r.tags[n.Data]++
		attr := map[string]string{}
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
			switch {
			case a.Key == "id" && r.ids[a.Val]:
				t.Errorf("%s has #%s twice", name, a.Val)
			case a.Key == "id":
				r.ids[a.Val] = true
			case a.Key == "href", a.Key == "src", a.Key == "srcset", a.Key == "action":
				r.refers = append(r.refers, a.Val)
			case a.Key == "style", strings.HasPrefix(a.Key, "on"):
				r.styles++
			}
		}
		if attr["aria-current"] == "page" {
			r.current = append(r.current, attr["href"])
		}
	}
	r.text = text.String()
	return r
}

func TestOurSite(t *testing.T) {
	t.Parallel()
	s := ours(t)
	t.Run("nothing is wrong with the Markdown", func(t *testing.T) {
		for _, p := range s.Problems() {
			t.Error(p)
		}
	})
	names := s.Names()
	pages := map[string]read{}
	for _, name := range names {
		if path.Ext(name) == ".html" {
			pages[name] = parsed(t, name, file(t, s, name))
		}
	}
	for _, name := range names {
		if len(file(t, s, name)) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	if len(pages) < 80 {
		t.Fatalf("only %d pages", len(pages))
	}
	t.Run("every link and anchor leads somewhere", func(t *testing.T) {
		n := 0
		for name, p := range pages {
			for _, to := range p.refers {
				u, err := url.Parse(to)
				if err != nil {
					t.Errorf("%s refers to %q: %v", name, to, err)
					continue
				}
				if u.Scheme != "" {
					continue
				}
				n++
				at := name
				if u.Path != "" {
					at = path.Join(path.Dir(name), u.Path)
				}
				if !slices.Contains(names, at) {
					t.Errorf("%s refers to %s, which is not there", name, to)
				}
				if u.Fragment != "" && !pages[at].ids[u.Fragment] {
					t.Errorf("%s refers to %s, and there is no such place", name, to)
				}
			}
		}
		if n < 5000 {
			t.Errorf("looked at %d links only", n)
		}
	})
	t.Run("every page is in the navigation, once, with pages before and after", func(t *testing.T) {
		for i, p := range s.Pages() {
			r := pages[p.Name+".html"]
			if i > 0 && len(r.current) != 1 {
				t.Errorf("%s stands %d times in its navigation", p.Name, len(r.current))
			}
			if r.tags["h1"] != 1 {
				t.Errorf("%s has %d titles", p.Name, r.tags["h1"])
			}
			raw := string(file(t, s, p.Name+".html"))
			if back, on := strings.Contains(raw, `rel="prev"`), strings.Contains(raw, `rel="next"`); back != (i > 0) || on != (i < len(s.Pages())-1) {
				t.Errorf("%s: back %v, on %v", p.Name, back, on)
			}
		}
	})
	t.Run("nothing comes from elsewhere, and nothing needs a policy that a hub does not have", func(t *testing.T) {
		for name, p := range pages {
			if p.styles > 0 {
				t.Errorf("%s has %d styles or scripts within its tags", name, p.styles)
			}
			if p.tags["script"] != 2 || p.tags["style"] != 0 || p.tags["iframe"] != 0 {
				t.Errorf("%s has other scripts, styles or frames than all have: %v", name, p.tags)
			}
			raw := string(file(t, s, name))
			for _, attr := range []string{"src=", "srcset="} {
				if strings.Contains(raw, attr+`"http`) || strings.Contains(raw, attr+`"//`) {
					t.Errorf("%s loads something from elsewhere", name)
				}
			}
		}
	})
	t.Run("every call of the API is in the reference, with who may call it", func(t *testing.T) {
		calls := 0
		for _, p := range s.Pages() {
			if strings.HasPrefix(p.Name, "api/") {
				calls += bytes.Count(p.Markdown(), []byte("**Who may:**"))
			}
		}
		raw, err := os.ReadFile("../web/api/testdata/openapi.json")
		if err != nil {
			t.Fatal(err)
		}
		if want := bytes.Count(raw, []byte(`"operationId"`)); calls != want {
			t.Errorf("the reference has %d calls, the document %d", calls, want)
		}
		alerts, _ := s.Page("api/alerts")
		for _, want := range []string{"POST /api/v1/alerts/{id}/acknowledge", "scope `alerts:acknowledge`; people who are signed in, an API key", "401, 403, 404"} {
			if !bytes.Contains(alerts.Markdown(), []byte(want)) {
				t.Errorf("the reference of alerts does not say %q", want)
			}
		}
	})
}

func TestFind(t *testing.T) {
	t.Parallel()
	s := ours(t)
	for words, want := range map[string]string{
		"restore a backup":      "backup",
		"VAPID subject":         "webpush",
		"TOCSIN_DOMAIN renewed": "https settings configuration",
		"recovery codes":        "sign-in",
		"hand in events":        "api/events",
		"command_file nagios":   "engines engine-files",
		"two nodes postgresql":  "nodes",
		"zzz nothing":           "",
		"who was signed in and": "",
	} {
		hits := s.Search(words)
		if len(hits) == 0 {
			if words != "zzz nothing" {
				t.Errorf("%q was not found", words)
			}
			continue
		}
		near := false
		for _, h := range hits[:min(len(hits), 4)] {
			near = near || slices.Contains(strings.Fields(want), h.Page.Name)
		}
		if want != "" && !near {
			t.Errorf("%q leads to %v first, not to %s", words, hits[:min(len(hits), 4)], want)
		}
		for _, h := range hits {
			if h.ID != "" && !strings.Contains(string(file(t, s, h.Page.Name+".html")), `id="`+h.ID+`"`) {
				t.Errorf("%q was found at %s, where nothing is", words, h.URL())
			}
		}
	}
	if s.Search(" ,; ") != nil {
		t.Error("no words were found")
	}
}

// small is a site with each thing that can be wrong.
func small(t *testing.T, pages map[string]string) *site.Site {
	t.Helper()
	files := fstest.MapFS{"docs/README.md": {Data: []byte("# All\n\n## One\n\n| page | for whom |\n|---|---|\n| [First](first.md) | who begins |\n| [Decisions](adr/README.md) | who asks |\n\n- [What is new](../CHANGELOG.md)\n")},
		"docs/adr/README.md": {Data: []byte("# Decisions\n\n| | |\n|---|---|\n| [1](0001-x.md) | x |\n")}, "docs/adr/0001-x.md": {Data: []byte("# 1. X\n")}, "CHANGELOG.md": {Data: []byte("# Changes\n")}}
	for name, text := range pages {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	s, err := site.New(site.Options{Files: files, Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// given are the pages of a case.
func given(name, text string) map[string]string {
	out := map[string]string{"docs/first.md": text, "docs/site.json": "{}"}
	if name == "a page in no list" {
		out["docs/lost.md"] = "# L"
	}
	return out
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"all is well":             {"# First\n\n## Way\n\n[there](#way), [up](README.md#one), [x](adr/0001-x.md), [far](https://example.com/#y) <!-- a --> <kbd>a</kbd>", ""},
		"a page that is not":      {"# F\n\n[a](gone.md)", "docs/first.md refers to gone.md, which is not there"},
		"an anchor that is not":   {"# F\n\n[a](adr/README.md#gone)", "docs/first.md links to #gone of docs/adr/README.md, and there is no such heading"},
		"an own one that is not":  {"# F\n\n[a](#gone)", "docs/first.md links to #gone of docs/first.md, and there is no such heading"},
		"a picture that is not":   {"# F\n\n![a](images/gone.png)", "docs/first.md refers to images/gone.png, which is not there"},
		"a picture without words": {"# F\n\n![](site.json)", "docs/first.md has a picture without a text: site.json"},
		"a page in no list":       {"# F\n\n[a](lost.md)", "docs/first.md links to lost.md, which is in no list\ndocs/lost.md is in no list: docs/README.md, or the README.md of its folder, must name it"},
		"HTML":                    {"# F\n\n<div>x</div>", `docs/first.md has HTML that the site does not show: "<div>x</div>"`},
		"HTML in text":            {"# F\n\nthe <host> is", "docs/first.md has HTML that the site does not show: \"<host>\"; write it in backticks"},
		"a second title":          {"# F\n\n# G", "docs/first.md has a second title: G"},
		"a diagram":               {"# F\n\n```mermaid\npie\n```", "docs/first.md has a diagram that the site cannot read"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(small(t, given(name, c.text)).Problems(), "\n")
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	t.Run("pages in no list", func(t *testing.T) {
		got := small(t, map[string]string{"docs/first.md": "# F", "docs/lost.md": "# L", "docs/adr/0002-y.md": "# 2. Y"}).Problems()
		if len(got) != 2 || !strings.HasPrefix(got[0], "docs/adr/0002-y.md is in no list") || !strings.HasPrefix(got[1], "docs/lost.md is in no list") {
			t.Errorf("got %q", got)
		}
	})
}

// Rows of words are cards on a phone, of which each cell says its column; figures stay in theirs.
func TestTablesCodeAndLinksForReaders(t *testing.T) {
	t.Parallel()
	s := small(t, map[string]string{"docs/first.md": "# F\n\n| key | write | means |\n|---|---|---|\n| `--data` | `TOCSIN_DATABASE_URL_FILE=<x>` | |\n\n| n | a | b |\n|---|--:|--:|\n| x | 1 | 2 |\n\n" +
		"| two | columns |\n|---|---|\n| a | b |\n\nSee [0001-x.md](adr/0001-x.md), [docs/adr/0001-x.md](adr/0001-x.md#way), [its own words](adr/0001-x.md) and [second.md](https://example.com/second.md).\n"})
	body := string(file(t, s, "first.html"))
	for _, want := range []string{
		`<table class="cards" role="table">`, `<thead role="rowgroup"><tr role="row"><th role="columnheader">key</th>`, `<td role="cell" data-label="key"><code class="whole">--data</code></td>`,
		`<td role="cell" data-label="write"><code>TOCSIN_DATABASE_<wbr>URL_FILE=&lt;x&gt;</code></td><td role="cell" data-label="means"></td></tr>`,
		"<table>\n<thead><tr><th>n</th><th class=\"right\">a</th>", "<table>\n<thead><tr><th>two</th>", "<tr><td>a</td><td>b</td></tr>",
		`See <a href="adr/0001-x.html">1 x</a>, <a href="adr/0001-x.html#way">1 x</a>, <a href="adr/0001-x.html">its own words</a>`, `>second.md</a>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %s:\n%s", want, body[strings.Index(body, "<article"):strings.Index(body, "</article")])
		}
	}
	states := small(t, map[string]string{"docs/first.md": "# F\n\n```mermaid\nstateDiagram-v2\n  [*] --> A: begins\n  A --> B: goes\n  [*] --> B\n```\n"})
	if body := string(file(t, states, "first.html")); !strings.Contains(body, `<th role="columnheader">is</th><th role="columnheader">event</th><th role="columnheader">becomes</th>`) ||
		strings.Index(body, "<b>B</b>") > strings.Index(body, "goes") {
		t.Errorf("a diagram of states is no table, by where each begins:\n%s", body)
	}
	for source, want := range map[string]string{
		"stateDiagram-v2\n  [*] --> A: begins when the first of many is there\n  A --> [*]": "(none)\n    event: begins when the\n    first of many is there\n    becomes: A\nA\n    becomes: (the end)\n",
		"pie\n  \"a\": 1": "    pie\n      \"a\": 1\n",
	} {
		if got := site.Text([]byte("```mermaid\n"+source+"\n```\n"), site.Terminal{Width: 28}); got != want {
			t.Errorf("in a narrow terminal:\n%s", got)
		}
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	s := small(t, map[string]string{"docs/first.md": "# First & last\n\nA | b\n\n## A `code`, and: more!\n\n## Way\n\n### Way\n\n| | right |\n|---|--:|\n| a\\|b | 1 |\n\n```console\n$ echo '<b>'\n```\n\n```mermaid\nflowchart LR\n  a[\"An<br>engine\"] -- \"tells\" --> b[(rows)] --> c\n  a -->|asks| c\n```\n\n## Last\n\n[to x](adr/0001-x.md) <https://example.com/> https://example.org/\n"})
	body := string(file(t, s, "first.html"))
	for _, want := range []string{
		"<title>First &amp; last · Tocsin</title>", `<h2 id="a-code-and-more">`, `<h2 id="way">`, `<h3 id="way-1">`, `<a href="#way-1">Way</a>`,
		"<td></td><th class=\"right\">right</th>", "<td>a|b</td>", `<code data-language="console">$ echo &#39;&lt;b&gt;&#39;`,
		`<td role="cell" data-label="from"><b>An engine</b></td><td role="cell" data-label="by">tells</td><td role="cell" data-label="to"><span aria-hidden="true">→ </span><b>rows</b></td>`, `<a href="adr/0001-x.html">to x</a>`, `href="index.html"`,
		`<a href="first.html" aria-current="page">First</a>`, `<a class="on" rel="next" href="adr/index.html"><span>On</span> Decisions</a>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	inner := string(file(t, s, "adr/0001-x.html"))
	for _, want := range []string{`href="../assets/site.css"`, `<a href="../adr/index.html">Decisions</a></p>`, `href="../first.html"`, `<a href="../adr/0001-x.html" aria-current="page">1 x</a>`} {
		if !strings.Contains(inner, want) {
			t.Errorf("the decision has no %s:\n%s", want, inner)
		}
	}
	if text := site.Text(mustSection(t, s, "first", "way"), site.Terminal{Width: 40}); text != "Way\n---\n\nWay\n\n     right\n----------\na|b  1\n\n    $ echo '<b>'\n\nfrom       by     to\n----------------------\nAn engine  tells  rows\nAn engine  asks   c\nrows              c\n" {
		t.Errorf("in a terminal:\n%s", text)
	}
	for called, want := range map[string]string{"first": "first", "first.md": "first", "docs/first.md": "first", "fir": "first", "adr": "adr/index", "0001": "adr/0001-x", "CHANGELOG.md": "changelog", "Changelog": "changelog", "": "", "zzz": ""} {
		p, ok := s.Page(called)
		if ok != (want != "") || ok && p.Name != want {
			t.Errorf("%q is %v", called, p)
		}
	}
}

func mustSection(t *testing.T, s *site.Site, name, id string) []byte {
	t.Helper()
	p, ok := s.Page(name)
	if !ok {
		t.Fatal("no page " + name)
	}
	text, ok := p.Section(id)
	if !ok {
		t.Fatal("no heading " + id)
	}
	return text
}

func TestWrite(t *testing.T) {
	t.Parallel()
	s := small(t, map[string]string{"docs/first.md": "# First\n"})
	has := func(t *testing.T, dir string, want ...string) {
		t.Helper()
		var got []string
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && !strings.Contains(p, "assets") {
				rel, _ := filepath.Rel(dir, p)
				got = append(got, rel)
			}
			return err
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, and there is %q", err, got)
		}
	}
	all := []string{".tocsin-docs", "adr/0001-x.html", "adr/index.html", "changelog.html", "first.html", "index.html", "search-index.js", "search.html"}
	t.Run("into a folder that is not there, an empty one, and one of an older site", func(t *testing.T) {
		in := t.TempDir()
		for _, dir := range []string{filepath.Join(in, "a", "html"), t.TempDir()} {
			for range 2 {
				if err := s.Write(dir); err != nil {
					t.Fatal(err)
				}
				has(t, dir, all...)
			}
			beside, err := os.ReadDir(filepath.Dir(dir))
			if err != nil || slices.ContainsFunc(beside, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }) {
				t.Errorf("%v; left behind: %v", err, beside)
			}
		}
	})
	t.Run("a page that the older site had goes", func(t *testing.T) {
		dir := t.TempDir()
		older := small(t, map[string]string{"docs/first.md": "# First\n\n[a](kept/old.yaml)\n", "docs/kept/old.yaml": "a: b"})
		for _, c := range []struct {
			site *site.Site
			want []string
		}{{older, []string{"index.html", "kept/old.yaml", "search-index.js"}}, {s, []string{"index.html", "search-index.js"}}} {
			if err := c.site.Write(dir); err != nil {
				t.Fatal(err)
			}
			has(t, dir, slices.Sorted(slices.Values(append(c.want, ".tocsin-docs", "adr/0001-x.html", "adr/index.html", "changelog.html", "first.html", "search.html")))...)
		}
	})
	t.Run("what came into an older site is never deleted", func(t *testing.T) {
		for name, said := range map[string]string{"thesis.odt": `"thesis.odt"`, ".git/config": `".git"`, "adr/mine.html": `"adr/mine.html"`, "assets/mine/a.css": `"assets/mine"`,
			"empty/": `"empty"`, "adr/empty/": `"adr/empty"`, "index.html/": `"index.html"`, "line\nfirst.html": `"line\nfirst.html"`} {
			dir := t.TempDir()
			if err := s.Write(dir); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, name)
			if strings.HasSuffix(name, "/") {
				if err := errors.Join(os.RemoveAll(file), os.Mkdir(file, 0o700)); err != nil {
					t.Fatal(err)
				}
			} else if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			if err := s.Write(dir); !errors.Is(err, site.ErrNotOurs) || !strings.Contains(err.Error(), said) {
				t.Errorf("with %q in it, it answered %v", name, err)
			}
			if _, err := os.Lstat(file); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(filepath.Join(dir, "first.html")); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("a mark that lists no such file makes no file ours", func(t *testing.T) {
		for _, said := range []string{"", "Written by tocsin docs --out, and replaced by it.\n", "/index.html\n../index.html\n"} {
			dir := t.TempDir()
			for _, name := range []string{".tocsin-docs", "index.html"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(said), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Write(dir); !errors.Is(err, site.ErrNotOurs) {
				t.Errorf("answered %v", err)
			}
			has(t, dir, ".tocsin-docs", "index.html")
		}
	})
	t.Run("a folder with other things in it stays as it is", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "thesis.odt"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(dir); !errors.Is(err, site.ErrNotOurs) {
			t.Errorf("answered %v", err)
		}
		has(t, dir, "thesis.odt")
	})
	t.Run("a file, or a link to a folder, is refused", func(t *testing.T) {
		dir := t.TempDir()
		name := filepath.Join(dir, "file")
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(name); err == nil {
			t.Error("a file was replaced")
		}
		if err := os.Symlink(t.TempDir(), filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(filepath.Join(dir, "link")); err == nil {
			t.Error("a link was replaced")
		}
		if err := s.Write(filepath.Join(name, "below")); err == nil {
			t.Error("a folder was made in a file")
		}
	})
}
