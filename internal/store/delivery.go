package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
)

const deliveryColumns = `id, event_id, alert_id, object_id, contact_id, contact_name, user_id, channel,
	notice, state, reason, why, detail, created, due, attempt, expires, done, destination, destination_name, quiet, note, bundle, storm`

// These are the conditions of partial indexes, word by word: SQLite uses one only where
// the query says the same.
const (
	unfinishedSQL = "state IN ('waiting', 'handed')"
	doneSQL       = "state IN ('sent', 'dead', 'expired')"
)

// mostNote is how many bytes of a channel's note are kept.
const mostNote = 500

func scanDelivery(s scanner) (delivery.Delivery, error) {
	var d delivery.Delivery
	var notice, state, reason string
	var created, due, expires, done int64
	err := s.Scan(&d.ID, &d.EventID, &d.AlertID, &d.ObjectID, &d.ContactID, &d.ContactName, &d.UserID, &d.Channel,
		&notice, &state, &reason, &d.Why, &d.Detail, &created, &due, &d.Attempt, &expires, &done,
		&d.Destination, &d.DestinationName, &d.Quiet, &d.Note, &d.Bundle, &d.Storm)
	d.Notice, d.State, d.Reason = alert.Notice(notice), delivery.State(state), route.Reason(reason)
	d.Created, d.Due, d.Expires, d.Done = fromMillis(created), fromMillis(due), fromMillis(expires), fromMillis(done)
	return d, err
}

// AlertDeliveries are those of an alert, or of one event, with their attempts,
// oldest first.
func (db *DB) AlertDeliveries(ctx context.Context, alertID, eventID string) ([]delivery.Delivery, error) {
	var c conditions
	if alertID != "" {
		c.add("alert_id = " + c.arg(alertID))
	} else {
		// By the event's alert too, which may be none, for the index of both.
		c.add("alert_id = COALESCE((SELECT alert_id FROM event WHERE id = " + c.arg(eventID) + "), '')")
	}
	if eventID != "" {
		c.add("event_id = " + c.arg(eventID))
	}
	ds, err := collect(ctx, db.reads, scanDelivery, "SELECT "+deliveryColumns+" FROM delivery"+c.String()+" ORDER BY created, id", c.args...)
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	return ds, db.readAttempts(ctx, ds)
}

func (db *DB) readAttempts(ctx context.Context, ds []delivery.Delivery) error {
	if len(ds) == 0 {
		return nil
	}
	ids := make([]string, len(ds))
	at := make(map[string]*delivery.Delivery, len(ds))
	for i := range ds {
		ids[i] = ds[i].ID
		at[ids[i]] = &ds[i]
	}
	_, err := collect(ctx, db.reads, func(s scanner) (struct{}, error) {
		var id string
		var a delivery.Attempt
		var happened int64
		err := s.Scan(&id, &a.Number, &happened, &a.Node, &a.Result, &a.Detail)
		a.At = fromMillis(happened)
		if d := at[id]; d != nil {
			d.Attempts = append(d.Attempts, a)
		}
		return struct{}{}, err
	}, "SELECT delivery_id, number, happened, node, result, detail FROM attempt WHERE "+
		db.d.among("delivery_id", db.d.list("$1"))+" ORDER BY happened, number", encodeList(ids))
	if err != nil {
		return fmt.Errorf("read attempts: %w", err)
	}
	return nil
}

// Deliveries lists the newest first. fault.ErrCursor for a cursor that is not
// of this list.
func (db *DB) Deliveries(ctx context.Context, f delivery.Filter) (items []delivery.Delivery, next string, err error) {
	var c conditions
	if ids, few, err := db.fewInStates(ctx, f.States); err != nil {
		return nil, "", fmt.Errorf("list deliveries: %w", err)
	} else if few {
		c.add(db.d.among("id", db.d.list(c.arg(encodeJSON(ids)))))
	}
	in(&c, db.d, "state", f.States) // they change meanwhile
	if f.Channel != "" {
		c.add("channel = " + c.arg(f.Channel))
	}
	if f.ContactID != "" {
		c.add("contact_id <> '' AND contact_id = " + c.arg(f.ContactID))
	}
	if f.Storm != "" {
		c.add("storm <> '' AND storm = " + c.arg(f.Storm))
	}
	if f.Bundle != "" {
		c.add("bundle <> '' AND bundle = " + c.arg(f.Bundle))
	}
	if f.Cursor != "" {
		at, err := parseCursor("deliveries", f.Cursor)
		if err != nil {
			return nil, "", err
		}
		c.add("id < " + c.arg(at.ID))
	}
	limit := pageLimit(f.Limit)
	// Ids ascend with time, and are indexed.
	items, err = collect(ctx, db.reads, scanDelivery, "SELECT "+deliveryColumns+" FROM delivery"+c.String()+
		" ORDER BY id DESC LIMIT "+c.arg(int64(limit+1)), c.args...)
	if err != nil {
		return nil, "", fmt.Errorf("list deliveries: %w", err)
	}
	if len(items) > limit {
		items = items[:limit]
		next = cursor{List: "deliveries", ID: items[limit-1].ID}.String()
	}
	return items, next, nil
}

// fewDeliveries is up to how many deliveries in some states are looked up before all
// are. More of them are met often enough in the order of the list.
const fewDeliveries = 1000

// fewInStates answers the deliveries that are not done or failed, where these states are
// asked for and no more than few are in them: however many others there are, and however
// long ago it was.
func (db *DB) fewInStates(ctx context.Context, states []delivery.State) (ids []string, few bool, err error) {
	states = slices.Compact(slices.Sorted(slices.Values(states)))
	others := func(s delivery.State) bool {
		return !slices.Contains([]delivery.State{delivery.Waiting, delivery.Handed, delivery.Dead, delivery.Expired}, s)
	}
	if len(states) == 0 || slices.ContainsFunc(states, others) {
		return nil, false, nil
	}
	ids = []string{}
	err = db.together(ctx, func(q querier) error {
		for _, s := range states {
			from := db.d.by("delivery_expires") + " WHERE " + unfinishedSQL + " AND state = $1 ORDER BY expires"
			if s == delivery.Dead || s == delivery.Expired {
				from = db.d.by("delivery_done") + " WHERE " + doneSQL + " AND state = $1 ORDER BY state, done"
			}
			err := q.later(ctx, func(s scanner) error {
				id, err := scanText(s)
				ids = append(ids, id)
				return err
			}, "SELECT id FROM delivery"+from+" LIMIT $2", string(s), int64(fewDeliveries+1))
			if err != nil {
				return err
			}
		}
		return nil
	})
	return ids, len(ids) <= fewDeliveries, err
}

// isDue is the condition that a delivery is not one that nobody is shown yet, a
// reminder for later; the parameter holds the time.
func isDue(parameter string) string { return "(attempt > 0 OR due <= " + parameter + ")" }

// Pending are the unfinished browser deliveries of a user, oldest first, without
// reminders that are not due yet.
func (db *DB) Pending(ctx context.Context, userID string, limit int) ([]delivery.Delivery, error) {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return nil, err
	}
	ds, err := collect(ctx, db.reads, scanDelivery, "SELECT "+deliveryColumns+" FROM delivery WHERE user_id = $1 AND channel = 'browser' AND "+
		unfinishedSQL+" AND (expires = 0 OR expires > $2) AND "+isDue("$2")+" ORDER BY created, id LIMIT $3", userID, millis(now), int64(pageLimit(limit)))
	if err != nil {
		return nil, fmt.Errorf("read pending deliveries: %w", err)
	}
	return ds, nil
}

// QueueFigures answers the outbox in figures. A reminder for later waits as it
// should: it does not count as the oldest.
func (db *DB) QueueFigures(ctx context.Context) (delivery.Queue, error) {
	var q delivery.Queue
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return q, err
	}
	count := func(s scanner) (struct{}, error) {
		var state string
		var n int
		var oldest, ends int64
		err := s.Scan(&state, &n, &oldest, &ends)
		switch delivery.State(state) {
		case delivery.Waiting:
			q.Waiting = n
		case delivery.Handed:
			q.Handed = n
		}
		if t := fromMillis(oldest); oldest != 0 && (q.Oldest.IsZero() || t.Before(q.Oldest)) {
			q.Oldest = t
		}
		if t := fromMillis(ends); ends != 0 && (q.Ends.IsZero() || t.Before(q.Ends)) {
			q.Ends = t
		}
		return struct{}{}, err
	}
	_, err = collect(ctx, db.reads, count, "SELECT state, count(*), COALESCE(min(CASE WHEN "+isDue("$1")+" THEN created END), 0), "+
		"COALESCE(min(CASE WHEN expires > 0 THEN expires END), 0) FROM delivery WHERE "+
		unfinishedSQL+" GROUP BY state", millis(now))
	if err != nil {
		return q, fmt.Errorf("count waiting deliveries: %w", err)
	}
	// One at a time: PostgreSQL reads all of the index where it is asked for the three.
	err = db.together(ctx, func(r querier) error {
		for state, n := range map[delivery.State]*int{delivery.Sent: &q.Sent24h, delivery.Dead: &q.Dead24h, delivery.Expired: &q.Expired24h} {
			err := r.later(ctx, func(s scanner) error { return s.Scan(n) }, "SELECT count(*) FROM delivery"+db.d.by("delivery_done")+
				" WHERE "+doneSQL+" AND state = $1 AND done > $2", string(state), millis(now.Add(-24*time.Hour)))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return q, fmt.Errorf("count ended deliveries: %w", err)
	}
	return q, nil
}
