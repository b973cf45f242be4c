package console

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
)

// Where the pages of the status page are; each list takes ?page=ID, and is of the
// main page without.
const (
	incidentsPath   = "/console/incidents"
	maintenancePath = "/console/maintenance"
	componentsPath  = "/console/components"
	statusPagesPath = "/console/pages"

	componentGroupsPath = "/console/component-groups"
)

// Desk changes what the public sees; *publish.Desk is one.
type Desk interface {
	Planning
	Triggering
	SavePage(ctx context.Context, who publish.Who, p status.Page) (status.Page, error)
	DeletePage(ctx context.Context, who publish.Who, id string) error
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
	EditDraft(ctx context.Context, who publish.Who, id string, e publish.Edit, n publish.Note) (status.Incident, error)
	EditUpdate(ctx context.Context, who publish.Who, of publish.Subject, id, updateID, body string, at time.Time) error
	PublishDraft(ctx context.Context, who publish.Who, id string, silent bool) (status.Incident, publish.Told, error)
	DiscardDraft(ctx context.Context, who publish.Who, id string) error
	DeleteIncident(ctx context.Context, who publish.Who, id string) error
	Postmortem(ctx context.Context, who publish.Who, id, text string, silent bool) (publish.Told, error)
	SaveTemplate(ctx context.Context, who publish.Who, t publish.Template) (publish.Template, error)
	DeleteTemplate(ctx context.Context, who publish.Who, id string) error

	SaveMaintenance(ctx context.Context, who publish.Who, m status.Maintenance, n publish.Note) (status.Maintenance, publish.Told, error)
	PostMaintenance(ctx context.Context, who publish.Who, id string, n publish.Note) (status.Maintenance, publish.Told, error)
	CancelMaintenance(ctx context.Context, who publish.Who, id, body string, silent bool) (status.Maintenance, publish.Told, error)
	SaveSeries(ctx context.Context, who publish.Who, s status.Series) (status.Series, error)
	DeleteSeries(ctx context.Context, who publish.Who, id string) error

	// Export is everything of pages, of all where none is named.
	Export(ctx context.Context, program string, pageIDs ...string) (*transfer.Document, error)
	Import(ctx context.Context, who publish.Who, p *transfer.Page, o publish.ImportOptions) (publish.Imported, error)

	Reach(ctx context.Context, pageID string, kind push.Kind, impact status.Impact, components []string, of string) (publish.Reach, error)
}

// Status is what is stored of public pages.
type Status interface {
	StatusPages(ctx context.Context) ([]status.Page, error)
	// StatusParts are the groups and components of a page, in their order.
	StatusParts(ctx context.Context, pageID string) ([]status.Group, []status.Component, error)
	// StatusComponent is a component with what alerts last said of it.
	StatusComponent(ctx context.Context, id string) (publish.Bound, error)
	StatusGroup(ctx context.Context, id string) (status.Group, error)
	// StatusIntervals are how a component was, and by whom, from a time on.
	StatusIntervals(ctx context.Context, componentID string, from time.Time) ([]status.Interval, error)
	// EachObject calls fn with each host and service that is known until it answers
	// false.
	EachObject(ctx context.Context, fn func(o *alert.Object) bool) error
	// StatusRecord is all that is shown of a page, drafts left out or in as
	// status.Take wants them.
	StatusRecord(ctx context.Context, pageID string) (status.Record, error)
	Incident(ctx context.Context, id string) (status.Incident, error)
	Maintenance(ctx context.Context, id string) (status.Maintenance, error)
	// Maintenances are those of a page that lie between two moments.
	Maintenances(ctx context.Context, pageID string, from, to time.Time) ([]status.Maintenance, error)
	StatusMonth(ctx context.Context, pageID string, from, to time.Time) ([]status.Incident, []status.Maintenance, error)
	StatusSeries(ctx context.Context, pageID string) ([]publish.Planned, error)
	StatusTemplates(ctx context.Context, pageID string) ([]publish.Template, error)
	StatusAudit(ctx context.Context, f publish.AuditFilter) (list []publish.Audit, next string, err error)
	StatusImage(ctx context.Context, id string) (publish.Image, error)
}

// statusRoutes are those of the public pages: how they are made up, incidents,
// maintenance, and who hears of them.
func (c *console) statusRoutes() []routing {
	return slices.Concat(c.pageRoutes(), c.incidentRoutes(), c.maintenanceRoutes(), c.tellingRoutes(), c.transferRoutes())
}

// author is who the desk is told that it was.
func (v *visit) author() publish.Who {
	return publish.Who{UserID: v.who.UserID, Name: v.who.Label()}
}

// pageChoice is which page a list is of, and the others that there are.
type pageChoice struct {
	Page  status.Page
	Pages []status.Page
}

// Several says that there is something to choose.
func (p pageChoice) Several() bool { return len(p.Pages) > 1 }

// Query leads to the same page's other lists: "?page=ID", empty for the main page.
func (p pageChoice) Query() string {
	if p.Page.Main || p.Page.ID == "" {
		return ""
	}
	return "?page=" + url.QueryEscape(p.Page.ID)
}

// choosePage answers the page that the address names, the main page without one.
// Page is zero while there is no page at all.
func (c *console) choosePage(v *visit) (pageChoice, error) {
	pages, err := c.Store.StatusPages(v.Context())
	if err != nil || len(pages) == 0 {
		return pageChoice{}, err
	}
	p := pageChoice{Pages: pages}
	id := v.URL.Query().Get("page")
	for _, o := range pages {
		if o.ID == id || id == "" && o.Main {
			p.Page = o
			return p, nil
		}
	}
	if id != "" {
		return p, fmt.Errorf("page %q: %w", id, fault.ErrNotFound)
	}
	p.Page = pages[0]
	return p, nil
}

// publicAddress is where visitors find something below a page.
func publicAddress(p status.Page, below string) string {
	switch {
	case p.Host != "":
		return "https://" + p.Host + below
	case p.Main:
		return below
	}
	return "/s/" + p.Slug + below
}
