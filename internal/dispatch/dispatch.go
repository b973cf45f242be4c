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
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/live"
	"tocsin/internal/route"
)

// The errors that callers branch on.
var (
	ErrBusy        = errors.New("the queue is full; try again in a second")
	ErrNotOpen     = errors.New("the alert is resolved")
	ErrAckedBefore = errors.New("the alert is acknowledged already")
	ErrNotAcked    = errors.New("the alert is not acknowledged")
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
	Last   *alert.Event // nil if none; Contacts and UserIDs are those that have called
}

// Changes is all that one transaction writes.
type Changes struct {
	Objects    []alert.Object       // insert or update, by id
	Alerts     []alert.Alert        // insert or update, by id
	Events     []alert.Event        // insert
	Joined     []alert.Event        // update Contacts, UserIDs and Marks of events that further contacts joined
	Calls      []Call               // insert
	Deliveries []delivery.Delivery  // insert
	Cancel     []string             // ids of alerts whose waiting problem deliveries are cancelled: they are no longer true
	CancelWhy  []string             // the detail of each
	Live       []live.Frame         // append to the live log
	Sources    map[string]time.Time // source id to the time of its last event
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

// Store is what dispatch needs of the database.
type Store interface {
	// Commit runs fn in one write transaction; fn's error rolls it back. It is
	// durable when Commit returns nil.
	Commit(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
}

// Tx is one write transaction.
type Tx interface {
	// DirectoryVersion rises with every change of what routing depends on.
	DirectoryVersion(ctx context.Context) (int64, error)
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
	// Told answers the ids of the contacts that have a problem delivery of the alert that was not Skipped.
	Told(ctx context.Context, alertID string) ([]string, error)
	// Write writes all of it. Frames get their Seq.
	Write(ctx context.Context, c *Changes) error
	// Now is the database's time on PostgreSQL, this machine's on SQLite.
	Now() time.Time
}
