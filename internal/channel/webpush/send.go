package webpush

import (
	"context"
	"fmt"
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/internal/channel/webpush/seal"
	"tocsin/internal/channel/webpush/wire"
	"tocsin/internal/push"
)

// shortened is how large a payload may still be when a service has found it
// too large.
const shortened = 1000

// fewest is how many messages of a service are worth a goroutine more.
const fewest = 16

// groups is how many services one call sends to at a time.
const groups = 32

// contentType is what Safari's declarative messages are known by, besides
// their web_push member.
const contentType = "application/notification+json"

// SendAll sends each item and calls done for each exactly once, with its index.
// done is called from several goroutines, also at the same time, and must not
// block. SendAll returns when every item has its result: when ctx ends, those
// on the way get the result Again, with Repeat, and the others are not sent.
func (s *Sender) SendAll(ctx context.Context, items []Item, done func(i int, r Result)) {
	if len(items) == 0 {
		return
	}
	t, err := s.terms(ctx)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil || t.off {
		r := Result{Verdict: Again, Detail: fmt.Sprintf("not sent: %v", err)}
		if err == nil {
			r = Result{Verdict: Paused, After: time.Minute, Detail: "Web Push is switched off under Settings → Notifications"}
		}
		for i := range items {
			done(i, r)
		}
		return
	}
	b := &batch{sender: s, terms: t, items: items, done: done, state: make([]atomic.Uint32, len(items)), settled: make(chan struct{}, 1)}
	b.left.Store(int64(len(items)))
	all := make([]int, len(items))
	for i := range all {
		all[i] = i
	}
	b.pass(ctx, b.group(all, false))
	for b.wait(ctx) {
		b.pass(ctx, b.group(b.takeLarge(), true))
	}
}

// batch is one call of SendAll.
type batch struct {
	sender  *Sender
	terms   terms
	items   []Item
	done    func(int, Result)
	state   []atomic.Uint32
	left    atomic.Int64  // items without result
	settled chan struct{} // told when left may be 0, or large has grown

	mu    sync.Mutex
	large []int // items that were found too large, to be sent again
}

// The states of an item.
const (
	stateOpen uint32 = iota
	stateOnItsWay
	stateSettled
)

// settle gives an item its result, once.
func (b *batch) settle(i int, r Result) {
	if b.state[i].Swap(stateSettled) == stateSettled {
		return
	}
	b.done(i, r)
	if b.left.Add(-1) == 0 {
		b.tell()
	}
}

func (b *batch) tell() {
	select {
	case b.settled <- struct{}{}:
	default:
	}
}

// wait waits until every item has its result, or some are to be sent again:
// then it answers true. It does not wait longer than ctx.
func (b *batch) wait(ctx context.Context) (again bool) {
	for b.left.Load() > 0 {
		b.mu.Lock()
		again = len(b.large) > 0
		b.mu.Unlock()
		if again && ctx.Err() == nil {
			return true
		}
		select {
		case <-b.settled:
		case <-ctx.Done():
			for i := range b.items {
				r := Result{Verdict: Again, Detail: "not sent: the time for sending was over"}
				if b.state[i].Load() == stateOnItsWay {
					r.Repeat, r.Detail = true, "no answer in time"
				}
				b.settle(i, r)
			}
			for b.left.Load() > 0 {
				<-b.settled // a call of done that has begun is let finish
			}
			return false
		}
	}
	return false
}

func (b *batch) takeLarge() []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	large := b.large
	b.large = nil
	return large
}

// group is the messages to one service.
type group struct {
	service *service
	items   []int
	again   bool // they are sent shortened, after having been too large
	next    atomic.Int64
}

// group sorts items by their service. What cannot be sent at all gets its
// result here.
func (b *batch) group(indices []int, again bool) []*group {
	now := b.sender.o.Now()
	by := map[*service]*group{}
	var out []*group
	for _, i := range indices {
		v, err := b.sender.locate(b.items[i].Sub.Endpoint, &b.terms, now)
		if err != nil {
			b.settle(i, Result{Verdict: Ours, Detail: "not sent: " + err.Error()})
			continue
		}
		g := by[v]
		if g == nil {
			g = &group{service: v, again: again}
			by[v], out = g, append(out, g)
		}
		g.items = append(g.items, i)
	}
	return out
}

// pass encrypts the groups' items and hands them to the wire. A service whose
// window is full holds up its own group only.
func (b *batch) pass(ctx context.Context, all []*group) {
	if len(all) == 1 && len(all[0].items) <= fewest {
		b.work(ctx, all[0])
		return
	}
	var running sync.WaitGroup
	room := make(chan struct{}, groups)
	for _, g := range all {
		room <- struct{}{}
		running.Go(func() {
			defer func() { <-room }()
			var workers sync.WaitGroup
			for range min(len(g.items)/fewest, runtime.GOMAXPROCS(0)-1) {
				workers.Go(func() { b.work(ctx, g) })
			}
			b.work(ctx, g)
			workers.Wait()
		})
	}
	running.Wait()
}

func (b *batch) work(ctx context.Context, g *group) {
	for {
		k := int(g.next.Add(1)) - 1
		if k >= len(g.items) {
			return
		}
		b.send(ctx, g.service, g.items[k], g.again)
	}
}

// send encrypts one item and hands it to the wire.
func (b *batch) send(ctx context.Context, v *service, i int, again bool) {
	s, item := b.sender, &b.items[i]
	if ctx.Err() != nil {
		return // wait settles it
	}
	now := s.o.Now()
	sign := b.terms.signers[item.Sub.KeyID]
	if sign == nil {
		b.settle(i, Result{Verdict: Ours, Detail: "the server key that the device subscribed with is not here any more; its browser subscribes anew when it next opens the console or the page"})
		return
	}
	path := pathOf(item.Sub.Endpoint)
	text, pad := item.Payload, item.Pad
	if again {
		// What is smaller cannot hide its length as well: there is no padding.
		smaller, ok := shorter(text, s.o.BaseURL, min(shortened, len(text)*2/3))
		if !ok {
			b.tooLarge(i, v, v.host+" finds the message too large, and it cannot be made shorter", now)
			return
		}
		text, pad = smaller, 0
	}
	t, r, ok := v.admit(sign, b.terms.subject, item.Sub.Visitor(), maphash.String(s.seed, path), now)
	if !ok {
		b.settle(i, r)
		return
	}
	j := s.jobs.Get().(*job)
	if err := j.seal(s.o.Ready, item.Sub, text, pad); err != nil {
		t.withdrawn()
		s.jobs.Put(j)
		b.settle(i, Result{Verdict: Ours, Detail: "not encrypted: " + err.Error()})
		return
	}
	j.batch, j.ticket, j.index, j.again = b, t, i, again
	j.request.Origin, j.request.Path, j.request.Authorization = v.origin, path, t.header
	j.request.ContentType = contentType
	j.request.Urgency, j.request.Topic = string(item.Urgency), item.Topic
	j.request.TTL, j.request.Body = int(min(max(item.TTL, 0), push.LongestLifetime)/time.Second), j.body
	b.state[i].CompareAndSwap(stateOpen, stateOnItsWay)
	if err := s.o.Client.Send(ctx, &j.request); err != nil {
		t.withdrawn()
		j.release()
		if ctx.Err() != nil {
			b.state[i].CompareAndSwap(stateOnItsWay, stateOpen)
			return // wait settles it
		}
		b.settle(i, Result{Verdict: Again, Detail: v.host + " was not reached: " + conceal(err.Error(), path)})
	}
}

// tooLarge ends an item that stays too large.
func (b *batch) tooLarge(i int, v *service, detail string, now time.Time) {
	v.mu.Lock()
	v.failed(detail, now)
	v.count(func(f *push.ServiceFigures) { f.Failed++ })
	v.mu.Unlock()
	b.settle(i, Result{Verdict: TooLarge, Status: 413, Detail: detail})
}

// job is a message on its way. It is used again, with its memory.
type job struct {
	request wire.Request
	body    []byte
	batch   *batch
	ticket  ticket
	index   int
	again   bool
}

// seal encrypts, with what was prepared if there is something.
func (j *job) seal(ready Ready, sub *push.Subscription, text []byte, pad int) (err error) {
	if max(len(text), pad) > seal.MaxText {
		return seal.ErrTooLong
	}
	if ready != nil {
		if p, ok := ready.Take(sub); ok {
			if body := p.Seal(j.body[:0], text, pad); body != nil {
				j.body = body
				return nil
			}
		}
	}
	body, err := seal.Seal(j.body[:0], sub.P256dh, sub.Auth, text, pad)
	if err != nil {
		return err
	}
	j.body = body
	return nil
}

// release puts a job back.
func (j *job) release() {
	s := j.batch.sender
	j.batch, j.ticket = nil, ticket{}
	j.request.Authorization, j.request.Path = "", ""
	s.jobs.Put(j)
}

// answered is the request's Done.
func (j *job) answered(_ *wire.Request, a wire.Response) {
	b, i, t := j.batch, j.index, j.ticket
	s, again := b.sender, j.again
	if a.Reason != "" {
		a.Reason = conceal(a.Reason, j.request.Path, j.request.Authorization)
	}
	if a.Err != nil {
		a.Err = quiet{a.Err, conceal(a.Err.Error(), j.request.Path, j.request.Authorization)}
	}
	j.release()
	now := s.o.Now()
	r, news := t.answered(b.terms.subject, a, now)
	if news {
		s.tell(t.service, r)
	}
	if r.Verdict == TooLarge {
		if !again && b.state[i].Load() == stateOnItsWay {
			b.mu.Lock()
			b.large = append(b.large, i)
			b.mu.Unlock()
			b.tell()
			return
		}
		b.tooLarge(i, t.service, r.Detail+", also when shortened", now)
		return
	}
	b.settle(i, r)
}

// tell logs that a service has begun to refuse our key, or to take it again.
func (s *Sender) tell(v *service, r Result) {
	if r.Verdict == Sent {
		s.o.Log.Info("push service takes our key again", "origin", v.origin)
		return
	}
	s.o.Log.Warn("push service refuses our key", "origin", v.origin, "status", r.Status, "why", r.Detail)
}
