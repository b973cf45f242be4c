package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

// told makes a problem with deliveries by both channels: u1's tab and two
// devices, u2's tab.
func told(n int) dispatch.Changes {
	c := problem(n, "u1", "u1", "u1", "u2")
	for i, dest := range []string{"", "d1", "d2", ""} {
		d := &c.Deliveries[i]
		if dest != "" {
			d.Channel, d.Destination, d.DestinationName = "webpush", dest, "Firefox on "+dest
		}
	}
	return c
}

// inTx runs f in a write transaction.
func inTx(t testing.TB, db *store.DB, f func(ctx context.Context, tx dispatch.Tx) error) {
	t.Helper()
	ok(t, db.Commit(t.Context(), f))
}

func TestCancel(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		n := 0
		for _, row := range []struct {
			name string
			with func(c *dispatch.Cancel)
			want map[string]delivery.State // by user and destination
		}{
			{"everybody's problem", func(*dispatch.Cancel) {},
				map[string]delivery.State{"u1": delivery.Cancelled, "u1 d1": delivery.Cancelled, "u1 d2": delivery.Sent, "u2": delivery.Waiting}},
			{"acknowledgements too", func(c *dispatch.Cancel) { c.Notices = append(c.Notices, alert.NoticeAck) },
				map[string]delivery.State{"u1": delivery.Cancelled, "u1 d1": delivery.Cancelled, "u1 d2": delivery.Sent, "u2": delivery.Cancelled}},
			{"one contact's", func(c *dispatch.Cancel) {
				c.Notices = append(c.Notices, alert.NoticeAck)
				c.ContactIDs = []string{"c-u2", "c-u9"}
			}, map[string]delivery.State{"u1": delivery.Handed, "u1 d1": delivery.Waiting, "u1 d2": delivery.Sent, "u2": delivery.Cancelled}},
			{"nobody's", func(c *dispatch.Cancel) { c.ContactIDs = []string{} },
				map[string]delivery.State{"u1": delivery.Handed, "u1 d1": delivery.Waiting, "u1 d2": delivery.Sent, "u2": delivery.Waiting}},
			{"quiet ones to one device", func(c *dispatch.Cancel) { c.QuietTo = "d1" },
				map[string]delivery.State{"u1": delivery.Handed, "u1 d1": delivery.Cancelled, "u1 d2": delivery.Sent, "u2": delivery.Waiting}},
			{"quiet ones to another", func(c *dispatch.Cancel) { c.QuietTo = "d2" },
				map[string]delivery.State{"u1": delivery.Handed, "u1 d1": delivery.Waiting, "u1 d2": delivery.Sent, "u2": delivery.Waiting}},
		} {
			t.Run(row.name, func(t *testing.T) {
				n++
				c := told(n)
				c.Deliveries[0].State, c.Deliveries[0].Attempt = delivery.Handed, 1
				c.Deliveries[1].Quiet = true
				c.Deliveries[2].State = delivery.Sent
				c.Deliveries[3].Notice = alert.NoticeAck
				write(t, db, c)
				cancel := dispatch.Cancel{AlertID: c.Alerts[0].ID, Notices: []alert.Notice{alert.NoticeProblem}, Why: "it has recovered"}
				row.with(&cancel)
				var ended []dispatch.Cancelled
				inTx(t, db, func(ctx context.Context, tx dispatch.Tx) (err error) {
					ended, err = tx.Cancel(ctx, []dispatch.Cancel{cancel, {AlertID: "none", Notices: []alert.Notice{alert.NoticeProblem}}})
					return err
				})
				ds, err := db.AlertDeliveries(t.Context(), c.Alerts[0].ID, "")
				ok(t, err)
				got, want := map[string]delivery.State{}, map[dispatch.Cancelled]bool{}
				for _, d := range ds {
					key := d.UserID
					if d.Destination != "" {
						key += " " + d.Destination
					}
					got[key] = d.State
					if d.State == delivery.Cancelled {
						want[dispatch.Cancelled{AlertID: d.AlertID, ContactID: d.ContactID, Channel: d.Channel, Destination: d.Destination,
							Notice: d.Notice, Attempt: d.Attempt}] = true
						if d.Detail != "it has recovered" || d.Done.IsZero() {
							t.Errorf("cancelled without a reason or an end: %+v", d)
						}
					}
				}
				if d := cmp.Diff(row.want, got); d != "" {
					t.Fatal(d)
				}
				same(t, "answered", len(ended), len(want))
				for _, e := range ended {
					if !want[e] {
						t.Errorf("answered %+v", e)
					}
				}
			})
		}
	})
}

// A room of Mattermost is named where a contact is, and is only the room.
func TestCancelForARoom(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := problem(1, "", "", "", "")
		for i, d := range []delivery.Delivery{
			{Channel: route.Mattermost, Destination: "r1"},
			{Channel: route.Mattermost, Destination: "r2"},
			{Channel: route.Mattermost, Destination: chat.Direct("m1"), ContactID: "c1"},
			{Channel: route.Webpush, Destination: "r1", ContactID: "c1"},
		} {
			at := &c.Deliveries[i]
			at.Channel, at.Destination, at.ContactID = d.Channel, d.Destination, d.ContactID
		}
		write(t, db, c)
		cancel := func(places ...string) (destinations []string) {
			inTx(t, db, func(ctx context.Context, tx dispatch.Tx) error {
				ended, err := tx.Cancel(ctx, []dispatch.Cancel{{AlertID: c.Alerts[0].ID, Notices: []alert.Notice{alert.NoticeProblem}, ContactIDs: places, Why: "snoozed"}})
				for _, e := range ended {
					destinations = append(destinations, e.Channel+" "+e.Destination)
				}
				return err
			})
			return destinations
		}
		if d := cmp.Diff([]string{"mattermost r1"}, cancel(route.SnoozedRoom("r1"))); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"mattermost direct:m1"}, cancel(route.SnoozedRoom(chat.Direct("m1")), "c9")); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"webpush r1"}, cancel("c1")); d != "" {
			t.Error(d)
		}
	})
}

func TestAddresses(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := told(1)
		c.Deliveries[1].State, c.Deliveries[1].Attempt = delivery.Sent, 1
		c.Deliveries[2].State = delivery.Skipped
		c.Deliveries[3].Notice = alert.NoticeAck
		again := c.Deliveries[0]
		again.ID, again.Attempt, again.State = "again", 2, delivery.Dead
		other := c.Deliveries[0]
		other.ID, other.ContactID, other.Notice = "other", "c-other", alert.NoticeRecovery
		c.Deliveries = append(c.Deliveries, again, other)
		write(t, db, c)
		write(t, db, told(2))
		id := c.Alerts[0].ID
		inTx(t, db, func(ctx context.Context, tx dispatch.Tx) error {
			got, err := tx.Addresses(ctx, []string{id, "none", id})
			ok(t, err)
			want := map[string][]dispatch.Address{id: {
				{ContactID: "c-u1", ContactName: "Contact u1", UserID: "u1", Channel: "browser", Heard: true, Problem: true},
				{ContactID: "c-u1", ContactName: "Contact u1", UserID: "u1", Channel: "webpush", Destination: "d1", DestinationName: "Firefox on d1", Heard: true, Problem: true},
				{ContactID: "c-u2", ContactName: "Contact u2", UserID: "u2", Channel: "browser"},
			}}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatal(d)
			}
			both, err := tx.Addresses(ctx, []string{id, told(2).Alerts[0].ID})
			ok(t, err)
			same(t, "of the second", len(both[told(2).Alerts[0].ID]), 4)
			none, err := tx.Addresses(ctx, nil)
			same(t, "of none", len(none), 0)
			return err
		})
	})
}

func TestDestinationsAreKept(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := told(1)
		c.Deliveries[1].Quiet = true
		c.Alerts[0].Snoozed = day().Add(time.Hour)
		write(t, db, c)
		claimed, err := db.ClaimDeliveries(t.Context(), delivery.Claim{Channel: "webpush", Limit: 10, Lease: time.Minute})
		ok(t, err)
		same(t, "claimed", len(claimed), 2)
		for i, d := range claimed {
			want := c.Deliveries[1+i]
			want.Attempt, want.Due = 1, d.Due
			if diff := cmp.Diff(want, d.Delivery); diff != "" {
				t.Fatal(diff)
			}
			same(t, "end of the snooze", d.Alert.Snoozed, c.Alerts[0].Snoozed)
		}
		next, _, err := db.NextDue(t.Context(), delivery.Claim{Channel: "webpush"})
		ok(t, err)
		same(t, "next", next, claimed[0].Due)
	})
}

func TestSnoozes(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		c := told(1)
		id := c.Alerts[0].ID
		later := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
		c.Snoozes = []dispatch.Snooze{{AlertID: id, ContactID: "c-u1", Until: later, By: "Ann\x00", At: recent()},
			{AlertID: id, ContactID: "c-u2", Until: recent()}, {AlertID: "other", ContactID: "c-u1", Until: later}}
		write(t, db, c)
		snoozed := func(alertID string) (got map[string]time.Time) {
			inTx(t, db, func(ctx context.Context, tx dispatch.Tx) (err error) {
				got, err = tx.Snoozed(ctx, alertID)
				return err
			})
			return got
		}
		if d := cmp.Diff(map[string]time.Time{"c-u1": later}, snoozed(id)); d != "" {
			t.Fatal(d)
		}
		list, err := db.Snoozes(t.Context(), id)
		ok(t, err)
		same(t, "snoozes", len(list), 1)
		same(t, "by", list[0].By, "Ann")
		_, err = db.Prune(t.Context(), day(), 10)
		ok(t, err)
		same(t, "kept", count(t, db, "snooze"), 2)
		// Ended and made anew in one transaction: the new one counts.
		write(t, db, dispatch.Changes{EndSnoozes: []string{id}, Snoozes: []dispatch.Snooze{{AlertID: id, ContactID: "c-u2", Until: later.Add(time.Hour)}}})
		if d := cmp.Diff(map[string]time.Time{"c-u2": later.Add(time.Hour)}, snoozed(id)); d != "" {
			t.Fatal(d)
		}
		write(t, db, dispatch.Changes{EndSnoozes: []string{id}})
		same(t, "after the end", len(snoozed(id)), 0)
		same(t, "of another alert", len(snoozed("other")), 1)
	})
}

func TestWhoIsDisabledIsSentNothingThatStillWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		u := auth.User{ID: "u1", Name: "jane", Role: auth.Operator, CreatedAt: time.Now()}
		ok(t, db.SaveUser(ctx, u))
		c := told(1)
		c.Deliveries[1].State = delivery.Sent
		c.Deliveries[2].Due = time.Now().Add(time.Hour) // a reminder
		write(t, db, c)
		states := func() (got []delivery.State) {
			for _, d := range c.Deliveries {
				got = append(got, deliveryOf(t, db, c.Alerts[0].ID, d.ID).State)
			}
			return got
		}
		ok(t, db.SaveUser(ctx, u))
		if diff := cmp.Diff([]delivery.State{delivery.Waiting, delivery.Sent, delivery.Waiting, delivery.Waiting}, states()); diff != "" {
			t.Fatal("saved again: " + diff)
		}
		u.Disabled = true
		ok(t, db.SaveUser(ctx, u))
		if diff := cmp.Diff([]delivery.State{delivery.Cancelled, delivery.Sent, delivery.Cancelled, delivery.Waiting}, states()); diff != "" {
			t.Fatal("disabled: " + diff)
		}
		if d := deliveryOf(t, db, c.Alerts[0].ID, c.Deliveries[2].ID); d.Detail == "" || d.Done.IsZero() {
			t.Errorf("it does not say why and when: %+v", d)
		}
	})
}

func TestWhatDevicesSayOfDeliveries(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		c := told(1)
		for i := range c.Deliveries {
			c.Deliveries[i].State, c.Deliveries[i].Attempt = delivery.Sent, 2
		}
		onItsWay := c.Deliveries[1]
		onItsWay.ID, onItsWay.State = onItsWay.ID+"-claimed", delivery.Waiting
		c.Deliveries = append(c.Deliveries, onItsWay)
		c.Deliveries[2].State, c.Deliveries[2].Attempt = delivery.Waiting, 0
		write(t, db, c)
		sent, waiting, tab := c.Deliveries[1].ID, c.Deliveries[2].ID, c.Deliveries[0].ID
		// A device may be quicker than whoever writes down that the service took it.
		ok(t, db.ShownDelivery(ctx, onItsWay.ID, "shown", "by Firefox on Linux"))
		same(t, "of one on its way", len(deliveryOf(t, db, c.Alerts[0].ID, onItsWay.ID).Attempts), 1)
		for _, id := range []string{sent, waiting, tab, "none"} {
			ok(t, db.ShownDelivery(ctx, id, "shown", "by Firefox\x00 on Linux"))
		}
		d := deliveryOf(t, db, c.Alerts[0].ID, sent)
		same(t, "attempts", len(d.Attempts), 1)
		want := delivery.Attempt{Number: 2, At: d.Attempts[0].At, Node: "node-a", Result: "shown", Detail: "by Firefox on Linux"}
		if diff := cmp.Diff(want, d.Attempts[0]); diff != "" {
			t.Fatal(diff)
		}
		same(t, "of one never tried", len(deliveryOf(t, db, c.Alerts[0].ID, waiting).Attempts), 0)
		same(t, "of a tab's", len(deliveryOf(t, db, c.Alerts[0].ID, tab).Attempts), 0)
		for range 20 {
			ok(t, db.ShownDelivery(ctx, sent, "clicked", ""))
		}
		// The worker's own failures are none of a device's lines.
		retried := make([]delivery.Completion, 0, 12)
		for range 12 {
			retried = append(retried, delivery.Completion{ID: onItsWay.ID, Attempt: 2, State: delivery.Waiting, Result: "failed"})
		}
		ok(t, db.CompleteDeliveries(ctx, "node-a", retried))
		_, err := db.ClaimDeliveries(ctx, delivery.Claim{Channel: "webpush", Limit: 10, Lease: time.Minute, Node: "node-a"})
		ok(t, err)
		before := len(deliveryOf(t, db, c.Alerts[0].ID, onItsWay.ID).Attempts)
		ok(t, db.ShownDelivery(ctx, onItsWay.ID, "shown", ""))
		same(t, "after many failures", len(deliveryOf(t, db, c.Alerts[0].ID, onItsWay.ID).Attempts), before+1)
		same(t, "attempts at most", len(deliveryOf(t, db, c.Alerts[0].ID, sent).Attempts), 10)
	})
}
