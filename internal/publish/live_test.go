package publish_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/publish"
	"tocsin/internal/source"
	"tocsin/internal/status"
	"tocsin/internal/store"
)

// eventually waits for something that a loop brings about.
func eventually(t *testing.T, what string, ready func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !ready() {
		select {
		case <-ctx.Done():
			t.Fatalf("never came: %s", what)
		case <-tick.C:
		}
	}
}

// loop runs f until the test ends.
func loop(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() { cancel(); must(t, <-done) })
}

func TestEventsOfAnEngineReachThePage(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		desk, err := publish.New(r.db, publish.Options{Pause: time.Millisecond})
		must(t, err)
		r.db.OnWake("live", desk.WakeAlerts)
		service := dispatch.New(r.db, dispatch.Options{})
		loop(t, service.Run)
		loop(t, desk.RunAlerts)
		loop(t, desk.RunClock)
		c := r.component("Shop", status.Binding{SourceIDs: []string{"s1"}, Hosts: []string{"web*"}, Incident: "publish", Downtime: true})
		event := func(typ alert.Type, s alert.State) {
			_, err := service.Receive(ctx, "s1", []alert.Event{{CallID: fmt.Sprint(typ, s, time.Now().UnixNano()), Object: alert.Object{Host: "web01", Service: "HTTP"},
				Type: typ, State: s, Output: "x", Origin: alert.FromEngine, Time: time.Now()}})
			must(t, err)
		}
		snapshot := func() status.Snapshot {
			rec, err := r.db.StatusRecord(ctx, r.page.ID)
			must(t, err)
			return status.Take(rec, time.UTC, time.Now())
		}
		event(alert.Problem, alert.Critical)
		eventually(t, "an open incident", func() bool { s := snapshot(); return len(s.Open) == 1 && s.State == status.Major })
		event(alert.Recovery, alert.OK)
		eventually(t, "its end", func() bool { s := snapshot(); return len(s.Open) == 0 && s.State == status.Operational })
		event(alert.DowntimeStart, alert.OK)
		eventually(t, "maintenance", func() bool { s := snapshot(); return len(s.Active) == 1 && s.State == status.Maintained })
		event(alert.DowntimeEnd, alert.OK)
		eventually(t, "its end", func() bool { s := snapshot(); return len(s.Active) == 0 && s.State == status.Operational })
		same(t, "by hand", r.state(c.ID).ByHand, false)
	})
}

func TestPeopleAtSeveralNodesLoseNothingOfEachOther(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		api := r.component("API")
		i, _, err := r.desk.OpenIncident(ctx, mira, publish.Opening{PageID: r.page.ID, Title: "x", Note: publish.Note{Body: "b"}})
		must(t, err)
		v := r.version()
		nodes := []*rig{r, r.open()}
		var all sync.WaitGroup
		const each = 10
		for n, node := range nodes {
			all.Go(func() {
				for k := range each {
					to := []status.State{status.Degraded, status.Partial, status.Major}[(n+k)%3]
					if _, _, err := node.desk.PostUpdate(ctx, mira, i.ID, publish.Note{Body: fmt.Sprint(n, k), Changes: []status.Change{{ComponentID: api.ID, To: to}}}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		got, err := r.db.Incident(ctx, i.ID)
		must(t, err)
		same(t, "updates", len(got.Updates), 1+2*each)
		same(t, "version", r.version(), v+2*each)
		for n := 2; n < len(got.Updates); n++ {
			same(t, "the chain of states", got.Updates[n].Changes[0].From, got.Updates[n-1].Changes[0].To)
		}
	})
}

// BenchmarkWatch looks at 5,000 open alerts and 1,000 components that are bound to
// them, when nothing has changed.
func BenchmarkWatch(b *testing.B) {
	ctx := b.Context()
	db, err := store.Open(ctx, store.Options{URL: "sqlite:" + b.TempDir() + "/tocsin.db"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	desk, err := publish.New(db, publish.Options{})
	if err != nil {
		b.Fatal(err)
	}
	page, err := desk.SavePage(ctx, mira, status.Page{Slug: "main", Name: "Sandbank", Zone: "UTC"})
	if err == nil {
		err = db.SaveSource(ctx, source.Source{ID: "s1", Name: "nagios", Kind: "nagios", TokenHash: "h"})
	}
	for n := 0; n < 1000 && err == nil; n++ {
		_, err = desk.SaveComponent(ctx, mira, status.Component{PageID: page.ID, Name: "c", Bindings: []status.Binding{{Hosts: []string{fmt.Sprintf("host%04d", n)}}}})
	}
	var c dispatch.Changes
	for n := range 5000 {
		o := alert.Object{ID: alert.ObjectID("s1", fmt.Sprintf("host%04d", n), "Disk"), SourceID: "s1", Host: fmt.Sprintf("host%04d", n), Service: "Disk", State: alert.Critical}
		c.Objects = append(c.Objects, o)
		c.Alerts = append(c.Alerts, alert.Alert{ID: fmt.Sprint("a", n), Object: o, Status: alert.Firing, State: alert.Critical, Since: time.Now()})
	}
	if err == nil {
		err = db.Commit(ctx, func(ctx context.Context, tx dispatch.Tx) error { return tx.Write(ctx, &c) })
	}
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	if _, err := desk.Watch(ctx); err != nil {
		b.Fatal(err)
	}
	b.Logf("the storm itself: %v", time.Since(begin))
	for b.Loop() {
		if _, err := desk.Watch(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
