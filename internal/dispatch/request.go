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
	return alert.Alert{}, ErrNotOpen
}

// DowntimeRequest is what a person asks for who wants the engine to be quiet
// about an object for a while, or no longer to be.
type DowntimeRequest struct {
	UserID  string
	Author  string
	Comment string
	Origin  alert.Origin
	For     time.Duration // not looked at by CancelDowntime
}

// ScheduleDowntime asks the engine for a downtime that begins now. Whether it
// began the object says as soon as the engine confirms it. The refusals:
// fault.ErrNotFound, ErrNotOpen, ErrNoEngine, ErrDowntimeLength, and ErrBusy.
func (s *Service) ScheduleDowntime(ctx context.Context, alertID string, r DowntimeRequest) (alert.Alert, error) {
	return alert.Alert{}, ErrNoEngine
}

// CancelDowntime asks the engine to end the downtimes that were scheduled here.
// The refusals are those of ScheduleDowntime.
func (s *Service) CancelDowntime(ctx context.Context, alertID string, r DowntimeRequest) (alert.Alert, error) {
	return alert.Alert{}, ErrNoEngine
}

// Answer is what became of what an engine was asked for.
type Answer struct {
	AlertID      string
	EventID      string // of the event that asked
	Confirmation alert.Confirmation
	Words        string // the engine's, for people
}

// Answer notes what became of what the engine was asked for: on the timeline, and
// where it is the alert's acknowledgement, with that. The same again changes
// nothing. fault.ErrNotFound if there is no such alert or event.
func (s *Service) Answer(ctx context.Context, a Answer) error { return nil }

// Gone notes that the engine no longer has an acknowledgement that was made here:
// the alert fires again, and who was told hears of it. Recovered says that the
// engine no longer knows the problem at all; then it ends. Nothing changes when
// eventID is no longer the alert's acknowledgement.
func (s *Service) Gone(ctx context.Context, alertID, eventID, words string, recovered bool) error {
	return nil
}

// RunExpiry ends acknowledgements whose time has run out, until ctx ends. Any
// number of nodes may do so.
func (s *Service) RunExpiry(ctx context.Context) error { <-ctx.Done(); return nil }
