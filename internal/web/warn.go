package web

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/oncall"
)

// mostWarnings is how many warnings of one schedule are answered.
const mostWarnings = 20

// Warnings answers what about a schedule is perhaps not what was meant, as of now
// and for the GapsAhead that follow: a rotation with nobody, gaps, layers that are
// over one another.
func Warnings(ctx context.Context, st Rota, s oncall.Schedule, now time.Time) ([]Warning, error) {
	known, err := readPeople(ctx, st)
	if err != nil {
		return nil, err
	}
	return known.warnings(&s, now), nil
}

func (p people) warnings(s *oncall.Schedule, now time.Time) []Warning {
	var out []Warning
	for i, l := range s.Layers {
		at := fmt.Sprintf("layers[%d]", i)
		if len(l.ContactIDs) == 0 {
			out = append(out, Warning{Kind: WarnNobody, Field: at + ".contact_ids", Problem: quoted("the rotation", l.Name) + " has nobody in it", Mend: "put somebody into it, or remove the layer"})
		}
		for k, id := range l.ContactIDs {
			field := fmt.Sprintf("%s.contact_ids[%d]", at, k)
			if c, ok := p[id]; !ok {
				out = append(out, Warning{Kind: WarnUnknown, Field: field, Problem: "is the turn of somebody who is no contact any more", Mend: "take them out of the rotation"})
			} else if !c.HostNotifications && !c.ServiceNotifications {
				out = append(out, Warning{Kind: WarnReach, Field: field, Problem: c.ShownName() + " is told of nothing: notifications are off", Mend: "switch them on at the contact"})
			}
		}
	}
	plan, err := planOf(s)
	if err != nil {
		return append(out, Warning{Kind: WarnNobody, Problem: err.Error(), Mend: "change the schedule"})
	}
	if len(s.Layers) == 0 {
		out = append(out, Warning{Kind: WarnNobody, Field: "layers", Problem: "the schedule has no rotation", Mend: "add a layer with at least one contact"})
	}
	to := now.Add(GapsAhead)
	if gaps := gapsOf(plan, now, to); len(gaps) > 0 {
		w := Warning{Kind: WarnGap, From: gaps[0].From, To: gaps[0].To, Mend: "add a layer below that covers it, or an override",
			Problem: "nobody is on call from " + shown(gaps[0].From) + " to " + shown(gaps[0].To)}
		if n := len(gaps); n > 1 {
			w.Problem += fmt.Sprintf(", and %d more times within 30 days", n-1)
		}
		out = append(out, w)
	}
	out = append(out, overlaps(s, now, to)...)
	return out[:min(len(out), mostWarnings)]
}

func shown(t time.Time) string { return t.Format("Mon 2 Jan 2006 15:04") }

func quoted(what, name string) string {
	if name == "" {
		return what
	}
	return what + " “" + name + "”"
}

// busy are the stretches in which a layer alone has somebody on call.
func busy(s *oncall.Schedule, layer int, from, to time.Time) []oncall.Span {
	alone := oncall.Schedule{Zone: s.Zone, Layers: s.Layers[layer : layer+1]}
	plan, err := alone.Plan()
	if err != nil {
		return nil
	}
	var out []oncall.Span
	for _, span := range plan.Spans(from, to) {
		if span.ContactID == "" {
			continue
		}
		span.From, span.To = span.From.In(plan.Zone()), span.To.In(plan.Zone())
		if n := len(out); n > 0 && out[n-1].To.Equal(span.From) {
			out[n-1].To = span.To
			continue
		}
		out = append(out, span)
	}
	return out
}

// overlaps warns of layers that have somebody while one above has, and says where
// nothing is left of one.
func overlaps(s *oncall.Schedule, from, to time.Time) []Warning {
	var out []Warning
	each := make([][]oncall.Span, len(s.Layers))
	for i := range s.Layers {
		each[i] = busy(s, i, from, to)
	}
	for below := range each {
		var covered time.Duration
		left := each[below]
		for above := len(each) - 1; above > below; above-- {
			shared, rest := split(left, each[above])
			left = rest
			if len(shared) == 0 {
				continue
			}
			for _, x := range shared {
				covered += x.To.Sub(x.From)
			}
			out = append(out, Warning{Kind: WarnOverlap, Field: fmt.Sprintf("layers[%d]", below), From: shared[0].From, To: shared[0].To,
				Problem: fmt.Sprintf("%s and %s both have somebody on call from %s to %s, and %s counts", quoted("layer "+fmt.Sprint(below+1), s.Layers[below].Name),
					quoted("layer "+fmt.Sprint(above+1), s.Layers[above].Name), shown(shared[0].From), shown(shared[0].To), quoted("layer "+fmt.Sprint(above+1), s.Layers[above].Name)),
				Mend: "that is right where one is to stand in for the other; else limit the hours of one of them"})
		}
		if covered > 0 && len(left) == 0 {
			out = append(out, Warning{Kind: WarnHidden, Field: fmt.Sprintf("layers[%d]", below),
				Problem: quoted("layer "+fmt.Sprint(below+1), s.Layers[below].Name) + " is never on call within 30 days: the layers above cover all of it",
				Mend:    "move it up, limit the hours of those above, or remove it"})
		}
	}
	return out
}

// split answers what of some stretches lies in others, and what does not. Both are
// in order and do not overlap among themselves.
func split(in, others []oncall.Span) (shared, rest []oncall.Span) {
	for _, x := range in {
		at := x.From
		for len(others) > 0 && !others[0].To.After(at) {
			others = others[1:] // it ended before all that follows
		}
		for _, o := range others {
			if !o.From.Before(x.To) {
				break
			}
			begin, end := later(at, o.From), earlier(x.To, o.To)
			if at.Before(begin) {
				rest = append(rest, oncall.Span{From: at, To: begin})
			}
			shared = append(shared, oncall.Span{From: begin, To: end})
			at = end
		}
		if at.Before(x.To) {
			rest = append(rest, oncall.Span{From: at, To: x.To})
		}
	}
	return shared, rest
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
