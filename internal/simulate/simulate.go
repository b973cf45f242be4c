// Package simulate tries events before the night: it answers who would be told
// what, when, by which way, and why, and who would not and why not, and tells
// nobody.
//
// Nothing of the way from an event to a message is written a second time here. The
// very code that serves (package dispatch) runs over a store in memory with a clock
// of its own, which jumps from one moment at which something is due to the next:
// an event, the step of an escalation, the end of quiet hours, the flush of a storm.
// What the outbox's worker does with a message that is due is judged by the
// worker's own rule (delivery.Claimed.Untrue); every channel is taken to answer at
// once, and every browser to have a tab open.
//
// It starts from what is set now (contacts, rules, schedules, settings), and either
// from what is open now or from a clean slate.
package simulate

import (
	"fmt"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/route"
)

// What one simulation may be.
const (
	MaxEvents = 300_000             // that come in
	MaxInput  = 64 << 20            // bytes of them
	MaxSpan   = 31 * 24 * time.Hour // from the first to the last
	MaxAfter  = 7 * 24 * time.Hour  // that is looked at after the last
	MaxLines  = 200_000             // that are answered; more are counted
	MaxTold   = 3_000_000           // messages and decisions; then it ends where it is
	// MaxWaiting is how many messages may wait at the same time: each takes about a kilobyte.
	MaxWaiting = 300_000

	DefaultAfter = 24 * time.Hour
	DefaultLines = 10_000
)

// Request is what is tried. One of Events and History is given.
type Request struct {
	// Events are JSON, one event a line, as tocsin notify and POST …/events take
	// them, with a few more fields: see Parse.
	Events []byte
	// History replays what came in before.
	History *History

	// At is when it begins, whatever the events' own times are: they keep their
	// distances. Zero: when they came; with none but offsets, now.
	At time.Time
	// Zone is the clock by which the answer is told, IANA; empty is UTC.
	Zone string
	// Source is the name of the source that events are from which name none; empty
	// where there is one source only.
	Source string
	// Clean begins with all objects well and nobody told of anything; else with what
	// is open now, with its acknowledgements, snoozes and escalations.
	Clean bool
	// After is for how long it goes on after the last event, at most; 0: DefaultAfter.
	After time.Duration
	// Limit is how many lines are answered; 0: DefaultLines.
	Limit int
}

// History is a stretch of what really came in.
type History struct {
	From, To time.Time // when it came in; To is not in it
	Source   string    // name; empty: of all sources
	Limit    int       // events at most; 0: MaxEvents
}

// Error is a request that cannot be tried, and why.
type Error struct {
	Line    int    // of Events, from 1; 0: it is about no line
	Field   string // of the event, or of the request in the API's words: "at"
	Problem string
	Mend    string
}

// Error is the sentence of all of it.
func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s: %s; %s", e.Line, e.Field, e.Problem, e.Mend)
	}
	return e.Field + ": " + e.Problem + "; " + e.Mend
}

// What is what a Line tells of.
type What string

// What happens. Each message ends in one line, and that says what became of it.
const (
	Happened  What = "event"     // something came in, or the clock did something
	Told      What = "told"      // a message goes out
	Quietly   What = "quiet"     // a message goes out that only brings up to date what is shown
	Together  What = "together"  // told with others, by the message that Digest names
	NotTold   What = "not_told"  // decided against; Reason and Why say why
	Cancelled What = "cancelled" // was to be told, and is no longer true; Detail says why
	Expired   What = "expired"   // its time ran out
	Waiting   What = "waiting"   // still to be told when the simulation ended; At is when
)

// Line is one thing that happens. Those of a result are in order of time.
type Line struct {
	At   time.Time `json:"at"`
	What What      `json:"what"`

	// Of all but digests: the object, and the event that it is about.
	Source  string `json:"source,omitempty"` // name
	Host    string `json:"host,omitempty"`
	Service string `json:"service,omitempty"`
	Object  string `json:"object,omitempty"` // name for people: "HTTP on web01"
	Event   string `json:"event,omitempty"`  // id, of this simulation
	Alert   string `json:"alert,omitempty"`  // id; of this simulation, where it was not open before

	// Of an event.
	Input   int           `json:"input,omitempty"` // the line of the input, or the number in the history, that it came from; 0: the clock's
	Type    alert.Type    `json:"type,omitempty"`
	State   alert.State   `json:"state,omitempty"`
	Output  string        `json:"output,omitempty"` // the check's, shortened
	Author  string        `json:"author,omitempty"`
	Outcome alert.Outcome `json:"outcome,omitempty"`

	// Of a message or a decision.
	Message     string       `json:"message,omitempty"` // its number in this simulation
	Notice      alert.Notice `json:"notice,omitempty"`
	Contact     string       `json:"contact,omitempty"` // as shown; a room's or a webhook's name where it goes there
	ContactID   string       `json:"contact_id,omitempty"`
	Channel     string       `json:"channel,omitempty"`
	Destination string       `json:"destination,omitempty"` // for people: "Firefox on Linux"
	Decided     time.Time    `json:"decided,omitzero"`      // when it was decided; before At where it was held back or collected
	Reason      route.Reason `json:"reason,omitempty"`
	Digest      string       `json:"digest,omitempty"` // the message that tells of it, of What Together
	Tells       *Digest      `json:"tells,omitempty"`  // what a message for several alerts tells

	Why    string `json:"why,omitempty"`    // why it was decided so, or what the event did
	Detail string `json:"detail,omitempty"` // what became of it
}

// Digest is what one message tells of many alerts.
type Digest struct {
	Title     string   `json:"title"`
	Total     int      `json:"total"`
	Open      int      `json:"open"`
	Acked     int      `json:"acknowledged"`
	Recovered int      `json:"recovered"`
	New       int      `json:"new"`
	Worst     []string `json:"worst"` // names of the objects that it names
	Over      bool     `json:"over"`  // the last of its storm
}

// Tally is what one contact, room or webhook gets by one channel.
type Tally struct {
	Contact   string `json:"contact"`
	ContactID string `json:"contact_id,omitempty"`
	Channel   string `json:"channel"`
	Told      int    `json:"told"`      // messages that call somebody
	Digests   int    `json:"digests"`   // of these, for several alerts
	Together  int    `json:"together"`  // that were told by these
	Quiet     int    `json:"quiet"`     // messages that call nobody
	NotTold   int    `json:"not_told"`  // decided against
	Cancelled int    `json:"cancelled"` // no longer true when their turn came
	Expired   int    `json:"expired"`
	Waiting   int    `json:"waiting"`
}

// Result is what would have happened.
type Result struct {
	From   time.Time `json:"from"` // the first moment that was looked at
	To     time.Time `json:"to"`   // the last
	Zone   string    `json:"zone"`
	Events int       `json:"events"` // that came in
	Alerts int       `json:"alerts"` // that were opened
	// Duplicates are events that were told before: they change nothing.
	Duplicates int     `json:"duplicates"`
	People     []Tally `json:"people"` // in order of name, then channel
	Lines      []Line  `json:"lines"`  // in order of time, at most as many as asked for
	Left       int     `json:"left"`   // lines that are not in Lines
	// Notes are what is to be known of the answer, for people: that it ended early,
	// that nobody is told at all, what was left out of the history.
	Notes []string `json:"notes"`
}
