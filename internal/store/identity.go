package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/audit"
	"tocsin/internal/auth"
	"tocsin/internal/fault"
)

const identityColumns = "issuer, subject, user_id, name, made, last_used"

func scanIdentity(s scanner) (auth.Identity, error) {
	var i auth.Identity
	var made, used int64
	err := s.Scan(&i.Issuer, &i.Subject, &i.UserID, &i.Name, &made, &used)
	i.Made, i.LastUsed = fromMillis(made), fromMillis(used)
	return i, err
}

// Identity answers whose account this is; fault.ErrNotFound when it is nobody's.
func (db *DB) Identity(ctx context.Context, issuer, subject string) (auth.Identity, error) {
	i, err := one(ctx, db.reads, scanIdentity, "SELECT "+identityColumns+" FROM identity WHERE issuer = $1 AND subject = $2", issuer, subject)
	if errors.Is(err, sql.ErrNoRows) {
		return i, fmt.Errorf("account at %s: %w", issuer, fault.ErrNotFound)
	} else if err != nil {
		return i, fmt.Errorf("read an account at %s: %w", issuer, err)
	}
	return i, nil
}

// Identities lists those of a user; of all users when userID is empty.
func (db *DB) Identities(ctx context.Context, userID string) ([]auth.Identity, error) {
	all, err := collect(ctx, db.reads, scanIdentity, "SELECT "+identityColumns+" FROM identity WHERE user_id = $1 OR $1 = '' ORDER BY made, issuer, subject", userID)
	if err != nil {
		return nil, fmt.Errorf("list accounts at providers: %w", err)
	}
	return all, nil
}

// AddIdentity links an account to a user, and makes the user where one is given:
// fault.ErrTaken when the account is somebody's, or the new user's name is.
func (db *DB) AddIdentity(ctx context.Context, i auth.Identity, fresh *auth.User) error {
	return db.change(ctx, func(ctx context.Context, w *work) error {
		if fresh != nil {
			_, err := w.exec(ctx, "INSERT INTO users (id, name, name_key, display_name, role, password_hash, disabled, created, last_sign_in) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
				fresh.ID, fresh.Name, strings.ToLower(fresh.Name), fresh.DisplayName, string(fresh.Role), fresh.PasswordHash, fresh.Disabled, millis(fresh.CreatedAt), millis(fresh.LastSignIn))
			if err := taken(err, "user", fresh.Name); err != nil {
				return err
			}
			e := audit.Entry{Action: "user.created", Subject: subjectUser(*fresh), Note: "Made at the first sign-in by " + i.Issuer + ", as " + string(fresh.Role) + "."}
			if err := w.record(ctx, e); err != nil {
				return err
			}
		}
		u, err := w.lockUser(ctx, i.UserID)
		if err != nil {
			return err
		}
		_, err = w.exec(ctx, "INSERT INTO identity ("+identityColumns+") VALUES ($1, $2, $3, $4, $5, $6)",
			i.Issuer, i.Subject, i.UserID, i.Name, millis(i.Made), millis(i.LastUsed))
		if err := taken(err, "account", i.Name); err != nil {
			return err
		}
		return w.record(ctx, audit.Entry{Action: "identity.created", Subject: subjectUser(u), Note: "The account “" + i.Name + "” at " + i.Issuer + " signs in as this user."})
	})
}

// UseIdentity notes a sign-in, and what the provider calls the account now.
func (db *DB) UseIdentity(ctx context.Context, issuer, subject, name string, at time.Time) error {
	return db.plain(ctx, "note a sign-in by a provider", "UPDATE identity SET name = $3, last_used = $4 WHERE issuer = $1 AND subject = $2", issuer, subject, name, millis(at))
}

// DeleteIdentity ends that an account signs in as a user; fault.ErrNotFound if it
// does not.
func (db *DB) DeleteIdentity(ctx context.Context, userID, issuer, subject string) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		u, err := w.lockUser(ctx, userID)
		if err != nil {
			return err
		}
		all, err := collect(ctx, w, scanIdentity, "DELETE FROM identity WHERE user_id = $1 AND issuer = $2 AND subject = $3 RETURNING "+identityColumns, userID, issuer, subject)
		if err != nil {
			return fmt.Errorf("delete an account at a provider: %w", err)
		}
		if len(all) == 0 {
			return notFound("account", issuer)
		}
		return w.record(ctx, audit.Entry{Action: "identity.deleted", Subject: subjectUser(u), Note: "The account “" + all[0].Name + "” at " + issuer + " does not sign in as this user any more."})
	})
}

func scanStep(s scanner) (auth.Step, error) {
	var x auth.Step
	var expires int64
	err := s.Scan(&x.Hash, &x.Kind, &x.UserID, &x.Body, &expires)
	x.Expires = fromMillis(expires)
	return x, err
}

// SaveStep keeps a step of a sign-in until it expires, in the place of one with its hash.
func (db *DB) SaveStep(ctx context.Context, x auth.Step) error {
	return db.plain(ctx, "keep a step of a sign-in", "INSERT INTO sign_in_step (hash, kind, user_id, body, expires) VALUES ($1, $2, $3, $4, $5) "+
		"ON CONFLICT (hash) DO UPDATE SET user_id = excluded.user_id, body = excluded.body, expires = excluded.expires",
		x.Hash, x.Kind, x.UserID, x.Body, millis(x.Expires))
}

// Step answers a step that has not expired, and leaves it there; fault.ErrNotFound.
func (db *DB) Step(ctx context.Context, hash, kind string) (auth.Step, error) {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return auth.Step{}, err
	}
	x, err := one(ctx, db.reads, scanStep, "SELECT hash, kind, user_id, body, expires FROM sign_in_step WHERE hash = $1 AND kind = $2 AND expires > $3", hash, kind, millis(now))
	return stepOr(x, err)
}

// TakeStep answers a step that has not expired, and ends it: of many at once one gets
// it. fault.ErrNotFound for the others.
func (db *DB) TakeStep(ctx context.Context, hash, kind string) (auth.Step, error) {
	var got []auth.Step
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		got, err = collect(ctx, w, scanStep, "DELETE FROM sign_in_step WHERE hash = $1 AND kind = $2 AND expires > $3 RETURNING hash, kind, user_id, body, expires", hash, kind, millis(now))
		return err
	})
	if err == nil && len(got) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return stepOr(auth.Step{}, err)
	}
	return got[0], nil
}

// stepOr gives an error its words; which step it was is a secret of sorts.
func stepOr(x auth.Step, err error) (auth.Step, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return x, fmt.Errorf("step of a sign-in: %w", fault.ErrNotFound)
	} else if err != nil {
		return x, fmt.Errorf("read a step of a sign-in: %w", err)
	}
	return x, nil
}

// SweepSteps deletes those that have expired.
func (db *DB) SweepSteps(ctx context.Context) error {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return err
	}
	return db.plain(ctx, "delete expired steps of sign-ins", "DELETE FROM sign_in_step WHERE expires <= $1", millis(now))
}
