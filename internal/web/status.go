package web

import (
	"context"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
)

// Desk changes what the public sees; *publish.Desk is one.
type Desk interface {
	SavePage(ctx context.Context, who publish.Who, p status.Page) (status.Page, error)
	DeletePage(ctx context.Context, who publish.Who, id string) error
	SetTriggers(ctx context.Context, who publish.Who, pageID string, on map[string]bool) (status.Page, error)
	SetLogo(ctx context.Context, who publish.Who, pageID string, body []byte) error
	SaveGroup(ctx context.Context, who publish.Who, g status.Group) (status.Group, error)
	DeleteGroup(ctx context.Context, who publish.Who, id string) error
	SaveComponent(ctx context.Context, who publish.Who, c status.Component) (status.Component, error)
	DeleteComponent(ctx context.Context, who publish.Who, id string) error
	Reorder(ctx context.Context, who publish.Who, pageID string, groups, components []publish.Place) error
	SetComponent(ctx context.Context, who publish.Who, id string, to status.State, silent bool) (publish.Told, error)
	FollowAlerts(ctx context.Context, who publish.Who, id string, silent bool) (publish.Told, error)
	OpenIncident(ctx context.Context, who publish.Who, o publish.Opening) (status.Incident, publish.Told, error)
	PostUpdate(ctx context.Context, who publish.Who, id string, n publish.Note) (status.Incident, publish.Told, error)
	EditIncident(ctx context.Context, who publish.Who, id string, e publish.Edit) (status.Incident, error)
	EditUpdate(ctx context.Context, who publish.Who, of publish.Subject, id, updateID, body string, at time.Time) error
	PublishDraft(ctx context.Context, who publish.Who, id string, silent bool) (status.Incident, publish.Told, error)
	DiscardDraft(ctx context.Context, who publish.Who, id string) error
	DeleteIncident(ctx context.Context, who publish.Who, id string) error
	Postmortem(ctx context.Context, who publish.Who, id, text string, silent bool) (publish.Told, error)
	SaveTemplate(ctx context.Context, who publish.Who, t publish.Template) (publish.Template, error)
	DeleteTemplate(ctx context.Context, who publish.Who, id string) error
	SaveMaintenance(ctx context.Context, who publish.Who, m status.Maintenance, n publish.Note) (status.Maintenance, publish.Told, error)
	PostMaintenance(ctx context.Context, who publish.Who, id string, n publish.Note) (status.Maintenance, publish.Told, error)
	DeleteMaintenance(ctx context.Context, who publish.Who, id string) error
	SaveSeries(ctx context.Context, who publish.Who, s status.Series) (status.Series, error)
	DeleteSeries(ctx context.Context, who publish.Who, id string) error
	// Export is everything of pages, of all where none is named.
	Export(ctx context.Context, program string, pageIDs ...string) (*transfer.Document, error)
	Reach(ctx context.Context, pageID string, kind push.Kind, impact status.Impact, components []string, of string) (publish.Reach, error)
}

// Status is what is stored of public pages.
type Status interface {
	StatusPages(ctx context.Context) ([]status.Page, error)
	// StatusParts are the groups and components of a page, in their order.
	StatusParts(ctx context.Context, pageID string) ([]status.Group, []status.Component, error)
	StatusGroup(ctx context.Context, id string) (status.Group, error)
	// StatusComponent is a component with what alerts last said of it.
	StatusComponent(ctx context.Context, id string) (publish.Bound, error)
	// StatusIntervals are how a component was, and by whom, from a time on.
	StatusIntervals(ctx context.Context, componentID string, from time.Time) ([]status.Interval, error)
	Incident(ctx context.Context, id string) (status.Incident, error)
	Maintenance(ctx context.Context, id string) (status.Maintenance, error)
	// Maintenances are those of a page that lie between two moments.
	Maintenances(ctx context.Context, pageID string, from, to time.Time) ([]status.Maintenance, error)
	StatusSeries(ctx context.Context, pageID string) ([]publish.Planned, error)
	StatusTemplates(ctx context.Context, pageID string) ([]publish.Template, error)
	StatusAudit(ctx context.Context, f publish.AuditFilter) (list []publish.Audit, next string, err error)
}
