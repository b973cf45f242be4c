package simulate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
)

// stormed is a storm, or a stretch of being held back: what its messages tell of, as
// the store finds it when one is claimed. A test holds both against each other.
type stormed struct {
	began    time.Time
	list     []*subject // in the order in which they came
	subjects map[any]*subject
	open     []*subject // those of the list whose alerts may still change
	over     int        // those whose alerts are over
	bundles  map[string][]*row
	sent     []string // digests that went out, and what was told in the place of one

	source, host string // what all have in common
	mixed, many  bool   // there are several sources, hosts
}

// subject is one alert of a storm, or one object without any.
type subject struct {
	about *told // nil: none
	rows  []*row
}

// counts says whether something of it was told, or is to be.
func (s *subject) counts() bool {
	return slices.ContainsFunc(s.rows, func(r *row) bool { return r.State != delivery.Cancelled })
}

// elsewhere says whether another message than the digest tells of it, or told.
func (s *subject) elsewhere(digest string) bool {
	return slices.ContainsFunc(s.rows, func(r *row) bool { return r.Bundle != digest && r.State != delivery.Cancelled })
}

// stormed adds a delivery to its storm.
func (m *mem) stormed(r *row) {
	s := m.storms[r.Storm]
	if s == nil {
		s = &stormed{began: r.Created, subjects: map[any]*subject{}, bundles: map[string][]*row{}}
		m.storms[r.Storm] = s
	}
	if r.Notice == alert.NoticeDigest {
		return
	}
	s.bundles[r.Bundle] = append(s.bundles[r.Bundle], r)
	var key any = r.about
	if r.about == nil {
		key = r.ObjectID
	}
	x := s.subjects[key]
	if x == nil {
		x = &subject{about: r.about}
		s.subjects[key] = x
		s.list = append(s.list, x)
		if x.about != nil {
			s.open = append(s.open, x)
		}
		if r.object != nil {
			s.has(&r.object.Object)
		}
	}
	x.rows = append(x.rows, r)
}

// has notes what all that a storm is about have in common.
func (s *stormed) has(o *alert.Object) {
	if s.source == "" {
		s.source, s.host = o.SourceID, o.Host
	}
	s.mixed = s.mixed || s.source != o.SourceID
	s.many = s.many || s.mixed || s.host != o.Host
}

// tellDigest tells what was collected. One thing alone, of a storm of which nothing
// was told yet, is told by itself in its place.
func (m *mem) tellDigest(d *row) {
	c := delivery.Claimed{Delivery: d.Delivery}
	s := m.storms[d.Storm]
	if s == nil {
		s = &stormed{}
	}
	var list []*row
	for _, r := range s.bundles[d.ID] {
		switch r.State {
		case delivery.Collected:
			list = append(list, r)
		case delivery.Cancelled:
			c.Gone++
		}
	}
	c.Left, c.Before = len(list), slices.ContainsFunc(s.sent, func(id string) bool { return id != d.ID })
	if oneAlert(list) && !c.Before && !d.Quiet {
		m.tellAlone(d, list[len(list)-1], s)
		for _, r := range list[:len(list)-1] {
			m.finish(r, delivery.Cancelled, "what came of the same alert later is told instead", nil)
		}
		return
	}
	c.Digest = s.tells(m, d)
	if why := c.Untrue(); why != "" {
		m.finish(d, delivery.Cancelled, why, nil)
	} else {
		msg := c.Message("", "")
		m.sent(d, msg.Digest)
	}
	if d.State == delivery.Sent {
		s.sent = append(s.sent, d.ID)
	}
	for _, r := range list {
		m.heard(r)
		m.finish(r, d.State, delivery.Together(d.Detail), nil)
	}
}

// oneAlert says whether all of what a digest collected, which is something, is about
// one alert, or one object that has none.
func oneAlert(list []*row) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(r *row) bool {
		return r.AlertID != list[0].AlertID || r.AlertID == "" && r.ObjectID != list[0].ObjectID
	})
}

// tellAlone tells the one thing that a digest has collected.
func (m *mem) tellAlone(d, r *row, s *stormed) {
	m.finish(d, delivery.Cancelled, "there was one alone to tell of, which is told by itself", nil)
	r.State, r.Bundle, r.Attempt, r.Expires = delivery.Waiting, "", d.Attempt, d.Expires
	m.judge(r)
	if r.State == delivery.Sent {
		s.sent = append(s.sent, r.ID)
	}
}

// tells is what a message of the storm says at this moment. What a storm was of
// counts until its end, also what was over before it was told; of what was held back
// that does not.
func (s *stormed) tells(m *mem, d *row) *channel.Digest {
	x := &channel.Digest{Storm: d.Storm, Began: s.began, Total: len(s.list), About: s.words(m)}
	open := s.open
	held := d.Reason == route.ReasonQuiet || d.Reason == route.ReasonPeriod || d.Reason == route.ReasonWindow
	if held {
		open, x.Total = nil, 0
		for _, k := range s.list {
			if k.counts() {
				x.Total++
				open = append(open, k)
			}
		}
	}
	var still []*subject
	for _, k := range open {
		switch {
		case k.about == nil:
		case k.about.alert.Status == alert.Firing:
			x.Open++
			still = append(still, k)
		case k.about.alert.Open():
			x.Acked++
			still = append(still, k)
		default:
			x.Recovered++
		}
	}
	if !held { // what is over stays so
		s.over += x.Recovered
		s.open, x.Recovered = still, s.over
	}
	seen := map[*subject]bool{}
	for _, r := range s.bundles[d.ID] {
		if k := s.of(r); r.State == delivery.Collected && !seen[k] {
			if seen[k] = true; !k.elsewhere(d.ID) {
				x.New++
			}
		}
	}
	for _, k := range worst(still) {
		a := &k.about.alert
		x.Worst = append(x.Worst, channel.Line{AlertID: a.ID, Object: a.Object, State: a.State, Status: a.Status, Output: a.Output, Since: a.Since})
	}
	return x
}

// of is what a delivery of the storm is about.
func (s *stormed) of(r *row) *subject {
	if r.about == nil {
		return s.subjects[r.ObjectID]
	}
	return s.subjects[r.about]
}

// words says what all have in common.
func (s *stormed) words(m *mem) string {
	switch {
	case len(s.list) == 0 || s.mixed:
		return ""
	case !s.many && s.list[0].rows[0].object != nil:
		return "host " + s.list[0].rows[0].object.Object.HostName()
	case m.sources[s.source] != "":
		return "source " + m.sources[s.source]
	}
	return ""
}

// worst are those that a message names.
func worst(open []*subject) []*subject {
	var list []*subject
	for _, k := range open {
		i, _ := slices.BinarySearchFunc(list, k, func(x, y *subject) int {
			a, b := &x.about.alert, &y.about.alert
			return cmp.Or(cmp.Compare(b.State.Severity(), a.State.Severity()), strings.Compare(string(b.Status), string(a.Status)), // firing before acknowledged
				a.Since.Compare(b.Since), strings.Compare(a.ID, b.ID))
		})
		if i < channel.MaxWorst {
			list = slices.Insert(list, i, k)
			list = list[:min(len(list), channel.MaxWorst)]
		}
	}
	return list
}
