package simulate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/delivery"
)

// stormed is a storm, or a stretch of being held back: what its messages tell of.
type stormed struct {
	began  time.Time
	alerts map[*told]string // to the digest that told of them first, or is to
	open   []*told          // those of them that may still change
	over   int              // of them, those that do not
	rows   map[string]*bundle
	sent   bool // a message of it went out
}

// bundle is what one digest collects.
type bundle struct {
	rows []*row
	gone int // of what it collected, what ended before it was told
}

// stormed adds a delivery to its storm.
func (m *mem) stormed(r *row) {
	s := m.storms[r.Storm]
	if s == nil {
		s = &stormed{began: r.Created, alerts: map[*told]string{}, rows: map[string]*bundle{}}
		m.storms[r.Storm] = s
	}
	if r.Bundle == "" {
		return
	}
	b := s.rows[r.Bundle]
	if b == nil {
		b = &bundle{}
		s.rows[r.Bundle] = b
	}
	b.rows = append(b.rows, r)
	if _, known := s.alerts[r.about]; !known && r.about != nil {
		s.alerts[r.about] = r.Bundle
		s.open = append(s.open, r.about)
	}
}

// tellDigest tells what was collected; if that is one thing, it is told by itself.
func (m *mem) tellDigest(d *row) {
	c := delivery.Claimed{Delivery: d.Delivery}
	s := m.storms[d.Storm]
	if s == nil {
		s = &stormed{}
	}
	b := s.rows[d.ID]
	delete(s.rows, d.ID)
	if b == nil {
		b = &bundle{}
	}
	var only *row
	for _, r := range b.rows {
		if r.State == delivery.Collected {
			c.Left++
			only = r
		} else {
			c.Gone++
		}
	}
	if c.Before = s.sent; c.Left == 1 && !s.sent && !d.Quiet {
		m.judge(d, only)
	} else {
		c.Digest = s.tells(d.ID)
		why := c.Untrue()
		if why != "" {
			m.finish(d, nil, delivery.Cancelled, why, nil)
		} else {
			msg := c.Message("", "")
			m.sent(d, nil, msg.Digest)
		}
	}
	s.sent = s.sent || d.State == delivery.Sent
	for _, r := range b.rows {
		if r.State != delivery.Collected {
			continue
		}
		if a := r.address(false); a != nil && d.State == delivery.Sent {
			a.Heard, a.Storm = true, r.Storm
		}
		m.finish(r, nil, d.State, delivery.Together(d.Detail), nil)
	}
}

// tells is what a message of the storm says at this moment: the counts, and the
// worst.
func (s *stormed) tells(digest string) *channel.Digest {
	x := &channel.Digest{Began: s.began, Total: len(s.alerts)}
	still := s.open[:0]
	for _, k := range s.open {
		if !k.alert.Open() {
			s.over++
			continue
		}
		if still = append(still, k); k.alert.Status == alert.Firing {
			x.Open++
		} else {
			x.Acked++
		}
	}
	s.open = still
	x.Recovered = s.over
	for _, first := range s.alerts {
		if first == digest {
			x.New++
		}
	}
	for _, k := range worst(s.open) {
		x.Worst = append(x.Worst, channel.Line{AlertID: k.alert.ID, Object: k.alert.Object, State: k.alert.State, Status: k.alert.Status,
			Output: k.alert.Output, Since: k.alert.Since})
	}
	return x
}

// worst are those alerts that a message names.
func worst(open []*told) []*told {
	var list []*told
	for _, k := range open {
		i, _ := slices.BinarySearchFunc(list, k, func(a, b *told) int {
			return cmp.Or(b.alert.State.Severity()-a.alert.State.Severity(), a.alert.Since.Compare(b.alert.Since), strings.Compare(a.alert.ID, b.alert.ID))
		})
		if i < channel.MaxWorst {
			list = slices.Insert(list, i, k)
			list = list[:min(len(list), channel.MaxWorst)]
		}
	}
	return list
}
