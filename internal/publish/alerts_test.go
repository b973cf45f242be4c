package publish_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/publish"
	"tocsin/internal/status"
)

func bound(host string, edit ...func(*status.Binding)) status.Binding {
	b := status.Binding{Hosts: []string{host}}
	for _, e := range edit {
		e(&b)
	}
	return b
}

func held(seconds int) func(*status.Binding) {
	return func(b *status.Binding) { b.HoldDown = seconds }
}

func drafts(b *status.Binding) { b.Incident = "draft" }

func publishes(after int) func(*status.Binding) {
	return func(b *status.Binding) { b.Incident, b.After = "publish", after }
}

func (r *rig) drafts() []status.Incident {
	r.t.Helper()
	list, err := r.db.Drafts(r.t.Context(), r.page.ID)
	must(r.t, err)
	return list
}

func TestAComponentFollowsItsAlertsAfterTheHoldDown(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		r.telling()
		db := r.component("Database", bound("db*", held(60)))
		r.component("Website", bound("web*"))
		r.watch()
		v := r.version()
		r.alert("db01", "Disk", alert.Warning)
		next := r.watch()
		same(t, "next", next, begin.Add(time.Minute))
		r.pass(59 * time.Second)
		r.watch()
		same(t, "version", r.version(), v)
		r.pass(time.Second)
		r.watch()
		same(t, "state", r.state(db.ID).State, status.Degraded)
		same(t, "by hand", r.state(db.ID).ByHand, false)

		t.Run("worse is held down, too", func(t *testing.T) {
			r.alert("db01", "Disk", alert.Critical)
			r.watch()
			same(t, "state", r.state(db.ID).State, status.Degraded)
			r.pass(time.Minute)
			r.watch()
			same(t, "state", r.state(db.ID).State, status.Major)
		})
		t.Run("a recovery is told at once", func(t *testing.T) {
			r.pass(time.Minute)
			r.alert("db01", "Disk", alert.OK)
			r.watch()
			r.watch()
			same(t, "state", r.state(db.ID).State, status.Operational)
			containsAll(t, "messages", r.published(), "component_down 🔴 Major outage: Database", "component_recovered 🟢 Operational: Database")
			same(t, "messages", len(r.published()), 2)
			list, err := r.db.StatusIntervals(t.Context(), db.ID, time.Time{})
			must(t, err)
			same(t, "intervals", len(list), 4)
			same(t, "by", list[1].By, "alert Disk on db01")
		})
		t.Run("what does not last is never shown", func(t *testing.T) {
			v := r.version()
			r.alert("db02", "Disk", alert.Critical)
			r.watch()
			r.pass(30 * time.Second)
			r.alert("db02", "Disk", alert.OK)
			r.watch()
			r.alert("db02", "Disk", alert.Critical)
			r.watch()
			r.pass(59 * time.Second)
			r.watch()
			same(t, "version", r.version(), v)
		})
	})
}

func TestAutomationLeavesAloneWhatAPersonSet(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		c := r.component("API", bound("api", drafts))
		r.alert("api", "HTTP", alert.Critical)
		r.watch()
		same(t, "state", r.state(c.ID).State, status.Major)
		_, err := r.desk.SetComponent(ctx, mira, c.ID, status.Degraded, true)
		must(t, err)
		r.watch()
		r.alert("api", "HTTP", alert.Warning)
		r.alert("api", "Ping", alert.Critical)
		r.watch()
		same(t, "state", r.state(c.ID).State, status.Degraded)
		same(t, "by hand", r.state(c.ID).ByHand, true)
		r.alert("api", "Ping", alert.OK)
		r.watch()
		same(t, "they agree", r.state(c.ID).ByHand, false)
		r.n = 0
		r.alert("api", "HTTP", alert.OK)
		r.watch()
		same(t, "state", r.state(c.ID).State, status.Operational)

		t.Run("nor does it write into a person's incident", func(t *testing.T) {
			i := r.drafts()[0]
			title := "Our words"
			_, err := r.desk.EditIncident(ctx, mira, i.ID, publish.Edit{Title: &title})
			must(t, err)
			n := len(r.drafts())
			i2, _, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "By hand", Components: []string{c.ID}, Note: publish.Note{Body: "b"}})
			must(t, err)
			r.pass(time.Hour)
			id := r.alert("api", "HTTP", alert.Critical)
			r.watch()
			same(t, "state", r.state(c.ID).State, status.Major)
			same(t, "drafts", len(r.drafts()), n)
			got, err := r.db.Incident(ctx, i2.ID)
			must(t, err)
			same(t, "title", got.Title, "By hand")
			same(t, "updates", len(got.Updates), 1)
			same(t, "alerts beside", got.AlertIDs[0], id)
			of, err := r.db.AlertIncidents(ctx, id)
			must(t, err)
			same(t, "of the alert", len(of), 1)
			same(t, "edited", r.drafts()[0].Title, title)
		})
	})
}

func TestAStormIsOneIncident(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		r.telling()
		var ids []string
		for n := range 6 {
			ids = append(ids, r.component(fmt.Sprintf("Service %d", n), bound(fmt.Sprintf("host%d", n), drafts)).ID)
		}
		for n := range 3 {
			r.alert(fmt.Sprintf("host%d", n), "Ping", alert.Critical)
		}
		r.watch()
		r.pass(5 * time.Minute)
		for n := 3; n < 5; n++ {
			r.alert(fmt.Sprintf("host%d", n), "Ping", alert.Warning)
		}
		r.watch()
		r.watch()
		list := r.drafts()
		same(t, "drafts", len(list), 1)
		same(t, "components", len(list[0].Components), 5)
		same(t, "alerts", len(list[0].AlertIDs), 5)
		same(t, "impact", list[0].Impact, status.ImpactCritical)
		same(t, "title", list[0].Title, "Trouble with Service 0, Service 1 and 3 more")
		same(t, "began", list[0].Started, begin)
		same(t, "messages of components", len(r.published()), 1)
		same(t, "shown", len(r.record().Incidents), 0)

		t.Run("much later it is another one", func(t *testing.T) {
			r.pass(time.Hour)
			r.alert("host5", "Ping", alert.Critical)
			r.watch()
			same(t, "drafts", len(r.drafts()), 2)
		})
		t.Run("the same component stays in the one that it is in", func(t *testing.T) {
			r.pass(time.Hour)
			r.alert("host4", "Ping", alert.Critical)
			r.watch()
			same(t, "drafts", len(r.drafts()), 2)
		})
		t.Run("a draft that waits for a person says when it was over", func(t *testing.T) {
			r.alert("host5", "Ping", alert.OK)
			r.watch()
			r.n = 0
			d := r.drafts()[0]
			same(t, "phase", d.Phase, status.Resolved)
			same(t, "still a draft", d.Draft && d.Components[0] == ids[5], true)
			_, told, err := r.desk.PublishDraft(t.Context(), mira, d.ID, false)
			must(t, err)
			same(t, "messages", len(told.Publications), 1)
			containsAll(t, "messages", r.published(), "incident_resolved 🟢 Resolved: Trouble with Service 5")
			same(t, "what alerts did is not done again", r.state(ids[5]).State, status.Operational)
		})
	})
}

func TestAStormPublishesNothingThatAPersonIsToDecideAbout(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		r.component("Shop", bound("shop", publishes(5)))
		mail := r.component("Mail", bound("mail", drafts)).ID
		r.alert("shop", "HTTP", alert.Critical)
		r.alert("mail", "SMTP", alert.Critical)
		r.watch()
		same(t, "drafts", len(r.drafts()), 2)
		r.pass(5 * time.Minute)
		r.tick()
		left := r.drafts()
		same(t, "drafts", len(left), 1)
		same(t, "of", fmt.Sprint(left[0].Components), fmt.Sprint([]string{mail}))
		same(t, "public", r.record().Incidents[0].Title, "Trouble with Shop")
	})
}

func TestAnIncidentIsPublishedWhenNobodyActsInTime(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.component("API *1*", bound("api", publishes(5)))
		r.alert("api", "HTTP", alert.Critical)
		r.watch()
		same(t, "drafts", len(r.drafts()), 1)
		next, err := r.desk.Tick(ctx)
		must(t, err)
		same(t, "next", next, begin.Add(5*time.Minute))
		r.pass(5 * time.Minute)
		other := r.open()
		r.tick()
		other.tick()
		same(t, "drafts", len(r.drafts()), 0)
		same(t, "messages", len(r.published()), 1)
		i := r.record().Incidents[0]
		same(t, "body", i.Updates[0].Body, `We have noticed trouble with API \*1\* and are looking into it.`)
		r.alert("api", "HTTP", alert.OK)
		r.watch()
		i = r.record().Incidents[0]
		same(t, "phase", i.Phase, status.Resolved)
		containsAll(t, "messages", r.published(), "incident_resolved")

		t.Run("unless it is over before", func(t *testing.T) {
			r.pass(time.Hour)
			r.alert("api", "HTTP", alert.Critical)
			r.watch()
			same(t, "drafts", len(r.drafts()), 1)
			r.alert("api", "HTTP", alert.OK)
			r.watch()
			same(t, "drafts", len(r.drafts()), 0)
			r.pass(time.Hour)
			r.tick()
			same(t, "messages", len(r.published()), 2)
		})
		t.Run("or a person looks into it", func(t *testing.T) {
			r.alert("api", "HTTP", alert.Critical)
			r.watch()
			_, err := r.desk.EditIncident(ctx, mira, r.drafts()[0].ID, publish.Edit{})
			must(t, err)
			r.pass(time.Hour)
			r.tick()
			same(t, "drafts", len(r.drafts()), 1)
			must(t, r.desk.DiscardDraft(ctx, mira, r.drafts()[0].ID))
			r.watch()
			same(t, "discarded is discarded", len(r.drafts()), 0)
		})
	})
}

func TestADowntimeOfTheEngineIsMaintenanceHere(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.telling()
		c := r.component("Database", bound("db01", func(b *status.Binding) { b.Downtime = true }))
		in := func(a *alert.Alert) { a.Object.Downtime = true }
		r.alert("db01", "", alert.Up, in, func(a *alert.Alert) { a.Status, a.Resolved = alert.Resolved, *r.clock })
		r.watch()
		r.watch()
		shown := func() status.State { return status.Take(r.record(), time.UTC, *r.clock).Groups[0].Components[0].Shown }
		same(t, "shown", shown(), status.Maintained)
		r.n++
		r.alert("db01", "", alert.Down, in)
		r.watch()
		same(t, "what breaks in it is no outage", shown(), status.Maintained)
		r.pass(3 * time.Hour)
		r.tick()
		m := r.record().Maintenances
		same(t, "maintenances", len(m), 1)
		same(t, "it lasts", m[0].End.After(*r.clock), true)
		r.alert("db01", "", alert.Down)
		r.watch()
		same(t, "shown", shown(), status.Major)
		m = r.record().Maintenances
		same(t, "phase", m[0].Phase, status.Completed)
		same(t, "end", m[0].End, *r.clock)
		containsAll(t, "messages", r.published(), "maintenance 🔧 In progress: Maintenance: Database", "maintenance 🔧 Completed", "component_down")

		t.Run("one that nobody tells about any more ends", func(t *testing.T) {
			r.alert("db01", "", alert.Down, in)
			r.watch()
			same(t, "shown", shown(), status.Maintained)
			free := r.state(c.ID)
			free.Bindings = nil
			_, err := r.desk.SaveComponent(ctx, mira, free)
			must(t, err)
			r.pass(2 * time.Hour)
			r.tick()
			same(t, "shown", shown(), status.Operational)
			free.Bindings = c.Bindings
			r.alert("db01", "", alert.Down)
			_, err = r.desk.SaveComponent(ctx, mira, free)
			must(t, err)
			r.watch()
			same(t, "shown", shown(), status.Major)
		})
		t.Run("what a person ends stays ended", func(t *testing.T) {
			r.alert("db01", "", alert.Down, in)
			r.watch()
			ms := r.record().Maintenances
			open := ms[len(ms)-1]
			same(t, "phase", open.Phase, status.InProgress)
			_, _, err := r.desk.PostMaintenance(ctx, mira, open.ID, publish.Note{Phase: status.Completed, Body: "Done early."})
			must(t, err)
			r.watch()
			r.watch()
			same(t, "maintenances", len(r.record().Maintenances), 3)
			same(t, "what is down once the work is said to be over", r.state(c.ID).State, status.Major)
		})
	})
}

func TestNodesThatSeeTheSameAlertsActOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		r.telling()
		r.component("API", bound("api", publishes(0)))
		nodes := []*rig{r, r.open()}
		for round := range 10 {
			for _, s := range []alert.State{alert.Critical, alert.OK} {
				r.alert("api", "HTTP", s)
				var both sync.WaitGroup
				for _, n := range nodes {
					both.Go(func() {
						if _, err := n.desk.Watch(t.Context()); err != nil {
							t.Errorf("round %d: %v", round, err)
						}
					})
				}
				both.Wait()
				r.pass(time.Minute)
			}
		}
		counts := map[string]int{}
		for _, title := range r.published() {
			kind, _, _ := strings.Cut(title, " ")
			counts[kind]++
		}
		for _, kind := range []string{"incident_new", "incident_resolved", "component_down", "component_recovered"} {
			same(t, kind, counts[kind], 10)
		}
	})
}
