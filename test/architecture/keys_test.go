package architecture_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tocsin/internal/config"
)

// own are keys as they stand in texts.
var own = regexp.MustCompile(`\b(?:TOCSIN|VAPID)_[A-Z][A-Z_]*[A-Z]\b`)

// excused says whether a name is no key though it looks like one: those of tests, and
// what Kubernetes makes up.
func excused(name string) bool {
	return strings.HasPrefix(name, "TOCSIN_TEST_") || name == "TOCSIN_SERVICE_HOST" || name == "TOCSIN_SERVICE_PORT"
}

func knownKeys() []string { return slices.Concat(config.Keys(), config.OtherKeys()) }

// readsEnvironment says whether a call reads a variable of the environment: Getenv,
// LookupEnv and their like, and functions that were given as one.
func readsEnvironment(call *ast.CallExpr) bool {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	if name == "env" && len(call.Args) == 1 {
		_, literal := call.Args[0].(*ast.BasicLit)
		return literal
	}
	return slices.Contains([]string{"getenv", "Getenv", "LookupEnv", "lookupEnv"}, name) && len(call.Args) == 1
}

func TestEveryVariableThatIsReadIsInTheTables(t *testing.T) {
	t.Parallel()
	var foreign []string
	for _, f := range config.Foreigners() {
		foreign = append(foreign, f.Name)
	}
	// Where a name is no literal: each is looked at by a test of its own.
	indirect := map[string]string{
		"internal/notify/settings.go": "the keys of notify.Flags, which a test in cmd/tocsin compares",
	}
	tree := os.DirFS(root)
	reads, files := 0, 0
	for _, top := range []string{"cmd/tocsin", "internal"} {
		err := fs.WalkDir(tree, top, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(p) != ".go" || strings.HasSuffix(p, "_test.go") {
				return err
			}
			files++
			f, err := parser.ParseFile(token.NewFileSet(), p, read(t, p), 0)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if !readsEnvironment(n) {
						return true
					}
					reads++
					lit, ok := n.Args[0].(*ast.BasicLit)
					if !ok {
						if indirect[p] == "" {
							t.Errorf("%s reads a variable of the environment whose name is not written there", p)
						}
						return true
					}
					name, err := strconv.Unquote(lit.Value)
					if err != nil || !excused(name) && !slices.Contains(knownKeys(), name) && !slices.Contains(foreign, name) {
						t.Errorf("%s reads %s, which stands neither in config.Table nor among config.Foreigners", p, name)
					}
				case *ast.BasicLit:
					if n.Kind != token.STRING {
						return true
					}
					for _, name := range own.FindAllString(n.Value, -1) {
						if !excused(name) && !slices.Contains(knownKeys(), name) {
							t.Errorf("%s names the key %s, which config.Table does not have", p, name)
						}
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if reads < 12 || files < 200 {
		t.Errorf("found %d places in %d files", reads, files)
	}
}

func TestEveryKeyThatTextsNameIsThere(t *testing.T) {
	t.Parallel()
	texts := pages(t)
	for _, top := range []string{"deploy", "scripts"} {
		err := fs.WalkDir(os.DirFS(root), top, func(p string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				texts[p] = read(t, p)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	named := map[string]bool{}
	for p, text := range texts {
		for _, name := range own.FindAllString(text, -1) {
			named[name] = true
			if !excused(name) && !slices.Contains(knownKeys(), name) {
				t.Errorf("%s names the key %s, which there is not", p, name)
			}
		}
	}
	if len(named) < 40 {
		t.Errorf("found only %d keys", len(named))
	}
}

func TestEveryKeyOfTheTableIsRead(t *testing.T) {
	t.Parallel()
	code := ""
	err := fs.WalkDir(os.DirFS(root), "internal/config", func(p string, d fs.DirEntry, err error) error {
		if err == nil && path.Ext(p) == ".go" && !strings.HasSuffix(p, "_test.go") && path.Base(p) != "table.go" && path.Base(p) != "key.go" {
			code += read(t, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]string{}
	for _, m := range regexp.MustCompile(`(otel\w+)\s+= "(\w+)"`).FindAllStringSubmatch(code, -1) {
		constants[m[2]] = m[1]
	}
	for _, k := range config.Table() {
		name := `"` + k.Name + `"`
		if c := constants[k.Name]; c != "" {
			name = c
		}
		if !strings.Contains(code, ".get("+name+")") && !strings.HasSuffix(k.Name, "_GROUPS") {
			t.Errorf("nothing reads %s, which the table has", k.Name)
		}
	}
}
