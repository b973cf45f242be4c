package publish_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// told writes an alert with the event that told its state, which came in just now.
func (r *rig) told(host, service string, s alert.State, outcome alert.Outcome) string {
	r.t.Helper()
	var written alert.Alert
	id := r.alert(host, service, s, func(a *alert.Alert) { a.Since, written = begin, *a })
	c := dispatch.Changes{Events: []alert.Event{{
		ID: fmt.Sprintf("event-%s-%d", id, r.clock.UnixMilli()), SourceID: "s1", AlertID: id, Object: written.Object, Type: alert.Problem, State: s,
		// Engines' clocks and late spools do not count.
		Time: r.clock.Add(-time.Hour), Received: *r.clock, Outcome: outcome,
	}}}
	must(r.t, r.db.Commit(r.t.Context(), func(ctx context.Context, tx dispatch.Tx) error { return tx.Write(ctx, &c) }))
	return id
}

func TestAHoldDownGoesOnWhereverItIsLookedAt(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		c := r.component("Database", bound("db*", held(60)))
		r.told("db01", "Disk", alert.Warning, alert.Opened)
		r.watch()
		r.pass(40 * time.Second)

		// A node that has just been started knows of nothing.
		other := r.open()
		same(t, "next", other.watch(), begin.Add(time.Minute))
		same(t, "state", r.state(c.ID).State, status.Operational)
		r.pass(20 * time.Second)
		other = r.open()
		other.watch()
		same(t, "state", r.state(c.ID).State, status.Degraded)

		t.Run("from when it became so bad, not from when it began", func(t *testing.T) {
			r.pass(time.Hour)
			r.told("db01", "Disk", alert.Critical, alert.Changed)
			r.pass(10 * time.Second)
			r.told("db01", "Disk", alert.Critical, alert.Repeated)
			r.pass(20 * time.Second)
			other := r.open()
			same(t, "next", other.watch(), r.clock.Add(30*time.Second))
			same(t, "state", r.state(c.ID).State, status.Degraded)
			r.pass(30 * time.Second)
			r.open().watch()
			same(t, "state", r.state(c.ID).State, status.Major)
		})
	})
}

func TestWhatAlertsOpenedEndsOnceAPersonCallsTheComponentWell(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		c := r.component("API", bound("api", publishes(0)))
		r.alert("api", "HTTP", alert.Critical)
		r.watch()
		r.tick()
		same(t, "open", len(r.record().Incidents), 1)
		_, err := r.desk.SetComponent(ctx, mira, c.ID, status.Degraded, true)
		must(t, err)
		r.pass(time.Minute)
		r.alert("api", "HTTP", alert.OK)
		r.watch()
		same(t, "a person says that it is not well", r.record().Incidents[0].Phase, status.Investigating)
		_, err = r.desk.SetComponent(ctx, mira, c.ID, status.Operational, false)
		must(t, err)
		i := r.record().Incidents[0]
		same(t, "phase", i.Phase, status.Resolved)
		containsAll(t, "messages", r.published(), "incident_resolved")
		containsAll(t, "audit", r.lines(), "incident.recovered")

		t.Run("not before its alerts are over", func(t *testing.T) {
			r.pass(time.Hour)
			r.alert("api", "HTTP", alert.Critical)
			r.watch()
			r.tick()
			_, err := r.desk.SetComponent(ctx, mira, c.ID, status.Operational, true)
			must(t, err)
			same(t, "phase", r.record().Incidents[0].Phase, status.Investigating)
			r.alert("api", "HTTP", alert.OK)
			r.watch()
			same(t, "phase", r.record().Incidents[0].Phase, status.Resolved)
		})
	})
}

func TestAPageThatMovesToAnotherZoneCountsEveryHourOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		c := r.component("API")
		states := []status.State{status.Major, status.Operational, status.Partial, status.Operational, status.Degraded}
		for n := range 60 {
			r.pass(17 * time.Hour)
			_, err := r.desk.SetComponent(ctx, mira, c.ID, states[n%len(states)], true)
			must(t, err)
			r.tick()
		}
		list, err := r.db.StatusIntervals(ctx, c.ID, time.Time{})
		must(t, err)
		for _, zone := range []string{"America/New_York", "Pacific/Kiritimati", "Asia/Kolkata", "Pacific/Pago_Pago", "Europe/Berlin"} {
			v := r.version()
			p := r.record().Page
			p.Zone = zone
			_, err := r.desk.SavePage(ctx, mira, p)
			must(t, err)
			loc, err := time.LoadLocation(zone)
			must(t, err)
			// Before the clock has come by, and afterwards.
			for _, when := range []string{"at once", "closed"} {
				snap := status.Take(r.record(), loc, *r.clock)
				got, total := map[status.State]int{}, 0
				for _, d := range snap.Groups[0].Components[0].Days {
					for s, n := range d.Seconds {
						if s != status.NoData {
							got[s] += n
							total += n
						}
					}
				}
				if want := int(r.clock.Sub(begin) / time.Second); total != want {
					t.Errorf("%s, %s: %d seconds are known, want %d", zone, when, total, want)
				}
				want := map[status.State]int{}
				for _, i := range list {
					end := i.End
					if end.IsZero() {
						end = *r.clock
					}
					want[i.State] += int(end.Sub(i.Start) / time.Second)
				}
				for s, n := range want {
					if got[s] != n {
						t.Errorf("%s, %s: %d seconds of %s, want %d", zone, when, got[s], s, n)
					}
				}
				r.tick()
			}
			if r.version() < v+2 {
				t.Errorf("%s: visitors are not shown what was counted anew", zone)
			}
		}

		t.Run("days of which nothing is kept stay as they are", func(t *testing.T) {
			r.pass(48 * time.Hour)
			r.tick()
			_, err := r.db.PruneStatus(ctx, begin.AddDate(0, 0, 20), 500)
			must(t, err)
			before, err := r.db.StatusDays(ctx, r.page.ID, "2026-11-20", "2026-12-08")
			must(t, err)
			p := r.record().Page
			p.Zone = "America/New_York"
			_, err = r.desk.SavePage(ctx, mira, p)
			must(t, err)
			r.tick()
			after, err := r.db.StatusDays(ctx, r.page.ID, "2026-11-20", "2026-12-08")
			must(t, err)
			same(t, "days", fmt.Sprint(after), fmt.Sprint(before))
		})
	})
}

func TestACallThatComesAgainChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		c := r.component("API")
		o := publish.Opening{PageID: r.page.ID, Title: "Slow", Components: []string{c.ID}, Note: publish.Note{Body: "We look.", Key: "ticket 1"}}
		i, told, err := r.desk.OpenIncident(ctx, mira, o)
		must(t, err)
		same(t, "again", told.Again, false)
		n := publish.Note{Body: "Found.", Phase: status.Resolved, Key: "ticket 1"}
		_, _, err = r.desk.PostUpdate(ctx, mira, i.ID, n)
		must(t, err)
		lines, messages, v := len(r.lines()), len(r.published()), r.version()

		o.Title = "Another title"
		again, told, err := r.desk.OpenIncident(ctx, mira, o)
		must(t, err)
		same(t, "again", told.Again && len(told.Publications) == 0, true)
		same(t, "id", again.ID, i.ID)
		same(t, "as it is by now", again.Title+" "+string(again.Phase), "Slow resolved")
		got, told, err := r.desk.PostUpdate(ctx, mira, i.ID, n)
		must(t, err)
		same(t, "again", told.Again && len(got.Updates) == 2, true)
		same(t, "audit", len(r.lines()), lines)
		same(t, "messages", len(r.published()), messages)
		same(t, "version", r.version(), v)

		t.Run("but one of somebody else is another", func(t *testing.T) {
			other, _, err := r.desk.OpenIncident(ctx, publish.Who{Name: "script"}, o)
			must(t, err)
			same(t, "another", other.ID != i.ID, true)
		})
		t.Run("and one without a key", func(t *testing.T) {
			o.Note.Key = ""
			a, _, err := r.desk.OpenIncident(ctx, mira, o)
			must(t, err)
			b, _, err := r.desk.OpenIncident(ctx, mira, o)
			must(t, err)
			same(t, "another", a.ID != b.ID, true)
		})
		t.Run("maintenance alike", func(t *testing.T) {
			m := status.Maintenance{PageID: r.page.ID, Title: "Move", Start: begin.Add(time.Hour), End: begin.Add(2 * time.Hour)}
			one, _, err := r.desk.SaveMaintenance(ctx, mira, m, publish.Note{Body: "We move.", Key: "m"})
			must(t, err)
			two, told, err := r.desk.SaveMaintenance(ctx, mira, m, publish.Note{Body: "We move.", Key: "m"})
			must(t, err)
			same(t, "again", told.Again && one.ID == two.ID, true)
			done := publish.Note{Phase: status.Completed, Key: "m"}
			_, _, err = r.desk.PostMaintenance(ctx, mira, one.ID, done)
			must(t, err)
			two, told, err = r.desk.PostMaintenance(ctx, mira, one.ID, done)
			must(t, err)
			same(t, "again", told.Again && len(two.Updates) == 2, true)
		})
	})
}

func TestAMaintenanceThatIsDeletedIsGone(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		c := r.component("API")
		m, _, err := r.desk.SaveMaintenance(ctx, mira, status.Maintenance{PageID: r.page.ID, Title: "Move", Components: []string{c.ID},
			Start: begin.Add(-time.Minute), End: begin.Add(time.Hour), AutoStart: true}, publish.Note{Body: "We move."})
		must(t, err)
		r.tick()
		shown := func() status.State { return status.Take(r.record(), time.UTC, *r.clock).Groups[0].Components[0].Shown }
		same(t, "shown", shown(), status.Maintained)
		r.pass(time.Minute)
		must(t, r.desk.DeleteMaintenance(ctx, mira, m.ID))
		same(t, "shown", shown(), status.Operational)
		_, err = r.db.Maintenance(ctx, m.ID)
		wants(t, err, fault.ErrNotFound)
		wants(t, r.desk.DeleteMaintenance(ctx, mira, m.ID), fault.ErrNotFound)
		containsAll(t, "audit", r.lines(), "maintenance.delete")
		list, err := r.db.StatusIntervals(ctx, c.ID, time.Time{})
		must(t, err)
		same(t, "what was recorded stays", list[len(list)-2].State, status.Maintained)
	})
}

func TestListsGoOnWhereThePageBeforeEnded(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		for n := range 7 {
			r.pass(time.Minute)
			i, _, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: fmt.Sprint("n", n), Draft: n == 3, Started: begin,
				Note: publish.Note{Body: "b"}})
			must(t, err)
			if n%2 == 0 {
				_, _, err = r.desk.PostUpdate(ctx, mira, i.ID, publish.Note{Body: "b", Phase: status.Resolved})
				must(t, err)
			}
			_, _, err = r.desk.SaveMaintenance(ctx, mira, status.Maintenance{PageID: r.page.ID, Title: fmt.Sprint("m", n),
				Start: begin.Add(time.Duration(n) * 24 * time.Hour), End: begin.Add(time.Duration(n)*24*time.Hour + time.Hour)}, publish.Note{Body: "b"})
			must(t, err)
		}
		all := func(which publish.Which) (titles string) {
			for cursor, more := "", true; more; more = cursor != "" {
				list, next, err := r.db.StatusIncidents(ctx, publish.IncidentFilter{PageID: r.page.ID, Which: which, Limit: 2, Cursor: cursor})
				must(t, err)
				for i := range list {
					titles += list[i].Title
				}
				cursor = next
			}
			return titles
		}
		same(t, "all", all(""), "n6n5n4n3n2n1n0")
		same(t, "open", all(publish.Open), "n5n1")
		same(t, "over", all(publish.Over), "n6n4n2n0")
		same(t, "drafts", all(publish.Drafts), "n3")
		planned := func(f publish.MaintenanceFilter) (titles string) {
			f.Limit = 3
			for more := true; more; more = f.Cursor != "" {
				list, next, err := r.db.StatusMaintenances(ctx, f)
				must(t, err)
				for i := range list {
					titles += list[i].Title
				}
				f.Cursor = next
			}
			return titles
		}
		same(t, "all", planned(publish.MaintenanceFilter{}), "m6m5m4m3m2m1m0")
		same(t, "between", planned(publish.MaintenanceFilter{Which: publish.Upcoming, From: begin.Add(25 * time.Hour), To: begin.Add(73 * time.Hour)}), "m3m2m1")
		same(t, "active", planned(publish.MaintenanceFilter{PageID: r.page.ID, Which: publish.Active}), "")
		_, _, err := r.db.StatusIncidents(ctx, publish.IncidentFilter{Cursor: "AAAA"})
		wants(t, err, fault.ErrCursor)
		_, _, err = r.db.StatusMaintenances(ctx, publish.MaintenanceFilter{Cursor: "!"})
		if !errors.Is(err, fault.ErrCursor) {
			t.Errorf("error %v", err)
		}
	})
}
