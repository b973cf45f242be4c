package browser

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"tocsin/test/browser/bidi"
)

// firefoxExe is Debian's.
const firefoxExe = "/usr/bin/firefox-esr"

// patterns lets one at a time look for the pattern, and make it.
type patterns struct {
	mu   sync.Mutex
	path string
}

var firefoxes patterns

// profile puts the profile of a Firefox that was started once before into a folder that
// has nothing yet. A first start makes its databases and caches, which is most of what
// it costs; here that is done once, and then copied.
func (p *patterns) profile(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		return err
	}
	pattern, err := p.find(ctx)
	if err != nil {
		return fmt.Errorf("a profile for Firefox: %w", err)
	}
	return os.CopyFS(dir, os.DirFS(pattern))
}

// find answers where the pattern is: in the folder of temporary files, for all tests
// that have the same one, and this very Firefox.
func (p *patterns) find(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path != "" {
		return p.path, nil
	}
	exe, err := os.Stat(firefoxExe)
	if err != nil {
		return "", err
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("tocsin-firefox-%d-%x", os.Getuid(), exe.ModTime().Unix()))
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close() // and with it the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		err = makePattern(ctx, path)
		if err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	p.path = path
	return path, nil
}

func makePattern(ctx context.Context, path string) error {
	dir, err := os.MkdirTemp(filepath.Dir(path), "tocsin-firefox-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // unless it has got its name
	b, err := bidi.Launch(ctx, firefoxExe, dir, bidi.BasePrefs(), nil)
	if err != nil {
		return err
	}
	_, err = b.NewTab(ctx, "about:blank")
	b.Close()
	if err != nil {
		return err
	}
	// What belongs to the one that was running.
	for _, name := range []string{"lock", ".parentlock", "user.js"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(dir, path)
}
