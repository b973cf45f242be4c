package webhook

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"
)

// slow keeps away from sites that let us wait. Whoever owns one can subscribe a
// thousand addresses of it that never answer, and each costs all the time that a
// request may take: so after some of those the rest of the site is put off. One
// that answers now and then does not make good for many that do not.
type slow struct {
	mu    sync.Mutex
	sites map[string]*lag
}

type lag struct {
	debt  int       // grows by unanswered with each request that was not answered in time, and falls by one with each that was
	until time.Time // nothing is posted there before
}

const (
	unanswered = 3
	mostDebt   = 9
	putOff     = time.Minute
	mostSites  = 10_000
)

// site is what has one owner: what was registered, or an address.
func site(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	if s, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return s
	}
	return host
}

// wait is how long a site is put off; 0: it is not.
func (s *slow) wait(host string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.sites[site(host)]
	if l == nil || l.debt < mostDebt {
		return 0
	}
	if d := l.until.Sub(now); d > 0 {
		return d
	}
	l.until = now.Add(putOff) // this one tries; all others wait for what it hears
	return 0
}

// note says whether a request was answered in time.
func (s *slow) note(host string, answered bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := site(host)
	l := s.sites[key]
	switch {
	case answered && l == nil:
		return
	case answered:
		if l.debt = min(l.debt, mostDebt) - 1; l.debt <= 0 {
			delete(s.sites, key)
		}
		return
	case l == nil:
		if len(s.sites) >= mostSites {
			clear(s.sites)
		}
		l = &lag{}
		s.sites[key] = l
	}
	if l.debt = min(l.debt+unanswered, 3*mostDebt); l.debt >= mostDebt {
		l.until = now.Add(putOff)
	}
}
