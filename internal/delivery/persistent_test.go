package delivery_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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

// engines is a channel that knows best when to look again.
type engines struct{ patient }

func (c *engines) Exact() {}

func TestAnExactChannelsWaitsAreItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := waiting("d1")
		d.Expires = time.Now().Add(24 * time.Hour)
		st := newOutbox(d)
		ch := &engines{patient{teller{name: "test"}}}
		answers := []error{channel.RetryAfter(errors.New("away"), 200*time.Millisecond), channel.Handed("handed over", 300*time.Millisecond)}
		ch.send = func(msgs []channel.Message) []error {
			if n := ch.count(); n <= len(answers) {
				return answers[n-1 : n]
			}
			return []error{channel.Handed("waiting", time.Minute)}
		}
		during(t, 20*time.Hour, st, delivery.WorkerOptions{}, ch)
		r := st.row("d1")
		if first, second := r.history[1].At.Sub(r.history[0].At), r.history[2].At.Sub(r.history[1].At); first != 200*time.Millisecond || second != 300*time.Millisecond {
			t.Errorf("tried again after %s and %s", first, second)
		}
		// It goes on looking, far beyond the attempts that failures have.
		if r.State != delivery.Handed || r.Detail != "waiting" || len(r.history) < 1000 {
			t.Errorf("%s after %d: %s", r.State, len(r.history), r.Detail)
		}
		during(t, 5*time.Hour, st, delivery.WorkerOptions{}, ch)
		if r := st.row("d1"); r.State != delivery.Expired {
			t.Errorf("at its end: %s, %s", r.State, r.Detail)
		}
	})
}

func TestAChannelIsToldWhatItNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newOutbox(waiting("d1"))
		made := time.Now().Add(-time.Minute)
		st.rows["d1"].Created = made
		ch := &teller{name: "test"}
		ch.send = func(msgs []channel.Message) []error {
			switch ch.count() {
			case 1:
				return []error{channel.Noted(channel.Handed("handed over", 3*time.Second), "post-1")}
			case 2:
				return []error{channel.RetryAfter(errors.New("away"), time.Second)} // says nothing of the note
			case 3:
				return []error{channel.Noted(channel.RetryAfter(errors.New("away"), time.Second), strings.Repeat("ü", 400))}
			}
			return []error{channel.Noted(channel.Accepted("done"), "")}
		}
		during(t, time.Minute, st, delivery.WorkerOptions{}, ch)
		var got []string
		for _, m := range ch.sent {
			got = append(got, fmt.Sprintf("%d %v %d %.6s", m.Attempt, m.Handed, len(m.Note), m.Note))
			if !m.Asked.Equal(made) {
				t.Errorf("asked %s", m.Asked)
			}
		}
		want := []string{"1 false 0 ", "2 true 6 post-1", "3 false 6 post-1", "4 false 500 üüüüüü"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
