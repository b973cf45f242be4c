package store_test

import (
	"context"
	"testing"

	desk "tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/store"
)

// TestClosedDaysAreReadAnewWhenTheyAreOthers: what is kept of them never outlives a
// change, whichever node made it.
func TestClosedDaysAreReadAnewWhenTheyAreOthers(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx := t.Context()
		savePage(t, db, publicPage("main"))
		text := func(list ...status.State) (out string) {
			for _, s := range list {
				out += string(s) + " "
			}
			return out
		}
		date := func(back int) string { return day().AddDate(0, 0, -back).Format(status.DateFormat) }
		worst := func(db *store.DB) string {
			t.Helper()
			r, err := db.StatusRecordAt(ctx, "main", day())
			ok(t, err)
			var list []status.State
			for _, d := range r.Days["c"] {
				list = append(list, d.Worst)
			}
			return text(list...)
		}
		save := func(ctx context.Context, tx desk.Tx, back int, s status.State) error {
			return tx.SaveDays(ctx, []status.Day{{ComponentID: "c", Date: date(back), Worst: s, Seconds: map[status.State]int{s: 86400}}})
		}
		change(t, db, "main", func(ctx context.Context, tx desk.Tx) error {
			ok(t, tx.SaveComponent(ctx, &status.Component{ID: "c", Name: "API", State: status.Operational, Created: day()}))
			ok(t, save(ctx, tx, 3, status.Major))
			ok(t, save(ctx, tx, 2, status.Operational))
			return tx.Close(ctx, date(3))
		})
		same(t, "up to the last closed one", worst(db), text(status.Major))
		other := open()
		same(t, "the same there", worst(other), text(status.Major))
		change(t, other, "main", func(ctx context.Context, tx desk.Tx) error { return tx.Close(ctx, date(2)) })
		same(t, "after a day was closed elsewhere", worst(db), text(status.Major, status.Operational))
		change(t, other, "main", func(ctx context.Context, tx desk.Tx) error { return save(ctx, tx, 3, status.Partial) })
		same(t, "after a day was counted anew elsewhere", worst(db), text(status.Partial, status.Operational))
		same(t, "and asked again", worst(db), text(status.Partial, status.Operational))
		change(t, other, "main", func(ctx context.Context, tx desk.Tx) error { return tx.DeleteComponent(ctx, "c") })
		same(t, "after the component was deleted", worst(db), "")
		change(t, other, "main", func(ctx context.Context, tx desk.Tx) error { return tx.DeletePage(ctx) })
		savePage(t, other, publicPage("main"))
		change(t, other, "main", func(ctx context.Context, tx desk.Tx) error {
			ok(t, tx.SaveComponent(ctx, &status.Component{ID: "c", Name: "API", State: status.Operational, Created: day()}))
			ok(t, save(ctx, tx, 3, status.Degraded))
			return tx.Close(ctx, date(3))
		})
		same(t, "of another page with the same id", worst(db), text(status.Degraded))
	})
}
