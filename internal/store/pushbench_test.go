package store_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"tocsin/internal/push"
	"tocsin/internal/store"
)

// filled opens a database with so many visitors' devices of the page "main".
func filled(b *testing.B, e engine, n int) *store.DB {
	b.Helper()
	db := openURL(b, e.fresh(b))
	many(b, db, n)
	return db
}

// perDevice answers what reports the time and this process's CPU time a device.
func perDevice(b *testing.B) func(devices int) {
	begin := cpuTime(b)
	return func(devices int) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(devices), "ns/device")
		b.ReportMetric(float64((cpuTime(b)-begin).Nanoseconds())/float64(devices), "cpu-ns/device")
	}
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	ok(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPieceSubscriptions reads pages of 500 of a piece, again and again.
func BenchmarkPieceSubscriptions(b *testing.B) {
	for _, e := range engines() {
		b.Run(e.name, func(b *testing.B) {
			db := filled(b, e, 20_000)
			publish(b, db, "p1")
			p := claimPiece(b, db)
			b.ReportAllocs()
			report := perDevice(b)
			devices, after := 0, p.From
			for b.Loop() {
				list, err := db.PieceSubscriptions(b.Context(), p, after, 500)
				ok(b, err)
				devices += len(list)
				if after = list[len(list)-1].ID; after == p.To {
					after = p.From
				}
			}
			report(devices)
		})
	}
}

// BenchmarkAdvancePiece writes what became of pages of 500 that were all sent,
// and of pages where one in ten is gone and one in ten is to be tried again.
func BenchmarkAdvancePiece(b *testing.B) {
	for _, e := range engines() {
		for _, troubled := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/troubled=%t", e.name, troubled), func(b *testing.B) {
				db := filled(b, e, 20_000)
				n := 0
				publish(b, db, "p1")
				p := claimPiece(b, db)
				report := perDevice(b)
				for b.Loop() {
					n++
					page := push.Page{Position: p.From + fmt.Sprintf("-%09d", n), Sent: 500}
					if troubled {
						page.Sent = 400
						for i := range 50 {
							page.Gone = append(page.Gone, fmt.Sprintf("none-%d", i))
							page.Retry = append(page.Retry, push.Retry{SubscriptionID: fmt.Sprintf("%d-%d", n, i), Attempt: 1,
								Due: time.Now().Add(time.Minute), Detail: "the push service answered 503"})
						}
					}
					ok(b, db.AdvancePiece(b.Context(), p, page, time.Minute))
				}
				report(500 * b.N)
			})
		}
	}
}

// BenchmarkSaveSubscription saves new devices of visitors, and one that is
// there again, as every page load does.
func BenchmarkSaveSubscription(b *testing.B) {
	for _, e := range engines() {
		b.Run(e.name+"/new", func(b *testing.B) {
			db := filled(b, e, 20_000)
			report := perDevice(b)
			for n := 1_000_000; b.Loop(); n++ {
				_, created, err := db.SaveSubscription(b.Context(), visitor(n), nil)
				ok(b, err)
				same(b, "created", created, true)
			}
			report(b.N)
		})
		b.Run(e.name+"/again", func(b *testing.B) {
			db := filled(b, e, 20_000)
			report := perDevice(b)
			for n := 0; b.Loop(); n++ {
				_, created, err := db.SaveSubscription(b.Context(), visitor(n%20_000), nil)
				ok(b, err)
				same(b, "created", created, false)
			}
			report(b.N)
		})
	}
}
