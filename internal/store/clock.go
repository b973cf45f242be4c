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

// Now is the time that everything here is measured by: the database's on PostgreSQL,
// this machine's on SQLite.
func (db *DB) Now(ctx context.Context) (time.Time, error) { return db.now(ctx, db.reads) }

// seenByAll is for how long a jump of PostgreSQL's clock may be seen by one node after
// the other.
const seenByAll = 30 * time.Second

// ClockSetBack brings forward what was to be done some time after it was written,
// when the clock was set back by so much: leases, further attempts, the steps of
// policies, and what was to be done at once. What waits for a time of day still waits for
// that. On PostgreSQL each node may see the same jump; one of them does it.
func (db *DB) ClockSetBack(ctx context.Context, by time.Duration) error {
	if by <= 0 {
		return nil
	}
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		at, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		if ours, err := w.mendClock(ctx, at); err != nil || !ours {
			return err
		}
		now := millis(at)
		const earlier = " SET due = CASE WHEN due - $2 > $1 THEN due - $2 ELSE $1 END WHERE due > $1 AND "
		for _, s := range []string{
			"UPDATE delivery" + earlier + "state IN ('waiting', 'handed') AND (attempt > 0 OR due <= created)",
			"UPDATE publication_piece" + earlier + "NOT done",
			"UPDATE publication_retry" + earlier + "attempt >= 0",
			"UPDATE visitor_part" + earlier + "NOT done",
			"UPDATE visitor_retry" + earlier + "attempt >= 0",
			"UPDATE visitor SET question_due = CASE WHEN question_due - $2 > $1 THEN question_due - $2 ELSE $1 END WHERE question_due > $1",
			"UPDATE counter SET value = value - $2 WHERE name LIKE 'alone %' AND value > $1",
		} {
			if _, err := w.exec(ctx, s, now, by.Milliseconds()); err != nil {
				return err
			}
		}
		if err := w.hastenPolicies(ctx, at, by); err != nil {
			return err
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

// mendClock says whether this node is the first to see that the clock was set back.
func (w *work) mendClock(ctx context.Context, now time.Time) (bool, error) {
	if w.db.d.engine != enginePostgres {
		return true, nil
	}
	n, err := w.exec(ctx, `INSERT INTO counter (name, value) VALUES ('clock set back', $1)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE counter.value > $1 OR counter.value < $2`, millis(now), millis(now.Add(-seenByAll)))
	return n > 0, err
}

// hastenPolicies brings the next steps of policies forward; what stands still for a
// maintenance goes on at its end.
func (w *work) hastenPolicies(ctx context.Context, now time.Time, by time.Duration) error {
	list, err := collect(ctx, w, scanEscalation, "SELECT alert_id, policy_id, body, due FROM escalation WHERE due > $1 ORDER BY alert_id"+w.db.d.forUpdate, millis(now))
	if err != nil {
		return err
	}
	for i := range list {
		e := &list[i]
		if e.Run.Still.After(now) {
			continue
		}
		run := e.Run.Shift(-by)
		if _, err := w.exec(ctx, "UPDATE escalation SET body = $2, due = $3 WHERE alert_id = $1", e.AlertID, encodeJSON(run), millis(run.When())); err != nil {
			return err
		}
	}
	return nil
}
