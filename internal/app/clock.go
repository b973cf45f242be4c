package app

import (
	"context"
	"sync/atomic"
	"time"
)

// The clock of a machine may jump: somebody sets it, a virtual machine is woken, a
// battery is empty. Whatever lasts is measured by the other clock, which never jumps;
// what is written to the database cannot be. So a jump is looked for.

const (
	clockEvery = 5 * time.Second
	clockSlack = 2 * time.Second // NTP moves a clock by less between two looks
	// A clock that was far ahead for a moment must not cost a year of history: after a
	// leap forward, or a long stop, nothing is deleted for a while.
	leapOf    = 24 * time.Hour
	keepAfter = time.Hour
)

// clocks reads both clocks; a test has its own.
type clocks func() (wall time.Time, since time.Duration)

// steady counts since from the start.
func steady() clocks {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start)
	}
}

// clockWatch remembers leaps.
type clockWatch struct {
	read clocks
	// Until then, by the clock that never jumps, nothing is deleted for its age.
	careful atomic.Int64
}

// jumped answers how far the clock jumped between two looks.
func jumped(wall, wallBefore time.Time, since, sinceBefore time.Duration) time.Duration {
	jump := wall.Sub(wallBefore) - (since - sinceBefore)
	if jump.Abs() < clockSlack {
		return 0
	}
	return jump
}

// watchClock follows the clock's jumps.
func (a *App) watchClock(ctx context.Context) error {
	wall, since := a.clock.read()
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		w, s := a.clock.read()
		jump := jumped(w, wall, s, since)
		wall, since = w, s
		if jump == 0 {
			continue
		}
		a.log.Warn("the clock of this machine was set, or the machine stood still", "by", jump)
		if jump >= leapOf {
			a.clock.mind()
		}
		if jump < 0 {
			if err := a.db.ClockSetBack(ctx, -jump); err != nil && ctx.Err() == nil {
				a.log.Warn("what waits may wait longer than it should", "error", err)
			}
		}
	}
}

// mind has nothing deleted for a while.
func (c *clockWatch) mind() {
	_, since := c.read()
	c.careful.Store(int64(since + keepAfter))
}

// mayDelete says whether the clock is to be trusted with deleting what is old: it has
// not leapt since the last time, which may have been before this program started.
func (a *App) mayDelete(ctx context.Context) (bool, error) {
	wall, since := a.clock.read()
	before, err := a.db.SeenClock(ctx, wall)
	if err != nil {
		return false, err //nolint:wrapcheck // says what it was
	}
	if !before.IsZero() && wall.Sub(before) >= leapOf {
		a.clock.mind()
	}
	return int64(since) >= a.clock.careful.Load(), nil
}
