package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/fault"
)

// A source that says nothing for longer than it may is an alert of its own: of the
// object alert.HeartbeatOf, opened and closed by events of ours, which rules route as
// any others. No engine is told of it. While no hub listened, or when the clock jumped,
// silence says nothing: then it counts anew.

const (
	heartbeatPoll = 15 * time.Second
	// heartbeatGap is for how long no hub may have looked without that counting as
	// being away: a start, and what a machine under load takes.
	heartbeatGap  = time.Minute
	heartbeatName = "heartbeat"
)

// Heartbeat is what is known of whether a source is alive.
type Heartbeat struct {
	SourceID  string
	Name      string
	Disabled  bool
	Within    time.Duration // it may say nothing for so long; 0: for ever
	Set       time.Time     // when that was set, or the source enabled
	Created   time.Time
	LastEvent time.Time
	LastSign  time.Time // when it last said that it is alive, without an event
	Silent    time.Time // since when it is silent, while it is alerted of; else zero
}

// Watched says whether its silence is looked for.
func (h Heartbeat) Watched() bool { return h.Within > 0 && !h.Disabled }

// heard is when it was heard of last, or from when on it is to be.
func (h Heartbeat) heard() time.Time {
	return slices.MaxFunc([]time.Time{h.LastEvent, h.LastSign, h.Created, h.Set}, time.Time.Compare)
}

// Due is when it counts as silent, with hubs that listen since a time. What was heard
// by a clock that has been put back since was heard before that.
func (h Heartbeat) Due(listening, now time.Time) time.Time {
	heard := h.heard()
	if heard.Before(listening) || heard.After(now.Add(time.Second)) {
		heard = listening
	}
	return heard.Add(h.Within)
}

// HeartbeatStore is what watching sources needs of the database.
type HeartbeatStore interface {
	// Heartbeats answers the sources whose silence is watched, and those that are
	// alerted of as silent.
	Heartbeats(ctx context.Context) ([]Heartbeat, error)
	// Listening notes that a hub looks after something, and answers since when one has
	// done so without a gap, by the store's clock, and what that shows now.
	Listening(ctx context.Context, name, node string, gap time.Duration) (since, now time.Time, err error)
}

// RunHeartbeats alerts of sources that are silent, and of their being heard again,
// until ctx ends. Any number of nodes may do so: each is told once.
func (s *Service) RunHeartbeats(ctx context.Context, st HeartbeatStore) error {
	for ctx.Err() == nil {
		timer := time.NewTimer(s.Heartbeats(ctx, st))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.beat:
		}
		timer.Stop()
	}
	return nil
}

// Alive has RunHeartbeats look at once: a source gave a sign of life. It never blocks.
func (s *Service) Alive(sourceID string) {
	if silent := s.silent.Load(); silent != nil && (*silent)[sourceID] {
		select {
		case s.beat <- struct{}{}:
		default:
		}
	}
}

// Heartbeats looks at all sources once, and answers how long to wait until it is to be
// looked again.
func (s *Service) Heartbeats(ctx context.Context, st HeartbeatStore) time.Duration {
	list, err := st.Heartbeats(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.o.Log.Error("looking for silent sources failed", "node", s.o.Node, "error", err)
		}
		return heartbeatPoll
	}
	if len(list) == 0 {
		s.silent.Store(nil)
		return heartbeatPoll
	}
	listening, now, err := st.Listening(ctx, heartbeatName, s.o.Node, heartbeatGap)
	if err != nil {
		if ctx.Err() == nil {
			s.o.Log.Error("noting that sources are listened to failed", "node", s.o.Node, "error", err)
		}
		return heartbeatPoll
	}
	wait := heartbeatPoll
	silent := map[string]bool{}
	for _, h := range list {
		if !h.Silent.IsZero() {
			silent[h.SourceID] = true
		}
		if !h.turns(listening, now) {
			if left := h.Due(listening, now).Sub(now); h.Watched() && h.Silent.IsZero() {
				wait = min(wait, max(left, expirySoon))
			}
			continue
		}
		_, err := s.call(ctx, &request{aside: true, act: func(w *work) (alert.Alert, error) { return alert.Alert{}, w.heartbeat(h.SourceID, listening, false) }})
		if err != nil && !errors.Is(err, fault.ErrNotFound) {
			if ctx.Err() != nil {
				return heartbeatPoll
			}
			s.o.Log.Error("alerting of a silent source failed", "node", s.o.Node, "source", h.Name, "error", err)
		}
		silent[h.SourceID] = h.Silent.IsZero()
	}
	if len(silent) == 0 {
		s.silent.Store(nil)
		return wait
	}
	s.silent.Store(&silent)
	return wait
}

// EndSilence ends what is alerted of a source's silence: it is about to be removed.
func (s *Service) EndSilence(ctx context.Context, sourceID string) error {
	_, err := s.call(ctx, &request{act: func(w *work) (alert.Alert, error) { return alert.Alert{}, w.heartbeat(sourceID, time.Time{}, true) }})
	return err
}

// turns says whether something is to be told of it.
func (h Heartbeat) turns(listening, now time.Time) bool {
	if h.Silent.IsZero() {
		return h.Watched() && !h.Due(listening, now).After(now)
	}
	return !h.Watched() || !h.heard().Equal(h.Silent)
}

// heartbeat opens or closes the alert of a source, if there is reason to still. It closes
// that of one that goes away in any case.
func (w *work) heartbeat(sourceID string, listening time.Time, goes bool) error {
	id := alert.HeartbeatID(sourceID)
	if err := w.load(nil, []string{id}); err != nil {
		return err
	}
	h, err := w.tx.Heartbeat(w.ctx, sourceID)
	if err != nil {
		return fmt.Errorf("look whether source %s is alive: %w", sourceID, err)
	}
	rec := w.records[id]
	if rec == nil {
		return fmt.Errorf("object %s: the store answered no record", id)
	}
	if goes && h.Silent.IsZero() || !goes && !h.turns(listening, w.now) {
		return nil // another node was first, or it was heard a moment ago
	}
	e := &alert.Event{SourceID: sourceID, Object: alert.HeartbeatOf(sourceID, h.Name), Origin: alert.FromDetection, Received: w.now, Time: w.now}
	if e.Time.Before(rec.Object.Changed) { // the clock was put back; this comes after it all the same
		e.Time = rec.Object.Changed
	}
	var silent time.Time
	if h.Silent.IsZero() {
		silent = h.heard()
		e.Type, e.State, e.Output = alert.Problem, alert.Critical, h.silence(w.now)
	} else {
		e.Type, e.State, e.Output = alert.Recovery, alert.OK, h.back(w.now)
		if goes {
			e.Output = "The source " + h.Name + " was removed."
		}
	}
	w.changes.Silent = map[string]time.Time{sourceID: silent}
	if h.Silent.IsZero() == (rec.Alert != nil) { // opened before, or closed by somebody
		return nil
	}
	_, err = w.apply(rec, e)
	return err
}

// silence is what the alert of a silent source says.
func (h Heartbeat) silence(now time.Time) string {
	may := "It is to be heard of every " + lasting(h.Within) + "."
	last := slices.MaxFunc([]time.Time{h.LastEvent, h.LastSign}, time.Time.Compare)
	if last.IsZero() {
		return "Nothing has ever been heard of the source " + h.Name + ". " + may
	}
	return "Nothing was heard of the source " + h.Name + " for " + lasting(now.Sub(last)) + ", since " + last.UTC().Format("15:04 MST on 2 January") + ". " + may
}

// back is what its end says.
func (h Heartbeat) back(now time.Time) string {
	switch last := slices.MaxFunc([]time.Time{h.LastEvent, h.LastSign}, time.Time.Compare); {
	case h.Disabled:
		return "The source " + h.Name + " was disabled, so it may be silent."
	case h.Within == 0:
		return "It is no longer watched whether the source " + h.Name + " is silent."
	case last.IsZero() || last.Before(h.Set) && !h.Set.Equal(h.Silent) && h.Set.After(h.Silent):
		return "The source " + h.Name + " may be silent for " + lasting(h.Within) + " now, from when that was set."
	}
	return "The source " + h.Name + " is heard of again after " + lasting(now.Sub(h.Silent)) + "."
}

// lasting is a duration for people: "30 minutes", "2 hours".
func lasting(d time.Duration) string {
	n, unit := int64(d/time.Minute), "minute"
	switch {
	case d < time.Minute:
		n, unit = int64(d/time.Second), "second"
	case d >= 48*time.Hour:
		n, unit = int64(d/(24*time.Hour)), "day"
	case d >= 2*time.Hour && d%time.Hour < time.Minute:
		n, unit = int64(d/time.Hour), "hour"
	}
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
