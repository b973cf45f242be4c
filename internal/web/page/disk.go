package page

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tocsin/internal/status"
)

// The last record of each page is kept on disk, so that a start while the
// database cannot be reached has something to show.

// keptFile is what is on disk of a page.
type keptFile struct {
	version int64
	at      time.Time
}

// keptRecord is what a file holds.
type keptRecord struct {
	Taken  time.Time
	Record status.Record
}

const (
	keptEnding = ".page.json.gz"
	keepEvery  = 10 * time.Minute // though nothing changed, so that its time is about right
	keepAfter  = 5 * time.Second  // a page that changes all the time is not written all the time
	mostOnDisk = 256 << 20        // unpacked
)

// keep writes down what changed since it was last written, unless that was less
// than after ago, and removes what there is no more. A disk that is full or gone
// stops nobody: it is said, and tried again.
func (s *Site) keep(pages map[string]*pageSet, now time.Time, after time.Duration) {
	if s.o.Dir == "" {
		return
	}
	for id, set := range pages {
		have := s.kept[id]
		old := now.Sub(have.at)
		if set.at.Stale || have.version == set.page.Version && old < keepEvery || old < after || !idForm.MatchString(id) {
			continue
		}
		if err := s.write(set); err != nil {
			s.o.Log.Warn("page is not kept on disk", "page", set.page.Slug, "error", err)
			continue
		}
		s.kept[id] = keptFile{set.page.Version, now}
	}
	for id := range s.kept {
		if pages[id] == nil {
			if err := os.Remove(s.file(id)); err != nil && !os.IsNotExist(err) {
				s.o.Log.Warn("page is not removed from disk", "error", err)
				continue
			}
			delete(s.kept, id)
		}
	}
}

func (s *Site) file(id string) string { return filepath.Join(s.o.Dir, id+keptEnding) }

// write puts a record in the place of the one before, or leaves that as it is.
// Only we may read it: it holds the password's hash.
func (s *Site) write(set *pageSet) (err error) {
	if err := os.MkdirAll(s.o.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	f, err := os.CreateTemp(s.o.Dir, ".new-*")
	if err != nil {
		return fmt.Errorf("make a file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	if err = json.NewEncoder(z).Encode(keptRecord{set.taken, set.record}); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err = z.Close(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err = f.Close(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err = os.Rename(f.Name(), s.file(set.page.ID)); err != nil {
		return fmt.Errorf("put in place: %w", err)
	}
	return nil
}

// load makes pages of what is kept. What cannot be read is left out.
func (s *Site) load() map[string]*pageSet {
	pages := map[string]*pageSet{}
	if s.o.Dir == "" {
		return pages
	}
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		if !os.IsNotExist(err) {
			s.o.Log.Warn("pages kept on disk cannot be listed", "error", err)
		}
		return pages
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), keptEnding)
		if !ok || !idForm.MatchString(id) {
			continue
		}
		k, err := s.read(id)
		if err == nil {
			pages[id], err = s.build(k.Record, k.Taken, true, nil)
		}
		if err != nil {
			delete(pages, id)
			s.o.Log.Warn("page kept on disk cannot be used", "file", e.Name(), "error", err)
			continue
		}
		s.kept[id] = keptFile{k.Record.Page.Version, k.Taken}
	}
	return pages
}

func (s *Site) read(id string) (k keptRecord, err error) {
	f, err := os.Open(s.file(id))
	if err != nil {
		return k, fmt.Errorf("open: %w", err)
	}
	defer func() { _ = f.Close() }() // was only read
	z, err := gzip.NewReader(f)
	if err != nil {
		return k, fmt.Errorf("unpack: %w", err)
	}
	if err := json.NewDecoder(io.LimitReader(z, mostOnDisk)).Decode(&k); err != nil {
		return k, fmt.Errorf("read: %w", err)
	}
	if k.Record.Page.ID != id || k.Taken.IsZero() {
		return k, fmt.Errorf("is of page %q", k.Record.Page.ID)
	}
	return k, nil
}
