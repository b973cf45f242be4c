package site

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mark is the file by which a folder is known as one that was written here: a line for
// people, then one for each file of the site. Whatever else is in the folder came later,
// as a repository that the site was committed to, or what it was copied beside.
const mark = ".tocsin-docs"

// ErrNotOurs says that a folder has other things in it, which a new site would delete.
var ErrNotOurs = errors.New("has files that are no site of this documentation")

// Write makes the site in a folder: all of it, or nothing. What is there is replaced where
// it is empty, or a site that was written before with nothing else in it; any other folder
// is ErrNotOurs, and stays as it is.
func (s *Site) Write(dir string) (err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the folder: %w", err)
	}
	there, err := replaceable(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // pages that everybody may read
		return fmt.Errorf("make the folder: %w", err)
	}
	beside, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-")
	if err != nil {
		return fmt.Errorf("make a folder to write to: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(beside)) }()
	if err := os.Chmod(beside, 0o755); err != nil { //nolint:gosec // pages that everybody may read
		return fmt.Errorf("open the folder to readers: %w", err)
	}
	names := s.Names()
	for _, name := range names {
		body, err := s.File(name)
		if err != nil {
			return fmt.Errorf("make %s: %w", name, err)
		}
		if err := put(filepath.Join(beside, filepath.FromSlash(name)), body); err != nil {
			return err
		}
	}
	said := "Written by tocsin docs --out, and replaced by it while there are no other files than these:\n" + strings.Join(names, "\n") + "\n"
	if err := put(filepath.Join(beside, mark), []byte(said)); err != nil {
		return err
	}
	if !there {
		if err := os.Rename(beside, dir); err != nil {
			return fmt.Errorf("put the site in its place: %w", err)
		}
		return nil
	}
	// In one step: whoever reads the site has the old one or the new one. What was there
	// is then beside, and goes.
	if err := unix.Renameat2(unix.AT_FDCWD, beside, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE); err != nil {
		return swapSlowly(beside, dir, err)
	}
	return nil
}

// swapSlowly is for file systems that cannot exchange two folders.
func swapSlowly(beside, dir string, cause error) error {
	old := beside + "-old"
	if err := os.Rename(dir, old); err != nil {
		return fmt.Errorf("put the site in its place: %w", errors.Join(cause, err))
	}
	if err := os.Rename(beside, dir); err != nil {
		return fmt.Errorf("put the site in its place: %w", errors.Join(err, os.Rename(old, dir)))
	}
	return os.RemoveAll(old) //nolint:wrapcheck // says which path
}

// replaceable says whether there is a folder, and refuses one that is somebody else's.
func replaceable(dir string) (there bool, err error) {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look at the folder: %w", err)
	case !info.IsDir():
		return false, fmt.Errorf("%s is no folder: name another one", dir)
	}
	found, err := os.ReadDir(dir)
	if err != nil {
		return false, fmt.Errorf("look into the folder: %w", err)
	}
	if len(found) == 0 {
		return true, nil
	}
	said, err := os.ReadFile(filepath.Join(dir, mark))
	if err != nil {
		return false, fmt.Errorf("%s %w: name another folder, or one that is not there yet", dir, ErrNotOurs)
	}
	other, err := stranger(dir, strings.Split(string(said), "\n"))
	if err != nil {
		return false, fmt.Errorf("look into the folder: %w", err)
	}
	if other != "" {
		return false, fmt.Errorf("%s %w, such as %q: move them away, or name another folder", dir, ErrNotOurs, other)
	}
	return true, nil
}

// stranger is the first thing in a folder that is neither one of these files nor a
// folder of one, empty if there is none.
func stranger(dir string, files []string) (other string, err error) {
	ours := map[string]bool{mark: false} // whether it is a folder
	for _, f := range files {
		if !fs.ValidPath(f) {
			continue // a mark that somebody wrote to
		}
		ours[f] = false
		for up := path.Dir(f); up != "."; up = path.Dir(up) {
			ours[up] = true
		}
	}
	ours["."] = true
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if folder, known := ours[name]; !known || folder != d.IsDir() {
			other = name
			return fs.SkipAll
		}
		return nil
	})
	return other, err //nolint:wrapcheck // says which path
}

func put(file string, body []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // pages that everybody may read
		return fmt.Errorf("make a folder: %w", err)
	}
	if err := os.WriteFile(file, body, 0o644); err != nil { //nolint:gosec // pages that everybody may read
		return fmt.Errorf("write a page: %w", err)
	}
	return nil
}
