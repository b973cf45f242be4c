package store

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
)

// recall keeps the records of objects that events were about lately, so that
// the next event of the same object need not read them: on SQLite that was a
// seventh of the committer's time. It is only used where one process writes,
// the hub that serves from a SQLite file, and only while it has the turn to
// write; what another process writes all the same (a command beside the hub)
// changes SQLite's data_version, and then nothing of it counts any more.
type recall struct {
	kept    map[string]dispatch.Record
	version int64      // SQLite's data_version that kept belongs to
	paces   *keptPaces // are forgotten with it
}

// The bounds of what is kept: some 20 MB at worst, a tenth of it as a rule.
const (
	recallMost = 16384 // objects
	recallText = 1024  // bytes of text of one record; longer ones are read each time
)

// begin forgets everything when somebody else has written. Nil recalls nothing.
func (r *recall) begin(ctx context.Context, q querier) error {
	if r == nil {
		return nil
	}
	var v int64
	if err := q.row(ctx, "PRAGMA data_version", nil, &v); err != nil {
		return fmt.Errorf("ask whether others have written: %w", err)
	}
	if v != r.version {
		r.forget()
		r.version = v
	}
	return nil
}

func (r *recall) forget() {
	if r != nil {
		clear(r.kept)
		r.paces.forget()
	}
}

// drop forgets one object, which something else than an event has changed.
func (r *recall) drop(id string) {
	if r != nil {
		delete(r.kept, id)
	}
}

// find answers a record that the caller may change.
func (r *recall) find(id string) *dispatch.Record {
	if r == nil {
		return nil
	}
	rec, ok := r.kept[id]
	if !ok {
		return nil
	}
	if rec.Alert != nil {
		a := *rec.Alert
		a.Ack = asKept(a.Ack)
		rec.Alert = &a
	}
	if rec.Last != nil {
		e := *rec.Last
		rec.Last = &e
	}
	return &rec
}

// keep notes what a transaction that is about to be committed has read and
// written, each value as a read would give it. If it is not committed after
// all, everything must be forgotten.
func (r *recall) keep(read map[string]*dispatch.Record, c *dispatch.Changes) {
	if r == nil {
		return
	}
	next := make(map[string]*dispatch.Record, len(read))
	base := func(id string) *dispatch.Record { // nil: nothing is known of what was before
		rec := next[id]
		if rec == nil {
			if rec = read[id]; rec == nil {
				rec = r.find(id)
			}
			if rec != nil {
				next[id] = rec
			}
		}
		return rec
	}
	for id := range read {
		base(id)
	}
	for i := range c.Objects {
		if rec := base(c.Objects[i].ID); rec != nil {
			rec.Object, rec.Known = c.Objects[i], true
			rec.Object.Changed, rec.Object.Flaps = fromMillis(millis(rec.Object.Changed)), fromMillis(millis(rec.Object.Flaps))
			rec.Object.Turns = timesAsKept(rec.Object.Turns)
		}
	}
	for i := range c.Alerts {
		a := c.Alerts[i]
		switch rec := base(a.Object.ID); {
		case rec == nil:
		case a.Open():
			a.Since, a.Updated, a.Snoozed = fromMillis(millis(a.Since)), fromMillis(millis(a.Updated)), fromMillis(millis(a.Snoozed))
			a.Ack = asKept(a.Ack)
			rec.Alert = &a
		case rec.Alert != nil && rec.Alert.ID == a.ID:
			rec.Alert = nil
		}
	}
	for _, list := range [][]alert.Event{c.Events, c.Joined} {
		for i := range list {
			e := list[i]
			if e.Type.Ours() {
				continue
			}
			if rec := base(e.Object.ID); rec != nil && (rec.Last == nil || rec.Last.ID <= e.ID) {
				e.Time, e.Received, e.Until = fromMillis(millis(e.Time)), fromMillis(millis(e.Received)), fromMillis(millis(e.Until))
				e.Pending = false
				rec.Last = &e
			}
		}
	}
	for id, rec := range next {
		if rec.Known {
			r.put(id, *rec)
		}
	}
}

// asKept is a copy of an acknowledgement as a read would give it, nil for none.
func asKept(a *alert.Ack) *alert.Ack {
	if a == nil {
		return nil
	}
	k := *a
	k.At, k.Until = fromMillis(millis(k.At)), fromMillis(millis(k.Until))
	return &k
}

// timesAsKept are times as a read would give them.
func timesAsKept(list []time.Time) []time.Time {
	if len(list) == 0 {
		return nil
	}
	kept := make([]time.Time, len(list))
	for i, t := range list {
		kept[i] = fromMillis(millis(t))
	}
	return kept
}

// put keeps a record in one form, whatever it was made of, if it is small.
func (r *recall) put(id string, rec dispatch.Record) {
	o := &rec.Object
	size := len(o.Host) + len(o.Service) + len(o.HostDisplay) + len(o.ServiceDisplay) + len(o.URL) + 24*len(o.Turns)
	for k, v := range o.Labels {
		size += len(k) + len(v)
	}
	if rec.Alert != nil {
		a := *rec.Alert
		a.Object = *o
		rec.Alert = &a
		size += len(a.Output) + len(a.Long)
		if a.Ack != nil {
			size += len(a.Ack.Comment) + len(a.Ack.Words)
		}
	}
	if rec.Last != nil {
		e := *rec.Last
		e.Object = *o
		rec.Last = &e
		size += len(e.Output) + len(e.Long) + len(e.Comment)
		for _, name := range e.Contacts {
			size += len(name)
		}
	}
	if size > recallText {
		delete(r.kept, id)
		return
	}
	if _, ok := r.kept[id]; !ok && len(r.kept) >= recallMost {
		for other := range r.kept { // any: Go's order is random
			delete(r.kept, other)
			break
		}
	}
	r.kept[id] = rec
}
