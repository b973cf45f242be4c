// Package markdown makes what people write into what the public reads: HTML that
// can do nothing but look, and plain text for notifications and feeds.
//
//	html := markdown.HTML("**Payments** fail, see [details](https://…)")
//	text := markdown.Text(sameSource)
//
// It is CommonMark with tables, strikethrough and bare links. Raw HTML is shown as
// text, pictures become links, and an address that is not http, https or mailto
// leads nowhere.
package markdown

import (
	"bytes"
	"html/template"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	gmhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// MaxSource is how many bytes are read; what is longer is cut. An update of an
// incident has some hundreds.
const MaxSource = 64 << 10

// Renderer makes HTML and text. It is safe for use by several goroutines at once.
type Renderer struct {
	md     goldmark.Markdown
	policy *bluemonday.Policy
}

// New makes a Renderer; one is enough for a program.
func New() *Renderer {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li",
		"h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowAttrs("align").Matching(bluemonday.CellAlign).OnElements("th", "td")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto")
	p.AllowRelativeURLs(false)
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return &Renderer{policy: p, md: goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify),
		goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(tame{}, 500))),
		goldmark.WithRendererOptions(gmhtml.WithHardWraps(), renderer.WithNodeRenderers(util.Prioritized(shown{}, 100))),
	)}
}

// HTML is the source as HTML that may be put into a page.
func (r *Renderer) HTML(source string) template.HTML {
	var b bytes.Buffer
	if err := r.md.Convert([]byte(clean(source)), &b); err != nil {
		return template.HTML("<p>" + template.HTMLEscapeString(source) + "</p>") //nolint:gosec // escaped
	}
	return template.HTML(r.policy.SanitizeBytes(b.Bytes())) //nolint:gosec // this is what the policy is for
}

// Text is the source without its marks, its lines as paragraphs, for where only
// text can be shown.
func (r *Renderer) Text(source string) string {
	src := []byte(clean(source))
	var b strings.Builder
	_ = ast.Walk(r.md.Parser().Parse(text.NewReader(src)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock && n.Kind() != ast.KindDocument {
				breakLine(&b)
			}
			if n.Kind() == east.KindTableCell {
				b.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		if n.Kind() == ast.KindListItem {
			b.WriteString("• ")
		}
		write(&b, n, src)
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(b.String())
}

// Letter is the source as plain text for who reads only that: paragraphs apart,
// lists with their marks or numbers, and behind a link's words where it leads.
func (r *Renderer) Letter(source string) string {
	src := []byte(clean(source))
	var b strings.Builder
	var begins []int // where the words of the links that are open begin
	_ = ast.Walk(r.md.Parser().Parse(text.NewReader(src)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Link:
			if entering {
				begins = append(begins, b.Len())
				break
			}
			last := len(begins) - 1
			said, to := b.String()[begins[last]:], string(n.Destination)
			begins = begins[:last]
			scheme, _, _ := strings.Cut(strings.ToLower(to), ":")
			if said != to && (scheme == "https" || scheme == "http" || scheme == "mailto") {
				b.WriteString(" (" + to + ")")
			}
		case *ast.ListItem:
			if entering {
				breakLine(&b)
				b.WriteString(mark(n))
			}
		case *ast.TextBlock, *east.TableRow, *east.TableHeader:
			if !entering {
				breakLine(&b)
			}
		case *east.TableCell:
			if !entering && n.NextSibling() != nil {
				b.WriteString(" | ")
			}
		case *ast.ThematicBreak:
			if entering {
				b.WriteString("----------")
			}
		}
		if !entering {
			if n.Type() == ast.TypeBlock && n.Kind() != ast.KindDocument && apart(n) {
				breakLine(&b)
				if !strings.HasSuffix(b.String(), "\n\n") {
					b.WriteByte('\n')
				}
			}
			return ast.WalkContinue, nil
		}
		write(&b, n, src)
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(b.String())
}

// apart says whether an empty line follows a block.
func apart(n ast.Node) bool {
	switch n.Kind() {
	case ast.KindParagraph, ast.KindHeading, ast.KindList, ast.KindBlockquote, ast.KindCodeBlock, ast.KindFencedCodeBlock, ast.KindHTMLBlock, ast.KindThematicBreak, east.KindTable:
		return true
	}
	return false
}

// mark is what stands before an item of a list.
func mark(n *ast.ListItem) string {
	list, ok := n.Parent().(*ast.List)
	if !ok || !list.IsOrdered() {
		return "• "
	}
	at := list.Start
	for p := n.PreviousSibling(); p != nil; p = p.PreviousSibling() {
		at++
	}
	return strconv.Itoa(at) + ". "
}

// write writes what a node says by itself.
func write(b *strings.Builder, n ast.Node, src []byte) {
	switch n := n.(type) {
	case *ast.Text:
		b.Write(n.Segment.Value(src))
		if n.SoftLineBreak() || n.HardLineBreak() {
			breakLine(b)
		}
	case *ast.String:
		b.Write(n.Value)
	case *ast.AutoLink:
		b.Write(n.Label(src))
	case *ast.FencedCodeBlock, *ast.CodeBlock, *ast.HTMLBlock:
		for i := range n.Lines().Len() {
			line := n.Lines().At(i)
			b.Write(line.Value(src))
		}
	case *ast.RawHTML:
		for i := range n.Segments.Len() {
			part := n.Segments.At(i)
			b.Write(part.Value(src))
		}
	}
}

func breakLine(b *strings.Builder) {
	if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
		b.WriteByte('\n')
	}
}

// clean makes text valid, cuts it, and takes out what turns the direction of
// writing or ends a line unseen.
func clean(s string) string {
	if len(s) > MaxSource {
		s = s[:MaxSource]
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		if r, n := utf8.DecodeLastRuneInString(s); r == utf8.RuneError && n == 1 {
			s = s[:len(s)-1]
		}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r < ' ', r == 0x7f, r >= 0x80 && r <= 0x9f,
			r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c, r == 0x2028, r == 0x2029:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// tame makes pictures into links, and headings no higher than the page's own.
type tame struct{}

func (tame) Transform(doc *ast.Document, _ text.Reader, _ parser.Context) {
	var pictures []*ast.Image
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			n.Level = min(6, n.Level+2)
		case *ast.Image:
			pictures = append(pictures, n)
		}
		return ast.WalkContinue, nil
	})
	for _, p := range pictures {
		link := ast.NewLink()
		link.Destination, link.Title = p.Destination, p.Title
		for c := p.FirstChild(); c != nil; c = p.FirstChild() {
			link.AppendChild(link, c)
		}
		if !link.HasChildren() {
			link.AppendChild(link, ast.NewString(p.Destination))
		}
		if parent := p.Parent(); parent != nil {
			parent.ReplaceChild(parent, p, link)
		}
	}
}

// shown writes raw HTML as the text that it is.
type shown struct{}

func (shown) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(ast.KindRawHTML, func(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if raw, ok := n.(*ast.RawHTML); ok && entering {
			for i := range raw.Segments.Len() {
				part := raw.Segments.At(i)
				_, _ = w.Write(util.EscapeHTML(part.Value(src)))
			}
		}
		return ast.WalkSkipChildren, nil
	})
	reg.Register(ast.KindHTMLBlock, func(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		_, _ = w.WriteString("<p>")
		for i := range n.Lines().Len() {
			line := n.Lines().At(i)
			_, _ = w.Write(util.EscapeHTML(line.Value(src)))
		}
		if block, ok := n.(*ast.HTMLBlock); ok && block.HasClosure() {
			_, _ = w.Write(util.EscapeHTML(block.ClosureLine.Value(src)))
		}
		_, _ = w.WriteString("</p>\n")
		return ast.WalkContinue, nil
	})
}
