package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/web"
)

// ContactIn is what a contact is made of. What is left out is as for a new
// contact: every option on, at any time.
type ContactIn struct {
	Name                 string  `json:"name" doc:"The engine's name of it" example:"ops"`
	DisplayName          string  `json:"display_name,omitempty" doc:"For people" example:"Operators"`
	Email                string  `json:"email,omitempty"`
	UserID               string  `json:"user_id,omitempty" doc:"The user whose browsers are reached"`
	EngineUserID         string  `json:"engine_user_id,omitempty" doc:"What openITCOCKPIT passes as --user-id" example:"7"`
	HostOptions          *string `json:"host_options,omitempty" doc:"Of d,u,r,f,s: down, unreachable, recovery, flapping, downtime; n is none" example:"d,u,r"`
	ServiceOptions       *string `json:"service_options,omitempty" doc:"Of w,u,c,r,f,s: warning, unknown, critical, recovery, flapping, downtime; n is none" example:"w,u,c,r"`
	HostPeriodID         string  `json:"host_period_id,omitempty" doc:"The time period for hosts; none: always"`
	ServicePeriodID      string  `json:"service_period_id,omitempty" doc:"The time period for services; none: always"`
	HostNotifications    *bool   `json:"host_notifications,omitempty" doc:"Notifications for hosts at all"`
	ServiceNotifications *bool   `json:"service_notifications,omitempty" doc:"Notifications for services at all"`
	PushHost             *bool   `json:"push_host,omitempty" doc:"In the browser, for hosts"`
	PushService          *bool   `json:"push_service,omitempty" doc:"In the browser, for services"`
	Mattermost           string  `json:"mattermost,omitempty" doc:"In Mattermost: direct for direct messages, or the id of a room; none: not there"`
	MailHost             bool    `json:"mail_host,omitempty" doc:"By e-mail, for hosts"`
	MailService          bool    `json:"mail_service,omitempty" doc:"By e-mail, for services"`
	Hook                 string  `json:"hook,omitempty" doc:"Id of a webhook of its own"`
	QuietPeriodID        string  `json:"quiet_period_id,omitempty" doc:"Quiet hours: the time period in which it wants to be left in peace. What is still true is told when it ends; whoever is on call is told all the same"`
	QuietPass            string  `json:"quiet_pass,omitempty" enum:",critical,warning" doc:"What is told in quiet hours all the same: critical (critical services, hosts that are down) or warning (all problems)"`
}

// ContactOut is a contact.
type ContactOut struct {
	ID                   string `json:"id"`
	Name                 string `json:"name" example:"ops"`
	DisplayName          string `json:"display_name"`
	Email                string `json:"email"`
	UserID               string `json:"user_id"`
	EngineUserID         string `json:"engine_user_id"`
	HostOptions          string `json:"host_options" example:"d,u,r,f,s"`
	ServiceOptions       string `json:"service_options" example:"w,u,c,r,f,s"`
	HostPeriodID         string `json:"host_period_id"`
	ServicePeriodID      string `json:"service_period_id"`
	HostNotifications    bool   `json:"host_notifications"`
	ServiceNotifications bool   `json:"service_notifications"`
	PushHost             bool   `json:"push_host"`
	PushService          bool   `json:"push_service"`
	Mattermost           string `json:"mattermost" doc:"direct, the id of a room, or empty"`
	MailHost             bool   `json:"mail_host"`
	MailService          bool   `json:"mail_service"`
	Hook                 string `json:"hook" doc:"Id of a webhook of its own, or empty"`
	QuietPeriodID        string `json:"quiet_period_id"`
	QuietPass            string `json:"quiet_pass" enum:",critical,warning"`
}

func contactOut(c contact.Contact) ContactOut {
	return ContactOut{
		ID: c.ID, Name: c.Name, DisplayName: c.DisplayName, Email: c.Email, UserID: c.UserID, EngineUserID: c.EngineUserID,
		HostOptions: string(c.HostOptions), ServiceOptions: string(c.ServiceOptions),
		HostPeriodID: c.HostPeriodID, ServicePeriodID: c.ServicePeriodID,
		HostNotifications: c.HostNotifications, ServiceNotifications: c.ServiceNotifications,
		PushHost: c.PushHost, PushService: c.PushService,
		Mattermost: c.Mattermost, MailHost: c.MailHost, MailService: c.MailService, Hook: c.Hook, QuietPeriodID: c.QuietPeriodID, QuietPass: c.QuietPass,
	}
}

// crud is a kind of thing that is listed, made, read, replaced and removed.
type crud[In, Out, T any] struct {
	tag, path, one, many string
	read, write          access
	list                 func(ctx context.Context) ([]T, error)
	get                  func(ctx context.Context, id string) (T, error)
	fill                 func(ctx context.Context, id string, in In) (T, error) // checks as well
	save                 func(ctx context.Context, v T) error
	remove               func(ctx context.Context, id string) error
	out                  func(T) Out
	show                 func(ctx context.Context, vs []T) ([]Out, error) // in the place of out, where more than v is needed
	key                  func(T) string                                   // what the list is ordered by
}

// shown is what is answered of some.
func (c crud[In, Out, T]) shown(ctx context.Context, vs []T) ([]Out, error) {
	if c.show == nil {
		return each(vs, c.out), nil
	}
	return c.show(ctx, vs)
}

// giveOne answers one.
func (c crud[In, Out, T]) giveOne(ctx context.Context, v T) (*body[Out], error) {
	out, err := c.shown(ctx, []T{v})
	if err != nil {
		return nil, err
	}
	return give(out[0]), nil
}

type putIn[T any] struct {
	ID   string `path:"id" maxLength:"100" doc:"Its id"`
	Body T
}

type postIn[T any] struct{ Body T }

// registerCRUD adds the five routes.
func registerCRUD[In, Out, T any](a *API, c crud[In, Out, T]) {
	register(a, c.read, route(c.tag, http.MethodGet, c.path, "list-"+dashed(c.many), "List "+c.many),
		func(ctx context.Context, in *Paging) (*body[list[Out]], error) {
			all, err := c.list(ctx)
			if err != nil {
				return nil, err
			}
			page, err := cut(all, *in, c.key)
			if err != nil {
				return nil, err
			}
			items, err := c.shown(ctx, page.Items)
			if err != nil {
				return nil, err
			}
			return give(list[Out]{Items: items, Next: page.Next}), nil
		})
	make1 := route(c.tag, http.MethodPost, c.path, "create-"+dashed(c.one), "Make a "+c.one)
	make1.DefaultStatus = http.StatusCreated
	make1.Errors = []int{http.StatusConflict}
	register(a, c.write, make1, func(ctx context.Context, in *postIn[In]) (*body[Out], error) {
		return c.put(ctx, newID(), in.Body)
	})
	get := route(c.tag, http.MethodGet, c.path+"/{id}", "get-"+dashed(c.one), "One "+c.one)
	get.Errors = []int{http.StatusNotFound}
	register(a, c.read, get, func(ctx context.Context, in *byID) (*body[Out], error) {
		v, err := c.get(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return c.giveOne(ctx, v)
	})
	put := route(c.tag, http.MethodPut, c.path+"/{id}", "replace-"+dashed(c.one), "Replace a "+c.one)
	put.Errors = []int{http.StatusNotFound, http.StatusConflict}
	register(a, c.write, put, func(ctx context.Context, in *putIn[In]) (*body[Out], error) {
		if _, err := c.get(ctx, in.ID); err != nil {
			return nil, err
		}
		return c.put(ctx, in.ID, in.Body)
	})
	del := route(c.tag, http.MethodDelete, c.path+"/{id}", "delete-"+dashed(c.one), "Remove a "+c.one)
	del.Errors = []int{http.StatusNotFound, http.StatusConflict}
	register(a, c.write, del, func(ctx context.Context, in *byID) (*struct{}, error) {
		if _, err := c.get(ctx, in.ID); err != nil {
			return nil, err
		}
		return nil, c.remove(ctx, in.ID)
	})
}

func (c crud[In, Out, T]) put(ctx context.Context, id string, in In) (*body[Out], error) {
	v, err := c.fill(ctx, id, in)
	if err != nil {
		return nil, err
	}
	if err := c.save(ctx, v); err != nil {
		return nil, err
	}
	if c.show != nil { // which may depend on what the save has made
		if v, err = c.get(ctx, id); err != nil {
			return nil, err
		}
	}
	return c.giveOne(ctx, v)
}

func dashed(s string) string { return strings.ReplaceAll(s, " ", "-") }

// newID makes an id that sorts by its time of making.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// exists refuses an id in a field that refers to nothing.
func exists[T any](ctx context.Context, field, id, what string, get func(context.Context, string) (T, error)) error {
	if id == "" {
		return nil
	}
	if strings.ContainsRune(id, 0) {
		return fieldProblem(field, "is the id of no "+what, nil) // and no text that every database takes
	}
	_, err := get(ctx, id)
	if errors.Is(err, fault.ErrNotFound) {
		return fieldProblem(field, "is the id of no "+what, id)
	}
	return err
}

// existAll refuses the first id of a list that refers to nothing.
func existAll[T any](ctx context.Context, field string, ids []string, what string, get func(context.Context, string) (T, error)) error {
	for i, id := range ids {
		if id == "" {
			return fieldProblem(fmt.Sprintf("%s[%d]", field, i), "is empty", id)
		}
		if err := exists(ctx, fmt.Sprintf("%s[%d]", field, i), id, what, get); err != nil {
			return err
		}
	}
	return nil
}

// What most routes ask for.
func readConfig() access  { return access{scope: auth.ReadConfig} }
func writeConfig() access { return access{scope: auth.WriteConfig} }
func administer() access  { return access{scope: auth.Administer} }

func (a *API) contactRoutes() {
	st := a.d.Store
	registerCRUD(a, crud[ContactIn, ContactOut, contact.Contact]{
		tag: "contacts", path: "/contacts", one: "contact", many: "contacts", read: readConfig(), write: writeConfig(),
		list: st.Contacts, get: st.Contact, save: st.SaveContact, remove: st.DeleteContact, out: contactOut, fill: a.fillContact,
		key: func(c contact.Contact) string { return strings.ToLower(c.Name) + "\x00" + c.ID },
	})
}

func (a *API) fillContact(ctx context.Context, id string, in ContactIn) (contact.Contact, error) {
	c := contact.NewContact(in.Name)
	c.ID, c.DisplayName, c.Email, c.UserID, c.EngineUserID = id, in.DisplayName, in.Email, in.UserID, in.EngineUserID
	c.HostPeriodID, c.ServicePeriodID, c.Mattermost = in.HostPeriodID, in.ServicePeriodID, in.Mattermost
	c.MailHost, c.MailService, c.Hook, c.QuietPeriodID, c.QuietPass = in.MailHost, in.MailService, in.Hook, in.QuietPeriodID, in.QuietPass
	for _, s := range []struct{ to, from *bool }{
		{&c.HostNotifications, in.HostNotifications}, {&c.ServiceNotifications, in.ServiceNotifications},
		{&c.PushHost, in.PushHost}, {&c.PushService, in.PushService},
	} {
		if s.from != nil {
			*s.to = *s.from
		}
	}
	var err error
	if in.HostOptions != nil {
		if c.HostOptions, err = contact.ParseOptions(alert.Host, *in.HostOptions); err != nil {
			return c, err
		}
	}
	if in.ServiceOptions != nil {
		if c.ServiceOptions, err = contact.ParseOptions(alert.Service, *in.ServiceOptions); err != nil {
			return c, err
		}
	}
	if err := web.CheckContact(ctx, a.d.Store, c); err != nil {
		return c, err
	}
	return c, exists(ctx, "user_id", c.UserID, "user", a.d.Store.UserByID)
}
