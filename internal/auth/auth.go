// Package auth says who somebody is and what they may do: users with
// passwords, sessions, API keys with scopes, roles.
package auth

import (
	"context"
	"errors"
	"time"

	"tocsin/internal/audit"
)

// Role is what a user may do in the console.
type Role string

// The roles: a viewer looks; a responder sees alerts and answers them, and nothing
// of how the hub is set up; an operator acknowledges and changes contacts, rules and
// periods; an admin also changes sources, users, keys and settings.
const (
	Viewer    Role = "viewer"
	Responder Role = "responder"
	Operator  Role = "operator"
	Admin     Role = "admin"
)

// Scope is one thing that may be done; API keys have some, roles imply some.
type Scope string

// The scopes.
const (
	ReadAlerts  Scope = "alerts:read"
	AckAlerts   Scope = "alerts:acknowledge" // acknowledge, snooze, comment; of an API key also Downtime
	Downtime    Scope = "alerts:downtime"    // schedule and cancel downtimes in the engine
	ReadConfig  Scope = "config:read"        // contacts, groups, rules, periods, sources (without secrets), public pages
	WriteConfig Scope = "config:write"       // contacts, groups, rules, periods; how public pages are made up
	Publish     Scope = "status:publish"     // what the public is told: incidents, maintenance, states of components
	Bounces     Scope = "email:bounces"      // says which letters came back; for mail servers
	Administer  Scope = "admin"              // sources, users, keys, settings; implies all
)

// User is who signs in.
type User struct {
	ID           string
	Name         string // to sign in with: [a-z0-9._@-], unique without regard to case
	DisplayName  string
	Role         Role
	PasswordHash string // argon2id in PHC form
	Disabled     bool
	CreatedAt    time.Time
	LastSignIn   time.Time
}

// APIKey lets a program in. The key itself is never stored.
type APIKey struct {
	ID         string
	Name       string
	Hash       string // SHA-256 of the key in hex
	Hint       string // its last four characters
	Scopes     []Scope
	CreatedAt  time.Time
	LastUsedAt time.Time
	LastUsedBy string    // the address that it was used from then
	ExpiresAt  time.Time // zero: never
	RevokedAt  time.Time
}

// Session is one signed-in browser. Token is the SHA-256 of the cookie's value.
type Session struct {
	Token   string
	UserID  string
	Data    []byte // what scs keeps
	Expires time.Time
}

// Principal is who makes a request.
type Principal struct {
	UserID  string // empty for an API key
	Name    string // the user's name or the key's
	Display string // for people
	Role    Role   // empty for an API key
	Scopes  []Scope
	Session string // hash of the session's token, empty for an API key
	KeyID   string

	Way       Way       // how the session began
	Confirmed time.Time // when its owner last proved to be there
}

// The errors that callers branch on.
var (
	ErrSignIn = errors.New("name or password is wrong")
)

// Store is what auth needs of the database. Names are compared without regard
// to case. Times of use are written at most once a minute.
type Store interface {
	Users(ctx context.Context) ([]User, error)
	UserByID(ctx context.Context, id string) (User, error)     // fault.ErrNotFound
	UserByName(ctx context.Context, name string) (User, error) // fault.ErrNotFound
	SaveUser(ctx context.Context, u User) error                // insert or update by ID; fault.ErrTaken
	// ChangeUser has f change a user as it is stored now, and answers it as it was and
	// as it is. Changes of users come one after the other, on whichever node: others,
	// the rest of the users, stay as f sees them until its change is stored. Nothing
	// is changed where f fails.
	ChangeUser(ctx context.Context, id string, f func(u *User, others []User) error) (before, after User, err error)
	// DeleteUser deletes a user with its sessions, and unlinks contacts, unless may,
	// which may be nil, says otherwise; it sees what f of ChangeUser does.
	DeleteUser(ctx context.Context, id string, may func(u User, others []User) error) error
	// NoteSignIn notes when somebody signed in, and nothing else of the user;
	// fault.ErrNotFound where there is none who may.
	NoteSignIn(ctx context.Context, id string, at time.Time) error

	Session(ctx context.Context, token string) (Session, error) // fault.ErrNotFound also when expired
	SaveSession(ctx context.Context, s Session) error
	Sessions(ctx context.Context) ([]Session, error) // those that have not expired
	SessionsOf(ctx context.Context, userID string) ([]Session, error)
	MoveSession(ctx context.Context, s Session) error // writes data and end of one that is still there
	DeleteSession(ctx context.Context, token string) error
	DeleteSessionsOf(ctx context.Context, userID string) error
	SweepSessions(ctx context.Context) error // those expired

	APIKeys(ctx context.Context) ([]APIKey, error)
	APIKeyByHash(ctx context.Context, hash string) (APIKey, error) // fault.ErrNotFound
	SaveAPIKey(ctx context.Context, k APIKey) error                // insert or update by ID; fault.ErrTaken
	TouchAPIKey(ctx context.Context, id string, at time.Time, address string) error

	Factors

	// What is saved and deleted here is in the audit trail by itself; signing in and
	// out is recorded.
	audit.Trail
}
