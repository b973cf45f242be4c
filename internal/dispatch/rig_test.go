package dispatch_test

import (
	"context"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/internal/source"
	"tocsin/internal/store"
)

// rig is a store with a source, two users and their contacts, and a rule that
// leads to one of them when the engine names nobody.
type rig struct {
	db *store.DB
	s  *dispatch.Service
}

const (
	sourceID = "source-1"
	janeUser = "user-jane"
	jane     = "contact-jane"
	joeUser  = "user-joe"
	joe      = "contact-joe"
)

func newContact(id, name, userID, engineID string) contact.Contact {
	c := contact.NewContact(name)
	c.ID, c.UserID, c.EngineUserID = id, userID, engineID
	return c
}

func fill(tb testing.TB, db *store.DB) {
	tb.Helper()
	ctx := context.Background()
	one := config.Defaults()
	one.Storm.Off = true // the tests of storms switch it on
	must(tb, db.SaveSettings(ctx, one))
	must(tb, db.SaveSource(ctx, source.Source{ID: sourceID, Name: "nagios", Kind: "nagios", TokenHash: "h", CreatedAt: time.Now()}))
	must(tb, db.SaveUser(ctx, auth.User{ID: janeUser, Name: "jane", Role: auth.Operator, CreatedAt: time.Now()}))
	must(tb, db.SaveUser(ctx, auth.User{ID: joeUser, Name: "joe", Role: auth.Operator, CreatedAt: time.Now()}))
	must(tb, db.SaveContact(ctx, newContact(jane, "jane", janeUser, "7")))
	must(tb, db.SaveContact(ctx, newContact(joe, "joe", joeUser, "")))
	must(tb, db.SaveRule(ctx, route.Rule{ID: "rule-1", Name: "All", Enabled: true, ContactIDs: []string{jane}}))
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// onEach runs a test on both databases at once, each with a store of its own:
// much of the time goes by until PostgreSQL has made and dropped its. They run
// when the test that called it has come to its end.
func onEach(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			db, err := store.Open(t.Context(), store.Options{URL: e.url(t), Node: "test"})
			must(t, err)
			t.Cleanup(func() { must(t, db.Close()) })
			fill(t, db)
			f(t, db)
		})
	}
}

// run starts a Service over st and ends it with the test.
func run(tb testing.TB, st dispatch.Store, o dispatch.Options) *dispatch.Service {
	tb.Helper()
	s := dispatch.New(st, o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	tb.Cleanup(func() { cancel(); must(tb, <-done) })
	return s
}

func newRig(t *testing.T, db *store.DB) *rig { return &rig{db: db, s: run(t, db, dispatch.Options{})} }

// event is a PROBLEM of the service HTTP on web01, changed by edit.
func event(edit ...func(*alert.Event)) alert.Event {
	e := alert.Event{
		Object: alert.Object{Host: "web01", Service: "HTTP"}, Type: alert.Problem, State: alert.Critical,
		Output: "timed out", Origin: alert.FromEngine, Time: time.Now().UTC().Truncate(time.Millisecond),
	}
	for _, f := range edit {
		f(&e)
	}
	return e
}

func call(id string) func(*alert.Event) { return func(e *alert.Event) { e.CallID = id } }

func named(names ...string) func(*alert.Event) { return func(e *alert.Event) { e.Contacts = names } }

func recovered(e *alert.Event) { e.Type, e.State, e.Output = alert.Recovery, alert.OK, "fine" }

func at(when time.Time) func(*alert.Event) { return func(e *alert.Event) { e.Time = when } }

func (r *rig) receive(t *testing.T, events ...alert.Event) []dispatch.Receipt {
	t.Helper()
	got, err := r.s.Receive(t.Context(), sourceID, events)
	must(t, err)
	if len(got) != len(events) {
		t.Fatalf("%d receipts for %d events", len(got), len(events))
	}
	return got
}

func (r *rig) timeline(t *testing.T, o alert.Object) []alert.Event {
	t.Helper()
	events, err := r.db.Events(t.Context(), "", alert.ObjectID(sourceID, o.Host, o.Service), 500)
	must(t, err)
	return events
}

func (r *rig) deliveries(t *testing.T, alertID string) []delivery.Delivery {
	t.Helper()
	ds, err := r.db.AlertDeliveries(t.Context(), alertID, "")
	must(t, err)
	return ds
}
