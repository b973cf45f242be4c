// Package box is what a push service does whatever language it speaks with
// browsers: it knows subscriptions, takes messages for them from application
// servers by RFC 8030 and 8292, is as strict about these as the vendors are, and
// keeps each message until the browser has acknowledged it, a later one with the
// same topic has replaced it, or its time has run out.
//
// A test looks at what came and waits for it:
//
//	err := b.Until(ctx, func() bool { return len(b.Pushes(token)) == 2 })
package box

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// MaxBody is the largest body in bytes that a push service must take
// (RFC 8030, 7.2), and the largest that these take.
const MaxBody = 4096

// maxTTL is the longest time that a message is kept: Mozilla's 30 days.
const maxTTL = 30 * 24 * time.Hour

// Rules are what the vendors do differently.
type Rules struct {
	// Token takes a subscription's token out of a request's path.
	Token func(path string) (token string, ok bool)
	// Unknown and Unauthorized are the statuses for a token that was never
	// given out, and for a VAPID header that does not fit.
	Unknown, Unauthorized int
	// Refuse writes an answer that is no success, as the vendor words it.
	Refuse func(w http.ResponseWriter, status int, reason string)
}

// Message is one message on its way to a browser.
type Message struct {
	ID       string
	Token    string
	Channel  string // the vendor's own name of the subscription
	Topic    string
	Encoding string
	TTL      time.Duration
	Body     []byte // encrypted

	expires time.Time
}

// Push is one request of an application server, and its answer.
type Push struct {
	Token   string
	Status  int
	Reason  string // why it was refused
	TTL     string // the headers, as they came
	Urgency string
	Topic   string
	Type    string // Content-Type
	Bytes   int
	Key     string // the server's key as it named it, base64url
	Subject string // the token's sub
	Proto   string // "HTTP/2.0"
	Online  bool   // the browser was there
	At      time.Time
}

// Answer is what a subscription is told to answer instead of the truth.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

type subscription struct {
	agent, channel string
	key            []byte // 65 bytes; nil takes any server
	gone           bool
	faults         []Answer
}

// connection is a browser that is there; its fields tell two of them apart.
type connection struct{ send func(*Message) error }

// Box is the store of one push service.
type Box struct {
	rules Rules

	mu       sync.Mutex
	subs     map[string]*subscription
	waiting  map[string][]*Message // by agent, oldest first
	online   map[string]*connection
	pushes   []Push
	faults   []Answer
	ahead    time.Duration // how far its clock was moved
	handed   map[string]int
	replaced int
	expired  int
	changed  chan struct{} // closed and made anew at each change
}

// New is an empty box.
func New(rules Rules) *Box {
	return &Box{
		rules: rules, subs: map[string]*subscription{}, waiting: map[string][]*Message{},
		online: map[string]*connection{}, handed: map[string]int{}, changed: make(chan struct{}),
	}
}

// Token answers n random bytes in hex.
func Token(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand never fails
	return hex.EncodeToString(b)
}

// tell wakes those that wait. The lock is held.
func (b *Box) tell() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Subscribe gives out a token: messages for it go to the agent (a browser's
// profile), under the vendor's name for the subscription. key is the
// applicationServerKey that it was made with.
func (b *Box) Subscribe(token, agent, channel string, key []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs[token] = &subscription{agent: agent, channel: channel, key: slices.Clone(key)}
	b.tell()
}

// Unsubscribe ends all subscriptions of the agent that fit; their tokens
// answer 410 from now on.
func (b *Box) Unsubscribe(agent string, fits func(channel string, key []byte) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for token, s := range b.subs {
		if s.agent != agent || !fits(s.channel, s.key) {
			continue
		}
		s.gone = true
		b.waiting[agent] = slices.DeleteFunc(b.waiting[agent], func(m *Message) bool { return m.Token == token })
	}
	b.tell()
}

// Drop ends one subscription, as if its browser had.
func (b *Box) Drop(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.subs[token]; s != nil {
		s.gone = true
	}
	b.tell()
}

// Connect says that an agent's browser is there: what waits for it is sent at
// once, and what comes later when it comes. The function that it answers is
// to be called when the browser leaves.
func (b *Box) Connect(agent string, send func(*Message) error) (leave func()) {
	c := &connection{send}
	b.mu.Lock()
	b.online[agent] = c
	b.expire(agent)
	backlog := slices.Clone(b.waiting[agent])
	b.tell()
	b.mu.Unlock()
	for _, m := range backlog {
		b.hand(c, m)
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.online[agent] == c {
			delete(b.online, agent)
		}
		b.tell()
	}
}

// hand sends a message to a browser. One that has just left gets it again
// when it is back.
func (b *Box) hand(c *connection, m *Message) {
	if c.send(m) != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handed[m.Token]++
	b.tell()
}

// Acknowledge forgets messages that the agent's browser has.
func (b *Box) Acknowledge(agent string, ids ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[agent] = slices.DeleteFunc(b.waiting[agent], func(m *Message) bool { return slices.Contains(ids, m.ID) })
	b.tell()
}

// expire drops what is too old. The lock is held.
func (b *Box) expire(agent string) {
	now := time.Now().Add(b.ahead)
	had := len(b.waiting[agent])
	b.waiting[agent] = slices.DeleteFunc(b.waiting[agent], func(m *Message) bool { return !now.Before(m.expires) })
	b.expired += had - len(b.waiting[agent])
}

// Advance moves the clock by which messages expire.
func (b *Box) Advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ahead += d
	for agent := range b.waiting {
		b.expire(agent)
	}
	b.tell()
}

// Fail makes the next requests for a token, or for any if it is empty, end
// with these answers, one each.
func (b *Box) Fail(token string, answers ...Answer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if token == "" {
		b.faults = append(b.faults, answers...)
		return nil
	}
	s := b.subs[token]
	if s == nil {
		return fmt.Errorf("fail %q: no such subscription", token)
	}
	s.faults = append(s.faults, answers...)
	return nil
}

// Pushes answers the requests that came for a token so far, or all of them if
// it is empty, in their order.
func (b *Box) Pushes(token string) []Push {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Push
	for _, p := range b.pushes {
		if token == "" || p.Token == token {
			out = append(out, p)
		}
	}
	return out
}

// Accepted is how many messages were taken for a token.
func (b *Box) Accepted(token string) int {
	n := 0
	for _, p := range b.Pushes(token) {
		if p.Status == http.StatusCreated {
			n++
		}
	}
	return n
}

// Waiting answers what the browser of a token has not acknowledged yet.
func (b *Box) Waiting(token string) []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Message
	if s := b.subs[token]; s != nil {
		for _, m := range b.waiting[s.agent] {
			if m.Token == token {
				out = append(out, *m)
			}
		}
	}
	return out
}

// Handed is how many messages were given to the browser of a token.
func (b *Box) Handed(token string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.handed[token]
}

// Replaced and Expired are how many messages never reached a browser for
// these reasons.
func (b *Box) Replaced() int { b.mu.Lock(); defer b.mu.Unlock(); return b.replaced }

// Expired is how many ran out of time.
func (b *Box) Expired() int { b.mu.Lock(); defer b.mu.Unlock(); return b.expired }

// Online says whether the browser of a token is there.
func (b *Box) Online(token string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.subs[token]
	return s != nil && b.online[s.agent] != nil
}

// Gone says whether the subscription was given out and has ended.
func (b *Box) Gone(token string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.subs[token]
	return s != nil && s.gone
}

// Tokens answers those that are in use.
func (b *Box) Tokens() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for token, s := range b.subs {
		if !s.gone {
			out = append(out, token)
		}
	}
	slices.Sort(out)
	return out
}

// Until waits until ok says yes; it is asked after each change. The error says
// what had come instead.
func (b *Box) Until(ctx context.Context, ok func() bool) error {
	for {
		b.mu.Lock()
		changed := b.changed
		b.mu.Unlock()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w; the push service got %s", ctx.Err(), b)
		}
	}
}

// String lists the requests, for an error message.
func (b *Box) String() string {
	pushes := b.Pushes("")
	if len(pushes) == 0 {
		return "nothing"
	}
	var out []byte
	for _, p := range pushes {
		out = fmt.Appendf(out, "\n  %.12s… %d %s ttl %s urgency %s topic %s, %d bytes, online %v", p.Token, p.Status, p.Reason, p.TTL, p.Urgency, p.Topic, p.Bytes, p.Online)
	}
	return string(out)
}
