package site

import (
	"fmt"
	"html"

	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/util"
)

// cards says whether a table becomes a card for each row on a narrow screen: one of three
// columns or more, with names, whose cells are words. Figures stay in their columns. Such a
// table says its roles itself, as browsers forget them with its look.
func cards(n *east.Table, src []byte) bool {
	head := n.FirstChild()
	if head == nil || head.ChildCount() < 3 || plain(head, src) == "" {
		return false
	}
	for _, a := range n.Alignments {
		if a == east.AlignRight || a == east.AlignCenter {
			return false
		}
	}
	return true
}

// tableOf is the table that a row or a cell is in.
func tableOf(n ast.Node) *east.Table {
	for ; n != nil; n = n.Parent() {
		if t, ok := n.(*east.Table); ok {
			return t
		}
	}
	return nil
}

// role is the attribute of a part of a table, where it has to say it.
func role(n ast.Node, src []byte, name string) string {
	if t := tableOf(n); t != nil && cards(t, src) {
		return ` role="` + name + `"`
	}
	return ""
}

// writeTable writes a table that scrolls by itself where it is wider than the page.
func writeTable(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	t, ok := n.(*east.Table)
	if !ok {
		return ast.WalkContinue, nil
	}
	class := ""
	if cards(t, src) {
		class = ` class="cards"`
	}
	if entering {
		fmt.Fprintf(w, "<div class=\"table\" tabindex=\"0\"><table%s%s>\n", class, role(n, src, "table"))
	} else {
		_, _ = w.WriteString("</tbody></table></div>\n")
	}
	return ast.WalkContinue, nil
}

// writeTableHeader leaves out a row of headings without words.
func writeTableHeader(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	group := role(n, src, "rowgroup")
	if plain(n, src) == "" {
		if entering {
			_, _ = w.WriteString("<tbody>")
		}
		return ast.WalkSkipChildren, nil
	}
	if entering {
		fmt.Fprintf(w, "<thead%s><tr%s>", group, role(n, src, "row"))
	} else {
		fmt.Fprintf(w, "</tr></thead>\n<tbody%s>", group)
	}
	return ast.WalkContinue, nil
}

func writeRow(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		fmt.Fprintf(w, "<tr%s>", role(n, src, "row"))
	} else {
		_, _ = w.WriteString("</tr>\n")
	}
	return ast.WalkContinue, nil
}

// writeCell writes one cell; a heading without words is none.
func writeCell(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	c, ok := n.(*east.TableCell)
	if !ok {
		return ast.WalkContinue, nil
	}
	head := c.Parent().Kind() == east.KindTableHeader
	tag, as := "td", "cell"
	if head && plain(c, src) != "" {
		tag, as = "th", "columnheader"
	}
	if !entering {
		_, _ = w.WriteString("</" + tag + ">")
		return ast.WalkContinue, nil
	}
	said := role(n, src, as)
	if said != "" && !head {
		said += label(c, src)
	}
	if c.Alignment == east.AlignRight || c.Alignment == east.AlignCenter {
		said += fmt.Sprintf(` class="%s"`, c.Alignment.String())
	}
	fmt.Fprintf(w, "<%s%s>", tag, said)
	return ast.WalkContinue, nil
}

// label names the column of a cell, for a card.
func label(c *east.TableCell, src []byte) string {
	h := tableOf(c).FirstChild().FirstChild()
	for before := c.PreviousSibling(); before != nil && h != nil; before = before.PreviousSibling() {
		h = h.NextSibling()
	}
	if h == nil {
		return ""
	}
	return ` data-label="` + html.EscapeString(plain(h, src)) + `"`
}
