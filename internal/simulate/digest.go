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
// the store finds it when one is claimed. A test holds both against each other. A
// storm may last all day, so what it counts is counted as things change, and what is
// over is not kept.
type stormed struct {
	began   time.Time
	total   int                 // subjects
	list    []*subject          // of them, in the order in which they came; not all that are over
	objects map[string]*subject // by object; only those that are about no alert
	bundles map[string]*bundle  // of messages that are still to be told
	latest  *bundle             // the one that was asked for last
	told    bool                // some message of it was told
	held    bool                // it is what was held back
	forgot  int                 // of list, those that nobody can come back to

	firing, acked, over int // subjects

	source, host, shown string // what all have in common
	mixed, many         bool   // there are several sources, hosts
}

// bundle is what one message collects.
type bundle struct {
	digest string
	rows   []*row
}

// bundle answers what a message has collected so far.
func (s *stormed) bundle(digest string) *bundle {
	if s.latest != nil && s.latest.digest == digest {
		return s.latest
	}
	b := s.bundles[digest]
	if b == nil {
		b = &bundle{digest: digest}
		s.bundles[digest] = b
	}
	s.latest = b
	return b
}

// subject is one alert of a storm, or one object without any.
type subject struct {
	of      *stormed
	about   *told        // nil: no alert, or it is over
	status  alert.Status // None: no alert
	rows    []*row       // that may still be cancelled
	settled bool         // something of it was told, or ended otherwise than cancelled
	forgot  bool         // nobody can come back to it
	in      string       // id of the message that counted it last
}

// turns notes how an alert stands.
func (k *subject) turns(status alert.Status) {
	s := k.of
	for _, c := range []struct {
		status alert.Status
		n      int
	}{{k.status, -1}, {status, 1}} {
		switch c.status {
		case alert.Firing:
			s.firing += c.n
		case alert.Acknowledged:
			s.acked += c.n
		case alert.Resolved:
			s.over += c.n
		}
	}
	if k.status = status; status == alert.Resolved {
		k.about = nil
	}
}

// counts says whether something of it was told, or is to be.
func (k *subject) counts() bool { return k.elsewhere("-") }

// elsewhere says whether another message than the digest tells of it, or told.
func (k *subject) elsewhere(digest string) bool {
	return k.settled || slices.ContainsFunc(k.rows, func(r *row) bool { return r.Bundle != digest && r.State != delivery.Cancelled })
}

// settle notes how deliveries of it ended.
func (k *subject) settle() {
	k.rows = slices.DeleteFunc(k.rows, func(r *row) bool {
		open := r.State == delivery.Waiting || r.State == delivery.Collected
		k.settled = k.settled || !open && r.State != delivery.Cancelled
		return !open
	})
}

// forget notes that nothing more comes of it. What was held back counts its list
// anew for each message, so that stays as it is.
func (k *subject) forget() {
	s := k.of
	if k.forgot || s.held {
		return
	}
	k.forgot = true
	if s.forgot++; s.forgot == len(s.list) || s.forgot > 100 && s.forgot > len(s.list)/2 {
		s.list = slices.DeleteFunc(s.list, func(k *subject) bool { return k.forgot })
		s.forgot = 0
	}
}

// stormed adds a delivery to its storm.
func (m *mem) stormed(r *row) {
	s := m.storms[r.Storm]
	if s == nil {
		s = &stormed{began: r.Created, bundles: map[string]*bundle{}, held: holds(r.Reason)}
		m.storms[r.Storm] = s
	}
	if r.Notice == alert.NoticeDigest {
		return
	}
	b := s.bundle(r.Bundle)
	b.rows = append(b.rows, r)
	k := s.subject(r)
	if k == nil {
		k = &subject{of: s}
		s.list = append(s.list, k)
		s.total++
		if r.about != nil {
			k.about = r.about
			k.turns(r.about.alert.Status)
			r.about.subjects = append(r.about.subjects, k)
		} else {
			if s.objects == nil {
				s.objects = map[string]*subject{}
			}
			s.objects[r.ObjectID] = k
		}
		if r.object != nil {
			s.has(&r.object.Object)
		}
	}
	r.subject = k
	k.rows = append(k.rows, r)
}

// subject is what a delivery is about; nil: nothing of the storm was so far.
func (s *stormed) subject(r *row) *subject {
	if r.about == nil {
		return s.objects[r.ObjectID]
	}
	for _, k := range r.about.subjects {
		if k.of == s {
			return k
		}
	}
	return nil
}

// holds says whether something was held back by what has this reason.
func holds(why route.Reason) bool {
	return why == route.ReasonQuiet || why == route.ReasonPeriod || why == route.ReasonWindow
}

// has notes what all that a storm is about have in common.
func (s *stormed) has(o *alert.Object) {
	if s.source == "" {
		s.source, s.host, s.shown = o.SourceID, o.Host, o.HostName()
	}
	s.mixed = s.mixed || s.source != o.SourceID
	s.many = s.many || s.mixed || s.host != o.Host
}

// tellDigest tells what was collected. One thing alone, of a storm of which nothing
// was told yet, is told by itself in its place.
func (m *mem) tellDigest(d *row) {
	c := delivery.Claimed{Delivery: *d.Delivery}
	s := m.storms[d.Storm]
	if s == nil {
		s = &stormed{bundles: map[string]*bundle{}}
	}
	all := s.bundle(d.ID).rows
	list := make([]*row, 0, len(all))
	for _, r := range all {
		switch r.State {
		case delivery.Collected:
			list = append(list, r)
		case delivery.Cancelled:
			c.Gone++
		}
	}
	c.Left, c.Before = len(list), s.told
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
	s.told = s.told || d.State == delivery.Sent
	for _, r := range list {
		m.heard(r)
		m.finish(r, d.State, delivery.Together(d.Detail), nil)
	}
	s.settle(d.ID)
}

// settle notes how what a message had collected ended.
func (s *stormed) settle(digest string) {
	for _, r := range s.bundle(digest).rows {
		r.subject.settle()
	}
	delete(s.bundles, digest)
	s.latest = nil
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
	s.told = s.told || r.State == delivery.Sent
	s.settle(d.ID)
}

// tells is what a message of the storm says at this moment. What a storm was of
// counts until its end, also what was over before it was told; of what was held back
// that does not.
func (s *stormed) tells(m *mem, d *row) *channel.Digest {
	x := &channel.Digest{Storm: d.Storm, Began: s.began, Total: s.total, Open: s.firing, Acked: s.acked, Recovered: s.over, About: s.words(m)}
	list := s.list
	if holds(d.Reason) {
		list, x.Total, x.Open, x.Acked, x.Recovered = nil, 0, 0, 0, 0
		for _, k := range s.list {
			if !k.counts() {
				continue
			}
			list = append(list, k)
			x.Total++
			switch k.status {
			case alert.Firing:
				x.Open++
			case alert.Acknowledged:
				x.Acked++
			case alert.Resolved:
				x.Recovered++
			}
		}
	}
	for _, r := range s.bundle(d.ID).rows {
		if k := r.subject; r.State == delivery.Collected && k.in != d.ID {
			if k.in = d.ID; !k.elsewhere(d.ID) {
				x.New++
			}
		}
	}
	if m.brief { // nobody reads it
		return x
	}
	for _, k := range worst(list) {
		a := &k.about.alert
		x.Worst = append(x.Worst, channel.Line{AlertID: a.ID, Object: a.Object, State: a.State, Status: a.Status, Output: a.Output, Since: a.Since})
	}
	return x
}

// words says what all have in common.
func (s *stormed) words(m *mem) string {
	switch {
	case s.total == 0 || s.mixed:
		return ""
	case !s.many && s.host != "":
		return "host " + s.shown
	case m.sources[s.source] != "":
		return "source " + m.sources[s.source]
	}
	return ""
}

// worst are those that a message names.
func worst(all []*subject) []*subject {
	var list []*subject
	for _, k := range all {
		if k.about == nil {
			continue
		}
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
