// Package oncall answers who is on call: schedules made of layers, each of which
// hands over from one contact to the next by the clock of the schedule's own time
// zone, with overrides above them all. Pure.
//
// Days and weeks are those of the calendar: a weekly rotation that hands over on
// Monday at nine does so at nine whether a night had 23, 24 or 25 hours. A moment
// that daylight saving skips counts as the first one after the gap; of one that it
// repeats the first counts.
package oncall

import (
	"fmt"
	"slices"
	"time"

	"tocsin/internal/contact"
)

// Limits of a schedule.
const (
	MaxLayers    = 20
	MaxPeople    = 100 // of a layer
	MaxOverrides = 500
	MaxEvery     = 366
	MaxRanges    = 700                  // times of weekdays, of all layers together
	MaxSpan      = 400 * 24 * time.Hour // how much Spans looks at, at once

	// Years between which all times of a schedule lie.
	FirstYear = 1970
	LastYear  = 9000
)

// LocalFormat is how a layer's start is written: a moment by the schedule's clock.
const LocalFormat = "2006-01-02T15:04"

// Unit is what a layer's shifts are counted in.
type Unit string

// The units. Shifts of hours begin at the same times each day, so their length
// must divide the day.
const (
	Hours Unit = "hours"
	Days  Unit = "days"
	Weeks Unit = "weeks"
)

// Schedule says who is on call when.
type Schedule struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Zone      string     `json:"zone"`   // IANA name; empty is UTC
	Layers    []Layer    `json:"layers"` // later ones stand above earlier ones
	Overrides []Override `json:"overrides"`
}

// Layer is one rotation. Where it has nobody, the layer below it counts.
type Layer struct {
	Name       string             `json:"name"`
	ContactIDs []string           `json:"contact_ids"` // in the order of their turns
	Start      string             `json:"start"`       // of the first turn, see LocalFormat
	Until      string             `json:"until"`       // no turn after it; empty: for ever
	Every      int                `json:"every"`       // a turn lasts so many units
	Unit       Unit               `json:"unit"`
	Weekdays   [7][]contact.Range `json:"weekdays"` // only then, Sunday first; all empty: always
}

// Override puts somebody else on call for a while, over all layers.
type Override struct {
	ID        string    `json:"id"`
	ContactID string    `json:"contact_id"` // empty: nobody is, which is a gap made on purpose
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	By        string    `json:"by"` // who made it, for people
	Note      string    `json:"note"`
}

// Duty is who is on call at a moment, and why.
type Duty struct {
	ContactID  string // empty: nobody
	Layer      string // name of the layer; empty for an override and for nobody
	OverrideID string
}

// Span is for how long one duty lasts, From inclusive and To exclusive.
type Span struct {
	Duty
	From, To time.Time
}

// Plan is a Schedule made ready for many questions. Nobody can change it.
type Plan struct {
	zone      *time.Location
	layers    []layer
	overrides []Override // the one made last first
}

type layer struct {
	name    string
	people  []string
	first   moment
	until   moment    // zero: for ever
	begins  time.Time // when first is
	ends    time.Time // when until is; zero: never
	every   int
	unit    Unit
	limited *contact.Schedule // nil: always
}

// moment is what a clock on the wall shows: a date as days since 1970, and a
// minute of the day.
type moment struct{ day, minute int }

func (m moment) before(o moment) bool {
	return m.day < o.day || m.day == o.day && m.minute < o.minute
}

func dayOf(y int, m time.Month, d int) int {
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func clockOf(t time.Time) moment {
	return moment{dayOf(t.Date()), t.Hour()*60 + t.Minute()}
}

// at is the first moment at which a clock in a zone shows m or later.
func (m moment) at(zone *time.Location) time.Time {
	y, month, d := time.Unix(int64(m.day)*86400, 0).UTC().Date()
	t := time.Date(y, month, d, m.minute/60, m.minute%60, 0, 0, zone)
	// Of an hour that is there twice, the first: an offset earlier may fit too.
	if start, _ := t.ZoneBounds(); !start.IsZero() {
		_, now := t.Zone()
		_, before := start.Add(-time.Second).Zone()
		if earlier := t.Add(time.Duration(now-before) * time.Second); earlier.Before(start) && clockOf(earlier.In(zone)) == m {
			return earlier.In(zone)
		}
	}
	if got := clockOf(t); got == m {
		return t
	}
	// It is skipped: the gap's end is when the offset changes.
	start, end := t.ZoneBounds()
	if clockOf(t).before(m) { // Date answered a time before the gap
		return end
	}
	return start
}

// Plan makes the schedule ready. The error is a *contact.FieldError for the first
// field that is wrong.
func (s *Schedule) Plan() (*Plan, error) {
	p := &Plan{zone: time.UTC}
	if s.Zone != "" {
		zone, err := time.LoadLocation(s.Zone)
		if err != nil || s.Zone == "Local" {
			return nil, &contact.FieldError{Field: "zone", Problem: fmt.Sprintf("%q is no time zone that is known here", s.Zone),
				Mend: "write it as Europe/Berlin, or leave it empty for UTC"}
		}
		p.zone = zone
	}
	if n := len(s.Layers); n > MaxLayers {
		return nil, &contact.FieldError{Field: "layers", Problem: fmt.Sprintf("there are %d", n), Mend: fmt.Sprintf("keep to %d", MaxLayers)}
	}
	ranges := 0
	for i := range s.Layers {
		l, err := s.Layers[i].ready(fmt.Sprintf("layers[%d]", i), s.Zone)
		if err != nil {
			return nil, err
		}
		for _, day := range s.Layers[i].Weekdays {
			ranges += len(day)
		}
		if l.begins = l.first.at(p.zone); l.until != (moment{}) {
			l.ends = l.until.at(p.zone)
		}
		p.layers = append(p.layers, l)
	}
	if ranges > MaxRanges {
		return nil, &contact.FieldError{Field: "layers", Problem: fmt.Sprintf("have %d times of weekdays in all", ranges), Mend: fmt.Sprintf("keep to %d: let each layer have few, and long ones", MaxRanges)}
	}
	if n := len(s.Overrides); n > MaxOverrides {
		return nil, &contact.FieldError{Field: "overrides", Problem: fmt.Sprintf("there are %d", n), Mend: fmt.Sprintf("keep to %d; those that are over can go", MaxOverrides)}
	}
	for i, o := range s.Overrides {
		at := fmt.Sprintf("overrides[%d]", i)
		if !o.To.After(o.From) {
			return nil, &contact.FieldError{Field: at + ".to", Problem: "is not after its beginning", Mend: "let it end later"}
		}
		if o.From.UTC().Year() < FirstYear || o.To.UTC().Year() > LastYear {
			return nil, &contact.FieldError{Field: at + ".to", Problem: "or its beginning is no time of this age", Mend: "write one such as 2026-03-02T09:00:00Z"}
		}
		if o.To.Sub(o.From) > MaxSpan {
			return nil, &contact.FieldError{Field: at + ".to", Problem: "is more than a year after its beginning", Mend: "change the rotation instead"}
		}
		if err := contact.CheckText(at+".note", o.Note, contact.MaxText); err != nil {
			return nil, err
		}
	}
	p.overrides = slices.Clone(s.Overrides)
	slices.Reverse(p.overrides)
	return p, nil
}

// Validate answers a *contact.FieldError for the first field that cannot be
// stored. Whether the contacts exist is the store's to know.
func (s *Schedule) Validate() error {
	if err := contact.CheckName("name", s.Name); err != nil {
		return err
	}
	_, err := s.Plan()
	return err
}

func (l *Layer) ready(path, zone string) (layer, error) {
	out := layer{name: l.Name, people: slices.Clone(l.ContactIDs), every: l.Every, unit: l.Unit}
	refuse := func(field, problem, mend string) (layer, error) {
		return layer{}, &contact.FieldError{Field: path + field, Problem: problem, Mend: mend}
	}
	if err := contact.CheckText(path+".name", l.Name, contact.MaxName); err != nil {
		return layer{}, err
	}
	switch n := len(l.ContactIDs); {
	case n == 0:
		return refuse(".contact_ids", "is a rotation with nobody in it", "put at least one contact into it, or remove the layer")
	case n > MaxPeople:
		return refuse(".contact_ids", fmt.Sprintf("holds %d", n), fmt.Sprintf("keep to %d", MaxPeople))
	case slices.Contains(l.ContactIDs, ""):
		return refuse(".contact_ids", "holds an empty id", "leave it out")
	case l.Every < 1 || l.Every > MaxEvery:
		return refuse(".every", fmt.Sprintf("%d is no length of a turn", l.Every), fmt.Sprintf("use 1 to %d", MaxEvery))
	}
	switch l.Unit {
	case Days, Weeks:
	case Hours:
		if 24%l.Every != 0 {
			return refuse(".every", fmt.Sprintf("turns of %d hours would begin at other times each day", l.Every), "use 1, 2, 3, 4, 6, 8, 12 or 24 hours, or days")
		}
	default:
		return refuse(".unit", fmt.Sprintf("%q is no unit", l.Unit), "use hours, days or weeks")
	}
	var ok bool
	if out.first, ok = readLocal(l.Start); !ok {
		return refuse(".start", fmt.Sprintf("%q is no time", l.Start), "write it as 2026-03-02T09:00")
	}
	if l.Until != "" {
		if out.until, ok = readLocal(l.Until); !ok {
			return refuse(".until", fmt.Sprintf("%q is no time", l.Until), "write it as 2026-12-31T09:00, or leave it empty")
		}
		if !out.first.before(out.until) {
			return refuse(".until", "is not after the start", "let it end later, or leave it empty")
		}
	}
	if slices.ContainsFunc(l.Weekdays[:], func(r []contact.Range) bool { return len(r) > 0 }) {
		limited, err := contact.TimePeriod{Zone: zone, Weekdays: l.Weekdays}.Schedule()
		if err != nil {
			return layer{}, below(path, err)
		}
		out.limited = limited
	}
	return out, nil
}

// below puts a path before the field of an error.
func below(path string, err error) error {
	if fe, ok := err.(*contact.FieldError); ok { //nolint:errorlint // Schedule answers it as it is
		return &contact.FieldError{Field: path + "." + fe.Field, Problem: fe.Problem, Mend: fe.Mend}
	}
	return err
}

func readLocal(text string) (moment, bool) {
	t, err := time.Parse(LocalFormat, text)
	if err != nil || t.Year() < FirstYear || t.Year() > LastYear {
		return moment{}, false
	}
	return clockOf(t), true
}

// Zone is the schedule's time zone.
func (p *Plan) Zone() *time.Location { return p.zone }

// At answers who is on call at a moment.
func (p *Plan) At(t time.Time) Duty {
	d, _ := p.look(t)
	return d
}

// Spans answers who is on call from one moment to another, without gaps between
// the spans: where nobody is, a span says so. What lies further ahead than MaxSpan
// is left out.
func (p *Plan) Spans(from, to time.Time) []Span {
	if limit := from.Add(MaxSpan); to.After(limit) {
		to = limit
	}
	near := *p // of the overrides most are long over
	near.overrides = slices.DeleteFunc(slices.Clone(p.overrides), func(o Override) bool { return !o.To.After(from) || !o.From.Before(to) })
	var out []Span
	for at := from; at.Before(to); {
		d, next := near.look(at)
		if next.IsZero() || next.After(to) {
			next = to
		}
		if n := len(out); n > 0 && out[n-1].Duty == d {
			out[n-1].To = next
		} else {
			out = append(out, Span{Duty: d, From: at, To: next})
		}
		at = next
	}
	return out
}

// Next answers when somebody else is on call first after t, zero if nobody is
// within MaxSpan.
func (p *Plan) Next(t time.Time) time.Time {
	now, next := p.look(t)
	for limit := t.Add(MaxSpan); !next.IsZero() && next.Before(limit); {
		var d Duty
		at := next
		if d, next = p.look(at); d.ContactID != now.ContactID {
			return at.In(p.zone)
		}
	}
	return time.Time{}
}

// look answers the duty at a moment, and the next moment at which it may be
// another one; zero for never.
func (p *Plan) look(t time.Time) (d Duty, next time.Time) {
	soon := func(at time.Time) {
		if at.After(t) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	found := false
	for i := range p.overrides {
		o := &p.overrides[i]
		soon(o.From)
		if !found && !t.Before(o.From) && t.Before(o.To) {
			d, found = Duty{ContactID: o.ContactID, OverrideID: o.ID}, true
		}
		soon(o.To)
	}
	if found {
		return d, next // what is below does not count before its end
	}
	for i := len(p.layers) - 1; i >= 0; i-- {
		l := &p.layers[i]
		who, until := l.look(t, p.zone)
		soon(until)
		if who != "" {
			return Duty{ContactID: who, Layer: l.name}, next
		}
	}
	return d, next
}

// look answers whose turn it is in a layer, nobody's outside of its times, and
// when that may change.
func (l *layer) look(t time.Time, zone *time.Location) (who string, next time.Time) {
	if t.Before(l.begins) {
		return "", l.begins
	}
	end := l.ends
	if !end.IsZero() && !t.Before(end) {
		return "", time.Time{}
	}
	n := l.turn(t, zone)
	who, next = l.people[n%len(l.people)], l.begin(n+1).at(zone)
	if !end.IsZero() && end.Before(next) {
		next = end
	}
	if l.limited != nil {
		if !l.limited.Covers(t) {
			who = ""
		}
		if edge := l.limited.Next(t); !edge.IsZero() && edge.Before(next) {
			next = edge
		}
	}
	return who, next
}

// begin is when a turn begins, by the clock on the wall.
func (l *layer) begin(n int) moment {
	switch l.unit {
	case Hours:
		minutes := l.first.minute + n*l.every*60
		return moment{l.first.day + minutes/1440, minutes % 1440}
	case Weeks:
		n *= 7
	}
	return moment{l.first.day + n*l.every, l.first.minute}
}

// turn is the number of the turn at a moment, which is not before the first. The
// clock says it but for moments around a change of the clock.
func (l *layer) turn(t time.Time, zone *time.Location) int {
	now := clockOf(t.In(zone))
	n := 0
	switch days := now.day - l.first.day; l.unit {
	case Hours:
		n = (days*1440 + now.minute - l.first.minute) / (l.every * 60)
	case Days:
		n = days / l.every
	case Weeks:
		n = days / (7 * l.every)
	}
	n = max(n, 0)
	for n > 0 && t.Before(l.begin(n).at(zone)) {
		n--
	}
	for !t.Before(l.begin(n + 1).at(zone)) {
		n++
	}
	return n
}
