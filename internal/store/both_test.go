package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/auth"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

// both saves a browser that is a contact's device and a visitor's.
func both(t testing.TB, db *store.DB, user string, n int) push.Subscription {
	t.Helper()
	save(t, db, deviceOf(user, n))
	return save(t, db, wanting(n))
}

// wanting is a visitor's device that wants something special.
func wanting(n int) push.Subscription {
	s := visitor(n)
	s.Pages = follow("main", push.Want{Components: []string{"api"}, MinImpact: push.ImpactMajor})
	return s
}

// stored answers the row of device n, nil if there is none.
func stored(t testing.TB, db *store.DB, n int) *push.Subscription {
	t.Helper()
	s, err := db.SubscriptionByEndpoint(t.Context(), device(n).Endpoint)
	if err != nil {
		wants(t, err, fault.ErrNotFound)
		return nil
	}
	return &s
}

// following names the pages that a device follows.
func following(s *push.Subscription) string {
	var pages []string
	for _, f := range s.Pages {
		pages = append(pages, f.PageID)
	}
	return strings.Join(pages, ", ")
}

func routed(t testing.TB, db *store.DB) (devices map[string][]route.Device) {
	t.Helper()
	ok(t, db.Commit(t.Context(), func(ctx context.Context, tx dispatch.Tx) error {
		d, _, err := tx.Directory(ctx)
		devices = d.Devices
		return err
	}))
	return devices
}

func TestOneBrowserIsAContactsDeviceAndAVisitors(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		holds := func(t *testing.T, n int, user, page string) *push.Subscription {
			t.Helper()
			s := stored(t, db, n)
			if s == nil {
				t.Fatal("there is no row")
			}
			same(t, "user", s.UserID, user)
			same(t, "named", s.Name != "", user != "")
			same(t, "page", following(s), page)
			return s
		}
		t.Run("a contact that subscribes to a page keeps the alerts, and the id", func(t *testing.T) {
			mine := save(t, db, deviceOf("u1", 1))
			raises(t, db, false, "a page is added", func() {
				got, created, err := db.SaveSubscription(ctx, wanting(1), nil)
				ok(t, err)
				same(t, "created", created, false)
				same(t, "id", got.ID, mine.ID)
			})
			s := holds(t, 1, "u1", "main")
			if d := cmp.Diff(wanting(1).Pages, s.Pages); d != "" {
				t.Fatal(d)
			}
			if d := cmp.Diff(map[string][]route.Device{"u1": {{ID: mine.ID, Name: mine.Name}}}, routed(t, db)); d != "" {
				t.Fatal(d)
			}
			n, err := db.CountSubscriptions(ctx, "main")
			ok(t, err)
			same(t, "of the page", n, 1)
			again := save(t, db, deviceOf("u1", 1))
			same(t, "id", again.ID, mine.ID)
			holds(t, 1, "u1", "main")
			other := visitor(1)
			other.Pages = follow("other", push.Want{})
			same(t, "id with another page", save(t, db, other).ID, mine.ID)
			holds(t, 1, "u1", "main, other")
		})
		t.Run("a visitor that becomes a contact keeps the page", func(t *testing.T) {
			was := save(t, db, wanting(2))
			raises(t, db, true, "a device", func() {
				got, created, err := db.SaveSubscription(ctx, deviceOf("u1", 2), nil)
				ok(t, err)
				same(t, "created", created, true)
				same(t, "the id stays", got.ID == was.ID, false)
			})
			s := holds(t, 2, "u1", "main")
			if d := cmp.Diff(wanting(2).Pages, s.Pages); d != "" {
				t.Fatal(d)
			}
			t.Run("and so does who signs in there next, under another id", func(t *testing.T) {
				before := s.ID
				save(t, db, deviceOf("u2", 2))
				if s = holds(t, 2, "u2", "main"); s.ID == before {
					t.Error("what was meant for the one finds the other")
				}
				same(t, "impact", s.Pages[0].Wants[0].MinImpact, push.ImpactMajor)
			})
		})
		t.Run("switched off as the one it stays the other", func(t *testing.T) {
			s := both(t, db, "u1", 3)
			raises(t, db, true, "a device goes", func() { ok(t, db.DeleteSubscription(ctx, s.ID)) })
			left := holds(t, 3, "", "main")
			same(t, "id", left.ID, s.ID)
			same(t, "seen", left.Seen, left.Seen.Truncate(24*time.Hour))
			wants(t, db.DeleteSubscription(ctx, s.ID), fault.ErrNotFound)
			ok(t, db.DeleteVisitor(ctx, s.ID, "", ""))
			same(t, "row", stored(t, db, 3), nil)
			wants(t, db.DeleteVisitor(ctx, s.ID, "", ""), fault.ErrNotFound)

			s = both(t, db, "u1", 3)
			raises(t, db, false, "a page goes", func() { ok(t, db.DeleteVisitor(ctx, s.ID, "", "")) })
			left = holds(t, 3, "u1", "")
			same(t, "id", left.ID, s.ID)
			wants(t, db.DeleteVisitor(ctx, s.ID, "", ""), fault.ErrNotFound)
			raises(t, db, true, "the device goes", func() { ok(t, db.DeleteSubscription(ctx, s.ID)) })
			same(t, "row", stored(t, db, 3), nil)
		})
		t.Run("a device that is gone is gone as both", func(t *testing.T) {
			s := both(t, db, "u1", 4)
			raises(t, db, true, "gone", func() {
				ok(t, db.NotePush(ctx, []push.Note{{SubscriptionID: s.ID, At: recent(), Gone: true}}))
			})
			same(t, "row", stored(t, db, 4), nil)
		})
		t.Run("with its user goes the device, not the visitor", func(t *testing.T) {
			ok(t, db.SaveUser(ctx, auth.User{ID: "u3", Name: "u3"}))
			both(t, db, "u3", 5)
			save(t, db, deviceOf("u3", 6))
			ok(t, db.DeleteUser(ctx, "u3", nil))
			holds(t, 5, "", "main")
			same(t, "row", stored(t, db, 6), nil)
		})
		t.Run("a new endpoint takes both along", func(t *testing.T) {
			old := both(t, db, "u1", 7)
			got, _, err := db.SaveSubscription(ctx, deviceOf("u1", 8), &old)
			ok(t, err)
			same(t, "id", got.ID, old.ID)
			holds(t, 8, "u1", "main")
			same(t, "row", stored(t, db, 7), nil)
		})
		t.Run("and of two rows one remains, the user's", func(t *testing.T) {
			old := save(t, db, deviceOf("u1", 9))
			save(t, db, wanting(10))
			got, _, err := db.SaveSubscription(ctx, deviceOf("u1", 10), &old)
			ok(t, err)
			same(t, "id", got.ID, old.ID)
			holds(t, 10, "u1", "main")
			same(t, "row", stored(t, db, 9), nil)
		})
	})
}

// Who knows endpoint and secret of a browser may say what it wants to hear of a
// page, and nothing of its alerts.
func TestAVisitorCannotTakeAlertsAway(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		mine := save(t, db, deviceOf("u1", 1))
		bad := wanting(1)
		bad.P256dh, bad.KeyID, bad.Expires, bad.Name = device(99).P256dh, "key-9", recent(), "Mallory"
		save(t, db, bad)
		got := stored(t, db, 1)
		mine.Pages, mine.Seen = bad.Pages, got.Seen
		if d := cmp.Diff(&mine, got); d != "" {
			t.Fatal(d)
		}
		wrong := visitor(1)
		wrong.Auth = []byte("something else..")
		_, _, err := db.SaveSubscription(ctx, wrong, nil)
		wants(t, err, fault.ErrTaken)

		t.Run("nor move them to another endpoint", func(t *testing.T) {
			_, _, err := db.SaveSubscription(ctx, visitor(2), &mine)
			ok(t, err)
			got := stored(t, db, 1)
			same(t, "user", got.UserID, "u1")
			same(t, "page", following(got), "")
			other := stored(t, db, 2)
			same(t, "other's user", other.UserID, "")
			same(t, "other's page", following(other), "main")
			same(t, "another row", other.ID == got.ID, false)
		})
		t.Run("nor end them as it ends the page", func(t *testing.T) {
			wants(t, db.DeleteVisitor(ctx, mine.ID, "", ""), fault.ErrNotFound)
			same(t, "user", stored(t, db, 1).UserID, "u1")
		})
		t.Run("nor have them expire", func(t *testing.T) {
			_, err := db.Prune(ctx, day(), 10)
			ok(t, err)
			same(t, "user", stored(t, db, 1).UserID, "u1")
		})
	})
}

func TestPublicationsReachContactsDevicesThatAreVisitorsToo(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		late := save(t, db, deviceOf("u1", 1))
		elsewhere := visitor(2)
		elsewhere.Pages = follow("other", push.Want{})
		save(t, db, elsewhere)
		here := []push.Subscription{both(t, db, "u1", 3), both(t, db, "u1", 4), both(t, db, "u1", 5)}
		all, err := db.SubscriptionsAfter(ctx, "", 10)
		ok(t, err)
		same(t, "to be prepared for", len(all), 5)
		tamper(t, db, "UPDATE subscription_page SET joined = joined - 1000")
		tamper(t, db, "UPDATE push_subscription SET created = created - 1000")
		publish(t, db, "p1")
		// They come to the page later, with ids that are older than the publication.
		tamper(t, db, "UPDATE publication SET taken = taken - 500")
		save(t, db, visitor(1))
		save(t, db, visitor(2))

		p := claimPiece(t, db)
		list, err := db.PieceSubscriptions(ctx, p, p.Position, 10)
		ok(t, err)
		same(t, "told", len(list), len(here))
		page := push.Page{Position: p.To, Last: true}
		for i := range list {
			same(t, "id", list[i].ID, here[i].ID)
			page.Retry = append(page.Retry, push.Retry{SubscriptionID: list[i].ID, Attempt: 1, Due: recent(), Detail: "answered 503"})
		}
		ok(t, db.AdvancePiece(ctx, p, page, time.Hour))
		// One leaves the page before its turn comes again, one is gone altogether.
		ok(t, db.DeleteVisitor(ctx, here[0].ID, "", ""))
		rs, err := db.ClaimRetries(ctx, "node-a", 10, time.Hour)
		ok(t, err)
		same(t, "claimed", len(rs), 2)
		same(t, "told as a contact", rs[0].Subscription.Visitor(), true)
		for i := range rs {
			same(t, "id", rs[i].SubscriptionID == here[0].ID, false)
		}
		gone := push.RetryResult{Retry: rs[0], Gone: true}
		ok(t, db.CompleteRetries(ctx, []push.RetryResult{gone, {Retry: rs[1], Sent: true}}))
		g := progress(t, db, "p1")
		if d := cmp.Diff(push.Progress{Total: 3, Sent: 1, Gone: 2, Done: true, Finished: g.Finished}, g); d != "" {
			t.Fatal(d)
		}
		left := map[string]bool{}
		for _, d := range routed(t, db)["u1"] {
			left[d.ID] = true
		}
		same(t, "devices", len(left), 3)
		same(t, "who left the page is a contact's device", left[here[0].ID], true)
		same(t, "who came late too", left[late.ID], true)
	})
}
