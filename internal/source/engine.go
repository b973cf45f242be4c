package source

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"tocsin/internal/alert"
)

// Verb is what an engine is asked to do.
type Verb string

// The verbs. Release is for what an engine keeps for as long as an alert lasts
// and that must not outlive it, a silence.
const (
	Acknowledge      Verb = "acknowledge"
	Unacknowledge    Verb = "unacknowledge"
	Comment          Verb = "comment"
	ScheduleDowntime Verb = "downtime"
	CancelDowntime   Verb = "cancel_downtime"
	Release          Verb = "release"
)

// WriteBack is how a source is told what was done here. Kind "" or "none" tells
// it nothing. Which of the fields a kind uses, its Fields say.
type WriteBack struct {
	Kind        string `json:"kind"`
	CommandFile string `json:"command_file,omitempty"` // the engine's FIFO
	StatusFile  string `json:"status_file,omitempty"`  // status.dat
	Livestatus  string `json:"livestatus,omitempty"`   // unix:/path or tcp:host:port
	URL         string `json:"url,omitempty"`          // of its API: https://icinga.example.com:5665
	User        string `json:"user,omitempty"`
	CA          string `json:"ca,omitempty"`          // PEM of who signed the engine's certificate; empty: the system's
	ServerName  string `json:"server_name,omitempty"` // in the certificate, where it is not the URL's host
	UseProxy    bool   `json:"use_proxy,omitempty"`
	Silence     bool   `json:"silence,omitempty"` // Alertmanager: an acknowledgement makes a silence
	Expire      bool   `json:"expire,omitempty"`  // the engine takes …_PROBLEM_EXPIRE
	Notify      bool   `json:"notify,omitempty"`  // the engine tells its own contacts, too; what comes back is one with ours
	// ConfirmSeconds is after how long what the engine did not confirm is shown as
	// not confirmed; 0: 120. Reading goes on after it.
	ConfirmSeconds int `json:"confirm_seconds,omitempty"`

	// Secret is the password, API key or token. It is stored apart, and is
	// never shown or sent anywhere but to the engine.
	Secret string `json:"-"`
}

// On says whether the engine is told anything.
func (w WriteBack) On() bool { return w.Kind != "" && w.Kind != "none" }

// Command is one thing that an engine is asked to do. Its texts are as people
// wrote them: whoever encodes them sees to it that they stay one field.
type Command struct {
	ID      string // of the delivery
	EventID string // of the event that asks
	Verb    Verb
	Object  alert.Object
	AlertID string
	Since   time.Time // since when the alert is open; of a downtime that is watched, zero: none is
	Author  string
	Comment string
	Sticky  bool
	Until   time.Time // the end of an acknowledgement or a downtime; zero: none
	From    time.Time // when it was asked for; a downtime begins then
	Note    string    // what the engine's last Reply noted
}

// Reply is what an engine answered, or what reading it showed.
type Reply struct {
	// Confirmation is Confirmed, Refused, or Pending: it was taken, or is not to be
	// seen yet. A reply by Watch is Confirmed (it still stands), Refused (it is
	// gone there; Words say what is known of why), or Pending (it cannot be told).
	Confirmation alert.Confirmation
	Words        string // for people, one sentence or the engine's own words; at most 500 characters
	Note         string // wanted back at the next call; at most 500 bytes
	// Recovered, of Watch: the engine no longer knows the problem at all, and
	// would not say so by itself (an Alertmanager that was silenced). Of a
	// downtime, Confirmation says of that itself whether it still stands.
	Recovered bool
}

// ErrNotYet is wrapped by the error of a Check, or a Do, that read something older
// than what it looks for: nothing is known, and nothing is wrong.
var ErrNotYet = errors.New("not to be seen yet")

// Engine is one source's engine as it is told and read. All of it honours ctx,
// and is safe for use by several goroutines at once. An error says that nothing
// is known: it is tried again.
type Engine interface {
	// Do hands a command over. It may do so again for one that it was given
	// before, after a crash.
	Do(ctx context.Context, c Command) (Reply, error)
	// Check looks whether the engine has done it. Where nothing can be read it
	// answers Pending with no Words.
	Check(ctx context.Context, c Command) (Reply, error)
}

// Watcher is an Engine that can be asked at times whether the acknowledgements
// made here, given as commands with the verb Acknowledge, still stand; all of
// them in one reading. It also keeps up what would end too early (a silence). It
// answers one Reply for each, in order. One that is told of an alert's end
// (WriteBackKind.Releases) is asked about downtimes, too, with the verb
// ScheduleDowntime: it says nothing by itself of what recovers in one.
type Watcher interface {
	Watch(ctx context.Context, acks []Command) ([]Reply, error)
}

// Prober is an Engine that can be tried without changing anything: nil when it
// could be reached and lets us in, else an error whose text says the mend.
type Prober interface {
	Probe(ctx context.Context) error
}

// Namer is an Engine that knows its objects' names for people where events carry
// only ids. It answers the display names it found, by object id.
type Namer interface {
	Names(ctx context.Context, objects []alert.Object) (map[string]Names, error)
}

// Names are an object's names for people; the service's is empty for a host.
type Names struct{ Host, Service string }

// EngineOptions are what every engine is made with.
type EngineOptions struct {
	Proxy *url.URL // the outgoing proxy, nil: none is set
	Now   func() time.Time
}

// Field is one field of WriteBack as a form shows it.
type Field struct {
	Name     string // its JSON name, or "secret"
	Label    string // "Command file"
	Hint     string
	Kind     string // "text", "secret", "checkbox", "pem", "number"
	Required bool
	Default  string
}

// WriteBackKind is one way of telling engines. App lists all; a source chooses
// one of those that fit its kind.
type WriteBackKind interface {
	Name() string  // "command_file"
	Title() string // "Command file and status.dat"
	// For are the kinds of source (Kind.Name) that it can be used with.
	For() []string
	Fields() []Field
	// Releases says whether an engine so set must be told of an alert's end.
	Releases(w WriteBack) bool
	// Open checks the settings and makes the engine, without touching it yet; a
	// *FieldError says what is wrong with them.
	Open(w WriteBack, o EngineOptions) (Engine, error)
}

// Options are what decoding one source's requests depends on besides its kind.
type Options struct {
	Mapping *Mapping // of the kind generic; nil: canonical JSON
	Secret  string   // signs its requests, empty: they are not signed
}

// Signed is a Kind whose engine can sign its requests. Verify answers a
// *FieldError when the signature is missing or wrong; it compares in constant
// time. It is called only where a secret is set.
type Signed interface {
	Verify(h http.Header, body []byte, secret string, now time.Time) error
}

// Mapping says where a JSON that is not ours has what an event needs. Values are
// JSON pointers (RFC 6901) into one event, or "=text" for a text that is always
// the same; empty ones are not there.
type Mapping struct {
	Events  string            `json:"events,omitempty"` // pointer to the array of events in the body; empty: the body is one, or an array
	ID      string            `json:"id,omitempty"`
	Type    string            `json:"type,omitempty"` // empty: RECOVERY for a good state, else PROBLEM
	Types   map[string]string `json:"types,omitempty"`
	Host    string            `json:"host"`
	Service string            `json:"service,omitempty"`
	State   string            `json:"state,omitempty"`
	States  map[string]string `json:"states,omitempty"` // {"firing": "critical", "resolved": "ok"}
	Output  string            `json:"output,omitempty"`
	Long    string            `json:"long_output,omitempty"`
	Author  string            `json:"author,omitempty"`
	Comment string            `json:"comment,omitempty"`
	Contact string            `json:"contact,omitempty"`
	Time    string            `json:"time,omitempty"`
	URL     string            `json:"url,omitempty"`
	Labels  string            `json:"labels,omitempty"` // pointer to an object of texts
}

// Snippet is configuration that a person pastes somewhere.
type Snippet struct {
	Title string // "Notification commands"
	Where string // "/etc/nagios4/conf.d/tocsin.cfg"
	Why   string // a sentence or two on what to do with it; may be empty
	Text  string // as it is pasted, without a newline at its end
}

// Setup is what snippets are made of. Token is empty when it is not to be shown
// any more.
type Setup struct{ BaseURL, Source, Token string }

// Guided is a Kind that can say how its engine is set up.
type Guided interface {
	Snippets(s Setup) []Snippet
}
