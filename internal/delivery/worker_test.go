package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/delivery"
)

// outbox is a store in memory for the tests where time matters: it keeps to
// the contract of claims, and nothing more. The others run on the real one.
type outbox struct {
	mu      sync.Mutex
	rows    map[string]*row
	claims  []delivery.Claim
	expired int
}

type row struct {
	delivery.Claimed
	history []delivery.Completion
}

func newOutbox(cs ...delivery.Claimed) *outbox {
	o := &outbox{rows: map[string]*row{}}
	for _, c := range cs {
		o.rows[c.ID] = &row{Claimed: c}
	}
	return o
}

func open(s delivery.State) bool { return s == delivery.Waiting || s == delivery.Handed }

func (o *outbox) ClaimDeliveries(_ context.Context, c delivery.Claim) ([]delivery.Claimed, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.claims = append(o.claims, c)
	var out []delivery.Claimed
	for _, id := range o.ids() {
		r := o.rows[id]
		if open(r.State) && r.Channel == c.Channel && !r.Due.After(time.Now()) && len(out) < c.Limit &&
			(c.Users == nil || slices.Contains(c.Users, r.UserID)) {
			r.Due = time.Now().Add(c.Lease)
			r.Attempt++
			r.Handed = r.State == delivery.Handed
			out = append(out, r.Claimed)
		}
	}
	return out, nil
}

func (o *outbox) ids() []string {
	var ids []string
	for id := range o.rows {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (o *outbox) CompleteDeliveries(_ context.Context, _ string, cs []delivery.Completion) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range cs {
		if r := o.rows[c.ID]; open(r.State) && r.Attempt == c.Attempt {
			r.State, r.Due, r.Detail = c.State, c.Due, c.Detail
			if r.Due.IsZero() {
				r.Due = time.Now()
			}
			if c.Note != nil {
				r.Note = *c.Note
			}
			r.history = append(r.history, c)
		}
	}
	return nil
}

func (o *outbox) ExpireDeliveries(context.Context, int) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, r := range o.rows {
		if open(r.State) && !r.Expires.IsZero() && !time.Now().Before(r.Expires) {
			r.State = delivery.Expired
			n++
		}
	}
	o.expired += n
	return n, nil
}

func (o *outbox) NextDue(_ context.Context, c delivery.Claim) (next, now time.Time, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.rows {
		if open(r.State) && r.Channel == c.Channel && (next.IsZero() || r.Due.Before(next)) {
			next = r.Due
		}
	}
	return next, time.Now(), nil
}

func (o *outbox) row(id string) row {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := *o.rows[id]
	r.history = slices.Clone(r.history)
	return r
}

// teller is a channel that does as it is told.
type teller struct {
	name string
	send func(msgs []channel.Message) []error
	sent []channel.Message
	mu   sync.Mutex
}

func (c *teller) Name() string { return c.name }

func (c *teller) SendAll(_ context.Context, msgs []channel.Message) []error {
	c.mu.Lock()
	c.sent = append(c.sent, msgs...)
	c.mu.Unlock()
	return c.send(msgs)
}

func (c *teller) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sent)
}

// tabs is a teller that reaches some users only.
type tabs struct {
	teller
	users []string
}

func (c *tabs) ReachableUsers() []string { return c.users }

func all(err error) func([]channel.Message) []error {
	return func(msgs []channel.Message) []error { return slices.Repeat([]error{err}, len(msgs)) }
}

// waiting is a delivery that is due now and lives for an hour.
func waiting(id string) delivery.Claimed {
	return delivery.Claimed{Delivery: delivery.Delivery{ID: id, Channel: "test", Notice: alert.NoticeProblem, State: delivery.Waiting,
		UserID: "u1", Due: time.Now(), Expires: time.Now().Add(time.Hour)}}
}

// during runs a worker for d of the bubble's time.
func during(t *testing.T, d time.Duration, st delivery.Store, o delivery.WorkerOptions, chs ...channel.Channel) *delivery.Worker {
	t.Helper()
	w := delivery.NewWorker(st, chs, o)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := w.Run(ctx); err != nil {
		t.Error(err)
	}
	return w
}

func TestNothingIsClaimedWhereNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newOutbox()
		w := delivery.NewWorker(st, []channel.Channel{&teller{name: "test"}}, delivery.WorkerOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ended := make(chan error)
		go func() { ended <- w.Run(ctx) }()
		for range 100 { // events of which no device is told
			synctest.Wait()
			w.Wake()
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := len(st.claims); n != 0 {
			t.Errorf("%d claims, each of which keeps everybody else from writing", n)
		}
	})
}

func TestAFailureIsTriedAgainMoreAndMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newOutbox(waiting("d1"))
		st.rows["d1"].Expires = time.Time{}
		during(t, 3*time.Hour, st, delivery.WorkerOptions{MaxAttempts: 10}, &teller{name: "test", send: all(errors.New("away"))})
		r := st.row("d1")
		if r.State != delivery.Dead || len(r.history) != 10 || !strings.Contains(r.Detail, "given up after 10 attempts: away") {
			t.Fatalf("%s after %d attempts: %s", r.State, len(r.history), r.Detail)
		}
		for i, c := range r.history[:9] {
			wait, base := c.Due.Sub(c.At), min(10*time.Minute, 2*time.Second<<i)
			if wait < base*3/4 || wait > base*5/4 {
				t.Errorf("after attempt %d it waits %s", i+1, wait)
			}
		}
	})
}

func TestTheChannelsWordCounts(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer error
		state  delivery.State
		result string
		wait   time.Duration
	}{
		{"sent", nil, delivery.Sent, "sent", 0},
		{"permanent", channel.Permanent(errors.New("no such room")), delivery.Dead, "refused", 0},
		{"nobody there", channel.Moot(errors.New("unsubscribed")), delivery.Cancelled, "cancelled", 0},
		{"retry after", channel.RetryAfter(errors.New("slow down"), 30*time.Minute), delivery.Waiting, "failed", 30 * time.Minute},
		{"handed", channel.Handed("handed to tabs", 20*time.Second), delivery.Handed, "handed", 20 * time.Second},
		{"wrapped", fmt.Errorf("post: %w", channel.Permanent(errors.New("gone"))), delivery.Dead, "refused", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newOutbox(waiting("d1"))
				during(t, time.Second, st, delivery.WorkerOptions{}, &teller{name: "test", send: all(c.answer)})
				r := st.row("d1")
				if r.State != c.state || len(r.history) != 1 || r.history[0].Result != c.result {
					t.Fatalf("%+v", r.history)
				}
				if c.wait > 0 && r.Due.Sub(r.history[0].At) != c.wait {
					t.Errorf("waits %s", r.Due.Sub(r.history[0].At))
				}
			})
		})
	}
}

// quiet before a notice makes the message a quiet one.
const quiet = "quiet "

func TestWhatIsNoLongerTrueIsNotSent(t *testing.T) {
	resolved := &alert.Alert{Status: alert.Resolved, Resolved: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	acked := &alert.Alert{Status: alert.Acknowledged, Ack: &alert.Ack{Author: "jane"}}
	for _, c := range []struct {
		name   string
		notice alert.Notice
		alert  *alert.Alert
		state  delivery.State
		detail string
	}{
		{"a problem that recovered", alert.NoticeProblem, resolved, delivery.Cancelled, "recovered before it was sent, at 12:00:00 UTC on 1 March 2026"},
		{"a problem that somebody took", alert.NoticeProblem, acked, delivery.Cancelled, "acknowledged by jane before it was sent"},
		{"a problem that is still there", alert.NoticeProblem, &alert.Alert{Status: alert.Firing}, delivery.Sent, "sent"},
		{"a recovery", alert.NoticeRecovery, resolved, delivery.Sent, "sent"},
		{"a recovery of what fires again", alert.NoticeRecovery, &alert.Alert{Status: alert.Firing}, delivery.Sent, "sent"},
		{"an acknowledgement", alert.NoticeAck, acked, delivery.Sent, "sent"},
		{"an acknowledgement of what recovered", alert.NoticeAck, resolved, delivery.Cancelled, "recovered before it was sent"},
		{"an acknowledgement that was taken back", alert.NoticeAck, &alert.Alert{Status: alert.Firing}, delivery.Sent, "sent"},
		{"a quiet acknowledgement", quiet + alert.NoticeAck, acked, delivery.Sent, "sent"},
		{"a quiet acknowledgement of what recovered", quiet + alert.NoticeAck, resolved, delivery.Cancelled, "recovered before it was sent"},
		{"a quiet acknowledgement that was taken back", quiet + alert.NoticeAck, &alert.Alert{Status: alert.Firing}, delivery.Cancelled, "the acknowledgement did not last"},
		{"a quiet recovery", quiet + alert.NoticeRecovery, resolved, delivery.Sent, "sent"},
		{"an object without alert", alert.NoticeProblem, nil, delivery.Sent, "sent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := waiting("d1")
				notice, quietly := strings.CutPrefix(string(c.notice), quiet)
				d.Notice, d.Quiet, d.Alert = alert.Notice(notice), quietly, c.alert
				st := newOutbox(d)
				ch := &teller{name: "test", send: all(nil)}
				during(t, time.Second, st, delivery.WorkerOptions{}, ch)
				if r := st.row("d1"); r.State != c.state || !strings.HasPrefix(r.Detail, c.detail) || ch.count() != map[bool]int{true: 1}[c.state == delivery.Sent] {
					t.Errorf("%s: %s, sent %d", r.State, r.Detail, ch.count())
				}
			})
		})
	}
}

func TestWithoutAReceiptItIsHandedAgainAndThenLeftForTheNextTab(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newOutbox(waiting("d1"))
		expires := st.rows["d1"].Expires
		ch := &tabs{teller: teller{name: "test", send: all(channel.Handed("handed", 20*time.Second))}, users: []string{"u1"}}
		during(t, 50*time.Minute, st, delivery.WorkerOptions{MaxHandings: 3}, ch)
		r := st.row("d1")
		if ch.count() != 3 || r.State != delivery.Handed || !r.Due.Equal(expires) || !strings.Contains(r.Detail, "the next tab that opens gets it") {
			t.Errorf("handed %d times, %s until %s: %s", ch.count(), r.State, r.Due, r.Detail)
		}
		if wait := r.history[1].At.Sub(r.history[0].At); wait < 20*time.Second || wait > 22*time.Second {
			t.Errorf("handed again after %s", wait)
		}
		during(t, 20*time.Minute, st, delivery.WorkerOptions{}, ch)
		if r := st.row("d1"); r.State != delivery.Expired || ch.count() != 3 {
			t.Errorf("at the end %s, handed %d times", r.State, ch.count())
		}
	})
}

func TestNoAttemptIsMadeAfterTheTimeOfAMessage(t *testing.T) {
	for _, c := range []struct {
		name     string
		answer   error
		attempts int
		result   string
	}{
		// 2 s, 4 s … 10 min: the last of them would come after the hour.
		{"the last one is made just before", errors.New("away"), 12, "its time runs out at"},
		{"nothing to wait for when the channel asks for more", channel.RetryAfter(errors.New("full"), 2*time.Hour), 1, "before it can be tried again; last: full"},
		{"asked to wait for less", channel.RetryAfter(errors.New("full"), 50*time.Minute), 2, "last: full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newOutbox(waiting("d1"))
				expires := st.rows["d1"].Expires
				during(t, 3*time.Hour, st, delivery.WorkerOptions{MaxAttempts: 50}, &teller{name: "test", send: all(c.answer)})
				r := st.row("d1")
				if r.State != delivery.Expired || !strings.Contains(r.Detail, c.result) || len(r.history) < c.attempts {
					t.Fatalf("%s after %d attempts: %s", r.State, len(r.history), r.Detail)
				}
				for i, h := range r.history {
					if !h.At.Before(expires) || i < len(r.history)-1 && !h.Due.Before(expires) {
						t.Errorf("attempt %d at %s, the next at %s, its time ran out at %s", i+1, h.At, h.Due, expires)
					}
				}
				if last := r.history[len(r.history)-1].At; c.attempts > 2 && expires.Sub(last) > 30*time.Second {
					t.Errorf("the last attempt is %s before the end", expires.Sub(last))
				}
			})
		})
	}
}

func TestAMessageSaysWhereItGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := waiting("d1")
		d.Destination, d.DestinationName, d.Quiet = "device-1", "Firefox on Linux", true
		ch := &teller{name: "test", send: all(channel.Accepted("accepted by the push service"))}
		st := newOutbox(d)
		during(t, time.Second, st, delivery.WorkerOptions{}, ch)
		if len(ch.sent) != 1 || ch.sent[0].Destination != "device-1" || ch.sent[0].DestinationName != "Firefox on Linux" || !ch.sent[0].Quiet {
			t.Errorf("sent %+v", ch.sent)
		}
		if r := st.row("d1"); r.State != delivery.Sent || r.Detail != "accepted by the push service" {
			t.Errorf("%s: %s", r.State, r.Detail)
		}
	})
}

func TestOnlyReachableUsersAreClaimedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := waiting("d2")
		other.UserID = "u2"
		st := newOutbox(waiting("d1"), other)
		ch := &tabs{teller: teller{name: "test", send: all(nil)}}
		during(t, time.Minute, st, delivery.WorkerOptions{}, ch)
		if len(st.claims) != 0 {
			t.Fatalf("claimed with nobody there: %+v", st.claims)
		}
		ch.users = []string{"u2"}
		during(t, time.Minute, st, delivery.WorkerOptions{}, ch)
		if a, b := st.row("d1"), st.row("d2"); a.State != delivery.Waiting || b.State != delivery.Sent {
			t.Errorf("%s, %s", a.State, b.State)
		}
	})
}

func TestAPanicFailsItsBatchOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := waiting("d2")
		other.Channel = "good"
		st := newOutbox(waiting("d1"), other)
		bad := &teller{name: "test", send: func([]channel.Message) []error { panic("a defect") }}
		short := func([]channel.Message) []error { return nil }
		during(t, time.Second, st, delivery.WorkerOptions{}, bad, &teller{name: "good", send: all(nil)})
		a, b := st.row("d1"), st.row("d2")
		if a.State != delivery.Waiting || !strings.Contains(a.Detail, "panicked: a defect") || b.State != delivery.Sent {
			t.Errorf("%s %s, %s", a.State, a.Detail, b.State)
		}
		bad.send = short
		during(t, time.Minute, st, delivery.WorkerOptions{}, bad)
		if a := st.row("d1"); a.State != delivery.Waiting || !strings.Contains(a.Detail, "0 results for 1 messages") {
			t.Errorf("%s %s", a.State, a.Detail)
		}
	})
}

func TestWhatIsDueLaterIsNotClaimedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := waiting("d1")
		d.Due = time.Now().Add(1500 * time.Millisecond)
		st := newOutbox(d)
		var sent time.Duration
		begun := time.Now()
		ch := &teller{name: "test", send: func(msgs []channel.Message) []error {
			sent = time.Since(begun)
			return all(nil)(msgs)
		}}
		during(t, 10*time.Second, st, delivery.WorkerOptions{}, ch)
		if sent != 1500*time.Millisecond {
			t.Errorf("sent after %v", sent)
		}
		if n := len(st.claims); n != 1 {
			t.Errorf("%d claims", n)
		}
	})
}

func TestAWakeOfOneChannelIsNoneOfTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newOutbox()
		one, other := &teller{name: "one", send: all(nil)}, &teller{name: "other", send: all(nil)}
		w := delivery.NewWorker(st, []channel.Channel{one, other}, delivery.WorkerOptions{Poll: time.Hour, Sweep: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = w.Run(ctx) })
		synctest.Wait()
		for _, name := range []string{"one", "other"} {
			d := waiting("of " + name)
			d.Channel = name
			st.mu.Lock()
			st.rows[d.ID] = &row{Claimed: d}
			st.mu.Unlock()
		}
		w.WakeChannel("other")
		w.WakeChannel("unknown")
		synctest.Wait()
		if one.count() != 0 || other.count() != 1 {
			t.Errorf("%d of the one were sent, %d of the other", one.count(), other.count())
		}
		w.Wake()
		synctest.Wait()
		if one.count() != 1 {
			t.Error("a wake of all was not heard")
		}
		cancel()
		running.Wait()
	})
}

func TestWakeIsFasterThanThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newOutbox()
		ch := &teller{name: "test", send: all(nil)}
		w := delivery.NewWorker(st, []channel.Channel{ch}, delivery.WorkerOptions{Poll: time.Hour, Sweep: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = w.Run(ctx) })
		synctest.Wait()
		d := waiting("d1")
		st.mu.Lock()
		st.rows["d1"] = &row{Claimed: d}
		st.mu.Unlock()
		w.Wake()
		w.Wake()
		synctest.Wait()
		if ch.count() != 1 {
			t.Error("a wake was not heard")
		}
		if s := w.Stats(); s.LastLoop.IsZero() || s.Channels[0].Ended[delivery.Sent] != 1 || s.Channels[0].Name != "test" {
			t.Errorf("stats %+v", s)
		}
		cancel()
		running.Wait()
	})
}

func TestWhatIsUnderWayIsFinishedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newOutbox(waiting("d1"))
		slow := func(msgs []channel.Message) []error {
			time.Sleep(5 * time.Second) //nolint:forbidigo // the bubble's time
			return make([]error, len(msgs))
		}
		during(t, time.Second, st, delivery.WorkerOptions{}, &teller{name: "test", send: slow})
		if r := st.row("d1"); r.State != delivery.Sent {
			t.Errorf("%s", r.State)
		}
	})
}

func TestADeliveryThatKillsItsWorkerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := waiting("d1")
		d.Attempt = 12 // claimed so often, and nothing was written down
		st := newOutbox(d)
		ch := &teller{name: "test", send: all(nil)}
		during(t, time.Second, st, delivery.WorkerOptions{}, ch)
		if r := st.row("d1"); r.State != delivery.Dead || ch.count() != 0 {
			t.Errorf("%s, sent %d", r.State, ch.count())
		}
	})
}
