package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/channel"
	"tocsin/internal/delivery"
)

// twoLanes is a teller of which two calls may run at the same time.
type twoLanes struct{ teller }

func (*twoLanes) Lanes() int { return 2 }

func TestABatchThatWaitsHoldsUpNoneThatComesAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows := []delivery.Claimed{waiting("d1"), waiting("d2"), waiting("d3"), waiting("d4")}
		for i := range rows {
			rows[i].Due = time.Now().Add(time.Duration(i) * time.Second)
		}
		st := newOutbox(rows...)
		ch := &twoLanes{teller{name: "test", send: func(msgs []channel.Message) []error {
			switch msgs[0].DeliveryID {
			case "d1", "d3":
				<-time.After(10 * time.Second) // in the bubble: a service that does not answer
			}
			return make([]error, len(msgs))
		}}}
		began := time.Now()
		during(t, time.Minute, st, delivery.WorkerOptions{Lease: time.Minute}, ch)
		for id, want := range map[string]time.Duration{"d1": 10 * time.Second, "d2": time.Second, "d3": 12 * time.Second, "d4": 10 * time.Second} {
			r := st.row(id)
			if r.State != delivery.Sent || len(r.history) != 1 {
				t.Fatalf("%s: %s after %d attempts", id, r.State, len(r.history))
			}
			if took := r.history[0].At.Sub(began); took < want || took > want+2*time.Second {
				t.Errorf("%s had ended after %s, want about %s", id, took, want)
			}
		}
	})
}

func TestBatchesOnTheirWayAreFinishedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newOutbox(waiting("d1"))
		ch := &twoLanes{teller{name: "test", send: func(msgs []channel.Message) []error {
			<-time.After(5 * time.Second)
			return make([]error, len(msgs))
		}}}
		during(t, time.Second, st, delivery.WorkerOptions{}, ch)
		if r := st.row("d1"); r.State != delivery.Sent {
			t.Errorf("it is %s", r.State)
		}
	})
}
