package wire

import (
	"context"
	"sync"
)

// origin is one push service.
type origin struct {
	c *Client
	t target

	mu sync.Mutex
	h1 *fallback
}

const maxHeaderBlock = 32 << 10

// Send hands a request over. It blocks only while the origin's window is full.
// When it answers an error, Done is not called.
func (c *Client) Send(ctx context.Context, r *Request) error {
	o, err := c.origin(r.Origin)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.all.Go(func() { r.Done(r, o.h1.do(c.ctx, r)) })
	return nil
}

// Warm opens the first connection of an origin, unless there is one.
func (c *Client) Warm(_ context.Context, name string) error {
	_, err := c.origin(name)
	return err
}

// Stats says what each origin is doing.
func (c *Client) Stats() []OriginStats { return nil }

// Close waits for what is under way until ctx ends, and closes all connections.
func (c *Client) Close(ctx context.Context) error {
	c.stop()
	c.all.Wait()
	return ctx.Err()
}

func (c *Client) origin(name string) (*origin, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.origins[name]; o != nil {
		return o, nil
	}
	t, err := parseOrigin(name)
	if err != nil {
		return nil, failed(name, StepCheck, err)
	}
	o := &origin{c: c, t: t, h1: newFallback(c, t, nil)}
	c.origins[name] = o
	return o, nil
}
