package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/escalation"
	"tocsin/internal/fault"
	"tocsin/internal/oncall"
	"tocsin/internal/route"
	"tocsin/internal/window"
)

// scanBody reads a row that is one JSON text.
func scanBody[T any](s scanner) (v T, err error) {
	var body string
	if err := s.Scan(&body); err != nil {
		return v, err
	}
	err = json.Unmarshal([]byte(body), &v)
	return v, err
}

// readBodies lists all of a table of bodies, by name.
func readBodies[T any](ctx context.Context, q querier, what, table string) ([]T, error) {
	list, err := collect(ctx, q, scanBody[T], "SELECT body FROM "+table+" ORDER BY name_key, id")
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", what, err)
	}
	return list, nil
}

// saveBody inserts or updates by id; fault.ErrTaken when another has the name.
func (w *work) saveBody(ctx context.Context, what, table, id, name string, v any) error {
	_, err := w.exec(ctx, "INSERT INTO "+table+` (id, name, name_key, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, body = excluded.body`,
		id, name, strings.ToLower(name), encodeJSON(v))
	return taken(err, what, name)
}

// Policies lists all escalation policies by name.
func (db *DB) Policies(ctx context.Context) ([]escalation.Policy, error) {
	return readPolicies(ctx, db.reads)
}

func readPolicies(ctx context.Context, q querier) ([]escalation.Policy, error) {
	return readBodies[escalation.Policy](ctx, q, "escalation policies", "policy")
}

// Policy answers one escalation policy, fault.ErrNotFound if there is none.
func (db *DB) Policy(ctx context.Context, id string) (escalation.Policy, error) {
	return find(ctx, db.reads, scanBody[escalation.Policy], "escalation policy", id, "SELECT body FROM policy WHERE id = $1", id)
}

// SavePolicy inserts or updates by ID; fault.ErrTaken when another has the name.
func (db *DB) SavePolicy(ctx context.Context, p escalation.Policy) error {
	return db.changeOf(ctx, policyThing(p.ID), func(ctx context.Context, w *work) error { return w.savePolicy(ctx, &p) })
}

func (w *work) savePolicy(ctx context.Context, p *escalation.Policy) error {
	return w.saveBody(ctx, "escalation policy", "policy", p.ID, p.Name, p)
}

// DeletePolicy deletes an escalation policy; fault.ErrInUse, with the names, while
// rules name it.
func (db *DB) DeletePolicy(ctx context.Context, id string) error {
	return db.changeOf(ctx, policyThing(id), func(ctx context.Context, w *work) error {
		u := users{rule: func(r *route.Rule) bool { return r.PolicyID == id }}
		if err := w.unused(ctx, "escalation policy", id, u); err != nil {
			return err
		}
		return w.remove(ctx, "escalation policy", "policy", id)
	})
}

// Schedules lists all schedules of who is on call by name.
func (db *DB) Schedules(ctx context.Context) ([]oncall.Schedule, error) {
	return readSchedules(ctx, db.reads)
}

func readSchedules(ctx context.Context, q querier) ([]oncall.Schedule, error) {
	return readBodies[oncall.Schedule](ctx, q, "schedules", "schedule")
}

// Schedule answers one schedule, fault.ErrNotFound if there is none.
func (db *DB) Schedule(ctx context.Context, id string) (oncall.Schedule, error) {
	return find(ctx, db.reads, scanBody[oncall.Schedule], "schedule", id, "SELECT body FROM schedule WHERE id = $1", id)
}

// SaveSchedule inserts or updates by ID; fault.ErrTaken when another has the name.
func (db *DB) SaveSchedule(ctx context.Context, s oncall.Schedule) error {
	return db.changeOf(ctx, scheduleThing(s.ID), func(ctx context.Context, w *work) error { return w.saveSchedule(ctx, &s) })
}

// ChangeSchedule has a schedule changed that nobody else changes meanwhile: what two
// do at once is both kept. change may run again, and answers the schedule as it is to
// be; its error comes back as it is, and nothing is kept then. fault.ErrNotFound if
// there is none, fault.ErrTaken when another has the name.
func (db *DB) ChangeSchedule(ctx context.Context, id string, change func(oncall.Schedule) (oncall.Schedule, error)) error {
	return db.changeOf(ctx, scheduleThing(id), func(ctx context.Context, w *work) error {
		s, err := find(ctx, w, scanBody[oncall.Schedule], "schedule", id, "SELECT body FROM schedule WHERE id = $1"+db.d.forUpdate, id)
		if err != nil {
			return err
		}
		if s, err = change(s); err != nil {
			return err
		}
		s.ID = id
		return w.saveSchedule(ctx, &s)
	})
}

func (w *work) saveSchedule(ctx context.Context, s *oncall.Schedule) error {
	return w.saveBody(ctx, "schedule", "schedule", s.ID, s.Name, s)
}

// DeleteSchedule deletes a schedule; fault.ErrInUse, with the names, while rules,
// groups or escalation policies name it.
func (db *DB) DeleteSchedule(ctx context.Context, id string) error {
	return db.changeOf(ctx, scheduleThing(id), func(ctx context.Context, w *work) error {
		u := users{
			rule:  func(r *route.Rule) bool { return slices.Contains(r.ScheduleIDs, id) },
			group: func(schedules []string) bool { return slices.Contains(schedules, id) },
			step:  func(s *escalation.Step) bool { return slices.Contains(s.ScheduleIDs, id) },
		}
		if err := w.unused(ctx, "schedule", id, u); err != nil {
			return err
		}
		return w.remove(ctx, "schedule", "schedule", id)
	})
}

// Windows lists all maintenance windows by name.
func (db *DB) Windows(ctx context.Context) ([]window.Window, error) {
	return readWindows(ctx, db.reads)
}

func readWindows(ctx context.Context, q querier) ([]window.Window, error) {
	return readBodies[window.Window](ctx, q, "maintenance windows", "maintenance_window")
}

// Window answers one maintenance window, fault.ErrNotFound if there is none.
func (db *DB) Window(ctx context.Context, id string) (window.Window, error) {
	return find(ctx, db.reads, scanBody[window.Window], "maintenance window", id, "SELECT body FROM maintenance_window WHERE id = $1", id)
}

// SaveWindow inserts or updates by ID; fault.ErrTaken when another has the name.
func (db *DB) SaveWindow(ctx context.Context, v window.Window) error {
	return db.changeOf(ctx, windowThing(v.ID), func(ctx context.Context, w *work) error {
		return w.saveBody(ctx, "maintenance window", "maintenance_window", v.ID, v.Name, v)
	})
}

// DeleteWindow deletes a maintenance window.
func (db *DB) DeleteWindow(ctx context.Context, id string) error {
	return db.changeOf(ctx, windowThing(id), func(ctx context.Context, w *work) error {
		return w.remove(ctx, "maintenance window", "maintenance_window", id)
	})
}

// users says who uses something; nil asks nobody of that kind.
type users struct {
	rule    func(*route.Rule) bool
	group   func(scheduleIDs []string) bool
	contact func(hook, room string) bool
	step    func(*escalation.Step) bool
}

// named answers who uses something, in words for people.
func (w *work) named(ctx context.Context, u users) (names []string, err error) {
	if u.rule != nil {
		rules, err := readRules(ctx, w)
		if err != nil {
			return nil, err
		}
		for i := range rules {
			if u.rule(&rules[i]) {
				names = append(names, "rule “"+rules[i].Name+"”")
			}
		}
	}
	if u.group != nil {
		groups, err := readGroups(ctx, w)
		if err != nil {
			return nil, err
		}
		for i := range groups {
			if u.group(groups[i].ScheduleIDs) {
				names = append(names, "group “"+groups[i].Name+"”")
			}
		}
	}
	if u.contact != nil {
		contacts, err := readContacts(ctx, w)
		if err != nil {
			return nil, err
		}
		for i := range contacts {
			if u.contact(contacts[i].Hook, contacts[i].Mattermost) {
				names = append(names, "contact “"+contacts[i].Name+"”")
			}
		}
	}
	if u.step != nil {
		policies, err := readPolicies(ctx, w)
		if err != nil {
			return nil, err
		}
		for i := range policies {
			if slices.ContainsFunc(policies[i].Steps, func(s escalation.Step) bool { return u.step(&s) }) {
				names = append(names, "escalation policy “"+policies[i].Name+"”")
			}
		}
	}
	return names, nil
}

// unused answers fault.ErrInUse, with the names, while somebody uses something.
func (w *work) unused(ctx context.Context, what, id string, u users) error {
	names, err := w.named(ctx, u)
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("%s %q is named by %s, so it %w", what, id, strings.Join(names, ", "), fault.ErrInUse)
	}
	return err
}

// leavePlans takes a contact that is deleted out of schedules and escalation
// policies. What nobody is left in stays: who reads it is told.
func (w *work) leavePlans(ctx context.Context, contactID string) error {
	left := func(ids []string) []string {
		return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == contactID })
	}
	schedules, err := readSchedules(ctx, w)
	if err != nil {
		return err
	}
	for i := range schedules {
		s, changed := &schedules[i], false
		for j := range s.Layers {
			if l := &s.Layers[j]; slices.Contains(l.ContactIDs, contactID) {
				l.ContactIDs, changed = left(l.ContactIDs), true
			}
		}
		// Without whoever stood in, whose turn it is has it.
		of := func(o oncall.Override) bool { return o.ContactID == contactID }
		if slices.ContainsFunc(s.Overrides, of) {
			s.Overrides, changed = slices.DeleteFunc(s.Overrides, of), true
		}
		if changed {
			if err := w.recorded(ctx, scheduleThing(s.ID), func() error { return w.saveSchedule(ctx, s) }); err != nil {
				return err
			}
		}
	}
	policies, err := readPolicies(ctx, w)
	if err != nil {
		return err
	}
	for i := range policies {
		p, changed := &policies[i], false
		for j := range p.Steps {
			if s := &p.Steps[j]; slices.Contains(s.ContactIDs, contactID) {
				s.ContactIDs, changed = left(s.ContactIDs), true
			}
		}
		if changed {
			if err := w.recorded(ctx, policyThing(p.ID), func() error { return w.savePolicy(ctx, p) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadPlans reads what routing depends on of schedules, policies and windows.
func loadPlans(ctx context.Context, q querier, d *route.Directory, now time.Time) (err error) {
	if d.Schedules, err = readSchedules(ctx, q); err != nil {
		return err
	}
	if d.Policies, err = readPolicies(ctx, q); err != nil {
		return err
	}
	windows, err := readWindows(ctx, q)
	if err != nil {
		return err
	}
	d.Windows = slices.DeleteFunc(windows, func(v window.Window) bool { return !v.Enabled || over(&v, now) })
	if len(d.Windows) == 0 {
		d.Windows = nil
	}
	return nil
}

// over says whether a window that does not come again is over for certain: by any
// clock, and when it lasts longer because a clock was put back.
func over(v *window.Window, now time.Time) bool {
	if v.RRule != "" {
		return false
	}
	start, err := time.Parse("2006-01-02T15:04", v.Start)
	return err == nil && now.Sub(start.Add(time.Duration(v.Minutes)*time.Minute)) > 48*time.Hour
}
