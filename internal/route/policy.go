package route

import (
	"fmt"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/escalation"
	"tocsin/internal/oncall"
)

// PolicyOf answers the policy that goes with an alert while nobody takes it, and
// the name of the rule that names it: the first that fits and does. Rules are asked
// also where the engine named the contacts. A rule whose policy is gone is passed
// over.
func PolicyOf(d Directory, q Question) (p *escalation.Policy, rule string) {
	d = d.Indexed()
	if len(d.index.policies) == 0 {
		return nil, ""
	}
	f := newDecider(d, q).facts()
	d.index.fitting(&f, func(r *preparedRule) bool {
		if p = d.index.policies[r.PolicyID]; p != nil {
			rule = r.Name
		}
		return p == nil
	})
	return p, rule
}

// Policy finds a policy by its id.
func (d Directory) Policy(id string) (*escalation.Policy, bool) {
	p, ok := d.Indexed().index.policies[id]
	return p, ok
}

// Escalate decides for those whom a step of a policy leads to, q being about the
// problem that nobody has taken. since is when the policy began with it. Whoever is
// no longer there, and a schedule with nobody on call, is a decision that says so.
func Escalate(d Directory, q Question, p *escalation.Policy, step int, since time.Time) []Decision {
	if step < 0 || step >= len(p.Steps) {
		return nil
	}
	d = d.Indexed()
	s := &p.Steps[step]
	why := fmt.Sprintf("not acknowledged for %s: step %d of policy “%s”", lasting(q.Now.Sub(since)), step+1, p.Name)
	r := Rule{ContactIDs: s.ContactIDs, GroupIDs: s.GroupIDs, ScheduleIDs: s.ScheduleIDs, Rooms: s.Rooms, Hooks: s.Hooks}
	c := newDecider(d, q)
	l := d.index.leads(&r)
	c.follow(&l, leader{reason: ReasonEscalation, head: why + "; it", channels: s.Channels, tell: true})
	return c.out
}

// Remind decides for those who were told of a problem before (q.Told), and whom
// nobody relieved of it. A reminder is not held back for anybody: the next one comes
// when nothing holds it.
func Remind(d Directory, q Question, p *escalation.Policy, since time.Time) []Decision {
	c := newDecider(d.Indexed(), q)
	c.again(choice{ReasonReminder, fmt.Sprintf("not acknowledged for %s: reminder of policy “%s”", lasting(q.Now.Sub(since)), p.Name), ""})
	for i := range c.out {
		if d := &c.out[i]; !d.HoldUntil.IsZero() {
			d.Told, d.HoldUntil, d.Destination, d.DestinationName = false, time.Time{}, "", ""
			d.Why = strings.Replace(d.Why, heldBack, ", but ", 1)
		}
	}
	return c.out
}

// CheckPolicy is escalation.Policy.Validate, and of the channels that steps name.
func CheckPolicy(p *escalation.Policy) error {
	if err := p.Validate(); err != nil {
		return err //nolint:wrapcheck // it is the answer: a *contact.FieldError
	}
	for i := range p.Steps {
		if err := CheckChannels(fmt.Sprintf("steps[%d].channels", i), p.Steps[i].Channels); err != nil {
			return err
		}
	}
	return nil
}

// Duty answers who is on call in a schedule at a moment; false where there is no
// such schedule, or it cannot be read.
func (d Directory) Duty(scheduleID string, t time.Time) (oncall.Duty, bool) {
	s := d.Indexed().index.rotas[scheduleID]
	if s == nil || s.plan == nil {
		return oncall.Duty{}, false
	}
	return s.plan.At(t), true
}

// Held answers until when a maintenance window holds alerts about an object back,
// and the names of the windows that do so now; zero and none if nothing does.
func Held(d Directory, o alert.Object, now time.Time) (until time.Time, windows []string) {
	d = d.Indexed()
	c := newDecider(d, Question{Event: alert.Event{SourceID: o.SourceID, Object: o}, Now: now})
	return c.windowsEnd(now)
}

// lasting is a time that went by, in words.
func lasting(d time.Duration) string {
	d = max(d.Round(time.Minute), 0)
	plural := func(n int, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return fmt.Sprintf("%d %ss", n, unit)
	}
	h, m := int(d.Hours()), int(d.Minutes())%60
	switch {
	case h == 0:
		return plural(m, "minute")
	case m == 0:
		return plural(h, "hour")
	}
	return plural(h, "hour") + " " + plural(m, "minute")
}
