package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// appendLive gives the frames their numbers and writes them, all in one row: a
// group of events has one each. The counter's row stays locked until the commit,
// so numbers ascend in the order of commits: a reader that has seen one will
// never find a smaller one appear.
func (w *work) appendLive(ctx context.Context, frames []live.Frame) error {
	if len(frames) == 0 {
		return nil
	}
	w.wake(topicLive)
	number := func(last int64) (begins int64) {
		begins = last - int64(len(frames)-1)
		for i := range frames {
			frames[i].Seq = begins + int64(i)
		}
		return begins
	}
	if w.db.d.engine == enginePostgres { // in the round trip of the commit
		return w.later(ctx, func(s scanner) error {
			var last int64
			err := s.Scan(&last)
			number(last)
			return err
		}, `WITH n AS (UPDATE counter SET value = value + $1 WHERE name = 'live' RETURNING value)
			INSERT INTO live_event (seq, begins, frames, happened) SELECT value, value - $1 + 1, $2, $3 FROM n RETURNING seq`,
			int64(len(frames)), encodeFrames(frames), millis(frames[len(frames)-1].At))
	}
	var last int64
	err := w.row(ctx, "UPDATE counter SET value = value + $1 WHERE name = 'live' RETURNING value",
		[]any{int64(len(frames))}, &last)
	if err != nil {
		return fmt.Errorf("number the frames: %w", err)
	}
	begins := number(last)
	_, err = w.exec(ctx, "INSERT INTO live_event (seq, begins, frames, happened) VALUES ($1, $2, $3, $4)",
		last, begins, encodeFrames(frames), millis(frames[len(frames)-1].At))
	return err
}

// encodeFrames makes each frame a line: its time, whom it is for, its kind and
// its body, with tabs between. JSON has no need of either between its values,
// and has none within.
func encodeFrames(frames []live.Frame) string {
	size := 0
	for i := range frames {
		size += len(frames[i].Body) + len(frames[i].UserID) + len(frames[i].Kind) + 20
	}
	b := make([]byte, 0, size)
	for i := range frames {
		f := &frames[i]
		b = append(strconv.AppendInt(b, millis(f.At), 10), '\t')
		b = append(append(b, f.UserID...), '\t')
		b = append(append(b, f.Kind...), '\t')
		b = append(append(b, strings.ReplaceAll(f.Body, "\n", " ")...), '\n')
	}
	return string(b)
}

// decodeFrames is the reverse of encodeFrames, for frames that begin with a number.
func decodeFrames(text string, begins int64) ([]live.Frame, error) {
	var frames []live.Frame
	for line := range strings.Lines(text) {
		at, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		user, rest, _ := strings.Cut(rest, "\t")
		kind, body, whole := strings.Cut(rest, "\t")
		ms, err := strconv.ParseInt(at, 10, 64)
		if err != nil || !whole {
			return nil, fmt.Errorf("read the stored frame %d: no frame", begins+int64(len(frames)))
		}
		frames = append(frames, live.Frame{Seq: begins + int64(len(frames)), UserID: user, Kind: kind, Body: body, At: fromMillis(ms)})
	}
	return frames, nil
}

// liveStep is how many rows of the live log are read at once; each may hold the
// frames of a large group.
const liveStep = 64

// LiveAfter answers frames with Seq > after in ascending order, at most limit.
// With userID given only those for that user and for everybody.
func (db *DB) LiveAfter(ctx context.Context, after int64, userID string, limit int) ([]live.Frame, error) {
	var found []live.Frame
	scan := func(s scanner) (seq int64, err error) {
		var begins int64
		var text string
		if err := s.Scan(&seq, &begins, &text); err != nil {
			return 0, err
		}
		frames, err := decodeFrames(text, begins)
		for _, f := range frames {
			if f.Seq > after && (userID == "" || f.UserID == "" || f.UserID == userID) && len(found) < limit {
				found = append(found, f)
			}
		}
		return seq, err
	}
	for from := after; ; {
		rows, err := collect(ctx, db.reads, scan, "SELECT seq, begins, frames FROM live_event WHERE seq > $1 ORDER BY seq LIMIT $2",
			from, int64(liveStep))
		if err != nil {
			return nil, fmt.Errorf("read the live log after %d: %w", after, err)
		}
		if len(rows) < liveStep || len(found) >= limit {
			return found, nil
		}
		from = rows[len(rows)-1]
	}
}

// LiveBounds answers the oldest and newest Seq that are kept, 0 and the last
// given one if the log is empty.
func (db *DB) LiveBounds(ctx context.Context) (oldest, newest int64, err error) {
	err = db.reads.row(ctx, "SELECT COALESCE((SELECT begins FROM live_event ORDER BY seq LIMIT 1), 0), value FROM counter WHERE name = 'live'", nil, &oldest, &newest)
	if err != nil {
		return 0, 0, fmt.Errorf("read the bounds of the live log: %w", err)
	}
	return oldest, newest, nil
}

// pruneStep is how many rows of the live log go in one transaction, so that
// nobody waits long for it.
const pruneStep = 200

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
		err = w.row(ctx, "SELECT CAST(COALESCE(sum(seq - begins + 1), 0) AS BIGINT) FROM live_event WHERE seq < $1", []any{keep}, &n)
		if err != nil {
			return err
		}
		_, err = w.exec(ctx, "DELETE FROM live_event WHERE seq < $1", keep)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("drop old frames: %w", err)
	}
	return int(n), nil
}
