package page

import (
	"io"
	"net"
	"testing"
	"time"
)

// dripping is a connection that brings one piece with each read, and keeps the
// deadlines that it was given.
type dripping struct {
	net.Conn
	pieces []string
	set    []time.Time
}

func (c *dripping) Read(p []byte) (int, error) {
	if len(c.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.pieces[0])
	c.pieces = c.pieces[1:]
	return n, nil
}

func (c *dripping) Write(p []byte) (int, error)   { return len(p), nil }
func (c *dripping) Close() error                  { return nil }
func (c *dripping) SetDeadline(t time.Time) error { c.set = append(c.set, t); return nil }
func (c *dripping) last(t *testing.T) time.Duration {
	t.Helper()
	return time.Until(c.set[len(c.set)-1])
}

const plainest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// Whoever begins a request has FrontHead for the rest of it, though it came with
// the end of another one.
func TestARequestThatBeginsBehindAnotherOneIsNotWaitedForLonger(t *testing.T) {
	c := &dripping{pieces: []string{plainest + "GE", "T"}}
	r := reader{c: c, buf: make([]byte, headMost)}
	head, ok := r.head(nil)
	if !ok || string(head) != plainest {
		t.Fatalf("%q", head)
	}
	r.next(len(head))
	if _, ok := r.head(nil); ok {
		t.Fatal("half a request is one")
	}
	if left := c.last(t); left > FrontHead {
		t.Errorf("the rest of it may take %v", left)
	}
}

// An answer may take FrontIdle to be taken, however long its request was in
// coming.
func TestAnAnswerHasItsOwnTime(t *testing.T) {
	t.Run("after a slow request", func(t *testing.T) {
		c := &dripping{pieces: []string{plainest[:10], plainest[10:]}}
		r := reader{c: c, buf: make([]byte, headMost)}
		if _, ok := r.head(nil); !ok {
			t.Fatal("no request")
		}
		if !r.answering() {
			t.Fatal("the connection ended")
		}
		if left := c.last(t); left < FrontIdle-refresh-time.Second {
			t.Errorf("its answer has %v", left)
		}
	})
	t.Run("after a pause", func(t *testing.T) {
		c := &dripping{pieces: []string{plainest}}
		r := reader{c: c, buf: make([]byte, headMost), set: time.Now()}
		if _, ok := r.head(nil); !ok {
			t.Fatal("no request")
		}
		r.set = time.Now().Add(-FrontIdle + time.Second) // it waited for its request
		if !r.answering() {
			t.Fatal("the connection ended")
		}
		if len(c.set) == 0 || c.last(t) < FrontIdle-refresh-time.Second {
			t.Errorf("its answer has %v", c.set)
		}
	})
}
