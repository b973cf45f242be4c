package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// reachIn asks who would be told of a change.
type reachIn struct {
	ID         string   `path:"id" maxLength:"100" doc:"The page's id or slug"`
	Kind       string   `query:"kind" required:"true" enum:"incident_new,incident_update,incident_resolved,component_down,component_recovered,maintenance"`
	Impact     string   `query:"impact" enum:"none,minor,major,critical" default:"none"`
	Components []string `query:"components" maxItems:"1000" doc:"Ids of those it is about, with commas; none: the page as a whole"`
	Of         string   `query:"of" maxLength:"100" doc:"The incident or maintenance that it is about; none: a new one"`
}

// ReachOut is who would be told of a change.
type ReachOut struct {
	Kind     string         `json:"kind"`
	On       bool           `json:"on" doc:"Whether the page tells of this kind at all, see its triggers"`
	Channels map[string]int `json:"channels" doc:"How many, by channel"`
}

func reachOut(r publish.Reach) ReachOut {
	out := ReachOut{Kind: string(r.Kind), On: r.On, Channels: r.Channels}
	if out.Channels == nil {
		out.Channels = map[string]int{}
	}
	return out
}

// SubscribersOut is how many hear of a page; who they are is not known.
type SubscribersOut struct {
	Channels map[string]int `json:"channels" doc:"How many, by channel"`
	New      map[string]int `json:"new" doc:"Those that came within the last 30 days"`
	Asked    map[string]int `json:"asked" doc:"Those that have not confirmed yet; they are told nothing"`
	Kinds    []ReachOut     `json:"kinds" doc:"How many would be told of something critical about the whole page, by kind"`
}

// auditIn narrows the audit trail.
type auditIn struct {
	Page    string `query:"page" maxLength:"100" doc:"The page's id, also of one that was deleted, or its slug; none: all pages"`
	Subject string `query:"subject" maxLength:"100" doc:"Id of the incident, component … that it is about"`
	Paging
}

// AuditOut is one line of the audit trail.
type AuditOut struct {
	ID        string          `json:"id"`
	PageID    string          `json:"page_id"`
	At        time.Time       `json:"at"`
	UserID    string          `json:"user_id" doc:"Empty for an API key, for the clock and for alerts"`
	By        string          `json:"by" doc:"For people"`
	What      string          `json:"what" example:"incident.open"`
	SubjectID string          `json:"subject_id"`
	Name      string          `json:"name" doc:"Of the subject, as it was then"`
	Before    json.RawMessage `json:"before" doc:"As it was; null: there was none"`
	After     json.RawMessage `json:"after" doc:"As it is from then on; null: there is none any more"`
}

// nothingThere is what there was before, or is afterwards, of what is not there.
var nothingThere = json.RawMessage("null")

func auditOut(l publish.Audit) AuditOut {
	out := AuditOut{ID: l.ID, PageID: l.PageID, At: l.At.UTC(), UserID: l.UserID, By: l.By, What: l.What, SubjectID: l.SubjectID, Name: l.Name, Before: l.Before, After: l.After}
	if len(out.Before) == 0 {
		out.Before = nothingThere
	}
	if len(out.After) == 0 {
		out.After = nothingThere
	}
	return out
}

// statusTrailRoutes are about who is told, and who did what.
func (a *API) statusTrailRoutes() {
	register(a, readConfig(), statusRoute(http.MethodGet, "/pages/{id}/reach", "get-status-reach", "Who would be told of a change, before it is made"),
		func(ctx context.Context, in *reachIn) (*body[ReachOut], error) {
			p, err := a.statusPage(ctx, "path", in.ID)
			if err != nil {
				return nil, err
			}
			r, err := a.d.Desk.Reach(ctx, p.ID, push.Kind(in.Kind), status.Impact(in.Impact), in.Components, in.Of)
			if err != nil {
				return nil, err
			}
			return give(reachOut(r)), nil
		})
	register(a, readConfig(), statusRoute(http.MethodGet, "/pages/{id}/subscribers", "get-status-subscribers", "How many hear of a page"), a.subscribers)
	register(a, readConfig(), statusRoute(http.MethodGet, "/audit", "list-status-audit", "Every change of public pages: who, what, when, before and after; the newest first"),
		func(ctx context.Context, in *auditIn) (*body[list[AuditOut]], error) {
			f := publish.AuditFilter{PageID: in.Page, SubjectID: in.Subject, Limit: in.Limit, Cursor: in.Cursor}
			if p, err := a.statusPage(ctx, "query.page", in.Page); err == nil && in.Page != "" {
				f.PageID = p.ID
			}
			lines, next, err := a.d.Status.StatusAudit(ctx, f)
			if err != nil {
				return nil, err
			}
			return give(list[AuditOut]{Items: each(lines, auditOut), Next: next}), nil
		})
	export := statusRoute(http.MethodGet, "/export", "export-status", "Everything of public pages, but for subscribers and secrets")
	export.Description = "What `tocsin import tocsin` and the console take: pages, groups, components with all that was recorded, incidents, maintenance, series, templates, the audit trail."
	register(a, readConfig(), export, a.export)
}

// exportIn says what is exported.
type exportIn struct {
	Page string `query:"page" maxLength:"100" doc:"The page's id or slug; none: all pages"`
}

// exported is a document of the program's own format, which describes itself.
type exported struct {
	Disposition string `header:"Content-Disposition"`
	Body        json.RawMessage
}

func (a *API) export(ctx context.Context, in *exportIn) (*exported, error) {
	pageID, err := a.ofAnyPage(ctx, in.Page)
	if err != nil {
		return nil, err
	}
	var pages []string
	if pageID != "" {
		pages = []string{pageID}
	}
	doc, err := a.d.Desk.Export(ctx, "tocsin "+a.d.Version, pages...)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("write an export: %w", err)
	}
	return &exported{`attachment; filename="tocsin-status.json"`, text}, nil
}

func (a *API) subscribers(ctx context.Context, in *pageRef) (*body[SubscribersOut], error) {
	p, err := a.statusPage(ctx, "path", in.ID)
	if err != nil {
		return nil, err
	}
	s, err := a.d.Status.StatusSubscribers(ctx, p.ID, a.d.Now().Add(-publish.Since))
	if err != nil {
		return nil, err
	}
	out := SubscribersOut{Channels: s.Counts(), New: s.New, Asked: s.Asked, Kinds: []ReachOut{}}
	for _, k := range push.Kinds() {
		r, err := a.d.Desk.Reach(ctx, p.ID, k, status.ImpactCritical, nil, "")
		if err != nil {
			return nil, err
		}
		out.Kinds = append(out.Kinds, reachOut(r))
	}
	return give(out), nil
}
