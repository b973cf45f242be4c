package dispatch

import (
	"context"
	"errors"
	"time"

	"tocsin/internal/alert"
)

// The lengths of a snooze.
const (
	ShortestSnooze = time.Minute
	LongestSnooze  = 24 * time.Hour
)

// The refusals of Snooze besides those of Acknowledge.
var (
	ErrSnoozeLength  = errors.New("a snooze lasts from 1 minute to 24 hours")
	ErrSnoozeContact = errors.New("there is no contact to snooze it for")
)

// SnoozeRequest is what a person asks for who wants to be left in peace about
// an alert for a while.
type SnoozeRequest struct {
	ContactIDs []string // whose messages; at least one, all must exist
	UserID     string   // the user here; empty for an API key
	Author     string   // the name that others see
	For        time.Duration
	Origin     alert.Origin
}

// Snooze keeps problem notices of an alert from contacts for a while, at whose
// end they are reminded where they had been told, if the problem is still there
// and nobody has taken it. Recoveries and acknowledgements are told meanwhile,
// and end it. Another snooze of the same contact replaces the one before. It
// answers the end. The refusals: fault.ErrNotFound (no such alert), ErrNotOpen,
// ErrAckedBefore (somebody has it, so nobody is told anyhow), ErrSnoozeLength,
// ErrSnoozeContact (none given, or one that does not exist), and ErrBusy.
func (s *Service) Snooze(ctx context.Context, alertID string, r SnoozeRequest) (until time.Time, err error) {
	a, err := s.call(ctx, &request{snooze: &snoozeCall{alertID: alertID, SnoozeRequest: r}})
	return a.until, err
}

type snoozeCall struct {
	alertID string
	SnoozeRequest
}
