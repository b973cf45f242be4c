package publish

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"slices"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/status"
)

// verdict is what alerts and downtimes say of a component.
type verdict struct {
	state    status.State
	hold     time.Duration // how long it must be so before it counts
	by       string        // the worst of them, for people
	alerts   []string      // all that count, by id
	since    time.Time     // of the first of them
	began    [5]time.Time  // since when one has been at least so bad, by the rank of the state
	incident string        // the most that a binding asks for: "", "draft" or "publish"
	after    time.Duration
	downtime bool
	object   string // one in a downtime, for people
	excused  []excuse
}

// excuse is an alert that does not count, as its object is in a downtime.
type excuse struct {
	b *status.Binding
	t *Trouble
}

// bond is a binding of a component, both by their place.
type bond struct{ component, binding int }

// matcher remembers which bindings stand for an object: there may be thousands of
// both, and most objects stay what they are.
type matcher struct {
	seed   maphash.Seed
	bound  uint64 // what the list of components was
	labels bool
	known  map[uint64][]bond
}

// mostKnown bounds what a matcher remembers.
const mostKnown = 100_000

func (m *matcher) of(bound []Bound, t *Trouble) []bond {
	o := &t.Object
	var h maphash.Hash
	h.SetSeed(m.seed)
	for _, s := range []string{o.ID, o.SourceID, o.Host, o.HostDisplay, o.Service, o.ServiceDisplay} {
		_, _ = h.WriteString(s)
		_ = h.WriteByte(0)
	}
	if m.labels {
		keys := make([]string, 0, len(o.Labels))
		for k := range o.Labels {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			_, _ = h.WriteString(k)
			_ = h.WriteByte(0)
			_, _ = h.WriteString(o.Labels[k])
			_ = h.WriteByte(0)
		}
	}
	key := h.Sum64()
	if list, ok := m.known[key]; ok {
		return list
	}
	var list []bond
	for c := range bound {
		for b := range bound[c].Component.Bindings {
			if bound[c].Component.Bindings[b].Matches(o) {
				list = append(list, bond{c, b})
			}
		}
	}
	if len(m.known) >= mostKnown {
		clear(m.known)
	}
	m.known[key] = list
	return list
}

// prepare forgets what it knows of another list of components.
func (m *matcher) prepare(bound []Bound) {
	if m.known == nil {
		m.seed, m.known = maphash.MakeSeed(), map[uint64][]bond{}
	}
	var h maphash.Hash
	h.SetSeed(m.seed)
	labels := false
	for i := range bound {
		c := &bound[i].Component
		_, _ = h.WriteString(c.ID)
		for b := range c.Bindings {
			labels = labels || len(c.Bindings[b].Labels) > 0
			if text, err := json.Marshal(&c.Bindings[b]); err == nil {
				_, _ = h.Write(text)
			}
		}
		_ = h.WriteByte(0)
	}
	if sum := h.Sum64(); sum != m.bound || labels != m.labels {
		m.bound, m.labels = sum, labels
		clear(m.known)
	}
}

// mostLinked bounds how many alerts an incident is linked to.
const mostLinked = 500

// judge answers what alerts and downtimes say of each component, in the order of
// the list.
func (m *matcher) judge(bound []Bound, troubles []Trouble) []verdict {
	m.prepare(bound)
	out := make([]verdict, len(bound))
	for i := range out {
		out[i].state = status.Operational
	}
	for i := range troubles {
		t := &troubles[i]
		for _, at := range m.of(bound, t) {
			out[at.component].add(&bound[at.component].Component.Bindings[at.binding], t)
		}
	}
	for i := range out {
		// A downtime that the page says nothing of, or nothing any more, as its
		// maintenance is over, hides no outage.
		if out[i].downtime && bound[i].Watch.Downtime && !bound[i].Maintained {
			for _, e := range out[i].excused {
				out[i].count(e.b, e.t, time.Time{})
			}
		}
	}
	return out
}

// add takes one binding and one trouble into account. Where a downtime is a
// maintenance, what goes wrong in it is no outage.
func (v *verdict) add(b *status.Binding, t *Trouble) {
	if b.Downtime && t.Object.Downtime {
		v.downtime, v.object = true, t.Object.Name()
		v.excused = append(v.excused, excuse{b, t})
		return
	}
	v.count(b, t, t.began)
}

// count takes an alert into account. began is since when it counts, zero for now.
func (v *verdict) count(b *status.Binding, t *Trouble, began time.Time) {
	if t.AlertID == "" {
		return
	}
	s, hold := b.Of(t.State), time.Duration(b.HoldDown)*time.Second
	if s.Rank() <= status.Maintained.Rank() {
		return
	}
	switch {
	case s.Rank() > v.state.Rank():
		v.state, v.hold, v.by = s, hold, "alert "+t.Object.Name()
	case s == v.state:
		v.hold = min(v.hold, hold)
	}
	if len(v.alerts) < mostLinked && !slices.Contains(v.alerts, t.AlertID) {
		v.alerts = append(v.alerts, t.AlertID)
	}
	if v.since.IsZero() || t.Since.Before(v.since) {
		v.since = t.Since
	}
	for rank := range s.Rank() + 1 {
		if !began.IsZero() && (v.began[rank].IsZero() || began.Before(v.began[rank])) {
			v.began[rank] = began
		}
	}
	after := time.Duration(b.After) * time.Minute
	switch {
	case b.Incident == "publish" && v.incident == "publish":
		v.after = min(v.after, after)
	case b.Incident == "publish":
		v.incident, v.after = "publish", after
	case b.Incident == "draft" && v.incident == "":
		v.incident = "draft"
	}
}

// pending is since when a component has been at least so bad, by the rank of the
// state. It is in memory only: who begins anew takes the alerts' own times.
type pending struct{ since [5]time.Time }

// look answers the worst state that has lasted as long as it must, and when the
// next worse one will have.
func (p *pending) look(v *verdict, now time.Time) (s status.State, next time.Time) {
	s = status.Operational
	for rank, state := range status.States() {
		if rank <= status.Maintained.Rank() {
			continue
		}
		if v.state.Rank() < rank {
			p.since[rank] = time.Time{}
			continue
		}
		if p.since[rank].IsZero() {
			p.since[rank] = now
			if began := v.began[rank]; !began.IsZero() && began.Before(now) {
				p.since[rank] = began
			}
		}
		due := p.since[rank].Add(v.hold)
		if !due.After(now) {
			s = state
		} else if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return s, next
}

// want is what is to become of a component; agree says that only a person's hand
// is to be taken off it.
type want struct {
	state    status.State
	downtime bool
	agree    bool
}

// begun remembers since when alerts have been in their state.
type begun map[string]struct {
	state alert.State
	since time.Time
}

// held finds out since when troubles have been what they are, where a binding asks
// for how long that has been. What was found out before is not asked again.
func (d *Desk) held(ctx context.Context, bound []Bound, troubles []Trouble) error {
	if !slices.ContainsFunc(bound, func(b Bound) bool {
		return slices.ContainsFunc(b.Component.Bindings, func(b status.Binding) bool { return b.HoldDown > 0 })
	}) {
		d.begun = nil
		return nil
	}
	alive := make(begun, len(troubles))
	var ask []string
	for i := range troubles {
		t := &troubles[i]
		if t.AlertID == "" {
			continue
		}
		if known, ok := d.begun[t.AlertID]; ok && known.state == t.State {
			alive[t.AlertID] = known
		} else {
			ask = append(ask, t.AlertID)
		}
	}
	found, err := d.store.Began(ctx, ask)
	if err != nil {
		return err
	}
	for i := range troubles {
		t := &troubles[i]
		b, known := alive[t.AlertID]
		if !known {
			if b.state, b.since = t.State, found[t.AlertID]; b.since.IsZero() {
				b.since = t.Since
			}
		}
		if t.AlertID != "" {
			alive[t.AlertID] = b
		}
		t.began = b.since
	}
	d.begun = alive
	return nil
}
