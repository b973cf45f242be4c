package storm

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"tocsin/bench/table"
	"tocsin/internal/simulate"
	"tocsin/internal/store"
)

// Simulate measures how long the simulator takes for a day: each alert opens at some
// moment of it and is over within the hour, one in a hundred is taken first, and a
// tenth of them come in ten storms.
func Simulate(ctx context.Context, w io.Writer, o Options) error {
	t := table.Table{Head: []string{"alerts in a day", "events", "who is told", "messages", "of many", "decisions in all", "took", "an event", "memory"}}
	for i, n := range []int{o.Day / 10, o.Day} {
		db, err := store.Open(ctx, store.Options{URL: "sqlite:" + filepath.Join(o.Dir, fmt.Sprintf("day%d.db", i)), Node: "bench"})
		if err != nil {
			return err
		}
		if err := furnish(ctx, db, 10, true); err != nil {
			return err
		}
		events := day(n)
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		r, err := simulate.New(db, simulate.Options{Within: time.Hour}).Simulate(ctx, simulate.Request{Events: events, Clean: true})
		if err != nil {
			return err
		}
		took := time.Since(begin)
		runtime.ReadMemStats(&after)
		var told, many, all int
		for _, p := range r.People {
			told += p.Told
			many += p.Digests
			all += p.Told + p.Together + p.Quiet + p.NotTold + p.Cancelled + p.Expired + p.Waiting
		}
		if r.Alerts != n {
			return fmt.Errorf("%d alerts of %d", r.Alerts, n)
		}
		t.Add(table.Thousands(float64(n)), table.Thousands(float64(r.Events)), "10 contacts", table.Thousands(float64(told)), table.Thousands(float64(many)),
			table.Thousands(float64(all)), fmt.Sprintf("%.1f s", took.Seconds()), fmt.Sprintf("%.0f µs", float64(took.Microseconds())/float64(r.Events)),
			fmt.Sprintf("%d MiB", (after.TotalAlloc-before.TotalAlloc)>>20))
		if err := db.Close(); err != nil {
			return err
		}
	}
	fmt.Fprint(w, "Events of a day as JSON, read, decided and told in memory by the code that serves, against a directory of 10 contacts, each with a rule for a tenth of the hosts "+
		"(some hosts have two), one policy with two steps and reminders, and a maintenance window. Memory is all that was allocated, most of it only for a moment.\n\n")
	return t.Write(w)
}

// day is the events of a day.
func day(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	line := func(at time.Duration, typ, host string, state int, more string) {
		fmt.Fprintf(&b, `{"type":%q,"host":%q,"service":"HTTP","state":%d,"output":"CRITICAL - Socket timeout after 10 seconds","time":"+%dms"%s}`+"\n", typ, host, state, at.Milliseconds(), more)
	}
	for i := range n {
		at := time.Duration(r.Int64N(int64(24 * time.Hour)))
		if i%10 == 0 { // in one of ten storms
			at = time.Duration(i/10%10)*2*time.Hour + time.Duration(r.Int64N(int64(2*time.Minute)))
		}
		host := fmt.Sprintf("host%06d", i)
		line(at, "PROBLEM", host, 2, "")
		if i%100 == 1 {
			line(at+time.Duration(1+r.Int64N(int64(2*time.Minute))), "ACKNOWLEDGEMENT", host, 2, `,"author":"jane"`)
		}
		line(at+2*time.Minute+time.Duration(r.Int64N(int64(time.Hour))), "RECOVERY", host, 0, "")
	}
	return []byte(b.String())
}
