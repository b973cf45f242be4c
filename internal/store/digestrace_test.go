package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/store"
	"tocsin/internal/storm"
)

// racing are nodes that tell at the same places at once.
type racing struct {
	nodes  []*store.DB
	places []string
	ids    atomic.Int64
	over   atomic.Bool // nobody writes any more

	mu      sync.Mutex
	written map[string]string // digest by delivery, "" where it is told by itself
	claimed map[string]int    // by digest: how many deliveries it had collected by then
}

func (r *racing) id(kind string) string { return fmt.Sprintf("%s-%08d", kind, r.ids.Add(1)) }

// tell writes a problem of object n that goes to the place, there together with
// others where something collects, and alone elsewhere, and cancels what is named.
func (r *racing) tell(ctx context.Context, db *store.DB, n int, cancels []dispatch.Cancel) error {
	var wrote []delivery.Delivery
	err := db.Commit(ctx, func(ctx context.Context, tx dispatch.Tx) error {
		wrote = nil
		c := problem(n, "u1")
		if _, err := tx.Records(ctx, []string{c.Objects[0].ID}); err != nil {
			return err
		}
		if len(cancels) > 0 {
			if _, err := tx.Cancel(ctx, cancels); err != nil {
				return err
			}
		}
		paces, err := tx.Paces(ctx, r.places)
		if err != nil {
			return err
		}
		var digests []string
		for _, p := range paces {
			for _, k := range p.Kinds {
				digests = append(digests, k.Storm.Digest)
			}
		}
		collects, err := tx.Collecting(ctx, digests)
		if err != nil {
			return err
		}
		like := c.Deliveries[0]
		like.Channel, like.Created, like.Due, like.Expires = "email", tx.Now(), tx.Now(), tx.Now().Add(time.Hour)
		c.Deliveries = nil
		c.Paces = map[string]storm.Pace{}
		due := tx.Now().Add(time.Duration(5+n%20) * time.Millisecond)
		for _, place := range r.places {
			p := paces[place]
			if len(p.Kinds) == 0 {
				p.Kinds = []storm.KindPace{{Key: "k", Storm: &storm.Storm{ID: "storm of " + place}}}
			}
			s := p.Kinds[0].Storm
			if collects[s.Digest] {
				c.Digests = append(c.Digests, dispatch.DigestDue{ID: s.Digest, Due: due})
			} else {
				d := like
				d.ID, d.Storm, d.Notice, d.Destination, d.Due = r.id("digest"), s.ID, alert.NoticeDigest, place, due
				s.Digest = d.ID
				c.Deliveries = append(c.Deliveries, d)
			}
			d := like
			d.ID, d.Bundle, d.Storm, d.State, d.Destination = r.id("item"), s.Digest, s.ID, delivery.Collected, place
			c.Deliveries = append(c.Deliveries, d)
			c.Paces[place] = p
		}
		d := like
		d.ID = r.id("alone")
		c.Deliveries = append(c.Deliveries, d)
		wrote = c.Deliveries
		return tx.Write(ctx, &c)
	})
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, d := range wrote {
			r.written[d.ID] = d.Bundle
		}
	}
	return err
}

// send claims and completes until nothing is left.
func (r *racing) send(ctx context.Context, db *store.DB) error {
	for {
		over := r.over.Load()
		cs, err := db.ClaimDeliveries(ctx, delivery.Claim{Channel: "email", Limit: 20, Lease: time.Hour})
		if err != nil {
			return err
		}
		var done []delivery.Completion
		for _, c := range cs {
			if c.Digest != nil {
				list, _, err := db.Deliveries(ctx, delivery.Filter{Bundle: c.ID, Limit: 500})
				if err != nil {
					return err
				}
				r.mu.Lock()
				r.claimed[c.ID] = len(list)
				r.mu.Unlock()
			}
			done = append(done, delivery.Completion{ID: c.ID, Attempt: c.Attempt, State: delivery.Sent, Result: "sent", Detail: "accepted"})
		}
		slices.Reverse(done)
		if err := db.CompleteDeliveries(ctx, "node", done); err != nil {
			return err
		}
		if len(cs) > 0 {
			continue
		}
		next, now, err := db.NextDue(ctx, delivery.Claim{Channel: "email"})
		if err != nil || over && next.IsZero() {
			return err
		}
		timer := time.NewTimer(max(time.Millisecond, min(next.Sub(now), 20*time.Millisecond)))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// Two nodes collect at the same places while two send: a digest that is claimed gets
// no more, every delivery ends, and nobody waits in a circle.
func TestTwoNodesCollectAndSendAtOnce(t *testing.T) {
	t.Parallel()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			url := e.ready(t)
			db := openURL(t, url)
			r := &racing{nodes: []*store.DB{db, openURL(t, url)}, places: []string{"b", "a", "c"}, written: map[string]string{}, claimed: map[string]int{}}
			const writers, each = 4, 40
			ctx := context.WithoutCancel(t.Context())
			var writing, sending sync.WaitGroup
			for w := range writers {
				writing.Go(func() {
					for i := range each {
						n := i*writers + w
						var cancels []dispatch.Cancel
						if i >= 3 && i%3 == 0 { // two of before: one of them is being told, perhaps
							for back := 1; back <= 2; back++ {
								cancels = append(cancels, dispatch.Cancel{AlertID: problem(n - back*writers).Alerts[0].ID, Notices: []alert.Notice{alert.NoticeProblem}, Why: "recovered"})
							}
						}
						if err := r.tell(ctx, r.nodes[w%2], n, cancels); err != nil {
							t.Error(err)
						}
					}
				})
			}
			for s := range 3 {
				sending.Go(func() {
					if err := r.send(ctx, r.nodes[s%2]); err != nil {
						t.Error(err)
					}
				})
			}
			writing.Wait()
			r.over.Store(true)
			sending.Wait()
			r.check(t)
			if e.name == "postgres" {
				noCircle(t, url, r.nodes...)
			}
		})
	}
}

// noCircle closes the nodes, and says whether some of them ever waited for each other.
// A connection's figures are there when it has ended.
func noCircle(t *testing.T, url string, nodes ...*store.DB) {
	t.Helper()
	for _, node := range nodes {
		ok(t, node.Close())
	}
	n := texts(t, raw(t, url), "SELECT CAST(deadlocks AS TEXT) FROM pg_stat_database WHERE datname = current_database()")
	same(t, "circles", n[0], "0")
}

func (r *racing) check(t *testing.T) {
	db := r.nodes[0]
	found := map[string]delivery.Delivery{}
	for cursor := ""; ; {
		list, next, err := db.Deliveries(t.Context(), delivery.Filter{Limit: 500, Cursor: cursor})
		ok(t, err)
		for _, d := range list {
			found[d.ID] = d
		}
		if cursor = next; next == "" {
			break
		}
	}
	same(t, "deliveries", len(found), len(r.written))
	states := map[delivery.State]int{}
	for id, bundle := range r.written {
		d := found[id]
		states[d.State]++
		if d.State != delivery.Sent && d.State != delivery.Cancelled {
			t.Errorf("%s is %s", id, d.State)
		}
		if bundle == "" {
			continue
		}
		digest := found[bundle]
		switch {
		case d.State == delivery.Sent && d.Bundle != "" && digest.State != delivery.Sent:
			t.Errorf("%s is sent and %s, which told of it, is %s", id, bundle, digest.State)
		case d.State == delivery.Sent && d.Bundle == "" && digest.State != delivery.Cancelled:
			t.Errorf("%s is told by itself and %s is %s", id, bundle, digest.State)
		}
	}
	for id, n := range r.claimed {
		list, _, err := db.Deliveries(t.Context(), delivery.Filter{Bundle: id, Limit: 500})
		ok(t, err)
		same(t, "what "+id+" collected", len(list), n)
	}
	if len(r.claimed) < 5 {
		t.Errorf("only %d digests were claimed", len(r.claimed))
	}
	t.Logf("%d digests claimed, deliveries: %v", len(r.claimed), states)
}

// Whoever ends a digest holds it, and others, and then waits for what it collected.
// So a transaction that has cancelled some of that must not wait for the digest, nor
// for more of what it collected.
func TestACommitWaitsForNobodyWhoEndsDigests(t *testing.T) {
	t.Parallel()
	url := engines()[1].ready(t) // on SQLite one writes at a time
	db, other := openURL(t, url), openURL(t, url)
	ok(t, db.SaveHook(t.Context(), webhook("h1", "Pager")))
	c := rained("st", "d1", "webhook", 1, 2, 3)
	for i := range c.Deliveries {
		c.Deliveries[i].Destination, c.Deliveries[i].Due = "h1", time.Now().Add(time.Hour)
	}
	write(t, db, c)
	problems := []alert.Notice{alert.NoticeProblem}
	completed := make(chan error, 1)
	inTx(t, db, func(ctx context.Context, tx dispatch.Tx) error {
		ended, err := tx.Cancel(ctx, []dispatch.Cancel{{AlertID: "alert-000001", Notices: problems, Why: "recovered"}})
		ok(t, err)
		same(t, "cancelled", len(ended), 1)
		go func() {
			completed <- other.DeleteHook(context.WithoutCancel(t.Context()), "h1") // which ends the digest
		}()
		eventually(t, "who ends the digest waits", func() bool {
			return texts(t, raw(t, url), "SELECT CAST(count(*) AS TEXT) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")[0] == "1"
		})
		collects, err := tx.Collecting(ctx, []string{"d1"})
		ok(t, err)
		same(t, "collects", len(collects), 0)
		return nil
	})
	ok(t, <-completed)
	same(t, "what was cancelled", deliveryOf(t, db, "alert-000001", "item-d1-000001").Detail, "recovered")
	same(t, "the rest", deliveryOf(t, db, "alert-000002", "item-d1-000002").Detail, "told together: the webhook was deleted")

	t.Run("what is ending with its digest is not cancelled", func(t *testing.T) {
		write(t, db, rained("st", "d2", "email", 4, 5))
		hold, err := raw(t, url).BeginTx(t.Context(), nil)
		ok(t, err)
		_, err = hold.ExecContext(t.Context(), "SELECT id FROM delivery WHERE id = 'item-d2-000004' FOR UPDATE")
		ok(t, err)
		for n, want := range map[string]int{"alert-000004": 0, "alert-000005": 1} {
			same(t, "cancelled of "+n, len(cancel(t, db, dispatch.Cancel{AlertID: n, Notices: problems, Why: "recovered"})), want)
		}
		ok(t, hold.Rollback())
		same(t, "cancelled afterwards", len(cancel(t, db, dispatch.Cancel{AlertID: "alert-000004", Notices: problems, Why: "recovered"})), 1)
	})
	noCircle(t, url, db, other)
}
