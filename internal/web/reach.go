package web

import (
	"slices"

	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/route"
)

// Reach answers whom lists of ids lead to at a moment.
type Reach struct {
	contacts map[string]bool // that want to be told of anything
	groups   map[string]contact.Group
	onCall   map[string]bool // schedules in which one of these is on call
}

// ReachOf makes a Reach, with who is on call as OnCallAt answered it.
func ReachOf(contacts []contact.Contact, groups []contact.Group, now []OnCall) Reach {
	r := Reach{contacts: map[string]bool{}, groups: map[string]contact.Group{}, onCall: map[string]bool{}}
	for _, c := range contacts {
		r.contacts[c.ID] = c.HostNotifications || c.ServiceNotifications
	}
	for _, g := range groups {
		r.groups[g.ID] = g
	}
	for _, o := range now {
		r.onCall[o.ScheduleID] = r.contacts[o.Now.ContactID]
	}
	return r
}

// Nobody answers the steps of a policy, from 1, that lead to nobody now.
func (r Reach) Nobody(p *escalation.Policy) []int {
	var out []int
	for i, s := range p.Steps {
		if len(s.Rooms)+len(s.Hooks) == 0 && !r.somebody(s.ContactIDs, s.GroupIDs, s.ScheduleIDs) {
			out = append(out, i+1)
		}
	}
	return out
}

func (r Reach) somebody(contacts, groups, schedules []string) bool {
	return slices.ContainsFunc(contacts, func(id string) bool { return r.contacts[id] }) ||
		slices.ContainsFunc(schedules, func(id string) bool { return r.onCall[id] }) ||
		slices.ContainsFunc(groups, func(id string) bool {
			g := r.groups[id]
			return r.somebody(g.ContactIDs, nil, g.ScheduleIDs)
		})
}

// UsedSchedules are the ids of those that a rule that is on leads to, by itself, by
// a group or by a policy.
func UsedSchedules(rules []route.Rule, groups []contact.Group, policies []escalation.Policy) map[string]bool {
	used, usedGroups := map[string]bool{}, map[string]bool{}
	mark := func(in map[string]bool, ids []string) {
		for _, id := range ids {
			in[id] = true
		}
	}
	named := map[string]bool{}
	for _, r := range rules {
		if !r.Enabled {
			continue
		}
		named[r.PolicyID] = true
		mark(used, r.ScheduleIDs)
		mark(usedGroups, r.GroupIDs)
	}
	for _, p := range policies {
		if !named[p.ID] {
			continue
		}
		for _, s := range p.Steps {
			mark(used, s.ScheduleIDs)
			mark(usedGroups, s.GroupIDs)
		}
	}
	for _, g := range groups {
		if usedGroups[g.ID] {
			mark(used, g.ScheduleIDs)
		}
	}
	return used
}
