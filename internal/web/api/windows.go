package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/web"
	"tocsin/internal/window"
)

// WindowPageIn is a window as visitors of a status page see it.
type WindowPageIn struct {
	PageID       string   `json:"page_id,omitempty" maxLength:"100" doc:"The status page; none: visitors see nothing of it"`
	Title        string   `json:"title,omitempty" maxLength:"200" example:"Maintenance of the mail servers"`
	Body         string   `json:"body,omitempty" maxLength:"10000" doc:"Markdown"`
	ComponentIDs []string `json:"component_ids" required:"false" doc:"What it is about"`
}

// WindowPageOut is what visitors of a status page see of a window.
type WindowPageOut struct {
	PageID        string   `json:"page_id"`
	Title         string   `json:"title"`
	Body          string   `json:"body"`
	ComponentIDs  []string `json:"component_ids"`
	MaintenanceID string   `json:"maintenance_id" doc:"The maintenance that was made of it; of a window that comes again, the series"`
	Pending       bool     `json:"pending" doc:"The page is not yet as the window says; that is mended by itself within minutes"`
}

// WindowIn is what a maintenance window is made of. Conditions that are left out fit
// everything.
type WindowIn struct {
	Name     string            `json:"name" minLength:"1" maxLength:"100" example:"Patch night"`
	Enabled  *bool             `json:"enabled,omitempty" doc:"None: true"`
	Note     string            `json:"note,omitempty" maxLength:"500"`
	Zone     string            `json:"zone,omitempty" maxLength:"60" doc:"Time zone; none: UTC" example:"Europe/Berlin"`
	Start    string            `json:"start" maxLength:"20" doc:"By the clock of its zone; of the first one where it comes again" example:"2026-11-28T22:00"`
	Minutes  int               `json:"minutes" minimum:"1" maximum:"20160" doc:"How long one lasts, 14 days at most" example:"120"`
	RRule    string            `json:"rrule,omitempty" maxLength:"300" doc:"RFC 5545, without DTSTART; none: once" example:"FREQ=MONTHLY;BYDAY=2SA"`
	Sources  []string          `json:"source_ids" required:"false" doc:"Of these sources"`
	Hosts    []string          `json:"hosts" required:"false" doc:"Patterns with * and ?" example:"[\"mail*\"]"`
	Services []string          `json:"services" required:"false" doc:"Patterns with * and ?; an empty one fits the host itself"`
	Labels   map[string]string `json:"labels,omitempty" doc:"Label to pattern"`
	Page     WindowPageIn      `json:"page,omitempty" doc:"What visitors of a status page see of it; asks for the scope of publishing besides"`
}

// WindowOut is a stretch of time, once or again and again, in which alerts about
// some objects are held back.
type WindowOut struct {
	ID       string            `json:"id"`
	Name     string            `json:"name" example:"Patch night"`
	Enabled  bool              `json:"enabled"`
	Note     string            `json:"note"`
	Zone     string            `json:"zone"`
	Start    string            `json:"start"`
	Minutes  int               `json:"minutes"`
	RRule    string            `json:"rrule"`
	Sources  []string          `json:"source_ids"`
	Hosts    []string          `json:"hosts"`
	Services []string          `json:"services"`
	Labels   map[string]string `json:"labels"`
	Page     WindowPageOut     `json:"page"`
	By       string            `json:"by" doc:"Who made it"`
	Created  time.Time         `json:"created"`
	Now      bool              `json:"now" doc:"It is on, and enabled"`
	Over     bool              `json:"over" doc:"It does not come any more"`
	Next     []GapOut          `json:"next" doc:"The next times, at most 5, with the one that goes on"`
}

func (a *API) windowRoutes() {
	st := a.d.Store
	registerCRUD(a, crud[WindowIn, WindowOut, window.Window]{
		tag: "planning", path: "/windows", one: "maintenance window", many: "maintenance windows", read: readConfig(), write: writeConfig(),
		list: st.Windows, get: st.Window, fill: a.fillWindow,
		save: func(ctx context.Context, w window.Window) error {
			_, err := a.d.Windows.Save(ctx, whoOf(ctx), w)
			return err
		},
		remove: func(ctx context.Context, id string) error {
			w, err := st.Window(ctx, id)
			if err != nil {
				return err
			}
			if err := mayPublish(ctx, w); err != nil {
				return err
			}
			return a.d.Windows.Delete(ctx, whoOf(ctx), id)
		},
		show: func(_ context.Context, ws []window.Window) ([]WindowOut, error) { return each(ws, a.windowOut), nil },
		key:  func(w window.Window) string { return strings.ToLower(w.Name) + "\x00" + w.ID },
	})
}

func whoOf(ctx context.Context) publish.Who {
	p, _ := auth.From(ctx)
	return publish.Who{UserID: p.UserID, Name: p.Label()}
}

// mayPublish refuses who may not change what visitors see, where they see the window.
func mayPublish(ctx context.Context, ws ...window.Window) error {
	p, _ := auth.From(ctx)
	for _, w := range ws {
		if w.Page.PageID != "" && !p.May(auth.Publish) {
			return problem(http.StatusForbidden, "Visitors of a status page see this window: that asks for the scope "+string(auth.Publish)+", which "+p.Name+" does not have.")
		}
	}
	return nil
}

func (a *API) fillWindow(ctx context.Context, id string, in WindowIn) (window.Window, error) {
	w, err := a.d.Store.Window(ctx, id)
	if errors.Is(err, fault.ErrNotFound) {
		w = window.Window{ID: id, By: whoOf(ctx).Name, Created: a.d.Now().Truncate(time.Millisecond)}
	} else if err != nil {
		return w, err
	}
	was := w
	w.Name, w.Enabled, w.Note, w.Zone = strings.TrimSpace(in.Name), in.Enabled == nil || *in.Enabled, strings.TrimSpace(in.Note), in.Zone
	w.Start, w.Minutes, w.RRule = in.Start, in.Minutes, strings.TrimSpace(in.RRule)
	w.Sources, w.Hosts, w.Services, w.Labels = distinct(in.Sources), in.Hosts, in.Services, in.Labels
	w.Page.PageID, w.Page.Title, w.Page.Body, w.Page.ComponentIDs = in.Page.PageID, strings.TrimSpace(in.Page.Title), in.Page.Body, distinct(in.Page.ComponentIDs)
	if err := web.CheckWindow(ctx, a.d.Store, w); err != nil {
		return w, err
	}
	return w, mayPublish(ctx, was, w)
}

func (a *API) windowOut(w window.Window) WindowOut {
	labels := w.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	out := WindowOut{
		ID: w.ID, Name: w.Name, Enabled: w.Enabled, Note: w.Note, Zone: w.Zone, Start: w.Start, Minutes: w.Minutes, RRule: w.RRule,
		Sources: words(w.Sources), Hosts: words(w.Hosts), Services: words(w.Services), Labels: labels, By: w.By, Created: w.Created.UTC(),
		Page: WindowPageOut{
			PageID: w.Page.PageID, Title: w.Page.Title, Body: w.Page.Body, ComponentIDs: words(w.Page.ComponentIDs),
			MaintenanceID: w.Page.MaintenanceID, Pending: w.Page.Pending,
		},
		Next: []GapOut{},
	}
	plan, err := w.Plan()
	if err != nil {
		return out // was checked when it was saved; this machine may know fewer zones
	}
	now := a.d.Now()
	out.Now, out.Over = w.Enabled && plan.Covers(now), plan.Over(now)
	out.Next = each(plan.Upcoming(now, 5), func(s window.Span) GapOut { return GapOut{From: s.From.UTC(), To: s.To.UTC()} })
	return out
}
