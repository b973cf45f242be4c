package dispatch

import (
	"strings"
	"time"
)

// trace keeps below which span the deliveries of traced events are to be: whichever
// node sends them goes on with that.
func (w *work) trace(group []*request, answers []answer) {
	if w.s.o.Tracer == nil {
		return
	}
	for i, r := range group {
		if r.span == nil {
			continue
		}
		for _, c := range answers[i].receipts {
			if c.Duplicate || c.joined {
				continue
			}
			if w.changes.Traces == nil {
				w.changes.Traces = map[string]string{}
			}
			w.changes.Traces[c.EventID] = r.span.Parent().String()
		}
	}
}

// traceActs does the same for the events of what a person did.
func (w *work) traceActs(r *request) {
	if r.span == nil || len(w.order) == 0 {
		return
	}
	w.changes.Traces = map[string]string{}
	for _, e := range w.order {
		w.changes.Traces[e.ID] = r.span.Parent().String()
	}
}

// untraced ends the span of a request that could not be stored. Why is in the log: words
// of a database may have in them what people are told.
func untraced(r *request) {
	r.span.Fail("not stored")
	r.span.End(time.Now())
}

// traced ends the spans of a transaction that went well. Requests that share one link
// to each other's.
func traced(group []*request, answers []answer, events int) {
	now := time.Now()
	for i, r := range group {
		if r.span == nil {
			continue
		}
		r.span.Number("tocsin.group.requests", int64(len(group)))
		r.span.Number("tocsin.group.events", int64(events))
		var ids []string
		for _, c := range answers[i].receipts[:min(len(answers[i].receipts), mostNamed)] {
			ids = append(ids, c.EventID)
		}
		r.span.Text("tocsin.event_ids", strings.Join(ids, " "))
		if r.alone() {
			r.span.Text("tocsin.alert_id", answers[i].alert.ID)
		}
		if answers[i].err != nil {
			r.span.Fail("refused") // it was too late, most likely
		}
		for _, other := range group[:min(len(group), mostNamed)] {
			if other != r {
				r.span.Link(other.span.Parent())
			}
		}
		r.span.End(now)
	}
}

// mostNamed is how many events and requests of a group a span names.
const mostNamed = 16
