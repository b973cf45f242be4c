package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/oncall"
	"tocsin/internal/web"
)

// LayerIO is one rotation.
type LayerIO struct {
	Name       string   `json:"name,omitempty" maxLength:"100" example:"Week"`
	ContactIDs []string `json:"contact_ids" maxItems:"100" doc:"In the order of their turns; at least one"`
	Start      string   `json:"start" maxLength:"20" doc:"Of the first turn, by the clock of the schedule's zone" example:"2026-03-02T09:00"`
	Until      string   `json:"until,omitempty" maxLength:"20" doc:"No turn after it; none: for ever" example:"2026-12-31T09:00"`
	Every      int      `json:"every" minimum:"1" maximum:"366" doc:"A turn lasts so many units" example:"1"`
	Unit       string   `json:"unit" enum:"hours,days,weeks" doc:"Of the calendar: a turn of weeks hands over at the same time of the clock, whatever daylight saving does"`
	Weekdays   WeekIO   `json:"weekdays,omitempty" doc:"Only at these times; none: always"`
}

// ScheduleIn is what a schedule is made of. Its overrides are apart.
type ScheduleIn struct {
	Name   string    `json:"name" minLength:"1" maxLength:"100" example:"Servers"`
	Zone   string    `json:"zone,omitempty" maxLength:"60" doc:"Time zone; none: UTC" example:"Europe/Berlin"`
	Layers []LayerIO `json:"layers,omitempty" maxItems:"20" doc:"Later ones stand above earlier ones; where one has nobody, the one below it counts"`
}

// OverrideIn puts somebody else on call for a while.
type OverrideIn struct {
	ContactID string     `json:"contact_id,omitempty" maxLength:"100" doc:"None: nobody is on call, which is a gap made on purpose"`
	From      *time.Time `json:"from,omitempty" doc:"None: now"`
	To        time.Time  `json:"to"`
	Note      string     `json:"note,omitempty" maxLength:"500" example:"Ann is at the dentist"`
}

// OverrideOut is somebody else on call for a while, over all layers; of several at
// once the one that was made last counts.
type OverrideOut struct {
	ID        string    `json:"id"`
	ContactID string    `json:"contact_id" doc:"Empty: nobody is on call"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	By        string    `json:"by" doc:"Who made it"`
	Note      string    `json:"note"`
}

// ScheduleOut says who is on call when.
type ScheduleOut struct {
	ID        string        `json:"id"`
	Name      string        `json:"name" example:"Servers"`
	Zone      string        `json:"zone" example:"Europe/Berlin"`
	Layers    []LayerIO     `json:"layers"`
	Overrides []OverrideOut `json:"overrides" doc:"In the order in which they were made"`
	OnCall    OnCallOut     `json:"on_call" doc:"Who is, at this moment"`
	Warnings  []RotaWarning `json:"warnings" doc:"What works, and is perhaps not what was meant"`
}

// RotaWarning is something about a schedule that is perhaps not what was meant.
type RotaWarning struct {
	Kind    string     `json:"kind" enum:"nobody,unknown,gap,overlap,hidden,unreachable" doc:"nobody: a rotation with nobody in it; unknown: somebody who is no contact any more; gap: nobody is on call; overlap: two layers have somebody at the same time; hidden: a layer of which nothing is left; unreachable: a contact whose notifications are off"`
	Field   string     `json:"field" example:"layers[1]"`
	Problem string     `json:"problem"`
	Mend    string     `json:"mend" doc:"What to do"`
	From    *time.Time `json:"from" doc:"Of the first time that it happens"`
	To      *time.Time `json:"to"`
}

// DutyOut is who is on call, and by what.
type DutyOut struct {
	ContactID  string `json:"contact_id" doc:"Empty: nobody is on call"`
	Contact    string `json:"contact" doc:"The same for people"`
	Layer      string `json:"layer" doc:"Name of the layer that says so"`
	OverrideID string `json:"override_id" doc:"The override that says so; empty: none does"`
	Note       string `json:"note" doc:"Of the override"`
}

// ShiftOut is for how long somebody, or nobody, is on call.
type ShiftOut struct {
	DutyOut
	From time.Time  `json:"from"`
	To   *time.Time `json:"to" doc:"null: not within 400 days"`
}

// GapOut is a stretch in which nobody is on call.
type GapOut struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// OnCallOut is who is on call in one schedule.
type OnCallOut struct {
	ScheduleID string     `json:"schedule_id"`
	Schedule   string     `json:"schedule" example:"Servers"`
	Zone       string     `json:"zone" example:"Europe/Berlin"`
	Now        DutyOut    `json:"now"`
	Until      *time.Time `json:"until" doc:"When somebody else, or nobody, is on call; null: not within 400 days"`
	Next       *ShiftOut  `json:"next" doc:"Who is then; null: nothing changes"`
	Gaps       []GapOut   `json:"gaps" doc:"When nobody is on call within the next 30 days, at most 50; those made by an override are none"`
	Problem    string     `json:"problem" doc:"Why it could not be worked out; empty: it could"`
}

// OnCallList is who is on call at a moment, in all schedules.
type OnCallList struct {
	At    time.Time   `json:"at"`
	Items []OnCallOut `json:"items" doc:"By their names"`
}

// ShiftsOut is who is on call in a schedule from one moment to another.
type ShiftsOut struct {
	From  time.Time  `json:"from"`
	To    time.Time  `json:"to"`
	Items []ShiftOut `json:"items" doc:"One after the other, without gaps: where nobody is on call, contact_id is empty"`
}

func (a *API) scheduleRoutes() {
	st := a.d.Store
	registerCRUD(a, crud[ScheduleIn, ScheduleOut, oncall.Schedule]{
		tag: "planning", path: "/schedules", one: "schedule", many: "schedules", read: readConfig(), write: writeConfig(),
		list: st.Schedules, get: st.Schedule, remove: st.DeleteSchedule, show: a.showSchedules, fill: a.fillSchedule,
		key:  func(s oncall.Schedule) string { return strings.ToLower(s.Name) + "\x00" + s.ID },
		save: func(ctx context.Context, s oncall.Schedule) error { return web.SaveRota(ctx, st, s) },
	})
	add := route("planning", http.MethodPost, "/schedules/{id}/overrides", "create-override", "Put somebody else on call for a while")
	add.DefaultStatus = http.StatusCreated
	add.Errors = []int{http.StatusNotFound}
	register(a, writeConfig(), add, func(ctx context.Context, in *putIn[OverrideIn]) (*body[OverrideOut], error) {
		who, _ := auth.From(ctx)
		o := oncall.Override{ID: newID(), ContactID: in.Body.ContactID, From: a.d.Now(), To: in.Body.To, By: who.Label(), Note: strings.TrimSpace(in.Body.Note)}
		if in.Body.From != nil {
			o.From = *in.Body.From
		}
		made, err := web.AddOverride(ctx, st, in.ID, o, a.d.Now())
		if err != nil {
			return nil, err
		}
		return give(overrideOut(made)), nil
	})
	end := route("planning", http.MethodDelete, "/schedules/{id}/overrides/{override}", "end-override", "End an override")
	end.Description = "One that goes on ends now and stays in the list; one that has not begun goes. 404 for one that is over."
	end.Errors = []int{http.StatusNotFound}
	register(a, writeConfig(), end, func(ctx context.Context, in *overrideRef) (*struct{}, error) {
		return nil, web.EndOverride(ctx, st, in.ID, in.Override, a.d.Now())
	})
	now := route("planning", http.MethodGet, "/on-call", "on-call", "Who is on call, until when, and who is next")
	register(a, readConfig(), now, func(ctx context.Context, in *onCallIn) (*body[OnCallList], error) {
		at := in.At
		if at.IsZero() {
			at = a.d.Now()
		}
		if err := ofThisAge("at", at); err != nil {
			return nil, err
		}
		all, err := web.OnCallAt(ctx, st, at)
		if err != nil {
			return nil, err
		}
		return give(OnCallList{At: at.UTC(), Items: each(all, onCallOut)}), nil
	})
	shifts := route("planning", http.MethodGet, "/schedules/{id}/shifts", "list-shifts", "Who is on call in a schedule from one moment to another")
	shifts.Errors = []int{http.StatusNotFound}
	register(a, readConfig(), shifts, a.shifts)
}

type overrideRef struct {
	ID       string `path:"id" maxLength:"100" doc:"Its id"`
	Override string `path:"override" maxLength:"100" doc:"The override's id"`
}

type onCallIn struct {
	At time.Time `query:"at" doc:"At this moment; none: now"`
}

type shiftsIn struct {
	ID   string    `path:"id" maxLength:"100" doc:"Its id"`
	From time.Time `query:"from" doc:"None: now"`
	To   time.Time `query:"to" doc:"At most 400 days after from; none: four weeks after it"`
}

// ofThisAge refuses a time from which what follows could not be written: JSON has no
// year after 9999.
func ofThisAge(name string, t time.Time) error {
	if y := t.UTC().Year(); y < oncall.FirstYear || y > oncall.LastYear {
		return problem(http.StatusUnprocessableEntity, name+" is no time of this age; write one such as 2026-03-02T09:00:00Z.", &huma.ErrorDetail{Location: "query." + name, Message: "is no time of this age"})
	}
	return nil
}

func (a *API) shifts(ctx context.Context, in *shiftsIn) (*body[ShiftsOut], error) {
	s, err := a.d.Store.Schedule(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	from, to := in.From, in.To
	if from.IsZero() {
		from = a.d.Now()
	}
	if to.IsZero() {
		to = from.AddDate(0, 0, 28)
	}
	if err := cmp.Or(ofThisAge("from", from), ofThisAge("to", to)); err != nil {
		return nil, err
	}
	switch {
	case !to.After(from):
		return nil, problem(http.StatusUnprocessableEntity, "to is not after from.")
	case to.Sub(from) > oncall.MaxSpan:
		return nil, problem(http.StatusUnprocessableEntity, "to is more than 400 days after from; ask for less at once.")
	}
	all, err := web.Shifts(ctx, a.d.Store, s, from, to)
	if err != nil {
		return nil, err
	}
	return give(ShiftsOut{From: from.UTC(), To: to.UTC(), Items: each(all, func(x web.Shift) ShiftOut {
		return ShiftOut{DutyOut: dutyOut(x.Duty), From: x.From.UTC(), To: timeOut(x.To)}
	})}), nil
}

// fillSchedule makes a schedule of what was given; overrides stay.
func (a *API) fillSchedule(ctx context.Context, id string, in ScheduleIn) (oncall.Schedule, error) {
	was, err := a.d.Store.Schedule(ctx, id)
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return was, err
	}
	s := oncall.Schedule{ID: id, Name: strings.TrimSpace(in.Name), Zone: in.Zone, Overrides: was.Overrides, Layers: each(in.Layers, func(l LayerIO) oncall.Layer {
		out := oncall.Layer{Name: strings.TrimSpace(l.Name), ContactIDs: slices.Clone(l.ContactIDs), Start: l.Start, Until: l.Until, Every: l.Every, Unit: oncall.Unit(l.Unit)}
		for i, day := range l.Weekdays.days() {
			if len(*day) > 0 {
				out.Weekdays[i] = each(*day, rangeIn)
			}
		}
		return out
	})}
	return s, web.CheckSchedule(ctx, a.d.Store, s)
}

func (a *API) showSchedules(ctx context.Context, all []oncall.Schedule) ([]ScheduleOut, error) {
	views, err := web.Rotas(ctx, a.d.Store, all, a.d.Now())
	if err != nil {
		return nil, err
	}
	return each(views, func(v web.RotaView) ScheduleOut {
		return ScheduleOut{
			ID: v.Schedule.ID, Name: v.Schedule.Name, Zone: v.Schedule.Zone, Layers: each(v.Schedule.Layers, layerOut), Overrides: each(v.Schedule.Overrides, overrideOut),
			OnCall: onCallOut(v.OnCall), Warnings: each(v.Warnings, func(w web.Warning) RotaWarning {
				return RotaWarning{Kind: w.Kind, Field: w.Field, Problem: w.Problem, Mend: w.Mend, From: timeOut(w.From), To: timeOut(w.To)}
			}),
		}
	}), nil
}

func layerOut(l oncall.Layer) LayerIO {
	out := LayerIO{Name: l.Name, ContactIDs: words(l.ContactIDs), Start: l.Start, Until: l.Until, Every: l.Every, Unit: string(l.Unit)}
	for i, day := range out.Weekdays.days() {
		if len(l.Weekdays[i]) > 0 {
			*day = each(l.Weekdays[i], rangeOut)
		}
	}
	return out
}

func overrideOut(o oncall.Override) OverrideOut {
	return OverrideOut{ID: o.ID, ContactID: o.ContactID, From: o.From.UTC(), To: o.To.UTC(), By: o.By, Note: o.Note}
}

func dutyOut(d web.Duty) DutyOut {
	return DutyOut{ContactID: d.ContactID, Contact: d.Contact, Layer: d.Layer, OverrideID: d.OverrideID, Note: d.Note}
}

func onCallOut(o web.OnCall) OnCallOut {
	out := OnCallOut{
		ScheduleID: o.ScheduleID, Schedule: o.Schedule, Zone: o.Zone.String(), Now: dutyOut(o.Now), Until: timeOut(o.Until), Problem: o.Problem,
		Gaps: each(o.Gaps, func(g web.Gap) GapOut { return GapOut{From: g.From.UTC(), To: g.To.UTC()} }),
	}
	if !o.Until.IsZero() {
		out.Next = &ShiftOut{DutyOut: dutyOut(o.Next), From: o.Until.UTC(), To: timeOut(o.NextUntil)}
	}
	return out
}
