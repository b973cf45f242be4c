// Package writeback tells the monitoring engines what was done here, and finds
// out what became of it. To the delivery worker it is a channel, "engine", whose
// destination is a source: acknowledgements travel through the same outbox as
// messages to people, with the same promises. A delivery of it ends when the
// engine was seen to have done what was asked, or has refused it; what is known
// in between is told to the desk (dispatch), which shows it.
//
// One source that cannot be reached holds up no other, and what concerns one
// object is done in the order in which it was asked for.
package writeback

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/source"
)

// ErrNoProbe is Probe's answer for an engine that cannot be tried without
// changing anything in it.
var ErrNoProbe = errors.New("this engine cannot be tried without changing something in it")

// Store is what Writer needs of the database.
type Store interface {
	Sources(ctx context.Context) ([]source.Source, error)
	// AckedAlerts answers open alerts of the source whose acknowledgement was made
	// here and is confirmed or unconfirmed, or pending for so long that nothing is
	// left which would tell the engine; by id from after on.
	AckedAlerts(ctx context.Context, sourceID, after string, limit int) ([]alert.Alert, error)
	// Downtimes answers objects of the source that are in a downtime which was asked
	// for here, by id from after on.
	Downtimes(ctx context.Context, sourceID, after string, limit int) ([]dispatch.Downtime, error)
	// UnnamedObjects answers objects of the source without names for people, those
	// with an open alert first.
	UnnamedObjects(ctx context.Context, sourceID string, limit int) ([]alert.Object, error)
	// OpenObjects answers objects of the source with an open alert, named or not,
	// those of the newest alerts first.
	OpenObjects(ctx context.Context, sourceID string, limit int) ([]alert.Object, error)
}

// Desk is told what becomes of what engines were asked for.
type Desk interface {
	Answer(ctx context.Context, a dispatch.Answer) error
	Gone(ctx context.Context, alertID, eventID, words string, recovered bool) error
	DowntimeGone(ctx context.Context, objectID, words string, recovered bool) error
	// Rename gives an object the names that its engine has for people.
	Rename(ctx context.Context, objectID, hostDisplay, serviceDisplay string) error
}

// Options are what a Writer is made with. Store, Desk and Kinds are needed.
type Options struct {
	Store Store
	Desk  Desk
	Kinds []source.WriteBackKind
	// Version rises whenever sources are changed; nil: they are read each time.
	Version func() int64
	Proxy   func() *url.URL // the outgoing proxy as it is set now; nil: none
	Log     *slog.Logger
	Now     func() time.Time
}

// State is how one source's engine fares.
type State struct {
	SourceID string
	Source   string    // its name
	LastOK   time.Time // when it last took or showed something; zero: not since the start
	Failing  time.Time // since when it does not; zero: it does
	Problem  string    // why not, for people
	Waiting  int       // what it was asked for and has neither confirmed nor refused, as far as this node knows
}
