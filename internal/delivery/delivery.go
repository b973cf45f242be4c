// Package delivery is the durable outbox's worker: it claims deliveries that
// are due, sends each by its channel, and writes down what became of it.
package delivery

import (
	"context"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/route"
)

// State says where a delivery stands.
type State string

// The states. Waiting and Handed go on; the others are ends.
const (
	Waiting   State = "waiting"   // due at Due; or for a browser tab to open
	Handed    State = "handed"    // handed over, the receipt is awaited until Due
	Sent      State = "sent"      // arrived: the channel's receipt says where
	Expired   State = "expired"   // its time ran out first
	Cancelled State = "cancelled" // no longer true when its turn came
	Dead      State = "dead"      // cannot be delivered
	Skipped   State = "skipped"   // not told, by decision; Reason and Why say why

	// Collected is told together with others, by the delivery that Bundle names. It
	// goes on until that one ends, and then ends as that does, unless it is
	// cancelled before.
	Collected State = "collected"
)

// Delivery is one message to one destination by one channel, both the job and
// its record. A Skipped one is the record of a decision not to tell.
type Delivery struct {
	ID          string
	EventID     string
	AlertID     string // empty when the object has no alert
	ObjectID    string
	ContactID   string
	ContactName string // as shown; for somebody unknown, what the engine said
	UserID      string
	Channel     string

	// Destination is where exactly, for a channel that has several for one
	// contact: the id of the subscription for Web Push. Empty for the browser,
	// which means every open tab of the user.
	Destination     string
	DestinationName string // for people: "Firefox on Linux"; as it was called then

	Notice  alert.Notice
	State   State
	Quiet   bool         // brings what the destination shows up to date, without a sound
	Reason  route.Reason // why this contact is told, or is not
	Why     string
	Detail  string // what became of it, for people: "shown by Firefox on Linux"
	Note    string // what the channel wants back at the next attempt; at most 500 bytes, shown to nobody
	Created time.Time
	// Due is the next attempt, and while claimed the end of the lease. What is
	// Waiting with Attempt 0 and due later is a reminder, or held back for a
	// moment: nobody is shown it before, so the list of what a user's tabs have
	// not shown yet leaves it out.
	Due time.Time
	// Bundle is the delivery with NoticeDigest that tells of this one, empty if it
	// is told by itself; Storm is what a digest and all that it collects, and the
	// digests before and after it, have in common: the id of a storm or of one
	// stretch of being held.
	Bundle string
	Storm  string

	Attempt  int // rises at the claim; a completion counts only with the attempt it claimed
	Expires  time.Time
	Done     time.Time // zero until an end
	Attempts []Attempt // oldest first; filled where one delivery is looked at
}

// Attempt is one try of a delivery.
type Attempt struct {
	Number int
	At     time.Time
	Node   string
	Result string // "handed", "sent", "failed", …
	Detail string
}

// Claimed is a delivery that this worker holds, with what its message needs as
// it is now.
type Claimed struct {
	Delivery
	Event  alert.Event
	Object alert.Object
	Alert  *alert.Alert
	Handed bool // its state was Handed before it was claimed

	// Digest is what a delivery with NoticeDigest tells of; nil for all others. One
	// that has a single thing to tell, and of whose storm nothing was told before, gives
	// way to that: what it collected is claimed in its place. The store fills in what is known of the alerts
	// (Storm, About, Began, the counts, Worst without their URLs), the worker the rest.
	Digest *channel.Digest
	// Left is how many deliveries the digest still collects, Gone how many of its own
	// ended before it was told, and Before whether a message of the same storm was
	// told before it.
	Left   int
	Gone   int
	Before bool
}

// Completion is what became of a claimed delivery.
type Completion struct {
	ID      string
	Attempt int   // must be the claimed one, else the completion is void
	State   State // Waiting to try again at Due, Handed, or an end
	Due     time.Time
	Result  string
	Detail  string
	Note    *string // the delivery's note from now on; nil: it stays as it was
	At      time.Time
}

// Claim says which deliveries a worker may take.
type Claim struct {
	Channel string
	Users   []string // only of these users; nil: of all
	Limit   int
	Lease   time.Duration
	Node    string
}

// Store is what the worker needs of the database. Claim never hands one
// delivery to two nodes; it takes those that are Waiting or Handed with Due
// reached, oldest first, sets Due to the lease's end and raises Attempt.
type Store interface {
	ClaimDeliveries(ctx context.Context, c Claim) ([]Claimed, error)
	CompleteDeliveries(ctx context.Context, node string, cs []Completion) error
	// ExpireDeliveries ends up to limit deliveries whose time ran out, and
	// answers how many it ended.
	ExpireDeliveries(ctx context.Context, limit int) (int, error)
	// NextDue answers when the next delivery of the channel is due, zero if none,
	// and what the time is by the same clock.
	NextDue(ctx context.Context, c Claim) (due, now time.Time, err error)
}
