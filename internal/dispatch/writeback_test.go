package dispatch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/source"
	"tocsin/internal/store"
)

// withEngine makes the rig's source one whose engine is told what is done here.
func withEngine(t *testing.T, db *store.DB) {
	t.Helper()
	must(t, db.SaveSource(t.Context(), source.Source{ID: sourceID, Name: "nagios", Kind: "nagios", TokenHash: "h", CreatedAt: time.Now(),
		WriteBack: source.WriteBack{Kind: "command_file", CommandFile: "/nowhere"}}))
}

// take acknowledges an alert and answers the event of that.
func (r *rig) take(t *testing.T, alertID string, edit ...func(*dispatch.AckRequest)) string {
	t.Helper()
	q := dispatch.AckRequest{UserID: janeUser, Author: "Jane", Comment: "on it", Origin: alert.FromConsole}
	for _, f := range edit {
		f(&q)
	}
	a, err := r.s.Acknowledge(t.Context(), alertID, q)
	must(t, err)
	return a.Ack.EventID
}

func (r *rig) answer(t *testing.T, alertID, eventID string, c alert.Confirmation, words string) {
	t.Helper()
	must(t, r.s.Answer(t.Context(), dispatch.Answer{AlertID: alertID, EventID: eventID, Confirmation: c, Words: words}))
}

// toldTo are the types of the events that the engine is told of, in order.
func (r *rig) toldTo(t *testing.T, alertID string) []string {
	t.Helper()
	events, err := r.db.Events(t.Context(), alertID, "", 500)
	must(t, err)
	var out []string
	for _, e := range events {
		for _, d := range r.deliveries(t, alertID) {
			if d.Channel == route.Engine && d.EventID == e.ID {
				out = append(out, string(e.Type))
			}
		}
	}
	return out
}

func (r *rig) types(t *testing.T, alertID string) []string {
	t.Helper()
	events, err := r.db.Events(t.Context(), alertID, "", 500)
	must(t, err)
	var out []string
	for _, e := range events {
		out = append(out, fmt.Sprint(e.Type, " ", e.Outcome))
	}
	return out
}

func inOrder(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

// echoOf is the engine's event of an acknowledgement that was made here.
func echoOf(edit ...func(*alert.Event)) alert.Event {
	e := event(append([]func(*alert.Event){named("jane"), func(e *alert.Event) {
		e.Type, e.Author, e.Comment = alert.Acknowledgement, "Jane", "on it"
	}}, edit...)...)
	return e
}

func TestAnAcknowledgementIsWrittenBackAndAnswered(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withEngine(t, db)
		r := newRig(t, db)
		id := r.receive(t, event(named("jane", "joe"), call("1")))[0].AlertID
		inOrder(t, "told of a problem", r.toldTo(t, id))
		asked := r.take(t, id)
		a, err := db.Alert(t.Context(), id)
		if err != nil || a.Ack.Confirmation != alert.Pending || a.Ack.EventID != asked {
			t.Fatalf("%+v, %v", a.Ack, err)
		}
		ds := r.deliveries(t, id)
		i := slices.IndexFunc(ds, func(d delivery.Delivery) bool { return d.Channel == route.Engine })
		if i < 0 {
			t.Fatal("the engine is not told")
		}
		d := ds[i]
		if d.EventID != asked || d.Destination != sourceID || d.DestinationName != "nagios" || d.ContactName != "nagios" || d.ContactID != "" || d.UserID != "" ||
			d.Notice != alert.NoticeEngine || d.Reason != route.ReasonWriteBack || d.State != delivery.Waiting || d.Why != "tells nagios what was done here" ||
			!d.Due.Equal(d.Created) || !d.Expires.Equal(d.Created.Add(24*time.Hour)) {
			t.Errorf("%+v", d)
		}
		for _, d := range ds {
			if d.Notice == alert.NoticeAck && d.State == delivery.Waiting && !d.Due.After(d.Created.Add(time.Second)) {
				t.Errorf("it does not wait for the engine a moment: %+v", d)
			}
		}
		if err := r.s.Answer(t.Context(), dispatch.Answer{AlertID: id, EventID: "nothing", Confirmation: alert.Confirmed}); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("an answer to nothing: %v", err)
		}
		if err := r.s.Answer(t.Context(), dispatch.Answer{AlertID: "nothing", EventID: asked, Confirmation: alert.Confirmed}); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("an answer about nothing: %v", err)
		}
		for range 3 {
			r.answer(t, id, asked, alert.Pending, "wait")
			r.answer(t, id, asked, alert.Unconfirmed, "nagios does not show it")
		}
		if a, _ := db.Alert(t.Context(), id); a.Ack.Confirmation != alert.Unconfirmed || a.Ack.Words != "nagios does not show it" {
			t.Errorf("%+v", a.Ack)
		}
		for range 3 {
			r.answer(t, id, asked, alert.Confirmed, "it shows it")
			r.answer(t, id, asked, alert.Refused, "no")
		}
		a, err = db.Alert(t.Context(), id)
		if err != nil || a.Ack.Confirmation != alert.Confirmed || a.Ack.Words != "it shows it" || a.Ack.Author != "Jane" || a.Ack.EventID != asked {
			t.Errorf("%+v, %v", a.Ack, err)
		}
		inOrder(t, "timeline", r.types(t, id), "PROBLEM opened", "ACKNOWLEDGEMENT acknowledged", "ENGINEREPLY ack_answered", "ENGINEREPLY ack_answered")
		events := r.timeline(t, alert.Object{Host: "web01", Service: "HTTP"})
		if e := events[3]; e.ReplyTo != asked || e.Reply != alert.Confirmed || e.Comment != "it shows it" || e.Author != "Jane" || e.UserID != janeUser ||
			e.Origin != alert.FromEngine || e.Why != "The engine confirmed the acknowledgement by Jane." {
			t.Errorf("%+v", e)
		}
		r.receive(t, echoOf(call("2")))
		r.receive(t, event(recovered, named("jane"), call("3")))
		r.answer(t, id, asked, alert.Refused, "too late")
		inOrder(t, "told", r.toldTo(t, id), "ACKNOWLEDGEMENT")
		if s := r.s.Stats(); s.Failures != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWhatTheEngineDidIsNotWrittenBack(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withEngine(t, db)
		r := newRig(t, db)
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		r.receive(t, echoOf(call("2")))
		r.receive(t, event(call("3"), func(e *alert.Event) { e.State = alert.Warning })) // ends it
		asked := r.take(t, id)
		must(t, r.s.Gone(t.Context(), id, asked, "removed there", false))
		r.receive(t, event(recovered, call("4")))
		inOrder(t, "told", r.toldTo(t, id), "ACKNOWLEDGEMENT")
	})
}

func TestOneAcknowledgementGoesOutAndComesBack(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withEngine(t, db)
		r := newRig(t, db)
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		asked := r.take(t, id)
		got := r.receive(t, echoOf(call("2")), echoOf(call("3"), named("joe")))
		if got[0].Outcome != alert.AckConfirmed || got[1].Outcome != alert.AckConfirmed || got[0].Deliveries+got[1].Deliveries != 0 {
			t.Errorf("%+v", got)
		}
		r.answer(t, id, asked, alert.Confirmed, "it shows it")
		inOrder(t, "timeline", r.types(t, id), "PROBLEM opened", "ACKNOWLEDGEMENT acknowledged", "ACKNOWLEDGEMENT ack_confirmed")
		inOrder(t, "told", r.toldTo(t, id), "ACKNOWLEDGEMENT")
		if a, err := db.Alert(t.Context(), id); err != nil || a.Ack.Confirmation != alert.Confirmed || a.Ack.Words != "the engine reported it" || a.Ack.Origin != alert.FromConsole {
			t.Errorf("%+v, %v", a.Ack, err)
		}
	})
}

func TestTheEchoOfWhatWasTakenBackIsNoAcknowledgement(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withEngine(t, db)
		r, now := timedRig(t, db)
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		r.take(t, id)
		_, err := r.s.Unacknowledge(t.Context(), id, dispatch.AckRequest{Author: "Jane", Origin: alert.FromConsole})
		must(t, err)
		for i, c := range []struct {
			name string
			e    alert.Event
			want alert.Outcome
		}{
			{"the echo", echoOf(call("2")), alert.Noted},
			{"somebody in the engine", echoOf(call("3"), func(e *alert.Event) { e.Author, e.Comment = "Bob", "mine" }), alert.Acked},
		} {
			got := r.receive(t, c.e)[0]
			if got.Outcome != c.want {
				t.Errorf("%s: %+v", c.name, got)
			}
			if i == 1 {
				_, err := r.s.Unacknowledge(t.Context(), id, dispatch.AckRequest{Author: "Jane", Origin: alert.FromConsole})
				must(t, err)
			}
		}
		now.move(2 * time.Minute)
		if got := r.receive(t, echoOf(call("4"), at(now.now()), func(e *alert.Event) { e.Author, e.Comment = "Bob", "mine" }))[0]; got.Outcome != alert.Acked {
			t.Errorf("the same words, long after: %+v", got)
		}
		inOrder(t, "told", r.toldTo(t, id), "ACKNOWLEDGEMENT", "UNACKNOWLEDGED", "UNACKNOWLEDGED")
	})
}

func TestCommentsAndDowntimesAreAskedOfTheEngine(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		r.send(t)
		comment := dispatch.CommentRequest{UserID: janeUser, Author: "Jane", Comment: " disk\x00 ordered ", Origin: alert.FromConsole}
		down := dispatch.DowntimeRequest{UserID: janeUser, Author: "Jane", Origin: alert.FromConsole, For: time.Hour}
		_, err := r.s.Comment(t.Context(), id, comment)
		must(t, err)
		if _, err := r.s.ScheduleDowntime(t.Context(), id, down); !errors.Is(err, dispatch.ErrNoEngine) {
			t.Errorf("a downtime of nothing: %v", err)
		}
		inOrder(t, "without an engine", r.toldTo(t, id))

		withEngine(t, db)
		a, err := r.s.Comment(t.Context(), id, comment)
		if err != nil || a.ID != id || a.Status != alert.Firing {
			t.Errorf("%+v, %v", a, err)
		}
		a, err = r.s.ScheduleDowntime(t.Context(), id, down)
		if err != nil || a.Object.Downtime {
			t.Errorf("in a downtime before the engine says so: %+v, %v", a.Object, err)
		}
		for _, c := range []struct {
			name string
			err  error
			want error
		}{
			{"no words", second(r.s.Comment(t.Context(), id, dispatch.CommentRequest{Author: "Jane", Comment: " ", Origin: alert.FromAPI})), dispatch.ErrNoComment},
			{"of no alert", second(r.s.Comment(t.Context(), "nothing", comment)), fault.ErrNotFound},
			{"too short", second(r.s.ScheduleDowntime(t.Context(), id, dispatch.DowntimeRequest{For: time.Second})), dispatch.ErrDowntimeLength},
			{"too long", second(r.s.ScheduleDowntime(t.Context(), id, dispatch.DowntimeRequest{For: 31 * 24 * time.Hour})), dispatch.ErrDowntimeLength},
			{"no alert to end one of", second(r.s.CancelDowntime(t.Context(), "nothing", down)), fault.ErrNotFound},
		} {
			if !errors.Is(c.err, c.want) {
				t.Errorf("%s: %v", c.name, c.err)
			}
		}
		events, err := db.Events(t.Context(), id, "", 50)
		must(t, err)
		if e := events[2]; e.Comment != "disk ordered" && !strings.HasPrefix(e.Comment, "disk") || e.Type != alert.Comment || e.Author != "Jane" {
			t.Errorf("%+v", e)
		}
		e := events[3]
		if e.Type != alert.ScheduleDowntime || e.Until.Sub(e.Time) != time.Hour || e.Comment != "Downtime asked for by Jane" {
			t.Errorf("%+v", e)
		}
		r.answer(t, id, events[2].ID, alert.Confirmed, "")
		r.answer(t, id, e.ID, alert.Confirmed, "depth 1")
		r.answer(t, id, e.ID, alert.Confirmed, "depth 1")
		if a, err := db.Alert(t.Context(), id); err != nil || !a.Object.Downtime {
			t.Errorf("confirmed: %+v, %v", a.Object, err)
		}
		if got := r.receive(t, event(call("2"), func(e *alert.Event) { e.Type = alert.DowntimeStart }))[0]; got.Outcome != alert.Noted || got.Deliveries != 0 {
			t.Errorf("the engine's own word of it: %+v", got)
		}
		_, err = r.s.CancelDowntime(t.Context(), id, down)
		must(t, err)
		events, err = db.Events(t.Context(), id, "", 50)
		must(t, err)
		ends := events[len(events)-1]
		r.receive(t, event(recovered, call("3")))
		r.answer(t, id, ends.ID, alert.Confirmed, "")
		inOrder(t, "timeline", r.types(t, id), "PROBLEM opened", "COMMENT noted", "COMMENT noted", "SCHEDULEDOWNTIME noted", "ENGINEREPLY noted",
			"ENGINEREPLY downtime_began", "DOWNTIMESTART noted", "CANCELDOWNTIME noted", "RECOVERY resolved", "ENGINEREPLY downtime_over")
		inOrder(t, "told", r.toldTo(t, id), "COMMENT", "SCHEDULEDOWNTIME", "CANCELDOWNTIME")
		if a, err := db.Alert(t.Context(), id); err != nil || a.Object.Downtime || a.Status != alert.Resolved {
			t.Errorf("over: %+v, %v", a, err)
		}
		same(t, "who hears of the downtime", r.story(t, id, alert.NoticeDowntime), "downtime jane skipped own_action")
		if _, err := r.s.Comment(t.Context(), id, comment); !errors.Is(err, dispatch.ErrNotOpen) {
			t.Errorf("a comment on what is over: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestAnAnswerAboutAnEarlierAlertTouchesNoOther(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withEngine(t, db)
		r := newRig(t, db)
		first := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		asked := r.take(t, first)
		_, err := r.s.Comment(t.Context(), first, dispatch.CommentRequest{Author: "Jane", Comment: "hm", Origin: alert.FromConsole})
		must(t, err)
		events, err := db.Events(t.Context(), first, "", 50)
		must(t, err)
		r.receive(t, event(recovered, call("2")))
		second := r.receive(t, event(named("jane"), call("3")))[0].AlertID
		r.answer(t, first, asked, alert.Refused, "it is fine")
		r.answer(t, first, events[2].ID, alert.Confirmed, "")
		must(t, r.s.Gone(t.Context(), first, asked, "gone", false))
		inOrder(t, "the first", r.types(t, first), "PROBLEM opened", "ACKNOWLEDGEMENT acknowledged", "COMMENT noted", "RECOVERY resolved", "ENGINEREPLY noted", "ENGINEREPLY noted")
		inOrder(t, "the second", r.types(t, second), "PROBLEM opened")
		r.receive(t, event(named("jane"), call("4"), func(e *alert.Event) { e.State = alert.Warning }))
		inOrder(t, "it is still the object's", r.types(t, second), "PROBLEM opened", "PROBLEM changed")
		if a, err := db.Alert(t.Context(), first); err != nil || a.Status != alert.Resolved || a.Ack.Confirmation != alert.Unconfirmed {
			t.Errorf("%+v, %v", a.Ack, err)
		}
	})
}

func TestFurtherCallsJoinAnEventAlsoAfterAnAnswer(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withEngine(t, db)
		r := newRig(t, db)
		id := r.receive(t, event(named("jane", "joe"), call("1")))[0].AlertID
		asked := r.take(t, id)
		when := time.Now()
		r.receive(t, event(at(when), named("jane"), recovered, call("2")))
		r.answer(t, id, asked, alert.Refused, "it is fine")
		if got := r.receive(t, event(at(when), named("joe"), recovered, call("3")))[0]; got.AlertID != id || got.Outcome != alert.Closed {
			t.Errorf("%+v", got)
		}
	})
}

func TestWhatTheEngineNoLongerHasEndsHere(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withEngine(t, db)
		r := newRig(t, db)
		r.device(t, joeUser, "laptop")
		id := r.receive(t, event(named("jane", "joe"), call("1")))[0].AlertID
		asked := r.take(t, id)
		r.send(t)
		must(t, r.s.Gone(t.Context(), id, "another", "gone", false))
		if a, _ := db.Alert(t.Context(), id); a.Status != alert.Acknowledged {
			t.Errorf("ended by what is about another one: %+v", a)
		}
		for range 2 {
			must(t, r.s.Gone(t.Context(), id, asked, "nagios shows no acknowledgement any more", false))
		}
		a, err := db.Alert(t.Context(), id)
		if err != nil || a.Status != alert.Firing || a.Ack != nil {
			t.Errorf("%+v, %v", a, err)
		}
		events := r.timeline(t, alert.Object{Host: "web01", Service: "HTTP"})
		if e := events[len(events)-1]; len(events) != 3 || e.Comment != "nagios shows no acknowledgement any more" || e.Origin != alert.FromEngine || e.State != alert.Critical {
			t.Errorf("%+v", e)
		}
		// An engine's clock that is a little behind is not overtaken by ours.
		if got := r.receive(t, event(call("2"), at(time.Now().Add(-2*time.Second)), func(e *alert.Event) { e.State = alert.Warning }))[0]; got.Outcome != alert.Changed && got.Outcome != alert.Stale {
			t.Errorf("%+v", got)
		}
		asked = r.take(t, id)
		must(t, r.s.Gone(t.Context(), id, asked, "it knows no such problem", true))
		a, err = db.Alert(t.Context(), id)
		if err != nil || a.Status != alert.Resolved || a.Output != "timed out" || a.State != alert.OK {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

func TestAnAcknowledgementEndsWhenItsTimeRunsOut(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withEngine(t, db)
		now, committed := &clock{}, make(chan struct{}, 100)
		now.move(-time.Minute) // so that a minute is over in a moment
		o := dispatch.Options{Clock: now.now, Committed: func(time.Duration) { committed <- struct{}{} }}
		r, other := &rig{db: db, s: run(t, db, o)}, &rig{db: db, s: run(t, db, o)}
		r.device(t, joeUser, "laptop")
		id := r.receive(t, event(named("jane", "joe"), call("1"), at(now.now())))[0].AlertID
		for _, d := range []time.Duration{time.Second, -time.Hour, 31 * 24 * time.Hour} {
			if _, err := r.s.Acknowledge(t.Context(), id, dispatch.AckRequest{Author: "Jane", Origin: alert.FromAPI, Until: now.now().Add(d)}); !errors.Is(err, dispatch.ErrAckLength) {
				t.Errorf("until %s from now: %v", d, err)
			}
		}
		until := now.now().Add(time.Minute + time.Second)
		r.take(t, id, func(q *dispatch.AckRequest) { q.Until = until })
		if a, err := db.Alert(t.Context(), id); err != nil || !a.Ack.Until.Equal(until.UTC().Truncate(time.Millisecond)) {
			t.Errorf("%+v, %v", a.Ack, err)
		}
		var ends sync.WaitGroup
		for _, s := range []*dispatch.Service{r.s, other.s} {
			ends.Go(func() { must(t, s.RunExpiry(t.Context())) })
		}
		t.Cleanup(ends.Wait)
		for late := time.After(30 * time.Second); ; {
			if a, err := db.Alert(t.Context(), id); err != nil || a.Status == alert.Firing {
				must(t, err)
				break
			}
			select {
			case <-committed:
			case <-late:
				t.Fatal("it does not end")
			}
		}
		inOrder(t, "timeline", r.types(t, id), "PROBLEM opened", "ACKNOWLEDGEMENT acknowledged", "UNACKNOWLEDGED unacknowledged")
		inOrder(t, "told", r.toldTo(t, id), "ACKNOWLEDGEMENT", "UNACKNOWLEDGED")
		var heard []string
		events := r.timeline(t, alert.Object{Host: "web01", Service: "HTTP"})
		for _, d := range r.deliveries(t, id) {
			if e := events[2]; d.EventID == e.ID && d.Channel != route.Engine {
				heard = append(heard, fmt.Sprint(d.ContactName, " ", d.Channel, " ", d.Notice, " ", d.State, " ", d.Reason))
			}
		}
		same(t, "the problem again", heard, "jane browser problem waiting told_before", "joe browser problem waiting told_before", "joe webpush problem waiting told_before")
		if e := events[2]; e.Origin != alert.FromExpiry || e.Comment != "its time ran out" || e.Why != "The time of the acknowledgement by Jane ran out, and it is still Critical." {
			t.Errorf("%+v", e)
		}
	})
}

func TestTabsFollowWhatTheEngineMakesOfIt(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withEngine(t, db)
		r := newRig(t, db)
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		asked := r.take(t, id, func(q *dispatch.AckRequest) { q.Until = time.Now().Add(time.Hour) })
		r.answer(t, id, asked, alert.Refused, "no such service")
		frames, err := db.LiveAfter(t.Context(), 0, janeUser, 100)
		must(t, err)
		var got []dispatch.AlertFrame
		for _, f := range frames {
			if f.Kind == dispatch.FrameKind {
				var a dispatch.AlertFrame
				must(t, json.Unmarshal([]byte(f.Body), &a))
				got = append(got, a)
			}
		}
		if len(got) != 3 || got[0].Confirmation != "" || got[1].Confirmation != alert.Pending || got[1].AckUntil.IsZero() {
			t.Fatalf("%+v", got)
		}
		if f := got[2]; f.Outcome != alert.AckAnswered || f.Confirmation != alert.Refused || f.EngineWords != "no such service" || f.Author != "Jane" || f.Comment != "on it" || f.ID != id {
			t.Errorf("%+v", f)
		}
	})
}

// A silence of what nobody has any more would keep the engine's own from hearing.
func TestAnEngineLetsGoOfWhatItKeptForAnAcknowledgementThatEnded(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		for i, silence := range []bool{true, false} {
			must(t, db.SaveSource(t.Context(), source.Source{ID: sourceID, Name: "prometheus", Kind: "alertmanager", TokenHash: "h", CreatedAt: time.Now(),
				WriteBack: source.WriteBack{Kind: "alertmanager", URL: "https://am.example.com", Silence: silence}}))
			on := func(e *alert.Event) { e.Object.Host = fmt.Sprint("am", i) }
			worse := func(e *alert.Event) { e.State = alert.Unknown }
			id := r.receive(t, event(on, call(fmt.Sprint("p", i))))[0].AlertID
			r.take(t, id)
			if got := r.receive(t, event(on, worse, call(fmt.Sprint("w", i)))); got[0].Outcome != alert.Reopened {
				t.Fatalf("%+v", got)
			}
			r.receive(t, event(on, call(fmt.Sprint("b", i))))
			want := []string{"ACKNOWLEDGEMENT"}
			if silence {
				want = append(want, "PROBLEM")
			}
			inOrder(t, fmt.Sprint("silence: ", silence), r.toldTo(t, id), want...)
		}
	})
}

func TestAnEngineLetsGoOfWhatItKeptForAnAlertThatIsOver(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		for i, c := range []struct {
			silence, taken bool
			want           []string
		}{
			{true, true, []string{"ACKNOWLEDGEMENT", "RECOVERY"}},
			{true, false, nil},
			{false, true, []string{"ACKNOWLEDGEMENT"}},
		} {
			must(t, db.SaveSource(t.Context(), source.Source{ID: sourceID, Name: "prometheus", Kind: "alertmanager", TokenHash: "h", CreatedAt: time.Now(),
				WriteBack: source.WriteBack{Kind: "alertmanager", URL: "https://am.example.com", Silence: c.silence}}))
			on := func(e *alert.Event) { e.Object.Host = fmt.Sprint("am", i) }
			id := r.receive(t, event(on, call(fmt.Sprint("p", i))))[0].AlertID
			if c.taken {
				r.take(t, id)
			}
			over := r.receive(t, event(on, recovered, call(fmt.Sprint("r", i))))[0]
			inOrder(t, fmt.Sprintf("%+v", c), r.toldTo(t, id), c.want...)
			if c.silence && c.taken {
				r.answer(t, id, over.EventID, alert.Confirmed, "")
				r.answer(t, id, over.EventID, alert.Refused, "it is not there")
				inOrder(t, "timeline", r.types(t, id), "PROBLEM opened", "ACKNOWLEDGEMENT acknowledged", "RECOVERY resolved", "ENGINEREPLY noted")
			}
		}
	})
}

func TestAProblemThatWasToldAMomentAgoHasNotRecoveredBefore(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withEngine(t, db)
		r, now := timedRig(t, db)
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		asked := r.take(t, id)
		now.move(time.Hour)
		r.receive(t, event(named("jane"), call("2"), at(now.now())))
		for _, want := range []alert.Status{alert.Acknowledged, alert.Resolved} {
			must(t, r.s.Gone(t.Context(), id, asked, "nagios shows it as OK", true))
			if a, err := db.Alert(t.Context(), id); err != nil || a.Status != want {
				t.Errorf("%+v, %v", a, err)
			}
			now.move(2 * time.Minute)
		}
	})
}

// That it recovered was seen by our clock; the engine's may be behind, and its next
// problem must not count as older.
func TestAProblemAfterARecoveryThatTheEngineKeptToItselfIsTold(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withEngine(t, db)
		r := newRig(t, db)
		behind := time.Now().Add(-10 * time.Minute)
		id := r.receive(t, event(named("jane"), call("1"), at(behind)))[0].AlertID
		must(t, r.s.Gone(t.Context(), id, r.take(t, id), "it knows no such problem", true))
		if a, err := db.Alert(t.Context(), id); err != nil || a.Status != alert.Resolved || time.Since(a.Resolved) > time.Minute {
			t.Fatalf("%+v, %v", a, err)
		}
		if got := r.receive(t, event(named("jane"), call("2"), at(behind.Add(time.Minute)))); got[0].Outcome != alert.Opened || got[0].Deliveries == 0 {
			t.Errorf("%+v", got)
		}
	})
}
