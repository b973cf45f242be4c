package dispatch_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

// expected are the refusals of what came too late.
func expected(err error) bool {
	for _, e := range []error{nil, dispatch.ErrAckedBefore, dispatch.ErrNotAcked, dispatch.ErrNotOpen, fault.ErrNotFound} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Whatever two nodes do at the same moment to one alert, the engine is told each
// thing once, nothing that it did itself, and the alert is as its timeline says.
func TestWhatTwoNodesDoToOneAlertAtOnce(t *testing.T) {
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
					withEngine(t, db)
					withRooms(t, db)
				}
				nodes = append(nodes, &rig{db: db, s: run(t, db, dispatch.Options{Node: name})})
			}
			for round := range 12 {
				on := func(e *alert.Event) { e.Object.Host = fmt.Sprint("h", round) }
				id := nodes[0].receive(t, event(on, named("jane"), call(fmt.Sprint("p", round))))[0].AlertID
				nodes[0].send(t)
				var ackEvent string
				if round%2 == 0 {
					ackEvent = nodes[1].take(t, id)
				}
				race(t, nodes, id, ackEvent, on, round)
				r := nodes[round%2]
				if a, err := r.db.Alert(t.Context(), id); err != nil || (a.Status == alert.Acknowledged) != (a.Ack != nil) {
					t.Errorf("round %d: %+v, %v", round, a, err)
				}
				r.receive(t, event(on, recovered, call(fmt.Sprint("over", round))))
				checkStory(t, r, id)
			}
			for _, n := range nodes {
				if s := n.s.Stats(); s.Failures != 0 {
					t.Errorf("%+v", s)
				}
			}
		})
	}
}

// race does all that may happen to an acknowledgement at once, on both nodes.
func race(t *testing.T, nodes []*rig, id, ackEvent string, on func(*alert.Event), round int) {
	t.Helper()
	ctx := t.Context()
	var all sync.WaitGroup
	for i, r := range nodes {
		mine := dispatch.AckRequest{UserID: janeUser, Author: "Jane", Comment: "on it", Origin: alert.FromMattermost, Sticky: round%3 == 0}
		acts := []func() error{
			func() error { return second(r.s.Acknowledge(ctx, id, mine)) },
			func() error { return second(r.s.Unacknowledge(ctx, id, mine)) },
			func() error {
				return second(r.s.Receive(ctx, sourceID, []alert.Event{echoOf(on, call(fmt.Sprint("echo", round, i)))}))
			},
			func() error {
				return r.s.Answer(ctx, dispatch.Answer{AlertID: id, EventID: ackEvent, Confirmation: alert.Confirmed, Words: "shown"})
			},
			func() error {
				return r.s.Answer(ctx, dispatch.Answer{AlertID: id, EventID: ackEvent, Confirmation: alert.Unconfirmed, Words: "?"})
			},
			func() error {
				return second(r.s.Comment(ctx, id, dispatch.CommentRequest{Author: "Jane", Comment: "hm", Origin: alert.FromConsole}))
			},
		}
		if round%4 == 3 {
			acts = append(acts, func() error { return r.s.Gone(ctx, id, ackEvent, "gone", i == 0) })
		}
		for _, act := range acts {
			all.Go(func() {
				if err := act(); !expected(err) {
					t.Errorf("round %d, node %d: %v", round, i, err)
				}
			})
		}
	}
	all.Wait()
}

// checkStory holds what the engine and people are told against the timeline.
func checkStory(t *testing.T, r *rig, id string) {
	t.Helper()
	a, err := r.db.Alert(t.Context(), id)
	must(t, err)
	if a.Status != alert.Resolved || a.Ack != nil && a.Ack.Confirmation == alert.Pending {
		t.Errorf("at the end %s, %+v", a.Status, a.Ack)
	}
	events, err := r.db.Events(t.Context(), id, "", 500)
	must(t, err)
	// In the order in which they were done: ids are made when the object is locked,
	// Received is the time at which a transaction began to wait for that.
	slices.SortFunc(events, func(a, b alert.Event) int { return strings.Compare(a.ID, b.ID) })
	told, posted := map[string]int{}, map[string]int{}
	for _, d := range r.deliveries(t, id) {
		if d.Channel == route.Engine {
			told[d.EventID]++
		}
		if d.Channel == route.Mattermost && d.State != delivery.Skipped && d.State != delivery.Cancelled {
			posted[d.EventID+" "+d.Destination]++
		}
	}
	replies := map[string]int{}
	acked := false
	for _, e := range events {
		want := 0
		switch e.Outcome {
		case alert.Acked:
			if acked && e.Origin.Here() {
				t.Errorf("taken twice: %+v", e)
			}
			acked = true
			want = 1
		case alert.Unacked:
			if !acked {
				t.Errorf("given back by nobody: %+v", e)
			}
			acked = false
			want = 1
		case alert.AckAnswered, alert.AckConfirmed:
			if !acked {
				t.Errorf("an answer about nothing: %+v", e)
			}
		}
		if e.Type == alert.Comment {
			want = 1
		}
		if !e.Origin.Here() {
			want = 0
		}
		if told[e.ID] != want {
			t.Errorf("the engine is told %d times of %s (%s, %s)", told[e.ID], e.Type, e.Outcome, e.Origin)
		}
		delete(told, e.ID)
		if e.Type == alert.EngineReply {
			replies[e.ReplyTo+" "+string(e.Reply)]++
		}
	}
	if len(told) > 0 {
		t.Errorf("the engine is told of events that are not there: %v", told)
	}
	for k, n := range replies {
		if n > 1 {
			t.Errorf("%s stands %d times on the timeline", k, n)
		}
	}
	for k, n := range posted {
		if n > 1 {
			t.Errorf("%s is posted %d times", k, n)
		}
	}
}
