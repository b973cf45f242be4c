package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tocsin/internal/fault"
	desk "tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/store"
)

func TestWhatIsOpenIsShownHoweverMuchEndedSince(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		savePage(t, db, publicPage("main"))
		change(t, db, "main", func(ctx context.Context, tx desk.Tx) error {
			old := day().AddDate(0, 0, -10)
			err := errors.Join(
				tx.SaveIncident(ctx, &status.Incident{ID: "open", Title: "x", Phase: status.Monitoring, Started: old, Created: old}),
				tx.SaveMaintenance(ctx, &status.Maintenance{ID: "next", Title: "x", Phase: status.Scheduled, Start: day().AddDate(0, 0, 3), End: day().AddDate(0, 0, 4)}))
			for n := range 510 {
				at := old.Add(time.Duration(n+1) * time.Minute)
				err = errors.Join(err,
					tx.SaveIncident(ctx, &status.Incident{ID: fmt.Sprintf("i%03d", n), Title: "x", Phase: status.Resolved, Started: at, ResolvedAt: at, Created: at}),
					tx.SaveMaintenance(ctx, &status.Maintenance{ID: fmt.Sprintf("m%03d", n), Title: "x", Phase: status.Completed, Start: at, End: at.Add(time.Second)}))
			}
			return err
		})
		rec, err := db.StatusRecordAt(t.Context(), "main", day())
		ok(t, err)
		if n := len(rec.Incidents); n != 500 || rec.Incidents[n-1].ID != "open" {
			t.Errorf("the last of %d incidents is %s", n, rec.Incidents[n-1].ID)
		}
		if n := len(rec.Maintenances); n != 500 || rec.Maintenances[n-1].ID != "next" {
			t.Errorf("the last of %d maintenances is %s", n, rec.Maintenances[n-1].ID)
		}
	})
}

func TestANewPageTakesNobodysPlace(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		savePage(t, db, publicPage("main"))
		other := publicPage("main")
		other.Slug, other.Host = "other", "other.example.com"
		err := db.ChangePage(t.Context(), "", func(ctx context.Context, tx desk.Tx) error { return tx.SavePage(ctx, &other) })
		if !errors.Is(err, fault.ErrTaken) {
			t.Errorf("error is %v, want fault.ErrTaken", err)
		}
	})
}

func TestPublicationsAreFoundByWhatTheyAreAbout(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		savePage(t, db, publicPage("main"))
		change(t, db, "main", func(ctx context.Context, tx desk.Tx) error {
			var err error
			for n := range 40 {
				p := push.Publication{ID: fmt.Sprintf("p%02d", n), PageID: "main", Topic: []string{"i1", "i2", ""}[n%3],
					Texts: map[string]push.Text{"": {Title: "x", Body: `"topic":"i1"`}}}
				err = errors.Join(err, tx.Publish(ctx, p, desk.Audience{}))
			}
			return err
		})
		list, _, err := db.PublicationsAbout(t.Context(), "main", "i1", 100)
		ok(t, err)
		if len(list) != 14 || list[0].ID != "p39" {
			t.Errorf("%d, the first is %v", len(list), list[0].ID)
		}
		list, _, err = db.PublicationsAbout(t.Context(), "main", "%", 100)
		ok(t, err)
		if len(list) != 0 {
			t.Errorf("a pattern finds %d", len(list))
		}
	})
}
