package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/config"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
)

// joinWithin is how far apart the calls of one event may be: an engine runs its
// notification command once for each contact, one after the other.
const joinWithin = 10 * time.Second

// work is one transaction while it is computed. All of its group's events are
// worked through in memory, in order, and written at the end at once.
type work struct {
	s         *Service
	who       *actor // of what is done about one alert; nil for events
	ctx       context.Context
	tx        Tx
	now       time.Time
	settings  config.Settings
	directory route.Directory

	seen      map[CallKey]string
	records   map[string]*Record
	alerts    map[string]*alert.Alert
	addresses map[string][]Address            // by alert, as the store had them
	snoozed   map[string]map[string]time.Time // by alert, then contact

	changes    Changes
	cancels    []Cancel
	turns      map[string]turn         // by alert
	turnOrder  []string                // of alerts
	shares     []share                 // in the order of deliveries
	fresh      map[string]*alert.Event // events of this transaction, by id
	order      []*alert.Event
	joined     map[string]*alert.Event // events of earlier ones
	touched    map[string]bool         // objects in changes
	holds      map[string]time.Time    // deliveries that are held back, by id; see gather
	stale      []refresh               // messages of storms that are to be brought up to date
	calming    []string                // places where a storm may be over
	reholds    []*rehold               // messages that are held back and are looked at again
	unheld     map[string]unheld       // alerts of which an event says whether somebody has them; see escalations
	objects    []string
	alertOrder []string
}

// open begins the work: the time and the directory.
func (s *Service) open(ctx context.Context, tx Tx) (*work, error) {
	read := func(context.Context) (config.Settings, error) { return tx.Settings() }
	if s.o.Settings != nil {
		read = s.o.Settings
	}
	settings, err := read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	version, err := tx.DirectoryVersion(ctx)
	if err != nil {
		return nil, fmt.Errorf("read directory version: %w", err)
	}
	if s.directory == nil || version != s.version {
		d, version, err := tx.Directory(ctx)
		if err != nil {
			return nil, fmt.Errorf("load directory: %w", err)
		}
		d = d.Indexed() // once, not for each decision
		s.directory, s.version = &d, version
	}
	now := tx.Now()
	if s.o.Clock != nil {
		now = s.o.Clock()
	}
	now = now.UTC().Truncate(time.Millisecond)
	w := &work{}
	if s.o.Inline { // one after the other, and none is tried again
		if s.spare == nil {
			s.spare = w
		}
		w = s.spare
	}
	*w = work{
		s: s, ctx: ctx, tx: tx, now: now, settings: settings,
		directory: *s.directory,
		alerts:    map[string]*alert.Alert{},
		addresses: map[string][]Address{},
		snoozed:   map[string]map[string]time.Time{},
		turns:     map[string]turn{},
		fresh:     map[string]*alert.Event{},
		joined:    map[string]*alert.Event{},
		touched:   map[string]bool{},
		holds:     map[string]time.Time{},
		changes:   Changes{Sources: map[string]time.Time{}},
	}
	return w, nil
}

// receive takes the events of a group.
func (w *work) receive(group []*request, answers []answer) error {
	var keys []CallKey
	var objects []string
	for _, r := range group {
		for i := range r.events {
			o := r.events[i].Object
			keys = append(keys, callKey(r.sourceID, &r.events[i]))
			objects = append(objects, alert.ObjectID(r.sourceID, o.Host, o.Service))
		}
	}
	if err := w.load(keys, objects); err != nil {
		return err
	}
	n := 0
	for i, r := range group {
		answers[i].receipts = make([]Receipt, len(r.events))
		moved := w.moved(r.events, keys[n:], objects[n:])
		for j := range r.events {
			e := r.events[j] // a copy: the group may be tried again
			e.SourceID = r.sourceID
			e.Object.SourceID = r.sourceID
			e.Object.ID = objects[n]
			e.Restated = w.restated(&e, w.records[objects[n]], moved)
			from := len(w.changes.Deliveries)
			receipt, err := w.event(&e, keys[n])
			if err != nil {
				return err
			}
			answers[i].receipts[j] = receipt
			w.shares = append(w.shares, share{from, &answers[i].receipts[j]})
			n++
		}
		w.changes.Sources[r.sourceID] = w.now
	}
	return nil
}

// load locks the objects and reads what is known of the calls, each at once. The
// calls come second: a call that another node has just taken is there to be
// seen when the lock on its object is had, and not before.
func (w *work) load(keys []CallKey, objects []string) error {
	var err error
	ids := slices.Clone(objects)
	slices.Sort(ids)
	if w.records, err = w.tx.Records(w.ctx, slices.Compact(ids)); err != nil {
		return fmt.Errorf("load objects: %w", err)
	}
	if w.seen, err = w.tx.Seen(w.ctx, keys); err != nil {
		return fmt.Errorf("look for calls taken before: %w", err)
	}
	if w.seen == nil {
		w.seen = map[CallKey]string{}
	}
	for _, rec := range w.records {
		if rec.Alert != nil {
			w.alerts[rec.Alert.ID] = rec.Alert
		}
	}
	return nil
}

// event takes one event: a call that was taken before changes nothing, a call
// of the same event for a further contact joins it, and all else is new.
func (w *work) event(e *alert.Event, key CallKey) (Receipt, error) {
	if id, ok := w.seen[key]; ok {
		return Receipt{EventID: id, Duplicate: true}, nil
	}
	e.Received = w.now
	if e.Time.After(w.now) || e.Time.IsZero() {
		e.Time = w.now
	}
	rec := w.records[e.Object.ID]
	if rec == nil {
		return Receipt{}, fmt.Errorf("object %s: the store answered no record", e.Object.ID)
	}
	e.Watched = w.watches(e.SourceID)
	if err := w.calmDown(rec); err != nil {
		return Receipt{}, err
	}
	var receipt Receipt
	var err error
	if contacts, userIDs, ok := joins(rec.Last, e); ok {
		receipt, err = w.join(rec, contacts, userIDs, e.Marks)
	} else {
		receipt, err = w.apply(rec, e)
	}
	if err != nil {
		return Receipt{}, err
	}
	w.seen[key] = receipt.EventID
	w.changes.Calls = append(w.changes.Calls, Call{CallKey: key, EventID: receipt.EventID, At: w.now})
	return receipt, nil
}

// joins answers the contacts by which e joins last, and whether it does.
func joins(last, e *alert.Event) (contacts, userIDs []string, ok bool) {
	if last == nil || last.Type != e.Type || last.State != e.State || last.Origin != e.Origin ||
		last.Author != e.Author || last.Comment != e.Comment || last.Time.Sub(e.Time).Abs() > joinWithin {
		return nil, nil, false
	}
	contacts = missing(e.Contacts, last.Contacts)
	userIDs = missing(e.UserIDs, last.UserIDs)
	return contacts, userIDs, len(contacts)+len(userIDs) > 0
}

// missing answers those of names that are not in known.
func missing(names, known []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(known, n) {
			out = append(out, n)
		}
	}
	return out
}

// join adds contacts to the object's last event and tells them alone.
func (w *work) join(rec *Record, contacts, userIDs []string, marks []alert.Mark) (Receipt, error) {
	last := rec.Last
	before := *last
	last.Contacts = append(slices.Clone(last.Contacts), contacts...)
	last.UserIDs = append(slices.Clone(last.UserIDs), userIDs...)
	for _, m := range marks {
		mark(last, m)
	}
	a, err := w.alert(last.AlertID)
	if err != nil {
		return Receipt{}, err
	}
	asked := *last
	asked.Contacts, asked.UserIDs = contacts, userIDs
	from := len(w.changes.Deliveries)
	made, err := w.tell(question{asked: &asked, kept: last, before: &before, object: rec.Object, alert: a, notice: noticeOf(last, a)})
	if err != nil {
		return Receipt{}, err
	}
	if w.fresh[last.ID] == nil {
		w.unquiet(last, w.changes.Deliveries[from:])
		w.joined[last.ID] = last
	}
	return Receipt{EventID: last.ID, AlertID: last.AlertID, Outcome: last.Outcome, Deliveries: made, Marks: last.Marks, joined: true}, nil
}

// noticeOf is the notice that an event asked for, found in the state machine by
// what the event did and where its alert stands since.
func noticeOf(e *alert.Event, a *alert.Alert) alert.Notice {
	status := alert.None
	if a != nil {
		status = a.Status
	}
	for _, t := range alert.Rows(e.Type) {
		if t.Outcome == e.Outcome && (t.To == alert.Any || t.To == status) {
			return t.Notice
		}
	}
	return alert.NoNotice
}

// apply takes a new event of the object's alert through the state machine and
// routes it.
func (w *work) apply(rec *Record, e *alert.Event) (Receipt, error) { return w.step(rec, rec.Alert, e) }

// step is apply for an event of a, which is the object's open alert; nil where it
// is not about that.
func (w *work) step(rec *Record, a *alert.Alert, e *alert.Event) (Receipt, error) {
	e.ID = w.s.o.NewID()
	var before alert.Object // nothing is known of a new one
	if rec.Known {
		before = rec.Object
	}
	if err := w.listen(a, e); err != nil {
		return Receipt{}, err
	}
	result := alert.Apply(alert.Situation{Object: before, Alert: a}, *e, w.s.o.NewID)
	e.Outcome, e.Why, e.Marks, e.Object = result.Outcome, result.Why, result.Marks, result.Object
	if a != nil && !a.Snoozed.IsZero() && result.Alert != nil && result.Alert.Snoozed.IsZero() {
		w.changes.EndSnoozes = append(w.changes.EndSnoozes, a.ID)
	}
	rec.Object, rec.Known = result.Object, true
	last, flaps := rec.Last, e.Watched && w.flap().Begins(&rec.Object, w.now)
	if !e.Type.Ours() {
		rec.Last = e
	}
	if a == rec.Alert {
		rec.Alert = nil
	}
	if result.Alert != nil {
		e.AlertID = result.Alert.ID
		w.keep(result.Alert)
		if result.Alert.Open() {
			rec.Alert = result.Alert
		}
	}
	w.fresh[e.ID] = e
	w.order = append(w.order, e)
	if !w.touched[e.Object.ID] {
		w.touched[e.Object.ID] = true
		w.objects = append(w.objects, e.Object.ID)
	}
	w.turn(a, result, e)
	w.nobodyHas(result, e)
	made, err := w.tell(question{asked: e, kept: e, object: result.Object, alert: result.Alert, notice: result.Notice, flaps: flaps})
	if err != nil {
		return Receipt{}, err
	}
	w.writeBack(a, e)
	if !w.s.o.Inline { // nobody has it open
		w.changes.Live = append(w.changes.Live, frame(e, result, w.now))
	}
	if flaps {
		more, err := w.flaps(rec, e, last)
		if err != nil {
			return Receipt{}, err
		}
		made += more
	}
	return Receipt{EventID: e.ID, AlertID: e.AlertID, Outcome: e.Outcome, Deliveries: made, Marks: e.Marks}, nil
}

// keep notes that an alert is to be written.
func (w *work) keep(a *alert.Alert) {
	if !slices.Contains(w.alertOrder, a.ID) {
		w.alertOrder = append(w.alertOrder, a.ID)
	}
	w.alerts[a.ID] = a
}

// alert answers an alert by id, nil for none.
func (w *work) alert(id string) (*alert.Alert, error) {
	if id == "" {
		return nil, nil
	}
	if a := w.alerts[id]; a != nil {
		return a, nil
	}
	a, err := w.tx.AlertByID(w.ctx, id)
	if err != nil {
		return nil, fmt.Errorf("load alert %s: %w", id, err)
	}
	w.alerts[id] = a
	return a, nil
}

// question is who is to hear of an event.
type question struct {
	asked  *alert.Event // with the contacts that it is about
	kept   *alert.Event // what is written; of a further call the event that it joins
	before *alert.Event // of a further call: kept, before it was joined
	object alert.Object
	alert  *alert.Alert
	notice alert.Notice
	flaps  bool // it is the change that makes the object flap
}

// tell routes a question and makes the deliveries; those decided against too, as
// the record of why. It answers how many will be sent. What became of something
// that was asked for while an alert was open is told to nobody after it.
func (w *work) tell(q question) (int, error) {
	if q.notice == alert.NoNotice || q.asked.Type == alert.EngineReply && q.alert == nil {
		return 0, nil
	}
	told, err := w.toldOf(q.asked, q.alert, q.notice)
	if err != nil {
		return 0, err
	}
	snoozed, err := w.snoozesOf(q.alert, q.notice)
	if err != nil {
		return 0, err
	}
	q.asked.Object = q.object
	ask := route.Question{Event: *q.asked, Alert: q.alert, Notice: q.notice, Told: told, Snoozed: snoozed, Now: w.now}
	ask.Flapping = q.flaps || !q.object.Flaps.IsZero()
	if q.before != nil {
		ask.Joined, ask.Before, ask.BeforeIDs = true, q.before.Contacts, q.before.UserIDs
	}
	decisions := route.Decide(w.directory, ask)
	w.changes.Deliveries = slices.Grow(w.changes.Deliveries, len(decisions))
	made := 0
	for i := range decisions {
		d := w.delivery(&decisions[i], q.kept, q.object.ID, q.notice)
		if d.State == delivery.Waiting {
			made++
		}
		if d.Reason == route.ReasonUnknownContact {
			mark(q.kept, alert.MarkContact)
		}
		w.changes.Deliveries = append(w.changes.Deliveries, d)
	}
	return made, nil
}

// delivery is a decision as what is to be sent now, or as the record of why
// nothing is.
func (w *work) delivery(c *route.Decision, e *alert.Event, objectID string, notice alert.Notice) delivery.Delivery {
	d := delivery.Delivery{
		ID: w.s.o.NewID(), EventID: e.ID, AlertID: e.AlertID, ObjectID: objectID,
		ContactID: c.ContactID, ContactName: c.ContactName, UserID: c.UserID,
		Channel: c.Channel, Destination: c.Destination, DestinationName: c.DestinationName,
		Notice: notice, State: delivery.Waiting, Reason: c.Reason, Why: c.Why,
		Created: w.now, Due: w.now, Expires: w.now.Add(w.lives(c.Channel)),
	}
	if c.Told && !c.HoldUntil.IsZero() {
		w.holds[d.ID] = c.HoldUntil
	}
	if !c.Told {
		d.State, d.Done = delivery.Skipped, w.now
	} else if notice == alert.NoticeAck && e.Type == alert.Acknowledgement && e.Pending {
		d.Due = w.now.Add(answerWait)
	}
	return d
}

// lives is for how long a message of the channel may wait to be told.
func (w *work) lives(channel string) time.Duration {
	switch channel {
	case route.Webpush:
		return time.Duration(w.settings.PushTTL) * time.Minute
	case route.Mattermost:
		return time.Duration(w.settings.MattermostTTL) * time.Minute
	case route.Email:
		return time.Duration(w.settings.MailTTL) * time.Minute
	case route.Webhook:
		return time.Duration(w.settings.HookTTL) * time.Minute
	case route.Engine:
		return engineTTL
	}
	return time.Duration(w.settings.BrowserTTL) * time.Minute
}

// toldOf answers who was told of the alert's problem before. It is asked for
// only where route looks at it: an engine that tells an acknowledgement or a
// recovery says itself whom, or leaves it to the rules.
func (w *work) toldOf(e *alert.Event, a *alert.Alert, notice alert.Notice) ([]route.Told, error) {
	here := e.Origin.Here() || e.Type == alert.EngineReply
	found := notice == alert.NoticeRecovery && e.Type != alert.Recovery
	if a == nil || !here && !found {
		return nil, nil
	}
	return w.toldBefore(a)
}

// snoozesOf answers who wants no problem notice of the alert now. Nearly always
// the alert itself says that nobody snoozed it.
func (w *work) snoozesOf(a *alert.Alert, notice alert.Notice) (map[string]time.Time, error) {
	if notice != alert.NoticeProblem || a == nil || !a.Snoozed.After(w.now) {
		return nil, nil
	}
	if s, ok := w.snoozed[a.ID]; ok {
		return s, nil
	}
	s, err := w.tx.Snoozed(w.ctx, a.ID)
	if err != nil {
		return nil, fmt.Errorf("load who snoozed alert %s: %w", a.ID, err)
	}
	w.snoozed[a.ID] = s
	return s, nil
}

// write writes all changes at once.
func (w *work) write() error {
	if err := w.finish(); err != nil {
		return err
	}
	c := &w.changes
	for _, id := range w.objects {
		c.Objects = append(c.Objects, w.records[id].Object)
	}
	for _, id := range w.alertOrder {
		c.Alerts = append(c.Alerts, *w.alerts[id])
	}
	for _, e := range w.order {
		c.Events = append(c.Events, *e)
	}
	for _, e := range w.joined {
		c.Joined = append(c.Joined, *e)
	}
	if w.who != nil {
		c.Trail = w.who.trail(c.Events)
	}
	if err := w.tx.Write(w.ctx, c); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}

// mark adds a mark once.
func mark(e *alert.Event, m alert.Mark) {
	if !slices.Contains(e.Marks, m) {
		e.Marks = append(slices.Clip(e.Marks), m)
	}
}
