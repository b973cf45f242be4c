package store_test

import (
	"encoding/json"
	"testing"
	"time"

	"tocsin/internal/escalation"
	"tocsin/internal/store"
)

func TestWhatWaitsDoesNotWaitForAClockThatWasSetBack(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
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
		begins := now.Add(2 * time.Hour)
		for id, still := range map[string]time.Time{"goes": {}, "stands": now.Add(24 * time.Hour)} {
			run := escalation.Run{Began: begins, Due: begins.Add(5 * time.Minute), Reminder: begins.Add(30 * time.Minute), Still: still}
			body, err := json.Marshal(run)
			ok(t, err)
			ok(t, store.Exec(ctx, db, "INSERT INTO escalation (alert_id, policy_id, body, due) VALUES ($1, 'p', $2, $3)", id, string(body), run.Due.UnixMilli()))
		}
		if _, err := db.Alone(ctx, "windows", 2*time.Hour+10*time.Second); err != nil {
			t.Fatal(err)
		}
		ok(t, db.ClockSetBack(ctx, 2*time.Hour))
		if db.Engine() == "postgres" {
			ok(t, open().ClockSetBack(ctx, 2*time.Hour)) // another node sees it, too
		}
		soon, err := store.CountWhere(ctx, db, "delivery", "due <= $1", ms+5*60_000)
		ok(t, err)
		if soon != 3 {
			t.Errorf("%d of them are due within minutes, not 3", soon)
		}
		if db.Engine() == "postgres" { // the second node left it as it was
			if n, err := store.CountWhere(ctx, db, "delivery", "id = 'retried' AND due > $1", ms+30_000); err != nil || n != 1 {
				t.Errorf("brought forward twice: %v", err)
			}
			if n, err := store.CountWhere(ctx, db, "counter", "name = 'alone windows' AND value > $1", ms); err != nil || n != 1 {
				t.Errorf("what one node does alone was let go: %v", err)
			}
		}
		if n, err := store.CountWhere(ctx, db, "counter", "name = 'alone windows' AND value > $1", ms+60_000); err != nil || n != 0 {
			t.Errorf("what one node does alone is its own for hours: %v", err)
		}
		goes, err := db.AlertEscalation(ctx, "goes")
		ok(t, err)
		if goes.Due.After(now.Add(6*time.Minute)) || goes.Due.Before(now.Add(4*time.Minute)) || goes.Run.Due.UnixMilli() != goes.Due.UnixMilli() || goes.Run.Reminder.After(now.Add(31*time.Minute)) {
			t.Errorf("the next step of a policy is due at %v, %+v", goes.Due, goes.Run)
		}
		if stands, err := db.AlertEscalation(ctx, "stands"); err != nil || stands.Due.Before(now.Add(time.Hour)) {
			t.Errorf("a policy that stands still: %+v, %v", stands, err)
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
