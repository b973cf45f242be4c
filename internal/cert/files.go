package cert

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Files is a certificate and its key in two files, which somebody else renews.
type Files struct {
	cert, key string
	every     time.Duration
	log       *slog.Logger
	hup       chan os.Signal

	pair atomic.Pointer[tls.Certificate]

	mu        sync.Mutex
	seen      [2]stamp
	problem   string
	problemAt time.Time
}

// stamp tells a file from the one that was there before.
type stamp struct {
	size  int64
	mtime time.Time
	inode uint64
}

// lookEvery is how often the files are looked at. Two reads of a folder cost
// nothing, and no file system keeps it from working.
const lookEvery = 5 * time.Second

// NewFiles reads the pair; its error says which file will not do, and why.
func NewFiles(certFile, keyFile string, log *slog.Logger) (*Files, error) {
	f := &Files{cert: certFile, key: keyFile, every: lookEvery, log: log, hup: make(chan os.Signal, 1)}
	f.seen = f.stamps()
	pair, err := f.read()
	if err != nil {
		return nil, err
	}
	f.pair.Store(pair)
	return f, nil
}

// Certificate answers the pair, whatever name is asked for: who gave it knows for
// which it is.
func (f *Files) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.pair.Load(), nil
}

// Attend keeps a SIGHUP for Run, from now on: else one that comes before Run would end
// the program.
func (f *Files) Attend() { signal.Notify(f.hup, syscall.SIGHUP) }

// Run takes a new pair as soon as it is there, and at once on SIGHUP. One that is
// broken, or half written, leaves the old one in force.
func (f *Files) Run(ctx context.Context) error {
	f.Attend()
	defer signal.Stop(f.hup)
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.hup:
			f.Look(true)
		case <-tick.C:
			f.Look(false)
		}
	}
}

// Look reads the pair again if a file is another one than before, or the last
// reading failed; always if it must.
func (f *Files) Look(must bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.stamps()
	if now == f.seen && f.problem == "" && !must {
		return
	}
	f.seen = now
	pair, err := f.read()
	if err != nil {
		if f.problem == "" {
			f.problemAt = time.Now()
		}
		if text := err.Error(); f.problem != text {
			f.problem = text
			f.log.Error("the new certificate cannot be used, the old one stays", "error", err)
		}
		return
	}
	f.problem, f.problemAt = "", time.Time{}
	old := f.pair.Swap(pair)
	if !slices.EqualFunc(old.Certificate, pair.Certificate, slices.Equal) {
		f.log.Info("a new certificate is in force", "names", pair.Leaf.DNSNames, "until", pair.Leaf.NotAfter)
	}
}

// States is the pair's.
func (f *Files) States() []State {
	f.mu.Lock()
	defer f.mu.Unlock()
	leaf := f.pair.Load().Leaf
	s := State{Name: f.cert, Hosts: slices.Clone(leaf.DNSNames), Since: leaf.NotBefore, Until: leaf.NotAfter}
	for _, ip := range leaf.IPAddresses {
		s.Hosts = append(s.Hosts, ip.String())
	}
	if f.problem != "" {
		s.Problem, s.ProblemAt = f.problem, f.problemAt
		s.Mend = "Put a certificate and the key that belongs to it there; they are read again by themselves. Until then the old one is in force."
	}
	return []State{s}
}

func (f *Files) read() (*tls.Certificate, error) {
	chain, err := os.ReadFile(f.cert)
	if err != nil {
		return nil, fmt.Errorf("the certificate %s cannot be read: %w", f.cert, plain(err))
	}
	key, err := os.ReadFile(f.key)
	if err != nil {
		return nil, fmt.Errorf("the key %s cannot be read: %w", f.key, plain(err))
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil { // it quotes nothing of the key
		return nil, fmt.Errorf("%s and %s are no pair: %w", f.cert, f.key, err)
	}
	return &pair, nil
}

func (f *Files) stamps() (s [2]stamp) {
	for i, path := range []string{f.cert, f.key} {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		s[i] = stamp{size: info.Size(), mtime: info.ModTime()}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			s[i].inode = st.Ino
		}
	}
	return s
}

// plain is a file error without the path, which the sentence names already.
func plain(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
