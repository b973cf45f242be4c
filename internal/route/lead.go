package route

import (
	"slices"

	"tocsin/internal/oncall"
)

// lead is where a rule, or a step of a policy, leads to.
type lead struct {
	people []person
	rooms  []string
	hooks  []string
	gone   []string // what it names and is not there, or is empty, in words
}

// person is a contact that is led to, or whoever is on call in a schedule; group is
// the name of the group that it is in, empty if it is named itself.
type person struct {
	contact int
	rota    *rota
	group   string
}

// rota is a schedule made ready; plan is nil where it cannot be read.
type rota struct {
	name string
	plan *oncall.Plan
}

// newRota makes a schedule ready. A layer that lost its last contact is no reason not
// to look at the others.
func newRota(s *oncall.Schedule) *rota {
	left := *s
	left.Layers = slices.DeleteFunc(slices.Clone(s.Layers), func(l oncall.Layer) bool { return len(l.ContactIDs) == 0 })
	r := &rota{name: s.Name}
	if p, err := left.Plan(); err == nil {
		r.plan = p
	}
	return r
}

// leads finds what a rule names: its contacts, then its groups with whoever is on
// call for them, then its schedules; each once. Groups hold contacts and schedules,
// and schedules hold contacts: none can lead back to itself.
func (x *index) leads(r *Rule) lead {
	out := lead{rooms: r.Rooms, hooks: r.Hooks}
	seen, asked := map[int]bool{}, map[*rota]bool{}
	add := func(id, group string) {
		switch i, ok := x.contacts[id]; {
		case !ok && group == "":
			out.gone = append(out.gone, "a contact that is no longer there")
		case ok && !seen[i]:
			seen[i] = true
			out.people = append(out.people, person{contact: i, group: group})
		}
	}
	duty := func(id, group string) {
		switch s := x.rotas[id]; {
		case s == nil && group == "":
			out.gone = append(out.gone, "a schedule that is no longer there")
		case s != nil && !asked[s]:
			asked[s] = true
			out.people = append(out.people, person{rota: s, group: group})
		}
	}
	for _, id := range r.ContactIDs {
		add(id, "")
	}
	for _, id := range r.GroupIDs {
		g := x.groups[id]
		if g == nil {
			out.gone = append(out.gone, "a group that is no longer there")
			continue
		}
		if !slices.ContainsFunc(g.ContactIDs, x.known) && len(g.ScheduleIDs) == 0 {
			out.gone = append(out.gone, "group “"+g.Name+"”, which is empty")
		}
		for _, member := range g.ContactIDs {
			add(member, g.Name)
		}
		for _, s := range g.ScheduleIDs {
			duty(s, g.Name)
		}
	}
	for _, id := range r.ScheduleIDs {
		duty(id, "")
	}
	return out
}

func (x *index) known(id string) bool {
	_, ok := x.contacts[id]
	return ok
}

// leader is in whose name somebody is led to: head is "rule “Night”", with what
// stands before it.
type leader struct {
	reason   Reason
	head     string
	rule     string // its name; empty for a step
	channels []string
	tell     bool // say what is gone
}

// follow decides for all whom a lead leads to, and answers how many came into
// question.
func (c *decider) follow(l *lead, by leader) (people int) {
	c.roomsOf(l.rooms, by)
	c.hooksOf(l.hooks, by)
	c.out = slices.Grow(c.out, len(l.people)) // mostly one decision each
	for i := range l.people {
		p := &l.people[i]
		why := by.head + " chose this contact"
		if p.group != "" {
			why = by.head + " chose group “" + p.group + "”"
		}
		who := p.contact
		if p.rota != nil {
			i, because, ok := c.onCall(p.rota)
			if !ok {
				c.out = append(c.out, Decision{Reason: ReasonNobody, Rule: by.rule, Why: by.head + " leads to schedule “" + p.rota.name + "”, but " + because})
				people++ // its gap is said
				continue
			}
			if who = i; p.group == "" {
				why = by.head + " chose whoever is on call in “" + p.rota.name + "”"
			} else {
				why += ", for which this contact is on call in “" + p.rota.name + "”"
			}
		}
		people++
		c.candidate(who, by.channels, choice{by.reason, why, by.rule})
	}
	if by.tell {
		for _, what := range l.gone {
			c.out = append(c.out, Decision{Reason: ReasonNobody, Rule: by.rule, Why: by.head + " leads to " + what + "; correct it"})
		}
	}
	return people
}

// onCall answers who is on call in a schedule now, or why nobody is.
func (c *decider) onCall(r *rota) (who int, because string, ok bool) {
	if r.plan == nil {
		return 0, "it cannot be read; open it and save it again", false
	}
	duty := r.plan.At(c.q.Now)
	if duty.ContactID == "" {
		if duty.OverrideID != "" {
			return 0, "nobody is on call in it now, by an override; end that, or put somebody on call", false
		}
		return 0, "nobody is on call in it now; fill the gap with a layer or an override", false
	}
	i, known := c.index.contacts[duty.ContactID]
	if !known {
		return 0, "whoever is on call in it now is no contact any more; put somebody else there", false
	}
	return i, "", true
}

// isOnCall says whether a contact is on call now, in whichever schedule.
func (c *decider) isOnCall(id string) bool {
	if c.duties == nil {
		c.duties = map[string]bool{}
		for _, r := range c.index.rotas {
			if r.plan != nil {
				c.duties[r.plan.At(c.q.Now).ContactID] = true
			}
		}
	}
	return c.duties[id]
}
