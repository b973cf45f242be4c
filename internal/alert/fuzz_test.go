package alert_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"tocsin/internal/alert"
)

var confirmations = []alert.Confirmation{alert.Local, alert.Pending, alert.Confirmed, alert.Refused, alert.Unconfirmed}

// story makes events from bytes, four for each: type, state, time, and bits
// for who made it. Whatever the bytes, it is a story.
func story(data []byte) []alert.Event {
	states := []alert.State{alert.OK, alert.Warning, alert.Critical, alert.Unknown, "", alert.Down}
	origins := []alert.Origin{alert.FromEngine, alert.FromEngine, alert.FromEngine, alert.FromConsole, alert.FromAPI, "", alert.FromMattermost, alert.FromMail, alert.FromExpiry}
	authors := []string{"", "Jane", "Bob", "{holder}"}
	types := append(slices.DeleteFunc(alert.Types(), alert.Type.Ours), "PARTY", alert.Snooze, alert.Unsnoozed,
		alert.Comment, alert.ScheduleDowntime, alert.CancelDowntime, alert.EngineReply, alert.EngineReply, alert.FlapDetected, alert.FlapCalm)
	asks := []alert.Type{alert.Acknowledgement, alert.ScheduleDowntime, alert.CancelDowntime, alert.Comment}
	var out []alert.Event
	clock := 100
	for ; len(data) >= 4 && len(out) < 64; data = data[4:] {
		clock += int(int8(data[2])) / 16
		e := at(clock, types[int(data[0])%len(types)], states[int(data[1])%len(states)])
		e.Origin = origins[int(data[3])%len(origins)]
		e.Author = authors[int(data[3]/8)%len(authors)]
		e.Sticky = data[3]&128 != 0
		e.ID = fmt.Sprint("event-", len(out))
		e.Watched = data[3]&2 != 0
		e.Pending, e.Echo = data[3]&64 != 0, data[3]&32 != 0
		switch {
		case e.Type == alert.EngineReply:
			e.ReplyTo = fmt.Sprint("event-", int(data[3])%8)
			e.Reply = confirmations[int(data[1])%len(confirmations)]
			e.Asked = asks[int(data[1]/8)%len(asks)]
		case e.Type == alert.FlapDetected, e.Type == alert.FlapCalm:
			e.Origin = alert.FromDetection
		case e.Type.Ours():
			e.Until = e.Time.Add(time.Duration(data[3]) * time.Minute)
		}
		if data[1] >= 128 {
			e.Marks = []alert.Mark{alert.MarkStateMissing}
		}
		if data[2] == 77 {
			e.Time = time.Time{}
		}
		if data[0] >= 200 {
			e.Object.Labels = map[string]string{"n": string(e.State)}
		}
		out = append(out, e)
	}
	return out
}

func FuzzApply(f *testing.F) {
	f.Add([]byte{0, 2, 16, 0, 1, 0, 32, 0})
	f.Add([]byte{0, 2, 16, 0, 11, 0, 16, 3, 11, 0, 16, 9, 2, 2, 16, 3, 11, 0, 16, 3, 3, 2, 16, 3, 0, 2, 16, 0, 11, 0, 16, 3, 1, 0, 16, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := alert.Situation{Object: web}
		newID := ids()
		for _, e := range story(data) {
			before := deepCopy(s)
			r := alert.Apply(s, e, newID)
			if !reflect.DeepEqual(s, before) {
				t.Fatalf("%s changed what it was given", e.Type)
			}
			check(t, s, e, r)
			s = r.Situation
		}
	})
}

func deepCopy(s alert.Situation) alert.Situation {
	s.Object = copyObject(s.Object)
	if s.Alert != nil {
		a := *s.Alert
		a.Object = copyObject(a.Object)
		a.Marks = slices.Clone(a.Marks)
		if a.Ack != nil {
			ack := *a.Ack
			a.Ack = &ack
		}
		s.Alert = &a
	}
	return s
}

func copyObject(o alert.Object) alert.Object {
	if o.Labels != nil {
		labels := make(map[string]string, len(o.Labels))
		for k, v := range o.Labels {
			labels[k] = v
		}
		o.Labels = labels
	}
	o.Turns = slices.Clone(o.Turns)
	return o
}

// check holds one step against what must be true of all.
func check(t *testing.T, before alert.Situation, e alert.Event, r alert.Result) {
	t.Helper()
	fail := func(what string) {
		t.Helper()
		t.Fatalf("%s\nevent  %+v\nbefore %+v\n       %+v\nafter  %+v\n       %+v", what, e, before, before.Alert, r, r.Alert)
	}
	if r.Why == "" || r.Outcome == "" {
		fail("no reason or no outcome")
	}
	if (r.Outcome == alert.Stale) != (r.Notice == alert.NoNotice && reflect.DeepEqual(r.Object, before.Object) && r.Outcome == alert.Stale) {
		fail("a stale event changed the object or is told")
	}
	if len(r.Object.Turns) > alert.MaxTurns || !r.Object.Flaps.IsZero() && !r.Object.Flapping {
		fail("too many changes are kept, or it was found to flap and does not")
	}
	if r.Object.Changed.Before(before.Object.Changed) {
		fail("the object's time went back")
	}
	a := r.Alert
	if before.Alert.Open() {
		switch {
		case a == nil || a.ID != before.Alert.ID:
			fail("an open alert went away")
		case a.Worst.Severity() < before.Alert.Worst.Severity() || !a.Since.Equal(before.Alert.Since) || a.Updated.Before(before.Alert.Updated):
			fail("worst, since or updated went back")
		}
	} else if a != nil && (before.Alert != nil && a.ID == before.Alert.ID) {
		fail("a resolved alert was taken up again")
	}
	if a == nil {
		if r.Outcome == alert.Opened || r.Outcome == alert.Closed || r.Outcome == alert.Acked {
			fail("no alert for it")
		}
		return
	}
	switch {
	case a.Status != alert.Firing && !a.Snoozed.IsZero():
		fail("snoozed, though there is nothing to be left in peace about")
	case e.Type != alert.Snooze && e.Type != alert.Unsnoozed && !a.Snoozed.IsZero() && !a.Snoozed.Equal(before.Alert.Snoozed):
		fail("another event than a snooze moved its end")
	}
	if e.Type == alert.EngineReply && before.Alert.Open() && (a.Status != before.Alert.Status || a.State != before.Alert.State) {
		fail("an answer of the engine changed the alert's status or state")
	}
	if was := before.Alert; was != nil && was.ID == a.ID && was.Ack != nil && a.Ack != nil && a.Ack.EventID == was.Ack.EventID &&
		was.Ack.Confirmation == alert.Confirmed && a.Ack.Confirmation != alert.Confirmed {
		fail("what the engine had confirmed is no longer confirmed")
	}
	switch a.Status {
	case alert.Firing, alert.Acknowledged:
		switch {
		case !a.Resolved.IsZero():
			fail("open with a time of resolution")
		case (a.Status == alert.Acknowledged) != (a.Ack != nil):
			fail("acknowledged without an acknowledgement, or the other way round")
		case a.Ack != nil && (a.Ack.Confirmation == "" || !a.Ack.Origin.Here() && a.Ack.Confirmation != alert.Confirmed):
			fail("an acknowledgement of the engine that it does not know of")
		case !a.State.Problem() || a.Worst.Severity() < a.State.Severity():
			fail("state and worst do not fit")
		}
	case alert.Resolved:
		if a.Ack != nil && a.Ack.Confirmation == alert.Pending {
			fail("over, and still waiting for the engine")
		}
		if a.Resolved.IsZero() && !e.Time.IsZero() || a.Resolved.Before(a.Since) || a.State.Problem() || r.Outcome != alert.Closed {
			fail("resolved, but not as it should be")
		}
	default:
		fail("a status that no alert has")
	}
	if !reflect.DeepEqual(a.Object, r.Object) && r.Outcome != alert.Stale {
		fail("the alert has another object")
	}
	again := alert.Apply(r.Situation, e, func() string { return "again" })
	if r.Outcome == alert.Stale && (again.Outcome != alert.Stale || !reflect.DeepEqual(again.Situation, r.Situation)) {
		fail("a stale event told twice does more than once")
	}
}
