package publish_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// naive is the uptime of a time by the plainest way there is: no days, no zone.
func naive(list []status.Interval, from, now time.Time) (hundredths int) {
	var sums [5]int64
	for _, i := range list {
		begin, end := max(i.Start.Unix(), from.Unix()), now.Unix()
		if !i.End.IsZero() {
			end = min(end, i.End.Unix())
		}
		if end > begin {
			sums[i.State.Rank()] += end - begin
		}
	}
	var all int64
	for _, n := range sums {
		all += n
	}
	return int((10*all - 3*sums[status.Partial.Rank()] - 10*sums[status.Major.Rank()]) * 10_000 / (10 * all))
}

// life is how a component did for some years, in intervals that touch.
func life(rnd *rand.Rand, from, to time.Time) (list []status.Interval) {
	at := from
	for at.Before(to) {
		s := status.Operational
		lasts := time.Duration(rnd.Int64N(int64(12 * 24 * time.Hour)))
		if len(list) > 0 && list[len(list)-1].State == status.Operational {
			s = status.States()[1+rnd.IntN(4)]
			lasts = time.Duration(rnd.Int64N(int64(30 * time.Hour)))
		}
		end := at.Add(lasts).Truncate(time.Millisecond)
		if !end.After(at) {
			continue
		}
		list = append(list, status.Interval{State: s, Start: at, End: end, By: "test"})
		at = end
	}
	list[len(list)-1].End = time.Time{}
	return list
}

func TestUptimeIsExactOverFiveYears(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		rnd := rand.New(rand.NewPCG(5, 6))
		berlin, err := time.LoadLocation("Europe/Berlin")
		must(t, err)
		from := time.Date(2021, 11, 20, 8, 0, 0, 0, time.UTC)
		now := begin.Add(3*time.Hour + 4*time.Minute + 5*time.Second)
		*r.clock = from
		page, err := r.desk.SavePage(ctx, mira, status.Page{Slug: "old", Name: "Old", Zone: "Europe/Berlin"})
		must(t, err)
		r.page = page
		lives := map[string][]status.Interval{}
		for range 12 {
			lives[r.component("c").ID] = life(rnd, from, now)
		}
		// What happened comes year by year, days are closed now and then, and what is
		// no longer needed is pruned.
		written := from
		for *r.clock = from; written.Before(now); *r.clock = written {
			written = written.Add(time.Duration(rnd.Int64N(int64(400 * 24 * time.Hour))))
			if written.After(now) {
				written = now
			}
			until := written
			must(t, r.db.ChangePage(ctx, page.ID, func(ctx context.Context, tx publish.Tx) error {
				for id, list := range lives {
					var part []status.Interval
					for _, i := range list {
						if !i.Start.Before(until) {
							continue
						}
						if i.End.After(until) {
							i.End = time.Time{}
						}
						part = append(part, i)
					}
					have, err := tx.Intervals(ctx, id, time.Time{})
					if err != nil {
						return err
					}
					begin := have[id][0].Start
					part = slices.DeleteFunc(part, func(i status.Interval) bool { return i.Start.Before(begin) })
					if err := tx.PutIntervals(ctx, id, begin, part); err != nil {
						return err
					}
				}
				return nil
			}))
			*r.clock = until
			r.tick()
			_, err := r.db.PruneStatus(ctx, until.AddDate(0, 0, -30), 1_000_000)
			must(t, err)
		}
		rec := r.record()
		today, _, err := status.DayBounds(now.In(berlin).Format(status.DateFormat), berlin)
		must(t, err)
		bars := today.In(berlin).AddDate(0, 0, 1-status.BarDays)
		shown := status.Take(rec, berlin, now)
		for _, v := range shown.Groups[0].Components {
			same(t, "uptime of the bars", v.Uptime, naive(lives[v.ID], bars, now))
		}
		all, err := r.db.StatusDays(ctx, page.ID, "2000-01-01", "2100-01-01")
		must(t, err)
		same(t, "components", len(all), len(lives))
		for _, id := range slices.Sorted(maps.Keys(all)) {
			days := all[id]
			same(t, "days", len(days), int(today.Sub(from).Hours()/24)+1)
			got, known := status.Uptime(days, status.DefaultWeights())
			same(t, "known", known, true)
			same(t, "uptime of all days", got, naive(lives[id], from, today))
			seconds := 0
			for _, d := range days {
				begin, end, err := status.DayBounds(d.Date, berlin)
				must(t, err)
				sum := 0
				for _, n := range d.Seconds {
					sum += n
				}
				same(t, d.Date, sum, int(end.Unix()-begin.Unix()))
				seconds += sum - d.Seconds[status.NoData]
			}
			same(t, "seconds", seconds, int(today.Unix()-from.Unix()))
		}
		left := 0
		for id := range lives {
			list, err := r.db.StatusIntervals(ctx, id, time.Time{})
			must(t, err)
			left += len(list)
			if len(list) >= len(lives[id])/4 {
				t.Errorf("%d intervals of %d are kept", len(list), len(lives[id]))
			}
		}
		same(t, "intervals are left", left > 0, true)
	})
}
