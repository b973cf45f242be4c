package store_test

import (
	"testing"
	"time"

	desk "tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/store"
	vis "tocsin/internal/visitor"
)

func TestSubscribersOfAPageAreCountedByWhatTheyWant(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		savePage(t, db, publicPage("main"))
		savePage(t, db, publicPage("shop"))
		urgent := push.Want{MinImpact: push.ImpactMajor, Components: []string{"api"}}
		for n, w := range []push.Want{{}, {}, urgent} {
			d := device(n + 1)
			d.Pages = follow("main", w)
			save(t, db, d)
		}
		other := device(9)
		other.Pages = follow("shop", push.Want{})
		save(t, db, other)
		subscribed(t, db, vis.Email, 2)
		asks(t, db, vis.Email, "waits@example.org", push.Want{})

		count := func(id string, since time.Time) desk.Subscribers {
			t.Helper()
			s, err := db.StatusSubscribers(ctx, id, since)
			ok(t, err)
			return s
		}
		s := count("main", time.Now().Add(-time.Hour))
		for channel, want := range map[string]int{"webpush": 3, "email": 2, "webhook": 0} {
			same(t, channel, s.Counts()[channel], want)
		}
		same(t, "not confirmed", s.Asked["email"], 1)
		same(t, "new by e-mail", s.New["email"], 2)
		same(t, "new in browsers", s.New["webpush"], 3)
		same(t, "new since tomorrow", len(count("main", time.Now().Add(24*time.Hour)).New), 0)
		urgents := 0
		for _, w := range s.Wishes {
			if len(w.Wants) == 1 && w.Wants[0].MinImpact == push.ImpactMajor {
				urgents += w.N
			}
		}
		same(t, "who wants to hear of the worse ones alone", urgents, 1)
		shops := count("shop", time.Time{})
		same(t, "the other page's", shops.Counts()["webpush"], 1)
		same(t, "those of no page", len(count("none", time.Time{}).Wishes), 0)
	})
}
