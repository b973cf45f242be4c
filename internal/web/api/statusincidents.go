package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// ChangeIO is what becomes of a component.
type ChangeIO struct {
	ComponentID string `json:"component_id" maxLength:"64"`
	To          string `json:"to" enum:"operational,degraded_performance,partial_outage,major_outage"`
}

// ChangeOut is what an update made of a component.
type ChangeOut struct {
	ComponentID string `json:"component_id"`
	From        string `json:"from"`
	To          string `json:"to"`
}

// UpdateOut is one message of an incident or a maintenance.
type UpdateOut struct {
	ID      string      `json:"id"`
	Phase   string      `json:"phase"`
	Body    string      `json:"body" doc:"Markdown"`
	At      time.Time   `json:"at" doc:"As visitors see it"`
	Posted  time.Time   `json:"posted" doc:"When it was written"`
	By      string      `json:"by" doc:"Who wrote it; visitors are not told"`
	Changes []ChangeOut `json:"changes"`
	Silent  bool        `json:"silent" doc:"Nobody was told"`
}

func updateOut(u status.Update) UpdateOut {
	return UpdateOut{ID: u.ID, Phase: string(u.Phase), Body: u.Body, At: u.At.UTC(), Posted: u.Posted.UTC(), By: u.By, Silent: u.Silent,
		Changes: each(u.Changes, func(c status.Change) ChangeOut { return ChangeOut{c.ComponentID, string(c.From), string(c.To)} })}
}

// IncidentOut is something that went wrong, as the public is told.
type IncidentOut struct {
	ID         string      `json:"id"`
	PageID     string      `json:"page_id"`
	URL        string      `json:"url" doc:"Where visitors find it"`
	Title      string      `json:"title"`
	Phase      string      `json:"phase" enum:"investigating,identified,monitoring,resolved,postmortem"`
	Impact     string      `json:"impact" enum:"none,minor,major,critical"`
	Draft      bool        `json:"draft" doc:"Visitors do not see it"`
	Automatic  bool        `json:"automatic" doc:"Made by alerts, and no person has touched it yet"`
	PublishAt  *time.Time  `json:"publish_at" doc:"When a draft is published unless a person acts; null: never by itself"`
	Created    time.Time   `json:"created"`
	Started    time.Time   `json:"started"`
	ResolvedAt *time.Time  `json:"resolved_at" doc:"Null while it is open"`
	Components []string    `json:"components"`
	AlertIDs   []string    `json:"alert_ids" doc:"The alerts beside it"`
	Updates    []UpdateOut `json:"updates" doc:"The oldest first"`
	Postmortem string      `json:"postmortem" doc:"Markdown"`
}

// ToldIncident is an incident, with what went out.
type ToldIncident struct {
	IncidentOut
	Told
}

// NoteIn is what is said in an update.
type NoteIn struct {
	Body    string     `json:"body" maxLength:"20000" doc:"Markdown" example:"We have found the cause."`
	At      *time.Time `json:"at,omitempty" doc:"As visitors see it; may lie back. None: now"`
	Changes []ChangeIO `json:"changes,omitempty" maxItems:"1000" doc:"What becomes of components, since that time; they join the incident"`
	Silent  bool       `json:"silent,omitempty" doc:"Nobody is told"`
}

func (in *NoteIn) note(phase, key string) publish.Note {
	n := publish.Note{Phase: status.Phase(phase), Body: in.Body, Silent: in.Silent, Key: key, Changes: each(in.Changes, func(c ChangeIO) status.Change {
		return status.Change{ComponentID: c.ComponentID, To: status.State(c.To)}
	})}
	if in.At != nil {
		n.At = *in.At
	}
	return n
}

// IncidentIn is a new incident with its first update.
type IncidentIn struct {
	Page       string     `json:"page,omitempty" maxLength:"100" doc:"The page's id or slug; none: the main page"`
	Title      string     `json:"title" maxLength:"200" example:"Slow checkout"`
	Phase      string     `json:"phase,omitempty" enum:"investigating,identified,monitoring,resolved" doc:"None: investigating"`
	Impact     string     `json:"impact,omitempty" enum:"none,minor,major,critical" doc:"None: minor"`
	Components []string   `json:"components,omitempty" maxItems:"1000" doc:"Ids of those it is about"`
	Started    *time.Time `json:"started,omitempty" doc:"May lie back; none: at the update's time"`
	Draft      bool       `json:"draft,omitempty" doc:"Shown to nobody until it is published; its changes are made then"`
	AlertIDs   []string   `json:"alert_ids,omitempty" maxItems:"100" doc:"Alerts that belong to it, for who edits"`
	NoteIn
}

// UpdateIn is a new update of an incident.
type UpdateIn struct {
	Phase   string `json:"phase,omitempty" enum:"investigating,identified,monitoring,resolved" doc:"None: as before. resolved ends the incident, the others open one that was over again"`
	Restore bool   `json:"restore,omitempty" doc:"All of its components work again, but for those in changes"`
	NoteIn
}

// IncidentEdit corrects an incident; what is left out stays. Nobody is told.
type IncidentEdit struct {
	Title      *string    `json:"title,omitempty" maxLength:"200"`
	Impact     *string    `json:"impact,omitempty" enum:"none,minor,major,critical"`
	Components []string   `json:"components" required:"false" maxItems:"1000" doc:"Given, they replace those that it is about"`
	Started    *time.Time `json:"started,omitempty"`
}

// incidentQuery narrows the list of incidents.
type incidentQuery struct {
	Page  string    `query:"page" maxLength:"100" doc:"The page's id or slug; none: all pages"`
	State string    `query:"state" enum:"open,over,draft" doc:"open: public and not over; none: all"`
	Alert string    `query:"alert" maxLength:"100" doc:"Those that this alert belongs to"`
	From  time.Time `query:"from" doc:"Began at this time or later"`
	To    time.Time `query:"to" doc:"Began before this time"`
	Paging
}

// repeatableIn is a body that is carried out once for each key.
type repeatableIn[T any] struct {
	Repeatable
	Body T
}

// repeatableAt is the same, about something.
type repeatableAt[T any] struct {
	ID string `path:"id" maxLength:"100" doc:"Its id"`
	Repeatable
	Body T
}

// incidentOut answers an incident; pages are those that there are.
func (a *API) incidentOut(pages []status.Page) func(i status.Incident) IncidentOut {
	return func(i status.Incident) IncidentOut {
		return IncidentOut{
			ID: i.ID, PageID: i.PageID, URL: a.entryURL(pages, i.PageID, i.ID), Title: i.Title, Phase: string(i.Phase), Impact: string(i.Impact), Draft: i.Draft,
			Automatic: i.Automatic, PublishAt: timeOut(i.PublishAt), Created: i.Created.UTC(), Started: i.Started.UTC(), ResolvedAt: timeOut(i.ResolvedAt),
			Components: words(i.Components), AlertIDs: words(i.AlertIDs), Updates: each(i.Updates, updateOut), Postmortem: i.Postmortem,
		}
	}
}

// entryURL is where visitors find an incident or a maintenance.
func (a *API) entryURL(pages []status.Page, pageID, id string) string {
	for n := range pages {
		if pages[n].ID == pageID {
			return a.pageURL(&pages[n]) + "/incidents/" + id
		}
	}
	return ""
}

func (a *API) giveIncident(ctx context.Context, i status.Incident) (*body[IncidentOut], error) {
	pages, err := a.d.Status.StatusPages(ctx)
	if err != nil {
		return nil, err
	}
	return give(a.incidentOut(pages)(i)), nil
}

// tellIncident answers what a change made. What it answers is read again: an
// update may have changed more than its own.
func (a *API) tellIncident(ctx context.Context, code int, id string, told publish.Told) (*toldOut[ToldIncident], error) {
	i, err := a.d.Status.Incident(ctx, id)
	if err != nil {
		return nil, err
	}
	out, err := a.giveIncident(ctx, i)
	if err != nil {
		return nil, err
	}
	return &toldOut[ToldIncident]{code, ToldIncident{out.Body, toldOf(told)}}, nil
}

func (a *API) incidentRoutes() {
	register(a, readConfig(), statusRoute(http.MethodGet, "/incidents", "list-incidents", "List incidents, drafts too; what began last comes first"), a.listIncidents)
	open := statusRoute(http.MethodPost, "/incidents", "open-incident", "Open an incident, and tell visitors")
	open.DefaultStatus = http.StatusCreated
	open.Description = "200 when a call with the same Idempotency-Key has opened it before."
	register(a, publishing(), open, a.openIncident)
	register(a, readConfig(), statusRoute(http.MethodGet, "/incidents/{id}", "get-incident", "One incident, with its updates"),
		func(ctx context.Context, in *byID) (*body[IncidentOut], error) {
			i, err := a.d.Status.Incident(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return a.giveIncident(ctx, i)
		})
	register(a, publishing(), statusRoute(http.MethodPut, "/incidents/{id}", "edit-incident", "Correct an incident; what is left out stays, and nobody is told"), a.editIncident)
	del := statusRoute(http.MethodDelete, "/incidents/{id}", "delete-incident", "Delete an incident for good")
	del.Description = "What was recorded of components stays. To take a draft back that nobody saw, discard it."
	register(a, publishing(), del, func(ctx context.Context, in *byID) (*struct{}, error) {
		return nil, a.d.Desk.DeleteIncident(ctx, writer(ctx), in.ID)
	})
	alerts := statusRoute(http.MethodGet, "/incidents/{id}/alerts", "list-incident-alerts", "The alerts beside an incident")
	register(a, access{scope: auth.ReadAlerts}, alerts, a.incidentAlerts)
}

func (a *API) listIncidents(ctx context.Context, in *incidentQuery) (*body[list[IncidentOut]], error) {
	pageID, err := a.ofAnyPage(ctx, in.Page)
	if err != nil {
		return nil, err
	}
	items, next, err := a.d.Status.StatusIncidents(ctx, publish.IncidentFilter{
		PageID: pageID, Which: publish.Which(in.State), AlertID: in.Alert, From: in.From, To: in.To, Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, err
	}
	pages, err := a.d.Status.StatusPages(ctx)
	if err != nil {
		return nil, err
	}
	return give(list[IncidentOut]{Items: each(items, a.incidentOut(pages)), Next: next}), nil
}

func (a *API) openIncident(ctx context.Context, in *repeatableIn[IncidentIn]) (*toldOut[ToldIncident], error) {
	p, err := a.statusPage(ctx, "body.page", in.Body.Page)
	if err != nil {
		return nil, err
	}
	if err := existAll(ctx, "alert_ids", in.Body.AlertIDs, "alert", a.d.Store.Alert); err != nil {
		return nil, err
	}
	o := publish.Opening{
		PageID: p.ID, Title: strings.TrimSpace(in.Body.Title), Impact: status.Impact(in.Body.Impact), Components: in.Body.Components,
		Draft: in.Body.Draft, AlertIDs: distinct(in.Body.AlertIDs), Note: in.Body.note(in.Body.Phase, in.Key),
	}
	if in.Body.Started != nil {
		o.Started = *in.Body.Started
	}
	i, told, err := a.d.Desk.OpenIncident(ctx, writer(ctx), o)
	if err != nil {
		return nil, err
	}
	return a.tellIncident(ctx, madeOrFound(told), i.ID, told)
}

func (a *API) editIncident(ctx context.Context, in *putIn[IncidentEdit]) (*body[IncidentOut], error) {
	e := publish.Edit{Title: in.Body.Title, Started: in.Body.Started}
	if in.Body.Impact != nil {
		impact := status.Impact(*in.Body.Impact)
		e.Impact = &impact
	}
	if in.Body.Components != nil {
		e.Components = &in.Body.Components
	}
	i, err := a.d.Desk.EditIncident(ctx, writer(ctx), in.ID, e)
	if err != nil {
		return nil, err
	}
	return a.giveIncident(ctx, i)
}

func (a *API) incidentAlerts(ctx context.Context, in *byID) (*body[list[AlertOut]], error) {
	i, err := a.d.Status.Incident(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	found := make([]alert.Alert, 0, len(i.AlertIDs))
	for _, id := range i.AlertIDs {
		one, err := a.d.Store.Alert(ctx, id)
		if errors.Is(err, fault.ErrNotFound) {
			continue // deleted by its age
		}
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return give(list[AlertOut]{Items: each(found, a.alertOut)}), nil
}
