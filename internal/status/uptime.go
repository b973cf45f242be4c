package status

import (
	"fmt"
	"time"
)

// DateFormat is how a day is written.
const DateFormat = "2006-01-02"

// DefaultWeights are how much of the time in a state counts as down, in tenths:
// a partial outage as three, a major one as ten, all else not at all. Time for
// which there is no data counts neither way.
func DefaultWeights() map[State]int { return map[State]int{Partial: 3, Major: 10} }

// Days cuts the intervals of one component into days of a zone: those that began
// on or after the day of from and are begun by now. Intervals are in order and
// do not overlap; one without End lasts until now. What nobody recorded is
// NoData. A day has as many seconds as its zone gives it, 23 to 25 hours, and
// today those that have passed; the parts of a day always add up to it.
func Days(componentID string, intervals []Interval, zone *time.Location, from, now time.Time) []Day {
	var out []Day
	from = from.In(zone)
	begin := dayStart(from.Year(), from.Month(), from.Day(), zone)
	next := 0
	for begin.Before(now) {
		end := midnightAfter(begin)
		d := Day{ComponentID: componentID, Date: begin.Format(DateFormat), Seconds: map[State]int{}}
		until := end
		if now.Before(end) {
			until = now
		}
		for next < len(intervals) && !intervals[next].until(now).After(begin) {
			next++
		}
		known := 0
		for i := next; i < len(intervals) && intervals[i].Start.Before(until); i++ {
			n := seconds(later(begin, intervals[i].Start), earlier(until, intervals[i].until(now)))
			if n > 0 {
				d.Seconds[intervals[i].State] += n
				known += n
			}
		}
		if rest := seconds(begin, until) - known; rest > 0 {
			d.Seconds[NoData] = rest
		}
		d.Worst = worstOf(d.Seconds)
		out = append(out, d)
		begin = end
	}
	return out
}

// dayStart is the first moment of the date that the numbers make: not midnight
// where clocks are put forward then.
func dayStart(year int, month time.Month, day int, zone *time.Location) time.Time {
	t := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if want := time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Format(DateFormat); t.Format(DateFormat) < want {
		_, t = t.ZoneBounds()
	}
	return t
}

// midnightAfter is the beginning of the next day. One zone has lost a whole day:
// then it is that of the one after.
func midnightAfter(t time.Time) time.Time {
	for n := 1; ; n++ {
		next := dayStart(t.Year(), t.Month(), t.Day()+n, t.Location())
		if next.After(t) && next.Format(DateFormat) != t.Format(DateFormat) {
			return next
		}
	}
}

func (i Interval) until(now time.Time) time.Time {
	if i.End.IsZero() || i.End.After(now) {
		return now
	}
	return i.End
}

// seconds counts whole seconds by the wall of Unix time, so that neighbours
// share none and lose none.
func seconds(from, to time.Time) int { return int(max(0, to.Unix()-from.Unix())) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func worstOf(parts map[State]int) State {
	worst, known := Operational, false
	for s, n := range parts {
		if n == 0 || s == NoData {
			continue
		}
		known = true
		worst = Worst(worst, s)
	}
	if !known {
		return NoData
	}
	return worst
}

// Uptime is the share of the known time that was not down, in hundredths of a
// percent (9998 is 99.98 %), rounded down so that it never flatters: 10000 only
// when nothing was down at all. ok is false when nothing is known.
func Uptime(days []Day, weights map[State]int) (hundredths int, ok bool) {
	var t Tally
	for i := range days {
		t.Add(&days[i], weights)
	}
	return t.Uptime()
}

// lastDates are n dates up to today, in order; nil when it is no date.
func lastDates(today string, n int) []string {
	last, err := time.Parse(DateFormat, today)
	if err != nil {
		return nil
	}
	dates := make([]string, n)
	for i := range dates {
		dates[i] = last.AddDate(0, 0, i+1-n).Format(DateFormat)
	}
	return dates
}

// merge answers a list of dates: frozen days as they were written down, the others
// from intervals, and NoData for days before all of them. All are in order. A page of
// many components has the same dates for each.
func merge(frozen, counted []Day, dates []string) []Day {
	out := make([]Day, len(dates))
	for i, date := range dates {
		for len(frozen) > 0 && frozen[0].Date < date {
			frozen = frozen[1:]
		}
		for len(counted) > 0 && counted[0].Date < date {
			counted = counted[1:]
		}
		switch {
		case len(frozen) > 0 && frozen[0].Date == date: // what was closed stays as it was said
			out[i] = frozen[0]
		case len(counted) > 0 && counted[0].Date == date:
			out[i] = counted[0]
		default:
			out[i] = Day{Date: date, Worst: NoData}
		}
	}
	return out
}

// DayBounds are the first moment of a date in a zone and that of the next day.
func DayBounds(date string, zone *time.Location) (from, to time.Time, err error) {
	d, err := time.Parse(DateFormat, date)
	if err != nil {
		return from, to, fmt.Errorf("read the date %q: %w", date, err)
	}
	from = dayStart(d.Year(), d.Month(), d.Day(), zone)
	return from, midnightAfter(from), nil
}
