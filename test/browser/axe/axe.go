// Package axe looks for barriers in a page as it stands in a real browser:
// contrast, names of controls, order of headings, landmarks, and what else
// axe-core knows of WCAG 2.2 AA and of good practice.
package axe

import (
	"context"
	_ "embed" // the script
	"fmt"
	"os"
	"strings"

	"tocsin/test/browser"
)

//go:embed axe.min.js
var script string

// Violation is one rule that the page breaks.
type Violation struct {
	ID     string
	Impact string
	Help   string
	Nodes  []struct {
		Target         []any
		FailureSummary string
	}
}

// String tells the rule and the first places that break it.
func (v Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s): %s", v.ID, v.Impact, v.Help)
	for i, n := range v.Nodes {
		if i == 5 {
			fmt.Fprintf(&b, "\n    and %d more", len(v.Nodes)-i)
			break
		}
		fmt.Fprintf(&b, "\n    %v: %s", n.Target, strings.ReplaceAll(n.FailureSummary, "\n", " "))
	}
	return b.String()
}

// Check runs axe-core in the tab. The page's own security policy does not
// matter: the driver brings the script in.
func Check(ctx context.Context, t browser.Tab) ([]Violation, error) {
	// The script is long: it comes once to each page. It declares itself on window; as an
	// expression it is wrapped.
	var there bool
	if err := t.Eval(ctx, "Boolean(window.axe)", &there); err != nil {
		return nil, fmt.Errorf("look for axe-core: %w", err)
	}
	if !there {
		if err := t.Eval(ctx, "(() => { "+script+"\n; return true })()", nil); err != nil {
			return nil, fmt.Errorf("bring axe-core in: %w", err)
		}
	}
	var found []Violation
	// What is in a frame is a page of its own; without this axe-core waits for an answer of
	// itself in there.
	err := t.Eval(ctx, "axe.run(document, {resultTypes: ['violations'], iframes: false}).then(r => r.violations.map(v => "+
		"({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => ({target: n.target, failureSummary: n.failureSummary}))})))", &found)
	if err != nil {
		return nil, fmt.Errorf("run axe-core: %w", err)
	}
	return found, nil
}

// Looks says whether a page is looked at in this way. Of the four ways, light and
// dark, wide and narrow, each page has two in which all of these are: which ones is
// known by its name. With TOCSIN_TEST_LOOKS=all it has all four, in twice the time.
func Looks(page string, width int, dark bool) bool {
	sum := 0
	for i := range len(page) {
		sum += int(page[i])
	}
	narrow := width < 800
	return os.Getenv("TOCSIN_TEST_LOOKS") == "all" || (sum%2 == 0) == (narrow == dark)
}
