package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/web"
)

// Status is what is stored of public pages.
type Status interface {
	web.Status
	PageOf(ctx context.Context, of publish.Subject, id string) (pageID string, err error)
	StatusIncidents(ctx context.Context, f publish.IncidentFilter) (list []status.Incident, next string, err error)
	StatusMaintenances(ctx context.Context, f publish.MaintenanceFilter) (list []status.Maintenance, next string, err error)
	StatusSubscribers(ctx context.Context, pageID string, since time.Time) (publish.Subscribers, error)
}

// maxStatusBody is the most that a call about public pages may bring: a
// postmortem is long, and an order names everything.
const maxStatusBody = 512 << 10

// publishing is asked for by what the public is told.
func publishing() access { return access{scope: auth.Publish} }

func (a *API) statusRoutes() {
	a.statusPageRoutes()
	a.statusPartRoutes()
	a.incidentRoutes()
	a.incidentWordRoutes()
	a.maintenanceRoutes()
	a.seriesRoutes()
	a.templateRoutes()
	a.statusTrailRoutes()
}

// statusRoute describes an operation at public pages.
func statusRoute(method, path, id, summary string) huma.Operation {
	op := route("status", method, "/status"+path, id, summary)
	op.MaxBodyBytes = maxStatusBody
	var also []int
	if strings.Contains(path, "{id}") {
		also = append(also, http.StatusNotFound)
	}
	if method != http.MethodGet {
		also = append(also, http.StatusConflict)
	}
	op.Errors = also
	return op
}

// writer is who makes a request, for the audit trail.
func writer(ctx context.Context) publish.Who {
	p, _ := auth.From(ctx)
	return publish.Who{UserID: p.UserID, Name: p.Label()}
}

// statusPage answers a page by its id or its slug; the main one where none is
// named. at is the field that names it.
func (a *API) statusPage(ctx context.Context, at, ref string) (status.Page, error) {
	pages, err := a.d.Status.StatusPages(ctx)
	if err != nil {
		return status.Page{}, err
	}
	for _, same := range []func(p status.Page) bool{
		func(p status.Page) bool { return ref == "" && p.Main },
		func(p status.Page) bool { return p.ID == ref },
		func(p status.Page) bool { return p.Slug == ref },
	} {
		if i := slices.IndexFunc(pages, same); i >= 0 {
			return pages[i], nil
		}
	}
	switch {
	case at == "path":
		return status.Page{}, fmt.Errorf("page %w", fault.ErrNotFound)
	case ref == "":
		return status.Page{}, problem(http.StatusConflict, "There is no public page yet: make one first (POST /status/pages).")
	}
	const message = "is no page's id or slug; GET /status/pages lists them"
	return status.Page{}, problem(http.StatusUnprocessableEntity, at+" "+message, &huma.ErrorDetail{Location: at, Message: message, Value: ref})
}

// ofAnyPage answers the id of the page that a list is narrowed to, empty for all.
func (a *API) ofAnyPage(ctx context.Context, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	p, err := a.statusPage(ctx, "query.page", ref)
	return p.ID, err
}

// inUpdate is where rules of a text that is yet to be posted find a fault: it
// stands among the updates only afterwards.
var inUpdate = regexp.MustCompile(`^updates\[\d+\]\.`)

// statusRefusal is what a *status.FieldError is to a caller.
func statusRefusal(e *status.FieldError) *huma.ErrorModel {
	field := inUpdate.ReplaceAllString(e.Field, "")
	if slices.Contains([]string{"page", "group", "component", "incident", "maintenance", "series", "template", "updates"}, field) {
		// Not this one is wrong: there are too many.
		return problem(http.StatusConflict, "Nothing was changed: "+e.Problem+"; "+e.Mend+".")
	}
	return fieldProblem(field, e.Problem+"; "+e.Mend, nil)
}

// toldOut is an answer with what went out.
type toldOut[T any] struct {
	Status int
	Body   T
}

// Told says what went out with a change.
type Told struct {
	Publications []string `json:"publications" doc:"Ids of the messages that went out to visitors; GET /publications/{id} says how far each is"`
	Repeated     bool     `json:"repeated" doc:"A call with this Idempotency-Key was carried out before: nothing was changed by this one, and nobody told"`
}

func toldOf(t publish.Told) Told {
	return Told{Publications: words(t.Publications), Repeated: t.Again}
}

// madeOrFound is 201 for what was made, 200 for what a call before this one made.
func madeOrFound(t publish.Told) int {
	if t.Again {
		return http.StatusOK
	}
	return http.StatusCreated
}

// Repeatable is asked for where something would be there twice. It is exported
// because huma passes over embedded fields that are not.
type Repeatable struct {
	Key string `header:"Idempotency-Key" maxLength:"200" doc:"Your name of this call, such as your own incident's id. The same again, by the same user or API key, changes nothing and answers what is there"`
}

// already says why a draft cannot be published or discarded: there is none, or it
// is public.
func (a *API) already(ctx context.Context, id string, err error) error {
	if !errors.Is(err, fault.ErrNotFound) {
		return err
	}
	if i, look := a.d.Status.Incident(ctx, id); look == nil && !i.Draft {
		return problem(http.StatusConflict, "Nothing was changed: the incident is no draft any more; visitors see it.")
	}
	return err
}
