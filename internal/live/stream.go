package live

import (
	"sync"
	"time"
)

// state is where a stream is in its life.
type state uint8

const (
	joining state = iota // listed; what comes waits until what was missed is written
	open
	closed
)

// stream is one open tab's connection. On Linux over plain HTTP/1.1 it is this
// and a socket, no goroutine and no buffer; else a goroutine of net/http writes
// what waits.
//
// Locks are taken in the order stream, hub, poller.
type stream struct {
	hub     *Hub
	user    *audience
	session string
	index   int // in hub.streams, under hub.mu; -1 when it left
	slot    uint8

	mu     sync.Mutex
	state  state
	last   bool  // to be closed when nothing waits any more
	fd     int32 // of the socket; -1 if a goroutine writes
	queue  [][]byte
	queued int           // bytes in queue
	since  time.Time     // when something began to wait, or last went out; zero if nothing waits
	wake   chan struct{} // to the goroutine that writes; nil if there is none
}

// send writes b, or queues it behind what waits. b is shared: nobody changes it.
func (s *stream) send(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last || s.state == closed {
		return
	}
	s.sendLocked(b)
}

func (s *stream) sendLocked(b []byte) {
	if s.state == open && s.fd >= 0 && len(s.queue) == 0 {
		n, err := writeSocket(s.fd, b)
		if err != nil {
			s.closeLocked()
			return
		}
		if n == len(b) {
			return
		}
		b = b[n:]
	}
	if len(s.queue) == 0 {
		s.since = time.Now()
	}
	s.queue = append(s.queue, b)
	s.queued += len(b)
	if s.queued > s.hub.o.MaxQueued {
		s.hub.dropped.Add(1)
		s.closeLocked()
		return
	}
	s.notify()
}

// notify tells the goroutine that writes, if there is one.
func (s *stream) notify() {
	if s.wake == nil {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// end says farewell and closes the stream as soon as all was taken.
func (s *stream) end(farewell []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last || s.state == closed {
		return
	}
	s.sendLocked(farewell)
	s.last = true
	s.notify()
	if s.state == open && s.fd >= 0 && len(s.queue) == 0 {
		s.closeLocked()
	}
}

// cut closes the stream now.
func (s *stream) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked()
}

func (s *stream) closeLocked() {
	if s.state == closed {
		return
	}
	s.state = closed
	s.queue, s.queued = nil, 0
	if s.fd >= 0 {
		s.hub.poller.remove(s.fd)
		closeSocket(s.fd)
		s.fd = -1
	}
	s.notify()
	s.hub.leave(s)
}

// stuck tells whether nothing of what waits went out for too long.
func (s *stream) stuck(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == open && !s.since.IsZero() && now.Sub(s.since) > s.hub.o.WriteTimeout
}

// open lets a joined stream write: first its opening, then what came meanwhile.
// It is over to the poller then, which is told of fd.
func (s *stream) open(fd int32, opening []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == closed {
		if fd >= 0 {
			closeSocket(fd)
		}
		return
	}
	s.queue = append([][]byte{opening}, s.queue...)
	s.queued += len(opening)
	s.since = time.Now()
	s.state = open
	s.fd = fd
	if fd < 0 {
		s.notify()
		return
	}
	if err := s.hub.poller.add(fd, s); err != nil {
		s.hub.o.Log.Warn("stream cannot be watched", "error", err)
		s.closeLocked()
		return
	}
	s.flushLocked()
}

// flushLocked writes what waits to the socket, as much as it takes.
func (s *stream) flushLocked() {
	for len(s.queue) > 0 {
		b := s.queue[0]
		n, err := writeSocket(s.fd, b)
		if err != nil {
			s.closeLocked()
			return
		}
		s.queued -= n
		if n > 0 {
			s.since = time.Now()
		}
		if n < len(b) {
			s.queue[0] = b[n:]
			return
		}
		s.queue[0] = nil
		s.queue = s.queue[1:]
	}
	s.queue, s.since = nil, time.Time{}
	if s.last {
		s.closeLocked()
	}
}

// take answers what waits, for the goroutine that writes it. more is false when
// the stream is to be closed after that.
func (s *stream) take() (queue [][]byte, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == closed {
		return nil, false
	}
	queue = s.queue
	s.queue, s.queued, s.since = nil, 0, time.Time{}
	return queue, !s.last
}
