package dispatch_test

import (
	"fmt"
	"sync"
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/store"
)

// A notification command that got no answer in time tries again, perhaps at
// another node, while the first one is still at it.
func TestNodesThatGetTheSameCallsAtOnceTakeEachOnce(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url := e.url(t)
			var nodes []*rig
			for _, name := range []string{"a", "b"} {
				db, err := store.Open(t.Context(), store.Options{URL: url, Node: name})
				must(t, err)
				t.Cleanup(func() { must(t, db.Close()) })
				if len(nodes) == 0 {
					fill(t, db)
				}
				nodes = append(nodes, &rig{db: db, s: run(t, db, dispatch.Options{Node: name})})
			}
			for round := range 30 {
				id := fmt.Sprint("call-", round)
				var got [4]string
				var failed [4]error
				var both sync.WaitGroup
				for i := range got {
					both.Go(func() {
						receipts, err := nodes[i%2].s.Receive(t.Context(), sourceID, []alert.Event{event(call(id), named("jane"))})
						if failed[i] = err; err == nil {
							got[i] = receipts[0].EventID
						}
					})
				}
				both.Wait()
				for i := range got {
					if failed[i] != nil || got[i] != got[0] {
						t.Fatalf("round %d: node %d answered %q, %v; the first %q", round, i%2, got[i], failed[i], got[0])
					}
				}
			}
			// An id that a sender gives twice, for two objects, is taken for the first.
			for round := range 30 {
				var both sync.WaitGroup
				for i, n := range nodes {
					both.Go(func() {
						other := func(e *alert.Event) { e.Object.Service = fmt.Sprint("other-", i) }
						if _, err := n.s.Receive(t.Context(), sourceID, []alert.Event{event(call(fmt.Sprint("other-", round)), other)}); err != nil {
							t.Errorf("an id for two objects, round %d: %v", round, err)
						}
					})
				}
				both.Wait()
			}
			if events := nodes[0].timeline(t, alert.Object{Host: "web01", Service: "HTTP"}); len(events) != 30 {
				t.Errorf("%d events are kept of 30", len(events))
			}
		})
	}
}
