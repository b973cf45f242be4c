package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/internal/auth"
	"tocsin/internal/web"
)

// maxBody is the most that a request may bring, except for events.
const maxBody = 64 << 10

// describe is the head of the OpenAPI document.
func describe(version string) huma.Config {
	c := huma.DefaultConfig("Tocsin", version)
	c.CreateHooks = nil // no $schema in our answers
	c.DocsPath = ""     // that page would load scripts from elsewhere
	c.SchemasPath = ""
	c.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	c.RejectUnknownQueryParameters = true
	c.Transformers = append(c.Transformers, whole)
	c.Info.Description = "Alerts, who was told of them and why; contacts, groups, rules, time periods and sources.\n\n" +
		"Errors are problem documents (RFC 9457). Lists answer `items` and `next`; give `next` back as `cursor` until it is empty."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"apiKey":      {Type: "http", Scheme: "bearer", Description: "An API key (`tk_…`), made by `tocsin apikey add` or in the console. Each route names the scope that it asks for."},
		"session":     {Type: "apiKey", In: "cookie", Name: auth.Cookie, Description: "The session of somebody who signed in to the console."},
		"sourceToken": {Type: "http", Scheme: "bearer", Description: "The token of a source (`ts_…`), made by `tocsin source add` or in the console."},
	}
	c.Tags = []*huma.Tag{
		{Name: "events", Description: "The way in for monitoring engines."},
		{Name: "alerts", Description: "Problems, their timelines, and who was told."},
		{Name: "contacts", Description: "Who is told: contacts, groups, rules, time periods."},
		{Name: "planning", Description: "Who is on call, what is done while nobody takes an alert, maintenance windows, webhooks; and to try it before the night."},
		{Name: "sources", Description: "The monitoring engines."},
		{Name: "administration", Description: "Users, API keys, settings."},
		{Name: "system", Description: "Who am I, and is Tocsin well?"},
		{Name: "live", Description: "What open tabs use."},
		{Name: "mattermost", Description: "Mattermost: its settings, the rooms where alerts are posted, who is linked."},
		{Name: "push", Description: "Web Push: devices, keys, publications to the visitors of public pages."},
		{Name: "status", Description: "Public status pages: how they are made up, incidents, maintenance, who is told, and who changed what."},
	}
	return c
}

// whole completes the problems that huma makes itself: like ours they have a
// type, and a sentence that names the field; they do not repeat the body.
func whole(c huma.Context, _ string, v any) (any, error) {
	p, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p.Instance = web.Occurrence(web.RequestID(c.Context()))
	if p.Type != "" {
		return v, nil
	}
	p.Type = "about:blank"
	for _, e := range p.Errors {
		if strings.HasPrefix(e.Location, "body") {
			e.Value = nil // a whole body may hold a password
		}
	}
	if len(p.Errors) > 0 {
		p.Detail = strings.TrimSpace(p.Errors[0].Location + ": " + p.Errors[0].Message)
	}
	return p, nil
}

// access says who may call a route.
type access struct {
	scope       auth.Scope // empty: everybody who is signed in
	sessionOnly bool
}

// route describes an operation: method, path below the prefix, a name for
// programs, one line for people.
func route(tag, method, path, id, summary string) huma.Operation {
	return huma.Operation{Tags: []string{tag}, Method: method, Path: path, OperationID: id, Summary: summary, MaxBodyBytes: maxBody}
}

// register adds a route with its access check and the table of errors.
func register[I, O any](a *API, need access, op huma.Operation, h func(ctx context.Context, in *I) (*O, error)) {
	op.Middlewares = append(op.Middlewares, func(c huma.Context, next func(huma.Context)) {
		if p := refused(c.Context(), need); p != nil {
			_, w := humago.Unwrap(c)
			writeProblem(w, p)
			return
		}
		next(c)
	})
	op.Security = []map[string][]string{{"session": {}}}
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable)
	if !need.sessionOnly {
		op.Security = append(op.Security, map[string][]string{"apiKey": {}})
	}
	if need.scope != "" {
		op.Extensions = map[string]any{"x-required-scope": string(need.scope)}
		op.Description = strings.TrimSpace(op.Description + "\n\nAsks for the scope `" + string(need.scope) + "`.")
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, a.refusal(ctx, err)
		}
		return out, nil
	})
}

// refused answers the problem when the request may not do what is needed.
func refused(ctx context.Context, need access) *huma.ErrorModel {
	p, ok := auth.From(ctx)
	switch {
	case !ok:
		return problem(http.StatusUnauthorized, "Sign in, or give an API key as “Authorization: Bearer …”.")
	case need.sessionOnly && p.UserID == "":
		return problem(http.StatusForbidden, "This is for people who are signed in; an API key has no browser.")
	case need.scope != "" && !p.May(need.scope):
		return problem(http.StatusForbidden, "This asks for the scope "+string(need.scope)+", which "+p.Name+" does not have.")
	}
	return nil
}

// body wraps an answer for huma.
type body[T any] struct{ Body T }

// give answers v.
func give[T any](v T) *body[T] { return &body[T]{v} }

// list is a page of a list.
type list[T any] struct {
	Items []T    `json:"items" doc:"This page's part"`
	Next  string `json:"next" doc:"Give it back as cursor for the next page; empty on the last one"`
}

// Paging is asked for by every list. It is exported because huma passes over
// embedded fields that are not.
type Paging struct {
	Cursor string `query:"cursor" maxLength:"500" doc:"next of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many at most"`
}

// byID is the input of routes about one thing.
type byID struct {
	ID string `path:"id" maxLength:"100" doc:"Its id"`
}

// cut answers the page of a list that is read as a whole, ordered by key. The
// cursor is a key, so that a page stays right when something before it goes.
func cut[T any](items []T, p Paging, key func(T) string) (list[T], error) {
	slices.SortFunc(items, func(x, y T) int { return cmp.Compare(key(x), key(y)) })
	if p.Cursor != "" {
		after, err := base64.RawURLEncoding.DecodeString(p.Cursor)
		if err != nil {
			return list[T]{}, badCursor()
		}
		i, found := slices.BinarySearchFunc(items, string(after), func(x T, k string) int { return cmp.Compare(key(x), k) })
		if found {
			i++
		}
		items = items[i:]
	}
	out := list[T]{Items: items}
	if p.Limit > 0 && len(items) > p.Limit {
		out.Items = items[:p.Limit]
		out.Next = base64.RawURLEncoding.EncodeToString([]byte(key(out.Items[p.Limit-1])))
	}
	if out.Items == nil {
		out.Items = []T{}
	}
	return out, nil
}

func badCursor() error {
	return problem(http.StatusUnprocessableEntity, "The cursor is none that this list gave.", &huma.ErrorDetail{Location: "query.cursor", Message: "is none that this list gave; begin without one"})
}

// each makes a list of other things, never null.
func each[T, U any](in []T, f func(T) U) []U {
	out := make([]U, 0, len(in))
	for _, x := range in {
		out = append(out, f(x))
	}
	return out
}
