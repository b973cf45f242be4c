package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/live"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

// acked makes problem n an acknowledged one.
func acked(n int, k alert.Ack) dispatch.Changes {
	c := problem(n)
	k.EventID = fmt.Sprintf("ack-%06d", n)
	c.Alerts[0].Status, c.Alerts[0].Ack = alert.Acknowledged, &k
	return c
}

func TestAnAcknowledgementIsKeptWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := acked(1, alert.Ack{Author: "Ann", UserID: "u1", Comment: "on it", At: day(), Until: day().Add(time.Hour), Origin: alert.FromMattermost,
			Sticky: true, Confirmation: alert.Refused, Words: "Service is OK."})
		write(t, db, c)
		got, err := db.Alert(t.Context(), c.Alerts[0].ID)
		ok(t, err)
		if d := cmp.Diff(c.Alerts[0], got); d != "" {
			t.Fatal(d)
		}
	})
}

// asked makes what is done here about problem n, in the order of time.
func asked(n int) []alert.Event {
	c := problem(n)
	e := alert.Event{SourceID: "s1", AlertID: c.Alerts[0].ID, Object: c.Objects[0], Author: "Ann", UserID: "u1", Time: day(), Received: day().Add(time.Hour)}
	ack, comment, reply, newer, away := e, e, e, e, e
	ack.ID, ack.Type, ack.Origin, ack.Until = "x1", alert.Acknowledgement, alert.FromConsole, day().Add(24*time.Hour)
	comment.ID, comment.Type, comment.Origin = "x2", alert.Comment, alert.FromMattermost
	reply.ID, reply.Type, reply.Origin, reply.ReplyTo, reply.Reply = "x3", alert.EngineReply, alert.FromEngine, "x1", alert.Unconfirmed
	newer.ID, newer.Type, newer.Origin, newer.ReplyTo, newer.Reply = "x4", alert.EngineReply, alert.FromEngine, "x1", alert.Confirmed
	newer.Received = newer.Received.Add(time.Minute)
	away.ID, away.Type, away.Origin, away.Until = "x5", alert.Snooze, alert.FromMattermost, day().Add(2*time.Hour)
	return []alert.Event{ack, comment, reply, newer, away}
}

func TestWhatAnEngineWasAskedForIsFoundWithItsAnswer(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := problem(1)
		write(t, db, c)
		events := asked(1)
		told := events
		told[0].Pending = true // how it is with the engine is kept with the alert
		write(t, db, dispatch.Changes{Events: told})
		events[0].Pending = false
		id := c.Alerts[0].ID

		timeline, err := db.Events(t.Context(), id, "", 10)
		ok(t, err)
		byID := map[string]alert.Event{}
		for _, e := range timeline {
			byID[e.ID] = e
		}
		for _, e := range events {
			if d := cmp.Diff(e, byID[e.ID]); d != "" {
				t.Fatalf("%s: %s", e.ID, d)
			}
		}
		inTx(t, db, func(ctx context.Context, tx dispatch.Tx) error {
			got, err := tx.Asked(ctx, id, "x1")
			ok(t, err)
			if d := cmp.Diff(dispatch.Asked{Event: events[0], Reply: &events[3]}, got); d != "" {
				t.Error(d)
			}
			got, err = tx.Asked(ctx, id, "x2")
			ok(t, err)
			same(t, "answered", got.Reply == nil, true)
			_, err = tx.Asked(ctx, id, "x9")
			wants(t, err, fault.ErrNotFound)
			_, err = tx.Asked(ctx, "another alert", "x1")
			wants(t, err, fault.ErrNotFound)

			e, err := tx.Latest(ctx, id, alert.EngineReply)
			ok(t, err)
			same(t, "latest", e.ID, "x4")
			e, err = tx.Latest(ctx, id, alert.Recovery)
			ok(t, err)
			same(t, "recovery", e == nil, true)
			return nil
		})
		// Received is when a transaction began to wait for the object, ids are made
		// when it has it: of two nodes the one that began first may come last.
		begun := events[3]
		begun.ID, begun.Reply, begun.Received = "x6", alert.Refused, events[2].Received.Add(-time.Second)
		write(t, db, dispatch.Changes{Events: []alert.Event{begun}})
		inTx(t, db, func(ctx context.Context, tx dispatch.Tx) error {
			got, err := tx.Asked(ctx, id, "x1")
			ok(t, err)
			same(t, "the answer that was written last", got.Reply.ID, "x6")
			return nil
		})
		// Calls of one event join the latest that a source told.
		last := records(t, db, c.Objects[0].ID)[c.Objects[0].ID].Last
		same(t, "latest of the object", last.ID, "x1")
	})
}

// A hub that recalls what it wrote knows as much of an acknowledgement as one
// that reads it.
func TestWhatIsRecalledIsWhatWouldBeRead(t *testing.T) {
	path := "sqlite:" + filepath.Join(t.TempDir(), "tocsin.db")
	hub, err := store.Open(t.Context(), store.Options{URL: path, Exclusive: true})
	ok(t, err)
	defer func() { ok(t, hub.Close()) }()
	c := acked(1, alert.Ack{Author: "Ann", Comment: "on it", At: day().Add(123456), Until: day().Add(time.Hour + 1), Origin: alert.FromMattermost,
		Confirmation: alert.Pending, Words: "handed over"})
	c.Deliveries = nil
	c.Events[0].ID = "a" // older than those of asked
	id := c.Objects[0].ID
	compare := func(what string) *dispatch.Record {
		t.Helper()
		recalled := records(t, hub, id)[id]
		beside := openURL(t, path)
		read := records(t, beside, id)[id]
		if d := cmp.Diff(read, recalled); d != "" {
			t.Fatalf("%s (-read +recalled): %s", what, d)
		}
		return recalled
	}
	records(t, hub, id)
	inTx(t, hub, func(ctx context.Context, tx dispatch.Tx) error {
		_, err := tx.Records(ctx, []string{id})
		ok(t, err)
		return tx.Write(ctx, &c)
	})
	compare("an acknowledged alert").Alert.Ack.Words = "changed by who got it"
	same(t, "words", compare("what others do with a record").Alert.Ack.Words, "handed over")
	for _, e := range asked(1) {
		e.Until = e.Until.Add(1)
		e.Pending = true
		inTx(t, hub, func(ctx context.Context, tx dispatch.Tx) error {
			_, err := tx.Records(ctx, []string{id})
			ok(t, err)
			return tx.Write(ctx, &dispatch.Changes{Events: []alert.Event{e}, Objects: c.Objects})
		})
		compare(string(e.Type))
	}
	ok(t, rename(t.Context(), hub, id, "Web server", "Shop"))
	same(t, "name", compare("a new name").Object.HostDisplay, "Web server")
}

func TestAckedAlerts(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		here := alert.Ack{Author: "Ann", At: day(), Origin: alert.FromConsole, Confirmation: alert.Confirmed}
		with := func(change func(*alert.Ack)) alert.Ack {
			k := here
			change(&k)
			return k
		}
		for n, k := range []alert.Ack{
			here,
			with(func(k *alert.Ack) { k.Origin = alert.FromEngine }),
			with(func(k *alert.Ack) { k.Confirmation, k.At = alert.Pending, time.Now().Add(-23*time.Hour) }),
			with(func(k *alert.Ack) { k.Confirmation = alert.Unconfirmed }),
			with(func(k *alert.Ack) { k.Confirmation = alert.Local }),
			with(func(k *alert.Ack) { k.Confirmation = alert.Refused }),
			with(func(k *alert.Ack) { k.Origin = alert.FromMattermost }),
			with(func(k *alert.Ack) { k.Origin = alert.FromAPI }),
			here, // resolved
			with(func(k *alert.Ack) { k.Confirmation, k.At = alert.Pending, time.Now().Add(-26*time.Hour) }),
		} {
			c := acked(n, k)
			if n == 8 {
				c.Alerts[0].Status = alert.Resolved
			}
			write(t, db, c)
		}
		write(t, db, problem(20))
		other := acked(30, here)
		other.Objects[0].SourceID = "s2"
		write(t, db, other)
		want := []string{problem(0).Alerts[0].ID, problem(3).Alerts[0].ID, problem(6).Alerts[0].ID, problem(7).Alerts[0].ID, problem(9).Alerts[0].ID}
		for _, limit := range []int{1, 2, 3, 4, 500} {
			var got []string
			after := ""
			for {
				list, err := db.AckedAlerts(t.Context(), "s1", after, limit)
				ok(t, err)
				for i := range list {
					got = append(got, list[i].ID)
					after = list[i].ID
				}
				if len(list) < limit {
					break
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("%d at a time: %s", limit, d)
			}
		}
	})
}

func TestAcknowledgementsEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		now := time.Now().UTC().Truncate(time.Millisecond)
		over, next, err := db.ExpiredAcks(t.Context(), 10)
		ok(t, err)
		same(t, "over", len(over), 0)
		same(t, "next", next, time.Time{})
		for n, until := range map[int]time.Time{1: now.Add(-time.Minute), 2: now.Add(-time.Hour), 3: now.Add(time.Hour), 4: now.Add(2 * time.Hour), 5: {},
			6: now.Add(-time.Hour), 7: now.Add(-time.Hour)} {
			c := acked(n, alert.Ack{At: day(), Until: until, Origin: alert.FromConsole, Confirmation: alert.Local})
			switch n {
			case 6:
				c.Alerts[0].Status = alert.Resolved
			case 7:
				write(t, db, c)
				a := c.Alerts[0]
				a.Status, a.Ack = alert.Firing, nil
				c = dispatch.Changes{Alerts: []alert.Alert{a}}
			}
			write(t, db, c)
		}
		end := func(n int) dispatch.AckEnd {
			return dispatch.AckEnd{AlertID: problem(n).Alerts[0].ID, EventID: fmt.Sprintf("ack-%06d", n)}
		}
		over, next, err = db.ExpiredAcks(t.Context(), 10)
		ok(t, err)
		if d := cmp.Diff([]dispatch.AckEnd{end(2), end(1)}, over); d != "" {
			t.Fatal(d)
		}
		same(t, "next", next, now.Add(time.Hour))
		over, next, err = db.ExpiredAcks(t.Context(), 1)
		ok(t, err)
		if d := cmp.Diff([]dispatch.AckEnd{end(2)}, over); d != "" {
			t.Fatal(d)
		}
		same(t, "next, when there are more", next, now.Add(-time.Minute))

		t.Run("another acknowledgement without an end takes the end along", func(t *testing.T) {
			again := acked(2, alert.Ack{At: day(), Origin: alert.FromConsole, Confirmation: alert.Local})
			write(t, db, dispatch.Changes{Alerts: again.Alerts})
			over, _, err := db.ExpiredAcks(t.Context(), 10)
			ok(t, err)
			if d := cmp.Diff([]dispatch.AckEnd{end(1)}, over); d != "" {
				t.Fatal(d)
			}
		})
		t.Run("on several nodes at once each ends once", func(t *testing.T) {
			const n = 20
			for i := range n {
				write(t, db, acked(100+i, alert.Ack{At: day(), Until: now.Add(-time.Second), Origin: alert.FromConsole, Confirmation: alert.Local}))
			}
			var ended atomic.Int64
			atOnce(db, open, func(db *store.DB, _ int) {
				over, _, err := db.ExpiredAcks(t.Context(), 100)
				if err != nil {
					t.Error(err)
				}
				for _, end := range over {
					mine := false
					err := db.Commit(t.Context(), func(ctx context.Context, tx dispatch.Tx) error {
						mine = false
						a, err := tx.AlertByID(ctx, end.AlertID)
						if err != nil || a.Ack == nil || a.Ack.EventID != end.EventID {
							return err
						}
						mine = true
						a.Status, a.Ack = alert.Firing, nil
						return tx.Write(ctx, &dispatch.Changes{Alerts: []alert.Alert{*a}})
					})
					if err != nil {
						t.Error(err)
					}
					if mine {
						ended.Add(1)
					}
				}
			})
			same(t, "ended", ended.Load(), n+1)
			over, _, err := db.ExpiredAcks(t.Context(), 100)
			ok(t, err)
			same(t, "left", len(over), 0)
		})
	})
}

func TestAnAlertIsFoundByTheEndOfItsID(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		for n, id := range map[int]string{1: "01-aaaa-77abcdef", 2: "01-bbbb-00abcdef", 3: "01-cccc-11abcdef", 4: "01-dd%_-22"} {
			c := problem(n)
			c.Alerts[0].ID = id
			if n == 3 {
				c.Alerts[0].Status = alert.Resolved
			}
			write(t, db, c)
		}
		find := func(suffix string, limit int) (ids []string) {
			t.Helper()
			list, err := db.FindAlerts(t.Context(), suffix, limit)
			ok(t, err)
			for i := range list {
				ids = append(ids, list[i].ID)
			}
			return ids
		}
		for _, row := range []struct {
			suffix string
			limit  int
			want   []string
		}{
			{"ABCDEF", 10, []string{"01-bbbb-00abcdef", "01-aaaa-77abcdef"}},
			{"abcdef", 1, []string{"01-bbbb-00abcdef"}},
			{"7abcdef", 10, []string{"01-aaaa-77abcdef"}},
			{"abcde", 10, nil},
			{"", 10, nil},
			{"%abcdef", 10, nil},
			{"_____f", 10, nil},
			{"%_-22", 10, []string{"01-dd%_-22"}},
			{`\`, 10, nil},
		} {
			if d := cmp.Diff(row.want, find(row.suffix, row.limit)); d != "" {
				t.Errorf("%q: %s", row.suffix, d)
			}
		}
	})
}

func TestNames(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		unnamed := func(n int, change func(c *dispatch.Changes, o *alert.Object)) string {
			c := problem(n)
			o := &c.Objects[0]
			o.HostDisplay, o.ServiceDisplay, o.Changed = "", "", day().Add(time.Duration(n)*time.Minute)
			if change != nil {
				change(&c, o)
			}
			write(t, db, c)
			return o.ID
		}
		closed := func(c *dispatch.Changes, o *alert.Object) { c.Alerts[0].Status = alert.Resolved }
		older, newer := unnamed(1, closed), unnamed(2, closed)
		open := unnamed(3, nil)
		half := unnamed(4, func(_ *dispatch.Changes, o *alert.Object) { o.HostDisplay = "Web" })
		host := unnamed(5, func(_ *dispatch.Changes, o *alert.Object) { o.Service, o.HostDisplay = "", "Web" })
		unnamed(6, func(_ *dispatch.Changes, o *alert.Object) { o.HostDisplay, o.ServiceDisplay = "Web", "Shop" })
		unnamed(7, func(_ *dispatch.Changes, o *alert.Object) { o.SourceID = "s2" })
		list := func(limit int) (ids []string) {
			t.Helper()
			objects, err := db.UnnamedObjects(ctx, "s1", limit)
			ok(t, err)
			for _, o := range objects {
				ids = append(ids, o.ID)
			}
			return ids
		}
		if d := cmp.Diff([]string{half, open, newer, older}, list(10)); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff([]string{half, open, newer}, list(3)); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff([]string{half}, list(1)); d != "" {
			t.Fatal(d)
		}

		_, before, err := db.LiveBounds(ctx)
		ok(t, err)
		ok(t, rename(ctx, db, open, "Größe 1", "Shop"))
		o, err := db.Object(ctx, open)
		ok(t, err)
		same(t, "name", o.Name(), "Shop on Größe 1")
		found, _, err := db.Alerts(ctx, alert.Filter{Search: "GRÖßE 1"})
		ok(t, err)
		same(t, "found by its name", len(found), 1)
		fs, err := db.LiveAfter(ctx, before, "", 10)
		ok(t, err)
		same(t, "frames", len(fs), 1)
		same(t, "kind", fs[0].Kind, dispatch.FrameKind)
		for _, part := range []string{`"id":"` + problem(3).Alerts[0].ID + `"`, `"status":"firing"`, `"name":"Shop on Größe 1"`, `"notice":""`, `"outcome":"noted"`} {
			contains(t, fs[0], part)
		}

		ok(t, rename(ctx, db, open, "Größe 1", "Shop"))
		ok(t, rename(ctx, db, open, "", ""))
		ok(t, rename(ctx, db, host, "", "no service there"))
		if _, after, err := db.LiveBounds(ctx); err != nil || after != before+1 {
			t.Errorf("frames up to %d after %d, %v", after, before, err)
		}
		ok(t, rename(ctx, db, half, "", "Shop"))
		o, err = db.Object(ctx, half)
		ok(t, err)
		same(t, "name", o.Name(), "Shop on Web")
		ok(t, rename(ctx, db, newer, "Old", "Shop")) // it has no alert that is open
		if d := cmp.Diff([]string{older}, list(10)); d != "" {
			t.Fatal(d)
		}
		wants(t, rename(ctx, db, "nothing", "x", "y"), fault.ErrNotFound)
	})
}

func TestAChannelsNoteComesBackWithTheNextClaim(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := problem(1, "", "")
		for i := range c.Deliveries {
			d := &c.Deliveries[i]
			d.Channel, d.Destination, d.DestinationName, d.Notice, d.Reason = route.Engine, "s1", "nagios", alert.NoticeEngine, route.ReasonWriteBack
		}
		c.Deliveries[1].Note = "from the beginning"
		write(t, db, c)
		take := func() []delivery.Claimed {
			t.Helper()
			cs, err := db.ClaimDeliveries(t.Context(), delivery.Claim{Channel: route.Engine, Limit: 10, Lease: -time.Second})
			ok(t, err)
			return cs
		}
		complete := func(claimed []delivery.Claimed, state delivery.State, notes ...*string) {
			t.Helper()
			var cs []delivery.Completion
			for i := range claimed {
				cs = append(cs, delivery.Completion{ID: claimed[i].ID, Attempt: claimed[i].Attempt, State: state, Due: recent(), Note: notes[i]})
			}
			ok(t, db.CompleteDeliveries(t.Context(), "n", cs))
		}
		note := func(s string) *string { return &s }
		first := take()
		same(t, "claimed", len(first), 2)
		same(t, "note", first[0].Note, "")
		same(t, "handed", first[0].Handed, false)
		same(t, "note that it was made with", first[1].Note, "from the beginning")
		complete(first, delivery.Handed, note("line 17"), note(""))
		second := take()
		same(t, "note", second[0].Note, "line 17")
		same(t, "handed", second[0].Handed, true)
		same(t, "note that was taken away", second[1].Note, "")
		complete(second, delivery.Waiting, nil, note("a long one "+string(make([]byte, 600))))
		third := take()
		same(t, "note that stays", third[0].Note, "line 17")
		same(t, "handed", third[0].Handed, false)
		same(t, "a long one", len(third[1].Note) <= 500, true)
		complete(second, delivery.Handed, note("too late"), note("too late"))
		same(t, "note of a void completion", take()[0].Note, "line 17")
	})
}

func contains(t testing.TB, f live.Frame, part string) {
	t.Helper()
	if !strings.Contains(f.Body, part) {
		t.Errorf("%s has no %s", f.Body, part)
	}
}

func rename(ctx context.Context, db *store.DB, id, host, service string) error {
	return db.Commit(ctx, func(ctx context.Context, tx dispatch.Tx) error {
		_, err := tx.Rename(ctx, id, host, service)
		return err
	})
}
