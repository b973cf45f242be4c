package dispatch

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/chat"
	"tocsin/internal/route"
	"tocsin/internal/source"
)

const (
	// engineTTL is for how long an engine that cannot be reached is told later.
	engineTTL = 24 * time.Hour
	// answerWait is for how long the messages of an acknowledgement wait for the
	// engine: most answer at once, and then one message says it all.
	answerWait = 1500 * time.Millisecond
	// answerSoon is how soon an engine must answer that the messages which wait say
	// it for certain: less than answerWait, for they may be on their way by then.
	answerSoon = time.Second
	// oldSight is how old what was seen in an engine may be.
	oldSight = time.Minute
	// echoWithin is how long after an acknowledgement was taken back, by the
	// engine's clock, the engine may still have made its event of it, and echoComes
	// when that comes in at the latest.
	echoWithin = time.Minute
	echoComes  = 10 * time.Minute
)

// hears says whether the engine of an object's source is told what is done here. That
// a source is silent is an alert of our own, of which no engine knows.
func (w *work) hears(o alert.Object) bool {
	_, ok := w.directory.Engines[o.SourceID]
	return ok && !o.Heartbeat()
}

// listen looks whether the engine tells of an acknowledgement that was made here
// and taken back since: it runs its notification command while somebody here
// changes their mind. Then the engine is about to be told of that, too, and an
// acknowledgement here would be one that nobody has. Only engines that are told
// can say so, and only of an alert that nobody has.
func (w *work) listen(a *alert.Alert, e *alert.Event) error {
	if e.Type != alert.Acknowledgement || e.Origin.Here() || a == nil || a.Status != alert.Firing || !w.hears(e.Object) {
		return nil
	}
	undone, err := w.tx.Latest(w.ctx, a.ID, alert.Unacknowledged)
	if err != nil {
		return fmt.Errorf("load who gave alert %s back: %w", a.ID, err)
	}
	if undone == nil || !undone.Origin.Here() || w.now.Sub(undone.Received) > echoComes || e.Time.After(undone.Time.Add(echoWithin)) {
		return nil
	}
	made, err := w.tx.Latest(w.ctx, a.ID, alert.Acknowledgement)
	if err != nil {
		return fmt.Errorf("load who had taken alert %s: %w", a.ID, err)
	}
	if made != nil && made.Origin.Here() {
		ack := alert.Ack{Author: made.Author, Comment: made.Comment, Origin: made.Origin}
		e.Echo = ack.Is(*e)
	}
	return nil
}

// writeBack makes the delivery that tells the engine what was done here, in the
// same transaction. What the engine did itself is not told to it again. was is the
// alert before, nil for none.
func (w *work) writeBack(was *alert.Alert, e *alert.Event) {
	if len(w.directory.Engines) == 0 {
		return
	}
	engine, ok := w.directory.Engines[e.SourceID]
	if !ok || e.Object.Heartbeat() {
		return
	}
	switch {
	case e.Origin.Here() && e.Pending && asksEngine(e):
	case engine.Releases && endsAck(e) && was != nil && was.Ack != nil && was.Ack.Origin.Here():
	default:
		return
	}
	d := w.delivery(&route.Decision{
		ContactName: engine.Name, Channel: route.Engine, Destination: e.SourceID, DestinationName: engine.Name,
		Told: true, Reason: route.ReasonWriteBack, Why: "tells " + engine.Name + " what was done here",
	}, e, e.Object.ID, alert.NoticeEngine)
	w.changes.Deliveries = append(w.changes.Deliveries, d)
}

// endsAck says whether an event that the engine told ended an acknowledgement, with
// the alert or because the state changed.
func endsAck(e *alert.Event) bool {
	return e.Type == alert.Recovery && e.Outcome == alert.Closed || e.Type == alert.Problem && e.Outcome == alert.Reopened
}

// asksEngine says whether an event did something that an engine is told of.
func asksEngine(e *alert.Event) bool {
	switch e.Type {
	case alert.Acknowledgement:
		return e.Outcome == alert.Acked
	case alert.Unacknowledged:
		return e.Outcome == alert.Unacked
	case alert.Comment, alert.ScheduleDowntime, alert.CancelDowntime:
		return true
	}
	return false
}

// Answer is what became of what an engine was asked for.
type Answer struct {
	AlertID      string
	EventID      string // of the event that asked
	Confirmation alert.Confirmation
	Words        string // the engine's, for people
}

// Answer notes what became of what the engine was asked for: on the timeline, and
// where it is the alert's acknowledgement or a downtime, with that. What says no
// more than was known changes nothing: the same again, Pending, or anything after
// Confirmed. fault.ErrNotFound if there is no such alert or event.
func (s *Service) Answer(ctx context.Context, a Answer) error {
	_, err := s.call(ctx, &request{aside: true, act: func(w *work) (alert.Alert, error) { return w.answer(a) }})
	return err
}

func (w *work) answer(r Answer) (alert.Alert, error) {
	a, rec, err := w.look(r.AlertID)
	if err != nil {
		return alert.Alert{}, err
	}
	asked, err := w.tx.Asked(w.ctx, r.AlertID, r.EventID)
	if err != nil {
		return *a, fmt.Errorf("load what the engine was asked for by event %s: %w", r.EventID, err)
	}
	known := alert.Pending
	if asked.Reply != nil {
		known = asked.Reply.Reply
	}
	open := rec.Alert
	if open != nil && open.ID != a.ID {
		open = nil // the object has another one since
	}
	if open != nil && open.Ack != nil && open.Ack.EventID == r.EventID {
		known = open.Ack.Confirmation
	}
	if !known.Betters(r.Confirmation) || !asksEngine(&asked.Event) && r.Confirmation == alert.Confirmed {
		return *a, nil
	}
	e := &alert.Event{
		SourceID: a.Object.SourceID, AlertID: a.ID, Object: a.Object, Type: alert.EngineReply, State: a.State, Origin: alert.FromEngine,
		Author: asked.Event.Author, UserID: asked.Event.UserID,
		ReplyTo: r.EventID, Asked: asked.Event.Type, Reply: r.Confirmation, Received: w.now, Time: w.now,
	}
	e.Comment, _, _ = source.Text(r.Words, mostWords)
	receipt, err := w.step(rec, open, e)
	if err != nil {
		return alert.Alert{}, err
	}
	if now := w.alerts[receipt.AlertID]; now != nil {
		a = now
	}
	return *a, nil
}

// mostWords is how many characters of what an engine says are kept.
const mostWords = 500

// Gone notes that the engine no longer has an acknowledgement that was made here:
// the alert fires again. Recovered says that the engine no longer knows the problem
// at all; then it ends. Nothing changes when eventID is not, or no longer, the
// alert's acknowledgement. fault.ErrNotFound if there is no such alert.
func (s *Service) Gone(ctx context.Context, alertID, eventID, words string, recovered bool) error {
	_, err := s.call(ctx, &request{aside: true, act: func(w *work) (alert.Alert, error) { return w.gone(alertID, eventID, words, recovered) }})
	return err
}

func (w *work) gone(alertID, eventID, words string, recovered bool) (alert.Alert, error) {
	a, rec, err := w.look(alertID)
	if err != nil || a.Status != alert.Acknowledged || a.Ack == nil || a.Ack.EventID != eventID || rec.Alert == nil || rec.Alert.ID != a.ID {
		return alert.Alert{}, err
	}
	// It tells no state: the engine's clock is not ours.
	e := &alert.Event{SourceID: a.Object.SourceID, Object: a.Object, Type: alert.Unacknowledged, Origin: alert.FromEngine, Received: w.now, Time: w.now}
	e.Comment, _, _ = source.Text(words, mostWords)
	if recovered {
		return *a, w.presume(rec, e)
	}
	receipt, err := w.apply(rec, e)
	if err != nil {
		return alert.Alert{}, err
	}
	e.State = a.State // for who reads the timeline
	return *w.alerts[receipt.AlertID], nil
}

// presume ends an alert whose recovery the engine kept to itself, with e as the
// RECOVERY. When that was seen our clock says, which is no measure for what the
// engine tells next. What it told a moment ago may be newer than what was seen.
func (w *work) presume(rec *Record, e *alert.Event) error {
	if last := rec.Last; last != nil && last.Type == alert.Problem && w.now.Sub(last.Received) < oldSight {
		return nil
	}
	e.Type, e.State, e.Output, e.Long = alert.Recovery, rec.Object.Kind().Good(), rec.Alert.Output, rec.Alert.Long
	changed := rec.Object.Changed
	if _, err := w.apply(rec, e); err != nil {
		return err
	}
	rec.Object.Changed = changed
	return nil
}

// DowntimeGone notes that the engine no longer has the downtime that was asked for
// here. Recovered says instead that it no longer knows the object's problem at all,
// and kept that to itself because of the downtime; then the alert ends, and the
// downtime goes on. Nothing changes where that is known already.
func (s *Service) DowntimeGone(ctx context.Context, objectID, words string, recovered bool) error {
	_, err := s.call(ctx, &request{aside: true, act: func(w *work) (alert.Alert, error) { return alert.Alert{}, w.downtimeGone(objectID, words, recovered) }})
	return err
}

func (w *work) downtimeGone(objectID, words string, recovered bool) error {
	if err := w.load(nil, []string{objectID}); err != nil {
		return err
	}
	rec := w.records[objectID]
	if rec == nil || !rec.Known || !rec.Object.Downtime || recovered && !rec.Alert.Open() {
		return nil
	}
	e := &alert.Event{SourceID: rec.Object.SourceID, Object: rec.Object, Type: alert.DowntimeEnd, Origin: alert.FromEngine, Received: w.now, Time: w.now}
	e.Comment, _, _ = source.Text(words, mostWords)
	if recovered {
		return w.presume(rec, e)
	}
	_, err := w.apply(rec, e)
	return err
}

// look answers an alert, open or not, with its object's record locked.
func (w *work) look(alertID string) (*alert.Alert, *Record, error) {
	a, err := w.tx.AlertByID(w.ctx, alertID)
	if err != nil {
		return nil, nil, fmt.Errorf("load alert %s: %w", alertID, err)
	}
	if err := w.load(nil, []string{a.Object.ID}); err != nil {
		return nil, nil, err
	}
	rec := w.records[a.Object.ID]
	if rec == nil {
		return nil, nil, fmt.Errorf("object %s: the store answered no record", a.Object.ID)
	}
	return a, rec, nil
}

// answeredSoon says whether what the engine made of an acknowledgement is said by
// the messages of the acknowledgement itself, which still wait.
func (w *work) answeredSoon(a *alert.Alert) bool {
	return a != nil && a.Ack != nil && w.now.Sub(a.Ack.At) < answerSoon
}

// room says whether an address is a room of Mattermost, not somebody's direct
// messages.
func (x *Address) room() bool {
	_, direct := chat.DirectUser(x.Destination)
	return x.Channel == route.Mattermost && !direct
}
