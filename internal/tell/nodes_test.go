package tell_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"tocsin/internal/mail"
	"tocsin/internal/store"
	"tocsin/internal/tell"
	"tocsin/test/postgres"
)

func TestTwoNodesTellEachVisitorOnce(t *testing.T) {
	at := postgres.URL(t)
	open := func(node string) *store.DB {
		db, err := store.Open(t.Context(), store.Options{URL: at, Node: node})
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		return db
	}
	one, two := open("one"), open("two")
	subscribe(t, one, many)
	publish1(t, one, long)
	c := &told{n: map[string]int{}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go ends(ctx, one, cancel)
	var mu sync.Mutex
	n := 0
	var both sync.WaitGroup
	for name, db := range map[string]*store.DB{"one": one, "two": two} {
		both.Go(func() {
			run(ctx, t, db, func(_ context.Context, l mail.Letter) mail.Result {
				mu.Lock()
				n++
				late := n%5 == 0
				mu.Unlock()
				if late {
					return mail.Result{Verdict: mail.Later, Detail: "busy"}
				}
				c.add(l.To)
				return mail.Result{Verdict: mail.Sent}
			}, func(o *tell.Options) { o.Node = name })
		})
	}
	both.Wait()
	for to, times := range c.n {
		if times != 1 {
			t.Errorf("%s was told %d times", to, times)
		}
	}
	if len(c.n) != many {
		t.Fatalf("%d of %d were told", len(c.n), many)
	}
}
