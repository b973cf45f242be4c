package console

import (
	"errors"
	"net/url"
	"slices"
	"time"

	"tocsin/internal/contact"
	"tocsin/internal/oncall"
	"tocsin/internal/web"
)

// mostShifts is how many of the next shifts a form shows.
const mostShifts = 10

// meansOfRota says who would be on call next by a schedule's form; bad is why it
// could not be read.
func (c *console) meansOfRota(v *visit, s oncall.Schedule, bad error) (rotaMeans, error) {
	m := rotaMeans{Zone: zoneOf(s.Zone).String()}
	if bad == nil {
		_, bad = s.Plan()
	}
	var fe *contact.FieldError
	switch {
	case errors.As(bad, &fe) && len(s.Layers) > 0 && slices.ContainsFunc(s.Layers, func(l oncall.Layer) bool { return len(l.ContactIDs) == 0 }) && fe.Problem == "is a rotation with nobody in it":
		m.Problem = "Put somebody into the rotation, and their shifts are listed here."
		return m, nil
	case errors.As(bad, &fe):
		m.Problem = sentence(fe.Problem) + " " + sentence(fe.Mend)
		return m, nil
	case bad != nil:
		return m, bad
	case len(s.Layers) == 0:
		m.Problem = "Without a layer nobody is on call. Add one."
		return m, nil
	}
	shifts, err := web.Shifts(v.Context(), c.Store, s, v.now, v.now.Add(oncall.MaxSpan))
	if err != nil {
		return m, err
	}
	zone := zoneOf(s.Zone)
	for _, x := range shifts[:min(len(shifts), mostShifts)] {
		m.Shifts = append(m.Shifts, shiftWords(x, zone, v.now))
	}
	if n := len(m.Shifts); n > 0 {
		if change := clockChange(v.now, zone); !change.IsZero() && change.Before(v.now.AddDate(0, 4, 0)) {
			m.Changes = change.In(zone).Format("Mon 2 Jan 2006")
		}
	}
	m.Warnings, err = web.Warnings(v.Context(), c.Store, s, v.now)
	return m, err
}

// clockChange is when the clocks of a zone change next, zero if they do not.
func clockChange(now time.Time, zone *time.Location) time.Time {
	_, end := now.In(zone).ZoneBounds()
	return end
}

// shiftWords says a shift by the schedule's clock, and what daylight saving does to it.
func shiftWords(x web.Shift, zone *time.Location, now time.Time) shiftRow {
	from, to := x.From.In(zone), x.To.In(zone)
	r := shiftRow{Shift: x, Text: spanText(from, to, zone), Lasts: length(to.Sub(from)), Why: x.Layer, Going: !from.After(now) && to.After(now)}
	if !to.Before(now.Add(oncall.MaxSpan)) {
		r.Text, r.Lasts = "from "+from.Format("Mon 2 Jan 2006, 15:04 MST")+" on", ""
	}
	if r.Going {
		r.Lasts = ""
		if to.Before(now.Add(oncall.MaxSpan)) {
			r.Text = "until " + to.Format("Mon 2 Jan 2006, 15:04 MST")
		}
	}
	if x.OverrideID != "" {
		r.Why = "stands in"
		if x.Nobody() {
			r.Why = "on purpose"
		}
		if x.Note != "" {
			r.Why += ": " + x.Note
		}
	}
	_, before := from.Zone()
	_, after := to.Zone()
	switch {
	case before == after || !x.To.Before(now.Add(oncall.MaxSpan)):
	case after > before:
		r.Notes = append(r.Notes, "the clocks go forward in it: "+length(time.Duration(after-before)*time.Second)+" shorter")
	default:
		r.Notes = append(r.Notes, "the clocks go back in it: "+length(time.Duration(before-after)*time.Second)+" longer")
	}
	return r
}

// handOver is where a shift is handed over.
func handOver(scheduleID string, from, to time.Time, zone *time.Location) string {
	q := url.Values{"schedule": {scheduleID}, "from": {from.In(zone).Format(wallForm)}, "to": {to.In(zone).Format(wallForm)}}
	return overridePath + "?" + q.Encode()
}

// overrideRows are a schedule's overrides that are not over, soonest first.
func (c *console) overrideRows(v *visit, s *oncall.Schedule, names places) []overrideRow {
	zone := zoneOf(s.Zone)
	var out []overrideRow
	for _, o := range s.Overrides {
		if !o.To.After(v.now) {
			continue
		}
		r := overrideRow{Override: o, Who: "nobody, on purpose", Text: spanText(o.From, o.To, zone), Going: !o.From.After(v.now)}
		if o.ContactID != "" {
			r.Who = names.person(o.ContactID)
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b overrideRow) int { return a.From.Compare(b.From) })
	return out
}
