package live_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"tocsin/internal/live"
	"tocsin/internal/store"
)

// The same with the real log: frames appended by several writers at once, tabs
// that come and go, a log that is cut at its beginning meanwhile.
func TestOnSQLite(t *testing.T) {
	db, err := store.Open(t.Context(), store.Options{DataDir: t.TempDir(), Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	hub := live.NewHub(db, live.Options{Node: "n1", Poll: time.Minute}) // woken, not polled
	db.OnWake("live", hub.Wake)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hub.Serve(w, r, live.Viewer{UserID: r.URL.Query().Get("user")})
	}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := hub.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done; server.Close() })
	n := &node{Hub: hub, server: server}

	const writers, each = 4, 50
	start := n.open(t, "user=anna", "")
	hello := start.next()
	if hello.event != "hello" {
		t.Fatalf("got %+v", hello)
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				frames := []live.Frame{
					{UserID: "anna", Kind: "notification", Body: fmt.Sprintf(`{"w":%d,"i":%d}`, w, i), At: time.Now()},
					{UserID: "ben", Kind: "notification", Body: "{}", At: time.Now()},
				}
				if err := db.AppendLive(t.Context(), frames); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	var order [2][]string
	for k := range order {
		all.Go(func() {
			c, last := start, hello.id
			for len(order[k]) < writers*each {
				if k == 1 && len(order[k])%30 == 0 { // this one is cut off now and then
					c = n.open(t, "user=anna&last="+last, "")
				}
				e := c.next()
				if e.event == "hello" {
					e = c.next()
				}
				if e.event != "notification" {
					t.Errorf("got %+v", e)
					return
				}
				last = e.id
				order[k] = append(order[k], e.id+" "+e.data)
			}
		})
	}
	all.Wait()
	for i := range order[0] {
		if len(order[1]) <= i || order[0][i] != order[1][i] {
			t.Fatalf("frame %d differs for a tab that was cut off", i)
		}
	}
	if _, err := db.PruneLive(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	late := n.open(t, "user=anna", "1")
	late.want("hello", "")
	if e := late.next(); e.event != "reset" {
		t.Fatalf("after the log was cut: %+v", e)
	}
}
