package store

import (
	"context"
	"fmt"
	"time"
)

// SeenClock keeps what the clock says, and answers what it said when that was done
// before; zero the first time.
func (db *DB) SeenClock(ctx context.Context, now time.Time) (before time.Time, err error) {
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		last, err := collect(ctx, w, func(s scanner) (ms int64, err error) {
			err = s.Scan(&ms)
			return ms, err
		}, "SELECT value FROM counter WHERE name = 'clock'")
		if err != nil {
			return err
		}
		if len(last) > 0 {
			before = fromMillis(last[0])
		}
		_, err = w.exec(ctx, "INSERT INTO counter (name, value) VALUES ('clock', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value", millis(now))
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("keep what the clock says: %w", err)
	}
	return before, nil
}

// ClockSetBack brings forward what was to be done some time after it was written,
// when this machine's clock was set back by so much: leases, further attempts, and
// what was to be done at once. What waits for a time of day still waits for that. On
// PostgreSQL, whose clock is another one, it does nothing.
func (db *DB) ClockSetBack(ctx context.Context, by time.Duration) error {
	if db.d.engine == enginePostgres || by <= 0 {
		return nil
	}
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now := millis(time.Now())
		for _, s := range []string{
			"UPDATE delivery SET due = max($1, due - $2) WHERE state IN ('waiting', 'handed') AND due > $1 AND (attempt > 0 OR due <= created)",
			"UPDATE publication_piece SET due = max($1, due - $2) WHERE NOT done AND due > $1",
			"UPDATE publication_retry SET due = max($1, due - $2) WHERE due > $1",
			"UPDATE visitor_part SET due = max($1, due - $2) WHERE NOT done AND due > $1",
			"UPDATE visitor_retry SET due = max($1, due - $2) WHERE due > $1",
			"UPDATE visitor SET question_due = max($1, question_due - $2) WHERE question_due > $1",
		} {
			if _, err := w.exec(ctx, s, now, by.Milliseconds()); err != nil {
				return err
			}
		}
		for _, topic := range []string{topicDelivery, topicPush, topicVisitor} {
			w.wake(topic)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("follow the clock: %w", err)
	}
	return nil
}
