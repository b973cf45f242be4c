package store

import (
	"context"
	"sync"
	"time"

	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
)

// On SQLite one writes at a time, and the committer, which has the next events at
// hand, always asks for its next turn before a worker is awake that is to tell of the
// last ones. The first message of a storm would so wait for a second and larger group
// of events. So the committer lets a worker go first that had nothing to tell for a
// while: once, when there is something again, and not for long.
//
// It costs no more than that moment: while there is always something to tell, nobody
// waits for anybody.
type turns struct {
	mu       sync.Mutex
	channels map[string]*turnOf
	awaited  int           // channels that are let go first
	came     chan struct{} // closed when none is awaited any more
}

// turnOf is what is known of the worker of one channel.
type turnOf struct {
	idle    time.Time // since when it finds nothing to tell; zero: it has some
	looked  time.Time // when it looked last
	awaited bool
}

const (
	turnIdle  = time.Second           // so long a worker had nothing to tell that is let go first
	turnAlive = 3 * time.Second       // and so lately it looked: it looks each second
	turnWait  = 10 * time.Millisecond // for so long it is waited for
)

// looked notes that the worker of a channel has looked, and whether it found
// something to tell now.
func (t *turns) looked(channel string, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.channels == nil {
		t.channels = map[string]*turnOf{}
	}
	c := t.channels[channel]
	if c == nil {
		c = &turnOf{}
		t.channels[channel] = c
	}
	c.looked = time.Now()
	switch {
	case found:
		c.idle = time.Time{}
	case c.idle.IsZero():
		c.idle = c.looked
	}
	t.arrived(c)
}

// arrived awaits a worker no more.
func (t *turns) arrived(c *turnOf) {
	if !c.awaited {
		return
	}
	c.awaited = false
	if t.awaited--; t.awaited == 0 {
		close(t.came)
	}
}

// await has the next transaction of the committer wait for those who are to tell of
// what this one writes.
func (t *turns) await(c *dispatch.Changes) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for i := range c.Deliveries {
		d := &c.Deliveries[i]
		if d.State != delivery.Waiting || d.Due.After(now) {
			continue
		}
		w := t.channels[d.Channel]
		if w == nil || w.awaited || w.idle.IsZero() || now.Sub(w.idle) < turnIdle || now.Sub(w.looked) > turnAlive {
			continue
		}
		w.awaited = true
		if t.awaited++; t.awaited == 1 {
			t.came = make(chan struct{})
		}
	}
}

// yield lets those go first who are awaited.
func (t *turns) yield(ctx context.Context) {
	t.mu.Lock()
	came := t.came
	waits := t.awaited > 0
	t.mu.Unlock()
	if !waits {
		return
	}
	timer := time.NewTimer(turnWait)
	defer timer.Stop()
	select {
	case <-came:
		return
	case <-timer.C:
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.channels {
		t.arrived(c)
	}
}
