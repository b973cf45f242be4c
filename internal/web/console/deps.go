package console

import (
	"context"
	"html/template"
	"log/slog"
	"net/url"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/dispatch"
	"tocsin/internal/health"
	"tocsin/internal/push"
	"tocsin/internal/source"
	"tocsin/internal/status"
	"tocsin/internal/web"
)

// Acks takes acknowledgements; *dispatch.Service is one.
type Acks interface {
	Acknowledge(ctx context.Context, alertID string, r dispatch.AckRequest) (alert.Alert, error)
	Unacknowledge(ctx context.Context, alertID string, r dispatch.AckRequest) (alert.Alert, error)
	Snooze(ctx context.Context, alertID string, r dispatch.SnoozeRequest) (until time.Time, err error)
	Unsnooze(ctx context.Context, alertID string, r dispatch.SnoozeRequest) (alert.Alert, error)
	Comment(ctx context.Context, alertID string, r dispatch.CommentRequest) (alert.Alert, error)
	ScheduleDowntime(ctx context.Context, alertID string, r dispatch.DowntimeRequest) (alert.Alert, error)
	CancelDowntime(ctx context.Context, alertID string, r dispatch.DowntimeRequest) (alert.Alert, error)
}

// Mattermost is what the pages need of it besides the store.
type Mattermost struct {
	// TestRoom posts a test message to a room and answers what became of it. nil:
	// nothing can be sent.
	TestRoom func(ctx context.Context, r chat.Room) (web.RoomTest, error)
	// CheckBot looks whether the server lets the bot in, without changing anything.
	// nil: it is not offered.
	CheckBot func(ctx context.Context, s chat.Settings) (web.RoomTest, error)
}

// Push is what the pages need of Web Push besides the store. Without Test and
// Services nothing is sent and no figures are known.
type Push struct {
	// KeysChanged is called when a key was made or deleted here.
	KeysChanged func()
	// Reach says whether it is known how push services reach who runs this:
	// without, nothing is sent. nil: it is.
	Reach func(ctx context.Context) (bool, error)
	// Test sends a test to one device and answers what its push service said.
	Test func(ctx context.Context, s push.Subscription) (web.PushTest, error)
	// Services are the push services that were met, with what holds them up.
	Services func(ctx context.Context) ([]web.PushService, error)
}

// Auth signs people in and out and changes users and API keys; *auth.Service
// is one. Who makes a request comes from auth.From alone.
type Auth interface {
	SignIn(ctx context.Context, name, password, remote string) (auth.User, error)
	SignOut(ctx context.Context) error
	// Confirm asks for a password once more; errors as SignIn.
	Confirm(ctx context.Context, userID, password, remote string) error
	AddUser(ctx context.Context, n auth.NewUser) (auth.User, error)
	ChangeUser(ctx context.Context, id string, c auth.UserChange) (auth.User, error)
	RemoveUser(ctx context.Context, id string) error
	AddKey(ctx context.Context, name string, scopes []auth.Scope, expires time.Time) (auth.APIKey, string, error)
	RevokeKey(ctx context.Context, id string) error
	Factors
}

// Factors are the ways in besides the password, and where somebody is signed in.
type Factors interface {
	// PasskeysOff says why nobody can use a passkey here; nil: they can.
	PasskeysOff() error
	AskPasskey(ctx context.Context, remote string) (options []byte, err error)
	AskSecond(ctx context.Context, remote string) (options []byte, err error)
	SignInPasskey(ctx context.Context, response []byte, remote string) (auth.User, error)
	Pending(ctx context.Context) (auth.Pending, error)
	ProviderLogout(ctx context.Context, token, remote string) (int, error)
	SignInCode(ctx context.Context, code, remote string) (auth.User, error)
	AskAdd(ctx context.Context, remote string) (options []byte, err error)
	AddPasskey(ctx context.Context, name string, response []byte, remote string) (auth.Passkey, []string, error)
	RenamePasskey(ctx context.Context, userID, id, name string) error
	RemovePasskey(ctx context.Context, userID, id string) error
	NewCodes(ctx context.Context, userID string) ([]string, error)
	ResetFactors(ctx context.Context, userID string) (int, error)
	FactorsOf(ctx context.Context, userID string) (auth.FactorList, error)
	Recently(p auth.Principal) bool

	ProviderName() string
	ProviderEnd(back string) string
	BeginProvider(ctx context.Context, next string, link bool, remote string) (to string, err error)
	FinishProvider(ctx context.Context, query url.Values, remote string) (auth.Came, error)
	LinkOffered(ctx context.Context, userID string) (string, error)
	TakeLink(ctx context.Context, userID string) error
	LinkSubject(ctx context.Context, userID, subject string) error
	Unlink(ctx context.Context, userID, issuer, subject string, byAdmin bool) error

	SessionsOf(ctx context.Context, userID string) ([]auth.Active, error)
	EndSession(ctx context.Context, userID, id string) error
	EndOthers(ctx context.Context, userID string) (int, error)
}

// Store is what the edge has, and what the pages show besides.
type Store interface {
	web.Store
	Status
	Incidents
	Planned
	Subscribers
	// Snoozes are those of an alert that have not ended, the first to end first.
	Snoozes(ctx context.Context, alertID string) ([]dispatch.Snooze, error)
}

// Deps is all that the console stands on.
type Deps struct {
	Store  Store
	Acks   Acks
	Auth   Auth
	Health func(ctx context.Context) health.Report
	// Lately is what Health said at the last look, for the header of each page.
	Lately func(ctx context.Context) health.Report
	Push   Push
	Kinds  []source.Kind // in the order in which they are offered
	// WriteBacks are the ways of telling engines what was done here.
	WriteBacks []source.WriteBackKind
	// Probe tries how a source tells its engine, without changing anything; its
	// error says the mend. nil: nothing is tried.
	Probe      func(ctx context.Context, s source.Source) error
	Mattermost Mattermost
	// Mail is what is set of e-mail, and TestMail tries it.
	Mail     web.Mail
	TestMail web.TestMail
	// Desk changes what the public sees.
	Desk Desk
	// Windows changes maintenance windows. nil: one is made of Store and Desk.
	Windows Windows
	// Simulator tries events and tells nobody. nil: none can be tried.
	Simulator web.Simulator
	// TestHook posts a test message to a webhook. nil: nothing can be sent.
	TestHook web.TestHook
	// Markdown is what visitors read of what people write. nil: the text as it is.
	Markdown func(source string) template.HTML
	// Preview is an incident's page as visitors would see it in a language, while
	// nothing of it is stored. nil: there is no preview.
	Preview func(ctx context.Context, pageID string, i status.Incident, languageTag string) ([]byte, error)
	// BaseURL is how people and engines reach the hub, without a slash at the
	// end: "https://tocsin.example.org". Empty: taken from each request.
	BaseURL string
	Version string
	NewID   func() string    // nil: UUIDv7
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: slog.Default
}
