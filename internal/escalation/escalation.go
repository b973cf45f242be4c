// Package escalation says who is told next when nobody takes an alert. Pure.
//
// A policy has steps: after so many minutes without an acknowledgement the people
// of the next step are told, to the end of the list, and then perhaps from its
// beginning. Meanwhile whoever was told is reminded. An acknowledgement or the
// alert's end ends it; what ends an acknowledgement begins it anew.
package escalation

import (
	"fmt"
	"slices"
	"time"

	"tocsin/internal/contact"
)

// Limits of a policy.
const (
	MaxSteps  = 20
	MaxPeople = 100
	MaxRounds = 20
	Longest   = 7 * 24 * 60 // minutes of a step or between reminders
)

// Policy is what is done while nobody takes an alert.
type Policy struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Steps  []Step `json:"steps"`
	Rounds int    `json:"rounds"`         // how often it goes through the steps; 0 is once
	Remind int    `json:"remind_minutes"` // whoever was told is told again so often; 0 never
}

// Step is one group of people, told After minutes after the step before, or after
// the beginning.
type Step struct {
	After       int      `json:"after_minutes"`
	ContactIDs  []string `json:"contact_ids"`
	GroupIDs    []string `json:"group_ids"`
	ScheduleIDs []string `json:"schedule_ids"` // who is on call there at that moment
	Rooms       []string `json:"rooms"`        // of Mattermost
	Hooks       []string `json:"hooks"`        // ids of webhooks
	Channels    []string `json:"channels"`     // empty: all that a contact has
}

// Run is how far a policy is with an alert.
type Run struct {
	Round    int       `json:"round"`
	Step     int       `json:"step"` // the next one
	Began    time.Time `json:"began"`
	Due      time.Time `json:"due"`      // of the next step; zero: all are done
	Reminder time.Time `json:"reminder"` // when to remind next; zero: never
	Reminded int       `json:"reminded"` // how often
	// Still is until when its clock stands still, which Due and Reminder reckon with; zero:
	// it goes.
	Still time.Time `json:"still,omitzero"`
}

// maxReminders bounds how often people are reminded of one alert.
const maxReminders = 200

// Validate answers a *contact.FieldError for the first field that is wrong.
// Whether those whom it names exist is the store's to know.
func (p *Policy) Validate() error {
	if err := contact.CheckName("name", p.Name); err != nil {
		return err
	}
	refuse := func(field, problem, mend string) error {
		return &contact.FieldError{Field: field, Problem: problem, Mend: mend}
	}
	switch {
	case len(p.Steps) > MaxSteps:
		return refuse("steps", fmt.Sprintf("there are %d", len(p.Steps)), fmt.Sprintf("keep to %d", MaxSteps))
	case len(p.Steps) == 0 && p.Remind == 0:
		return refuse("steps", "there are none, and nobody is reminded: it does nothing", "add a step, or remind every few minutes")
	case p.Rounds < 0 || p.Rounds > MaxRounds:
		return refuse("rounds", fmt.Sprintf("%d is out of bounds", p.Rounds), fmt.Sprintf("use 0 to %d", MaxRounds))
	case p.Remind < 0 || p.Remind > Longest:
		return refuse("remind_minutes", fmt.Sprintf("%d is out of bounds", p.Remind), fmt.Sprintf("use 0 for never, or 1 to %d", Longest))
	}
	for i, s := range p.Steps {
		at := fmt.Sprintf("steps[%d]", i)
		if s.After < 1 || s.After > Longest {
			return refuse(at+".after_minutes", fmt.Sprintf("%d is out of bounds", s.After), fmt.Sprintf("use 1 to %d", Longest))
		}
		if len(s.ContactIDs)+len(s.GroupIDs)+len(s.ScheduleIDs)+len(s.Rooms)+len(s.Hooks) == 0 {
			return refuse(at, "leads to nobody", "name contacts, groups, schedules, rooms or webhooks, or remove the step")
		}
		for _, l := range []struct {
			name string
			ids  []string
		}{{"contact_ids", s.ContactIDs}, {"group_ids", s.GroupIDs}, {"schedule_ids", s.ScheduleIDs}, {"rooms", s.Rooms}, {"hooks", s.Hooks}, {"channels", s.Channels}} {
			if len(l.ids) > MaxPeople {
				return refuse(at+"."+l.name, fmt.Sprintf("holds %d", len(l.ids)), fmt.Sprintf("keep to %d", MaxPeople))
			}
			if err := contact.CheckIDs(at+"."+l.name, l.ids); err != nil {
				return err //nolint:wrapcheck // it is the answer
			}
		}
	}
	return nil
}

// Begin is where a policy stands with an alert that nobody has, from now on.
func (p *Policy) Begin(now time.Time) Run {
	r := Run{Began: now}
	if len(p.Steps) > 0 {
		r.Due = now.Add(minutes(p.Steps[0].After))
	}
	if p.Remind > 0 {
		r.Reminder = now.Add(minutes(p.Remind))
	}
	return r
}

// Next answers the steps that are to be done by now, whether people are to be
// reminded, and where it stands then. What was missed while nobody looked is done
// at once, each step once: of rounds that went by meanwhile only the last counts.
// Who is told by a step needs no reminder.
func (p *Policy) Next(r Run, now time.Time) (steps []int, remind bool, next Run) {
	next = r
	done := map[int]bool{}
	for !next.Due.IsZero() && !next.Due.After(now) {
		if next.Step >= len(p.Steps) { // the policy was changed meanwhile
			next.Due = time.Time{}
			break
		}
		if !done[next.Step] {
			done[next.Step] = true
			steps = append(steps, next.Step)
		}
		next.Step++
		if next.Step == len(p.Steps) {
			next.Round++
			next.Step = 0
			if next.Round >= max(1, p.Rounds) {
				next.Step, next.Due = len(p.Steps), time.Time{}
				break
			}
		}
		next.Due = next.Due.Add(minutes(p.Steps[next.Step].After))
	}
	slices.Sort(steps)
	switch {
	case p.Remind == 0 || next.Reminded >= maxReminders:
		next.Reminder = time.Time{}
	case !next.Reminder.IsZero() && !next.Reminder.After(now):
		remind = true
		next.Reminded++
		next.Reminder = next.Reminder.Add(minutes(p.Remind))
		if !next.Reminder.After(now) {
			next.Reminder = now.Add(minutes(p.Remind))
		}
		if next.Reminded == maxReminders {
			next.Reminder = time.Time{}
		}
	case next.Reminder.IsZero():
		next.Reminder = now.Add(minutes(p.Remind))
	}
	return steps, remind, next
}

// When is when something is to be done next; zero for never.
func (r Run) When() time.Time {
	if r.Due.IsZero() || !r.Reminder.IsZero() && r.Reminder.Before(r.Due) {
		return r.Reminder
	}
	return r.Due
}

// Shift is the run after its clock stood still for a time.
func (r Run) Shift(d time.Duration) Run {
	if !r.Due.IsZero() {
		r.Due = r.Due.Add(d)
	}
	if !r.Reminder.IsZero() {
		r.Reminder = r.Reminder.Add(d)
	}
	return r
}

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }
