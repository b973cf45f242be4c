package console

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/health"
	"tocsin/internal/source"
	"tocsin/internal/web"
)

// Acks takes acknowledgements; *dispatch.Service is one.
type Acks interface {
	Acknowledge(ctx context.Context, alertID string, r dispatch.AckRequest) (alert.Alert, error)
	Unacknowledge(ctx context.Context, alertID string, r dispatch.AckRequest) (alert.Alert, error)
}

// Auth starts and ends the sessions of browsers; *auth.Service is one. The
// console learns who somebody is from auth.From alone.
type Auth interface {
	// SignInRequest checks the name and the password and starts a session in
	// the request's context. It answers auth.ErrSignIn when either is wrong, and
	// an error with a method RetryAfter() time.Duration when there were too
	// many attempts.
	SignInRequest(r *http.Request, name, password string) error
	// SignOutRequest ends the request's session and its event streams.
	SignOutRequest(r *http.Request) error
	// EndSessions signs a user out everywhere: the password changed, the user
	// was disabled or deleted.
	EndSessions(ctx context.Context, userID string) error
}

// Deps is all that the console stands on.
type Deps struct {
	Store  web.Store
	Acks   Acks
	Auth   Auth
	Health func(ctx context.Context) health.Report
	Kinds  []source.Kind // in the order in which they are offered
	// BaseURL is how people and engines reach the hub, without a slash at the
	// end: "https://tocsin.example.org". Empty: taken from each request.
	BaseURL string
	Version string
	NewID   func() string    // nil: UUIDv7
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: slog.Default
}
