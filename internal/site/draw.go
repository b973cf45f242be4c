package site

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// rendered is a page as it was read.
type rendered struct {
	title    string
	html     template.HTML
	contents []heading // below the title
	ids      map[string]bool
	passages []passage
	inner    []link   // to other pages and within this one
	files    []string // of the project that it shows or links to
	problems []string
}

// heading is a line of a page's table of contents.
type heading struct {
	Level int
	ID    string
	Text  string
}

// link leads to a page, by its path in the project, and perhaps to one of its headings.
type link struct{ to, anchor string }

// markdown reads and writes all pages; what differs from page to page is in their trees.
func markdown() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)), extension.Strikethrough, extension.Linkify),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(nodes{}, 100))),
	)
}

// draw reads a page and makes its HTML.
func (s *Site) draw(p *Page) *rendered {
	md, src := markdown(), p.source
	d := &drawing{s: s, p: p, src: src, out: &rendered{title: p.Short, ids: map[string]bool{}}, seen: map[string]int{}}
	doc := md.Parser().Parse(text.NewReader(src))
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			d.node(n)
		}
		return ast.WalkContinue, nil
	})
	for _, swap := range d.swaps {
		swap()
	}
	d.passages(doc)
	var b bytes.Buffer
	if err := md.Renderer().Render(&b, src, doc); err != nil {
		d.problem("cannot be drawn: %v", err)
	}
	d.out.html = template.HTML(b.String()) //nolint:gosec // the project's own text, and raw HTML is not let through
	return d.out
}

// drawing is a page while it is read.
type drawing struct {
	s     *Site
	p     *Page
	src   []byte
	out   *rendered
	seen  map[string]int // how often a heading of this name was there
	swaps []func()       // changes of the tree, made after it was walked
}

func (d *drawing) problem(format string, args ...any) {
	d.out.problems = append(d.out.problems, d.p.Path+" "+fmt.Sprintf(format, args...))
}

func (d *drawing) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.Heading:
		d.heading(n)
	case *ast.Link:
		d.link(n)
	case *ast.Image:
		if !n.HasChildren() {
			d.problem("has a picture without a text: %s", n.Destination)
		}
		pic := &picture{light: d.shown(string(n.Destination)), alt: plain(n, d.src)}
		d.swap(n, pic)
	case *ast.HTMLBlock:
		d.block(n)
	case *ast.RawHTML:
		d.raw(n)
	case *ast.FencedCodeBlock:
		if string(n.Language(d.src)) == "mermaid" {
			if dia, ok := arrowsOf(lines(n, d.src)); ok {
				d.swap(n, dia)
				return
			}
			d.problem("has a diagram that the site cannot read")
		}
	}
}

func (d *drawing) swap(n, by ast.Node) {
	d.swaps = append(d.swaps, func() { n.Parent().ReplaceChild(n.Parent(), n, by) })
}

// heading gives a heading its anchor, as GitHub makes them.
func (d *drawing) heading(n *ast.Heading) {
	words := plain(n, d.src)
	id := anchor(words)
	if again := d.seen[id]; again > 0 {
		d.seen[id]++
		id += "-" + strconv.Itoa(again)
	}
	d.seen[id]++
	d.out.ids[id] = true
	n.SetAttributeString("id", id)
	switch {
	case n.Level == 1 && len(d.seen) == 1:
		d.out.title = words
	case n.Level == 1:
		d.problem("has a second title: %s", words)
	case n.Level <= 3:
		d.out.contents = append(d.out.contents, heading{n.Level, id, words})
	}
}

// anchor is a heading as the end of an address: small letters, digits, - and _.
func anchor(words string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
			return unicode.ToLower(r)
		}
		return -1
	}, words)
}

// link leads to where the page is on the site. Where its text is the name of the file, it
// becomes the name of the page.
func (d *drawing) link(n *ast.Link) {
	said, before := plain(n, d.src), len(d.out.inner)
	n.Destination = []byte(d.leads(string(n.Destination)))
	if len(d.out.inner) == before || !strings.HasSuffix(said, ".md") || strings.ContainsAny(said, " ") {
		return
	}
	if p := d.s.byPath[d.out.inner[before].to]; path.Base(said) == path.Base(p.Path) {
		d.swaps = append(d.swaps, func() {
			n.RemoveChildren(n)
			n.AppendChild(n, ast.NewString([]byte(p.Short)))
		})
	}
}

// leads is where a link of the Markdown leads on the site.
func (d *drawing) leads(to string) string {
	u, err := url.Parse(to)
	if err != nil {
		d.problem("links to %s, which is no address", to)
		return to
	}
	if u.Scheme != "" {
		return to
	}
	at := d.p.Path
	if u.Path != "" {
		at = path.Join(path.Dir(at), u.Path)
	}
	if info, err := fs.Stat(d.s.o.Files, at); err == nil && info.IsDir() {
		at = path.Join(at, "README.md")
	}
	if p := d.s.byPath[at]; p != nil {
		d.out.inner = append(d.out.inner, link{at, u.Fragment})
		if p == d.p {
			return "#" + u.Fragment
		}
		if u.Fragment != "" {
			return d.p.up() + p.file() + "#" + u.Fragment
		}
		return d.p.up() + p.file()
	}
	return d.file(to, at)
}

// shown is where a picture is.
func (d *drawing) shown(src string) string {
	return d.file(src, path.Join(path.Dir(d.p.Path), src))
}

func (d *drawing) file(said, at string) string {
	info, err := fs.Stat(d.s.o.Files, at)
	if err != nil || info.IsDir() {
		d.problem("refers to %s, which is not there", said)
		return said
	}
	if path.Ext(at) == ".md" && !strings.HasPrefix(at, "deploy/") {
		d.problem("links to %s, which is in no list", said)
		return said
	}
	d.out.files = append(d.out.files, at)
	return d.p.up() + fileName(at)
}

// fileName is where a file that is no page stands on the site.
func fileName(at string) string { return strings.TrimPrefix(at, "docs/") }

// up leads from a page to the beginning of the site.
func (p *Page) up() string { return strings.Repeat("../", strings.Count(p.Name, "/")) }

var (
	pictureTag = regexp.MustCompile(`(?s)^<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)">\s*<img src="([^"]+)" alt="([^"]+)"(?: width="\d+")?>\s*</picture>$`)
	commentTag = regexp.MustCompile(`(?s)^(<!--.*?-->\s*)+$`)
)

// block reads raw HTML: comments say nothing, and a picture for light and dark is one.
func (d *drawing) block(n *ast.HTMLBlock) {
	raw := lines(n, d.src)
	if n.HasClosure() {
		raw += string(n.ClosureLine.Value(d.src))
	}
	raw = strings.TrimSpace(raw)
	if commentTag.MatchString(raw) {
		d.swap(n, ast.NewTextBlock())
		return
	}
	if m := pictureTag.FindStringSubmatch(raw); m != nil {
		pic := &picture{dark: d.shown(m[1]), light: d.shown(m[2]), alt: m[3]}
		if light := d.out.files[len(d.out.files)-1:]; len(light) == 1 {
			pic.width, pic.height = d.s.measure(light[0])
		}
		d.swap(n, pic)
		return
	}
	d.problem("has HTML that the site does not show: %.60q", raw)
}

// marks are what text may have of HTML.
var marks = regexp.MustCompile(`^<(/?(kbd|sub|sup)|br)>$`)

func (d *drawing) raw(n *ast.RawHTML) {
	if raw := string(n.Segments.Value(d.src)); !marks.MatchString(raw) && !strings.HasPrefix(raw, "<!--") {
		d.problem("has HTML that the site does not show: %.60q; write it in backticks", raw)
	}
}

// lines are a block's own.
func lines(n ast.Node, src []byte) string {
	var b strings.Builder
	for i := range n.Lines().Len() {
		at := n.Lines().At(i)
		b.Write(at.Value(src))
	}
	return b.String()
}
