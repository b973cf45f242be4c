package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/fault"
)

// SetCalendarToken keeps the hash of the address of a contact's calendar, over the
// one before; an empty one ends it. fault.ErrNotFound if there is no such contact.
func (db *DB) SetCalendarToken(ctx context.Context, contactID, hash string, made time.Time) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		return w.recorded(ctx, calendarThing(contactID), func() error {
			n, err := w.exec(ctx, "UPDATE contact SET calendar = $2, calendar_made = $3 WHERE id = $1", contactID, hash, millis(made))
			if err != nil {
				return fmt.Errorf("keep the address of a calendar: %w", err)
			}
			if n == 0 {
				return notFound("contact", contactID)
			}
			return nil
		})
	})
}

// CalendarToken answers when the address of a contact's calendar was made;
// fault.ErrNotFound if it has none.
func (db *DB) CalendarToken(ctx context.Context, contactID string) (made time.Time, err error) {
	return find(ctx, db.reads, func(s scanner) (time.Time, error) {
		var ms int64
		err := s.Scan(&ms)
		return fromMillis(ms), err
	}, "calendar of contact", contactID, "SELECT calendar_made FROM contact WHERE id = $1 AND calendar <> ''", contactID)
}

// CalendarContact answers whose calendar it is; fault.ErrNotFound if it is not known,
// which does not say which: it may come from anybody.
func (db *DB) CalendarContact(ctx context.Context, hash string) (contactID string, err error) {
	contactID, err = one(ctx, db.reads, scanText, "SELECT id FROM contact WHERE calendar = $1 AND calendar <> ''", hash)
	if errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("calendar: %w", fault.ErrNotFound)
	} else if err != nil {
		return "", fmt.Errorf("look whose calendar it is: %w", err)
	}
	return contactID, nil
}
