// Package source is the port to monitoring engines: what a source is, how its
// events are decoded, and the text rules that everything from outside obeys.
// Each folder below it is one kind of engine.
package source

import (
	"time"

	"tocsin/internal/alert"
)

// WrongToken is a source's LastError after a call in its name with a token that
// is not its own. Anybody can make such a call, so it says nothing of the source
// itself; but it is also what an engine looks like whose token was replaced.
const WrongToken = "A call came with a token that is not this source's."

// Source is one monitoring engine that sends us events.
type Source struct {
	ID          string
	Name        string // in the URL of its events: [a-z0-9][a-z0-9-]{0,62}
	Kind        string // a Kind's Name: "nagios", "icinga2", "generic"
	TokenHash   string // SHA-256 of the token in hex
	TokenHint   string // the last four characters, for people
	HostURL     string // template of its page of a host: {host}, {host_display}
	ServiceURL  string // template of its page of a service: {host}, {service}, …
	Straight    bool   // a click on a notification leads straight to that page
	Disabled    bool
	CreatedAt   time.Time
	LastEventAt time.Time // zero before the first
	LastError   string    // of the last refused call, cleared by the next good one
	LastErrorAt time.Time
	Spooled     int // events in the sender's spool, as its last call said
	SpooledAt   time.Time

	// QuietMinutes after which without a sign of life it is alerted of, see package
	// dispatch; 0: never. LastSign is when it last said that it is alive without telling
	// an event, SilentSince, while it is alerted of, since when nothing was heard of it.
	QuietMinutes int
	LastSign     time.Time
	SilentSince  time.Time

	WriteBack WriteBack // how it is told what was done here
	Mapping   *Mapping  // of the kind generic; nil: it sends canonical JSON
	// Secret signs the requests of a kind that is Signed; empty: they are not
	// signed. Never shown.
	Secret string
}

// Heard is when it was heard of last, by an event or a sign of life; zero: never.
func (s Source) Heard() time.Time {
	if s.LastSign.After(s.LastEventAt) {
		return s.LastSign
	}
	return s.LastEventAt
}

// Kind is one kind of engine.
type Kind interface {
	// Name is the word of --kind.
	Name() string
	// Title is the engine's name for people.
	Title() string
	// Decode reads one request body. It accepts one event, an array of them or
	// {"events":[…]}; it returns a *FieldError (wrapped in none) for what it
	// refuses. now bounds times; MaxEvents bounds a batch.
	Decode(body []byte, now time.Time, o Options) ([]alert.Event, error)
	// Templates are the usual addresses of the engine's pages of a host and of a
	// service, to offer where a source is set up; empty where the engine has none.
	// base is the engine's address without a slash at its end, "https://nagios.example.com".
	Templates(base string) (hostURL, serviceURL string)
}

// What one request may hold.
const (
	MaxBody   = 1 << 20 // bytes
	MaxEvents = 1000
)

// FieldError is a refusal that names the field and the mend.
type FieldError struct {
	Field   string // JSON path: "events[3].state"
	Problem string // "is 7, out of range"
	Mend    string // "send 0 OK, 1 Warning, 2 Critical or 3 Unknown"
}

// Error is the sentence of all three.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem + "; " + e.Mend }
