package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// PrivateIn says who may see a page. Each condition opens it by itself; none:
// everybody may.
type PrivateIn struct {
	Password *string  `json:"password,omitempty" writeOnly:"true" maxLength:"200" doc:"Left out, it stays; empty: none. Never shown"`
	SignedIn bool     `json:"signed_in,omitempty" doc:"Whoever is signed in here"`
	Networks []string `json:"networks,omitempty" maxItems:"100" doc:"Whoever comes from one of these" example:"[\"10.0.0.0/8\"]"`
}

// PrivateOut says who may see a page.
type PrivateOut struct {
	HasPassword bool     `json:"has_password"`
	SignedIn    bool     `json:"signed_in"`
	Networks    []string `json:"networks"`
}

// PageIn is what a page is made of.
type PageIn struct {
	Slug     string          `json:"slug" maxLength:"63" doc:"In its address, /s/SLUG" example:"main"`
	Name     string          `json:"name" maxLength:"200" example:"Example Inc."`
	Zone     string          `json:"zone" maxLength:"100" doc:"IANA; for days, and for visitors without JavaScript" example:"Europe/Berlin"`
	Language string          `json:"language,omitempty" maxLength:"35" doc:"BCP 47; for visitors whose own there is not. None: en" example:"de"`
	Main     bool            `json:"main,omitempty" doc:"It is the page at /; the one before is it no more. The first page always is"`
	Host     string          `json:"host,omitempty" maxLength:"253" doc:"A host name of its own" example:"status.example.com"`
	About    string          `json:"about,omitempty" maxLength:"2000" doc:"Markdown, above the components"`
	Accent   string          `json:"accent,omitempty" maxLength:"7" example:"#1d5fd1"`
	Support  string          `json:"support,omitempty" maxLength:"2000" doc:"Where visitors get help: https or mailto" example:"mailto:help@example.com"`
	Triggers map[string]bool `json:"triggers,omitempty" doc:"What visitors are told of at all, by kind; those left out stay"`
	Private  *PrivateIn      `json:"private,omitempty" doc:"Left out, it stays; {} is everybody, but for a password that there is"`
}

// PageOut is a public page.
type PageOut struct {
	ID       string          `json:"id"`
	Slug     string          `json:"slug" example:"main"`
	URL      string          `json:"url" doc:"Where visitors find it"`
	Name     string          `json:"name"`
	Zone     string          `json:"zone"`
	Language string          `json:"language"`
	Main     bool            `json:"main"`
	Host     string          `json:"host"`
	About    string          `json:"about"`
	Accent   string          `json:"accent"`
	Support  string          `json:"support"`
	HasLogo  bool            `json:"has_logo"`
	Triggers map[string]bool `json:"triggers" doc:"What visitors are told of, by kind"`
	Private  PrivateOut      `json:"private"`
	Version  int64           `json:"version" doc:"Rises with every change that visitors can see"`
	Created  time.Time       `json:"created"`
}

func triggersOut(p *status.Page) map[string]bool {
	out := map[string]bool{}
	for _, k := range push.Kinds() {
		out[string(k)] = publish.Triggered(p, k)
	}
	return out
}

func (a *API) pageOut(p status.Page) PageOut {
	return PageOut{
		ID: p.ID, Slug: p.Slug, URL: a.pageURL(&p) + "/", Name: p.Name, Zone: p.Zone, Language: p.Language, Main: p.Main, Host: p.Host, About: p.About,
		Accent: p.Accent, Support: p.Support, HasLogo: p.Logo != "", Triggers: triggersOut(&p), Version: p.Version, Created: p.Created.UTC(),
		Private: PrivateOut{HasPassword: p.Private.PasswordHash != "", SignedIn: p.Private.SignedIn, Networks: words(p.Private.Networks)},
	}
}

// pageURL is where visitors find a page, without a slash at the end.
func (a *API) pageURL(p *status.Page) string {
	base := strings.TrimSuffix(a.d.BaseURL, "/")
	switch {
	case p.Host != "":
		return "https://" + p.Host
	case p.Main:
		return base
	}
	return base + "/s/" + p.Slug
}

// TriggersIO is what visitors are told of at all, by whichever way. On PUT, what is
// left out stays as it is.
type TriggersIO struct {
	IncidentNew        *bool `json:"incident_new,omitempty" doc:"At first: on"`
	IncidentUpdate     *bool `json:"incident_update,omitempty" doc:"At first: on"`
	IncidentResolved   *bool `json:"incident_resolved,omitempty" doc:"At first: on"`
	ComponentDown      *bool `json:"component_down,omitempty" doc:"At first: off"`
	ComponentRecovered *bool `json:"component_recovered,omitempty" doc:"At first: off"`
	Maintenance        *bool `json:"maintenance,omitempty" doc:"At first: off"`
}

func (t *TriggersIO) each() map[push.Kind]**bool {
	return map[push.Kind]**bool{
		push.IncidentNew: &t.IncidentNew, push.IncidentUpdate: &t.IncidentUpdate, push.IncidentResolved: &t.IncidentResolved,
		push.ComponentDown: &t.ComponentDown, push.ComponentRecovered: &t.ComponentRecovered, push.Maintenance: &t.Maintenance,
	}
}

func triggersIO(p *status.Page) TriggersIO {
	var out TriggersIO
	for k, to := range out.each() {
		on := publish.Triggered(p, k)
		*to = &on
	}
	return out
}

// logoIn is the picture itself.
type logoIn struct {
	ID      string `path:"id" maxLength:"100" doc:"Its id or slug"`
	RawBody []byte `contentType:"image/png" doc:"PNG or JPEG"`
}

// pageRef is the input of routes about one page.
type pageRef struct {
	ID string `path:"id" maxLength:"100" doc:"Its id or slug"`
}

type pagePut[T any] struct {
	ID   string `path:"id" maxLength:"100" doc:"Its id or slug"`
	Body T
}

func (a *API) statusPageRoutes() {
	register(a, readConfig(), statusRoute(http.MethodGet, "/pages", "list-status-pages", "List public pages"),
		func(ctx context.Context, in *Paging) (*body[list[PageOut]], error) {
			all, err := a.d.Status.StatusPages(ctx)
			if err != nil {
				return nil, err
			}
			page, err := cut(all, *in, func(p status.Page) string { return p.Created.UTC().Format(time.RFC3339Nano) + "\x00" + p.ID })
			if err != nil {
				return nil, err
			}
			return give(list[PageOut]{Items: each(page.Items, a.pageOut), Next: page.Next}), nil
		})
	create := statusRoute(http.MethodPost, "/pages", "create-status-page", "Make a public page")
	create.DefaultStatus = http.StatusCreated
	register(a, writeConfig(), create, func(ctx context.Context, in *postIn[PageIn]) (*body[PageOut], error) {
		return a.savePage(ctx, status.Page{Language: "en"}, in.Body)
	})
	register(a, readConfig(), statusRoute(http.MethodGet, "/pages/{id}", "get-status-page", "One public page"),
		func(ctx context.Context, in *pageRef) (*body[PageOut], error) {
			p, err := a.statusPage(ctx, "path", in.ID)
			if err != nil {
				return nil, err
			}
			return give(a.pageOut(p)), nil
		})
	register(a, writeConfig(), statusRoute(http.MethodPut, "/pages/{id}", "replace-status-page", "Replace what a public page is made of"),
		func(ctx context.Context, in *pagePut[PageIn]) (*body[PageOut], error) {
			p, err := a.statusPage(ctx, "path", in.ID)
			if err != nil {
				return nil, err
			}
			return a.savePage(ctx, p, in.Body)
		})
	del := statusRoute(http.MethodDelete, "/pages/{id}", "delete-status-page", "Delete a public page with all that is on it, for good")
	del.Description = "Its subscribers, history and files go too; its audit trail stays. 409 for the main page while there are others."
	register(a, administer(), del, func(ctx context.Context, in *pageRef) (*struct{}, error) {
		p, err := a.statusPage(ctx, "path", in.ID)
		if err != nil {
			return nil, err
		}
		return nil, a.d.Desk.DeletePage(ctx, writer(ctx), p.ID)
	})
	a.logoRoutes()
	a.triggerRoutes()
}

func (a *API) logoRoutes() {
	set := func(ctx context.Context, id string, picture []byte) error {
		p, err := a.statusPage(ctx, "path", id)
		if err != nil {
			return err
		}
		err = a.d.Desk.SetLogo(ctx, writer(ctx), p.ID, picture)
		var f *status.FieldError
		if errors.As(err, &f) {
			return problem(http.StatusUnprocessableEntity, "The picture "+f.Problem+"; "+f.Mend+".")
		}
		return err
	}
	put := statusRoute(http.MethodPut, "/pages/{id}/logo", "put-status-logo", "The page's logo: PNG or JPEG, at most 256 KiB and 4096 pixels a side")
	register(a, writeConfig(), put, func(ctx context.Context, in *logoIn) (*struct{}, error) {
		if len(in.RawBody) == 0 {
			return nil, problem(http.StatusUnprocessableEntity, "The picture is empty; DELETE takes the logo away.")
		}
		return nil, set(ctx, in.ID, in.RawBody)
	})
	register(a, writeConfig(), statusRoute(http.MethodDelete, "/pages/{id}/logo", "delete-status-logo", "Take the page's logo away"),
		func(ctx context.Context, in *pageRef) (*struct{}, error) { return nil, set(ctx, in.ID, nil) })
}

func (a *API) triggerRoutes() {
	register(a, readConfig(), statusRoute(http.MethodGet, "/pages/{id}/triggers", "get-status-triggers", "What visitors of a page are told of at all"),
		func(ctx context.Context, in *pageRef) (*body[TriggersIO], error) {
			p, err := a.statusPage(ctx, "path", in.ID)
			if err != nil {
				return nil, err
			}
			return give(triggersIO(&p)), nil
		})
	register(a, writeConfig(), statusRoute(http.MethodPut, "/pages/{id}/triggers", "put-status-triggers", "Change what visitors of a page are told of at all"),
		func(ctx context.Context, in *pagePut[TriggersIO]) (*body[TriggersIO], error) {
			p, err := a.statusPage(ctx, "path", in.ID)
			if err != nil {
				return nil, err
			}
			on := map[string]bool{}
			for k, given := range in.Body.each() {
				if *given != nil {
					on[string(k)] = **given
				}
			}
			saved, err := a.d.Desk.SetTriggers(ctx, writer(ctx), p.ID, on)
			if err != nil {
				return nil, err
			}
			return give(triggersIO(&saved)), nil
		})
}

// savePage fills in what was given over what there is.
func (a *API) savePage(ctx context.Context, p status.Page, in PageIn) (*body[PageOut], error) {
	p.Slug, p.Name, p.Zone, p.Host = in.Slug, strings.TrimSpace(in.Name), in.Zone, strings.ToLower(strings.TrimSpace(in.Host))
	p.About, p.Accent, p.Support = in.About, in.Accent, strings.TrimSpace(in.Support)
	if in.Language != "" {
		p.Language = in.Language
	}
	if p.ID == "" || in.Main {
		p.Main = in.Main // which page is the main one changes by making another one it
	}
	if len(in.Triggers) > 0 {
		now := triggersOut(&p)
		for k, on := range in.Triggers {
			now[k] = on
		}
		p.Triggers = now
	}
	if in.Private != nil {
		p.Private.SignedIn, p.Private.Networks = in.Private.SignedIn, in.Private.Networks
		if err := a.setPagePassword(&p, in.Private.Password); err != nil {
			return nil, err
		}
	}
	saved, err := a.d.Desk.SavePage(ctx, writer(ctx), p)
	if errors.Is(err, fault.ErrTaken) {
		return nil, a.pageTaken(ctx, &p)
	}
	if err != nil {
		return nil, err
	}
	return give(a.pageOut(saved)), nil
}

func (a *API) setPagePassword(p *status.Page, given *string) error {
	switch {
	case given == nil:
		return nil
	case *given == "":
		p.Private.PasswordHash = ""
		return nil
	}
	err := auth.CheckPassword("", *given)
	var f *auth.FieldError
	if errors.As(err, &f) {
		return fieldProblem("private.password", f.Problem+"; "+f.Mend, nil)
	}
	if err != nil {
		return err
	}
	p.Private.PasswordHash, err = auth.HashPassword(*given)
	return err
}

// pageTaken says which of its names another page has.
func (a *API) pageTaken(ctx context.Context, p *status.Page) error {
	pages, err := a.d.Status.StatusPages(ctx)
	if err != nil {
		return err
	}
	field := "host"
	if slices.ContainsFunc(pages, func(o status.Page) bool { return o.ID != p.ID && o.Slug == p.Slug }) {
		field = "slug"
	}
	taken := fieldProblem(field, "is another page's; choose another one", nil)
	taken.Status, taken.Title = http.StatusConflict, http.StatusText(http.StatusConflict)
	return taken
}
