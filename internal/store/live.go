package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/live"
)

// AppendLive appends frames to the live log and gives them their Seq.
func (db *DB) AppendLive(ctx context.Context, frames []live.Frame) error {
	if len(frames) == 0 {
		return nil
	}
	err := db.write(ctx, func(ctx context.Context, w *work) error { return w.appendLive(ctx, frames) })
	if err != nil {
		return fmt.Errorf("append to the live log: %w", err)
	}
	return nil
}

// LiveAfter answers frames with Seq > after in ascending order, at most limit.
// With userID given only those for that user and for everybody.
func (db *DB) LiveAfter(ctx context.Context, after int64, userID string, limit int) ([]live.Frame, error) {
	who, args := "", []any{after, int64(limit)}
	if userID != "" {
		who, args = " AND (user_id = '' OR user_id = $3)", append(args, userID)
	}
	frames, err := collect(ctx, db.reads, func(s scanner) (live.Frame, error) {
		var f live.Frame
		var at int64
		err := s.Scan(&f.Seq, &f.UserID, &f.Kind, &f.Body, &at)
		f.At = fromMillis(at)
		return f, err
	}, "SELECT seq, user_id, kind, body, happened FROM live_event WHERE seq > $1"+who+" ORDER BY seq LIMIT $2", args...)
	if err != nil {
		return nil, fmt.Errorf("read the live log after %d: %w", after, err)
	}
	return frames, nil
}

// LiveBounds answers the oldest and newest Seq that are kept, 0 and the last
// given one if the log is empty.
func (db *DB) LiveBounds(ctx context.Context) (oldest, newest int64, err error) {
	err = db.reads.row(ctx, "SELECT COALESCE((SELECT min(seq) FROM live_event), 0), value FROM counter WHERE name = 'live'", nil, &oldest, &newest)
	if err != nil {
		return 0, 0, fmt.Errorf("read the bounds of the live log: %w", err)
	}
	return oldest, newest, nil
}

// pruneStep is how many rows of the live log go in one transaction, so that
// nobody waits long for it.
const pruneStep = 2000

// PruneLive drops the frames at the beginning of the live log that are older
// than before, and answers how many. The newest frame always stays.
func (db *DB) PruneLive(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		n, err := db.pruneLiveStep(ctx, before)
		total += n
		if err != nil || n == 0 {
			return total, err
		}
	}
}

func (db *DB) pruneLiveStep(ctx context.Context, before time.Time) (int, error) {
	// The first frame that is to stay, of the next few; the log is in the order
	// of time but for some milliseconds between nodes.
	var keep int64
	err := db.reads.row(ctx, `SELECT seq FROM (SELECT seq, happened FROM live_event ORDER BY seq LIMIT $1) AS f
		WHERE happened >= $2 ORDER BY seq LIMIT 1`, []any{int64(pruneStep), millis(before)}, &keep)
	if errors.Is(err, sql.ErrNoRows) {
		err = db.reads.row(ctx, "SELECT COALESCE(max(seq), 0) FROM (SELECT seq FROM live_event ORDER BY seq LIMIT $1) AS f",
			[]any{int64(pruneStep)}, &keep)
	}
	if err != nil {
		return 0, fmt.Errorf("look for old frames: %w", err)
	}
	var n int64
	err = db.write(ctx, func(ctx context.Context, w *work) (err error) {
		n, err = w.exec(ctx, "DELETE FROM live_event WHERE seq < $1", keep)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("drop old frames: %w", err)
	}
	return int(n), nil
}
