package store_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/store"
)

func TestOneNodeDoesAThingAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		nodes := []*store.DB{db, db}
		if db.Engine() == "postgres" {
			nodes[1] = open()
		}
		var ours atomic.Int64
		var all sync.WaitGroup
		for _, n := range nodes {
			all.Go(func() {
				got, err := n.Alone(t.Context(), "mend", time.Hour)
				if err != nil {
					t.Error(err)
				}
				if got {
					ours.Add(1)
				}
			})
		}
		all.Wait()
		same(t, "nodes that may", ours.Load(), 1)
		got, err := nodes[1].Alone(t.Context(), "another thing", time.Nanosecond)
		ok(t, err)
		same(t, "another thing", got, true)
		eventually(t, "the end of it", func() bool {
			got, err := db.Alone(t.Context(), "another thing", time.Hour)
			ok(t, err)
			return got
		})
	})
}
