package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/escalation"
	"tocsin/internal/fault"
	"tocsin/internal/route"
)

// While nobody takes an alert, the policy of the first rule that fits it and names
// one goes on: it begins in the transaction that opened the alert or gave it back,
// ends in the one in which somebody took it or it ended, and each step is a
// transaction of its own, with the object locked. In a downtime and in maintenance
// its clock stands still.

// How often it is looked whether a step is due: none is sooner than a minute, so
// one that another node began is seen long before.
const (
	escalationPoll  = 20 * time.Second
	escalationBatch = 100
	escalationError = time.Second
	putOff          = time.Minute // in a downtime, whose end is not known
)

// RunEscalation does what policies ask for when it is due, until ctx ends. Any number
// of nodes may do so: each step is done once.
func (s *Service) RunEscalation(ctx context.Context) error {
	return loop(ctx, s.escalate)
}

// loop calls do, which answers how long to wait until the next time, until ctx ends.
func loop(ctx context.Context, do func(context.Context) time.Duration) error {
	for ctx.Err() == nil {
		timer := time.NewTimer(do(ctx))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// escalate does what is due by now, and answers how long to wait until it is to be
// looked again.
func (s *Service) escalate(ctx context.Context) time.Duration {
	due, next, err := s.store.DueEscalations(ctx, escalationBatch)
	if err != nil {
		if ctx.Err() == nil {
			s.o.Log.Error("looking for alerts that nobody took failed", "node", s.o.Node, "error", err)
		}
		return escalationPoll
	}
	failed := false
	for _, id := range due {
		_, err := s.call(ctx, &request{aside: true, act: func(w *work) (alert.Alert, error) { return alert.Alert{}, w.escalate(id) }})
		switch {
		case ctx.Err() != nil:
			return 0
		case err == nil || errors.Is(err, fault.ErrNotFound):
		default:
			failed = true // the others are not to wait for it
			s.o.Log.Error("escalating an alert failed", "node", s.o.Node, "alert_id", id, "error", err)
		}
	}
	switch {
	case failed:
		return escalationError
	case len(due) == escalationBatch:
		return expirySoon
	case next.IsZero():
		return escalationPoll
	}
	return min(escalationPoll, max(expirySoon, time.Until(next)))
}

// nobodyHas notes what an event did to whether somebody has an alert. What it comes to
// is worked out at the end, see escalations.
func (w *work) nobodyHas(result alert.Result, e *alert.Event) {
	if len(w.directory.Policies) == 0 || result.Alert == nil {
		return
	}
	switch result.Outcome {
	case alert.Opened, alert.Reopened, alert.Unacked, alert.DowntimeOver, alert.Changed, alert.Acked, alert.Closed:
		if w.unheld == nil {
			w.unheld = map[string]unheld{}
		}
		was := w.unheld[e.AlertID]
		w.unheld[e.AlertID] = unheld{e, was.anew || result.Outcome != alert.Changed}
	}
}

// unheld is the last event of a transaction that says whether somebody has an alert;
// anew says that whatever ran before it is over.
type unheld struct {
	event *alert.Event
	anew  bool
}

// escalations begins and ends policies, for all alerts of the transaction at once.
func (w *work) escalations() error {
	for _, id := range w.alertOrder {
		u, ok := w.unheld[id]
		if !ok {
			continue
		}
		a := w.alerts[id]
		if !a.Open() || a.Status != alert.Firing {
			w.changes.EndEscalations = append(w.changes.EndEscalations, id)
			continue
		}
		p, _ := route.PolicyOf(w.directory, route.Question{Event: *u.event, Alert: a, Notice: alert.NoticeProblem, Now: w.now})
		begins, err := w.begins(u, a, p)
		if err != nil {
			return err
		}
		if begins {
			from := w.released(a.Object)
			run := still(p.Begin(from), from, w.now)
			w.changes.Escalations = append(w.changes.Escalations, Escalation{AlertID: id, PolicyID: p.ID, Run: run, Due: run.When()})
		}
	}
	return nil
}

// begins says whether a policy begins with an alert: always when nobody has had it so
// far, and when its state is another one now and leads to a policy where there was
// none, or, if it is the worst so far, to another policy.
func (w *work) begins(u unheld, a *alert.Alert, p *escalation.Policy) (bool, error) {
	if p == nil || u.anew {
		return p != nil, nil
	}
	runs, err := w.tx.Escalation(w.ctx, a.ID)
	if err != nil {
		return false, fmt.Errorf("load how far the policy of alert %s is: %w", a.ID, err)
	}
	return runs == nil || runs.PolicyID != p.ID && a.State == a.Worst, nil
}

// released is when people may be told of an object: now, or at the end of the
// maintenance that it is in.
func (w *work) released(o alert.Object) time.Time {
	if len(w.directory.Windows) > 0 {
		if until, _ := route.Held(w.directory, o, w.now); until.After(w.now) {
			return until
		}
	}
	return w.now
}

// escalate does what the policy of an alert asks for by now, if nobody has it still.
func (w *work) escalate(alertID string) error {
	a, rec, err := w.look(alertID)
	if err != nil {
		return err
	}
	x, err := w.tx.Escalation(w.ctx, alertID)
	switch {
	case err != nil:
		return fmt.Errorf("load how far the policy of alert %s is: %w", alertID, err)
	case x == nil:
		return nil
	case a.Status != alert.Firing || rec.Alert == nil || rec.Alert.ID != a.ID:
		w.changes.EndEscalations = append(w.changes.EndEscalations, alertID)
		return nil
	case x.Due.IsZero() || x.Due.After(w.now): // another node was first
		return nil
	}
	until := w.released(rec.Object)
	window := until.After(w.now)
	if rec.Object.Downtime && !window {
		until = w.now.Add(putOff)
	}
	if until.After(w.now) {
		x.Run = x.Run.Shift(until.Sub(x.Due))
		if window {
			x.Run.Still = until
		}
		x.Due = until
		w.changes.Escalations = append(w.changes.Escalations, *x)
		return nil
	}
	e, err := w.problemOf(a, rec)
	if err != nil {
		return err
	}
	p, ok := w.directory.Policy(x.PolicyID)
	if !ok || e == nil {
		return w.policyGone(alertID, e)
	}
	return w.escalateNow(a, e, p, x)
}

// escalateNow tells whom the steps lead to that are due, and reminds the others.
func (w *work) escalateNow(a *alert.Alert, e *alert.Event, p *escalation.Policy, x *Escalation) error {
	steps, remind, next := p.Next(x.Run, w.now)
	next.Still = time.Time{}
	snoozed, err := w.snoozesOf(a, alert.NoticeProblem)
	if err != nil {
		return err
	}
	q := route.Question{Event: *e, Alert: a, Notice: alert.NoticeProblem, Snoozed: snoozed, Now: w.now}
	var decisions []route.Decision
	for _, step := range steps {
		decisions = append(decisions, route.Escalate(w.directory, q, p, step, x.Run.Began)...)
	}
	if remind {
		if q.Told, err = w.toldBefore(a); err != nil {
			return err
		}
		decisions = append(decisions, route.Remind(w.directory, q, p, x.Run.Began)...)
	}
	type way struct{ contact, channel, destination string }
	done := make(map[way]bool, len(decisions))
	w.changes.Deliveries = slices.Grow(w.changes.Deliveries, len(decisions))
	for i := range decisions {
		d := &decisions[i]
		to := way{d.ContactID, d.Channel, d.Destination}
		if d.Channel == route.Mattermost || d.Channel == route.Webhook {
			to.contact = ""
		}
		if (d.ContactID != "" || d.Told) && done[to] { // one of the steps has told it
			continue
		}
		done[to] = true
		w.changes.Deliveries = append(w.changes.Deliveries, w.delivery(d, e, a.Object.ID, alert.NoticeProblem))
	}
	w.changes.Escalations = append(w.changes.Escalations, Escalation{AlertID: a.ID, PolicyID: p.ID, Run: next, Due: next.When()})
	return nil
}

// policyGone ends what a policy had begun that there no longer is, and says so where
// people look who was told and who was not.
func (w *work) policyGone(alertID string, e *alert.Event) error {
	w.s.o.Log.Warn("the policy of an alert that nobody took is gone", "node", w.s.o.Node, "alert_id", alertID)
	w.changes.EndEscalations = append(w.changes.EndEscalations, alertID)
	if e != nil {
		w.changes.Deliveries = append(w.changes.Deliveries, w.delivery(&route.Decision{Reason: route.ReasonNobody,
			Why: "nobody took it, but the escalation policy that was to go on is no longer there; name another one in the rule"}, e, e.Object.ID, alert.NoticeProblem))
	}
	return nil
}

// problemOf answers the newest event that told the problem of an alert; of one that
// was only ever told as acknowledged, what gave it back.
func (w *work) problemOf(a *alert.Alert, rec *Record) (*alert.Event, error) {
	for _, t := range []alert.Type{alert.Problem, alert.Unacknowledged, alert.Acknowledgement} {
		e, err := w.tx.Latest(w.ctx, a.ID, t)
		if err != nil {
			return nil, fmt.Errorf("load the last %s of alert %s: %w", t, a.ID, err)
		}
		if e != nil {
			out := *e
			out.Object, out.State = rec.Object, a.State
			return &out, nil
		}
	}
	return nil, nil
}

// toldBefore answers who was told of the alert's problem before.
func (w *work) toldBefore(a *alert.Alert) ([]route.Told, error) {
	if err := w.loadAddresses([]string{a.ID}); err != nil {
		return nil, err
	}
	var told []route.Told
	for _, x := range w.addressesOf(a.ID) {
		switch {
		case !x.Problem:
		case x.room() || x.Channel == route.Webhook:
			told = append(told, route.Told{Destination: x.Destination})
		case x.ContactID != "":
			i := slices.IndexFunc(told, func(t route.Told) bool { return t.ContactID == x.ContactID })
			if i < 0 {
				i = len(told)
				told = append(told, route.Told{ContactID: x.ContactID})
			}
			if !slices.Contains(told[i].Channels, x.Channel) {
				told[i].Channels = append(told[i].Channels, x.Channel)
			}
		}
	}
	return told, nil
}
