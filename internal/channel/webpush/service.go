package webpush

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/internal/push"
)

// Bounds of what a push service can make us do.
const (
	shortestPause = time.Second
	longestPause  = time.Hour // a service that asks for longer is asked again after this
	lookAgain     = 3 * time.Second
	// strikesToPause is how many failures in a row pause a service as a whole:
	// below that it may be the one device.
	strikesToPause = 5
	// opinions is how many devices a service must refuse our key for until
	// nobody else's message is tried. A visitor's browser that subscribed with
	// another key must not silence all the others.
	opinions = 3
	// endpoints is how many devices of a service are remembered as paused.
	endpoints = 10_000
)

// breakerSteps are how long a service that refuses our key is left alone: the
// first time, the second, and from then on.
func breakerSteps() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute}
}

// service is one push service (an origin) as it has answered so far.
type service struct {
	origin string // https://host[:port]
	host   string // for people

	mu       sync.Mutex
	used     time.Time
	total    push.ServiceFigures
	fresh    push.ServiceFigures // since they were last drained
	passes   map[string]*pass    // by key id
	breakers map[breakerKey]*breaker
	paused   map[uint64]spell // devices that are left alone

	// Failures that are not about a device: no answer, 5xx, or 429 for many.
	strikes int
	rounds  int // pauses without a success between
	until   time.Time
	why     string
	trying  bool // one request finds out whether it is over

	onTheWay int       // requests without an answer
	heard    time.Time // when one was answered, or the first of those on the way was sent

	thanks  string // see accepted
	thanked int
}

// spell is how long a device is left alone, and why.
type spell struct {
	until time.Time
	why   string
}

// pass is an Authorization header.
type pass struct {
	header  string
	subject string
	renew   time.Time
}

// breakerKey tells apart what can be refused by itself. Devices of visitors
// have a breaker of their own: anybody can make one, and alerts must not wait
// for what is wrong with them.
type breakerKey struct {
	key     string
	visitor bool
}

// breaker is open while a service refuses our key (401, 403). Nothing is
// deleted for that: the mend is a good key or subject.
type breaker struct {
	open    bool
	subject string // that it was refused with
	step    int
	until   time.Time
	why     string
	refused []uint64 // devices that it was refused for, at most opinions
	trying  bool
}

func newService(origin string) *service {
	return &service{
		origin: origin, host: strings.TrimPrefix(origin, "https://"),
		passes: map[string]*pass{}, breakers: map[breakerKey]*breaker{}, paused: map[uint64]spell{},
	}
}

// ticket lets one request through. Exactly one of answered and withdrawn is
// called for it.
type ticket struct {
	service *service
	breaker *breaker
	device  uint64
	header  string
	probe   bool // it finds out whether a pause or a breaker is over
}

// admit lets a message through, or says why not.
func (v *service) admit(sign *signer, subject string, visitor bool, device uint64, now time.Time) (ticket, Result, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.used = now
	wait := func(d time.Duration, why string) (ticket, Result, bool) {
		return ticket{}, Result{Verdict: Paused, After: max(d, shortestPause), Detail: why}, false
	}
	if now.Before(v.until) {
		return wait(v.until.Sub(now), v.why)
	}
	t := ticket{service: v, device: device}
	if v.rounds > 0 {
		if v.trying {
			return wait(lookAgain, v.why+"; it is being tried again")
		}
		t.probe = true
	}
	b := v.breakers[breakerKey{sign.key.ID, visitor}]
	if b == nil {
		b = &breaker{}
		v.breakers[breakerKey{sign.key.ID, visitor}] = b
	}
	t.breaker = b
	if b.open && b.subject != subject {
		for _, d := range b.refused {
			delete(v.paused, d)
		}
		*b = breaker{} // another subject: another try
	}
	if p, ok := v.paused[device]; ok {
		if now.Before(p.until) {
			return wait(p.until.Sub(now), p.why)
		}
		delete(v.paused, device)
	}
	if b.open {
		if b.trying {
			return wait(lookAgain, b.why+"; it is being tried again")
		}
		another := len(b.refused) < opinions && !slices.Contains(b.refused, device)
		if now.Before(b.until) && !another {
			return wait(b.until.Sub(now), b.why)
		}
		t.probe = true
	}
	header, err := v.pass(sign, subject, now)
	if err != nil {
		return ticket{}, Result{Verdict: Paused, After: time.Minute, Detail: "no header for push services could be made: " + err.Error()}, false
	}
	t.header = header
	if t.probe {
		v.trying, b.trying = v.rounds > 0, b.open
	}
	if v.onTheWay++; v.onTheWay == 1 {
		v.heard = now
	}
	return t, Result{}, true
}

// pass answers the header, which is made once for many messages.
func (v *service) pass(sign *signer, subject string, now time.Time) (string, error) {
	p := v.passes[sign.key.ID]
	if p != nil && p.subject == subject && now.Before(p.renew) && p.renew.Sub(now) <= passRenew {
		return p.header, nil
	}
	header, err := sign.authorization(v.origin, subject, now.Add(passLife))
	if err != nil {
		return "", err
	}
	v.passes[sign.key.ID] = &pass{header: header, subject: subject, renew: now.Add(passRenew)}
	return header, nil
}

// withdrawn gives a ticket back that was not used.
func (t *ticket) withdrawn() {
	t.service.mu.Lock()
	defer t.service.mu.Unlock()
	t.release()
}

// release takes the ticket's request off those on the way.
func (t *ticket) release() {
	t.service.onTheWay--
	if t.probe {
		t.service.trying, t.breaker.trying = false, false
	}
}

// well notes that the service works and takes our key. That is also known from
// answers about the device alone: gone, too large.
func (v *service) well(b *breaker) {
	v.alive()
	*b = breaker{refused: b.refused[:0]}
}

// alive notes that the service works.
func (v *service) alive() { v.strikes, v.rounds, v.until, v.why = 0, 0, time.Time{}, "" }

// refuse notes that the service does not take our key. It answers until when
// the device is to wait, and whether this is news.
func (t *ticket) refuse(subject, why string, now time.Time) (after time.Duration, news bool) {
	b, steps := t.breaker, breakerSteps()
	news = !b.open
	if !slices.Contains(b.refused, t.device) && len(b.refused) < opinions {
		b.refused = append(b.refused, t.device)
		defer func() { t.service.pauseDevice(t.device, spell{b.until, why}, now) }()
	}
	switch {
	case news:
		b.step = 0
	case !now.Before(b.until): // the time was over, and nothing is better
		b.step = min(b.step+1, len(steps)-1)
	}
	if news || !now.Before(b.until) {
		b.until = now.Add(steps[b.step])
	}
	b.open, b.subject, b.why = true, subject, why
	return b.until.Sub(now), news
}

// strike notes a failure that is about the service as a whole.
func (v *service) strike(why string, asked time.Duration, now time.Time) {
	if now.Before(v.until) {
		return // of the same wave
	}
	v.strikes++
	if v.strikes < strikesToPause && asked == 0 && v.rounds == 0 {
		return
	}
	d := asked
	if d == 0 {
		d = min(time.Second<<min(v.rounds+1, 6), time.Minute)
		d = d*3/4 + rand.N(d/2)
	}
	v.rounds++
	v.until, v.why = now.Add(bounded(d)), why
}

// pauseDevice leaves one device alone.
func (v *service) pauseDevice(device uint64, r spell, now time.Time) {
	if len(v.paused) >= endpoints {
		for d, p := range v.paused {
			if !now.Before(p.until) || len(v.paused) >= endpoints {
				delete(v.paused, d)
			}
		}
	}
	v.paused[device] = r
}

func bounded(d time.Duration) time.Duration { return min(max(d, shortestPause), longestPause) }

// count adds to both figures.
func (v *service) count(add func(f *push.ServiceFigures)) {
	add(&v.total)
	add(&v.fresh)
}

func (v *service) failed(detail string, now time.Time) {
	v.count(func(f *push.ServiceFigures) { f.LastFailure, f.LastError = now, detail })
}

// state is what System health says of it.
func (v *service) state(now time.Time) ServiceState {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := ServiceState{ServiceFigures: v.total}
	s.Origin = v.origin
	if v.rounds > 0 {
		s.Pause, s.Why = v.until, v.why
		if !now.Before(v.until) {
			s.Pause = now
		}
	}
	for _, b := range v.breakers {
		if b.open && (s.Breaker.IsZero() || b.until.After(s.Breaker)) {
			s.Breaker, s.Why = b.until, b.why
			if !now.Before(b.until) {
				s.Breaker = now
			}
		}
	}
	return s
}

// idle says whether nothing is lost when it is forgotten.
func (v *service) idle(now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.rounds > 0 || now.Sub(v.used) < passRenew || v.fresh != (push.ServiceFigures{}) {
		return false
	}
	for _, b := range v.breakers {
		if b.open {
			return false
		}
	}
	return true
}

func said(status int, reason string) string {
	if reason == "" {
		return fmt.Sprint(status)
	}
	return fmt.Sprintf("%d: %s", status, reason)
}
