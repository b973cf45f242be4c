package cert

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A start whose database is away serves the public pages that were kept on disk,
// and by https: so certificates are kept there too, readable by this user alone.

// copy keeps a certificate on disk.
func (k *Keeper) copy(c Kept) {
	if k.o.Dir == "" {
		return
	}
	if err := keepFile(k.o.Dir, c.Name+".pem", c.Chain+c.Key); err != nil {
		k.o.Log.Warn("a certificate is not kept on disk: a start without the database cannot serve its pages", "name", c.Name, "error", err)
	}
}

func keepFile(dir, name, text string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if had, err := os.ReadFile(filepath.Join(dir, name)); err == nil && string(had) == text {
		return nil
	}
	f, err := os.CreateTemp(dir, ".new-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// copies reads what was kept, of the names that there are.
func (k *Keeper) copies() []Kept {
	if k.o.Dir == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(k.o.Dir, "*.pem"))
	if err != nil {
		return nil
	}
	var out []Kept
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			k.o.Log.Warn("a certificate on disk cannot be read", "path", path, "error", err)
			continue
		}
		c := Kept{Name: Name(strings.TrimSuffix(filepath.Base(path), ".pem"))}
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if part := string(pem.EncodeToMemory(block)); block.Type == "CERTIFICATE" {
				c.Chain += part
			} else {
				c.Key += part
			}
		}
		if pair, err := c.pair(); c.Name != "" && err == nil {
			c.Since, c.Until = pair.Leaf.NotBefore, pair.Leaf.NotAfter
			out = append(out, c)
		}
	}
	return out
}

// tidy removes copies of names that there are no more: a private key does not lie
// about for longer than it is of use.
func (k *Keeper) tidy() {
	if k.o.Dir == "" {
		return
	}
	files, err := filepath.Glob(filepath.Join(k.o.Dir, "*.pem"))
	if err != nil || len(files) == 0 {
		return
	}
	names := k.names()
	for _, path := range files {
		if slices.Contains(names, strings.TrimSuffix(filepath.Base(path), ".pem")) {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			k.o.Log.Warn("a certificate on disk that is not needed any more cannot be removed", "path", path, "error", err)
		}
	}
}

// bounded lets no answer of a CA's be longer than any could have to be.
type bounded struct{ next http.RoundTripper }

const mostAnswer = 1 << 20

func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("ask the CA: %w", err)
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, mostAnswer), resp.Body}
	return resp, nil
}
