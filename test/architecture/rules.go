// Package architecture holds the rooms of the program to ARCHITECTURE.md: its
// table says which packages there are and what each may import, and the rules
// here say what that table may never allow.
package architecture

import (
	"bufio"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Module is the path that the program's own imports start with.
const Module = "tocsin"

// Row is one line of the package table.
type Row struct {
	Package string
	Own     []string // packages of ours that it may import; "*" is all
	Modules []string // modules of others; "*" is all
}

// Table reads the rows of ARCHITECTURE.md's package tables: those that start
// with a package's folder in backticks. A row with two columns names a package
// without arrows to check (tests, benchmarks).
func Table(markdown string) (map[string]Row, error) {
	rows := map[string]Row{}
	sc := bufio.NewScanner(strings.NewReader(markdown))
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
		names := quoted(cells[0])
		if !strings.HasPrefix(line, "| `") || len(names) != 1 || len(cells) < 2 {
			continue
		}
		r := Row{Package: names[0], Own: []string{"*"}, Modules: []string{"*"}}
		if len(cells) == 4 {
			r.Own, r.Modules = quoted(cells[2]), quoted(cells[3])
		}
		if _, ok := rows[r.Package]; ok {
			return nil, fmt.Errorf("the table lists %s twice", r.Package)
		}
		rows[r.Package] = r
	}
	return rows, sc.Err()
}

var backticks = regexp.MustCompile("`([^`]+)`")

func quoted(cell string) []string {
	var out []string
	for _, m := range backticks.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

// Packages reads the imports of every Go package below the root's cmd,
// internal, bench and test folders, keyed by the folder. Test files do not
// count: a test may look at its room from above. A folder with test files only
// is a package, too.
func Packages(root fs.FS) (map[string][]string, error) {
	found := map[string]map[string]bool{}
	for _, top := range []string{"cmd", "internal", "bench", "test"} {
		if _, err := fs.Stat(root, top); err != nil {
			continue
		}
		err := fs.WalkDir(root, top, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir
			}
			if d.IsDir() || path.Ext(p) != ".go" {
				return nil
			}
			return read(root, p, found)
		})
		if err != nil {
			return nil, err
		}
	}
	out := map[string][]string{}
	for dir, imports := range found {
		out[dir] = slices.Sorted(maps.Keys(imports))
	}
	return out, nil
}

// read adds the imports of one file to its package's.
func read(root fs.FS, file string, found map[string]map[string]bool) error {
	dir := path.Dir(file)
	if found[dir] == nil {
		found[dir] = map[string]bool{}
	}
	if strings.HasSuffix(file, "_test.go") {
		return nil
	}
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: import %s: %w", file, i.Path.Value, err)
		}
		found[dir][p] = true
	}
	return nil
}

// Differences says where the table and the folders do not agree.
func Differences(table map[string]Row, packages map[string][]string) []string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(packages)) {
		if _, ok := table[p]; !ok {
			out = append(out, p+" is a package that the table does not list")
		}
	}
	for _, p := range slices.Sorted(maps.Keys(table)) {
		if _, ok := packages[p]; !ok {
			out = append(out, p+" is in the table, but there is no such package")
		}
	}
	return out
}

// Arrows says which imports the table does not allow.
func Arrows(table map[string]Row, packages map[string][]string) []string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(packages)) {
		row, ok := table[p]
		if !ok {
			continue // Differences says so
		}
		for _, i := range packages[p] {
			if own, ok := strings.CutPrefix(i, Module+"/"); ok {
				if !slices.Contains(row.Own, "*") && !slices.Contains(row.Own, own) {
					out = append(out, p+" must not import "+own)
				}
				continue
			}
			standard := !strings.Contains(strings.Split(i, "/")[0], ".")
			if !standard && !slices.ContainsFunc(row.Modules, func(m string) bool {
				return m == "*" || i == m || strings.HasPrefix(i, m+"/")
			}) {
				out = append(out, p+" must not import "+i)
			}
		}
	}
	return out
}

// pure are the rooms that know nothing but the standard library and each
// other: the field's words, without a database, a clock or a network.
var pure = []string{"internal/fault", "internal/audit", "internal/vault", "internal/alert", "internal/contact", "internal/route", "internal/config", "internal/push", "internal/chat", "internal/guard", "internal/mail", "internal/visitor", "internal/storm",
	"internal/oncall", "internal/escalation", "internal/window", "internal/status/recur"}

// reading are the modules by which pure rooms read what people write: they compute, and
// know no more of the world than the rooms do.
var reading = map[string]string{"internal/status/recur": "github.com/teambition/rrule-go"}

// wiring are the rooms that may know all the others.
var wiring = []string{"cmd/tocsin", "internal/app", "internal/demo"}

// Rules says what a table must not allow, whatever it says: these are the
// design's, and changing one of them needs a decision in docs/adr.
func Rules(table map[string]Row) []string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(table)) {
		row := table[p]
		if !strings.HasPrefix(p, "internal/") || slices.Contains(wiring, p) {
			continue
		}
		if slices.Contains(row.Own, "*") || slices.Contains(row.Modules, "*") {
			out = append(out, p+" may not import everything: only "+strings.Join(wiring, ", ")+" may")
		}
		for _, m := range row.Modules {
			if slices.Contains(pure, p) && m != reading[p] {
				out = append(out, fmt.Sprintf("%s is pure: it may not import %s", p, m))
			}
		}
		for _, own := range row.Own {
			if why := forbidden(p, own); why != "" {
				out = append(out, p+" may not be allowed "+own+": "+why)
			}
		}
	}
	return out
}

// forbidden says why p may not import own, or nothing.
func forbidden(p, own string) string {
	parent := path.Dir(own)
	switch {
	case slices.Contains(wiring, own):
		return "only the command knows what wires it"
	case own == "internal/store":
		return "rooms declare the storage they need, and only the wiring knows who gives it"
	case own == "internal/web" && !strings.HasPrefix(p, "internal/web/"):
		return "nothing looks up to the HTTP edge"
	case parent == "internal/source" || parent == "internal/channel":
		return "a source or a channel is known to the wiring only; what sisters share is in their parent"
	case slices.Contains(pure, p) && !slices.Contains(pure, own):
		return "a pure room imports pure rooms only"
	}
	return ""
}
