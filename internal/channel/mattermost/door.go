package mattermost

import (
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxInside is how many callbacks are answered at the same time.
	maxInside = 64
	// One person clicks less than this in a minute. A whole Mattermost is one
	// address, and one behind a proxy that is not trusted shares it with everybody:
	// its bound only keeps strangers from being looked up without end.
	perUser   = 30
	perRemote = 6000
	// maxKnown is of how many people and addresses is known how often they came.
	maxKnown = 10_000
)

// door bounds what comes in.
type door struct {
	inside chan struct{}
	now    func() time.Time

	mu     sync.Mutex
	minute int64
	came   map[string]int // in this minute
	logged time.Time
	unsaid int64
}

func newDoor(now func() time.Time) *door {
	return &door{inside: make(chan struct{}, maxInside), now: now, came: map[string]int{}}
}

// enter takes a place inside, false when all are taken.
func (d *door) enter() bool {
	select {
	case d.inside <- struct{}{}:
		return true
	default:
		return false
	}
}

func (d *door) leave() { <-d.inside }

// remote and user say whether one more request of theirs is within bounds. Only
// users who are known to be meant are counted, so that nobody is locked out by
// somebody else who uses their name.
func (d *door) remote(r *http.Request) bool { return d.count("r "+address(r), perRemote) }
func (d *door) user(id string) bool         { return d.count("u "+id, perUser) }

func (d *door) count(key string, limit int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m := d.now().Unix() / 60; m != d.minute || len(d.came) >= maxKnown {
		d.minute = m
		clear(d.came)
	}
	d.came[key]++
	return d.came[key] <= limit
}

// toLog says whether a refusal is to be logged, and how many were not since the
// last: strangers must not fill the log.
func (d *door) toLog() (unsaid int64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.now(); now.Sub(d.logged) >= 10*time.Second {
		unsaid, d.unsaid, d.logged = d.unsaid, 0, now
		return unsaid, true
	}
	d.unsaid++
	return 0, false
}

func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
