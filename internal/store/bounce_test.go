package store_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/delivery"
	"tocsin/internal/fault"
	"tocsin/internal/mail"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

// mailed are two letters of an alert: the first was sent, the second was not.
func mailed(t testing.TB, db *store.DB) (sent, waiting delivery.Delivery) {
	t.Helper()
	c := problem(1, "u1", "u2")
	for i := range c.Deliveries {
		c.Deliveries[i].Channel = route.Email
	}
	write(t, db, c)
	cs, err := db.ClaimDeliveries(t.Context(), delivery.Claim{Channel: route.Email, Limit: 1, Lease: time.Hour, Node: "node-a"})
	ok(t, err)
	same(t, "claimed", len(cs), 1)
	ok(t, db.CompleteDeliveries(t.Context(), "node-a", []delivery.Completion{{ID: cs[0].ID, Attempt: 1, State: delivery.Sent, Result: "sent", Detail: "the mail server took it", At: day()}}))
	for _, d := range c.Deliveries {
		if d.ID != cs[0].ID {
			waiting = d
		}
	}
	return cs[0].Delivery, waiting
}

func TestALetterThatCameBackEndsItsDelivery(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		sent, waiting := mailed(t, db)
		note := func(id, detail string, failed, want bool) {
			t.Helper()
			noted, err := db.NoteBounce(t.Context(), id, detail, failed)
			ok(t, err)
			same(t, "noted", noted, want)
		}
		note("of-nobody", "came back: 550", true, false)
		note(waiting.ID, "came back: 550", true, false) // it was never sent

		note(sent.ID, "is delayed: 4.4.1", false, true)
		d := deliveryOf(t, db, sent.AlertID, sent.ID)
		same(t, "state while it is delayed", d.State, delivery.Sent)
		note(sent.ID, "came back: 550 no such user", true, true)
		note(sent.ID, "came back: once more", true, true)
		d = deliveryOf(t, db, sent.AlertID, sent.ID)
		same(t, "state", d.State, delivery.Dead)
		same(t, "detail", d.Detail, "came back: 550 no such user")
		same(t, "attempts", len(d.Attempts), 4)
		same(t, "result", d.Attempts[1].Result, "delayed")
		same(t, "result", d.Attempts[2].Result, "bounced")
		for range 40 {
			note(sent.ID, "came back: again and again", true, true)
		}
		if n := len(deliveryOf(t, db, sent.AlertID, sent.ID).Attempts); n > 25 {
			t.Errorf("%d attempts are kept", n)
		}
		if _, err := db.NoteBounce(t.Context(), sent.ID, strings.Repeat("x", 2000), true); err == nil {
			t.Error("a text of any length is kept")
		}
		list := func(contactID string, since time.Time, want int) {
			t.Helper()
			got, err := db.DeadLetters(t.Context(), contactID, since, 10)
			ok(t, err)
			if same(t, "letters", len(got), want); want > 0 {
				same(t, "the last", got[0].ID, sent.ID)
			}
		}
		list("", time.Time{}, 1)
		list(sent.ContactID, time.Time{}, 1)
		list("of-nobody", time.Time{}, 0)
		list("", time.Now().Add(time.Hour), 0)
		same(t, "the other one", deliveryOf(t, db, waiting.AlertID, waiting.ID).State, delivery.Waiting)
	})
}

func TestALettersLinkIsUsedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		l := mail.AckLink{Hash: mail.HashToken("t1"), AlertID: "a1", ContactID: "c1", Made: day(), Expires: day().Add(time.Hour)}
		ok(t, db.SaveAckLink(t.Context(), l))
		got, err := open().AckLinkByHash(t.Context(), l.Hash)
		ok(t, err)
		same(t, "link", got, l)
		if _, err := db.AckLinkByHash(t.Context(), mail.HashToken("t2")); !errors.Is(err, fault.ErrNotFound) || strings.Contains(err.Error(), mail.HashToken("t2")) {
			t.Errorf("a link of nobody: %v", err)
		}
		use := func(db *store.DB, now time.Time) bool {
			first, err := db.UseAckLink(t.Context(), l.Hash, now)
			ok(t, err)
			return first
		}
		same(t, "used after its time", use(db, day().Add(time.Hour)), false)
		other := open()
		var mu sync.Mutex
		var both sync.WaitGroup
		firsts := 0
		for i := range 8 {
			both.Go(func() {
				node := db
				if i%2 == 0 {
					node = other
				}
				if use(node, day().Add(time.Minute)) {
					mu.Lock()
					firsts++
					mu.Unlock()
				}
			})
		}
		both.Wait()
		same(t, "first uses", firsts, 1)
		got, err = db.AckLinkByHash(t.Context(), l.Hash)
		ok(t, err)
		same(t, "used", got.Used, day().Add(time.Minute))
		ok(t, db.ReleaseAckLink(t.Context(), l.Hash))
		same(t, "used after it was given back", use(db, day().Add(2*time.Minute)), true)
		if _, err := db.UseAckLink(t.Context(), mail.HashToken("t2"), day()); err != nil {
			t.Errorf("a link of nobody: %v", err)
		}
	})
}
