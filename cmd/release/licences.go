package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licences is the text of the licences of all that is linked into the program: of Go's
// standard library, and of each module. Most of them ask that whoever hands on a program
// hands on their text.
func (r *release) licences(ctx context.Context) ([]byte, error) {
	list := r.command(ctx, "amd64", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", "./cmd/tocsin")
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the modules: %w", err)
	}
	root, err := r.command(ctx, "amd64", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("ask where Go is: %w", err)
	}
	modules := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(modules)
	modules = slices.DeleteFunc(slices.Compact(modules), func(line string) bool { return line == "" })
	modules = append([]string{"The standard library of Go\t\t" + strings.TrimSpace(string(root))}, modules...)
	var b strings.Builder
	b.WriteString("The program tocsin contains the standard library of Go and the modules below, each under its own licence.\n")
	for _, line := range modules {
		f := strings.Split(line, "\t")
		texts, err := licencesIn(f[2])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f[0], err)
		}
		for _, t := range texts {
			fmt.Fprintf(&b, "\n%s\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.TrimSpace(f[0]+" "+f[1])+": "+t.path, strings.Repeat("=", 80), strings.TrimSpace(strings.ReplaceAll(string(t.body), "\r", "")))
		}
	}
	return []byte(b.String()), nil
}

// licencesIn are the files of a folder that say under which licence it is.
func licencesIn(dir string) ([]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read its folder: %w", err)
	}
	name := regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying|copyright|notice|patents)([-._].*)?$`)
	var out []file
	for _, e := range entries {
		if !e.Type().IsRegular() || !name.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		body, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read its licence: %w", err)
		}
		out = append(out, file{path: e.Name(), body: body})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("it has no licence in %s", dir)
	}
	return out, nil
}
