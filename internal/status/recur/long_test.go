package recur_test

import (
	"testing"
	"time"

	"tocsin/internal/status/recur"
)

// What began long ago has more dates than are looked at, and comes again all the same;
// on the same dates as one that is followed from its beginning.
func TestARuleThatBeganLongAgo(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, text := range []string{"FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU", "FREQ=WEEKLY;INTERVAL=5;WKST=SU;BYDAY=SU,MO", "FREQ=DAILY;INTERVAL=7;BYMONTH=1,12", "FREQ=DAILY;UNTIL=20261225T000000Z"} {
		for _, year := range []int{1971, 1990, 2005, 2026} {
			first := time.Date(year, 3, 1, 23, 30, 0, 0, time.UTC)
			r, err := recur.ParseLocal(text, time.UTC, first)
			if err != nil {
				t.Fatal(err)
			}
			counted, err := recur.ParseLocal(text, time.UTC, first)
			if err != nil {
				t.Fatal(err)
			}
			got := r.After(now, 6)
			if len(got) == 0 {
				t.Errorf("%s since %d never comes", text, year)
				continue
			}
			// From its beginning on, a year at a time, which leaves nothing out.
			var want []time.Time
			for at := first.Add(-time.Hour); len(want) < len(got) && at.Year() < 2035; {
				next := counted.After(at, 1)
				if len(next) == 0 {
					break
				}
				if at = next[0]; at.After(now) {
					want = append(want, at)
				}
			}
			for i := range got {
				if i >= len(want) || !got[i].Equal(want[i]) {
					t.Errorf("%s since %d: %v, step by step %v", text, year, got, want)
					break
				}
			}
		}
	}
}
