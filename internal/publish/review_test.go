package publish_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/publish"
	"tocsin/internal/source"
	"tocsin/internal/status"
)

// scheduled are the maintenances to come, the soonest first.
func (r *rig) scheduled() (list []status.Maintenance) {
	r.t.Helper()
	for _, m := range r.record().Maintenances {
		if m.Phase == status.Scheduled {
			list = append(list, m)
		}
	}
	return list
}

func TestASeriesThatIsSavedAgainKeepsWhatAPersonMadeOfItsDates(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		c := r.component("API")
		first := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
		s, err := r.desk.SaveSeries(ctx, mira, status.Series{PageID: r.page.ID, Title: "Backup", Body: "We back up.", Components: []string{c.ID},
			Rule: "FREQ=WEEKLY", Zone: "UTC", Start: first, Minutes: 60})
		must(t, err)
		list := r.scheduled()
		same(t, "announced", len(list), 3)
		moved := list[0]
		moved.Start, moved.End = moved.Start.Add(3*time.Hour), moved.End.Add(3*time.Hour)
		_, _, err = r.desk.SaveMaintenance(ctx, mira, moved, publish.Note{Silent: true})
		must(t, err)
		must(t, r.desk.DeleteMaintenance(ctx, mira, list[1].ID))
		_, _, err = r.desk.PostMaintenance(ctx, mira, list[2].ID, publish.Note{Body: "This one takes longer.", Silent: true})
		must(t, err)

		s.Title = "Backup of everything"
		for range 2 { // once more forgets nothing
			s, err = r.desk.SaveSeries(ctx, mira, s)
			must(t, err)
		}
		r.tick()
		list = r.scheduled()
		var begins []time.Time
		for _, m := range list {
			begins = append(begins, m.Start)
		}
		same(t, "begins", slices.Equal(begins, []time.Time{first.Add(3 * time.Hour), first.AddDate(0, 0, 14), first.AddDate(0, 0, 21)}), true)
		same(t, "what was moved", list[0].ID, moved.ID)
		same(t, "what was said", len(list[1].Updates), 2)
		same(t, "the next one", list[2].Title, "Backup of everything")

		t.Run("at another time they all come anew", func(t *testing.T) {
			s.Start = first.Add(time.Hour)
			_, err := r.desk.SaveSeries(ctx, mira, s)
			must(t, err)
			same(t, "a deleted day", slices.ContainsFunc(r.scheduled(), func(m status.Maintenance) bool { return m.Start.Equal(first.Add(time.Hour)) }), true)
		})
	})
}

func TestAMaintenanceThatLastsLongerIsTold(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		r.telling()
		c := r.component("API")
		m, _, err := r.desk.SaveMaintenance(t.Context(), mira, status.Maintenance{PageID: r.page.ID, Title: "Move", Components: []string{c.ID},
			Start: begin.Add(time.Hour), End: begin.Add(2 * time.Hour), AutoStart: true, AutoEnd: true}, publish.Note{Body: "We move."})
		must(t, err)
		n := len(r.published())
		m.Title = "Moving"
		m, _, err = r.desk.SaveMaintenance(t.Context(), mira, m, publish.Note{})
		must(t, err)
		same(t, "messages of another title", len(r.published()), n)
		m.End = m.End.Add(2 * time.Hour)
		_, told, err := r.desk.SaveMaintenance(t.Context(), mira, m, publish.Note{})
		must(t, err)
		same(t, "messages", len(told.Publications), 1)
	})
}

func TestNothingThatGoesOnForLongHoldsUpItsPage(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		c := r.component("Archive", bound("old01", func(b *status.Binding) { b.Downtime = true }))
		in := func(a *alert.Alert) { a.Object.Downtime = true }
		r.alert("old01", "", alert.Down, in)
		r.watch()
		ms := r.record().Maintenances
		same(t, "maintenances", len(ms), 1)
		other := r.component("API", bound("api"))
		r.pass(400 * 24 * time.Hour)
		r.tick()
		r.alert("old01", "", alert.OK)
		r.alert("api", "", alert.Down)
		r.watch()
		same(t, "the other one", r.state(other.ID).State, status.Major)
		ended, err := r.db.Maintenance(ctx, ms[0].ID)
		must(t, err)
		same(t, "phase", ended.Phase, status.Completed)

		t.Run("a maintenance of which very much was said begins and ends", func(t *testing.T) {
			m, _, err := r.desk.SaveMaintenance(ctx, mira, status.Maintenance{PageID: r.page.ID, Title: "Move", Components: []string{c.ID},
				Start: r.clock.Add(time.Hour), End: r.clock.Add(2 * time.Hour), AutoStart: true, AutoEnd: true}, publish.Note{Body: "We move.", Silent: true})
			must(t, err)
			must(t, r.db.ChangePage(ctx, r.page.ID, func(ctx context.Context, tx publish.Tx) error {
				for n := range status.MaxUpdates - 1 {
					if err := tx.SaveUpdate(ctx, m.ID, &status.Update{ID: fmt.Sprintf("%s-%d", m.ID[:20], n), Phase: status.Scheduled, Body: "Soon.", At: *r.clock}); err != nil {
						return err
					}
				}
				return nil
			}))
			_, _, err = r.desk.PostMaintenance(ctx, mira, m.ID, publish.Note{Body: "Soon.", Silent: true})
			refused(t, err, "updates")
			r.pass(time.Hour)
			r.tick()
			got, err := r.db.Maintenance(ctx, m.ID)
			must(t, err)
			same(t, "phase", got.Phase, status.InProgress)
			_, _, err = r.desk.PostMaintenance(ctx, mira, m.ID, publish.Note{Phase: status.Completed, Body: "Done.", Silent: true})
			must(t, err)
		})
	})
}

func TestAComponentThatNobodySetIsWhatItsAlertsSay(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		c := r.component("API", bound("api"))
		r.alert("api", "", alert.Down)
		r.watch()
		same(t, "state", r.state(c.ID).State, status.Major)
		free := r.state(c.ID)
		free.Bindings = nil
		_, err := r.desk.SaveComponent(ctx, mira, free)
		must(t, err)
		r.pass(time.Minute)
		r.alert("api", "", alert.OK)
		r.watch()
		free.Bindings = c.Bindings
		_, err = r.desk.SaveComponent(ctx, mira, free)
		must(t, err)
		r.watch()
		same(t, "state after it was bound again", r.state(c.ID).State, status.Operational)
		v := r.version()
		r.watch()
		same(t, "version", r.version(), v)
	})
}

func TestADowntimeThatThePageSaysNothingOfHidesNoOutage(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		c := r.component("API", bound("api", held(60), func(b *status.Binding) { b.Downtime = true }))
		m, _, err := r.desk.SaveMaintenance(ctx, mira, status.Maintenance{PageID: r.page.ID, Title: "Move", Components: []string{c.ID},
			Start: begin, End: begin.Add(time.Hour), AutoStart: true, AutoEnd: true}, publish.Note{Body: "We move."})
		must(t, err)
		r.tick()
		in := func(a *alert.Alert) { a.Object.Downtime = true }
		r.alert("api", "", alert.Down, in)
		r.watch()
		r.pass(30 * time.Minute)
		r.watch()
		same(t, "state while work goes on", r.state(c.ID).State, status.Operational)
		r.pass(30 * time.Minute)
		r.tick()
		got, err := r.db.Maintenance(ctx, m.ID)
		must(t, err)
		same(t, "phase", got.Phase, status.Completed)
		r.watch()
		same(t, "state within the hold-down", r.state(c.ID).State, status.Operational)
		r.pass(time.Minute)
		r.watch()
		same(t, "state", r.state(c.ID).State, status.Major)
		r.alert("api", "", alert.OK, in)
		r.watch()
		same(t, "state", r.state(c.ID).State, status.Operational)
	})
}

func TestWhatComesAndGoesMakesOneDraft(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		r.component("API", bound("api", drafts))
		for range 5 {
			r.alert("api", "", alert.Down)
			r.watch()
			r.pass(time.Minute)
			r.alert("api", "", alert.OK)
			r.watch()
			r.pass(time.Minute)
		}
		list := r.drafts()
		same(t, "drafts", len(list), 1)
		same(t, "what is said", len(list[0].Updates), 10)
		same(t, "alerts beside", len(list[0].AlertIDs), 5)
		same(t, "phase", list[0].Phase, status.Resolved)
		r.pass(time.Hour)
		r.alert("api", "", alert.Down)
		r.watch()
		same(t, "drafts after an hour", len(r.drafts()), 2)
	})
}

func TestAnExportThatComesBackUndoesNothingThatVisitorsSawSince(t *testing.T) {
	hubs(t, func(t *testing.T, fresh func() *rig) {
		r, ctx := fresh(), t.Context()
		var err error
		r.page, err = r.desk.SavePage(ctx, mira, status.Page{Slug: "main", Name: "Sandbank", Zone: "Europe/Berlin", Triggers: map[string]bool{"maintenance": true}})
		must(t, err)
		must(t, r.db.SaveSource(ctx, source.Source{ID: "s1", Name: "nagios", Kind: "nagios", TokenHash: "h"}))
		c := r.component("API", bound("api", publishes(60)))
		open, _, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "Slow", Note: publish.Note{Body: "b"}})
		must(t, err)
		work, _, err := r.desk.SaveMaintenance(ctx, mira, status.Maintenance{PageID: r.page.ID, Title: "Move", Components: []string{c.ID},
			Start: begin.Add(25 * time.Hour), End: begin.Add(26 * time.Hour), AutoStart: true, AutoEnd: true}, publish.Note{Body: "We move."})
		must(t, err)
		later, _, err := r.desk.SaveMaintenance(ctx, mira, status.Maintenance{PageID: r.page.ID, Title: "Later", Components: []string{c.ID},
			Start: begin.Add(28 * time.Hour), End: begin.Add(29 * time.Hour), AutoStart: true, AutoEnd: true}, publish.Note{Body: "We move."})
		must(t, err)
		r.alert("api", "", alert.Down)
		r.watch()
		draft := r.drafts()[0]
		r.pass(time.Second)
		doc := written(t, r)

		r.pass(time.Minute)
		_, _, err = r.desk.PostUpdate(ctx, mira, open.ID, publish.Note{Phase: status.Resolved, Body: "Fixed."})
		must(t, err)
		_, _, err = r.desk.PublishDraft(ctx, mira, draft.ID, false)
		must(t, err)
		for range 28 {
			r.pass(time.Hour - time.Minute)
			r.tick()
		}
		p := r.page
		p.Private.SignedIn = true
		_, err = r.desk.SavePage(ctx, mira, p)
		must(t, err)
		told := len(r.published())
		done := imported(t, r, doc, publish.ImportOptions{})
		r.tick()
		same(t, "messages", len(r.published()), told)
		i, err := r.db.Incident(ctx, open.ID)
		must(t, err)
		same(t, "phase", i.Phase, status.Resolved)
		same(t, "resolved", i.ResolvedAt.IsZero(), false)
		i, err = r.db.Incident(ctx, draft.ID)
		must(t, err)
		same(t, "draft", i.Draft, false)
		same(t, "automatic", i.Automatic, false)
		m, err := r.db.Maintenance(ctx, work.ID)
		must(t, err)
		same(t, "phase", m.Phase, status.Completed)
		m, err = r.db.Maintenance(ctx, later.ID)
		must(t, err)
		same(t, "reminders", len(m.Reminded), 2)
		same(t, "who may see it", r.record().Page.Private.SignedIn, true)
		containsAll(t, "notes", done[0].Notes, "Who may see the page")

		t.Run("a draft that was due waits for a person where it comes to", func(t *testing.T) {
			other := fresh()
			*other.clock = r.clock.Add(24 * time.Hour)
			other.page.ID = imported(t, other, doc, publish.ImportOptions{})[0].PageID
			other.tick()
			same(t, "drafts", len(other.drafts()), 1)
		})
	})
}

func TestAnExportOfAnotherZoneCountsEveryHourOnce(t *testing.T) {
	hubs(t, func(t *testing.T, fresh func() *rig) {
		r, ctx := fresh(), t.Context()
		var err error
		r.page, err = r.desk.SavePage(ctx, mira, status.Page{Slug: "main", Name: "Sandbank", Zone: "Asia/Tokyo"})
		must(t, err)
		r.component("API")
		doc := written(t, r)
		p := r.page
		p.Zone = "America/Los_Angeles"
		_, err = r.desk.SavePage(ctx, mira, p)
		must(t, err)
		c := r.component("Mail") // is in no export
		for n := range 4 {
			r.pass(20 * time.Hour)
			_, err := r.desk.SetComponent(ctx, mira, c.ID, []status.State{status.Major, status.Operational}[n%2], true)
			must(t, err)
			r.tick()
		}
		imported(t, r, doc, publish.ImportOptions{})
		r.tick()
		rec := r.record()
		same(t, "zone", rec.Page.Zone, "Asia/Tokyo")
		zone, err := time.LoadLocation(rec.Page.Zone)
		must(t, err)
		list, err := r.db.StatusIntervals(ctx, c.ID, time.Time{})
		must(t, err)
		same(t, "closed days", len(rec.Days[c.ID]) > 2, true)
		for _, want := range status.Days(c.ID, list, zone, begin, *r.clock) {
			for _, got := range rec.Days[c.ID] {
				if got.Date == want.Date && !maps.Equal(got.Seconds, want.Seconds) {
					t.Errorf("%s is %v, want %v", got.Date, got.Seconds, want.Seconds)
				}
			}
		}
	})
}

func TestTwoPeopleWhoMakeTheFirstPageAtOnceMakeTwo(t *testing.T) {
	hubs(t, func(t *testing.T, fresh func() *rig) {
		r := fresh()
		var all sync.WaitGroup
		errs := make([]error, 2)
		for n := range errs {
			all.Go(func() {
				_, errs[n] = r.desk.SavePage(t.Context(), mira, status.Page{Slug: fmt.Sprintf("page-%d", n), Name: "Page", Zone: "UTC"})
			})
		}
		all.Wait()
		must(t, errors.Join(errs...))
		pages, err := r.db.StatusPages(t.Context())
		must(t, err)
		same(t, "pages", len(pages), 2)
		same(t, "main ones", pages[0].Main != pages[1].Main, true)
	})
}

func TestADayOfWhichAPartIsPrunedIsNeverCountedAnew(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		c := r.component("API")
		for n := range 50 {
			r.pass(7 * time.Hour)
			_, err := r.desk.SetComponent(ctx, mira, c.ID, []status.State{status.Major, status.Operational}[n%2], true)
			must(t, err)
			r.tick()
		}
		_, err := r.db.PruneStatus(ctx, begin.AddDate(0, 0, 8), 500)
		must(t, err)
		p := r.record().Page
		p.Zone = "America/New_York"
		_, err = r.desk.SavePage(ctx, mira, p)
		must(t, err)
		r.tick()
		before, err := r.db.StatusDays(ctx, r.page.ID, "2026-11-20", "2026-12-08")
		must(t, err)
		_, _, err = r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "It was long down", Started: begin.AddDate(0, 0, 5),
			Note: publish.Note{Body: "b", Silent: true, At: begin.AddDate(0, 0, 5), Changes: []status.Change{{ComponentID: c.ID, To: status.Major}}}})
		must(t, err)
		after, err := r.db.StatusDays(ctx, r.page.ID, "2026-11-20", "2026-12-08")
		must(t, err)
		changed := 0
		for n, was := range before[c.ID] {
			now := after[c.ID][n]
			switch {
			case was.Date <= "2026-11-27":
				same(t, was.Date, fmt.Sprint(now), fmt.Sprint(was))
			case fmt.Sprint(now) != fmt.Sprint(was):
				changed++
				same(t, now.Date, now.Seconds[status.Major], 86400)
			}
		}
		same(t, "days after it are counted anew", changed > 2, true)
	})
}
