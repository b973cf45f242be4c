package store

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/dispatch"
)

func (t *tx) Snoozed(ctx context.Context, alertID string) (map[string]time.Time, error) {
	until := map[string]time.Time{}
	_, err := collect(ctx, t, func(s scanner) (struct{}, error) {
		var contact string
		var ms int64
		err := s.Scan(&contact, &ms)
		until[contact] = fromMillis(ms)
		return struct{}{}, err
	}, "SELECT contact_id, until FROM snooze WHERE alert_id = $1 AND until > $2", alertID, millis(t.now))
	if err != nil {
		return nil, fmt.Errorf("read the snoozes of alert %s: %w", alertID, err)
	}
	return until, nil
}

// writeSnoozes ends snoozes before it writes those of this transaction.
func (t *tx) writeSnoozes(ctx context.Context, c *dispatch.Changes) error {
	if len(c.EndSnoozes) > 0 {
		if _, err := t.exec(ctx, "DELETE FROM snooze WHERE "+t.db.d.among("alert_id", t.db.d.list("$1")), encodeList(c.EndSnoozes)); err != nil {
			return err
		}
	}
	snoozes := latest(c.Snoozes, func(s *dispatch.Snooze) string { return s.AlertID + " " + s.ContactID })
	return t.db.t.snooze.write(ctx, t, len(snoozes), func(i int, args []any) []any {
		s := snoozes[i]
		return append(args, s.AlertID, s.ContactID, millis(s.Until), cleaned(s.By, mostName), millis(s.At))
	})
}

// Snoozes are those of an alert that have not ended, the first to end first.
func (db *DB) Snoozes(ctx context.Context, alertID string) ([]dispatch.Snooze, error) {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return nil, err
	}
	list, err := collect(ctx, db.reads, func(s scanner) (z dispatch.Snooze, err error) {
		var until, made int64
		err = s.Scan(&z.AlertID, &z.ContactID, &until, &z.By, &made)
		z.Until, z.At = fromMillis(until), fromMillis(made)
		return z, err
	}, "SELECT alert_id, contact_id, until, author, made FROM snooze WHERE alert_id = $1 AND until > $2 ORDER BY until, contact_id",
		alertID, millis(now))
	if err != nil {
		return nil, fmt.Errorf("read the snoozes of alert %s: %w", alertID, err)
	}
	return list, nil
}
