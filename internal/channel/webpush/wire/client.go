package wire

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Send hands a request over. It blocks only while the origin's window is full,
// and until ctx ends then. When it answers an error, Done is not called.
func (c *Client) Send(ctx context.Context, r *Request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		o, err := c.origin(r.Origin)
		if err != nil {
			return err
		}
		if retry, err := o.send(ctx, r); !retry {
			return err
		}
	}
}

// Warm opens the first connection of an origin and waits for it, unless there
// is one.
func (c *Client) Warm(ctx context.Context, name string) error {
	for {
		o, err := c.origin(name)
		if err != nil {
			return err
		}
		if retry, err := o.warm(ctx); !retry {
			return err
		}
	}
}

// Stats says what each origin is doing, in the order of their names.
func (c *Client) Stats() []OriginStats {
	var out []OriginStats
	for _, o := range c.list() {
		out = append(out, o.snapshot())
	}
	slices.SortFunc(out, func(a, b OriginStats) int { return cmp.Compare(a.Origin, b.Origin) })
	return out
}

// Close refuses further requests, waits for those under way until ctx ends,
// ends the rest with ErrClosed, and closes all connections. It answers ctx's
// error if it had to cut some off.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	var cut error
	for _, o := range c.list() {
		if quiet := o.shut(); quiet != nil {
			select {
			case <-quiet:
			case <-ctx.Done():
				cut = ctx.Err()
			}
		}
	}
	c.stop()
	for _, o := range c.list() {
		o.cut()
	}
	c.all.Wait()
	return cut
}

// shut takes no more requests; the channel is closed when the last is done.
func (o *origin) shut() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closing = failed(o.t.origin, StepSend, ErrClosed)
	for _, w := range o.waiters {
		w.err = o.closing
		w.ch <- struct{}{}
	}
	o.waiters = nil
	if o.active == 0 {
		return nil
	}
	if o.quiet == nil {
		o.quiet = make(chan struct{})
	}
	return o.quiet
}

// cut ends everything.
func (o *origin) cut() {
	var done []completion
	o.mu.Lock()
	now := o.c.now()
	o.cutOff = true
	for _, c := range slices.Clone(o.conns) {
		c.kill(codeNo, ErrClosed, now, &done)
	}
	for _, r := range o.pending {
		o.finish(r, Response{Err: o.closing}, now, &done)
	}
	o.pending = nil
	h1 := o.h1
	o.mu.Unlock()
	if h1 != nil {
		h1.close()
	}
	run(done)
}

func (c *Client) now() int64 { return int64(time.Since(c.began)) + 1 }

func (c *Client) list() []*origin {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*origin, 0, len(c.origins))
	for _, o := range c.origins {
		out = append(out, o)
	}
	return out
}

// origin finds an origin, or makes it.
func (c *Client) origin(name string) (*origin, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, failed(name, StepSend, ErrClosed)
	}
	if o := c.origins[name]; o != nil {
		return o, nil
	}
	t, err := parseOrigin(name)
	if err != nil {
		return nil, failed(printable([]byte(name)), StepCheck, err)
	}
	if len(c.origins) >= c.o.MaxOrigins && !c.forgetOldest() {
		return nil, failed(name, StepCheck, ErrTooMany)
	}
	o := newOrigin(c, t)
	c.origins[name] = o
	if !c.minding {
		c.minding = true
		c.all.Go(c.mind)
	}
	return o, nil
}

// forgetOldest makes room for another origin, if one is at rest.
func (c *Client) forgetOldest() bool {
	var oldest *origin
	var used int64
	for _, o := range c.origins {
		o.mu.Lock()
		if o.rests() && (oldest == nil || o.used < used) {
			oldest, used = o, o.used
		}
		o.mu.Unlock()
	}
	return oldest != nil && c.forget(oldest)
}

// forget drops an origin that is at rest; c.mu is held.
func (c *Client) forget(o *origin) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.rests() || c.origins[o.t.origin] != o {
		return false
	}
	o.gone = true
	delete(c.origins, o.t.origin)
	var none []completion
	for _, conn := range slices.Clone(o.conns) {
		conn.kill(codeNo, errIdle, o.c.now(), &none)
	}
	if h1 := o.h1; h1 != nil {
		c.all.Go(h1.close)
	}
	return true
}

func (o *origin) rests() bool { return o.active == 0 && len(o.waiters) == 0 && o.dialing == nil }

// mind looks after what takes too long, until the client is closed.
func (c *Client) mind() {
	every := min(250*time.Millisecond, max(5*time.Millisecond, min(c.t.Request, c.t.Ping, c.t.Settings, c.t.Idle)/4))
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			return
		}
		via := ""
		if p := c.proxy(); p != nil {
			via = p.String()
		}
		for _, o := range c.list() {
			o.tick(via)
			c.mu.Lock()
			o.mu.Lock()
			stale := o.rests() && len(o.conns) == 0 && c.now()-o.used > 2*int64(c.t.Idle)
			o.mu.Unlock()
			if stale {
				c.forget(o)
			}
			c.mu.Unlock()
		}
	}
}

// tick ends what has taken too long.
func (o *origin) tick(via string) {
	var done []completion
	o.mu.Lock()
	now := o.c.now()
	kept := o.pending[:0]
	for _, r := range o.pending {
		if now-r.start > int64(o.c.t.Request) {
			o.finish(r, Response{Err: failed(o.t.origin, StepSend, ErrTimeout)}, now, &done)
			continue
		}
		kept = append(kept, r)
	}
	clear(o.pending[len(kept):])
	o.pending = kept
	for _, c := range slices.Clone(o.conns) {
		c.tick(via, now, &done)
	}
	if h1 := o.h1; h1 != nil && h1.via != via {
		o.h1 = nil // what is under way there ends there
		o.c.all.Go(h1.close)
	}
	o.settle(now, &done)
	o.mu.Unlock()
	run(done)
}
