package webpush

import (
	"context"
	"math/rand/v2"
	"time"

	"tocsin/internal/push"
)

// The waits between tries of one device: they double from first to longest,
// each made up to a quarter longer or shorter by chance, so that many that
// failed together do not come back together.
const (
	firstRetry   = 5 * time.Second
	longestRetry = 10 * time.Minute
)

// retryWait is how long to wait after so many tries; asked is what the service
// wants at least.
func retryWait(first time.Duration, tried int, asked time.Duration) time.Duration {
	d := min(first<<min(max(tried-1, 0), 10), longestRetry)
	d = d*3/4 + rand.N(d/2)
	if asked > 0 {
		// Not all at once when the pause is over.
		d = max(d, asked+rand.N(min(asked, time.Minute)/4+time.Second))
	}
	return d
}

// retries sends to the devices that are due to be tried again, until ctx ends.
func (f *Fanout) retries(ctx context.Context, wake <-chan struct{}) {
	failures := 0
	for ctx.Err() == nil {
		claimed, err := f.store.ClaimRetries(ctx, f.o.Node, f.o.PageSize, f.o.PageTime+f.o.Lease)
		wait := f.o.Poll
		switch {
		case ctx.Err() != nil && len(claimed) == 0:
			return
		case err != nil:
			f.stats.failed(err)
			f.o.Log.Error("claim of what is to be pushed again failed", "error", err)
			failures++
			wait = backoff(failures)
		case len(claimed) > 0:
			failures = 0
			f.again(ctx, claimed)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-time.After(wait):
		}
	}
}

// again sends one batch of retries and notes what became of each.
func (f *Fanout) again(ctx context.Context, rs []push.Retry) {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(f.o.Drain, stop) })()
	results := make([]push.RetryResult, len(rs))
	byPublication := map[string]*messages{}
	items, at := make([]Item, 0, len(rs)), make([]int, 0, len(rs))
	for i := range rs {
		results[i].Retry = rs[i]
		m := byPublication[rs[i].PublicationID]
		if m == nil {
			m = f.messages(rs[i].Publication)
			byPublication[rs[i].PublicationID] = m
		}
		ttl, alive := m.left(f.o.Now())
		if !alive {
			results[i].Expired = true
			continue
		}
		items, at = append(items, m.item(rs[i].Subscription, ttl)), append(at, i)
	}
	f.stats.inFlight.Add(int64(len(items)))
	sent := f.send(sending, items)
	f.stats.inFlight.Add(-int64(len(items)))
	for k, r := range sent {
		out := &results[at[k]]
		f.settle(byPublication[out.PublicationID], out, r)
	}
	f.complete(ctx, results)
}

// settle turns what became of a message into what becomes of the retry.
func (f *Fanout) settle(m *messages, out *push.RetryResult, r Result) {
	out.Detail = r.Detail
	switch r.Verdict {
	case Sent:
		out.Sent = true
	case Gone:
		out.Gone = true
	case Again, Paused:
		due, ok := m.again(f.o.Now(), out.Attempt, r.After)
		out.Due, out.Expired = due, !ok
	default:
		out.Failed = true
	}
}

// complete notes a batch. Giving up would send it again when its lease is over,
// so it is tried for as long as that.
func (f *Fanout) complete(ctx context.Context, rs []push.RetryResult) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.o.Lease/2)
	defer cancel()
	for failures := 1; ; failures++ {
		err := f.store.CompleteRetries(ctx, rs)
		if err == nil {
			f.stats.completed(rs)
			return
		}
		f.stats.failed(err)
		f.o.Log.Warn("what was pushed again could not be noted yet", "devices", len(rs), "error", err)
		select {
		case <-time.After(backoff(failures)):
		case <-ctx.Done():
			return
		}
	}
}

func (f *fanoutFigures) completed(rs []push.RetryResult) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range rs {
		switch r := &rs[i]; {
		case r.Sent:
			f.s.Sent++
		case r.Gone:
			f.s.Gone++
		case r.Failed:
			f.s.Failed++
		case r.Expired:
			f.s.Expired++
		default:
			f.s.Retried++
		}
	}
	f.s.LastPage = time.Now()
}
