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
	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
	"tocsin/internal/web"
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
	web.Desk
	EditDraft(ctx context.Context, who publish.Who, id string, e publish.Edit, n publish.Note) (status.Incident, error)
	CancelMaintenance(ctx context.Context, who publish.Who, id, body string, silent bool) (status.Maintenance, publish.Told, error)
	Import(ctx context.Context, who publish.Who, p *transfer.Page, o publish.ImportOptions) (publish.Imported, error)
}

// Status is what is stored of public pages.
type Status interface {
	web.Status
	// EachObject calls fn with each host and service that is known until it answers
	// false.
	EachObject(ctx context.Context, fn func(o *alert.Object) bool) error
	// StatusRecord is all that is shown of a page, drafts left out or in as
	// status.Take wants them.
	StatusRecord(ctx context.Context, pageID string) (status.Record, error)
	StatusMonth(ctx context.Context, pageID string, from, to time.Time) ([]status.Incident, []status.Maintenance, error)
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
