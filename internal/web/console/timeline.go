package console

import (
	"strconv"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/oncall"
	"tocsin/internal/web"
)

// rotaView is the calendar of one schedule: a drawing with a row for who is on call,
// one for overrides and one for each layer; and the same as a list.
type rotaView struct {
	ID, Name, Zone string
	Wide           int // of the drawing, in pixels
	Days           []rotaDay
	Rows           []rotaRow
	Now            int // where now is, -1: not in it
	Shifts         []shiftRow
}

type rotaDay struct {
	X, Wide        int
	Title, Month   string
	Today, Weekend bool
}

type rotaRow struct {
	Title, Class string
	Bars         []rotaBar
}

// rotaBar is a shift in the drawing.
type rotaBar struct {
	X, Wide     int
	Text, Title string
	Class       string
	Href        string
}

// dayWide is how wide a day is drawn, by the number of weeks.
func dayWide(weeks int) int {
	switch weeks {
	case 1:
		return 124
	case 4:
		return 44
	}
	return 62
}

// ruler says where moments are in a drawing: each day of the calendar is as wide as
// any other, whatever the clock does in it.
type ruler struct {
	first time.Time // midnight of the first day
	days  int
	wide  int // of a day
}

func (r ruler) day(n int) time.Time {
	return time.Date(r.first.Year(), r.first.Month(), r.first.Day()+n, 0, 0, 0, 0, r.first.Location())
}

func (r ruler) end() time.Time { return r.day(r.days) }

// at is where a moment is; those outside are at the edge.
func (r ruler) at(t time.Time) int {
	for n := range r.days {
		begin, end := r.day(n), r.day(n+1)
		if t.Before(begin) {
			return n * r.wide
		}
		if t.Before(end) {
			return n*r.wide + int(int64(r.wide)*int64(t.Sub(begin))/int64(end.Sub(begin)))
		}
	}
	return r.days * r.wide
}

// drawRota draws a schedule's calendar, each person as look says.
func (c *console) drawRota(v *visit, s *oncall.Schedule, look map[string]string, names places, days rotaRange) (rotaView, error) {
	zone := zoneOf(s.Zone)
	r := ruler{first: days.first(zone), days: 7 * days.Weeks, wide: dayWide(days.Weeks)}
	view := rotaView{ID: s.ID, Name: s.Name, Zone: zone.String(), Wide: r.days * r.wide, Now: -1}
	for n := range r.days {
		d := r.day(n)
		day := rotaDay{X: n * r.wide, Wide: r.wide, Title: d.Format("Mon 2"), Weekend: d.Weekday() == time.Saturday || d.Weekday() == time.Sunday,
			Today: !v.now.Before(d) && v.now.Before(r.day(n+1))}
		if n == 0 || d.Day() == 1 {
			day.Month = d.Format("January 2006")
		}
		if days.Weeks == 4 {
			day.Title = d.Format("2")
		}
		view.Days = append(view.Days, day)
	}
	if !v.now.Before(r.first) && v.now.Before(r.end()) {
		view.Now = r.at(v.now)
	}
	shifts, err := web.Shifts(v.Context(), c.Store, *s, r.first, r.end())
	if err != nil {
		return view, err
	}
	duty := rotaRow{Title: "On call", Class: "duty"}
	for _, x := range shifts {
		row := shiftWords(x, zone, v.now)
		if v.may(auth.WriteConfig) && x.To.After(v.now) {
			row.Href = handOver(s.ID, later(x.From, v.now), x.To, zone)
		}
		view.Shifts = append(view.Shifts, row)
		bar := r.bar(x.From, x.To, x.Contact, look[x.ContactID])
		bar.Href = row.Href
		if x.Nobody() {
			bar.Class, bar.Text = "gap", ""
			if bar.Wide > 60 {
				bar.Text = "nobody"
			}
			if x.OverrideID != "" {
				bar.Class = "gap meant"
			}
		}
		bar.Title = row.Text + ": " + orNobody(x.Contact)
		duty.Bars = append(duty.Bars, bar)
	}
	view.Rows = append(view.Rows, duty)
	if row := r.overrides(s, names, look); len(row.Bars) > 0 {
		view.Rows = append(view.Rows, row)
	}
	if len(s.Layers) > 1 || len(view.Rows) > 1 {
		for i := len(s.Layers) - 1; i >= 0; i-- {
			view.Rows = append(view.Rows, r.layer(s, i, names, look))
		}
	}
	return view, nil
}

func orNobody(name string) string {
	if name == "" {
		return "nobody"
	}
	return name
}

// looksOf are the colours of the people of schedules, in the order in which they are
// in them, the same wherever somebody is. Names stand beside: no colour means anything
// by itself.
func looksOf(schedules []oncall.Schedule) map[string]string {
	out := map[string]string{}
	see := func(id string) {
		if _, ok := out[id]; !ok && id != "" {
			out[id] = "who-" + strconv.Itoa(len(out)%8)
		}
	}
	for i := range schedules {
		for _, l := range schedules[i].Layers {
			for _, id := range l.ContactIDs {
				see(id)
			}
		}
		for _, o := range schedules[i].Overrides {
			see(o.ContactID)
		}
	}
	return out
}

// bar is a stretch as it is drawn, with as much of the name as there is room for.
func (r ruler) bar(from, to time.Time, name, class string) rotaBar {
	x := r.at(from)
	b := rotaBar{X: x + 1, Wide: max(r.at(to)-x-2, 2), Class: class}
	b.Text = r.fit(name, b.Wide)
	return b
}

// fit is a name, its initials or nothing. A letter is about seven pixels wide.
func (r ruler) fit(name string, wide int) string {
	switch room := (wide - 10) / 7; {
	case len([]rune(name)) <= room || room >= 8:
		return name
	case room >= 2:
		return initials(name)
	}
	return ""
}

// alone are the stretches that a part of a schedule alone would fill.
func (r ruler) alone(part oncall.Schedule, class string, names places, look map[string]string) []rotaBar {
	plan, err := part.Plan()
	if err != nil {
		return nil
	}
	var out []rotaBar
	for _, x := range plan.Spans(r.first, r.end()) {
		if x.ContactID == "" && x.OverrideID == "" {
			continue
		}
		name := "nobody"
		if x.ContactID != "" {
			name = names.person(x.ContactID)
		}
		b := r.bar(x.From, x.To, name, look[x.ContactID]+" "+class)
		b.Title = spanText(x.From, x.To, r.first.Location()) + ": " + name
		out = append(out, b)
	}
	return out
}

func (r ruler) overrides(s *oncall.Schedule, names places, look map[string]string) rotaRow {
	return rotaRow{Title: "Overrides", Class: "below", Bars: r.alone(oncall.Schedule{Zone: s.Zone, Overrides: s.Overrides}, "over", names, look)}
}

func (r ruler) layer(s *oncall.Schedule, i int, names places, look map[string]string) rotaRow {
	row := rotaRow{Title: s.Layers[i].Name, Class: "below"}
	if row.Title == "" {
		row.Title = "Layer " + strconv.Itoa(i+1)
	}
	row.Bars = r.alone(oncall.Schedule{Zone: s.Zone, Layers: s.Layers[i : i+1]}, "plan", names, look)
	return row
}
