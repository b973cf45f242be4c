package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/live"
	"tocsin/internal/store"
	"tocsin/test/database"
	"tocsin/test/postgres"
)

// What the other rooms declare is implemented. web.Store and web.Receipts are
// asserted in app, which alone may import both rooms.
var (
	_ dispatch.Store = (*store.DB)(nil)
	_ delivery.Store = (*store.DB)(nil)
	_ live.Log       = (*store.DB)(nil)
	_ auth.Store     = (*store.DB)(nil)
)

// engine makes databases.
type engine struct {
	name  string
	fresh func(t testing.TB) (url string) // an empty one
	ready func(t testing.TB) (url string) // one with the schema in it
}

func engines() []engine {
	return []engine{
		{"sqlite", func(t testing.TB) string { return "sqlite:" + oddPath(t) }, func(t testing.TB) string {
			path := oddPath(t)
			database.Place(t, path)
			return "sqlite:" + path
		}},
		{"postgres", postgres.URL, database.Postgres},
	}
}

// oddPath is one with characters that mean something in a URL.
func oddPath(t testing.TB) string { return filepath.Join(t.TempDir(), "a folder%20#1", "tocsin.db") }

// onBoth runs a test on both engines, beside other tests: each has databases of
// its own, and much of the time goes by until PostgreSQL has made and dropped
// them. open opens one more DB on the same database.
func onBoth(t *testing.T, f func(t *testing.T, db *store.DB, open func() *store.DB)) {
	t.Parallel()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			url := e.ready(t)
			open := func() *store.DB { return openURL(t, url) }
			f(t, open(), open)
		})
	}
}

func openURL(t testing.TB, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: url, Node: "node-a"})
	if err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

// eventually waits for something that another goroutine brings about.
func eventually(t testing.TB, what string, ready func() bool) {
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

// day is a time that all tests count from, in whole milliseconds.
func day() time.Time { return time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC) }

// recent is the same near to now, for what leases and ends are about.
func recent() time.Time { return time.Now().Add(-time.Minute).UTC().Truncate(time.Millisecond) }

// problem makes the changes of the first PROBLEM of an object, with one
// delivery for each user. n makes ids that ascend and differ.
func problem(n int, users ...string) dispatch.Changes {
	host := fmt.Sprintf("web%04d", n)
	o := alert.Object{
		ID: alert.ObjectID("s1", host, "http"), SourceID: "s1", Host: host, Service: "http",
		HostDisplay: "Größe " + host, ServiceDisplay: "HTTP Check", URL: "https://nagios.example/x",
		Labels: map[string]string{"team": "ops"}, State: alert.Critical, Changed: day(),
	}
	a := alert.Alert{
		ID: fmt.Sprintf("alert-%06d", n), Object: o, Status: alert.Firing, State: alert.Critical, Worst: alert.Critical,
		Output: "HTTP CRITICAL: 503 Störung", Long: "line 2\nline 3", Since: day().Add(time.Duration(n) * time.Second),
		Updated: day().Add(time.Duration(n) * time.Second), Marks: []alert.Mark{alert.MarkLate},
	}
	e := alert.Event{
		ID: fmt.Sprintf("event-%06d", n), CallID: fmt.Sprintf("call-%d", n), SourceID: "s1", AlertID: a.ID, Object: o,
		Type: alert.Problem, State: alert.Critical, Output: a.Output, Long: a.Long, Author: "nagiosadmin", Comment: "see there",
		UserID: "u7", Origin: alert.FromEngine, Contacts: []string{"ops"}, UserIDs: []string{"7"}, Time: day(),
		Received: day().Add(time.Duration(n) * time.Second), Marks: []alert.Mark{alert.MarkLate}, Sticky: true,
		Outcome: alert.Opened, Why: "the first problem",
	}
	c := dispatch.Changes{
		Objects: []alert.Object{o}, Alerts: []alert.Alert{a}, Events: []alert.Event{e},
		Calls:   []dispatch.Call{{CallKey: dispatch.CallKey{SourceID: "s1", Key: e.CallID}, EventID: e.ID, At: e.Received}},
		Live:    []live.Frame{{Kind: "alert", Body: `{"id":"` + a.ID + `"}`, At: day()}},
		Sources: map[string]time.Time{"s1": e.Received},
	}
	for i, u := range users {
		c.Deliveries = append(c.Deliveries, delivery.Delivery{
			ID: fmt.Sprintf("delivery-%06d-%03d", n, i), EventID: e.ID, AlertID: a.ID, ObjectID: o.ID, ContactID: "c-" + u,
			ContactName: "Contact " + u, UserID: u, Channel: "browser", Notice: alert.NoticeProblem, State: delivery.Waiting,
			Reason: "named_by_engine", Why: "the engine named ops", Created: recent(), Due: recent(),
			Expires: recent().Add(time.Hour),
		})
	}
	return c
}

func write(t testing.TB, db *store.DB, c dispatch.Changes) {
	t.Helper()
	ok(t, db.Commit(t.Context(), func(ctx context.Context, tx dispatch.Tx) error { return tx.Write(ctx, &c) }))
}

func records(t testing.TB, db *store.DB, ids ...string) (recs map[string]*dispatch.Record) {
	t.Helper()
	ok(t, db.Commit(t.Context(), func(ctx context.Context, tx dispatch.Tx) (err error) {
		recs, err = tx.Records(ctx, ids)
		return err
	}))
	return recs
}
