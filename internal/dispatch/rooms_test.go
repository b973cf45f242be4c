package dispatch_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/chat"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

// withRooms switches Mattermost on, with the bot's room Hall, which gets
// everything, the bot's room Ops, which the rule names, the webhook Hook, which
// gets everything, and Joe, who gets direct messages.
func withRooms(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	must(t, db.SaveChatSettings(ctx, chat.Settings{Enabled: true, ServerURL: "https://chat.example.com", BotToken: "token"}))
	must(t, db.SaveRoom(ctx, chat.Room{ID: "hall", Name: "Hall", Kind: chat.Bot, Team: "t", Channel: "hall", Everything: true}))
	must(t, db.SaveRoom(ctx, chat.Room{ID: "ops", Name: "Ops", Kind: chat.Bot, Team: "t", Channel: "ops"}))
	must(t, db.SaveRoom(ctx, chat.Room{ID: "hook", Name: "Hook", Kind: chat.Webhook, WebhookURL: "https://chat.example.com/hooks/x", Everything: true}))
	must(t, db.SavePerson(ctx, chat.Person{UserID: "mm-joe", Name: "joe", ContactID: joe, Linked: time.Now()}))
	c := newContact(joe, "joe", joeUser, "")
	c.Mattermost = "direct"
	must(t, db.SaveContact(ctx, c))
	must(t, db.SaveRule(ctx, route.Rule{ID: "rule-1", Name: "All", Enabled: true, ContactIDs: []string{jane}, Rooms: []string{"ops"}}))
}

// chatted are the deliveries of an alert to Mattermost since those that were
// there before, as "acknowledgement Ops waiting quiet".
func (r *rig) chatted(t *testing.T, alertID string, before *int) []string {
	t.Helper()
	var out []string
	ds := slices.DeleteFunc(r.deliveries(t, alertID), func(d delivery.Delivery) bool { return d.Channel != route.Mattermost })
	slices.SortFunc(ds, func(a, b delivery.Delivery) int { return strings.Compare(a.ID, b.ID) })
	for _, d := range ds[*before:] {
		words := string(d.Notice) + " " + d.DestinationName + " " + string(d.State)
		if d.DestinationName == "direct message" {
			words = string(d.Notice) + " direct " + string(d.State)
		}
		if d.Quiet {
			words += " quiet"
		}
		if d.State == delivery.Skipped {
			words += " " + string(d.Reason)
		}
		out = append(out, words)
	}
	*before = len(ds)
	slices.Sort(out)
	return out
}

func TestPostsInMattermostFollowTheAlert(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withRooms(t, db)
		withEngine(t, db)
		r, now := timedRig(t, db)
		now.move(-time.Hour) // all that waits a moment is due
		seen := 0
		id := r.receive(t, event(at(now.now()), named("joe"), call("1")))[0].AlertID
		same(t, "a problem", r.chatted(t, id, &seen), "problem Hall waiting", "problem Hook waiting", "problem Ops waiting", "problem direct waiting")
		for _, d := range r.deliveries(t, id) {
			if d.Channel == route.Mattermost && (!d.Expires.Equal(d.Created.Add(240*time.Minute)) || (d.ContactID == joe) != (d.Destination == chat.Direct("mm-joe"))) {
				t.Errorf("%+v", d)
			}
		}
		r.send(t)
		r.receive(t, event(at(now.now()), named("jane"), call("2")))
		same(t, "a further call of it", r.chatted(t, id, &seen))

		asked := r.take(t, id, func(q *dispatch.AckRequest) { q.UserID, q.Origin = joeUser, alert.FromMattermost })
		same(t, "joe took it", r.chatted(t, id, &seen), "acknowledgement Hall waiting", "acknowledgement Hook waiting",
			"acknowledgement Ops waiting", "acknowledgement direct waiting quiet")
		r.send(t)
		r.answer(t, id, asked, alert.Unconfirmed, "not to be seen")
		same(t, "not known at once, behind the acknowledgement", r.chatted(t, id, &seen), "acknowledgement Hall waiting", "acknowledgement Hook waiting",
			"acknowledgement Ops waiting", "acknowledgement direct waiting")
		r.send(t)
		now.move(10 * time.Second)
		r.answer(t, id, asked, alert.Confirmed, "it shows it")
		same(t, "confirmed later", r.chatted(t, id, &seen), "acknowledgement Hall waiting quiet", "acknowledgement Ops waiting quiet", "acknowledgement direct waiting quiet")
		r.send(t)

		_, err := r.s.Unacknowledge(t.Context(), id, dispatch.AckRequest{UserID: janeUser, Author: "Jane", Origin: alert.FromConsole})
		must(t, err)
		same(t, "given back", r.chatted(t, id, &seen), "problem Hall waiting quiet", "problem Ops waiting quiet", "problem direct waiting quiet")
		r.send(t)
		r.take(t, id, func(q *dispatch.AckRequest) { q.Sticky = true })
		r.send(t)
		seen = 0
		r.chatted(t, id, &seen)
		now.move(10 * time.Second)
		r.receive(t, event(at(now.now()), call("3"), func(e *alert.Event) { e.State = alert.Warning }))
		same(t, "another state while somebody has it", r.chatted(t, id, &seen),
			"acknowledgement Hall waiting quiet", "acknowledgement Ops waiting quiet", "acknowledgement direct waiting quiet")
		r.send(t)
		now.move(10 * time.Second)
		when := now.now()
		r.receive(t, event(at(when), named("jane"), recovered, call("4")))
		same(t, "over", r.chatted(t, id, &seen), "recovery Hall waiting", "recovery Hook waiting", "recovery Ops waiting", "recovery direct waiting quiet")
		r.receive(t, event(at(when), named("joe"), recovered, call("5")))
		same(t, "a further call tells joe aloud", r.chatted(t, id, &seen), "recovery direct waiting")
		for _, d := range r.deliveries(t, id) {
			if d.Channel == route.Mattermost && d.Quiet && d.Notice == alert.NoticeRecovery && d.State != delivery.Cancelled {
				t.Errorf("told twice: %+v", d)
			}
		}
	})
}

func TestAnAnswerAtOnceIsInTheAcknowledgementsOwnMessages(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withRooms(t, db)
		withEngine(t, db)
		r := newRig(t, db)
		phone := r.device(t, joeUser, "phone")
		id := r.receive(t, event(named("joe"), call("1")))[0].AlertID
		r.send(t)
		asked := r.take(t, id, func(q *dispatch.AckRequest) { q.UserID = "somebody" })
		before := len(r.deliveries(t, id))
		r.answer(t, id, asked, alert.Confirmed, "it shows it")
		if got := r.deliveries(t, id); len(got) != before {
			t.Errorf("%d more messages", len(got)-before)
		}

		later, now := timedRig(t, db)
		id = later.receive(t, event(named("joe"), call("2"), func(e *alert.Event) { e.Object.Host = "web02" }))[0].AlertID
		later.send(t)
		asked = later.take(t, id)
		now.move(time.Minute)
		later.answer(t, id, asked, alert.Refused, "no such service")
		var quiet []string
		for _, d := range later.deliveries(t, id) {
			if d.Quiet && d.Destination == phone && d.Notice == alert.NoticeAck {
				quiet = append(quiet, d.Why)
			}
		}
		inOrder(t, "the phone", quiet, "replaces what this device shows")
	})
}

func TestARoomThatNeverHeardOfAProblemDoesNotHearOfItsEnd(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withRooms(t, db)
		r := newRig(t, db)
		seen := 0
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		r.receive(t, event(named("jane"), recovered, call("2")))
		same(t, "over before it was posted", r.chatted(t, id, &seen),
			"problem Hall cancelled", "problem Hook cancelled", "problem Ops cancelled",
			"recovery Hall skipped never_told", "recovery Hook skipped never_told", "recovery Ops skipped never_told")
	})
}

func TestARoomSnoozesAndIsReminded(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withRooms(t, db)
		r, now := timedRig(t, db)
		seen := 0
		id := r.receive(t, event(named("joe"), call("1")))[0].AlertID
		r.send(t)
		r.receive(t, event(named("joe"), call("2"))) // told again, and not posted yet
		r.chatted(t, id, &seen)
		ask := func(d time.Duration, places ...string) error {
			_, err := r.s.Snooze(t.Context(), id, dispatch.SnoozeRequest{RoomDestinations: places, Author: "Jane", For: d, Origin: alert.FromMattermost})
			return err
		}
		for _, places := range [][]string{nil, {"cellar"}, {"hall", "cellar"}, {chat.Direct("mm-jane")}} {
			if err := ask(time.Hour, places...); !errors.Is(err, dispatch.ErrSnoozeContact) {
				t.Errorf("%q: %v", places, err)
			}
		}
		must(t, ask(time.Hour, "hall"))
		same(t, "snoozed", r.chatted(t, id, &seen), "problem Hall waiting")
		must(t, ask(2*time.Hour, "hall", "hall", chat.Direct("mm-joe")))
		same(t, "for longer, and for joe", r.chatted(t, id, &seen), "problem Hall waiting", "problem direct waiting")
		states := map[string]int{}
		for _, d := range r.deliveries(t, id) {
			if d.Destination == "hall" || d.Destination == chat.Direct("mm-joe") {
				states[d.Destination+" "+string(d.State)]++
				if d.Reason == route.ReasonSnoozeOver && d.State == delivery.Waiting && d.Due.Sub(now.now()) < 119*time.Minute {
					t.Errorf("due too soon: %+v", d)
				}
			}
		}
		want := map[string]int{"hall sent": 1, "hall cancelled": 2, "hall waiting": 1,
			chat.Direct("mm-joe") + " sent": 1, chat.Direct("mm-joe") + " cancelled": 1, chat.Direct("mm-joe") + " waiting": 1}
		for k, n := range want {
			if states[k] != n {
				t.Errorf("%s: %d, want %d", k, states[k], n)
			}
		}
		events := r.timeline(t, alert.Object{Host: "web01", Service: "HTTP"})
		if e := events[len(events)-1]; !strings.HasSuffix(e.Comment, ", for Hall, joe") {
			t.Errorf("%+v", e)
		}
		now.move(time.Minute)
		r.receive(t, event(at(now.now()), named("joe"), call("3"), func(e *alert.Event) { e.State = alert.Warning }))
		same(t, "while it is snoozed", r.chatted(t, id, &seen), "problem Hall skipped snoozed", "problem Hook waiting", "problem Ops waiting", "problem direct skipped snoozed",
			"problem Hall waiting quiet", "problem direct waiting quiet")
		_, err := r.s.Unsnooze(t.Context(), id, dispatch.SnoozeRequest{RoomDestinations: []string{"hall"}, Author: "Jane", Origin: alert.FromMattermost})
		must(t, err)
		if a, err := db.Alert(t.Context(), id); err != nil || !a.Snoozed.After(now.now()) {
			t.Errorf("joe's is left: %+v, %v", a, err)
		}
		r.take(t, id)
		if s, err := db.Snoozes(t.Context(), id); err != nil || len(s) != 0 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
