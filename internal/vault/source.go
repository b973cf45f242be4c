package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FileName is the name of the file with the outer key in the data folder.
const FileName = "secret.key"

// Source is where the outer key comes from. The zero Source has none.
type Source struct {
	Text string // the key itself; else
	File string // the file that has it
	Make bool   // File is made, with a new key, when it is not there
}

// Where says where the key is looked for, in words for people.
func (s Source) Where() string {
	switch {
	case s.Text != "":
		return "TOCSIN_SECRET_KEY"
	case s.File != "":
		return s.File
	}
	return "nowhere"
}

// Read answers the key; false if there is none.
func (s Source) Read() (Key, bool, error) {
	if s.Text != "" {
		k, err := ParseKey(s.Text)
		if err != nil {
			return k, false, fmt.Errorf("TOCSIN_SECRET_KEY %w: give 32 bytes in base64 or hex, as `tocsin secret new` prints them", err)
		}
		return k, true, nil
	}
	if s.File == "" {
		return Key{}, false, nil
	}
	b, err := os.ReadFile(s.File)
	if errors.Is(err, fs.ErrNotExist) {
		if !s.Make {
			return Key{}, false, nil
		}
		return s.create()
	} else if err != nil {
		return Key{}, false, fmt.Errorf("the key that secrets are sealed with cannot be read: %w: let this user read it", err)
	}
	return parseFile(s.File, string(b))
}

func parseFile(path, text string) (Key, bool, error) {
	k, err := ParseKey(text)
	if err != nil {
		return k, false, fmt.Errorf("the key in %s %w: put the right one there, from where you keep it besides", path, err)
	}
	return k, true, nil
}

// create makes the file; of several programs that do so at once, all get one key.
func (s Source) create() (Key, bool, error) {
	k := NewKey()
	err := WriteFile(s.File, k, false)
	if errors.Is(err, fs.ErrExist) {
		s.Make = false
		return s.Read()
	} else if err != nil {
		return Key{}, false, fmt.Errorf("make a key for secrets: %w", err)
	}
	return k, true, nil
}

// WriteFile writes a key into a file that its owner alone may read, whole or not at
// all. fs.ErrExist if it is there and may not be replaced.
func WriteFile(path string, k Key, replace bool) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".secret-*") // 0600
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	defer func() { _ = os.Remove(f.Name()) }() // there still where it did not become path
	_, err = f.WriteString(strings.Join([]string{
		"# The key that Tocsin's secrets are sealed with. Keep a copy of it, apart from backups of the database:",
		"# without it they cannot be read. `tocsin secret` is for changing it.",
		k.Text(), "",
	}, "\n"))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if replace {
		err = os.Rename(f.Name(), path)
	} else {
		err = os.Link(f.Name(), path)
	}
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	d, err := os.Open(dir)
	if err != nil {
		return err //nolint:wrapcheck // names the folder
	}
	return errors.Join(d.Sync(), d.Close())
}
