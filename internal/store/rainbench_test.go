package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/storm"
)

// BenchmarkPaces is what a group of events adds to its transaction in a storm: what
// is remembered of 30 places, each with a few kinds, is loaded and saved.
func BenchmarkPaces(b *testing.B) {
	for _, e := range engines() {
		b.Run(e.name, func(b *testing.B) {
			db := openURL(b, e.fresh(b))
			var places []string
			for i := range 30 {
				places = append(places, fmt.Sprintf("webpush|device-%02d", i))
			}
			for b.Loop() {
				ok(b, db.Commit(b.Context(), func(ctx context.Context, tx dispatch.Tx) error {
					found, err := tx.Paces(ctx, places)
					if err != nil {
						return err
					}
					for place, p := range found {
						if len(p.Kinds) == 0 {
							for k := range 5 {
								p.Kinds = append(p.Kinds, storm.KindPace{Key: fmt.Sprint("source:", k), Last: day(), Storm: &storm.Storm{ID: "s", Began: day(), Digest: "d"}})
							}
						}
						found[place] = p
					}
					return tx.Write(ctx, &dispatch.Changes{Paces: found})
				}))
			}
		})
	}
}

// BenchmarkDigest claims and completes the digest of a storm at each of 10 places,
// which tells of 2,800 alerts.
func BenchmarkDigest(b *testing.B) {
	const places, alerts = 10, 2800
	for _, e := range engines() {
		b.Run(e.name, func(b *testing.B) {
			db := openURL(b, e.fresh(b))
			n := 0
			for b.Loop() {
				b.StopTimer()
				n++
				numbers := make([]int, alerts)
				for i := range numbers {
					numbers[i] = n*alerts + i
				}
				all := rained("st", "d", "email", numbers...)
				items := all.Deliveries
				all.Deliveries = nil
				for p := range places {
					digest := fmt.Sprintf("d%d-%d", n, p)
					for _, d := range items {
						if d.Notice == alert.NoticeDigest {
							d.ID = digest
						} else {
							d.ID, d.Bundle = d.ID+digest, digest
						}
						d.Storm = "storm of " + digest
						all.Deliveries = append(all.Deliveries, d)
					}
				}
				write(b, db, all)
				b.StartTimer()
				cs, err := db.ClaimDeliveries(b.Context(), delivery.Claim{Channel: "email", Limit: 50, Lease: time.Hour})
				ok(b, err)
				if len(cs) != places || cs[0].Digest.Total != alerts {
					b.Fatalf("claimed %d, the first tells of %d", len(cs), cs[0].Digest.Total)
				}
				done := make([]delivery.Completion, len(cs))
				for i, c := range cs {
					done[i] = delivery.Completion{ID: c.ID, Attempt: c.Attempt, State: delivery.Sent, Result: "sent", Detail: "accepted"}
				}
				ok(b, db.CompleteDeliveries(b.Context(), "node", done))
			}
		})
	}
}
