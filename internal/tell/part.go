package tell

import (
	"context"
	"errors"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/status"
	"tocsin/internal/visitor"
)

// flight is one subscriber on the way.
type flight struct {
	s        visitor.Subscriber
	unwanted bool
	room     bool // it holds a place of the window
	reply    Reply
	done     chan struct{} // closed when reply is there
}

// parts works at one publication's way to the subscribers of a channel.
func (t *Teller) parts(ctx context.Context, c visitor.Channel) (bool, error) {
	p, err := t.o.Store.ClaimPart(ctx, c, t.o.Node, t.o.Lease)
	if err != nil || p == nil {
		return false, err
	}
	w := &walk{t: t, p: p, room: make(chan struct{}, t.o.Window)}
	err = w.run(ctx)
	if errors.Is(err, fault.ErrNotFound) {
		t.o.Log.Info("another node tells the visitors", "publication_id", p.Publication.ID, "channel", string(c))
		return true, nil
	}
	return true, err
}

// walk goes along the subscribers of a part.
type walk struct {
	t    *Teller
	p    *visitor.Part
	room chan struct{} // under way and not noted
	down string        // why nothing gets through
	last bool          // all were looked at
}

func (w *walk) run(ctx context.Context) error {
	out, stop := w.t.sending(ctx)
	defer stop()
	page, err := w.t.page(ctx, w.p.Publication.PageID)
	if err != nil {
		return errors.Join(err, w.release(ctx, w.t.o.Retry, "the pages cannot be read"))
	}
	reading, enough := context.WithCancel(ctx)
	defer enough()
	flights := make(chan *flight, readAtOnce)
	mine := *w.p // AdvancePart moves p on meanwhile
	var readError error
	go func() {
		defer close(flights)
		readError = w.read(reading, out, &mine, page, flights)
	}()
	// What an earlier claim had under way may have arrived.
	doubtful := 0
	if w.p.Attempt > 1 {
		doubtful = w.t.o.Window
	}
	var failed error
	for f := next(flights, nil); f != nil; {
		batch := []*flight{f}
		if err := w.await(ctx, f); err != nil && failed == nil {
			failed = err
			enough()
		}
		<-f.done
		var behind *flight
		batch, behind = gather(flights, batch)
		if failed != nil {
			w.free(batch)
		} else if failed = w.note(ctx, batch, &doubtful); failed != nil || w.down != "" {
			enough()
		}
		f = next(flights, behind)
	}
	switch {
	case failed != nil:
		if errors.Is(failed, fault.ErrNotFound) {
			return failed
		}
		return errors.Join(failed, w.release(ctx, w.t.o.Retry, ""))
	case w.down != "":
		return w.release(ctx, w.t.wait(2), w.down)
	case readError != nil:
		return errors.Join(readError, w.release(ctx, w.t.o.Retry, ""))
	case ctx.Err() != nil && !w.last:
		return w.release(ctx, 0, "")
	}
	return w.advance(ctx, visitor.Step{Position: w.p.Until, Last: true})
}

// next is the flight that was taken already, else the next of the channel; nil at
// its end.
func next(flights <-chan *flight, taken *flight) *flight {
	if taken != nil {
		return taken
	}
	return <-flights
}

// gather takes what is done behind the first, as far as it is, and answers the one
// that is not.
func gather(flights <-chan *flight, batch []*flight) ([]*flight, *flight) {
	for len(batch) < readAtOnce {
		select {
		case f, ok := <-flights:
			if !ok {
				return batch, nil
			}
			select {
			case <-f.done:
				batch = append(batch, f)
			default:
				return batch, f
			}
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// read begins to tell one after the other.
func (w *walk) read(ctx, out context.Context, p *visitor.Part, page *status.Page, flights chan<- *flight) error {
	after := p.Position
	for {
		list, err := w.t.o.Store.PartSubscribers(ctx, p, after, readAtOnce)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // asked to stop
		}
		if err != nil {
			return err
		}
		read := w.t.o.Now()
		for i := range list {
			f := &flight{s: list[i], done: make(chan struct{})}
			if f.room = f.s.Want.Wants(p.Publication); f.room {
				select {
				case w.room <- struct{}{}:
				case <-ctx.Done():
					return nil
				}
				go func() {
					defer close(f.done)
					if f.unwanted = !w.still(out, p, f, read); !f.unwanted {
						f.reply = w.t.tell(out, page, p.Publication, &f.s)
					}
				}()
			} else {
				f.unwanted = true
				close(f.done)
			}
			select {
			case flights <- f:
			case <-ctx.Done():
				if !f.room {
					return nil
				}
				flights <- f // under way: it is waited for
				return nil
			}
			after = f.s.ID
		}
		if len(list) < readAtOnce {
			w.last = true
			return nil
		}
	}
}

// fresh is how long what was read of a subscriber is good for. With a mail server
// that is slow, the last of those who were read at once come minutes later.
const fresh = time.Second

// still says whether somebody who was read before wants to be told now.
func (w *walk) still(ctx context.Context, p *visitor.Part, f *flight, read time.Time) bool {
	// An address that is told as a subscriber of the page is not told twice.
	if twice, err := w.t.o.Store.ToldAnyway(ctx, &f.s, p.Publication); err == nil && twice {
		return false
	}
	if w.t.o.Now().Sub(read) < fresh {
		return true
	}
	s, err := w.t.o.Store.Subscriber(ctx, f.s.ID)
	switch {
	case errors.Is(err, fault.ErrNotFound):
		return false
	case err != nil: // what was read before is all that is known
		return true
	}
	f.s = s
	return !s.Confirmed.IsZero() && s.Want.Wants(p.Publication)
}

// await waits for a subscriber. One who takes long must not cost the lease.
func (w *walk) await(ctx context.Context, f *flight) error {
	renew := time.NewTicker(w.t.o.Lease / 3)
	defer renew.Stop()
	for {
		select {
		case <-f.done:
			return nil
		case <-renew.C:
			if err := w.advance(ctx, visitor.Step{Position: w.p.Position}); err != nil {
				return err
			}
		}
	}
}

func (w *walk) free(batch []*flight) {
	for _, f := range batch {
		if f.room {
			<-w.room
		}
	}
}

// note writes down what became of some, the first of those that are not noted yet.
func (w *walk) note(ctx context.Context, batch []*flight, doubtful *int) error {
	defer w.free(batch)
	s := visitor.Step{Position: batch[len(batch)-1].s.ID, Problems: map[string]int{}}
	now := w.t.o.Now()
	for _, f := range batch {
		r := &f.reply
		switch {
		case f.unwanted:
			s.Unwanted++
			continue
		case r.Verdict == Sent:
			s.Sent++
			if *doubtful > 0 {
				s.Repeats++
			}
			if f.s.Failures > 0 {
				s.Healed = append(s.Healed, f.s.ID)
			}
		case r.Verdict == Gone:
			s.Gone = append(s.Gone, visitor.Gone{ID: f.s.ID, Why: r.Detail})
			s.Problems[r.Detail]++
		case r.Verdict == Failed:
			s.Failed++
			s.Ailing = append(s.Ailing, f.s.ID)
			s.Problems[r.Detail]++
		default:
			if r.Verdict == Down {
				w.down = r.Detail
			}
			s.Retry = append(s.Retry, visitor.Retry{SubscriberID: f.s.ID, Attempt: 1, Due: now.Add(max(w.t.wait(1), r.After)), Detail: r.Detail})
		}
		*doubtful--
	}
	return w.advance(ctx, s)
}

// advance notes a step. The database may be away for a moment: as long as the
// lease holds it is tried again, since giving up would tell some twice.
func (w *walk) advance(ctx context.Context, s visitor.Step) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.t.o.Lease/2)
	defer cancel()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := w.t.o.Store.AdvancePart(ctx, w.p, s, w.t.o.Lease)
		if err == nil || errors.Is(err, fault.ErrNotFound) {
			return err
		}
		w.t.o.Log.Warn("who was told could not be noted yet", "publication_id", w.p.Publication.ID, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

func (w *walk) release(ctx context.Context, after time.Duration, waits string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.t.o.Drain)
	defer cancel()
	err := w.t.o.Store.ReleasePart(ctx, w.p, w.t.o.Now().Add(after), waits)
	if errors.Is(err, fault.ErrNotFound) {
		return nil
	}
	return err
}
