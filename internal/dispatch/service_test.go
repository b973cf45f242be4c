package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/store"
)

// poisoned is the real store, which fails to write what is poisoned: after the
// write, so that it is rolled back.
type poisoned struct {
	*store.DB
	hold  chan struct{} // a commit waits until it is closed
	begun chan struct{} // a commit says that it waits; nil: it does not
}

type poisonedTx struct{ dispatch.Tx }

var errPoison = errors.New("poison")

func (p poisoned) Commit(ctx context.Context, fn func(ctx context.Context, tx dispatch.Tx) error) error {
	if p.begun != nil {
		p.begun <- struct{}{}
	}
	<-p.hold
	return p.DB.Commit(ctx, func(ctx context.Context, tx dispatch.Tx) error { return fn(ctx, poisonedTx{tx}) })
}

func (t poisonedTx) Write(ctx context.Context, c *dispatch.Changes) error {
	if err := t.Tx.Write(ctx, c); err != nil {
		return err
	}
	for i := range c.Events {
		switch c.Events[i].Output {
		case "poison":
			return errPoison
		case "panic":
			panic("a defect")
		}
	}
	return nil
}

func TestOneBadRequestFailsAlone(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		hold := make(chan struct{})
		r := &rig{db: db, s: run(t, poisoned{db, hold, nil}, dispatch.Options{})}
		errs := make([]error, 9)
		var running sync.WaitGroup
		for i := range errs {
			running.Go(func() {
				e := event(call(fmt.Sprint(i)))
				switch i {
				case 4:
					e.Output = "poison"
				case 5:
					e.Output = "panic"
				}
				_, errs[i] = r.s.Receive(t.Context(), sourceID, []alert.Event{e})
			})
		}
		close(hold)
		running.Wait()
		for i, err := range errs {
			if (err != nil) != (i == 4 || i == 5) {
				t.Errorf("request %d: %v", i, err)
			}
		}
		if !errors.Is(errs[4], errPoison) || !strings.Contains(fmt.Sprint(errs[5]), "panic") {
			t.Errorf("%v, %v", errs[4], errs[5])
		}
		if events := r.timeline(t, event().Object); len(events) != 7 {
			t.Errorf("%d events stored of 7", len(events))
		}
		// Nothing of the failed one remains: its call is not taken as known.
		if got := r.receive(t, event(call("4")))[0]; got.Duplicate {
			t.Error("what was rolled back is called a duplicate")
		}
		if s := r.s.Stats(); s.Failures < 2 || s.LastError == "" {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestACommitThatHangsIsSeen(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		hold, begun := make(chan struct{}), make(chan struct{}, 1)
		took := make(chan time.Duration, 1)
		s := run(t, poisoned{db, hold, begun}, dispatch.Options{Committed: func(d time.Duration) { took <- d }})
		if st := s.Stats(); !st.Busy.IsZero() {
			t.Errorf("busy before there is anything to do: %v", st.Busy)
		}
		before := time.Now()
		var sending sync.WaitGroup
		sending.Go(func() {
			if _, err := s.Receive(t.Context(), sourceID, []alert.Event{event()}); err != nil {
				t.Error(err)
			}
		})
		<-begun
		if st := s.Stats(); st.Busy.Before(before.Truncate(0)) || st.Busy.After(time.Now()) {
			t.Errorf("busy since %v, the event came at %v", st.Busy, before)
		}
		close(hold)
		sending.Wait()
		if d := <-took; d <= 0 {
			t.Errorf("the transaction took %v", d)
		}
	})
}

// A database that was paused keeps one group waiting, and not all who come after it.
func TestNobodyWaitsBehindACommitThatHangs(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		hold, begun := make(chan struct{}), make(chan struct{}, 1)
		s := run(t, poisoned{db, hold, begun}, dispatch.Options{Stuck: 100 * time.Millisecond})
		var sending sync.WaitGroup
		sending.Go(func() {
			if _, err := s.Receive(t.Context(), sourceID, []alert.Event{event()}); err != nil {
				t.Error(err)
			}
		})
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for ctx.Err() == nil {
			brief, enough := context.WithTimeout(ctx, 20*time.Millisecond)
			_, err := s.Receive(brief, sourceID, []alert.Event{event(call("later"))})
			enough()
			if errors.Is(err, dispatch.ErrStuck) {
				break
			}
		}
		if ctx.Err() != nil {
			t.Error("those who came later were let in all the time")
		}
		close(hold)
		sending.Wait()
		err := dispatch.ErrStuck
		for errors.Is(err, dispatch.ErrStuck) && ctx.Err() == nil {
			_, err = s.Receive(ctx, sourceID, []alert.Event{event(call("after"))})
		}
		if err != nil {
			t.Errorf("after it: %v", err)
		}
	})
}

func TestAFullQueueIsBusy(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		s := dispatch.New(db, dispatch.Options{Queue: 3})
		var running sync.WaitGroup
		send := func(id string) {
			running.Go(func() {
				if _, err := s.Receive(t.Context(), sourceID, []alert.Event{event(call(id))}); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			})
		}
		for i := range 3 {
			send(fmt.Sprint(i))
		}
		for s.Stats().Queue < 3 { // the callers are on their way
			runtime.Gosched()
		}
		if _, err := s.Receive(t.Context(), sourceID, []alert.Event{event()}); !errors.Is(err, dispatch.ErrBusy) {
			t.Errorf("got %v", err)
		}
		// What was accepted is committed, although Run is told to end at once.
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		must(t, s.Run(ended))
		running.Wait()
		if _, err := s.Receive(t.Context(), sourceID, []alert.Event{event()}); !errors.Is(err, dispatch.ErrBusy) {
			t.Errorf("after the end: %v", err)
		}
		if st := s.Stats(); st.Events != 3 || st.Refused != 2 || st.Queue != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestWhoGivesUpInTimeIsDropped(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		s := dispatch.New(db, dispatch.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Receive(ctx, sourceID, []alert.Event{event(call("dropped"))}); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		must(t, s.Run(ctx))
		r := &rig{db: db, s: s}
		if n := len(r.timeline(t, event().Object)); n != 0 {
			t.Errorf("%d events stored", n)
		}
	})
}

func TestWhoGivesUpLaterIsCommitted(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		hold, begun := make(chan struct{}), make(chan struct{}, 9)
		r := &rig{db: db, s: run(t, poisoned{db, hold, begun}, dispatch.Options{})}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := r.s.Receive(ctx, sourceID, []alert.Event{event(call("late"))})
			failed <- err
		}()
		<-begun
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(hold)
		if got := r.receive(t, event(call("late")))[0]; !got.Duplicate {
			t.Error("it was not committed")
		}
	})
}

// Every second time round an object is well again: nobody's tab is open, so what
// is closed was never told, which is the most work there is.
func BenchmarkReceive(b *testing.B) {
	for _, e := range engines() {
		for _, callers := range []int{1, 64} {
			for _, ends := range []bool{false, true} {
				name := fmt.Sprintf("%s/%d callers", e.name, callers)
				if ends {
					name += ", with recoveries"
				}
				b.Run(name, func(b *testing.B) {
					db, err := store.Open(context.Background(), store.Options{URL: e.url(b), Node: "bench"})
					must(b, err)
					b.Cleanup(func() { must(b, db.Close()) })
					fill(b, db)
					s := run(b, db, dispatch.Options{})
					b.ResetTimer()
					begin := time.Now()
					var running sync.WaitGroup
					for c := range callers {
						running.Go(func() {
							for i := c; i < b.N; i += callers {
								e := event(named("jane"), call(fmt.Sprint(i)), func(e *alert.Event) { e.Object.Host = fmt.Sprintf("host%d", i%512) })
								if ends && i/512%2 == 1 {
									recovered(&e)
								}
								if _, err := s.Receive(context.Background(), sourceID, []alert.Event{e}); err != nil {
									b.Error(err)
								}
							}
						})
					}
					running.Wait()
					b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "events/s")
					st := s.Stats()
					b.ReportMetric(float64(st.Events)/float64(st.Groups), "events/group")
				})
			}
		}
	}
}
