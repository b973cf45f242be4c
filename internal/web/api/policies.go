package api

import (
	"context"
	"errors"
	"strings"
	"time"

	"tocsin/internal/dispatch"
	"tocsin/internal/escalation"
	"tocsin/internal/fault"
	"tocsin/internal/web"
)

// StepIO is one group of people of an escalation.
type StepIO struct {
	After       int      `json:"after_minutes" doc:"So long after the step before, or after the beginning; 1 to 10080 (7 days)" example:"15"`
	ContactIDs  []string `json:"contact_ids" required:"false" doc:"Whom it tells"`
	GroupIDs    []string `json:"group_ids" required:"false" doc:"Groups that it tells"`
	ScheduleIDs []string `json:"schedule_ids" required:"false" doc:"Whoever is on call there at that moment"`
	Rooms       []string `json:"rooms" required:"false" doc:"Ids of rooms of Mattermost"`
	Hooks       []string `json:"hooks" required:"false" doc:"Ids of webhooks"`
	Channels    []string `json:"channels" required:"false" doc:"By which channels; none: all that a contact has" example:"[\"browser\"]"`
}

// PolicyIn is what an escalation policy is made of.
type PolicyIn struct {
	Name   string   `json:"name" minLength:"1" maxLength:"100" example:"Night"`
	Steps  []StepIO `json:"steps,omitempty" maxItems:"20" doc:"In their order; an acknowledgement ends it, and what ends the acknowledgement begins it anew"`
	Rounds int      `json:"rounds,omitempty" minimum:"0" maximum:"20" doc:"How often it goes through the steps; 0 is once"`
	Remind int      `json:"remind_minutes,omitempty" minimum:"0" maximum:"10080" doc:"Whoever was told is told again so often; 0: never"`
}

// PolicyOut is what is done while nobody takes an alert. Rules name it.
type PolicyOut struct {
	ID     string   `json:"id"`
	Name   string   `json:"name" example:"Night"`
	Steps  []StepIO `json:"steps"`
	Rounds int      `json:"rounds"`
	Remind int      `json:"remind_minutes"`
}

func (a *API) policyRoutes() {
	st := a.d.Store
	registerCRUD(a, crud[PolicyIn, PolicyOut, escalation.Policy]{
		tag: "planning", path: "/policies", one: "policy", many: "policies", read: readConfig(), write: writeConfig(),
		list: st.Policies, get: st.Policy, save: st.SavePolicy, remove: st.DeletePolicy, out: policyOut,
		key: func(p escalation.Policy) string { return strings.ToLower(p.Name) + "\x00" + p.ID },
		fill: func(ctx context.Context, id string, in PolicyIn) (escalation.Policy, error) {
			p := escalation.Policy{ID: id, Name: strings.TrimSpace(in.Name), Rounds: in.Rounds, Remind: in.Remind, Steps: each(in.Steps, stepIn)}
			return p, web.CheckPolicy(ctx, st, p)
		},
	})
}

func stepIn(s StepIO) escalation.Step {
	return escalation.Step{
		After: s.After, ContactIDs: distinct(s.ContactIDs), GroupIDs: distinct(s.GroupIDs), ScheduleIDs: distinct(s.ScheduleIDs),
		Rooms: distinct(s.Rooms), Hooks: distinct(s.Hooks), Channels: distinct(s.Channels),
	}
}

func policyOut(p escalation.Policy) PolicyOut {
	return PolicyOut{ID: p.ID, Name: p.Name, Rounds: p.Rounds, Remind: p.Remind, Steps: each(p.Steps, func(s escalation.Step) StepIO {
		return StepIO{
			After: s.After, ContactIDs: words(s.ContactIDs), GroupIDs: words(s.GroupIDs), ScheduleIDs: words(s.ScheduleIDs),
			Rooms: words(s.Rooms), Hooks: words(s.Hooks), Channels: words(s.Channels),
		}
	})}
}

// EscalationOut is how far a policy is with an alert that nobody has.
type EscalationOut struct {
	PolicyID string     `json:"policy_id"`
	Policy   string     `json:"policy" doc:"Its name; empty when it is gone"`
	Began    time.Time  `json:"began"`
	Round    int        `json:"round" doc:"From 0"`
	Step     int        `json:"step" doc:"The next one, from 0"`
	Next     *time.Time `json:"next" doc:"When that is; null: all are done"`
	Reminder *time.Time `json:"reminder" doc:"When whoever was told is told again; null: never"`
	Reminded int        `json:"reminded" doc:"How often they were"`
	Due      *time.Time `json:"due" doc:"When something is to be done next; later than next and reminder where it was put off, as in a downtime. null: never"`
}

// escalationOf is null where no policy runs.
func (a *API) escalationOf(ctx context.Context, alertID string) (*EscalationOut, error) {
	e, err := a.d.Store.AlertEscalation(ctx, alertID)
	if err != nil || e == nil {
		return nil, err
	}
	p, err := a.d.Store.Policy(ctx, e.PolicyID)
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return nil, err
	}
	return escalationOut(*e, p.Name), nil
}

func escalationOut(e dispatch.Escalation, name string) *EscalationOut {
	return &EscalationOut{
		PolicyID: e.PolicyID, Policy: name, Began: e.Run.Began.UTC(), Round: e.Run.Round, Step: e.Run.Step, Next: timeOut(e.Run.Due),
		Reminder: timeOut(e.Run.Reminder), Reminded: e.Run.Reminded, Due: timeOut(e.Due),
	}
}
