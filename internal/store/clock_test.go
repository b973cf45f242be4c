package store_test

import (
	"testing"
	"time"

	"tocsin/internal/store"
)

func TestWhatWaitsDoesNotWaitForAClockThatWasSetBack(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		now := time.Now()
		const hour = 3_600_000
		ms := now.UnixMilli()
		// Written while the clock was two hours ahead.
		for id, row := range map[string]struct{ created, due, attempt int64 }{
			"at once":  {ms + 2*hour, ms + 2*hour, 0},
			"leased":   {ms + 2*hour, ms + 2*hour + 30_000, 1},
			"retried":  {ms + hour, ms + 2*hour + 60_000, 3},
			"tomorrow": {ms + 2*hour, ms + 24*hour, 0},
		} {
			ok(t, store.Exec(ctx, db, `INSERT INTO delivery (id, event_id, alert_id, object_id, contact_id, contact_name, user_id, channel, notice, state, reason, why, detail,
				created, due, attempt, expires, done) VALUES ($1, 'e', 'a', 'o', 'c', 'Ann', 'u', 'webpush', 'problem', 'waiting', 'rule', '', '', $2, $3, $4, 0, 0)`,
				id, row.created, row.due, row.attempt))
		}
		ok(t, db.ClockSetBack(ctx, 2*time.Hour))
		soon, err := store.CountWhere(ctx, db, "delivery", "due <= $1", ms+5*60_000)
		ok(t, err)
		want := 3
		if db.Engine() == "postgres" {
			want = 0 // it has a clock of its own, which was not set
		}
		if soon != want {
			t.Errorf("%d of them are due within minutes, not %d", soon, want)
		}
		if n, err := store.CountWhere(ctx, db, "delivery", "id = 'tomorrow' AND due > $1", ms+23*hour); err != nil || n != 1 {
			t.Errorf("what waits for tomorrow: %d, %v", n, err)
		}
		before, err := db.SeenClock(ctx, now)
		if err != nil || !before.IsZero() {
			t.Errorf("the first look at the clock: %v, %v", before, err)
		}
		before, err = db.SeenClock(ctx, now.Add(time.Hour))
		if err != nil || before.UnixMilli() != ms {
			t.Errorf("the second look: %v, %v", before, err)
		}
	})
}
