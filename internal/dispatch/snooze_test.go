package dispatch_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

// clock is the real time, moved.
type clock struct{ by atomic.Int64 }

func (c *clock) move(d time.Duration) { c.by.Add(int64(d)) }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.by.Load())) }

func timedRig(t *testing.T, db *store.DB) (*rig, *clock) {
	t.Helper()
	c := &clock{}
	return &rig{db: db, s: run(t, db, dispatch.Options{Clock: c.now})}, c
}

// snooze is jane's, for herself unless others are given.
func (r *rig) snooze(t *testing.T, alertID string, d time.Duration, contacts ...string) time.Time {
	t.Helper()
	if len(contacts) == 0 {
		contacts = []string{jane}
	}
	until, err := r.s.Snooze(t.Context(), alertID, dispatch.SnoozeRequest{
		ContactIDs: contacts, UserID: janeUser, Author: "Jane\nDoe", For: d, Origin: alert.FromNotification})
	must(t, err)
	return until
}

// reminders are the deliveries that a snooze asked for.
func (r *rig) reminders(t *testing.T, alertID string) []delivery.Delivery {
	t.Helper()
	return slices.DeleteFunc(r.deliveries(t, alertID), func(d delivery.Delivery) bool { return d.Reason != route.ReasonSnoozeOver })
}

func TestASnoozeKeepsProblemsFromItsContactUntilItRemindsOfThem(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := timedRig(t, db)
		r.device(t, janeUser, "phone")
		id := r.receive(t, event(named("jane", "joe"), call("1")))[0].AlertID
		r.send(t)
		r.receive(t, event(named("jane", "joe"), call("2"))) // told again, and not sent yet
		before := now.now()
		until := r.snooze(t, id, 30*time.Minute)
		if d := until.Sub(before); d < 30*time.Minute-time.Second || d > 30*time.Minute+time.Minute {
			t.Errorf("until %v, asked at %v", until, before)
		}
		same(t, "snoozed", r.story(t, id), "problem jane browser cancelled", "problem jane browser sent", "problem jane browser waiting",
			"problem jane phone cancelled", "problem jane phone sent", "problem jane phone waiting",
			"problem joe browser sent", "problem joe browser waiting")
		for _, d := range r.deliveries(t, id) {
			if d.State == delivery.Cancelled && !strings.HasPrefix(d.Detail, "snoozed by Jane Doe before it was sent, until ") {
				t.Errorf("cancelled: %s", d.Detail)
			}
		}
		reminders := r.reminders(t, id)
		for _, d := range reminders {
			lives := 480 * time.Minute
			if d.Channel == route.Webpush {
				lives = 240 * time.Minute
			}
			if !d.Due.Equal(until) || !d.Expires.Equal(until.Add(lives)) || d.State != delivery.Waiting || d.Quiet ||
				!strings.HasPrefix(d.Why, "Jane Doe snoozed it and asked for a reminder at ") {
				t.Errorf("reminder %+v", d)
			}
		}
		r.send(t)
		if len(reminders) != 2 || len(r.reminders(t, id)) != 2 || r.reminders(t, id)[0].State != delivery.Waiting {
			t.Errorf("it was sent before it was due: %+v", r.reminders(t, id))
		}
		if ds, err := db.Pending(t.Context(), janeUser, 10); err != nil || len(ds) != 0 {
			t.Errorf("a tab that opens now shows what is due later: %+v, %v", ds, err)
		}

		now.move(10 * time.Minute)
		got := r.receive(t, event(named("jane", "joe"), at(now.now()), call("3")))[0]
		if got.Deliveries != 1 {
			t.Errorf("receipt %+v", got)
		}
		for _, d := range r.deliveries(t, id) {
			if d.EventID == got.EventID && (d.ContactID == jane) != (d.State == delivery.Skipped && d.Reason == route.ReasonSnoozed) {
				t.Errorf("while it is snoozed: %+v", d)
			}
		}
		now.move(21 * time.Minute)
		if got := r.receive(t, event(named("jane", "joe"), at(now.now()), call("4")))[0]; got.Deliveries != 3 {
			t.Errorf("when it is over: %+v", got)
		}
	})
}

func TestASnoozeStandsOnTheTimelineAndInOpenTabs(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		until := r.snooze(t, id, time.Hour, jane, joe, jane)
		a, err := db.Alert(t.Context(), id)
		if err != nil || !a.Snoozed.Equal(until) || a.Status != alert.Firing {
			t.Errorf("alert %+v, %v", a, err)
		}
		events := r.timeline(t, alert.Object{Host: "web01", Service: "HTTP"})
		e := events[len(events)-1]
		if len(events) != 2 || e.Type != alert.Snooze || e.Outcome != alert.Noted || e.Author != "Jane Doe" || e.UserID != janeUser ||
			e.Origin != alert.FromNotification || e.Comment != "until "+delivery.Moment(until)+", for jane, joe" || e.Output != "timed out" || e.State != alert.Critical {
			t.Errorf("event %+v", e)
		}
		frames, err := db.LiveAfter(t.Context(), 0, "", 10)
		must(t, err)
		var f dispatch.AlertFrame
		must(t, json.Unmarshal([]byte(frames[len(frames)-1].Body), &f))
		if len(frames) != 2 || f.ID != id || f.Type != alert.Snooze || !f.Snoozed.Equal(until) || f.Notice != alert.NoNotice {
			t.Errorf("frame %+v", f)
		}
		if s := r.s.Stats(); s.Snoozes != 1 || s.Failures != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestARecoveryOrAnAcknowledgementEndsASnooze(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		r.send(t)
		r.snooze(t, id, time.Hour)
		r.ack(t, id, joeUser)
		same(t, "taken", r.story(t, id), "acknowledgement jane browser waiting", "problem jane browser cancelled", "problem jane browser sent")
		if a, err := db.Alert(t.Context(), id); err != nil || !a.Snoozed.IsZero() {
			t.Errorf("alert %+v, %v", a, err)
		}
		_, err := r.s.Unacknowledge(t.Context(), id, dispatch.AckRequest{Origin: alert.FromConsole})
		must(t, err)
		if got := r.receive(t, event(named("jane"), call("2")))[0]; got.Deliveries != 1 {
			t.Errorf("given back: %+v", got)
		}
		r.snooze(t, id, time.Hour, joe)
		if got := r.receive(t, event(named("jane"), call("2b")))[0]; got.Deliveries != 1 {
			t.Errorf("jane's ended snooze came back with joe's: %+v", got)
		}
		r.send(t)
		r.snooze(t, id, time.Hour)
		if got := r.receive(t, event(named("jane"), recovered, call("3")))[0]; got.Deliveries != 1 {
			t.Errorf("the recovery is not told: %+v", got)
		}
		for _, d := range r.reminders(t, id) {
			if d.State != delivery.Cancelled {
				t.Errorf("reminder %+v", d)
			}
		}
		next := r.receive(t, event(named("jane"), call("4")))[0]
		if next.Deliveries != 1 || next.AlertID == id {
			t.Errorf("the next problem: %+v", next)
		}
	})
}

func TestAnotherSnoozeReplacesTheOneBefore(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := timedRig(t, db)
		id := r.receive(t, event(named("jane", "joe"), call("1")))[0].AlertID
		r.send(t)
		r.snooze(t, id, 8*time.Hour)
		r.snooze(t, id, 2*time.Hour, joe)
		until := r.snooze(t, id, time.Hour)
		var waiting []delivery.Delivery
		for _, d := range r.reminders(t, id) {
			if d.State == delivery.Waiting && d.ContactID == jane {
				waiting = append(waiting, d)
			}
		}
		if len(waiting) != 1 || !waiting[0].Due.Equal(until) {
			t.Errorf("reminders %+v", waiting)
		}
		now.move(61 * time.Minute)
		got := r.receive(t, event(named("jane", "joe"), at(now.now()), call("2")))[0]
		for _, d := range r.deliveries(t, id) {
			if d.EventID == got.EventID && (d.ContactID == joe) != (d.Reason == route.ReasonSnoozed) {
				t.Errorf("after jane's and before joe's: %+v", d)
			}
		}
	})
}

func (r *rig) unsnooze(t *testing.T, alertID string, contacts ...string) (alert.Alert, error) {
	t.Helper()
	return r.s.Unsnooze(t.Context(), alertID, dispatch.SnoozeRequest{
		ContactIDs: contacts, UserID: janeUser, Author: "Jane Doe", Origin: alert.FromConsole})
}

func TestAnEndedSnoozeIsSilentAboutWhatIsKnown(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.device(t, janeUser, "phone")
		id := r.receive(t, event(named("jane", "joe"), call("1")))[0].AlertID
		r.send(t)
		r.snooze(t, id, time.Hour)
		a, err := r.unsnooze(t, id, joe, jane, jane)
		must(t, err)
		if kept, err := db.Alert(t.Context(), id); err != nil || !a.Snoozed.IsZero() || !kept.Snoozed.IsZero() || a.ID != id {
			t.Errorf("alert %+v, kept %+v, %v", a, kept, err)
		}
		same(t, "ended", r.story(t, id), "problem jane browser cancelled", "problem jane browser sent",
			"problem jane phone cancelled", "problem jane phone sent", "problem joe browser sent")
		for _, d := range r.reminders(t, id) {
			if !strings.HasPrefix(d.Detail, "the snooze was ended by Jane Doe before it was over, at ") {
				t.Errorf("reminder %s", d.Detail)
			}
		}
		if left, err := db.Snoozes(t.Context(), id); err != nil || len(left) != 0 {
			t.Errorf("left %+v, %v", left, err)
		}
		events := r.timeline(t, event().Object)
		e := events[len(events)-1]
		if len(events) != 3 || e.Type != alert.Unsnoozed || e.Outcome != alert.Noted || e.Author != "Jane Doe" || e.UserID != janeUser ||
			e.Origin != alert.FromConsole || e.Comment != "for jane" || !strings.HasPrefix(e.Why, "The snooze was ended by Jane Doe") {
			t.Errorf("event %+v", e)
		}
		frames, err := db.LiveAfter(t.Context(), 0, "", 10)
		must(t, err)
		var f dispatch.AlertFrame
		must(t, json.Unmarshal([]byte(frames[len(frames)-1].Body), &f))
		if f.ID != id || f.Type != alert.Unsnoozed || !f.Snoozed.IsZero() || f.Notice != alert.NoNotice {
			t.Errorf("frame %+v", f)
		}
		if got := r.receive(t, event(named("jane", "joe"), call("2")))[0]; got.Deliveries != 3 {
			t.Errorf("what comes after it: %+v", got)
		}
		if s := r.s.Stats(); s.Snoozes != 2 || s.Failures != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestTheEndOfOneSnoozeLeavesThoseOfOthers(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		id := r.receive(t, event(named("jane", "joe"), call("1")))[0].AlertID
		r.send(t)
		until := r.snooze(t, id, time.Hour, joe)
		r.snooze(t, id, 2*time.Hour)
		a, err := r.unsnooze(t, id, jane)
		must(t, err)
		if kept, err := db.Alert(t.Context(), id); err != nil || !a.Snoozed.Equal(until) || !kept.Snoozed.Equal(until) {
			t.Errorf("snoozed until %v, kept %v, not joe's %v; %v", a.Snoozed, kept.Snoozed, until, err)
		}
		if left, err := db.Snoozes(t.Context(), id); err != nil || len(left) != 1 || left[0].ContactID != joe || !left[0].Until.Equal(until) {
			t.Errorf("left %+v, %v", left, err)
		}
		same(t, "jane's ended", r.story(t, id), "problem jane browser cancelled", "problem jane browser sent", "problem joe browser sent", "problem joe browser waiting")
		got := r.receive(t, event(named("jane", "joe"), call("2")))[0]
		for _, d := range r.deliveries(t, id) {
			if d.EventID == got.EventID && (d.ContactID == joe) != (d.Reason == route.ReasonSnoozed) {
				t.Errorf("after it: %+v", d)
			}
		}
		if again := r.snooze(t, id, time.Hour); !again.After(until) {
			t.Errorf("snoozed anew until %v", again)
		}
	})
}

func TestUnsnoozeRefusesWhatCannotBe(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := timedRig(t, db)
		id := r.receive(t, event(call("1")))[0].AlertID
		_, never := r.unsnooze(t, id, jane)
		r.snooze(t, id, time.Hour, joe)
		_, others := r.unsnooze(t, id, jane, "nobody")
		_, none := r.unsnooze(t, id)
		_, unknown := r.unsnooze(t, "0199c1f0-7a01-7f3e-8a55-2d1f0a9b7c11", joe)
		now.move(61 * time.Minute)
		_, over := r.unsnooze(t, id, joe)
		r.ack(t, id, joeUser)
		_, taken := r.unsnooze(t, id, joe)
		r.receive(t, event(recovered, at(now.now()), call("2")))
		_, resolved := r.unsnooze(t, id, joe)
		for _, step := range []struct {
			name      string
			err, want error
		}{
			{"never snoozed", never, dispatch.ErrNotSnoozed}, {"another's", others, dispatch.ErrNotSnoozed}, {"nobody's", none, dispatch.ErrNotSnoozed},
			{"unknown", unknown, fault.ErrNotFound}, {"over", over, dispatch.ErrNotSnoozed}, {"taken", taken, dispatch.ErrNotSnoozed},
			{"recovered", resolved, dispatch.ErrNotOpen},
		} {
			if !errors.Is(step.err, step.want) {
				t.Errorf("%s: %v", step.name, step.err)
			}
		}
		if events := r.timeline(t, event().Object); len(events) != 4 {
			t.Errorf("%d events: a refusal left something", len(events))
		}
	})
}

func TestWhoWasNeverToldIsRemindedWhereverThatCanBe(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.device(t, joeUser, "laptop")
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		until := r.snooze(t, id, time.Hour, joe)
		same(t, "joe was not told", r.story(t, id), "problem jane browser waiting", "problem joe browser waiting", "problem joe laptop waiting")
		for _, d := range r.reminders(t, id) {
			if !d.Due.Equal(until) || d.ContactID != joe {
				t.Errorf("%+v", d)
			}
		}
		c := newContact(joe, "joe", joeUser, "")
		c.PushService = false
		must(t, db.SaveContact(t.Context(), c))
		other := r.receive(t, event(named("jane"), func(e *alert.Event) { e.Object.Host = "web02" }, call("2")))[0].AlertID
		r.snooze(t, other, time.Hour, joe)
		same(t, "and cannot be", r.story(t, other), "problem jane browser waiting", "problem joe browser skipped push_off", "problem joe webpush skipped push_off")
	})
}

func TestADeviceThatIsGoneIsNotReminded(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		gone := r.device(t, janeUser, "old phone")
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		r.send(t)
		must(t, db.DeleteSubscription(t.Context(), gone))
		r.snooze(t, id, time.Hour)
		same(t, "reminders", r.story(t, id), "problem jane browser sent", "problem jane browser waiting", "problem jane old phone sent")
	})
}

func TestAReminderIsSentWhenItsTimeHasCome(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := timedRig(t, db)
		now.move(-2 * time.Minute) // so that a snooze of a minute is over for the database
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		r.send(t)
		r.snooze(t, id, time.Minute)
		held, err := db.ClaimDeliveries(t.Context(), delivery.Claim{Channel: route.Browser, Users: []string{janeUser}, Limit: 9, Lease: time.Minute, Node: "test"})
		must(t, err)
		if len(held) != 1 || held[0].Reason != route.ReasonSnoozeOver || held[0].Event.Type != alert.Snooze || held[0].Untrue() != "" {
			t.Fatalf("held %+v", held)
		}
		if m := held[0].Message("", ""); m.Notice != alert.NoticeProblem || m.Alert == nil || m.Alert.State != alert.Critical {
			t.Errorf("message %+v", m)
		}
	})
}

func TestSnoozeRefusesWhatCannotBe(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		snooze := func(id string, d time.Duration, contacts ...string) error {
			_, err := r.s.Snooze(t.Context(), id, dispatch.SnoozeRequest{ContactIDs: contacts, For: d, Origin: alert.FromAPI})
			return err
		}
		id := r.receive(t, event(call("1")))[0].AlertID
		taken := r.receive(t, event(func(e *alert.Event) { e.Object.Host = "web02" }, call("2")))[0].AlertID
		r.ack(t, taken, joeUser)
		over := r.receive(t, event(func(e *alert.Event) { e.Object.Host = "web03" }, call("3")))[0].AlertID
		r.receive(t, event(recovered, func(e *alert.Event) { e.Object.Host = "web03" }, call("4")))
		for _, step := range []struct {
			name string
			err  error
			want error
		}{
			{"unknown", snooze("0199c1f0-7a01-7f3e-8a55-2d1f0a9b7c11", time.Hour, jane), fault.ErrNotFound},
			{"recovered", snooze(over, time.Hour, jane), dispatch.ErrNotOpen},
			{"taken", snooze(taken, time.Hour, jane), dispatch.ErrAckedBefore},
			{"too short", snooze(id, time.Minute-1, jane), dispatch.ErrSnoozeLength},
			{"too long", snooze(id, 24*time.Hour+1, jane), dispatch.ErrSnoozeLength},
			{"for nobody", snooze(id, time.Hour), dispatch.ErrSnoozeContact},
			{"for somebody unknown", snooze(id, time.Hour, jane, "nobody"), dispatch.ErrSnoozeContact},
			{"the shortest", snooze(id, time.Minute, jane), nil},
			{"the longest", snooze(id, 24*time.Hour, jane), nil},
		} {
			if !errors.Is(step.err, step.want) {
				t.Errorf("%s: %v", step.name, step.err)
			}
		}
		if s := r.s.Stats(); s.Failures != 0 || s.Snoozes != 2 {
			t.Errorf("stats %+v", s)
		}
		if events := r.timeline(t, event().Object); len(events) != 3 {
			t.Errorf("%d events: a refusal left something", len(events))
		}
	})
}
