package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/fault"
	desk "tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/store"
)

func TestOneBrowserFollowsSeveralPages(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		everything, urgent := push.Want{}, push.Want{MinImpact: push.ImpactCritical}
		of := func(incident string) push.Want {
			return push.Want{Incident: incident, Kinds: []push.Kind{push.IncidentResolved}}
		}
		adds := func(t *testing.T, n int, page string, w push.Want) push.Subscription {
			t.Helper()
			s := device(n)
			s.Pages = follow(page, w)
			s = save(t, db, s)
			// The next page comes later, not in the same millisecond.
			tamper(t, db, "UPDATE subscription_page SET joined = joined - 1000 WHERE subscription_id = $1", s.ID)
			return s
		}
		follows := func(t *testing.T, n int, want ...push.Follow) {
			t.Helper()
			if d := cmp.Diff(want, stored(t, db, n).Pages); d != "" {
				t.Fatal(d)
			}
		}
		told := func(t *testing.T, id, page, topic string, kind push.Kind) []string {
			t.Helper()
			p := publication(id)
			p.PageID, p.Topic, p.Kind, p.Impact = page, topic, kind, push.ImpactMajor
			ok(t, db.CreatePublication(ctx, p))
			var ids []string
			piece := claimPiece(t, db)
			pages(t, db, piece, 10, func(list []push.Subscription) (push.Page, bool) {
				for i := range list {
					if list[i].Wants(piece.Publication) {
						ids = append(ids, list[i].ID)
					}
				}
				return push.Page{Sent: len(list)}, true
			})
			return ids
		}
		var id string
		t.Run("each with a want of its own", func(t *testing.T) {
			id = adds(t, 1, "main", everything).ID
			same(t, "id", adds(t, 1, "shop", urgent).ID, id)
			follows(t, 1, push.Follow{PageID: "main", Wants: []push.Want{everything}}, push.Follow{PageID: "shop", Wants: []push.Want{urgent}})
			adds(t, 1, "main", urgent)
			adds(t, 1, "shop", everything)
			follows(t, 1, push.Follow{PageID: "main", Wants: []push.Want{urgent}}, push.Follow{PageID: "shop", Wants: []push.Want{everything}})
			same(t, "told of main", len(told(t, "p1", "main", "i1", push.IncidentNew)), 0)
			if d := cmp.Diff([]string{id}, told(t, "p2", "shop", "i2", push.IncidentNew)); d != "" {
				t.Fatal(d)
			}
		})
		t.Run("and single incidents beside the page, told once", func(t *testing.T) {
			adds(t, 1, "main", of("i1"))
			adds(t, 1, "main", of("i3"))
			follows(t, 1, push.Follow{PageID: "main", Wants: []push.Want{urgent, of("i1"), of("i3")}}, push.Follow{PageID: "shop", Wants: []push.Want{everything}})
			for n, c := range []struct {
				topic string
				kind  push.Kind
				told  int
			}{{"i1", push.IncidentResolved, 1}, {"i1", push.IncidentUpdate, 0}, {"i2", push.IncidentResolved, 0}, {"i3", push.IncidentResolved, 1}} {
				same(t, c.topic, len(told(t, fmt.Sprint("q", n), "main", c.topic, c.kind)), c.told)
			}
			p := publication("reach")
			p.Topic, p.Kind, p.Impact = "i3", push.IncidentResolved, push.ImpactNone
			reach, err := db.Interested(ctx, &p)
			ok(t, err)
			same(t, "reach", reach["webpush"], 1)
			n, err := db.CountSubscriptions(ctx, "main")
			ok(t, err)
			same(t, "browsers", n, 1)
		})
		t.Run("each ended by itself", func(t *testing.T) {
			ok(t, db.DeleteVisitor(ctx, id, "main", "i1"))
			wants(t, db.DeleteVisitor(ctx, id, "main", "i1"), fault.ErrNotFound)
			follows(t, 1, push.Follow{PageID: "main", Wants: []push.Want{urgent, of("i3")}}, push.Follow{PageID: "shop", Wants: []push.Want{everything}})
			wants(t, db.DeleteVisitor(ctx, id, "none", ""), fault.ErrNotFound)
			ok(t, db.DeleteVisitor(ctx, id, "main", ""))
			follows(t, 1, push.Follow{PageID: "shop", Wants: []push.Want{everything}})
			ok(t, db.DeleteVisitor(ctx, id, "shop", ""))
			same(t, "row", stored(t, db, 1), nil)
		})
		t.Run("all of them move with it to another address, also from a contact's device", func(t *testing.T) {
			adds(t, 2, "main", urgent)
			old := adds(t, 2, "shop", everything)
			moved := device(3)
			moved.Pages = follow("other", everything)
			_, _, err := db.SaveSubscription(ctx, moved, &old)
			ok(t, err)
			same(t, "row", stored(t, db, 2), nil)
			same(t, "pages", following(stored(t, db, 3)), "main, shop, other")

			both := save(t, db, deviceOf("u1", 3))
			next := device(4)
			next.Pages = follow("main", everything)
			_, _, err = db.SaveSubscription(ctx, next, &both)
			ok(t, err)
			same(t, "pages", following(stored(t, db, 3)), "")
			same(t, "pages", len(stored(t, db, 4).Pages), 3)
		})
		t.Run("a publication that waits is not sent to who has left that page alone", func(t *testing.T) {
			s := adds(t, 5, "waits", everything)
			adds(t, 5, "stays", everything)
			p := publication("r1")
			p.PageID = "waits"
			ok(t, db.CreatePublication(ctx, p))
			piece := claimPiece(t, db)
			ok(t, db.AdvancePiece(ctx, piece, push.Page{Position: piece.To, Last: true, Retry: []push.Retry{{SubscriptionID: s.ID, Attempt: 1, Due: recent()}}}, time.Hour))
			ok(t, db.DeleteVisitor(ctx, s.ID, "waits", ""))
			rs, err := db.ClaimRetries(ctx, "node", 10, time.Hour)
			ok(t, err)
			same(t, "claimed", len(rs), 0)
			same(t, "done", progress(t, db, "r1").Done, true)
			same(t, "pages", following(stored(t, db, 5)), "stays")
		})
		t.Run("there are bounds", func(t *testing.T) {
			for i := range push.MaxIncidents + 3 {
				adds(t, 6, "main", of(fmt.Sprint("i", i)))
			}
			adds(t, 6, "main", everything)
			f := stored(t, db, 6).Follows("main")
			same(t, "of the page", f.Of("") != nil, true)
			same(t, "of the first", f.Of("i2") == nil, true)
			same(t, "of the last", f.Of("i22") != nil, true)
			for i := range push.MaxFollows - 1 {
				adds(t, 6, fmt.Sprint("page-", i), everything)
			}
			s := device(6)
			s.Pages = follow("one-more", everything)
			_, _, err := db.SaveSubscription(ctx, s, nil)
			var field *push.FieldError
			if !errors.As(err, &field) || field.Field != "page" {
				t.Fatal(err)
			}
			same(t, "pages", len(stored(t, db, 6).Pages), push.MaxFollows)
		})
	})
}

func TestWhatIsOverIsNotFollowedForEver(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		savePage(t, db, publicPage("main"))
		now, long := time.Now().Truncate(time.Millisecond), 40*24*time.Hour
		change(t, db, "main", func(ctx context.Context, tx desk.Tx) error {
			return errors.Join(
				tx.SaveIncident(ctx, &status.Incident{ID: "open", Title: "a", Phase: status.Identified, Started: now.Add(-long), Created: now}),
				tx.SaveIncident(ctx, &status.Incident{ID: "fresh", Title: "b", Phase: status.Resolved, Started: now.Add(-long), ResolvedAt: now, Created: now}),
				tx.SaveIncident(ctx, &status.Incident{ID: "over", Title: "c", Phase: status.Resolved, Started: now.Add(-long), ResolvedAt: now.Add(-long), Created: now}))
		})
		wants := map[int][]push.Want{
			1: {{Incident: "over"}},
			2: {{}, {Incident: "over"}, {Incident: "fresh"}, {Incident: "open"}},
			3: {{MinImpact: push.ImpactMajor}},
			4: {{Incident: "never was"}, {Incident: "open"}},
			5: {{Incident: "over"}, {Incident: "never was"}},
		}
		for n := range 6 {
			for _, w := range wants[n] {
				s := device(n)
				s.Pages = follow("main", w)
				save(t, db, s)
			}
		}
		ok(t, db.PruneVisitors(ctx))
		for n, want := range map[int][]push.Want{2: {{}, {Incident: "fresh"}, {Incident: "open"}}, 3: {{MinImpact: push.ImpactMajor}}, 4: {{Incident: "open"}}} {
			if d := cmp.Diff([]push.Follow{{PageID: "main", Wants: want}}, stored(t, db, n).Pages); d != "" {
				t.Errorf("device %d: %s", n, d)
			}
		}
		left, err := db.CountSubscriptions(ctx, "main")
		ok(t, err)
		same(t, "devices that follow the page", left, 3)
	})
}
