package site

import (
	"fmt"
	"html"
	"image"
	_ "image/png" // what pictures are
	"strings"

	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// picture is one that may have a form for the dark.
type picture struct {
	ast.BaseInline
	light, dark, alt string
	width, height    int
}

var kindPicture = ast.NewNodeKind("Picture")

func (*picture) Kind() ast.NodeKind           { return kindPicture }
func (p *picture) Dump(src []byte, level int) { ast.DumpHelper(p, src, level, nil, nil) }

// measure answers how large a picture is, zeroes if that is not known.
func (s *Site) measure(at string) (width, height int) {
	f, err := s.o.Files.Open(at)
	if err != nil {
		return 0, 0
	}
	defer func() { _ = f.Close() }()
	c, _, err := image.DecodeConfig(f)
	if err != nil {
		return 0, 0
	}
	return c.Width, c.Height
}

// nodes writes what goldmark writes in another way, or not at all.
type nodes struct{}

func (nodes) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(ast.KindHeading, writeHeading)
	reg.Register(ast.KindCodeBlock, writeCode)
	reg.Register(ast.KindFencedCodeBlock, writeCode)
	reg.Register(ast.KindLink, writeLink)
	reg.Register(ast.KindRawHTML, writeRaw)
	reg.Register(ast.KindHTMLBlock, func(util.BufWriter, []byte, ast.Node, bool) (ast.WalkStatus, error) {
		return ast.WalkSkipChildren, nil // Problems names it
	})
	reg.Register(ast.KindCodeSpan, writeCodeSpan)
	reg.Register(east.KindTable, writeTable)
	reg.Register(east.KindTableHeader, writeTableHeader)
	reg.Register(east.KindTableRow, writeRow)
	reg.Register(east.KindTableCell, writeCell)
	reg.Register(kindPicture, writePicture)
	reg.Register(kindArrows, writeArrows)
}

// writeHeading adds a link by which a reader gets the heading's own address.
func writeHeading(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	h, ok := n.(*ast.Heading)
	if !ok {
		return ast.WalkContinue, nil
	}
	at, _ := h.AttributeString("id")
	id, _ := at.(string)
	switch {
	case entering:
		fmt.Fprintf(w, `<h%d id="%s">`, h.Level, html.EscapeString(id))
	case h.Level == 1:
		_, _ = w.WriteString("</h1>\n")
	default:
		fmt.Fprintf(w, ` <a class="anchor" href="#%s" aria-label="Address of: %s">#</a></h%d>`+"\n", html.EscapeString(id), html.EscapeString(plain(h, src)), h.Level)
	}
	return ast.WalkContinue, nil
}

// writeCode writes code that the keyboard can scroll.
func writeCode(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	language := ""
	if f, ok := n.(*ast.FencedCodeBlock); ok {
		language = string(f.Language(src))
	}
	fmt.Fprintf(w, `<div class="code"><pre tabindex="0"><code data-language="%s">%s</code></pre></div>`+"\n", html.EscapeString(language), html.EscapeString(lines(n, src)))
	return ast.WalkSkipChildren, nil
}

// writeCodeSpan lets a long word of code break where its parts meet: addresses and names of
// keys stand in columns that are narrower.
func writeCodeSpan(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	if code := plain(n, src); len(code) <= longCode {
		_, _ = w.WriteString(`<code class="whole">` + html.EscapeString(code) + "</code>")
	} else {
		_, _ = w.WriteString("<code>" + breakable(code) + "</code>")
	}
	return ast.WalkSkipChildren, nil
}

// Bounds of where a word of code may break.
const (
	longCode  = 20 // characters that stand on one line in any case
	codePiece = 8  // of a word before it breaks again
)

// breakable is code as HTML.
func breakable(code string) string {
	var b strings.Builder
	run := 0
	for i, r := range code {
		b.WriteString(html.EscapeString(string(r)))
		if run++; r == ' ' {
			run = 0
		}
		if run >= codePiece && strings.ContainsRune("/_.,=:@?&-", r) && len(code)-i > 4 {
			b.WriteString("<wbr>")
			run = 0
		}
	}
	return b.String()
}

func writeLink(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	l, ok := n.(*ast.Link)
	if !ok || !entering {
		_, _ = w.WriteString("</a>")
		return ast.WalkContinue, nil
	}
	to := string(l.Destination)
	away := ""
	if strings.Contains(to, "://") {
		away = ` class="away" rel="noreferrer"`
	}
	fmt.Fprintf(w, `<a href="%s"%s>`, html.EscapeString(to), away)
	return ast.WalkContinue, nil
}

func writeRaw(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	r, ok := n.(*ast.RawHTML)
	if !ok || !entering {
		return ast.WalkContinue, nil
	}
	switch raw := string(r.Segments.Value(src)); {
	case marks.MatchString(raw):
		_, _ = w.WriteString(raw)
	case !strings.HasPrefix(raw, "<!--"):
		_, _ = w.WriteString(html.EscapeString(raw))
	}
	return ast.WalkSkipChildren, nil
}

func writePicture(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	p, ok := n.(*picture)
	if !ok || !entering {
		return ast.WalkSkipChildren, nil
	}
	size := ""
	if p.width > 0 {
		size = fmt.Sprintf(` width="%d" height="%d"`, p.width, p.height)
	}
	dark := ""
	if p.dark != "" {
		dark = fmt.Sprintf(`<source media="(prefers-color-scheme: dark)" srcset="%s">`, html.EscapeString(p.dark))
	}
	fmt.Fprintf(w, `<picture class="shot">%s<img src="%s" alt="%s"%s loading="lazy"></picture>`+"\n", dark, html.EscapeString(p.light), html.EscapeString(html.UnescapeString(p.alt)), size)
	return ast.WalkSkipChildren, nil
}
