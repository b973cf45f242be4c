package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/internal/channel"
	"tocsin/internal/fault"
	"tocsin/internal/hook"
)

// Name is the channel's name, in rules and on deliveries.
const Name = "webhook"

const (
	// lanes is how many calls of SendAll run at the same time.
	lanes = 8
	// atOnce is how many messages are posted to one host at the same time.
	atOnce = 4
	// maxAttempts is how often a delivery is tried: what ends it is its time.
	maxAttempts = 200
	// turnWithin is how long a message waits for an earlier one about the same, and
	// roomWithin for its host to have room: whoever waits longer comes again.
	turnWithin = 10 * time.Second
	roomWithin = 2 * time.Second
	// soon is when a message comes again whose turn did not come.
	soon = time.Second
)

var (
	errLater = errors.New("not posted yet: an earlier message about it is still on its way")
	errRoom  = errors.New("not posted yet: others to the same host are still on their way")
)

// Store keeps the webhooks. *store.DB implements it.
type Store interface {
	// Hooks are all webhooks, with their secrets.
	Hooks(ctx context.Context) ([]hook.Hook, error)
	// NoteHook keeps how posting to one went; problem is empty when it went well.
	NoteHook(ctx context.Context, id, problem string, at time.Time) error
}

// ChannelOptions are what a Channel is made with.
type ChannelOptions struct {
	Store   Store
	BaseURL string // this server's address as people reach it
	// Proxy answers the outgoing proxy, nil when none is set. It is used for webhooks
	// that ask for it, and never else.
	Proxy func() *url.URL
	// Source is the name of a source; nil, or answering "": it is not told.
	Source func(ctx context.Context, id string) string
	Agent  string // User-Agent; "Tocsin"
	Log    *slog.Logger
	Now    func() time.Time

	// Poster is for tests: what each way of posting is made with.
	Poster Options
}

// Channel tells webhooks of alerts.
type Channel struct {
	o       ChannelOptions
	posters map[way]*Poster
	queue   channel.Queue
	places  places
	counts  counts
}

// counts are results of posting.
type counts struct{ sent, again, refused atomic.Int64 }

// Stats counts what was posted since the channel was made, by what became of it:
// sent, again (it is tried again) and refused.
func (c *Channel) Stats() map[string]int64 {
	return map[string]int64{"sent": c.counts.sent.Load(), "again": c.counts.again.Load(), "refused": c.counts.refused.Load()}
}

// way is how a webhook is posted to. Connections of one are not used for another.
type way struct{ private, plain, proxy bool }

// NewChannel makes the channel. It reads the webhooks from the store whenever it
// needs them, so that changes take effect at once.
func NewChannel(o ChannelOptions) *Channel {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Channel{o: o, posters: map[way]*Poster{}, places: places{now: o.Now}}
	for _, w := range []way{{}, {proxy: true}, {private: true}, {private: true, proxy: true}, {private: true, plain: true}, {private: true, plain: true, proxy: true}} {
		p := o.Poster
		p.Agent, p.Now, p.Plain = o.Agent, o.Now, w.plain
		if w.private {
			p.Private = hook.Networks()
		}
		if w.proxy {
			p.Proxy = o.Proxy
		}
		c.posters[w] = New(p)
	}
	return c
}

// Name is "webhook".
func (c *Channel) Name() string { return Name }

// Lanes is how many calls of SendAll there may be at the same time.
func (c *Channel) Lanes() int { return lanes }

// MaxAttempts is how often a delivery is tried. A receiver that is away is waited for
// until the delivery's time runs out.
func (c *Channel) MaxAttempts() int { return maxAttempts }

// Exact says that the times to try again are as they are answered: messages that
// wait for the same receiver stay in their order.
func (c *Channel) Exact() {}

// Close ends the connections that are idle.
func (c *Channel) Close() {
	for _, p := range c.posters {
		p.Close()
	}
}

// SendAll posts each message to the webhook that is its Destination. Messages about
// one alert reach it in their order; a receiver that is slow holds up no other.
func (c *Channel) SendAll(ctx context.Context, msgs []channel.Message) []error {
	errs := make([]error, len(msgs))
	if len(msgs) == 0 {
		return errs
	}
	list, err := c.o.Store.Hooks(ctx)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("read the webhooks: %w", err)
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	hooks := make(map[string]*hook.Hook, len(list))
	for i := range list {
		hooks[list[i].ID] = &list[i]
	}
	tickets := c.queue.Enter(msgs)
	by := map[channel.Subject][]int{}
	for i := range msgs {
		s := channel.SubjectOf(&msgs[i])
		by[s] = append(by[s], i)
	}
	var running sync.WaitGroup
	for _, mine := range by {
		running.Go(func() {
			for _, i := range mine {
				errs[i] = c.inTurn(ctx, hooks[msgs[i].Destination], &msgs[i], tickets[i])
			}
		})
	}
	running.Wait()
	return errs
}

// inTurn posts a message when no earlier one about the same is on its way.
func (c *Channel) inTurn(ctx context.Context, h *hook.Hook, m *channel.Message, t *channel.Ticket) (err error) {
	defer t.Leave()
	defer func() {
		if p := recover(); p != nil {
			c.o.Log.Error("posting to a webhook panicked", "delivery_id", m.DeliveryID, "panic", p)
			err = channel.RetryAfter(fmt.Errorf("posting it panicked: %v", p), backOff(m.Attempt))
		}
	}()
	waiting, cancel := context.WithTimeout(ctx, turnWithin)
	defer cancel()
	if t.Wait(waiting) != nil {
		return channel.RetryAfter(errLater, soon)
	}
	switch {
	case h == nil:
		return channel.Moot(errors.New("not posted: that webhook was removed"))
	case h.Disabled:
		return channel.Moot(fmt.Errorf("not posted: %s is switched off", h.Name))
	}
	if why := h.Left(m); why != "" {
		return channel.Accepted(why)
	}
	body, err := h.Body(m, hook.Around{BaseURL: c.o.BaseURL, Source: c.source(ctx, m.Object.SourceID)})
	if err != nil {
		return channel.Permanent(err)
	}
	return c.send(ctx, h, m, body)
}

func (c *Channel) source(ctx context.Context, id string) string {
	if c.o.Source == nil || id == "" {
		return ""
	}
	return c.o.Source(ctx, id)
}

// send posts a body when its receiver may be called, and judges the answer.
func (c *Channel) send(ctx context.Context, h *hook.Hook, m *channel.Message, body []byte) error {
	about := channel.SubjectOf(m)
	p := c.places.of(h)
	if err := c.places.held(p, about, m.DeliveryID); err != nil {
		return err
	}
	leave, ok := c.places.enter(ctx, hook.HostOf(h.URL))
	if !ok {
		return channel.RetryAfter(errRoom, soon)
	}
	defer leave()
	if err := c.places.held(p, about, m.DeliveryID); err != nil {
		return err // while it waited, others found out
	}
	began := c.o.Now()
	r := c.poster(h).Post(ctx, request(h, m.DeliveryID, body))
	if err := ctx.Err(); err != nil && r.Status == 0 && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("post it: %w", err) // we were stopped; it says nothing of the receiver
	}
	v := judge(h, r, m.Attempt)
	switch {
	case v.problem == "":
		c.counts.sent.Add(1)
	case v.again > 0:
		c.counts.again.Add(1)
	default:
		c.counts.refused.Add(1)
	}
	c.places.learn(p, about, m.DeliveryID, v)
	c.note(ctx, h, p, v.problem, began)
	return v.err
}

func request(h *hook.Hook, id string, body []byte) Request {
	return Request{URL: h.Address(), ID: id, Secret: h.Key(), Header: h.Sent(), Body: body}
}

func (c *Channel) poster(h *hook.Hook) *Poster {
	return c.posters[way{h.Private, h.Private && strings.HasPrefix(h.URL, "http://"), h.UseProxy}]
}

// note keeps how posting went, at most once a minute while nothing changes. It is noted
// for when the post began: of two under way at once, the answer to the older one may be
// read last, and must not hide what has happened since.
func (c *Channel) note(ctx context.Context, h *hook.Hook, p *place, problem string, began time.Time) {
	if h.ID == "" || !c.places.worth(p, problem, began) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := c.o.Store.NoteHook(ctx, h.ID, problem, began); err != nil && !errors.Is(err, fault.ErrNotFound) {
		c.o.Log.Error("noting how posting to a webhook went failed", "webhook", h.Name, "error", err)
	}
}

// Test posts a test message to a webhook, as it is given: it need not be stored.
// detail says what was answered; err is about what stands in the way.
func (c *Channel) Test(ctx context.Context, h hook.Hook) (detail string, err error) {
	if err := h.Validate(); err != nil {
		return "", err //nolint:wrapcheck // says which field
	}
	now := c.o.Now()
	id := fmt.Sprintf("test-%d", now.UnixMilli())
	body, err := h.Test(id, now, hook.Around{BaseURL: c.o.BaseURL})
	if err != nil {
		return "", err //nolint:wrapcheck // says which form
	}
	v := judge(&h, c.poster(&h).Post(ctx, request(&h, id, body)), 1)
	p := c.places.of(&h)
	if v.problem == "" {
		c.places.release(p) // somebody has mended it, perhaps
	}
	c.note(ctx, &h, p, v.problem, now)
	if v.problem != "" {
		return "", errors.New(v.problem)
	}
	return channel.As(v.err).Error(), nil
}
