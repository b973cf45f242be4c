package openitcockpit

import (
	"context"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// maxWatched is how many pages are read in one round: each costs openITCOCKPIT
// a request of its own.
const maxWatched = 20

// Watch reads the pages of some of the acknowledgements, others in each round,
// and says of the rest that it cannot be told.
func (e *engine) Watch(ctx context.Context, acks []source.Command) ([]source.Reply, error) {
	replies := make([]source.Reply, len(acks))
	for i := range replies {
		replies[i].Confirmation = alert.Pending
	}
	e.mu.Lock()
	first := e.turn
	e.turn += maxWatched
	if e.turn >= len(acks) {
		e.turn = 0
	}
	e.mu.Unlock()
	for i := first; i < min(first+maxWatched, len(acks)); i++ {
		s, readable, err := e.status(ctx, acks[i].Object)
		switch {
		case err != nil:
			return nil, err
		case !readable:
		case s.Acknowledged:
			replies[i].Confirmation = alert.Confirmed
		case s.State != nil && *s.State == 0:
			replies[i] = source.Reply{Confirmation: alert.Refused, Words: "openITCOCKPIT shows no problem any more", Recovered: true}
		default:
			replies[i] = source.Reply{Confirmation: alert.Refused, Words: "the acknowledgement was removed in openITCOCKPIT"}
		}
	}
	return replies, nil
}
