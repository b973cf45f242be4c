package alert

import "time"

// Filter narrows a list of alerts; empty fields fit all.
type Filter struct {
	Status    []Status
	States    []State
	SourceIDs []string
	Kind      Kind
	ObjectID  string
	ContactID string // alerts with a delivery, not a skipped one, to this contact
	Storm     string // alerts that messages of this storm tell of, see delivery.Delivery
	Search    string // part of host, service, display names or output, without regard to case
	Older     bool   // look until the page is full or there is no more, however long it takes
	Since     time.Time
	Cursor    string // next of the page before
	Limit     int    // 1 to 500
}

// Counts are the figures above the list of alerts.
type Counts struct {
	Firing        int
	Acknowledged  int
	ResolvedToday int           // since midnight UTC
	ByState       map[State]int // of open alerts
}

// TimelineFilter names a timeline and a page of it: that of an alert, or of an object
// where AlertID is empty.
type TimelineFilter struct {
	AlertID, ObjectID string
	Cursor            string // next of the page before; empty: the newest
	Limit             int    // 1 to 500, 100 when none is given
}
