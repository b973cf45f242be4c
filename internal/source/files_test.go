package source_test

import (
	"encoding/json"
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

// TestUptimeKumaAsASource reads what Uptime Kuma posts by the mapping that
// docs/moving-status-page.md gives.
func TestUptimeKumaAsASource(t *testing.T) {
	raw, err := os.ReadFile("../../docs/moving-status-page.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```json\n(\\{\n  \"host\".+?)```").FindStringSubmatch(string(raw))
	if found == nil {
		t.Fatal("docs/moving-status-page.md has no mapping")
	}
	var m source.Mapping
	if err := json.Unmarshal([]byte(found[1]), &m); err != nil {
		t.Fatal(err)
	}
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	for status, want := range map[string]string{"0": "PROBLEM down", "1": "RECOVERY up"} {
		events, err := m.Decode([]byte(`{"heartbeat":{"monitorID":1,"status":`+status+`,"time":"2026-11-22 20:00:00.123","msg":"connect ECONNREFUSED","important":true},
			"monitor":{"id":1,"name":"Shop","type":"http"},"msg":"[Shop] [Down] connect ECONNREFUSED"}`), now, source.MaxEvents)
		if err != nil {
			t.Fatal(err)
		}
		e := events[0]
		if got := string(e.Type) + " " + string(e.State); got != want || e.Object.Host != "Shop" || e.Output != "connect ECONNREFUSED" {
			t.Errorf("status %s is %s of %s, %q; want %s of Shop", status, got, e.Object.Host, e.Output, want)
		}
	}
	if _, err := m.Decode([]byte(`{"heartbeat":null,"monitor":null,"msg":"My Notification Testing"}`), now, source.MaxEvents); err == nil || !strings.Contains(err.Error(), "host") {
		t.Errorf("its test is answered with %v, not with the field that is missing", err)
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
