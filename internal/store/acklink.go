package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/mail"
)

// SaveAckLink keeps the link of a letter until it expires.
func (db *DB) SaveAckLink(ctx context.Context, l mail.AckLink) error {
	return db.plain(ctx, "save a letter's link", "INSERT INTO ack_link (hash, alert_id, contact_id, made, expires, used) VALUES ($1, $2, $3, $4, $5, $6)",
		l.Hash, l.AlertID, l.ContactID, millis(l.Made), millis(l.Expires), millis(l.Used))
}

func scanAckLink(s scanner) (mail.AckLink, error) {
	var l mail.AckLink
	var made, expires, used int64
	err := s.Scan(&l.Hash, &l.AlertID, &l.ContactID, &made, &expires, &used)
	l.Made, l.Expires, l.Used = fromMillis(made), fromMillis(expires), fromMillis(used)
	return l, err
}

// AckLinkByHash answers a link, used or expired ones too until they are pruned;
// fault.ErrNotFound, which does not say which one: it may come from anybody.
func (db *DB) AckLinkByHash(ctx context.Context, hash string) (mail.AckLink, error) {
	l, err := one(ctx, db.reads, scanAckLink, "SELECT hash, alert_id, contact_id, made, expires, used FROM ack_link WHERE hash = $1", hash)
	if errors.Is(err, sql.ErrNoRows) {
		return l, fmt.Errorf("letter's link: %w", fault.ErrNotFound)
	} else if err != nil {
		return l, fmt.Errorf("read a letter's link: %w", err)
	}
	return l, nil
}

// UseAckLink marks a link as used; first is false when it was before, has expired or
// is none. Of many at once exactly one is the first.
func (db *DB) UseAckLink(ctx context.Context, hash string, now time.Time) (first bool, err error) {
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		n, err := w.exec(ctx, "UPDATE ack_link SET used = $2 WHERE hash = $1 AND used = 0 AND expires > $2", hash, millis(now))
		first = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("use a letter's link: %w", err)
	}
	return first, nil
}

// ReleaseAckLink gives back a use that came to nothing.
func (db *DB) ReleaseAckLink(ctx context.Context, hash string) error {
	return db.plain(ctx, "give back the use of a letter's link", "UPDATE ack_link SET used = 0 WHERE hash = $1", hash)
}
