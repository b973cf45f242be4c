package storm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/storm"
)

var began = time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC)

// place is one that tells its digests when they are due, as the outbox does.
type place struct {
	storm.Pace
	rules    storm.Rules
	ids      int
	due      map[string]time.Time
	holds    map[string]int
	single   int
	told     []int       // how many alerts each digest held
	when     []time.Time // when each was told
	accounts int
}

func newPlace(r storm.Rules) *place {
	return &place{rules: r, due: map[string]time.Time{}, holds: map[string]int{}}
}

func (p *place) id() string { p.ids++; return fmt.Sprint("id", p.ids) }

// tell tells what is due by now.
func (p *place) tell(now time.Time) {
	for id, due := range p.due {
		if !due.After(now) {
			p.told, p.when = append(p.told, p.holds[id]), append(p.when, due)
			p.accounts += p.holds[id]
			delete(p.due, id)
		}
	}
}

func (p *place) take(t *testing.T, kind string, now time.Time) storm.Verdict {
	t.Helper()
	p.tell(now)
	v := p.Take(p.rules, kind, now, func(id string) bool { _, ok := p.due[id]; return ok }, p.id)
	if !v.Collected {
		p.single++
		p.accounts++
		return v
	}
	if _, ok := p.due[v.Digest]; ok == v.New || v.Due.Before(now) {
		t.Fatalf("%+v at %s", v, now)
	}
	p.due[v.Digest] = v.Due
	p.holds[v.Digest]++
	return v
}

func TestAStorm(t *testing.T) {
	t.Run("of 2,800 alerts within a second is a handful of messages, and each alert is in one", func(t *testing.T) {
		p := newPlace(storm.Default())
		for i := range 2800 {
			p.take(t, "source:n", began.Add(time.Duration(i)*time.Second/2800))
		}
		p.tell(began.Add(time.Hour))
		if p.single != 5 || len(p.told) != 1 || p.accounts != 2800 {
			t.Errorf("%d one by one, %d together, %d in all", p.single, len(p.told), p.accounts)
		}
		if wait := p.when[0].Sub(began); wait > 12*time.Second {
			t.Errorf("told together after %s", wait)
		}
	})
	t.Run("that does not end is told anew now and then", func(t *testing.T) {
		p := newPlace(storm.Default())
		for i := range 3600 {
			p.take(t, "source:n", began.Add(time.Duration(i)*time.Second))
		}
		p.tell(began.Add(2 * time.Hour))
		if p.accounts != 3600 || p.single != 5 || len(p.told) > 61 || len(p.told) < 50 {
			t.Errorf("%d one by one, %d together, %d in all", p.single, len(p.told), p.accounts)
		}
		for i := 1; i < len(p.when); i++ {
			if gap := p.when[i].Sub(p.when[i-1]); gap < 30*time.Second {
				t.Errorf("told again after %s", gap)
			}
		}
	})
	t.Run("holds up nothing of another kind", func(t *testing.T) {
		p := newPlace(storm.Default())
		for i := range 1000 {
			p.take(t, "source:n", began.Add(time.Duration(i)*time.Millisecond))
		}
		for i := range 50 {
			if v := p.take(t, fmt.Sprint("source:", i), began.Add(2*time.Second)); v.Collected || !v.First {
				t.Fatalf("the first of kind %d: %+v", i, v)
			}
		}
	})
	t.Run("is over when nothing came for long enough, and what comes then is told at once", func(t *testing.T) {
		p := newPlace(storm.Default())
		for range 10 {
			p.take(t, "source:n", began)
		}
		if over, next := p.Calm(p.rules, began.Add(299*time.Second)); over != nil || !next.Equal(began.Add(300*time.Second)) {
			t.Errorf("%v, next %s", over, next)
		}
		over, next := p.Calm(p.rules, began.Add(300*time.Second))
		if len(over) != 1 || over[0].ID == "" || !next.IsZero() {
			t.Errorf("%v, next %s", over, next)
		}
		if v := p.take(t, "source:n", began.Add(301*time.Second)); v.Collected {
			t.Errorf("%+v", v)
		}
	})
	t.Run("is kept as JSON between two messages", func(t *testing.T) {
		a, b := newPlace(storm.Default()), newPlace(storm.Default())
		for i := range 500 {
			now := began.Add(time.Duration(rand.IntN(3)*i) * time.Second)
			kind := fmt.Sprint(rand.IntN(4))
			if x, y := a.take(t, kind, now), b.take(t, kind, now); x != y {
				t.Fatalf("%+v, but kept %+v", x, y)
			}
			text, err := json.Marshal(b.Pace)
			b.Pace = storm.Pace{}
			if err != nil || json.Unmarshal(text, &b.Pace) != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestWhatComesNowAndThenIsToldOneByOne(t *testing.T) {
	p := newPlace(storm.Default())
	for i := range 1000 {
		if v := p.take(t, "source:n", began.Add(time.Duration(i)*30*time.Second)); v.Collected {
			t.Fatalf("alert %d: %+v", i, v)
		}
	}
}

// The limit is smooth: however many come in an hour, all are told, none of them
// late, and the messages are never many more than refilling allows.
func TestTheLimitIsNoCliff(t *testing.T) {
	for n := 1; n < 2000; n += 17 {
		p := newPlace(storm.Default())
		for i := range n {
			now := began.Add(time.Duration(i) * time.Hour / time.Duration(n))
			if v := p.take(t, "source:n", now); v.Collected && v.Due.Sub(now) > 60*time.Second {
				t.Fatalf("%d alerts: number %d is told %s later", n, i, v.Due.Sub(now))
			}
		}
		p.tell(began.Add(2 * time.Hour))
		if messages := p.single + len(p.told); p.accounts != n || messages > 190 {
			t.Errorf("%d alerts: %d messages for %d", n, messages, p.accounts)
		}
	}
}

func TestAPlaceIsBounded(t *testing.T) {
	p := newPlace(storm.Default())
	for i := range 5000 {
		p.take(t, fmt.Sprint("host:", i), began.Add(time.Duration(i)*time.Millisecond))
	}
	if len(p.Kinds) > storm.MaxKinds+1 {
		t.Errorf("%d kinds are remembered", len(p.Kinds))
	}
	p.tell(began.Add(time.Hour))
	if p.accounts != 5000 || len(p.told) > 2 {
		t.Errorf("%d told together, %d in all", len(p.told), p.accounts)
	}
}

func TestKinds(t *testing.T) {
	o := &alert.Object{SourceID: "s1", Host: "DB01", Service: "disk", Labels: map[string]string{"team": "core"}}
	for by, want := range map[string]string{"source": "source:s1", "host": "host:s1/db01", "label:team": "label:team=core", "label:room": "source:s1"} {
		r := storm.Default()
		r.By = by
		if got := r.Kind(o); got != want {
			t.Errorf("%s: %q, want %q", by, got, want)
		}
	}
}

func TestWhatAreNoRulesIsRefused(t *testing.T) {
	if err := storm.Default().Validate(); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*storm.Rules){
		"by": func(r *storm.Rules) { r.By = "weather" }, "burst": func(r *storm.Rules) { r.Burst = 0 }, "refill": func(r *storm.Rules) { r.Refill = -1 },
		"at_most": func(r *storm.Rules) { r.AtMost = r.Wait - 1 }, "calm": func(r *storm.Rules) { r.CalmFor = 1e9 },
	} {
		r := storm.Default()
		change(&r)
		var fe *contact.FieldError
		if err := r.Validate(); !errors.As(err, &fe) || fe.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
