package writeback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/source"
)

// The times of one delivery.
const (
	callTime   = 5 * time.Second // one call of an engine
	firstLook  = 300 * time.Millisecond
	handAgain  = 30 * time.Second // a command whose trace is not there after it is handed over once more
	maxHanded  = 3                // how often in all
	defConfirm = 120 * time.Second
	lastWords  = 2 * time.Minute // how long before a delivery's end it is said that it is not confirmed: longer than any wait
)

// maxWords is how many bytes of an engine's words are shown.
const maxWords = 500

// errNothing ends a delivery whose event asks for nothing that an engine does.
var errNothing = errors.New("the event asks an engine for nothing")

// job is one delivery in work.
type job struct {
	w *Writer
	e *engine
	m channel.Message
	c source.Command
	n note
}

// note is what a delivery keeps from one attempt to the next.
type note struct {
	Done   int    `json:"d,omitempty"` // how often it was handed over
	Handed int64  `json:"h,omitempty"` // when last, in Unix milliseconds
	Told   bool   `json:"u,omitempty"` // it was said that it is not confirmed
	Engine string `json:"e,omitempty"` // what the engine noted
}

// maxEngineNote keeps a note within the 500 bytes that a delivery has for it.
const maxEngineNote = 400

func readNote(s string) (n note) {
	if json.Unmarshal([]byte(s), &n) != nil {
		return note{} // empty at first; lost after a crash
	}
	return n
}

func (n note) String() string {
	if len(n.Engine) > maxEngineNote {
		n.Engine = ""
	}
	b, err := json.Marshal(n)
	if err != nil || string(b) == "{}" {
		return ""
	}
	return string(b)
}

// verbs is what an event asks an engine for.
var verbs = map[alert.Type]source.Verb{
	alert.Acknowledgement:  source.Acknowledge,
	alert.Unacknowledged:   source.Unacknowledge,
	alert.Comment:          source.Comment,
	alert.ScheduleDowntime: source.ScheduleDowntime,
	alert.CancelDowntime:   source.CancelDowntime,
	alert.Recovery:         source.Release, // of what was kept for an acknowledgement
	alert.Problem:          source.Release, // likewise: the state changed, which ended it
}

// one does one delivery: looks what became of it if it may have been handed over
// before, and hands it over if it was not.
func (w *Writer) one(ctx context.Context, e *engine, m channel.Message) error {
	verb, ok := verbs[m.Event.Type]
	if !ok {
		return channel.Permanent(fmt.Errorf("%w: %s", errNothing, m.Event.Type))
	}
	j := &job{w: w, e: e, m: m, n: readNote(m.Note)}
	j.c = source.Command{
		ID: m.DeliveryID, EventID: m.Event.ID, Verb: verb, Object: m.Object, AlertID: m.Event.AlertID,
		Author: m.Event.Author, Comment: m.Event.Comment, Sticky: m.Event.Sticky, Until: m.Event.Until,
		From: m.Asked, Note: j.n.Engine,
	}
	if m.Alert != nil {
		j.c.AlertID, j.c.Since = m.Alert.ID, m.Alert.Since
		if a := m.Alert.Ack; verb == source.Acknowledge && a != nil && a.EventID == m.Event.ID && a.Confirmation == alert.Confirmed {
			e.settled(m.DeliveryID)
			return channel.Accepted("the engine reported it")
		}
	}
	if j.c.From.IsZero() {
		j.c.From = m.Event.Time
	}
	e.waits(m.DeliveryID, w.o.Now())
	if now := w.o.Now(); verb == source.CancelDowntime && e.scheduling(m.Object.ID, now) {
		return j.failed(ctx, now, errors.New("the downtime is still to be scheduled"), afterEarlier)
	}
	if m.Handed || m.Attempt > 1 || j.n.Done > 0 {
		if over, err := j.check(ctx); over {
			return err
		}
	}
	return j.do(ctx)
}

// check looks what became of what was handed over. It is over when there is
// nothing to hand over now; then err is what becomes of the delivery.
func (j *job) check(ctx context.Context) (over bool, err error) {
	reply, err := j.e.check(ctx, j.c, j.w.o.Now)
	now := j.w.o.Now()
	j.keep(reply)
	known := j.n.Done > 0 || j.m.Handed // else nobody knows: a crash, or it failed
	switch {
	case err == nil && (reply.Confirmation == alert.Confirmed || reply.Confirmation == alert.Refused):
		return true, j.end(ctx, reply)
	case !known:
		return false, nil
	case err == nil && reply.Words == "":
		return true, j.unreadable(ctx, now)
	case err == nil && now.Sub(j.handed()) >= handAgain && j.n.Done < maxHanded:
		return false, nil // it is not there
	}
	words := reply.Words
	if err != nil {
		words = err.Error()
	}
	if j.late(now) {
		said := fmt.Sprintf("handed over at %s, but %s does not show it: %s", clock(j.handed()), j.name(), words)
		if err := j.unconfirmed(ctx, said); err != nil {
			return true, err
		}
	}
	return true, j.handedOver(now)
}

// unreadable is the answer for an engine that takes commands and cannot be read:
// it waits for the engine's own event, and no longer than for a confirmation.
func (j *job) unreadable(ctx context.Context, now time.Time) error {
	if left := lateAt(j.m, j.e.confirm()).Sub(now); left > 0 {
		return channel.Noted(channel.Handed(fmt.Sprintf("handed to %s; its own event would confirm it", j.name()), min(left, 10*time.Second)), j.n.String())
	}
	words := "handed over at " + clock(j.handed()) + "; this engine cannot be read, so it is not known"
	if err := j.unconfirmed(ctx, words); err != nil {
		return err
	}
	j.e.settled(j.m.DeliveryID)
	return channel.Accepted(words)
}

// do hands the command over.
func (j *job) do(ctx context.Context) error {
	reply, err := j.e.do(ctx, j.c, j.w.o.Now)
	now := j.w.o.Now()
	var wait *pausing
	switch {
	case errors.As(err, &wait):
		return j.failed(ctx, now, wait.err, wait.left)
	case errors.Is(err, source.ErrNotYet):
		return j.again(err, time.Second)
	case err != nil:
		return j.failed(ctx, now, err, 0)
	}
	j.keep(reply)
	j.n.Done++
	j.n.Handed = now.UnixMilli()
	if j.c.Verb == source.ScheduleDowntime {
		j.e.scheduled(j.m.Object.ID, j.m.DeliveryID)
	}
	if reply.Confirmation == alert.Confirmed || reply.Confirmation == alert.Refused {
		return j.end(ctx, reply)
	}
	return j.handedOver(now)
}

// failed is the answer for a command that could not be handed over.
func (j *job) failed(ctx context.Context, now time.Time, err error, atLeast time.Duration) error {
	wait := max(atLeast, retryWait(now.Sub(j.m.Asked)))
	if j.c.Verb == source.ScheduleDowntime {
		j.e.holds(j.m.Object.ID, j.m.DeliveryID, now.Add(wait+callTime))
	}
	if j.late(now) {
		words := fmt.Sprintf("could not be handed over: %s; it is tried again until %s", err, day(j.m.ExpiresAt))
		if err := j.unconfirmed(ctx, words); err != nil {
			return err
		}
	}
	return j.again(fmt.Errorf("could not be handed over: %w", err), j.inTime(now, wait))
}

// again tries the delivery once more after d.
func (j *job) again(err error, d time.Duration) error {
	return channel.Noted(channel.RetryAfter(err, d), j.n.String())
}

// handedOver waits for the engine to show it.
func (j *job) handedOver(now time.Time) error {
	since := now.Sub(j.handed())
	return channel.Noted(channel.Handed(fmt.Sprintf("handed to %s; waiting for its confirmation", j.name()), j.inTime(now, lookWait(since))), j.n.String())
}

// end ends the delivery with what the engine made of it.
func (j *job) end(ctx context.Context, r source.Reply) error {
	words, _, _ := source.Text(r.Words, maxWords)
	if err := j.answer(ctx, r.Confirmation, words); err != nil {
		return err
	}
	j.e.settled(j.m.DeliveryID)
	if words != "" {
		words = ": " + words
	}
	if r.Confirmation == alert.Refused {
		return channel.Noted(channel.Permanent(fmt.Errorf("refused by %s%s", j.name(), words)), j.n.String())
	}
	return channel.Noted(channel.Accepted("confirmed by "+j.name()+words), j.n.String())
}

// unconfirmed says, once, that it is not known whether the engine has done it.
func (j *job) unconfirmed(ctx context.Context, words string) error {
	if j.n.Told {
		return nil
	}
	words, _, _ = source.Text(words, maxWords)
	if err := j.answer(ctx, alert.Unconfirmed, words); err != nil {
		return err
	}
	j.n.Told = true
	return nil
}

// answer tells the desk. What cannot be told now is found out again.
func (j *job) answer(ctx context.Context, c alert.Confirmation, words string) error {
	if j.c.Verb == source.Release {
		return nil // nobody has asked for it
	}
	err := j.w.o.Desk.Answer(ctx, dispatch.Answer{AlertID: j.c.AlertID, EventID: j.c.EventID, Confirmation: c, Words: words})
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return j.again(fmt.Errorf("note what became of it: %w", err), time.Second)
	}
	return nil
}

// off ends a delivery whose source is told nothing any more.
func (w *Writer) off(ctx context.Context, m channel.Message) error {
	words := m.DestinationName + " is not told any more what is done here"
	j := &job{w: w, m: m, c: source.Command{EventID: m.Event.ID, AlertID: m.Event.AlertID, Verb: verbs[m.Event.Type]}}
	if m.Alert != nil {
		j.c.AlertID = m.Alert.ID
	}
	if err := j.answer(ctx, alert.Unconfirmed, words); err != nil {
		return err
	}
	return channel.Moot(errors.New(words))
}

// keep keeps what the engine noted.
func (j *job) keep(r source.Reply) {
	if r.Note != "" {
		j.n.Engine = r.Note
		j.c.Note = r.Note
	}
}

// handed is when it was handed over last, as far as is known.
func (j *job) handed() time.Time {
	if j.n.Handed == 0 {
		return j.m.Asked
	}
	return time.UnixMilli(j.n.Handed)
}

// lateAt is when a command should have been confirmed: after a time, and in any case
// before it is tried no more.
func lateAt(m channel.Message, confirm time.Duration) time.Time {
	at := m.Asked.Add(confirm)
	if last := m.ExpiresAt.Add(-lastWords); !m.ExpiresAt.IsZero() && last.Before(at) {
		return last
	}
	return at
}

// late says whether it should have been confirmed by now.
func (j *job) late(now time.Time) bool { return !now.Before(lateAt(j.m, j.e.confirm())) }

// inTime is the wait, shortened to the moment at which it is late.
func (j *job) inTime(now time.Time, wait time.Duration) time.Duration {
	if left := lateAt(j.m, j.e.confirm()).Sub(now); !j.n.Told && left > 0 {
		return min(wait, left)
	}
	return wait
}

// name is the source's, for people.
func (j *job) name() string {
	if j.m.DestinationName != "" {
		return j.m.DestinationName
	}
	return j.e.name()
}

// lookWait is the wait until the engine is looked at again, so long after a
// command was handed over.
func lookWait(since time.Duration) time.Duration {
	return step(since, []rung{
		{time.Second, firstLook}, {3 * time.Second, time.Second}, {8 * time.Second, 2 * time.Second}, {20 * time.Second, 5 * time.Second},
		{time.Minute, 10 * time.Second}, {3 * time.Minute, 20 * time.Second}, {10 * time.Minute, 30 * time.Second},
	})
}

// retryWait is the wait until an engine that could not be told is tried again, so
// long after it was asked for.
func retryWait(since time.Duration) time.Duration {
	return step(since, []rung{
		{5 * time.Second, time.Second}, {20 * time.Second, 2 * time.Second}, {time.Minute, 5 * time.Second},
		{5 * time.Minute, 10 * time.Second}, {30 * time.Minute, 30 * time.Second},
	})
}

type rung struct{ below, wait time.Duration }

func step(since time.Duration, ladder []rung) time.Duration {
	for _, r := range ladder {
		if since < r.below {
			return r.wait
		}
	}
	return time.Minute
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05 MST") }

func day(t time.Time) string { return t.UTC().Format("15:04 MST on 2 January") }
