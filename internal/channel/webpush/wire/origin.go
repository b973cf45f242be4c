package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	maxTries     = 3 // how often a request is handed to a connection, if the others certainly did not deliver it
	backoffFirst = 100 * time.Millisecond
	backoffMost  = time.Second
)

// origin is one push service: its connections, its window, and what waits.
// Its lock guards all of its connections, too; nothing is called and nothing
// is read or written under it.
type origin struct {
	c *Client
	t target

	mu      sync.Mutex
	gone    bool  // forgotten by the client: look it up anew
	closing error // takes nothing more
	cutOff  bool  // and finishes nothing either
	conns   []*conn
	h1      *fallback // in the place of conns, if the service speaks HTTP/1.1 only
	dialing chan struct{}
	dialErr error // of the last dial, nil after a success
	backoff time.Duration
	nextDue int64 // not to be dialled before
	streams int   // how many a connection of it takes

	window  window
	active  int        // taken by Send and not done
	pending []*Request // taken, and without a stream yet
	waiters []*waiter  // calls of Send that the window holds up
	used    int64      // when there was something to do
	auth    string     // the last Authorization that was looked at
	quiet   chan struct{}

	stats OriginStats
}

// waiter is a call of Send that waits; err is set before ch is written to.
type waiter struct {
	ch  chan struct{}
	err error
}

// completion is a Done that is to be called once no lock is held.
type completion struct {
	r *Request
	a Response
}

func run(done []completion) {
	for i := range done {
		done[i].r.Done(done[i].r, done[i].a)
	}
}

func newOrigin(c *Client, t target) *origin {
	o := &origin{c: c, t: t, streams: 100, used: c.now()}
	o.window = newWindow(o.streams * c.o.MaxConns)
	o.stats.Origin = t.origin
	return o
}

// send takes r, or waits for the window. retry says that the origin has been
// forgotten meanwhile.
func (o *origin) send(ctx context.Context, r *Request) (retry bool, err error) {
	o.mu.Lock()
	if err := o.check(r); err != nil {
		o.mu.Unlock()
		return false, failed(o.t.origin, StepCheck, err)
	}
	if o.gone {
		o.mu.Unlock()
		return true, nil
	}
	if o.closing == nil && (o.active >= o.window.size() || len(o.waiters) > 0) {
		if err := o.wait(ctx); err != nil {
			return false, err
		}
	} else {
		o.active++
	}
	defer o.mu.Unlock()
	now := o.c.now()
	err = o.closing
	if err == nil {
		err = o.away(now)
	}
	if err != nil {
		o.active--
		o.wake()
		o.hush()
		return false, err
	}
	r.start, r.tries, o.used = now, 0, now
	o.stats.Sent++
	o.place(r, now)
	return false, nil
}

// wait waits for a place in the window, which the one who wakes it has taken
// for it. It is called with the lock and returns with it, unless it fails.
func (o *origin) wait(ctx context.Context) error {
	w := &waiter{ch: make(chan struct{}, 1)}
	o.waiters = append(o.waiters, w)
	for _, c := range o.conns {
		c.push() // who waits adds nothing more
	}
	o.mu.Unlock()
	select {
	case <-w.ch:
		if w.err != nil {
			return w.err
		}
		o.mu.Lock()
		return nil
	case <-ctx.Done():
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.Index(o.waiters, w); i >= 0 {
		o.waiters = slices.Delete(o.waiters, i, i+1)
	} else if w.err == nil {
		o.active-- // it was woken just now: the next one's turn
		o.wake()
		o.hush()
	}
	return ctx.Err()
}

// wake gives free places of the window to those who wait. While the window is
// nearly full it waits for some more places, so that a sender fills several
// at a time instead of being woken for each.
func (o *origin) wake() {
	size := o.window.size()
	if len(o.waiters) == 0 || o.active > size-max(1, min(size/8, 64)) {
		return
	}
	n := min(size-o.active, len(o.waiters))
	for _, w := range o.waiters[:n] {
		o.active++
		w.ch <- struct{}{}
	}
	o.waiters = slices.Delete(o.waiters, 0, n)
}

// hush tells Close that nothing is under way any more.
func (o *origin) hush() {
	if o.active == 0 && o.quiet != nil {
		close(o.quiet)
		o.quiet = nil
	}
}

// away says why the service cannot be reached: the last dial failed, and it is
// too early for another one.
func (o *origin) away(now int64) error {
	if len(o.conns) == 0 && o.h1 == nil && o.dialing == nil && now < o.nextDue {
		return o.dialErr
	}
	return nil
}

// check looks at what is to become bytes on the wire.
func (o *origin) check(r *Request) error {
	switch {
	case r.Done == nil:
		return fmt.Errorf("%w: Done is missing", ErrBadRequest)
	case len(r.Path) == 0 || r.Path[0] != '/' || len(r.Path) > 4096 || !plain(r.Path, '!'):
		return fmt.Errorf("%w: the path must start with /, be of ASCII without spaces and at most 4096 bytes long", ErrBadRequest)
	case r.TTL < 0:
		return fmt.Errorf("%w: the TTL is negative", ErrBadRequest)
	case len(r.Body) > 64<<10:
		return fmt.Errorf("%w: the body is longer than 64 KiB", ErrBadRequest)
	case len(r.Urgency) > 256 || len(r.Topic) > 256 || len(r.ContentType) > 256 || !plain(r.Urgency, ' ') || !plain(r.Topic, ' ') || !plain(r.ContentType, ' '):
		return fmt.Errorf("%w: Urgency, Topic and ContentType must be ASCII of at most 256 bytes", ErrBadRequest)
	}
	if r.Authorization != o.auth {
		if len(r.Authorization) > 4096 || !plain(r.Authorization, ' ') {
			return fmt.Errorf("%w: Authorization must be ASCII of at most 4096 bytes", ErrBadRequest)
		}
		o.auth = r.Authorization
	}
	return nil
}

// plain says whether s is of printable ASCII from the byte least on.
func plain(s string, least byte) bool {
	for i := range len(s) {
		if s[i] < least || s[i] > '~' {
			return false
		}
	}
	return true
}

// place gives r to a connection that can take it, or puts it where one will
// find it.
func (o *origin) place(r *Request, now int64) {
	if o.h1 != nil {
		o.viaFallback(r)
		return
	}
	if len(o.pending) == 0 {
		if c := o.free(); c != nil {
			c.open(r, now)
			o.grow(now)
			return
		}
	}
	o.pending = append(o.pending, r)
	o.grow(now)
}

// free answers the first connection that takes another stream: the others
// fill later, or rest.
func (o *origin) free() *conn {
	for _, c := range o.conns {
		if c.takes() {
			return c
		}
	}
	return nil
}

// settle is called when something has changed: it hands out what waits.
func (o *origin) settle(now int64, done *[]completion) {
	n := 0
	for ; n < len(o.pending); n++ {
		if o.h1 != nil {
			o.viaFallback(o.pending[n])
			continue
		}
		c := o.free()
		if c == nil {
			break
		}
		c.open(o.pending[n], now)
	}
	if n > 0 {
		o.pending = slices.Delete(o.pending, 0, n)
	}
	if len(o.pending) > 0 {
		if err := o.away(now); err != nil {
			for _, r := range o.pending {
				o.finish(r, Response{Err: err}, now, done)
			}
			clear(o.pending)
			o.pending = o.pending[:0]
		}
		o.grow(now)
	}
	o.wake()
	o.hush()
}

// finish ends a request for good.
func (o *origin) finish(r *Request, a Response, now int64, done *[]completion) {
	if a.Err != nil {
		o.stats.Failed++
		o.stats.LastError = a.Err.Error()
		if errors.Is(a.Err, ErrTimeout) || errors.Is(a.Err, ErrRefused) {
			o.window.overload(r.start, now)
		}
	} else {
		o.stats.Answered++
		switch a.Status {
		case 429, 502, 503, 504:
			o.window.overload(r.start, now)
		default:
			o.window.answered(r.start, now, o.active)
		}
	}
	o.active--
	o.used = now
	*done = append(*done, completion{r, a})
}

// again sends a request once more that certainly was not delivered.
func (o *origin) again(r *Request, why error, now int64, done *[]completion) {
	switch {
	case o.cutOff:
		o.finish(r, Response{Err: o.closing}, now, done)
		return
	case r.tries >= maxTries:
		o.finish(r, Response{Err: failed(o.t.origin, StepSend, why)}, now, done)
		return
	}
	o.stats.Retried++
	o.pending = append(o.pending, r)
}

// grow dials the next connection when those that there are get full: at most
// one at a time, so that a burst opens no more than it needs.
func (o *origin) grow(now int64) {
	if o.dialing != nil || o.h1 != nil || o.cutOff || now < o.nextDue {
		return
	}
	// Those that finish what they have, after a GOAWAY, take nothing more; a
	// service that says one after the other still gets no more than twice as many.
	open, room := 0, 0
	for _, c := range o.conns {
		if c.state == stateOpen {
			open++
			room += c.maxStreams
		}
	}
	if open >= o.c.o.MaxConns || len(o.conns) >= 2*o.c.o.MaxConns {
		return
	}
	if len(o.pending) == 0 {
		if o.active*4 < room*3 || o.window.size() <= room {
			return
		}
	}
	o.dial()
}

// dial starts to open a connection.
func (o *origin) dial() {
	o.dialing = make(chan struct{})
	o.stats.Dials++
	o.c.all.Go(o.connect)
}

// connect opens a connection and greets. The greeting of the service ends the
// dial: see conn.greeted.
func (o *origin) connect() {
	tc, via, err := o.c.dial(o.c.ctx, o.t, "h2", "http/1.1")
	var done []completion
	o.mu.Lock()
	now := o.c.now()
	switch {
	case err == nil && o.cutOff:
		tc.NetConn().Close()
		o.dialed(o.closing, now)
	case err != nil:
		o.dialed(err, now)
	case tc.ConnectionState().NegotiatedProtocol != "h2":
		o.h1 = newFallback(o.c, o.t, tc, via)
		o.window.resize(2 * o.c.o.MaxConns)
		o.dialed(nil, now)
	default:
		c := newConn(o, tc, via, now)
		o.conns = append(o.conns, c)
		o.c.all.Go(c.write)
		o.c.all.Go(c.read)
	}
	o.settle(now, &done)
	o.mu.Unlock()
	run(done)
}

// dialed ends a dial. After a failure the next one waits for a moment; with no
// connection left, what waits fails with the reason.
func (o *origin) dialed(err error, now int64) {
	if o.dialing != nil {
		close(o.dialing)
		o.dialing = nil
	}
	if err == nil {
		o.dialErr = nil
		return
	}
	o.dialErr = err
	o.stats.LastError = err.Error()
	o.backoff = min(max(2*o.backoff, backoffFirst), backoffMost)
	o.nextDue = now + int64(o.backoff)
}

// useless is told of a connection that ended without a single answer. The
// next one is dialled at once for the first, and then later and later.
func (o *origin) useless(now int64) {
	o.nextDue = now + int64(o.backoff)
	o.backoff = min(max(2*o.backoff, backoffFirst), backoffMost)
}

// lost forgets a connection.
func (o *origin) lost(c *conn) {
	if i := slices.Index(o.conns, c); i >= 0 {
		o.conns = slices.Delete(o.conns, i, i+1)
	}
}

// roomier takes how many streams a connection may carry now.
func (o *origin) roomier(streams int) {
	o.streams = streams
	o.window.resize(streams * o.c.o.MaxConns)
}

func (o *origin) viaFallback(r *Request) {
	h1 := o.h1
	r.tries++
	o.c.all.Go(func() {
		a := h1.do(o.c.ctx, r)
		var done []completion
		o.mu.Lock()
		now := o.c.now()
		o.finish(r, a, now, &done)
		o.settle(now, &done)
		o.mu.Unlock()
		run(done)
	})
}

// warm waits until there is a connection.
func (o *origin) warm(ctx context.Context) (retry bool, err error) {
	for tried := false; ; tried = true {
		o.mu.Lock()
		if o.gone {
			o.mu.Unlock()
			return true, nil
		}
		o.used = o.c.now()
		ready := o.h1 != nil || slices.ContainsFunc(o.conns, func(c *conn) bool { return c.state == stateOpen })
		why, closing := o.dialErr, o.closing
		if !ready && closing == nil && o.dialing == nil && !tried {
			o.dial()
		}
		dialing := o.dialing
		o.mu.Unlock()
		switch {
		case closing != nil:
			return false, closing
		case ready:
			return false, nil
		case dialing == nil:
			if why == nil {
				why = failed(o.t.origin, StepSettings, ErrUnreachable)
			}
			return false, why
		}
		select {
		case <-dialing:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// snapshot is what Stats shows of it.
func (o *origin) snapshot() OriginStats {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.stats
	s.Conns, s.Active, s.Waiting, s.Window = len(o.conns), o.active, len(o.waiters), o.window.size()
	s.Latency, s.Shrinks = time.Duration(o.window.latency), o.window.shrinks
	switch {
	case o.h1 != nil:
		s.Proto = "http/1.1"
	case len(o.conns) > 0:
		s.Proto = "h2"
	}
	return s
}
