package alert

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Apply says what is true of an object after an event: the row of Table that
// fits, carried out. newID is asked for an id when an alert is opened. What
// the caller passed is not changed; the result shares nothing that anybody
// may change with it.
//
// A resolved alert counts as none. Calls that were taken before (retries) must
// be kept from Apply: it would see them as the engine telling it again.
//
// Time. An engine's event that is older than Object.Changed is out of order
// and marked so. It is Stale if it contradicts what was told later. If it
// agrees (a PROBLEM of the very state the object is known to be in, a RECOVERY
// of one known to be well), it is applied: other events, a downtime's start or
// a custom notification, tell a state too and may overtake it, and then
// nobody would ever hear of the problem. Equal times are in order, because
// engines count in seconds. What people do here bears this machine's time,
// which an engine's is not measured by: it is never stale and moves no clock.
func Apply(s Situation, e Event, newID func() string) Result {
	m := look(s, e)
	for _, t := range Rows(e.Type) {
		if (t.From == m.status || t.From == Any) && m.holds(t.When) {
			return m.carryOut(t, newID)
		}
	}
	return Result{Situation: m.before, Outcome: Noted, Marks: m.marks,
		Why: "An event of a type that is not known here; it changes nothing."}
}

// moment is one event and the situation it meets, looked at.
type moment struct {
	before Situation // its Alert is open or nil
	status Status
	event  Event
	time   time.Time
	here   bool  // it happened here, by our clock, not in the engine
	late   bool  // out of order
	told   bool  // the event told the object's state
	state  State // the object's state as far as the event can tell; a problem for Problem, good for Recovery
	marks  []Mark
}

func look(s Situation, e Event) moment {
	m := moment{before: s, event: e, time: e.Time, marks: slices.Clone(e.Marks)}
	if !s.Alert.Open() {
		m.before.Alert = nil
	} else {
		m.status = s.Alert.Status
	}
	if m.time.IsZero() {
		m.time = e.Received
	}
	m.here = e.Origin.Here() || e.Type.Ours()
	m.late = !m.here && m.time.Before(s.Object.Changed)
	if m.late {
		m.mark(MarkOutOfOrder)
	}
	m.readState()
	return m
}

// readState fills state and told. An event that does not tell the state
// leaves the known one.
func (m *moment) readState() {
	kind, e, known := m.before.Object.Kind(), m.event, m.before.Object.State
	if m.before.Object.ID == "" {
		kind = e.Object.Kind()
	}
	usable := kind.Has(e.State) && !slices.Contains(e.Marks, MarkStateMissing)
	switch {
	case e.Type == Recovery:
		m.state, m.told = kind.Good(), true
	case e.Type == Problem && kind.Has(e.State) && e.State.Problem():
		m.state, m.told = e.State, true
	case e.Type == Problem: // a problem must not be lost, however sloppily it is told
		m.state, m.told = kind.Missing(), true
		m.mark(MarkStateMissing)
	case usable && !m.here:
		m.state, m.told = e.State, true
	case known != "":
		m.state = known
	default:
		m.state = e.State
	}
}

func (m *moment) mark(x Mark) { m.marks = union(m.marks, x) }

// holds says whether a condition of a row holds.
func (m *moment) holds(c Condition) bool {
	a, e := m.before.Alert, m.event
	switch c {
	case Always:
		return true
	case Outdated:
		return m.late && !m.agrees()
	case SameState:
		return a != nil && a.State == m.state
	case ForAnother:
		return a != nil && a.State == m.state && e.Restated
	case StickyAck:
		return a != nil && a.Ack != nil && a.Ack.Sticky
	case GoodState:
		// Nothing known at all is no reason to believe in a problem.
		return !m.state.Problem() && (m.told || m.status == None)
	case AckIsLocal:
		return !m.here && a != nil && a.Ack != nil && a.Ack.Confirmation != Confirmed
	case SameAck:
		return a != nil && a.Ack != nil && a.Ack.Is(e)
	case IsEcho:
		return !m.here && e.Echo
	case RanOut:
		return e.Origin == FromExpiry
	case AckReply:
		return a != nil && a.Ack != nil && a.Ack.EventID == e.ReplyTo && a.Ack.Confirmation.Betters(e.Reply)
	case DowntimeReply:
		return e.Asked == ScheduleDowntime && e.Reply == Confirmed && !m.before.Object.Downtime
	case NoDowntimeReply:
		return e.Asked == CancelDowntime && e.Reply == Confirmed && m.before.Object.Downtime
	case EngineIsTold:
		return e.Pending
	case IsFlapping:
		return m.before.Object.Flapping
	case NotFlapping:
		return !m.before.Object.Flapping
	case IsDowntime:
		return m.before.Object.Downtime
	case NotDowntime:
		return !m.before.Object.Downtime
	}
	return false
}

// agrees says whether an event that is out of order tells what is known
// anyhow.
func (m *moment) agrees() bool {
	return (m.event.Type == Problem || m.event.Type == Recovery) && m.state == m.before.Object.State
}

// carryOut makes the situation that a row asks for.
func (m *moment) carryOut(t Transition, newID func() string) Result {
	r := Result{Situation: m.before, Outcome: t.Outcome, Notice: t.Notice, Why: m.fill(t.Why), Marks: m.marks}
	if t.Outcome != Stale {
		r.Object = m.object()
	}
	switch {
	case m.before.Alert != nil:
		a := *m.before.Alert
		r.Alert = &a
	case t.To == Firing || t.To == Acknowledged:
		r.Alert = &Alert{ID: newID(), State: m.state, Worst: m.state, Output: m.event.Output, Long: m.event.Long,
			Since: m.time, Updated: m.time}
	default:
		return r
	}
	r.Alert.Marks = union(r.Alert.Marks, m.marks...)
	if t.Outcome != Stale {
		m.move(r.Alert, t, r.Object)
	}
	return r
}

// move brings a copy of the alert to where the row leads.
func (m *moment) move(a *Alert, t Transition, o Object) {
	a.Object = o
	if t.To != Any {
		a.Status = t.To
	}
	if m.time.After(a.Updated) {
		a.Updated = m.time
	}
	m.tell(a)
	switch t.Outcome {
	case Repeated:
		a.Repeats++
	case Acked:
		a.Ack = m.ack()
		a.Snoozed = time.Time{}
	case AckConfirmed:
		a.Ack = m.confirmed(*a.Ack)
	case AckAnswered:
		a.Ack = m.answered(*a.Ack)
	case Reopened, Unacked:
		a.Ack = nil
	case Noted:
		switch {
		case t.From != Firing:
		case t.On == Unsnoozed, t.On == Snooze && m.event.Until.After(a.Snoozed):
			a.Snoozed = m.event.Until
		}
	case Closed:
		a.Snoozed = time.Time{}
		a.State = m.state
		a.Resolved = m.time
		if a.Resolved.Before(a.Since) {
			a.Resolved = a.Since
		}
		if a.Ack != nil && a.Ack.Confirmation == Pending { // nobody goes on asking
			ack := *a.Ack
			ack.Confirmation, ack.Words = Unconfirmed, "it recovered before the engine said anything"
			a.Ack = &ack
		}
	}
}

// tell takes over what the event says of the problem: its state and output.
func (m *moment) tell(a *Alert) {
	e := m.event
	if e.Type == Problem || e.Type == Acknowledgement && m.told && m.state.Problem() && !m.late {
		a.State = m.state
		a.Worst = worse(a.Worst, m.state)
	}
	if m.late {
		return
	}
	// An acknowledgement may come without the check's output; that says
	// nothing about the check.
	if e.Type == Problem || e.Type == Recovery || e.Type == Acknowledgement && e.Output != "" {
		a.Output, a.Long = e.Output, e.Long
	}
}

// ack is the acknowledgement that the event is. One made in the engine never
// counts as sticky: a sticky one keeps the engine silent, so when it tells
// another state, it was not.
func (m *moment) ack() *Ack {
	e := m.event
	if !m.here {
		return &Ack{EventID: e.ID, Author: e.Author, UserID: e.UserID, Comment: e.Comment, At: m.time, Origin: FromEngine, Confirmation: Confirmed}
	}
	a := &Ack{EventID: e.ID, Author: e.Author, UserID: e.UserID, Comment: e.Comment, At: m.time, Until: e.Until, Origin: e.Origin,
		Sticky: e.Sticky, Confirmation: Local}
	if e.Pending {
		a.Confirmation = Pending
	}
	return a
}

// confirmed is an acknowledgement made here that the engine told of: ours in
// all that we know of it.
func (m *moment) confirmed(a Ack) *Ack {
	e := m.event
	a.Confirmation, a.Words = Confirmed, "the engine reported it"
	if e.Author != "" && !a.Is(e) {
		a.Words += ", as made by " + e.Author
	}
	if a.Author == "" {
		a.Author = e.Author
	}
	if a.Comment == "" {
		a.Comment = e.Comment
	}
	return &a
}

// answered is an acknowledgement of which it is known better than before what the
// engine made of it.
func (m *moment) answered(a Ack) *Ack {
	a.Confirmation, a.Words = m.event.Reply, m.event.Comment
	return &a
}

// object is the object after the event. What an event leaves empty stays as
// it was. Labels are taken as a whole, so that one the sender dropped is gone.
func (m *moment) object() Object {
	o, n := m.before.Object, m.event.Object
	if o.ID == "" {
		o.ID, o.SourceID, o.Host, o.Service = n.ID, n.SourceID, n.Host, n.Service
	}
	switch {
	case m.event.Type == EngineReply:
		o.Downtime = o.Downtime && !m.holds(NoDowntimeReply) || m.holds(DowntimeReply)
		return o
	case m.event.Type == FlapDetected:
		o.Flapping, o.Flaps = true, m.time
		return o
	case m.event.Type == FlapCalm:
		o.Flapping, o.Flaps = false, time.Time{}
		return o
	case m.late || m.here:
		return o
	}
	keep(&o.HostDisplay, n.HostDisplay)
	keep(&o.ServiceDisplay, n.ServiceDisplay)
	keep(&o.URL, n.URL)
	if len(n.Labels) > 0 {
		o.Labels = maps.Clone(n.Labels)
	}
	if m.told {
		if m.event.Watched && m.state != o.State && (o.State != "" || m.state.Problem()) {
			o.Turns = turned(o.Turns, m.arrived())
		}
		o.State = m.state
		o.Changed = m.time
	}
	switch m.event.Type {
	case FlappingStart:
		o.Flapping = true
	case FlappingStop, FlappingDisabled:
		o.Flapping, o.Flaps = false, time.Time{}
	case DowntimeStart:
		o.Downtime = true
	case DowntimeEnd, DowntimeCancelled:
		o.Downtime = false
	}
	return o
}

// arrived is when an event came, by our clock: an engine's may be wrong by more than
// what counts as flapping. Of one that was spooled its own time says more.
func (m *moment) arrived() time.Time {
	if m.event.Received.IsZero() || slices.Contains(m.event.Marks, MarkLate) {
		return m.time
	}
	return m.event.Received
}

func keep(known *string, told string) {
	if told != "" {
		*known = told
	}
}

// fill puts into a row's sentence {state} and {was} (the state now and
// before), {author} (of the event), {by} (" by NAME", or nothing), {holder}
// (who acknowledged), {reply} (what the engine did) and {asked} (with what).
func (m *moment) fill(why string) string {
	if !strings.Contains(why, "{") {
		return why
	}
	was, holder, by := m.before.Object.State, "", ""
	if a := m.before.Alert; a != nil {
		was = a.State
		if a.Ack != nil {
			holder = a.Ack.Author
		}
	}
	if m.event.Author != "" {
		by = " by " + m.event.Author
	}
	out := make([]byte, 0, len(why)+64) // no strings.Replacer: making one costs more than all else here
	for {
		before, after, more := strings.Cut(why, "{")
		if out = append(out, before...); !more {
			return string(out)
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed {
			return string(append(append(out, '{'), after...))
		}
		switch why = rest; name {
		case "state":
			out = append(out, m.state.Word()...)
		case "was":
			out = append(out, was.Word()...)
		case "by":
			out = append(out, by...)
		case "author":
			out = append(out, somebody(m.event.Author)...)
		case "holder":
			out = append(out, somebody(holder)...)
		case "reply":
			out = append(out, m.event.Reply.verb()...)
		case "asked":
			out = append(out, m.event.Asked.thing()...)
		default:
			out = append(append(append(out, '{'), name...), '}')
		}
	}
}

func somebody(name string) string {
	if name == "" {
		return "somebody"
	}
	return name
}

// union is marks with more added, each once, in a slice of its own.
func union(marks []Mark, more ...Mark) []Mark {
	out := slices.Clone(marks)
	for _, x := range more {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}
