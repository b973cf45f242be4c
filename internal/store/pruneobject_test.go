package store_test

import (
	"testing"
	"time"

	"tocsin/internal/store"
)

func TestObjectsThatNobodyHeardOfForLongAreForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		now := time.Now()
		old, young := now.Add(-500*24*time.Hour).UnixMilli(), now.UnixMilli()
		object := func(id string, changed int64, downtime bool) {
			ok(t, store.Exec(ctx, db, `INSERT INTO object (id, source_id, host, service, host_display, service_display, url, labels, state, downtime, flapping, changed, search, alert_id,
				last_event_id) VALUES ($1, 's', $1, '', '', '', '', '', 'ok', $2, FALSE, $3, '', '', '')`, id, downtime, changed))
		}
		object("gone", old, false)
		object("young", young, false)
		object("in downtime", old, true)
		object("has history", old, false)
		object("has a lone event", old, false)
		ok(t, store.Exec(ctx, db, `INSERT INTO alert (id, object_id, status, rank, state, worst, output, long, search, since, updated, resolved, ack, repeats, marks)
			VALUES ('a', 'has history', 'resolved', 0, 'critical', 'critical', '', '', '', 1, 1, $1, '', 0, '')`, young))
		ok(t, store.Exec(ctx, db, `INSERT INTO event (id, call_id, source_id, alert_id, object_id, type, state, output, long, author, comment, user_id, origin, contacts, user_ids,
			happened, received, marks, sticky, outcome, why) VALUES ('e', '', 's', '', 'has a lone event', 'CUSTOM', 'ok', '', '', '', '', '', 'engine', '', '', $1, $1, '', FALSE, 'noted', '')`, young))
		for id, row := range map[string]struct {
			event string
			done  int64
		}{"lone": {"none", old}, "waits": {"none", 0}, "fresh": {"none", young}, "of an event": {"e", old}} {
			ok(t, store.Exec(ctx, db, `INSERT INTO delivery (id, event_id, alert_id, object_id, contact_id, contact_name, user_id, channel, notice, state, reason, why, detail,
				created, due, attempt, expires, done) VALUES ($1, $2, '', '', 'c', 'Ann', 'u', 'browser', 'custom', 'sent', 'test', '', '', 1, 1, 1, 0, $3)`, id, row.event, row.done))
		}
		n, err := db.PruneObjects(ctx, now.Add(-400*24*time.Hour), 10)
		ok(t, err)
		objects, err := store.CountWhere(ctx, db, "object", "id <> 'gone'")
		ok(t, err)
		deliveries, err := store.CountWhere(ctx, db, "delivery", "id <> 'lone'")
		ok(t, err)
		all, err := store.Count(ctx, db, "object")
		ok(t, err)
		if n != 2 || objects != 4 || all != 4 || deliveries != 3 {
			t.Errorf("%d deleted; %d of 4 objects stay and %d in all; %d of 3 deliveries", n, objects, all, deliveries)
		}
	})
}
