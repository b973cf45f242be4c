package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/web"
)

// CalendarOut is whether a contact's calendar has an address.
type CalendarOut struct {
	Made *time.Time `json:"made" doc:"When its address was made; null: there is none"`
}

// CalendarMade is answered once, when the address is made.
type CalendarMade struct {
	URL  string    `json:"url" doc:"For calendar programs; shown this once and never again. Whoever has it can read when this contact is on call"`
	Made time.Time `json:"made"`
}

// calendarRoutes are for people about their own calendar, and for whoever changes
// contacts about any.
func (a *API) calendarRoutes() {
	const path = "/contacts/{id}/calendar"
	get := route("planning", http.MethodGet, path, "get-calendar", "Whether a contact's calendar of being on call has an address")
	get.Errors = []int{http.StatusNotFound}
	register(a, readConfig(), get, func(ctx context.Context, in *byID) (*body[CalendarOut], error) {
		if _, err := a.d.Store.Contact(ctx, in.ID); err != nil {
			return nil, err
		}
		made, err := a.d.Store.CalendarToken(ctx, in.ID)
		if err != nil && !errors.Is(err, fault.ErrNotFound) {
			return nil, err
		}
		return give(CalendarOut{timeOut(made)}), nil
	})
	post := route("planning", http.MethodPost, path, "make-calendar", "Make the address of a contact's calendar; the one before ends")
	post.Description = "For a contact of yours, or with the scope `" + string(auth.WriteConfig) + "`."
	post.DefaultStatus = http.StatusCreated
	post.Errors = []int{http.StatusNotFound}
	register(a, readConfig(), post, func(ctx context.Context, in *byID) (*body[CalendarMade], error) {
		if err := a.mayCalendar(ctx, in.ID); err != nil {
			return nil, err
		}
		now := a.d.Now().Truncate(time.Millisecond)
		path, err := web.NewCalendar(ctx, a.d.Store, in.ID, now)
		if err != nil {
			return nil, err
		}
		return give(CalendarMade{URL: a.d.BaseURL + path, Made: now.UTC()}), nil
	})
	del := route("planning", http.MethodDelete, path, "end-calendar", "End the address of a contact's calendar")
	del.Description = post.Description
	del.Errors = []int{http.StatusNotFound}
	register(a, readConfig(), del, func(ctx context.Context, in *byID) (*struct{}, error) {
		if err := a.mayCalendar(ctx, in.ID); err != nil {
			return nil, err
		}
		return nil, a.d.Store.SetCalendarToken(ctx, in.ID, "", time.Time{})
	})
}

// mayCalendar refuses who may not change a contact's calendar.
func (a *API) mayCalendar(ctx context.Context, id string) error {
	c, err := a.d.Store.Contact(ctx, id)
	if err != nil {
		return err
	}
	if p, _ := auth.From(ctx); !web.MayCalendar(p, c) {
		return problem(http.StatusForbidden, "This is not a contact of yours, and asks for the scope "+string(auth.WriteConfig)+".")
	}
	return nil
}
