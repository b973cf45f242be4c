package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/contact"
	"tocsin/internal/oncall"
)

// Rota is what OnCallAt and others need of the store.
type Rota interface {
	Contacts(ctx context.Context) ([]contact.Contact, error)
	Schedules(ctx context.Context) ([]oncall.Schedule, error)
}

// OnCallAt answers who is on call in each schedule, in order of their names.
func OnCallAt(ctx context.Context, st Rota, at time.Time) ([]OnCall, error) {
	all, err := st.Schedules(ctx)
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", err)
	}
	known, err := readPeople(ctx, st)
	if err != nil {
		return nil, err
	}
	out := make([]OnCall, 0, len(all))
	for i := range all {
		out = append(out, known.onCall(&all[i], at))
	}
	slices.SortFunc(out, func(x, y OnCall) int {
		return cmp.Or(cmp.Compare(strings.ToLower(x.Schedule), strings.ToLower(y.Schedule)), cmp.Compare(x.ScheduleID, y.ScheduleID))
	})
	return out, nil
}

// OnCallIn is OnCallAt for one schedule.
func OnCallIn(ctx context.Context, st Rota, s oncall.Schedule, at time.Time) (OnCall, error) {
	known, err := readPeople(ctx, st)
	if err != nil {
		return OnCall{}, err
	}
	return known.onCall(&s, at), nil
}

func readPeople(ctx context.Context, st Rota) (people, error) {
	all, err := st.Contacts(ctx)
	if err != nil {
		return nil, fmt.Errorf("list contacts: %w", err)
	}
	known := people{}
	for _, c := range all {
		known[c.ID] = c
	}
	return known, nil
}

// mostGaps is how many gaps are answered.
const mostGaps = 50

func (p people) onCall(s *oncall.Schedule, at time.Time) OnCall {
	out := OnCall{ScheduleID: s.ID, Schedule: s.Name, Zone: time.UTC}
	plan, err := planOf(s)
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	out.Zone = plan.Zone()
	out.Now = p.duty(s, plan.At(at))
	if out.Until = plan.Next(at); !out.Until.IsZero() {
		out.Next = p.duty(s, plan.At(out.Until))
		out.NextUntil = plan.Next(out.Until)
	}
	out.Gaps = gapsOf(plan, at, at.Add(GapsAhead))
	return out
}

// planOf makes a schedule ready. Layers that lost their last contact, which is no
// reason not to look at the others, are left out.
func planOf(s *oncall.Schedule) (*oncall.Plan, error) {
	left := *s
	left.Layers = slices.DeleteFunc(slices.Clone(s.Layers), func(l oncall.Layer) bool { return len(l.ContactIDs) == 0 })
	return left.Plan() //nolint:wrapcheck // a sentence of its own
}

func (p people) duty(s *oncall.Schedule, d oncall.Duty) Duty {
	out := Duty{Duty: d, Contact: p.name(d.ContactID)}
	if i := slices.IndexFunc(s.Overrides, func(o oncall.Override) bool { return d.OverrideID != "" && o.ID == d.OverrideID }); i >= 0 {
		out.Note, out.By = s.Overrides[i].Note, s.Overrides[i].By
	}
	return out
}

func gapsOf(plan *oncall.Plan, from, to time.Time) []Gap {
	var out []Gap
	for _, span := range plan.Spans(from, to) {
		if span.ContactID != "" || span.OverrideID != "" {
			continue
		}
		if len(out) == mostGaps {
			break
		}
		out = append(out, Gap{span.From.In(plan.Zone()), span.To.In(plan.Zone())})
	}
	return out
}

// Shifts answers who is on call in a schedule between two moments, at most
// oncall.MaxSpan, without gaps: where nobody is, a shift says so. Shifts that
// follow one another with the same contact for the same reason are one.
func Shifts(ctx context.Context, st Rota, s oncall.Schedule, from, to time.Time) ([]Shift, error) {
	known, err := readPeople(ctx, st)
	if err != nil {
		return nil, err
	}
	plan, err := planOf(&s)
	if err != nil {
		return nil, err
	}
	spans := plan.Spans(from, to)
	out := make([]Shift, 0, len(spans))
	for _, span := range spans {
		out = append(out, Shift{Duty: known.duty(&s, span.Duty), From: span.From.In(plan.Zone()), To: span.To.In(plan.Zone())})
	}
	return out, nil
}
