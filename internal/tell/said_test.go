package tell_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/mail"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/store"
	"tocsin/internal/tell"
	"tocsin/internal/visitor"
)

var long = "**Payments** fail, see [the details](https://e.example/x).\n\n" + strings.Repeat("We look into it. ", 100) + "\n\nThe end <b>.</b>"

// first runs until one letter was written, and answers it.
func first(t *testing.T, db *store.DB) (got mail.Letter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	run(ctx, t, db, func(_ context.Context, l mail.Letter) mail.Result {
		defer cancel()
		got = l
		return mail.Result{Verdict: mail.Sent}
	})
	if got.To == "" {
		t.Fatal("no letter came")
	}
	return got
}

// becomes changes the page.
func becomes(t *testing.T, db *store.DB, change func(p *status.Page)) {
	t.Helper()
	must(t, db.ChangePage(t.Context(), "main", func(ctx context.Context, tx publish.Tx) error {
		pages, err := db.StatusPages(ctx)
		if err != nil {
			return err
		}
		p := pages[0]
		change(&p)
		return tx.SavePage(ctx, &p)
	}))
}

func TestALetterCarriesAllThatWasWritten(t *testing.T) {
	db := subscribed(t, 1)
	publish1(t, db, long)
	l := first(t, db)
	for _, want := range []string{"Payments fail, see the details (https://e.example/x).\n\nWe look", "\n\nThe end <b>.</b>\n"} {
		if !strings.Contains(l.Text, want) {
			t.Errorf("%q is not in %s", want, l.Text)
		}
	}
	for _, want := range []string{"<strong>Payments</strong> fail", `<a href="https://e.example/x"`, "The end &lt;b&gt;"} {
		if !strings.Contains(l.HTML, want) {
			t.Errorf("%q is not in %s", want, l.HTML)
		}
	}
}

func TestAWebhookCarriesAllThatWasWritten(t *testing.T) {
	db := subscribed(t, 0)
	must(t, db.Subscribe(t.Context(), visitor.Subscriber{PageID: "main", Channel: visitor.Webhook, Address: "https://e.example/hook", Secret: []byte("s")}))
	q, err := db.ClaimQuestions(t.Context(), visitor.Webhook, 1, time.Hour)
	must(t, err)
	must(t, db.ConfirmSubscriber(t.Context(), q[0].ID))
	publish1(t, db, long)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got struct{ Body, Markdown string }
	run(ctx, t, db, nil, func(o *tell.Options) {
		o.Post = func(_ context.Context, m tell.Message) tell.Reply {
			defer cancel()
			if err := json.Unmarshal(m.Body, &got); err != nil {
				t.Error(err)
			}
			return tell.Reply{Verdict: tell.Sent}
		}
	})
	if got.Markdown != long || !strings.HasSuffix(got.Body, "The end <b>.</b>") || strings.Contains(got.Body, "**") {
		t.Fatalf("it was posted %+v", got)
	}
}

func TestAPageThatBecamePrivateMeanwhileTellsNothing(t *testing.T) {
	db := subscribed(t, 1)
	publish1(t, db, long)
	becomes(t, db, func(p *status.Page) { p.Private.SignedIn = true })
	l := first(t, db)
	if all := l.Subject + l.Text + l.HTML; strings.Contains(all, "API") || strings.Contains(all, "Payments") || !strings.Contains(l.Text, "There is news") {
		t.Fatalf("letter is %+v", l)
	}
}

func TestWhoUnsubscribesIsNotToldWhateverWasReadBefore(t *testing.T) {
	db := prepared(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go ends(ctx, db, cancel)
	var mu sync.Mutex
	var after []string
	ended, clock := false, time.Now()
	run(ctx, t, db, func(_ context.Context, l mail.Letter) mail.Result {
		mu.Lock()
		defer mu.Unlock()
		if !ended {
			ended, clock = true, clock.Add(time.Minute) // a server that is slow
			for _, s := range everybody(t, db) {
				must(t, db.EndSubscriber(context.WithoutCancel(ctx), s))
			}
			return mail.Result{Verdict: mail.Sent}
		}
		after = append(after, l.To)
		return mail.Result{Verdict: mail.Sent}
	}, func(o *tell.Options) {
		o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }
	})
	if len(after) > 8 {
		t.Fatalf("%d were told who had unsubscribed", len(after))
	}
}

// everybody are the ids of the subscribers.
func everybody(t *testing.T, db *store.DB) (ids []string) {
	t.Helper()
	p := &visitor.Part{Publication: &push.Publication{PageID: "main"}, Channel: visitor.Email, Until: "g", Taken: time.Now().Add(time.Hour)}
	list, err := db.PartSubscribers(context.Background(), p, "", 1000)
	must(t, err)
	for i := range list {
		ids = append(ids, list[i].ID)
	}
	return ids
}

func TestWhoIsSubscribedIsNotLedToEndItByAQuestion(t *testing.T) {
	db := subscribed(t, 1)
	must(t, db.Subscribe(t.Context(), visitor.Subscriber{PageID: "main", Channel: visitor.Email, Address: "v0@example.org", Want: push.Want{MinImpact: push.ImpactMajor}}))
	l := first(t, db)
	for _, bad := range []string{"Forget it now", "is forgotten after"} {
		if strings.Contains(l.Text, bad) {
			t.Errorf("%q is in %s", bad, l.Text)
		}
	}
	if !strings.Contains(l.Text, "your subscription stays as it is") || !slices.Contains(strings.Split(l.Text, "\n"), "Confirm the subscription:") {
		t.Errorf("letter is %s", l.Text)
	}
}

func TestWhoFollowsThePageAndOneIncidentOfItIsToldOnce(t *testing.T) {
	db := subscribed(t, 2)
	for _, s := range []visitor.Subscriber{
		{Address: "V0@example.org", Want: push.Want{Incident: "i1"}}, {Address: "alone@example.org", Want: push.Want{Incident: "i1"}},
		{Address: "v1@example.org", Want: push.Want{Incident: "another"}},
	} {
		s.PageID, s.Channel = "main", visitor.Email
		must(t, db.Subscribe(t.Context(), s))
	}
	asked, err := db.ClaimQuestions(t.Context(), visitor.Email, 10, time.Hour)
	must(t, err)
	if len(asked) != 3 {
		t.Fatalf("%d are asked: who follows the page follows an incident besides", len(asked))
	}
	for _, q := range asked {
		must(t, db.ConfirmSubscriber(t.Context(), q.ID))
	}
	publish1(t, db, long)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go ends(ctx, db, cancel)
	var mu sync.Mutex
	var to []string
	run(ctx, t, db, func(_ context.Context, l mail.Letter) mail.Result {
		mu.Lock()
		defer mu.Unlock()
		to = append(to, strings.ToLower(l.To))
		return mail.Result{Verdict: mail.Sent}
	})
	slices.Sort(to)
	if got := strings.Join(to, " "); got != "alone@example.org v0@example.org v1@example.org" {
		t.Fatalf("told were %s", got)
	}
	t.Run("and is forgotten once that is over", func(t *testing.T) {
		must(t, db.PruneVisitors(t.Context()))
		counts, err := db.VisitorCounts(t.Context(), "main")
		must(t, err)
		if len(counts) != 1 || counts[0].Confirmed != 2 {
			t.Fatalf("counts are %+v", counts)
		}
	})
}

func TestAPageThatIsDeletedWhileItsVisitorsAreToldEndsThat(t *testing.T) {
	db := prepared(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go ends(ctx, db, cancel)
	var mu sync.Mutex
	var told int
	clock := time.Now().Add(-time.Minute)
	run(ctx, t, db, func(context.Context, mail.Letter) mail.Result {
		mu.Lock()
		defer mu.Unlock()
		if told++; told == 1 {
			must(t, db.ChangePage(context.WithoutCancel(ctx), "main", func(ctx context.Context, tx publish.Tx) error { return tx.DeletePage(ctx) }))
			clock = time.Now()
		}
		return mail.Result{Verdict: mail.Later, Detail: "busy"}
	}, func(o *tell.Options) {
		o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }
	})
	_, g, _, err := db.Publications(t.Context(), 1, "")
	must(t, err)
	if told > 8 || !g[0].Channels["email"].Done {
		t.Fatalf("%d were told, progress is %+v", told, g[0].Channels["email"])
	}
}
