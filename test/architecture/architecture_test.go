package architecture_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"tocsin/test/architecture"
)

const root = "../.."

func table(t *testing.T) map[string]architecture.Row {
	t.Helper()
	text, err := os.ReadFile(root + "/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := architecture.Table(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 20 {
		t.Fatalf("read only %d rows of ARCHITECTURE.md's package table", len(rows))
	}
	return rows
}

func packages(t *testing.T) map[string][]string {
	t.Helper()
	p, err := architecture.Packages(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestArchitecture(t *testing.T) {
	t.Run("the package table lists the packages that there are", func(t *testing.T) {
		for _, d := range architecture.Differences(table(t), packages(t)) {
			t.Error(d)
		}
	})
	t.Run("no import goes where the table does not lead", func(t *testing.T) {
		for _, a := range architecture.Arrows(table(t), packages(t)) {
			t.Error(a)
		}
	})
	t.Run("the table allows nothing that the design forbids", func(t *testing.T) {
		for _, r := range architecture.Rules(table(t)) {
			t.Error(r)
		}
	})
}

// A check that cannot fail is none: here each one sees something wrong.
func TestChecksFail(t *testing.T) {
	const small = "" +
		"| package | for | may import | modules |\n" +
		"|---|---|---|---|\n" +
		"| `internal/alert` | words | | |\n" +
		"| `internal/route` | who | `internal/alert` | |\n" +
		"| `internal/store` | SQL | `internal/alert` | `github.com/jackc/pgx/v5` |\n" +
		"| `internal/gone` | nothing | | |\n"
	source := func(imports ...string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("package x\n\nimport (\n\"" + strings.Join(imports, "\"\n\"") + "\"\n)\n")}
	}
	files := fstest.MapFS{
		"internal/alert/alert.go":      source("time", "tocsin/internal/route"),
		"internal/alert/alert_test.go": source("tocsin/internal/store"),
		"internal/route/route.go":      source("tocsin/internal/alert", "github.com/jackc/pgx/v5"),
		"internal/store/store.go":      source("github.com/jackc/pgx/v5/stdlib", "github.com/jackc/pgxmock"),
		"internal/new/new.go":          source("fmt"),
	}
	rows, err := architecture.Table(small)
	if err != nil {
		t.Fatal(err)
	}
	found, err := architecture.Packages(files)
	if err != nil {
		t.Fatal(err)
	}
	same := func(t *testing.T, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
	t.Run("a package that is not listed and a row without a package", func(t *testing.T) {
		same(t, architecture.Differences(rows, found),
			"internal/new is a package that the table does not list",
			"internal/gone is in the table, but there is no such package")
	})
	t.Run("an arrow that points up, and modules that are not allowed", func(t *testing.T) {
		same(t, architecture.Arrows(rows, found),
			"internal/alert must not import internal/route",
			"internal/route must not import github.com/jackc/pgx/v5",
			"internal/store must not import github.com/jackc/pgxmock")
	})
	t.Run("a table that allows too much", func(t *testing.T) {
		rows, err := architecture.Table("" +
			"| `internal/alert` | words | `internal/live` | `golang.org/x/text` |\n" +
			"| `internal/dispatch` | one transaction | `internal/store` `internal/source/nagios` `internal/web` `internal/app` | `*` |\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := architecture.Rules(rows); len(got) != 7 {
			t.Errorf("got %d complaints, want 7:\n  %s", len(got), strings.Join(got, "\n  "))
		}
	})
	t.Run("a package that is listed twice", func(t *testing.T) {
		if _, err := architecture.Table("| `a` | x |\n| `a` | y |\n"); err == nil {
			t.Error("no error")
		}
	})
}
