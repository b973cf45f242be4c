package site

import (
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// entry is a page in a list of pages.
type entry struct {
	to, text, about string
}

// list is what stands below one heading.
type list struct {
	title   string
	entries []entry
}

// listed reads which pages a page lists: the first link of each row of a table, and of each
// item of a list, below the heading that they stand under. What else is in the row is what
// the page is about.
func listed(source []byte) []list {
	doc := goldmark.New(goldmark.WithExtensions(extension.Table)).Parser().Parse(text.NewReader(source))
	var out []list
	here := func() *list {
		if len(out) == 0 {
			out = append(out, list{})
		}
		return &out[len(out)-1]
	}
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Heading:
			if n.Level == 2 {
				out = append(out, list{title: plain(n, source)})
			}
		case *east.Table:
			for row := n.FirstChild(); row != nil; row = row.NextSibling() {
				if _, ok := row.(*east.TableRow); !ok || row.FirstChild() == nil {
					continue
				}
				if e, ok := entryOf(row.FirstChild(), source); ok {
					for c := row.FirstChild().NextSibling(); c != nil; c = c.NextSibling() {
						e.about = strings.TrimSpace(e.about + " " + plain(c, source))
					}
					here().entries = append(here().entries, e)
				}
			}
		case *ast.List:
			for item := n.FirstChild(); item != nil; item = item.NextSibling() {
				if e, ok := entryOf(item, source); ok {
					e.about = strings.TrimLeft(strings.TrimPrefix(plain(item, source), e.text), " :,–-")
					here().entries = append(here().entries, e)
				}
			}
		}
	}
	return out
}

// entryOf is the first link within a node that leads to a page.
func entryOf(n ast.Node, source []byte) (e entry, ok bool) {
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		l, isLink := n.(*ast.Link)
		if !entering || !isLink {
			return ast.WalkContinue, nil
		}
		to, _, _ := strings.Cut(string(l.Destination), "#")
		if strings.HasSuffix(to, ".md") && !strings.Contains(to, "://") {
			e, ok = entry{to: to, text: plain(l, source)}, true
		}
		return ast.WalkStop, nil
	})
	return e, ok
}

// plain is what a node says, without marks, on one line.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(said(n, source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(source))
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			for i := range n.Lines().Len() {
				at := n.Lines().At(i)
				b.Write(at.Value(source))
			}
		case *picture:
			b.WriteString(n.alt)
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

// said is a piece of text as it is read, without what only the Markdown needs.
func said(n *ast.Text, source []byte) []byte {
	value := n.Value(source)
	if n.IsRaw() {
		return value
	}
	return util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(value)))
}
