package webpush

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"tocsin/internal/channel"
)

// Alerts of many people go by one worker, and their push services have nothing
// to do with each other: one that takes requests and does not answer must not
// keep the others waiting.
const (
	// lanes is how many calls of the channel's SendAll run at the same time.
	lanes = 32
	// patience is how long one call waits for answers. A push service in order
	// gives them within a second, also over a connection that is new. What has
	// none by then is sent again; topic and tag make that one message.
	patience = 5 * time.Second
	// silence is how long a service with requests on the way may say nothing
	// until no others are sent to it.
	silence = 2 * time.Second
)

var errAfterEarlier = errors.New("not sent: an earlier message about it is still on its way to the device")

// subject is what messages are about on one device: later ones replace earlier
// ones, so they must not overtake each other.
type subject struct{ device, tag string }

// way is what calls of SendAll are sending. The zero value is ready.
type way struct {
	mu      sync.Mutex
	busy    map[subject]bool
	changed chan struct{} // closed when something is not busy any more
}

// enter takes those letters that no other call is sending something about, and
// answers the others with a channel that is closed when it is worth another try.
// A call enters all letters about one thing, or none.
func (w *way) enter(letters []letter) (free, held []letter, change <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy == nil {
		w.busy, w.changed = map[subject]bool{}, make(chan struct{})
	}
	ours := map[subject]bool{}
	for _, l := range letters {
		if w.busy[l.about] && !ours[l.about] {
			held = append(held, l)
			continue
		}
		ours[l.about], w.busy[l.about] = true, true
		free = append(free, l)
	}
	return free, held, w.changed
}

// leave gives back what enter took.
func (w *way) leave(letters []letter) {
	if len(letters) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range letters {
		delete(w.busy, l.about)
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// notSilent answers the letters whose service is not silent, and gives the
// others an error.
func (c *Channel) notSilent(letters []letter, errs []error) []letter {
	now := c.sender.o.Now()
	var out []letter
	for _, l := range letters {
		host, since, ok := c.sender.silent(l.item.Sub.Endpoint, now)
		if !ok {
			out = append(out, l)
			continue
		}
		err := fmt.Errorf("not sent: %s has not answered for %d s", host, int(now.Sub(since).Seconds()))
		errs[l.index] = channel.RetryAfter(err, lookAgain)
	}
	return out
}

// silent says whether the service of an endpoint was asked and answers nobody,
// and since when. Every patience one message may go all the same: what is not
// answered may be one device's.
func (s *Sender) silent(endpoint string, now time.Time) (host string, since time.Time, ok bool) {
	s.mu.RLock()
	v := s.known[authorityOf(endpoint)]
	s.mu.RUnlock()
	if v == nil {
		return "", time.Time{}, false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.onTheWay == 0 || now.Sub(v.heard) <= silence {
		return "", time.Time{}, false
	}
	if now.Sub(v.heard) >= patience && now.Sub(v.letGo) >= patience {
		v.letGo = now
		return "", time.Time{}, false
	}
	return v.host, v.heard, true
}
