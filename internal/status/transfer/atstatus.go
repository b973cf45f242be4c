package transfer

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/internal/status"
)

// Documents of ATStatus: what its open interface answers below
// /api/public/status/SLUG, and its API with a key below /api/v1. The two name some
// fields differently, and write ids as numbers or as texts.
type (
	atDocument struct {
		Components  *either[atComponent] `json:"components"`
		Groups      either[atGroup]      `json:"groups"`
		Incidents   either[atIncident]   `json:"incidents"`
		Active      either[atIncident]   `json:"activeIncidents"`
		Maintenance either[atWork]       `json:"maintenance"`
	}
	atComponent struct {
		ID      name   `json:"id"`
		Name    text   `json:"name"`
		About   text   `json:"description"`
		Status  text   `json:"status"`
		Group   text   `json:"group"` // the group's name
		GroupID name   `json:"groupId"`
		Order   number `json:"order"`
	}
	atGroup struct {
		ID    name   `json:"id"`
		Name  text   `json:"name"`
		Order number `json:"order"`
	}
	atIncident struct {
		ID       name           `json:"id"`
		Title    text           `json:"title"`
		Status   text           `json:"status"`
		Impact   text           `json:"impact"`
		Created  when           `json:"createdAt"`
		Resolved when           `json:"resolvedAt"`
		Updates  list[atUpdate] `json:"updates"`
		Affected list[atPart]   `json:"affectedComponents"`
	}
	atUpdate struct {
		ID      name `json:"id"`
		Status  text `json:"status"`
		Message text `json:"message"`
		Created when `json:"createdAt"`
	}
	atWork struct {
		ID        name         `json:"id"`
		Title     text         `json:"title"`
		About     text         `json:"description"`
		Status    text         `json:"status"`
		Start     when         `json:"scheduledStart"`
		End       when         `json:"scheduledEnd"`
		StartTime when         `json:"scheduledStartTime"`
		EndTime   when         `json:"scheduledEndTime"`
		Created   when         `json:"createdAt"`
		Affected  list[atPart] `json:"affectedComponents"`
	}
	// atPart is a component that something names: its id, or an object with it.
	atPart struct{ id name }
)

// UnmarshalJSON never fails: whatever names no component names none.
func (p *atPart) UnmarshalJSON(raw []byte) error {
	var o struct {
		ID        name `json:"id"`
		Component name `json:"componentId"`
	}
	if json.Unmarshal(raw, &o) == nil {
		p.id = cmp.Or(o.Component, o.ID)
		return nil
	}
	return p.id.UnmarshalJSON(raw)
}

const (
	atPath = "/api/public/status/"
	atMost = "500" // incidents that are asked for
)

// FetchATStatus reads a page of ATStatus, given its address with its slug.
func FetchATStatus(ctx context.Context, get Get, address string, now time.Time) (Page, []string, error) {
	base, err := cutAt(address, "/")
	if err != nil {
		return Page{}, nil, err
	}
	_, path, _ := strings.Cut(strings.TrimSpace(address), "://")
	_, path, _ = strings.Cut(strings.TrimRight(path, "/"), "/")
	slug := path[strings.LastIndex(path, "/")+1:]
	if _, rest, found := strings.Cut("/"+path, atPath); found {
		slug, _, _ = strings.Cut(rest, "/")
	}
	if slug, _, _ = strings.Cut(slug, "?"); slug == "" {
		return Page{}, nil, refuse("address", "names no page", "put the page's slug behind it: https://status.example.com/SLUG")
	}
	bodies, err := fetched(ctx, get, base+atPath+url.PathEscape(slug), refuse("address", "has no "+atPath+slug+"/components", "give the address of ATStatus, and behind it the slug of the page"),
		"/components", "/incidents?limit="+atMost, "/maintenance")
	if err != nil {
		return Page{}, nil, err
	}
	return ATStatus(slug, now, bodies...)
}

// ATStatus reads documents of one page: the answers of /api/public/status/SLUG,
// …/components, …/incidents and …/maintenance, or files with the same fields.
func ATStatus(slug string, now time.Time, bodies ...[]byte) (Page, []string, error) {
	r := atReader{now: now, parts: map[name]bool{}}
	known := false
	for _, b := range bodies {
		var d atDocument
		if err := loose(b, &d); err != nil {
			return Page{}, nil, err
		}
		if d.Components != nil && (len(*d.Components) >= len(r.components)) {
			r.components, known = *d.Components, true
		}
		r.groups = append(r.groups, d.Groups...)
		r.incidents = append(r.incidents, d.Incidents...)
		r.incidents = append(r.incidents, d.Active...)
		r.works = append(r.works, d.Maintenance...)
	}
	if !known {
		return Page{}, nil, refuse("components", "are missing", "give the JSON of "+atPath+"SLUG/components")
	}
	title := cmp.Or(oneLine(slug, status.MaxTitle), "Status")
	r.page = Page{From: FromATStatus, ID: FromATStatus, Slug: Slug(title), Name: title, Zone: time.UTC.String()}
	r.notes.add("ATStatus' interface does not tell the page's name and time zone: change them here.")
	r.read()
	return r.page, r.notes.list, nil
}

type atReader struct {
	now        time.Time
	components []atComponent
	groups     []atGroup
	incidents  []atIncident
	works      []atWork
	parts      map[name]bool
	notes      notes
	page       Page
}

func (r *atReader) read() {
	slices.SortStableFunc(r.groups, func(a, b atGroup) int { return cmp.Compare(a.Order, b.Order) })
	byID, byName := map[name]bool{}, map[text]string{}
	for _, g := range r.groups {
		title := oneLine(string(g.Name), status.MaxTitle)
		if g.ID == "" || title == "" || byID[g.ID] || len(r.page.Groups) >= mostGroups {
			continue
		}
		byID[g.ID], byName[g.Name] = true, string(g.ID)
		r.page.Groups = append(r.page.Groups, Group{ID: string(g.ID), Name: title, Position: len(r.page.Groups), Open: true})
	}
	slices.SortStableFunc(r.components, func(a, b atComponent) int { return cmp.Compare(a.Order, b.Order) })
	for _, c := range r.components {
		title := oneLine(string(c.Name), status.MaxTitle)
		if c.ID == "" || title == "" || r.parts[c.ID] {
			continue
		}
		if len(r.page.Components) >= status.MaxParts {
			r.notes.add("There are more than %d components: the others are left out.", status.MaxParts)
			break
		}
		r.parts[c.ID] = true
		out := Component{ID: string(c.ID), Name: title, About: body(string(c.About), status.MaxAbout), Position: len(r.page.Components), State: atState(c.Status)}
		if byID[c.GroupID] {
			out.GroupID = string(c.GroupID)
		} else {
			out.GroupID = byName[c.Group]
		}
		r.page.Components = append(r.page.Components, out)
	}
	seen := map[name]bool{}
	for i := range r.incidents {
		if n := &r.incidents[i]; n.ID != "" && !seen[n.ID] {
			seen[n.ID] = true
			r.incident(n)
		}
	}
	seen = map[name]bool{}
	for i := range r.works {
		if n := &r.works[i]; n.ID != "" && !seen[n.ID] {
			seen[n.ID] = true
			r.work(n)
		}
	}
}

// atState is a state; work shows as such by itself.
func atState(s text) status.State {
	switch strings.ToLower(string(s)) {
	case "degraded", "degraded_performance":
		return status.Degraded
	case "partial_outage":
		return status.Partial
	case "major_outage":
		return status.Major
	}
	return status.Operational
}

func atPhase(s text) status.Phase {
	switch p := status.Phase(strings.ToLower(string(s))); p { //nolint:exhaustive // those of an incident
	case status.Identified, status.Monitoring, status.Resolved:
		return p
	}
	return status.Investigating
}

func atImpact(s text) status.Impact {
	switch strings.ToLower(string(s)) {
	case "none":
		return status.ImpactNone
	case "major", "partial":
		return status.ImpactMajor
	case "critical":
		return status.ImpactCritical
	}
	return status.ImpactMinor
}

// named are those components of a list that the page has, each once.
func (r *atReader) named(list []atPart) (ids []string) {
	for _, p := range list {
		if id := string(p.id); r.parts[p.id] && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (r *atReader) incident(n *atIncident) {
	i := Incident{ID: string(n.ID), Title: cmp.Or(oneLine(string(n.Title), status.MaxTitle), "Incident"), Impact: atImpact(n.Impact), Phase: atPhase(n.Status),
		Created: past(n.Created.in(time.UTC), r.now), Components: r.named(n.Affected)}
	if i.Started = i.Created; i.Started.IsZero() {
		r.notes.add("“%s” has no time: it was left out.", i.Title)
		return
	}
	for k, u := range n.Updates {
		at, words := u.Created.in(time.UTC), body(string(u.Message), status.MaxBody)
		if words == "" || len(i.Updates) >= status.MaxUpdates {
			continue
		}
		if at.IsZero() || at.Before(i.Started) {
			at = i.Started
		}
		if at.After(r.now) {
			at = ms(r.now)
		}
		id := cmp.Or(string(u.ID), "u"+at.Format("20060102150405")+"-"+string(rune('a'+k%26)))
		i.Updates = append(i.Updates, Update{ID: string(n.ID) + "-" + id, Phase: atPhase(u.Status), Body: words, At: at, Posted: at, By: "ATStatus"})
	}
	i.Updates = sorted(i.Updates)
	if len(i.Updates) == 0 {
		i.Updates = []Update{{ID: "first-" + string(n.ID), Phase: i.Phase, Body: i.Title, At: i.Started, Posted: i.Started, By: "ATStatus"}}
	}
	i.Updates[len(i.Updates)-1].Phase = i.Phase
	if i.Phase == status.Resolved {
		i.ResolvedAt = past(n.Resolved.in(time.UTC), r.now)
	}
	finishIncident(&i, r.now)
	r.page.Incidents = append(r.page.Incidents, i)
}

func (r *atReader) work(n *atWork) {
	m := Maintenance{ID: string(n.ID), Title: cmp.Or(oneLine(string(n.Title), status.MaxTitle), "Maintenance"), Impact: status.ImpactNone, Phase: status.Scheduled,
		Start: n.Start.in(time.UTC), End: n.End.in(time.UTC), Created: past(n.Created.in(time.UTC), r.now), Components: r.named(n.Affected)}
	if m.Start.IsZero() {
		m.Start = n.StartTime.in(time.UTC)
	}
	if m.End.IsZero() {
		m.End = n.EndTime.in(time.UTC)
	}
	switch p := status.Phase(strings.ToLower(string(n.Status))); p { //nolint:exhaustive // those of a maintenance
	case status.InProgress, status.Completed, status.Cancelled:
		m.Phase = p
	}
	if !finishMaintenance(&m, r.now) {
		r.notes.add("“%s” has no time: it was left out.", m.Title)
		return
	}
	at := m.Created
	m.Updates = []Update{{ID: "first-" + string(n.ID), Phase: status.Scheduled, Body: cmp.Or(body(string(n.About), status.MaxBody), m.Title), At: at, Posted: at, By: "ATStatus"}}
	r.page.Maintenances = append(r.page.Maintenances, m)
}
