package store

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/audit"
	"tocsin/internal/auth"
	"tocsin/internal/fault"
)

const passkeyColumns = "id, user_id, credential, name, body, made, last_used"

func scanPasskey(s scanner) (auth.Passkey, error) {
	var p auth.Passkey
	var made, used int64
	err := s.Scan(&p.ID, &p.UserID, &p.Credential, &p.Name, &p.Body, &made, &used)
	p.Made, p.LastUsed = fromMillis(made), fromMillis(used)
	return p, err
}

// Passkeys lists those of a user, the oldest first.
func (db *DB) Passkeys(ctx context.Context, userID string) ([]auth.Passkey, error) {
	all, err := collect(ctx, db.reads, scanPasskey, "SELECT "+passkeyColumns+" FROM passkey WHERE user_id = $1 ORDER BY made, id", userID)
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	return all, nil
}

// PasskeyUsers are the ids of those who have a passkey.
func (db *DB) PasskeyUsers(ctx context.Context) ([]string, error) {
	all, err := collect(ctx, db.reads, scanText, "SELECT DISTINCT user_id FROM passkey")
	if err != nil {
		return nil, fmt.Errorf("list who has a passkey: %w", err)
	}
	return all, nil
}

// AddPasskey keeps a new one; fault.ErrTaken when the credential is known,
// fault.ErrNotFound when the user is gone.
func (db *DB) AddPasskey(ctx context.Context, p auth.Passkey) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		u, err := w.lockUser(ctx, p.UserID)
		if err != nil {
			return err
		}
		_, err = w.exec(ctx, "INSERT INTO passkey ("+passkeyColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7)",
			p.ID, p.UserID, p.Credential, p.Name, p.Body, millis(p.Made), millis(p.LastUsed))
		if err := taken(err, "passkey", p.Name); err != nil {
			return err
		}
		return w.record(ctx, audit.Entry{Action: "passkey.created", Subject: subjectUser(u), Note: "The passkey “" + p.Name + "” was added."})
	})
}

// RenamePasskey gives one of a user's another name; fault.ErrNotFound if there is none.
func (db *DB) RenamePasskey(ctx context.Context, userID, id, name string) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		u, err := w.lockUser(ctx, userID)
		if err != nil {
			return err
		}
		n, err := w.exec(ctx, "UPDATE passkey SET name = $3 WHERE id = $1 AND user_id = $2", id, userID, name)
		if err != nil {
			return fmt.Errorf("rename a passkey: %w", err)
		}
		if n == 0 {
			return notFound("passkey", id)
		}
		return w.record(ctx, audit.Entry{Action: "passkey.changed", Subject: subjectUser(u), Note: "A passkey is called “" + name + "” from now on."})
	})
}

// UsePasskey keeps what a sign-in changed of a passkey: its counter and flags. One
// that was removed meanwhile stays removed: fault.ErrNotFound.
func (db *DB) UsePasskey(ctx context.Context, id, body string, at time.Time) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		n, err := w.exec(ctx, "UPDATE passkey SET body = $2, last_used = $3 WHERE id = $1", id, body, millis(at))
		if err != nil {
			return fmt.Errorf("note the use of a passkey: %w", err)
		}
		if n == 0 {
			return notFound("passkey", id)
		}
		return nil
	})
}

// DeletePasskey removes one of a user's, and with the last one the recovery codes,
// which are of use only beside one; fault.ErrNotFound if there is none.
func (db *DB) DeletePasskey(ctx context.Context, userID, id string) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		u, err := w.lockUser(ctx, userID)
		if err != nil {
			return err
		}
		all, err := collect(ctx, w, scanPasskey, "DELETE FROM passkey WHERE id = $1 AND user_id = $2 RETURNING "+passkeyColumns, id, userID)
		if err != nil {
			return fmt.Errorf("delete a passkey: %w", err)
		}
		if len(all) == 0 {
			return notFound("passkey", id)
		}
		if _, err := w.exec(ctx, "DELETE FROM recovery_code WHERE user_id = $1 AND NOT EXISTS (SELECT 1 FROM passkey WHERE user_id = $1)", userID); err != nil {
			return fmt.Errorf("delete recovery codes: %w", err)
		}
		return w.record(ctx, audit.Entry{Action: "passkey.deleted", Subject: subjectUser(u), Note: "The passkey “" + all[0].Name + "” was removed."})
	})
}

// ResetFactors removes a user's passkeys and recovery codes, and says how many
// passkeys there were.
func (db *DB) ResetFactors(ctx context.Context, userID string) (n int, err error) {
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		u, err := w.lockUser(ctx, userID)
		if err != nil {
			return err
		}
		gone, err := w.exec(ctx, "DELETE FROM passkey WHERE user_id = $1", userID)
		if err != nil {
			return fmt.Errorf("delete passkeys: %w", err)
		}
		if _, err := w.exec(ctx, "DELETE FROM recovery_code WHERE user_id = $1", userID); err != nil {
			return fmt.Errorf("delete recovery codes: %w", err)
		}
		n = int(gone)
		return w.record(ctx, audit.Entry{Action: "factors.reset", Subject: subjectUser(u), Note: "All passkeys and recovery codes were removed."})
	})
	return n, err
}

// RecoveryCodes says how many of a user's codes were not used, and when they were made.
func (db *DB) RecoveryCodes(ctx context.Context, userID string) (left int, made time.Time, err error) {
	all, err := collect(ctx, db.reads, func(s scanner) (used [2]int64, err error) {
		err = s.Scan(&used[0], &used[1])
		return used, err
	}, "SELECT made, used FROM recovery_code WHERE user_id = $1", userID)
	if err != nil {
		return 0, made, fmt.Errorf("count recovery codes: %w", err)
	}
	for _, c := range all {
		made = fromMillis(c[0])
		if c[1] == 0 {
			left++
		}
	}
	return left, made, nil
}

// SaveRecoveryCodes replaces a user's codes.
func (db *DB) SaveRecoveryCodes(ctx context.Context, userID string, hashes []string, at time.Time) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		u, err := w.lockUser(ctx, userID)
		if err != nil {
			return err
		}
		if _, err := w.exec(ctx, "DELETE FROM recovery_code WHERE user_id = $1", userID); err != nil {
			return fmt.Errorf("delete recovery codes: %w", err)
		}
		for _, h := range hashes {
			if _, err := w.exec(ctx, "INSERT INTO recovery_code (hash, user_id, made, used) VALUES ($1, $2, $3, 0)", h, userID, millis(at)); err != nil {
				return fmt.Errorf("keep a recovery code: %w", err)
			}
		}
		return w.record(ctx, audit.Entry{Action: "recovery_codes.created", Subject: subjectUser(u), Note: "New recovery codes were made; those before are void."})
	})
}

// UseRecoveryCode marks a user's code as used; false when it was before, or is none.
// Of many at once exactly one is the first.
func (db *DB) UseRecoveryCode(ctx context.Context, userID, hash string, at time.Time) (first bool, err error) {
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		n, err := w.exec(ctx, "UPDATE recovery_code SET used = $3 WHERE hash = $1 AND user_id = $2 AND used = 0", hash, userID, millis(at))
		first = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("use a recovery code: %w", err)
	}
	return first, nil
}

// lockUser reads a user and keeps others from changing or deleting it until the end
// of the transaction; fault.ErrNotFound if there is none.
func (w *work) lockUser(ctx context.Context, id string) (auth.User, error) {
	n, err := w.exec(ctx, "UPDATE users SET id = id WHERE id = $1", id)
	if err != nil {
		return auth.User{}, fmt.Errorf("lock user %q: %w", id, err)
	}
	if n == 0 {
		return auth.User{}, fmt.Errorf("user %q: %w", id, fault.ErrNotFound)
	}
	return find(ctx, w, scanUser, "user", id, "SELECT "+userColumns+" FROM users WHERE id = $1", id)
}

func subjectUser(u auth.User) audit.Subject {
	return audit.Subject{Kind: "user", ID: u.ID, Name: u.Label()}
}
