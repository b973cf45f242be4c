// Package storm decides what is told at once and what is collected. Pure.
//
// A place is where messages go: one contact, device or room by one channel. What
// happens is of a kind: of one source, of one host, or of one value of a label, as
// the rules say. The first of a kind is always told at once. After it each kind
// has a few more, and the place as a whole some more, both of which come back
// smoothly with time; what goes beyond is collected, and told together: a moment
// after the last one, but no longer than a bound after the first. From then on it
// is a storm: all of its kind goes into one message, which is told anew now and
// then until it is calm.
package storm

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
)

// Limits of rules, and of what is remembered of a place.
const (
	MaxBurst = 1000
	MaxKinds = 64
	MaxHolds = 50
	MaxPast  = 20
	MaxPart  = 2000 // a storm of which so much was told goes on as another one, see Storm.Count
	Longest  = 24 * time.Hour
)

// Rules say when it is a storm. Durations are in seconds, as people set them.
type Rules struct {
	Off     bool   `json:"off"`     // everything is told one by one
	By      string `json:"by"`      // BySource, ByHost, or ByLabel and the label's name
	Burst   int    `json:"burst"`   // how many of a kind are told one by one
	Refill  int    `json:"refill"`  // after so many seconds one more is
	Place   int    `json:"place"`   // how many of all kinds are told one by one at a place
	Regain  int    `json:"regain"`  // after so many seconds one more is
	Wait    int    `json:"wait"`    // what is collected is told so long after the last of it
	AtMost  int    `json:"at_most"` // and at most so long after the first
	Again   int    `json:"again"`   // a storm's message is told anew after so long, at the soonest
	CalmFor int    `json:"calm"`    // a storm is over when nothing came for so long
}

// The ways to say what kind something is.
const (
	BySource = "source"
	ByHost   = "host"
	ByLabel  = "label:" // and the label's name

	// Other is the kind of what comes when there are too many kinds.
	Other = "other"
)

// Default are the rules as long as nobody changes them.
func Default() Rules {
	return Rules{By: BySource, Burst: 5, Refill: 20, Place: 15, Regain: 10, Wait: 10, AtMost: 60, Again: 30, CalmFor: 300}
}

// Validate answers a *contact.FieldError for the first field that is wrong.
func (r Rules) Validate() error {
	name, label := strings.CutPrefix(r.By, ByLabel)
	switch {
	case r.By != BySource && r.By != ByHost && !label:
		return &contact.FieldError{Field: "by", Problem: fmt.Sprintf("%q is no kind", r.By), Mend: "use source, host, or label:NAME"}
	case label && (name == "" || len(name) > contact.MaxName):
		return &contact.FieldError{Field: "by", Problem: "names no label", Mend: "write it as label:team"}
	}
	most := int(Longest / time.Second)
	for _, f := range []struct {
		name        string
		value       int
		least, most int
	}{
		{"burst", r.Burst, 1, MaxBurst}, {"refill", r.Refill, 1, most}, {"place", r.Place, 1, MaxBurst}, {"regain", r.Regain, 1, most},
		{"wait", r.Wait, 1, most}, {"at_most", r.AtMost, r.Wait, most}, {"again", r.Again, 1, most}, {"calm", r.CalmFor, 10, most},
	} {
		if f.value < f.least || f.value > f.most {
			return &contact.FieldError{Field: f.name, Problem: fmt.Sprintf("%d is out of bounds", f.value), Mend: fmt.Sprintf("use %d to %d", f.least, f.most)}
		}
	}
	return nil
}

// Kind is what kind something about an object is.
func (r Rules) Kind(o *alert.Object) string {
	if r.By == ByHost {
		return ByHost + ":" + o.SourceID + "/" + strings.ToLower(o.Host)
	}
	if name, ok := strings.CutPrefix(r.By, ByLabel); ok {
		if v, has := o.Labels[name]; has {
			return r.By + "=" + v
		}
	}
	return BySource + ":" + o.SourceID
}

// Pace is what is remembered of a place. The zero value is a place where nothing
// was told yet.
type Pace struct {
	Bucket
	To    To         `json:"to,omitzero"`
	Kinds []KindPace `json:"kinds,omitzero"`
	Holds []Hold     `json:"holds,omitzero"` // what is held back there, at most MaxHolds
	Past  []Storm    `json:"past,omitzero"`  // storms and holds that are over, at most MaxPast: their messages may still be brought up to date
}

// To is who or what is told at a place, as a delivery has it.
type To struct {
	ContactID       string `json:"contact_id,omitzero"`
	ContactName     string `json:"contact_name,omitzero"`
	UserID          string `json:"user_id,omitzero"`
	Channel         string `json:"channel,omitzero"`
	Destination     string `json:"destination,omitzero"`
	DestinationName string `json:"destination_name,omitzero"`
}

// KindPace is what is remembered of one kind at a place.
type KindPace struct {
	Bucket
	Key   string    `json:"key,omitzero"`
	Last  time.Time `json:"last,omitzero"`  // when something of it came last
	Storm *Storm    `json:"storm,omitzero"` // nil: none
}

// Storm is one that is going on at a place.
type Storm struct {
	ID     string    `json:"id,omitzero"` // of all of its messages
	Began  time.Time `json:"began,omitzero"`
	Digest string    `json:"digest,omitzero"` // the message that collects now; empty: none
	Quiet  bool      `json:"quiet,omitzero"`  // it only brings up to date what is shown
	First  time.Time `json:"first,omitzero"`  // when it began to collect
	Due    time.Time `json:"due,omitzero"`    // when it is to be told
	Crowd  bool      `json:"crowd,omitzero"`  // it began because the place had enough of all kinds, not of this one
	Reason string    `json:"reason,omitzero"` // of its messages, as route.Reason
	Words  string    `json:"words,omitzero"`  // what it is of, for people: "source nagios"
	Calm   int       `json:"calm,omitzero"`   // Rules.CalmFor of its kind, in seconds
	Count  int       `json:"count,omitzero"`  // how much it collected. Each message is made of all of it, so that is bounded
	About  About     `json:"about,omitzero"`  // the latest of it
}

// About is what a message is hung on: an event that is kept, its object and alert.
type About struct {
	EventID  string `json:"event_id,omitzero"`
	ObjectID string `json:"object_id,omitzero"`
	AlertID  string `json:"alert_id,omitzero"`
}

// Hold is what is held back at a place until one moment, which is the Due of its
// one message.
type Hold struct {
	Until time.Time `json:"until,omitzero"`
	Storm Storm     `json:"storm,omitzero"`
}

// Bucket holds what may be told one by one, which comes back with time.
type Bucket struct {
	Left float64   `json:"left,omitzero"`
	At   time.Time `json:"at,omitzero"` // zero: it was never used, so it is full
}

// fill brings a bucket up to date.
func (b *Bucket) fill(size, seconds int, now time.Time) {
	if b.At.IsZero() {
		b.Left = float64(size)
	} else if gone := now.Sub(b.At); gone > 0 {
		b.Left = math.Min(float64(size), b.Left+gone.Seconds()/float64(seconds))
	}
	b.At = now // also where the clock was set back: it counts from there
}

// Verdict is what becomes of one message.
type Verdict struct {
	Collected bool
	Kind      string    // as which it was taken: the key, or Other; if collected
	Storm     string    // id, if collected
	Digest    string    // the message that tells of it, if collected
	New       bool      // Digest is a new message
	Due       time.Time // when Digest is to be told from now on
	First     bool      // the first of its kind here; else it had room
}

// Take answers what becomes of something of a kind that is to be told at the place
// now. waiting says whether a digest still collects: one that is being told does
// not. newID makes ids of storms and digests.
func (p *Pace) Take(r Rules, key string, now time.Time, waiting func(digest string) bool, newID func() string) Verdict {
	if r.Off {
		return Verdict{}
	}
	p.forget(r, now)
	p.fill(r.Place, r.Regain, now)
	i := slices.IndexFunc(p.Kinds, func(k KindPace) bool { return k.Key == key })
	if i < 0 && len(p.Kinds) >= MaxKinds {
		// So many kinds at once are a storm of their own.
		key = Other
		i = slices.IndexFunc(p.Kinds, func(k KindPace) bool { return k.Key == key })
	}
	if i < 0 {
		k := KindPace{Key: key, Last: now}
		k.fill(r.Burst, r.Refill, now)
		k.Left--
		p.Left = math.Max(0, p.Left-1)
		p.Kinds = append(p.Kinds, k)
		return Verdict{First: true}
	}
	k := &p.Kinds[i]
	k.fill(r.Burst, r.Refill, now)
	k.Last = now
	if k.Storm == nil && k.Left >= 1 && p.Left >= 1 {
		k.Left--
		p.Left--
		return Verdict{}
	}
	if k.Storm == nil {
		k.Storm = &Storm{ID: newID(), Began: now, Crowd: k.Left >= 1}
	} else if s := k.Storm; s.Count >= MaxPart && (s.Digest == "" || !waiting(s.Digest)) {
		p.pass(*s)
		k.Storm = &Storm{ID: newID(), Began: now, Crowd: s.Crowd, Words: s.Words, Due: s.Due}
	}
	k.Storm.Calm = r.CalmFor
	v := k.Storm.collect(r, now, waiting, newID)
	k.Storm.Quiet = false
	k.Storm.Count++
	v.Kind = key
	return v
}

// collect adds something to the message that collects, or begins one.
func (s *Storm) collect(r Rules, now time.Time, waiting func(string) bool, newID func() string) Verdict {
	if s.Digest == "" || !waiting(s.Digest) {
		return s.begin(r, now, newID)
	}
	if !s.Due.After(now) { // nobody took it so far: it is told as soon as somebody does
		s.Due = now
		return Verdict{Collected: true, Storm: s.ID, Digest: s.Digest, Due: s.Due}
	}
	if s.First.After(now) { // the clock was set back
		s.First, s.Due = now, now
	}
	later, latest := now.Add(seconds(r.Wait)), s.First.Add(seconds(r.AtMost))
	if s.Quiet { // it is told for the sake of what comes now
		s.First, latest = now, now.Add(seconds(r.AtMost))
	}
	if later.After(latest) {
		later = latest
	}
	if later.After(s.Due) {
		s.Due = later
	}
	return Verdict{Collected: true, Storm: s.ID, Digest: s.Digest, Due: s.Due}
}

// begin begins a message.
func (s *Storm) begin(r Rules, now time.Time, newID func() string) Verdict {
	told := s.Due // of the one before; zero for the first
	if told.After(now) {
		told = now // it ended before its time, or the clock was set back
	}
	s.Digest, s.First = newID(), now
	s.Due = now.Add(seconds(r.Wait))
	if soonest := told.Add(seconds(r.Again)); !told.IsZero() && s.Due.Before(soonest) {
		s.Due = soonest
	}
	return Verdict{Collected: true, Storm: s.ID, Digest: s.Digest, New: true, Due: s.Due}
}

// Keep holds something back until a moment. Collected is false where so much is
// held back already that it must wait by itself.
func (p *Pace) Keep(until, now time.Time, waiting func(digest string) bool, newID func() string) Verdict {
	p.settle(now)
	i := slices.IndexFunc(p.Holds, func(h Hold) bool { return h.Until.Equal(until) })
	if i < 0 {
		if len(p.Holds) >= MaxHolds {
			return Verdict{}
		}
		i = len(p.Holds)
		p.Holds = append(p.Holds, Hold{Until: until, Storm: Storm{ID: newID(), Began: now}})
	}
	s := &p.Holds[i].Storm
	v := Verdict{Collected: true, Storm: s.ID, Due: until}
	if s.Digest == "" || !waiting(s.Digest) {
		s.Digest, s.First, s.Due, v.New = newID(), now, until, true
	}
	v.Digest = s.Digest
	return v
}

// Refresh has what was told of a storm, or of what was held back, brought up to
// date without a sound. Collected is false where there is nothing to do: its next
// message says it anyhow, or it is too long ago.
func (p *Pace) Refresh(r Rules, storm string, now time.Time, waiting func(digest string) bool, newID func() string) Verdict {
	p.settle(now)
	s := p.Find(storm)
	if s == nil || s.Digest != "" && waiting(s.Digest) {
		return Verdict{}
	}
	v := s.begin(r, now, newID)
	s.Quiet = true
	return v
}

// Find answers what is remembered of a storm, or of what was held back; nil if
// nothing is any more.
func (p *Pace) Find(storm string) *Storm {
	for i := range p.Kinds {
		if s := p.Kinds[i].Storm; s != nil && s.ID == storm {
			return s
		}
	}
	for i := range p.Holds {
		if s := &p.Holds[i].Storm; s.ID == storm {
			return s
		}
	}
	for i := range p.Past {
		if p.Past[i].ID == storm {
			return &p.Past[i]
		}
	}
	return nil
}

// Digests adds to ids the messages that may still collect at a moment: they are due
// later. Where nobody may be there to take them, those that were due before do so too,
// for else there would be one more every minute for whoever comes back.
func (p *Pace) Digests(ids []string, now time.Time, lying bool) []string {
	add := func(s *Storm) {
		if s != nil && s.Digest != "" && (lying || s.Due.After(now)) {
			ids = append(ids, s.Digest)
		}
	}
	for i := range p.Kinds {
		add(p.Kinds[i].Storm)
	}
	for i := range p.Holds {
		add(&p.Holds[i].Storm)
	}
	for i := range p.Past {
		add(&p.Past[i])
	}
	return ids
}

// Calm takes away the storms of a place in which nothing came for long enough, and
// answers them; and when to look next, zero for never. Find still knows them.
func (p *Pace) Calm(r Rules, now time.Time) (over []Storm, next time.Time) {
	p.settle(now)
	for i := range p.Kinds {
		k := &p.Kinds[i]
		if k.Storm != nil && (r.Off || !now.Before(k.calm())) {
			over = append(over, *k.Storm)
			p.pass(*k.Storm)
			k.Storm = nil
		}
	}
	return over, p.Next()
}

// Next is when a storm of the place may be over, zero for never.
func (p *Pace) Next() time.Time {
	var next time.Time
	for i := range p.Kinds {
		if k := &p.Kinds[i]; k.Storm != nil {
			if end := k.calm(); next.IsZero() || end.Before(next) {
				next = end
			}
		}
	}
	return next
}

// calm is when the storm of a kind is over if nothing comes any more.
func (k *KindPace) calm() time.Time {
	end := k.Last.Add(seconds(k.Storm.Calm))
	if k.Storm.Due.After(end) {
		return k.Storm.Due
	}
	return end
}

// forget drops kinds of which nothing came for so long that they begin anew.
func (p *Pace) forget(r Rules, now time.Time) {
	idle := max(seconds(r.CalmFor), seconds(r.Burst*r.Refill))
	p.Kinds = slices.DeleteFunc(p.Kinds, func(k KindPace) bool { return k.Storm == nil && now.Sub(k.Last) >= idle })
}

// settle puts what was held back until now to what is over, and forgets what is so
// for long.
func (p *Pace) settle(now time.Time) {
	p.Holds = slices.DeleteFunc(p.Holds, func(h Hold) bool {
		over := !h.Until.After(now)
		if over {
			p.pass(h.Storm)
		}
		return over
	})
	p.Past = slices.DeleteFunc(p.Past, func(s Storm) bool { return now.Sub(s.Due) >= Longest })
}

// pass remembers a storm that is over.
func (p *Pace) pass(s Storm) {
	if len(p.Past) >= MaxPast {
		p.Past = slices.Delete(p.Past, 0, len(p.Past)-MaxPast+1)
	}
	p.Past = append(p.Past, s)
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
