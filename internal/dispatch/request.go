package dispatch

import (
	"context"
	"time"

	"tocsin/internal/alert"
)

// CommentRequest is what a person asks for who has something to say about a
// problem to those who look at it in the engine.
type CommentRequest struct {
	UserID  string // the user here; empty for an API key
	Author  string // the name that others see
	Comment string
	Origin  alert.Origin
}

// Comment puts a comment on an alert's timeline, and into the engine where the
// source's takes it. The refusals: fault.ErrNotFound, ErrNotOpen, ErrNoComment,
// and ErrBusy.
func (s *Service) Comment(ctx context.Context, alertID string, r CommentRequest) (alert.Alert, error) {
	return s.request(ctx, alertID, asking{typ: alert.Comment, DowntimeRequest: DowntimeRequest{
		UserID: r.UserID, Author: r.Author, Comment: r.Comment, Origin: r.Origin}})
}

// DowntimeRequest is what a person asks for who wants the engine to be quiet
// about an object for a while, or no longer to be.
type DowntimeRequest struct {
	UserID  string
	Author  string
	Comment string // empty: "Downtime asked for by AUTHOR"
	Origin  alert.Origin
	For     time.Duration // not looked at by CancelDowntime
}

// ScheduleDowntime asks the engine for a downtime that begins now. Whether it
// began the object says as soon as the engine confirms it. The refusals:
// fault.ErrNotFound, ErrNotOpen, ErrNoEngine, ErrDowntimeLength, and ErrBusy.
func (s *Service) ScheduleDowntime(ctx context.Context, alertID string, r DowntimeRequest) (alert.Alert, error) {
	if r.For < shortest || r.For > longest {
		return alert.Alert{}, ErrDowntimeLength
	}
	return s.request(ctx, alertID, asking{typ: alert.ScheduleDowntime, DowntimeRequest: r})
}

// CancelDowntime asks the engine to end the downtimes that were scheduled here.
// The refusals are those of ScheduleDowntime.
func (s *Service) CancelDowntime(ctx context.Context, alertID string, r DowntimeRequest) (alert.Alert, error) {
	return s.request(ctx, alertID, asking{typ: alert.CancelDowntime, DowntimeRequest: r})
}

// asking is one of these requests.
type asking struct {
	typ alert.Type
	DowntimeRequest
}

// asked is how the trace of such a request is called.
func asked(t alert.Type) string {
	switch t {
	case alert.ScheduleDowntime:
		return "schedule downtime"
	case alert.CancelDowntime:
		return "cancel downtime"
	}
	return "comment"
}

func (s *Service) request(ctx context.Context, alertID string, r asking) (alert.Alert, error) {
	a, err := s.call(ctx, &request{does: asked(r.typ), act: func(w *work) (alert.Alert, error) { return w.ask(alertID, r) }})
	return a.alert, err
}

// ask answers refusals as errors that refused knows.
func (w *work) ask(alertID string, r asking) (alert.Alert, error) {
	rec, err := w.open(alertID)
	if rec == nil {
		return alert.Alert{}, err
	}
	if err != nil {
		return *rec.Alert, err
	}
	e := &alert.Event{
		SourceID: rec.Object.SourceID, Object: rec.Object, Type: r.typ, State: rec.Alert.State,
		UserID: r.UserID, Origin: r.Origin, Received: w.now, Time: w.now, Pending: w.hears(rec.Object),
	}
	say(e, r.Author, r.Comment)
	switch {
	case r.typ == alert.Comment && e.Comment == "":
		return *rec.Alert, ErrNoComment
	case r.typ != alert.Comment && !e.Pending:
		return *rec.Alert, ErrNoEngine
	case r.typ == alert.ScheduleDowntime:
		e.Until = w.now.Add(r.For).Truncate(time.Millisecond)
	}
	if e.Comment == "" {
		e.Comment = "Downtime asked for by " + named(e.Author)
		if r.typ == alert.CancelDowntime {
			e.Comment = "Downtime ended by " + named(e.Author)
		}
	}
	receipt, err := w.apply(rec, e)
	if err != nil {
		return alert.Alert{}, err
	}
	return *w.alerts[receipt.AlertID], nil
}
