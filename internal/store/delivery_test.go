package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/store"
)

func claim(t testing.TB, db *store.DB, users []string, limit int, lease time.Duration) []delivery.Claimed {
	t.Helper()
	cs, err := db.ClaimDeliveries(t.Context(), delivery.Claim{Channel: "browser", Users: users, Limit: limit, Lease: lease, Node: "node-a"})
	ok(t, err)
	return cs
}

func deliveryOf(t testing.TB, db *store.DB, alertID, id string) delivery.Delivery {
	t.Helper()
	ds, err := db.AlertDeliveries(t.Context(), alertID, "")
	ok(t, err)
	for _, d := range ds {
		if d.ID == id {
			return d
		}
	}
	t.Fatalf("no delivery %s of alert %s", id, alertID)
	return delivery.Delivery{}
}

func TestClaimAndComplete(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := problem(1, "u1", "u2", "u3")
		write(t, db, c)
		next, _, err := db.NextDue(t.Context(), delivery.Claim{Channel: "browser"})
		ok(t, err)
		same(t, "next due", next, c.Deliveries[0].Due)
		same(t, "claimed for nobody", len(claim(t, db, []string{}, 10, time.Hour)), 0)

		got := claim(t, db, []string{"u2", "nobody"}, 10, time.Hour)
		same(t, "claimed", len(got), 1)
		want := c.Deliveries[1]
		want.Attempt, want.Due = 1, got[0].Due
		if d := cmp.Diff(delivery.Claimed{Delivery: want, Event: c.Events[0], Object: c.Objects[0], Alert: &c.Alerts[0]}, got[0]); d != "" {
			t.Fatal(d)
		}
		if until := time.Until(got[0].Due); until < 50*time.Minute || until > 70*time.Minute {
			t.Fatalf("the lease ends in %v", until)
		}
		same(t, "claimed again", len(claim(t, db, []string{"u2"}, 10, time.Hour)), 0)
		same(t, "claimed the first one", claim(t, db, nil, 1, time.Hour)[0].ID, c.Deliveries[0].ID)

		t.Run("a completion with another attempt is void", func(t *testing.T) {
			ok(t, db.CompleteDeliveries(t.Context(), "node-b", []delivery.Completion{{ID: want.ID, Attempt: 2, State: delivery.Sent}}))
			d := deliveryOf(t, db, want.AlertID, want.ID)
			same(t, "state", d.State, delivery.Waiting)
			same(t, "attempts", len(d.Attempts), 0)
		})
		t.Run("a handed one waits for its receipt, then is due again", func(t *testing.T) {
			ok(t, db.CompleteDeliveries(t.Context(), "node-b", []delivery.Completion{{ID: want.ID, Attempt: 1, State: delivery.Handed,
				Due: recent(), Result: "handed", Detail: "sent to 2 open tabs", At: day()}}))
			d := deliveryOf(t, db, want.AlertID, want.ID)
			same(t, "state", d.State, delivery.Handed)
			same(t, "detail", d.Detail, "sent to 2 open tabs")
			if diff := cmp.Diff([]delivery.Attempt{{Number: 1, At: day(), Node: "node-b", Result: "handed", Detail: "sent to 2 open tabs"}}, d.Attempts); diff != "" {
				t.Fatal(diff)
			}
			same(t, "attempt", claim(t, db, []string{"u2"}, 10, time.Hour)[0].Attempt, 2)
		})
		t.Run("an end is the end", func(t *testing.T) {
			sent := []delivery.Completion{{ID: want.ID, Attempt: 2, State: delivery.Sent, Result: "sent", Detail: "done"}}
			ok(t, db.CompleteDeliveries(t.Context(), "node-a", sent))
			sent[0].State, sent[0].Detail = delivery.Dead, "late"
			ok(t, db.CompleteDeliveries(t.Context(), "node-a", sent))
			d := deliveryOf(t, db, want.AlertID, want.ID)
			same(t, "state", d.State, delivery.Sent)
			same(t, "detail", d.Detail, "done")
			if d.Done.IsZero() {
				t.Fatal("no time of the end")
			}
			same(t, "claimed", len(claim(t, db, []string{"u2"}, 10, time.Hour)), 0)
		})
		t.Run("the event's own deliveries are found by it", func(t *testing.T) {
			ds, err := db.AlertDeliveries(t.Context(), "", c.Events[0].ID)
			ok(t, err)
			same(t, "deliveries", len(ds), 3)
		})
	})
}

// A worker that was killed: its lease ends and another goes on; what it says
// when it comes back does not count.
func TestCrashedWorker(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		c := problem(1, "u1")
		write(t, db, c)
		first := claim(t, db, nil, 10, -time.Second) // a lease that is over at once
		second := claim(t, open(), nil, 10, time.Hour)
		same(t, "attempt", second[0].Attempt, 2)
		ok(t, db.CompleteDeliveries(t.Context(), "node-a", []delivery.Completion{{ID: first[0].ID, Attempt: first[0].Attempt, State: delivery.Dead}}))
		same(t, "state", deliveryOf(t, db, c.Alerts[0].ID, first[0].ID).State, delivery.Waiting)
	})
}

func TestTwoNodesClaimDisjointDeliveries(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		const n = 300
		for i := range n / 3 {
			write(t, db, problem(i, "u1", "u2", "u3"))
		}
		nodes := []*store.DB{db, open()}
		var mu sync.Mutex
		taken := map[string]int{}
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for {
					got, err := nodes[w%2].ClaimDeliveries(t.Context(), delivery.Claim{Channel: "browser", Limit: 7, Lease: time.Hour})
					if err != nil {
						t.Error(err)
					}
					if len(got) == 0 {
						return
					}
					mu.Lock()
					for _, d := range got {
						taken[d.ID]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		same(t, "taken", len(taken), n)
		for id, times := range taken {
			if times != 1 {
				t.Errorf("%s was taken %d times", id, times)
			}
		}
	})
}

func TestExpiry(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := problem(1, "u1", "u2", "u3")
		c.Deliveries[0].Expires = recent()
		c.Deliveries[1].Expires = recent()
		c.Deliveries[1].State, c.Deliveries[1].Detail, c.Deliveries[1].Attempt = delivery.Handed, "sent to 1 open tab", 1
		c.Deliveries[2].Expires = time.Time{} // never
		write(t, db, c)
		same(t, "claimed", len(claim(t, db, nil, 10, time.Hour)), 1)
		pending, err := db.Pending(t.Context(), "u1", 10)
		ok(t, err)
		same(t, "pending", len(pending), 0)
		for _, want := range []int{1, 1, 0} {
			n, err := db.ExpireDeliveries(t.Context(), 1)
			ok(t, err)
			same(t, "expired", n, want)
		}
		d := deliveryOf(t, db, c.Alerts[0].ID, c.Deliveries[1].ID)
		same(t, "detail", d.Detail, "its time ran out; last: sent to 1 open tab")
		// It was on its way: that it arrived after all is the truth.
		ok(t, db.CompleteDeliveries(t.Context(), "n", []delivery.Completion{{ID: d.ID, Attempt: 1, State: delivery.Sent, Detail: "shown"}}))
		same(t, "state", deliveryOf(t, db, c.Alerts[0].ID, d.ID).State, delivery.Sent)
	})
}

func TestReceipts(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := problem(1, "u1", "u2")
		for i := range 3 {
			d := c.Deliveries[0]
			d.ID = fmt.Sprintf("%s-%d", d.ID, i)
			c.Deliveries = append(c.Deliveries, d)
		}
		write(t, db, c)
		mine, other := c.Deliveries[0].ID, c.Deliveries[1].ID
		receive := func(rs ...delivery.Receipt) int {
			t.Helper()
			n, err := db.Receive(t.Context(), "u1", rs)
			ok(t, err)
			return n
		}
		pending, err := db.Pending(t.Context(), "u1", 10)
		ok(t, err)
		same(t, "pending", len(pending), 4)
		claim(t, db, nil, 10, time.Hour)

		same(t, "ended", receive(delivery.Receipt{DeliveryID: mine, Result: "shown", Detail: "Firefox 153 on Linux"},
			delivery.Receipt{DeliveryID: other, Result: "shown"}, delivery.Receipt{DeliveryID: "none", Result: "shown"},
			delivery.Receipt{DeliveryID: mine, Result: "shown", Detail: "Chromium"}), 1)
		d := deliveryOf(t, db, c.Alerts[0].ID, mine)
		same(t, "state", d.State, delivery.Sent)
		same(t, "detail", d.Detail, "shown by Firefox 153 on Linux")
		same(t, "attempts", len(d.Attempts), 2)
		same(t, "another user's", deliveryOf(t, db, c.Alerts[0].ID, other).State, delivery.Waiting)
		same(t, "ended again", receive(delivery.Receipt{DeliveryID: mine, Result: "page"}), 0)

		// The worker's own completion comes after the receipt.
		ok(t, db.CompleteDeliveries(t.Context(), "n", []delivery.Completion{{ID: mine, Attempt: 1, State: delivery.Handed, Due: recent()}}))
		same(t, "state", deliveryOf(t, db, c.Alerts[0].ID, mine).State, delivery.Sent)

		page, collapsed, failed := c.Deliveries[2].ID, c.Deliveries[3].ID, c.Deliveries[4].ID
		same(t, "ended", receive(delivery.Receipt{DeliveryID: page, Result: "page", Detail: "Firefox"},
			delivery.Receipt{DeliveryID: collapsed, Result: "collapsed"}, delivery.Receipt{DeliveryID: failed, Result: "failed"}), 2)
		same(t, "page", deliveryOf(t, db, c.Alerts[0].ID, page).Detail, "shown in the page only: no permission for notifications in Firefox")
		d = deliveryOf(t, db, c.Alerts[0].ID, failed)
		same(t, "failed", d.State, delivery.Waiting)
		if wait := time.Until(d.Due); wait < 5*time.Second || wait > 30*time.Second {
			t.Fatalf("tried again in %v", wait)
		}
		same(t, "ended by another tab", receive(delivery.Receipt{DeliveryID: failed, Result: "shown"}), 1)
	})
}

func TestRemindersAreNotPendingUntilTheyAreDue(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := problem(1, "u1")
		later := c.Deliveries[0]
		later.ID, later.Created, later.Due = "delivery-reminder", later.Created.Add(-time.Hour), time.Now().Add(30*time.Minute)
		c.Deliveries = append(c.Deliveries, later)
		write(t, db, c)
		pending := func() (ids string) {
			t.Helper()
			ds, err := db.Pending(t.Context(), "u1", 10)
			ok(t, err)
			for _, d := range ds {
				ids += d.ID + " "
			}
			return ids
		}
		oldest := func() time.Time {
			t.Helper()
			q, err := db.QueueFigures(t.Context())
			ok(t, err)
			return q.Oldest
		}
		other := c.Deliveries[0].ID
		same(t, "pending", pending(), other+" ")
		same(t, "oldest", oldest(), c.Deliveries[0].Created)
		// What a tab was handed is due when its receipt is overdue: it stays.
		same(t, "claimed", len(claim(t, db, nil, 10, time.Hour)), 1)
		same(t, "pending when handed", pending(), other+" ")
		tamper(t, db, "UPDATE delivery SET due = $1 WHERE id = $2", recent().UnixMilli(), later.ID)
		same(t, "pending when it is due", pending(), later.ID+" "+other+" ")
		same(t, "oldest", oldest(), later.Created)
		same(t, "claimed", len(claim(t, db, nil, 10, time.Hour)), 1)
		// Reminders alone: nothing is late.
		tamper(t, db, "UPDATE delivery SET due = $1, attempt = 0", time.Now().Add(time.Hour).UnixMilli())
		same(t, "pending", pending(), "")
		same(t, "oldest", oldest(), time.Time{})
	})
}

func TestQueueFigures(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := problem(1, "u1", "u2", "u3", "u4", "u5", "u6")
		for i, s := range []delivery.State{delivery.Waiting, delivery.Handed, delivery.Sent, delivery.Dead, delivery.Expired, delivery.Skipped} {
			c.Deliveries[i].State = s
			if i > 1 {
				c.Deliveries[i].Done = recent()
			}
		}
		c.Deliveries[1].Created, c.Deliveries[1].Expires = day(), time.Time{} // never
		c.Deliveries[2].Expires = day()
		write(t, db, c)
		q, err := db.QueueFigures(t.Context())
		ok(t, err)
		if d := cmp.Diff(delivery.Queue{Waiting: 1, Handed: 1, Oldest: day(), Ends: c.Deliveries[0].Expires, Dead24h: 1, Expired24h: 1, Sent24h: 1}, q); d != "" {
			t.Fatal(d)
		}
	})
}

func TestDeliveriesInStates(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		users := make([]string, 1600)
		for i := range users {
			users[i] = fmt.Sprintf("u%04d", i)
		}
		states := []delivery.State{delivery.Waiting, delivery.Handed, delivery.Sent, delivery.Dead, delivery.Expired, delivery.Skipped}
		c := problem(1, users...)
		for i := range c.Deliveries {
			d := &c.Deliveries[i]
			if d.State = delivery.Dead; i%20 < len(states) { // 1,200 of them are dead: many
				d.State = states[i%20]
			}
		}
		all := func(f delivery.Filter) (list []delivery.Delivery) {
			t.Helper()
			for f.Limit = 400; ; {
				items, next, err := db.Deliveries(t.Context(), f)
				ok(t, err)
				list = append(list, items...)
				if f.Cursor = next; next == "" {
					return list
				}
			}
		}
		same(t, "deliveries that wait", len(all(delivery.Filter{States: []delivery.State{delivery.Waiting}})), 0)
		write(t, db, c)
		every := all(delivery.Filter{})
		same(t, "deliveries", len(every), len(users))
		for _, some := range [][]delivery.State{
			{delivery.Dead}, {delivery.Expired}, {delivery.Waiting, delivery.Handed}, {delivery.Handed, delivery.Handed}, {delivery.Cancelled},
			{delivery.Dead, delivery.Expired, delivery.Waiting, delivery.Handed}, {delivery.Dead, delivery.Skipped}, {delivery.Sent},
		} {
			var want []delivery.Delivery
			for _, d := range every {
				if slices.Contains(some, d.State) {
					want = append(want, d)
				}
			}
			if d := cmp.Diff(want, all(delivery.Filter{States: some})); d != "" {
				t.Fatal(some, d)
			}
		}
		same(t, "waiting of one", len(all(delivery.Filter{States: []delivery.State{delivery.Waiting}, ContactID: every[0].ContactID})), 0)
	})
}

func TestPrune(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		for i := range 3 {
			c := problem(i, "u1")
			if i < 2 {
				c.Alerts[0].Status, c.Alerts[0].Resolved = alert.Resolved, day()
			}
			write(t, db, c)
		}
		alone := problem(9, "u1")
		alone.Alerts, alone.Events[0].AlertID, alone.Deliveries[0].AlertID = nil, "", ""
		write(t, db, alone)
		total := 0
		for {
			n, err := db.Prune(ctx, day().Add(time.Hour), 1)
			ok(t, err)
			if total += n; n == 0 {
				break
			}
		}
		same(t, "deleted", total, 3)
		items, _, err := db.Alerts(ctx, alert.Filter{})
		ok(t, err)
		same(t, "alerts", len(items), 1)
		ds, _, err := db.Deliveries(ctx, delivery.Filter{})
		ok(t, err)
		same(t, "deliveries", len(ds), 1)
		// The object remains, without what it pointed to.
		r := records(t, db, alone.Objects[0].ID)[alone.Objects[0].ID]
		if !r.Known || r.Last != nil {
			t.Fatalf("record is %+v", r)
		}
		n, err := db.PruneLive(ctx, day().Add(time.Hour))
		ok(t, err)
		same(t, "frames", n, 3)
		oldest, newest, err := db.LiveBounds(ctx)
		ok(t, err)
		same(t, "oldest", oldest, 4)
		same(t, "newest", newest, 4)
	})
}

func TestLists(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		for i := range 12 {
			c := problem(i, "u1")
			switch a := &c.Alerts[0]; {
			case i%3 == 1:
				a.Status = alert.Acknowledged
			case i%3 == 2:
				a.Status, a.Resolved, a.State = alert.Resolved, recent(), alert.OK
			}
			if i == 5 {
				c.Deliveries[0].ContactID, c.Alerts[0].Output = "c-5", `100% of /a_b\c`
			}
			write(t, db, c)
		}
		walk := func(f alert.Filter) (ids []string) {
			t.Helper()
			for {
				items, next, err := db.Alerts(ctx, f)
				ok(t, err)
				for _, a := range items {
					ids = append(ids, a.ID[len("alert-0000"):])
				}
				if f.Cursor = next; next == "" {
					return ids
				}
			}
		}
		all := []string{"09", "06", "03", "00", "10", "07", "04", "01", "11", "08", "05", "02"}
		for _, row := range []struct {
			name string
			f    alert.Filter
			want []string
		}{
			{"firing, then acknowledged, then resolved, each newest first", alert.Filter{}, all},
			{"in pages", alert.Filter{Limit: 5}, all},
			{"a page that ends with the list", alert.Filter{Limit: 12}, all},
			{"by status", alert.Filter{Status: []alert.Status{alert.Acknowledged}}, []string{"10", "07", "04", "01"}},
			{"by state", alert.Filter{States: []alert.State{alert.OK}}, []string{"11", "08", "05", "02"}},
			{"by source", alert.Filter{SourceIDs: []string{"s2"}}, nil},
			{"of hosts", alert.Filter{Kind: alert.Host}, nil},
			{"of services", alert.Filter{Kind: alert.Service, Limit: 7}, all},
			{"of an object", alert.Filter{ObjectID: problem(4).Objects[0].ID}, []string{"04"}},
			{"of a contact", alert.Filter{ContactID: "c-5"}, []string{"05"}},
			{"since", alert.Filter{Since: day().Add(11 * time.Second)}, []string{"11"}},
			{"search in a name, in any case", alert.Filter{Search: "GRÖSSE WEB0003"}, nil},
			{"search in a display name, in any case", alert.Filter{Search: "grÖße WEB0003"}, []string{"03"}},
			{"search in the output, in any case", alert.Filter{Search: "STÖRUNG", Status: []alert.Status{alert.Firing}}, []string{"09", "06", "03", "00"}},
			{"search for what LIKE would read otherwise", alert.Filter{Search: `0% of /a_b\`}, []string{"05"}},
			{"search for a wildcard alone", alert.Filter{Search: "%"}, []string{"05"}},
		} {
			t.Run(row.name, func(t *testing.T) {
				if d := cmp.Diff(row.want, walk(row.f)); d != "" {
					t.Fatal(d)
				}
			})
		}
		t.Run("a page goes on where the one before ended, whatever came in", func(t *testing.T) {
			_, next, err := db.Alerts(ctx, alert.Filter{Limit: 2})
			ok(t, err)
			write(t, db, problem(50))
			items, _, err := db.Alerts(ctx, alert.Filter{Limit: 1, Cursor: next})
			ok(t, err)
			same(t, "next", items[0].ID, "alert-000003")
		})
		t.Run("a cursor of another list, or of nowhere, is refused", func(t *testing.T) {
			_, next, err := db.Deliveries(ctx, delivery.Filter{Limit: 1})
			ok(t, err)
			for _, bad := range []string{next, "x", "", "e30"} {
				if bad == "" {
					continue
				}
				_, _, err := db.Alerts(ctx, alert.Filter{Cursor: bad})
				wants(t, err, cursorError())
			}
		})
		t.Run("deliveries in pages, the newest first", func(t *testing.T) {
			f := delivery.Filter{Limit: 5, Channel: "browser", States: []delivery.State{delivery.Waiting}}
			seen, last := 0, "z"
			for {
				items, next, err := db.Deliveries(ctx, f)
				ok(t, err)
				for _, d := range items {
					if d.ID >= last {
						t.Fatalf("%s after %s", d.ID, last)
					}
					last = d.ID
					seen++
				}
				if f.Cursor = next; next == "" {
					break
				}
			}
			same(t, "deliveries", seen, 12)
			items, _, err := db.Deliveries(ctx, delivery.Filter{ContactID: "c-5"})
			ok(t, err)
			same(t, "of a contact", len(items), 1)
		})
		t.Run("counts", func(t *testing.T) {
			n, err := db.AlertCounts(ctx)
			ok(t, err)
			same(t, "firing", n.Firing, 5)
			same(t, "acknowledged", n.Acknowledged, 4)
			same(t, "critical", n.ByState[alert.Critical], 9)
		})
		t.Run("timelines, of which the newest are kept", func(t *testing.T) {
			c := problem(3)
			for i := range 3 {
				e := c.Events[0]
				e.ID, e.Received = fmt.Sprintf("more-%d", i), e.Received.Add(time.Duration(i+1)*time.Minute)
				if i == 2 {
					e.AlertID = ""
				}
				write(t, db, dispatch.Changes{Events: []alert.Event{e}})
			}
			es, err := db.Events(ctx, c.Alerts[0].ID, "", 2)
			ok(t, err)
			same(t, "events", len(es), 2)
			same(t, "first", es[0].ID, "more-0")
			es, err = db.Events(ctx, "", c.Objects[0].ID, 0)
			ok(t, err)
			same(t, "events", len(es), 4)
			if d := cmp.Diff(c.Events[0], es[0]); d != "" {
				t.Fatal(d)
			}
			var paged []alert.Event
			for at := (alert.TimelineFilter{ObjectID: c.Objects[0].ID, Limit: 3}); ; {
				items, next, err := db.Timeline(ctx, at)
				ok(t, err)
				paged = append(paged, items...)
				if at.Cursor = next; next == "" {
					break
				}
			}
			slices.Reverse(paged)
			if d := cmp.Diff(es, paged); d != "" {
				t.Fatal("page by page it is another: " + d)
			}
			_, _, err = db.Timeline(ctx, alert.TimelineFilter{AlertID: c.Alerts[0].ID, Cursor: "nonsense"})
			wants(t, err, fault.ErrCursor)
			one, err := db.Event(ctx, es[0].ID)
			ok(t, err)
			if d := cmp.Diff(es[0], one); d != "" {
				t.Fatal(d)
			}
			_, err = db.Event(ctx, "nothing")
			wants(t, err, fault.ErrNotFound)
		})
	})
}

func TestLiveLog(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		oldest, newest, err := db.LiveBounds(ctx)
		ok(t, err)
		same(t, "bounds of nothing", oldest+newest, 0)
		fs := frames(day(), "", "u1", "u2", "u1")
		ok(t, db.AppendLive(ctx, fs))
		same(t, "last", fs[3].Seq, 4)
		got, err := db.LiveAfter(ctx, 0, "u1", 10)
		ok(t, err)
		same(t, "for u1", len(got), 3)
		got, err = db.LiveAfter(ctx, 1, "", 2)
		ok(t, err)
		if d := cmp.Diff(fs[1:3], got); d != "" {
			t.Fatal(d)
		}
		// What is rolled back leaves no gap.
		_ = db.Commit(ctx, func(ctx context.Context, tx dispatch.Tx) error {
			ok(t, tx.Write(ctx, &dispatch.Changes{Live: frames(day(), "u3")}))
			return context.Canceled
		})
		more := frames(day(), "u3")
		ok(t, db.AppendLive(ctx, more))
		same(t, "next", more[0].Seq, 5)
	})
}
