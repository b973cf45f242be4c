package health

import (
	"fmt"
	"strings"
	"time"
)

// Planning is who is on call, and whom policies lead to.
type Planning struct {
	Schedules []Rota
	Policies  []Policy
}

// Rota is one schedule.
type Rota struct {
	Name      string
	Used      bool // a rule leads to it
	Nobody    bool // is on call now
	OnPurpose bool // somebody arranged that nobody is
	Until     time.Time
	Problem   string // why it cannot be worked out; empty: it can
}

// Policy is one escalation policy.
type Policy struct {
	Name   string
	Used   bool // a rule names it
	Steps  int
	Nobody []int // steps, from 1, that lead to nobody now
}

// Hook is one webhook that is told of alerts.
type Hook struct {
	Name      string
	LastSent  time.Time
	Problem   string // since LastSent; empty: none
	ProblemAt time.Time
}

func (r *Report) planning(f Facts) {
	p := f.Planning
	if p == nil || len(p.Schedules)+len(p.Policies) == 0 {
		return
	}
	part := Part{Name: "on-call", Title: "On call", OK: true, Last: f.Now, Detail: "somebody is on call everywhere"}
	empty := 0
	for _, s := range p.Schedules {
		if s.Nobody || s.Problem != "" {
			empty++
		}
	}
	switch {
	case len(p.Schedules) == 0:
		part.Detail = "there are policies, and no schedules"
	case empty > 0:
		part.Detail = "nobody is on call in " + Count(empty, "schedule", "schedules")
	}
	part.Figures = append(part.Figures, Figure{"schedules", fmt.Sprint(len(p.Schedules))}, Figure{"policies", fmt.Sprint(len(p.Policies))})
	r.Add(part)
	for _, s := range p.Schedules {
		switch {
		case !s.Used:
		case s.Problem != "":
			r.Warn("on-call", "The schedule “"+s.Name+"” cannot be worked out: "+sentence(s.Problem), "Change it under Schedules.")
		case s.Nobody && !s.OnPurpose:
			end := ", and nobody will be for a year"
			if !s.Until.IsZero() {
				end = " for another " + Age(s.Until.Sub(f.Now))
			}
			r.Warn("on-call", "Nobody is on call in “"+s.Name+"”"+end+".", "Add an override, or a layer that covers this time; for a gap on purpose, an override with nobody.")
		}
	}
	for _, p := range p.Policies {
		if p.Used && len(p.Nobody) > 0 {
			r.Warn("on-call", "The policy “"+p.Name+"” leads to nobody at "+steps(p)+".", "Name somebody there who is told of alerts, or look after the schedule that it names.")
		}
	}
}

// steps names those of a policy that lead to nobody.
func steps(p Policy) string {
	if len(p.Nobody) == p.Steps {
		return "any step"
	}
	text := strings.Trim(strings.ReplaceAll(fmt.Sprint(p.Nobody), " ", ", "), "[]")
	if len(p.Nobody) == 1 {
		return "step " + text
	}
	return "steps " + text
}

func (r *Report) hooks(f Facts) {
	if len(f.Hooks) == 0 {
		return
	}
	p := Part{Name: "webhooks", Title: "Webhooks", OK: true, Detail: "nothing was posted yet"}
	failing := 0
	for _, h := range f.Hooks {
		if h.LastSent.After(p.Last) {
			p.Last, p.Detail = h.LastSent, "messages are taken"
		}
		if h.Problem != "" {
			failing++
		}
	}
	if failing > 0 {
		p.Detail = Count(failing, "webhook takes", "webhooks take") + " no messages"
	}
	p.Figures = append(p.Figures, Figure{"webhooks", fmt.Sprint(len(f.Hooks))})
	r.Add(p)
	for _, h := range f.Hooks {
		if h.Problem != "" {
			r.Warn("webhooks", "The webhook “"+h.Name+"” took no message "+Age(f.Now.Sub(h.ProblemAt))+" ago: "+sentence(h.Problem), "Send a test under Webhooks in the console; what waits is tried again until the news is old.")
		}
	}
}
