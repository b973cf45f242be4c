package store_test

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/store"
)

// The first message of a storm does not wait until the next hundred events are
// written.
func TestWhoTellsTheFirstMessageIsLetGoFirst(t *testing.T) {
	path := "sqlite:" + filepath.Join(t.TempDir(), "tocsin.db")
	synctest.Test(t, func(t *testing.T) {
		hub, err := store.Open(t.Context(), store.Options{URL: path, Exclusive: true})
		ok(t, err)
		defer func() { ok(t, hub.Close()) }()
		claim := delivery.Claim{Channel: "email", Limit: 10, Lease: time.Minute}
		events := 0
		tell := func(channel string) {
			events++
			c := problem(events, "u1")
			c.Deliveries[0].Channel = channel
			write(t, hub, c)
		}
		nothing := func() { // the worker has nothing to do for a while
			for range 2 {
				_, _, err := hub.NextDue(t.Context(), claim)
				ok(t, err)
				<-time.After(1100 * time.Millisecond)
			}
			_, _, err := hub.NextDue(t.Context(), claim)
			ok(t, err)
		}
		empty := func(ctx context.Context, tx dispatch.Tx) error { return nil }
		next := func() time.Duration {
			begin := time.Now()
			ok(t, hub.Commit(t.Context(), empty))
			return time.Since(begin)
		}

		nothing()
		tell("email")
		went := make(chan error, 1)
		go func() { went <- hub.Commit(context.WithoutCancel(t.Context()), empty) }()
		synctest.Wait()
		if len(went) > 0 {
			t.Error("the next transaction went first")
		}
		got, err := hub.ClaimDeliveries(t.Context(), claim)
		ok(t, err)
		same(t, "claimed", len(got), 1)
		begin := time.Now()
		ok(t, <-went)
		same(t, "waited after the claim for", time.Since(begin), 0)

		tell("email")
		same(t, "while there is something to tell all the time, waited for", next(), 0)
		_, err = hub.ClaimDeliveries(t.Context(), claim)
		ok(t, err)

		nothing()
		tell("webpush")
		same(t, "for a worker that there is not, waited for", next(), 0)
		tell("email")
		if d := next(); d == 0 || d > 50*time.Millisecond {
			t.Errorf("for a worker that does not come, waited for %s", d)
		}
		same(t, "and then for", next(), 0)
	})
}
