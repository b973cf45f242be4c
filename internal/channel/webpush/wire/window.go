package wire

import "time"

// window says how many requests may be under way to an origin at a time. It
// doubles from one round of answers to the next until there are signs of
// overload, shrinks then by a third, and grows slowly from there.
type window struct {
	limit    float64
	slow     float64 // above this, it grows slowly
	most     float64 // what the connections could carry
	shrunk   int64   // when it shrank last: requests from before say nothing new
	shrinks  int64
	latency  float64 // nanoseconds, smoothed
	least    float64 // the least latency lately
	leastNew float64 // of the part of a minute that runs
	since    int64   // when that part began
}

const (
	firstWindow   = 64
	shrinkBy      = 0.7
	collapse      = 5                        // times the least latency …
	collapseAbove = float64(2 * time.Second) // … and this: then the service is queueing
	latencyPart   = int64(time.Minute)
)

func newWindow(most int) window {
	return window{limit: min(firstWindow, float64(most)), slow: float64(most), most: float64(most)}
}

// size is the number of requests that may be under way, 1 at least.
func (w *window) size() int { return max(1, int(w.limit)) }

// resize takes what the connections could carry now.
func (w *window) resize(most int) {
	was := w.most
	w.most = max(1, float64(most))
	if w.slow == was {
		w.slow = w.most
	}
	w.limit = min(w.limit, w.most)
}

// answered takes the answer of a request that was sent at start, with active
// requests under way.
func (w *window) answered(start, now int64, active int) {
	took := float64(now - start)
	if w.latency == 0 {
		w.latency, w.least, w.leastNew, w.since = took, took, took, now
	}
	w.latency += (took - w.latency) / 32
	w.leastNew = min(w.leastNew, took)
	if now-w.since > latencyPart {
		w.least, w.leastNew, w.since = w.leastNew, took, now
	}
	w.least = min(w.least, took)
	if w.latency > collapseAbove && w.latency > collapse*w.least {
		w.overload(start, now)
		return
	}
	if active*4 < w.size()*3 {
		return // it was not what held anybody up
	}
	if w.limit < w.slow {
		w.limit++
	} else {
		w.limit += 4 / w.limit
	}
	w.limit = min(w.limit, w.most)
}

// overload takes a sign that the service bears less. Only one of those that
// were sent together counts.
func (w *window) overload(start, now int64) {
	if start <= w.shrunk && w.shrunk != 0 {
		return
	}
	w.limit = max(1, w.limit*shrinkBy)
	w.slow = w.limit
	w.shrunk = now
	w.shrinks++
}
