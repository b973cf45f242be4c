package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/store"
)

func TestCommit(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := problem(1, "u1", "u2")
		o, a, e := c.Objects[0], c.Alerts[0], c.Events[0]
		write(t, db, c)

		t.Run("an object comes back with its open alert and its latest event", func(t *testing.T) {
			r := records(t, db, o.ID)[o.ID]
			if d := cmp.Diff(&dispatch.Record{Object: o, Known: true, Alert: &a, Last: &e}, r); d != "" {
				t.Fatal(d)
			}
		})
		t.Run("a new object is not known, and stays so when nobody writes it", func(t *testing.T) {
			for range 2 {
				r := records(t, db, "ffff")["ffff"]
				if r == nil || r.Known || r.Alert != nil || r.Last != nil || r.Object.ID != "ffff" {
					t.Fatalf("record is %+v", r)
				}
			}
		})
		t.Run("a call that was taken is seen, another is not", func(t *testing.T) {
			keys := []dispatch.CallKey{{SourceID: "s1", Key: "call-1"}, {SourceID: "s2", Key: "call-1"}, {SourceID: "s1", Key: "x"}}
			var seen map[dispatch.CallKey]string
			ok(t, db.Commit(t.Context(), func(ctx context.Context, tx dispatch.Tx) (err error) {
				seen, err = tx.Seen(ctx, keys)
				return err
			}))
			if d := cmp.Diff(map[dispatch.CallKey]string{keys[0]: e.ID}, seen); d != "" {
				t.Fatal(d)
			}
		})
		t.Run("an error rolls everything back", func(t *testing.T) {
			mine := errors.New("mine")
			c2 := problem(2)
			err := db.Commit(t.Context(), func(ctx context.Context, tx dispatch.Tx) error {
				ok(t, tx.Write(ctx, &c2))
				return mine
			})
			wants(t, err, mine)
			_, err = db.Alert(t.Context(), c2.Alerts[0].ID)
			wants(t, err, fault.ErrNotFound)
		})
		t.Run("an acknowledgement finds its alert and keeps the object's", func(t *testing.T) {
			ack := &alert.Ack{Author: "Ann", UserID: "u1", Comment: "on it", At: day(), Origin: alert.FromConsole, Sticky: true, Confirmation: alert.Local}
			ok(t, db.Commit(t.Context(), func(ctx context.Context, tx dispatch.Tx) error {
				_, err := tx.AlertByID(ctx, "nothing")
				wants(t, err, fault.ErrNotFound)
				got, err := tx.AlertByID(ctx, a.ID)
				ok(t, err)
				if d := cmp.Diff(&a, got); d != "" {
					t.Fatal(d)
				}
				got.Status, got.Ack = alert.Acknowledged, ack
				return tx.Write(ctx, &dispatch.Changes{Alerts: []alert.Alert{*got}})
			}))
			r := records(t, db, o.ID)[o.ID]
			same(t, "status", r.Alert.Status, alert.Acknowledged)
			if d := cmp.Diff(ack, r.Alert.Ack); d != "" {
				t.Fatal(d)
			}
		})
		t.Run("further contacts join the event", func(t *testing.T) {
			e := e
			e.Contacts, e.UserIDs, e.Marks = []string{"ops", "dba"}, nil, []alert.Mark{alert.MarkContact}
			write(t, db, dispatch.Changes{Joined: []alert.Event{e}})
			last := records(t, db, o.ID)[o.ID].Last
			if d := cmp.Diff(&e, last); d != "" {
				t.Fatal(d)
			}
		})
		t.Run("a recovery closes the alert, the next problem has another", func(t *testing.T) {
			a := a
			a.Status, a.Resolved = alert.Resolved, day().Add(time.Hour)
			write(t, db, dispatch.Changes{Alerts: []alert.Alert{a}})
			if r := records(t, db, o.ID)[o.ID]; r.Alert != nil || !r.Known {
				t.Fatalf("open alert is %+v", r.Alert)
			}
			b := a
			b.ID, b.Status = "alert-again", alert.Firing
			// In either order: what is open counts.
			write(t, db, dispatch.Changes{Objects: c.Objects, Alerts: []alert.Alert{b, a}})
			same(t, "open alert", records(t, db, o.ID)[o.ID].Alert.ID, "alert-again")
		})
		t.Run("of one id twice the later counts", func(t *testing.T) {
			c := problem(4)
			older := c.Objects[0]
			older.State = alert.OK
			c.Objects = []alert.Object{older, c.Objects[0]}
			write(t, db, c)
			same(t, "state", records(t, db, older.ID)[older.ID].Object.State, alert.Critical)
		})
		t.Run("the time is about now", func(t *testing.T) {
			ok(t, db.Commit(t.Context(), func(_ context.Context, tx dispatch.Tx) error {
				if d := time.Since(tx.Now()).Abs(); d > time.Minute {
					t.Errorf("off by %v", d)
				}
				return nil
			}))
		})
	})
}

func TestCommitOfManyAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		// Through every size of statement, and across the largest.
		for _, n := range []int{1, 2, 3, 63, 64, 65, 200} {
			var all dispatch.Changes
			for i := range n {
				c := problem(1000*n+i, "u1", "u2")
				all.Objects = append(all.Objects, c.Objects...)
				all.Alerts = append(all.Alerts, c.Alerts...)
				all.Events = append(all.Events, c.Events...)
				all.Calls = append(all.Calls, c.Calls...)
				all.Deliveries = append(all.Deliveries, c.Deliveries...)
				all.Live = append(all.Live, c.Live...)
			}
			write(t, db, all)
			var ids []string
			for i := range all.Objects {
				ids = append(ids, all.Objects[i].ID)
			}
			recs := records(t, db, ids...)
			for i, id := range ids {
				if d := cmp.Diff(&all.Events[i], recs[id].Last); d != "" {
					t.Fatalf("of %d, number %d: %s", n, i, d)
				}
			}
			for i := 1; i < n; i++ {
				same(t, "sequence", all.Live[i].Seq, all.Live[i-1].Seq+1)
			}
		}
	})
}

// Two nodes, or two goroutines of one, that meet the same new objects: one of
// them is first, and the other sees what that one wrote.
func TestTwoNodesMeetTheSameNewObjects(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		nodes := []*store.DB{db, open()}
		const objects, rounds = 7, 20
		var ids []string
		for i := range objects {
			ids = append(ids, problem(i).Objects[0].ID)
		}
		var mu sync.Mutex
		fresh := map[string]int{}
		var wg sync.WaitGroup
		for round := range rounds {
			wg.Go(func() {
				var mine []string
				order := slices.Clone(ids)
				if round%2 == 1 {
					slices.Reverse(order)
				}
				err := nodes[round%2].Commit(t.Context(), func(ctx context.Context, tx dispatch.Tx) error {
					mine = nil
					recs, err := tx.Records(ctx, order)
					if err != nil {
						return err
					}
					var c dispatch.Changes
					for i, id := range ids {
						o := recs[id].Object
						if !recs[id].Known {
							mine = append(mine, id)
							o = problem(i).Objects[0]
							o.URL = ""
						}
						o.URL += "x" // counts the transactions that saw each other
						c.Objects = append(c.Objects, o)
					}
					return tx.Write(ctx, &c)
				})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, id := range mine {
					fresh[id]++
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			same(t, "times that it was new", fresh[id], 1)
			o, err := db.Object(t.Context(), id)
			ok(t, err)
			same(t, "transactions", len(o.URL), rounds)
		}
	})
}

// A reader that tails the log by its last number misses none, however many
// write at once.
func TestLiveLogHasNoLatecomers(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		nodes := []*store.DB{db, open()}
		const writers, each = 8, 15
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					c := problem(w*each + i)
					if err := nodes[w%2].Commit(t.Context(), func(ctx context.Context, tx dispatch.Tx) error { return tx.Write(ctx, &c) }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var last int64
		seen := map[string]bool{}
		eventually(t, "all frames", func() bool {
			fs, err := db.LiveAfter(t.Context(), last, "", 7)
			ok(t, err)
			for _, f := range fs {
				if f.Seq <= last {
					t.Fatalf("frame %d after %d", f.Seq, last)
				}
				last = f.Seq
				seen[f.Body] = true
			}
			return len(seen) == writers*each
		})
		wg.Wait()
	})
}

func TestTextThatSQLDoesNotExpect(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		for i, text := range []string{`'; DROP TABLE alert; --`, `$1 %s ? \ " ' “„”`, "line\nline\ttab\r", "日本語 😀 e\u0301", " "} {
			c := problem(i)
			c.Alerts[0].Output, c.Alerts[0].Long = text, text
			write(t, db, c)
			a, err := db.Alert(t.Context(), c.Alerts[0].ID)
			ok(t, err)
			same(t, "output", a.Output, text)
			same(t, "long output", a.Long, text)
		}
		t.Run("a NUL is refused whole or kept whole", func(t *testing.T) {
			c := problem(99)
			c.Alerts[0].Output = "before\x00after"
			err := db.Commit(t.Context(), func(ctx context.Context, tx dispatch.Tx) error { return tx.Write(ctx, &c) })
			a, readErr := db.Alert(t.Context(), c.Alerts[0].ID)
			if err != nil {
				wants(t, readErr, fault.ErrNotFound)
				return
			}
			ok(t, readErr)
			same(t, "output", a.Output, c.Alerts[0].Output)
		})
	})
}

func TestClosedDatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *store.DB, open func() *store.DB) {
		db := open()
		ok(t, db.Close())
		if err := db.SaveSettings(t.Context(), mustSettings(t)); err == nil {
			t.Fatal("a closed database takes changes")
		}
		if _, err := db.Alert(t.Context(), "x"); err == nil || errors.Is(err, fault.ErrNotFound) {
			t.Fatalf("a closed database answers %v", err)
		}
	})
}

func TestCancelledContextChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		entered, blocked := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := db.Commit(t.Context(), func(context.Context, dispatch.Tx) error { close(entered); <-blocked; return nil }); err != nil {
				t.Error(err)
			}
		})
		<-entered
		cancel()
		c := problem(1)
		wants(t, db.Commit(ctx, func(ctx context.Context, tx dispatch.Tx) error { return tx.Write(ctx, &c) }), context.Canceled)
		close(blocked)
		wg.Wait()
		_, err := db.Alert(t.Context(), c.Alerts[0].ID)
		wants(t, err, fault.ErrNotFound)
	})
}
