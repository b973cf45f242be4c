package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/channel"
	"tocsin/internal/channel/browser"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/source"
	"tocsin/internal/store"
	"tocsin/test/database"
)

// The tests of this file run on both databases and their real time.

const user = "user-jane"

func onEach(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	for name, url := range map[string]func(testing.TB) string{
		"sqlite":   database.SQLite,
		"postgres": database.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			db, err := store.Open(t.Context(), store.Options{URL: url(t), Node: "test"})
			must(t, err)
			t.Cleanup(func() { must(t, db.Close()) })
			one := config.Defaults()
			one.Storm.Off = true // every alert is a message of its own
			must(t, db.SaveSettings(t.Context(), one))
			c := contact.NewContact("jane")
			c.ID, c.UserID = "contact-jane", user
			must(t, db.SaveSource(t.Context(), source.Source{ID: "s1", Name: "nagios", Kind: "nagios", TokenHash: "h", CreatedAt: time.Now()}))
			must(t, db.SaveUser(t.Context(), auth.User{ID: user, Name: "jane", Role: auth.Operator, CreatedAt: time.Now()}))
			must(t, db.SaveContact(t.Context(), c))
			f(t, db)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// alerts opens n alerts, each with one delivery to jane, and answers their ids.
func alerts(t *testing.T, db *store.DB, n int) []string {
	t.Helper()
	s := dispatch.New(db, dispatch.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	events := make([]alert.Event, n)
	for i := range events {
		events[i] = alert.Event{Object: alert.Object{Host: fmt.Sprintf("web%02d", i), Service: "HTTP"}, Type: alert.Problem,
			State: alert.Critical, Output: "timed out", Origin: alert.FromEngine, Time: time.Now(), Contacts: []string{"jane"}}
	}
	receipts, err := s.Receive(t.Context(), "s1", events)
	must(t, err)
	cancel()
	must(t, <-done)
	var ids []string
	for _, r := range receipts {
		if r.Deliveries != 1 {
			t.Fatalf("receipt %+v", r)
		}
		ids = append(ids, r.AlertID)
	}
	return ids
}

func first(t *testing.T, db *store.DB, alertID string) delivery.Delivery {
	t.Helper()
	ds, err := db.AlertDeliveries(t.Context(), alertID, "")
	must(t, err)
	if len(ds) == 0 {
		t.Fatal("no delivery")
	}
	return ds[0]
}

// start runs a worker until the test stops it.
func start(t *testing.T, st delivery.Store, o delivery.WorkerOptions, chs ...channel.Channel) (stop func()) {
	t.Helper()
	w := delivery.NewWorker(st, chs, o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return func() { cancel(); must(t, <-done) }
}

type reach struct{}

func (reach) ReachableUsers() []string { return []string{user} }

func settings(context.Context) (config.Settings, error) { return config.Defaults(), nil }

// watched is the browser channel; sent tells of every batch after it was sent.
type watched struct {
	*browser.Channel
	before func([]channel.Message)
	sent   chan []channel.Message
}

func (w *watched) SendAll(ctx context.Context, msgs []channel.Message) []error {
	errs := w.Channel.SendAll(ctx, msgs)
	if w.before != nil {
		w.before(msgs)
	}
	w.sent <- slices.Clone(msgs)
	return errs
}

func watch(db *store.DB) *watched {
	return &watched{Channel: browser.New(db, reach{}, settings), sent: make(chan []channel.Message, 1000)}
}

func TestFromTheOutboxToTheTabAndBack(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		id := alerts(t, db, 1)[0]
		ch := watch(db)
		links := func(_ context.Context, o alert.Object, alertID string) (string, string) {
			return "https://tocsin.example.com/console/alerts/" + alertID, "https://nagios.example.com/" + o.Host
		}
		stop := start(t, db, delivery.WorkerOptions{Node: "n1", Links: links}, ch)
		msgs := <-ch.sent
		stop()
		if len(msgs) != 1 || msgs[0].UserID != user || msgs[0].URL != "https://tocsin.example.com/console/alerts/"+id ||
			msgs[0].EngineURL != "https://nagios.example.com/web00" || msgs[0].Alert == nil || msgs[0].Alert.ID != id || msgs[0].Contact != "jane" {
			t.Fatalf("messages %+v", msgs)
		}
		d := first(t, db, id)
		if d.State != delivery.Handed || d.Attempt != 1 || len(d.Attempts) != 1 || d.Attempts[0].Node != "n1" {
			t.Errorf("handed: %+v", d)
		}
		frames, err := db.LiveAfter(t.Context(), 0, user, 10)
		must(t, err)
		if len(frames) != 2 || frames[1].Kind != browser.FrameKind || frames[1].UserID != user || !strings.Contains(frames[1].Body, d.ID) {
			t.Errorf("frames %+v", frames)
		}
		n, err := db.Receive(t.Context(), user, []delivery.Receipt{{DeliveryID: d.ID, Result: "shown", Detail: "Firefox 153 on Linux"}})
		if d := first(t, db, id); err != nil || n != 1 || d.State != delivery.Sent || d.Done.IsZero() {
			t.Errorf("received: %d, %v, %+v", n, err, d)
		}
	})
}

func TestAReceiptThatIsFasterThanTheWorkerCounts(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		id := alerts(t, db, 1)[0]
		ch := watch(db)
		ch.before = func(msgs []channel.Message) {
			if _, err := db.Receive(t.Context(), user, []delivery.Receipt{{DeliveryID: msgs[0].DeliveryID, Result: "shown"}}); err != nil {
				t.Error(err)
			}
		}
		stop := start(t, db, delivery.WorkerOptions{}, ch)
		<-ch.sent
		stop()
		if d := first(t, db, id); d.State != delivery.Sent {
			t.Errorf("%+v", d)
		}
	})
}

func TestWhatAKilledWorkerHeldIsSentByTheNext(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		id := alerts(t, db, 1)[0]
		// The worker that is killed: it claims, and that is all.
		claim := delivery.Claim{Channel: browser.Name, Users: []string{user}, Limit: 10, Lease: 100 * time.Millisecond, Node: "killed"}
		held, err := db.ClaimDeliveries(t.Context(), claim)
		must(t, err)
		if len(held) != 1 || held[0].Attempt != 1 {
			t.Fatalf("held %+v", held)
		}
		ch := watch(db)
		stop := start(t, db, delivery.WorkerOptions{Node: "next"}, ch)
		msgs := <-ch.sent
		stop()
		if len(msgs) != 1 || msgs[0].DeliveryID != held[0].ID || msgs[0].Attempt != 2 {
			t.Errorf("messages %+v", msgs)
		}
		// It was not killed after all, only slow: its word no longer counts.
		must(t, db.CompleteDeliveries(t.Context(), "killed", []delivery.Completion{{ID: held[0].ID, Attempt: 1, State: delivery.Dead, Result: "failed", At: time.Now()}}))
		if d := first(t, db, id); d.State != delivery.Handed || d.Attempt != 2 {
			t.Errorf("%+v", d)
		}
	})
}

func TestWhatRecoveredBeforeATabOpenedIsNotTold(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		id := alerts(t, db, 1)[0]
		s := dispatch.New(db, dispatch.Options{})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		_, err := s.Receive(t.Context(), "s1", []alert.Event{{Object: alert.Object{Host: "web00", Service: "HTTP"}, Type: alert.Recovery,
			State: alert.OK, Output: "fine", Origin: alert.FromEngine, Time: time.Now(), Contacts: []string{"jane"}}})
		must(t, err)
		cancel()
		must(t, <-done)
		other := alerts(t, db, 2)[1] // the tab's first message tells that it looked
		ch := watch(db)
		stop := start(t, db, delivery.WorkerOptions{}, ch)
		msgs := <-ch.sent
		stop()
		for _, m := range msgs {
			if m.Alert.ID == id {
				t.Errorf("sent %+v", m)
			}
		}
		ds, err := db.AlertDeliveries(t.Context(), id, "")
		must(t, err)
		if len(ds) != 2 || ds[0].State != delivery.Cancelled || ds[0].Notice != alert.NoticeProblem ||
			ds[1].State != delivery.Skipped || ds[1].Notice != alert.NoticeRecovery {
			t.Errorf("%+v", ds)
		}
		if d := first(t, db, other); d.State != delivery.Handed {
			t.Errorf("the other: %+v", d)
		}
	})
}

func TestTwoWorkersNeverSendTheSameDelivery(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		const n = 120
		alerts(t, db, n)
		a, b := watch(db), watch(db)
		stopA := start(t, db, delivery.WorkerOptions{Node: "a", Batch: 7}, a)
		stopB := start(t, db, delivery.WorkerOptions{Node: "b", Batch: 7}, b)
		times := map[string]int{}
		total := 0
		for total < n {
			var msgs []channel.Message
			select {
			case msgs = <-a.sent:
			case msgs = <-b.sent:
			}
			for _, m := range msgs {
				times[m.DeliveryID]++
				total++
			}
		}
		stopA()
		stopB()
		if len(times) != n || total != n {
			t.Errorf("%d deliveries sent %d times", len(times), total)
		}
	})
}
