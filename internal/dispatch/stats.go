package dispatch

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats is how a Service is doing since it was made.
type Stats struct {
	Queue       int           // events that wait
	QueueLimit  int           // how many may
	Groups      int64         // transactions
	Events      int64         // events taken, duplicates not counted
	Duplicates  int64         // calls that had been taken before
	Joined      int64         // calls that joined an event for a further contact
	Acks        int64         // acknowledgements made and taken back here
	Snoozes     int64         // made and ended here
	Deliveries  int64         // made, those skipped counted too
	Refused     int64         // calls refused because the queue was full
	LastGroup   int           // events in the last transaction
	LargestSize int           // events in the largest
	Busy        time.Time     // since when the transaction of this moment runs; zero when none does
	LastCommit  time.Time     // zero before the first
	LastTook    time.Duration // the last transaction
	LastError   string        // of a transaction that failed
	LastErrorAt time.Time
	Failures    int64
}

type figures struct {
	busy  atomic.Int64
	since atomic.Int64 // when the transaction of this moment began, Unix nanoseconds; 0 when none runs

	mu sync.Mutex
	s  Stats
}

func (f *figures) committed(took time.Duration, group []*request, answers []answer, events int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.s.Groups++
	f.s.LastGroup = events
	f.s.LargestSize = max(f.s.LargestSize, events)
	f.s.LastCommit = time.Now()
	f.s.LastTook = took
	for i, r := range group {
		if r.ack != nil && answers[i].err == nil {
			f.s.Acks++
		}
		if r.snooze != nil && answers[i].err == nil {
			f.s.Snoozes++
		}
		for _, c := range answers[i].receipts {
			f.s.Deliveries += int64(c.Deliveries)
			switch {
			case c.Duplicate:
				f.s.Duplicates++
			case c.joined:
				f.s.Joined++
			default:
				f.s.Events++
			}
		}
	}
}

func (f *figures) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.s.Failures++
	f.s.LastError = err.Error()
	f.s.LastErrorAt = time.Now()
}

// Stats answers the figures of this moment.
func (s *Service) Stats() Stats {
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	out := s.figures.s
	out.Queue = int(s.waiting.Load())
	out.QueueLimit = s.o.Queue
	out.Refused = s.figures.busy.Load()
	if since := s.figures.since.Load(); since != 0 {
		out.Busy = time.Unix(0, since)
	}
	return out
}
