// Package dispatch is where things happen: Receive takes events that a source
// told us, Acknowledge takes what a person did. Each is one transaction, with
// the alert, the timeline, the deliveries and the live frames in it; it
// answers when that is on disk.
//
// Requests that come together share one transaction (group commit): one
// committer a node collects what waits, up to a limit, and commits it at once.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/audit"
	"tocsin/internal/config"
	"tocsin/internal/delivery"
	"tocsin/internal/escalation"
	"tocsin/internal/live"
	"tocsin/internal/route"
	"tocsin/internal/storm"
)

// The errors that callers branch on.
var (
	ErrBusy        = errors.New("the queue is full; try again in a second")
	ErrStuck       = fmt.Errorf("the database does not answer; try again in a moment: %w", ErrBusy)
	ErrNotOpen     = errors.New("the alert is resolved")
	ErrAckedBefore = errors.New("the alert is acknowledged already")
	ErrNotAcked    = errors.New("the alert is not acknowledged")
	ErrNotSnoozed  = errors.New("none of these contacts has the alert snoozed")
	ErrNoComment   = errors.New("the comment is empty")
	ErrNoEngine    = errors.New("the engine of this source takes nothing back")
)

// The refusals of a time that is asked for.
var (
	ErrAckLength      = errors.New("an acknowledgement ends after 1 minute to 30 days, or not by itself")
	ErrDowntimeLength = errors.New("a downtime lasts from 1 minute to 30 days")
)

// Receipt is what a sender is told of one event.
type Receipt struct {
	EventID    string        `json:"event_id"`
	AlertID    string        `json:"alert_id,omitempty"`
	Duplicate  bool          `json:"duplicate"` // was here before; nothing changed
	Outcome    alert.Outcome `json:"outcome"`
	Deliveries int           `json:"deliveries"` // made by this call
	Marks      []alert.Mark  `json:"marks,omitempty"`

	joined bool // for the figures
}

// Record is an object as the store has it, with its open alert and its latest
// event, which further calls of the same event (one a contact) join.
type Record struct {
	Object alert.Object
	Known  bool         // false: the object is new
	Alert  *alert.Alert // open; nil if none
	Last   *alert.Event // the latest whose type is none of ours (Type.Ours); nil if none. Contacts and UserIDs are those that have called
}

// Changes is all that one transaction writes.
type Changes struct {
	Objects    []alert.Object       // insert or update, by id
	Alerts     []alert.Alert        // insert or update, by id
	Events     []alert.Event        // insert
	Joined     []alert.Event        // update Contacts, UserIDs and Marks of events that further contacts joined
	Calls      []Call               // insert
	Deliveries []delivery.Delivery  // insert
	Snoozes    []Snooze             // insert or update, by alert and contact
	EndSnoozes []string             // ids of alerts: delete their snoozes
	Live       []live.Frame         // append to the live log
	Trail      []audit.Entry        // append to the audit trail
	Sources    map[string]time.Time // source id to the time of its last event
	Silent     map[string]time.Time // source id to since when it is silent, zero when it is no longer
	Traces     map[string]string    // event id to the span below which its deliveries are traced; nil while nothing is

	Paces          map[string]storm.Pace // insert or update, by place
	Digests        []DigestDue           // deliveries that collect: when they are due from now on
	Escalations    []Escalation          // insert or update, by alert
	EndEscalations []string              // ids of alerts: delete theirs

	// Moved are deliveries that are held back, or were, and are told at another time from
	// now on: State, Bundle, Storm, Due, Expires, Reason and Why. One that was tried or has
	// ended stays as it is. Emptied are digests to be cancelled if nothing is left in them.
	Moved   []delivery.Delivery
	Emptied []string
}

// DigestDue moves a digest that still collects.
type DigestDue struct {
	ID    string
	Due   time.Time
	Quiet bool
}

// Escalation is how far a policy is with an open alert.
type Escalation struct {
	AlertID  string
	PolicyID string
	Run      escalation.Run
	Due      time.Time // Run.When(), or later where it was put off; zero: nothing more is to be done
}

// PlaceKey is a place at which messages come together, as Tx.Paces knows it: the
// channel, a bar, and the destination, or where that is empty "contact:" and the
// contact's id.
func PlaceKey(channel, destination, contactID string) string {
	return string(appendPlaceKey(nil, channel, destination, contactID))
}

func appendPlaceKey(b []byte, channel, destination, contactID string) []byte {
	b = append(append(b, channel...), '|')
	if destination == "" {
		return append(append(b, "contact:"...), contactID...)
	}
	return append(b, destination...)
}

// Call is one taken call, remembered so that a retried one changes nothing.
type Call struct {
	CallKey
	EventID string
	At      time.Time
}

// CallKey is what a call is known by.
type CallKey struct {
	SourceID string
	Key      string // the sender's id of the call, or made from what identifies the event
}

// Snooze is a contact's wish to hear of no problem notice of one alert until a
// time.
type Snooze struct {
	AlertID   string
	ContactID string    // or route.SnoozedRoom of a place in Mattermost
	Until     time.Time // zero: it is ended
	By        string    // who asked for it, for people
	At        time.Time
}

// Cancel names deliveries that are not to be sent any more.
type Cancel struct {
	AlertID string
	// Notices are the kinds of message: problem, or acknowledgement too. Never empty.
	Notices []alert.Notice
	// ContactIDs narrows it to messages for these; nil: to everybody. A place in
	// Mattermost stands in it as route.SnoozedRoom.
	ContactIDs []string
	// QuietTo narrows it to quiet ones for this destination that were never
	// tried; empty: all, quiet or not.
	QuietTo string
	Why     string // becomes the detail
}

// Cancelled is a delivery that Cancel ended.
type Cancelled struct {
	AlertID     string
	ContactID   string
	Channel     string
	Destination string
	Notice      alert.Notice
	Attempt     int // 0: nothing was tried, so nobody has seen it
}

// Address is one way to one contact by which messages of an alert were to go:
// the unit of "has it heard of this?".
type Address struct {
	ContactID       string
	ContactName     string
	UserID          string
	Channel         string
	Destination     string
	DestinationName string
	// Heard says whether a message may have been seen there: one is sent, or was
	// at least tried (Attempt > 0).
	Heard bool
	// Problem says whether one of its messages is a problem notice.
	Problem bool
	// Storm is the storm (see delivery.Delivery) whose digest told of it last; empty
	// if it was told by itself.
	Storm string
}

// Store is what dispatch needs of the database.
type Store interface {
	// Commit runs fn in one write transaction; fn's error rolls it back. It is
	// durable when Commit returns nil.
	Commit(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// ExpiredAcks answers up to limit acknowledgements of open alerts whose Until
	// has passed, the first to end first, and the Until of the next one that lies
	// ahead, zero if none does.
	ExpiredAcks(ctx context.Context, limit int) (over []AckEnd, next time.Time, err error)
	// DueEscalations answers up to limit alerts whose policy is due, the first due
	// first, and when the next one is that lies ahead, zero if none does.
	DueEscalations(ctx context.Context, limit int) (alertIDs []string, next time.Time, err error)
	// FlappingObjects answers up to limit objects that flap as was found here
	// (Object.Flaps is set), in order of id, those after one id.
	FlappingObjects(ctx context.Context, after string, limit int) ([]alert.Object, error)
	// CalmPlaces answers up to limit places where a storm may be over (Pace.Calm has
	// answered a time that has passed), and when the next one is that lies ahead.
	CalmPlaces(ctx context.Context, limit int) (places []string, next time.Time, err error)
	// ConfigVersion rises with every change of what routing depends on, also of one made
	// by another node a moment later. It asks nobody.
	ConfigVersion() int64
	// HeldMessages answers the messages that are held back until a moment that lies ahead.
	HeldMessages(ctx context.Context) ([]HeldMessage, error)
	// StoodStill answers the alerts whose policy's clock stands still (Run.Still is set).
	StoodStill(ctx context.Context) (alertIDs []string, err error)
}

// AckEnd is an acknowledgement whose time ran out.
type AckEnd struct{ AlertID, EventID string }

// Downtime is an object in a downtime that was asked for here.
type Downtime struct {
	Object alert.Object
	Since  time.Time   // of its open alert; zero: it has none
	Asked  alert.Event // the latest that asked for one
}

// Asked is an event by which an engine was asked for something, and the newest
// EngineReply about it.
type Asked struct {
	Event alert.Event
	Reply *alert.Event // nil: none yet
}

// Tx is one write transaction.
type Tx interface {
	// DirectoryVersion rises with every change of what routing depends on.
	DirectoryVersion(ctx context.Context) (int64, error)
	// Settings answers what is set, as of DirectoryVersion.
	Settings() (config.Settings, error)
	// Directory loads it all, with the version it has.
	Directory(ctx context.Context) (route.Directory, int64, error)
	// Seen answers the event of each call that was taken before.
	Seen(ctx context.Context, calls []CallKey) (map[CallKey]string, error)
	// Records locks the objects until the end of the transaction, in an order
	// that cannot deadlock, and answers one record for each id. Objects that
	// are new are given with Known false; two nodes cannot both see one as new.
	Records(ctx context.Context, objectIDs []string) (map[string]*Record, error)
	// AlertByID answers an alert by id, fault.ErrNotFound if there is none, with its object locked.
	AlertByID(ctx context.Context, id string) (*alert.Alert, error)
	// Asked answers an event of the alert by which the engine was asked for
	// something; fault.ErrNotFound if there is none.
	Asked(ctx context.Context, alertID, eventID string) (Asked, error)
	// Latest answers the newest event of the alert of that type, nil if there is
	// none. It is asked about acknowledgements, and about problems whose object is
	// named.
	Latest(ctx context.Context, alertID string, typ alert.Type) (*alert.Event, error)
	// Addresses answers for each of the alerts, by its id, where its problem and
	// acknowledgement messages (Notice problem or acknowledgement, quiet ones
	// too) went or were to go, as it is in this transaction: one row for each
	// contact, channel and destination that has a delivery which was not Skipped;
	// Heard and Problem are true if they are for any of these, the names are
	// those of any. Rows of an alert are in order of contact, channel,
	// destination. It is asked about alerts that were taken, given back,
	// snoozed or named in this transaction, or closed with something left unsaid, at the
	// end of it and for all of them at once.
	Addresses(ctx context.Context, alertIDs []string) (map[string][]Address, error)
	// Heartbeat answers what is known of whether a source is alive;
	// fault.ErrNotFound if there is none.
	Heartbeat(ctx context.Context, sourceID string) (Heartbeat, error)
	// Snoozed answers the snoozes of the alert that end after now, as contact id
	// to end. It is asked only where Alert.Snoozed lies ahead.
	Snoozed(ctx context.Context, alertID string) (map[string]time.Time, error)
	// Paces locks the places until the end of the transaction, in an order that
	// cannot deadlock and after objects, and answers what is remembered of each; a
	// zero one of a new place. It is called at most once a transaction.
	Paces(ctx context.Context, places []string) (map[string]storm.Pace, error)
	// Collecting locks deliveries with NoticeDigest and answers those that still
	// collect: Waiting, never claimed, and not due yet. One for a browser collects until
	// it is claimed, for there may be no tab.
	Collecting(ctx context.Context, ids []string) (map[string]bool, error)
	// Held locks what a message holds back and answers it as it is: what a digest has
	// collected, up to limit in ascending order of id, those after one id; or the message
	// itself. What somebody else holds at this moment is left out. A digest is locked by
	// Collecting before.
	Held(ctx context.Context, m HeldMessage, after string, limit int) ([]delivery.Claimed, error)
	// Escalation answers how far the policy of an alert is, nil if none runs.
	Escalation(ctx context.Context, alertID string) (*Escalation, error)
	// Cancel ends Waiting, Handed and Collected deliveries as Cancelled, with Done now, and
	// answers those it ended. It is called at most once a transaction and before
	// Write, so it never meets what the transaction makes itself. The usual
	// call has neither ContactIDs nor QuietTo, and should be one statement for
	// all alerts.
	Cancel(ctx context.Context, cs []Cancel) ([]Cancelled, error)
	// Rename gives an object its names for people, an empty one staying as it was,
	// appends a frame that tells open tabs, and answers whether a name is another
	// one now; fault.ErrNotFound if there is no such object. It is called before
	// Records.
	Rename(ctx context.Context, objectID, hostDisplay, serviceDisplay string) (bool, error)
	// Write writes all of it. Frames get their Seq. Alert.Snoozed is kept with
	// the alert, and read with it everywhere.
	Write(ctx context.Context, c *Changes) error
	// Now is the database's time on PostgreSQL, this machine's on SQLite.
	Now() time.Time
}
