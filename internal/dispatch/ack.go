package dispatch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// AckRequest is what a person asks for who takes an alert, or gives it back.
type AckRequest struct {
	UserID  string // the user here; empty for an API key
	Author  string // the name that others see
	Comment string // empty: "Acknowledged by AUTHOR"
	Origin  alert.Origin
	Sticky  bool // stays until recovery, whatever the state does
	// Until is when it ends by itself, from a minute to 30 days ahead; zero: it
	// stays. Unacknowledge does not look at it.
	Until time.Time
}

type ackCall struct {
	alertID string
	AckRequest
	undo bool
}

// Acknowledge takes an alert for a person: everybody who was told of it hears
// who has it, and what still waited to be said of the problem is cancelled. It
// answers the alert as it is then; fault.ErrNotFound, ErrNotOpen,
// ErrAckedBefore, ErrAckLength and ErrBusy are the answers when it cannot be.
// Where the source's engine takes it, it is told, and what it makes of that is
// Pending until Answer says it.
func (s *Service) Acknowledge(ctx context.Context, alertID string, r AckRequest) (alert.Alert, error) {
	a, err := s.call(ctx, &request{does: "acknowledge", ack: &ackCall{alertID: alertID, AckRequest: r}})
	return a.alert, err
}

// Unacknowledge gives an alert back: it fires again. Errors are those of
// Acknowledge, with ErrNotAcked instead of ErrAckedBefore.
func (s *Service) Unacknowledge(ctx context.Context, alertID string, r AckRequest) (alert.Alert, error) {
	a, err := s.call(ctx, &request{does: "unacknowledge", ack: &ackCall{alertID: alertID, AckRequest: r, undo: true}})
	return a.alert, err
}

// acknowledge answers refusals as errors that refused knows.
func (w *work) acknowledge(c ackCall) (alert.Alert, error) {
	rec, err := w.open(c.alertID)
	if rec == nil {
		return alert.Alert{}, err
	}
	if err != nil {
		return *rec.Alert, err
	}
	switch acked := rec.Alert.Status == alert.Acknowledged; {
	case !c.undo && acked:
		return *rec.Alert, ErrAckedBefore
	case c.undo && !acked:
		return *rec.Alert, ErrNotAcked
	case !c.undo && !c.Until.IsZero() && !w.within(c.Until.Sub(w.now)):
		return *rec.Alert, ErrAckLength
	}
	e := c.event(rec.Alert)
	e.Received, e.Time, e.Pending = w.now, w.now, w.hears(rec.Object)
	receipt, err := w.apply(rec, e)
	if err != nil {
		return alert.Alert{}, err
	}
	return *w.alerts[receipt.AlertID], nil
}

// open answers the record of an alert's object, with the alert. If that is not
// open, it comes with ErrNotOpen; fault.ErrNotFound if there is none.
func (w *work) open(alertID string) (*Record, error) {
	a, err := w.tx.AlertByID(w.ctx, alertID)
	if err != nil {
		return nil, fmt.Errorf("load alert %s: %w", alertID, err)
	}
	if !a.Open() {
		return &Record{Object: a.Object, Known: true, Alert: a}, ErrNotOpen
	}
	if err := w.load(nil, []string{a.Object.ID}); err != nil {
		return nil, err
	}
	rec := w.records[a.Object.ID]
	if rec == nil || rec.Alert == nil || rec.Alert.ID != a.ID {
		return nil, fmt.Errorf("alert %s is open, but not its object's", a.ID)
	}
	return rec, nil
}

// event is the request as an event on the alert's timeline.
func (c ackCall) event(a *alert.Alert) *alert.Event {
	e := &alert.Event{
		SourceID: a.Object.SourceID, Object: a.Object, Type: alert.Acknowledgement, State: a.State,
		UserID: c.UserID, Origin: c.Origin, Sticky: c.Sticky,
	}
	say(e, c.Author, c.Comment)
	if c.undo {
		e.Type, e.Sticky = alert.Unacknowledged, false
		return e
	}
	if !c.Until.IsZero() {
		e.Until = c.Until.UTC().Truncate(time.Millisecond)
	}
	if e.Comment == "" {
		e.Comment = "Acknowledged by " + named(e.Author)
	}
	return e
}

// say gives an event what a person wrote, cleaned and bounded.
func say(e *alert.Event, author, comment string) {
	author, cleaned, cut := source.Line(strings.TrimSpace(author), source.MaxAuthor)
	comment, moreCleaned, moreCut := source.Text(strings.TrimSpace(comment), source.MaxComment)
	e.Author, e.Comment = author, comment
	if cleaned || moreCleaned {
		mark(e, alert.MarkText)
	}
	if cut || moreCut {
		mark(e, alert.MarkCut)
	}
}

// The bounds of the time of an acknowledgement and of a downtime, and how far the
// clock of who asks may be from the database's.
const (
	shortest = time.Minute
	longest  = 30 * 24 * time.Hour
	astray   = 30 * time.Second
)

// within says whether a time that somebody asks for is one that can be.
func (w *work) within(d time.Duration) bool { return d >= shortest-astray && d <= longest+astray }
