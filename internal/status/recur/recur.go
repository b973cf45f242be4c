// Package recur says when maintenance comes again: RFC 5545 recurrence rules,
// held within bounds, at the wall-clock time of their zone, whatever daylight
// saving does to it.
//
//	r, err := recur.Parse("FREQ=MONTHLY;BYDAY=2TU", "Europe/Berlin", first)
//	next := r.After(now, 3)
package recur

import (
	"fmt"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// Bounds: a rule is no longer than that, no more frequent than daily, and never
// looked at for more than so many of its dates.
const (
	maxRule  = 300
	maxLooks = 10_000
	horizon  = 5 // years after now that are searched
)

// Error says what is wrong with a rule and what to do about it.
type Error struct{ Field, Problem, Mend string }

func (e *Error) Error() string { return e.Field + ": " + e.Problem + "; " + e.Mend }

// Rule is a recurrence that was checked.
type Rule struct {
	rule *rrule.RRule
	zone *time.Location
	text string
}

// Parse checks a rule ("FREQ=WEEKLY;BYDAY=SU", with or without "RRULE:") whose
// first date is first, in a zone. Errors are *Error.
func Parse(text, zone string, first time.Time) (*Rule, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "" || zone == "Local" {
		return nil, &Error{"zone", fmt.Sprintf("%q is no time zone", zone), `write one such as "Europe/Berlin"`}
	}
	return ParseLocal(text, loc, first.In(loc))
}

// ParseLocal is Parse of a first date as a clock in the zone shows it, which may be
// one that daylight saving leaves out: only the date and the time of day of first
// count.
func ParseLocal(text string, loc *time.Location, first time.Time) (*Rule, error) {
	text = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(text)), "RRULE:")
	if len(text) > maxRule {
		return nil, &Error{"rule", fmt.Sprintf("is longer than %d characters", maxRule), "use a shorter rule"}
	}
	if strings.ContainsAny(text, "\r\n") {
		return nil, &Error{"rule", "has more than one line", "write one rule, such as FREQ=WEEKLY;BYDAY=SU"}
	}
	o, err := rrule.StrToROption(text)
	if err != nil {
		return nil, &Error{"rule", "is no recurrence rule: " + err.Error(), "write one such as FREQ=WEEKLY;BYDAY=SU"}
	}
	switch {
	case o.Freq > rrule.DAILY:
		return nil, &Error{"rule", "comes more often than daily", "use FREQ=DAILY, WEEKLY, MONTHLY or YEARLY"}
	case o.Interval < 0 || o.Interval > 1000 || o.Count < 0:
		return nil, &Error{"rule", "has an INTERVAL or COUNT out of range", "use an INTERVAL from 1 to 1000"}
	case len(o.Byhour)+len(o.Byminute)+len(o.Bysecond) > 0:
		return nil, &Error{"rule", "names hours, minutes or seconds", "the time of day is that of the first maintenance; leave BYHOUR, BYMINUTE and BYSECOND out"}
	}
	// The dates are computed on a calendar without daylight saving, and put on the
	// zone's clock afterwards: 02:30 stays 02:30.
	o.Dtstart = time.Date(first.Year(), first.Month(), first.Day(), first.Hour(), first.Minute(), 0, 0, time.UTC)
	if !o.Until.IsZero() {
		u := o.Until.In(loc)
		o.Until = time.Date(u.Year(), u.Month(), u.Day(), u.Hour(), u.Minute(), u.Second(), 0, time.UTC)
	}
	r, err := rrule.NewRRule(*o)
	if err != nil {
		return nil, &Error{"rule", "is no recurrence rule: " + err.Error(), "write one such as FREQ=WEEKLY;BYDAY=SU"}
	}
	return &Rule{rule: r, zone: loc, text: text}, nil
}

// String is the rule as it is kept.
func (r *Rule) String() string { return r.text }

// After answers up to n beginnings after now, soonest first; fewer where the rule
// ends, or comes too seldom: five years are searched.
func (r *Rule) After(now time.Time, n int) []time.Time {
	var out []time.Time
	end := now.AddDate(horizon, 0, 0)
	next := r.near(now).Iterator()
	for looks := 0; len(out) < n && looks < maxLooks; looks++ {
		wall, ok := next()
		if !ok {
			break
		}
		at := OnClock(wall, r.zone)
		if at.After(end) {
			break
		}
		if at.After(now) {
			out = append(out, at)
		}
	}
	return out
}

// near is the rule as it is from shortly before a moment on: one that began long ago
// has more dates than are looked at. Only days and weeks can be left out as they are,
// by whole intervals, and only where they are not counted.
func (r *Rule) near(now time.Time) *rrule.RRule {
	o := r.rule.OrigOptions
	period := max(o.Interval, 1)
	switch {
	case o.Count > 0 || o.Freq != rrule.DAILY && o.Freq != rrule.WEEKLY:
		return r.rule
	case o.Freq == rrule.WEEKLY:
		period *= 7
	}
	// Two are kept: a clock in the zone shows another day than UTC, perhaps.
	skip := int(now.Sub(o.Dtstart)/(24*time.Hour))/period - 2
	if skip <= 0 {
		return r.rule
	}
	o.Dtstart = o.Dtstart.AddDate(0, 0, skip*period)
	later, err := rrule.NewRRule(o)
	if err != nil {
		return r.rule
	}
	return later
}

// OnClock is the moment at which a clock in a zone shows what wall shows, in whichever
// zone that is, to the minute. What daylight saving leaves out is the same span after
// the gap's beginning, what it has twice is the first.
func OnClock(wall time.Time, zone *time.Location) time.Time {
	wall = time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, time.UTC)
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, zone)
	_, before := t.Zone()
	// Of a time that is there twice Go may take either one, and of one that is not
	// there either side of the gap.
	if start, _ := t.ZoneBounds(); !start.IsZero() && !shown(t).Before(wall) {
		_, before = start.Add(-time.Second).Zone()
		if first := time.Unix(wall.Unix()-int64(before), 0); first.Before(start) || !shown(t).Equal(wall) {
			return first.In(zone)
		}
		return t
	}
	return time.Unix(wall.Unix()-int64(before), 0).In(zone)
}

// shown is what a clock shows at a moment.
func shown(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
}
