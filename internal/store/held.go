package store

import (
	"context"
	"fmt"

	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
)

// heldReasons are those for which something is held back until a moment.
const heldReasons = "('quiet_hours', 'outside_period', 'maintenance_window')"

// HeldMessages answers the messages that are held back until a moment that lies ahead.
// It reads all that waits to be told, so it is for the moment after a change.
func (db *DB) HeldMessages(ctx context.Context) ([]dispatch.HeldMessage, error) {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return nil, err
	}
	list, err := collect(ctx, db.reads, func(s scanner) (m dispatch.HeldMessage, err error) {
		var channel, destination, contact, notice string
		err = s.Scan(&m.ID, &channel, &destination, &contact, &notice)
		m.Place, m.Digest = dispatch.PlaceKey(channel, destination, contact), notice == digestNotice
		return m, err
	}, "SELECT id, channel, destination, contact_id, notice FROM delivery WHERE "+unfinishedSQL+
		" AND expires > $1 AND state = 'waiting' AND attempt = 0 AND due > $1 AND reason IN "+heldReasons+" ORDER BY id", millis(now))
	if err != nil {
		return nil, fmt.Errorf("read what is held back: %w", err)
	}
	return list, nil
}

// Held answers what a message holds back, and locks it. Like Collecting it waits for
// nobody.
func (t *tx) Held(ctx context.Context, m dispatch.HeldMessage, after string, limit int) ([]delivery.Claimed, error) {
	where := "bundle = $1 AND bundle <> '' AND state = 'collected'"
	if !m.Digest {
		where = "id = $1 AND state = 'waiting' AND attempt = 0 AND due > " + fmt.Sprint(millis(t.now))
	}
	ds, err := collect(ctx, t, scanDelivery, "SELECT "+deliveryColumns+" FROM delivery WHERE "+where+
		" AND id > $2 ORDER BY id LIMIT $3"+t.db.d.skipLocked, m.ID, after, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("read what message %s holds back: %w", m.ID, err)
	}
	return t.db.situate(ctx, ds)
}

// StoodStill answers the alerts whose policy's clock stands still.
func (db *DB) StoodStill(ctx context.Context) ([]string, error) {
	ids, err := collect(ctx, db.reads, scanText, `SELECT alert_id FROM escalation WHERE due > 0 AND body LIKE '%"still":%' ORDER BY alert_id`)
	if err != nil {
		return nil, fmt.Errorf("read whose policies stand still: %w", err)
	}
	return ids, nil
}

const emptiedDetail = "what it was to tell is told at another time: what held it back was changed"

func (t *tx) writeMoved(ctx context.Context, c *dispatch.Changes) error {
	err := t.db.t.moved.write(ctx, t, len(c.Moved), func(i int, args []any) []any {
		d := &c.Moved[i]
		return append(args, d.ID, string(d.State), d.Bundle, d.Storm, millis(d.Due), millis(d.Expires), string(d.Reason), d.Why)
	})
	if err != nil {
		return err
	}
	ids := distinct(c.Emptied)
	return t.db.t.emptied.write(ctx, t, len(ids), func(i int, args []any) []any {
		return append(args, ids[i], emptiedDetail, millis(t.now))
	})
}
