package alert

import (
	"slices"
	"time"
)

// MaxTurns is how many of an object's changes of state are kept.
const MaxTurns = 20

// Flap says what counts as flapping where the engine does not say it: so many
// changes of state within a time. Changes of 0 is never.
type Flap struct {
	Changes int
	Within  time.Duration
}

// On says whether it is looked for at all.
func (f Flap) On() bool { return f.Changes > 0 && f.Within > 0 }

// Begins says whether an object flaps at a moment that was not known to.
func (f Flap) Begins(o *Object, now time.Time) bool {
	return f.On() && !o.Flapping && f.count(o, now) >= min(f.Changes, MaxTurns)
}

// Calm says whether an object that was found to flap no longer does: fewer than half
// as many changes lie within the time.
func (f Flap) Calm(o *Object, now time.Time) bool {
	return !o.Flaps.IsZero() && (!f.On() || 2*f.count(o, now) < min(f.Changes, MaxTurns))
}

// count is how many of the changes lie within the time. Those that a clock which was
// put back left ahead of now lie in it until it comes to them, but no longer than
// that time ahead.
func (f Flap) count(o *Object, now time.Time) int {
	n := 0
	for _, t := range o.Turns {
		if d := now.Sub(t); d < f.Within && d > -f.Within {
			n++
		}
	}
	return n
}

// turned are an object's changes of state with one more.
func turned(turns []time.Time, at time.Time) []time.Time {
	if n := len(turns) - (MaxTurns - 1); n > 0 {
		turns = turns[n:]
	}
	return append(slices.Clone(turns), at)
}
