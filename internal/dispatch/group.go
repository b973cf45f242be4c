package dispatch

import (
	"time"

	"tocsin/internal/alert"
)

// retryWithin is for how long a group that is told again may be the same request,
// whose answer got lost, or that of another one of a cluster.
const retryWithin = time.Minute

// justTold says whether the engine told the same problem a moment ago, so that
// telling it again is no repetition that anybody set.
func (w *work) justTold(object string) bool {
	rec := w.records[object]
	return rec != nil && rec.Last != nil && rec.Last.Type == alert.Problem && w.now.Sub(rec.Last.Received) < retryWithin
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
