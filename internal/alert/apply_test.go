package alert_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
)

var (
	start = time.Unix(1_795_299_400, 0).UTC()
	web   = alert.Object{ID: alert.ObjectID("src", "web01", "HTTP"), SourceID: "src", Host: "web01", Service: "HTTP"}
)

// at is an event of the engine some seconds after the start.
func at(seconds int, t alert.Type, s alert.State) alert.Event {
	return alert.Event{Object: web, SourceID: "src", Type: t, State: s, Origin: alert.FromEngine,
		Time: start.Add(time.Duration(seconds) * time.Second), Output: fmt.Sprintf("%s at %d", s, seconds)}
}

func by(e alert.Event, author, comment string) alert.Event {
	e.Author, e.Comment = author, comment
	return e
}

// here is the event made in the console.
func here(e alert.Event, sticky bool) alert.Event {
	e.Origin, e.Sticky, e.UserID, e.Output = alert.FromConsole, sticky, "u1", ""
	return e
}

// asked is an event by which the engine is asked for what it says.
func asked(e alert.Event) alert.Event {
	e.ID, e.Pending = "asked-"+string(e.Type), true
	return e
}

// reply is what became of an event of the type that the engine was asked for.
func reply(seconds int, asked alert.Type, c alert.Confirmation, words string) alert.Event {
	e := at(seconds, alert.EngineReply, "")
	e.Asked, e.Reply, e.ReplyTo, e.Comment, e.Output = asked, c, "asked-"+string(asked), words, ""
	return e
}

func to(e alert.Event, id string) alert.Event { e.ReplyTo = id; return e }

func echo(e alert.Event) alert.Event { e.Echo = true; return e }

// snooze is one that Jane asks for here at seconds, until another.
func snooze(seconds, until int) alert.Event {
	e := here(by(at(seconds, alert.Snooze, ""), "Jane", ""), false)
	e.Until = start.Add(time.Duration(until) * time.Second)
	return e
}

// unsnoozed is their end here at seconds, when others last until another; 0: none do.
func unsnoozed(seconds, until int) alert.Event {
	e := snooze(seconds, until)
	e.Type = alert.Unsnoozed
	if until == 0 {
		e.Until = time.Time{}
	}
	return e
}

func ids() func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("alert-%d", n) }
}

// play applies the events in order to an object that is new and answers the
// last result.
func play(events ...alert.Event) alert.Result {
	r := alert.Result{Situation: alert.Situation{Object: web}}
	newID := ids()
	for _, e := range events {
		r = alert.Apply(r.Situation, e, newID)
	}
	return r
}

func TestWhatTheLastEventDoes(t *testing.T) {
	ack := by(at(20, alert.Acknowledgement, alert.Critical), "Jane", "on it")
	mine := here(ack, false)
	sticky := here(ack, true)
	tests := []struct {
		name    string
		events  []alert.Event
		outcome alert.Outcome
		notice  alert.Notice
		status  alert.Status
		why     string // part of it
	}{
		{"a problem opens an alert",
			[]alert.Event{at(10, alert.Problem, alert.Critical)},
			alert.Opened, alert.NoticeProblem, alert.Firing, "A new problem: Critical."},
		{"the same problem told again is told again",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(70, alert.Problem, alert.Critical)},
			alert.Repeated, alert.NoticeProblem, alert.Firing, "Still Critical"},
		{"another problem state is told",
			[]alert.Event{at(10, alert.Problem, alert.Warning), at(70, alert.Problem, alert.Critical)},
			alert.Changed, alert.NoticeProblem, alert.Firing, "Was Warning, is Critical now."},
		{"acknowledged alert stays silent",
			[]alert.Event{at(10, alert.Problem, alert.Critical), ack, at(70, alert.Problem, alert.Critical)},
			alert.Repeated, alert.NoNotice, alert.Acknowledged, "acknowledged by Jane"},
		{"another state ends an acknowledgement of the engine",
			[]alert.Event{at(10, alert.Problem, alert.Warning), by(at(20, alert.Acknowledgement, alert.Warning), "Jane", ""), at(70, alert.Problem, alert.Critical)},
			alert.Reopened, alert.NoticeProblem, alert.Firing, "no longer holds"},
		{"another state does not end a sticky acknowledgement",
			[]alert.Event{at(10, alert.Problem, alert.Critical), sticky, at(70, alert.Problem, alert.Warning)},
			alert.Changed, alert.NoNotice, alert.Acknowledged, "until recovery"},
		{"another state ends one made here that is not sticky",
			[]alert.Event{at(10, alert.Problem, alert.Critical), mine, at(70, alert.Problem, alert.Warning)},
			alert.Reopened, alert.NoticeProblem, alert.Firing, ""},
		{"a sticky one of the engine does not count as sticky",
			[]alert.Event{at(10, alert.Problem, alert.Critical), func() alert.Event { e := ack; e.Sticky = true; return e }(), at(70, alert.Problem, alert.Warning)},
			alert.Reopened, alert.NoticeProblem, alert.Firing, ""},
		{"a recovery closes",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(70, alert.Recovery, alert.OK)},
			alert.Closed, alert.NoticeRecovery, alert.Resolved, "It recovered: OK."},
		{"a recovery closes an acknowledged alert",
			[]alert.Event{at(10, alert.Problem, alert.Critical), ack, at(70, alert.Recovery, alert.OK)},
			alert.Closed, alert.NoticeRecovery, alert.Resolved, ""},
		{"a recovery of nothing is noted",
			[]alert.Event{at(10, alert.Recovery, alert.OK)},
			alert.Noted, alert.NoNotice, alert.None, "no alert was open"},
		{"a problem after a recovery of the same second opens another alert",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(20, alert.Recovery, alert.OK), at(20, alert.Problem, alert.Critical)},
			alert.Opened, alert.NoticeProblem, alert.Firing, ""},
		{"the engine's acknowledgement is told",
			[]alert.Event{at(10, alert.Problem, alert.Critical), ack},
			alert.Acked, alert.NoticeAck, alert.Acknowledged, "Acknowledged by Jane."},
		{"an acknowledgement made here is told",
			[]alert.Event{at(10, alert.Problem, alert.Critical), mine},
			alert.Acked, alert.NoticeAck, alert.Acknowledged, ""},
		{"its echo from the engine confirms it and tells nobody",
			[]alert.Event{at(10, alert.Problem, alert.Critical), mine, by(at(25, alert.Acknowledgement, alert.Critical), "jane", "on it")},
			alert.AckConfirmed, alert.NoNotice, alert.Acknowledged, "people were told when it was made"},
		{"the same acknowledgement again is noted",
			[]alert.Event{at(10, alert.Problem, alert.Critical), ack, by(at(25, alert.Acknowledgement, alert.Critical), "Jane", "on it")},
			alert.Noted, alert.NoNotice, alert.Acknowledged, "told before"},
		{"an acknowledgement by another is told",
			[]alert.Event{at(10, alert.Problem, alert.Critical), ack, by(at(25, alert.Acknowledgement, alert.Critical), "Bob", "mine now")},
			alert.Acked, alert.NoticeAck, alert.Acknowledged, "by Bob, before that by Jane"},
		{"an acknowledgement of a problem never told opens an acknowledged alert",
			[]alert.Event{ack},
			alert.Acked, alert.NoticeAck, alert.Acknowledged, "never told here"},
		{"an acknowledgement of what is well is noted",
			[]alert.Event{at(10, alert.Acknowledgement, alert.OK)},
			alert.Noted, alert.NoNotice, alert.None, "nothing is wrong"},
		{"one made here is the same after it has been through the engine",
			[]alert.Event{at(10, alert.Problem, alert.Critical), asked(by(mine, "Jane; Doe", "it's \"mine\"\n& <more>")), reply(22, alert.Acknowledgement, alert.Confirmed, "read"),
				by(at(25, alert.Acknowledgement, alert.Critical), "Jane_ Doe", "its mine  more")},
			alert.Noted, alert.NoNotice, alert.Acknowledged, "told before"},
		{"also when the engine put another author and cut it",
			[]alert.Event{at(10, alert.Problem, alert.Critical), asked(by(mine, "Jane", strings.Repeat("long ", 50))), reply(22, alert.Acknowledgement, alert.Confirmed, "read"),
				by(at(25, alert.Acknowledgement, alert.Critical), "apiuser", strings.Repeat("long ", 20))},
			alert.Noted, alert.NoNotice, alert.Acknowledged, "told before"},
		{"another one in the engine than the one made here is told",
			[]alert.Event{at(10, alert.Problem, alert.Critical), asked(mine), reply(22, alert.Acknowledgement, alert.Confirmed, "read"),
				by(at(25, alert.Acknowledgement, alert.Critical), "Bob", "no, I am")},
			alert.Acked, alert.NoticeAck, alert.Acknowledged, "by Bob, before that by Jane"},
		{"the echo of one that was taken back meanwhile changes nothing",
			[]alert.Event{at(10, alert.Problem, alert.Critical), asked(mine), here(at(22, alert.Unacknowledged, ""), false), echo(ack)},
			alert.Noted, alert.NoNotice, alert.Firing, "taken back in the meantime"},
		{"an echo confirms the one that was made since",
			[]alert.Event{at(10, alert.Problem, alert.Critical), asked(mine), here(at(22, alert.Unacknowledged, ""), false), asked(mine), echo(ack)},
			alert.AckConfirmed, alert.NoNotice, alert.Acknowledged, ""},
		{"the engine's answer to an acknowledgement tells nobody by itself",
			[]alert.Event{at(10, alert.Problem, alert.Critical), asked(mine), reply(30, alert.Acknowledgement, alert.Refused, "no such service")},
			alert.AckAnswered, alert.NoNotice, alert.Acknowledged, "The engine refused the acknowledgement by Jane."},
		{"what was not known may still be confirmed",
			[]alert.Event{at(10, alert.Problem, alert.Critical), asked(mine), reply(30, alert.Acknowledgement, alert.Unconfirmed, "?"), reply(40, alert.Acknowledgement, alert.Confirmed, "")},
			alert.AckAnswered, alert.NoNotice, alert.Acknowledged, "The engine confirmed the acknowledgement by Jane."},
		{"what is confirmed is not made unknown",
			[]alert.Event{at(10, alert.Problem, alert.Critical), asked(mine), reply(30, alert.Acknowledgement, alert.Confirmed, ""), reply(40, alert.Acknowledgement, alert.Unconfirmed, "")},
			alert.Noted, alert.NoNotice, alert.Acknowledged, "did not confirm the acknowledgement."},
		{"an answer to another acknowledgement than this one is noted",
			[]alert.Event{at(10, alert.Problem, alert.Critical), asked(mine), to(reply(30, alert.Acknowledgement, alert.Refused, "no"), "an older one")},
			alert.Noted, alert.NoNotice, alert.Acknowledged, ""},
		{"an answer that comes after the recovery is noted",
			[]alert.Event{at(10, alert.Problem, alert.Critical), asked(mine), at(20, alert.Recovery, alert.OK), reply(30, alert.Acknowledgement, alert.Refused, "no")},
			alert.Noted, alert.NoNotice, alert.None, ""},
		{"a comment changes nothing",
			[]alert.Event{at(10, alert.Problem, alert.Critical), here(by(at(20, alert.Comment, ""), "Jane", "looking"), false)},
			alert.Noted, alert.NoNotice, alert.Firing, "A comment by Jane; the engine of this source takes none."},
		{"a comment that the engine takes says so",
			[]alert.Event{at(10, alert.Problem, alert.Critical), asked(here(by(at(20, alert.Comment, ""), "Jane", "looking"), false))},
			alert.Noted, alert.NoNotice, alert.Firing, "written to the engine"},
		{"a downtime that is asked for has not begun",
			[]alert.Event{at(10, alert.Problem, alert.Critical), asked(here(by(at(20, alert.ScheduleDowntime, ""), "Jane", ""), false))},
			alert.Noted, alert.NoNotice, alert.Firing, "asked for by Jane"},
		{"it begins when the engine confirms it",
			[]alert.Event{at(10, alert.Problem, alert.Critical), by(reply(30, alert.ScheduleDowntime, alert.Confirmed, ""), "Jane", "")},
			alert.DowntimeBegan, alert.NoticeDowntime, alert.Firing, "asked for by Jane began"},
		{"it is known already when the engine tells of it, too",
			[]alert.Event{at(10, alert.Problem, alert.Critical), reply(30, alert.ScheduleDowntime, alert.Confirmed, ""), at(31, alert.DowntimeStart, alert.Critical)},
			alert.Noted, alert.NoNotice, alert.Firing, "already"},
		{"or when the engine told first",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(29, alert.DowntimeStart, alert.Critical), reply(30, alert.ScheduleDowntime, alert.Confirmed, "")},
			alert.Noted, alert.NoNotice, alert.Firing, "The engine confirmed the downtime."},
		{"its end that the engine confirms is told",
			[]alert.Event{at(10, alert.Problem, alert.Critical), reply(30, alert.ScheduleDowntime, alert.Confirmed, ""), reply(40, alert.CancelDowntime, alert.Confirmed, "")},
			alert.DowntimeOver, alert.NoticeDowntime, alert.Firing, "ended"},
		{"a downtime that the engine refuses has not begun",
			[]alert.Event{at(10, alert.Problem, alert.Critical), reply(30, alert.ScheduleDowntime, alert.Refused, "no")},
			alert.Noted, alert.NoNotice, alert.Firing, "The engine refused the downtime."},
		{"an acknowledgement whose time ran out is told as the problem that it is",
			[]alert.Event{at(10, alert.Problem, alert.Critical), mine, func() alert.Event { e := at(30, alert.Unacknowledged, ""); e.Origin = alert.FromExpiry; return e }()},
			alert.Unacked, alert.NoticeProblem, alert.Firing, "ran out, and it is still Critical"},
		{"an acknowledgement taken back lets it fire",
			[]alert.Event{at(10, alert.Problem, alert.Critical), ack, by(here(at(30, alert.Unacknowledged, ""), false), "Bob", "")},
			alert.Unacked, alert.NoNotice, alert.Firing, "by Jane was taken back by Bob"},
		{"there is nothing to take back from a firing alert",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(30, alert.Unacknowledged, alert.Critical)},
			alert.Noted, alert.NoNotice, alert.Firing, ""},
		{"a snooze leaves it firing and tells nobody",
			[]alert.Event{at(10, alert.Problem, alert.Critical), snooze(20, 50)},
			alert.Noted, alert.NoNotice, alert.Firing, "Snoozed by Jane"},
		{"while it is snoozed a problem is a problem for all others",
			[]alert.Event{at(10, alert.Problem, alert.Critical), snooze(20, 50), at(30, alert.Problem, alert.Critical)},
			alert.Repeated, alert.NoticeProblem, alert.Firing, ""},
		{"who ends a snooze knows of the problem",
			[]alert.Event{at(10, alert.Problem, alert.Critical), snooze(20, 50), unsnoozed(30, 0)},
			alert.Noted, alert.NoNotice, alert.Firing, "The snooze was ended by Jane"},
		{"what somebody has is not snoozed",
			[]alert.Event{at(10, alert.Problem, alert.Critical), ack, snooze(20, 50)},
			alert.Noted, alert.NoNotice, alert.Acknowledged, "acknowledged by Jane"},
		{"there is nothing to snooze without an alert",
			[]alert.Event{snooze(20, 50)},
			alert.Noted, alert.NoNotice, alert.None, "nothing to snooze"},
		{"flapping is told and opens nothing",
			[]alert.Event{at(10, alert.FlappingStart, alert.Critical)},
			alert.FlappingBegan, alert.NoticeFlapping, alert.None, ""},
		{"flapping told twice is noted",
			[]alert.Event{at(10, alert.FlappingStart, alert.Critical), at(20, alert.FlappingStart, alert.Critical)},
			alert.Noted, alert.NoNotice, alert.None, "already"},
		{"flapping stops",
			[]alert.Event{at(10, alert.FlappingStart, alert.Critical), at(20, alert.FlappingStop, alert.Critical)},
			alert.FlappingOver, alert.NoticeFlapping, alert.None, ""},
		{"flapping disabled ends it too",
			[]alert.Event{at(10, alert.FlappingStart, alert.Critical), at(20, alert.FlappingDisabled, alert.Critical)},
			alert.FlappingOver, alert.NoticeFlapping, alert.None, "switched off"},
		{"a downtime begins on a firing alert and leaves it firing",
			[]alert.Event{at(10, alert.Problem, alert.Critical), by(at(20, alert.DowntimeStart, alert.Critical), "Jane", "")},
			alert.DowntimeBegan, alert.NoticeDowntime, alert.Firing, "A downtime began by Jane."},
		{"a problem in a downtime is told, as the engine sent it",
			[]alert.Event{at(10, alert.DowntimeStart, alert.OK), at(20, alert.Problem, alert.Critical)},
			alert.Opened, alert.NoticeProblem, alert.Firing, ""},
		{"a downtime ends and the problem goes on",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(20, alert.DowntimeStart, alert.Critical), at(30, alert.DowntimeEnd, alert.Critical)},
			alert.DowntimeOver, alert.NoticeDowntime, alert.Firing, ""},
		{"a downtime that ends with all well closes what recovered in silence",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(20, alert.DowntimeStart, alert.Critical), at(30, alert.DowntimeCancelled, alert.OK)},
			alert.Closed, alert.NoticeRecovery, alert.Resolved, "recovered in the meantime"},
		{"flapping that stops with all well closes what recovered in silence",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(20, alert.FlappingStart, alert.OK), at(30, alert.FlappingStop, alert.OK)},
			alert.Closed, alert.NoticeRecovery, alert.Resolved, ""},
		{"a downtime's end that tells no state closes nothing",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(20, alert.DowntimeStart, alert.Critical), at(30, alert.DowntimeEnd, "")},
			alert.DowntimeOver, alert.NoticeDowntime, alert.Firing, ""},
		{"a downtime that ends unseen is noted",
			[]alert.Event{at(10, alert.DowntimeEnd, alert.OK)},
			alert.Noted, alert.NoNotice, alert.None, ""},
		{"a custom notification is told and changes nothing",
			[]alert.Event{at(10, alert.Problem, alert.Critical), by(at(20, alert.Custom, alert.Critical), "Jane", "look")},
			alert.Noted, alert.NoticeCustom, alert.Firing, "by Jane"},
		{"a custom notification is never too old",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(5, alert.Custom, alert.OK)},
			alert.Noted, alert.NoticeCustom, alert.Firing, ""},
		{"a problem older than the recovery is out of date",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(20, alert.Recovery, alert.OK), at(15, alert.Problem, alert.Critical)},
			alert.Stale, alert.NoNotice, alert.None, "Older"},
		{"a problem older than a recovery of nothing is out of date",
			[]alert.Event{at(20, alert.Recovery, alert.OK), at(15, alert.Problem, alert.Critical)},
			alert.Stale, alert.NoNotice, alert.None, ""},
		{"a recovery older than the problem is out of date",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(5, alert.Recovery, alert.OK)},
			alert.Stale, alert.NoNotice, alert.Firing, ""},
		{"an acknowledgement older than the problem is out of date",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(5, alert.Acknowledgement, alert.Critical)},
			alert.Stale, alert.NoNotice, alert.Firing, ""},
		{"a downtime older than what is known is out of date",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(5, alert.DowntimeStart, alert.Critical)},
			alert.Stale, alert.NoNotice, alert.Firing, ""},
		{"an older state of the same problem is out of date",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(5, alert.Problem, alert.Warning)},
			alert.Stale, alert.NoNotice, alert.Firing, ""},
		{"a problem overtaken by its downtime's start is not lost",
			[]alert.Event{at(12, alert.DowntimeStart, alert.Critical), at(11, alert.Problem, alert.Critical)},
			alert.Opened, alert.NoticeProblem, alert.Firing, ""},
		{"a recovery overtaken by a custom notification is not lost",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(22, alert.Custom, alert.OK), at(21, alert.Recovery, alert.OK)},
			alert.Closed, alert.NoticeRecovery, alert.Resolved, ""},
		{"a problem overtaken by an event without a state is not lost",
			[]alert.Event{at(12, alert.DowntimeStart, ""), at(11, alert.Problem, alert.Critical)},
			alert.Opened, alert.NoticeProblem, alert.Firing, ""},
		{"what is done here by a clock that is ahead makes nothing out of date",
			[]alert.Event{at(10, alert.Problem, alert.Critical), here(at(500, alert.Acknowledgement, alert.Critical), true), at(20, alert.Recovery, alert.OK)},
			alert.Closed, alert.NoticeRecovery, alert.Resolved, ""},
		{"what is done here by a clock that is behind is done",
			[]alert.Event{at(100, alert.Problem, alert.Critical), here(at(50, alert.Acknowledgement, alert.Critical), true)},
			alert.Acked, alert.NoticeAck, alert.Acknowledged, ""},
		{"a problem that is told as OK is told",
			[]alert.Event{at(10, alert.Problem, alert.OK)},
			alert.Opened, alert.NoticeProblem, alert.Firing, "Unknown"},
		{"an unknown type changes nothing",
			[]alert.Event{at(10, alert.Problem, alert.Critical), at(20, "PARTY", alert.OK)},
			alert.Noted, alert.NoNotice, alert.Firing, "not known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := play(tt.events...)
			status := alert.None
			if r.Alert != nil {
				status = r.Alert.Status
			}
			if r.Outcome != tt.outcome || r.Notice != tt.notice || status != tt.status {
				t.Errorf("got %s, notice %q, status %q; want %s, %q, %q", r.Outcome, r.Notice, status, tt.outcome, tt.notice, tt.status)
			}
			if !strings.Contains(r.Why, tt.why) || strings.ContainsAny(r.Why, "{}") || r.Why == "" {
				t.Errorf("why %q, want a sentence with %q", r.Why, tt.why)
			}
		})
	}
}

func TestAlertKeepsItsStory(t *testing.T) {
	first := at(10, alert.Problem, alert.Critical)
	first.Long, first.Marks = "line two", []alert.Mark{alert.MarkCut}
	r := play(first, at(20, alert.Problem, alert.Warning), at(30, alert.Problem, alert.Warning), at(40, alert.Recovery, alert.OK))
	a := r.Alert
	switch {
	case a.ID != "alert-1", a.Worst != alert.Critical, a.State != alert.OK, a.Repeats != 1:
		t.Errorf("alert %+v", a)
	case !a.Since.Equal(first.Time), !a.Resolved.Equal(start.Add(40 * time.Second)), !a.Updated.Equal(a.Resolved):
		t.Errorf("times: since %v, resolved %v, updated %v", a.Since, a.Resolved, a.Updated)
	case a.Output != "ok at 40", a.Long != "", !slices.Equal(a.Marks, []alert.Mark{alert.MarkCut}):
		t.Errorf("output %q, long %q, marks %v", a.Output, a.Long, a.Marks)
	case a.Object.State != alert.OK:
		t.Errorf("the alert's object is %s", a.Object.State)
	}
}

func TestAcknowledgementMadeHereStaysOursWhenTheEngineConfirmsIt(t *testing.T) {
	r := play(at(10, alert.Problem, alert.Critical),
		here(by(at(20, alert.Acknowledgement, alert.Critical), "Jane Doe", ""), true),
		by(at(25, alert.Acknowledgement, alert.Critical), "jdoe", "via tocsin"))
	want := alert.Ack{Author: "Jane Doe", UserID: "u1", Comment: "via tocsin", At: start.Add(20 * time.Second),
		Origin: alert.FromConsole, Sticky: true, Confirmation: alert.Confirmed, Words: "the engine reported it, as made by jdoe"}
	if *r.Alert.Ack != want {
		t.Errorf("got %+v, want %+v", *r.Alert.Ack, want)
	}
}

func TestObjectLearnsAndForgetsNothing(t *testing.T) {
	e := at(10, alert.Problem, alert.Critical)
	e.Object.HostDisplay, e.Object.ServiceDisplay, e.Object.URL = "Web 1", "Homepage", "https://nagios/1"
	e.Object.Labels = map[string]string{"team": "web", "tier": "1"}
	later := at(20, alert.DowntimeStart, alert.Critical)
	later.Object.Labels = map[string]string{"team": "db"}
	r := play(e, at(15, alert.Problem, alert.Critical), later)
	o := r.Object
	if o.Name() != "Homepage on Web 1" || o.URL != "https://nagios/1" || !o.Downtime || o.State != alert.Critical {
		t.Errorf("object %+v", o)
	}
	if !reflect.DeepEqual(o.Labels, map[string]string{"team": "db"}) {
		t.Errorf("labels %v: want those told last, as a whole", o.Labels)
	}
	if !o.Changed.Equal(later.Time) || !reflect.DeepEqual(r.Alert.Object, o) {
		t.Errorf("changed %v; the alert has %+v", o.Changed, r.Alert.Object)
	}
	if o := play(e, later, at(30, alert.Recovery, alert.OK)).Object; !o.Downtime {
		t.Error("the recovery ended the downtime")
	}
}

func TestSloppyEventsAreMarked(t *testing.T) {
	r := play(at(10, alert.Problem, alert.Critical), at(5, alert.Recovery, alert.OK))
	if !slices.Contains(r.Marks, alert.MarkOutOfOrder) || !slices.Contains(r.Alert.Marks, alert.MarkOutOfOrder) {
		t.Errorf("marks of the event %v, of the alert %v", r.Marks, r.Alert.Marks)
	}
	if r := play(at(10, alert.Problem, alert.Up)); !slices.Contains(r.Marks, alert.MarkStateMissing) || r.Alert.State != alert.Unknown {
		t.Errorf("a service that is Up: %v, %s", r.Marks, r.Alert.State)
	}
}

func TestTheLongestSnoozeIsKeptUntilItIsTakenOrOver(t *testing.T) {
	problem := at(10, alert.Problem, alert.Critical)
	taken := here(by(at(50, alert.Acknowledgement, alert.Critical), "Jane", ""), false)
	for _, c := range []struct {
		name   string
		events []alert.Event
		want   int // seconds after the start; 0: none
	}{
		{"the first", []alert.Event{problem, snooze(20, 500)}, 500},
		{"a shorter one of somebody else", []alert.Event{problem, snooze(20, 500), snooze(30, 90)}, 500},
		{"a longer one", []alert.Event{problem, snooze(20, 500), snooze(30, 900)}, 900},
		{"told again", []alert.Event{problem, snooze(20, 500), at(40, alert.Problem, alert.Warning)}, 500},
		{"taken", []alert.Event{problem, snooze(20, 500), taken}, 0},
		{"taken and fired again", []alert.Event{problem, snooze(20, 500), taken, at(60, alert.Problem, alert.Warning)}, 0},
		{"ended before its time", []alert.Event{problem, snooze(20, 500), unsnoozed(30, 0)}, 0},
		{"ended for one of two", []alert.Event{problem, snooze(20, 500), snooze(30, 90), unsnoozed(40, 90)}, 90},
		{"ended when somebody has it", []alert.Event{problem, taken, unsnoozed(60, 900)}, 0},
		{"recovered", []alert.Event{problem, snooze(20, 500), at(60, alert.Recovery, alert.OK)}, 0},
	} {
		got := play(c.events...).Alert.Snoozed
		if want := start.Add(time.Duration(c.want) * time.Second); c.want == 0 && !got.IsZero() || c.want > 0 && !got.Equal(want) {
			t.Errorf("%s: snoozed until %v", c.name, got)
		}
	}
}

func TestResultsOfOneSituationAreApart(t *testing.T) {
	s := play(at(10, alert.Problem, alert.Critical)).Situation
	s.Alert.Marks = make([]alert.Mark, 0, 8)
	late, cut := at(5, alert.Recovery, alert.OK), at(20, alert.Problem, alert.Critical)
	cut.Marks = []alert.Mark{alert.MarkCut}
	first := alert.Apply(s, late, ids())
	alert.Apply(s, cut, ids())
	if !slices.Equal(first.Alert.Marks, []alert.Mark{alert.MarkOutOfOrder}) {
		t.Errorf("the second event wrote %v into the first one's result", first.Alert.Marks)
	}
}

func TestTableHasAnAnswerToEverything(t *testing.T) {
	for _, typ := range alert.Types() {
		for _, from := range []alert.Status{alert.None, alert.Firing, alert.Acknowledged} {
			rows := 0
			for _, row := range alert.Table() {
				if row.On == typ && (row.From == from || row.From == alert.Any) && row.When == alert.Always {
					rows++
				}
			}
			if rows != 1 {
				t.Errorf("%s while %q: %d rows without a condition, want 1", typ, from, rows)
			}
		}
	}
}

func TestAnAcknowledgementSaysWhatTheEngineMadeOfIt(t *testing.T) {
	problem := at(10, alert.Problem, alert.Critical)
	mine := asked(here(by(at(20, alert.Acknowledgement, alert.Critical), "Jane", "on it"), false))
	mine.Until = start.Add(time.Hour)
	for _, c := range []struct {
		name   string
		events []alert.Event
		want   alert.Confirmation
		words  string
	}{
		{"made", nil, alert.Pending, ""},
		{"refused", []alert.Event{reply(30, alert.Acknowledgement, alert.Refused, "no such service")}, alert.Refused, "no such service"},
		{"refused and confirmed", []alert.Event{reply(30, alert.Acknowledgement, alert.Refused, "no"), reply(40, alert.Acknowledgement, alert.Confirmed, "it shows it")}, alert.Confirmed, "it shows it"},
		{"confirmed and refused", []alert.Event{reply(30, alert.Acknowledgement, alert.Confirmed, "yes"), reply(40, alert.Acknowledgement, alert.Refused, "no")}, alert.Confirmed, "yes"},
		{"told by the engine", []alert.Event{by(at(30, alert.Acknowledgement, alert.Critical), "Jane", "on it")}, alert.Confirmed, "the engine reported it"},
		{"over before an answer", []alert.Event{at(30, alert.Recovery, alert.OK)}, alert.Unconfirmed, "it recovered before the engine said anything"},
		{"confirmed and over", []alert.Event{reply(30, alert.Acknowledgement, alert.Confirmed, "yes"), at(40, alert.Recovery, alert.OK)}, alert.Confirmed, "yes"},
	} {
		r := play(append([]alert.Event{problem, mine}, c.events...)...)
		a := r.Alert.Ack
		if a.Confirmation != c.want || a.Words != c.words || a.EventID != mine.ID || !a.Until.Equal(mine.Until) || a.Author != "Jane" {
			t.Errorf("%s: %+v", c.name, a)
		}
	}
}

func TestADowntimeThatTheEngineConfirmedIsTheObjects(t *testing.T) {
	problem, asks := at(100, alert.Problem, alert.Critical), reply(30, alert.ScheduleDowntime, alert.Confirmed, "")
	r := play(problem, asks) // by a clock that is behind the engine's
	if !r.Object.Downtime || !r.Alert.Object.Downtime || !r.Object.Changed.Equal(problem.Time) || len(r.Marks) > 0 {
		t.Errorf("object %+v, marks %v", r.Object, r.Marks)
	}
	if r = play(asks, reply(40, alert.CancelDowntime, alert.Refused, "")); !r.Object.Downtime {
		t.Error("a downtime ended that the engine did not end")
	}
	if r = play(asks, reply(40, alert.CancelDowntime, alert.Confirmed, "")); r.Object.Downtime {
		t.Error("it did not end")
	}
}
