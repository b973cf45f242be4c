package dispatch_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
	"tocsin/internal/store"
	"tocsin/internal/storm"
	"tocsin/internal/window"
)

// maintenance puts web01 into a window that began a minute before a moment, and
// answers its end.
func (r *rig) maintenance(t *testing.T, now time.Time, lasts time.Duration) time.Time {
	t.Helper()
	begins := now.UTC().Add(-time.Minute).Truncate(time.Minute)
	must(t, r.db.SaveWindow(t.Context(), window.Window{ID: "w1", Name: "Rack 7", Enabled: true, Start: begins.Format("2006-01-02T15:04"),
		Minutes: int(lasts / time.Minute), Hosts: []string{"web*"}}))
	return begins.Add(lasts)
}

// claim takes what is due now for the tabs of jane.
func (r *rig) claim(t *testing.T) []delivery.Claimed {
	t.Helper()
	out, err := r.db.ClaimDeliveries(t.Context(), delivery.Claim{Channel: route.Browser, Users: []string{janeUser}, Limit: 200, Lease: time.Minute, Node: "test"})
	must(t, err)
	return out
}

// complete ends what was claimed, as the worker does when it is shown, or is no
// longer true.
func (r *rig) complete(t *testing.T, cs []delivery.Claimed) {
	t.Helper()
	var done []delivery.Completion
	for _, c := range cs {
		d := delivery.Completion{ID: c.ID, Attempt: c.Attempt, State: delivery.Sent, Result: "sent", Detail: "shown by Firefox", At: time.Now()}
		if why := c.Untrue(); why != "" {
			d.State, d.Result, d.Detail = delivery.Cancelled, "cancelled", why
		}
		done = append(done, d)
	}
	must(t, r.db.CompleteDeliveries(t.Context(), "test", done))
}

func off(r *storm.Rules) { r.Off = true }

func TestAWindowHoldsBackWhatComesUntilItsEnd(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db, off)
		end := r.maintenance(t, now.now(), time.Hour)
		var ids []string
		for i := range 3 {
			ids = append(ids, r.receive(t, problems(i, 1)...)[0].AlertID)
		}
		elsewhere := r.receive(t, event(func(e *alert.Event) { e.Object.Host = "db01" }))[0].AlertID
		same(t, "what the window does not hold", r.story(t, elsewhere), "problem jane browser waiting")
		same(t, "held", r.log(t, jane, route.Browser), "1 digest waiting", "1 problem waiting", "3 problem collected")
		d := r.digests(t, jane)[0]
		if !d.Due.Equal(end) || d.Reason != route.ReasonWindow || d.Quiet || !d.Expires.Equal(end.Add(480*time.Minute)) {
			t.Errorf("%+v", d)
		}
		for _, id := range ids {
			for _, x := range r.deliveries(t, id) {
				if x.Notice == alert.NoticeDigest {
					continue // it hangs on the first
				}
				if x.Bundle != d.ID || x.Storm != d.Storm || x.Reason != route.ReasonWindow || !x.Due.Equal(end) || !strings.Contains(x.Why, "Rack 7") {
					t.Errorf("held %+v", x)
				}
			}
		}
		r.receive(t, problems(1, 1, recovered)...)
		same(t, "over before it ends", r.story(t, ids[1]), "problem jane browser cancelled", "recovery jane browser skipped never_told")
		if held := r.claim(t); len(held) != 1 || held[0].AlertID != elsewhere {
			t.Errorf("told before the window's end: %+v", held)
		}
	})
}

func TestWhatIsStillTrueWhenAWindowEndsIsToldTogether(t *testing.T) {
	for name, over := range map[string]int{"all are open": 0, "two are open": 3, "one is open": 4, "none is open": 5} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, db *store.DB) {
				r, now := stormy(t, db)
				now.move(-30 * time.Minute)
				r.maintenance(t, now.now(), 15*time.Minute) // which is over by the database's clock
				got := r.receive(t, problems(0, 5)...)
				if over > 0 {
					r.receive(t, problems(0, over, recovered)...)
				}
				held := r.claim(t)
				if len(held) != 1 {
					t.Fatalf("%d messages", len(held))
				}
				c := held[0]
				m := c.Message("/console/alerts/x", "")
				switch why := c.Untrue(); {
				case over == 5:
					if why != "all 5 were over before it was told" {
						t.Errorf("%q", why)
					}
				case over == 4:
					if why != "" || m.Digest != nil || m.Notice != alert.NoticeProblem || m.Alert == nil || m.Alert.ID != got[4].AlertID || c.Reason != route.ReasonWindow {
						t.Errorf("%q: %+v", why, m)
					}
				case why != "" || m.Digest == nil || !m.Digest.Held || m.Digest.Total != 5-over || m.Digest.Open != 5-over || m.Digest.Title != "While maintenance lasted":
					t.Errorf("%q: %+v", why, m.Digest)
				}
				r.complete(t, held)
				told := map[string]string{ // what the log says of each alert then
					"all are open": "problem jane browser sent", "two are open": "problem jane browser sent", "one is open": "problem jane browser sent",
				}
				if want := told[name]; want != "" {
					if s := r.story(t, got[4].AlertID, alert.NoticeProblem); len(s) != 1 || s[0] != want {
						t.Errorf("%v", s)
					}
				}
				for _, d := range r.all(t) {
					if d.State == delivery.Collected || d.State == delivery.Waiting {
						t.Errorf("without an end: %+v", d)
					}
					if d.State == delivery.Sent && d.Bundle != "" && d.Detail != "told together: shown by Firefox" {
						t.Errorf("%q", d.Detail)
					}
				}
			})
		})
	}
}

func TestARecoveryOfWhatWasToldBeforeIsHeldToo(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db)
		id := r.receive(t, event(call("1")))[0].AlertID
		r.complete(t, r.claim(t))
		end := r.maintenance(t, now.now(), time.Hour)
		r.receive(t, event(recovered, call("2")))
		same(t, "held", r.story(t, id), "digest jane browser waiting", "problem jane browser sent", "recovery jane browser collected")
		for _, d := range r.deliveries(t, id) {
			if d.Notice == alert.NoticeRecovery && !d.Due.Equal(end) {
				t.Errorf("%+v", d)
			}
		}
	})
}

func TestAReminderThatSomebodyAskedForIsNotHeld(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db)
		id := r.receive(t, event(call("1")))[0].AlertID
		r.maintenance(t, now.now(), 3*time.Hour)
		until := r.snooze(t, id, 30*time.Minute)
		for _, d := range r.reminders(t, id) {
			if d.State != delivery.Waiting || !d.Due.Equal(until) {
				t.Errorf("%+v", d)
			}
		}
		if len(r.reminders(t, id)) != 1 {
			t.Error("no reminder")
		}
	})
}

// An alert that became worse while it was held back is one alert.
func TestOneAlertThatChangedWhileItWasHeldIsToldAsItself(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db)
		now.move(-30 * time.Minute)
		r.maintenance(t, now.now(), 15*time.Minute)
		id := r.receive(t, event(call("1"), at(now.now()), func(e *alert.Event) { e.State = alert.Warning }),
			event(call("2"), at(now.now()), func(e *alert.Event) { e.State = alert.Critical }))[1].AlertID
		held := r.claim(t)
		if len(held) != 1 || held[0].Digest != nil || held[0].Notice != alert.NoticeProblem || held[0].Event.State != alert.Critical {
			t.Fatalf("%+v", held)
		}
		r.complete(t, held)
		same(t, "its log", r.story(t, id), "digest jane browser cancelled", "problem jane browser cancelled", "problem jane browser sent")
	})
}
