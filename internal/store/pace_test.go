package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/escalation"
	"tocsin/internal/store"
	"tocsin/internal/storm"
)

func paces(t testing.TB, db *store.DB, places ...string) (found map[string]storm.Pace) {
	t.Helper()
	inTx(t, db, func(ctx context.Context, tx dispatch.Tx) (err error) {
		found, err = tx.Paces(ctx, places)
		return err
	})
	return found
}

// stormy is a place with a storm that is over so long after day.
func stormy(calm time.Duration) storm.Pace {
	return storm.Pace{Bucket: storm.Bucket{Left: 2.5, At: day()}, Kinds: []storm.KindPace{{Key: "source:s1", Last: day(),
		Storm: &storm.Storm{ID: "st", Began: day(), Digest: "d1", First: day(), Due: day(), Calm: int(calm / time.Second)}}}}
}

func TestPlacesAreRemembered(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		found := paces(t, db, "webpush|d1", "browser|contact:c1", "webpush|d1")
		if d := cmp.Diff(map[string]storm.Pace{"webpush|d1": {}, "browser|contact:c1": {}}, found); d != "" {
			t.Fatal(d)
		}
		want := map[string]storm.Pace{"webpush|d1": stormy(time.Hour), "email|contact:c1": stormy(1000 * 24 * time.Hour), "email|contact:c2": {Bucket: storm.Bucket{Left: 1, At: day()}}}
		write(t, db, dispatch.Changes{Paces: want})
		if d := cmp.Diff(want, paces(t, db, "webpush|d1", "email|contact:c1", "email|contact:c2")); d != "" {
			t.Fatal(d)
		}
		places, next, err := db.CalmPlaces(t.Context(), 10)
		ok(t, err)
		if d := cmp.Diff([]string{"webpush|d1"}, places); d != "" {
			t.Fatal(d)
		}
		same(t, "next", next, day().Add(1000*24*time.Hour))

		t.Run("what is calm is not looked at again", func(t *testing.T) {
			p := stormy(time.Hour)
			p.Kinds[0].Storm = nil
			write(t, db, dispatch.Changes{Paces: map[string]storm.Pace{"webpush|d1": p}})
			places, _, err := db.CalmPlaces(t.Context(), 10)
			ok(t, err)
			same(t, "places", len(places), 0)
		})
		t.Run("of more than are asked for the rest is next", func(t *testing.T) {
			write(t, db, dispatch.Changes{Paces: map[string]storm.Pace{"a": stormy(time.Hour), "b": stormy(2 * time.Hour), "c": stormy(3 * time.Hour)}})
			places, next, err := db.CalmPlaces(t.Context(), 2)
			ok(t, err)
			if d := cmp.Diff([]string{"a", "b"}, places); d != "" {
				t.Fatal(d)
			}
			same(t, "next", next, day().Add(3*time.Hour))
		})
		t.Run("where nothing was told for long is forgotten, where a storm is not", func(t *testing.T) {
			ok(t, store.Exec(t.Context(), db, "UPDATE pace SET used = 1"))
			_, err := db.Prune(t.Context(), day(), 10)
			ok(t, err)
			n, err := store.Count(t.Context(), db, "pace")
			ok(t, err)
			same(t, "places", n, 4)
		})
	})
}

// What a hub has written it need not read, and it knows no more of it than is there.
func TestPlacesAreRememberedAsTheyWereCommitted(t *testing.T) {
	path := "sqlite:" + oddPath(t)
	hub, err := store.Open(t.Context(), store.Options{URL: path, Node: "hub", Exclusive: true})
	ok(t, err)
	t.Cleanup(func() { ok(t, hub.Close()) })
	all := []string{"email|a", "email|b"}
	write(t, hub, dispatch.Changes{Paces: map[string]storm.Pace{"email|a": stormy(time.Hour), "email|b": stormy(2 * time.Hour)}})
	want := paces(t, openURL(t, path), all...)
	as := func(what string) {
		t.Helper()
		for _, again := range []string{"", ", asked again"} { // it was not written, so it is read
			if d := cmp.Diff(want, paces(t, hub, all...)); d != "" {
				t.Fatal(what+again, d)
			}
		}
	}
	as("as it was written")
	change := func(p storm.Pace) storm.Pace {
		p.Left, p.Kinds[0].Storm.Count, p.Kinds[0].Storm.Due = p.Left-1, 7, p.Kinds[0].Storm.Due.Add(time.Second)
		return p
	}
	wrong := errors.New("it goes wrong")
	err = hub.Commit(t.Context(), func(ctx context.Context, tx dispatch.Tx) error {
		found, err := tx.Paces(ctx, all)
		ok(t, err)
		ok(t, tx.Write(ctx, &dispatch.Changes{Paces: map[string]storm.Pace{"email|a": change(found["email|a"])}}))
		change(found["email|b"])
		return wrong
	})
	wants(t, err, wrong)
	as("when a transaction went wrong")

	found := paces(t, hub, all...)
	want["email|a"] = change(found["email|a"])
	write(t, hub, dispatch.Changes{Paces: map[string]storm.Pace{"email|a": want["email|a"]}})
	want = paces(t, openURL(t, path), all...)
	as("when it was changed")

	b := change(want["email|b"])
	write(t, openURL(t, path), dispatch.Changes{Paces: map[string]storm.Pace{"email|b": b}})
	want["email|b"] = b
	as("when another process wrote")
}

// A place that was forgotten meanwhile is a new one, also to who has known it.
func TestAPlaceThatWasForgottenIsNew(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		write(t, db, dispatch.Changes{Paces: map[string]storm.Pace{"email|a": stormy(time.Hour), "email|b": stormy(time.Hour)}})
		ok(t, store.Exec(t.Context(), db, "DELETE FROM pace WHERE place = 'email|a'"))
		want := map[string]storm.Pace{"email|a": {}, "email|b": stormy(time.Hour)}
		if d := cmp.Diff(want, paces(t, db, "email|a", "email|b")); d != "" {
			t.Fatal(d)
		}
	})
}

// Two nodes count at the same places at once: nothing is lost, whatever the order in
// which they ask for them.
func TestTwoNodesAtOnePlace(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		const each = 30
		nodes := []*store.DB{db, open()}
		var wg sync.WaitGroup
		for n := range 4 {
			wg.Go(func() {
				for i := range each {
					places := []string{"email|a", "email|b", fmt.Sprintf("email|%d-%d", n%2, i)}
					if n%2 == 1 {
						places[0], places[1] = places[1], places[0]
					}
					err := nodes[n%2].Commit(context.WithoutCancel(t.Context()), func(ctx context.Context, tx dispatch.Tx) error {
						found, err := tx.Paces(ctx, places)
						for place, p := range found {
							p.Left++
							found[place] = p
						}
						if err != nil {
							return err
						}
						return tx.Write(ctx, &dispatch.Changes{Paces: found})
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		found := paces(t, db, "email|a", "email|b", "email|0-7", "email|1-7")
		same(t, "first", found["email|a"].Left, 4*each)
		same(t, "second", found["email|b"].Left, 4*each)
		same(t, "third", found["email|0-7"].Left, 2)
		same(t, "fourth", found["email|1-7"].Left, 2)
	})
}

func TestPoliciesGoOnWithOpenAlerts(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		soon := time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()
		run := escalation.Run{Round: 1, Step: 2, Began: day(), Due: day().Add(time.Minute), Reminder: soon, Reminded: 3}
		list := []dispatch.Escalation{
			{AlertID: "a1", PolicyID: "p1", Run: run, Due: day().Add(time.Minute)},
			{AlertID: "a2", PolicyID: "p1", Run: run, Due: soon},
			{AlertID: "a3", PolicyID: "p1", Run: run},
			{AlertID: "a4", PolicyID: "p2", Run: run, Due: day()},
		}
		write(t, db, dispatch.Changes{Escalations: list})
		due := func() []string {
			ids, next, err := db.DueEscalations(t.Context(), 10)
			ok(t, err)
			same(t, "next", next, soon)
			return ids
		}
		if d := cmp.Diff([]string{"a4", "a1"}, due()); d != "" {
			t.Fatal(d)
		}
		inTx(t, db, func(ctx context.Context, tx dispatch.Tx) error {
			e, err := tx.Escalation(ctx, "a1")
			ok(t, err)
			if d := cmp.Diff(&list[0], e); d != "" {
				t.Fatal(d)
			}
			none, err := tx.Escalation(ctx, "a9")
			same(t, "of an alert without", none, nil)
			return err
		})
		list[0].Run.Step, list[0].Due = 3, soon.Add(time.Minute)
		write(t, db, dispatch.Changes{Escalations: list[:1], EndEscalations: []string{"a4", "a9"}})
		same(t, "due", len(due()), 0)
		e, err := db.AlertEscalation(t.Context(), "a1")
		ok(t, err)
		if d := cmp.Diff(&list[0], e); d != "" {
			t.Fatal(d)
		}
		e, err = db.AlertEscalation(t.Context(), "a4")
		ok(t, err)
		same(t, "ended", e, nil)
		t.Run("one that is ended and begun in one transaction has begun", func(t *testing.T) {
			write(t, db, dispatch.Changes{Escalations: list[3:], EndEscalations: []string{"a4"}})
			same(t, "due", len(due()), 1)
		})
	})
}

func TestWhatIsKeptOfFlapping(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		a, b := problem(1).Objects[0], problem(2).Objects[0]
		a.Turns, a.Flaps, a.Flapping = []time.Time{day(), day().Add(time.Second)}, day(), true
		write(t, db, dispatch.Changes{Objects: []alert.Object{a, b}})
		got := records(t, db, a.ID, b.ID)
		if d := cmp.Diff(a, got[a.ID].Object); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(b, got[b.ID].Object); d != "" {
			t.Fatal(d)
		}
		flap := func(after string) []alert.Object {
			list, err := db.FlappingObjects(t.Context(), after, 10)
			ok(t, err)
			return list
		}
		if d := cmp.Diff([]alert.Object{a}, flap("")); d != "" {
			t.Fatal(d)
		}
		same(t, "after it", len(flap(a.ID)), 0)
		a.Flaps, a.Turns = time.Time{}, nil
		write(t, db, dispatch.Changes{Objects: []alert.Object{a}})
		same(t, "when it is calm", len(flap("")), 0)
		same(t, "turns", len(records(t, db, a.ID)[a.ID].Object.Turns), 0)
	})
}
