// Package channel is the port to the ways of telling people. A channel sends
// messages; each folder below is one channel.
package channel

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"tocsin/internal/alert"
)

// Message is one delivery as a channel sends it. The alert is as it is now,
// not as it was when the delivery was made.
type Message struct {
	DeliveryID string
	Attempt    int
	Notice     alert.Notice
	Event      alert.Event  // what happened
	Object     alert.Object // as it is now
	Alert      *alert.Alert // as it is now; nil when the object has none
	ContactID  string
	Contact    string // the contact's name for people
	UserID     string // the user whose browsers are meant
	URL        string // where a click leads
	EngineURL  string // the engine's own page, if known
	ExpiresAt  time.Time

	// Destination is the one device that is meant, for channels that send to
	// each by itself (the id of a push.Subscription); DestinationName is its
	// name for people. Empty for channels that reach a user as a whole.
	Destination     string
	DestinationName string
	// Quiet replaces what a device shows without calling anybody: the contact
	// need not hear of it, but what stands there is no longer true.
	Quiet bool
	// Snoozed is a reminder: the contact had put the alert off until now.
	Snoozed bool

	// Digest is set when the message tells of several alerts at once (Notice is
	// NoticeDigest then, and Alert nil). A channel that can replaces what it showed
	// of the same storm before.
	Digest *Digest
	// Duty says why somebody is told who was not at first, for people: "not
	// acknowledged for 15 minutes: step 2 of “Night”"; empty where that is not so.
	// Reminder says that it was told before to the same contact.
	Duty     string
	Reminder bool

	// Handed says that the attempt before ended as Handed; Note is what the
	// channel gave along with its last answer (see Noted), empty at first. After a
	// crash the attempt may have been made all the same, and its note be lost.
	Handed bool
	Note   string
	// Asked is when the delivery was made.
	Asked time.Time
}

// Digest is what one message tells of many alerts. All is as it is now.
type Digest struct {
	Storm     string    // the same for all messages of one storm, or of one stretch of being held
	Held      bool      // it was held back (a window, a period, quiet hours); else it is a storm
	Title     string    // for people, without counts: "Storm: Nagios Berlin", "While quiet hours lasted"
	About     string    // what they have in common, for people: "source Nagios Berlin", "host web01"
	Began     time.Time // of the storm
	Total     int       // alerts that it tells of, each counted once
	Open      int       // of them firing, and nobody has them
	Acked     int
	Recovered int
	New       int    // alerts that no message of this storm told of before
	Worst     []Line // of those that are not over the worst, at most MaxWorst; then by time
	Over      bool   // the storm is over: the last message of it
	URL       string // the list of them in the console
}

// MaxWorst is how many lines a Digest names.
const MaxWorst = 5

// Line is one alert of a Digest.
type Line struct {
	AlertID string
	Object  alert.Object
	State   alert.State
	Status  alert.Status
	Output  string
	Since   time.Time
	URL     string
}

// Channel tells people. SendAll gets messages in the order of their making and
// answers one Result each, in the same order. It honours ctx and does not keep
// the slice.
type Channel interface {
	Name() string
	SendAll(ctx context.Context, msgs []Message) []error
}

// Reachable is what a channel implements when it can only reach some users at
// a time, as the browser channel does: deliveries of others wait unclaimed.
// Wake is called when the set has grown.
type Reachable interface {
	ReachableUsers() []string
}

// Persistent is what a channel implements whose deliveries are to be tried more
// or less often than others: its failures may last, and its messages be of use
// afterwards. What ends them then is their time.
type Persistent interface {
	MaxAttempts() int
}

// Exact is what a channel implements that knows best when to try again: where it
// gives a time, the worker's back-off does not make it longer.
type Exact interface {
	Exact()
}

// Parallel is what a channel implements whose SendAll may wait long for one
// destination while others answer at once: so many calls of it run at the same
// time, and one that waits does not hold up the messages that come after it. The
// channel keeps the messages about one thing to one destination in their order.
type Parallel interface {
	Lanes() int
}

// SendError says what is to become of a delivery whose sending did not simply
// succeed. Make one with Permanent, Moot, RetryAfter, Handed or Accepted.
type SendError struct {
	Err       error
	Permanent bool
	Moot      bool          // with Permanent: there is nobody to be told any more, and nothing is wrong
	Accepted  bool          // it went well; Err says who took it, for the delivery's detail
	Handed    bool          // handed over; the receipt that ends it is still to come
	After     time.Duration // earliest next attempt, 0: the worker's back-off
	Note      string        // what the channel wants to be told at the next attempt
}

func (e *SendError) Error() string { return e.Err.Error() }
func (e *SendError) Unwrap() error { return e.Err }

// Permanent says that trying again is of no use.
func Permanent(err error) error { return &SendError{Err: err, Permanent: true} }

// Moot says that there is nobody to be told any more, by their own will: a device
// that has unsubscribed, a channel that was switched off. The delivery is
// cancelled, which nobody is warned of.
func Moot(err error) error { return &SendError{Err: err, Permanent: true, Moot: true} }

// RetryAfter says to try again, not before d has passed.
func RetryAfter(err error, d time.Duration) error { return &SendError{Err: err, After: d} }

// Handed says that the message is on its way and a receipt will end the
// delivery; if none has come after d, it is sent again.
func Handed(detail string, d time.Duration) error {
	return &SendError{Err: errors.New(detail), Handed: true, After: d}
}

// Accepted says that the message went to whoever brings it to its destination,
// and nothing more will be heard of it: "accepted by fcm.googleapis.com". It is
// a success with a detail; nil is one without.
func Accepted(detail string) error {
	return &SendError{Err: errors.New(detail), Accepted: true}
}

// Noted adds to an answer what the channel wants to know at the next attempt: at
// most 500 bytes, kept with the delivery and shown to nobody. err is one of the
// answers above, or any other error.
func Noted(err error, note string) error {
	s := *As(err)
	s.Note = note
	return &s
}

// Callback is what a channel implements that hears back: requests below
// /callback/NAME/ are given to the handler, without session and without a check
// of their origin. It authenticates, bounds and answers them itself.
type Callback interface {
	Callback() http.Handler
}

// As finds the SendError in err; another error is one to try again.
func As(err error) *SendError {
	var s *SendError
	if errors.As(err, &s) {
		return s
	}
	return &SendError{Err: fmt.Errorf("%w", err)}
}
