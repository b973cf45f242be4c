package transfer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/internal/status"
)

// Get answers the body of an address. ErrNone when there is nothing at it (404);
// whatever else goes wrong is an error with the mend.
type Get func(ctx context.Context, address string) ([]byte, error)

// ErrNone is answered by Get when there is nothing at an address.
var ErrNone = errors.New("there is nothing at that address")

// Documents of Statuspage's public interface, version 2. What its summary has,
// the lists have too; each has a page.
type (
	spDocument struct {
		Page         *spPage           `json:"page"`
		Components   list[spComponent] `json:"components"`
		Incidents    list[spIncident]  `json:"incidents"`
		Maintenances list[spIncident]  `json:"scheduled_maintenances"`
	}
	spPage struct {
		ID       text `json:"id"`
		Name     text `json:"name"`
		URL      text `json:"url"`
		TimeZone text `json:"time_zone"`
	}
	spComponent struct {
		ID          name   `json:"id"`
		Name        text   `json:"name"`
		Status      text   `json:"status"`
		Created     when   `json:"created_at"`
		StartDate   when   `json:"start_date"`
		Position    number `json:"position"`
		Description text   `json:"description"`
		GroupID     name   `json:"group_id"`
		Group       bool   `json:"group"`
	}
	spIncident struct {
		ID         name              `json:"id"`
		Name       text              `json:"name"`
		Status     text              `json:"status"`
		Created    when              `json:"created_at"`
		Started    when              `json:"started_at"`
		Resolved   when              `json:"resolved_at"`
		Impact     text              `json:"impact"`
		Updates    list[spUpdate]    `json:"incident_updates"`
		Components list[spComponent] `json:"components"`
		For        when              `json:"scheduled_for"`
		Until      when              `json:"scheduled_until"`
		Postmortem text              `json:"postmortem_body"`
	}
	spUpdate struct {
		ID       name             `json:"id"`
		Status   text             `json:"status"`
		Body     text             `json:"body"`
		Created  when             `json:"created_at"`
		Display  when             `json:"display_at"`
		Affected list[spAffected] `json:"affected_components"`
	}
	spAffected struct {
		Code name `json:"code"`
		Old  text `json:"old_status"`
		New  text `json:"new_status"`
	}
)

// spNewest is how many incidents Statuspage lists.
const spNewest = 50

// FetchStatuspage reads a page of Statuspage, or of whatever has its interface,
// given where the page is.
func FetchStatuspage(ctx context.Context, get Get, base string, now time.Time) (Page, []string, error) {
	base, err := cutAt(base, "/api/v2")
	if err != nil {
		return Page{}, nil, err
	}
	bodies, err := fetched(ctx, get, base+"/api/v2/", refuse("address", "has no /api/v2/summary.json", "give the address of the page as visitors open it"),
		"summary.json", "incidents.json", "scheduled-maintenances.json")
	if err != nil {
		return Page{}, nil, err
	}
	return Statuspage(now, bodies...)
}

// fetched gets what stands below an address: the first must be there, else it answers
// missing.
func fetched(ctx context.Context, get Get, base string, missing error, parts ...string) ([][]byte, error) {
	var bodies [][]byte
	for i, part := range parts {
		b, err := get(ctx, base+part)
		if errors.Is(err, ErrNone) && i > 0 {
			continue
		} else if errors.Is(err, ErrNone) {
			return nil, missing
		} else if err != nil {
			return nil, err
		}
		bodies = append(bodies, b)
	}
	return bodies, nil
}

// cutAt is an address without what follows a path in it.
func cutAt(address, path string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", refuse("address", "is none", "start it with https:// or http://")
	}
	if u.User != nil {
		return "", refuse("address", "has a name or a password in it", "leave it out: what is on a command line, everybody on this machine can read")
	}
	before, _, _ := strings.Cut(u.EscapedPath(), path)
	return u.Scheme + "://" + u.Host + strings.TrimRight(before, "/"), nil
}

// loose decodes a document of others: its parts may be of any kind, but it must be
// an object.
func loose(raw []byte, v any) error {
	if err := isJSON(raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return explain(raw, err)
	}
	return nil
}

// Statuspage reads documents of one page: its summary, and the lists of its
// incidents and scheduled maintenances where they are at hand.
func Statuspage(now time.Time, bodies ...[]byte) (Page, []string, error) {
	r := spReader{now: now, all: spDocument{}, parts: map[string]bool{}}
	for _, b := range bodies {
		var d spDocument
		if err := loose(b, &d); err != nil {
			return Page{}, nil, err
		}
		switch {
		case d.Page == nil || d.Page.Name == "":
			return Page{}, nil, refuse("page", "is missing", "give the JSON of /api/v2/summary.json of the page")
		case r.all.Page == nil:
			r.all.Page = d.Page
		case r.all.Page.ID != d.Page.ID:
			return Page{}, nil, refuse("page.id", "is not the same in all files", "give files of one page")
		}
		if len(d.Components) > 0 {
			r.all.Components = d.Components
		}
		r.all.Incidents = append(r.all.Incidents, d.Incidents...)
		r.all.Maintenances = append(r.all.Maintenances, d.Maintenances...)
		r.listed = max(r.listed, len(d.Incidents))
	}
	if r.all.Page == nil {
		return Page{}, nil, refuse("content", "is empty", "give the JSON of /api/v2/summary.json of the page")
	}
	return r.read()
}

// spReader makes a page of ours.
type spReader struct {
	now    time.Time
	zone   *time.Location
	all    spDocument
	listed int
	parts  map[string]bool
	notes  notes
	page   Page
}

func (r *spReader) read() (Page, []string, error) {
	p := r.all.Page
	r.page = Page{From: FromStatuspage, ID: string(p.ID), Name: cmp.Or(oneLine(string(p.Name), status.MaxTitle), "Status"), Zone: "UTC", Slug: Slug(string(p.Name))}
	if u, err := url.Parse(string(p.URL)); err == nil && strings.HasSuffix(u.Host, ".statuspage.io") {
		r.page.Slug = Slug(strings.TrimSuffix(u.Host, ".statuspage.io"))
	}
	r.zone = time.UTC
	if z, err := time.LoadLocation(string(p.TimeZone)); err == nil && p.TimeZone != "" && p.TimeZone != "Local" {
		r.page.Zone, r.zone = string(p.TimeZone), z
	}
	for _, c := range r.all.Components {
		r.component(&c)
	}
	r.tidy()
	ids := map[name]bool{}
	for i := range r.all.Incidents {
		if n := &r.all.Incidents[i]; n.ID != "" && !ids[n.ID] {
			ids[n.ID] = true
			r.incident(n)
		}
	}
	if r.listed >= spNewest {
		r.notes.add("Statuspage lists its newest %d incidents: older ones stay there.", spNewest)
	}
	for i := range r.all.Maintenances {
		if n := &r.all.Maintenances[i]; n.ID != "" && !ids[n.ID] {
			ids[n.ID] = true
			r.maintenance(n)
		}
	}
	r.history()
	return r.page, r.notes.list, nil
}

func (r *spReader) component(c *spComponent) {
	title := oneLine(string(c.Name), status.MaxTitle)
	switch {
	case c.ID == "" || r.parts[string(c.ID)]:
		return
	case title == "":
		r.notes.add("A component without a name was left out.")
		return
	}
	r.parts[string(c.ID)] = true
	about, at := body(string(c.Description), status.MaxAbout), c.Created.in(r.zone)
	if at.After(r.now) {
		at = time.Time{}
	}
	if c.Group {
		r.page.Groups = append(r.page.Groups, Group{ID: string(c.ID), Name: title, About: about, Position: int(c.Position), Created: at})
		return
	}
	state, ok := spState(string(c.Status))
	if !ok {
		r.notes.add("“%s” has the state “%s”, which is not known here: it is taken for operational.", title, oneLine(string(c.Status), 40))
	}
	if state == status.Maintained { // is said by the maintenance
		state = status.Operational
	}
	if d := c.StartDate.in(r.zone); !d.IsZero() && d.Before(r.now) && (at.IsZero() || d.Before(at)) {
		at = d // from when on it is shown
	}
	r.page.Components = append(r.page.Components, Component{ID: string(c.ID), GroupID: string(c.GroupID), Name: title, About: about,
		Position: int(c.Position), State: state, Created: at})
}

// tidy puts groups and components into the order in which Statuspage shows them,
// counted through, and holds them to our bounds.
func (r *spReader) tidy() {
	p := &r.page
	if len(p.Groups) > mostGroups {
		r.notes.add("There are %d groups; the first %d are taken.", len(p.Groups), mostGroups)
		p.Groups = p.Groups[:mostGroups]
	}
	if len(p.Components) > status.MaxParts {
		r.notes.add("There are %d components; the first %d are taken.", len(p.Components), status.MaxParts)
		p.Components = p.Components[:status.MaxParts]
	}
	slices.SortStableFunc(p.Groups, func(a, b Group) int { return cmp.Compare(a.Position, b.Position) })
	slices.SortStableFunc(p.Components, func(a, b Component) int { return cmp.Compare(a.Position, b.Position) })
	groups := map[string]bool{}
	for i := range p.Groups {
		p.Groups[i].Position = i
		groups[p.Groups[i].ID] = true
	}
	kept := map[string]bool{}
	for i := range p.Components {
		c := &p.Components[i]
		c.Position, kept[c.ID] = i, true
		if c.GroupID != "" && !groups[c.GroupID] {
			c.GroupID = ""
		}
	}
	r.parts = kept
}

func spState(s string) (status.State, bool) {
	if st := status.State(s); st.Rank() >= 0 {
		return st, true
	}
	return status.Operational, s == ""
}

func spImpact(s string) status.Impact {
	switch i := status.Impact(s); i {
	case status.ImpactMinor, status.ImpactMajor, status.ImpactCritical:
		return i
	case status.ImpactNone:
	}
	return status.ImpactNone
}

// updates are those of an incident or a maintenance, oldest first.
func (r *spReader) updates(of *spIncident, phaseOf func(string) status.Phase) (out []Update, postmortem string) {
	for _, u := range of.Updates {
		at := u.Display.in(r.zone)
		if at.IsZero() {
			at = u.Created.in(r.zone)
		}
		words := body(string(u.Body), status.MaxBody)
		if u.Status == "postmortem" {
			postmortem = body(string(u.Body), status.MaxPostmortem)
			continue
		}
		if at.IsZero() || words == "" || u.ID == "" {
			continue
		}
		if at.After(r.now) {
			at = ms(r.now)
		}
		posted := u.Created.in(r.zone)
		if posted.IsZero() || posted.After(r.now) {
			posted = at
		}
		v := Update{ID: string(u.ID), Phase: phaseOf(string(u.Status)), Body: words, At: at, Posted: posted, By: "Statuspage"}
		for _, a := range u.Affected {
			to, ok := spState(string(a.New))
			from, _ := spState(string(a.Old))
			if !ok || !r.parts[string(a.Code)] || slices.ContainsFunc(v.Changes, func(c Change) bool { return c.ComponentID == string(a.Code) }) {
				continue
			}
			v.Changes = append(v.Changes, Change{string(a.Code), from, to})
		}
		out = append(out, v)
	}
	out = sorted(out)
	if len(out) > status.MaxUpdates {
		r.notes.add("“%s” has more than %d updates: the first ones are left out.", oneLine(string(of.Name), 80), status.MaxUpdates)
		out = out[len(out)-status.MaxUpdates:]
	}
	return out, postmortem
}

// affected are the components that something names.
func (r *spReader) affected(of *spIncident, updates []Update) (ids []string) {
	add := func(id string) {
		if r.parts[id] && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, c := range of.Components {
		add(string(c.ID))
	}
	for i := range updates {
		for _, c := range updates[i].Changes {
			add(c.ComponentID)
		}
	}
	return ids
}

func (r *spReader) incident(n *spIncident) {
	i := Incident{ID: string(n.ID), Title: cmp.Or(oneLine(string(n.Name), status.MaxTitle), "Incident"), Impact: spImpact(string(n.Impact)), Created: n.Created.in(r.zone)}
	phase := func(s string) status.Phase {
		switch p := status.Phase(s); p { //nolint:exhaustive // those of an incident
		case status.Investigating, status.Identified, status.Monitoring, status.Resolved, status.Postmortem:
			return p
		}
		return status.Investigating
	}
	i.Phase = phase(string(n.Status))
	i.Updates, i.Postmortem = r.updates(n, phase)
	if i.Postmortem == "" {
		i.Postmortem = body(string(n.Postmortem), status.MaxPostmortem)
	}
	if i.Phase == status.Postmortem && i.Postmortem == "" {
		i.Phase = status.Resolved
	}
	i.Components = r.affected(n, i.Updates)
	i.Started, i.ResolvedAt = n.Started.in(r.zone), n.Resolved.in(r.zone)
	finishIncident(&i, r.now)
	if i.Started.IsZero() {
		r.notes.add("“%s” has no time: it was left out.", i.Title)
		return
	}
	r.page.Incidents = append(r.page.Incidents, i)
}

// finishIncident makes the times of an incident go together.
func finishIncident(i *Incident, now time.Time) {
	if i.Started.IsZero() {
		i.Started = i.Created
	}
	if len(i.Updates) > 0 && (i.Started.IsZero() || i.Updates[0].At.Before(i.Started)) {
		i.Started = i.Updates[0].At
	}
	if i.Started.After(now) {
		i.Started = ms(now)
	}
	if i.Created.IsZero() || i.Created.After(now) {
		i.Created = i.Started
	}
	if i.Phase != status.Resolved && i.Phase != status.Postmortem {
		i.ResolvedAt = time.Time{}
		return
	}
	if i.ResolvedAt.IsZero() && len(i.Updates) > 0 {
		i.ResolvedAt = i.Updates[len(i.Updates)-1].At
	}
	if i.ResolvedAt.Before(i.Started) {
		i.ResolvedAt = i.Started
	}
	if i.ResolvedAt.After(now) {
		i.ResolvedAt = ms(now)
	}
}

func (r *spReader) maintenance(n *spIncident) {
	m := Maintenance{ID: string(n.ID), Title: cmp.Or(oneLine(string(n.Name), status.MaxTitle), "Maintenance"), Impact: spImpact(string(n.Impact)), Created: n.Created.in(r.zone),
		Start: n.For.in(r.zone), End: n.Until.in(r.zone)}
	phase := func(s string) status.Phase {
		switch p := status.Phase(s); p { //nolint:exhaustive // those of a maintenance
		case status.Scheduled, status.InProgress, status.Verifying, status.Completed, status.Cancelled:
			return p
		}
		return status.Scheduled
	}
	m.Phase = phase(string(n.Status))
	m.Updates, _ = r.updates(n, phase)
	for i := range m.Updates { // work says so by itself
		m.Updates[i].Changes = slices.DeleteFunc(m.Updates[i].Changes, func(c Change) bool { return c.To == status.Maintained || c.From == status.Maintained })
	}
	m.Components = r.affected(n, m.Updates)
	m.Ended = n.Resolved.in(r.zone)
	if !finishMaintenance(&m, r.now) {
		r.notes.add("“%s” has no time: it was left out.", m.Title)
		return
	}
	r.page.Maintenances = append(r.page.Maintenances, m)
}

// finishMaintenance makes the times of a maintenance go together, and has it begin
// and end by itself where that lies ahead. false for one without a begin.
func finishMaintenance(m *Maintenance, now time.Time) bool {
	if m.Start.IsZero() {
		return false
	}
	const year = 366 * 24 * time.Hour
	if !m.End.After(m.Start) {
		m.End = m.Start.Add(time.Hour)
	}
	if m.End.Sub(m.Start) > year {
		m.End = m.Start.Add(year)
	}
	if m.Created.IsZero() || m.Created.After(now) {
		m.Created = ms(now)
		if m.Start.Before(now) {
			m.Created = m.Start
		}
	}
	if m.Phase == status.Completed || m.Phase == status.Cancelled {
		if m.Ended.IsZero() && len(m.Updates) > 0 {
			m.Ended = m.Updates[len(m.Updates)-1].At
		}
		if m.Ended.IsZero() || m.Ended.After(now) {
			m.Ended = m.End
		}
		if m.Ended.After(now) {
			m.Ended = ms(now)
		}
		return true
	}
	m.Ended = time.Time{}
	m.AutoStart, m.AutoEnd = m.Phase == status.Scheduled && m.Start.After(now), m.End.After(now)
	// The page that it comes from has reminded of it.
	if m.Start.Sub(now) <= 24*time.Hour {
		m.Reminded = append(m.Reminded, status.RemindDay)
	}
	if m.Start.Sub(now) <= time.Hour {
		m.Reminded = append(m.Reminded, status.RemindHour)
	}
	return true
}

// history makes what was recorded of components out of what the updates of
// incidents and maintenances say of them: that is how Statuspage counts, too. Where
// the list of incidents was cut, it begins with the oldest of them.
func (r *spReader) history() {
	type turn struct {
		at    time.Time
		state status.State
		by    string
	}
	turns := map[string][]turn{}
	oldest := r.now
	for i := range r.page.Incidents {
		n := &r.page.Incidents[i]
		if n.Started.Before(oldest) {
			oldest = n.Started
		}
		for j := range n.Updates {
			for _, c := range n.Updates[j].Changes {
				turns[c.ComponentID] = append(turns[c.ComponentID], turn{n.Updates[j].At, c.To, "incident " + clip(n.Title, 100)})
			}
		}
	}
	cut := r.listed >= spNewest
	for i := range r.page.Components {
		c := &r.page.Components[i]
		list := turns[c.ID]
		slices.SortStableFunc(list, func(a, b turn) int { return a.at.Compare(b.at) })
		begin := c.Created
		if begin.IsZero() || cut && begin.Before(oldest) {
			begin = oldest
		}
		if len(list) > 0 && list[0].at.Before(begin) {
			begin = list[0].at
		}
		c.Created = ms(begin)
		put := func(at time.Time, s status.State, by string) {
			k := len(c.Intervals) - 1
			switch {
			case k >= 0 && c.Intervals[k].State == s:
				return
			case k >= 0 && !at.After(c.Intervals[k].Start):
				c.Intervals[k].State, c.Intervals[k].By = s, by
				return
			case k >= 0:
				c.Intervals[k].End = at
			}
			c.Intervals = append(c.Intervals, Interval{State: s, Start: at, By: by})
		}
		put(c.Created, status.Operational, "Statuspage")
		for _, t := range list {
			put(t.at, t.state, t.by)
		}
		if k := len(c.Intervals) - 1; c.Intervals[k].State != c.State {
			// It changed without an incident, nobody knows when: from now on.
			put(ms(r.now), c.State, "Statuspage")
		}
		c.Intervals = joined(c.Intervals)
		c.Since = c.Intervals[len(c.Intervals)-1].Start
	}
}

// joined makes one of neighbours that are alike.
func joined(list []Interval) []Interval {
	out := list[:0]
	for _, v := range list {
		if k := len(out) - 1; k >= 0 && out[k].State == v.State {
			out[k].End = v.End
			continue
		}
		out = append(out, v)
	}
	return out
}
