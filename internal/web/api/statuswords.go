package api

import (
	"context"
	"net/http"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// UpdateEdit corrects an update; nobody is told.
type UpdateEdit struct {
	Body string     `json:"body" maxLength:"20000" doc:"Markdown"`
	At   *time.Time `json:"at,omitempty" doc:"As visitors see it; none: it stays"`
}

// updateAt is the input of routes about one update.
type updateAt struct {
	ID     string `path:"id" maxLength:"100" doc:"Its id"`
	Update string `path:"update" maxLength:"100" doc:"The update's id"`
	Body   UpdateEdit
}

// SilentIn says whether visitors are told.
type SilentIn struct {
	Silent bool `json:"silent,omitempty" doc:"Nobody is told"`
}

// silentAt is about something, with or without a body.
type silentAt struct {
	ID   string    `path:"id" maxLength:"100" doc:"Its id"`
	Body *SilentIn `required:"false"`
}

// PostmortemIn is what was learned.
type PostmortemIn struct {
	Postmortem string `json:"postmortem" maxLength:"60000" doc:"Markdown; empty: none any more"`
	Silent     bool   `json:"silent,omitempty" doc:"Nobody is told"`
}

// incidentWordRoutes are about what is said of an incident.
func (a *API) incidentWordRoutes() {
	post := statusRoute(http.MethodPost, "/incidents/{id}/updates", "post-incident-update", "Add an update to an incident, and tell visitors")
	post.DefaultStatus = http.StatusCreated
	post.Description = "200 when a call with the same Idempotency-Key has added it before. An update of a draft is shown with it."
	register(a, publishing(), post, func(ctx context.Context, in *repeatableAt[UpdateIn]) (*toldOut[ToldIncident], error) {
		n := in.Body.note(in.Body.Phase, in.Key)
		n.Restore = in.Body.Restore
		_, told, err := a.d.Desk.PostUpdate(ctx, writer(ctx), in.ID, n)
		if err != nil {
			return nil, err
		}
		return a.tellIncident(ctx, madeOrFound(told), in.ID, told)
	})
	register(a, publishing(), statusRoute(http.MethodPut, "/incidents/{id}/updates/{update}", "edit-incident-update", "Correct an update of an incident; nobody is told"),
		func(ctx context.Context, in *updateAt) (*body[IncidentOut], error) {
			if err := a.editUpdate(ctx, publish.OfIncident, in); err != nil {
				return nil, err
			}
			i, err := a.d.Status.Incident(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return a.giveIncident(ctx, i)
		})
	show := statusRoute(http.MethodPost, "/incidents/{id}/publish", "publish-incident", "Publish a draft, and tell visitors")
	register(a, publishing(), show, func(ctx context.Context, in *silentAt) (*toldOut[ToldIncident], error) {
		_, told, err := a.d.Desk.PublishDraft(ctx, writer(ctx), in.ID, in.Body != nil && in.Body.Silent)
		if err != nil {
			return nil, a.already(ctx, in.ID, err)
		}
		return a.tellIncident(ctx, http.StatusOK, in.ID, told)
	})
	discard := statusRoute(http.MethodPost, "/incidents/{id}/discard", "discard-incident", "Delete a draft that nobody saw")
	register(a, publishing(), discard, func(ctx context.Context, in *byID) (*struct{}, error) {
		if err := a.d.Desk.DiscardDraft(ctx, writer(ctx), in.ID); err != nil {
			return nil, a.already(ctx, in.ID, err)
		}
		return nil, nil
	})
	learn := statusRoute(http.MethodPut, "/incidents/{id}/postmortem", "put-incident-postmortem", "Write what was learned from an incident that is resolved")
	register(a, publishing(), learn, func(ctx context.Context, in *putIn[PostmortemIn]) (*toldOut[ToldIncident], error) {
		told, err := a.d.Desk.Postmortem(ctx, writer(ctx), in.ID, in.Body.Postmortem, in.Body.Silent)
		if err != nil {
			return nil, err
		}
		return a.tellIncident(ctx, http.StatusOK, in.ID, told)
	})
}

func (a *API) editUpdate(ctx context.Context, of publish.Subject, in *updateAt) error {
	var at time.Time
	if in.Body.At != nil {
		at = *in.Body.At
	}
	return a.d.Desk.EditUpdate(ctx, writer(ctx), of, in.ID, in.Update, in.Body.Body, at)
}

// TemplateIn is what a prepared text is made of.
type TemplateIn struct {
	Name       string   `json:"name" maxLength:"200" doc:"For who writes" example:"Database slow"`
	Title      string   `json:"title,omitempty" maxLength:"200"`
	Body       string   `json:"body" maxLength:"20000" doc:"Markdown"`
	Phase      string   `json:"phase,omitempty" enum:"investigating,identified,monitoring,resolved"`
	Impact     string   `json:"impact,omitempty" enum:"none,minor,major,critical"`
	Components []string `json:"components,omitempty" maxItems:"1000"`
}

// TemplateNew is a new template.
type TemplateNew struct {
	Page string `json:"page,omitempty" maxLength:"100" doc:"The page's id or slug; none: the main page"`
	TemplateIn
}

// TemplateOut is a prepared text for incidents.
type TemplateOut struct {
	ID         string   `json:"id"`
	PageID     string   `json:"page_id"`
	Name       string   `json:"name"`
	Title      string   `json:"title"`
	Body       string   `json:"body"`
	Phase      string   `json:"phase"`
	Impact     string   `json:"impact"`
	Components []string `json:"components"`
}

func templateOut(t publish.Template) TemplateOut {
	return TemplateOut{ID: t.ID, PageID: t.PageID, Name: t.Name, Title: t.Title, Body: t.Body, Phase: string(t.Phase), Impact: string(t.Impact), Components: words(t.Components)}
}

func (in *TemplateIn) template(id, pageID string) publish.Template {
	return publish.Template{ID: id, PageID: pageID, Name: in.Name, Title: in.Title, Body: in.Body, Phase: status.Phase(in.Phase), Impact: status.Impact(in.Impact), Components: in.Components}
}

func (a *API) templateRoutes() {
	registerParts(a, parts[TemplateNew, TemplateIn, TemplateOut, publish.Template]{
		of: publish.OfTemplate, path: "/templates", one: "template", many: "templates", write: writeConfig(),
		list: a.statusTemplates, id: func(t publish.Template) string { return t.ID }, out: func(t publish.Template) TemplateOut { return templateOut(t) },
		page: func(in *TemplateNew) string { return in.Page }, within: func(in *TemplateNew) *TemplateIn { return &in.TemplateIn },
		save: func(ctx context.Context, id, pageID string, in *TemplateIn) (publish.Template, error) {
			return a.d.Desk.SaveTemplate(ctx, writer(ctx), in.template(id, pageID))
		},
		remove: func(ctx context.Context, id string) error { return a.d.Desk.DeleteTemplate(ctx, writer(ctx), id) },
	})
}

func (a *API) statusTemplates(ctx context.Context, pageID string) ([]publish.Template, error) {
	return a.d.Status.StatusTemplates(ctx, pageID)
}

// parts is a kind of thing that a page has some of.
type parts[New, In, Out, T any] struct {
	of              publish.Subject
	path, one, many string
	write           access
	list            func(ctx context.Context, pageID string) ([]T, error)
	id              func(T) string
	out             func(T) Out
	page            func(*New) string
	within          func(*New) *In
	save            func(ctx context.Context, id, pageID string, in *In) (T, error)
	remove          func(ctx context.Context, id string) error
}

// registerParts adds the five routes.
func registerParts[New, In, Out, T any](a *API, c parts[New, In, Out, T]) {
	register(a, readConfig(), statusRoute(http.MethodGet, c.path, "list-status-"+c.many, "List the "+c.many+" of a page"),
		func(ctx context.Context, in *onPage) (*body[list[Out]], error) {
			p, err := a.statusPage(ctx, "query.page", in.Page)
			if err != nil {
				return nil, err
			}
			all, err := c.list(ctx, p.ID)
			if err != nil {
				return nil, err
			}
			page, err := cut(all, in.Paging, c.id)
			if err != nil {
				return nil, err
			}
			return give(list[Out]{Items: each(page.Items, c.out), Next: page.Next}), nil
		})
	create := statusRoute(http.MethodPost, c.path, "create-status-"+c.one, "Make a "+c.one)
	create.DefaultStatus = http.StatusCreated
	register(a, c.write, create, func(ctx context.Context, in *postIn[New]) (*body[Out], error) {
		p, err := a.statusPage(ctx, "body.page", c.page(&in.Body))
		if err != nil {
			return nil, err
		}
		return c.saved(ctx, "", p.ID, c.within(&in.Body))
	})
	register(a, readConfig(), statusRoute(http.MethodGet, c.path+"/{id}", "get-status-"+c.one, "One "+c.one),
		func(ctx context.Context, in *byID) (*body[Out], error) {
			pageID, err := a.d.Status.PageOf(ctx, c.of, in.ID)
			if err != nil {
				return nil, err
			}
			all, err := c.list(ctx, pageID)
			if err != nil {
				return nil, err
			}
			for _, v := range all {
				if c.id(v) == in.ID {
					return give(c.out(v)), nil
				}
			}
			return nil, a.gone(c.one)
		})
	register(a, c.write, statusRoute(http.MethodPut, c.path+"/{id}", "replace-status-"+c.one, "Replace a "+c.one),
		func(ctx context.Context, in *putIn[In]) (*body[Out], error) {
			pageID, err := a.d.Status.PageOf(ctx, c.of, in.ID)
			if err != nil {
				return nil, err
			}
			return c.saved(ctx, in.ID, pageID, &in.Body)
		})
	register(a, c.write, statusRoute(http.MethodDelete, c.path+"/{id}", "delete-status-"+c.one, "Delete a "+c.one),
		func(ctx context.Context, in *byID) (*struct{}, error) { return nil, c.remove(ctx, in.ID) })
}

func (c parts[New, In, Out, T]) saved(ctx context.Context, id, pageID string, in *In) (*body[Out], error) {
	v, err := c.save(ctx, id, pageID, in)
	if err != nil {
		return nil, err
	}
	return give(c.out(v)), nil
}

// gone is for what was deleted while it was asked for.
func (a *API) gone(what string) error {
	return problem(http.StatusNotFound, "There is no such "+what+".")
}
