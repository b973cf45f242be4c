package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	desk "tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/store"
)

// fiveYears fills a page with 1,000 components that had 120 intervals each in five
// years, and 2,000 incidents.
func fiveYears(b *testing.B, db *store.DB) {
	b.Helper()
	savePage(b, db, publicPage("main"))
	const parts, spells, years = 1000, 120, 5
	from := day().AddDate(-years, 0, 0)
	change(b, db, "main", func(ctx context.Context, tx desk.Tx) error {
		var days []status.Day
		for n := range parts {
			id := fmt.Sprintf("c%04d", n)
			ok(b, tx.SaveComponent(ctx, &status.Component{ID: id, Name: "Component " + id, State: status.Operational, Position: n, Created: from}))
			var list []status.Interval
			for s := range spells {
				at := from.AddDate(0, 0, s*365*years/spells)
				list = append(list, status.Interval{State: status.States()[2*(s%2)], Start: at, End: from.AddDate(0, 0, (s+1)*365*years/spells), By: "alert Disk on db01"})
			}
			list[spells-1].End = time.Time{}
			ok(b, tx.PutIntervals(ctx, id, from, list))
			for d := from; d.Before(day().AddDate(0, 0, -1)); d = d.AddDate(0, 0, 1) {
				one := status.Day{ComponentID: id, Date: d.Format(status.DateFormat), Worst: status.Operational, Seconds: map[status.State]int{status.Operational: 86400}}
				if (d.YearDay()+n)%20 == 0 {
					one.Worst, one.Seconds = status.Major, map[status.State]int{status.Operational: 86000, status.Major: 400}
				}
				days = append(days, one)
			}
			if n%50 == 49 {
				ok(b, tx.SaveDays(ctx, days))
				days = days[:0]
			}
		}
		for n := range 2000 {
			at := from.Add(time.Duration(n) * 21 * time.Hour)
			i := status.Incident{ID: fmt.Sprintf("i%04d", n), Title: "x", Phase: status.Resolved, Started: at, ResolvedAt: at.Add(time.Hour), Created: at, Components: []string{"c0001"}}
			if n > 1996 {
				i.Phase, i.ResolvedAt = status.Identified, time.Time{}
			}
			ok(b, errors.Join(tx.SaveIncident(ctx, &i), tx.SaveUpdate(ctx, i.ID, &status.Update{ID: "u" + i.ID, Body: "b", At: at})))
		}
		return tx.Close(ctx, day().AddDate(0, 0, -1).Format(status.DateFormat))
	})
}

// BenchmarkStatusRecord reads a page of five years and 1,000 components, as each
// change of it makes every node do.
func BenchmarkStatusRecord(b *testing.B) {
	for _, e := range engines() {
		b.Run(e.name, func(b *testing.B) {
			db := openURL(b, e.fresh(b))
			fiveYears(b, db)
			zone, err := time.LoadLocation("Europe/Berlin")
			ok(b, err)
			b.Run("record", func(b *testing.B) {
				for b.Loop() {
					_, err := db.StatusRecordAt(b.Context(), "main", day())
					ok(b, err)
				}
			})
			b.Run("record and snapshot", func(b *testing.B) {
				for b.Loop() {
					r, err := db.StatusRecordAt(b.Context(), "main", day())
					ok(b, err)
					_ = status.Take(r, zone, day())
				}
			})
			b.Run("month", func(b *testing.B) {
				for b.Loop() {
					_, _, err := db.StatusMonth(b.Context(), "main", day().AddDate(-2, -1, 0), day().AddDate(-2, 0, 0))
					ok(b, err)
				}
			})
		})
	}
}
