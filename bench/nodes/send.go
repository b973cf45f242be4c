package nodes

import (
	"context"
	"sync"
	"time"

	"tocsin/test/nodes"
)

// Sending is events that are sent all the time, each again and again until it is
// taken, as `tocsin notify` does.
type Sending struct {
	stop chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	next   int
	all    []int
	again  int
	twice  int
	failed error
}

// Send begins, with so many clients, each with a pause between two events.
func Send(ctx context.Context, c *nodes.Cluster, clients int, pause time.Duration) *Sending {
	s := &Sending{stop: make(chan struct{})}
	for range clients {
		s.done.Go(func() { s.client(ctx, c, pause) })
	}
	return s
}

func (s *Sending) client(ctx context.Context, c *nodes.Cluster, pause time.Duration) {
	for {
		timer := time.NewTimer(pause)
		select {
		case <-s.stop:
			timer.Stop()
			return
		case <-timer.C:
		}
		s.mu.Lock()
		s.next++
		n := s.next
		s.mu.Unlock()
		times, duplicate, err := c.Deliver(ctx, n)
		s.mu.Lock()
		s.again += times - 1
		if duplicate {
			s.twice++
		}
		if err == nil {
			s.all = append(s.all, n)
		} else if s.failed == nil {
			s.failed = err
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Taken is how many were answered with success so far.
func (s *Sending) Taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// Sent is what came of it.
type Sent struct {
	All        []int // the numbers of the events that were answered with success
	Again      int   // requests that were repeated
	Duplicates int   // of those, had been taken all the same
}

// End ends it when each client's event was taken.
func (s *Sending) End() (Sent, error) {
	close(s.stop)
	s.done.Wait()
	return Sent{s.all, s.again, s.twice}, s.failed
}
