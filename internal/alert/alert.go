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

// The origins of an acknowledgement.
const (
	FromEngine       Origin = "engine"
	FromConsole      Origin = "console"
	FromAPI          Origin = "api"
	FromNotification Origin = "notification"
)

// Confirmation says whether the engine knows of an acknowledgement.
type Confirmation string

// Local is shown for a source that takes no acknowledgements back; an
// acknowledgement that came from the engine is Confirmed from the start, and
// one made here becomes so when the engine reports it.
const (
	Local     Confirmation = "local"
	Confirmed Confirmation = "confirmed"
)

// Ack is an acknowledgement: somebody has taken the alert.
type Ack struct {
	Author       string // the name as shown; empty when the engine gave none
	UserID       string // the user here, empty when made in the engine
	Comment      string
	At           time.Time
	Origin       Origin
	Sticky       bool // stays when the state changes, until recovery
	Confirmation Confirmation
}
