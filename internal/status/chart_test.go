package status_test

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"tocsin/internal/status"
)

func TestAChartHasTheWeeksOfAYear(t *testing.T) {
	for last, want := range map[string]struct {
		weeks    int
		from, to string // of the last week
	}{
		"2026-11-22": {53, "2026-11-16", "2026-11-22"}, // a Sunday
		"2026-11-23": {53, "2026-11-23", "2026-11-23"}, // a Monday
		"2024-02-29": {53, "2024-02-26", "2024-02-29"},
	} {
		weeks := status.Weeks(last, status.ChartMonths)
		end := weeks[len(weeks)-1]
		if len(weeks) != want.weeks || end.From.Format(status.DateFormat) != want.from || end.To.Format(status.DateFormat) != want.to {
			t.Errorf("%s: %d weeks, the last from %v to %v", last, len(weeks), end.From, end.To)
		}
		for i, w := range weeks {
			if w.From.Weekday() != time.Monday || i > 0 && !w.From.Equal(weeks[i-1].To.AddDate(0, 0, 1)) {
				t.Errorf("%s: week %d begins on %v", last, i, w.From)
			}
		}
	}
	if status.Weeks("no date", 12) != nil {
		t.Error("weeks up to no date")
	}
}

func TestAChartIsExact(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	states := append(status.States(), status.NoData)
	days := map[string][]status.Day{}
	from, to := time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for _, id := range []string{"a", "b", "c"} {
		for d := from; !d.After(to); d = d.AddDate(0, 0, 1) {
			day := status.Day{Date: d.Format(status.DateFormat), Seconds: map[status.State]int{}}
			for left := 86400; left > 0; {
				n := 1 + rnd.IntN(left)
				day.Seconds[states[rnd.IntN(len(states))]] += n
				left -= n
			}
			days[id] = append(days[id], day)
		}
	}
	chart := status.ChartOf(days, to.Format(status.DateFormat))
	for _, ids := range [][]string{{"a"}, {"b", "c"}, {"a", "b", "c", "none"}} {
		for _, w := range chart.For(ids...) {
			known, down := new(big.Rat), new(big.Rat)
			for _, id := range ids {
				for _, d := range days[id] {
					if d.Date < w.From.Format(status.DateFormat) || d.Date > w.To.Format(status.DateFormat) {
						continue
					}
					for s, n := range d.Seconds {
						if s != status.NoData {
							known.Add(known, big.NewRat(int64(n), 1))
						}
						switch s {
						case status.Partial:
							down.Add(down, big.NewRat(3*int64(n), 10))
						case status.Major:
							down.Add(down, big.NewRat(int64(n), 1))
						}
					}
				}
			}
			share := new(big.Rat).Mul(new(big.Rat).Quo(new(big.Rat).Sub(known, down), known), big.NewRat(10000, 1))
			want := new(big.Int).Quo(share.Num(), share.Denom())
			if got, ok := w.Uptime(); !ok || int64(got) != want.Int64() {
				t.Fatalf("%v from %v: %d, not %v", ids, w.From, got, want)
			}
			seconds := new(big.Int).Quo(down.Num(), down.Denom())
			if int64(w.Down()) != seconds.Int64() {
				t.Fatalf("%v from %v: down for %d s, not %v", ids, w.From, w.Down(), seconds)
			}
		}
	}
}
