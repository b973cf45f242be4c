package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"syscall"
	"time"

	"tocsin/bench/table"
	"tocsin/internal/markdown"
	"tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/store"
	public "tocsin/internal/web/page"
)

const (
	smallParts   = 50
	historyYears = 5
	old          = 500 // incidents that are over
	// A component is well for a month and a half, more or less, then not for some
	// hours.
	longestWell = 90 * 24 * time.Hour
	longestIll  = 6 * time.Hour
)

// zoneName has daylight saving: a day of it may have 23 or 25 hours.
const zoneName = "Europe/Berlin"

var groupNames = []string{"Website", "Payments", "Accounts", "Mobile apps", "Interfaces", "Back office"}

// fill makes the page of the load: 50 components, 90 days, 3 open incidents.
func fill(ctx context.Context, db *store.DB) error {
	now := time.Now().Truncate(time.Millisecond)
	_, err := history(ctx, db, smallParts, now, now.AddDate(0, 0, -status.BarDays), 20)
	return err
}

// history fills a page with components, each with intervals since from, of which
// the days are closed as the program closes them, and answers the intervals.
func history(ctx context.Context, db *store.DB, parts int, now, from time.Time, over int) (map[string][]status.Interval, error) {
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		return nil, fmt.Errorf("zone: %w", err)
	}
	p := status.Page{ID: "main", Slug: "main", Main: true, Name: "Sandbank Online", Language: "en", Zone: zoneName, Created: from}
	if err := db.ChangePage(ctx, "", func(ctx context.Context, tx publish.Tx) error { return tx.SavePage(ctx, &p) }); err != nil {
		return nil, fmt.Errorf("make a page: %w", err)
	}
	rnd := rand.New(rand.NewPCG(11, 12))
	all := make(map[string][]status.Interval, parts)
	today := now.In(zone)
	closed := time.Date(today.Year(), today.Month(), today.Day(), 0, 0, 0, 0, zone)
	first := "" // component
	err = db.ChangePage(ctx, p.ID, func(ctx context.Context, tx publish.Tx) error {
		for g, name := range groupNames {
			if err := tx.SaveGroup(ctx, &status.Group{ID: fmt.Sprint("g", g), PageID: p.ID, Name: name, Position: g, Created: from}); err != nil {
				return err //nolint:wrapcheck // wrapped below
			}
		}
		for n := range parts {
			// As long, and as hard to pack, as real ones.
			id := fmt.Sprintf("0198f2c4-%04x-7%03x-8%03x-%04x%08x", n, rnd.IntN(1<<12), rnd.IntN(1<<12), rnd.IntN(1<<16), rnd.Uint32())
			if n == 0 {
				first = id
			}
			all[id] = intervals(rnd, id, from, now)
			c := status.Component{ID: id, PageID: p.ID, GroupID: fmt.Sprint("g", n%len(groupNames)), Name: fmt.Sprintf("Service %04d", n), Position: n,
				State: all[id][len(all[id])-1].State, Since: from, Created: from}
			days := status.Days(id, all[id], zone, from, closed)
			if err := errors.Join(tx.SaveComponent(ctx, &c), tx.PutIntervals(ctx, id, from, all[id]), tx.SaveDays(ctx, days)); err != nil {
				return err //nolint:wrapcheck // wrapped below
			}
		}
		for n := range over + 3 {
			at := from.Add(time.Duration(n) * now.Sub(from) / time.Duration(over+4)).Truncate(time.Millisecond)
			i := status.Incident{ID: fmt.Sprint("old", n), PageID: p.ID, Title: "Sign-in did not work", Phase: status.Resolved, Impact: status.ImpactMinor,
				Started: at, ResolvedAt: at.Add(time.Hour), Created: at, Components: []string{first}}
			if n >= over {
				i.ID, i.Title, i.Phase = fmt.Sprint("i", n-over), "Card payments are refused", status.Identified
				i.Started, i.Impact, i.ResolvedAt = now.Add(-time.Hour), status.ImpactMajor, time.Time{}
			}
			u := status.Update{ID: "u" + i.ID, Phase: i.Phase, Body: "A switch is being **replaced**, see [details](https://example.com).", At: i.Started, Posted: i.Started}
			if err := errors.Join(tx.SaveIncident(ctx, &i), tx.SaveUpdate(ctx, i.ID, &u)); err != nil {
				return err //nolint:wrapcheck // wrapped below
			}
		}
		return errors.Join(tx.Close(ctx, closed.AddDate(0, 0, -1).Format(status.DateFormat)), tx.Raise(ctx))
	})
	if err != nil {
		return nil, fmt.Errorf("fill a page: %w", err)
	}
	return all, nil
}

// intervals are a component's states, mostly good, of any length.
func intervals(rnd *rand.Rand, id string, from, now time.Time) []status.Interval {
	var out []status.Interval
	at, state := from.Add(time.Duration(rnd.IntN(5))*24*time.Hour), status.Operational // the first days of some are not known
	for at.Before(now) {
		d := time.Duration(rnd.Int64N(int64(longestWell)))
		if state != status.Operational {
			d = time.Duration(rnd.Int64N(int64(longestIll)))
		}
		end := at.Add(d).Truncate(time.Millisecond)
		out = append(out, status.Interval{ComponentID: id, State: state, Start: at, End: end, By: "alert Disk on db01"})
		if at = end; state == status.Operational {
			state = status.States()[1+rnd.IntN(4)]
		} else {
			state = status.Operational
		}
	}
	out[len(out)-1].End = time.Time{}
	return out
}

// years measures a page with five years behind it, on both databases.
func (l *lab) years(ctx context.Context, w io.Writer) error {
	address, err := l.o.Postgres(ctx)
	if err != nil {
		return err
	}
	t := table.Table{Head: []string{fmt.Sprintf("%d components, %d years", l.o.Parts, historyYears), "read", "snapshot", "HTML", "seen", "processor time until then", "all languages", "uptime exact"}}
	for _, d := range []struct{ name, url string }{{"SQLite", "sqlite:" + filepath.Join(l.dir, "years.db")}, {"PostgreSQL", address}} {
		if err := l.year(ctx, d.name, d.url, &t); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	fmt.Fprint(w, "What a change of a large page costs until it is seen: what is shown of it is read, put together, written as HTML and packed with gzip "+
		"and brotli; the goal is 300 ms for all of these. The processor time is that of the program with its memory's upkeep, without that of "+
		"PostgreSQL. After that it is made in the other languages. The uptime of each component is compared with one that is counted, in "+
		"fractions, from its intervals alone. Medians of 5.\n\n")
	return t.Write(w) //nolint:wrapcheck // says what was tried
}

func (l *lab) year(ctx context.Context, name, url string, t *table.Table) (err error) {
	db, err := store.Open(ctx, store.Options{URL: url})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	now := time.Now().Truncate(time.Millisecond)
	all, err := history(ctx, db, l.o.Parts, now, now.AddDate(-historyYears, 0, 0), old)
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		return fmt.Errorf("zone: %w", err)
	}
	r, err := public.NewRenderer(markdown.New())
	if err != nil {
		return fmt.Errorf("renderer: %w", err)
	}
	minute := now
	site, err := public.NewSite(db, markdown.New(), public.Options{Renew: time.Nanosecond, Now: func() time.Time { return minute }})
	if err != nil {
		return fmt.Errorf("site: %w", err)
	}
	var read, snap, page, seen, spent, forms []float64
	var last status.Snapshot
	for range 5 {
		begin := time.Now()
		record, err := db.StatusRecordAt(ctx, "main", now)
		if err != nil {
			return fmt.Errorf("read the page: %w", err)
		}
		t1 := time.Now()
		last = status.Take(record, zone, now)
		t2 := time.Now()
		if _, err := r.Page(last, r.Languages()["en"], zone, public.Place{}); err != nil {
			return fmt.Errorf("write the page: %w", err)
		}
		t3 := time.Now()
		minute = minute.Add(time.Minute) // so that it is another one
		at, cpu, whole, err := refresh(ctx, site)
		if err != nil {
			return fmt.Errorf("make the page: %w", err)
		}
		read, snap, page = append(read, t1.Sub(begin).Seconds()), append(snap, t2.Sub(t1).Seconds()), append(page, t3.Sub(t2).Seconds())
		seen, spent, forms = append(seen, at.Seconds()), append(spent, cpu.Seconds()), append(forms, whole.Seconds())
	}
	exact, err := compare(&last, all, zone, now)
	if err != nil {
		return err
	}
	show := func(list []float64) string { return fmt.Sprintf("%.0f ms", median(list)*1000) }
	t.Add(name, show(read), show(snap), show(page), show(seen), show(spent), show(forms), fmt.Sprintf("%d of %d", exact, len(all)))
	return nil
}

// refresh makes the page anew, and answers after how long, and after how much
// processor time, visitors get another one, and how long all took.
func refresh(ctx context.Context, site *public.Site) (seen, cpu, whole time.Duration, err error) {
	ask := httptest.NewRequest(http.MethodHead, "/", http.NoBody)
	ask.Header.Set("Accept-Encoding", "br")
	tag := func() string {
		res := httptest.NewRecorder()
		site.Handle(res, ask)
		return res.Header().Get("Etag")
	}
	old := tag()
	var failed error
	ended := make(chan struct{})
	begin, spent := time.Now(), processor()
	go func() {
		failed = site.Refresh(ctx)
		whole = time.Since(begin)
		close(ended)
	}()
	each := time.NewTicker(time.Millisecond)
	defer each.Stop()
	for over := false; seen == 0; {
		if tag() != old {
			seen, cpu = time.Since(begin), processor()-spent
			break
		}
		if over {
			return 0, 0, 0, errors.Join(failed, errors.New("visitors get what they had"))
		}
		select {
		case <-each.C:
		case <-ended:
			over = true
		}
	}
	<-ended
	return seen, cpu, whole, failed
}

// processor is the processor time of this process so far.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// compare counts whose uptime is exactly what a naive count says; an error names
// the first that is not.
func compare(s *status.Snapshot, all map[string][]status.Interval, zone *time.Location, now time.Time) (exact int, err error) {
	local := now.In(zone)
	from := time.Date(local.Year(), local.Month(), local.Day()-status.BarDays+1, 0, 0, 0, 0, zone)
	for _, g := range s.Groups {
		for i := range g.Components {
			c := &g.Components[i]
			want := naive(all[c.ID], from, now)
			if !c.Known || c.Uptime != want {
				return exact, fmt.Errorf("the uptime of %s is %d and not %d hundredths of a percent", c.ID, c.Uptime, want)
			}
			exact++
		}
	}
	if exact != len(all) {
		return exact, fmt.Errorf("%d of %d components are shown", exact, len(all))
	}
	return exact, nil
}

// naive counts uptime from intervals alone, in fractions, without days.
func naive(list []status.Interval, from, now time.Time) int {
	known, down := new(big.Rat), new(big.Rat)
	weights := map[status.State]*big.Rat{status.Partial: big.NewRat(3, 10), status.Major: big.NewRat(1, 1)}
	for _, i := range list {
		begin, end := i.Start, i.End
		if begin.Before(from) {
			begin = from
		}
		if end.IsZero() || end.After(now) {
			end = now
		}
		// By whole seconds of Unix time, as intervals are counted: neighbours share none.
		if n := end.Unix() - begin.Unix(); n > 0 {
			seconds := big.NewRat(n, 1)
			known.Add(known, seconds)
			if w := weights[i.State]; w != nil {
				down.Add(down, new(big.Rat).Mul(seconds, w))
			}
		}
	}
	share := new(big.Rat).Quo(new(big.Rat).Sub(known, down), known)
	share.Mul(share, big.NewRat(10000, 1))
	return int(new(big.Int).Quo(share.Num(), share.Denom()).Int64())
}
