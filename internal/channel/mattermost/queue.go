package mattermost

import (
	"context"
	"sync"

	"tocsin/internal/channel"
)

// subject is what messages are about at one destination: they share a post, so
// one must not overtake another.
type subject struct{ destination, about string }

func subjectOf(m *channel.Message) subject {
	if m.Alert != nil {
		return subject{m.Destination, m.Alert.ID}
	}
	return subject{m.Destination, "object " + m.Object.ID}
}

// queue keeps messages about one subject in their order over several calls of
// SendAll. A call takes its tickets all at once, so no two calls ever wait for
// each other. The zero value is ready.
type queue struct {
	mu   sync.Mutex
	last map[subject]*ticket // the newest of each subject that is not over
}

type ticket struct {
	q      *queue
	about  subject
	before <-chan struct{} // closed when the one before is over; nil: there is none
	over   chan struct{}
}

// enter takes a ticket for each message.
func (q *queue) enter(msgs []channel.Message) []*ticket {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last == nil {
		q.last = map[subject]*ticket{}
	}
	out := make([]*ticket, len(msgs))
	for i := range msgs {
		t := &ticket{q: q, about: subjectOf(&msgs[i]), over: make(chan struct{})}
		if p := q.last[t.about]; p != nil {
			t.before = p.over
		}
		q.last[t.about], out[i] = t, t
	}
	return out
}

// wait returns when it is this one's turn.
func (t *ticket) wait(ctx context.Context) error {
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

// leave lets the next one go. Each ticket must be left, also one that was not
// waited for to the end.
func (t *ticket) leave() {
	t.q.mu.Lock()
	defer t.q.mu.Unlock()
	if t.q.last[t.about] == t {
		delete(t.q.last, t.about)
	}
	close(t.over)
}
