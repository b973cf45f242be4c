package dispatch

import (
	"time"

	"tocsin/internal/alert"
)

// retryWithin is for how long a group that is told again may be the same request,
// whose answer got lost, or that of another one of a cluster.
const retryWithin = time.Minute

// restated says whether a problem that is told with a group is only told for the
// sake of another one: its sender says so, or something in the group changed, or
// the same was told a moment ago. One that began after it was last told of is
// another one, whose predecessor's end was never heard of.
func (w *work) restated(e *alert.Event, rec *Record, moved bool) bool {
	if !e.Grouped || rec == nil || begins(e, rec) {
		return false
	}
	just := rec.Last != nil && rec.Last.Type == alert.Problem && w.now.Sub(rec.Last.Received) < retryWithin
	return e.Restated || moved || just
}

// begins says whether a problem began after the engine last told of its object.
func begins(e *alert.Event, rec *Record) bool {
	return e.Type == alert.Problem && rec.Last != nil && e.Began.After(rec.Last.Received)
}

// moved says whether the events of one request that was told as a group hold
// something that changed: it is the reason why all of them were told.
func (w *work) moved(events []alert.Event, keys []CallKey, objects []string) bool {
	for i := range events {
		e := &events[i]
		switch _, seen := w.seen[keys[i]]; {
		case !e.Grouped:
		case e.Type == alert.Recovery: // only told once it happened, be it known here or not
			return true
		case seen:
		default:
			rec := w.records[objects[i]]
			if rec == nil {
				continue
			}
			if begins(e, rec) {
				return true
			}
			s := alert.Situation{Alert: rec.Alert}
			if rec.Known {
				s.Object = rec.Object
			}
			switch alert.Apply(s, *e, w.s.o.NewID).Outcome {
			case alert.Opened, alert.Changed, alert.Reopened:
				return true
			}
		}
	}
	return false
}
