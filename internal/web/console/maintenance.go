package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/status/recur"
)

// seriesPath is where maintenance that comes again is.
const seriesPath = "/console/series"

// Planned is what the pages of maintenance read besides Status.
type Planned interface {
	// StatusMaintenances lists maintenances, those that begin last first.
	StatusMaintenances(ctx context.Context, f publish.MaintenanceFilter) (list []status.Maintenance, next string, err error)
}

// maintenanceRoutes are announced work: the calendar, one, and what comes again.
func (c *console) maintenanceRoutes() []routing {
	return []routing{
		{"GET " + maintenancePath, auth.ReadConfig, c.maintenances},
		{"GET " + maintenancePath + "/new", auth.ReadConfig, c.newMaintenance},
		{"POST " + maintenancePath + "/new", auth.Publish, c.announceMaintenance},
		{"POST " + maintenancePath + "/new/check", auth.Publish, c.checkNewMaintenance},
		{"GET " + maintenancePath + "/{id}", auth.ReadConfig, c.maintenance},
		{"GET " + maintenancePath + "/{id}/edit", auth.ReadConfig, c.editMaintenance},
		{"POST " + maintenancePath + "/{id}/edit", auth.Publish, c.changeMaintenance},
		{"POST " + maintenancePath + "/{id}/check", auth.Publish, c.checkMaintenance},
		{"POST " + maintenancePath + "/{id}/update", auth.Publish, c.postMaintenance},
		{"POST " + maintenancePath + "/{id}/extend", auth.Publish, c.extendMaintenance},
		{"GET " + maintenancePath + "/{id}/cancel", auth.Publish, c.askCancelMaintenance},
		{"POST " + maintenancePath + "/{id}/cancel", auth.Publish, c.cancelMaintenance},
		{"GET " + maintenancePath + "/{id}/delete", auth.Publish, c.askDeleteMaintenance},
		{"POST " + maintenancePath + "/{id}/delete", auth.Publish, c.deleteMaintenance},
		{"GET " + maintenancePath + "/{id}/updates/{update}", auth.Publish, c.editMaintenanceUpdate},
		{"POST " + maintenancePath + "/{id}/updates/{update}", auth.Publish, c.changeMaintenanceUpdate},

		{"GET " + seriesPath + "/{id}", auth.ReadConfig, c.oneSeries},
		{"POST " + seriesPath + "/{id}", auth.WriteConfig, c.saveSeries},
		{"POST " + seriesPath + "/{id}/check", auth.WriteConfig, c.checkSeries},
		{"GET " + seriesPath + "/{id}/delete", auth.WriteConfig, c.askDeleteSeries},
		{"POST " + seriesPath + "/{id}/delete", auth.WriteConfig, c.deleteSeries},
	}
}

// plan is what the pages of maintenance know of a status page.
type plan struct {
	pageChoice
	Zone   *time.Location
	Groups []optionGroup     // its components; none is chosen
	Parts  map[string]string // names of components, by id
	Open   []status.Maintenance
	Series []publish.Planned
}

func zoneOf(name string) *time.Location {
	if z, err := time.LoadLocation(name); err == nil && name != "" {
		return z
	}
	return time.UTC
}

func (c *console) planOf(v *visit) (plan, error) {
	choice, err := c.choosePage(v)
	if err != nil || choice.Page.ID == "" {
		return plan{pageChoice: choice, Zone: time.UTC}, err
	}
	return c.planFor(v, choice)
}

func (c *console) planFor(v *visit, choice pageChoice) (plan, error) {
	p := plan{pageChoice: choice, Zone: zoneOf(choice.Page.Zone), Parts: map[string]string{}}
	groups, components, err := c.Store.StatusParts(v.Context(), p.Page.ID)
	if err != nil {
		return p, err
	}
	p.Groups = componentGroups(groups, components)
	for _, k := range components {
		p.Parts[k.ID] = k.Name
	}
	if p.Open, _, err = c.Store.StatusMaintenances(v.Context(), publish.MaintenanceFilter{PageID: p.Page.ID, Which: publish.Open, Limit: 500}); err != nil {
		return p, err
	}
	slices.SortFunc(p.Open, func(a, b status.Maintenance) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID)) })
	p.Series, err = c.Store.StatusSeries(v.Context(), p.Page.ID)
	return p, err
}

// componentGroups are a page's components to choose from, in the page's order, each
// under its groups. Hidden ones are no visitor's.
func componentGroups(groups []status.Group, components []status.Component) []optionGroup {
	var out []optionGroup
	under := func(id, title string) {
		g := optionGroup{Title: title}
		for _, k := range components {
			if k.GroupID == id && !k.Hidden {
				g.Options = append(g.Options, option{Value: k.ID, Title: k.Name})
			}
		}
		if len(g.Options) > 0 {
			out = append(out, g)
		}
	}
	under("", "")
	for _, g := range groups {
		if g.ParentID != "" {
			continue
		}
		under(g.ID, g.Name)
		for _, in := range groups {
			if in.ParentID == g.ID {
				under(in.ID, g.Name+" › "+in.Name)
			}
		}
	}
	return out
}

// choose marks components as chosen; those that the page shows no more stand at the
// end, so that they are not lost unseen.
func (p *plan) choose(ids []string) []optionGroup {
	out := make([]optionGroup, 0, len(p.Groups)+1)
	left := slices.Clone(ids)
	for _, g := range p.Groups {
		g.Options = slices.Clone(g.Options)
		for j := range g.Options {
			o := &g.Options[j]
			if o.Selected = slices.Contains(ids, o.Value); o.Selected {
				left = slices.DeleteFunc(left, func(id string) bool { return id == o.Value })
			}
		}
		out = append(out, g)
	}
	hidden := optionGroup{Title: "Hidden from visitors"}
	for _, id := range left {
		if p.Parts[id] != "" {
			hidden.Options = append(hidden.Options, option{id, p.Parts[id], true})
		}
	}
	if len(hidden.Options) > 0 {
		out = append(out, hidden)
	}
	return out
}

func (p *plan) names(ids []string) []string {
	var out []string
	for _, id := range ids {
		if n := p.Parts[id]; n != "" {
			out = append(out, n)
		}
	}
	return out
}

func (p *plan) work(m status.Maintenance, now time.Time) *work {
	w := &work{Maintenance: m, Look: workLook(m.Phase), When: spanText(m.Start, m.End, p.Zone), Parts: p.names(m.Components),
		Path: maintenancePath + "/" + m.ID, from: m.Start, to: m.End}
	if !workOver(m.Phase) {
		w.Overlaps = overlapsOf(m.ID, m.Components, m.Start, m.End, p.Open, p.Parts, p.Zone)
		w.Overdue = m.Phase == status.Scheduled && !m.AutoStart && !m.Start.After(now)
		if w.Late = !m.End.After(now) && m.Phase != status.Scheduled; w.Late {
			w.to = now
		}
	}
	return w
}

// mostAhead is for how long dates are looked at that are not announced yet.
const mostAhead = 2 * 366 * 24 * time.Hour

// ahead are the dates of series between two moments that are not announced yet.
func (p *plan) ahead(from, to, now time.Time) []*work {
	var out []*work
	if from.Sub(now) > mostAhead {
		return nil
	}
	for _, s := range p.Series {
		r, err := recur.Parse(s.Rule, s.Zone, s.Start)
		if err != nil {
			continue
		}
		after := now
		for _, at := range []time.Time{s.Last, from.Add(-time.Duration(s.Minutes) * time.Minute)} {
			if at.After(after) {
				after = at
			}
		}
		for _, at := range r.After(after, 62) {
			if !at.Before(to) || !s.Until.IsZero() && at.After(s.Until) {
				break
			}
			m := status.Maintenance{PageID: s.PageID, Title: s.Title, Components: s.Components, Start: at,
				End: at.Add(time.Duration(s.Minutes) * time.Minute), Series: s.ID}
			out = append(out, &work{Maintenance: m, Look: workLook(""), When: spanText(m.Start, m.End, p.Zone), Parts: p.names(m.Components),
				Path: seriesPath + "/" + s.ID, from: m.Start, to: m.End,
				Overlaps: overlapsOf("", m.Components, m.Start, m.End, p.Open, p.Parts, p.Zone)})
		}
	}
	return out
}

type maintenancesView struct {
	shell
	plan
	Month    month
	Days     []workDay
	Now      []*work // going on
	Next     *work   // that begins next
	Waiting  int     // announced
	Series   []seriesRow
	ZoneNow  string
	Feed     string
	Weekdays []string
	Together int // works of the list that lie at the same time on the same components
}

// seriesRow is a series in the list.
type seriesRow struct {
	publish.Planned
	Words, Clock, Lasts string
	Parts               []string
	Next                time.Time
	NextText            string
}

func (c *console) maintenances(w http.ResponseWriter, v *visit) error {
	p, err := c.planOf(v)
	if err != nil {
		return err
	}
	view := maintenancesView{shell: c.shell(w, v, maintenancePath, "Maintenance"), plan: p}
	if p.Page.ID == "" {
		return c.show(w, v, "maintenance", view)
	}
	view.Month = monthOf(v.URL.Query().Get("month"), v.now, p.Zone)
	for _, d := range weekdays() {
		view.Weekdays = append(view.Weekdays, d.String())
	}
	view.ZoneNow, view.Feed = v.now.In(p.Zone).Format("15:04 MST"), publicAddress(p.Page, "/maintenance.ics")
	listed, err := c.Store.Maintenances(v.Context(), p.Page.ID, view.Month.from, view.Month.end)
	if err != nil {
		return err
	}
	var works []*work
	for _, m := range listed {
		works = append(works, p.work(m, v.now))
	}
	for _, m := range p.Open {
		x := p.work(m, v.now)
		switch {
		case m.Phase != status.Scheduled, x.Overdue:
			view.Now = append(view.Now, x)
			// Whatever went on past its end stands on the days until today too.
			if x.Late && x.from.Before(view.Month.end) && x.to.After(view.Month.from) && !slices.ContainsFunc(works, func(o *work) bool { return o.ID == m.ID }) {
				works = append(works, x)
			}
		default:
			view.Waiting++
			if view.Next == nil {
				view.Next = x
			}
		}
	}
	works = append(works, p.ahead(view.Month.from, view.Month.end, v.now)...)
	slices.SortStableFunc(works, func(a, b *work) int {
		return cmp.Or(a.from.Compare(b.from), b.to.Compare(a.to), cmp.Compare(a.ID, b.ID))
	})
	view.Month.draw(works, v.now, p.Zone)
	for _, x := range works {
		if slices.ContainsFunc(x.Overlaps, func(o overlap) bool { return len(o.Shared) > 0 }) {
			view.Together++
		}
	}
	view.Days = listedDays(works, p.Zone)
	for _, s := range p.Series {
		view.Series = append(view.Series, p.seriesRow(s, v.now))
	}
	return c.show(w, v, "maintenance", view)
}

func (p *plan) seriesRow(s publish.Planned, now time.Time) seriesRow {
	zone := zoneOf(s.Zone)
	r := seriesRow{Planned: s, Words: ruleWords(s.Rule, s.Start.In(zone)), Clock: s.Start.In(zone).Format("15:04") + " " + s.Zone,
		Lasts: lasts(time.Duration(s.Minutes) * time.Minute), Parts: p.names(s.Components)}
	for _, m := range p.Open {
		if m.Series == s.ID && m.Start.After(now) {
			r.Next = m.Start
			break
		}
	}
	if rule, err := recur.Parse(s.Rule, s.Zone, s.Start); r.Next.IsZero() && err == nil {
		if next := rule.After(now, 1); len(next) > 0 && (s.Until.IsZero() || !next[0].After(s.Until)) {
			r.Next = next[0]
		}
	}
	if !r.Next.IsZero() {
		r.NextText = r.Next.In(zone).Format("Mon 2 Jan 2006, 15:04 MST")
	}
	return r
}

// lasts is a duration in words: "2 h 30 min", "3 d".
func lasts(d time.Duration) string {
	if d < time.Hour {
		return count(int(d/time.Minute), "minute", "minutes")
	}
	return length(d)
}
