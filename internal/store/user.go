package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/auth"
)

const userColumns = "id, name, display_name, role, password_hash, disabled, created, last_sign_in"

func scanUser(s scanner) (auth.User, error) {
	var u auth.User
	var role string
	var created, last int64
	err := s.Scan(&u.ID, &u.Name, &u.DisplayName, &role, &u.PasswordHash, &u.Disabled, &created, &last)
	u.Role, u.CreatedAt, u.LastSignIn = auth.Role(role), fromMillis(created), fromMillis(last)
	return u, err
}

// Users lists all users by name.
func (db *DB) Users(ctx context.Context) ([]auth.User, error) {
	us, err := collect(ctx, db.reads, scanUser, "SELECT "+userColumns+" FROM users ORDER BY name_key")
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return us, nil
}

// UserByID answers one user, fault.ErrNotFound if there is none.
func (db *DB) UserByID(ctx context.Context, id string) (auth.User, error) {
	return find(ctx, db.reads, scanUser, "user", id, "SELECT "+userColumns+" FROM users WHERE id = $1", id)
}

// UserByName answers one user without regard to case, fault.ErrNotFound if there is none.
func (db *DB) UserByName(ctx context.Context, name string) (auth.User, error) {
	return find(ctx, db.reads, scanUser, "user", name, "SELECT "+userColumns+" FROM users WHERE name_key = $1", strings.ToLower(name))
}

// SaveUser inserts or updates by ID; fault.ErrTaken when another has the name.
func (db *DB) SaveUser(ctx context.Context, u auth.User) error {
	return db.changeOf(ctx, userThing(u.ID), func(ctx context.Context, w *work) error { return w.saveUser(ctx, u) })
}

// ChangeUser has f change a user as it is stored, while nobody changes users elsewhere;
// fault.ErrNotFound if there is none.
func (db *DB) ChangeUser(ctx context.Context, id string, f func(u *auth.User, others []auth.User) error) (before, after auth.User, err error) {
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		u, others, err := w.usersAlone(ctx, id)
		if err != nil {
			return err
		}
		before = u
		if err := f(&u, others); err != nil {
			return err
		}
		after = u
		return w.recorded(ctx, userThing(id), func() error { return w.saveUser(ctx, u) })
	})
	return before, after, err
}

// usersAlone answers a user and the others, none of whom anybody changes by ChangeUser
// or DeleteUser until the end of the transaction, for both begin here.
func (w *work) usersAlone(ctx context.Context, id string) (u auth.User, others []auth.User, err error) {
	if err := w.raise(ctx); err != nil { // one row for all, which is locked by it
		return u, nil, fmt.Errorf("wait for other changes of users: %w", err)
	}
	if u, err = w.lockUser(ctx, id); err != nil {
		return u, nil, err
	}
	others, err = collect(ctx, w, scanUser, "SELECT "+userColumns+" FROM users WHERE id <> $1", id)
	if err != nil {
		return u, nil, fmt.Errorf("list other users: %w", err)
	}
	return u, others, nil
}

// NoteSignIn notes when somebody signed in; fault.ErrNotFound for who may not.
func (db *DB) NoteSignIn(ctx context.Context, id string, at time.Time) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		n, err := w.exec(ctx, "UPDATE users SET last_sign_in = $2 WHERE id = $1 AND NOT disabled", id, millis(at))
		if err != nil {
			return fmt.Errorf("note a sign-in: %w", err)
		}
		if n == 0 {
			return notFound("user", id)
		}
		return nil
	})
}

// saveUser writes a user. Nothing that still waits is sent to somebody who is
// disabled: a phone takes messages without a session.
func (w *work) saveUser(ctx context.Context, u auth.User) error {
	_, err := w.exec(ctx, `INSERT INTO users (id, name, name_key, display_name, role, password_hash, disabled, created, last_sign_in)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key,
		display_name = excluded.display_name, role = excluded.role, password_hash = excluded.password_hash,
		disabled = excluded.disabled, created = excluded.created, last_sign_in = excluded.last_sign_in`,
		u.ID, u.Name, strings.ToLower(u.Name), u.DisplayName, string(u.Role), u.PasswordHash, u.Disabled, millis(u.CreatedAt), millis(u.LastSignIn))
	if err != nil || !u.Disabled {
		return taken(err, "user", u.Name)
	}
	now, err := w.db.now(ctx, w)
	if err != nil {
		return err
	}
	over, err := collect(ctx, w, scanEnded, "UPDATE delivery SET state = 'cancelled', detail = 'the user may not sign in any more', done = $2, room = '' WHERE user_id = $1 AND "+
		unfinishedSQL+endedSQL, u.ID, millis(now))
	if err == nil {
		err = w.endCollected(ctx, over, now)
	}
	if err != nil {
		return fmt.Errorf("cancel what waits for user %s: %w", u.ID, err)
	}
	return nil
}

// DeleteUser deletes a user, its sessions and its devices, but for what visitors
// they are as well, and unlinks its contacts, also in Mattermost, where whoever is
// linked to one acted in the user's name; fault.ErrNotFound if there is none. may
// says whether it may be, nil: it may.
func (db *DB) DeleteUser(ctx context.Context, id string, may func(u auth.User, others []auth.User) error) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		u, others, err := w.usersAlone(ctx, id)
		if err != nil {
			return err
		}
		if may != nil {
			if err := may(u, others); err != nil {
				return err
			}
		}
		return w.recorded(ctx, userThing(id), func() error { return w.deleteUser(ctx, id) })
	})
}

func (w *work) deleteUser(ctx context.Context, id string) error {
	if err := w.leaveUser(ctx, "user_id = $1", id); err != nil {
		return err
	}
	if err := w.each(ctx, id, "DELETE FROM session WHERE user_id = $1",
		"DELETE FROM identity WHERE user_id = $1", "DELETE FROM passkey WHERE user_id = $1", "DELETE FROM recovery_code WHERE user_id = $1",
		"DELETE FROM sign_in_step WHERE user_id <> '' AND user_id = $1",
		"DELETE FROM push_subscription WHERE user_id <> '' AND user_id = $1",
		"DELETE FROM chat_person WHERE contact_id IN (SELECT id FROM contact WHERE user_id = $1)", "UPDATE contact SET user_id = '' WHERE user_id = $1"); err != nil {
		return fmt.Errorf("delete what belongs to user %s: %w", id, err)
	}
	return w.remove(ctx, "user", "users", id)
}

// remove deletes one row by its id; fault.ErrNotFound if there is none.
func (w *work) remove(ctx context.Context, what, table, id string) error {
	n, err := w.exec(ctx, "DELETE FROM "+table+" WHERE id = $1", id)
	if err != nil {
		return fmt.Errorf("delete %s %q: %w", what, id, err)
	}
	if n == 0 {
		return notFound(what, id)
	}
	return nil
}
