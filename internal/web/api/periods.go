package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/contact"
)

// RangeIO is a part of a day.
type RangeIO struct {
	From string `json:"from" pattern:"^([01][0-9]|2[0-4]):[0-5][0-9]$" doc:"Begin, inclusive" example:"08:00"`
	To   string `json:"to" pattern:"^([01][0-9]|2[0-4]):[0-5][0-9]$" doc:"End, exclusive; 24:00 is the midnight after" example:"18:00"`
}

// WeekIO has the ranges of each weekday; a day without any is closed.
type WeekIO struct {
	Monday    []RangeIO `json:"monday,omitempty"`
	Tuesday   []RangeIO `json:"tuesday,omitempty"`
	Wednesday []RangeIO `json:"wednesday,omitempty"`
	Thursday  []RangeIO `json:"thursday,omitempty"`
	Friday    []RangeIO `json:"friday,omitempty"`
	Saturday  []RangeIO `json:"saturday,omitempty"`
	Sunday    []RangeIO `json:"sunday,omitempty"`
}

// days are the weekdays in the order of time.Weekday.
func (w *WeekIO) days() [7]*[]RangeIO {
	return [7]*[]RangeIO{&w.Sunday, &w.Monday, &w.Tuesday, &w.Wednesday, &w.Thursday, &w.Friday, &w.Saturday}
}

// ExceptionIO replaces the weekday's ranges on some days.
type ExceptionIO struct {
	First  string    `json:"first" doc:"2026-12-24, or 12-24 for every year" example:"12-24"`
	Last   string    `json:"last,omitempty" doc:"The last day, inclusive; none: the first alone" example:"12-26"`
	Ranges []RangeIO `json:"ranges,omitempty" doc:"None: closed all day"`
	Note   string    `json:"note,omitempty" maxLength:"200" example:"Christmas"`
}

// PeriodIn is what a time period is made of.
type PeriodIn struct {
	Name       string        `json:"name" minLength:"1" maxLength:"100" example:"Office hours"`
	Zone       string        `json:"zone,omitempty" doc:"Time zone; none: UTC" example:"Europe/Berlin"`
	Weekdays   WeekIO        `json:"weekdays,omitempty" doc:"When, on each weekday"`
	Exceptions []ExceptionIO `json:"exceptions,omitempty" maxItems:"500" doc:"The first that fits a day replaces its weekday"`
}

// PeriodOut says when.
type PeriodOut struct {
	ID string `json:"id"`
	PeriodIn
	Now  bool       `json:"now" doc:"Whether this moment lies in it"`
	Next *time.Time `json:"next_change" doc:"When that changes; null: never"`
}

func (a *API) periodRoutes() {
	st := a.d.Store
	registerCRUD(a, crud[PeriodIn, PeriodOut, contact.TimePeriod]{
		tag: "contacts", path: "/periods", one: "time period", many: "time periods", read: readConfig(), write: writeConfig(),
		list: st.Periods, get: st.Period, save: st.SavePeriod, remove: st.DeletePeriod, out: a.periodOut,
		key: func(p contact.TimePeriod) string { return strings.ToLower(p.Name) + "\x00" + p.ID },
		fill: func(_ context.Context, id string, in PeriodIn) (contact.TimePeriod, error) {
			p := contact.TimePeriod{ID: id, Name: strings.TrimSpace(in.Name), Zone: in.Zone}
			for i, day := range in.Weekdays.days() {
				p.Weekdays[i] = each(*day, rangeIn)
			}
			for _, x := range in.Exceptions {
				p.Exceptions = append(p.Exceptions, contact.Exception{First: x.First, Last: x.Last, Ranges: each(x.Ranges, rangeIn), Note: x.Note})
			}
			return p, p.Validate()
		},
	})
}

func (a *API) periodOut(p contact.TimePeriod) PeriodOut {
	now := a.d.Now()
	out := PeriodOut{ID: p.ID, Now: p.Covers(now), Next: timeOut(p.Next(now))}
	out.Name, out.Zone = p.Name, p.Zone
	for i, day := range out.Weekdays.days() {
		*day = each(p.Weekdays[i], rangeOut)
	}
	out.Exceptions = each(p.Exceptions, func(x contact.Exception) ExceptionIO {
		return ExceptionIO{First: x.First, Last: x.Last, Ranges: each(x.Ranges, rangeOut), Note: x.Note}
	})
	return out
}

// rangeIn reads clock times; the schema has checked their form.
func rangeIn(r RangeIO) contact.Range {
	return contact.Range{From: minutes(r.From), To: minutes(r.To)}
}

func rangeOut(r contact.Range) RangeIO {
	clock := func(m int) string { return fmt.Sprintf("%02d:%02d", m/60, m%60) }
	return RangeIO{From: clock(r.From), To: clock(r.To)}
}

func minutes(text string) int {
	var h, m int
	if _, err := fmt.Sscanf(text, "%d:%d", &h, &m); err != nil {
		return -1 // which Validate refuses
	}
	return h*60 + m
}
