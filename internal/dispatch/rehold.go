package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/escalation"
	"tocsin/internal/fault"
	"tocsin/internal/route"
)

// A window is deleted, a period edited, quiet hours are given up: what was held back
// until then is not to wait for an end that there no longer is. Whenever something was
// changed of what routing depends on, all that is held back is looked at again, and
// told, or held, as it would be now; and so are policies whose clock stands still.

const (
	reholdPoll  = time.Second // asking for the version asks nobody
	reholdAgain = 5 * time.Second
	reholdBatch = 1000 // deliveries of one transaction
	reholdSoon  = 3 * time.Second
)

// HeldMessage is a message that is held back: a digest, or a delivery for which there
// was no room in one.
type HeldMessage struct {
	ID     string
	Place  string // see PlaceKey
	Digest bool
}

// RunHolds looks at what is held back whenever routing was changed, until ctx ends.
// Any number of nodes may do so: who comes second finds nothing to do.
func (s *Service) RunHolds(ctx context.Context) error {
	var done *int64
	return loop(ctx, func(ctx context.Context) time.Duration {
		version := s.store.ConfigVersion()
		if done == nil || *done != version { // at first too: a hub that was away missed changes
			if err := s.reholdAll(ctx); err != nil {
				if ctx.Err() == nil {
					s.o.Log.Error("looking at what is held back failed", "node", s.o.Node, "error", err)
				}
				return reholdAgain
			}
			done = &version
		}
		return reholdPoll
	})
}

// reholdAll looks at all that is held back now.
func (s *Service) reholdAll(ctx context.Context) error {
	list, err := s.store.HeldMessages(ctx)
	if err != nil {
		return fmt.Errorf("look what is held back: %w", err)
	}
	var errs []error
	for _, m := range list {
		errs = append(errs, s.reholdOne(ctx, m))
	}
	alerts, err := s.store.StoodStill(ctx)
	errs = append(errs, err)
	for _, id := range alerts {
		_, err := s.call(ctx, &request{aside: true, act: func(w *work) (alert.Alert, error) { return alert.Alert{}, w.restart(id) }})
		if err != nil && !errors.Is(err, fault.ErrNotFound) {
			errs = append(errs, fmt.Errorf("alert %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// reholdOne looks at all that one message tells of.
func (s *Service) reholdOne(ctx context.Context, m HeldMessage) error {
	r := &rehold{HeldMessage: m}
	for more := true; more; {
		_, err := s.call(ctx, &request{aside: true, act: func(w *work) (alert.Alert, error) {
			r.next, r.more = r.after, false
			w.reholds = append(w.reholds, r)
			return alert.Alert{}, nil
		}})
		if err != nil {
			return fmt.Errorf("message %s: %w", m.ID, err)
		}
		r.after, more = r.next, r.more
	}
	return nil
}

// rehold is a message that is looked at again, some of its deliveries at a time.
type rehold struct {
	HeldMessage
	after   string    // id of the last delivery that was looked at
	next    string    // the same after this transaction
	more    bool      // there are more after it
	release time.Time // when what nothing holds back any more is told together
}

// rehold holds back anew what a message was to tell of, or has it told soon.
func (g *gathering) rehold(r *rehold) error {
	w := g.w
	if r.Digest && !g.collect[r.ID] {
		return nil // it is being told at this moment
	}
	rows, err := w.tx.Held(w.ctx, r.HeldMessage, r.after, reholdBatch)
	if err != nil {
		return fmt.Errorf("read what message %s holds back: %w", r.ID, err)
	}
	if soon := w.now.Add(reholdSoon); r.release.Before(soon.Add(-reholdSoon / 2)) {
		r.release = soon
	}
	moved := false
	for i := range rows {
		c := &rows[i]
		moved = g.holdAnew(c, r.release) || moved
		r.next = c.ID
	}
	r.more = len(rows) == reholdBatch
	if moved && r.Digest {
		w.changes.Emptied = append(w.changes.Emptied, r.ID)
	}
	return nil
}

// holdAnew answers whether a delivery is told at another time from now on. Who is to
// hear of it was decided by the state that it was about.
func (g *gathering) holdAnew(c *delivery.Claimed, release time.Time) bool {
	w, d := g.w, &c.Delivery
	a := c.Alert
	if a != nil && c.Event.State != "" && c.Notice == alert.NoticeProblem {
		then := *a
		then.State = c.Event.State
		a = &then
	}
	e := c.Event
	e.Object = c.Object
	q := route.Question{Event: e, Alert: a, Notice: c.Notice, Now: w.now}
	still, ok := route.StillHeld(w.directory, q, c.ContactID, c.Why)
	if !ok || still.Until.Equal(d.Due) {
		return false
	}
	if still.Reason == "" && !d.Due.After(release) {
		return false // told as soon as that already: a second look puts nothing off
	}
	d.Why = still.Why
	if still.Reason == "" {
		still.Until = release
	} else {
		d.Reason = still.Reason
	}
	d.State, d.Bundle, d.Storm = delivery.Waiting, "", ""
	g.hold(g.of(PlaceKey(d.Channel, d.Destination, d.ContactID)), d, still.Until)
	w.changes.Moved = append(w.changes.Moved, *d)
	return true
}

// restart sets the clock of an alert's policy by the windows that there are now.
func (w *work) restart(alertID string) error {
	_, rec, err := w.look(alertID)
	if err != nil {
		return err
	}
	x, err := w.tx.Escalation(w.ctx, alertID)
	if err != nil {
		return fmt.Errorf("load how far the policy of alert %s is: %w", alertID, err)
	}
	if x == nil || !x.Run.Still.After(w.now) {
		return nil
	}
	until := w.released(rec.Object)
	if until.Equal(x.Run.Still) {
		return nil
	}
	began := x.Run.Began.Equal(x.Run.Still)
	x.Run = still(x.Run.Shift(until.Sub(x.Run.Still)), until, w.now)
	if began {
		x.Run.Began = until
	}
	x.Due = x.Run.When()
	w.changes.Escalations = append(w.changes.Escalations, *x)
	return nil
}

// still is a run whose clock stands still until a moment, if that lies ahead.
func still(r escalation.Run, until, now time.Time) escalation.Run {
	if r.Still = until; !until.After(now) {
		r.Still = time.Time{}
	}
	return r
}
