package web

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/hook"
	"tocsin/internal/oncall"
	"tocsin/internal/route"
	"tocsin/internal/source"
	"tocsin/internal/window"
)

// Referred is what others refer to by id, as Checks reads it.
type Referred interface {
	Rota
	Groups(ctx context.Context) ([]contact.Group, error)
	Periods(ctx context.Context) ([]contact.TimePeriod, error)
	Policies(ctx context.Context) ([]escalation.Policy, error)
	Rooms(ctx context.Context) ([]chat.Room, error)
	Hooks(ctx context.Context) ([]hook.Hook, error)
	Sources(ctx context.Context) ([]source.Source, error)
}

// What can be referred to, in words for people.
const (
	aContact  = "contact"
	aGroup    = "group"
	aSchedule = "schedule"
	aPeriod   = "time period"
	aPolicy   = "escalation policy"
	aRoom     = "room of Mattermost"
	aHook     = "webhook"
	aSource   = "source"
)

// reference is a list of ids in a field; one has a single id, and no index.
type reference struct {
	field, what string
	ids         []string
	one         bool
}

// check refuses the first id that refers to nothing, as a *contact.FieldError. It
// reads each kind once, and only those that are referred to.
func check(ctx context.Context, st Referred, refs ...reference) error {
	known := map[string]map[string]bool{}
	for _, r := range refs {
		for i, id := range r.ids {
			if id == "" && r.one {
				continue
			}
			if known[r.what] == nil {
				ids, err := idsOf(ctx, st, r.what)
				if err != nil {
					return fmt.Errorf("list what is a %s: %w", r.what, err)
				}
				known[r.what] = ids
			}
			if known[r.what][id] {
				continue
			}
			field := r.field
			if !r.one {
				field = fmt.Sprintf("%s[%d]", r.field, i)
			}
			return &contact.FieldError{Field: field, Problem: "names a " + r.what + " that does not exist", Mend: "choose another one, or leave it out"}
		}
	}
	return nil
}

func idsOf(ctx context.Context, st Referred, what string) (map[string]bool, error) {
	switch what {
	case aContact:
		return ids(st.Contacts, func(c contact.Contact) string { return c.ID })(ctx)
	case aGroup:
		return ids(st.Groups, func(g contact.Group) string { return g.ID })(ctx)
	case aSchedule:
		return ids(st.Schedules, func(s oncall.Schedule) string { return s.ID })(ctx)
	case aPeriod:
		return ids(st.Periods, func(p contact.TimePeriod) string { return p.ID })(ctx)
	case aPolicy:
		return ids(st.Policies, func(p escalation.Policy) string { return p.ID })(ctx)
	case aRoom:
		return ids(st.Rooms, func(r chat.Room) string { return r.ID })(ctx)
	case aHook:
		return ids(st.Hooks, func(h hook.Hook) string { return h.ID })(ctx)
	}
	return ids(st.Sources, func(s source.Source) string { return s.ID })(ctx)
}

func ids[T any](list func(context.Context) ([]T, error), id func(T) string) func(context.Context) (map[string]bool, error) {
	return func(ctx context.Context) (map[string]bool, error) {
		all, err := list(ctx)
		if err != nil {
			return nil, err
		}
		out := make(map[string]bool, len(all))
		for _, x := range all {
			out[id(x)] = true
		}
		return out, nil
	}
}

// CheckPolicy says what is wrong with a policy, or whom it names that there is not,
// as a *contact.FieldError: "steps[1].group_ids[0]".
func CheckPolicy(ctx context.Context, st Referred, p escalation.Policy) error {
	if err := route.CheckPolicy(&p); err != nil {
		return err //nolint:wrapcheck // a sentence of its own
	}
	var refs []reference
	for i, s := range p.Steps {
		at := fmt.Sprintf("steps[%d]", i)
		refs = append(refs, reference{at + ".contact_ids", aContact, s.ContactIDs, false}, reference{at + ".group_ids", aGroup, s.GroupIDs, false},
			reference{at + ".schedule_ids", aSchedule, s.ScheduleIDs, false}, reference{at + ".rooms", aRoom, s.Rooms, false}, reference{at + ".hooks", aHook, s.Hooks, false})
	}
	return check(ctx, st, refs...)
}

// CheckSchedule is CheckPolicy for a schedule. Overrides that are there already may
// name somebody who has gone.
func CheckSchedule(ctx context.Context, st Referred, s oncall.Schedule) error {
	if err := s.Validate(); err != nil {
		return err //nolint:wrapcheck // a sentence of its own
	}
	var refs []reference
	for i, l := range s.Layers {
		refs = append(refs, reference{fmt.Sprintf("layers[%d].contact_ids", i), aContact, l.ContactIDs, false})
	}
	return check(ctx, st, refs...)
}

// CheckWindow is CheckPolicy for a maintenance window. Its page and components the
// desk of public pages checks.
func CheckWindow(ctx context.Context, st Referred, w window.Window) error {
	if err := w.Validate(); err != nil {
		return err //nolint:wrapcheck // a sentence of its own
	}
	return check(ctx, st, reference{"source_ids", aSource, w.Sources, false})
}

// CheckGroup is CheckPolicy for a group.
func CheckGroup(ctx context.Context, st Referred, g contact.Group) error {
	if err := g.Validate(); err != nil {
		return err //nolint:wrapcheck // a sentence of its own
	}
	return check(ctx, st, reference{"contact_ids", aContact, g.ContactIDs, false}, reference{"schedule_ids", aSchedule, g.ScheduleIDs, false})
}

// CheckRule is CheckPolicy for a rule.
func CheckRule(ctx context.Context, st Referred, r route.Rule) error {
	if err := r.Validate(); err != nil {
		return err //nolint:wrapcheck // a sentence of its own
	}
	return check(ctx, st, reference{"source_ids", aSource, r.SourceIDs, false}, reference{"contact_ids", aContact, r.ContactIDs, false},
		reference{"group_ids", aGroup, r.GroupIDs, false}, reference{"schedule_ids", aSchedule, r.ScheduleIDs, false},
		reference{"rooms", aRoom, r.Rooms, false}, reference{"hooks", aHook, r.Hooks, false}, reference{"policy_id", aPolicy, []string{r.PolicyID}, true})
}

// CheckContact is CheckPolicy for a contact; whether its user exists is not looked at.
func CheckContact(ctx context.Context, st Referred, c contact.Contact) error {
	if err := c.Validate(); err != nil {
		return err //nolint:wrapcheck // a sentence of its own
	}
	refs := []reference{
		{"host_period_id", aPeriod, []string{c.HostPeriodID}, true}, {"service_period_id", aPeriod, []string{c.ServicePeriodID}, true},
		{"quiet_period_id", aPeriod, []string{c.QuietPeriodID}, true}, {"hook", aHook, []string{c.Hook}, true},
	}
	if c.Mattermost != contact.MattermostDirect {
		refs = append(refs, reference{"mattermost", aRoom, []string{c.Mattermost}, true})
	}
	if err := check(ctx, st, refs...); err != nil || c.QuietPeriodID == "" {
		return err
	}
	periods, err := st.Periods(ctx)
	if err != nil {
		return fmt.Errorf("list time periods: %w", err)
	}
	for i := range periods {
		if periods[i].ID == c.QuietPeriodID {
			return contact.CheckQuiet(periods[i], time.Now()) //nolint:wrapcheck // a sentence of its own
		}
	}
	return nil
}
