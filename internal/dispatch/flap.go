package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/alert"
)

// Engines that do not say when an object flaps leave that to us: its changes of state
// are counted (alert.Object.Turns), and when there are too many, one message says so.
// From then on its problems and recoveries are told to nobody, which the delivery log
// says, until it is calm: then one message says how it is.

// How often it is looked whether something is calm again.
const (
	flapPoll  = 15 * time.Second
	flapBatch = 200
)

// RunFlapping finds out when objects that were found to flap are calm again, until ctx
// ends. Any number of nodes may do so: each is told once.
func (s *Service) RunFlapping(ctx context.Context) error {
	return loop(ctx, s.settle)
}

// settle looks at all objects that flap, and answers how long to wait until it is to
// be looked again.
func (s *Service) settle(ctx context.Context) time.Duration {
	for after := ""; ; {
		found, err := s.store.FlappingObjects(ctx, after, flapBatch)
		if err != nil {
			if ctx.Err() == nil {
				s.o.Log.Error("looking for objects that flap failed", "node", s.o.Node, "error", err)
			}
			return flapPoll
		}
		if len(found) == 0 {
			return flapPoll
		}
		after = found[len(found)-1].ID
		_, err = s.call(ctx, &request{aside: true, act: func(w *work) (alert.Alert, error) { return alert.Alert{}, w.settle(found) }})
		if err != nil {
			if ctx.Err() == nil {
				s.o.Log.Error("looking whether objects still flap failed", "node", s.o.Node, "objects", len(found), "error", err)
			}
			return flapPoll
		}
		if len(found) < flapBatch {
			return flapPoll
		}
	}
}

// settle tells of those that are calm.
func (w *work) settle(found []alert.Object) error {
	var calm []string
	for i := range found {
		if w.flap().Calm(&found[i], w.now) {
			calm = append(calm, found[i].ID)
		}
	}
	if len(calm) == 0 {
		return nil
	}
	if err := w.load(nil, calm); err != nil {
		return err
	}
	for _, id := range calm {
		if rec := w.records[id]; rec != nil && rec.Known {
			if err := w.calmDown(rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// flap is what counts as flapping.
func (w *work) flap() alert.Flap {
	return alert.Flap{Changes: w.settings.FlapChanges, Within: time.Duration(w.settings.FlapMinutes) * time.Minute}
}

// watches says whether changes of the objects of a source are counted.
func (w *work) watches(sourceID string) bool { return w.directory.FlapsHere[sourceID] && w.flap().On() }

// calmDown tells that an object no longer flaps, if it was found to and does not.
func (w *work) calmDown(rec *Record) error {
	if !w.flap().Calm(&rec.Object, w.now) {
		return nil
	}
	e := &alert.Event{Type: alert.FlapCalm, Comment: "It was found to flap since " + rec.Object.Flaps.UTC().Format("15:04 MST on 2 January") + "."}
	if rec.Last != nil {
		e.Contacts, e.UserIDs = slices.Clone(rec.Last.Contacts), slices.Clone(rec.Last.UserIDs)
	}
	_, err := w.found(rec, e)
	return err
}

// flaps tells that an object was found to flap. cause is the event that was one change
// too many; last is the one before it, for an engine may call once for each contact.
func (w *work) flaps(rec *Record, cause, last *alert.Event) (int, error) {
	n := 0
	for _, t := range rec.Object.Turns {
		if w.now.Sub(t) < w.flap().Within {
			n++
		}
	}
	e := &alert.Event{Type: alert.FlapDetected, Contacts: slices.Clone(cause.Contacts), UserIDs: slices.Clone(cause.UserIDs),
		Comment: fmt.Sprintf("Its state changed %d times within %d minutes. Problems and recoveries are told to nobody until it is calm.", n, w.settings.FlapMinutes)}
	if last != nil && len(cause.Contacts)+len(cause.UserIDs) > 0 {
		e.Contacts = append(e.Contacts, missing(last.Contacts, e.Contacts)...)
		e.UserIDs = append(e.UserIDs, missing(last.UserIDs, e.UserIDs)...)
	}
	return w.found(rec, e)
}

// found applies an event of ours about how an object behaves.
func (w *work) found(rec *Record, e *alert.Event) (int, error) {
	o := rec.Object
	e.SourceID, e.Object, e.State, e.Origin = o.SourceID, o, o.State, alert.FromDetection
	e.Received, e.Time = w.now, w.now
	if rec.Alert != nil {
		e.Output = rec.Alert.Output
	}
	receipt, err := w.apply(rec, e)
	return receipt.Deliveries, err
}
