package site

import (
	"fmt"
	"strings"

	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/rivo/uniseg"
)

// Terminal is how a page is printed.
type Terminal struct {
	Width  int // of a line, in columns; 0: 80
	Styled bool
}

// Section cuts the Markdown of a page down to what stands below one heading, with the
// headings below that; false if there is no such heading.
func (p *Page) Section(id string) ([]byte, bool) {
	doc := markdown().Parser().Parse(text.NewReader(p.source))
	seen := anchors{}
	begin, level := -1, 0
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok || h.Lines().Len() == 0 {
			continue
		}
		at := h.Lines().At(0).Start
		for at > 0 && p.source[at-1] != '\n' {
			at--
		}
		if begin >= 0 && h.Level <= level {
			return p.source[begin:at], true
		}
		if seen.of(plain(h, p.source)) == id && begin < 0 {
			begin, level = at, h.Level
		}
	}
	if begin < 0 {
		return nil, false
	}
	return p.source[begin:], true
}

// Text is Markdown as it is read in a terminal: lines as wide as that, tables that would be
// wider as a paragraph for each row, diagrams as tables of their arrows, code as it stands.
func Text(source []byte, t Terminal) string {
	if t.Width <= 0 {
		t.Width = 80
	}
	t.Width = min(t.Width, 100)
	w := &printer{src: source, t: t}
	w.blocks(markdown().Parser().Parse(text.NewReader(source)), "", "")
	return strings.TrimLeft(w.b.String(), "\n")
}

type printer struct {
	b   strings.Builder
	src []byte
	t   Terminal
}

const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	plane = "\x1b[0m"
)

func (w *printer) style(with, text string) string {
	if !w.t.Styled || text == "" {
		return text
	}
	return with + text + plane
}

// blocks prints what is within a node: the first line after first, the others after rest.
func (w *printer) blocks(n ast.Node, first, rest string) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		w.block(c, first, rest)
		first = rest
	}
}

func (w *printer) block(n ast.Node, first, rest string) {
	switch n := n.(type) {
	case *ast.Heading:
		w.gap()
		words := w.inline(n)
		if n.Level <= 2 {
			under := "="
			if n.Level == 2 {
				under = "-"
			}
			fmt.Fprintf(&w.b, "%s\n%s\n", w.style(bold, words), strings.Repeat(under, min(uniseg.StringWidth(words), w.t.Width)))
		} else {
			fmt.Fprintf(&w.b, "%s\n", w.style(bold, words))
		}
	case *ast.Paragraph:
		w.gap()
		w.wrapped(w.inline(n), first, rest)
	case *ast.TextBlock:
		w.wrapped(w.inline(n), first, rest)
	case *ast.FencedCodeBlock:
		w.gap()
		if dia, ok := arrowsOf(lines(n, w.src)); ok && string(n.Language(w.src)) == "mermaid" {
			w.rows(dia.rows(), true)
			return
		}
		w.code(n, rest)
	case *ast.CodeBlock:
		w.gap()
		w.code(n, rest)
	case *ast.Blockquote:
		w.blocks(n, first+"| ", rest+"| ")
	case *ast.List:
		if rest == "" {
			w.gap()
		}
		at := n.Start
		for c := n.FirstChild(); c != nil; c = c.NextSibling() {
			mark := "- "
			if n.IsOrdered() {
				mark = fmt.Sprintf("%d. ", at)
				at++
			}
			w.blocks(c, rest+mark, rest+strings.Repeat(" ", len(mark)))
		}
	case *ast.ThematicBreak:
		w.gap()
		w.b.WriteString(strings.Repeat("-", w.t.Width) + "\n")
	case *east.Table:
		w.gap()
		w.table(n)
	case *ast.HTMLBlock:
		if m := pictureTag.FindStringSubmatch(strings.TrimSpace(lines(n, w.src))); m != nil {
			w.gap()
			w.wrapped("[Picture: "+m[3]+"]", first, rest)
		}
	}
}

func (w *printer) code(n ast.Node, rest string) {
	for line := range strings.Lines(lines(n, w.src)) {
		w.b.WriteString(rest + "    " + strings.TrimRight(line, "\n") + "\n")
	}
}

// gap leaves an empty line before a block.
func (w *printer) gap() {
	if s := w.b.String(); s != "" && !strings.HasSuffix(s, "\n\n") {
		w.b.WriteByte('\n')
	}
}

// inline is a node's text, with the marks that a terminal can do without left out.
func (w *printer) inline(n ast.Node) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			b.Write(said(c, w.src))
			if c.SoftLineBreak() || c.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(c.Value)
		case *ast.CodeSpan:
			b.WriteString("`" + plain(c, w.src) + "`")
		case *ast.Emphasis:
			b.WriteString(w.style(bold, w.inline(c)))
		case *ast.AutoLink:
			b.Write(c.Label(w.src))
		case *ast.Image:
			b.WriteString("[Picture: " + plain(c, w.src) + "]")
		case *ast.Link:
			words, to := w.inline(c), string(c.Destination)
			b.WriteString(words)
			if to != words {
				b.WriteString(w.style(dim, " ("+strings.Replace(to, ".md", "", 1)+")"))
			}
		default:
			b.WriteString(w.inline(c))
		}
	}
	return b.String()
}

// wrapped prints text in lines that fit.
func (w *printer) wrapped(text, first, rest string) {
	line, width, empty := first, uniseg.StringWidth(first), true
	for _, word := range strings.Fields(text) {
		n := uniseg.StringWidth(unstyled(word))
		if !empty && width+1+n > w.t.Width {
			w.b.WriteString(line + "\n")
			line, width, empty = rest, uniseg.StringWidth(rest), true
		}
		if !empty {
			line += " "
			width++
		}
		line += word
		width += n
		empty = false
	}
	if !empty {
		w.b.WriteString(line + "\n")
	}
}

var unstyle = strings.NewReplacer(bold, "", dim, "", plane, "")

func unstyled(s string) string { return unstyle.Replace(s) }

func (w *printer) table(n *east.Table) {
	var rows [][]string
	head := false
	for r := n.FirstChild(); r != nil; r = r.NextSibling() {
		var row []string
		for c := r.FirstChild(); c != nil; c = c.NextSibling() {
			row = append(row, w.inline(c))
		}
		if _, ok := r.(*east.TableHeader); ok {
			if strings.Join(row, "") == "" {
				continue
			}
			head = true
		}
		rows = append(rows, row)
	}
	w.rows(rows, head)
}

// rows prints columns where they fit, and else what each row says, one below the other.
func (w *printer) rows(rows [][]string, head bool) {
	var widths []int
	for _, row := range rows {
		for i, words := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], uniseg.StringWidth(unstyled(words)))
		}
	}
	sum := 2 * (len(widths) - 1)
	for _, n := range widths {
		sum += n
	}
	if sum <= w.t.Width {
		for i, row := range rows {
			w.row(row, widths, head && i == 0)
		}
		return
	}
	for i, row := range rows {
		if head && i == 0 {
			continue
		}
		w.wrapped(w.style(bold, row[0]), "", "")
		for j, words := range row[1:] {
			if words == "" {
				continue
			}
			label := ""
			if head && len(row) > 2 && rows[0][j+1] != "" {
				label = unstyled(rows[0][j+1]) + ": "
			}
			w.wrapped(label+words, "    ", "    ")
		}
	}
}

func (w *printer) row(row []string, widths []int, head bool) {
	var line strings.Builder
	for i, words := range row {
		gap := strings.Repeat(" ", widths[i]-uniseg.StringWidth(unstyled(words)))
		if head {
			words = w.style(bold, words)
		}
		line.WriteString(words)
		if i < len(row)-1 {
			line.WriteString(gap + "  ")
		}
	}
	w.b.WriteString(line.String() + "\n")
	if head {
		sum := 2 * (len(widths) - 1)
		for _, n := range widths {
			sum += n
		}
		w.b.WriteString(strings.Repeat("-", sum) + "\n")
	}
}

// Indented is plain text in lines that fit, each behind the indentation.
func Indented(text, indentation string, t Terminal) string {
	w := &printer{t: t}
	if w.t.Width <= 0 {
		w.t.Width = 80
	}
	w.t.Width = min(w.t.Width, 100)
	w.wrapped(text, indentation, indentation)
	return w.b.String()
}
