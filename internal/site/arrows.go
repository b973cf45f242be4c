package site

import (
	"fmt"
	"html"
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/util"
)

// arrows is a diagram as the list of its arrows: what a picture of it says, for who reads
// and for who hears it.
type arrows struct {
	ast.BaseBlock
	list []arrow
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
	out := &arrows{}
	names := map[string]string{}
	head, rest, _ := strings.Cut(strings.TrimSpace(source), "\n")
	state := strings.HasPrefix(head, "stateDiagram")
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
	_, _ = w.WriteString("<ol class=\"arrows\">\n")
	for _, x := range a.list {
		how := `<span class="arrow" aria-hidden="true">→</span><span class="unseen"> to </span>`
		if x.how != "" {
			how = `<span class="how">` + html.EscapeString(x.how) + "</span> " + how
		}
		fmt.Fprintf(w, `<li><b>%s</b> %s <b>%s</b></li>`+"\n", html.EscapeString(x.from), how, html.EscapeString(x.to))
	}
	_, _ = w.WriteString("</ol>\n")
	return ast.WalkSkipChildren, nil
}
