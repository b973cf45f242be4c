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
	MaxKinds = 200
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
)

// Default are the rules as long as nobody changes them.
func Default() Rules {
	return Rules{By: BySource, Burst: 3, Refill: 30, Place: 10, Regain: 20, Wait: 10, AtMost: 60, Again: 30, CalmFor: 300}
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
	Kinds []KindPace `json:"kinds"`
}

// KindPace is what is remembered of one kind at a place.
type KindPace struct {
	Bucket
	Key   string    `json:"key"`
	Last  time.Time `json:"last"`  // when something of it came last
	Storm *Storm    `json:"storm"` // nil: none
}

// Storm is one that is going on at a place.
type Storm struct {
	ID     string    `json:"id"` // of all of its messages
	Began  time.Time `json:"began"`
	Digest string    `json:"digest"` // the message that collects now; empty: none
	First  time.Time `json:"first"`  // when it began to collect
	Due    time.Time `json:"due"`    // when it is to be told
}

// Bucket holds what may be told one by one, which comes back with time.
type Bucket struct {
	Left float64   `json:"left"`
	At   time.Time `json:"at"` // zero: it was never used, so it is full
}

// fill brings a bucket up to date.
func (b *Bucket) fill(size, seconds int, now time.Time) {
	if b.At.IsZero() {
		b.Left = float64(size)
	} else if gone := now.Sub(b.At); gone > 0 {
		b.Left = math.Min(float64(size), b.Left+gone.Seconds()/float64(seconds))
	}
	if now.After(b.At) {
		b.At = now
	}
}

// Verdict is what becomes of one message.
type Verdict struct {
	Collected bool
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
		key = "other"
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
	if now.After(k.Last) {
		k.Last = now
	}
	if k.Storm == nil && k.Left >= 1 && p.Left >= 1 {
		k.Left--
		p.Left--
		return Verdict{}
	}
	if k.Storm == nil {
		k.Storm = &Storm{ID: newID(), Began: now}
	}
	return k.Storm.collect(r, now, waiting, newID)
}

// collect adds something to the message that collects, or begins one.
func (s *Storm) collect(r Rules, now time.Time, waiting func(string) bool, newID func() string) Verdict {
	v := Verdict{Collected: true, Storm: s.ID}
	if s.Digest == "" || !waiting(s.Digest) {
		v.New = true
		told := s.Due // of the one before; zero for the first
		s.Digest, s.First = newID(), now
		s.Due = now.Add(seconds(r.Wait))
		if soonest := told.Add(seconds(r.Again)); !told.IsZero() && s.Due.Before(soonest) {
			s.Due = soonest
		}
	} else {
		later, latest := now.Add(seconds(r.Wait)), s.First.Add(seconds(r.AtMost))
		if later.After(latest) {
			later = latest
		}
		if later.After(s.Due) {
			s.Due = later
		}
	}
	v.Digest, v.Due = s.Digest, s.Due
	return v
}

// Calm takes away the storms of a place in which nothing came for long enough, and
// answers them; and when to look next, zero for never.
func (p *Pace) Calm(r Rules, now time.Time) (over []Storm, next time.Time) {
	for i := range p.Kinds {
		k := &p.Kinds[i]
		if k.Storm == nil {
			continue
		}
		end := k.Last.Add(seconds(r.CalmFor))
		if k.Storm.Due.After(end) {
			end = k.Storm.Due
		}
		if r.Off || !now.Before(end) {
			over = append(over, *k.Storm)
			k.Storm = nil
		} else if next.IsZero() || end.Before(next) {
			next = end
		}
	}
	return over, next
}

// forget drops kinds of which nothing came for so long that they begin anew.
func (p *Pace) forget(r Rules, now time.Time) {
	idle := max(seconds(r.CalmFor), seconds(r.Burst*r.Refill))
	p.Kinds = slices.DeleteFunc(p.Kinds, func(k KindPace) bool { return k.Storm == nil && now.Sub(k.Last) >= idle })
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
