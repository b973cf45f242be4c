package source_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/source"
)

// TestFilesToPaste holds what docs/engine-files.md shows to what `tocsin source
// setup` prints for each kind.
func TestFilesToPaste(t *testing.T) {
	const page = "../../docs/engine-files.md"
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, k := range kinds() {
		g, ok := k.(source.Guided)
		if !ok {
			t.Errorf("%s has nothing to paste", k.Name())
			continue
		}
		head := "<!-- " + k.Name() + ": written by go test ./internal/source -run TestFilesToPaste -update -->\n"
		before, rest, found := strings.Cut(text, head)
		_, after, closed := strings.Cut(rest, "<!-- end -->")
		if !found || !closed {
			t.Errorf("docs/engine-files.md has no place for %s", k.Name())
			continue
		}
		text = before + head + pasted(g.Snippets(source.Setup{BaseURL: "https://tocsin.example.com", Source: k.Name()})) + "<!-- end -->" + after
	}
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(raw), text); diff != "" {
		t.Errorf("docs/engine-files.md (-there +printed; -update writes it anew):\n%s", diff)
	}
}

// path is a place that is a file's.
var path = regexp.MustCompile(`(/etc/[a-z0-9./-]+|\b[a-z]+\.yml\b)`)

// pasted is what people paste as Markdown.
func pasted(list []source.Snippet) string {
	var b strings.Builder
	b.WriteString("\n")
	for _, s := range list {
		language := ""
		switch {
		case strings.Contains(s.Where, ".yml") || strings.Contains(s.Where, ".yaml"):
			language = "yaml"
		case strings.HasPrefix(s.Text, "{"):
			language = "json"
		case regexp.MustCompile(`^(install|sudo|amtool|curl) `).MatchString(s.Text):
			language = "sh"
		}
		fmt.Fprintf(&b, "**%s.** Where: %s. %s\n\n```%s\n%s\n```\n\n", s.Title, path.ReplaceAllString(s.Where, "`$1`"), code(s.Why), language, s.Text)
	}
	return b.String()
}

// code sets what is JSON in a sentence as such.
func code(why string) string {
	return regexp.MustCompile(`\{".+\}`).ReplaceAllString(why, "`$0`")
}
