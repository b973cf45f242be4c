package dispatch

import (
	"time"

	"tocsin/internal/delivery"
)

// What is held back, for quiet hours, a time period or a maintenance window, waits
// in the digest of its place and of that end. What is still true then is looked at
// when the digest is sent.

// held says whether a delivery is held back.
func (w *work) held(d *delivery.Delivery) bool {
	_, ok := w.holds[d.ID]
	return ok && d.State == delivery.Waiting
}

// hold collects a delivery until a moment. Where too much is held back at a place
// for one more moment, it waits by itself.
func (g *gathering) hold(at *placed, d *delivery.Delivery, until time.Time) {
	w, p := g.w, &at.pace
	v := p.Keep(until, w.now, g.waiting, w.s.o.NewID)
	if !v.Collected {
		d.Due, d.Expires = until, until.Add(w.lives(d.Channel))
		return
	}
	at.changed = true
	g.into(at, p.Find(v.Storm), v, d, delivery.Delivery{Reason: d.Reason, Why: "tells what was held back until " + delivery.Moment(until)})
	d.Why += "; collected until then, with what else is held back"
}
