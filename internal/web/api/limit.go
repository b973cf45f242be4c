package api

import (
	"hash/maphash"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// rate is a token bucket's size, and how many tokens come back in a second.
type rate struct {
	burst, perSecond float64
}

// limiter bounds what strangers may ask for: each address, and all together.
// Addresses are kept in memory only, as hashes with a key of this process, so
// nothing of a person is stored.
type limiter struct {
	one, all rate
	seed     maphash.Seed
	now      func() time.Time

	mu    sync.Mutex
	total bucket
	// Two generations bound the memory without ever looking through it: when
	// fresh is full, it becomes stale, and what was stale is forgotten.
	fresh, stale map[uint64]*bucket
}

// bucket is how many tokens there were at a moment.
type bucket struct {
	tokens float64
	at     time.Time
}

// maxAddresses is how many addresses a generation holds, about a megabyte.
const maxAddresses = 10_000

func newLimiter(one, all rate, now func() time.Time) *limiter {
	return &limiter{
		one: one, all: all, seed: maphash.MakeSeed(), now: now,
		total: bucket{tokens: all.burst}, fresh: map[uint64]*bucket{},
	}
}

// take answers how long the caller has to wait before it may ask again, 0 when
// it need not.
func (l *limiter) take(remote string) time.Duration {
	key := maphash.String(l.seed, household(remote))
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.of(key, now)
	if wait := b.refill(l.one, now); wait > 0 {
		return wait
	}
	// One address alone cannot use up what is there for all.
	if wait := l.total.refill(l.all, now); wait > 0 {
		return wait
	}
	b.tokens--
	l.total.tokens--
	return 0
}

func (l *limiter) of(key uint64, now time.Time) *bucket {
	if b := l.fresh[key]; b != nil {
		return b
	}
	b := l.stale[key]
	if b == nil {
		b = &bucket{tokens: l.one.burst, at: now}
	}
	if len(l.fresh) >= maxAddresses {
		l.stale, l.fresh = l.fresh, make(map[uint64]*bucket, maxAddresses)
	}
	l.fresh[key] = b
	return b
}

// refill adds what came back and answers how long to wait for a whole token.
func (b *bucket) refill(r rate, now time.Time) time.Duration {
	if d := now.Sub(b.at); d > 0 {
		b.tokens = math.Min(r.burst, b.tokens+d.Seconds()*r.perSecond)
		b.at = now
	}
	if b.tokens >= 1 {
		return 0
	}
	return time.Duration((1 - b.tokens) / r.perSecond * float64(time.Second))
}

// household is what an address is counted by: an IPv4 address, or the /64 of
// an IPv6 one, which is what one household gets.
func household(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	addr := ap.Addr().Unmap().WithZone("")
	if p, err := addr.Prefix(64); err == nil && addr.Is6() {
		return p.String()
	}
	return addr.String()
}

// tooMany refuses a call that came too soon.
func tooMany(wait time.Duration) *huma.ErrorModel {
	return problem(http.StatusTooManyRequests, "Too many requests came from your network, or from all visitors together; try again in "+seconds(wait)+" s.")
}

func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

// limited is a middleware that asks the limiter first.
func limited(l *limiter) func(c huma.Context, next func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(c)
		if wait := l.take(r.RemoteAddr); wait > 0 {
			w.Header().Set("Retry-After", seconds(wait))
			writeProblem(w, tooMany(wait))
			return
		}
		next(huma.WithValue(c, remoteKey{}, r.RemoteAddr))
	}
}

// remoteKey is where a handler of an open route finds the caller's address.
type remoteKey struct{}
