package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"tocsin/internal/audit"
	"tocsin/internal/auth/passkey"
	"tocsin/internal/fault"
)

// FieldError refuses a value that somebody gave: which field, what is wrong
// with it, and what would be right.
type FieldError struct {
	Field   string // in the API's words: "password"
	Problem string // "has 4 characters"
	Mend    string // "take at least 10"
}

// Error is the sentence of all three.
func (e *FieldError) Error() string { return e.Field + " " + e.Problem + "; " + e.Mend }

// Options are what a Service needs besides its store. All may be left zero.
type Options struct {
	// Secure marks the cookie for https only.
	Secure bool
	// Passkeys is the site that passkeys are for; nil: none can be used, and
	// PasskeysOff says why.
	Passkeys    *passkey.Site
	PasskeysOff error
	// Provider is who signs people in besides us; nil: nobody.
	Provider *Provider
	// NeedsPasskey says whether users of a role need a passkey besides their
	// password; nil: none do.
	NeedsPasskey func(ctx context.Context, r Role) (bool, error)
	// SessionEnded is called with the hash of a session that ended by signing
	// out, so that its streams end too.
	SessionEnded func(session string)
	// UserEnded is called with the id of a user whose sessions all ended:
	// disabled, removed, another role or another password.
	UserEnded func(userID string)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// Service signs users in and out, knows API keys, and keeps both. It is safe
// for concurrent use.
type Service struct {
	st       Store
	o        Options
	sessions *scs.SessionManager
	hasher   *hasher
	byRemote *buckets
	byBoth   *buckets // name and remote
	byName   *buckets
	byUser   *buckets // recovery codes
	begun    *buckets // ceremonies that strangers begin, by remote
	allBegun *buckets // and of all of them
}

// NewService makes the service over a store.
func NewService(st Store, o Options) (*Service, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h, err := newHasher()
	if err != nil {
		return nil, err
	}
	return &Service{
		st: st, o: o, hasher: h, sessions: newSessions(st, o.Secure),
		// A person who mistypes gets through; a guesser gets 360 tries an hour.
		// The limit of a name alone is wide, or anybody could keep its owner out:
		// it takes several addresses to reach it.
		byRemote: newBuckets(30, 5*time.Second),
		byBoth:   newBuckets(10, 10*time.Second),
		byName:   newBuckets(100, 2*time.Second),
		byUser:   newBuckets(10, time.Minute),
		// Each leaves a row until it expires, some minutes later.
		begun:    newBuckets(60, 3*time.Second),
		allBegun: newBuckets(2000, 50*time.Millisecond),
	}, nil
}

// SignIn checks name and password and, when ctx comes from Sessions, starts a
// session: the cookie's token is a new one, so that a session somebody planted
// before is worth nothing. It answers ErrSignIn for a wrong name, a wrong
// password and a disabled user alike, and *LimitError after too many failures
// from this remote address, sooner for one name, or for this name from anywhere. Who
// has a passkey, or must have one, is answered ErrSecond: the password is right, and
// what comes next is Pending.
func (s *Service) SignIn(ctx context.Context, name, password, remote string) (User, error) {
	now := s.o.Now()
	name = strings.ToLower(strings.TrimSpace(name))
	from := remoteKey(remote)
	giveBack, wait := s.takeTry(name, from, now)
	if giveBack == nil {
		return User{}, &LimitError{wait}
	}
	u, err := s.st.UserByName(ctx, name)
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return User{}, fmt.Errorf("look up user %q: %w", name, err)
	}
	if len(password) > 4*MaxPassword {
		password = "" // nobody's; and hashing it would only cost
	}
	ok, err := s.hasher.verify(ctx, u.PasswordHash, password)
	if err != nil {
		return User{}, fmt.Errorf("check the password of %q: %w", name, err)
	}
	if !ok || u.ID == "" || u.Disabled {
		s.refuse(ctx, u, ByPassword, remote, "wrong name or password, or disabled")
		return User{}, ErrSignIn
	}
	giveBack()
	// Hashing took a while: what an admin changed meanwhile is not to be undone.
	fresh, err := s.st.UserByID(ctx, u.ID)
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return User{}, fmt.Errorf("look up user %q once more: %w", name, err)
	}
	if err != nil || fresh.Disabled || fresh.PasswordHash != u.PasswordHash {
		return User{}, ErrSignIn
	}
	if second, err := s.second(ctx, fresh); err != nil || second {
		return User{}, errors.Join(err, onlyIf(second, ErrSecond))
	}
	return s.enter(ctx, fresh, ByPassword, remote)
}

func onlyIf(yes bool, err error) error {
	if yes {
		return err
	}
	return nil
}

// enter ends a sign-in that went well: it is noted, and the session begins. What an
// admin changed of the user meanwhile stays: who was disabled or removed at this
// moment is refused, and a session under another password or role is void.
func (s *Service) enter(ctx context.Context, u User, by Way, remote string) (User, error) {
	u.LastSignIn = s.o.Now()
	err := s.st.NoteSignIn(ctx, u.ID, u.LastSignIn)
	if errors.Is(err, fault.ErrNotFound) {
		s.refuse(ctx, u, by, remote, "the user was disabled or removed at this moment")
		return User{}, ErrSignIn
	}
	if err != nil {
		return User{}, fmt.Errorf("note the sign-in of %q: %w", u.Name, err)
	}
	if err := s.start(ctx, u, by); err != nil {
		return User{}, err
	}
	s.o.Log.Info("signed in", "user_id", u.ID, "way", string(by), "remote", remoteKey(remote))
	return u, s.note(ctx, u, "session.signed_in", "By "+by.Words()+".", remote)
}

// refuse notes a sign-in that came to nothing. A name that nobody has is not kept: it
// may be a password in the wrong field.
func (s *Service) refuse(ctx context.Context, u User, by Way, remote, why string) {
	s.o.Log.Warn("sign-in refused", "remote", remoteKey(remote), "way", string(by), "known_user", u.ID != "", "reason", why)
	if err := s.note(ctx, u, "session.refused", "By "+by.Words()+": "+why+".", remote); err != nil {
		s.o.Log.Warn("sign-in that was refused is not in the audit trail", "error", err)
	}
}

// note writes a line about a sign-in into the audit trail.
func (s *Service) note(ctx context.Context, u User, action, text, remote string) error {
	e := audit.Entry{Action: action, Subject: audit.Subject{Kind: "user", ID: u.ID, Name: u.Label()}, Note: text, Actor: audit.Actor{Kind: audit.Visitor}}
	if action == "session.signed_in" {
		e.Actor = audit.Actor{Kind: audit.User, ID: u.ID, Name: u.Label()}
	}
	if audit.Address(ctx) == "" {
		ctx = audit.At(ctx, remote)
	}
	if err := s.st.Record(ctx, e); err != nil {
		return fmt.Errorf("write a sign-in into the audit trail: %w", err)
	}
	return nil
}

// Confirm asks somebody who is signed in for their password once more. It
// answers ErrSignIn for a wrong one, and *LimitError after too many of them: who
// came by a session shall not find out its password with it.
func (s *Service) Confirm(ctx context.Context, userID, password, remote string) error {
	u, err := s.st.UserByID(ctx, userID)
	if err != nil {
		return fmt.Errorf("look up user %q: %w", userID, err)
	}
	giveBack, wait := s.takeTry(strings.ToLower(u.Name), remoteKey(remote), s.o.Now())
	if giveBack == nil {
		return &LimitError{wait}
	}
	if len(password) > 4*MaxPassword {
		return ErrSignIn
	}
	ok, err := s.hasher.verify(ctx, u.PasswordHash, password)
	if err != nil {
		return fmt.Errorf("check the password of %q: %w", u.Name, err)
	}
	if !ok {
		return ErrSignIn
	}
	giveBack()
	return s.confirmed(ctx)
}

// takeTry takes one try out of each bucket, and answers what gives them back; or
// nil, nothing taken, and how long to wait.
func (s *Service) takeTry(name, from string, now time.Time) (giveBack func(), wait time.Duration) {
	both := Hash(name + "\x00" + from)
	if wait, ok := s.byRemote.take(from, now); !ok {
		return nil, wait
	}
	if wait, ok := s.byBoth.take(both, now); !ok {
		s.byRemote.giveBack(from)
		return nil, wait
	}
	if wait, ok := s.byName.take(nameKey(name), now); !ok {
		s.byRemote.giveBack(from)
		s.byBoth.giveBack(both)
		return nil, wait
	}
	return func() {
		s.byRemote.giveBack(from)
		s.byBoth.giveBack(both)
		s.byName.giveBack(nameKey(name))
	}, 0
}

// nameKey keeps a name of any length from being kept as a key.
func nameKey(name string) string {
	if len(name) > 64 {
		return Hash(name)
	}
	return name
}

// Key answers who an API key belongs to, ErrSignIn when it is unknown, revoked
// or expired.
func (s *Service) Key(ctx context.Context, token, remote string) (Principal, error) {
	if !strings.HasPrefix(token, KeyPrefix) {
		return Principal{}, ErrSignIn
	}
	k, err := s.st.APIKeyByHash(ctx, Hash(token))
	if errors.Is(err, fault.ErrNotFound) {
		return Principal{}, ErrSignIn
	}
	if err != nil {
		return Principal{}, fmt.Errorf("look up an API key: %w", err)
	}
	now := s.o.Now()
	if !k.Live(now) {
		return Principal{}, ErrSignIn
	}
	if now.Sub(k.LastUsedAt) > time.Minute {
		if err := s.st.TouchAPIKey(ctx, k.ID, now, address(remote)); err != nil {
			s.o.Log.Warn("time of use of an API key not written", "key_id", k.ID, "error", err)
		}
	}
	return Principal{Name: k.Name, Scopes: k.Scopes, KeyID: k.ID}, nil
}

// Live says whether the key is neither revoked nor expired.
func (k APIKey) Live(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// Sweep deletes the sessions that expired, and the sign-ins that nobody went on with.
// Call it now and then.
func (s *Service) Sweep(ctx context.Context) error {
	return errors.Join(s.st.SweepSessions(ctx), s.st.SweepSteps(ctx))
}
