package store_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/store"
)

// many adds visitors' devices in bulk.
func many(t testing.TB, db *store.DB, n int) {
	t.Helper()
	for from := 0; from < n; from += 5000 {
		var list []push.Subscription
		for i := from; i < min(n, from+5000); i++ {
			list = append(list, visitor(i))
		}
		added, err := db.AddSubscriptions(t.Context(), list)
		ok(t, err)
		same(t, "added", added, len(list))
	}
}

// progress answers how far a publication is, and holds it to what always holds.
func progress(t testing.TB, db *store.DB, id string) push.Progress {
	t.Helper()
	_, p, err := db.Publication(t.Context(), id)
	ok(t, err)
	if p.Total != p.Sent+p.Gone+p.Failed+p.Expired+p.Waiting || p.Waiting < 0 || p.Retrying < 0 || p.Retrying > p.Waiting {
		t.Fatalf("it does not add up: %+v", p)
	}
	if p.Done != (p.Waiting == 0) || p.Done == p.Finished.IsZero() {
		t.Fatalf("done or not: %+v", p)
	}
	return p
}

// pages goes through a piece from where it stands, and has decide say what
// became of each page, until it answers false.
func pages(t testing.TB, db *store.DB, p *push.Piece, limit int, decide func(list []push.Subscription) (push.Page, bool)) {
	t.Helper()
	for {
		list, err := db.PieceSubscriptions(t.Context(), p, p.Position, limit)
		ok(t, err)
		page, more := decide(list)
		if !more {
			return
		}
		page.Last = len(list) < limit
		page.Position = p.To
		if !page.Last {
			page.Position = list[len(list)-1].ID
		}
		ok(t, db.AdvancePiece(t.Context(), p, page, time.Hour))
		if page.Last {
			return
		}
	}
}

func TestPublication(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		many(t, db, 25_000)
		elsewhere := visitor(70_000)
		elsewhere.Pages = follow("other", push.Want{})
		save(t, db, elsewhere)
		save(t, db, deviceOf("u1", 70_001))
		next, err := db.NextPush(ctx)
		ok(t, err)
		same(t, "next of nothing", next, time.Time{})
		var woken atomic.Int64
		db.OnWake("push", func() { woken.Add(1) })
		publish(t, db, "p1")
		same(t, "woken", woken.Load(), 1)
		wants(t, db.CreatePublication(ctx, publication("p1")), fault.ErrTaken)
		visitors(t, db, 80_000, 3) // later than the publication

		got, g, err := db.Publication(ctx, "p1")
		ok(t, err)
		want := publication("p1")
		want.Expires = got.Expires
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(push.Progress{Total: 25_000, Waiting: 25_000}, g); d != "" {
			t.Fatal(d)
		}
		_, _, err = db.Publication(ctx, "none")
		wants(t, err, fault.ErrNotFound)
		if next, err = db.NextPush(ctx); err != nil || next.IsZero() || time.Until(next) > 0 {
			t.Fatalf("next at %v: %v", next, err)
		}

		seen := map[string]int{}
		for _, size := range []int{10_000, 10_000, 5_000} {
			p := claimPiece(t, db)
			if d := cmp.Diff(got, *p.Publication); d != "" {
				t.Fatal(d)
			}
			n := 0
			pages(t, db, p, 700, func(list []push.Subscription) (push.Page, bool) {
				for _, s := range list {
					seen[s.ID]++
					if s.ID <= p.From || s.ID > p.To {
						t.Fatalf("%s is not in (%s, %s]", s.ID, p.From, p.To)
					}
				}
				n += len(list)
				progress(t, db, "p1")
				return push.Page{Sent: len(list) - 2, Unwanted: 1, Failed: 1, Repeats: 1, Problems: map[string]int{"answered 400": 1}}, true
			})
			same(t, "size of the piece", n, size)
		}
		if p, err := db.ClaimPiece(ctx, "node-a", time.Hour); err != nil || p != nil {
			t.Fatalf("a piece too many: %+v, %v", p, err)
		}
		same(t, "devices", len(seen), 25_000)
		for id, n := range seen {
			if n != 1 {
				t.Fatalf("%s came %d times", id, n)
			}
		}
		g = progress(t, db, "p1")
		same(t, "done", g.Done, true)
		same(t, "total", g.Total+g.Unwanted, 25_000)
		same(t, "problems", g.Problems["answered 400"], g.Failed)
		same(t, "repeats", g.Repeats, g.Failed)

		t.Run("a device as a message needs it", func(t *testing.T) {
			s := visitor(5)
			s.Pages = follow("small", push.Want{Kinds: []push.Kind{push.IncidentNew}})
			save(t, db, s)
			pub := publication("p2")
			pub.PageID = "small"
			ok(t, db.CreatePublication(ctx, pub))
			p := claimPiece(t, db)
			list, err := db.PieceSubscriptions(ctx, p, p.Position, 500)
			ok(t, err)
			same(t, "devices", len(list), 1)
			s.ID = list[0].ID
			if d := cmp.Diff(s, list[0]); d != "" {
				t.Fatal(d)
			}
		})
		t.Run("nobody subscribed: done at once", func(t *testing.T) {
			pub := publication("p3")
			pub.PageID = "empty"
			ok(t, db.CreatePublication(ctx, pub))
			same(t, "done", progress(t, db, "p3").Done, true)
		})
		t.Run("listed in pages, the newest first", func(t *testing.T) {
			items, progress, next, err := db.Publications(ctx, 2, "")
			ok(t, err)
			same(t, "ids", fmt.Sprint(items[0].ID, items[1].ID), "p3p2")
			same(t, "done", fmt.Sprint(progress[0].Done, progress[1].Done), "true false")
			items, progress, next, err = db.Publications(ctx, 2, next)
			ok(t, err)
			same(t, "ids", fmt.Sprint(len(items), items[0].ID, next), "1p1")
			if d := cmp.Diff(g, progress[0]); d != "" {
				t.Fatal(d)
			}
			_, _, _, err = db.Publications(ctx, 2, "x")
			wants(t, err, fault.ErrCursor)
		})
	})
}

// The clocks of two nodes differ: a device may subscribe after a publication
// and have the smaller id.
func TestWhoSubscribedLaterIsNotInIt(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		list := visitors(t, db, 1, 3)
		publish(t, db, "p1")
		tamper(t, db, "UPDATE subscription_page SET joined = joined + 60000 WHERE subscription_id = $1", list[1].ID)
		p := claimPiece(t, db)
		got, err := db.PieceSubscriptions(t.Context(), p, p.Position, 10)
		ok(t, err)
		same(t, "devices", len(got), 2)
		same(t, "first", got[0].ID, list[0].ID)
		same(t, "last", got[1].ID, list[2].ID)
	})
}

func TestPieceClaims(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx, nodes := t.Context(), []*store.DB{db, open()}
		many(t, db, 30_001)
		publish(t, db, "p1")
		publish(t, db, "p2")

		t.Run("two nodes never hold one", func(t *testing.T) {
			var mu sync.Mutex
			held := map[string]int{}
			together(4, func(i int) {
				for {
					p, err := nodes[i%2].ClaimPiece(ctx, fmt.Sprint("node-", i), time.Hour)
					if err != nil {
						t.Error(err)
					}
					if p == nil {
						return
					}
					mu.Lock()
					held[fmt.Sprint(p.Publication.ID, " ", p.Number)]++
					mu.Unlock()
				}
			})
			same(t, "pieces", len(held), 8)
			for which, n := range held {
				if n != 1 {
					t.Errorf("%s was held %d times", which, n)
				}
			}
		})
		t.Run("a lease that has ended frees it, and what the first says is void", func(t *testing.T) {
			tamper(t, db, "UPDATE publication_piece SET due = 1 WHERE publication_id = 'p1' AND number = 2")
			first := &push.Piece{Publication: &push.Publication{ID: "p1", PageID: "main"}, Number: 2, Attempt: 1}
			second, err := nodes[1].ClaimPiece(ctx, "node-b", time.Hour)
			ok(t, err)
			same(t, "piece", second.Number, 2)
			same(t, "attempt", second.Attempt, 2)
			before := progress(t, db, "p1")
			gone := visitors(t, db, 90_000, 1)[0].ID
			page := push.Page{Position: second.To, Last: true, Sent: 9, Gone: []string{gone}, Problems: map[string]int{"x": 1},
				Retry: []push.Retry{{SubscriptionID: gone, Attempt: 1}}}
			wants(t, db.AdvancePiece(ctx, first, page, time.Hour), fault.ErrNotFound)
			wants(t, db.ReleasePiece(ctx, first), fault.ErrNotFound)
			if d := cmp.Diff(before, progress(t, db, "p1")); d != "" {
				t.Fatal(d)
			}
			found, err := db.DevicesByID(ctx, []string{gone})
			ok(t, err)
			same(t, "still there", len(found), 1)
			page.Gone, page.Retry = nil, nil
			ok(t, db.AdvancePiece(ctx, second, page, time.Hour))
			wants(t, db.AdvancePiece(ctx, second, page, time.Hour), fault.ErrNotFound) // it is done
		})
		t.Run("a released one goes on from where it stood", func(t *testing.T) {
			tamper(t, db, "UPDATE publication_piece SET due = 1 WHERE publication_id = 'p2' AND number = 3")
			p := claimPiece(t, db)
			list, err := db.PieceSubscriptions(ctx, p, p.Position, 100)
			ok(t, err)
			ok(t, db.AdvancePiece(ctx, p, push.Page{Position: list[99].ID, Sent: 100}, time.Hour))
			ok(t, db.ReleasePiece(ctx, p))
			again := claimPiece(t, nodes[1])
			same(t, "position", again.Position, list[99].ID)
			same(t, "attempt", again.Attempt, p.Attempt+1)
			if err := db.AdvancePiece(ctx, again, push.Page{Position: list[50].ID}, time.Hour); err == nil || errors.Is(err, fault.ErrNotFound) {
				t.Errorf("it went back: %v", err)
			}
		})
	})
}

// A small publication does not wait for the end of a large one.
func TestPublicationsShareTheWorkers(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		many(t, db, 20_001)
		publish(t, db, "p1")
		order := ""
		for i := range 6 {
			p := claimPiece(t, db)
			order += fmt.Sprint(p.Publication.ID, ".", p.Number, " ")
			if i == 1 {
				publish(t, db, "p2")
			}
		}
		same(t, "order", order, "p1.1 p1.2 p2.1 p2.2 p1.3 p2.3 ")
	})
}

func TestRetries(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx, nodes := t.Context(), []*store.DB{db, open()}
		list := visitors(t, db, 1, 12)
		publish(t, db, "p1")
		p := claimPiece(t, db)
		var woken atomic.Int64
		db.OnWake("push", func() { woken.Add(1) })
		page := push.Page{Position: p.To, Last: true, Sent: 1, Gone: []string{list[0].ID, "went before"}, Healed: []string{list[11].ID}}
		for _, s := range list[1:11] {
			page.Retry = append(page.Retry, push.Retry{PublicationID: "p1", SubscriptionID: s.ID, Attempt: 1, Due: recent(), Detail: "answered 503"})
		}
		tamper(t, db, "UPDATE push_subscription SET failures = 3, last_error = 'x' WHERE id = $1", list[11].ID)
		ok(t, db.AdvancePiece(ctx, p, page, time.Hour))
		same(t, "woken", woken.Load(), 1)
		g := progress(t, db, "p1")
		if d := cmp.Diff(push.Progress{Total: 13, Sent: 1, Gone: 2, Waiting: 10, Retrying: 10}, g); d != "" {
			t.Fatal(d)
		}
		found, err := db.DevicesByID(ctx, []string{list[0].ID, list[11].ID})
		ok(t, err)
		same(t, "found", len(found), 1)
		same(t, "failures of one that is well again", found[list[11].ID].Failures, 0)
		same(t, "its last success", found[list[11].ID].LastSuccess.IsZero(), false)

		var mu sync.Mutex
		var claimed []push.Retry
		together(4, func(i int) {
			rs, err := nodes[i%2].ClaimRetries(ctx, "node", 3, time.Hour)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			claimed = append(claimed, rs...)
			mu.Unlock()
		})
		more, err := db.ClaimRetries(ctx, "node", 10, time.Hour)
		ok(t, err)
		claimed = append(claimed, more...)
		byID := map[string]push.Retry{}
		for _, r := range claimed {
			byID[r.SubscriptionID] = r
			same(t, "attempt", r.Attempt, 2)
			same(t, "detail", r.Detail, "answered 503")
			same(t, "endpoint", r.Subscription.ID, r.SubscriptionID)
			same(t, "publication", r.Publication.Texts["en"].Title, "Trouble")
		}
		same(t, "claimed", fmt.Sprint(len(claimed), len(byID)), "10 10")

		result := func(i int) push.RetryResult { return push.RetryResult{Retry: byID[list[i].ID]} }
		sent, gone, failed, expired, again, late := result(1), result(2), result(3), result(4), result(5), result(6)
		sent.Sent, gone.Gone, failed.Failed, expired.Expired = true, true, true, true
		failed.Detail, again.Detail, again.Due = "answered\x00 400", "answered 502", recent()
		late.Sent, late.Attempt = true, 1
		ok(t, db.CompleteRetries(ctx, []push.RetryResult{sent, gone, failed, expired, again, late}))
		ok(t, db.CompleteRetries(ctx, []push.RetryResult{sent})) // told twice, counted once
		g = progress(t, db, "p1")
		if d := cmp.Diff(push.Progress{Total: 13, Sent: 2, Gone: 3, Failed: 1, Expired: 1, Waiting: 6, Retrying: 6,
			Problems: map[string]int{"answered 400": 1}}, g); d != "" {
			t.Fatal(d)
		}
		found, err = db.DevicesByID(ctx, []string{list[2].ID, list[3].ID})
		ok(t, err)
		same(t, "found", len(found), 1)
		same(t, "failures", found[list[3].ID].Failures, 1)
		same(t, "error", found[list[3].ID].LastError, "answered 400")

		rs, err := db.ClaimRetries(ctx, "node", 10, time.Hour)
		ok(t, err)
		same(t, "due again", len(rs), 1)
		same(t, "attempt", rs[0].Attempt, 3)
		same(t, "detail", rs[0].Detail, "answered 502")

		t.Run("a lease that has ended frees them; who has gone or was tried too often is ended", func(t *testing.T) {
			ok(t, db.DeleteVisitor(ctx, list[6].ID, "", ""))
			tamper(t, db, "UPDATE publication_retry SET due = 1, attempt = 100 WHERE id LIKE $1", "%"+list[7].ID)
			tamper(t, db, "UPDATE publication_retry SET due = 1 WHERE attempt < 100")
			rs, err := db.ClaimRetries(ctx, "node", 10, time.Hour)
			ok(t, err)
			same(t, "claimed", len(rs), 4)
			g := progress(t, db, "p1")
			same(t, "gone", g.Gone, 4)
			same(t, "failed", g.Failed, 2)
			next, err := db.NextPush(ctx)
			ok(t, err)
			if d := time.Until(next); d < 50*time.Minute || d > 70*time.Minute {
				t.Errorf("the lease ends in %v", d)
			}
			var last []push.RetryResult
			for _, r := range rs {
				last = append(last, push.RetryResult{Retry: r, Sent: true})
			}
			ok(t, db.CompleteRetries(ctx, last))
			g = progress(t, db, "p1")
			same(t, "done", g.Done, true)
			same(t, "total", g.Total, 13)
		})
		if rs, err := db.ClaimRetries(ctx, "node", 10, time.Hour); err != nil || rs != nil {
			t.Fatalf("retries of nothing: %v, %v", rs, err)
		}
	})
}

// Two nodes do the last two things of a publication at the same time.
func TestTheLastOfTwoFinishes(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		nodes := []*store.DB{db, open()}
		many(t, db, 10_001)
		for round := range 10 {
			id := fmt.Sprint("p", round)
			publish(t, db, id)
			ps := []*push.Piece{claimPiece(t, db), claimPiece(t, db)}
			together(2, func(i int) {
				if err := nodes[i].AdvancePiece(t.Context(), ps[i], push.Page{Position: ps[i].To, Last: true, Sent: 1}, time.Hour); err != nil {
					t.Error(err)
				}
			})
			same(t, "done", progress(t, db, id).Done, true)
		}
	})
}

func TestPublicationWhoseTimeRanOut(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		many(t, db, 30_000)
		publish(t, db, "p1")
		held, done := claimPiece(t, db), claimPiece(t, db)
		list, err := db.PieceSubscriptions(ctx, done, done.Position, 500)
		ok(t, err)
		page := push.Page{Position: done.To, Last: true, Sent: 9998}
		for i := range 2 {
			page.Retry = append(page.Retry, push.Retry{SubscriptionID: list[i].ID, Attempt: 1, Due: recent()})
		}
		ok(t, db.AdvancePiece(ctx, done, page, time.Hour))
		tamper(t, db, "UPDATE publication SET expires = 1000")
		if p, err := db.ClaimPiece(ctx, "node-a", time.Hour); err != nil || p != nil {
			t.Fatalf("a piece of what is over: %v, %v", p, err)
		}
		if d := cmp.Diff(push.Progress{Total: 30_000, Sent: 9998, Expired: 10_002, Waiting: 10_000}, progress(t, db, "p1")); d != "" {
			t.Fatal(d)
		}
		// What is on its way still counts.
		ok(t, db.AdvancePiece(ctx, held, push.Page{Position: held.From + "0", Sent: 500}, time.Hour))
		ok(t, db.ReleasePiece(ctx, held))
		if p, err := db.ClaimPiece(ctx, "node-a", time.Hour); err != nil || p != nil {
			t.Fatalf("a piece of what is over: %v, %v", p, err)
		}
		g := progress(t, db, "p1")
		same(t, "done", g.Done, true)
		same(t, "sent", g.Sent, 10_498)
		same(t, "total", g.Total, 30_000)
	})
}

func TestPruneOfWebPush(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		s := visitor(1)
		s.Expires = recent()
		save(t, db, s)
		save(t, db, visitor(2))
		for _, id := range []string{"p1", "p2"} {
			publish(t, db, id)
			pages(t, db, claimPiece(t, db), 10, func(list []push.Subscription) (push.Page, bool) {
				return push.Page{Sent: 1, Failed: 1, Problems: map[string]int{"answered 400": 1}}, true
			})
		}
		tamper(t, db, "UPDATE publication SET finished = $1 WHERE id = 'p1'", time.Now().Add(-31*24*time.Hour).UnixMilli())
		_, err := db.UseToken(ctx, "a", time.Now().Add(time.Hour))
		ok(t, err)
		tamper(t, db, "UPDATE used_token SET expires = 1000")
		_, err = db.Prune(ctx, day(), 10)
		ok(t, err)
		_, _, err = db.Publication(ctx, "p1")
		wants(t, err, fault.ErrNotFound)
		progress(t, db, "p2")
		n, err := db.CountSubscriptions(ctx, "main")
		ok(t, err)
		same(t, "subscriptions", n, 1)
		for table, want := range map[string]int{"publication_piece": 1, "publication_problem": 1, "used_token": 0} {
			same(t, table, count(t, db, table), want)
		}
	})
}

func TestProblemsAreFew(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		many(t, db, 101)
		publish(t, db, "p1")
		p := claimPiece(t, db)
		for i := range 10 {
			page := push.Page{Position: p.From + fmt.Sprint(i), Failed: 10, Problems: map[string]int{}}
			for j := range 10 {
				page.Problems[fmt.Sprintf("answered %d", i*10+j)] = 1
			}
			ok(t, db.AdvancePiece(t.Context(), p, page, time.Hour))
		}
		g := progress(t, db, "p1")
		same(t, "kinds", len(g.Problems), 21)
		same(t, "others", g.Problems["other reasons"], 80)
	})
}

// tamper changes the database as nobody but a test does: it makes time pass.
func tamper(t testing.TB, db *store.DB, query string, args ...any) {
	t.Helper()
	ok(t, store.Exec(t.Context(), db, query, args...))
}

func count(t testing.TB, db *store.DB, table string) int {
	t.Helper()
	n, err := store.Count(t.Context(), db, table)
	ok(t, err)
	return n
}
