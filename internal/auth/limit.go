package auth

import (
	"fmt"
	"math"
	"net/netip"
	"sync"
	"time"
)

// LimitError refuses a sign-in because there were too many that failed.
type LimitError struct {
	Wait time.Duration // until the next try is taken
}

// Error says when to try again.
func (e *LimitError) Error() string {
	return fmt.Sprintf("too many attempts; try again in %s", e.Words())
}

// Words is the wait for people: "20 seconds".
func (e *LimitError) Words() string {
	s := int(math.Ceil(e.Wait.Seconds()))
	switch {
	case s <= 1:
		return "one second"
	case s < 120:
		return fmt.Sprintf("%d seconds", s)
	}
	return fmt.Sprintf("%d minutes", (s+59)/60)
}

// maxBuckets bounds the memory that strangers can take: past it, the bucket
// that was used least lately is forgotten.
const maxBuckets = 10_000

// buckets is one token bucket a key. A failed attempt takes a token; a
// success gives it back.
type buckets struct {
	mu    sync.Mutex
	burst float64
	every time.Duration // one token comes back
	m     map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newBuckets(burst int, every time.Duration) *buckets {
	return &buckets{burst: float64(burst), every: every, m: map[string]*bucket{}}
}

// take takes a token, or answers how long to wait for one.
func (b *buckets) take(key string, now time.Time) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.m[key]
	if k == nil {
		if len(b.m) >= maxBuckets {
			b.forget(now)
		}
		k = &bucket{tokens: b.burst, at: now}
		b.m[key] = k
	}
	if d := now.Sub(k.at); d > 0 {
		k.tokens = math.Min(b.burst, k.tokens+float64(d)/float64(b.every))
		k.at = now
	}
	if k.tokens < 1 {
		return time.Duration((1 - k.tokens) * float64(b.every)), false
	}
	k.tokens--
	return 0, true
}

// giveBack returns the token of an attempt that was right.
func (b *buckets) giveBack(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.m[key]; k != nil {
		k.tokens = math.Min(b.burst, k.tokens+1)
	}
}

// forget drops the buckets that are full again, and if none is, the oldest.
func (b *buckets) forget(now time.Time) {
	oldest, at := "", now.Add(time.Hour)
	for key, k := range b.m {
		if k.tokens+float64(now.Sub(k.at))/float64(b.every) >= b.burst {
			delete(b.m, key)
			continue
		}
		if k.at.Before(at) {
			oldest, at = key, k.at
		}
	}
	if len(b.m) >= maxBuckets {
		delete(b.m, oldest)
	}
}

// remoteKey is what a remote address is counted by: an IPv4 address, or the
// /64 of an IPv6 one, which is what one household gets.
func remoteKey(remote string) string {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		ap, err := netip.ParseAddrPort(remote)
		if err != nil {
			return remote
		}
		addr = ap.Addr()
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	p, err := addr.Prefix(64)
	if err != nil {
		return addr.String()
	}
	return p.String()
}
