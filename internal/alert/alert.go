package alert

import "time"

// Status says where an alert stands.
type Status string

// The statuses of an alert. None is the status of an object without an open
// alert; no stored alert ever has it.
const (
	None         Status = ""
	Firing       Status = "firing"
	Acknowledged Status = "acknowledged"
	Resolved     Status = "resolved"
)

// Alert is the open problem of one object, from its first PROBLEM to its
// RECOVERY. A resolved alert is never opened again: the next PROBLEM of the
// object opens a new one.
type Alert struct {
	ID       string // UUIDv7
	Object   Object
	Status   Status
	State    State // the object's state as last told; the state it recovered to once resolved
	Worst    State // the worst state since it opened
	Output   string
	Long     string // further lines of the check's output
	Since    time.Time
	Updated  time.Time // last change of status or state, or last event
	Resolved time.Time // zero while open
	Snoozed  time.Time // when the last snooze of it ends, of whichever contact; zero when nobody asked for one. It may lie in the past
	Ack      *Ack      // nil unless acknowledged; kept on a resolved alert that had been
	Repeats  int       // PROBLEM events after the first that changed nothing
	Marks    []Mark    // what was sloppy about the events, see Mark
}

// Open says whether the problem is still there.
func (a *Alert) Open() bool { return a != nil && a.Status != Resolved }

// Origin says where an acknowledgement was made.
type Origin string

// The origins of an acknowledgement. FromExpiry is the clock: its time ran out.
const (
	FromEngine       Origin = "engine"
	FromConsole      Origin = "console"
	FromAPI          Origin = "api"
	FromNotification Origin = "notification"
	FromMattermost   Origin = "mattermost"
	FromMail         Origin = "email"
	FromExpiry       Origin = "expiry"
	// FromDetection is what was found here of how an object behaves. It goes to whom
	// the engine named, or the rules choose, as what the engine says does.
	FromDetection Origin = "detection"
)

// Here says whether somebody did it here, or our clock did; the engine did all
// else, and what it did is never written back to it.
func (o Origin) Here() bool {
	switch o {
	case FromConsole, FromAPI, FromNotification, FromMattermost, FromMail, FromExpiry:
		return true
	}
	return false
}

// Confirmation says whether the engine knows of what was done here.
type Confirmation string

// Local is shown for a source that takes nothing back. What came from the engine
// is Confirmed from the start. What is to be written back is Pending first, then
// Confirmed when the engine was read or said so itself, Refused when it said no,
// and Unconfirmed when it was not known after a time: that may still change.
const (
	Local       Confirmation = "local"
	Pending     Confirmation = "pending"
	Confirmed   Confirmation = "confirmed"
	Refused     Confirmation = "refused"
	Unconfirmed Confirmation = "unconfirmed"
)

// Ack is an acknowledgement: somebody has taken the alert.
type Ack struct {
	EventID      string // of the event that it came with
	Author       string // the name as shown; empty when the engine gave none
	UserID       string // the user here, empty when made in the engine or by nobody who signs in here
	Comment      string
	At           time.Time
	Until        time.Time // when it ends by itself; zero: it stays
	Origin       Origin
	Sticky       bool // stays when the state changes, until recovery
	Confirmation Confirmation
	Words        string // what the engine said of it, or why it is not known; for people
}
