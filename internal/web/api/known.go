package api

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/source"
)

// sources keeps the sources at hand, so that a call costs no query. It is read
// anew when the store's configuration has changed, and when somebody comes
// whom it does not know: a source that was just made is known at once.
type sources struct {
	st  Store
	now func() time.Time

	table  atomic.Pointer[sourceTable]
	mu     sync.Mutex // of reading
	reread time.Time  // the last time for somebody unknown
}

type sourceTable struct {
	version int64
	byName  map[string]*known
	byHash  map[string]*known
}

// known is one source, with what was last written of it.
type known struct {
	source.Source

	mu        sync.Mutex
	lastError string
	errorAt   time.Time
	spooled   int
	spooledAt time.Time
	signAt    time.Time
}

// rereadEvery bounds what strangers can make the database do.
const rereadEvery = 100 * time.Millisecond

// readWithin bounds how long calls wait for a database that hangs.
const readWithin = 3 * time.Second

// errorEvery and spoolEvery bound how often one source's notes are written.
const (
	errorEvery = 10 * time.Second
	spoolEvery = 5 * time.Second
)

// find answers the source that name and token stand for, and 200; or 401, with
// the source if the name alone is right; 403 when it is disabled; 503 when it
// cannot be told. The name "-" is the source that the token belongs to.
func (s *sources) find(ctx context.Context, name, token string) (*known, int) {
	version := s.st.ConfigVersion()
	t := s.table.Load()
	if t == nil || t.version != version {
		var err error
		if t, err = s.read(ctx, version, false); err != nil {
			return nil, http.StatusServiceUnavailable
		}
	}
	k, status := t.match(name, token)
	if status != http.StatusUnauthorized {
		return k, status
	}
	if again, err := s.read(ctx, version, true); err == nil && again != t {
		return again.match(name, token)
	}
	return k, status
}

// match compares hashes, in constant time; for an unknown name it compares as well.
func (t *sourceTable) match(name, token string) (*known, int) {
	hash := auth.Hash(token)
	name = strings.ToLower(name)
	k := t.byName[name]
	if name == "-" {
		k = t.byHash[hash]
	}
	want := strings.Repeat("0", len(hash))
	if k != nil {
		want = k.TokenHash
	}
	same := subtle.ConstantTimeCompare([]byte(hash), []byte(want)) == 1
	switch {
	case k == nil || !same || token == "":
		return k, http.StatusUnauthorized
	case k.Disabled:
		return k, http.StatusForbidden
	}
	return k, http.StatusOK
}

func (s *sources) read(ctx context.Context, version int64, unknown bool) (*sourceTable, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.table.Load()
	if unknown {
		now := s.now()
		if now.Sub(s.reread).Abs() < rereadEvery {
			return old, nil
		}
		s.reread = now
	} else if old != nil && old.version == version {
		return old, nil // somebody else just read it
	}
	// The others wait for the lock, whoever it is that came first.
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	all, err := s.st.Sources(ctx)
	if err != nil {
		return nil, err
	}
	t := &sourceTable{version: version, byName: map[string]*known{}, byHash: map[string]*known{}}
	for _, src := range all {
		k := &known{Source: src, spooled: src.Spooled}
		if old != nil {
			if before := old.byName[strings.ToLower(src.Name)]; before != nil && before.ID == src.ID {
				k.carry(before)
			}
		}
		t.byName[strings.ToLower(src.Name)] = k
		t.byHash[src.TokenHash] = k
	}
	s.table.Store(t)
	return t, nil
}

func (k *known) carry(before *known) {
	before.mu.Lock()
	defer before.mu.Unlock()
	k.lastError, k.errorAt, k.spooled, k.spooledAt = before.lastError, before.errorAt, before.spooled, before.spooledAt
	k.signAt = before.signAt
}

// errorDue says whether a refusal is to be written. What anybody can cause never
// takes the place of what the source itself was told within the last hour.
func (k *known) errorDue(text string, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if text == source.WrongToken && k.lastError != "" && k.lastError != text && now.Sub(k.errorAt) < time.Hour {
		return false
	}
	if k.lastError == source.WrongToken && text != k.lastError {
		k.lastError, k.errorAt = text, now
		return true
	}
	if now.Sub(k.errorAt) < errorEvery && text == k.lastError {
		return false
	}
	if now.Sub(k.errorAt) < errorEvery/10 {
		return false
	}
	k.lastError, k.errorAt = text, now
	return true
}

// spoolDue is true when the spool's length changed: at once when it became
// empty or began to fill, else now and then.
func (k *known) spoolDue(n int, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n == k.spooled || (n != 0 && k.spooled != 0 && now.Sub(k.spooledAt) < spoolEvery) {
		return false
	}
	k.spooled, k.spooledAt = n, now
	return true
}
