package delivery_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/channel"
	"tocsin/internal/delivery"
)

// patient is a channel whose failures may last.
type patient struct{ teller }

func (c *patient) MaxAttempts() int { return 40 }

func TestAPersistentChannelTriesUntilTheTimeOfAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newOutbox(waiting("d1"))
		st.rows["d1"].Expires = time.Now().Add(4 * time.Hour)
		ch := &patient{teller{name: "test", send: all(channel.RetryAfter(errors.New("away"), time.Minute))}}
		during(t, 5*time.Hour, st, delivery.WorkerOptions{}, ch)
		if r := st.row("d1"); r.State != delivery.Expired || len(r.history) < 20 || len(r.history) > 40 {
			t.Errorf("%s after %d attempts: %s", r.State, len(r.history), r.Detail)
		}
	})
}

func TestASuccessMaySayWhoAcceptedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newOutbox(waiting("d1"))
		during(t, time.Minute, st, delivery.WorkerOptions{}, &teller{name: "test", send: all(channel.Accepted("accepted by fcm.googleapis.com (201)"))})
		if r := st.row("d1"); r.State != delivery.Sent || r.Detail != "accepted by fcm.googleapis.com (201)" || len(r.history) != 1 || r.history[0].Result != "sent" {
			t.Errorf("%s: %s", r.State, r.Detail)
		}
	})
}
