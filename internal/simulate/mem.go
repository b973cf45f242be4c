package simulate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/config"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/storm"
)

// mem is a dispatch.Store in memory, for one caller, whose time is what it is set
// to. What Write is given is kept as it is: nothing is rolled back, for nothing
// that a transaction does can fail once something was changed.
type mem struct {
	now       time.Time
	directory route.Directory
	settings  config.Settings
	sources   map[string]string // id to name

	records map[string]*dispatch.Record // by object
	rests   map[string]*rest            // last events of those whose alert is over for a while
	flaps   map[string]*dispatch.Record // those of them that were found to flap
	alerts  map[string]*told            // by alert; those that are over go after a while
	over    []*told                     // in the order in which they were
	calls   map[dispatch.CallKey]string
	places  map[string]*place
	storms  map[string]*stormed
	asleep  map[string]map[string]time.Time // by alert, then contact: until when
	runs    map[string]*running             // by alert

	rows    []*row                 // deliveries that are not ended
	digests map[string]*row        // of them, those that tell of many, by id
	due     queue[*row]            // of them, those that are to be told
	ends    queue[dispatch.AckEnd] // acknowledgements
	steps   queue[*running]
	calm    queue[*place]
	looks   queue[string] // objects that flap

	brief  bool      // nobody reads what a message says any more
	looked time.Time // when it was looked last whether they do

	wrote func(*dispatch.Changes) // a transaction is done
	// ended is told of a delivery that came to its end, and of what it told of many.
	ended func(d *row, x *channel.Digest)
}

// told is an alert, with its events and messages.
type told struct {
	alert     alert.Alert
	rows      []*row                     // that are not ended, in the order of their making
	subjects  []*subject                 // of storms
	addresses []*address                 // in their order
	latest    []*alert.Event             // one of each type
	asked     map[string]*dispatch.Asked // by event
}

// address is where messages of an alert go, and the last of them that may have been
// seen there.
type address struct {
	dispatch.Address
	last string
}

// row is a delivery.
type row struct {
	*delivery.Delivery // as it was written
	event              *alert.Event
	object             *dispatch.Record
	about              *told // nil: of no alert
	at                 int   // in mem.rows, while it is not ended

	address *address // nil: none that counts
	subject *subject // of a storm; nil: of none
}

// running is how far the policy of an alert is. What is over is due no more.
type running struct{ dispatch.Escalation }

// place is where messages come together.
type place struct {
	key    string
	pace   storm.Pace
	look   time.Time // when it is looked whether a storm is over; zero: not at all
	queued time.Time // when its turn in mem.calm is, not after look; zero: never
}

func newMem(now time.Time, p *Plan) *mem {
	m := &mem{
		now: now, directory: p.Directory.Indexed(), settings: p.Settings,
		records: map[string]*dispatch.Record{}, rests: map[string]*rest{}, flaps: map[string]*dispatch.Record{}, alerts: map[string]*told{},
		calls: map[dispatch.CallKey]string{}, places: map[string]*place{}, storms: map[string]*stormed{},
		asleep: map[string]map[string]time.Time{}, runs: map[string]*running{}, digests: map[string]*row{},
	}
	m.due.stands = func(r *row, at time.Time) bool { return r.State == delivery.Waiting && r.Due.Equal(at) }
	m.ends.stands = func(e dispatch.AckEnd, at time.Time) bool {
		a := m.alerts[e.AlertID]
		return a != nil && a.alert.Status == alert.Acknowledged && a.alert.Ack != nil && a.alert.Ack.EventID == e.EventID && a.alert.Ack.Until.Equal(at)
	}
	m.steps.stands = func(r *running, at time.Time) bool { return r.Due.Equal(at) }
	m.calm.stands = func(p *place, at time.Time) bool { return p.look.Equal(at) }
	m.calm.passed = m.again
	m.looks.stands = func(id string, at time.Time) bool { return m.flaps[id] != nil && at.After(m.looked) }
	return m
}

// Commit runs fn on what there is.
func (m *mem) Commit(ctx context.Context, fn func(ctx context.Context, tx dispatch.Tx) error) error {
	return fn(ctx, &tx{m})
}

// ExpiredAcks answers the acknowledgements whose time is over.
func (m *mem) ExpiredAcks(_ context.Context, limit int) (over []dispatch.AckEnd, next time.Time, err error) {
	over, next = m.ends.over(m.now, limit)
	return over, next, nil
}

// DueEscalations answers the alerts whose policy is due.
func (m *mem) DueEscalations(_ context.Context, limit int) (alertIDs []string, next time.Time, err error) {
	runs, next := m.steps.over(m.now, limit)
	for _, r := range runs {
		alertIDs = append(alertIDs, r.AlertID)
	}
	return alertIDs, next, nil
}

// CalmPlaces answers the places in which a storm may be over.
func (m *mem) CalmPlaces(_ context.Context, limit int) (places []string, next time.Time, err error) {
	calm, next := m.calm.over(m.now, limit)
	for _, p := range calm {
		places = append(places, p.key)
	}
	return places, next, nil
}

// ConfigVersion is always the same: nothing is changed while it runs.
func (m *mem) ConfigVersion() int64 { return 1 }

// HeldMessages answers none: no end of what is held back changes.
func (m *mem) HeldMessages(context.Context) ([]dispatch.HeldMessage, error) { return nil, nil }

// StoodStill answers none, for the same reason.
func (m *mem) StoodStill(context.Context) ([]string, error) { return nil, nil }

// FlappingObjects answers objects that were found to flap.
func (m *mem) FlappingObjects(_ context.Context, after string, limit int) ([]alert.Object, error) {
	var list []alert.Object
	for id, rec := range m.flaps {
		if id > after {
			list = append(list, rec.Object)
		}
	}
	slices.SortFunc(list, func(a, b alert.Object) int { return strings.Compare(a.ID, b.ID) })
	return list[:min(len(list), limit)], nil
}

// next is when something is due that the clock does, zero if nothing is.
func (m *mem) next() (clock time.Time) {
	for _, at := range []time.Time{m.ends.first(), m.steps.first(), m.calm.first(), m.looks.first()} {
		clock = earlier(clock, at)
	}
	return clock
}

// earlier is the earlier of two times; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// tx is dispatch's view of a transaction.
type tx struct{ *mem }

func (t *tx) DirectoryVersion(context.Context) (int64, error) { return 1, nil }

func (t *tx) Settings() (config.Settings, error) { return t.settings, nil }

func (t *tx) Directory(context.Context) (route.Directory, int64, error) { return t.directory, 1, nil }

func (t *tx) Now() time.Time { return t.now }

func (t *tx) Seen(_ context.Context, calls []dispatch.CallKey) (map[dispatch.CallKey]string, error) {
	seen := map[dispatch.CallKey]string{}
	for _, c := range calls {
		if id, ok := t.calls[c]; ok {
			seen[c] = id
		}
	}
	return seen, nil
}

func (t *tx) Records(_ context.Context, objectIDs []string) (map[string]*dispatch.Record, error) {
	recs := make(map[string]*dispatch.Record, len(objectIDs))
	for _, id := range objectIDs {
		rec := t.records[id]
		if rec == nil {
			recs[id] = &dispatch.Record{Object: alert.Object{ID: id}}
			continue
		}
		c := dispatch.Record{Object: rec.Object, Known: true}
		if rec.Alert != nil {
			c.Alert = copied(rec.Alert)
		}
		if rec.Last != nil {
			last := *rec.Last
			c.Last = &last
		} else if x := t.rests[id]; x != nil {
			c.Last = x.event(&rec.Object)
		}
		recs[id] = &c
	}
	return recs, nil
}

// copied is an alert that may be changed.
func copied(a *alert.Alert) *alert.Alert {
	c := *a
	if a.Ack != nil {
		ack := *a.Ack
		c.Ack = &ack
	}
	c.Marks = slices.Clone(a.Marks)
	return &c
}

func (t *tx) AlertByID(_ context.Context, id string) (*alert.Alert, error) {
	a := t.alerts[id]
	if a == nil {
		return nil, fmt.Errorf("alert %s: %w", id, fault.ErrNotFound)
	}
	return copied(&a.alert), nil
}

func (t *tx) Asked(_ context.Context, alertID, eventID string) (dispatch.Asked, error) {
	if a := t.alerts[alertID]; a != nil && a.asked[eventID] != nil {
		return *a.asked[eventID], nil
	}
	return dispatch.Asked{}, fmt.Errorf("event %s: %w", eventID, fault.ErrNotFound)
}

func (t *tx) Latest(_ context.Context, alertID string, typ alert.Type) (*alert.Event, error) {
	if a := t.alerts[alertID]; a != nil {
		for _, last := range a.latest {
			if last.Type == typ {
				e := *last
				return &e, nil
			}
		}
	}
	return nil, nil
}

func (t *tx) Addresses(_ context.Context, alertIDs []string) (map[string][]dispatch.Address, error) {
	found := map[string][]dispatch.Address{}
	for _, id := range alertIDs {
		a := t.alerts[id]
		if a == nil || len(a.addresses) == 0 || found[id] != nil {
			continue
		}
		list := make([]dispatch.Address, 0, len(a.addresses))
		for _, x := range a.addresses {
			list = append(list, x.Address)
		}
		found[id] = list
	}
	return found, nil
}

// Heartbeat answers that nothing is watched: in a simulation no source is silent.
func (t *tx) Heartbeat(context.Context, string) (dispatch.Heartbeat, error) {
	return dispatch.Heartbeat{}, nil
}

func (t *tx) Snoozed(_ context.Context, alertID string) (map[string]time.Time, error) {
	until := map[string]time.Time{}
	for id, end := range t.asleep[alertID] {
		if end.After(t.now) {
			until[id] = end
		}
	}
	return until, nil
}

func (t *tx) Paces(_ context.Context, places []string) (map[string]storm.Pace, error) {
	paces := make(map[string]storm.Pace, len(places))
	for _, key := range places {
		var pace storm.Pace
		if p := t.places[key]; p != nil {
			pace = p.pace
		}
		paces[key] = pace
	}
	return paces, nil
}

func (t *tx) Collecting(_ context.Context, ids []string) (map[string]bool, error) {
	found := map[string]bool{}
	for _, id := range ids {
		if r := t.digests[id]; r != nil && r.State == delivery.Waiting && r.Attempt == 0 && (r.Channel == route.Browser || r.Due.After(t.now)) {
			found[id] = true
		}
	}
	return found, nil
}

func (t *tx) Held(context.Context, dispatch.HeldMessage, string, int) ([]delivery.Claimed, error) {
	return nil, nil
}

func (t *tx) Escalation(_ context.Context, alertID string) (*dispatch.Escalation, error) {
	r := t.runs[alertID]
	if r == nil {
		return nil, nil
	}
	e := r.Escalation
	return &e, nil
}

func (t *tx) Rename(context.Context, string, string, string) (bool, error) { return false, nil }

// Cancel ends what is no longer to be told.
func (t *tx) Cancel(_ context.Context, cs []dispatch.Cancel) ([]dispatch.Cancelled, error) {
	var ended []dispatch.Cancelled
	for i := range cs {
		c := &cs[i]
		a := t.alerts[c.AlertID]
		if a == nil {
			continue
		}
		for i := 0; i < len(a.rows); {
			r := a.rows[i]
			if !means(c, r) {
				i++
				continue
			}
			ended = append(ended, dispatch.Cancelled{AlertID: r.AlertID, ContactID: r.ContactID, Channel: r.Channel, Destination: r.Destination, Notice: r.Notice, Attempt: r.Attempt})
			t.finish(r, delivery.Cancelled, c.Why, nil)
		}
	}
	return ended, nil
}
