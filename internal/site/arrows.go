package site

import (
	"fmt"
	"html"
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/util"
)

// arrows is a diagram as a table of its arrows: what a picture of it says, for who reads
// and for who hears it.
type arrows struct {
	ast.BaseBlock
	states bool // of something that changes; else of what goes from place to place
	list   []arrow
}

type arrow struct{ from, how, to string }

var kindArrows = ast.NewNodeKind("Arrows")

func (*arrows) Kind() ast.NodeKind           { return kindArrows }
func (a *arrows) Dump(src []byte, level int) { ast.DumpHelper(a, src, level, nil, nil) }

var (
	flowNode  = regexp.MustCompile(`^([A-Za-z_]\w*)(?:\[\("([^"]*)"\)\]|\[\(([^)"]*)\)\]|\["([^"]*)"\]|\[([^\]"]*)\])?`)
	flowArrow = regexp.MustCompile(`^\s*(?:-->\|([^|]*)\||-->|--\s+"?(.*?)"?\s+-->)\s*`)
	stateLine = regexp.MustCompile(`^(\[\*\]|\w+) --> (\[\*\]|\w+)(?:: (.*))?$`)
)

// arrowsOf reads a diagram of Mermaid's, a flowchart or one of states, as far as the
// documentation uses them; false if there is something else in it.
func arrowsOf(source string) (*arrows, bool) {
	names := map[string]string{}
	head, rest, _ := strings.Cut(strings.TrimSpace(source), "\n")
	state := strings.HasPrefix(head, "stateDiagram")
	out := &arrows{states: state}
	if !state && !strings.HasPrefix(head, "flowchart") {
		return nil, false
	}
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		switch {
		case line == "", line == "end", strings.HasPrefix(line, "direction "), strings.HasPrefix(line, "%%"), strings.HasPrefix(line, "subgraph "):
			continue
		case state:
			m := stateLine.FindStringSubmatch(line)
			if m == nil {
				return nil, false
			}
			begin, end := m[1], m[2]
			if begin == "[*]" {
				begin = "(none)"
			}
			if end == "[*]" {
				end = "(the end)"
			}
			out.list = append(out.list, arrow{begin, m[3], end})
		default:
			if !out.flow(line, names) {
				return nil, false
			}
		}
	}
	for i, a := range out.list {
		name := func(id string) string {
			if n, ok := names[id]; ok {
				return n
			}
			return id
		}
		out.list[i] = arrow{name(a.from), a.how, name(a.to)}
	}
	return out, len(out.list) > 0
}

// flow reads one line of a flowchart: nodes with arrows between them.
func (a *arrows) flow(line string, names map[string]string) bool {
	from, how := "", ""
	for line != "" {
		m := flowNode.FindStringSubmatch(line)
		if m == nil {
			return false
		}
		id := m[1]
		if words := strings.ReplaceAll(m[2]+m[3]+m[4]+m[5], "<br>", " "); words != "" {
			names[id] = words
		}
		if from != "" {
			a.list = append(a.list, arrow{from, how, id})
		}
		line = line[len(m[0]):]
		if strings.TrimSpace(line) == "" {
			return true
		}
		x := flowArrow.FindStringSubmatch(line)
		if x == nil {
			return false
		}
		from, how = id, x[1]+x[2]
		line = line[len(x[0]):]
	}
	return false
}

func writeArrows(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	a, ok := n.(*arrows)
	if !ok || !entering {
		return ast.WalkContinue, nil
	}
	from, how, to := a.names()
	cell := func(tag, role, label, text string) {
		fmt.Fprintf(w, `<%s role="%s" data-label="%s">%s</%s>`, tag, role, label, text, tag)
	}
	_, _ = w.WriteString(`<div class="table" tabindex="0"><table class="cards arrows" role="table"><thead role="rowgroup"><tr role="row">`)
	for _, name := range []string{from, how, to} {
		fmt.Fprintf(w, `<th role="columnheader">%s</th>`, name)
	}
	_, _ = w.WriteString("</tr></thead>\n<tbody role=\"rowgroup\">")
	for _, x := range a.grouped() {
		_, _ = w.WriteString(`<tr role="row">`)
		cell("td", "cell", from, "<b>"+html.EscapeString(x.from)+"</b>")
		cell("td", "cell", how, html.EscapeString(x.how))
		cell("td", "cell", to, `<span aria-hidden="true">→ </span><b>`+html.EscapeString(x.to)+"</b>")
		_, _ = w.WriteString("</tr>\n")
	}
	_, _ = w.WriteString("</tbody></table></div>\n")
	return ast.WalkSkipChildren, nil
}

// names are those of the columns.
func (a *arrows) names() (from, how, to string) {
	if a.states {
		return "is", "event", "becomes"
	}
	return "from", "by", "to"
}

// rows are the table for a terminal, its head first.
func (a *arrows) rows() [][]string {
	from, how, to := a.names()
	out := [][]string{{from, how, to}}
	for _, x := range a.grouped() {
		out = append(out, []string{x.from, x.how, x.to})
	}
	return out
}

// grouped are the arrows with those from the same place together.
func (a *arrows) grouped() []arrow {
	var out []arrow
	done := map[string]bool{}
	for _, first := range a.list {
		if done[first.from] {
			continue
		}
		done[first.from] = true
		for _, x := range a.list {
			if x.from == first.from {
				out = append(out, x)
			}
		}
	}
	return out
}
