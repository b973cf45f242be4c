package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// onPage narrows a list to a page.
type onPage struct {
	Page string `query:"page" maxLength:"100" doc:"The page's id or slug; none: the main page"`
	Paging
}

// StatusGroupIn is what a group of components is made of.
type StatusGroupIn struct {
	Name     string `json:"name" maxLength:"200" example:"Europe"`
	About    string `json:"about,omitempty" maxLength:"2000"`
	ParentID string `json:"parent_id,omitempty" maxLength:"64" doc:"The group that it stands in; groups stand in others once"`
	Position *int   `json:"position,omitempty" minimum:"0" maximum:"1000000" doc:"None: as it is, a new one last"`
	Open     bool   `json:"open,omitempty" doc:"Unfolded even when all is well"`
}

// StatusGroupNew is a new group.
type StatusGroupNew struct {
	Page string `json:"page,omitempty" maxLength:"100" doc:"The page's id or slug; none: the main page"`
	StatusGroupIn
}

// StatusGroupOut is a heading over components.
type StatusGroupOut struct {
	ID       string    `json:"id"`
	PageID   string    `json:"page_id"`
	Name     string    `json:"name"`
	About    string    `json:"about"`
	ParentID string    `json:"parent_id"`
	Position int       `json:"position"`
	Open     bool      `json:"open"`
	Created  time.Time `json:"created"`
}

func statusGroupOut(g status.Group) StatusGroupOut {
	return StatusGroupOut{ID: g.ID, PageID: g.PageID, Name: g.Name, About: g.About, ParentID: g.ParentID, Position: g.Position, Open: g.Open, Created: g.Created.UTC()}
}

func (in *StatusGroupIn) over(g status.Group) status.Group {
	g.Name, g.About, g.ParentID, g.Open = in.Name, in.About, in.ParentID, in.Open
	if in.Position != nil {
		g.Position = *in.Position
	}
	return g
}

// BindingIO says what of the engines a component stands for. Every list that is
// given must have it; names are patterns with * and ?.
type BindingIO struct {
	SourceIDs []string          `json:"source_ids,omitempty" maxItems:"100" doc:"Of these sources"`
	Hosts     []string          `json:"hosts,omitempty" maxItems:"100" doc:"Without services: the hosts and all of their services" example:"[\"web*\"]"`
	Services  []string          `json:"services,omitempty" maxItems:"100"`
	Labels    map[string]string `json:"labels,omitempty" doc:"Label to pattern"`
	States    map[string]string `json:"states,omitempty" doc:"From the alert's state (down, unreachable, warning, critical, unknown) to the component's; those left out: down and critical major_outage, unreachable partial_outage, warning and unknown degraded_performance"`
	HoldDown  int               `json:"hold_down_seconds,omitempty" minimum:"0" maximum:"86400" doc:"For how long it must be so before it counts; a recovery counts at once"`
	Incident  string            `json:"incident,omitempty" enum:"draft,publish" doc:"What an alert makes besides: a draft for a person to publish, or one that is published by itself after publish_after_minutes; none: nothing"`
	After     int               `json:"publish_after_minutes,omitempty" minimum:"0" maximum:"1440"`
	Downtime  bool              `json:"downtime,omitempty" doc:"A downtime there is maintenance here"`
}

func (b *BindingIO) binding() status.Binding {
	out := status.Binding{SourceIDs: distinct(b.SourceIDs), Hosts: b.Hosts, Services: b.Services, Labels: b.Labels, HoldDown: b.HoldDown,
		Incident: b.Incident, After: b.After, Downtime: b.Downtime}
	if len(b.States) > 0 {
		out.States = map[string]status.State{}
		for was, to := range b.States {
			out.States[was] = status.State(to)
		}
	}
	return out
}

func bindingOut(b status.Binding) BindingIO {
	out := BindingIO{SourceIDs: b.SourceIDs, Hosts: b.Hosts, Services: b.Services, Labels: b.Labels, HoldDown: b.HoldDown, Incident: b.Incident,
		After: b.After, Downtime: b.Downtime}
	if len(b.States) > 0 {
		out.States = map[string]string{}
		for was, to := range b.States {
			out.States[was] = string(to)
		}
	}
	return out
}

// ComponentIn is what a component is made of, but for its state.
type ComponentIn struct {
	Name     string      `json:"name" maxLength:"200" example:"API"`
	About    string      `json:"about,omitempty" maxLength:"2000"`
	Link     string      `json:"link,omitempty" maxLength:"2000" example:"https://api.example.com"`
	GroupID  string      `json:"group_id,omitempty" maxLength:"64" doc:"The group that it stands in; none: none"`
	Position *int        `json:"position,omitempty" minimum:"0" maximum:"1000000" doc:"None: as it is, a new one last"`
	Hidden   bool        `json:"hidden,omitempty" doc:"Kept with its history, not shown"`
	Bindings []BindingIO `json:"bindings,omitempty" maxItems:"50" doc:"What of the engines it stands for; none: people alone say how it does"`
}

// ComponentNew is a new component. It is operational.
type ComponentNew struct {
	Page string `json:"page,omitempty" maxLength:"100" doc:"The page's id or slug; none: the main page"`
	ComponentIn
}

// ComponentOut is one thing that visitors know by name.
type ComponentOut struct {
	ID       string      `json:"id"`
	PageID   string      `json:"page_id"`
	Name     string      `json:"name"`
	About    string      `json:"about"`
	Link     string      `json:"link"`
	GroupID  string      `json:"group_id"`
	Position int         `json:"position"`
	Hidden   bool        `json:"hidden"`
	State    string      `json:"state" enum:"operational,degraded_performance,partial_outage,major_outage" doc:"As a person or an alert has it; visitors see maintenance besides"`
	Since    time.Time   `json:"since"`
	ByHand   bool        `json:"by_hand" doc:"A person set the state: alerts leave it alone until they agree"`
	Created  time.Time   `json:"created"`
	Bindings []BindingIO `json:"bindings"`
}

func componentOut(c status.Component) ComponentOut {
	return ComponentOut{
		ID: c.ID, PageID: c.PageID, Name: c.Name, About: c.About, Link: c.Link, GroupID: c.GroupID, Position: c.Position, Hidden: c.Hidden,
		State: string(c.State), Since: c.Since.UTC(), ByHand: c.ByHand, Created: c.Created.UTC(), Bindings: each(c.Bindings, bindingOut),
	}
}

func (a *API) fillComponent(ctx context.Context, c status.Component, in *ComponentIn) (status.Component, error) {
	c.Name, c.About, c.Link, c.GroupID, c.Hidden = in.Name, in.About, in.Link, in.GroupID, in.Hidden
	if in.Position != nil {
		c.Position = *in.Position
	}
	c.Bindings = nil
	for i := range in.Bindings {
		b := in.Bindings[i].binding()
		if err := existAll(ctx, fmt.Sprintf("bindings[%d].source_ids", i), b.SourceIDs, "source", a.d.Store.SourceByID); err != nil {
			return c, err
		}
		c.Bindings = append(c.Bindings, b)
	}
	return c, nil
}

// StateIn is how a component does.
type StateIn struct {
	State  string `json:"state" enum:"operational,degraded_performance,partial_outage,major_outage"`
	Silent bool   `json:"silent,omitempty" doc:"Nobody is told"`
}

// ToldComponent is a component, with what went out.
type ToldComponent struct {
	ComponentOut
	Told
}

// IntervalOut is for how long a component showed a state.
type IntervalOut struct {
	State string     `json:"state" enum:"operational,under_maintenance,degraded_performance,partial_outage,major_outage"`
	Start time.Time  `json:"start"`
	End   *time.Time `json:"end" doc:"Null: it lasts"`
	By    string     `json:"by" doc:"Who or what made it so" example:"alert HTTP on web01"`
}

// intervalsIn asks for what was recorded of a component.
type intervalsIn struct {
	ID   string    `path:"id" maxLength:"100" doc:"Its id"`
	From time.Time `query:"from" doc:"What lasted after this; none: 90 days ago"`
	Paging
}

// PlaceIO is where a group or a component stands.
type PlaceIO struct {
	ID      string `json:"id" maxLength:"64"`
	GroupID string `json:"group_id,omitempty" maxLength:"64" doc:"The group that it stands in; none: none"`
}

// OrderIn is an order of groups and components.
type OrderIn struct {
	Groups     []PlaceIO `json:"groups,omitempty" maxItems:"200"`
	Components []PlaceIO `json:"components,omitempty" maxItems:"1000"`
}

func places(in []PlaceIO) []publish.Place {
	return each(in, func(p PlaceIO) publish.Place { return publish.Place{ID: p.ID, ParentID: p.GroupID} })
}

// placed orders things by their position, then as they were made.
func placed(position int, id string) string { return fmt.Sprintf("%010d\x00%s", position, id) }

func (a *API) statusPartRoutes() {
	a.statusGroupRoutes()
	a.componentRoutes()
	order := statusRoute(http.MethodPut, "/pages/{id}/order", "order-status-page", "Put groups and components into an order")
	order.Description = "Each stands where the list has it, and in the group that it names. What is not named stays behind, in the order that it had."
	register(a, writeConfig(), order, func(ctx context.Context, in *pagePut[OrderIn]) (*struct{}, error) {
		p, err := a.statusPage(ctx, "path", in.ID)
		if err != nil {
			return nil, err
		}
		return nil, a.d.Desk.Reorder(ctx, writer(ctx), p.ID, places(in.Body.Groups), places(in.Body.Components))
	})
}

func (a *API) statusGroupRoutes() {
	register(a, readConfig(), statusRoute(http.MethodGet, "/groups", "list-status-groups", "List the groups of a page"),
		func(ctx context.Context, in *onPage) (*body[list[StatusGroupOut]], error) {
			p, err := a.statusPage(ctx, "query.page", in.Page)
			if err != nil {
				return nil, err
			}
			groups, _, err := a.d.Status.StatusParts(ctx, p.ID)
			if err != nil {
				return nil, err
			}
			page, err := cut(groups, in.Paging, func(g status.Group) string { return placed(g.Position, g.ID) })
			if err != nil {
				return nil, err
			}
			return give(list[StatusGroupOut]{Items: each(page.Items, statusGroupOut), Next: page.Next}), nil
		})
	create := statusRoute(http.MethodPost, "/groups", "create-status-group", "Make a group of components")
	create.DefaultStatus = http.StatusCreated
	register(a, writeConfig(), create, func(ctx context.Context, in *postIn[StatusGroupNew]) (*body[StatusGroupOut], error) {
		p, err := a.statusPage(ctx, "body.page", in.Body.Page)
		if err != nil {
			return nil, err
		}
		return a.saveGroup(ctx, in.Body.over(status.Group{PageID: p.ID}))
	})
	register(a, readConfig(), statusRoute(http.MethodGet, "/groups/{id}", "get-status-group", "One group"),
		func(ctx context.Context, in *byID) (*body[StatusGroupOut], error) {
			g, err := a.d.Status.StatusGroup(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return give(statusGroupOut(g)), nil
		})
	register(a, writeConfig(), statusRoute(http.MethodPut, "/groups/{id}", "replace-status-group", "Replace what a group is made of"),
		func(ctx context.Context, in *putIn[StatusGroupIn]) (*body[StatusGroupOut], error) {
			g, err := a.d.Status.StatusGroup(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return a.saveGroup(ctx, in.Body.over(g))
		})
	register(a, writeConfig(), statusRoute(http.MethodDelete, "/groups/{id}", "delete-status-group", "Delete a group; what is in it stands where it stood"),
		func(ctx context.Context, in *byID) (*struct{}, error) {
			return nil, a.d.Desk.DeleteGroup(ctx, writer(ctx), in.ID)
		})
}

func (a *API) saveGroup(ctx context.Context, g status.Group) (*body[StatusGroupOut], error) {
	saved, err := a.d.Desk.SaveGroup(ctx, writer(ctx), g)
	if err != nil {
		return nil, err
	}
	return give(statusGroupOut(saved)), nil
}

func (a *API) componentRoutes() {
	register(a, readConfig(), statusRoute(http.MethodGet, "/components", "list-components", "List the components of a page, hidden ones too"),
		func(ctx context.Context, in *onPage) (*body[list[ComponentOut]], error) {
			p, err := a.statusPage(ctx, "query.page", in.Page)
			if err != nil {
				return nil, err
			}
			_, components, err := a.d.Status.StatusParts(ctx, p.ID)
			if err != nil {
				return nil, err
			}
			page, err := cut(components, in.Paging, func(c status.Component) string { return placed(c.Position, c.ID) })
			if err != nil {
				return nil, err
			}
			return give(list[ComponentOut]{Items: each(page.Items, componentOut), Next: page.Next}), nil
		})
	create := statusRoute(http.MethodPost, "/components", "create-component", "Make a component")
	create.DefaultStatus = http.StatusCreated
	register(a, writeConfig(), create, func(ctx context.Context, in *postIn[ComponentNew]) (*body[ComponentOut], error) {
		p, err := a.statusPage(ctx, "body.page", in.Body.Page)
		if err != nil {
			return nil, err
		}
		return a.saveComponent(ctx, status.Component{PageID: p.ID}, &in.Body.ComponentIn)
	})
	register(a, readConfig(), statusRoute(http.MethodGet, "/components/{id}", "get-component", "One component"),
		func(ctx context.Context, in *byID) (*body[ComponentOut], error) {
			c, err := a.d.Status.StatusComponent(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return give(componentOut(c.Component)), nil
		})
	register(a, writeConfig(), statusRoute(http.MethodPut, "/components/{id}", "replace-component", "Replace what a component is made of; its state stays"),
		func(ctx context.Context, in *putIn[ComponentIn]) (*body[ComponentOut], error) {
			c, err := a.d.Status.StatusComponent(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return a.saveComponent(ctx, c.Component, &in.Body)
		})
	del := statusRoute(http.MethodDelete, "/components/{id}", "delete-component", "Delete a component with its history")
	del.Description = "409 while something that is not over names it: hide it instead."
	register(a, writeConfig(), del, func(ctx context.Context, in *byID) (*struct{}, error) {
		return nil, a.d.Desk.DeleteComponent(ctx, writer(ctx), in.ID)
	})
	a.componentStateRoutes()
}

func (a *API) saveComponent(ctx context.Context, c status.Component, in *ComponentIn) (*body[ComponentOut], error) {
	c, err := a.fillComponent(ctx, c, in)
	if err != nil {
		return nil, err
	}
	saved, err := a.d.Desk.SaveComponent(ctx, writer(ctx), c)
	if err != nil {
		return nil, err
	}
	return give(componentOut(saved)), nil
}

// silently is about something, and says whether visitors are told.
type silently struct {
	ID     string `path:"id" maxLength:"100" doc:"Its id"`
	Silent bool   `query:"silent" doc:"Nobody is told"`
}

// tellComponent answers what a change made.
func (a *API) tellComponent(ctx context.Context, id string, told publish.Told, err error) (*body[ToldComponent], error) {
	if err != nil {
		return nil, err
	}
	c, err := a.d.Status.StatusComponent(ctx, id)
	if err != nil {
		return nil, err
	}
	return give(ToldComponent{componentOut(c.Component), toldOf(told)}), nil
}

func (a *API) componentStateRoutes() {
	set := statusRoute(http.MethodPut, "/components/{id}/state", "set-component-state", "Say how a component does")
	set.Description = "Alerts leave it alone until they agree. Work that is planned is a maintenance."
	register(a, publishing(), set, func(ctx context.Context, in *putIn[StateIn]) (*body[ToldComponent], error) {
		told, err := a.d.Desk.SetComponent(ctx, writer(ctx), in.ID, status.State(in.Body.State), in.Body.Silent)
		return a.tellComponent(ctx, in.ID, told, err)
	})
	follow := statusRoute(http.MethodDelete, "/components/{id}/state", "follow-component-alerts", "Give a component back to its alerts: it is what they say, at once")
	follow.Description = "422 when it is bound to none."
	register(a, publishing(), follow, func(ctx context.Context, in *silently) (*body[ToldComponent], error) {
		told, err := a.d.Desk.FollowAlerts(ctx, writer(ctx), in.ID, in.Silent)
		return a.tellComponent(ctx, in.ID, told, err)
	})
	register(a, readConfig(), statusRoute(http.MethodGet, "/components/{id}/intervals", "list-component-intervals", "How a component showed, since when, and who or what made it so"),
		func(ctx context.Context, in *intervalsIn) (*body[list[IntervalOut]], error) {
			if _, err := a.d.Status.StatusComponent(ctx, in.ID); err != nil {
				return nil, err
			}
			if in.From.IsZero() {
				in.From = a.d.Now().AddDate(0, 0, -status.BarDays)
			}
			all, err := a.d.Status.StatusIntervals(ctx, in.ID, in.From)
			if err != nil {
				return nil, err
			}
			page, err := cut(all, in.Paging, func(i status.Interval) string { return fmt.Sprintf("%020d", i.Start.UnixMilli()) })
			if err != nil {
				return nil, err
			}
			return give(list[IntervalOut]{Items: each(page.Items, func(i status.Interval) IntervalOut {
				return IntervalOut{State: string(i.State), Start: i.Start.UTC(), End: timeOut(i.End), By: i.By}
			}), Next: page.Next}), nil
		})
}
