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
	// goFirst is how long devices that our key was refused for leave it to others
	// to find out whether it is taken again, if there are others.
	goFirst = 30 * time.Second
	// trusted is how long a key that was taken counts as a good one: what is
	// refused meanwhile to a device as it was before is about that device.
	trusted = 24 * time.Hour
	// endpoints is how many devices of a service are remembered.
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

	contacts, visitors lull

	onTheWay int       // requests without an answer
	heard    time.Time // when one was answered, or the first of those on the way was sent
	letGo    time.Time // when one was sent last although nothing was heard

	thanks  string // see accepted
	thanked int
}

// lull is what failures that are not about a device have led to: no answer, 5xx,
// or 429 for many. Visitors have one of their own: anybody can make up an address
// that a service stumbles over, and alerts must not wait for that.
type lull struct {
	strikes int
	rounds  int // pauses without a success between
	until   time.Time
	why     string
	trying  bool // one request finds out whether it is over
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
// deleted for that: the mend is a good key or subject. A device that it is
// refused for while others' messages are taken has a trouble of its own, and
// opens it once at most.
type breaker struct {
	open    bool
	subject string // that it was refused with
	step    int
	until   time.Time
	why     string
	refused []uint64 // devices that it was refused for since it was tried last, at most opinions
	held    bool     // a device that it was not refused for was sent away since then
	trying  bool
	times   map[uint64]int // how often in a row it was refused for a device
	taken   time.Time      // when the service took our key last
}

// shut ends a refusal.
func (b *breaker) shut() {
	*b = breaker{subject: b.subject, refused: b.refused[:0], times: b.times, taken: b.taken}
}

// refusedFor counts, and answers the times.
func (b *breaker) refusedFor(device uint64) int {
	if b.times == nil {
		b.times = map[uint64]int{}
	}
	if _, known := b.times[device]; !known && len(b.times) >= endpoints {
		for d := range b.times {
			delete(b.times, d)
			break
		}
	}
	b.times[device]++
	return b.times[device]
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
	lull    *lull
	key     string // its id
	visitor bool
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
	l := v.lull(visitor)
	if now.Before(l.until) {
		return wait(l.until.Sub(now), l.why)
	}
	t := ticket{service: v, lull: l, key: sign.key.ID, visitor: visitor, device: device}
	if l.rounds > 0 {
		if l.trying {
			return wait(lookAgain, l.why+"; it is being tried again")
		}
		t.probe = true
	}
	b := v.breakers[breakerKey{sign.key.ID, visitor}]
	if b == nil {
		b = &breaker{}
		v.breakers[breakerKey{sign.key.ID, visitor}] = b
	}
	t.breaker = b
	if b.subject != "" && b.subject != subject {
		for d := range b.times {
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
		fresh := b.times[device] == 0
		switch {
		case now.Before(b.until):
			if !fresh || len(b.refused) >= opinions {
				b.held = b.held || fresh
				return wait(b.until.Sub(now), b.why)
			}
		case !fresh && b.held && now.Before(b.until.Add(goFirst)):
			return wait(b.until.Add(goFirst).Sub(now), b.why)
		}
		t.probe = true
	}
	header, err := v.pass(sign, subject, now)
	if err != nil {
		return ticket{}, Result{Verdict: Paused, After: time.Minute, Detail: "no header for push services could be made: " + err.Error()}, false
	}
	t.header = header
	if t.probe {
		l.trying, b.trying = l.rounds > 0, b.open
	}
	if v.onTheWay++; v.onTheWay == 1 {
		v.heard = now
	}
	return t, Result{}, true
}

func (v *service) lull(visitor bool) *lull {
	if visitor {
		return &v.visitors
	}
	return &v.contacts
}

// pass answers the header, which is made once for many messages.
func (v *service) pass(sign *signer, subject string, now time.Time) (string, error) {
	now = now.Round(0) // by the clock on the wall, as services do: it may be set, or the machine sleep
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
		t.lull.trying, t.breaker.trying = false, false
	}
}

// well notes that the service works and takes our key. That is also known from
// answers about the device alone: gone, too large.
func (v *service) well(b *breaker) {
	v.alive()
	b.shut()
}

// accepts notes that the service took a message. Its key is good then, also for
// who has a breaker apart. It answers whether one was open.
func (v *service) accepts(t *ticket, now time.Time) (news bool) {
	v.alive()
	delete(t.breaker.times, t.device)
	for _, visitor := range [...]bool{false, true} {
		if b := v.breakers[breakerKey{t.key, visitor}]; b != nil {
			news = news || b.open
			b.shut()
			b.taken = now
		}
	}
	return news
}

// alive notes that the service works.
func (v *service) alive() {
	for _, l := range [...]*lull{&v.contacts, &v.visitors} {
		*l = lull{trying: l.trying}
	}
}

// refuse notes that the service does not take our key, and why in general, or
// of the device alone. It answers how long the device is to wait, which of the
// two it is, and whether it is news.
func (t *ticket) refuse(subject, why, alone string, now time.Time) (after time.Duration, detail string, news bool) {
	v, b, steps := t.service, t.breaker, breakerSteps()
	if p := v.passes[t.key]; p != nil && p.header == t.header {
		delete(v.passes, t.key) // the clock may have been wrong when it was made
	}
	times := b.refusedFor(t.device)
	after = steps[min(times, len(steps))-1]
	b.subject = subject
	if !b.open && times > 1 && now.Sub(b.taken) < trusted {
		v.pauseDevice(t.device, spell{now.Add(after), alone}, now)
		return after, alone, false
	}
	news = !b.open
	switch {
	case news:
		b.step = 0
	case !now.Before(b.until): // the time was over, and nothing is better
		b.step = min(b.step+1, len(steps)-1)
	}
	if news || !now.Before(b.until) {
		b.until, b.refused, b.held = now.Add(steps[b.step]), b.refused[:0], false
	}
	if !slices.Contains(b.refused, t.device) && len(b.refused) < opinions {
		b.refused = append(b.refused, t.device)
	}
	b.open, b.why = true, why
	after = max(after, b.until.Sub(now))
	v.pauseDevice(t.device, spell{now.Add(after), why}, now)
	return after, why, news
}

// strike notes a failure that is about the service as a whole, if there are
// several in a row.
func (l *lull) strike(why string, asked time.Duration, now time.Time) {
	if now.Before(l.until) {
		return // of the same wave
	}
	l.strikes++
	if l.strikes < strikesToPause && l.rounds == 0 {
		return
	}
	d := asked
	if d == 0 {
		d = min(time.Second<<min(l.rounds+1, 6), time.Minute)
		d = d*3/4 + rand.N(d/2)
	}
	l.rounds++
	l.until, l.why = now.Add(bounded(d)), why
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
	for _, l := range [...]*lull{&v.visitors, &v.contacts} {
		if l.rounds > 0 {
			s.Pause, s.Why = l.until, l.why
			if !now.Before(l.until) {
				s.Pause = now
			}
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
	if v.contacts.rounds+v.visitors.rounds > 0 || now.Sub(v.used) < passRenew || v.fresh != (push.ServiceFigures{}) {
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
