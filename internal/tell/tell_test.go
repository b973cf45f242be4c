package tell_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/mail"
	"tocsin/internal/markdown"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/store"
	"tocsin/internal/tell"
	"tocsin/internal/visitor"
)

const many = 40

// told counts letters by recipient.
type told struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *told) add(to string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[to]++
	sum := 0
	for _, n := range c.n {
		sum += n
	}
	return sum
}

// prepared is a page with subscribers to whom something was published.
func prepared(t *testing.T) *store.DB {
	t.Helper()
	db := subscribed(t, many)
	publish1(t, db, "")
	return db
}

// subscribed is a page with so many subscribers.
func subscribed(t *testing.T, n int) *store.DB {
	t.Helper()
	ctx := t.Context()
	db, err := store.Open(ctx, store.Options{DataDir: t.TempDir(), Node: "n"})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	subscribe(t, db, n)
	return db
}

// subscribe makes the page and its subscribers.
func subscribe(t *testing.T, db *store.DB, n int) {
	t.Helper()
	ctx := t.Context()
	must(t, db.ChangePage(ctx, "", func(ctx context.Context, tx publish.Tx) error {
		return tx.SavePage(ctx, &status.Page{ID: "main", Slug: "main", Main: true, Name: "Main", Zone: "UTC", Created: time.Now()})
	}))
	for i := range n {
		must(t, db.Subscribe(ctx, visitor.Subscriber{PageID: "main", Channel: visitor.Email, Address: fmt.Sprintf("v%d@example.org", i)}))
	}
	asked, err := db.ClaimQuestions(ctx, visitor.Email, n, time.Hour)
	must(t, err)
	for _, q := range asked {
		must(t, db.ConfirmSubscriber(ctx, q.ID))
	}
}

// publish1 publishes something with a long text.
func publish1(t *testing.T, db *store.DB, full string) {
	t.Helper()
	now := time.Now()
	must(t, db.CreatePublication(t.Context(), push.Publication{Full: full, ID: "019b0000-0000-7000-8000-000000000001", PageID: "main", Kind: push.IncidentNew, Impact: push.ImpactMajor, Topic: "i1",
		Texts: map[string]push.Text{"": {Title: "🔴 API", Body: "b"}}, URL: "/incidents/i1", Urgency: push.High, Created: now, Expires: now.Add(time.Hour)}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run tells until ctx ends.
func run(ctx context.Context, t *testing.T, db *store.DB, send func(ctx context.Context, l mail.Letter) mail.Result, change ...func(o *tell.Options)) {
	t.Helper()
	tokens, err := visitor.NewTokens([]byte(strings.Repeat("k", 32)))
	must(t, err)
	o := tell.Options{Store: db, Mail: send, Post: func(context.Context, tell.Message) tell.Reply { return tell.Reply{} }, Tokens: tokens, Text: markdown.New(), Pages: db.StatusPages,
		BaseURL: "https://status.example.org", Node: "n", Poll: 20 * time.Millisecond, Retry: 10 * time.Millisecond, Drain: 50 * time.Millisecond}
	for _, f := range change {
		f(&o)
	}
	w, err := tell.New(o)
	must(t, err)
	must(t, w.Run(ctx))
}

// ends cancels once the publication is done.
func ends(ctx context.Context, db *store.DB, cancel func()) {
	for ctx.Err() == nil {
		_, g, _, err := db.Publications(ctx, 1, "")
		if err == nil && len(g) == 1 && g[0].Channels["email"].Done {
			cancel()
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestWhoeverIsKilledTellsFewTwice(t *testing.T) {
	db, c := prepared(t), &told{n: map[string]int{}}
	ctx, kill := context.WithCancel(t.Context())
	run(ctx, t, db, func(out context.Context, l mail.Letter) mail.Result {
		if c.add(l.To) >= many/2 {
			kill()
			<-out.Done() // it arrived, and nobody heard so
			return mail.Result{Verdict: mail.Later, Detail: "broke"}
		}
		return mail.Result{Verdict: mail.Sent}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go ends(ctx, db, cancel)
	run(ctx, t, db, func(_ context.Context, l mail.Letter) mail.Result {
		c.add(l.To)
		return mail.Result{Verdict: mail.Sent}
	})
	sum := 0
	for _, n := range c.n {
		sum += n
	}
	if len(c.n) != many || sum > many+8 {
		t.Fatalf("%d of %d were told, %d times in all", len(c.n), many, sum)
	}
}

func TestAMailServerThatIsAwayCostsNobodyTheirNews(t *testing.T) {
	db, c := prepared(t), &told{n: map[string]int{}}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go ends(ctx, db, cancel)
	var mu sync.Mutex
	tries := 0
	run(ctx, t, db, func(_ context.Context, l mail.Letter) mail.Result {
		mu.Lock()
		tries++
		away := tries > 10 && tries < 40
		mu.Unlock()
		if away {
			return mail.Result{Verdict: mail.Down, Detail: "away"}
		}
		c.add(l.To)
		if !strings.HasPrefix(l.Unsubscribe, "https://status.example.org/unsubscribe/") || !strings.Contains(l.Subject, "API") {
			t.Errorf("letter is %+v", l)
		}
		return mail.Result{Verdict: mail.Sent}
	})
	for to, n := range c.n {
		if n != 1 {
			t.Errorf("%s was told %d times", to, n)
		}
	}
	if len(c.n) != many {
		t.Fatalf("%d of %d were told", len(c.n), many)
	}
}
