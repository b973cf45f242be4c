package auth

import (
	"context"
	"time"
)

// Identity is an account at an OpenID provider that signs in as a user. Issuer and
// Subject name it for good; Name is what the provider calls it, for people alone.
type Identity struct {
	Issuer, Subject string
	UserID          string
	Name            string
	Made, LastUsed  time.Time
}

// Passkey is one credential of a user: in a telephone, a computer, a password
// manager, a security key.
type Passkey struct {
	ID         string
	UserID     string
	Credential string // its id, base64url
	Name       string // its owner's word for it
	Body       string // see passkey.Credential
	Made       time.Time
	LastUsed   time.Time
}

// Step is one of a sign-in, or of adding a passkey, that is under way. It is known by
// the SHA-256 of what the browser has, and taken once.
type Step struct {
	Hash    string
	Kind    string
	UserID  string
	Body    string
	Expires time.Time
}

// Factors is what auth needs of the database for signing in without a password, or
// with more than one. What changes somebody's ways in is in the audit trail by itself.
type Factors interface {
	Identity(ctx context.Context, issuer, subject string) (Identity, error) // fault.ErrNotFound
	Identities(ctx context.Context, userID string) ([]Identity, error)      // of all users when userID is empty
	// AddIdentity links an account to a user, and makes the user first where one is
	// given; fault.ErrTaken when the account or the name is somebody's.
	AddIdentity(ctx context.Context, i Identity, fresh *User) error
	UseIdentity(ctx context.Context, issuer, subject, name string, at time.Time) error
	DeleteIdentity(ctx context.Context, userID, issuer, subject string) error // fault.ErrNotFound

	Passkeys(ctx context.Context, userID string) ([]Passkey, error)
	PasskeyUsers(ctx context.Context) ([]string, error)               // ids of those who have one
	AddPasskey(ctx context.Context, p Passkey) error                  // fault.ErrTaken
	RenamePasskey(ctx context.Context, userID, id, name string) error // fault.ErrNotFound
	UsePasskey(ctx context.Context, id, body string, at time.Time) error
	// DeletePasskey removes one, and with the last one the recovery codes.
	DeletePasskey(ctx context.Context, userID, id string) error // fault.ErrNotFound
	// ResetFactors removes all passkeys and recovery codes, and says how many passkeys.
	ResetFactors(ctx context.Context, userID string) (int, error)

	RecoveryCodes(ctx context.Context, userID string) (left int, made time.Time, err error)
	SaveRecoveryCodes(ctx context.Context, userID string, hashes []string, at time.Time) error // replaces all
	// UseRecoveryCode marks one as used; of many at once one is the first.
	UseRecoveryCode(ctx context.Context, userID, hash string, at time.Time) (first bool, err error)

	SaveStep(ctx context.Context, x Step) error
	Step(ctx context.Context, hash, kind string) (Step, error)     // fault.ErrNotFound; it stays
	TakeStep(ctx context.Context, hash, kind string) (Step, error) // fault.ErrNotFound; of many at once one gets it
	SweepSteps(ctx context.Context) error
}
