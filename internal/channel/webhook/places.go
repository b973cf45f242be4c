package webhook

import (
	"context"
	"errors"
	"sync"
	"time"

	"tocsin/internal/channel"
	"tocsin/internal/hook"
)

// places knows how it goes with each receiver. It is ready when its clock is set.
type places struct {
	now func() time.Time

	mu    sync.Mutex
	m     map[string]*place
	hosts map[string]*room
}

// place is one webhook.
type place struct {
	set   string    // what it is set to: with another address it is another receiver
	until time.Time // nothing is posted before
	why   string
	noted time.Time
	told  string // the problem that was noted last
	heads map[channel.Subject]head
}

// head is the message about a subject that must come first.
type head struct {
	delivery string
	until    time.Time
}

// Bounds of what is remembered. What is forgotten is found out again.
const (
	mostPlaces = 2000
	mostHeads  = 1000
	noteEvery  = time.Minute
	// lastsOver is how long others wait for a message that was to be tried again:
	// it may have ended meanwhile.
	lastsOver = 3 * time.Second
)

func (s *places) of(h *hook.Hook) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := h.URL + "\x00" + h.Token + "\x00" + string(h.Form)
	if p := s.m[h.ID]; p != nil && p.set == set && h.ID != "" {
		return p
	}
	p := &place{set: set, heads: map[channel.Subject]head{}}
	if h.ID == "" {
		return p
	}
	if s.m == nil || len(s.m) >= mostPlaces {
		s.m = map[string]*place{}
	}
	s.m[h.ID] = p
	return p
}

// held answers what keeps a message from being posted now, nil if nothing does.
func (s *places) held(p *place, about channel.Subject, delivery string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if wait := p.until.Sub(now); wait > 0 {
		return channel.RetryAfter(errors.New("not posted yet: "+p.why), wait)
	}
	first, ok := p.heads[about]
	if !ok || first.delivery == delivery {
		return nil
	}
	if wait := first.until.Sub(now); wait > 0 {
		return channel.RetryAfter(errLater, wait)
	}
	delete(p.heads, about)
	return nil
}

// learn takes note of what an answer says of the receiver and of the subject.
func (s *places) learn(p *place, about channel.Subject, delivery string, v verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	switch {
	case v.problem == "":
		p.until = time.Time{}
	case v.pause > 0:
		p.until, p.why = now.Add(v.pause), v.problem
	}
	if v.again == 0 || v.problem == "" {
		if p.heads[about].delivery == delivery {
			delete(p.heads, about)
		}
		return
	}
	if first, ok := p.heads[about]; ok && first.delivery != delivery && first.until.After(now) {
		return
	}
	if len(p.heads) >= mostHeads {
		clear(p.heads)
	}
	p.heads[about] = head{delivery, now.Add(v.again + lastsOver)}
}

// release lets a receiver be called at once.
func (s *places) release(p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.until = time.Time{}
}

// worth says whether how it went is worth being noted, and takes that as done.
func (s *places) worth(p *place, problem string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.told == problem && !p.noted.IsZero() && now.Sub(p.noted) < noteEvery {
		return false
	}
	p.told, p.noted = problem, now
	return true
}

// room is one host: so many are posted to it at the same time.
type room struct {
	free  chan struct{}
	users int
}

// enter waits until the host has room; ok is false when it takes too long.
func (s *places) enter(ctx context.Context, host string) (leave func(), ok bool) {
	s.mu.Lock()
	if s.hosts == nil {
		s.hosts = map[string]*room{}
	}
	r := s.hosts[host]
	if r == nil {
		r = &room{free: make(chan struct{}, atOnce)}
		s.hosts[host] = r
	}
	r.users++
	s.mu.Unlock()
	gone := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.users--; r.users == 0 {
			delete(s.hosts, host)
		}
	}
	short, cancel := context.WithTimeout(ctx, roomWithin)
	defer cancel()
	select {
	case r.free <- struct{}{}:
		return func() { <-r.free; gone() }, true
	case <-short.Done():
		gone()
		return nil, false
	}
}
