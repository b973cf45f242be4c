package app_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"tocsin/internal/auth"
	"tocsin/test/database"
)

var update = flag.Bool("update", false, "write the table of docs/metrics.md anew")

// metric is one that the code makes.
type metric struct {
	name, kind, help string
	labels           []string
}

// metricsOfTheCode reads them from the calls that make them.
func metricsOfTheCode(t *testing.T) map[string]*metric {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*metric{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			var made metric
			if first := literal(call.Args[0]); strings.HasPrefix(first, "tocsin_") && len(call.Args) >= 3 {
				made = metric{name: first, kind: "gauge", help: literal(call.Args[1])}
				if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "count" {
					made.kind = "counter"
				}
				for i := 3; i < len(call.Args); i += 2 {
					made.labels = append(made.labels, literal(call.Args[i]))
				}
			} else if opts, ok := call.Args[0].(*ast.CompositeLit); ok {
				made = fromOptions(call, opts)
			}
			if made.name == "" {
				return true
			}
			if made.help == "" {
				t.Errorf("%s: %s has no help", name, made.name)
			}
			if before := all[made.name]; before != nil && (before.help != made.help || before.kind != made.kind || !slices.Equal(before.labels, made.labels)) {
				t.Errorf("%s is made in two ways: %+v and %+v", made.name, *before, made)
			}
			all[made.name] = &made
			return true
		})
	}
	return all
}

// fromOptions is one that is made by prometheus.NewCounter and its like.
func fromOptions(call *ast.CallExpr, opts *ast.CompositeLit) metric {
	var m metric
	for _, e := range opts.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			switch fmt.Sprint(kv.Key) {
			case "Name":
				m.name = literal(kv.Value)
			case "Help":
				m.help = literal(kv.Value)
			}
		}
	}
	if !strings.HasPrefix(m.name, "tocsin_") {
		return metric{}
	}
	if f, ok := call.Fun.(*ast.SelectorExpr); ok {
		m.kind = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(f.Sel.Name, "New"), "Vec"))
	}
	if len(call.Args) > 1 {
		if list, ok := call.Args[1].(*ast.CompositeLit); ok {
			for _, e := range list.Elts {
				m.labels = append(m.labels, literal(e))
			}
		}
	}
	return m
}

func literal(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	s, _ := strconv.Unquote(l.Value)
	return s
}

const (
	tableBegins = "<!-- table of metrics: go test ./internal/app -run TestMetricsAreDocumented -update -->\n"
	tableEnds   = "<!-- end of the table -->"
)

func TestMetricsAreDocumented(t *testing.T) {
	all := metricsOfTheCode(t)
	names := []string{}
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString("| metric | kind | labels | what it is |\n|---|---|---|---|\n")
	for _, name := range names {
		m := all[name]
		labels := ""
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "` `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, m.kind, labels, m.help)
	}
	const path = "../../docs/metrics.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), tableBegins)
	was, after, ends := strings.Cut(rest, tableEnds)
	if !found || !ends {
		t.Fatal("docs/metrics.md has no place for the table")
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+tableBegins+b.String()+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if was != b.String() {
		t.Error("the table of docs/metrics.md is not of this code: go test ./internal/app -run TestMetricsAreDocumented -update")
	}
}

func TestMetricsAreInGoodForm(t *testing.T) {
	h := startHub(t)
	if got := h.call("POST", "/api/v1/sources/lab/events", h.token, problem); got.status != 200 {
		t.Fatal(got.body)
	}
	got := h.call("GET", "/metrics", nil, "")
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	found, err := promlint.New(strings.NewReader(got.body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if want := `tocsin_delivery_attempts_total{channel="webhook",state="dead"} 0`; !strings.Contains(got.body, want+"\n") {
		t.Errorf("there is no %s: the first one would be no increase", want)
	}
	known := metricsOfTheCode(t)
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (tocsin_\w+)`).FindAllStringSubmatch(got.body, -1) {
		if known[m[1]] == nil {
			t.Errorf("%s is served, but nobody would find it in docs/metrics.md", m[1])
		}
	}
}

// What Prometheus and Grafana are given names only what there is.
func TestDashboardAndRulesNameMetricsThatThereAre(t *testing.T) {
	known := metricsOfTheCode(t)
	for _, path := range []string{"dashboard.json", "tocsin.rules.yml", "tocsin.rules.test.yml", "prometheus.yml"} {
		text, err := os.ReadFile(filepath.Join("../../deploy/prometheus", path))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, name := range regexp.MustCompile(`tocsin_\w+`).FindAllString(string(text), -1) {
			base := name
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if m := known[strings.TrimSuffix(name, suffix)]; m != nil && m.kind == "histogram" {
					base = m.name
				}
			}
			if known[base] == nil {
				t.Errorf("%s names %s, which there is not", path, name)
			}
			n++
		}
		if n == 0 && path != "prometheus.yml" {
			t.Errorf("%s names nothing", path)
		}
	}
}

// While the database is away figures are wanted most: whoever might read them then may.
func TestFiguresWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	dir := database.Folder(t)
	h := startHub(t, "TOCSIN_DATA="+dir)
	good, late := h.key(auth.ReadConfig), h.key(auth.ReadConfig, auth.ReadAlerts)
	other := h.key(auth.ReadAlerts)
	is := func(key string, want int) {
		t.Helper()
		if got := h.call("GET", "/metrics", key, "", "X-Forwarded-For", "192.0.2.1"); got.status != want {
			t.Errorf("%d, want %d: %.200s", got.status, want, got.body)
		}
	}
	is(good, http.StatusOK)
	is(other, http.StatusUnauthorized)
	path := filepath.Join(dir, "tocsin.db")
	alter(t, path, "ALTER TABLE api_key RENAME TO away")
	is(good, http.StatusOK)
	is(late, http.StatusServiceUnavailable) // it was never asked about
	is(other, http.StatusServiceUnavailable)
	is("nonsense", http.StatusUnauthorized)
	alter(t, path, "ALTER TABLE away RENAME TO api_key")
	alter(t, path, "UPDATE api_key SET revoked = 1")
	is(good, http.StatusUnauthorized)
	alter(t, path, "ALTER TABLE api_key RENAME TO away")
	is(good, http.StatusServiceUnavailable) // it is no longer taken as good
	alter(t, path, "ALTER TABLE away RENAME TO api_key")
}
