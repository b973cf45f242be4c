package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/channel"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/mail"
	"tocsin/internal/source"
	"tocsin/internal/store"
)

// rained makes problems that one digest tells of, at one place of a channel.
func rained(storm, digest, channel string, numbers ...int) dispatch.Changes {
	var c dispatch.Changes
	for _, n := range numbers {
		p := problem(n, "u1")
		d := &p.Deliveries[0]
		d.ID, d.Channel, d.State, d.Bundle, d.Storm = fmt.Sprintf("item-%s-%06d", digest, n), channel, delivery.Collected, digest, storm
		c.Objects, c.Alerts, c.Events = append(c.Objects, p.Objects...), append(c.Alerts, p.Alerts...), append(c.Events, p.Events...)
		c.Calls, c.Deliveries = append(c.Calls, p.Calls...), append(c.Deliveries, *d)
	}
	d := c.Deliveries[0]
	d.ID, d.Notice, d.State, d.Bundle, d.Reason, d.Why = digest, alert.NoticeDigest, delivery.Waiting, "", "storm", "tells of the storm"
	c.Deliveries = append(c.Deliveries, d)
	return c
}

func claimOf(t testing.TB, db *store.DB, channel string) []delivery.Claimed {
	t.Helper()
	cs, err := db.ClaimDeliveries(t.Context(), delivery.Claim{Channel: channel, Limit: 50, Lease: time.Hour, Node: "node-a"})
	ok(t, err)
	return cs
}

func complete(t testing.TB, db *store.DB, c delivery.Claimed, state delivery.State, detail string) {
	t.Helper()
	ok(t, db.CompleteDeliveries(t.Context(), "node-a", []delivery.Completion{{ID: c.ID, Attempt: c.Attempt, State: state, Detail: detail, Due: recent(), At: recent()}}))
}

// becomes writes that an alert is no longer firing.
func becomes(t testing.TB, db *store.DB, n int, status alert.Status, state alert.State) {
	t.Helper()
	a := problem(n).Alerts[0]
	a.Status, a.State = status, state
	if status == alert.Resolved {
		a.Resolved = recent()
	}
	write(t, db, dispatch.Changes{Alerts: []alert.Alert{a}})
}

// ended counts what a digest collected by its state and the words of its end.
func ended(t testing.TB, db *store.DB, bundle string) map[string]int {
	t.Helper()
	list, _, err := db.Deliveries(t.Context(), delivery.Filter{Bundle: bundle, Limit: 500})
	ok(t, err)
	found := map[string]int{}
	for _, d := range list {
		found[string(d.State)+": "+d.Detail]++
		same(t, "time of the end of "+d.ID, d.Done.IsZero(), d.State == delivery.Collected)
	}
	return found
}

func TestADigestTellsOfWhatIsTrueWhenItIsClaimed(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ok(t, db.SaveSource(t.Context(), source.Source{ID: "s1", Name: "nagios", Kind: "nagios"}))
		write(t, db, rained("st", "d1", "email", 1, 2, 3, 4))
		becomes(t, db, 1, alert.Resolved, alert.OK)
		becomes(t, db, 2, alert.Acknowledged, alert.Critical)
		becomes(t, db, 3, alert.Firing, alert.Warning)
		cs := claimOf(t, db, "email")
		same(t, "claimed", len(cs), 1)
		c := cs[0]
		same(t, "id", c.ID, "d1")
		same(t, "event", c.Event.ID, "event-000001")
		same(t, "left", c.Left, 4)
		same(t, "gone", c.Gone, 0)
		same(t, "before", c.Before, false)
		line := func(n int, status alert.Status, state alert.State) channel.Line {
			a := problem(n).Alerts[0]
			return channel.Line{AlertID: a.ID, Object: a.Object, State: state, Status: status, Output: a.Output, Since: a.Since}
		}
		want := &channel.Digest{Storm: "st", About: "source nagios", Began: c.Digest.Began, Total: 4, Open: 2, Acked: 1, Recovered: 1, New: 4,
			Worst: []channel.Line{line(4, alert.Firing, alert.Critical), line(2, alert.Acknowledged, alert.Critical), line(3, alert.Firing, alert.Warning)}}
		if d := cmp.Diff(want, c.Digest); d != "" {
			t.Fatal(d)
		}
		complete(t, db, c, delivery.Sent, "accepted")
		if d := cmp.Diff(map[string]int{"sent: told together: accepted": 4}, ended(t, db, "d1")); d != "" {
			t.Fatal(d)
		}

		t.Run("the next one says what is new", func(t *testing.T) {
			write(t, db, rained("st", "d2", "email", 5))
			c := claimOf(t, db, "email")[0]
			same(t, "left", c.Left, 1)
			same(t, "before", c.Before, true)
			same(t, "total", c.Digest.Total, 5)
			same(t, "new", c.Digest.New, 1)
			complete(t, db, c, delivery.Sent, "accepted")
		})
		t.Run("one that brings up to date has nothing of its own", func(t *testing.T) {
			d := rained("st", "d3", "email", 6).Deliveries[1]
			d.EventID, d.AlertID, d.Quiet = "event-000001", "alert-000001", true
			write(t, db, dispatch.Changes{Deliveries: []delivery.Delivery{d}})
			c := claimOf(t, db, "email")[0]
			same(t, "left", c.Left, 0)
			same(t, "before", c.Before, true)
			same(t, "total", c.Digest.Total, 5)
			same(t, "new", c.Digest.New, 0)
			complete(t, db, c, delivery.Sent, "edited")
		})
		t.Run("alerts and deliveries are found by storm", func(t *testing.T) {
			as, _, err := db.Alerts(t.Context(), alert.Filter{Storm: "st"})
			ok(t, err)
			same(t, "alerts", len(as), 5)
			ds, _, err := db.Deliveries(t.Context(), delivery.Filter{Storm: "st"})
			ok(t, err)
			same(t, "deliveries", len(ds), 8)
			as, _, err = db.Alerts(t.Context(), alert.Filter{Storm: "other"})
			ok(t, err)
			same(t, "alerts of another", len(as), 0)
		})
	})
}

func TestADigestWithOneAloneGivesWayToIt(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		write(t, db, rained("st", "d1", "email", 1, 2))
		cancelled := cancel(t, db, dispatch.Cancel{AlertID: "alert-000001", Notices: []alert.Notice{alert.NoticeProblem}, Why: "recovered"})
		same(t, "cancelled", len(cancelled), 1)
		same(t, "attempts", cancelled[0].Attempt, 0)
		c := claimOf(t, db, "email")[0]
		same(t, "delivery", c.ID, "item-d1-000002")
		same(t, "digest", c.Digest == nil, true)
		same(t, "notice", c.Notice, alert.NoticeProblem)
		same(t, "alert", c.Alert.ID, "alert-000002")
		same(t, "state", c.State, delivery.Waiting)
		same(t, "attempt", c.Attempt, 1)
		same(t, "bundle", c.Bundle, "")
		same(t, "storm", c.Storm, "st")
		same(t, "lease", time.Until(c.Due) > 50*time.Minute, true)
		d := deliveryOf(t, db, "alert-000001", "d1")
		same(t, "digest ended", d.State, delivery.Cancelled)
		same(t, "words", d.Detail, "there was one alone to tell of, which is told by itself")
		same(t, "claimed again", len(claimOf(t, db, "email")), 0)
		complete(t, db, c, delivery.Sent, "accepted")
		same(t, "state", deliveryOf(t, db, "alert-000002", c.ID).State, delivery.Sent)
		same(t, "detail", deliveryOf(t, db, "alert-000002", c.ID).Detail, "accepted")

		t.Run("what comes after it in the same storm is told together", func(t *testing.T) {
			write(t, db, rained("st", "d2", "email", 3))
			c := claimOf(t, db, "email")[0]
			same(t, "delivery", c.ID, "d2")
			same(t, "before", c.Before, true)
			same(t, "total", c.Digest.Total, 3)
		})
	})
}

func TestADigestOfWhichNothingIsLeftSaysSo(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		write(t, db, rained("st", "d1", "email", 1, 2))
		for n := 1; n <= 2; n++ {
			cancel(t, db, dispatch.Cancel{AlertID: fmt.Sprintf("alert-%06d", n), Notices: []alert.Notice{alert.NoticeProblem}, Why: "recovered"})
		}
		c := claimOf(t, db, "email")[0]
		same(t, "left", c.Left, 0)
		same(t, "gone", c.Gone, 2)
		same(t, "words", c.Untrue(), "all 2 were over before it was told")
	})
}

func TestWhatWasHeldBackAndIsOverIsNotCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := rained("hold", "d1", "email", 1, 2, 3)
		c.Deliveries[3].Reason = "quiet_hours"
		write(t, db, c)
		cancel(t, db, dispatch.Cancel{AlertID: "alert-000001", Notices: []alert.Notice{alert.NoticeProblem}, Why: "recovered"})
		got := claimOf(t, db, "email")[0]
		same(t, "total", got.Digest.Total, 2)
		same(t, "left", got.Left, 2)
		same(t, "gone", got.Gone, 1)
	})
}

// However a digest ends, so does what it collected, in the same transaction.
func TestWhatADigestCollectedEndsAsItDoes(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		n := 0
		next := func(t *testing.T, channel string) string {
			t.Helper()
			n += 2
			digest := fmt.Sprintf("digest-%03d", n)
			write(t, db, rained("st-"+digest, digest, channel, n-1, n))
			return digest
		}
		is := func(t *testing.T, digest, want string) {
			t.Helper()
			if d := cmp.Diff(map[string]int{want: 2}, ended(t, db, digest)); d != "" {
				t.Fatal(d)
			}
		}
		t.Run("handed over, or to be tried again, it goes on", func(t *testing.T) {
			digest := next(t, "email")
			complete(t, db, claimOf(t, db, "email")[0], delivery.Handed, "on its way")
			is(t, digest, "collected: ")
			complete(t, db, claimOf(t, db, "email")[0], delivery.Waiting, "the server is down")
			is(t, digest, "collected: ")
			complete(t, db, claimOf(t, db, "email")[0], delivery.Dead, "refused")
			is(t, digest, "dead: told together: refused")
		})
		t.Run("its time runs out, and it was sent all the same", func(t *testing.T) {
			digest := next(t, "email")
			c := claimOf(t, db, "email")[0]
			ok(t, store.Exec(t.Context(), db, "UPDATE delivery SET expires = 1 WHERE id = $1", digest))
			same(t, "expired", expire(t, db), 1)
			is(t, digest, "expired: told together: its time ran out before it could be delivered")
			complete(t, db, c, delivery.Sent, "accepted")
			is(t, digest, "sent: told together: accepted")
		})
		t.Run("a browser shows it", func(t *testing.T) {
			digest := next(t, "browser")
			c := claim(t, db, []string{"u1"}, 10, time.Hour)[0]
			complete(t, db, c, delivery.Handed, "")
			got, err := db.Receive(t.Context(), "u1", []delivery.Receipt{{DeliveryID: c.ID, Result: "failed", Detail: "Firefox"}})
			ok(t, err)
			same(t, "ended", got, 0)
			is(t, digest, "collected: ")
			got, err = db.Receive(t.Context(), "u1", []delivery.Receipt{{DeliveryID: c.ID, Result: "shown", Detail: "Firefox"}})
			ok(t, err)
			same(t, "ended", got, 1)
			is(t, digest, "sent: told together: shown by Firefox")
		})
		t.Run("the user may not sign in any more", func(t *testing.T) {
			digest := next(t, "browser")
			ok(t, db.SaveUser(t.Context(), auth.User{ID: "u1", Name: "u1", Disabled: true}))
			is(t, digest, "cancelled: told together: the user may not sign in any more")
		})
		t.Run("the webhook is deleted", func(t *testing.T) {
			ok(t, db.SaveHook(t.Context(), webhook("h1", "Pager")))
			c := rained("st-h", "digest-h", "webhook", 101, 102)
			for i := range c.Deliveries {
				c.Deliveries[i].Destination = "h1"
			}
			write(t, db, c)
			ok(t, db.DeleteHook(t.Context(), "h1"))
			is(t, "digest-h", "cancelled: told together: the webhook was deleted")
		})
	})
}

// cancel cancels one thing.
func cancel(t testing.TB, db *store.DB, c dispatch.Cancel) (ended []dispatch.Cancelled) {
	t.Helper()
	inTx(t, db, func(ctx context.Context, tx dispatch.Tx) (err error) {
		ended, err = tx.Cancel(ctx, []dispatch.Cancel{c})
		return err
	})
	return ended
}

func expire(t testing.TB, db *store.DB) int {
	t.Helper()
	n, err := db.ExpireDeliveries(t.Context(), 100)
	ok(t, err)
	return n
}

// A collected message is heard of as soon as its digest was tried, and its storm is
// known as long as nothing was told by itself after it.
func TestWhoHeardOfWhatWasToldTogether(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ask := func(t *testing.T, n int) dispatch.Address {
			t.Helper()
			var found map[string][]dispatch.Address
			id := fmt.Sprintf("alert-%06d", n)
			inTx(t, db, func(ctx context.Context, tx dispatch.Tx) (err error) {
				found, err = tx.Addresses(ctx, []string{id})
				return err
			})
			same(t, "addresses", len(found[id]), 1)
			return found[id][0]
		}
		write(t, db, rained("st", "d1", "email", 1, 2, 3))
		same(t, "heard", ask(t, 1).Heard, false)
		same(t, "storm", ask(t, 1).Storm, "")
		cancel(t, db, dispatch.Cancel{AlertID: "alert-000003", Notices: []alert.Notice{alert.NoticeProblem}, Why: "recovered"})
		c := claimOf(t, db, "email")[0]
		same(t, "heard", ask(t, 1).Heard, true)
		same(t, "storm", ask(t, 1).Storm, "st")
		same(t, "heard of what was over before", ask(t, 3).Heard, false)
		ended := cancel(t, db, dispatch.Cancel{AlertID: "alert-000002", Notices: []alert.Notice{alert.NoticeProblem}, Why: "recovered"})
		same(t, "attempts", ended[0].Attempt, 1)
		same(t, "heard of what was cancelled too late", ask(t, 2).Heard, true)
		complete(t, db, c, delivery.Sent, "accepted")
		same(t, "heard", ask(t, 1).Heard, true)
		same(t, "storm", ask(t, 1).Storm, "st")
		same(t, "heard of what was over before", ask(t, 3).Heard, false)

		own := problem(1, "u1").Deliveries[0]
		own.ID, own.Channel, own.State, own.Done = "z-later", "email", delivery.Sent, recent()
		write(t, db, dispatch.Changes{Deliveries: []delivery.Delivery{own}})
		same(t, "storm after it was told by itself", ask(t, 1).Storm, "")
	})
}

func TestADigestCollectsUntilItIsDueOrClaimed(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		later := time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()
		add := func(id string, due time.Time) {
			c := rained("st-"+id, id, "email", 1, 2)
			c.Objects, c.Alerts, c.Events, c.Calls = nil, nil, nil, nil
			c.Deliveries[2].Due, c.Deliveries[2].Expires = due, due.Add(time.Hour)
			write(t, db, c)
		}
		write(t, db, problem(1))
		write(t, db, problem(2))
		add("due", recent())
		add("later", later)
		collects := func(db *store.DB) (found map[string]bool) {
			inTx(t, db, func(ctx context.Context, tx dispatch.Tx) (err error) {
				found, err = tx.Collecting(ctx, []string{"later", "due", "unknown", "item-later-000001"})
				return err
			})
			return found
		}
		if d := cmp.Diff(map[string]bool{"later": true}, collects(db)); d != "" {
			t.Fatal(d)
		}
		t.Run("it is moved", func(t *testing.T) {
			write(t, db, dispatch.Changes{Digests: []dispatch.DigestDue{{ID: "later", Due: later.Add(time.Minute), Quiet: true}, {ID: "unknown", Due: later}}})
			d := deliveryOf(t, db, "alert-000001", "later")
			same(t, "due", d.Due, later.Add(time.Minute))
			same(t, "expires", d.Expires, later.Add(time.Hour+time.Minute))
			same(t, "quiet", d.Quiet, true)
		})
		t.Run("whom somebody holds is not waited for", func(t *testing.T) {
			if db.Engine() == "sqlite" {
				return // one writes at a time
			}
			other := open()
			inTx(t, db, func(ctx context.Context, tx dispatch.Tx) error {
				found, err := tx.Collecting(ctx, []string{"later"})
				same(t, "collects", found["later"], true)
				same(t, "collects for another", collects(other)["later"], false)
				return err
			})
			same(t, "collects", collects(other)["later"], true)
		})
		t.Run("claimed it collects no more, nor is it moved", func(t *testing.T) {
			write(t, db, dispatch.Changes{Digests: []dispatch.DigestDue{{ID: "later", Due: recent()}}})
			same(t, "claimed", len(claimOf(t, db, "email")), 2)
			same(t, "collects", len(collects(db)), 0)
			due := deliveryOf(t, db, "alert-000001", "later").Due
			write(t, db, dispatch.Changes{Digests: []dispatch.DigestDue{{ID: "later", Due: later}}})
			same(t, "due", deliveryOf(t, db, "alert-000001", "later").Due, due)
		})
	})
}

func TestAnAlertIsKeptWhileAMessageHangsOnIt(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := rained("st", "d1", "email", 1, 2)
		c.Escalations = []dispatch.Escalation{{AlertID: "alert-000001", PolicyID: "p1", Due: day()}}
		write(t, db, c)
		ok(t, db.SaveAckLink(t.Context(), mail.AckLink{Hash: "hash", AlertID: "alert-000001", ContactID: "c1", Made: day(), Expires: time.Now().Add(time.Hour)}))
		for n := 1; n <= 2; n++ {
			becomes(t, db, n, alert.Resolved, alert.OK)
		}
		prune := func(want int) {
			t.Helper()
			n, err := db.Prune(t.Context(), time.Now(), 10)
			ok(t, err)
			same(t, "pruned", n, want)
		}
		prune(1) // the other one
		_, err := db.AckLinkByHash(t.Context(), "hash")
		ok(t, err)
		complete(t, db, claimOf(t, db, "email")[0], delivery.Sent, "accepted")
		prune(1)
		_, err = db.AckLinkByHash(t.Context(), "hash")
		wants(t, err, fault.ErrNotFound)
		for _, table := range []string{"delivery", "escalation", "ack_link", "alert"} {
			n, err := store.Count(t.Context(), db, table)
			ok(t, err)
			same(t, "rows of "+table, n, 0)
		}
	})
}
