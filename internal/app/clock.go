package app

import (
	"context"
	"sync/atomic"
	"time"
)

// The clock of a machine may jump: somebody sets it, a virtual machine is woken, a
// battery is empty. Whatever lasts is measured by the other clock, which never jumps;
// what is written to the database cannot be. So a jump is looked for: of the clock that
// the database goes by, which is PostgreSQL's own.

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

// clockTook is how long asking for the time may take: what took longer is not known
// well enough.
const clockTook = time.Second

// time is what the database measures by: its own clock on PostgreSQL, else this
// machine's; with what the clock says that never jumps.
func (a *App) time(ctx context.Context) (wall time.Time, since time.Duration, sure bool, err error) {
	wall, since = a.clock.read()
	if !a.cfg.Postgres() {
		return wall, since, true, nil
	}
	if wall, err = a.db.Now(ctx); err != nil {
		return wall, since, false, err //nolint:wrapcheck // says what it was
	}
	_, then := a.clock.read()
	return wall, (since + then) / 2, then-since < clockTook, nil
}

// watchClock follows the clock's jumps.
func (a *App) watchClock(ctx context.Context) error {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	var last look
	for {
		last = a.lookAtClock(ctx, last)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look is what both clocks said; zero before the first one.
type look struct {
	wall  time.Time
	since time.Duration
}

// lookAtClock answers what the clocks say, or what they said before, if that cannot be
// known now.
func (a *App) lookAtClock(ctx context.Context, last look) look {
	wall, since, sure, err := a.time(ctx)
	if err != nil || !sure {
		return last // the next look sees what has happened meanwhile
	}
	now := look{wall, since}
	if last.wall.IsZero() {
		return now
	}
	jump := jumped(wall, last.wall, since, last.since)
	if jump == 0 {
		return now
	}
	a.log.Warn("the clock was set, or the machine stood still", "by", jump)
	if jump >= leapOf {
		a.clock.mind()
	}
	if jump < 0 {
		if err := a.db.ClockSetBack(ctx, -jump); err != nil && ctx.Err() == nil {
			a.log.Warn("what waits may wait longer than it should", "error", err)
		}
	}
	return now
}

// mind has nothing deleted for a while.
func (c *clockWatch) mind() {
	_, since := c.read()
	c.careful.Store(int64(since + keepAfter))
}

// mayDelete says whether the clock is to be trusted with deleting what is old: it has
// not leapt since the last time, which may have been before this program started.
func (a *App) mayDelete(ctx context.Context) (bool, error) {
	wall, since, _, err := a.time(ctx)
	if err != nil {
		return false, err
	}
	before, err := a.db.SeenClock(ctx, wall)
	if err != nil {
		return false, err //nolint:wrapcheck // says what it was
	}
	if !before.IsZero() && wall.Sub(before) >= leapOf {
		a.clock.mind()
	}
	return int64(since) >= a.clock.careful.Load(), nil
}
