package dispatch_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/store"
)

// held is a store whose commits wait for a gate, and are counted.
type held struct {
	dispatch.Store
	gate  chan struct{}
	begun chan struct{} // told of each that begins
	count atomic.Int64
}

func (h *held) Commit(ctx context.Context, fn func(ctx context.Context, tx dispatch.Tx) error) error {
	h.count.Add(1)
	select {
	case h.begun <- struct{}{}:
	default:
	}
	<-h.gate
	return h.Store.Commit(ctx, fn)
}

func TestWhoTakesAnAlertDoesNotWaitForWhatEnginesAnswer(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		id := newRig(t, db).receive(t, event())[0].AlertID
		h := &held{Store: db, gate: make(chan struct{}), begun: make(chan struct{}, 1)}
		s := run(t, h, dispatch.Options{})
		const n = 20
		var answers sync.WaitGroup
		for i := range n {
			answers.Go(func() {
				err := s.Answer(ctx, dispatch.Answer{AlertID: "none", EventID: "none", Confirmation: alert.Confirmed})
				if !errors.Is(err, fault.ErrNotFound) {
					t.Error(err)
				}
			})
			if i == 0 {
				<-h.begun
			}
		}
		queued(s, n-1)
		took := make(chan int64, 1)
		go func() {
			_, err := s.Acknowledge(ctx, id, dispatch.AckRequest{Author: "Jane", Origin: alert.FromConsole})
			if err != nil {
				t.Error(err)
			}
			took <- h.count.Load()
		}()
		queued(s, n)
		h.gate <- struct{}{} // the answer that is in work
		h.gate <- struct{}{}
		if after := <-took; after > 3 { // and the one after it may have begun
			t.Errorf("it was taken by commit %d of %d", after, n+1)
		}
		close(h.gate)
		answers.Wait()
	})
}

// What engines answered gets its turn, however much comes in.
func TestAnswersOfEnginesDoNotWaitForEver(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		h := &held{Store: db, gate: make(chan struct{}), begun: make(chan struct{}, 1)}
		s := run(t, h, dispatch.Options{MaxGroup: 1})
		const n = 20
		var events sync.WaitGroup
		for i := range n {
			events.Go(func() {
				_, err := s.Receive(ctx, sourceID, []alert.Event{event(at(time.Now().Add(-time.Duration(i) * time.Minute)))})
				if err != nil {
					t.Error(err)
				}
			})
			if i == 0 {
				<-h.begun
			}
		}
		queued(s, n-1)
		answered := make(chan int64, 1)
		go func() {
			err := s.Answer(ctx, dispatch.Answer{AlertID: "none", EventID: "none", Confirmation: alert.Confirmed})
			if !errors.Is(err, fault.ErrNotFound) {
				t.Error(err)
			}
			answered <- h.count.Load()
		}()
		queued(s, n)
		close(h.gate)
		events.Wait()
		if at := <-answered; at > n/2 {
			t.Errorf("it was answered by commit %d of %d", at, n+1)
		}
	})
}

// queued waits until as much waits for a commit.
func queued(s *dispatch.Service, n int) {
	for s.Stats().Queue != n {
		runtime.Gosched()
	}
}
