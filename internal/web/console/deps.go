package console

import (
	"context"
	"log/slog"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
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
