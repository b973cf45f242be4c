package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
)

// ClaimDeliveries takes deliveries that are due, oldest first, and never one
// that another worker holds. A claim is a lease: who does not complete in time
// loses the delivery to the next who claims.
func (db *DB) ClaimDeliveries(ctx context.Context, c delivery.Claim) ([]delivery.Claimed, error) {
	if c.Limit <= 0 || c.Users != nil && len(c.Users) == 0 {
		return nil, nil
	}
	var ds []delivery.Delivery
	if db.writer == nil {
		return nil, errClosed
	}
	users, args := anybody(c), []any{c.Channel, db.clock(0), int64(c.Limit), db.clock(c.Lease)}
	if c.Users != nil {
		users = " AND " + db.d.among("user_id", db.d.list("$5"))
		args = append(args, encodeList(c.Users))
	}
	now := db.d.clock("$2")
	err := db.writer.only(ctx, func(s scanner) error {
		d, err := scanDelivery(s)
		ds = append(ds, d)
		return err
	}, `WITH ready AS (SELECT id FROM delivery WHERE channel = $1 AND `+unfinishedSQL+
		` AND due <= `+now+` AND (expires = 0 OR expires > `+now+`)`+users+` ORDER BY due, id LIMIT $3`+db.d.skipLocked+`)
		UPDATE delivery SET attempt = attempt + 1, due = `+db.d.clock("$4")+` WHERE `+db.d.among("id", "SELECT id FROM ready")+
		` RETURNING `+deliveryColumns, args...)
	if db.turns != nil {
		db.turns.looked(c.Channel, len(ds) > 0)
	}
	if err != nil {
		return nil, fmt.Errorf("claim deliveries of %s: %w", c.Channel, err)
	}
	slices.SortFunc(ds, func(a, b delivery.Delivery) int {
		if n := a.Created.Compare(b.Created); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	cs, err := db.situate(ctx, ds)
	if err != nil {
		return nil, err
	}
	return db.gather(ctx, cs)
}

// anybody is the condition of a claim that asks for no users: the partial index
// of those is used only where the query says what the index does.
func anybody(c delivery.Claim) string {
	if c.Channel == "browser" {
		return ""
	}
	return " AND channel <> 'browser'"
}

// situate gives each delivery its event, and the object and the alert as they
// are now.
func (db *DB) situate(ctx context.Context, ds []delivery.Delivery) ([]delivery.Claimed, error) {
	type situation struct {
		event  alert.Event
		object alert.Object
		alert  *alert.Alert
	}
	found := map[string]*situation{}
	var ids []string
	for i := range ds {
		if id := ds[i].EventID; found[id] == nil {
			found[id] = &situation{event: alert.Event{ID: id}, object: alert.Object{ID: ds[i].ObjectID}}
			ids = append(ids, id)
		}
	}
	err := db.t.claimed.read(ctx, db.reads, len(ids), texts(ids), func(s scanner) error {
		var r situationRow
		o, a, e, err := r.scan(s)
		if err != nil {
			return err
		}
		if e != nil {
			*found[e.ID] = situation{*e, o, a}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what claimed deliveries are about: %w", err)
	}
	cs := make([]delivery.Claimed, len(ds))
	for i := range ds {
		s := found[ds[i].EventID]
		cs[i] = delivery.Claimed{Delivery: ds[i], Event: s.event, Object: s.object, Alert: s.alert,
			Handed: ds[i].State == delivery.Handed} // a claim leaves the state as it was
	}
	return cs, nil
}

// CompleteDeliveries writes what became of claimed deliveries and adds their
// attempts. A completion of a claim that was lost meanwhile, or of a delivery
// that has ended, is void; only one that was sent while its time ran out is
// still told as sent.
func (db *DB) CompleteDeliveries(ctx context.Context, node string, cs []delivery.Completion) error {
	if len(cs) == 0 {
		return nil
	}
	// In one order on every node, so that two cannot wait for each other.
	cs = slices.Clone(cs)
	slices.SortStableFunc(cs, func(a, b delivery.Completion) int { return strings.Compare(a.ID, b.ID) })
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		counted := make(map[string]bool, len(cs))
		digests := map[string]bool{}
		err = db.t.complete.each(len(cs), func(i int, args []any) []any {
			c := &cs[i]
			due, done := c.Due, time.Time{}
			if !unfinished(c.State) {
				done = now
			} else if due.IsZero() {
				due = now
				w.wake(topicDelivery) // given back: there are others who can do it
			}
			return append(args, c.ID, int64(c.Attempt), string(c.State), millis(due), c.Detail, millis(done))
		}, func(text string, args []any) error {
			return w.scan(ctx, func(s scanner) error {
				var id string
				var digest int64
				err := s.Scan(&id, &digest)
				counted[id] = true
				if digest > 0 {
					digests[id] = true
				}
				return err
			}, text, args...)
		})
		if err != nil {
			return err
		}
		kept := slices.DeleteFunc(slices.Clone(cs), func(c delivery.Completion) bool { return !counted[c.ID] })
		var over []ended
		for i := range kept {
			if c := &kept[i]; digests[c.ID] && !unfinished(c.State) {
				over = append(over, ended{c.ID, digestNotice, string(c.State), c.Detail})
			}
		}
		if err := w.endCollected(ctx, over, now); err != nil {
			return err
		}
		noted := those(kept, func(c *delivery.Completion) bool { return c.Note != nil })
		err = db.t.deliveryNote.write(ctx, w, len(noted), func(i int, args []any) []any {
			return append(args, noted[i].ID, cleaned(*noted[i].Note, mostNote))
		})
		if err != nil {
			return err
		}
		return db.t.attempt.write(ctx, w, len(kept), func(i int, args []any) []any {
			c := &kept[i]
			at := c.At
			if at.IsZero() {
				at = now
			}
			return append(args, c.ID, int64(c.Attempt), millis(at), node, c.Result, c.Detail)
		})
	})
	if err != nil {
		return fmt.Errorf("complete deliveries: %w", err)
	}
	return nil
}

// ExpireDeliveries ends up to limit deliveries whose time ran out, with what they
// have collected.
func (db *DB) ExpireDeliveries(ctx context.Context, limit int) (int, error) {
	n := 0
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		over, err := collect(ctx, w, scanEnded, `WITH over AS (SELECT id FROM delivery WHERE `+unfinishedSQL+
			` AND expires > 0 AND expires <= $1 ORDER BY expires LIMIT $2`+db.d.skipLocked+`)
			UPDATE delivery SET state = 'expired', done = $1, detail = CASE
			WHEN detail = '' THEN 'its time ran out before it could be delivered'
			ELSE 'its time ran out; last: ' || detail END WHERE `+db.d.among("id", "SELECT id FROM over")+endedSQL, millis(now), int64(limit))
		if err != nil {
			return err
		}
		n = len(over)
		return w.endCollected(ctx, over, now)
	})
	if err != nil {
		return 0, fmt.Errorf("expire deliveries: %w", err)
	}
	return n, nil
}

// NextDue answers when the next delivery is due that ClaimDeliveries would
// take, zero if there is none, and the time that this is measured by. It may lie in
// the past.
func (db *DB) NextDue(ctx context.Context, c delivery.Claim) (due, now time.Time, err error) {
	if c.Users != nil && len(c.Users) == 0 {
		return due, now, nil
	}
	users, args := anybody(c), []any{c.Channel, db.clock(0)}
	if c.Users != nil {
		users = " AND " + db.d.among("user_id", db.d.list("$3"))
		args = append(args, encodeList(c.Users))
	}
	clock := db.d.clock("$2")
	var at, ms int64
	err = db.reads.row(ctx, "SELECT due, CAST("+clock+" AS BIGINT) FROM delivery WHERE channel = $1 AND "+unfinishedSQL+
		" AND (expires = 0 OR expires > "+clock+")"+users+" ORDER BY due LIMIT 1", args, &at, &ms)
	if db.turns != nil && (err != nil || at > ms) {
		db.turns.looked(c.Channel, false)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return due, now, nil
	} else if err != nil {
		return due, now, fmt.Errorf("look for the next delivery of %s: %w", c.Channel, err)
	}
	return fromMillis(at), fromMillis(ms), nil
}
