package dispatch

import (
	"context"
	"errors"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/fault"
)

// How often it is looked whether an acknowledgement's time ran out: none is
// shorter than a minute, so one that another node made is seen long before.
const (
	expiryPoll  = 20 * time.Second
	expirySoon  = 250 * time.Millisecond // the database's clock is not this machine's
	expiryBatch = 100
)

// RunExpiry ends acknowledgements whose time has run out, until ctx ends. Any
// number of nodes may do so: each ends once. Those who were told of the problem
// hear of it again.
func (s *Service) RunExpiry(ctx context.Context) error {
	for ctx.Err() == nil {
		wait := s.expire(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// expire ends those whose time has run out by now, and answers how long to wait
// until it is to be looked again.
func (s *Service) expire(ctx context.Context) time.Duration {
	over, next, err := s.store.ExpiredAcks(ctx, expiryBatch)
	if err != nil {
		if ctx.Err() == nil {
			s.o.Log.Error("looking for acknowledgements whose time ran out failed", "node", s.o.Node, "error", err)
		}
		return expiryPoll
	}
	for _, end := range over {
		_, err := s.call(ctx, &request{act: func(w *work) (alert.Alert, error) { return w.expire(end) }})
		if ctx.Err() != nil {
			return 0
		}
		if err != nil && !errors.Is(err, fault.ErrNotFound) {
			s.o.Log.Error("ending an acknowledgement whose time ran out failed", "node", s.o.Node, "alert_id", end.AlertID, "error", err)
			return time.Second
		}
	}
	if next.IsZero() {
		return expiryPoll
	}
	return min(expiryPoll, max(expirySoon, time.Until(next)))
}

// expire ends an acknowledgement, if it still stands.
func (w *work) expire(end AckEnd) (alert.Alert, error) {
	a, rec, err := w.look(end.AlertID)
	if err != nil || a.Status != alert.Acknowledged || a.Ack == nil || a.Ack.EventID != end.EventID || a.Ack.Until.IsZero() ||
		rec.Alert == nil || rec.Alert.ID != a.ID {
		return alert.Alert{}, err
	}
	receipt, err := w.apply(rec, &alert.Event{
		SourceID: a.Object.SourceID, Object: a.Object, Type: alert.Unacknowledged, State: a.State, Output: a.Output, Origin: alert.FromExpiry,
		Comment: "its time ran out", Received: w.now, Time: w.now, Pending: w.hears(a.Object),
	})
	if err != nil {
		return alert.Alert{}, err
	}
	return *w.alerts[receipt.AlertID], nil
}
