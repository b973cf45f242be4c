package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/status/recur"
)

// MaintenanceIn is what a maintenance is made of.
type MaintenanceIn struct {
	Title      string    `json:"title" maxLength:"200" example:"New database"`
	Impact     string    `json:"impact,omitempty" enum:"none,minor,major,critical" doc:"None: none"`
	Components []string  `json:"components,omitempty" maxItems:"1000" doc:"Ids of those it is about"`
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"`
	AutoStart  *bool     `json:"auto_start,omitempty" doc:"It begins by itself; none: true"`
	AutoEnd    *bool     `json:"auto_end,omitempty" doc:"It ends by itself; none: true"`
	Body       string    `json:"body,omitempty" maxLength:"20000" doc:"Markdown: what there is to say. A new one must have it; to an old one it is added as an update"`
	Silent     bool      `json:"silent,omitempty" doc:"Nobody is told"`
}

// MaintenanceNew is a maintenance that is announced.
type MaintenanceNew struct {
	Page string `json:"page,omitempty" maxLength:"100" doc:"The page's id or slug; none: the main page"`
	MaintenanceIn
}

// MaintenanceOut is announced work.
type MaintenanceOut struct {
	ID         string      `json:"id"`
	PageID     string      `json:"page_id"`
	URL        string      `json:"url" doc:"Where visitors find it"`
	Title      string      `json:"title"`
	Phase      string      `json:"phase" enum:"scheduled,in_progress,verifying,completed,cancelled"`
	Impact     string      `json:"impact" enum:"none,minor,major,critical"`
	Components []string    `json:"components"`
	Start      time.Time   `json:"start"`
	End        time.Time   `json:"end"`
	AutoStart  bool        `json:"auto_start"`
	AutoEnd    bool        `json:"auto_end"`
	Automatic  bool        `json:"automatic" doc:"Made by a downtime of an engine, and no person has touched it yet"`
	Series     string      `json:"series_id" doc:"What it recurs by; empty: once"`
	Reminded   []string    `json:"reminded" doc:"Reminders that went out: 24h, 1h"`
	Created    time.Time   `json:"created"`
	Updates    []UpdateOut `json:"updates" doc:"The oldest first"`
}

// ToldMaintenance is a maintenance, with what went out.
type ToldMaintenance struct {
	MaintenanceOut
	Overlaps []string `json:"overlaps" doc:"Ids of others that are at the same time about one of its components; that is allowed"`
	Told
}

// MaintenanceUpdateIn is a new update of a maintenance.
type MaintenanceUpdateIn struct {
	Phase  string     `json:"phase,omitempty" enum:"scheduled,in_progress,verifying,completed,cancelled" doc:"None: as before. It may begin, end or cancel it"`
	Body   string     `json:"body,omitempty" maxLength:"20000" doc:"Markdown; none: a sentence that fits the phase"`
	At     *time.Time `json:"at,omitempty" doc:"As visitors see it; may lie back. None: now"`
	Silent bool       `json:"silent,omitempty" doc:"Nobody is told"`
}

// maintenanceQuery narrows the list of maintenances.
type maintenanceQuery struct {
	Page  string    `query:"page" maxLength:"100" doc:"The page's id or slug; none: all pages"`
	State string    `query:"state" enum:"open,upcoming,active,over" doc:"open: not over; none: all, cancelled ones too"`
	From  time.Time `query:"from" doc:"Lies at least partly after this"`
	To    time.Time `query:"to" doc:"Begins before this"`
	Paging
}

func (a *API) maintenanceOut(pages []status.Page) func(m status.Maintenance) MaintenanceOut {
	return func(m status.Maintenance) MaintenanceOut {
		return MaintenanceOut{
			ID: m.ID, PageID: m.PageID, URL: a.entryURL(pages, m.PageID, m.ID), Title: m.Title, Phase: string(m.Phase), Impact: string(m.Impact),
			Components: words(m.Components), Start: m.Start.UTC(), End: m.End.UTC(), AutoStart: m.AutoStart, AutoEnd: m.AutoEnd, Automatic: m.Automatic,
			Series: m.Series, Reminded: words(m.Reminded), Created: m.Created.UTC(), Updates: each(m.Updates, updateOut),
		}
	}
}

// tellMaintenance answers what a change made, read again.
func (a *API) tellMaintenance(ctx context.Context, code int, id string, told publish.Told) (*toldOut[ToldMaintenance], error) {
	m, err := a.d.Status.Maintenance(ctx, id)
	if err != nil {
		return nil, err
	}
	pages, err := a.d.Status.StatusPages(ctx)
	if err != nil {
		return nil, err
	}
	others, err := a.d.Status.Maintenances(ctx, m.PageID, m.Start, m.End)
	if err != nil {
		return nil, err
	}
	out := ToldMaintenance{MaintenanceOut: a.maintenanceOut(pages)(m), Overlaps: []string{}, Told: toldOf(told)}
	for i := range others {
		o := &others[i]
		if o.ID != m.ID && o.Phase != status.Cancelled && m.Phase != status.Cancelled &&
			slices.ContainsFunc(o.Components, func(id string) bool { return slices.Contains(m.Components, id) }) {
			out.Overlaps = append(out.Overlaps, o.ID)
		}
	}
	return &toldOut[ToldMaintenance]{code, out}, nil
}

func (in *MaintenanceIn) maintenance(id, pageID string) status.Maintenance {
	return status.Maintenance{
		ID: id, PageID: pageID, Title: strings.TrimSpace(in.Title), Impact: status.Impact(in.Impact), Components: in.Components, Start: in.Start, End: in.End,
		AutoStart: in.AutoStart == nil || *in.AutoStart, AutoEnd: in.AutoEnd == nil || *in.AutoEnd,
	}
}

func (a *API) maintenanceRoutes() {
	register(a, readConfig(), statusRoute(http.MethodGet, "/maintenance", "list-maintenance", "List maintenance; what begins last comes first"), a.listMaintenance)
	create := statusRoute(http.MethodPost, "/maintenance", "announce-maintenance", "Announce maintenance, and tell visitors")
	create.DefaultStatus = http.StatusCreated
	create.Description = "200 when a call with the same Idempotency-Key has announced it before."
	register(a, publishing(), create, func(ctx context.Context, in *repeatableIn[MaintenanceNew]) (*toldOut[ToldMaintenance], error) {
		p, err := a.statusPage(ctx, "body.page", in.Body.Page)
		if err != nil {
			return nil, err
		}
		m, told, err := a.d.Desk.SaveMaintenance(ctx, writer(ctx), in.Body.maintenance("", p.ID), publish.Note{Body: in.Body.Body, Silent: in.Body.Silent, Key: in.Key})
		if err != nil {
			return nil, err
		}
		return a.tellMaintenance(ctx, madeOrFound(told), m.ID, told)
	})
	register(a, readConfig(), statusRoute(http.MethodGet, "/maintenance/{id}", "get-maintenance", "One maintenance, with its updates"),
		func(ctx context.Context, in *byID) (*body[MaintenanceOut], error) {
			return a.giveMaintenance(ctx, in.ID)
		})
	change := statusRoute(http.MethodPut, "/maintenance/{id}", "replace-maintenance", "Change a maintenance that is not over; its phase stays")
	change.Description = "Visitors are told when it moves, or when there is something to say."
	register(a, publishing(), change, func(ctx context.Context, in *putIn[MaintenanceIn]) (*toldOut[ToldMaintenance], error) {
		pageID, err := a.d.Status.PageOf(ctx, publish.OfMaintenance, in.ID)
		if err != nil {
			return nil, err
		}
		_, told, err := a.d.Desk.SaveMaintenance(ctx, writer(ctx), in.Body.maintenance(in.ID, pageID), publish.Note{Body: in.Body.Body, Silent: in.Body.Silent})
		if err != nil {
			return nil, err
		}
		return a.tellMaintenance(ctx, http.StatusOK, in.ID, told)
	})
	del := statusRoute(http.MethodDelete, "/maintenance/{id}", "delete-maintenance", "Delete a maintenance for good")
	del.Description = "What was recorded of components stays. One that does not take place is cancelled instead, by an update, and visitors hear of it."
	register(a, publishing(), del, func(ctx context.Context, in *byID) (*struct{}, error) {
		return nil, a.d.Desk.DeleteMaintenance(ctx, writer(ctx), in.ID)
	})
	a.maintenanceWordRoutes()
}

func (a *API) maintenanceWordRoutes() {
	post := statusRoute(http.MethodPost, "/maintenance/{id}/updates", "post-maintenance-update", "Add an update to a maintenance that is not over, and tell visitors")
	post.DefaultStatus = http.StatusCreated
	post.Description = "200 when a call with the same Idempotency-Key has added it before."
	register(a, publishing(), post, func(ctx context.Context, in *repeatableAt[MaintenanceUpdateIn]) (*toldOut[ToldMaintenance], error) {
		n := publish.Note{Phase: status.Phase(in.Body.Phase), Body: in.Body.Body, Silent: in.Body.Silent, Key: in.Key}
		if in.Body.At != nil {
			n.At = *in.Body.At
		}
		_, told, err := a.d.Desk.PostMaintenance(ctx, writer(ctx), in.ID, n)
		if err != nil {
			return nil, err
		}
		return a.tellMaintenance(ctx, madeOrFound(told), in.ID, told)
	})
	register(a, publishing(), statusRoute(http.MethodPut, "/maintenance/{id}/updates/{update}", "edit-maintenance-update", "Correct an update of a maintenance; nobody is told"),
		func(ctx context.Context, in *updateAt) (*body[MaintenanceOut], error) {
			if err := a.editUpdate(ctx, publish.OfMaintenance, in); err != nil {
				return nil, err
			}
			return a.giveMaintenance(ctx, in.ID)
		})
}

func (a *API) listMaintenance(ctx context.Context, in *maintenanceQuery) (*body[list[MaintenanceOut]], error) {
	pageID, err := a.ofAnyPage(ctx, in.Page)
	if err != nil {
		return nil, err
	}
	items, next, err := a.d.Status.StatusMaintenances(ctx, publish.MaintenanceFilter{
		PageID: pageID, Which: publish.Which(in.State), From: in.From, To: in.To, Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, err
	}
	pages, err := a.d.Status.StatusPages(ctx)
	if err != nil {
		return nil, err
	}
	return give(list[MaintenanceOut]{Items: each(items, a.maintenanceOut(pages)), Next: next}), nil
}

func (a *API) giveMaintenance(ctx context.Context, id string) (*body[MaintenanceOut], error) {
	m, err := a.d.Status.Maintenance(ctx, id)
	if err != nil {
		return nil, err
	}
	pages, err := a.d.Status.StatusPages(ctx)
	if err != nil {
		return nil, err
	}
	return give(a.maintenanceOut(pages)(m)), nil
}

// SeriesIn is what maintenance that comes again is made of.
type SeriesIn struct {
	Title      string     `json:"title" maxLength:"200" example:"Weekly updates"`
	Body       string     `json:"body" maxLength:"20000" doc:"Markdown: what is said of each"`
	Components []string   `json:"components,omitempty" maxItems:"1000"`
	Impact     string     `json:"impact,omitempty" enum:"none,minor,major,critical" doc:"None: none"`
	Rule       string     `json:"rule" maxLength:"1000" doc:"RRULE of RFC 5545" example:"FREQ=WEEKLY;BYDAY=SU"`
	Zone       string     `json:"zone" maxLength:"100" doc:"IANA; the time of day stays the same there" example:"Europe/Berlin"`
	Start      time.Time  `json:"start" doc:"Of the first"`
	Minutes    int        `json:"minutes" minimum:"1" maximum:"20160" doc:"How long each lasts"`
	Until      *time.Time `json:"until,omitempty" doc:"None begins after this; none: no end"`
}

// SeriesNew is a new series.
type SeriesNew struct {
	Page string `json:"page,omitempty" maxLength:"100" doc:"The page's id or slug; none: the main page"`
	SeriesIn
}

// SeriesOut is maintenance that comes again. The next three are announced ahead.
type SeriesOut struct {
	ID         string      `json:"id"`
	PageID     string      `json:"page_id"`
	Title      string      `json:"title"`
	Body       string      `json:"body"`
	Components []string    `json:"components"`
	Impact     string      `json:"impact"`
	Rule       string      `json:"rule"`
	Zone       string      `json:"zone"`
	Start      time.Time   `json:"start"`
	Minutes    int         `json:"minutes"`
	Until      *time.Time  `json:"until"`
	Next       []time.Time `json:"next" doc:"When the next five begin"`
}

// nextShown is how many begins of a series are told ahead.
const nextShown = 5

func (a *API) seriesOut(s status.Series) SeriesOut {
	out := SeriesOut{ID: s.ID, PageID: s.PageID, Title: s.Title, Body: s.Body, Components: words(s.Components), Impact: string(s.Impact), Rule: s.Rule,
		Zone: s.Zone, Start: s.Start.UTC(), Minutes: s.Minutes, Until: timeOut(s.Until), Next: []time.Time{}}
	r, err := recur.Parse(s.Rule, s.Zone, s.Start)
	if err != nil {
		return out // was checked when it was saved; this machine may know fewer zones
	}
	for _, at := range r.After(a.d.Now(), nextShown) {
		if s.Until.IsZero() || !at.After(s.Until) {
			out.Next = append(out.Next, at.UTC())
		}
	}
	return out
}

func (in *SeriesIn) series(id, pageID string) status.Series {
	s := status.Series{ID: id, PageID: pageID, Title: strings.TrimSpace(in.Title), Body: in.Body, Components: in.Components, Impact: status.Impact(in.Impact),
		Rule: in.Rule, Zone: in.Zone, Start: in.Start, Minutes: in.Minutes}
	if in.Until != nil {
		s.Until = in.Until.UTC().Truncate(time.Millisecond)
	}
	return s
}

func (a *API) seriesRoutes() {
	registerParts(a, parts[SeriesNew, SeriesIn, SeriesOut, status.Series]{
		of: publish.OfSeries, path: "/series", one: "series", many: "series", write: writeConfig(),
		list: func(ctx context.Context, pageID string) ([]status.Series, error) {
			all, err := a.d.Status.StatusSeries(ctx, pageID)
			return each(all, func(p publish.Planned) status.Series { return p.Series }), err
		},
		id: func(s status.Series) string { return s.ID }, out: a.seriesOut,
		page: func(in *SeriesNew) string { return in.Page }, within: func(in *SeriesNew) *SeriesIn { return &in.SeriesIn },
		save: func(ctx context.Context, id, pageID string, in *SeriesIn) (status.Series, error) {
			return a.d.Desk.SaveSeries(ctx, writer(ctx), in.series(id, pageID))
		},
		remove: func(ctx context.Context, id string) error { return a.d.Desk.DeleteSeries(ctx, writer(ctx), id) },
	})
}
