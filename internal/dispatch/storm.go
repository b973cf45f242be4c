package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
	"tocsin/internal/storm"
)

// What is told at once and what is collected is decided at the end of a
// transaction, for all that it tells at once: who is to hear of what is known then,
// and each place is read and written once. What is collected stays a delivery of its
// own in the log; the digest that tells of it is one more.

// gathering is that decision while it is made.
type gathering struct {
	w       *work
	tasks   []task          // deliveries that a place decides on, in their order
	places  []placed        // the places of all that is decided
	at      map[string]int  // of places, by key
	collect map[string]bool // digests of earlier transactions that still collect
	made    []delivery.Delivery
	ours    map[string]int // digests made now, by id, as index in made
	moved   map[string]int // digests that were moved, as index in Changes.Digests; see placed.moved
}

// placed is a place, with what is remembered of it.
type placed struct {
	key     string
	pace    storm.Pace
	changed bool
	words   struct { // of what was collected last, which says the same of the next
		of   string // storm
		by   storm.Rules
		text string
	}
	moved   string // the digest that was moved last
	movedAt int    // as index in Changes.Digests
}

// task is a delivery that a place decides on: both as index.
type task struct {
	delivery, place int
	held            bool
}

// place answers the index of a place, which it adds if need be.
func (g *gathering) place(key []byte) int {
	if len(g.places) <= fewPlaces {
		for i := range g.places {
			if g.places[i].key == string(key) { // without making a string of it
				return i
			}
		}
	} else if i, known := g.at[string(key)]; known {
		return i
	}
	i := len(g.places)
	g.places = append(g.places, placed{key: string(key)})
	switch {
	case i == fewPlaces: // from now on it pays
		g.at = make(map[string]int, 2*fewPlaces)
		for i := range g.places {
			g.at[g.places[i].key] = i
		}
	case i > fewPlaces:
		g.at[g.places[i].key] = i
	}
	return i
}

// fewPlaces are found as quickly without a map: an event alone is told to few.
const fewPlaces = 8

// of is the place with a key.
func (g *gathering) of(key string) *placed { return &g.places[g.place([]byte(key))] }

// refresh asks for the message of a storm to be brought up to date at an address.
type refresh struct {
	place string
	storm string
	to    storm.To
	about storm.About
}

// gather has told what is to be told now, and collects the rest. What nobody is
// told of costs nothing here.
func (w *work) gather() error {
	g := &gathering{w: w}
	var key []byte
	for i := range w.changes.Deliveries {
		d := &w.changes.Deliveries[i]
		held := w.held(d)
		if !held && !w.paced(d) {
			continue
		}
		if g.tasks == nil {
			left := len(w.changes.Deliveries) - i
			g.tasks, g.places = make([]task, 0, left), make([]placed, 0, min(left, 32))
		}
		key = appendPlaceKey(key[:0], d.Channel, d.Destination, d.ContactID)
		g.tasks = append(g.tasks, task{delivery: i, place: g.place(key), held: held})
	}
	for _, r := range w.stale {
		g.place([]byte(r.place))
	}
	for _, p := range w.calming {
		g.place([]byte(p))
	}
	for _, r := range w.reholds {
		g.place([]byte(r.Place))
	}
	if len(g.places) == 0 {
		return nil
	}
	keys := make([]string, len(g.places))
	for i := range g.places {
		keys[i] = g.places[i].key
	}
	slices.Sort(keys)
	known, err := w.tx.Paces(w.ctx, keys)
	if err != nil {
		return fmt.Errorf("load what was told at %d places: %w", len(keys), err)
	}
	digests := make([]string, 0, len(g.places))
	for i := range g.places {
		p := &g.places[i]
		p.pace = known[p.key]
		digests = p.pace.Digests(digests, w.now, lies(p.key))
	}
	for _, r := range w.reholds {
		if r.Digest {
			digests = append(digests, r.ID)
		}
	}
	if len(digests) > 0 {
		slices.Sort(digests)
		if g.collect, err = w.tx.Collecting(w.ctx, digests); err != nil {
			return fmt.Errorf("look which of %d messages still collect: %w", len(digests), err)
		}
	}
	return g.all()
}

// all goes through what is told, what is to be brought up to date, and the storms
// that may be over, in this order: what comes now keeps a storm going.
func (g *gathering) all() error {
	w := g.w
	for _, t := range g.tasks {
		d, p := &w.changes.Deliveries[t.delivery], &g.places[t.place]
		if t.held {
			g.hold(p, d, w.holds[d.ID])
		} else {
			g.pace(p, d)
		}
	}
	for _, r := range w.stale {
		g.refresh(r)
	}
	for _, place := range w.calming {
		g.calm(place)
	}
	for _, r := range w.reholds {
		if err := g.rehold(r); err != nil {
			return err
		}
	}
	w.changes.Deliveries = append(w.changes.Deliveries, g.made...)
	for i := range g.places {
		p := &g.places[i]
		if !p.changed {
			continue
		}
		if w.changes.Paces == nil {
			w.changes.Paces = make(map[string]storm.Pace, len(g.places))
		}
		w.changes.Paces[p.key] = p.pace
	}
	return nil
}

// lies says whether messages lie at a place until somebody comes: they are for tabs.
func lies(place string) bool { return strings.HasPrefix(place, route.Browser+"|") }

// paced says whether a delivery is one of those that a storm makes too many of.
// What a person asked for, a reminder after a snooze or a message of the engine's
// own, is told as it is, and so is what makes no sound.
func (w *work) paced(d *delivery.Delivery) bool {
	if d.State != delivery.Waiting || d.Quiet || d.Reason == route.ReasonSnoozeOver {
		return false
	}
	switch d.Notice {
	case alert.NoticeProblem, alert.NoticeRecovery, alert.NoticeAck, alert.NoticeFlapping, alert.NoticeDowntime:
		return !w.rules(w.objectOf(d).SourceID).Off
	}
	return false
}

// rules are those of a source. How much a place takes of all kinds is the same for
// all sources.
func (w *work) rules(sourceID string) storm.Rules {
	r := w.settings.Storm
	if own, ok := w.settings.StormBySource[sourceID]; ok {
		own.Place, own.Regain = r.Place, r.Regain
		r = own
	}
	r.Off = r.Off || r.Burst < 1 // nobody set any
	return r
}

// objectOf is what a delivery is about.
func (w *work) objectOf(d *delivery.Delivery) *alert.Object {
	if rec := w.records[d.ObjectID]; rec != nil && rec.Object.SourceID != "" {
		return &rec.Object
	}
	if e := w.fresh[d.EventID]; e != nil {
		return &e.Object
	}
	if a := w.alerts[d.AlertID]; a != nil {
		return &a.Object
	}
	return &alert.Object{ID: d.ObjectID}
}

// pace tells a delivery at once or has it collected.
func (g *gathering) pace(at *placed, d *delivery.Delivery) {
	w, p := g.w, &at.pace
	o := w.objectOf(d)
	r := w.rules(o.SourceID)
	v := p.Take(r, r.Kind(o), w.now, g.waiting, w.s.o.NewID)
	at.changed = true
	if !v.Collected {
		return
	}
	s := p.Find(v.Storm)
	if s.Words == "" {
		s.Words = w.about(r, o, v.Kind)
	}
	like := delivery.Delivery{Reason: route.ReasonStorm}
	if v.New {
		like.Why = delivery.StormWhy("tells of", s.Words, s.Began) + ", by the rule " + ruleWords(r, s)
	}
	g.into(at, s, v, d, like)
	if at.words.of != s.ID || at.words.by != r {
		at.words.of, at.words.by = s.ID, r
		at.words.text = "; collected by the rule " + ruleWords(r, s) + " into " + delivery.StormWhy("", s.Words, s.Began)
	}
	d.Why += at.words.text
}

// about is what the alerts of a storm have in common, for people.
func (w *work) about(r storm.Rules, o *alert.Object, kind string) string {
	if kind == storm.Other {
		return fmt.Sprintf("more than %d kinds", storm.MaxKinds)
	}
	if r.By == storm.ByHost {
		return "host " + o.HostName()
	}
	if name, label := strings.CutPrefix(r.By, storm.ByLabel); label {
		if v, has := o.Labels[name]; has {
			return "label " + name + "=" + v
		}
	}
	if name := w.directory.Sources[o.SourceID]; name != "" {
		return "source " + name
	}
	return "one source"
}

// into puts a delivery into the digest that a verdict names, which is like given if
// it is a new one.
func (g *gathering) into(at *placed, s *storm.Storm, v storm.Verdict, d *delivery.Delivery, like delivery.Delivery) {
	to := storm.To{ContactID: d.ContactID, ContactName: d.ContactName, UserID: d.UserID,
		Channel: d.Channel, Destination: d.Destination, DestinationName: d.DestinationName}
	s.About = storm.About{EventID: d.EventID, ObjectID: d.ObjectID, AlertID: d.AlertID}
	at.pace.To = to
	s.Reason = string(like.Reason)
	if v.New {
		g.digest(to, s, v.Due, like)
	} else {
		g.move(at, v)
	}
	d.State, d.Bundle, d.Storm, d.Due = delivery.Collected, v.Digest, v.Storm, v.Due
	d.Expires = v.Due.Add(g.w.lives(d.Channel))
}

// digest makes the digest that a storm has now.
func (g *gathering) digest(to storm.To, s *storm.Storm, due time.Time, like delivery.Delivery) {
	w := g.w
	like.ID, like.Storm, like.Notice, like.State = s.Digest, s.ID, alert.NoticeDigest, delivery.Waiting
	like.EventID, like.ObjectID, like.AlertID = s.About.EventID, s.About.ObjectID, s.About.AlertID
	like.ContactID, like.ContactName, like.UserID = to.ContactID, to.ContactName, to.UserID
	like.Channel, like.Destination, like.DestinationName = to.Channel, to.Destination, to.DestinationName
	like.Created, like.Due, like.Expires = w.now, due, due.Add(w.lives(to.Channel))
	if g.ours == nil {
		g.ours = map[string]int{}
	}
	g.ours[like.ID] = len(g.made)
	g.made = append(g.made, like)
}

// move notes when a digest of a place is due from now on, and that it tells of
// something.
func (g *gathering) move(at *placed, v storm.Verdict) {
	if i, ok := g.ours[v.Digest]; ok {
		d := &g.made[i]
		d.Due, d.Expires, d.Quiet = v.Due, v.Due.Add(g.w.lives(d.Channel)), false
		return
	}
	if at.moved != v.Digest { // mostly a place has one that collects
		if at.moved != "" {
			if g.moved == nil {
				g.moved = map[string]int{}
			}
			g.moved[at.moved] = at.movedAt
		}
		i, ok := g.moved[v.Digest]
		if !ok {
			i = len(g.w.changes.Digests)
			g.w.changes.Digests = append(g.w.changes.Digests, DigestDue{ID: v.Digest})
		}
		at.moved, at.movedAt = v.Digest, i
	}
	g.w.changes.Digests[at.movedAt].Due = v.Due
}

// waiting says whether a digest still collects.
func (g *gathering) waiting(digest string) bool {
	_, ours := g.ours[digest]
	return ours || g.collect[digest]
}

// refresh brings what was told of a storm up to date, without a sound. Where it is
// too long ago, what is shown stays.
func (g *gathering) refresh(r refresh) {
	at := g.of(r.place)
	p := &at.pace
	rules := g.w.settings.Storm
	if rules.Again < 1 || rules.Wait < 1 {
		rules = storm.Default()
	}
	v := p.Refresh(rules, r.storm, g.w.now, g.waiting, g.w.s.o.NewID)
	if !v.Collected {
		return
	}
	at.changed = true
	s := p.Find(v.Storm)
	s.About = r.about
	g.digest(r.to, s, v.Due, delivery.Delivery{Quiet: true, Reason: route.Reason(s.Reason), Why: quietWhy(s)})
}

// quietWhy is why something is brought up to date that was told together.
func quietWhy(s *storm.Storm) string {
	if s.Words == "" {
		return "brings up to date what was told when it was no longer held back"
	}
	return delivery.StormWhy("brings up to date what was told of", s.Words, s.Began)
}

// ruleWords are a rule as the delivery log names it.
func ruleWords(r storm.Rules, s *storm.Storm) string {
	if s.Crowd {
		return fmt.Sprintf("“%d at once at one place, then one every %d s”", r.Place, r.Regain)
	}
	by, label := strings.CutPrefix(r.By, storm.ByLabel)
	if label {
		by = "label " + by
	}
	return fmt.Sprintf("“by %s: %d at once, then one every %d s”", by, r.Burst, r.Refill)
}

// How often it is looked whether a storm is over.
const (
	stormPoll  = 10 * time.Second
	stormBatch = 100
)

// RunStorms ends storms in which nothing comes any more, until ctx ends: those who
// can have their message replaced get a last one that says so. Any number of nodes
// may do so: each storm ends once.
func (s *Service) RunStorms(ctx context.Context) error {
	for ctx.Err() == nil {
		wait := s.calm(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// calm ends the storms that are over by now, and answers how long to wait until it
// is to be looked again.
func (s *Service) calm(ctx context.Context) time.Duration {
	places, next, err := s.store.CalmPlaces(ctx, stormBatch)
	if err != nil {
		if ctx.Err() == nil {
			s.o.Log.Error("looking for storms that are over failed", "node", s.o.Node, "error", err)
		}
		return stormPoll
	}
	for _, place := range places {
		_, err := s.call(ctx, &request{aside: true, act: func(w *work) (alert.Alert, error) {
			w.calming = append(w.calming, place)
			return alert.Alert{}, nil
		}})
		if ctx.Err() != nil {
			return 0
		}
		if err != nil {
			s.o.Log.Error("ending a storm failed", "node", s.o.Node, "place", place, "error", err)
			return time.Second
		}
	}
	switch {
	case len(places) == stormBatch:
		return expirySoon
	case next.IsZero():
		return stormPoll
	}
	return min(stormPoll, max(expirySoon, time.Until(next)))
}

// calm ends the storms of a place that are over.
func (g *gathering) calm(place string) {
	w, at := g.w, g.of(place)
	p := &at.pace
	over, _ := p.Calm(storm.Rules{}, w.now)
	at.changed = true // also when another node was first: it says when to look next
	if !w.replaces(&p.To) {
		return
	}
	for i := range over {
		s := p.Find(over[i].ID)
		s.Digest, s.First, s.Due, s.Quiet = w.s.o.NewID(), w.now, w.now, true
		g.digest(p.To, s, w.now, delivery.Delivery{Quiet: true, Reason: route.ReasonOver, Why: delivery.StormWhy("tells the end of", s.Words, s.Began)})
	}
}

// replaces says whether a place takes a message that only replaces what was told
// there before: letters stay as they are, and most webhooks would post a new one.
func (w *work) replaces(to *storm.To) bool {
	switch to.Channel {
	case route.Browser:
		return true
	case route.Webpush:
		return w.directory.Reaches(to.UserID, to.Destination)
	case route.Mattermost:
		room, known := w.directory.Room(to.Destination)
		return w.directory.ReachesRoom(to.Destination) && (!known || room.Bot)
	case route.Webhook:
		for i := range w.directory.Hooks {
			if h := &w.directory.Hooks[i]; h.ID == to.Destination {
				return h.Storms
			}
		}
	}
	return false
}
