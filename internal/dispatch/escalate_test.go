package dispatch_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/escalation"
	"tocsin/internal/oncall"
	"tocsin/internal/route"
	"tocsin/internal/store"
	"tocsin/internal/window"
)

// nightRig is a rig whose clock is two days behind and moved by hand, with the policy
// Night: joe after 15 minutes, whoever is on call (jane) 15 minutes later, and a
// reminder every 20 minutes. What is due is done when tick is called.
type nightRig struct {
	rig
	clock
}

var night = escalation.Policy{ID: "night", Name: "Night", Remind: 20, Steps: []escalation.Step{
	{After: 15, ContactIDs: []string{joe}}, {After: 15, ScheduleIDs: []string{"rota"}},
}}

func newNight(t *testing.T, db *store.DB, p escalation.Policy) *nightRig {
	t.Helper()
	must(t, db.SaveSchedule(t.Context(), oncall.Schedule{ID: "rota", Name: "Rota", Layers: []oncall.Layer{
		{Name: "Primary", ContactIDs: []string{jane}, Start: "2020-01-01T00:00", Every: 1, Unit: oncall.Days}}}))
	must(t, db.SavePolicy(t.Context(), p))
	must(t, db.SaveRule(t.Context(), route.Rule{ID: "rule-1", Name: "All", Enabled: true, ContactIDs: []string{jane}, PolicyID: p.ID}))
	r := &nightRig{rig: rig{db: db}}
	r.move(-48 * time.Hour)
	r.s = dispatch.New(db, dispatch.Options{Inline: true, Clock: r.now})
	return r
}

func (r *nightRig) open(t *testing.T, edit ...func(*alert.Event)) string {
	t.Helper()
	return r.receive(t, event(append([]func(*alert.Event){at(r.now())}, edit...)...))[0].AlertID
}

// tick moves the clock and does what is due then.
func (r *nightRig) tick(t *testing.T, d time.Duration) {
	t.Helper()
	r.move(d)
	r.s.Tick(t.Context())
}

// heard is what there is in the log about an alert besides the first message, oldest
// first, as "joe escalation".
func (r *nightRig) heard(t *testing.T, alertID string) []string {
	t.Helper()
	var out []string
	ds := r.deliveries(t, alertID)
	slices.SortFunc(ds, func(a, b delivery.Delivery) int { return strings.Compare(a.ID, b.ID) })
	for _, d := range ds {
		switch d.Reason {
		case route.ReasonEscalation, route.ReasonReminder, route.ReasonNobody:
			out = append(out, strings.TrimSpace(d.ContactName+" "+string(d.Reason)))
		}
	}
	return out
}

func (r *nightRig) stands(t *testing.T, alertID string) *dispatch.Escalation {
	t.Helper()
	x, err := r.db.AlertEscalation(t.Context(), alertID)
	must(t, err)
	return x
}

func TestWhileNobodyTakesIt(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newNight(t, db, night)
		id := r.open(t)
		if x := r.stands(t, id); x == nil || x.PolicyID != "night" || x.Due.Sub(r.now()).Round(time.Minute) != 15*time.Minute {
			t.Fatalf("%+v", x)
		}
		r.tick(t, 14*time.Minute)
		inOrder(t, "too early", r.heard(t, id))
		r.tick(t, time.Minute)
		inOrder(t, "after 15 minutes", r.heard(t, id), "joe escalation")
		r.tick(t, 0)
		inOrder(t, "once", r.heard(t, id), "joe escalation")
		r.tick(t, 5*time.Minute)
		inOrder(t, "reminded", r.heard(t, id), "joe escalation", "jane reminder", "joe reminder")
		r.tick(t, 10*time.Minute)
		inOrder(t, "the last step", r.heard(t, id), "joe escalation", "jane reminder", "joe reminder", "jane escalation")
		for _, d := range r.deliveries(t, id) {
			switch {
			case d.Reason == route.ReasonEscalation && d.ContactID == joe:
				if d.Why != "not acknowledged for 15 minutes: step 1 of policy “Night”; it chose this contact" || d.Notice != alert.NoticeProblem || d.State != delivery.Waiting {
					t.Errorf("%+v", d)
				}
			case d.Reason == route.ReasonReminder && d.Why != "not acknowledged for 20 minutes: reminder of policy “Night”":
				t.Errorf("%+v", d)
			}
		}

		r.take(t, id)
		if x := r.stands(t, id); x != nil {
			t.Fatalf("somebody has it, and it goes on: %+v", x)
		}
		r.tick(t, time.Hour)
		if n := len(r.heard(t, id)); n != 4 {
			t.Errorf("told %d times, though somebody has it", n-4)
		}
		_, err := r.s.Unacknowledge(t.Context(), id, dispatch.AckRequest{Author: "Jane", Origin: alert.FromConsole})
		must(t, err)
		r.tick(t, 15*time.Minute)
		if got := r.heard(t, id); len(got) != 5 || got[4] != "joe escalation" {
			t.Errorf("given back: %q", got)
		}
		r.receive(t, event(recovered, at(r.now())))
		if x := r.stands(t, id); x != nil {
			t.Errorf("it is over, and goes on: %+v", x)
		}
	})
}

func TestAnAcknowledgementThatRunsOutBeginsThePolicyAnew(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newNight(t, db, night)
		id := r.open(t)
		r.tick(t, 15*time.Minute)
		r.take(t, id, func(q *dispatch.AckRequest) { q.Until = r.now().Add(30 * time.Minute) })
		r.tick(t, 31*time.Minute)
		x := r.stands(t, id)
		if x == nil || x.Run.Step != 0 || x.Due.Sub(r.now()).Round(time.Minute) != 15*time.Minute {
			t.Fatalf("%+v", x)
		}
		r.tick(t, 15*time.Minute)
		inOrder(t, "again", r.heard(t, id), "joe escalation", "joe escalation")
	})
}

func TestWhatWasMissedIsDoneOnceAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newNight(t, db, night)
		id := r.open(t)
		r.tick(t, 20*time.Hour) // the hub was away, or its clock was put on
		inOrder(t, "told", r.heard(t, id), "joe escalation", "jane escalation")
		r.tick(t, time.Minute)
		if n := len(r.heard(t, id)); n != 2 {
			t.Errorf("told %d times more", n-2)
		}
		r.move(-30 * time.Minute) // and back: nothing is told twice for it
		r.s.Tick(t.Context())
		if n := len(r.heard(t, id)); n != 2 {
			t.Errorf("told %d times more", n-2)
		}
	})
}

func TestMaintenanceHoldsThePolicyBack(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newNight(t, db, escalation.Policy{ID: "night", Name: "Night", Steps: night.Steps})
		begin := r.now().Truncate(time.Minute)
		r.move(begin.Sub(r.now())) // windows begin with a minute, and so does this test
		must(t, db.SaveWindow(t.Context(), window.Window{ID: "w", Name: "Patches", Enabled: true, Start: begin.UTC().Format(window.StartFormat), Minutes: 60}))
		id := r.open(t) // in it: the clock begins at its end
		end := begin.Add(time.Hour)
		if x := r.stands(t, id); !x.Due.Equal(end.Add(15 * time.Minute)) {
			t.Errorf("due at %s, want %s", x.Due, end.Add(15*time.Minute))
		}
		r.tick(t, 70*time.Minute)
		inOrder(t, "before its time", r.heard(t, id))
		// The next one comes while the policy goes on: its clock stands still.
		must(t, db.SaveWindow(t.Context(), window.Window{ID: "w2", Name: "More", Enabled: true, Start: end.Add(12 * time.Minute).UTC().Format(window.StartFormat), Minutes: 30}))
		r.tick(t, 10*time.Minute)
		inOrder(t, "in the second window", r.heard(t, id))
		if x := r.stands(t, id); !x.Due.Equal(end.Add(42 * time.Minute)) {
			t.Errorf("due at %s, want %s", x.Due, end.Add(42*time.Minute))
		}
		r.tick(t, 23*time.Minute)
		inOrder(t, "after it", r.heard(t, id), "joe escalation")
		r.tick(t, 13*time.Minute)
		inOrder(t, "the next step keeps its distance", r.heard(t, id), "joe escalation")
		r.tick(t, 2*time.Minute)
		inOrder(t, "the last", r.heard(t, id), "joe escalation", "jane escalation")
	})
}

func TestADowntimePutsThePolicyOff(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newNight(t, db, escalation.Policy{ID: "night", Name: "Night", Steps: night.Steps[:1]})
		id := r.open(t)
		downtime := func(typ alert.Type) {
			r.receive(t, event(at(r.now()), func(e *alert.Event) { e.Type = typ }))
		}
		downtime(alert.DowntimeStart)
		for range 3 {
			r.tick(t, 20*time.Minute)
		}
		inOrder(t, "in the downtime", r.heard(t, id))
		downtime(alert.DowntimeEnd)
		r.tick(t, 14*time.Minute)
		inOrder(t, "a moment after it", r.heard(t, id))
		r.tick(t, time.Minute)
		inOrder(t, "15 minutes after it", r.heard(t, id), "joe escalation")
	})
}

func TestAPolicyThatIsGone(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newNight(t, db, night)
		id := r.open(t)
		must(t, db.SaveRule(t.Context(), route.Rule{ID: "rule-1", Name: "All", Enabled: true, ContactIDs: []string{jane}}))
		must(t, db.DeletePolicy(t.Context(), "night"))
		r.tick(t, 15*time.Minute)
		if x := r.stands(t, id); x != nil {
			t.Errorf("it goes on: %+v", x)
		}
		inOrder(t, "what is said", r.heard(t, id), "nobody")
		r.tick(t, time.Hour)
		inOrder(t, "once", r.heard(t, id), "nobody")
	})
}

func TestAStepThatLeadsToWhatIsGone(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		must(t, db.SaveGroup(t.Context(), contact.Group{ID: "ops", Name: "Ops", ContactIDs: []string{joe}}))
		r := newNight(t, db, escalation.Policy{ID: "night", Name: "Night", Steps: []escalation.Step{
			{After: 5, GroupIDs: []string{"ops", "never"}, ContactIDs: []string{"never"}, ScheduleIDs: []string{"never"}}, {After: 5, ContactIDs: []string{jane}}}})
		id := r.open(t)
		must(t, db.DeleteContact(t.Context(), joe))
		r.tick(t, 5*time.Minute)
		inOrder(t, "what is gone is said", r.heard(t, id), "nobody", "nobody", "nobody", "nobody")
		r.tick(t, 5*time.Minute)
		if got := r.heard(t, id); got[len(got)-1] != "jane escalation" {
			t.Errorf("the next step: %q", got)
		}
	})
}

func TestAWorseStateMayLeadToAnotherPolicy(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newNight(t, db, escalation.Policy{ID: "fast", Name: "Fast", Steps: []escalation.Step{{After: 1, ContactIDs: []string{joe}}}})
		must(t, db.SaveRule(t.Context(), route.Rule{ID: "rule-1", Name: "All", Enabled: true, ContactIDs: []string{jane}}))
		must(t, db.SaveRule(t.Context(), route.Rule{ID: "rule-2", Name: "Critical", Position: 1, Enabled: true, States: []alert.State{alert.Critical}, PolicyID: "fast"}))
		warning := func(e *alert.Event) { e.State = alert.Warning }
		id := r.open(t, warning)
		if x := r.stands(t, id); x != nil {
			t.Errorf("a warning: %+v", x)
		}
		r.move(time.Minute)
		r.receive(t, event(at(r.now())))
		if x := r.stands(t, id); x == nil || x.PolicyID != "fast" {
			t.Fatalf("critical: %+v", x)
		}
		r.tick(t, time.Minute)
		r.receive(t, event(at(r.now()), warning))
		r.move(time.Minute)
		r.receive(t, event(at(r.now()))) // and up again: it is the same policy, which was done
		r.tick(t, time.Hour)
		inOrder(t, "told", r.heard(t, id), "joe escalation")
	})
}

// Two nodes look at the same time: each step is done once.
func TestEachStepIsDoneOnce(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newNight(t, db, night)
		other := dispatch.New(db, dispatch.Options{Inline: true, Clock: r.now})
		var ids []string
		for i := range 5 {
			ids = append(ids, r.open(t, func(e *alert.Event) { e.Object.Service = fmt.Sprint("svc", i) }))
		}
		r.move(15 * time.Minute)
		var both sync.WaitGroup
		for _, s := range []*dispatch.Service{r.s, other} {
			both.Go(func() { s.Tick(t.Context()) })
		}
		both.Wait()
		for _, id := range ids {
			inOrder(t, "told", r.heard(t, id), "joe escalation")
		}
	})
}

func TestTheLoopsDoWhatIsDue(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newNight(t, db, night)
		id := r.open(t)
		r.move(15 * time.Minute)
		committed := make(chan struct{}, 100)
		s := run(t, db, dispatch.Options{Clock: r.now, Committed: func(time.Duration) { committed <- struct{}{} }})
		ctx, cancel := context.WithCancel(t.Context())
		var loops sync.WaitGroup
		loops.Go(func() { must(t, s.RunEscalation(ctx)) })
		loops.Go(func() { must(t, s.RunFlapping(ctx)) })
		t.Cleanup(func() { cancel(); loops.Wait() })
		for late := time.After(30 * time.Second); len(r.heard(t, id)) == 0; {
			select {
			case <-committed:
			case <-late:
				t.Fatal("nothing is done")
			}
		}
		inOrder(t, "told", r.heard(t, id), "joe escalation")
	})
}

func TestWhatIsHeldBackWaitsForItsEnd(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newNight(t, db, night)
		always := contact.TimePeriod{ID: "quiet", Name: "Quiet"}
		end := r.now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 2) // quiet until then
		for d := range always.Weekdays {
			if time.Weekday(d) != end.Weekday() {
				always.Weekdays[d] = []contact.Range{{From: 0, To: 1440}}
			}
		}
		must(t, db.SavePeriod(t.Context(), always))
		who := newContact(jane, "jane", janeUser, "7")
		who.QuietPeriodID, who.QuietPass = "quiet", contact.QuietCritical
		must(t, db.SaveContact(t.Context(), who))
		must(t, db.SaveSchedule(t.Context(), oncall.Schedule{ID: "rota", Name: "Rota"})) // nobody
		id := r.open(t, func(e *alert.Event) { e.State = alert.Warning })
		for _, d := range r.deliveries(t, id) {
			if d.Notice == alert.NoticeDigest {
				continue
			}
			if d.State != delivery.Collected || d.Reason != route.ReasonQuiet || !d.Due.Equal(end) || d.Bundle == "" {
				t.Errorf("%+v, want it held until %s", d, end)
			}
		}
		passes := r.open(t, func(e *alert.Event) { e.Object.Service = "other" })
		for _, d := range r.deliveries(t, passes) {
			if d.State != delivery.Waiting || d.Reason != route.ReasonRule {
				t.Errorf("critical: %+v", d)
			}
		}
	})
}
