package webpush

import (
	"context"
	"strings"
	"sync"
	"time"

	"tocsin/internal/push"
)

// messages are the payloads of one publication, one a language.
type messages struct {
	publication *push.Publication
	base        string
	retry       time.Duration // the first wait

	mu   sync.Mutex
	made map[string]message // by the language of the text; no more than it has texts
}

type message struct {
	payload []byte
	pad     int
}

func (f *Fanout) messages(p *push.Publication) *messages {
	return &messages{publication: p, base: f.o.BaseURL, retry: f.o.Retry, made: map[string]message{}}
}

// in answers the message for a device's language.
func (m *messages) in(language string) message {
	language = textLanguage(m.publication, language)
	m.mu.Lock()
	defer m.mu.Unlock()
	out, ok := m.made[language]
	if !ok {
		out.payload = PublicationPayload(m.publication, language, m.base)
		out.pad = Padded(out.payload)
		m.made[language] = out
	}
	return out
}

// item is the message to one device.
func (m *messages) item(sub *push.Subscription, ttl time.Duration) Item {
	p, msg := m.publication, m.in(sub.Language)
	return Item{Sub: sub, Payload: msg.payload, Pad: msg.pad, TTL: ttl, Urgency: p.Urgency, Topic: m.topic()}
}

// topic lets a repeated message, or a later one of the same matter, take the
// place of one that was not delivered yet.
func (m *messages) topic() string {
	if m.publication.Topic == "" {
		return Topic("publication " + m.publication.ID)
	}
	return Topic(m.publication.Topic)
}

// left is how long the publication is still of use; false when it is not.
func (m *messages) left(now time.Time) (time.Duration, bool) {
	end := m.publication.Expires
	if end.IsZero() {
		return push.LongestLifetime, true
	}
	return end.Sub(now), end.After(now)
}

// again is when a device is tried again after so many tries; false when that
// would be too late. asked is what its service wants to be left alone for.
func (m *messages) again(now time.Time, tried int, asked time.Duration) (time.Time, bool) {
	wait := retryWait(m.retry, tried, asked)
	left, alive := m.left(now)
	if asked <= 0 && wait >= left {
		wait = left / 2 // a last time before the end
	}
	return now.Add(wait), alive && wait < left && left > time.Second
}

// page sends to those of subs who want the publication and notes in page what
// became of each. It takes no longer than PageTime: what is not sent by then is
// to be tried again alone, as is what a service does not take now.
func (f *Fanout) page(ctx context.Context, m *messages, subs []push.Subscription, page *push.Page) {
	ttl, alive := m.left(f.o.Now())
	items := make([]Item, 0, len(subs))
	apart := f.slow.among(subs)
	for i := range subs {
		sub := &subs[i]
		switch {
		case !sub.Wants(m.publication):
			page.Unwanted++
		case !alive:
			page.Expired++
		case apart[originOf(sub.Endpoint)]:
			f.later(m, page, sub, 0, Result{Verdict: Paused, Detail: "not sent yet: its push service is slow"})
		default:
			items = append(items, m.item(sub, ttl))
		}
	}
	results := f.send(ctx, items)
	for i, r := range results {
		f.tally(m, page, items[i].Sub, r)
	}
}

// send sends items within PageTime and answers what became of each.
func (f *Fanout) send(ctx context.Context, items []Item) []Result {
	if len(items) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.o.PageTime)
	defer cancel()
	results := make([]Result, len(items))
	f.sender.SendAll(ctx, items, func(i int, r Result) { results[i] = r })
	f.slow.note(items, results, ctx.Err() == context.DeadlineExceeded)
	return results
}

// tally notes one device's result.
func (f *Fanout) tally(m *messages, page *push.Page, sub *push.Subscription, r Result) {
	switch r.Verdict {
	case Sent:
		page.Sent++
		if sub.Failures > 0 {
			page.Healed = append(page.Healed, sub.ID)
		}
	case Gone:
		page.Gone = append(page.Gone, sub.ID)
	case Again:
		f.later(m, page, sub, 1, r)
	case Paused:
		f.later(m, page, sub, 0, r)
	default:
		page.Failed++
		problem(page, r.Detail)
	}
}

// later makes a device one that is tried again alone, unless the publication
// is of no use by then.
func (f *Fanout) later(m *messages, page *push.Page, sub *push.Subscription, tried int, r Result) {
	due, ok := m.again(f.o.Now(), tried, r.After)
	if !ok {
		page.Expired++
		problem(page, r.Detail)
		return
	}
	if r.Repeat {
		page.Repeats++
	}
	page.Retry = append(page.Retry, push.Retry{
		PublicationID: m.publication.ID, SubscriptionID: sub.ID, Attempt: tried, Due: due, Detail: r.Detail,
	})
}

// mostProblems is how many different ones a page tells apart.
const mostProblems = 20

func problem(page *push.Page, detail string) {
	if page.Problems == nil {
		page.Problems = map[string]int{}
	}
	if _, known := page.Problems[detail]; !known && len(page.Problems) >= mostProblems {
		detail = "other reasons"
	}
	page.Problems[detail]++
}

// slowOrigins are the push services that did not take their part of a page in
// time. While one is in here, pages that also hold others' devices leave its
// devices to the retries, so that it does not hold up the others.
type slowOrigins struct {
	mu    sync.Mutex
	until map[string]time.Time
}

const (
	slowFor     = 30 * time.Second
	mostSlow    = 256
	probablySet = 8 // items of one service in a page, from which its time-out says something
)

// among answers which services of a page are to be left to the retries; nil
// where all its devices are with slow ones, as there is nobody to hold up.
func (s *slowOrigins) among(subs []push.Subscription) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.until) == 0 {
		return nil
	}
	now := time.Now()
	out := map[string]bool{}
	others := false
	for i := range subs {
		origin := originOf(subs[i].Endpoint)
		until, slow := s.until[origin]
		if slow && now.Before(until) {
			out[origin] = true
		} else {
			others = true
			delete(s.until, origin)
		}
	}
	if !others {
		return nil
	}
	return out
}

// note learns from what was sent: late says that time was over before all was.
func (s *slowOrigins) note(items []Item, results []Result, late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !late {
		// All were in time, so none of these is slow any more.
		for i := 0; i < len(items) && len(s.until) > 0; i++ {
			delete(s.until, originOf(items[i].Sub.Endpoint))
		}
		return
	}
	unsent := map[string]int{}
	for i, r := range results {
		if r.Verdict == Again && r.Status == 0 {
			unsent[originOf(items[i].Sub.Endpoint)]++
		}
	}
	if s.until == nil {
		s.until = map[string]time.Time{}
	}
	for origin, n := range unsent {
		if n >= probablySet && len(s.until) < mostSlow {
			s.until[origin] = time.Now().Add(slowFor)
		}
	}
}

// originOf is the part of an endpoint before its path.
func originOf(endpoint string) string {
	const scheme = len("https://")
	if len(endpoint) < scheme {
		return endpoint
	}
	if i := strings.IndexByte(endpoint[scheme:], '/'); i >= 0 {
		return endpoint[:scheme+i]
	}
	return endpoint
}

// origins are those of the devices, each once.
func origins(subs []push.Subscription) []string {
	var out []string
	seen := map[string]bool{}
	for i := range subs {
		if o := originOf(subs[i].Endpoint); !seen[o] {
			seen[o] = true
			out = append(out, o)
		}
	}
	return out
}
