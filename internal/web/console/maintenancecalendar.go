package console

import (
	"slices"
	"strings"
	"time"

	"tocsin/internal/status"
)

// work is a maintenance in the lists and the calendar. One without an id is a date
// of a series that is not announced yet.
type work struct {
	status.Maintenance
	Look     look
	When     string // in the page's zone
	Parts    []string
	Overlaps []overlap
	Path     string
	Late     bool // goes on past its end
	Overdue  bool // waits for somebody to begin it
	from, to time.Time
}

// Announced says that visitors see it.
func (w *work) Announced() bool { return w.ID != "" }

// overlap is another maintenance at the same time.
type overlap struct {
	Title, Path, When string
	Shared            []string // components of both, by name
}

// workLook is where a maintenance stands; without a phase it is a date to come.
func workLook(p status.Phase) look {
	if p == "" {
		return look{"Not announced yet", "wait", "dim"}
	}
	return phaseOf(p)
}

func workOver(p status.Phase) bool { return p == status.Completed || p == status.Cancelled }

// overlapsOf are the maintenances among others that lie at the same time as one
// that would be so, those with components in common first.
func overlapsOf(id string, components []string, start, end time.Time, others []status.Maintenance, parts map[string]string, zone *time.Location) []overlap {
	var out []overlap
	for _, o := range others {
		if o.ID == id || workOver(o.Phase) || !o.Start.Before(end) || !start.Before(o.End) {
			continue
		}
		x := overlap{Title: o.Title, Path: maintenancePath + "/" + o.ID, When: spanText(o.Start, o.End, zone)}
		for _, c := range o.Components {
			if name := parts[c]; name != "" && slices.Contains(components, c) {
				x.Shared = append(x.Shared, name)
			}
		}
		out = append(out, x)
	}
	slices.SortStableFunc(out, func(a, b overlap) int { return min(len(b.Shared), 1) - min(len(a.Shared), 1) })
	return out
}

// spanText is from when to when, in a zone: "Tue 24 Nov 2026, 22:00–23:30 CET".
func spanText(start, end time.Time, zone *time.Location) string {
	a, b := start.In(zone), end.In(zone)
	if a.Format(status.DateFormat) == b.Format(status.DateFormat) && a.Format("MST") == b.Format("MST") {
		return a.Format("Mon 2 Jan 2006, 15:04") + "–" + b.Format("15:04 MST")
	}
	first := "Mon 2 Jan 15:04"
	if a.Format("MST") != b.Format("MST") {
		first += " MST"
	}
	if a.Year() != b.Year() {
		first = strings.Replace(first, "Jan", "Jan 2006", 1)
	}
	return a.Format(first) + " – " + b.Format("Mon 2 Jan 2006 15:04 MST")
}

// month is one of the calendar.
type month struct {
	Title, Name      string // "November 2026", "2026-11"
	Before, After    string // as Name
	Current          bool
	Weeks            [][]calendarDay
	first, from, end time.Time // of the month; of what is drawn
}

// calendarDay is one square. Lanes has nil where something stands on the days
// beside that does not on this one.
type calendarDay struct {
	Date, Label    string
	Number         int
	Today, Outside bool
	Ahead          bool // something may be announced then
	Lanes          []*strip
	Count, More    int
	Jump           string // date of the list that has what stands here
}

// strip is the part of a work that lies on one day.
type strip struct {
	*work
	Begins, Ends bool // on this day
	Says         bool // has its title, which runs on over the days that follow
	Over         int  // how many days of the week it lies on
	Clock        string
}

// mostLanes is how many stand in one square of the calendar; the list has all.
const mostLanes = 4

// monthOf is an empty month of the calendar, weeks from Monday on.
func monthOf(name string, now time.Time, zone *time.Location) month {
	first, err := time.ParseInLocation("2006-01", name, zone)
	if err != nil || first.Year() < 2000 || first.Year() > 2100 {
		n := now.In(zone)
		first = time.Date(n.Year(), n.Month(), 1, 0, 0, 0, 0, zone)
	}
	m := month{Title: first.Format("January 2006"), Name: first.Format("2006-01"), first: first,
		Before: first.AddDate(0, -1, 0).Format("2006-01"), After: first.AddDate(0, 1, 0).Format("2006-01")}
	m.Current = m.Name == now.In(zone).Format("2006-01")
	m.from = first.AddDate(0, 0, -(int(first.Weekday())+6)%7)
	last := first.AddDate(0, 1, 0)
	m.end = m.from
	for m.end.Before(last) {
		m.end = m.end.AddDate(0, 0, 7)
	}
	return m
}

// draw puts works into the month, which are in the order of their beginnings.
func (m *month) draw(works []*work, now time.Time, zone *time.Location) {
	today := now.In(zone).Format(status.DateFormat)
	for week := m.from; week.Before(m.end); week = week.AddDate(0, 0, 7) {
		days := make([]calendarDay, 7)
		var taken [7][]*strip
		for i := range days {
			at := week.AddDate(0, 0, i)
			date := at.Format(status.DateFormat)
			days[i] = calendarDay{Date: date, Label: at.Format("Monday 2 January"), Number: at.Day(), Today: date == today,
				Outside: at.Month() != m.first.Month(), Ahead: date >= today}
		}
		for _, w := range works {
			m.lay(w, week, days, &taken, zone)
		}
		for i := range days {
			d := &days[i]
			d.Lanes = taken[i]
			for len(d.Lanes) > mostLanes {
				if d.Lanes[len(d.Lanes)-1] != nil {
					d.More++
				}
				d.Lanes = d.Lanes[:len(d.Lanes)-1]
			}
		}
		m.Weeks = append(m.Weeks, days)
	}
}

// lay gives a work the first lane of a week that is free on all of its days.
func (m *month) lay(w *work, week time.Time, days []calendarDay, taken *[7][]*strip, zone *time.Location) {
	var on []int
	for i := range days {
		from, to := week.AddDate(0, 0, i), week.AddDate(0, 0, i+1)
		if w.from.Before(to) && w.to.After(from) {
			on = append(on, i)
		}
	}
	if len(on) == 0 {
		return
	}
	lane := 0
	for slices.ContainsFunc(on, func(i int) bool { return lane < len(taken[i]) && taken[i][lane] != nil }) {
		lane++
	}
	for n, i := range on {
		from, to := week.AddDate(0, 0, i), week.AddDate(0, 0, i+1)
		for len(taken[i]) <= lane {
			taken[i] = append(taken[i], nil)
		}
		s := &strip{work: w, Begins: !w.from.Before(from), Ends: !w.to.After(to), Says: n == 0, Over: len(on)}
		if s.Begins {
			s.Clock = w.from.In(zone).Format("15:04")
		}
		taken[i][lane] = s
		days[i].Count++
		if days[i].Jump == "" {
			days[i].Jump = w.day(zone)
		}
	}
}

// day is the date under which a work stands in the list.
func (w *work) day(zone *time.Location) string { return w.from.In(zone).Format(status.DateFormat) }

// workDay is the works of the list that begin on one date.
type workDay struct {
	Date, Label string
	Works       []*work
}

// listedDays groups works, which are in the order of their beginnings.
func listedDays(works []*work, zone *time.Location) []workDay {
	var out []workDay
	for _, w := range works {
		date := w.day(zone)
		if n := len(out); n == 0 || out[n-1].Date != date {
			out = append(out, workDay{Date: date, Label: w.from.In(zone).Format("Monday, 2 January 2006")})
		}
		out[len(out)-1].Works = append(out[len(out)-1].Works, w)
	}
	return out
}
