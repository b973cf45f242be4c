package simulate

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/internal/storm"
)

// Write keeps what a transaction did. Of two values with one id the later counts.
func (t *tx) Write(_ context.Context, c *dispatch.Changes) error {
	t.writeObjects(c)
	for i := range c.Alerts {
		t.writeAlert(&c.Alerts[i])
	}
	t.writeEvents(c)
	for i := range c.Calls {
		t.calls[c.Calls[i].CallKey] = c.Calls[i].EventID
	}
	for _, id := range c.EndSnoozes {
		delete(t.asleep, id)
	}
	for _, s := range c.Snoozes {
		if t.asleep[s.AlertID] == nil {
			t.asleep[s.AlertID] = map[string]time.Time{}
		}
		t.asleep[s.AlertID][s.ContactID] = s.Until
	}
	for _, id := range c.EndEscalations {
		t.stop(id)
	}
	for i := range c.Escalations {
		t.run(&c.Escalations[i])
	}
	t.wrote(c)
	rows := make([]row, len(c.Deliveries)) // what is made together ends together, mostly
	for i := range c.Deliveries {
		t.writeDelivery(&rows[i], &c.Deliveries[i])
	}
	for _, key := range slices.Sorted(maps.Keys(c.Paces)) {
		t.writePace(key, c.Paces[key])
	}
	for _, d := range c.Digests {
		if r := t.digests[d.ID]; r != nil && r.State == delivery.Waiting && r.Attempt == 0 {
			if !r.Expires.IsZero() {
				r.Expires = r.Expires.Add(d.Due.Sub(r.Due))
			}
			r.Due, r.Quiet = d.Due, d.Quiet
			t.due.push(r, r.Due)
		}
	}
	return nil
}

func (t *tx) writeObjects(c *dispatch.Changes) {
	for i := range c.Objects {
		o := &c.Objects[i]
		rec := t.records[o.ID]
		if rec == nil {
			rec = &dispatch.Record{Known: true}
			t.records[o.ID] = rec
		}
		rec.Object = *o
		if o.Flaps.IsZero() {
			delete(t.flaps, o.ID)
			continue
		}
		t.watch(rec)
	}
}

// watch has it looked whether an object still flaps, whenever one of its changes no
// longer counts.
func (m *mem) watch(rec *dispatch.Record) {
	m.flaps[rec.Object.ID] = rec
	within := time.Duration(m.settings.FlapMinutes) * time.Minute
	for _, turned := range rec.Object.Turns {
		if end := turned.Add(within); end.After(m.now) {
			m.looks.push(rec.Object.ID, end)
		}
	}
}

func (m *mem) writeAlert(a *alert.Alert) {
	k := m.alerts[a.ID]
	if k == nil {
		k = &told{}
		m.alerts[a.ID] = k
	}
	ended := k.alert.Open() && !a.Open()
	if k.alert.Status != a.Status {
		for _, s := range k.subjects {
			s.turns(a.Status)
		}
	}
	k.alert = *a
	if a.Status == alert.Acknowledged && a.Ack != nil && !a.Ack.Until.IsZero() {
		m.ends.push(dispatch.AckEnd{AlertID: a.ID, EventID: a.Ack.EventID}, a.Ack.Until)
	}
	if rec := m.records[a.Object.ID]; rec != nil {
		if a.Open() {
			rec.Alert = &k.alert
		} else if rec.Alert != nil && rec.Alert.ID == a.ID {
			rec.Alert = nil
		}
	}
	if ended {
		m.over = append(m.over, k)
		m.forget()
	}
}

// forgetAfter is for how long what is over may be asked for: by a further call of its
// recovery, and by what tells of it.
const forgetAfter = 10 * time.Minute

// forget drops alerts that are over. What still tells of them holds them itself.
func (m *mem) forget() {
	for len(m.over) > 0 && m.now.Sub(m.over[0].alert.Updated) > forgetAfter {
		k := m.over[0]
		delete(m.alerts, k.alert.ID)
		m.stop(k.alert.ID)
		delete(m.asleep, k.alert.ID)
		m.lay(k.alert.Object.ID, k.alert.ID)
		m.over[0] = nil
		m.over = m.over[1:]
		for _, s := range k.subjects {
			s.forget()
		}
	}
}

// run notes how far the policy of an alert is.
func (m *mem) run(e *dispatch.Escalation) {
	r := m.runs[e.AlertID]
	if r == nil {
		r = &running{}
		m.runs[e.AlertID] = r
	}
	if r.Escalation = *e; !e.Due.IsZero() {
		m.steps.push(r, e.Due)
	}
}

// stop ends the policy of an alert.
func (m *mem) stop(alertID string) {
	if r := m.runs[alertID]; r != nil {
		r.Due = time.Time{}
		delete(m.runs, alertID)
	}
}

func (t *tx) writeEvents(c *dispatch.Changes) {
	for i := range c.Events {
		e := &c.Events[i]
		if rec := t.records[e.Object.ID]; rec != nil && !e.Type.Ours() {
			rec.Last = e
			delete(t.rests, e.Object.ID)
		}
		a := t.alerts[e.AlertID]
		if a == nil {
			continue
		}
		if at := slices.IndexFunc(a.latest, func(x *alert.Event) bool { return x.Type == e.Type }); at >= 0 {
			a.latest[at] = e
		} else {
			a.latest = append(a.latest, e)
		}
		switch {
		case e.Type == alert.EngineReply:
			if a.asked[e.ReplyTo] != nil {
				a.asked[e.ReplyTo].Reply = e
			}
		case e.Origin.Here():
			if a.asked == nil {
				a.asked = map[string]*dispatch.Asked{}
			}
			a.asked[e.ID] = &dispatch.Asked{Event: *e}
		}
	}
	for i := range c.Joined {
		e := c.Joined[i]
		if rec := t.records[e.Object.ID]; rec != nil && rec.Last != nil && rec.Last.ID == e.ID {
			rec.Last = &e
		} else if x := t.rests[e.Object.ID]; x != nil && x.id == e.ID {
			rec.Last = &e
			delete(t.rests, e.Object.ID)
		}
	}
}

func (m *mem) writeDelivery(r *row, d *delivery.Delivery) {
	r.Delivery, r.about, r.object = d, m.alerts[d.AlertID], m.records[d.ObjectID]
	r.addressed()
	r.event = m.eventOf(r)
	if r.Storm != "" {
		m.stormed(r)
	}
	switch d.State {
	case delivery.Waiting, delivery.Collected:
		r.at = len(m.rows)
		m.rows = append(m.rows, r)
		if d.Notice == alert.NoticeDigest {
			m.digests[d.ID] = r
		}
		if r.about != nil {
			r.about.rows = append(r.about.rows, r)
		}
		if d.State == delivery.Waiting {
			m.due.push(r, d.Due)
		}
	default:
		m.ended(r, nil)
	}
}

// eventOf is the event of a delivery: one of those that are remembered.
func (m *mem) eventOf(r *row) *alert.Event {
	if r.object != nil && r.object.Last != nil && r.object.Last.ID == r.EventID {
		return r.object.Last
	}
	if r.about != nil {
		for _, e := range r.about.latest {
			if e.ID == r.EventID {
				return e
			}
		}
	}
	return nil
}

// tells says whether a delivery is one of those that say where messages of its alert
// go.
func (r *row) tells() bool {
	return r.about != nil && (r.Notice == alert.NoticeProblem || r.Notice == alert.NoticeAck)
}

// addressed notes where messages of the alert go.
func (r *row) addressed() {
	if r.State == delivery.Skipped || !r.tells() {
		return
	}
	x := r.about.at(r.ContactID, r.Channel, r.Destination)
	x.ContactName, x.UserID, x.DestinationName = max(x.ContactName, r.ContactName), max(x.UserID, r.UserID), max(x.DestinationName, r.DestinationName)
	x.Problem = x.Problem || r.Notice == alert.NoticeProblem
	r.address = x
}

// at is an address of the alert.
func (k *told) at(contactID, channel, destination string) *address {
	i, known := slices.BinarySearchFunc(k.addresses, contactID, func(x *address, contactID string) int {
		return cmp.Or(strings.Compare(x.ContactID, contactID), strings.Compare(x.Channel, channel), strings.Compare(x.Destination, destination))
	})
	if !known {
		x := &address{Address: dispatch.Address{ContactID: contactID, Channel: channel, Destination: destination}}
		k.addresses = slices.Insert(k.addresses, i, x)
	}
	return k.addresses[i]
}

// heard notes that a delivery may have been seen, alone or with others.
func (m *mem) heard(r *row) {
	x := r.address
	if x == nil {
		return
	}
	if x.Heard = true; r.ID >= x.last {
		x.last, x.Storm = r.ID, r.Storm
		if r.Bundle == "" {
			x.Storm = ""
		}
	}
}

func (m *mem) writePace(key string, pace storm.Pace) {
	p := m.places[key]
	if p == nil {
		p = &place{key: key}
		m.places[key] = p
	}
	p.pace, p.look = pace, pace.Next()
	if !p.look.IsZero() && m.settings.Storm.Off {
		p.look = m.now
	}
	if !p.look.IsZero() && (p.queued.IsZero() || p.look.Before(p.queued)) {
		p.queued = p.look
		m.calm.push(p, p.look)
	}
}

// again gives a place its next turn: nearly all that comes in a storm puts its end
// off, so it is asked only when its turn comes when that is.
func (m *mem) again(p *place, at time.Time) {
	if !p.queued.Equal(at) {
		return // there is another one
	}
	if p.queued = p.look; !p.look.IsZero() {
		m.calm.push(p, p.look)
	}
}

// means says whether deliveries that are to be cancelled include one.
func means(c *dispatch.Cancel, r *row) bool {
	if !slices.Contains(c.Notices, r.Notice) || r.State != delivery.Waiting && r.State != delivery.Handed && r.State != delivery.Collected {
		return false
	}
	if c.ContactIDs != nil && !slices.Contains(c.ContactIDs, r.ContactID) &&
		!(r.Channel == route.Mattermost && slices.Contains(c.ContactIDs, route.SnoozedRoom(r.Destination))) {
		return false
	}
	return c.QuietTo == "" || r.Quiet && r.Attempt == 0 && r.Destination == c.QuietTo
}

// end brings a delivery to its end.
func (m *mem) end(r *row, s delivery.State, detail string) {
	r.State, r.Detail, r.Done = s, detail, m.now
	last := m.rows[len(m.rows)-1]
	m.rows[r.at], last.at = last, r.at
	m.rows[len(m.rows)-1] = nil
	m.rows = m.rows[:len(m.rows)-1]
	if r.Notice == alert.NoticeDigest {
		delete(m.digests, r.ID)
	}
	if r.about != nil {
		if i := slices.Index(r.about.rows, r); i >= 0 {
			r.about.rows = slices.Delete(r.about.rows, i, i+1)
		}
	}
}
