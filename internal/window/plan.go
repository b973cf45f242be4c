package window

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"tocsin/internal/contact"
	"tocsin/internal/status/recur"
)

// Limits of a window.
const (
	MaxMinutes = 14 * 24 * 60 // of one
	MaxTitle   = 200          // characters of what visitors see
	MaxBody    = 10_000
)

// StartFormat is how Window.Start is written: a moment by the clock of its zone.
const StartFormat = "2006-01-02T15:04"

// ahead is how many beginnings are looked at, at once.
const ahead = 64

// Span is one time that a window is on, From inclusive and To exclusive. Windows
// that follow one another without a gap are one.
type Span struct{ From, To time.Time }

// Plan is a Window's times made ready for many questions. Any number of goroutines
// may ask it.
type Plan struct {
	zone    *time.Location
	rule    *recur.Rule
	minutes int
	last    atomic.Pointer[stretch] // of the last question, for questions come in crowds
}

// stretch is a time in which the answer stays the same.
type stretch struct {
	from, to time.Time // to is zero where nothing comes any more
	on       bool
	began    time.Time // of one that is on
}

// Validate answers a *contact.FieldError for the first field that cannot be stored.
// Whether the sources, and the page and its components, exist is the store's to
// know.
func (w *Window) Validate() error {
	if err := contact.CheckName("name", w.Name); err != nil {
		return err
	}
	if err := contact.CheckText("note", w.Note, contact.MaxText); err != nil {
		return err
	}
	plan, err := w.Plan()
	if err != nil {
		return err
	}
	if err := plan.check(w); err != nil {
		return err
	}
	if err := contact.CheckList("source_ids", w.Sources); err != nil {
		return err
	}
	if err := contact.CheckPatterns("hosts", w.Hosts, false); err != nil {
		return err
	}
	if err := contact.CheckPatterns("services", w.Services, true); err != nil {
		return err
	}
	if err := contact.CheckLabels("labels", w.Labels); err != nil {
		return err
	}
	return w.Page.check()
}

func (p *Public) check() error {
	if p.PageID == "" {
		return nil
	}
	if p.Title == "" {
		return &contact.FieldError{Field: "page.title", Problem: "is empty", Mend: "say what visitors read: Maintenance of the mail servers"}
	}
	if err := contact.CheckText("page.title", p.Title, MaxTitle); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(p.Body); n > MaxBody || !utf8.ValidString(p.Body) {
		return &contact.FieldError{Field: "page.body", Problem: fmt.Sprintf("has %d characters, or is not valid UTF-8", n), Mend: fmt.Sprintf("keep to %d in UTF-8", MaxBody)}
	}
	return contact.CheckList("page.component_ids", p.ComponentIDs)
}

// Plan makes the window's times ready. The error is a *contact.FieldError for the
// first field that is wrong.
func (w *Window) Plan() (*Plan, error) {
	p := &Plan{zone: time.UTC, minutes: w.Minutes}
	if w.Zone != "" {
		zone, err := time.LoadLocation(w.Zone)
		if err != nil || w.Zone == "Local" {
			return nil, &contact.FieldError{Field: "zone", Problem: fmt.Sprintf("%q is no time zone that is known here", w.Zone),
				Mend: "write it as Europe/Berlin, or leave it empty for UTC"}
		}
		p.zone = zone
	}
	first, err := time.Parse(StartFormat, w.Start)
	if err != nil || first.Year() < 1970 || first.Year() > 9000 {
		return nil, &contact.FieldError{Field: "start", Problem: fmt.Sprintf("%q is no date and time", w.Start), Mend: "write it as 2026-11-28T22:00, by the clock of the time zone"}
	}
	if w.Minutes < 1 || w.Minutes > MaxMinutes {
		return nil, &contact.FieldError{Field: "minutes", Problem: fmt.Sprintf("%d is no length of a window", w.Minutes), Mend: fmt.Sprintf("use 1 to %d, which is 14 days", MaxMinutes)}
	}
	rule := w.RRule
	if rule == "" {
		rule = "FREQ=DAILY;COUNT=1"
	}
	if p.rule, err = recur.ParseLocal(rule, p.zone, first); err != nil {
		var e *recur.Error
		if errors.As(err, &e) {
			return nil, &contact.FieldError{Field: "rrule", Problem: e.Problem, Mend: e.Mend}
		}
		return nil, &contact.FieldError{Field: "rrule", Problem: err.Error(), Mend: "write one such as FREQ=WEEKLY;BYDAY=SU"}
	}
	return p, nil
}

// check refuses what never comes, and what comes again before it is over.
func (p *Plan) check(w *Window) error {
	first, _ := time.Parse(StartFormat, w.Start) // Plan read it
	begins := p.rule.After(recur.OnClock(first, p.zone).Add(-25*time.Hour), ahead)
	if len(begins) == 0 {
		return &contact.FieldError{Field: "rrule", Problem: "has no date within five years after the start: the window would never come",
			Mend: "check its days and months (30 February never comes), its UNTIL, and the start"}
	}
	for i, at := range begins[1:] {
		if end := p.end(begins[i]); end.After(at.Add(time.Hour)) { // an hour: daylight saving
			return &contact.FieldError{Field: "minutes", Problem: fmt.Sprintf("the window of %s is not over when the next one begins on %s",
				said(begins[i]), said(at)), Mend: "shorten it, or let it come less often"}
		}
	}
	return nil
}

func said(t time.Time) string { return t.Format("2 January 2006 at 15:04") }

// end is when a window that began at a moment is over: whole days are days of the
// calendar, at whose end the clock shows the same time again; all else is minutes.
func (p *Plan) end(begin time.Time) time.Time {
	if p.minutes%(24*60) != 0 {
		return begin.Add(time.Duration(p.minutes) * time.Minute)
	}
	t := begin.In(p.zone)
	return recur.OnClock(time.Date(t.Year(), t.Month(), t.Day()+p.minutes/(24*60), t.Hour(), t.Minute(), 0, 0, time.UTC), p.zone)
}

// Zone is the window's time zone.
func (p *Plan) Zone() *time.Location { return p.zone }

// Covers says whether the window is on at a moment.
func (p *Plan) Covers(t time.Time) bool { return p.look(t).on }

// At answers the time that the window is on around a moment, and whether it is.
func (p *Plan) At(t time.Time) (Span, bool) {
	s := p.look(t)
	if !s.on {
		return Span{}, false
	}
	return Span{s.began.In(p.zone), s.to.In(p.zone)}, true
}

// Next answers the next time that begins after a moment, false where none does
// within five years.
func (p *Plan) Next(t time.Time) (Span, bool) {
	s := p.look(t)
	if s.on {
		s = p.look(s.to)
	}
	if s.on { // as many in a row as are looked at, and on
		return Span{s.began.In(p.zone), s.to.In(p.zone)}, true
	}
	if s.to.IsZero() {
		return Span{}, false
	}
	return p.At(s.to)
}

// Upcoming answers up to n times that are on at a moment or come after it, soonest
// first.
func (p *Plan) Upcoming(t time.Time, n int) []Span {
	var out []Span
	if s, on := p.At(t); on && n > 0 {
		out = append(out, s)
	}
	for len(out) < n {
		s, ok := p.Next(t)
		if !ok {
			break
		}
		out = append(out, s)
		t = s.From
	}
	return out
}

// Over says whether the window is not on at a moment and does not come after it.
func (p *Plan) Over(t time.Time) bool {
	s := p.look(t)
	return !s.on && s.to.IsZero()
}

// look answers the stretch that a moment lies in.
func (p *Plan) look(t time.Time) stretch {
	if s := p.last.Load(); s != nil && !t.Before(s.from) && (s.to.IsZero() || t.Before(s.to)) {
		return *s
	}
	s := p.find(t)
	p.last.Store(&s)
	return s
}

// find is look without memory. Beginnings from a window's length before the moment
// on are those that can matter; those of the week before show since when one has
// been on that follows others without a gap.
func (p *Plan) find(t time.Time) stretch {
	back := time.Duration(p.minutes)*time.Minute + 7*24*time.Hour
	run := stretch{on: true}
	for _, begin := range p.rule.After(t.Add(-back), ahead) {
		end := p.end(begin)
		if !run.to.IsZero() && !begin.After(run.to) {
			run.to = later(run.to, end)
			continue
		}
		if run.to.After(t) {
			break // what comes after a gap is another one
		}
		if begin.After(t) {
			return stretch{from: t, to: begin}
		}
		run.from, run.began, run.to = begin, begin, end
	}
	if run.to.After(t) {
		return run
	}
	return stretch{from: t}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
