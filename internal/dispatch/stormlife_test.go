package dispatch_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/channel"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/internal/store"
	"tocsin/test/database"
)

// listener is a way of telling that notes when each message came.
type listener struct {
	name string
	mu   sync.Mutex
	took []heard
}

type heard struct {
	at time.Time
	m  channel.Message
}

func (l *listener) Name() string { return l.name }

func (l *listener) SendAll(_ context.Context, msgs []channel.Message) []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range msgs {
		l.took = append(l.took, heard{time.Now(), m})
	}
	return make([]error, len(msgs))
}

// A night of the test's own time: a service, a worker and two ways of telling live
// through a storm on a real database.
func TestANightWithAStorm(t *testing.T) {
	url := database.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		const people, alerts = 3, 700
		db, err := store.Open(t.Context(), store.Options{URL: url, Node: "test"})
		must(t, err)
		defer func() { must(t, db.Close()) }()
		fill(t, db)
		names := make([]string, people)
		for i := range names {
			names[i] = fmt.Sprint("guard-", i)
			must(t, db.SaveUser(t.Context(), auth.User{ID: "u-" + names[i], Name: names[i], Role: auth.Operator, CreatedAt: time.Now()}))
			must(t, db.SaveContact(t.Context(), newContact("c-"+names[i], names[i], "u-"+names[i], "")))
		}
		r := &rig{db: db, s: dispatch.New(db, dispatch.Options{Settings: rules()})}
		for _, name := range names {
			r.device(t, "u-"+name, "phone")
		}
		phones, tabs := &listener{name: route.Webpush}, &listener{name: route.Browser}
		w := delivery.NewWorker(db, []channel.Channel{phones, tabs}, delivery.WorkerOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, run := range []func(context.Context) error{r.s.Run, r.s.RunStorms, w.Run} {
			running.Go(func() { must(t, run(ctx)) })
		}
		began := time.Now()
		var sending sync.WaitGroup
		for i := range 7 {
			sending.Go(func() { r.receive(t, problems(i*100, 100, named(names...))...) })
		}
		sending.Wait()
		pass(t, 2*time.Minute)
		for _, l := range []*listener{phones, tabs} {
			for contact, got := range l.byContact() {
				if len(got) != 4 || got[3].m.Digest == nil {
					t.Fatalf("%s of %s: %d messages", l.name, contact, len(got))
				}
				if late := got[0].at.Sub(began); late > 2*time.Second {
					t.Errorf("%s of %s: the first message came %s late", l.name, contact, late)
				}
				if d := got[3].m.Digest; d.Total != alerts-3 || d.Open != alerts-3 || d.New != alerts-3 || got[3].at.Sub(began) > 65*time.Second {
					t.Errorf("%s of %s: told after %s: %+v", l.name, contact, got[3].at.Sub(began), d)
				}
			}
			if n := len(l.byContact()); n != people {
				t.Errorf("%d were told by %s", n, l.name)
			}
		}
		// Half of it recovers, and ten minutes later it is quiet again.
		r.receive(t, problems(0, alerts/2, named(names...), recovered, at(time.Now()))...)
		pass(t, 10*time.Minute)
		for contact, got := range phones.byContact() {
			last := got[len(got)-1].m
			// Of the three that were told at once the recoveries are in the storm.
			if d := last.Digest; len(got) > 8 || d == nil || !d.Over || !last.Quiet || d.Open < alerts/2-3 || d.Recovered != alerts/2 || d.Open+d.Recovered != d.Total {
				t.Errorf("%s: %d messages; the last %s: %d of %d open, %d recovered", contact, len(got), last.Notice, d.Open, d.Total, d.Recovered)
			}
		}
		cancel()
		running.Wait()
		places, ended := map[string]map[string]bool{}, 0
		for _, d := range r.all(t) {
			if d.State != delivery.Sent && d.State != delivery.Cancelled {
				t.Fatalf("without an end: %+v", d)
			}
			ended++
			p := placeOf(d)
			if places[p] == nil {
				places[p] = map[string]bool{}
			}
			if d.Notice == alert.NoticeProblem {
				places[p][d.AlertID] = true
			}
		}
		for p, ids := range places {
			if len(ids) != alerts {
				t.Errorf("%s: %d alerts are in the log", p, len(ids))
			}
		}
		if len(places) != 2*people || ended < 2*people*alerts {
			t.Errorf("%d deliveries at %d places", ended, len(places))
		}
	})
}

// pass lets time go by.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
}

func (l *listener) byContact() map[string][]heard {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string][]heard{}
	for _, h := range l.took {
		out[h.m.ContactID] = append(out[h.m.ContactID], h)
	}
	return out
}
