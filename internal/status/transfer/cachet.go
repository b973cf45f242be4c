package transfer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"tocsin/internal/status"
)

// Documents of Cachet's interface, version 1 (Cachet 1 and 2): lists in pages of
// which the meta data tells how many there are.
type (
	cachetPage[T any] struct {
		Meta struct {
			Pagination struct {
				Total number `json:"total"`
				Pages number `json:"total_pages"`
			} `json:"pagination"`
		} `json:"meta"`
		Data list[T] `json:"data"`
	}
	cachetComponent struct {
		ID      name   `json:"id"`
		Name    text   `json:"name"`
		About   text   `json:"description"`
		Link    text   `json:"link"`
		Status  number `json:"status"`
		Order   number `json:"order"`
		GroupID name   `json:"group_id"`
		Enabled *bool  `json:"enabled"`
		Created when   `json:"created_at"`
		Deleted *text  `json:"deleted_at"`
	}
	cachetGroup struct {
		ID        name   `json:"id"`
		Name      text   `json:"name"`
		Order     number `json:"order"`
		Collapsed number `json:"collapsed"` // 0: unfolded
		Created   when   `json:"created_at"`
	}
	cachetIncident struct {
		ID        name                `json:"id"`
		Component name                `json:"component_id"`
		Name      text                `json:"name"`
		Status    number              `json:"status"`
		Visible   *number             `json:"visible"`
		Message   text                `json:"message"`
		Scheduled when                `json:"scheduled_at"` // up to 2.2, with status 0
		Occurred  when                `json:"occurred_at"`
		Created   when                `json:"created_at"`
		Updated   when                `json:"updated_at"`
		Deleted   *text               `json:"deleted_at"`
		Updates   *list[cachetUpdate] `json:"updates"`
	}
	cachetUpdate struct {
		ID       name   `json:"id"`
		Incident name   `json:"incident_id"`
		Status   number `json:"status"`
		Message  text   `json:"message"`
		Created  when   `json:"created_at"`
	}
	cachetSchedule struct {
		ID         name   `json:"id"`
		Name       text   `json:"name"`
		Message    text   `json:"message"`
		Status     number `json:"status"` // 0 ahead, 1 in progress, 2 complete
		Scheduled  when   `json:"scheduled_at"`
		Completed  when   `json:"completed_at"`
		Created    when   `json:"created_at"`
		Components list[struct {
			ID name `json:"component_id"`
		}] `json:"components"`
	}
	// cachetDocument is all of it in one file.
	cachetDocument struct {
		Name       text                            `json:"name"`
		Components either[cachetComponent]         `json:"components"`
		Groups     either[cachetGroup]             `json:"groups"`
		Incidents  either[cachetIncident]          `json:"incidents"`
		Schedules  either[cachetSchedule]          `json:"schedules"`
		Updates    map[string]either[cachetUpdate] `json:"updates"`
	}
	// either is a list, or an answer of the interface that holds one.
	either[T any] []T
)

// UnmarshalJSON never fails.
func (e *either[T]) UnmarshalJSON(raw []byte) error {
	var l list[T]
	_ = l.UnmarshalJSON(raw)
	if len(l) == 0 {
		var p cachetPage[T]
		if json.Unmarshal(raw, &p) == nil {
			l = p.Data
		}
	}
	*e = either[T](l)
	return nil
}

// Bounds of what is asked of a Cachet.
const (
	cachetPerPage = 100
	cachetPages   = 200 // of each list
	cachetAlone   = 500 // incidents whose updates are asked for one by one
)

// FetchCachet reads a Cachet 1 or 2, given where it is. zone is in which it writes
// its times.
func FetchCachet(ctx context.Context, get Get, base string, zone *time.Location, now time.Time) (Page, []string, error) {
	base, err := cutAt(base, "/api/v1")
	if err != nil {
		return Page{}, nil, err
	}
	d := cachetDocument{Updates: map[string]either[cachetUpdate]{}}
	if u, err := url.Parse(base); err == nil {
		d.Name = text(u.Hostname())
	}
	api := base + "/api/v1"
	if d.Components, err = cachetList[cachetComponent](ctx, get, api+"/components", true); err != nil {
		return Page{}, nil, err
	}
	if d.Groups, err = cachetList[cachetGroup](ctx, get, api+"/components/groups", false); err != nil {
		return Page{}, nil, err
	}
	if d.Incidents, err = cachetList[cachetIncident](ctx, get, api+"/incidents", true); err != nil {
		return Page{}, nil, err
	}
	if d.Schedules, err = cachetList[cachetSchedule](ctx, get, api+"/schedules", false); err != nil {
		return Page{}, nil, err
	}
	for i, asked := 0, 0; i < len(d.Incidents) && asked < cachetAlone; i++ {
		n := &d.Incidents[i]
		if n.Updates != nil || !idForm.MatchString(string(n.ID)) {
			continue
		}
		asked++
		l, err := cachetList[cachetUpdate](ctx, get, api+"/incidents/"+string(n.ID)+"/updates", false)
		if err != nil {
			return Page{}, nil, err
		}
		if asked == 1 && len(l) == 0 {
			b, err := get(ctx, api+"/incidents/"+string(n.ID)+"/updates")
			if errors.Is(err, ErrNone) || err == nil && isJSON(b) != nil {
				break // before 2.3 there are none
			}
		}
		d.Updates[string(n.ID)] = l
	}
	return d.read(zone, now)
}

// cachetList reads all pages of a list. One that need not be there is empty where
// it is not.
func cachetList[T any](ctx context.Context, get Get, address string, must bool) ([]T, error) {
	var all []T
	for page := 1; page <= cachetPages; page++ {
		b, err := get(ctx, fmt.Sprintf("%s?per_page=%d&page=%d", address, cachetPerPage, page))
		if errors.Is(err, ErrNone) {
			if !must {
				return all, nil
			}
			return nil, refuse("address", "has no /api/v1", "give where Cachet is, such as https://status.example.com; Cachet 3 has another interface, which is not read")
		}
		if err != nil {
			return nil, err
		}
		var p cachetPage[T]
		if err := loose(b, &p); err != nil {
			if !must && page == 1 {
				return nil, nil // an older one answers with its page of errors
			}
			return nil, err
		}
		all = append(all, p.Data...)
		if len(p.Data) == 0 || page >= int(p.Meta.Pagination.Pages) || len(all) >= mostEntries {
			return all, nil
		}
	}
	return all, nil
}

// Cachet reads one file with what a Cachet answers: an object with components,
// groups, incidents and schedules, each as /api/v1 gives it.
func Cachet(zone *time.Location, now time.Time, raw []byte) (Page, []string, error) {
	var d cachetDocument
	if err := loose(raw, &d); err != nil {
		return Page{}, nil, err
	}
	if len(d.Components) == 0 && len(d.Incidents) == 0 {
		return Page{}, nil, refuse("components", "are missing", `give an object with "components", "groups", "incidents" and "schedules", each as /api/v1 answers it`)
	}
	return d.read(zone, now)
}

type cachetReader struct {
	*cachetDocument
	zone  *time.Location
	now   time.Time
	parts map[string]bool // and incidents as "i…", work as "w…"
	notes notes
	page  Page
}

func (d *cachetDocument) read(zone *time.Location, now time.Time) (Page, []string, error) {
	r := cachetReader{cachetDocument: d, zone: zone, now: now, parts: map[string]bool{}}
	title := cmp.Or(oneLine(string(d.Name), status.MaxTitle), "Status")
	r.page = Page{From: FromCachet, ID: FromCachet, Slug: Slug(title), Name: title, Zone: zone.String()}
	r.notes.add("Cachet's interface does not tell the page's name: change it here.")
	r.groups()
	for i := range d.Incidents {
		r.incident(&d.Incidents[i])
	}
	for i := range d.Schedules {
		r.schedule(&d.Schedules[i])
	}
	return r.page, r.notes.list, nil
}

func (r *cachetReader) groups() {
	slices.SortStableFunc(r.Groups, func(a, b cachetGroup) int { return cmp.Compare(a.Order, b.Order) })
	groups := map[string]bool{}
	for i := range r.Groups {
		g := &r.Groups[i]
		title := oneLine(string(g.Name), status.MaxTitle)
		if g.ID == "" || g.ID == "0" || title == "" || groups[string(g.ID)] || len(r.page.Groups) >= mostGroups {
			continue
		}
		groups[string(g.ID)] = true
		r.page.Groups = append(r.page.Groups, Group{ID: string(g.ID), Name: title, Position: len(r.page.Groups), Open: g.Collapsed == 0, Created: past(g.Created.in(r.zone), r.now)})
	}
	slices.SortStableFunc(r.Components, func(a, b cachetComponent) int { return cmp.Compare(a.Order, b.Order) })
	for i := range r.Components {
		c := &r.Components[i]
		title := oneLine(string(c.Name), status.MaxTitle)
		switch {
		case c.ID == "" || title == "" || r.parts[string(c.ID)] || c.Deleted != nil && *c.Deleted != "":
			continue
		case len(r.page.Components) >= status.MaxParts:
			r.notes.add("There are more than %d components: the others are left out.", status.MaxParts)
			return
		}
		r.parts[string(c.ID)] = true
		out := Component{ID: string(c.ID), Name: title, About: body(string(c.About), status.MaxAbout), Link: web(string(c.Link)), Position: len(r.page.Components),
			Hidden: c.Enabled != nil && !*c.Enabled, State: status.Operational}
		if groups[string(c.GroupID)] {
			out.GroupID = string(c.GroupID)
		}
		switch c.Status {
		case 2:
			out.State = status.Degraded
		case 3:
			out.State = status.Partial
		case 4:
			out.State = status.Major
		}
		r.page.Components = append(r.page.Components, out)
	}
}

// past is a time that does not lie ahead, else none.
func past(t, now time.Time) time.Time {
	if t.After(now) {
		return time.Time{}
	}
	return t
}

func cachetPhase(n number) status.Phase {
	switch n {
	case 2:
		return status.Identified
	case 3:
		return status.Monitoring
	case 4:
		return status.Resolved
	}
	return status.Investigating
}

func (r *cachetReader) incident(n *cachetIncident) {
	title := cmp.Or(oneLine(string(n.Name), status.MaxTitle), "Incident")
	switch {
	case n.ID == "" || r.parts["i"+string(n.ID)] || n.Deleted != nil && *n.Deleted != "":
		return // a list that grew while it was read has some twice
	case n.Visible != nil && *n.Visible == 0:
		r.notes.add("“%s” is hidden from visitors there: it was left out.", title)
		return
	case n.Status == 0 && !n.Scheduled.in(r.zone).IsZero(): // how Cachet announced work up to 2.2
		s := cachetSchedule{ID: "i" + n.ID, Name: n.Name, Message: n.Message, Scheduled: n.Scheduled, Created: n.Created}
		if at := n.Scheduled.in(r.zone); at.Before(r.now) {
			s.Status = 2
		}
		r.schedule(&s)
		return
	}
	r.parts["i"+string(n.ID)] = true
	i := Incident{ID: string(n.ID), Title: title, Impact: status.ImpactMinor, Phase: cachetPhase(n.Status), Created: past(n.Created.in(r.zone), r.now), Started: past(n.Occurred.in(r.zone), r.now)}
	if i.Started.IsZero() {
		i.Started = i.Created
	}
	if i.Started.IsZero() {
		r.notes.add("“%s” has no time: it was left out.", title)
		return
	}
	updates := r.Updates[string(n.ID)]
	if n.Updates != nil {
		updates = append(updates, *n.Updates...)
	}
	if words := body(string(n.Message), status.MaxBody); words != "" {
		first := Update{ID: "first-" + string(n.ID), Phase: i.Phase, Body: words, At: i.Started, Posted: i.Created, By: "Cachet"}
		if len(updates) > 0 {
			first.Phase = status.Investigating // the incident has the phase of the last one
		}
		i.Updates = append(i.Updates, first)
	}
	ids := map[name]bool{}
	for _, u := range updates {
		at, words := u.Created.in(r.zone), body(string(u.Message), status.MaxBody)
		if u.ID == "" || ids[u.ID] || at.IsZero() || words == "" || len(i.Updates) >= status.MaxUpdates {
			continue
		}
		ids[u.ID] = true
		if at.After(r.now) {
			at = ms(r.now)
		}
		i.Updates = append(i.Updates, Update{ID: string(u.ID), Phase: cachetPhase(u.Status), Body: words, At: at, Posted: at, By: "Cachet"})
	}
	if i.Updates = sorted(i.Updates); len(i.Updates) > 1 {
		i.Phase = i.Updates[len(i.Updates)-1].Phase
	}
	if i.Phase == status.Resolved {
		if i.ResolvedAt = past(n.Updated.in(r.zone), r.now); len(i.Updates) > 1 || i.ResolvedAt.IsZero() {
			i.ResolvedAt = lastOf(i.Updates, i.Started)
		}
	}
	if r.parts[string(n.Component)] {
		i.Components = []string{string(n.Component)}
	}
	finishIncident(&i, r.now)
	r.page.Incidents = append(r.page.Incidents, i)
}

// lastOf is when the last update was, or another time where there is none.
func lastOf(updates []Update, otherwise time.Time) time.Time {
	if n := len(updates); n > 0 {
		return updates[n-1].At
	}
	return otherwise
}

func (r *cachetReader) schedule(n *cachetSchedule) {
	title := cmp.Or(oneLine(string(n.Name), status.MaxTitle), "Maintenance")
	m := Maintenance{ID: string(n.ID), Title: title, Impact: status.ImpactNone, Phase: status.Scheduled, Start: n.Scheduled.in(r.zone), End: n.Completed.in(r.zone), Created: past(n.Created.in(r.zone), r.now)}
	if m.ID == "" || r.parts["w"+m.ID] {
		return
	}
	r.parts["w"+m.ID] = true
	switch n.Status {
	case 1:
		m.Phase = status.InProgress
	case 2:
		m.Phase = status.Completed
	}
	guessed := !m.End.After(m.Start)
	for _, c := range n.Components {
		if id := string(c.ID); r.parts[id] && !slices.Contains(m.Components, id) {
			m.Components = append(m.Components, id)
		}
	}
	at := m.Created
	if at.IsZero() {
		at = ms(r.now)
		if m.Start.Before(at) {
			at = m.Start
		}
	}
	m.Updates = []Update{{ID: "first-" + string(n.ID), Phase: status.Scheduled, Body: cmp.Or(body(string(n.Message), status.MaxBody), title), At: at, Posted: at, By: "Cachet"}}
	if !finishMaintenance(&m, r.now) {
		r.notes.add("“%s” has no time: it was left out.", title)
		return
	}
	if guessed && m.Phase != status.Completed {
		m.AutoEnd = false
		r.notes.add("Cachet does not say when “%s” ends: an hour is taken, and it does not end by itself.", title)
	}
	r.page.Maintenances = append(r.page.Maintenances, m)
}
