package dispatch_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/internal/store"
	"tocsin/internal/window"
)

// looking has what is held back looked at until the test ends.
func (r *rig) looking(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.s.RunHolds(ctx) }()
	t.Cleanup(func() { cancel(); must(t, <-done) })
}

// becomes waits until ok answers true.
func becomes(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(20*time.Second), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// hours is a time period that covers all of the week but the hour that begins so many
// hours from now.
func hours(id string, now time.Time, free int) contact.TimePeriod {
	p := contact.TimePeriod{ID: id, Name: id}
	at := now.UTC().Add(time.Duration(free) * time.Hour)
	for i := range p.Weekdays {
		p.Weekdays[i] = []contact.Range{{From: 0, To: 24 * 60}}
		if i == int(at.Weekday()) {
			h := at.Hour() * 60
			p.Weekdays[i] = nil
			if h > 0 {
				p.Weekdays[i] = append(p.Weekdays[i], contact.Range{From: 0, To: h})
			}
			if h < 23*60 {
				p.Weekdays[i] = append(p.Weekdays[i], contact.Range{From: h + 60, To: 24 * 60})
			}
		}
	}
	return p
}

// held are the deliveries about alerts that are collected for a contact.
func (r *rig) held(t *testing.T) (out []delivery.Delivery) {
	t.Helper()
	for _, d := range r.all(t) {
		if d.State == delivery.Collected {
			out = append(out, d)
		}
	}
	return out
}

func TestWhatIsHeldIsToldSoonWhenNothingHoldsItAnyMore(t *testing.T) {
	quiet := func(t *testing.T, r *rig, now time.Time) {
		must(t, r.db.SavePeriod(t.Context(), hours("night", now, 3)))
		c := newContact(jane, "jane", janeUser, "7")
		c.QuietPeriodID = "night"
		must(t, r.db.SaveContact(t.Context(), c))
	}
	for name, c := range map[string]struct {
		hold, change func(t *testing.T, r *rig, now time.Time)
	}{
		"the window is deleted": {
			func(t *testing.T, r *rig, now time.Time) { r.maintenance(t, now, time.Hour) },
			func(t *testing.T, r *rig, _ time.Time) { must(t, r.db.DeleteWindow(t.Context(), "w1")) }},
		"the window is switched off": {
			func(t *testing.T, r *rig, now time.Time) { r.maintenance(t, now, time.Hour) },
			func(t *testing.T, r *rig, now time.Time) {
				w, err := r.db.Window(t.Context(), "w1")
				must(t, err)
				w.Enabled = false
				must(t, r.db.SaveWindow(t.Context(), w))
			}},
		"the window is about something else": {
			func(t *testing.T, r *rig, now time.Time) { r.maintenance(t, now, time.Hour) },
			func(t *testing.T, r *rig, now time.Time) {
				w, err := r.db.Window(t.Context(), "w1")
				must(t, err)
				w.Hosts = []string{"db*"}
				must(t, r.db.SaveWindow(t.Context(), w))
			}},
		"quiet hours are given up": {quiet, func(t *testing.T, r *rig, _ time.Time) {
			must(t, r.db.SaveContact(t.Context(), newContact(jane, "jane", janeUser, "7")))
		}},
		"the period is edited": {quiet, func(t *testing.T, r *rig, now time.Time) {
			must(t, r.db.SavePeriod(t.Context(), hours("night", now, 0)))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, db *store.DB) {
				r, now := stormy(t, db)
				c.hold(t, r, now.now())
				r.receive(t, problems(0, 3)...)
				same(t, "held", r.log(t, jane, route.Browser), "1 digest waiting", "3 problem collected")
				old := r.digests(t, jane)[0]
				r.looking(t)
				c.change(t, r, now.now())
				becomes(t, "told", func() bool {
					return !slices.ContainsFunc(r.held(t), func(d delivery.Delivery) bool { return d.Bundle == old.ID })
				})
				same(t, "the log", r.log(t, jane, route.Browser), "1 digest cancelled", "1 digest waiting", "3 problem collected")
				var held []delivery.Claimed
				becomes(t, "due", func() bool { held = r.claim(t); return len(held) > 0 })
				if len(held) != 1 || held[0].Digest == nil || held[0].Digest.Total != 3 || held[0].Untrue() != "" {
					t.Fatalf("%+v", held)
				}
				r.complete(t, held)
				same(t, "in the end", r.log(t, jane, route.Browser), "1 digest cancelled", "1 digest sent", "3 problem sent")
				for _, d := range r.all(t) {
					if d.Notice == alert.NoticeProblem && (!strings.Contains(d.Why, "chose this contact; was held back, until what held it back was changed") || strings.Contains(d.Why, "held back, for")) {
						t.Errorf("why: %q", d.Why)
					}
				}
			})
		})
	}
}

func TestAnotherEndOfAWindowIsTheEndOfWhatItHolds(t *testing.T) {
	for name, lasts := range map[string]time.Duration{"shorter": 30 * time.Minute, "longer": 3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, db *store.DB) {
				r, now := stormy(t, db)
				r.maintenance(t, now.now(), time.Hour)
				r.receive(t, problems(0, 3)...)
				r.looking(t)
				end := r.maintenance(t, now.now(), lasts)
				becomes(t, "held anew", func() bool {
					return !slices.ContainsFunc(r.held(t), func(d delivery.Delivery) bool { return !d.Due.Equal(end) })
				})
				for _, d := range r.held(t) {
					if d.Reason != route.ReasonWindow || !strings.Contains(d.Why, end.Format("at 15:04")) || strings.Count(d.Why, "held back") != 2 {
						t.Errorf("%+v", d)
					}
				}
				r.receive(t, problems(3, 1)...)
				same(t, "with what comes after it", r.log(t, jane, route.Browser), "1 digest cancelled", "1 digest waiting", "4 problem collected")
			})
		})
	}
}

func TestWhatIsStillHeldByAnotherWindowStays(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db)
		end := r.maintenance(t, now.now(), time.Hour)
		other, err := r.db.Window(t.Context(), "w1")
		must(t, err)
		other.ID, other.Name, other.Hosts = "w2", "Databases", []string{"db*"}
		must(t, r.db.SaveWindow(t.Context(), other))
		r.receive(t, problems(0, 2)...)
		stays := r.receive(t, event(func(e *alert.Event) { e.Object.Host = "db01" }))[0].AlertID
		r.looking(t)
		must(t, r.db.DeleteWindow(t.Context(), "w1"))
		becomes(t, "told", func() bool { return len(r.digests(t, jane)) == 2 })
		for _, d := range r.held(t) {
			if (d.AlertID == stays) != d.Due.Equal(end) {
				t.Errorf("%+v", d)
			}
		}
		same(t, "the log", r.log(t, jane, route.Browser), "2 digest waiting", "3 problem collected")
	})
}

func TestAPolicyGoesOnWhenItsWindowIsDeleted(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		night := newNight(t, db, night)
		now := &clock{}
		r := &rig{db: db, s: run(t, db, dispatch.Options{Clock: now.now})}
		_ = night
		end := r.maintenance(t, now.now(), time.Hour)
		id := r.receive(t, problems(0, 1)...)[0].AlertID
		stands := func() *dispatch.Escalation {
			x, err := db.AlertEscalation(t.Context(), id)
			must(t, err)
			return x
		}
		if x := stands(); x == nil || !x.Due.Equal(end.Add(15*time.Minute)) {
			t.Fatalf("%+v", x)
		}
		r.looking(t)
		must(t, db.SaveWindow(t.Context(), window.Window{ID: "w1", Name: "Rack 7", Enabled: true, Start: "2020-01-01T00:00", Minutes: 10}))
		becomes(t, "going on", func() bool { return stands().Due.Before(end) })
		x := stands()
		if in := x.Due.Sub(now.now()); in < 14*time.Minute || in > 15*time.Minute || !x.Run.Still.IsZero() || x.Run.Began.After(now.now()) {
			t.Errorf("in %s: %+v", in, x)
		}
	})
}

func TestNothingThatIsHeldIsToldToAContactThatWasDeleted(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db)
		r.maintenance(t, now.now(), time.Hour)
		r.receive(t, problems(0, 3)...)
		must(t, db.DeleteContact(t.Context(), jane))
		same(t, "the log", r.log(t, jane, route.Browser), "1 digest cancelled", "3 problem cancelled")
		for _, d := range r.all(t) {
			if !strings.Contains(d.Detail, "the contact was deleted") || d.Done.IsZero() {
				t.Errorf("%+v", d)
			}
		}
	})
}
