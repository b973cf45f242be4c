package status

import (
	"cmp"
	"slices"
	"time"
)

// BarDays is for how many days a component has bars, today included.
const BarDays = 90

// Record is all that is stored of a page, as Snapshot needs it. Nobody changes
// it afterwards.
type Record struct {
	Page         Page
	Groups       []Group
	Components   []Component
	Incidents    []Incident            // that are open, or ended within the days that are shown
	Maintenances []Maintenance         // that are not over, or ended within the days that are shown
	Days         map[string][]Day      // closed ones, by component, in order
	Intervals    map[string][]Interval // by component, in order, from the first day that is not closed on
}

// Snapshot is a page as the public sees it at a moment. It holds nothing that
// the public may not see.
type Snapshot struct {
	Page     Page
	At       time.Time
	State    State       // the worst of all
	Groups   []GroupView // top level, in order; components without group are in one without a name
	Open     []Incident  // newest first
	Active   []Maintenance
	Upcoming []Maintenance // soonest first
	Past     []PastDay     // newest first
}

// GroupView is a group with what is in it.
type GroupView struct {
	Group
	State      State
	Components []ComponentView
	Groups     []GroupView
}

// ComponentView is a component with its bars.
type ComponentView struct {
	Component
	Shown  State // with maintenance
	Days   []Day // BarDays, oldest first
	Uptime int   // hundredths of a percent; see Known
	Known  bool  // whether anything is known at all
}

// PastDay is what happened on one day.
type PastDay struct {
	Date         string
	Incidents    []Incident
	Maintenances []Maintenance
}

// Take makes the snapshot of a page. zone must be the page's.
func Take(r Record, zone *time.Location, now time.Time) Snapshot {
	s := Snapshot{Page: r.Page, At: now, State: Operational}
	s.Page.Private.PasswordHash = ""
	maintained := map[string]bool{}
	for _, m := range r.Maintenances {
		switch m.Phase {
		case InProgress, Verifying:
			s.Active = append(s.Active, m)
			for _, c := range m.Components {
				maintained[c] = true
			}
		case Scheduled:
			s.Upcoming = append(s.Upcoming, m)
		}
	}
	for _, i := range r.Incidents {
		if !i.Draft && i.Phase != Resolved && i.Phase != Postmortem {
			s.Open = append(s.Open, i)
		}
	}
	slices.SortStableFunc(s.Open, func(a, b Incident) int { return b.Started.Compare(a.Started) })
	slices.SortStableFunc(s.Active, func(a, b Maintenance) int { return a.Start.Compare(b.Start) })
	slices.SortStableFunc(s.Upcoming, func(a, b Maintenance) int { return a.Start.Compare(b.Start) })

	dates := lastDates(now.In(zone).Format(DateFormat), BarDays)
	views := make([]ComponentView, 0, len(r.Components))
	for _, c := range r.Components {
		if !c.Hidden {
			views = append(views, view(c, maintained[c.ID], &r, zone, now, dates))
		}
	}
	slices.SortStableFunc(views, func(a, b ComponentView) int { return cmp.Or(a.Position-b.Position, cmp.Compare(a.ID, b.ID)) })
	s.Groups = tree(r.Groups, views)
	for i := range s.Groups {
		s.State = Worst(s.State, s.Groups[i].State)
	}
	s.Past = past(r, zone, now)
	return s
}

// view is a component with its bars. Maintenance never hides an outage: it shows
// only where nothing is wrong.
func view(c Component, maintained bool, r *Record, zone *time.Location, now time.Time, dates []string) ComponentView {
	v := ComponentView{Component: c, Shown: c.State}
	v.Bindings = nil
	if maintained {
		v.Shown = Worst(c.State, Maintained)
	}
	from := now.AddDate(0, 0, 1-BarDays)
	if frozen := r.Days[c.ID]; len(frozen) > 0 {
		if last, err := time.ParseInLocation(DateFormat, frozen[len(frozen)-1].Date, zone); err == nil && last.After(from) {
			from = last // counted twice, and the frozen one is taken
		}
	}
	v.Days = merge(r.Days[c.ID], Days(c.ID, r.Intervals[c.ID], zone, from, now), dates)
	v.Uptime, v.Known = Uptime(v.Days, DefaultWeights())
	return v
}

// tree puts components into their groups, groups into theirs. What names a group
// that is not there stands with those that have none.
func tree(groups []Group, views []ComponentView) []GroupView {
	known := map[string]bool{}
	for _, g := range groups {
		known[g.ID] = true
	}
	parts := map[string][]ComponentView{}
	for _, v := range views {
		id := v.GroupID
		if !known[id] {
			id = ""
		}
		parts[id] = append(parts[id], v)
	}
	sorted := slices.Clone(groups)
	slices.SortStableFunc(sorted, func(a, b Group) int { return cmp.Or(a.Position-b.Position, cmp.Compare(a.ID, b.ID)) })
	var out []GroupView
	if len(parts[""]) > 0 {
		out = append(out, group(Group{}, parts[""], nil))
	}
	for _, g := range sorted {
		if known[g.ParentID] {
			continue
		}
		var inner []GroupView
		for _, k := range sorted {
			if k.ParentID == g.ID && k.ID != g.ID {
				if sub := group(k, parts[k.ID], nil); len(sub.Components) > 0 {
					inner = append(inner, sub)
				}
			}
		}
		if top := group(g, parts[g.ID], inner); len(top.Components)+len(top.Groups) > 0 {
			out = append(out, top)
		}
	}
	return out
}

func group(g Group, parts []ComponentView, inner []GroupView) GroupView {
	v := GroupView{Group: g, State: Operational, Components: parts, Groups: inner}
	for i := range parts {
		v.State = Worst(v.State, parts[i].Shown)
	}
	for i := range inner {
		v.State = Worst(v.State, inner[i].State)
	}
	return v
}

// PastDays is how many days of the past a page shows; more is on the pages of
// months.
const PastDays = 14

// past lists what ended, by the day on which it began.
func past(r Record, zone *time.Location, now time.Time) []PastDay {
	var out []PastDay
	local := now.In(zone)
	index := map[string]int{}
	for i := range PastDays {
		date := dayStart(local.Year(), local.Month(), local.Day()-i, zone).Format(DateFormat)
		if _, twice := index[date]; !twice {
			index[date] = len(out)
			out = append(out, PastDay{Date: date})
		}
	}
	for _, i := range r.Incidents {
		if at, ok := index[i.Started.In(zone).Format(DateFormat)]; ok && !i.Draft && (i.Phase == Resolved || i.Phase == Postmortem) {
			out[at].Incidents = append(out[at].Incidents, i)
		}
	}
	for _, m := range r.Maintenances {
		if at, ok := index[m.Start.In(zone).Format(DateFormat)]; ok && m.Phase == Completed {
			out[at].Maintenances = append(out[at].Maintenances, m)
		}
	}
	return out
}
