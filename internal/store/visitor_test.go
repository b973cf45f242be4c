package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/fault"
	"tocsin/internal/mail"
	"tocsin/internal/push"
	"tocsin/internal/store"
	vis "tocsin/internal/visitor"
)

// asks has an address asked, and answers the question as its worker claims it.
func asks(t testing.TB, db *store.DB, c vis.Channel, address string, w push.Want) vis.Question {
	t.Helper()
	ok(t, db.Subscribe(t.Context(), vis.Subscriber{PageID: "main", Channel: c, Address: address, Language: "de", Want: w, Secret: []byte("s")}))
	return question(t, db, c)
}

func question(t testing.TB, db *store.DB, c vis.Channel) vis.Question {
	t.Helper()
	list, err := db.ClaimQuestions(t.Context(), c, 10, time.Hour)
	ok(t, err)
	same(t, "questions", len(list), 1)
	return list[0]
}

func silent(t testing.TB, db *store.DB, c vis.Channel) {
	t.Helper()
	list, err := db.ClaimQuestions(t.Context(), c, 10, time.Hour)
	ok(t, err)
	same(t, "questions", len(list), 0)
}

// subscribed makes n confirmed subscribers.
func subscribed(t testing.TB, db *store.DB, c vis.Channel, n int) []string {
	t.Helper()
	var ids []string
	for i := range n {
		q := asks(t, db, c, fmt.Sprintf("v%03d@example.org", i), push.Want{})
		ok(t, db.AnswerQuestion(t.Context(), vis.Answer{ID: q.ID, Attempt: q.Attempt}))
		ok(t, db.ConfirmSubscriber(t.Context(), q.ID))
		ids = append(ids, q.ID)
	}
	tamper(t, db, "UPDATE visitor SET confirmed = confirmed - 1000")
	return ids
}

func TestAnAddressIsToldOnceItHasConfirmed(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		wants(t, db.Subscribe(ctx, vis.Subscriber{PageID: "none", Channel: vis.Email, Address: "a@example.org"}), fault.ErrNotFound)
		savePage(t, db, publicPage("main"))
		major := push.Want{MinImpact: push.ImpactMajor, Components: []string{"api"}}
		q := asks(t, db, vis.Email, "Mira@example.org", major)
		same(t, "attempt", q.Attempt, 1)
		same(t, "confirmed", q.Confirmed.IsZero(), true)
		if d := cmp.Diff(&major, q.Asked); d != "" {
			t.Fatal(d)
		}
		publish(t, db, "p1")
		if p, err := db.ClaimPart(ctx, vis.Email, "n", time.Hour); p != nil || err != nil {
			t.Fatalf("who has not confirmed is told: %v %v", p, err)
		}
		ok(t, db.AnswerQuestion(ctx, vis.Answer{ID: q.ID, Attempt: q.Attempt}))
		t.Run("and is not asked twice within ten minutes", func(t *testing.T) {
			ok(t, db.Subscribe(ctx, vis.Subscriber{PageID: "main", Channel: vis.Email, Address: "mira@example.org", Want: major}))
			silent(t, db, vis.Email)
			tamper(t, db, "UPDATE visitor SET asked_at = asked_at - 660000")
			again := asks(t, db, vis.Email, "MIRA@example.org", major)
			same(t, "id", again.ID, q.ID)
			ok(t, db.AnswerQuestion(ctx, vis.Answer{ID: q.ID, Attempt: again.Attempt}))
		})
		for range 2 { // the link is opened twice
			ok(t, db.ConfirmSubscriber(ctx, q.ID))
		}
		s, err := db.Subscriber(ctx, q.ID)
		ok(t, err)
		same(t, "asked", s.Asked == nil, true)
		if d := cmp.Diff(major, s.Want); d != "" {
			t.Fatal(d)
		}
		counts, err := db.VisitorCounts(ctx, "main")
		ok(t, err)
		if d := cmp.Diff([]vis.Count{{PageID: "main", Channel: vis.Email, Confirmed: 1}}, counts); d != "" {
			t.Fatal(d)
		}
		p := publication("p2")
		reach, err := db.Interested(ctx, &p)
		ok(t, err)
		same(t, "interested", reach["email"], 1)

		t.Run("another wish counts once it is confirmed, too", func(t *testing.T) {
			ask := asks(t, db, vis.Email, "mira@example.org", push.Want{})
			same(t, "id", ask.ID, q.ID)
			s, err := db.Subscriber(ctx, q.ID)
			ok(t, err)
			same(t, "wants", string(s.Want.MinImpact), "major")
			ok(t, db.ConfirmSubscriber(ctx, q.ID))
			s, err = db.Subscriber(ctx, q.ID)
			ok(t, err)
			same(t, "wants", string(s.Want.MinImpact), "")
			ok(t, db.ChangeSubscriber(ctx, q.ID, major, "en"))
		})
		t.Run("and nothing is left of it when it unsubscribes", func(t *testing.T) {
			ok(t, db.EndSubscriber(ctx, q.ID))
			wants(t, db.EndSubscriber(ctx, q.ID), fault.ErrNotFound)
			wants(t, db.ConfirmSubscriber(ctx, q.ID), fault.ErrNotFound)
			same(t, "rows", count(t, db, "visitor")+count(t, db, "visitor_end"), 0)
		})
	})
}

func TestAWebhookThatIsSubscribedIsChangedByNobodyElse(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		savePage(t, db, publicPage("main"))
		hook := vis.Subscriber{PageID: "main", Channel: vis.Webhook, Address: "https://example.org/Hook", Secret: []byte("first")}
		ok(t, db.Subscribe(ctx, hook))
		hook.Secret = []byte("second") // nobody has answered yet: what was shown last counts
		ok(t, db.Subscribe(ctx, hook))
		q := question(t, db, vis.Webhook)
		same(t, "secret", string(q.Secret), "second")
		ok(t, db.AnswerQuestion(ctx, vis.Answer{ID: q.ID, Attempt: q.Attempt - 1, Gone: "late"}))
		ok(t, db.AnswerQuestion(ctx, vis.Answer{ID: q.ID, Attempt: q.Attempt, Confirm: true}))
		hook.Secret, hook.Want = []byte("third"), push.Want{MinImpact: push.ImpactCritical}
		ok(t, db.Subscribe(ctx, hook))
		silent(t, db, vis.Webhook)
		s, err := db.Subscriber(ctx, q.ID)
		ok(t, err)
		same(t, "secret", string(s.Secret), "second")
		same(t, "wants", string(s.Want.MinImpact), "")
		same(t, "confirmed", s.Confirmed.IsZero(), false)
	})
}

func TestWhoDoesNotConfirmIsForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		savePage(t, db, publicPage("main"))
		kept := subscribed(t, db, vis.Email, 1)[0]
		asks(t, db, vis.Email, "a@example.org", push.Want{})
		asks(t, db, vis.Email, "v000@example.org", push.Want{MinImpact: push.ImpactMajor})
		ok(t, db.PruneVisitors(ctx))
		same(t, "rows", count(t, db, "visitor"), 2)
		tamper(t, db, "UPDATE visitor SET asked_at = asked_at - 172900000")
		ok(t, db.PruneVisitors(ctx))
		same(t, "rows", count(t, db, "visitor"), 1)
		s, err := db.Subscriber(ctx, kept)
		ok(t, err)
		same(t, "asked", s.Asked == nil, true)
		t.Run("and all go with their page", func(t *testing.T) {
			tamper(t, db, "DELETE FROM page")
			same(t, "rows", count(t, db, "visitor"), 0)
		})
	})
}

func TestAPublicationReachesSubscribersOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx := t.Context()
		savePage(t, db, publicPage("main"))
		ids := subscribed(t, db, vis.Email, 6)
		slices.Sort(ids)
		publish(t, db, "p1")
		late := asks(t, db, vis.Email, "late@example.org", push.Want{})
		ok(t, db.ConfirmSubscriber(ctx, late.ID))
		tamper(t, db, "UPDATE visitor SET confirmed = confirmed + 60000 WHERE id = $1", late.ID)
		g := progress(t, db, "p1").Channels["email"]
		if d := cmp.Diff(push.Progress{Total: 6, Waiting: 6}, g); d != "" {
			t.Fatal(d)
		}
		other := open()
		p, err := db.ClaimPart(ctx, vis.Email, "n1", time.Hour)
		ok(t, err)
		if q, err := other.ClaimPart(ctx, vis.Email, "n2", time.Hour); q != nil || err != nil {
			t.Fatalf("two hold it: %v %v", q, err)
		}
		if q, err := db.ClaimPart(ctx, vis.Webhook, "n1", time.Hour); q != nil || err != nil {
			t.Fatalf("another channel's: %v %v", q, err)
		}
		list, err := db.PartSubscribers(ctx, p, "", 3)
		ok(t, err)
		same(t, "first", list[0].ID, ids[0])
		same(t, "page", len(list), 3)
		ok(t, db.AdvancePart(ctx, p, vis.Step{Position: ids[2], Sent: 1, Gone: []vis.Gone{{ID: ids[1], Why: "no such mailbox"}},
			Retry: []vis.Retry{{SubscriberID: ids[2], Attempt: 1, Due: recent(), Detail: "try later"}}}, time.Hour))

		t.Run("also when its worker was killed", func(t *testing.T) {
			tamper(t, db, "UPDATE visitor_part SET due = 0")
			q, err := other.ClaimPart(ctx, vis.Email, "n2", time.Hour)
			ok(t, err)
			same(t, "position", q.Position, ids[2])
			wants(t, db.AdvancePart(ctx, p, vis.Step{Position: ids[3], Sent: 1}, time.Hour), fault.ErrNotFound)
			wants(t, db.ReleasePart(ctx, p, recent(), ""), fault.ErrNotFound)
			ok(t, other.ReleasePart(ctx, q, recent(), "the mail server is away"))
			same(t, "waits", progress(t, db, "p1").Channels["email"].Problems["the mail server is away"], 4)
			q, err = other.ClaimPart(ctx, vis.Email, "n2", time.Hour)
			ok(t, err)
			list, err := other.PartSubscribers(ctx, q, q.Position, 10)
			ok(t, err)
			same(t, "left", len(list), 3)
			ok(t, other.AdvancePart(ctx, q, vis.Step{Position: q.Until, Last: true, Sent: 1, Unwanted: 1, Failed: 1, Ailing: []string{ids[4]},
				Problems: map[string]int{"answered 554": 1}}, time.Hour))
		})
		g = progress(t, db, "p1").Channels["email"]
		same(t, "done", g.Done, false)
		same(t, "waiting", g.Waiting, 1)
		rs, err := db.ClaimVisitorRetries(ctx, vis.Email, 10, time.Hour)
		ok(t, err)
		same(t, "retries", len(rs), 1)
		same(t, "attempt", rs[0].Attempt, 2)
		same(t, "subscriber", rs[0].Subscriber.ID, ids[2])
		none, err := other.ClaimVisitorRetries(ctx, vis.Email, 10, time.Hour)
		ok(t, err)
		same(t, "claimed twice", len(none), 0)
		ok(t, db.CompleteVisitorRetry(ctx, vis.Outcome{Retry: rs[0], Sent: true}))
		wants(t, db.CompleteVisitorRetry(ctx, vis.Outcome{Retry: rs[0], Sent: true}), fault.ErrNotFound)
		g = progress(t, db, "p1").Channels["email"]
		g.Finished = time.Time{}
		want := push.Progress{Total: 5, Sent: 3, Gone: 1, Failed: 1, Unwanted: 1, Done: true, Problems: map[string]int{"answered 554": 1}}
		if d := cmp.Diff(want, g); d != "" {
			t.Fatal(d)
		}
		ended, err := db.EndedVisitors(ctx, "main", 10)
		ok(t, err)
		same(t, "ended", len(ended), 1)
		same(t, "why", ended[0].Why, "no such mailbox")
		s, err := db.Subscriber(ctx, ids[4])
		ok(t, err)
		same(t, "failures", s.Failures, 1)
	})
}

func TestWhatIsLeftOfAPublicationEndsWithIt(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		savePage(t, db, publicPage("main"))
		ids := subscribed(t, db, vis.Email, 3)
		publish(t, db, "p1")
		p, err := db.ClaimPart(ctx, vis.Email, "n1", time.Hour)
		ok(t, err)
		ok(t, db.AdvancePart(ctx, p, vis.Step{Position: slices.Min(ids), Retry: []vis.Retry{{SubscriberID: slices.Min(ids), Attempt: 1, Due: recent()}}}, time.Hour))
		tamper(t, db, "UPDATE visitor_part SET due = 0, expires = 1")
		if q, err := db.ClaimPart(ctx, vis.Email, "n1", time.Hour); q != nil || err != nil {
			t.Fatalf("what is over is claimed: %v %v", q, err)
		}
		ok(t, db.EndSubscriber(ctx, slices.Min(ids)))
		rs, err := db.ClaimVisitorRetries(ctx, vis.Email, 10, time.Hour)
		ok(t, err)
		same(t, "retries of who left", len(rs), 0)
		g := progress(t, db, "p1").Channels["email"]
		same(t, "expired", g.Expired, 2)
		same(t, "gone", g.Gone, 1)
		same(t, "done", g.Done, true)
		tamper(t, db, "UPDATE visitor_part SET finished = 1")
		ok(t, db.PruneVisitors(ctx))
		same(t, "parts", count(t, db, "visitor_part"), 0)
	})
}

func TestManyNodesTellEachSubscriberOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx := t.Context()
		savePage(t, db, publicPage("main"))
		subscribed(t, db, vis.Email, 12)
		for i := range 4 {
			publish(t, db, fmt.Sprintf("p%d", i))
		}
		var mu sync.Mutex
		seen := map[string]int{}
		var all sync.WaitGroup
		for _, node := range []*store.DB{db, open(), open()} {
			all.Go(func() {
				for {
					p, err := node.ClaimPart(ctx, vis.Email, "n", time.Hour)
					if err != nil || p == nil {
						if err != nil {
							t.Error(err)
						}
						return
					}
					list, err := node.PartSubscribers(ctx, p, "", 100)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					for _, s := range list {
						seen[p.Publication.ID+s.ID]++
					}
					mu.Unlock()
					if err := node.AdvancePart(ctx, p, vis.Step{Position: p.Until, Last: true, Sent: len(list)}, time.Hour); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		same(t, "told", len(seen), 48)
		for id, n := range seen {
			same(t, id, n, 1)
		}
	})
}

func TestLaterNewsOfTheSameIsKnown(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		for _, id := range []string{"p1", "p2", "p3"} {
			p := publication(id)
			if id == "p2" {
				p.Topic = "other"
			}
			ok(t, db.CreatePublication(t.Context(), p))
		}
		p := publication("p1")
		later, err := db.LaterPublications(t.Context(), &p)
		ok(t, err)
		same(t, "later", len(later), 1)
		same(t, "id", later[0].ID, "p3")
	})
}

func TestThePasswordOfTheMailServerIsKeptApart(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		s, err := db.MailSettings(ctx)
		ok(t, err)
		if d := cmp.Diff(mail.Settings{Security: mail.StartTLS}, s); d != "" {
			t.Fatal(d)
		}
		want := mail.Settings{Enabled: true, Host: "mail.example.org", Port: 2525, Security: mail.TLS, Username: "u", Password: "p", From: "a@example.org", FromName: "Ä"}
		raises(t, db, true, "the mail server", func() { ok(t, db.SaveMailSettings(ctx, want)) })
		s, err = db.MailSettings(ctx)
		ok(t, err)
		if d := cmp.Diff(want, s); d != "" {
			t.Fatal(d)
		}
	})
}
