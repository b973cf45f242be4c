package dispatch_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

func TestCallsForSeveralContactsAreOneEvent(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		e := event()
		a := r.receive(t, event(at(e.Time), named("jane"), call("1")))[0]
		b := r.receive(t, event(at(e.Time.Add(-time.Second)), named("joe"), call("2")))[0]
		c := r.receive(t, event(at(e.Time), named("nobody"), call("3")))[0]
		if a.EventID != b.EventID || b.EventID != c.EventID || b.AlertID != a.AlertID || b.Outcome != alert.Opened {
			t.Errorf("receipts %+v %+v %+v", a, b, c)
		}
		if a.Deliveries != 1 || b.Deliveries != 1 || b.Duplicate {
			t.Errorf("deliveries %d, %d", a.Deliveries, b.Deliveries)
		}
		events := r.timeline(t, e.Object)
		if len(events) != 1 {
			t.Fatalf("%d events", len(events))
		}
		if diff := cmp.Diff([]string{"jane", "joe", "nobody"}, events[0].Contacts); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]alert.Mark{alert.MarkContact}, events[0].Marks); diff != "" {
			t.Error(diff)
		}
		told := map[string]bool{}
		for _, d := range r.deliveries(t, a.AlertID) {
			if d.State == delivery.Waiting {
				told[d.ContactID] = true
			}
		}
		if !told[jane] || !told[joe] || len(told) != 2 {
			t.Errorf("told %v", told)
		}
		if got, err := db.Alert(t.Context(), a.AlertID); err != nil || got.Repeats != 0 {
			t.Errorf("alert %+v, %v", got, err)
		}
		if again := r.receive(t, event(at(e.Time), named("joe"), call("2")))[0]; !again.Duplicate || again.EventID != a.EventID {
			t.Errorf("the joined call once more: %+v", again)
		}
		if s := r.s.Stats(); s.Events != 1 || s.Joined != 2 || s.Duplicates != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestCallsInOneBatchJoinAndRepeatToo(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		e := event()
		got := r.receive(t,
			event(at(e.Time), named("jane"), call("1")), event(at(e.Time), named("joe"), call("2")),
			event(at(e.Time), named("jane"), call("1")))
		if got[0].EventID != got[1].EventID || !got[2].Duplicate || got[1].Deliveries != 1 || got[2].Deliveries != 0 {
			t.Errorf("receipts %+v", got)
		}
		if events := r.timeline(t, e.Object); len(events) != 1 || len(events[0].Contacts) != 2 {
			t.Errorf("events %+v", events)
		}
	})
}

func TestOneCallIsTakenOnce(t *testing.T) {
	e := event(named("jane"))
	for _, c := range []struct {
		name          string
		first, second alert.Event
		duplicate     bool
	}{
		{"with the sender's id", event(at(e.Time), call("x")), event(at(e.Time.Add(-time.Hour)), call("x")), true},
		{"without one, the same event", event(at(e.Time), named("jane")), event(at(e.Time), named("jane")), true},
		{"without one, another text", event(at(e.Time)), event(at(e.Time), func(e *alert.Event) { e.Output = "other" }), true},
		{"another time", event(at(e.Time)), event(at(e.Time.Add(time.Millisecond))), false},
		{"another id", event(at(e.Time), call("x")), event(at(e.Time), call("y")), false},
		{"another state", event(at(e.Time)), event(at(e.Time), func(e *alert.Event) { e.State = alert.Warning }), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, db *store.DB) {
				r := newRig(t, db)
				a := r.receive(t, c.first)[0]
				b := r.receive(t, c.second)[0]
				if b.Duplicate != c.duplicate || c.duplicate && (b.EventID != a.EventID || b.Deliveries != 0) {
					t.Errorf("receipts %+v %+v", a, b)
				}
			})
		})
	}
}

func TestCriticalOKCriticalWithinASecondIsThreeEvents(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		e := event()
		a := r.receive(t, event(at(e.Time), call("1")))[0]
		b := r.receive(t, event(at(e.Time), recovered, call("2")))[0]
		c := r.receive(t, event(at(e.Time), call("3")))[0]
		if a.Outcome != alert.Opened || b.Outcome != alert.Closed || c.Outcome != alert.Opened || a.AlertID == c.AlertID {
			t.Errorf("receipts %+v %+v %+v", a, b, c)
		}
		if n := len(r.timeline(t, e.Object)); n != 3 {
			t.Errorf("%d events", n)
		}
		batch := r.receive(t, event(at(e.Time), recovered, call("4")), event(at(e.Time), call("5")), event(at(e.Time), recovered, call("6")))
		if batch[1].Outcome != alert.Opened || batch[2].AlertID != batch[1].AlertID || batch[2].Outcome != alert.Closed {
			t.Errorf("in one batch: %+v", batch)
		}
	})
}

func TestRecoveryTakesBackWhatWasNotSent(t *testing.T) {
	for _, together := range []bool{false, true} {
		t.Run(fmt.Sprintf("in one transaction %t", together), func(t *testing.T) {
			onEach(t, func(t *testing.T, db *store.DB) {
				r := newRig(t, db)
				var got []dispatch.Receipt
				if together {
					got = r.receive(t, event(named("jane"), call("1")), event(named("jane"), recovered, call("2")), event(named("jane"), call("3")))
				} else {
					got = append(got, r.receive(t, event(named("jane"), call("1")))...)
					got = append(got, r.receive(t, event(named("jane"), recovered, call("2")))...)
					got = append(got, r.receive(t, event(named("jane"), call("3")))...)
				}
				first := r.deliveries(t, got[0].AlertID)
				if len(first) != 2 || first[0].State != delivery.Cancelled || !strings.Contains(first[0].Detail, "recovered before it was sent") {
					t.Fatalf("deliveries %+v", first)
				}
				if first[1].Notice != alert.NoticeRecovery || first[1].State != delivery.Skipped || first[1].Reason != route.ReasonNeverTold {
					t.Errorf("recovery %+v", first[1])
				}
				if later := r.deliveries(t, got[2].AlertID); len(later) != 1 || later[0].State != delivery.Waiting {
					t.Errorf("the next problem: %+v", later)
				}
			})
		})
	}
}

func TestAJoinHearsWhatTheEventAskedFor(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.receive(t, event(named("jane"), call("1")))
		when := time.Now()
		b := r.receive(t, event(at(when), named("jane"), recovered, call("2")))[0]
		c := r.receive(t, event(at(when), named("joe"), recovered, call("3")))[0]
		if c.EventID != b.EventID || c.Deliveries != 1 || c.AlertID != b.AlertID {
			t.Errorf("receipts %+v %+v", b, c)
		}
		for _, d := range r.deliveries(t, b.AlertID) {
			if d.ContactID == joe && d.Notice != alert.NoticeRecovery {
				t.Errorf("joe is told %+v", d)
			}
		}
	})
}

func TestDecisionsNotToTellAreKept(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		c := newContact(joe, "joe", joeUser, "")
		c.ServiceNotifications = false
		must(t, db.SaveContact(t.Context(), c))
		got := r.receive(t, event(named("joe")))[0]
		ds := r.deliveries(t, got.AlertID)
		if got.Deliveries != 0 || len(ds) != 1 || ds[0].State != delivery.Skipped || ds[0].Reason != route.ReasonDisabled || ds[0].Why == "" {
			t.Errorf("%+v, %+v", got, ds)
		}
		c.ServiceNotifications = true
		must(t, db.SaveContact(t.Context(), c))
		if got := r.receive(t, event(named("joe"), call("later")))[0]; got.Deliveries != 1 {
			t.Errorf("a change is not in force at once: %+v", got)
		}
	})
}

func TestRulesAndUserIDsChooseToo(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		got := r.receive(t, event())[0]
		if ds := r.deliveries(t, got.AlertID); len(ds) != 1 || ds[0].ContactID != jane || ds[0].Reason != route.ReasonRule {
			t.Errorf("by rule: %+v", ds)
		}
		host := func(e *alert.Event) { e.Object.Service, e.State, e.UserIDs = "", alert.Down, []string{"7"} }
		got = r.receive(t, event(host))[0]
		if ds := r.deliveries(t, got.AlertID); len(ds) != 1 || ds[0].ContactID != jane || ds[0].Reason != route.ReasonNamed {
			t.Errorf("by user id: %+v", ds)
		}
	})
}

func TestEveryEventIsSeenInOpenTabs(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		got := r.receive(t, event(func(e *alert.Event) { e.Output = strings.Repeat("ü", 300) }))[0]
		frames, err := db.LiveAfter(t.Context(), 0, "", 10)
		must(t, err)
		if len(frames) != 1 || frames[0].Kind != dispatch.FrameKind || frames[0].UserID != "" || frames[0].Seq == 0 {
			t.Fatalf("frames %+v", frames)
		}
		var f dispatch.AlertFrame
		must(t, json.Unmarshal([]byte(frames[0].Body), &f))
		if f.ID != got.AlertID || f.Status != alert.Firing || f.Outcome != alert.Opened || f.Name != "HTTP on web01" ||
			f.Output != strings.Repeat("ü", 200) || f.Since.IsZero() {
			t.Errorf("frame %+v", f)
		}
		src, err := db.SourceByID(t.Context(), sourceID)
		if err != nil || src.LastEventAt.IsZero() {
			t.Errorf("source %+v, %v", src, err)
		}
	})
}

func TestManyAtOnceAreTakenOnceEach(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		const callers, each = 64, 8
		begin := time.Now().UTC().Truncate(time.Millisecond)
		var mu sync.Mutex
		ids := map[string]int{}
		duplicates := 0
		var running sync.WaitGroup
		for c := range callers {
			running.Go(func() {
				for i := range each {
					// Two callers send each call, as a retry that overtakes its first try.
					e := event(at(begin), call(fmt.Sprintf("%d-%d", c/2, i)), func(e *alert.Event) { e.Object.Host = fmt.Sprintf("h%d", c%5) })
					got, err := r.s.Receive(t.Context(), sourceID, []alert.Event{e})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					ids[got[0].EventID]++
					if got[0].Duplicate {
						duplicates++
					}
					mu.Unlock()
				}
			})
		}
		running.Wait()
		if len(ids) != callers*each/2 || duplicates != callers*each/2 {
			t.Errorf("%d events and %d duplicates of %d calls", len(ids), duplicates, callers*each)
		}
		stored := 0
		for h := range 5 {
			for _, e := range r.timeline(t, alert.Object{Host: fmt.Sprintf("h%d", h), Service: "HTTP"}) {
				if ids[e.ID] != 2 {
					t.Errorf("event %s has %d receipts", e.ID, ids[e.ID])
				}
				stored++
			}
		}
		if s := r.s.Stats(); stored != len(ids) || s.Groups >= s.Events+s.Duplicates || s.LargestSize < 2 {
			t.Errorf("%d stored, stats %+v", stored, s)
		}
	})
}
