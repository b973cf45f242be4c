package architecture_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/config"
)

// pages are the texts for people, by their path in the project.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	tree := os.DirFS(root)
	found, err := fs.Glob(tree, "*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(tree, "docs", func(p string, _ fs.DirEntry, err error) error {
		if err == nil && path.Ext(p) == ".md" {
			found = append(found, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		all[p] = read(t, p)
	}
	if len(all) < 15 {
		t.Fatalf("read only %d pages", len(all))
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := fs.ReadFile(os.DirFS(root), file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// matches answers the first group of each match, each once.
func matches(pattern, text string) []string {
	var out []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(out, m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

// measured is written by `make bench`, on the machine that it names.
const measured = "docs/benchmarks.md"

func TestDocumentation(t *testing.T) {
	tree := os.DirFS(root)
	t.Run("links between pages lead to files and headings that there are", func(t *testing.T) {
		all := pages(t)
		for page, text := range all {
			for _, link := range matches(`\]\(([^)\s]+)\)`, text) {
				target, heading, _ := strings.Cut(link, "#")
				if strings.Contains(link, "://") {
					continue
				}
				to := page
				if target != "" {
					to = path.Join(path.Dir(page), target)
				}
				if _, err := fs.Stat(tree, to); err != nil && to != measured {
					t.Errorf("%s links to %s, which is not there", page, link)
				}
				if heading != "" && !slices.Contains(headings(all[to]), heading) {
					t.Errorf("%s links to %s, and there is no such heading", page, link)
				}
			}
		}
	})
	t.Run("files that pages name are there", func(t *testing.T) {
		for page, text := range pages(t) {
			for _, name := range matches("`((?:cmd|internal|test|bench|docs|scripts|tools|\\.ci)/[A-Za-z0-9_./-]+)`", text) {
				if _, err := fs.Stat(tree, name); err != nil && name != measured {
					t.Errorf("%s names %s, which is not there", page, name)
				}
			}
		}
	})
	t.Run("what pages tell to make is there to be made", func(t *testing.T) {
		targets := matches(`(?m)^([a-z-]+):`, read(t, "Makefile"))
		named := 0
		for page, text := range pages(t) {
			for _, target := range matches("(?m)(?:`|^)make ([a-z-]+)(?:`|$| {2,}#)", text) {
				if named++; !slices.Contains(targets, target) {
					t.Errorf("%s names make %s, which the Makefile does not have", page, target)
				}
			}
		}
		if named < 10 {
			t.Errorf("found only %d targets that are named", named)
		}
	})
	t.Run("every key of the configuration is explained", func(t *testing.T) {
		text := read(t, "docs/settings.md")
		for _, key := range config.Keys() {
			if !strings.Contains(text, "`"+key+"`") {
				t.Errorf("docs/settings.md does not explain %s", key)
			}
		}
	})
	t.Run("every reason not to tell somebody is explained", func(t *testing.T) {
		reasons := matches(`Reason = "([a-z_]+)"`, read(t, "internal/route/route.go"))
		text := read(t, "docs/troubleshooting.md")
		for _, r := range reasons {
			if !strings.Contains(text, "`"+r+"`") {
				t.Errorf("docs/troubleshooting.md does not explain the reason %s", r)
			}
		}
		if len(reasons) < 10 {
			t.Errorf("read only %d reasons", len(reasons))
		}
	})
	t.Run("every step of the self-test is explained", func(t *testing.T) {
		steps := matches(`(?m)^    \['[a-z]+', '([^']+)', async`, read(t, "internal/web/static/js/notifications.js"))
		text := read(t, "docs/troubleshooting.md")
		for _, s := range steps {
			if !strings.Contains(text, s) {
				t.Errorf("docs/troubleshooting.md does not explain the step %q", s)
			}
		}
		if len(steps) < 7 {
			t.Errorf("read only %d steps", len(steps))
		}
	})
	t.Run("every route that docs/api.md names is there", func(t *testing.T) {
		known := matches(`\n    "(/[^"]+)": \{`, read(t, "internal/web/api/testdata/openapi.json"))
		named := matches("`(?:GET|POST|PUT|DELETE) (/[^` ?]*)", read(t, "docs/api.md"))
		for _, r := range named {
			if !slices.Contains(known, r) {
				t.Errorf("docs/api.md names %s, which is not there", r)
			}
		}
		if len(named) < 10 {
			t.Errorf("read only %d routes", len(named))
		}
	})
	t.Run("every figure that ARCHITECTURE.md names is there", func(t *testing.T) {
		code := read(t, "internal/app/metrics.go")
		named := matches("`(tocsin_[a-z_]+)`", read(t, "ARCHITECTURE.md"))
		for _, figure := range named {
			if !strings.Contains(code, `"`+figure+`"`) && figure != "tocsin_wake" {
				t.Errorf("ARCHITECTURE.md names the figure %s, which is not there", figure)
			}
		}
		if len(named) < 10 {
			t.Errorf("read only %d figures", len(named))
		}
	})
}

// headings are the anchors of a page.
func headings(text string) []string {
	var out []string
	for _, h := range matches(`(?m)^#+ (.+)$`, text) {
		h = strings.ToLower(strings.ReplaceAll(h, " ", "-"))
		out = append(out, regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(h, ""))
	}
	return out
}
