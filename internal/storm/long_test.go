package storm_test

import (
	"fmt"
	"testing"
	"time"

	"tocsin/internal/storm"
)

// A message of a storm is made of all that the storm was, so a storm has parts.
func TestALongStormGoesOnInPartsOfWhichEachIsBounded(t *testing.T) {
	p := newPlace(storm.Default())
	rows, digests := map[string]int{}, map[string]bool{}
	read := 0
	for i := range 8 * 3600 * 2 { // for eight hours, two a second
		now := began.Add(time.Duration(i) * time.Second / 2)
		if v := p.take(t, "source:n", now); v.Collected {
			rows[v.Storm]++
			if !digests[v.Digest] {
				digests[v.Digest] = true
				read += rows[v.Storm] // by the one before
			}
			if s := p.Find(v.Storm); s == nil || s.Began.After(now) {
				t.Fatalf("nothing is known of %s", v.Storm)
			}
		}
	}
	for id, n := range rows {
		if n > storm.MaxPart+200 {
			t.Errorf("%d in %s", n, id)
		}
	}
	if len(rows) < 10 || len(rows) > 40 || read > 8*3600*2*20 {
		t.Errorf("%d parts, and %d rows read", len(rows), read)
	}
}

func TestAClockThatIsSetBackKeepsNothingWaiting(t *testing.T) {
	p := newPlace(storm.Default())
	for i := range 10 { // the clock is an hour fast
		p.take(t, "source:n", began.Add(time.Hour+time.Duration(i)*time.Millisecond))
	}
	p.due, p.holds = map[string]time.Time{}, map[string]int{} // what was due by that clock is another matter
	for i := range 5 {
		v := p.take(t, "source:n", began.Add(time.Duration(i)*time.Second))
		if v.Collected && v.Due.After(began.Add(2*time.Minute)) {
			t.Errorf("%d is told at %s", i, v.Due)
		}
	}
	p.tell(began.Add(2 * time.Minute))
	over, _ := p.Calm(storm.Rules{}, began.Add(10*time.Minute))
	if len(over) != 1 {
		t.Errorf("the storm does not end: %+v", p.Kinds)
	}
	if v := p.take(t, "source:n", began.Add(11*time.Minute)); v.Collected {
		t.Errorf("%+v when it is long calm", v)
	}
}

func TestAMessageThatCollectsWhenTheClockIsSetBackIsToldSoon(t *testing.T) {
	p := newPlace(storm.Default())
	for i := range 7 {
		p.take(t, "source:n", began.Add(time.Hour+time.Duration(i)*time.Millisecond))
	}
	if v := p.take(t, "source:n", began); !v.Collected || v.New || v.Due.After(began.Add(time.Minute)) {
		t.Errorf("%+v", v)
	}
}

// Nobody takes the messages for a browser that is closed.
func TestAMessageThatNobodyTakesGoesOnCollecting(t *testing.T) {
	p := storm.Pace{}
	ids := 0
	for i := range 3600 {
		now := began.Add(time.Duration(i) * time.Second)
		v := p.Take(storm.Default(), "source:n", now, func(string) bool { return true }, func() string { ids++; return fmt.Sprint(ids) })
		if v.Collected {
			if v.Due.Before(now) {
				t.Fatalf("due %s at %s", v.Due, now)
			}
		}
	}
	if ids != 2 { // a storm and its digest
		t.Errorf("%d ids", ids)
	}
	if got := p.Digests(nil, began.Add(2*time.Hour), true); len(got) != 1 {
		t.Errorf("%v may still collect", got)
	}
	if got := p.Digests(nil, began.Add(2*time.Hour), false); len(got) != 0 {
		t.Errorf("%v may still collect where messages are taken when they are due", got)
	}
}
