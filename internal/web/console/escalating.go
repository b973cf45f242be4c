package console

import (
	"errors"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/fault"
)

// escalating is how far a policy is with an alert that nobody has taken.
type escalating struct {
	PolicyID string
	Policy   string
	Began    time.Time
	Done     []stepMeans // steps that were done in this round
	Next     *stepMeans  // nil: no more steps follow
	Round    int         // from 2 on: which one it is
	Due      time.Time   // of Next
	PutOff   bool        // Next waits for the end of a downtime or a window
	Reminder time.Time   // zero: nobody is reminded
	Reminded int
}

// escalation answers what goes on while nobody takes an alert; nil: nothing does.
func (c *console) escalation(v *visit, a *alert.Alert) (*escalating, error) {
	if a.Status != alert.Firing {
		return nil, nil
	}
	e, err := c.Store.AlertEscalation(v.Context(), a.ID)
	if e == nil || err != nil {
		return nil, err
	}
	p, err := c.Store.Policy(v.Context(), e.PolicyID)
	if errors.Is(err, fault.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names, err := c.places(v)
	if err != nil {
		return nil, err
	}
	out := &escalating{PolicyID: p.ID, Policy: p.Name, Began: e.Run.Began, Round: e.Run.Round + 1, Reminder: e.Run.Reminder, Reminded: e.Run.Reminded}
	steps := meansOfPolicy(&p, names).Steps
	at := min(max(e.Run.Step, 0), len(steps))
	out.Done = steps[:at]
	if at < len(steps) && !e.Run.Due.IsZero() {
		out.Next, out.Due = &steps[at], e.Run.Due
		if e.Due.After(e.Run.When()) {
			out.PutOff, out.Due = true, e.Due
		}
	}
	return out, nil
}
