package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
)

// BenchmarkWrite is the hot path: groups of first PROBLEMs of new objects, each
// looked for (Seen, Records) and written with its call, object, alert, two
// deliveries and a live frame.
func BenchmarkWrite(b *testing.B) {
	for _, e := range engines() {
		for _, group := range []int{1, 8, 64, 256} {
			b.Run(fmt.Sprintf("%s/group=%d", e.name, group), func(b *testing.B) {
				db := openURL(b, e.fresh(b))
				for n := 0; b.Loop(); n += group {
					var all dispatch.Changes
					var calls []dispatch.CallKey
					var ids []string
					for i := range group {
						c := problem(n+i, "u1", "u2")
						all.Objects = append(all.Objects, c.Objects...)
						all.Alerts = append(all.Alerts, c.Alerts...)
						all.Events = append(all.Events, c.Events...)
						all.Calls = append(all.Calls, c.Calls...)
						all.Deliveries = append(all.Deliveries, c.Deliveries...)
						all.Live = append(all.Live, c.Live...)
						all.Sources = c.Sources
						calls = append(calls, c.Calls[0].CallKey)
						ids = append(ids, c.Objects[0].ID)
					}
					ok(b, db.Commit(b.Context(), func(ctx context.Context, tx dispatch.Tx) error {
						if _, err := tx.Seen(ctx, calls); err != nil {
							return err
						}
						if _, err := tx.Records(ctx, ids); err != nil {
							return err
						}
						return tx.Write(ctx, &all)
					}))
				}
				b.ReportMetric(float64(b.N*group)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

// BenchmarkClaimComplete is the outbox: 200 are claimed with what they are
// about, and completed.
func BenchmarkClaimComplete(b *testing.B) {
	for _, e := range engines() {
		b.Run(e.name, func(b *testing.B) {
			db := openURL(b, e.fresh(b))
			n, done := 0, 0
			for b.Loop() {
				b.StopTimer()
				var all dispatch.Changes
				for range 100 {
					c := problem(n, "u1", "u2")
					n++
					all.Objects = append(all.Objects, c.Objects...)
					all.Alerts = append(all.Alerts, c.Alerts...)
					all.Events = append(all.Events, c.Events...)
					all.Deliveries = append(all.Deliveries, c.Deliveries...)
				}
				write(b, db, all)
				b.StartTimer()
				claimed := claim(b, db, []string{"u1", "u2"}, 200, time.Minute)
				if len(claimed) != 200 {
					b.Fatalf("claimed %d", len(claimed))
				}
				cs := make([]delivery.Completion, len(claimed))
				for i, d := range claimed {
					cs[i] = delivery.Completion{ID: d.ID, Attempt: d.Attempt, State: delivery.Sent, Result: "sent", Detail: "shown"}
				}
				ok(b, db.CompleteDeliveries(b.Context(), "node-a", cs))
				done += len(cs)
			}
			b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
