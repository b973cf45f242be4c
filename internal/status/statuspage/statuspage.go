// Package statuspage writes a page as Statuspage's public API does (version 2,
// read-only), so that what reads that reads ours: the summary, the status, the
// components, incidents and scheduled maintenance.
package statuspage

import (
	"time"

	"tocsin/internal/status"
)

// Page names the page.
type Page struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	URL       string `json:"url"`
	TimeZone  string `json:"time_zone"`
	UpdatedAt Time   `json:"updated_at"`
}

// Status is the page in one word and one sentence.
type Status struct {
	Indicator   string `json:"indicator"` // none, minor, major, critical, maintenance
	Description string `json:"description"`
}

// Component is a component, or a group of them.
type Component struct {
	ID                 string   `json:"id"`
	Name               string   `json:"name"`
	Status             string   `json:"status"`
	CreatedAt          Time     `json:"created_at"`
	UpdatedAt          Time     `json:"updated_at"`
	Position           int      `json:"position"`
	Description        *string  `json:"description"`
	Showcase           bool     `json:"showcase"`
	StartDate          *string  `json:"start_date"`
	GroupID            *string  `json:"group_id"`
	PageID             string   `json:"page_id"`
	Group              bool     `json:"group"`
	OnlyShowIfDegraded bool     `json:"only_show_if_degraded"`
	Components         []string `json:"components,omitempty"` // of a group
}

// Affected is what an update made of a component.
type Affected struct {
	Code      string `json:"code"`
	Name      string `json:"name"`
	OldStatus string `json:"old_status"`
	NewStatus string `json:"new_status"`
}

// Update is one message.
type Update struct {
	ID                   string     `json:"id"`
	Status               string     `json:"status"`
	Body                 string     `json:"body"`
	IncidentID           string     `json:"incident_id"`
	CreatedAt            Time       `json:"created_at"`
	UpdatedAt            Time       `json:"updated_at"`
	DisplayAt            Time       `json:"display_at"`
	AffectedComponents   []Affected `json:"affected_components"`
	DeliverNotifications bool       `json:"deliver_notifications"`
	CustomTweet          *string    `json:"custom_tweet"`
	TweetID              *string    `json:"tweet_id"`
}

// Incident is an incident, or a scheduled maintenance with its times.
type Incident struct {
	ID              string      `json:"id"`
	Name            string      `json:"name"`
	Status          string      `json:"status"`
	CreatedAt       Time        `json:"created_at"`
	UpdatedAt       Time        `json:"updated_at"`
	MonitoringAt    *Time       `json:"monitoring_at"`
	ResolvedAt      *Time       `json:"resolved_at"`
	Impact          string      `json:"impact"`
	Shortlink       string      `json:"shortlink"`
	StartedAt       Time        `json:"started_at"`
	PageID          string      `json:"page_id"`
	IncidentUpdates []Update    `json:"incident_updates"`
	Components      []Component `json:"components"`
	ScheduledFor    *Time       `json:"scheduled_for,omitempty"`
	ScheduledUntil  *Time       `json:"scheduled_until,omitempty"`
}

// The documents, by the names of their addresses.
type (
	// Summary is /api/v2/summary.json.
	Summary struct {
		Page                  Page        `json:"page"`
		Components            []Component `json:"components"`
		Incidents             []Incident  `json:"incidents"`
		ScheduledMaintenances []Incident  `json:"scheduled_maintenances"`
		Status                Status      `json:"status"`
	}
	// StatusDocument is /api/v2/status.json.
	StatusDocument struct {
		Page   Page   `json:"page"`
		Status Status `json:"status"`
	}
	// Components is /api/v2/components.json.
	Components struct {
		Page       Page        `json:"page"`
		Components []Component `json:"components"`
	}
	// Incidents is /api/v2/incidents.json and /api/v2/incidents/unresolved.json.
	Incidents struct {
		Page      Page       `json:"page"`
		Incidents []Incident `json:"incidents"`
	}
	// Maintenances is /api/v2/scheduled-maintenances.json, and those below it.
	Maintenances struct {
		Page                  Page       `json:"page"`
		ScheduledMaintenances []Incident `json:"scheduled_maintenances"`
	}
)

// Time is written with milliseconds and the offset of the page's zone.
type Time struct{ time.Time }

// MarshalText writes 2026-11-22T12:00:00.000+01:00.
func (t Time) MarshalText() ([]byte, error) {
	return t.AppendFormat(nil, "2006-01-02T15:04:05.000Z07:00"), nil
}

// MarshalJSON is MarshalText in quotes; time.Time's own would win else.
func (t Time) MarshalJSON() ([]byte, error) {
	return t.AppendFormat(nil, `"2006-01-02T15:04:05.000Z07:00"`), nil
}

// Writer makes the documents of one snapshot. It is for one goroutine.
type Writer struct {
	Snapshot status.Snapshot
	Zone     *time.Location
	URL      string                       // of the page, without a slash at its end
	Updated  time.Time                    // when something last changed, see Changed
	Text     func(markdown string) string // makes plain text
	Ended    []status.Incident            // of the list of all incidents, besides the open ones
	Done     []status.Maintenance         // likewise

	all  []Component          // made once
	byID map[string]Component // of all, without groups
}

// Changed is when something that visitors can see last changed: it stays what it
// is while a page is only made anew.
func Changed(r *status.Record) time.Time {
	last := r.Page.Created
	note := func(times ...time.Time) {
		for _, t := range times {
			if t.After(last) {
				last = t
			}
		}
	}
	for i := range r.Groups {
		note(r.Groups[i].Created)
	}
	for i := range r.Components {
		note(r.Components[i].Created, r.Components[i].Since)
	}
	told := func(us []status.Update) {
		for i := range us {
			note(us[i].Posted)
		}
	}
	for i := range r.Incidents {
		if in := &r.Incidents[i]; !in.Draft {
			note(in.Created, in.ResolvedAt)
			told(in.Updates)
		}
	}
	for i := range r.Maintenances {
		note(r.Maintenances[i].Created)
		told(r.Maintenances[i].Updates)
	}
	return last
}

func (w *Writer) time(t time.Time) Time { return Time{t.In(w.Zone)} }

func (w *Writer) page() Page {
	p := w.Snapshot.Page
	return Page{ID: p.ID, Name: p.Name, URL: w.URL, TimeZone: w.Zone.String(), UpdatedAt: w.time(w.Updated)}
}

// Overall is a state in Statuspage's words.
func Overall(s status.State) Status {
	switch s {
	case status.Degraded:
		return Status{"minor", "Partially Degraded Service"}
	case status.Partial:
		return Status{"major", "Partial System Outage"}
	case status.Major:
		return Status{"critical", "Major Service Outage"}
	case status.Maintained:
		return Status{"maintenance", "Service Under Maintenance"}
	}
	return Status{"none", "All Systems Operational"}
}

// Status is the document of status.json.
func (w *Writer) Status() StatusDocument {
	return StatusDocument{w.page(), Overall(w.Snapshot.State)}
}

// Summary is the document of summary.json.
func (w *Writer) Summary() Summary {
	return Summary{w.page(), w.components(), w.incidents(w.Snapshot.Open),
		w.maintenances(append(append([]status.Maintenance{}, w.Snapshot.Active...), w.Snapshot.Upcoming...)), Overall(w.Snapshot.State)}
}

// Components is the document of components.json.
func (w *Writer) Components() Components { return Components{w.page(), w.components()} }

// Unresolved is the document of incidents/unresolved.json.
func (w *Writer) Unresolved() Incidents { return Incidents{w.page(), w.incidents(w.Snapshot.Open)} }

// Incidents is the document of incidents.json: the newest 50.
func (w *Writer) Incidents() Incidents {
	all := append(append([]status.Incident{}, w.Snapshot.Open...), w.Ended...)
	return Incidents{w.page(), w.incidents(all[:min(50, len(all))])}
}

// Active is the document of scheduled-maintenances/active.json.
func (w *Writer) Active() Maintenances {
	return Maintenances{w.page(), w.maintenances(w.Snapshot.Active)}
}

// Upcoming is the document of scheduled-maintenances/upcoming.json.
func (w *Writer) Upcoming() Maintenances {
	return Maintenances{w.page(), w.maintenances(w.Snapshot.Upcoming)}
}

// Maintenances is the document of scheduled-maintenances.json: the newest 50.
func (w *Writer) Maintenances() Maintenances {
	all := append(append(append([]status.Maintenance{}, w.Snapshot.Upcoming...), w.Snapshot.Active...), w.Done...)
	return Maintenances{w.page(), w.maintenances(all[:min(50, len(all))])}
}

// components lists groups and components as Statuspage does, one after the other.
// There, groups do not stand in groups: an inner one is listed beside the outer,
// whose name it has before its own.
func (w *Writer) components() []Component {
	if w.all != nil {
		return w.all
	}
	out := []Component{}
	w.byID = map[string]Component{}
	var walk func(groups []status.GroupView, before string)
	walk = func(groups []status.GroupView, before string) {
		for i := range groups {
			g := &groups[i]
			var within *string
			if g.ID != "" {
				within = &g.ID
				c := Component{ID: g.ID, Name: before + g.Name, Status: string(g.State), CreatedAt: w.time(g.Created), UpdatedAt: w.time(w.Updated),
					Position: len(out) + 1, Description: text(g.About), PageID: w.Snapshot.Page.ID, Group: true, Components: []string{}}
				for j := range g.Components {
					c.Components = append(c.Components, g.Components[j].ID)
				}
				out = append(out, c)
			}
			for j := range g.Components {
				c := w.component(&g.Components[j], within, len(out)+1)
				w.byID[c.ID] = c
				out = append(out, c)
			}
			walk(g.Groups, before+g.Name+" – ")
		}
	}
	walk(w.Snapshot.Groups, "")
	w.all = out
	return out
}

func (w *Writer) component(c *status.ComponentView, group *string, position int) Component {
	start := c.Created.In(w.Zone).Format(status.DateFormat)
	since := c.Since
	if since.Before(c.Created) {
		since = c.Created
	}
	return Component{ID: c.ID, Name: c.Name, Status: string(c.Shown), CreatedAt: w.time(c.Created), UpdatedAt: w.time(since),
		Position: position, Description: text(c.About), Showcase: true, StartDate: &start, GroupID: group, PageID: w.Snapshot.Page.ID}
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// named answers those components that visitors can see.
func (w *Writer) named(ids []string) []Component {
	w.components()
	out := []Component{}
	for _, id := range ids {
		if c, ok := w.byID[id]; ok {
			out = append(out, c)
		}
	}
	return out
}

func (w *Writer) incidents(in []status.Incident) []Incident {
	out := []Incident{}
	for _, i := range in {
		v := Incident{ID: i.ID, Name: i.Title, Status: string(i.Phase), CreatedAt: w.time(i.Created), UpdatedAt: w.time(i.Created),
			Impact: string(i.Impact), Shortlink: w.URL + "/incidents/" + i.ID, StartedAt: w.time(i.Started), PageID: w.Snapshot.Page.ID, Components: w.named(i.Components)}
		if !i.ResolvedAt.IsZero() {
			t := w.time(i.ResolvedAt)
			v.ResolvedAt = &t
		}
		w.updates(&v, i.Updates)
		out = append(out, v)
	}
	return out
}

func (w *Writer) maintenances(in []status.Maintenance) []Incident {
	out := []Incident{}
	for _, m := range in {
		begin, end := w.time(m.Start), w.time(m.End)
		v := Incident{ID: m.ID, Name: m.Title, Status: string(m.Phase), CreatedAt: w.time(m.Created), UpdatedAt: w.time(m.Created),
			Impact: "maintenance", Shortlink: w.URL + "/incidents/" + m.ID, StartedAt: begin, PageID: w.Snapshot.Page.ID,
			Components: w.named(m.Components), ScheduledFor: &begin, ScheduledUntil: &end}
		if m.Phase == status.Completed {
			v.ResolvedAt = &end
		}
		w.updates(&v, m.Updates)
		out = append(out, v)
	}
	return out
}

// updates puts them in, newest first as Statuspage has them.
func (w *Writer) updates(v *Incident, in []status.Update) {
	v.IncidentUpdates = []Update{}
	for i := len(in) - 1; i >= 0; i-- {
		u := &in[i]
		if u.Phase == status.Monitoring && v.MonitoringAt == nil {
			t := w.time(u.At)
			v.MonitoringAt = &t
		}
		if u.Posted.After(v.UpdatedAt.Time) {
			v.UpdatedAt = w.time(u.Posted)
		}
		x := Update{ID: u.ID, Status: string(u.Phase), Body: w.Text(u.Body), IncidentID: v.ID, CreatedAt: w.time(u.Posted), UpdatedAt: w.time(u.Posted),
			DisplayAt: w.time(u.At), DeliverNotifications: !u.Silent, AffectedComponents: []Affected{}}
		for _, c := range u.Changes {
			for _, k := range w.named([]string{c.ComponentID}) {
				x.AffectedComponents = append(x.AffectedComponents, Affected{k.ID, k.Name, string(c.From), string(c.To)})
			}
		}
		v.IncidentUpdates = append(v.IncidentUpdates, x)
	}
}
