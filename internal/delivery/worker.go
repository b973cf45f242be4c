package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
)

// WorkerOptions are what a Worker needs besides store and channels. The zero
// value of each is its default.
type WorkerOptions struct {
	Node        string        // this node's name, on every attempt
	Lease       time.Duration // how long a claim holds; also the time that SendAll gets; 30 s
	Batch       int           // deliveries of one claim; 200
	Poll        time.Duration // the safety net behind Wake; 1 s
	Sweep       time.Duration // how often expired ones are ended; 10 s
	MaxAttempts int           // failures until a delivery is dead; 12, which is about an hour
	Grace       time.Duration // what is being sent gets so long when Run is to end; 5 s
	MaxHandings int           // handings without a receipt until no more are made; 5. A channel.Persistent goes on
	Log         *slog.Logger
	// Links are where a click on a message about an object leads, and the
	// engine's own page of it; nil, or empty, for none.
	Links func(ctx context.Context, o alert.Object, alertID string) (url, engineURL string)
	// Now is the time that a truth check and a due time are measured by; nil is
	// this machine's. On PostgreSQL it should be the database's.
	Now func() time.Time
	// Sent is told of each batch that a channel was given; nil: nobody. It must not
	// block.
	Sent func(ctx context.Context, b Batch)
}

// Batch is what a channel was given at once, and what became of it.
type Batch struct {
	Channel                  string
	Claimed, Begun, Answered time.Time
	Deliveries               []*Claimed
	Results                  []Completion // one for each of Deliveries, in their order
}

// The waits between attempts of a failed delivery: they double from first to
// longest, each made up to a quarter longer or shorter by chance, so that many
// that failed together do not come back together.
const (
	firstWait   = 2 * time.Second
	longestWait = 10 * time.Minute
	lastChance  = 5 * time.Second // how long before its end a message gets its last attempt
)

// Worker sends what waits in the outbox. Every channel has a loop of its own,
// so that a slow one holds up nobody else's messages.
type Worker struct {
	store Store
	o     WorkerOptions
	loops []*loop
	swept atomic.Int64
}

// NewWorker makes a Worker. It does nothing before Run.
func NewWorker(st Store, chs []channel.Channel, o WorkerOptions) *Worker {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Lease, 30*time.Second)
	def(&o.Poll, time.Second)
	def(&o.Sweep, 10*time.Second)
	def(&o.Grace, 5*time.Second)
	if o.Batch <= 0 {
		o.Batch = 200
	}
	if o.MaxAttempts <= 0 {
		o.MaxAttempts = 12
	}
	if o.MaxHandings <= 0 {
		o.MaxHandings = 5
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Links == nil {
		o.Links = func(context.Context, alert.Object, string) (string, string) { return "", "" }
	}
	w := &Worker{store: st, o: o}
	for _, c := range chs {
		l := &loop{w: w, channel: c, attempts: o.MaxAttempts, handings: o.MaxHandings, wake: make(chan struct{}, 1)}
		if p, ok := c.(channel.Persistent); ok {
			l.attempts, l.handings = p.MaxAttempts(), math.MaxInt
		}
		_, l.exact = c.(channel.Exact)
		if p, ok := c.(channel.Parallel); ok {
			l.lanes = make(chan struct{}, p.Lanes())
		}
		w.loops = append(w.loops, l)
	}
	return w
}

// Wake makes every channel look at once: something was written, or a tab has
// opened. It never blocks.
func (w *Worker) Wake() {
	for _, l := range w.loops {
		l.look()
	}
}

// WakeChannel makes one channel look at once: something was written for it. It
// never blocks.
func (w *Worker) WakeChannel(name string) {
	for _, l := range w.loops {
		if l.channel.Name() == name {
			l.look()
		}
	}
}

// look wakes the loop.
func (l *loop) look() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends. What was claimed by then gets a little longer; what is
// not sent then is given back, so that another node need not wait for the end of
// the lease. What was not claimed is left for the next one.
func (w *Worker) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, l := range w.loops {
		running.Go(func() { l.run(ctx) })
	}
	running.Go(func() { w.sweep(ctx) })
	running.Wait()
	return nil
}

// sweep ends what was never claimed in time: messages for people whose tab
// stayed closed.
func (w *Worker) sweep(ctx context.Context) {
	tick := time.NewTicker(w.o.Sweep)
	defer tick.Stop()
	for {
		for ctx.Err() == nil {
			n, err := w.store.ExpireDeliveries(ctx, 500)
			w.swept.Add(int64(n))
			if err != nil && ctx.Err() == nil {
				w.o.Log.Error("expiring deliveries failed", "node", w.o.Node, "error", err)
			}
			if err != nil || n < 500 {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// loop is one channel's.
type loop struct {
	w        *Worker
	channel  channel.Channel
	attempts int           // until a delivery is dead
	handings int           // without a receipt until no more are made
	exact    bool          // the channel's waits are as it says
	lanes    chan struct{} // has room for as many batches as are sent at the same time; nil for one after the other
	wake     chan struct{}
	sending  sync.WaitGroup // batches in lanes
	figures  figures
}

func (l *loop) run(ctx context.Context) {
	defer l.sending.Wait()
	for ctx.Err() == nil {
		wait, err := l.round(ctx)
		l.figures.looked(err)
		if err != nil {
			wait = l.w.o.Poll
			l.failed(ctx, err)
		}
		if wait <= 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (l *loop) failed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		l.w.o.Log.Error("delivery round failed", "node", l.w.o.Node, "channel", l.channel.Name(), "error", err)
	}
}

// round claims a batch, sends and completes it; with lanes it leaves that to one
// of them. It says how long to wait for
// the next, unless woken: 0 when there may be more to do at once.
func (l *loop) round(ctx context.Context) (wait time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	o := l.w.o
	claim := Claim{Channel: l.channel.Name(), Limit: o.Batch, Lease: o.Lease, Node: o.Node}
	if r, ok := l.channel.(channel.Reachable); ok {
		claim.Users = r.ReachableUsers()
		if len(claim.Users) == 0 {
			return o.Poll, nil // nil would be everybody
		}
	} else if wait, err := l.untilDue(ctx, claim, 0); wait > 0 || err != nil {
		// There is nothing to claim, and a claim would keep events from being written.
		return wait, err
	}
	taken := false
	if l.lanes != nil {
		select {
		case l.lanes <- struct{}{}:
		case <-ctx.Done():
			return 0, nil
		}
		defer func() {
			if !taken {
				<-l.lanes
			}
		}()
	}
	claimed, err := l.w.store.ClaimDeliveries(ctx, claim)
	if err != nil {
		return 0, fmt.Errorf("claim deliveries of %s: %w", claim.Channel, err)
	}
	if len(claimed) == 0 {
		return l.untilDue(ctx, claim, claimedElsewhere)
	}
	if l.lanes == nil {
		return 0, l.finish(ctx, claimed) // the next claim, if it is empty, looks when to come again
	}
	taken = true
	l.sending.Go(func() {
		defer l.look()
		defer func() { <-l.lanes }()
		if err := l.finish(ctx, claimed); err != nil {
			l.figures.looked(err)
			l.failed(ctx, err)
		}
	})
	return 0, nil
}

// finish sends a claimed batch and writes down what became of it.
func (l *loop) finish(ctx context.Context, claimed []Claimed) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	// From here on the end of ctx must not lose what was done: the lease
	// bounds sending, or the grace when ctx ends, and writing it down gets some
	// seconds more.
	held, enough := context.WithCancelCause(context.WithoutCancel(ctx))
	defer enough(nil)
	defer context.AfterFunc(ctx, func() { time.AfterFunc(l.w.o.Grace, func() { enough(errEnding) }) })()
	results := l.work(held, claimed)
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := l.w.store.CompleteDeliveries(writing, l.w.o.Node, results); err != nil {
		return fmt.Errorf("complete %d deliveries of %s: %w", len(results), l.channel.Name(), err)
	}
	l.figures.completed(results)
	return nil
}

// errEnding is why sending was given up: not the channel failed.
var errEnding = errors.New("this node is ending")

// claimedElsewhere is how long is waited for what looks due and could not be
// claimed: another node claims it at this moment.
const claimedElsewhere = 10 * time.Millisecond

// untilDue is the time until the next delivery is due, by the store's clock; the
// poll at most, and the given time at least.
func (l *loop) untilDue(ctx context.Context, claim Claim, least time.Duration) (time.Duration, error) {
	next, now, err := l.w.store.NextDue(ctx, claim)
	if err != nil {
		return 0, fmt.Errorf("look for the next delivery of %s: %w", claim.Channel, err)
	}
	if next.IsZero() {
		return l.w.o.Poll, nil
	}
	return min(l.w.o.Poll, max(least, next.Sub(now))), nil
}

// work answers a completion for each claimed delivery: at once for what is no
// longer true, by sending for the rest.
func (l *loop) work(ctx context.Context, claimed []Claimed) []Completion {
	taken, now := time.Now(), l.w.o.Now()
	results := make([]Completion, 0, len(claimed))
	var sending []*Claimed
	var msgs []channel.Message
	for i := range claimed {
		c := &claimed[i]
		if done, over := l.judge(c, now); over {
			results = append(results, done)
			continue
		}
		sending = append(sending, c)
		url, engineURL := l.w.o.Links(ctx, c.Object, c.AlertID)
		msgs = append(msgs, c.Message(url, engineURL))
	}
	if len(msgs) == 0 {
		return results
	}
	begun := time.Now()
	errs := l.send(ctx, msgs)
	answered := time.Now()
	now = l.w.o.Now()
	ending := errors.Is(context.Cause(ctx), errEnding)
	for i, c := range sending {
		done := l.outcome(c, errs[i], now)
		if e := channel.As(errs[i]); ending && errs[i] != nil && !e.Accepted && !e.Handed && !e.Moot && !e.Permanent {
			done.State, done.Result, done.Due = Waiting, "failed", time.Time{} // due at once
			done.Detail = "given back, as this node was ending: " + e.Error()
		}
		results = append(results, done)
	}
	if l.w.o.Sent != nil {
		l.w.o.Sent(ctx, Batch{l.channel.Name(), taken, begun, answered, sending, results[len(results)-len(sending):]})
	}
	return results
}

// judge ends what is not to be sent any more.
func (l *loop) judge(c *Claimed, now time.Time) (Completion, bool) {
	done := Completion{ID: c.ID, Attempt: c.Attempt, At: now}
	if why := c.Untrue(); why != "" {
		done.State, done.Result, done.Detail = Cancelled, "cancelled", why
		return done, true
	}
	if !c.Expires.IsZero() && !now.Before(c.Expires) {
		done.State, done.Result = Expired, "expired"
		done.Detail = "its time ran out at " + c.Expires.UTC().Format(time.RFC3339)
		return done, true
	}
	if c.Attempt > l.attempts && !c.Handed {
		// Nobody wrote down what became of the attempts before: a delivery that
		// kills its worker must end, too.
		done.State, done.Result = Dead, "failed"
		done.Detail = fmt.Sprintf("given up: %d attempts began and none was completed", c.Attempt-1)
		return done, true
	}
	return done, false
}

// send calls the channel, within the lease. A channel that panics, or answers
// too few results, fails the batch and nothing else.
func (l *loop) send(ctx context.Context, msgs []channel.Message) (errs []error) {
	defer func() {
		if p := recover(); p != nil {
			l.w.o.Log.Error("channel panicked", "node", l.w.o.Node, "channel", l.channel.Name(), "panic", p)
			errs = slices.Repeat([]error{fmt.Errorf("the channel %s panicked: %v", l.channel.Name(), p)}, len(msgs))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, l.w.o.Lease*8/10) // the rest is for writing it down
	defer cancel()
	errs = l.channel.SendAll(ctx, slices.Clone(msgs))
	if len(errs) != len(msgs) {
		err := fmt.Errorf("the channel %s answered %d results for %d messages", l.channel.Name(), len(errs), len(msgs))
		errs = slices.Repeat([]error{err}, len(msgs))
	}
	return errs
}

// outcome makes a completion of what a channel answered.
func (l *loop) outcome(c *Claimed, err error, now time.Time) Completion {
	done := Completion{ID: c.ID, Attempt: c.Attempt, At: now}
	if err == nil {
		done.State, done.Result, done.Detail = Sent, "sent", "sent"
		return done
	}
	e := channel.As(err)
	done.Detail = e.Error()
	if e.Note != "" && e.Note != c.Note {
		note := cut(e.Note, mostNote)
		done.Note = &note
	}
	switch {
	case e.Accepted:
		done.State, done.Result = Sent, "sent"
	case e.Handed:
		return l.handedOver(c, e, done)
	case e.Moot:
		done.State, done.Result = Cancelled, "cancelled"
	case e.Permanent:
		done.State, done.Result = Dead, "refused"
	case c.Attempt >= l.attempts && !c.Handed:
		done.State, done.Result = Dead, "failed"
		done.Detail = fmt.Sprintf("given up after %d attempts: %s", c.Attempt, done.Detail)
	default:
		return l.again(c, e, done)
	}
	return done
}

// mostNote is how many bytes a channel may keep with a delivery.
const mostNote = 500

func cut(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// again sets the next attempt. None is made after the message's time has run
// out: where the channel asks for a longer wait it ends here, and where only the
// back-off is longer there is a last attempt shortly before the end.
func (l *loop) again(c *Claimed, e *channel.SendError, done Completion) Completion {
	done.State, done.Result = Waiting, "failed"
	wait := max(e.After, backOff(c.Attempt))
	if l.exact && e.After > 0 {
		wait = e.After
	}
	if left := c.Expires.Sub(done.At); !c.Expires.IsZero() && wait >= left {
		last := left - lastChance
		if last < max(e.After, firstWait) {
			done.State = Expired
			done.Detail = "its time runs out at " + Moment(c.Expires) + ", before it can be tried again; last: " + done.Detail
			return done
		}
		wait = last
	}
	done.Due = done.At.Add(wait)
	return done
}

// handedOver waits for the receipt. When several have not come, there is no
// tab that answers: it is left alone then, for the next tab that opens, which
// asks for what is unfinished, or until its time runs out.
func (l *loop) handedOver(c *Claimed, e *channel.SendError, done Completion) Completion {
	done.State, done.Result = Handed, "handed"
	wait := max(e.After, firstWait)
	if l.exact && e.After > 0 {
		wait = e.After
	}
	done.Due = done.At.Add(wait)
	if c.Attempt >= l.handings {
		done.Due = c.Expires
		if done.Due.IsZero() {
			done.Due = done.At.Add(longestWait)
		}
		done.Detail = fmt.Sprintf("%s; no receipt of the %d before, so the next tab that opens gets it", done.Detail, c.Attempt-1)
	}
	return done
}

func backOff(attempt int) time.Duration {
	d := longestWait
	if shift := attempt - 1; shift < 20 {
		d = min(d, firstWait<<max(0, shift))
	}
	return d*3/4 + rand.N(d/2)
}
