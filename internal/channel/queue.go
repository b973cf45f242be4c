package channel

import (
	"context"
	"sync"
)

// Subject is what messages are about at one destination: one must not overtake
// another.
type Subject struct{ Destination, About string }

// SubjectOf is what a message is about: its alert, its storm, or its object.
func SubjectOf(m *Message) Subject {
	switch {
	case m.Digest != nil:
		return Subject{m.Destination, "storm " + m.Digest.Storm}
	case m.Alert != nil:
		return Subject{m.Destination, m.Alert.ID}
	}
	return Subject{m.Destination, "object " + m.Object.ID}
}

// Queue keeps messages about one subject in their order over several calls of
// SendAll. A call takes its tickets all at once, so no two calls ever wait for
// each other. The zero value is ready.
type Queue struct {
	mu   sync.Mutex
	last map[Subject]*Ticket // the newest of each subject that is not over
}

// Ticket is a message's place in a Queue.
type Ticket struct {
	q      *Queue
	about  Subject
	before <-chan struct{} // closed when the one before is over; nil: there is none
	over   chan struct{}
}

// Enter takes a ticket for each message.
func (q *Queue) Enter(msgs []Message) []*Ticket {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last == nil {
		q.last = map[Subject]*Ticket{}
	}
	out := make([]*Ticket, len(msgs))
	for i := range msgs {
		t := &Ticket{q: q, about: SubjectOf(&msgs[i]), over: make(chan struct{})}
		if p := q.last[t.about]; p != nil {
			t.before = p.over
		}
		q.last[t.about], out[i] = t, t
	}
	return out
}

// Wait returns when it is this one's turn.
func (t *Ticket) Wait(ctx context.Context) error {
	if t.before == nil {
		return ctx.Err()
	}
	select {
	case <-t.before:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave lets the next one go. Each ticket must be left, also one that was not
// waited for to the end.
func (t *Ticket) Leave() {
	t.q.mu.Lock()
	defer t.q.mu.Unlock()
	if t.q.last[t.about] == t {
		delete(t.q.last, t.about)
	}
	close(t.over)
}
