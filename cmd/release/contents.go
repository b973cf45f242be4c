package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is one that is installed.
type file struct {
	path string // from the root, without the first slash
	mode fs.FileMode
	body []byte
}

// pages makes the manual, the completions and the documentation's web pages: by the program
// built with the tag manual, which has what the shipped one does not need.
func (r *release) pages(ctx context.Context) error {
	// For this machine, since it is run.
	cmd := r.command(ctx, "", "run", "-trimpath", "-tags", "manual", "./cmd/tocsin", "manual", r.work, r.version, r.date.Format(time.DateOnly))
	cmd.Env = slices.DeleteFunc(cmd.Env, func(kv string) bool { return kv == "GOARCH=" || kv == "GOOS=linux" })
	if out, err := cmd.Output(); err != nil {
		return fmt.Errorf("make the manual: %w: %s", err, out)
	}
	return nil
}

// contents are the files of a package, in order of their paths.
func (r *release) contents(built string) ([]file, error) {
	var out []file
	add := func(from, to string, mode fs.FileMode, pack bool) error {
		body, err := os.ReadFile(from)
		if err != nil {
			return fmt.Errorf("read what is to be packed: %w", err)
		}
		if pack {
			if body, err = zip(body); err != nil {
				return err
			}
			to += ".gz"
		}
		out = append(out, file{to, mode, body})
		return nil
	}
	manuals, err := filepath.Glob(filepath.Join(r.work, "man", "*.1"))
	if err != nil || len(manuals) == 0 {
		return nil, fmt.Errorf("there is no manual: %w", err)
	}
	list := []struct {
		from, to string
		mode     fs.FileMode
		pack     bool
	}{
		{"deploy/debian/tocsin.service", "usr/lib/systemd/system/tocsin.service", 0o644, false},
		{"deploy/debian/tocsin.env", "etc/tocsin/tocsin.env", 0o640, false},
		{"deploy/debian/copyright", "usr/share/doc/tocsin/copyright", 0o644, false},
		{filepath.Join(r.work, "licences"), "usr/share/doc/tocsin/licences", 0o644, true},
		{"CHANGELOG.md", "usr/share/doc/tocsin/CHANGELOG.md", 0o644, true},
		{"README.md", "usr/share/doc/tocsin/README.md", 0o644, false},
		{filepath.Join(r.work, "completion", "tocsin.bash"), "usr/share/bash-completion/completions/tocsin", 0o644, false},
		{filepath.Join(r.work, "completion", "_tocsin"), "usr/share/zsh/vendor-completions/_tocsin", 0o644, false},
		{filepath.Join(r.work, "completion", "tocsin.fish"), "usr/share/fish/vendor_completions.d/tocsin.fish", 0o644, false},
	}
	for _, p := range programs {
		list = append(list, struct {
			from, to string
			mode     fs.FileMode
			pack     bool
		}{filepath.Join(built, p), "usr/bin/" + p, 0o755, false})
	}
	for _, m := range manuals {
		list = append(list, struct {
			from, to string
			mode     fs.FileMode
			pack     bool
		}{m, "usr/share/man/man1/" + filepath.Base(m), 0o644, true})
	}
	for _, f := range list {
		if err := add(f.from, f.to, f.mode, f.pack); err != nil {
			return nil, err
		}
	}
	html := os.DirFS(filepath.Join(r.work, "html"))
	err = fs.WalkDir(html, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		return add(filepath.Join(r.work, "html", name), "usr/share/doc/tocsin/html/"+name, 0o644, false)
	})
	if err != nil {
		return nil, fmt.Errorf("pack the documentation: %w", err)
	}
	slices.SortFunc(out, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return out, nil
}

// zip packs without a name and a date.
func zip(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	if _, err := w.Write(body); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return b.Bytes(), nil
}

// tape writes files, with the folders that they are in, all of root and of one date.
func tape(files []file, prefix string, date time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	made := map[string]bool{}
	var folder func(dir string) error
	folder = func(dir string) error {
		if dir == "." || made[dir] {
			return nil
		}
		if err := folder(path.Dir(dir)); err != nil {
			return err
		}
		made[dir] = true
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: prefix + dir + "/", Mode: 0o755, ModTime: date, Uname: "root", Gname: "root", Format: tar.FormatGNU})
	}
	if prefix == "./" {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755, ModTime: date, Uname: "root", Gname: "root", Format: tar.FormatGNU}); err != nil {
			return nil, fmt.Errorf("write an archive: %w", err)
		}
	}
	for _, f := range files {
		if err := folder(path.Dir(f.path)); err != nil {
			return nil, fmt.Errorf("write an archive: %w", err)
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: prefix + f.path, Mode: int64(f.mode), Size: int64(len(f.body)), ModTime: date, Uname: "root", Gname: "root", Format: tar.FormatGNU}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("write an archive: %w", err)
		}
		if _, err := w.Write(f.body); err != nil {
			return nil, fmt.Errorf("write an archive: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write an archive: %w", err)
	}
	return zip(b.Bytes())
}

// archive is everything in one folder, for systems without Debian's packages.
func (r *release) archive(contents []file) ([]byte, error) {
	var files []file
	for _, f := range contents {
		name := strings.TrimPrefix(f.path, "usr/")
		name = strings.Replace(name, "lib/systemd/system/", "systemd/", 1)
		name = strings.TrimPrefix(name, "bin/")
		if f.path == "etc/tocsin/tocsin.env" {
			name, f.mode = "tocsin.env", 0o644
		}
		files = append(files, file{name, f.mode, f.body})
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return tape(files, "tocsin-"+r.plain()+"/", r.date)
}
