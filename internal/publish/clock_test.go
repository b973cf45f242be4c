package publish_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// telling switches every trigger of the page on.
func (r *rig) telling() {
	r.t.Helper()
	r.page.Triggers = map[string]bool{}
	for _, k := range push.Kinds() {
		r.page.Triggers[string(k)] = true
	}
	var err error
	r.page, err = r.desk.SavePage(r.t.Context(), mira, r.page)
	must(r.t, err)
}

func TestMaintenanceRemindsBeginsAndEndsByItself(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.telling()
		api, web := r.component("API"), r.component("Website")
		_, err := r.desk.SetComponent(ctx, mira, web.ID, status.Partial, true)
		must(t, err)
		start := begin.Add(48 * time.Hour)
		m, _, err := r.desk.SaveMaintenance(ctx, mira, status.Maintenance{PageID: r.page.ID, Title: "New storage", Components: []string{api.ID, web.ID},
			Start: start, End: start.Add(time.Hour), AutoStart: true, AutoEnd: true}, publish.Note{Body: "Short interruptions."})
		must(t, err)
		other := r.open()
		run := func(at time.Time) {
			*r.clock = at
			r.tick()
			other.tick()
			r.tick()
		}
		run(start.Add(-25 * time.Hour))
		run(start.Add(-24 * time.Hour))
		run(start.Add(-time.Hour))
		run(start)
		same(t, "shown", status.Take(r.record(), time.UTC, *r.clock).Groups[0].Components[0].Shown, status.Maintained)
		run(start.Add(time.Hour))
		want := []string{
			"maintenance 🔧 Scheduled: New storage", "maintenance 🔧 In 24 hours: New storage", "maintenance 🔧 In one hour: New storage",
			"maintenance 🔧 In progress: New storage", "maintenance 🔧 Completed: New storage",
		}
		if got := r.published(); !slices.Equal(got, want) {
			t.Fatalf("visitors were told %q", got)
		}
		got, err := r.db.Maintenance(ctx, m.ID)
		must(t, err)
		same(t, "updates", len(got.Updates), 3)
		list, err := r.db.StatusIntervals(ctx, api.ID, time.Time{})
		must(t, err)
		same(t, "intervals", len(list), 3)
		same(t, "maintained", list[1].State, status.Maintained)
		same(t, "from", list[1].Start, start)
		same(t, "to", list[1].End, start.Add(time.Hour))
		same(t, "by", list[1].By, "maintenance New storage")
		list, err = r.db.StatusIntervals(ctx, web.ID, start)
		must(t, err)
		same(t, "maintenance hides no outage", len(list) == 1 && list[0].State == status.Partial, true)
		_, _, err = r.desk.CancelMaintenance(ctx, mira, m.ID, "", true)
		wants(t, err, publish.ErrOver)

		t.Run("bad times are refused", func(t *testing.T) {
			bad := status.Maintenance{PageID: r.page.ID, Title: "x", Start: start, End: start.Add(-time.Hour)}
			_, _, err := r.desk.SaveMaintenance(ctx, mira, bad, publish.Note{Body: "b"})
			refused(t, err, "end")
			bad.End = start.Add(2 * time.Minute)
			bad.AutoEnd = true
			_, _, err = r.desk.SaveMaintenance(ctx, mira, bad, publish.Note{Body: "b"})
			refused(t, err, "end")
		})
	})
}

func TestOverlappingMaintenanceShowsUntilTheLastEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api := r.component("API")
		for _, d := range []time.Duration{2 * time.Hour, 3 * time.Hour} {
			_, _, err := r.desk.SaveMaintenance(ctx, mira, status.Maintenance{PageID: r.page.ID, Title: "Work", Components: []string{api.ID}, Start: begin.Add(time.Hour),
				End: begin.Add(d), AutoStart: true, AutoEnd: true}, publish.Note{Body: "b"})
			must(t, err)
		}
		for range 4 {
			r.pass(time.Hour)
			r.tick()
		}
		list, err := r.db.StatusIntervals(ctx, api.ID, time.Time{})
		must(t, err)
		same(t, "intervals", len(list), 3)
		same(t, "end", list[1].End, begin.Add(3*time.Hour))
	})
}

func TestWhatIsWrittenDownLaterLeavesMaintenanceWhereNothingWasWrong(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api := r.component("API")
		_, _, err := r.desk.SaveMaintenance(ctx, mira, status.Maintenance{PageID: r.page.ID, Title: "Work", Components: []string{api.ID}, Start: begin.Add(time.Hour),
			End: begin.Add(2 * time.Hour), AutoStart: true, AutoEnd: true}, publish.Note{Body: "b"})
		must(t, err)
		for range 3 {
			r.pass(time.Hour)
			r.tick()
		}
		history := func() (text string) {
			list, err := r.db.StatusIntervals(ctx, api.ID, time.Time{})
			must(t, err)
			for n, i := range list {
				text += i.Start.Format("15:04 ") + string(i.State) + "; "
				if n > 0 && !list[n-1].End.Equal(i.Start) {
					t.Fatalf("between %v and %v nothing is known", list[n-1].End, i.Start)
				}
			}
			return text
		}
		same(t, "history", history(), "08:00 operational; 09:00 under_maintenance; 10:00 operational; ")
		i, _, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "Was down", Note: publish.Note{Body: "b", At: begin.Add(30 * time.Minute),
			Changes: []status.Change{{ComponentID: api.ID, To: status.Major}}}})
		must(t, err)
		same(t, "history", history(), "08:00 operational; 08:30 major_outage; ")
		_, _, err = r.desk.PostUpdate(ctx, mira, i.ID, publish.Note{Phase: status.Resolved, Body: "b", At: begin.Add(90 * time.Minute), Restore: true})
		must(t, err)
		same(t, "history", history(), "08:00 operational; 08:30 major_outage; 09:30 operational; ")
	})
}

func TestASeriesIsPlannedAheadOnTheClockOfItsZone(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api := r.component("API")
		// Sundays at 03:00 in Berlin; the clocks go forward on 28 March 2027.
		*r.clock = time.Date(2027, 3, 15, 12, 0, 0, 0, time.UTC)
		s, err := r.desk.SaveSeries(ctx, mira, status.Series{PageID: r.page.ID, Title: "Updates", Body: "We install updates.", Components: []string{api.ID},
			Rule: "FREQ=WEEKLY;BYDAY=SU", Zone: "Europe/Berlin", Start: time.Date(2027, 3, 21, 2, 0, 0, 0, time.UTC), Minutes: 60})
		must(t, err)
		begins := func() (list []time.Time) {
			ms, err := r.db.Maintenances(ctx, r.page.ID, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC))
			must(t, err)
			for i := range ms {
				list = append(list, ms[i].Start)
			}
			return list
		}
		want := []time.Time{time.Date(2027, 3, 21, 2, 0, 0, 0, time.UTC), time.Date(2027, 3, 28, 1, 0, 0, 0, time.UTC), time.Date(2027, 4, 4, 1, 0, 0, 0, time.UTC)}
		same(t, "announced", slices.Equal(begins(), want), true)
		r.tick()
		same(t, "announced", len(begins()), 3)

		ms, err := r.db.Maintenances(ctx, r.page.ID, want[0], want[1])
		must(t, err)
		_, _, err = r.desk.CancelMaintenance(ctx, mira, ms[0].ID, "", true)
		must(t, err)
		r.tick()
		list := begins()
		same(t, "one that was cancelled does not come again", len(list), 4)
		same(t, "the next", list[3], time.Date(2027, 4, 11, 1, 0, 0, 0, time.UTC))

		s.Title = "Security updates"
		_, err = r.desk.SaveSeries(ctx, mira, s)
		must(t, err)
		same(t, "nor after the series was changed", len(begins()), 4)
		ms, err = r.db.Maintenances(ctx, r.page.ID, want[0], want[2])
		must(t, err)
		same(t, "cancelled", ms[0].Phase, status.Cancelled)
		same(t, "announced anew", ms[1].Title, "Security updates")

		s.Rule = "FREQ=SECONDLY"
		_, err = r.desk.SaveSeries(ctx, mira, s)
		refused(t, err, "rule")
		s.Rule, s.Title = "FREQ=MONTHLY;BYDAY=1SU", "Monthly"
		_, err = r.desk.SaveSeries(ctx, mira, s)
		must(t, err)
		same(t, "announced anew", len(begins()), 1+3)
		must(t, r.desk.DeleteSeries(ctx, mira, s.ID))
		same(t, "left", len(begins()), 1)
	})
}

func TestDaysAreClosedOnceAndStayAsTheyWere(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api := r.component("API")
		berlin, err := time.LoadLocation("Europe/Berlin")
		must(t, err)
		r.pass(time.Hour)
		_, err = r.desk.SetComponent(ctx, mira, api.ID, status.Major, true)
		must(t, err)
		r.pass(30 * time.Minute)
		_, err = r.desk.SetComponent(ctx, mira, api.ID, status.Operational, true)
		must(t, err)
		v := r.version()
		midnight := time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC)
		*r.clock = midnight.Add(-time.Millisecond)
		next, err := r.desk.Tick(ctx)
		must(t, err)
		same(t, "next", next.UTC(), midnight)
		*r.clock = midnight
		days := func() []status.Day {
			found, err := r.db.StatusDays(ctx, r.page.ID, "2026-01-01", "2027-12-31")
			must(t, err)
			return found[api.ID]
		}
		same(t, "before", len(days()), 0)
		other := r.open()
		var both sync.WaitGroup
		for _, n := range []*rig{r, other} {
			both.Go(func() {
				if _, err := n.desk.Tick(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		list := days()
		same(t, "days", len(list), 1)
		same(t, "date", list[0].Date, "2026-11-20")
		same(t, "down", list[0].Seconds[status.Major], 1800)
		same(t, "unknown", list[0].Seconds[status.NoData], 9*3600)
		same(t, "well", list[0].Seconds[status.Operational], 14*3600+1800)
		same(t, "version", r.version(), v)

		t.Run("pruning changes no closed day", func(t *testing.T) {
			r.pass(40 * 24 * time.Hour)
			r.tick()
			before := r.record()
			was := days()
			same(t, "days", len(was), 41)
			n, err := r.db.PruneStatus(ctx, *r.clock, 100)
			must(t, err)
			same(t, "pruned", n > 0, true)
			_, err = r.db.Prune(ctx, *r.clock, 100) // and what retention takes
			must(t, err)
			left, err := r.db.StatusIntervals(ctx, api.ID, time.Time{})
			must(t, err)
			same(t, "intervals", len(left), 1)
			r.tick()
			a, b := status.Take(before, berlin, *r.clock), status.Take(r.record(), berlin, *r.clock)
			same(t, "uptime", b.Groups[0].Components[0].Uptime, a.Groups[0].Components[0].Uptime)
			same(t, "seconds", days()[0].Seconds[status.Major], 1800)
			// What lies before what is kept cannot be written down anew.
			_, _, err = r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "Late", Started: begin,
				Note: publish.Note{Body: "b", At: begin.Add(2 * time.Hour), Changes: []status.Change{{ComponentID: api.ID, To: status.Partial}}}})
			must(t, err)
			same(t, "seconds", days()[0].Seconds[status.Major], 1800)
			same(t, "seconds", days()[0].Seconds[status.Partial], 0)
		})
	})
}

func TestDaysThatWereClosedByAClockThatWasAheadAreOpenedAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api := r.component("API")
		other := r.component("Shop")
		days := func() []status.Day {
			found, err := r.db.StatusDays(ctx, r.page.ID, "2026-01-01", "2029-12-31")
			must(t, err)
			return found[api.ID]
		}
		r.pass(3 * 24 * time.Hour)
		r.tick()
		same(t, "days", len(days()), 3)
		_, err := r.desk.SetComponent(ctx, mira, other.ID, status.Partial, true)
		must(t, err)

		r.pass(300 * 24 * time.Hour) // somebody sets the clock ahead
		r.tick()
		same(t, "days, by a clock that is ahead", len(days()) > 290, true)
		v := r.version()
		r.pass(-300*24*time.Hour + time.Hour) // and back
		r.tick()
		same(t, "days, when it is set right", len(days()), 3)
		same(t, "visitors see it", r.version() > v, true)
		_, err = r.desk.SetComponent(ctx, mira, api.ID, status.Major, true)
		must(t, err)
		r.pass(time.Hour)
		_, err = r.desk.SetComponent(ctx, mira, api.ID, status.Operational, true)
		must(t, err)
		r.pass(24 * time.Hour)
		r.tick()
		list := days()
		same(t, "days, a day later", len(list), 4)
		same(t, "down", list[3].Seconds[status.Major], 3600)
		berlin, err := time.LoadLocation("Europe/Berlin")
		must(t, err)
		shown := status.Take(r.record(), berlin, *r.clock)
		for _, c := range shown.Groups[0].Components {
			if c.ID == api.ID && (!c.Known || c.Uptime > 9999) {
				t.Errorf("its uptime is %v", c.Uptime)
			}
		}
	})
}

func TestAClockThatIsFarBehindOpensNoDayOfWhichNothingIsKept(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api := r.component("API")
		days := func() []status.Day {
			found, err := r.db.StatusDays(ctx, r.page.ID, "1960-01-01", "2029-12-31")
			must(t, err)
			return found[api.ID]
		}
		r.pass(15 * 24 * time.Hour)
		_, err := r.desk.SetComponent(ctx, mira, api.ID, status.Major, true)
		must(t, err)
		r.pass(time.Hour)
		_, err = r.desk.SetComponent(ctx, mira, api.ID, status.Operational, true)
		must(t, err)
		r.pass(25 * 24 * time.Hour)
		r.tick()
		right := *r.clock
		n, err := r.db.PruneStatus(ctx, begin.AddDate(0, 0, 30), 500)
		must(t, err)
		same(t, "pruned", n, 2)
		was, v := days(), r.version()
		same(t, "days", len(was), 40)
		same(t, "down", was[15].Seconds[status.Major], 3600)
		for _, c := range []struct {
			when   string
			behind time.Time
		}{
			{"before there was the page", time.Unix(0, 0)},
			{"before there was the page, with a day that is over", begin.Add(-48 * time.Hour)},
			{"before what is kept", begin.AddDate(0, 0, 10)},
			{"on the last day before what is kept", begin.AddDate(0, 0, 29)},
		} {
			*r.clock = c.behind
			r.tick()
			same(t, "days, by a clock from "+c.when, fmt.Sprint(days()), fmt.Sprint(was))
			*r.clock = right
			r.tick()
			same(t, "days, when the clock is right again", fmt.Sprint(days()), fmt.Sprint(was))
			same(t, "version", r.version(), v)
		}
		*r.clock = begin.AddDate(0, 0, 30) // of that day all is kept
		r.tick()
		same(t, "days, by a clock from the first day that is kept", fmt.Sprint(days()), fmt.Sprint(was[:30]))
		*r.clock = right.Add(24 * time.Hour)
		r.tick()
		same(t, "days, a day later", len(days()), 41)
		same(t, "those of before", fmt.Sprint(days()[:40]), fmt.Sprint(was))
	})
}

func TestWhatIsWrittenDownLaterCountsInDaysThatAreClosed(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api := r.component("API")
		r.pass(3 * 24 * time.Hour)
		r.tick()
		down := begin.Add(24 * time.Hour) // 09:00 in Berlin, on the 21st
		i, _, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "Was down", Note: publish.Note{Body: "b", At: down,
			Changes: []status.Change{{ComponentID: api.ID, To: status.Major}}}})
		must(t, err)
		_, _, err = r.desk.PostUpdate(ctx, mira, i.ID, publish.Note{Phase: status.Resolved, Body: "over", At: down.Add(2 * time.Hour), Restore: true})
		must(t, err)
		found, err := r.db.StatusDays(ctx, r.page.ID, "2026-11-20", "2026-11-22")
		must(t, err)
		for n, want := range []int{0, 7200, 0} {
			d := found[api.ID][n]
			same(t, d.Date, d.Seconds[status.Major], want)
		}
		same(t, "well", found[api.ID][1].Seconds[status.Operational], 86400-7200)
	})
}

// idle is a store in which nothing is ever due, or that cannot be reached.
type idle struct {
	publish.Store
	looked chan time.Time
	err    error
}

func (s *idle) Timetable(context.Context) ([]publish.Timetable, error) {
	s.looked <- time.Now()
	return nil, s.err
}

func (s *idle) Bound(context.Context) ([]publish.Bound, error) {
	s.looked <- time.Now()
	return nil, s.err
}

func TestTheLoopsLookWhenTheyAreWokenAndOnceInAWhile(t *testing.T) {
	for name, of := range map[string]struct {
		run  func(*publish.Desk, context.Context) error
		wake func(*publish.Desk)
	}{
		"clock":  {(*publish.Desk).RunClock, (*publish.Desk).WakeClock},
		"alerts": {(*publish.Desk).RunAlerts, (*publish.Desk).WakeAlerts},
	} {
		for _, away := range []error{nil, errors.New("no database")} {
			t.Run(strings.TrimSpace(name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &idle{looked: make(chan time.Time), err: away}
					d, err := publish.New(s, publish.Options{})
					must(t, err)
					ctx, cancel := context.WithCancel(t.Context())
					done := make(chan error)
					go func() { done <- of.run(d, ctx) }()
					first := <-s.looked
					of.wake(d)
					if second := <-s.looked; second.Sub(first) > time.Second {
						t.Errorf("woken, it looked after %v", second.Sub(first))
					}
					second := time.Now()
					if third := <-s.looked; third.Sub(second) < 20*time.Second || third.Sub(second) > 22*time.Second {
						t.Errorf("by itself, it looked after %v", third.Sub(second))
					}
					cancel()
					must(t, <-done)
				})
			})
		}
	}
}
