package prometheus_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestRulesDoWhatTheySay(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", "tocsin.rules.yml"}, {"test", "rules", "tocsin.rules.test.yml"}} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = "../../deploy/prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s (Debian package prometheus): %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// Each query of the dashboard is one that Prometheus can read.
func TestTheDashboardsQueriesCanBeRead(t *testing.T) {
	text, err := os.ReadFile("../../deploy/prometheus/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("groups:\n- name: dashboard\n  rules:\n")
	n := 0
	for _, p := range board.Panels {
		for _, x := range p.Targets {
			n++
			fmt.Fprintf(&b, "  - record: panel:%d\n    expr: %q\n", n, strings.ReplaceAll(x.Expr, "$__rate_interval", "5m"))
		}
	}
	if n < 15 {
		t.Errorf("%d queries", n)
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, b.String())
	}
}
