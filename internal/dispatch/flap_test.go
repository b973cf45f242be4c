package dispatch_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"context"
	"tocsin/internal/alert"
	"tocsin/internal/config"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/source"
	"tocsin/internal/store"
)

// flappy is a rig with a source whose engine does not say when something flaps.
func flappy(t *testing.T, db *store.DB, kind string) *nightRig {
	t.Helper()
	must(t, db.SaveSource(t.Context(), source.Source{ID: sourceID, Name: "alerts", Kind: kind, TokenHash: "h", CreatedAt: time.Now()}))
	r := &nightRig{rig: rig{db: db}}
	r.move(-48 * time.Hour)
	s := config.Defaults()
	s.Storm.Off = true // each message by itself
	r.s = dispatch.New(db, dispatch.Options{Inline: true, Clock: r.now, Settings: func(context.Context) (config.Settings, error) { return s, nil }})
	return r
}

// turn is so many changes of the state, a minute apart.
func (r *nightRig) turn(t *testing.T, n int, down bool, edit ...func(*alert.Event)) {
	t.Helper()
	for range n {
		e := append([]func(*alert.Event){at(r.now())}, edit...)
		if down {
			e = append(e, recovered)
		}
		r.receive(t, event(e...))
		down = !down
		r.move(time.Minute)
	}
}

// told is what was told of an object, oldest first: "problem waiting".
func (r *nightRig) told(t *testing.T) []string {
	t.Helper()
	ds, _, err := r.db.Deliveries(t.Context(), delivery.Filter{Limit: 200})
	must(t, err)
	slices.SortFunc(ds, func(a, b delivery.Delivery) int { return strings.Compare(a.ID, b.ID) })
	var out []string
	for _, d := range ds {
		s := fmt.Sprint(d.ContactName, " ", d.Notice, " ", d.State)
		if d.State == delivery.Skipped {
			s = fmt.Sprint(d.ContactName, " ", d.Notice, " skipped ", d.Reason)
		}
		out = append(out, s)
	}
	return out
}

func (r *nightRig) object(t *testing.T) alert.Object {
	t.Helper()
	list, err := r.db.FlappingObjects(t.Context(), "", 10)
	must(t, err)
	if len(list) == 0 {
		return alert.Object{}
	}
	return list[0]
}

func TestFlappingThatNoEngineTells(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := flappy(t, db, "alertmanager")
		r.turn(t, 5, false)
		if o := r.object(t); !o.Flaps.IsZero() {
			t.Fatalf("flaps after 5 changes: %+v", o)
		}
		before := r.told(t)
		r.turn(t, 1, true)
		if o := r.object(t); o.Flaps.IsZero() || !o.Flapping || len(o.Turns) != 6 {
			t.Fatalf("%+v", o)
		}
		inOrder(t, "the sixth change", r.told(t)[len(before):], "jane recovery skipped flapping", "jane flapping waiting")
		r.turn(t, 4, false)
		inOrder(t, "while it flaps", r.told(t)[len(before)+2:], "jane problem skipped flapping", "jane recovery skipped flapping", "jane problem skipped flapping", "jane recovery skipped flapping")
		var outcomes []string
		for _, e := range r.timeline(t, alert.Object{Host: "web01", Service: "HTTP"}) {
			if e.Type == alert.FlapDetected || e.Type == alert.FlapCalm {
				outcomes = append(outcomes, string(e.Type)+" "+string(e.Outcome)+" "+string(e.Origin))
			}
		}
		inOrder(t, "timeline", outcomes, "FLAPDETECTED flapping_began detection")

		n := len(r.told(t))
		r.tick(t, 10*time.Minute)
		inOrder(t, "not calm yet", r.told(t)[n:])
		r.tick(t, 5*time.Minute)
		inOrder(t, "calm, and well", r.told(t)[n:], "jane flapping waiting")
		r.tick(t, time.Minute)
		if o := r.object(t); len(r.told(t)) != n+1 || o.Flapping {
			t.Errorf("told %d times more: %+v", len(r.told(t))-n-1, o)
		}
		r.turn(t, 1, false)
		if got := r.told(t); got[len(got)-1] != "jane problem waiting" {
			t.Errorf("a problem after it: %q", got[n:])
		}
	})
}

func TestWhatIsAProblemWhenItIsCalmIsToldAsOne(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := flappy(t, db, "generic")
		r.turn(t, 7, false, named("jane", "joe")) // the last is a problem, which nobody hears of
		n := len(r.told(t))
		r.tick(t, 20*time.Minute)
		inOrder(t, "calm", r.told(t)[n:], "jane problem waiting", "joe problem waiting")
		r.turn(t, 1, true, named("jane", "joe"))
		inOrder(t, "and its end", r.told(t)[n+2:], "jane recovery skipped never_told", "joe recovery skipped never_told")
	})
}

// An event after a long silence finds out itself that it is calm: it is told at once,
// and not when the loop comes by.
func TestAnEventAfterALongSilenceIsTold(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := flappy(t, db, "alertmanager")
		r.turn(t, 6, false)
		n := len(r.told(t))
		r.move(2 * time.Hour)
		r.turn(t, 1, false)
		inOrder(t, "told", r.told(t)[n:], "jane flapping waiting", "jane problem waiting")
	})
}

func TestEnginesThatTellFlappingAreLeftToIt(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := flappy(t, db, "nagios")
		r.turn(t, 12, false)
		if got := r.told(t); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "flapping") }) {
			t.Errorf("%q", got)
		}
	})
}
