package writeback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tocsin/internal/channel"
	"tocsin/internal/route"
	"tocsin/internal/source"
)

// How much is done at the same time: batches of all sources, and objects of one.
const (
	lanes   = 4
	objects = 8
)

// maxAttempts is how often a delivery is tried: its time ends it, a day, not
// failures. A day of tries at each second is less than this.
const maxAttempts = 100_000

// afterEarlier is when something is tried again that has to wait for what was
// asked for earlier about the same object.
const afterEarlier = 200 * time.Millisecond

// Writer is the channel "engine".
type Writer struct {
	o     Options
	kinds map[string]source.WriteBackKind
	wake  chan struct{} // for names

	mu      sync.Mutex
	engines map[string]*engine // by source id
	sources []source.Source    // as they were read last
	version int64              // that they had at least, 0: they were not read
}

// New makes a Writer. It does nothing before it is given messages, or Run.
func New(o Options) *Writer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &Writer{
		o: o, kinds: map[string]source.WriteBackKind{}, wake: make(chan struct{}, 1),
		engines: map[string]*engine{},
	}
	for _, k := range o.Kinds {
		w.kinds[k.Name()] = k
	}
	return w
}

// Name is the channel's.
func (w *Writer) Name() string { return route.Engine }

// Lanes is how many batches may be with engines at the same time.
func (w *Writer) Lanes() int { return lanes }

// MaxAttempts is how often a delivery is tried: its time ends it, not failures.
func (w *Writer) MaxAttempts() int { return maxAttempts }

// Exact keeps the worker from lengthening the waits that it gives.
func (w *Writer) Exact() {}

// SendAll tells engines, and looks what became of what they were told before.
// Each source's are done apart from the others'.
func (w *Writer) SendAll(ctx context.Context, msgs []channel.Message) []error {
	results := make([]error, len(msgs))
	if err := w.refresh(ctx); err != nil {
		for i := range results {
			results[i] = channel.RetryAfter(fmt.Errorf("read the sources: %w", err), time.Second)
		}
		return results
	}
	var working sync.WaitGroup
	for id, which := range grouped(msgs, func(m channel.Message) string { return m.Destination }) {
		working.Go(func() { w.tell(ctx, id, msgs, which, results) })
	}
	working.Wait()
	return results
}

// grouped are the indexes of the messages of each group, in their order.
func grouped(msgs []channel.Message, by func(channel.Message) string) map[string][]int {
	out := map[string][]int{}
	for i, m := range msgs {
		out[by(m)] = append(out[by(m)], i)
	}
	return out
}

// tell does what one source's engine is asked for. What concerns one object is
// done in order.
func (w *Writer) tell(ctx context.Context, sourceID string, msgs []channel.Message, which []int, results []error) {
	e := w.engine(sourceID)
	mine := make([]channel.Message, len(which))
	for i, at := range which {
		mine[i] = msgs[at]
	}
	room := make(chan struct{}, objects)
	var working sync.WaitGroup
	for object, of := range grouped(mine, func(m channel.Message) string { return m.Object.ID }) {
		room <- struct{}{}
		working.Go(func() {
			defer func() { <-room }()
			w.inOrder(ctx, e, object, mine, of, func(i int, err error) { results[which[i]] = err })
		})
	}
	working.Wait()
}

// inOrder does what concerns one object. When something cannot be handed over,
// what was asked for later waits, but for no longer than for a confirmation: the
// engine may take it nevertheless, and if not, that is to be said.
func (w *Writer) inOrder(ctx context.Context, e *engine, object string, msgs []channel.Message, which []int, answer func(int, error)) {
	wait := func(i int, why string, d time.Duration) {
		answer(i, channel.Noted(channel.RetryAfter(errors.New(why), d), msgs[i].Note))
	}
	if e == nil {
		for _, i := range which {
			answer(i, w.off(ctx, msgs[i]))
		}
		return
	}
	if !e.take(object) {
		for _, i := range which {
			wait(i, "something asked for earlier about this object is in work", afterEarlier)
		}
		return
	}
	defer e.give(object)
	var stuck time.Duration // until what could not be handed over is tried again
	for _, i := range which {
		if left := lateAt(msgs[i], e.confirm()).Sub(w.o.Now()); stuck > 0 && left > 0 {
			wait(i, "something asked for earlier about this object could not be handed over", min(stuck, left))
			continue
		}
		err := w.one(ctx, e, msgs[i])
		answer(i, err)
		if s := channel.As(err); err != nil && !s.Accepted && !s.Handed && !s.Permanent {
			stuck = max(stuck, s.After, afterEarlier)
		}
	}
}

// Wake says that sources, or objects without names, may have changed. It never
// blocks.
func (w *Writer) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
