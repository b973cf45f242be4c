package route

import (
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/window"
)

// What may be told later is held back by three things: the contact's time period,
// where it is closed; its quiet hours; and a maintenance window that the object is in.
// A hold ends at the first moment at which none of them holds it back. Whether the
// message is still true is looked at then.

const (
	// longestHold is for how long a message is held for a contact's sake: news that
	// would be older than that is not told at all.
	longestHold = 7 * 24 * time.Hour
	// longestWindow is the same for maintenance windows.
	longestWindow = 31 * 24 * time.Hour
	mostHolds     = 200 // one after another
)

type preparedWindow struct {
	name string
	plan *window.Plan
	filter
}

// hold is what keeps a message back. With a zero until it is not told at all.
type hold struct {
	reason Reason
	until  time.Time
	why    string // "quiet hours “Night” last until …"
}

// hold answers what keeps this message from a contact, or from a room or a webhook
// where who is nil; the empty reason is nothing.
func (c *decider) hold(who *contact.Contact) hold {
	var last hold
	for at, n := c.q.Now, 0; ; n++ {
		now := c.holdAt(who, at)
		if now.reason == "" {
			return last
		}
		limit := longestHold
		if now.reason == ReasonWindow {
			limit = longestWindow
		}
		last = now
		if now.until.IsZero() || n == mostHolds || now.until.Sub(c.q.Now) > limit {
			last.until = time.Time{}
			return last
		}
		at = now.until
	}
}

// holdAt is what holds at a moment; of several what ends last.
func (c *decider) holdAt(who *contact.Contact, at time.Time) hold {
	var out hold
	consider := func(h hold) {
		if out.reason == "" || h.until.IsZero() || !out.until.IsZero() && h.until.After(out.until) {
			out = h
		}
	}
	if c.heldByWindows() {
		if until, names := c.windowsEnd(at); len(names) > 0 {
			consider(hold{ReasonWindow, until, "it is in maintenance (“" + strings.Join(names, "”, “") + "”) until " + by(until, until.Location())})
		}
	}
	if who == nil {
		return out
	}
	if s := c.period(who); s != nil && !s.Covers(at) {
		consider(hold{ReasonPeriod, c.nextOf(s, at), "it is outside the time period “" + c.index.periods[c.periodID(who)] + "”, " + opens(c.nextOf(s, at), s)})
	}
	if s := c.index.schedules[who.QuietPeriodID]; s != nil && s.Covers(at) && !c.passes(who) {
		until := c.nextOf(s, at)
		why := who.ShownName() + " has quiet hours (“" + c.index.periods[who.QuietPeriodID] + "”) until " + by(until, s.Zone())
		if until.IsZero() {
			why = who.ShownName() + " has quiet hours (“" + c.index.periods[who.QuietPeriodID] + "”) that do not end within a week; shorten that time period, or choose another one"
		}
		consider(hold{ReasonQuiet, until, why})
	}
	return out
}

// nextOf is when a period opens or closes next, zero if not within longestHold. Many
// contacts share a period, so it is remembered.
func (c *decider) nextOf(s *contact.Schedule, at time.Time) time.Time {
	key := edge{s, at.UnixNano()}
	if t, ok := c.edges[key]; ok {
		return t
	}
	if c.edges == nil {
		c.edges = map[edge]time.Time{}
	}
	t := s.NextWithin(at, longestHold+time.Hour)
	c.edges[key] = t
	return t
}

type edge struct {
	period *contact.Schedule
	at     int64
}

// passes says whether this message passes the contact's quiet hours.
func (c *decider) passes(who *contact.Contact) bool {
	if c.q.Notice == alert.NoticeProblem {
		switch s := c.state(); who.QuietPass {
		case contact.QuietWarning:
			return true
		case contact.QuietCritical:
			if s == alert.Critical || s == alert.Down {
				return true
			}
		}
	}
	return c.isOnCall(who.ID)
}

// period is the time period in which a contact wants to hear of an object of this
// kind; nil for always.
func (c *decider) period(who *contact.Contact) *contact.Schedule {
	return c.index.schedules[c.periodID(who)]
}

func (c *decider) periodID(who *contact.Contact) string {
	if c.object.Kind() == alert.Host {
		return who.HostPeriodID
	}
	return who.ServicePeriodID
}

// canWait says whether this message is one that is told later where it cannot be told
// now. All others are told now or never.
func (c *decider) canWait() bool {
	return c.q.Notice == alert.NoticeProblem || c.q.Notice == alert.NoticeRecovery
}

// heldByWindows says whether maintenance keeps this message back. What people do, and
// the engine's downtimes, are told all the same.
func (c *decider) heldByWindows() bool {
	return len(c.index.windows) > 0 && (c.canWait() || c.q.Notice == alert.NoticeFlapping)
}

// windowsEnd is when the last of the windows ends that the object is in at a moment,
// and their names.
func (c *decider) windowsEnd(at time.Time) (until time.Time, names []string) {
	for _, w := range c.maintenance() {
		if s, on := w.plan.At(at); on {
			names = append(names, w.name)
			if s.To.After(until) {
				until = s.To
			}
		}
	}
	return until, names
}

// maintenance are the windows that are about the object.
func (c *decider) maintenance() []*preparedWindow {
	if !c.windowsKnown {
		c.windowsKnown = true
		f := c.facts()
		for i := range c.index.windows {
			if w := &c.index.windows[i]; w.fits(&f) {
				c.windows = append(c.windows, w)
			}
		}
	}
	return c.windows
}

const heldBack = "; held back, for "

// holdBack turns a decision that tells into one that tells later, or not at all.
func (d *Decision) holdBack(h hold) {
	switch {
	case h.reason == "":
	case h.until.IsZero():
		d.Told, d.Reason, d.Why = false, h.reason, d.Why+", but "+h.why
	default:
		d.Reason, d.HoldUntil = h.reason, h.until
		d.Why += heldBack + h.why
	}
}

// by is a moment by a clock, in words.
func by(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("Monday 2 January at 15:04") + " (" + zone.String() + ")"
}

// opens says when a period begins again, by its own clock.
func opens(next time.Time, s *contact.Schedule) string {
	if next.IsZero() {
		return "which does not open within a week"
	}
	return "which opens on " + by(next, s.Zone())
}
