package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/fault"
	desk "tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/store"
)

var _ desk.Store = (*store.DB)(nil)

// publicPage is a page with everything set.
func publicPage(id string) status.Page {
	return status.Page{ID: id, Slug: id, Host: id + ".example.com", Name: "Größe " + id, About: "**a**", Language: "de", Zone: "Europe/Berlin", Accent: "#1d5fd1",
		Logo: "l", Support: "mailto:a@example.com", Triggers: map[string]bool{"component_down": true}, Version: 1, Created: day(),
		Private: status.Private{PasswordHash: "h", SignedIn: true, Networks: []string{"10.0.0.0/8"}}}
}

func change(t testing.TB, db *store.DB, id string, fn func(ctx context.Context, tx desk.Tx) error) {
	t.Helper()
	ok(t, db.ChangePage(t.Context(), id, fn))
}

func savePage(t testing.TB, db *store.DB, p status.Page) {
	t.Helper()
	change(t, db, "", func(ctx context.Context, tx desk.Tx) error { return tx.SavePage(ctx, &p) })
}

func TestWhatAPageIsMadeOfIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		p := publicPage("main")
		p.Main = true
		savePage(t, db, p)
		g := status.Group{ID: "g", PageID: "main", ParentID: "", Name: "Group", About: "a", Position: 3, Open: true, Created: day()}
		c := status.Component{ID: "c", PageID: "main", GroupID: "g", Name: "API", About: "a", Link: "https://example.com", Position: 2, Hidden: true, State: status.Partial,
			Since: day(), ByHand: true, Created: day(), Bindings: []status.Binding{{Hosts: []string{"db*"}, HoldDown: 60, States: map[string]status.State{"critical": status.Partial}}}}
		i := status.Incident{ID: "i", PageID: "main", Title: "Störung", Phase: status.Identified, Impact: status.ImpactMajor, Automatic: true, PublishAt: day(), Created: day(),
			Started: day(), Components: []string{"c"}, AlertIDs: []string{"a1", "a2"}, Postmortem: "p",
			Updates: []status.Update{{ID: "u1", Phase: status.Investigating, Body: "b", At: day(), Posted: day(), By: "Mira", Silent: true,
				Changes: []status.Change{{ComponentID: "c", From: status.Operational, To: status.Partial}}}}}
		m := status.Maintenance{ID: "m", PageID: "main", Title: "Work", Phase: status.Scheduled, Impact: status.ImpactNone, Components: []string{"c"}, Start: day(),
			End: day().Add(time.Hour), AutoStart: true, AutoEnd: true, Series: "s", Reminded: []string{"24h"}, Automatic: true, Created: day()}
		s := desk.Planned{Series: status.Series{ID: "s", PageID: "main", Title: "Work", Body: "b", Components: []string{"c"}, Impact: status.ImpactNone,
			Rule: "FREQ=DAILY", Zone: "UTC", Start: day(), Minutes: 60, Until: day()}, Last: day()}
		change(t, db, "main", func(ctx context.Context, tx desk.Tx) error {
			return errors.Join(tx.SaveGroup(ctx, &g), tx.SaveComponent(ctx, &c), tx.SaveIncident(ctx, &i), tx.SaveUpdate(ctx, "i", &i.Updates[0]),
				tx.SaveMaintenance(ctx, &m), tx.SaveSeries(ctx, &s), tx.SaveWatch(ctx, "c", desk.Watch{State: status.Major, Downtime: true}), tx.Raise(ctx))
		})
		rec, err := db.StatusRecordAt(ctx, "main", day())
		ok(t, err)
		p.Version = 2
		public := i
		public.AlertIDs = nil // of no interest to visitors
		if d := cmp.Diff(status.Record{Page: p, Groups: []status.Group{g}, Components: []status.Component{c}, Incidents: []status.Incident{public},
			Maintenances: []status.Maintenance{m}, Days: map[string][]status.Day{}, Intervals: map[string][]status.Interval{}}, rec); d != "" {
			t.Fatal(d)
		}
		got, err := db.Incident(ctx, "i")
		ok(t, err)
		if d := cmp.Diff(i, got); d != "" {
			t.Fatal(d)
		}
		series, err := db.StatusSeries(ctx, "main")
		ok(t, err)
		if d := cmp.Diff([]desk.Planned{s}, series); d != "" {
			t.Fatal(d)
		}
		bound, err := db.Bound(ctx)
		ok(t, err)
		if d := cmp.Diff([]desk.Bound{{Component: c, Watch: desk.Watch{State: status.Major, Downtime: true}}}, bound); d != "" {
			t.Fatal(d)
		}
		for of, id := range map[desk.Subject]string{desk.OfGroup: "g", desk.OfComponent: "c", desk.OfIncident: "i", desk.OfMaintenance: "m", desk.OfSeries: "s"} {
			page, err := db.PageOf(ctx, of, id)
			ok(t, err)
			same(t, string(of), page, "main")
		}
		_, err = db.PageOf(ctx, desk.OfIncident, "none")
		wants(t, err, fault.ErrNotFound)

		t.Run("one begin of a series is one maintenance", func(t *testing.T) {
			again := m
			again.ID = "m2"
			err := db.ChangePage(ctx, "main", func(ctx context.Context, tx desk.Tx) error { return tx.SaveMaintenance(ctx, &again) })
			wants(t, err, fault.ErrTaken)
		})
		t.Run("nothing of another page is found or deleted", func(t *testing.T) {
			savePage(t, db, publicPage("other"))
			change(t, db, "other", func(ctx context.Context, tx desk.Tx) error {
				_, err := tx.Incident(ctx, "i")
				wants(t, err, fault.ErrNotFound)
				wants(t, tx.DeleteComponent(ctx, "c"), fault.ErrNotFound)
				wants(t, tx.DeleteIncident(ctx, "i"), fault.ErrNotFound)
				return nil
			})
		})
		t.Run("a name in use is refused", func(t *testing.T) {
			twice := publicPage("third")
			twice.Slug = "other"
			wants(t, db.ChangePage(ctx, "", func(ctx context.Context, tx desk.Tx) error { return tx.SavePage(ctx, &twice) }), fault.ErrTaken)
			twice.Slug, twice.Host = "third", "other.example.com"
			wants(t, db.ChangePage(ctx, "", func(ctx context.Context, tx desk.Tx) error { return tx.SavePage(ctx, &twice) }), fault.ErrTaken)
		})
		t.Run("a page goes with all that is on it", func(t *testing.T) {
			change(t, db, "main", func(ctx context.Context, tx desk.Tx) error { return tx.DeletePage(ctx) })
			for _, table := range []string{"component", "page_group", "incident", "incident_alert", "maintenance", "maintenance_series", "page_update", "component_watch"} {
				n, err := store.Count(ctx, db, table)
				ok(t, err)
				same(t, table, n, 0)
			}
			wants(t, db.ChangePage(ctx, "main", func(context.Context, desk.Tx) error { return nil }), fault.ErrNotFound)
		})
	})
}

func TestARecordIsBoundedHoweverLongThePageHasBeenThere(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		savePage(t, db, publicPage("main"))
		now := day()
		change(t, db, "main", func(ctx context.Context, tx desk.Tx) error {
			c := status.Component{ID: "c", Name: "API", State: status.Operational, Created: day()}
			ok(t, tx.SaveComponent(ctx, &c))
			var list []status.Interval
			var days []status.Day
			for n := 400; n >= 0; n-- {
				at := now.AddDate(0, 0, -n)
				i := status.Incident{ID: fmt.Sprintf("i%03d", n), Title: "x", Phase: status.Resolved, Started: at, ResolvedAt: at.Add(time.Hour), Created: at}
				if n == 300 { // one that nobody resolved
					i.Phase, i.ResolvedAt = status.Monitoring, time.Time{}
				}
				ok(t, tx.SaveIncident(ctx, &i))
				ok(t, tx.SaveUpdate(ctx, i.ID, &status.Update{ID: "u" + i.ID, Body: "b", At: at}))
				list = append(list, status.Interval{State: status.States()[n%5], Start: at, End: at.AddDate(0, 0, 1)})
				if n > 0 {
					days = append(days, status.Day{ComponentID: "c", Date: at.Format(status.DateFormat), Seconds: map[status.State]int{status.Operational: 86399, status.NoData: 1}, Worst: status.Operational})
				}
			}
			list[len(list)-1].End = time.Time{}
			draft := status.Incident{ID: "draft", Title: "x", Phase: status.Identified, Draft: true, Started: now, Created: now}
			return errors.Join(tx.PutIntervals(ctx, "c", list[0].Start, list), tx.SaveDays(ctx, days), tx.Close(ctx, days[len(days)-1].Date), tx.SaveIncident(ctx, &draft))
		})
		r, err := db.StatusRecordAt(ctx, "main", now)
		ok(t, err)
		same(t, "incidents", len(r.Incidents), status.PastDays+1+1+1) // as many days, the day before, today's, and the open one
		for i := range r.Incidents {
			same(t, "draft", r.Incidents[i].Draft, false)
			same(t, "updates", len(r.Incidents[i].Updates), 1)
		}
		if n := len(r.Days["c"]); n < status.BarDays-1 || n > status.BarDays+31 {
			t.Errorf("%d days", n)
		}
		same(t, "intervals", len(r.Intervals["c"]), 2)
		d := r.Days["c"][len(r.Days["c"])-1]
		if diff := cmp.Diff(status.Day{ComponentID: "c", Date: "2026-11-19", Seconds: map[status.State]int{status.Operational: 86399, status.NoData: 1}, Worst: status.Operational}, d); diff != "" {
			t.Error(diff)
		}
		is, _, err := db.StatusMonth(ctx, "main", now.AddDate(0, -2, 0), now.AddDate(0, -1, 0))
		ok(t, err)
		same(t, "of a month", len(is), 30)
	})
}

func TestIntervalsAreReplacedFromATimeOn(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		savePage(t, db, publicPage("main"))
		at := func(h int) time.Time { return day().Add(time.Duration(h) * time.Hour) }
		change(t, db, "main", func(ctx context.Context, tx desk.Tx) error {
			ok(t, tx.SaveComponent(ctx, &status.Component{ID: "c", Name: "API", State: status.Operational}))
			ok(t, tx.PutIntervals(ctx, "c", at(0), []status.Interval{{State: status.Operational, Start: at(0), End: at(5)}, {State: status.Major, Start: at(5)}}))
			ok(t, tx.PutIntervals(ctx, "c", at(3), []status.Interval{{State: status.Partial, Start: at(3)}}))
			if err := tx.PutIntervals(ctx, "c", at(4), []status.Interval{{State: status.Partial, Start: at(2)}}); err == nil {
				t.Error("one that begins before them is taken")
			}
			return nil
		})
		list, err := db.StatusIntervals(t.Context(), "c", time.Time{})
		ok(t, err)
		if d := cmp.Diff([]status.Interval{{ComponentID: "c", State: status.Operational, Start: at(0), End: at(3)}, {ComponentID: "c", State: status.Partial, Start: at(3)}}, list); d != "" {
			t.Fatal(d)
		}
	})
}

func TestAChangedPageWakesEveryNode(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		savePage(t, db, publicPage("main"))
		other := open()
		var here, there atomic.Int64
		db.OnWake("page", func() { here.Add(1) })
		other.OnWake("page", func() { there.Add(1) })
		change(t, db, "main", func(ctx context.Context, tx desk.Tx) error { return tx.Raise(ctx) })
		same(t, "woken here", here.Load(), 1)
		pages, err := other.StatusPages(t.Context())
		ok(t, err)
		same(t, "version there", pages[0].Version, 2)
		if db.Engine() == "postgres" {
			// It may not be listening yet.
			eventually(t, "a wake on another node", func() bool {
				change(t, db, "main", func(ctx context.Context, tx desk.Tx) error { return tx.Raise(ctx) })
				return there.Load() > 0
			})
		}
		pages, err = db.StatusPages(t.Context())
		ok(t, err)
		version, woken := pages[0].Version, here.Load()
		if err := db.ChangePage(t.Context(), "main", func(ctx context.Context, tx desk.Tx) error {
			return errors.Join(tx.Raise(ctx), errors.New("no"))
		}); err == nil {
			t.Fatal("the change went through")
		}
		pages, err = db.StatusPages(t.Context())
		ok(t, err)
		same(t, "version", pages[0].Version, version)
		same(t, "woken here", here.Load(), woken)
	})
}

func TestTheAuditTrailIsListedPageByPage(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		savePage(t, db, publicPage("main"))
		change(t, db, "main", func(ctx context.Context, tx desk.Tx) error {
			for n := range 7 {
				a := desk.Audit{ID: fmt.Sprint("a", n), PageID: "main", At: day().Add(time.Duration(n) * time.Hour), UserID: "u", By: "Mira", What: "incident.open",
					SubjectID: fmt.Sprint("s", n%2), Name: strings.Repeat("x", 500), After: []byte(`{"a":1}`)}
				ok(t, tx.Audit(ctx, a))
			}
			return nil
		})
		var got []string
		f := desk.AuditFilter{PageID: "main", Limit: 3}
		for {
			list, next, err := db.StatusAudit(ctx, f)
			ok(t, err)
			for _, a := range list {
				got = append(got, a.ID)
				same(t, "before", a.Before == nil, true)
				same(t, "after", string(a.After), `{"a":1}`)
			}
			if f.Cursor = next; next == "" {
				break
			}
		}
		same(t, "lines", strings.Join(got, " "), "a6 a5 a4 a3 a2 a1 a0")
		list, _, err := db.StatusAudit(ctx, desk.AuditFilter{SubjectID: "s1"})
		ok(t, err)
		same(t, "of a subject", len(list), 3)
		_, _, err = db.StatusAudit(ctx, desk.AuditFilter{Cursor: "nonsense"})
		wants(t, err, fault.ErrCursor)
		n, err := db.PruneTrail(ctx, day().Add(3*time.Hour), 2)
		ok(t, err)
		same(t, "pruned", n, 2)
	})
}
