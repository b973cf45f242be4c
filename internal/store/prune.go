package store

import (
	"context"
	"fmt"
	"time"
)

// Prune deletes up to limit alerts that were resolved before the given time,
// with their timelines, deliveries and attempts, and as many events of that age
// that belong to no alert. It answers how many alerts and such events it
// deleted; call it again while that is limit or more.
func (db *DB) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	total := 0
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		total = 0
		alerts, err := collect(ctx, w, scanText, "SELECT id FROM alert WHERE rank = 0 AND resolved < $1 ORDER BY resolved LIMIT $2",
			millis(before), int64(limit))
		if err != nil {
			return err
		}
		if err := w.pruneAlerts(ctx, alerts); err != nil {
			return err
		}
		events, err := collect(ctx, w, scanText, "SELECT id FROM event WHERE alert_id = '' AND received < $1 ORDER BY received LIMIT $2",
			millis(before), int64(limit))
		if err != nil {
			return err
		}
		if err := w.pruneEvents(ctx, events); err != nil {
			return err
		}
		total = len(alerts) + len(events)
		_, err = w.exec(ctx, "DELETE FROM event_call WHERE taken < $1", millis(before))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("delete what is older than %s: %w", before.Format(time.DateOnly), err)
	}
	return total, nil
}

func (w *work) pruneAlerts(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	d, list := w.db.d, encodeList(ids)
	return w.each(ctx, list,
		"DELETE FROM attempt WHERE "+d.among("delivery_id", "SELECT id FROM delivery WHERE "+d.among("alert_id", d.list("$1"))),
		"DELETE FROM delivery WHERE "+d.among("alert_id", d.list("$1")),
		"DELETE FROM event WHERE "+d.among("alert_id", d.list("$1")),
		"DELETE FROM alert WHERE "+d.among("id", d.list("$1")),
	)
}

func (w *work) pruneEvents(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	d, list := w.db.d, encodeList(ids)
	of := "alert_id = '' AND " + d.among("event_id", d.list("$1"))
	return w.each(ctx, list,
		"DELETE FROM attempt WHERE "+d.among("delivery_id", "SELECT id FROM delivery WHERE "+of),
		"DELETE FROM delivery WHERE "+of,
		"DELETE FROM event WHERE "+d.among("id", d.list("$1")),
	)
}

// each runs statements that have the same one argument.
func (w *work) each(ctx context.Context, arg string, statements ...string) error {
	for _, s := range statements {
		if _, err := w.exec(ctx, s, arg); err != nil {
			return err
		}
	}
	return nil
}
