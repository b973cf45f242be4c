package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/internal/simulate"
	"tocsin/internal/source"
	"tocsin/internal/store"
)

// busy is a database in which things came in: 7 problems of which one is over, one
// taken here, and all told to one contact.
func busy(t *testing.T, db *store.DB) *dispatch.Service {
	t.Helper()
	ctx := t.Context()
	ok(t, db.SaveSource(ctx, source.Source{ID: "s1", Name: "nagios", Kind: "nagios", TokenHash: "h", CreatedAt: time.Now()}))
	c := contact.NewContact("jane")
	c.ID, c.Email, c.UserID = "c-jane", "jane@example.com", "u-jane"
	ok(t, db.SaveUser(ctx, auth.User{ID: c.UserID, Name: "jane", Role: auth.Operator, CreatedAt: time.Now()}))
	ok(t, db.SaveContact(ctx, c))
	ok(t, db.SaveRule(ctx, route.Rule{ID: "r1", Name: "All", Enabled: true, ContactIDs: []string{c.ID}}))
	s := dispatch.New(db, dispatch.Options{Inline: true})
	for i := range 7 {
		_, err := s.Receive(ctx, "s1", []alert.Event{{Object: alert.Object{Host: fmt.Sprintf("web%d", i)}, Type: alert.Problem,
			State: alert.Down, Output: "down", Origin: alert.FromEngine, Time: time.Now(), CallID: fmt.Sprint("p", i)}})
		ok(t, err)
	}
	got, err := s.Receive(ctx, "s1", []alert.Event{{Object: alert.Object{Host: "web0"}, Type: alert.Recovery, State: alert.Up, Origin: alert.FromEngine, Time: time.Now()}})
	ok(t, err)
	same(t, "the outcome", got[0].Outcome, alert.Closed)
	list, _, err := db.Alerts(ctx, alert.Filter{ObjectID: alert.ObjectID("s1", "web1", "")})
	ok(t, err)
	_, err = s.Acknowledge(ctx, list[0].ID, dispatch.AckRequest{Author: "Jane", Origin: alert.FromConsole, Until: time.Now().Add(time.Hour)})
	ok(t, err)
	return s
}

func TestASimulationReadsWhatCameIn(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		busy(t, db)
		ctx, now := t.Context(), time.Now()
		var types []string
		pages := 0
		for p := (simulate.Page{From: now.Add(-time.Hour), To: now.Add(time.Hour), Limit: 4}); ; {
			events, next, err := db.SimulationEvents(ctx, p)
			ok(t, err)
			for _, e := range events {
				types = append(types, string(e.Type)+" "+e.Object.Host)
			}
			pages++
			if p.After = next; next == "" {
				break
			}
		}
		same(t, "what came in", strings.Join(types, ", "), "PROBLEM web0, PROBLEM web1, PROBLEM web2, PROBLEM web3, PROBLEM web4, PROBLEM web5, PROBLEM web6, "+
			"RECOVERY web0, ACKNOWLEDGEMENT web1")
		same(t, "pages", pages, 3)
		for what, p := range map[string]simulate.Page{
			"before it":         {From: now.Add(-2 * time.Hour), To: now.Add(-time.Hour), Limit: 10},
			"after it":          {From: now.Add(time.Minute), To: now.Add(time.Hour), Limit: 10},
			"of another source": {From: now.Add(-time.Hour), To: now.Add(time.Hour), SourceID: "s2", Limit: 10},
		} {
			events, next, err := db.SimulationEvents(ctx, p)
			ok(t, err)
			same(t, "what came in "+what, len(events), 0)
			same(t, "the next page", next, "")
		}
		// What led to what is open, and not to what is over.
		events, err := db.SimulationBefore(ctx, now.Add(time.Minute), "s1", 100)
		ok(t, err)
		same(t, "events of open alerts", len(events), 7)
		same(t, "the last of them", events[6].Type, alert.Acknowledgement)
		events, err = db.SimulationBefore(ctx, now.Add(time.Minute), "", 2)
		ok(t, err)
		same(t, "the newest two", fmt.Sprint(events[0].Object.Host, events[1].Type), "web6ACKNOWLEDGEMENT")
		events, err = db.SimulationBefore(ctx, now.Add(-time.Hour), "", 10)
		ok(t, err)
		same(t, "events before anything came", len(events), 0)
	})
}

func TestASimulationBeginsWithWhatIsOpen(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		s := busy(t, db)
		ids := []string{alert.ObjectID("s1", "web0", ""), alert.ObjectID("s1", "web1", ""), alert.ObjectID("s1", "web2", ""), "none"}
		now, err := db.SimulationStanding(t.Context(), ids)
		ok(t, err)
		same(t, "objects", len(now.Records), 3)
		same(t, "what is well has no alert", now.Records[ids[0]].Alert == nil, true)
		same(t, "what somebody has", now.Records[ids[1]].Alert.Status, alert.Acknowledged)
		open := now.Records[ids[2]].Alert
		same(t, "who was told", now.Addresses[open.ID][0].ContactID, "c-jane")
		_, err = s.Snooze(t.Context(), open.ID, dispatch.SnoozeRequest{ContactIDs: []string{"c-jane"}, For: time.Hour, Origin: alert.FromConsole})
		ok(t, err)
		now, err = db.SimulationStanding(t.Context(), ids)
		ok(t, err)
		same(t, "who wants to be left in peace", len(now.Snoozes[open.ID]), 1)
	})
}

// What is promised is that nothing changes and nobody is told: not one row.
func TestASimulationChangesNoRow(t *testing.T) {
	t.Parallel()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			url := e.ready(t)
			busy(t, openURL(t, url))
			db, err := store.OpenReadOnly(t.Context(), store.Options{URL: url})
			ok(t, err)
			t.Cleanup(func() { ok(t, db.Close()) })
			before, err := store.Dump(t.Context(), db)
			ok(t, err)
			same(t, "the dump has the contact", strings.Contains(before, "jane@example.com"), true)
			events := `{"type":"PROBLEM","host":"web2","state":2}
{"type":"PROBLEM","host":"web9","state":1,"time":"+1m"}
{"type":"ACKNOWLEDGEMENT","host":"web9","by":"jane","minutes":5,"time":"+2m"}
{"type":"RECOVERY","host":"web1","time":"+3m"}`
			sim := simulate.New(db, simulate.Options{})
			for _, q := range []simulate.Request{
				{Events: []byte(events)},
				{Events: []byte(events), Clean: true, At: time.Now().Add(24 * time.Hour)},
				{History: &simulate.History{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)}},
			} {
				r, err := sim.Simulate(t.Context(), q)
				ok(t, err)
				if len(r.Lines) < 6 || r.Events < 4 {
					t.Errorf("%d events, %d lines", r.Events, len(r.Lines))
				}
			}
			after, err := store.Dump(t.Context(), db)
			ok(t, err)
			same(t, "all rows of all tables", after, before)
			if err := db.SaveContact(t.Context(), contact.NewContact("new")); err == nil {
				t.Error("it can be written to")
			}
			if err := db.Commit(t.Context(), func(context.Context, dispatch.Tx) error { return nil }); err == nil {
				t.Error("a transaction that writes can be begun")
			}
		})
	}
}

func TestADatabaseThatIsNotThereIsNotMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.db")
	_, err := store.OpenReadOnly(t.Context(), store.Options{URL: "sqlite:" + path})
	if err == nil || !strings.Contains(err.Error(), "there is no database "+path) {
		t.Error(err)
	}
}
