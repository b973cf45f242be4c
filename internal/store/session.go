package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
)

// Session answers one session, fault.ErrNotFound also when it has expired.
func (db *DB) Session(ctx context.Context, token string) (auth.Session, error) {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return auth.Session{}, err
	}
	s, err := one(ctx, db.reads, scanSession, "SELECT token, user_id, data, expires FROM session WHERE token = $1 AND expires > $2", token, millis(now))
	if errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("session: %w", fault.ErrNotFound) // the token is a secret of sorts: not told
	} else if err != nil {
		return s, fmt.Errorf("read a session: %w", err)
	}
	return s, nil
}

func scanSession(s scanner) (auth.Session, error) {
	var v auth.Session
	var data string
	var expires int64
	if err := s.Scan(&v.Token, &v.UserID, &data, &expires); err != nil {
		return v, err
	}
	v.Expires = fromMillis(expires)
	var err error
	v.Data, err = base64.StdEncoding.DecodeString(data)
	return v, err
}

// Sessions lists those that have not expired.
func (db *DB) Sessions(ctx context.Context) ([]auth.Session, error) {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return nil, err
	}
	list, err := collect(ctx, db.reads, scanSession, "SELECT token, user_id, data, expires FROM session WHERE expires > $1", millis(now))
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// SessionsOf lists those of a user that have not expired.
func (db *DB) SessionsOf(ctx context.Context, userID string) ([]auth.Session, error) {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return nil, err
	}
	list, err := collect(ctx, db.reads, scanSession, "SELECT token, user_id, data, expires FROM session WHERE user_id = $1 AND expires > $2", userID, millis(now))
	if err != nil {
		return nil, fmt.Errorf("list a user's sessions: %w", err)
	}
	return list, nil
}

// MoveSession writes a session's data and end. One that was deleted meanwhile
// stays deleted, which is no error.
func (db *DB) MoveSession(ctx context.Context, s auth.Session) error {
	return db.plain(ctx, "move a session on", "UPDATE session SET data = $1, expires = $2 WHERE token = $3",
		base64.StdEncoding.EncodeToString(s.Data), millis(s.Expires), s.Token)
}

// SaveSession inserts or updates by Token.
func (db *DB) SaveSession(ctx context.Context, s auth.Session) error {
	return db.plain(ctx, "save a session", `INSERT INTO session (token, user_id, data, expires) VALUES ($1, $2, $3, $4)
		ON CONFLICT (token) DO UPDATE SET user_id = excluded.user_id, data = excluded.data, expires = excluded.expires`,
		s.Token, s.UserID, base64.StdEncoding.EncodeToString(s.Data), millis(s.Expires))
}

// DeleteSession deletes a session; it is no error if there is none.
func (db *DB) DeleteSession(ctx context.Context, token string) error {
	return db.plain(ctx, "delete a session", "DELETE FROM session WHERE token = $1", token)
}

// DeleteSessionsOf deletes all sessions of a user.
func (db *DB) DeleteSessionsOf(ctx context.Context, userID string) error {
	return db.plain(ctx, "delete a user's sessions", "DELETE FROM session WHERE user_id = $1", userID)
}

// SweepSessions deletes those that have expired.
func (db *DB) SweepSessions(ctx context.Context) error {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return err
	}
	return db.plain(ctx, "delete expired sessions", "DELETE FROM session WHERE expires <= $1", millis(now))
}

// plain runs one statement that nothing depends on but itself.
func (db *DB) plain(ctx context.Context, what, query string, args ...any) error {
	if db.writer == nil {
		return errClosed
	}
	if err := db.writer.only(ctx, nil, query, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
