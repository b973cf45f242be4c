package simulate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/config"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/internal/source"
)

// ErrBusy says that as many simulations run already as may.
var ErrBusy = errors.New("another simulation is running; try again in a moment")

// Plan is what is set now: what a simulation is decided by.
type Plan struct {
	Directory route.Directory
	Settings  config.Settings
	Sources   []source.Source
}

// Standing is what is known now of objects and of their open alerts.
type Standing struct {
	Records     map[string]*dispatch.Record
	Addresses   map[string][]dispatch.Address   // by alert
	Snoozes     map[string]map[string]time.Time // by alert, then contact
	Escalations []dispatch.Escalation
}

// Page asks for a stretch of what came in, in the order in which it did.
type Page struct {
	From, To time.Time // when it came in; To is not in it
	SourceID string    // empty: of all
	After    string    // the cursor that the page before answered; empty: from the beginning
	Limit    int
}

// Store is what a simulation reads. It writes nothing.
type Store interface {
	SimulationPlan(ctx context.Context) (Plan, error)
	// SimulationStanding answers of objects, by id, those that there are.
	SimulationStanding(ctx context.Context, objectIDs []string) (Standing, error)
	// SimulationEvents answers a page of what came in, and the cursor of the next one,
	// empty after the last.
	SimulationEvents(ctx context.Context, p Page) (events []alert.Event, next string, err error)
	// SimulationBefore answers what came in before a moment about alerts that were open
	// then, in the order in which it did; at most limit events.
	SimulationBefore(ctx context.Context, at time.Time, sourceID string, limit int) ([]alert.Event, error)
}

// Options are what a Simulator needs besides its store. The zero value of each is
// its default.
type Options struct {
	AtOnce  int           // simulations that may run at the same time; 2
	Within  time.Duration // how long one may take; 1 minute
	Waiting int           // messages that may wait at the same time; MaxWaiting
	Now     func() time.Time
	Log     *slog.Logger
}

// Simulator tries events. Any number of goroutines may use it.
type Simulator struct {
	store Store
	o     Options
	turns chan struct{}
}

// New makes a Simulator.
func New(st Store, o Options) *Simulator {
	if o.AtOnce <= 0 {
		o.AtOnce = 2
	}
	if o.Within <= 0 {
		o.Within = time.Minute
	}
	if o.Waiting <= 0 {
		o.Waiting = MaxWaiting
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Simulator{store: st, o: o, turns: make(chan struct{}, o.AtOnce)}
}

// Simulate answers who would be told what. What cannot be tried is a *Error; ErrBusy
// says that others are at it.
func (s *Simulator) Simulate(ctx context.Context, q Request) (Result, error) {
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	default:
		return Result{}, ErrBusy
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Within)
	defer cancel()
	r, err := s.prepare(ctx, q)
	if err != nil {
		return Result{}, err
	}
	if err := r.play(ctx); err != nil {
		return Result{}, err
	}
	return r.answer(), nil
}

// prepare reads what is tried and what it is decided by.
func (s *Simulator) prepare(ctx context.Context, q Request) (*run, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	plan, err := s.store.SimulationPlan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what is set: %w", err)
	}
	r := &run{request: q, plan: plan, waiting: s.o.Waiting, tallies: map[tallyKey]*Tally{}, numbers: map[string]int{}}
	if r.zone, err = time.LoadLocation(q.Zone); err != nil {
		return nil, fmt.Errorf("load the zone: %w", err)
	}
	r.result.Zone = r.zone.String()
	if q.History != nil {
		err = s.history(ctx, r)
	} else {
		err = s.events(r)
	}
	if err != nil {
		return nil, err
	}
	r.sources = map[string]string{}
	for i := range r.plan.Sources {
		r.sources[r.plan.Sources[i].ID] = r.plan.Sources[i].Name
	}
	r.mem = newMem(r.inputs[0].at, &r.plan)
	r.mem.sources = r.sources
	r.mem.wrote, r.mem.ended = r.wrote, r.ended
	r.service = dispatch.New(r.mem, dispatch.Options{Inline: true, NewID: r.newID, Node: "simulation", Log: s.o.Log})
	if !q.Clean && q.History == nil {
		if err := s.stand(ctx, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// check refuses what cannot be asked.
func (q *Request) check() error {
	_, err := time.LoadLocation(q.Zone)
	switch {
	case err != nil || q.Zone == "Local":
		return &Error{Field: "zone", Problem: fmt.Sprintf("%.60q is no time zone", q.Zone), Mend: "write one such as Europe/Berlin"}
	case (q.History == nil) == (len(q.Events) == 0):
		return &Error{Field: "events", Problem: "or a history are needed, and not both", Mend: "give events, or from and to"}
	case q.After < 0 || q.After > MaxAfter:
		return &Error{Field: "after", Problem: "is out of bounds", Mend: "use up to 7 days"}
	case q.Limit < 0 || q.Limit > MaxLines:
		return &Error{Field: "limit", Problem: "is out of bounds", Mend: fmt.Sprintf("use 1 to %d", MaxLines)}
	case !q.At.IsZero() && (q.At.Year() < 1971 || q.At.Year() > 2500):
		return &Error{Field: "at", Problem: "is no time of this age", Mend: "write one such as 2026-03-29T02:30"}
	}
	if h := q.History; h != nil {
		switch {
		case h.From.IsZero() || h.To.IsZero() || !h.From.Before(h.To):
			return &Error{Field: "to", Problem: "is not after from", Mend: "give both, the earlier one as from"}
		case h.To.Sub(h.From) > MaxSpan:
			return &Error{Field: "to", Problem: "is more than 31 days after from", Mend: "try a shorter stretch"}
		case h.Limit < 0 || h.Limit > MaxEvents:
			return &Error{Field: "limit", Problem: "is out of bounds", Mend: fmt.Sprintf("use 1 to %d events", MaxEvents)}
		}
	}
	if q.After == 0 {
		q.After = DefaultAfter
	}
	if q.Limit == 0 {
		q.Limit = DefaultLines
	}
	return nil
}

// events reads the request's events and puts them into time.
func (s *Simulator) events(r *run) error {
	list, err := parse(r.request.Events)
	if err != nil {
		return err
	}
	begin := time.Time{}
	for i := range list {
		if in := list[i]; in.timed == byClock {
			begin = earlier(begin, in.at)
		}
	}
	at := r.request.At
	if at.IsZero() {
		if at = begin; at.IsZero() {
			at = s.o.Now()
		}
	}
	at = at.UTC().Truncate(time.Millisecond)
	last := at
	for i := range list {
		in := list[i]
		switch in.timed {
		case byOffset:
			in.at = at.Add(in.offset)
		case byClock:
			in.at = at.Add(in.at.Sub(begin))
		default:
			in.at = last
		}
		last = in.at
		if in.at.Sub(at) > MaxSpan {
			return &Error{Line: in.line, Field: "time", Problem: "is more than 31 days after the first", Mend: "try a shorter stretch"}
		}
		if in.source, err = r.sourceOf(in); err != nil {
			return err
		}
		if in.by != "" && !slices.ContainsFunc(r.plan.Directory.Contacts, in.means) {
			return &Error{Line: in.line, Field: "by", Problem: fmt.Sprintf("%.60q is no contact", in.by), Mend: "write the name of a contact"}
		}
	}
	slices.SortStableFunc(list, func(a, b *input) int { return a.at.Compare(b.at) })
	r.inputs, r.begin = list, at
	r.request.Events = nil // a day of them is much
	return nil
}

// sourceOf finds the id of an input's source.
func (r *run) sourceOf(in *input) (string, error) {
	name := in.source
	if name == "" {
		name = r.request.Source
	}
	if len(r.plan.Sources) == 0 { // there is nothing yet: it is tried all the same
		if name == "" {
			name = "simulation"
		}
		r.plan.Sources = []source.Source{{ID: "simulation", Name: name, Kind: "generic"}}
	}
	if name == "" && len(r.plan.Sources) == 1 {
		return r.plan.Sources[0].ID, nil
	}
	var names []string
	for i := range r.plan.Sources {
		if r.plan.Sources[i].Name == name {
			return r.plan.Sources[i].ID, nil
		}
		if len(names) < 10 {
			names = append(names, r.plan.Sources[i].Name)
		}
	}
	e := &Error{Line: in.line, Field: "source", Mend: "use one of: " + strings.Join(names, ", ")}
	if e.Problem = fmt.Sprintf("%.60q is none", name); name == "" {
		e.Problem = "is missing, and there are several"
	}
	return "", e
}

// stand takes over what is known now of the objects.
func (s *Simulator) stand(ctx context.Context, r *run) error {
	var ids []string
	for i := range r.inputs {
		in := r.inputs[i]
		ids = append(ids, alert.ObjectID(in.source, in.host, in.service))
	}
	slices.Sort(ids)
	now, err := s.store.SimulationStanding(ctx, slices.Compact(ids))
	if err != nil {
		return fmt.Errorf("read what is open: %w", err)
	}
	r.mem.stand(&now)
	return nil
}

// run is one simulation.
type run struct {
	request Request
	zone    *time.Location
	plan    Plan
	sources map[string]string // id to name
	inputs  []*input
	begin   time.Time
	warm    int // how many of them only lead to where it begins

	mem     *mem
	service *dispatch.Service
	ids     int
	current int // line of the input that is being taken; 0: the clock's
	silent  bool

	result    Result
	tallies   map[tallyKey]*Tally
	lately    *Tally // the one that was counted in last
	latelyKey tallyKey
	numbers   map[string]int // messages, by id
	messages  int
	waiting   int // how many may wait at the same time
	full      bool
}

// newID makes ids that ascend, and that nothing real has.
func (r *run) newID() string {
	r.ids++
	return fmt.Sprintf("sim-%09d", r.ids)
}

// play goes through time, from each moment at which something is due to the next.
func (r *run) play(ctx context.Context) error {
	next := 0
	end := r.inputs[len(r.inputs)-1].at.Add(r.request.After)
	r.result.From = r.begin
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("simulating took too long: %w", err)
		}
		at := earlier(r.mem.next(), r.mem.due.first())
		if next < len(r.inputs) {
			at = earlier(at, r.inputs[next].at)
		}
		if at.IsZero() || at.After(end) || r.full {
			break
		}
		if at.After(r.mem.now) {
			r.mem.now = at
		}
		r.silent = next < r.warm
		// All of it may come at one moment.
		for ; next < len(r.inputs) && !r.inputs[next].at.After(r.mem.now) && !r.full && ctx.Err() == nil; next++ {
			if err := r.take(ctx, r.inputs[next]); err != nil {
				return err
			}
			r.bound()
			r.inputs[next] = nil
		}
		if err := r.clock(ctx); err != nil {
			return err
		}
		r.send()
		if !r.silent {
			r.result.To = r.mem.now
		}
	}
	r.rest()
	return nil
}

// bound ends the simulation where more waits than there is memory for.
func (r *run) bound() {
	if len(r.mem.rows) >= r.waiting && !r.full {
		r.full = true
		r.note(fmt.Sprintf("At %s more than %d messages wait at the same time; the simulation ended there. Try fewer events at once.", delivery.Moment(r.mem.now), r.waiting))
	}
}

// clock has done what the clock does at this moment.
func (r *run) clock(ctx context.Context) error {
	for range 1000 {
		at := r.mem.next()
		if at.IsZero() || at.After(r.mem.now) {
			return nil
		}
		r.current = 0
		r.service.Tick(ctx)
		r.mem.looked = r.mem.now
	}
	return fmt.Errorf("at %s something stays due whatever is done", delivery.Moment(r.mem.now))
}

// send tells what is due, as the outbox's worker does.
func (r *run) send() {
	for at := r.mem.due.first(); !at.IsZero() && !at.After(r.mem.now); at = r.mem.due.first() {
		r.mem.tell(r.mem.due.drop().thing)
	}
}

// tell does with a message that is due what the worker would do with it, where the
// channel takes it.
func (m *mem) tell(d *row) {
	d.Attempt++
	if d.Notice == alert.NoticeDigest {
		m.tellDigest(d)
		return
	}
	m.judge(d)
}

// judge sends a message, if it is still true.
func (m *mem) judge(d *row) {
	m.heard(d)
	c := delivery.Claimed{Delivery: *d.Delivery}
	if d.event != nil {
		c.Event = *d.event
	}
	if d.object != nil {
		c.Object = d.object.Object
	}
	if d.about != nil {
		c.Alert = &d.about.alert
	}
	if why := c.Untrue(); why != "" {
		m.finish(d, delivery.Cancelled, why, nil)
		return
	}
	m.sent(d, nil)
}

// sent ends a message that went out, unless its time was over. x is what it tells of
// many.
func (m *mem) sent(d *row, x *channel.Digest) {
	if !d.Expires.IsZero() && !m.now.Before(d.Expires) {
		m.finish(d, delivery.Expired, "its time ran out at "+delivery.Moment(d.Expires), nil)
		return
	}
	m.finish(d, delivery.Sent, "", x)
}

// finish ends a delivery.
func (m *mem) finish(d *row, s delivery.State, detail string, x *channel.Digest) {
	m.end(d, s, detail)
	m.ended(d, x)
}

// take takes one thing that comes in.
func (r *run) take(ctx context.Context, in *input) error {
	if r.current = in.line; !r.silent {
		r.result.Events++
	}
	e := *in.what()
	if e.Origin.Here() {
		return r.act(ctx, in)
	}
	e.Time = r.mem.now.Add(-in.late)
	got, err := r.service.Receive(ctx, in.source, []alert.Event{e})
	if err != nil {
		return fmt.Errorf("line %d: %w", in.line, err)
	}
	if got[0].Duplicate && !r.silent {
		r.result.Duplicates++
	}
	return nil
}

// act does what somebody does here.
func (r *run) act(ctx context.Context, in *input) error {
	e := in.what()
	rec := r.mem.records[alert.ObjectID(in.source, e.Object.Host, e.Object.Service)]
	if rec == nil || rec.Alert == nil {
		r.note(fmt.Sprintf("Line %d: %s has no open alert then, so there is nothing to do.", in.line, e.Object.Name()))
		return nil
	}
	userID, author := e.UserID, e.Author
	contactID := ""
	for i := range r.plan.Directory.Contacts {
		if c := &r.plan.Directory.Contacts[i]; in.by != "" && in.means(*c) {
			userID, author, contactID = c.UserID, c.ShownName(), c.ID
			break
		}
	}
	length := time.Duration(in.minutes) * time.Minute
	var err error
	switch e.Type {
	case alert.Acknowledgement:
		ask := dispatch.AckRequest{UserID: userID, Author: author, Comment: e.Comment, Origin: e.Origin, Sticky: e.Sticky || in.by != "" && r.plan.Settings.AckSticky}
		if length > 0 {
			ask.Until = r.mem.now.Add(length)
		}
		_, err = r.service.Acknowledge(ctx, rec.Alert.ID, ask)
	case alert.Unacknowledged:
		_, err = r.service.Unacknowledge(ctx, rec.Alert.ID, dispatch.AckRequest{UserID: userID, Author: author, Comment: e.Comment, Origin: e.Origin})
	case alert.Snooze:
		_, err = r.service.Snooze(ctx, rec.Alert.ID, dispatch.SnoozeRequest{ContactIDs: []string{contactID}, UserID: userID, Author: author, For: length, Origin: e.Origin})
	}
	if err != nil {
		r.note(fmt.Sprintf("Line %d: %s: %s.", in.line, e.Object.Name(), err))
	}
	return nil
}
