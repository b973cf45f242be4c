package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASectionTakesThePlaceOfTheOneBefore(t *testing.T) {
	t.Parallel()
	titles := []string{"One", "Two", "Three", "Four"}
	const file = "# Benchmarks\n\nThe machine.\n\n## One\n\nold one\n\n## Three\n\nold three\n\n### Below\n\nstill three\n\n## Others\n\nby hand\n"
	for _, row := range []struct{ name, text, title, section, want string }{
		{"in the middle", file, "Three", "## Three\n\nnew\n\n\n", "# Benchmarks\n\nThe machine.\n\n## One\n\nold one\n\n## Three\n\nnew\n\n## Others\n\nby hand\n"},
		{"at the end", "# B\n\n## One\n\nold\n", "One", "## One\n\nnew\n", "# B\n\n## One\n\nnew\n"},
		{"there was none: before the next", file, "Two", "## Two\n\nnew\n",
			"# Benchmarks\n\nThe machine.\n\n## One\n\nold one\n\n## Two\n\nnew\n\n## Three\n\nold three\n\n### Below\n\nstill three\n\n## Others\n\nby hand\n"},
		{"there was none after it either", file, "Four", "## Four\n\nnew\n", file + "\n## Four\n\nnew\n"},
		{"a title that begins as another", "## Two and more\n\nx\n\n## Two\n\nold\n", "Two", "## Two\n\nnew\n", "## Two and more\n\nx\n\n## Two\n\nnew\n"},
		{"an empty file", "", "One", "## One\n\nnew\n", "## One\n\nnew\n"},
	} {
		got, err := withSection(row.text, row.title, row.section, titles)
		if err != nil || got != row.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", row.name, err, got, row.want)
		}
		if again, err := withSection(got, row.title, row.section, titles); err != nil || again != got {
			t.Errorf("%s: put there twice it is another: %v\n%s", row.name, err, again)
		}
	}
	if _, err := withSection(file, "Five", "## Five\n", titles); err == nil {
		t.Error("a part that there is not has a place")
	}
}

func TestPutSection(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := putSection(file, "One", "## One\n", []string{"One"}); err == nil {
		t.Error("there is no file")
	}
	if err := os.WriteFile(file, []byte("# B\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := putSection(file, "One", "## One\n\nx\n\n", []string{"One"}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "# B\n\n## One\n\nx\n" {
		t.Errorf("%v: %q", err, text)
	}
}

// A run of all parts but one keeps what was measured of that one.
func TestReplaceAll(t *testing.T) {
	t.Parallel()
	file, titles := filepath.Join(t.TempDir(), "benchmarks.md"), []string{"One", "Two", "Three"}
	for _, row := range []struct{ text, want string }{
		{"# B\n\n## One\n\na\n\n## Three\n\nc\n", "# B\n\n## One\n\na\n\n## Three\n\nc\n"}, // there was no file
		{"# C\n\n## Two\n\nb\n", "# C\n\n## One\n\na\n\n## Two\n\nb\n\n## Three\n\nc\n"},
		{"# D\n\n## One\n\nx\n\n## Two\n\ny\n\n## Three\n\nz\n", "# D\n\n## One\n\nx\n\n## Two\n\ny\n\n## Three\n\nz\n"},
	} {
		if err := replaceAll(file, row.text, titles); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != row.want {
			t.Errorf("%v: %q, want %q", err, text, row.want)
		}
	}
}

// Each section of the file has a part that measures it.
func TestEachSectionHasAPart(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	left := string(text)
	for _, p := range (&bench{}).parts() {
		if begin, end := sectionOf(left, p.title); begin >= 0 {
			left = left[:begin] + left[end:]
		}
	}
	if _, other, found := strings.Cut(left, "\n## "); found {
		t.Errorf("nobody measures %.60s", other)
	}
}
