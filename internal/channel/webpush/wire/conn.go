package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/net/http2/hpack"
)

const (
	lone       = 16                     // with fewer requests under way, each is written at once
	linger     = 500 * time.Microsecond // with more, the first of a write waits so long for others
	enough     = 16 << 10               // … or for so many bytes: a TLS record
	outMost    = 64 << 10               // more than this is not queued on one connection
	mostStream = 512                    // on a connection, whatever the service allows
	maxReplies = 32 << 10               // of ours to frames of the service, unread by it
	farewell   = time.Second            // for the last write
	keptOut    = 16 << 10               // a write buffer that has grown beyond this is given up when all is quiet
)

var errIdle = errors.New("the connection was not in use")

type connState uint8

const (
	stateGreeting connState = iota // waits for the service's settings
	stateOpen
	stateDraining // takes no more streams; those that it has go on
	stateDead
)

// conn is one HTTP/2 connection. Two goroutines serve it, one that reads and
// one that writes. Everything else is guarded by the lock of its origin.
type conn struct {
	o   *origin
	tls *tls.Conn
	via string // the proxy

	state  connState
	closed chan struct{} // closed with the connection
	began  int64

	// Writing. out is what is to be written; base is where it starts in all
	// that was ever queued: a stream from there on has not left.
	enc     encoder
	out     []byte
	base    int64
	kick    chan struct{}
	kicked  bool
	armed   bool // the timer runs
	timer   *time.Timer
	replies int // bytes of out that answer frames of the service

	// Streams. A stream is in the slot of its number; a number whose slot is
	// taken is passed over.
	slots      []slot
	nextID     uint32
	active     int
	maxStreams int
	blocked    []uint32 // streams whose body waits for a flow-control window
	window     int64    // what may be sent on the connection
	firstWin   int64    // what may be sent on a new stream
	maxFrame   int

	// Reading.
	dec      *hpack.Decoder
	head     head
	block    []byte // a header block that goes on
	blockID  uint32 // of the stream that it is for, 0: none goes on
	blockEnd bool
	parts    int
	recv     int64 // what the service may still send
	taken    int   // and what we have not given back
	useful   bool  // something was answered
	budget   int   // of frames that bring nothing
	refilled int64
	heard    int64 // when something was read last
	pinged   int64 // when it was asked whether it lives, 0: it is not
	idle     int64 // since when it has no streams
	acked    bool  // our settings
}

// slot is a stream, or the place for one.
type slot struct {
	r          *Request // nil: free
	id         uint32
	off        int64 // where its first byte is in all that was queued
	sent       int   // of the body
	window     int64
	status     int
	retryAfter time.Duration
	text       bool
	got        int // bytes of the answer's body
	informs    int // 1xx answers
	reason     []byte
}

func newConn(o *origin, tc *tls.Conn, via string, now int64) *conn {
	c := &conn{
		o: o, tls: tc, via: via, closed: make(chan struct{}), began: now,
		enc: newEncoder(), out: appendGreeting(make([]byte, 0, 8<<10)), kick: make(chan struct{}, 1), timer: time.NewTimer(time.Hour),
		slots: make([]slot, 256), nextID: 1, maxStreams: mostStream, window: 65535, firstWin: 65535, maxFrame: maxFrame,
		recv: ourWindow, budget: budgetMost, refilled: now, heard: now, idle: now,
	}
	c.dec = hpack.NewDecoder(tableSize, c.header)
	c.dec.SetMaxStringLength(maxHeaderBlock)
	c.push()
	return c
}

// takes says whether it can carry another stream now.
func (c *conn) takes() bool {
	return c.state == stateOpen && c.active < c.maxStreams && c.window > 0 && len(c.out) < outMost &&
		(len(c.blocked) == 0 || c.window > maxFrame)
}

func (c *conn) slot(id uint32) *slot {
	s := &c.slots[int(id>>1)&(len(c.slots)-1)]
	if s.r == nil || s.id != id {
		return nil
	}
	return s
}

// open starts a stream for r. takes has said yes.
func (c *conn) open(r *Request, now int64) {
	s := &c.slots[int(c.nextID>>1)&(len(c.slots)-1)]
	for s.r != nil {
		c.nextID += 2
		s = &c.slots[int(c.nextID>>1)&(len(c.slots)-1)]
	}
	*s = slot{r: r, id: c.nextID, off: c.base + int64(len(c.out)), window: c.firstWin, reason: s.reason[:0]}
	c.nextID += 2
	r.tries++
	c.active++
	if c.active == 1 && now-c.heard > int64(c.o.c.t.Ping) && c.pinged == 0 {
		c.ping(now) // it may have died in its sleep
	}
	at := len(c.out)
	c.out = appendFrame(c.out, 0, frameHeaders, flagEndHeaders, s.id)
	c.out = c.enc.block(c.out, c.o.t.authority, r)
	n := len(c.out) - at - frameHead
	c.out[at], c.out[at+1], c.out[at+2] = byte(n>>16), byte(n>>8), byte(n)
	if len(r.Body) == 0 {
		c.out[at+4] |= flagEnd
	} else if c.body(s); s.sent < len(r.Body) {
		c.blocked = append(c.blocked, s.id)
	}
	if c.nextID > maxID-4*mostStream {
		c.drain()
	}
	c.flush()
}

// body queues what the windows allow of a body.
func (c *conn) body(s *slot) {
	for s.sent < len(s.r.Body) {
		n := int(min(int64(len(s.r.Body)-s.sent), s.window, c.window, int64(c.maxFrame)))
		if n <= 0 {
			return
		}
		flags := byte(0)
		if s.sent+n == len(s.r.Body) {
			flags = flagEnd
		}
		c.out = appendFrame(c.out, n, frameData, flags, s.id)
		c.out = append(c.out, s.r.Body[s.sent:s.sent+n]...)
		s.sent += n
		s.window -= int64(n)
		c.window -= int64(n)
	}
}

// unblock queues what a wider window allows, and says whether that is anything.
func (c *conn) unblock() bool {
	some := false
	kept := c.blocked[:0]
	for _, id := range c.blocked {
		s := c.slot(id)
		before := s.sent
		if c.window > 0 && len(c.out) < 2*outMost {
			c.body(s)
		}
		some = some || s.sent > before
		if s.sent < len(s.r.Body) {
			kept = append(kept, id)
		}
	}
	c.blocked = kept
	if some {
		c.flush()
	}
	return some
}

// release frees the slot of a stream that is over.
func (c *conn) release(s *slot) {
	if s.sent < len(s.r.Body) {
		if i := slices.Index(c.blocked, s.id); i >= 0 {
			c.blocked = slices.Delete(c.blocked, i, i+1)
		}
	}
	s.r = nil
	if c.active--; c.active == 0 {
		c.idle = c.o.c.now()
	}
}

// reset ends a stream from our side.
func (c *conn) reset(id uint32, why code) {
	c.out = appendReset(c.out, id, why)
	c.flush()
}

func (c *conn) ping(now int64) {
	c.out = appendPing(c.out, 0, []byte("tocsin??"))
	c.pinged = now
	c.push()
}

// flush sees to it that what is queued gets written: at once while little is
// under way, with what comes right after it otherwise.
func (c *conn) flush() {
	switch {
	case c.kicked:
	case c.active <= lone || len(c.out) >= enough:
		c.push()
	case !c.armed:
		c.armed = true
		c.timer.Reset(linger)
	}
}

// push wakes the writer.
func (c *conn) push() {
	if !c.kicked && len(c.out) > 0 {
		c.kicked = true
		c.kick <- struct{}{}
	}
}

// write is the goroutine that writes.
func (c *conn) write() {
	defer c.timer.Stop()
	var spare []byte
	o := c.o
	for {
		select {
		case <-c.kick:
		case <-c.timer.C:
		case <-c.closed:
		}
		o.mu.Lock()
		if c.kicked {
			select { // the timer was faster
			case <-c.kick:
			default:
			}
		}
		c.kicked, c.armed = false, false
		c.timer.Stop()
		out, last := c.out, c.state == stateDead
		c.out, c.replies = spare[:0], 0
		c.base += int64(len(out))
		if len(out) > 0 {
			o.stats.Writes++
		}
		o.mu.Unlock()
		patience := o.c.t.Write
		if last {
			patience = farewell
		}
		err := c.put(out, patience)
		if last {
			c.tls.NetConn().Close()
			return
		}
		spare = out
		var done []completion
		o.mu.Lock()
		if c.active == 0 && cap(spare) > keptOut {
			spare = nil
		}
		if err != nil {
			now := o.c.now()
			c.kill(codeNo, fmt.Errorf("write: %w", inTime(err)), now, &done)
			o.settle(now, &done)
		} else if len(o.pending) > 0 {
			o.settle(o.c.now(), &done) // there is room in the buffer again
		}
		o.mu.Unlock()
		run(done)
	}
}

func (c *conn) put(out []byte, patience time.Duration) error {
	if len(out) == 0 {
		return nil
	}
	if err := c.tls.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.tls.Write(out)
	return err
}

// drain takes no more streams and closes when the last is done.
func (c *conn) drain() {
	if c.state == stateOpen {
		c.state = stateDraining
	}
}

// kill ends the connection. Requests that have certainly not been delivered
// are sent again; the others end with why. A code other than codeNo is told to
// the service.
func (c *conn) kill(say code, why error, now int64, done *[]completion) {
	if c.state == stateDead {
		return
	}
	was := c.state
	c.state = stateDead
	c.o.lost(c)
	close(c.closed)
	handed := c.base
	c.base += int64(len(c.out))
	c.out = c.out[:0]
	if errors.Is(why, errIdle) || say != codeNo {
		c.out = appendGoAway(c.out, say)
		c.tls.SetWriteDeadline(time.Now().Add(farewell)) //nolint:errcheck // it is closed in any case
	} else {
		c.tls.NetConn().Close()
	}
	for i := range c.slots {
		s := &c.slots[i]
		if s.r == nil {
			continue
		}
		r := s.r
		s.r = nil
		switch {
		case s.status != 0:
			c.o.finish(r, c.answer(s), now, done)
		case s.off >= handed:
			c.o.again(r, why, now, done)
		default:
			c.o.finish(r, Response{Err: &Error{Origin: c.o.t.origin, Step: StepAnswer, Maybe: true, Err: why}}, now, done)
		}
	}
	c.active, c.blocked = 0, nil
	if was == stateGreeting {
		if errors.Is(why, context.Canceled) || c.o.closing != nil {
			why = ErrClosed
		}
		c.o.dialed(failed(c.o.t.origin, StepSettings, why), now)
		return
	}
	if !errors.Is(why, errIdle) {
		c.o.stats.LastError = why.Error()
		c.o.c.o.Log.Debug("push connection ended", "origin", c.o.t.origin, "error", why)
	} else if was == stateOpen {
		return
	}
	if !c.useful {
		c.o.useless(now)
	}
}

// answer is what a stream has brought.
func (c *conn) answer(s *slot) Response {
	a := Response{Status: s.status, RetryAfter: s.retryAfter, Proto: "h2"}
	if len(s.reason) > 0 {
		a.Reason = printable(s.reason)
	}
	return a
}

// tick ends what has taken too long.
func (c *conn) tick(via string, now int64, done *[]completion) {
	t := &c.o.c.t
	origin := c.o.t.origin
	if c.via != via {
		c.drain()
	}
	switch {
	case !c.acked && now-c.began > int64(t.Settings):
		c.kill(codeSettings, fmt.Errorf("%w: the service did not say or take settings", ErrTimeout), now, done)
		return
	case c.pinged != 0 && now-c.pinged > int64(t.Ping) && now-c.heard > int64(t.Ping):
		c.kill(codeNo, fmt.Errorf("%w: the service is silent and did not answer a PING", ErrTimeout), now, done)
		return
	case c.active == 0 && (c.state == stateDraining || c.state == stateOpen && now-c.idle > int64(t.Idle)):
		c.kill(codeNo, errIdle, now, done)
		return
	case c.active > 0 && c.pinged == 0 && now-c.heard > int64(t.Ping):
		c.ping(now)
	}
	for i := range c.slots {
		s := &c.slots[i]
		if s.r == nil || now-s.r.start <= int64(t.Request) {
			continue
		}
		a := c.answer(s)
		if s.status == 0 {
			a = Response{Err: &Error{Origin: origin, Step: StepAnswer, Maybe: true, Err: ErrTimeout}}
		}
		r := s.r
		c.reset(s.id, codeCancel)
		c.release(s)
		c.o.finish(r, a, now, done)
	}
}

// ended makes the reason of what a read ended with.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the service closed the connection")
	}
	return fmt.Errorf("read: %w", err)
}
