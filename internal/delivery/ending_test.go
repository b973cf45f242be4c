package delivery_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/channel"
	"tocsin/internal/delivery"
)

// slow is a channel whose messages take long, and which is told when to give up.
type slow struct {
	teller
	takes map[string]time.Duration // by delivery
}

func (c *slow) SendAll(ctx context.Context, msgs []channel.Message) []error {
	errs := make([]error, len(msgs))
	for i, m := range msgs {
		select {
		case <-time.After(c.takes[m.DeliveryID]):
		case <-ctx.Done():
			errs[i] = errors.New("cut off: " + ctx.Err().Error())
		}
	}
	return errs
}

func TestWhatANodeThatEndsHasNotSentIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newOutbox(waiting("d1"), waiting("d2"))
		ch := &slow{teller{name: "test"}, map[string]time.Duration{"d1": 2 * time.Second, "d2": 20 * time.Second}}
		begin := time.Now()
		during(t, time.Second, st, delivery.WorkerOptions{Grace: 4 * time.Second}, ch)
		if r := st.row("d1"); r.State != delivery.Sent {
			t.Errorf("what was nearly done is %s: %s", r.State, r.Detail)
		}
		r := st.row("d2")
		if r.State != delivery.Waiting || r.Due.After(time.Now()) || !strings.HasPrefix(r.Detail, "given back, as this node was ending: cut off") {
			t.Errorf("the other is %s, due %v: %s", r.State, r.Due, r.Detail)
		}
		if took := r.history[0].At.Sub(begin); took > 6*time.Second {
			t.Errorf("the end took %v", took)
		}
		ch.takes = nil
		during(t, time.Second, st, delivery.WorkerOptions{}, ch) // the next node
		if r := st.row("d2"); r.State != delivery.Sent || r.Attempt != 2 {
			t.Errorf("on the next node it is %s at attempt %d", r.State, r.Attempt)
		}
	})
}
