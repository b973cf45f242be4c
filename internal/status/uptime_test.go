package status_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"tocsin/internal/status"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func at(t *testing.T, z *time.Location, text string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04:05", text, z)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestADayHasAsManySecondsAsItsZoneGivesIt(t *testing.T) {
	for _, c := range []struct {
		zone, date string
		hours      float64
	}{
		{"Europe/Berlin", "2026-03-29", 23},
		{"Europe/Berlin", "2026-10-25", 25},
		{"Europe/Berlin", "2026-06-01", 24},
		{"America/New_York", "2026-03-08", 23},
		{"Australia/Lord_Howe", "2026-04-05", 24.5},
		{"Australia/Lord_Howe", "2026-10-04", 23.5},
		{"America/Havana", "2026-03-08", 23}, // has no midnight that day
		{"UTC", "2026-03-29", 24},
	} {
		z := zone(t, c.zone)
		day, err := time.ParseInLocation(status.DateFormat, c.date, z)
		if err != nil {
			t.Fatal(err)
		}
		noon := day.Add(12 * time.Hour)
		days := status.Days("c", []status.Interval{{State: status.Operational, Start: noon.AddDate(0, 0, -3)}}, z, noon, noon.AddDate(0, 0, 3))
		if days[0].Date != c.date {
			t.Errorf("%s: begins with %s, not %s", c.zone, days[0].Date, c.date)
		}
		if got, want := days[0].Seconds[status.Operational], int(c.hours*3600); got != want || days[0].Seconds[status.NoData] != 0 {
			t.Errorf("%s %s: %d seconds, not %d; %v", c.zone, c.date, got, want, days[0].Seconds)
		}
	}
}

func TestALostDayIsNoDay(t *testing.T) {
	z := zone(t, "Pacific/Apia") // went from 29 to 31 December 2011
	days := status.Days("c", []status.Interval{{State: status.Major, Start: at(t, z, "2011-12-28 12:00:00")}}, z,
		at(t, z, "2011-12-28 00:00:00"), at(t, z, "2012-01-01 12:00:00"))
	var dates []string
	for _, d := range days {
		dates = append(dates, d.Date)
	}
	want := []string{"2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"}
	if len(dates) != len(want) {
		t.Fatalf("%v", dates)
	}
	for i := range want {
		if dates[i] != want[i] {
			t.Errorf("%v", dates)
		}
	}
}

// naive looks at every second.
func naive(intervals []status.Interval, from, to time.Time) map[status.State]int {
	out := map[status.State]int{}
	for s := from.Unix(); s < to.Unix(); s++ {
		state := status.NoData
		for _, i := range intervals {
			if s >= i.Start.Unix() && (i.End.IsZero() || s < i.End.Unix()) {
				state = i.State
			}
		}
		out[state]++
	}
	return out
}

func TestDaysAreWhatCountingEverySecondGives(t *testing.T) {
	z := zone(t, "Europe/Berlin")
	r := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		start := at(t, z, "2026-10-23 00:00:00").Add(time.Duration(r.IntN(86400)) * time.Second)
		now := start.Add(time.Duration(86400+r.IntN(3*86400)) * time.Second)
		var all []status.Interval
		for begin := start; begin.Before(now); {
			end := begin.Add(time.Duration(1+r.IntN(40000)) * time.Second)
			i := status.Interval{State: status.States()[r.IntN(5)], Start: begin, End: end}
			if !end.Before(now) {
				i.End = time.Time{}
			}
			all = append(all, i)
			begin = end.Add(time.Duration(max(0, r.IntN(4000)-3000)) * time.Second) // sometimes nothing is known
		}
		from := start.AddDate(0, 0, -1)
		days := status.Days("c", all, z, from, now)
		got, begin := map[status.State]int{}, time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, z)
		for _, d := range days {
			for s, n := range d.Seconds {
				got[s] += n
			}
		}
		want := naive(all, begin, now)
		for _, s := range append(status.States(), status.NoData) {
			if got[s] != want[s] {
				t.Errorf("%s: %d seconds, counted %d", s, got[s], want[s])
			}
		}
		known, down := 0, 0
		for s, n := range want {
			if s != status.NoData {
				known += n
				down += n * status.DefaultWeights()[s]
			}
		}
		up, ok := status.Uptime(days, status.DefaultWeights())
		if !ok || up != (known*10-down)*10000/(known*10) {
			t.Errorf("uptime %d of %d known and %d tenths down", up, known, down)
		}
	}
}

func TestUptimeNeverFlatters(t *testing.T) {
	year := []status.Day{{Seconds: map[status.State]int{status.Operational: 365*86400 - 1, status.Major: 1}}}
	if up, ok := status.Uptime(year, status.DefaultWeights()); !ok || up != 9999 {
		t.Errorf("a second of outage in a year is %d, %t", up, ok)
	}
	if _, ok := status.Uptime([]status.Day{{Seconds: map[status.State]int{status.NoData: 86400}}}, status.DefaultWeights()); ok {
		t.Error("no data at all is an uptime")
	}
	if up, _ := status.Uptime([]status.Day{{Seconds: map[status.State]int{status.Maintained: 3600, status.Operational: 82800}}}, status.DefaultWeights()); up != 10000 {
		t.Errorf("maintenance counts as down: %d", up)
	}
}

func TestFrozenDaysStay(t *testing.T) {
	frozen := []status.Day{{Date: "2026-11-20", Worst: status.Major, Seconds: map[status.State]int{status.Major: 86400}}}
	counted := []status.Day{
		{Date: "2026-11-20", Worst: status.NoData, Seconds: map[status.State]int{status.NoData: 86400}}, // its intervals were pruned
		{Date: "2026-11-22", Worst: status.Operational, Seconds: map[status.State]int{status.Operational: 10}},
	}
	days := status.Merge(frozen, counted, "2026-11-22", 4)
	for i, want := range []status.State{status.NoData, status.Major, status.NoData, status.Operational} {
		if days[i].Worst != want {
			t.Errorf("day %s is %s, not %s", days[i].Date, days[i].Worst, want)
		}
	}
}
