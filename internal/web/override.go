package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/oncall"
)

// RotaView is a schedule with what is to be seen of it.
type RotaView struct {
	Schedule oncall.Schedule
	OnCall   OnCall
	Warnings []Warning
}

// Rotas answers schedules, in the order in which they are given, with who is on call
// now and what they are warned of.
func Rotas(ctx context.Context, st Rota, all []oncall.Schedule, now time.Time) ([]RotaView, error) {
	known, err := readPeople(ctx, st)
	if err != nil {
		return nil, err
	}
	out := make([]RotaView, 0, len(all))
	for i := range all {
		out = append(out, RotaView{Schedule: all[i], OnCall: known.onCall(&all[i], now), Warnings: known.warnings(&all[i], now)})
	}
	return out, nil
}

// keepOverrides is how long overrides that are over are shown.
const keepOverrides = 90 * 24 * time.Hour

// Scheduler is what changes overrides.
type Scheduler interface {
	Rota
	Schedule(ctx context.Context, id string) (oncall.Schedule, error)
	SaveSchedule(ctx context.Context, s oncall.Schedule) error
	ChangeSchedule(ctx context.Context, id string, change func(oncall.Schedule) (oncall.Schedule, error)) error
}

// SaveRota makes a schedule, or changes all of one but its overrides: those that
// somebody makes at the same moment stay.
func SaveRota(ctx context.Context, st Scheduler, s oncall.Schedule) error {
	err := st.ChangeSchedule(ctx, s.ID, func(is oncall.Schedule) (oncall.Schedule, error) {
		is.Name, is.Zone, is.Layers = s.Name, s.Zone, s.Layers
		return is, nil
	})
	if errors.Is(err, fault.ErrNotFound) {
		err = st.SaveSchedule(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("keep schedule %q: %w", s.Name, err)
	}
	return nil
}

// AddOverride puts somebody else on call, and forgets overrides that were over long
// ago. The error may be a *contact.FieldError.
func AddOverride(ctx context.Context, st Scheduler, scheduleID string, o oncall.Override, now time.Time) (oncall.Override, error) {
	if _, err := st.Schedule(ctx, scheduleID); err != nil {
		return o, fmt.Errorf("read schedule %s: %w", scheduleID, err)
	}
	o.From, o.To = o.From.UTC().Truncate(time.Second), o.To.UTC().Truncate(time.Second)
	if !o.To.After(now) {
		return o, &contact.FieldError{Field: "to", Problem: "lies back", Mend: "let it end later"}
	}
	if o.ContactID != "" {
		known, err := readPeople(ctx, st)
		if err != nil {
			return o, err
		}
		if _, ok := known[o.ContactID]; !ok {
			return o, &contact.FieldError{Field: "contact_id", Problem: "names a contact that does not exist", Mend: "choose another one, or leave it out for a gap on purpose"}
		}
	}
	alone := oncall.Schedule{Overrides: []oncall.Override{o}}
	if _, err := alone.Plan(); err != nil {
		return o, inOverride(err)
	}
	err := st.ChangeSchedule(ctx, scheduleID, func(s oncall.Schedule) (oncall.Schedule, error) {
		s.Overrides = append(slices.DeleteFunc(slices.Clone(s.Overrides), func(x oncall.Override) bool { return now.Sub(x.To) > keepOverrides }), o)
		if n := len(s.Overrides); n > oncall.MaxOverrides {
			return s, &contact.FieldError{Field: "to", Problem: fmt.Sprintf("there are %d overrides already", n-1), Mend: "end some that are still to come, or change the rotation"}
		}
		return s, nil
	})
	if err != nil {
		return o, fmt.Errorf("keep the override: %w", err)
	}
	return o, nil
}

// inOverride names the field of an override as who gives one knows it.
func inOverride(err error) error {
	if fe, ok := err.(*contact.FieldError); ok { //nolint:errorlint // Plan answers it as it is
		return &contact.FieldError{Field: fe.Field[len("overrides[0]."):], Problem: fe.Problem, Mend: fe.Mend}
	}
	return err
}

// EndOverride ends an override that goes on, or takes one away that has not begun;
// fault.ErrNotFound for another one.
func EndOverride(ctx context.Context, st Scheduler, scheduleID, id string, now time.Time) error {
	err := st.ChangeSchedule(ctx, scheduleID, func(s oncall.Schedule) (oncall.Schedule, error) {
		s.Overrides = slices.Clone(s.Overrides)
		i := slices.IndexFunc(s.Overrides, func(o oncall.Override) bool { return o.ID == id && o.To.After(now) })
		switch {
		case i < 0:
			return s, fmt.Errorf("override %s: %w", id, fault.ErrNotFound)
		case now.Sub(s.Overrides[i].From) < time.Second:
			s.Overrides = slices.Delete(s.Overrides, i, i+1)
		default:
			s.Overrides[i].To = now.UTC().Truncate(time.Second)
		}
		return s, nil
	})
	if err != nil {
		return fmt.Errorf("end the override: %w", err)
	}
	return nil
}
