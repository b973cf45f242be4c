package alert_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/alert"
)

var update = flag.Bool("update", false, "write docs/alert-states.md from the table")

func TestDocumentationShowsTheTable(t *testing.T) {
	const path = "../../docs/alert-states.md"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := string(raw)
	want := replaceBlock(t, replaceBlock(t, got, "diagram", diagram()), "tables", tables())
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("docs/alert-states.md does not show what alert.Table says; write it anew: go test ./internal/alert -run Documentation -update")
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replaceBlock puts text between the two comments that name the block.
func replaceBlock(t *testing.T, doc, name, text string) string {
	t.Helper()
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->"
	head, rest, ok := strings.Cut(doc, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("docs/alert-states.md has no block %q", name)
	}
	return head + begin + text + end + tail
}

// diagram draws the rows that do something to an alert; rows of one arrow and
// one condition share a label.
func diagram() string {
	type arrow struct{ from, to, when string }
	var order []arrow
	types := map[arrow][]string{}
	for _, row := range alert.Table() {
		if row.To == alert.Any || row.Outcome == alert.Noted {
			continue
		}
		a := arrow{node(row.From), node(row.To), condition(row)}
		if !slices.Contains(order, a) {
			order = append(order, a)
		}
		types[a] = append(types[a], string(row.On))
	}
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n    direction LR\n")
	for _, a := range order {
		label := strings.Join(types[a], ", ")
		switch {
		case strings.HasPrefix(a.when, "otherwise"):
			label += " " + a.when
		case a.when != "":
			label += " when " + a.when
		}
		fmt.Fprintf(&b, "    %s --> %s: %s\n", a.from, a.to, label)
	}
	b.WriteString("    Resolved --> [*]\n```\n")
	return b.String()
}

func node(s alert.Status) string {
	if s == alert.None {
		return "[*]"
	}
	return s.Word()
}

// condition is a row's condition in words, "otherwise" for the last of several.
func condition(row alert.Transition) string {
	if row.When != alert.Always {
		return string(row.When)
	}
	for _, other := range alert.Table() {
		if other.On == row.On && other.From == row.From && other.When != alert.Always && other.When != alert.Outdated {
			return "otherwise"
		}
	}
	return ""
}

func tables() string {
	var b strings.Builder
	for _, typ := range alert.Types() {
		fmt.Fprintf(&b, "### %s: %s\n\n", typ, strings.ToLower(typ.Word()[:1])+typ.Word()[1:])
		b.WriteString("| alert is | when | becomes | outcome | notice | on the timeline |\n|---|---|---|---|---|---|\n")
		for _, row := range alert.Table() {
			if row.On != typ {
				continue
			}
			notice := "–"
			if row.Notice != alert.NoNotice {
				notice = string(row.Notice)
			}
			to := row.To.Word()
			if row.To == alert.Any || row.To == row.From {
				to = "as it is"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", row.From.Word(), condition(row), to, row.Outcome, notice, row.Why)
		}
		b.WriteString("\n")
	}
	return b.String()
}
