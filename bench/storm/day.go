package storm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tocsin/bench/table"
	"tocsin/internal/simulate"
	"tocsin/internal/store"
)

// Simulate measures how long `tocsin simulate` takes for a day: each alert opens at
// some moment of it and is over within the hour, one in a hundred is taken first, and
// a tenth of them come in ten storms.
func Simulate(ctx context.Context, w io.Writer, o Options) error {
	t := table.Table{Head: []string{"alerts in a day", "events", "messages", "of many", "decisions in all", "took", "an event", "peak memory"}}
	for i, n := range []int{o.Day / 10, o.Day} {
		dir := filepath.Join(o.Dir, fmt.Sprintf("day%d", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
		db, err := store.Open(ctx, store.Options{DataDir: dir, Node: "bench"})
		if err != nil {
			return err
		}
		if err := errors.Join(furnish(ctx, db, 10, true), db.Close()); err != nil {
			return err
		}
		events := filepath.Join(dir, "events.jsonl")
		if err := os.WriteFile(events, day(n), 0o600); err != nil {
			return fmt.Errorf("write the events: %w", err)
		}
		cmd := exec.CommandContext(ctx, o.Bin, "simulate", events, "--data", dir, "--clean", "--json")
		cmd.Stderr = os.Stderr
		begin := time.Now()
		said, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("tocsin simulate: %w", err)
		}
		took := time.Since(begin)
		var r simulate.Result
		if err := json.Unmarshal(said, &r); err != nil {
			return fmt.Errorf("read what tocsin simulate says: %w", err)
		}
		var told, many, all int
		for _, p := range r.People {
			told += p.Told
			many += p.Digests
			all += p.Told + p.Together + p.Quiet + p.NotTold + p.Cancelled + p.Expired + p.Waiting
		}
		if r.Alerts != n {
			return fmt.Errorf("%d alerts of %d", r.Alerts, n)
		}
		peak := int64(0)
		if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			peak = u.Maxrss >> 10
		}
		t.Add(table.Thousands(float64(n)), table.Thousands(float64(r.Events)), table.Thousands(float64(told)), table.Thousands(float64(many)),
			table.Thousands(float64(all)), fmt.Sprintf("%.1f s", took.Seconds()), fmt.Sprintf("%.0f µs", float64(took.Microseconds())/float64(r.Events)),
			fmt.Sprintf("%d MiB", peak))
	}
	fmt.Fprint(w, "`tocsin simulate` as a whole process: events of a day as JSON, read, decided and told in memory by the code that serves. 10 contacts are told by three channels, "+
		"each of a tenth of the hosts (one of some more); one policy has two steps and reminders, and there is a maintenance window.\n\n")
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
