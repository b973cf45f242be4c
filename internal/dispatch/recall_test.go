package dispatch_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/store"
	"tocsin/test/database"
)

// The hub that serves from SQLite keeps the records of objects at hand between
// transactions. Whatever comes, in whatever order, it must come to the same
// results as one that reads them each time.
func TestAHubThatRecallsDecidesLikeOneThatReads(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			reads, recalls := newTwin(t, false), newTwin(t, true)
			random := rand.New(rand.NewPCG(seed, 1))
			for step := range 120 {
				act := anyAct(random, step)
				if diff := cmp.Diff(act(t, reads), act(t, recalls), cmpopts.IgnoreUnexported(dispatch.Receipt{})); diff != "" {
					t.Fatalf("step %d (-reads +recalls):\n%s", step, diff)
				}
			}
			if diff := cmp.Diff(reads.all(t), recalls.all(t)); diff != "" {
				t.Fatalf("(-reads +recalls):\n%s", diff)
			}
		})
	}
}

// twin is a hub whose ids and clock are those of its twin.
type twin struct {
	*rig
	path string
	now  time.Time
	ids  int
}

func newTwin(t *testing.T, exclusive bool) *twin {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tocsin.db")
	database.Place(t, path)
	db, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + path, Node: "test", Exclusive: exclusive})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	fill(t, db)
	w := &twin{path: path, now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	w.rig = &rig{db: db, s: run(t, db, dispatch.Options{
		Clock: func() time.Time { return w.now },
		NewID: func() string { w.ids++; return fmt.Sprintf("%08x-0000-7000-8000-000000000000", w.ids) },
	})}
	return w
}

func (w *twin) all(t *testing.T) []any {
	t.Helper()
	alerts, _, err := w.db.Alerts(t.Context(), alert.Filter{Limit: 500})
	must(t, err)
	out := []any{alerts}
	for _, a := range alerts {
		events, err := w.db.Events(t.Context(), a.ID, "", 500)
		must(t, err)
		deliveries := w.deliveries(t, a.ID)
		for i := range deliveries {
			deliveries[i].Done = time.Time{} // by this machine's clock
		}
		out = append(out, events, deliveries)
	}
	return out
}

// anyAct is something that may happen, to be done to both twins.
func anyAct(r *rand.Rand, step int) func(*testing.T, *twin) any {
	later := time.Duration(r.IntN(30)) * time.Second
	switch n := r.IntN(20); {
	case n == 0:
		return func(t *testing.T, w *twin) any { // retention
			n, err := w.db.Prune(t.Context(), w.now.Add(-5*time.Minute), 100)
			must(t, err)
			return n
		}
	case n == 1:
		return func(t *testing.T, w *twin) any { // a command beside the hub
			beside, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + w.path})
			must(t, err)
			must(t, beside.SaveContact(t.Context(), newContact(joe, "joe", joeUser, fmt.Sprint(step))))
			must(t, beside.Close())
			return nil
		}
	case n < 5:
		pick, take := r.IntN(8), r.IntN(2) == 0
		return func(t *testing.T, w *twin) any { // somebody acknowledges, or takes it back
			w.now = w.now.Add(later)
			alerts, _, err := w.db.Alerts(t.Context(), alert.Filter{Limit: 500})
			must(t, err)
			if len(alerts) == 0 {
				return nil
			}
			act := w.s.Unacknowledge
			if take {
				act = w.s.Acknowledge
			}
			a, err := act(t.Context(), alerts[pick%len(alerts)].ID, dispatch.AckRequest{UserID: janeUser, Author: "jane", Origin: alert.FromConsole})
			if !errors.Is(err, dispatch.ErrNotOpen) && !errors.Is(err, dispatch.ErrAckedBefore) && !errors.Is(err, dispatch.ErrNotAcked) {
				must(t, err)
			}
			return a
		}
	}
	events := make([]alert.Event, 1+r.IntN(12))
	for i := range events {
		events[i] = anyEvent(r)
	}
	return func(t *testing.T, w *twin) any {
		w.now = w.now.Add(later)
		sent := make([]alert.Event, len(events))
		for i, e := range events {
			e.Time = w.now.Add(e.Time.Sub(time.Time{}))
			sent[i] = e
		}
		return w.receive(t, sent...)
	}
}

// anyEvent is about one of a few objects, so that much happens to each. Its
// time is the distance to the time of its sending.
func anyEvent(r *rand.Rand) alert.Event {
	types := []alert.Type{alert.Problem, alert.Problem, alert.Problem, alert.Recovery, alert.Recovery, alert.Acknowledgement,
		alert.FlappingStart, alert.FlappingStop, alert.DowntimeStart, alert.DowntimeEnd, alert.Custom}
	states := []alert.State{alert.Warning, alert.Critical, alert.Unknown}
	e := alert.Event{
		Object: alert.Object{Host: fmt.Sprint("host", r.IntN(3)), Service: fmt.Sprint("service", r.IntN(3))},
		Type:   types[r.IntN(len(types))], State: states[r.IntN(len(states))], Origin: alert.FromEngine,
		Output: strings.Repeat("text ", 1+r.IntN(3)), Time: time.Time{}.Add(-time.Duration(r.IntN(20)) * time.Second),
	}
	if e.Type == alert.Recovery {
		e.State = alert.OK
	}
	if r.IntN(8) == 0 {
		e.Long = strings.Repeat("a long line of output\n", 100)
	}
	if r.IntN(3) == 0 {
		e.Object.Labels = map[string]string{"team": fmt.Sprint(r.IntN(2))}
	}
	if r.IntN(2) == 0 {
		e.Contacts = []string{[]string{"jane", "joe", "nobody"}[r.IntN(3)]}
	}
	if e.Type == alert.Acknowledgement {
		e.Author, e.Comment = "anna", "looking"
	}
	return e
}
