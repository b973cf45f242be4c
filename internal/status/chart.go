package status

import "time"

// ChartMonths is for how long charts go back.
const ChartMonths = 12

// Tally adds up what was known of days and what of that was down, exactly. It may
// be of several components: each counts by the time that is known of it.
type Tally struct {
	known int64 // seconds
	down  int64 // tenths of a second
}

// Add counts a day.
func (t *Tally) Add(d *Day, weights map[State]int) {
	for s, n := range d.Seconds {
		if s != NoData {
			t.known += int64(n)
			t.down += int64(n) * int64(weights[s])
		}
	}
}

// Plus counts what another one has.
func (t *Tally) Plus(o Tally) {
	t.known += o.known
	t.down += o.down
}

// Uptime is as the function of that name has it.
func (t *Tally) Uptime() (hundredths int, ok bool) {
	if t.known == 0 {
		return 0, false
	}
	return int((t.known*10 - t.down) * 10000 / (t.known * 10)), true
}

// Down is for how many seconds it was down in all, by weight.
func (t *Tally) Down() int { return int(t.down / 10) }

// Week is seven days of a chart, from a Monday on; of the last one those that are
// over.
type Week struct {
	From, To time.Time // dates, both included
	Tally
}

// Weeks are those of the months up to the date last, empty yet. Nil when it is no date.
func Weeks(last string, months int) []Week {
	end, err := time.Parse(DateFormat, last)
	if err != nil {
		return nil
	}
	from := end.AddDate(0, -months, 1)
	from = from.AddDate(0, 0, -(int(from.Weekday())+6)%7)
	var out []Week
	for ; !from.After(end); from = from.AddDate(0, 0, 7) {
		w := Week{From: from, To: from.AddDate(0, 0, 6)}
		if w.To.After(end) {
			w.To = end
		}
		out = append(out, w)
	}
	return out
}

// Chart is how available components were, week by week.
type Chart struct {
	Weeks []Week             // without figures
	Of    map[string][]Tally // by component, one for each week
}

// ChartOf makes the chart of closed days by component, up to the date last.
func ChartOf(days map[string][]Day, last string) Chart {
	c := Chart{Weeks: Weeks(last, ChartMonths), Of: make(map[string][]Tally, len(days))}
	// Dates are compared as texts, and each is parsed once, however many components
	// have it.
	index := make(map[string]int, 7*len(c.Weeks))
	for i, w := range c.Weeks {
		for d := w.From; !d.After(w.To); d = d.AddDate(0, 0, 1) {
			index[d.Format(DateFormat)] = i
		}
	}
	weights := DefaultWeights()
	for id, list := range days {
		sums := make([]Tally, len(c.Weeks))
		for i := range list {
			if at, ok := index[list[i].Date]; ok {
				sums[at].Add(&list[i], weights)
			}
		}
		c.Of[id] = sums
	}
	return c
}

// For answers the weeks of some components together.
func (c *Chart) For(ids ...string) []Week {
	out := make([]Week, len(c.Weeks))
	copy(out, c.Weeks)
	for _, id := range ids {
		for i, t := range c.Of[id] {
			out[i].Plus(t)
		}
	}
	return out
}
