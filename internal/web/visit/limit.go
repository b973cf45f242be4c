package visit

import (
	"net/netip"
	"sync"
	"time"
)

// mostKeys bounds what a limiter remembers.
const mostKeys = 20_000

// limiter lets each key do something so many times, and again once after each of
// every.
type limiter struct {
	burst int
	every time.Duration

	mu   sync.Mutex
	full map[string]time.Time // when a key has all of its times again
}

func newLimiter(burst int, every time.Duration) *limiter {
	return &limiter{burst: burst, every: every, full: map[string]time.Time{}}
}

// take takes one time, and answers how long to wait if there is none left.
func (l *limiter) take(key string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.full[key]
	if at.Before(now) {
		at = now
	}
	at = at.Add(l.every)
	if wait := at.Sub(now) - time.Duration(l.burst)*l.every; wait > 0 {
		return wait
	}
	if len(l.full) >= mostKeys {
		for k, t := range l.full {
			if t.Before(now) || len(l.full) >= mostKeys {
				delete(l.full, k)
			}
		}
	}
	l.full[key] = at
	return 0
}

// place is what is counted by: an IPv4 address, or the /64 that one household gets.
func place(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	a := ap.Addr().Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
