// Package many measures a hub with very many alerts behind it: how long it takes to
// be ready, and how long lists and searches take.
package many

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tocsin/bench/table"
	"tocsin/internal/backup"
	"tocsin/internal/store"
	"tocsin/test/hub"
)

// Options say how much is measured.
type Options struct {
	Bin      string // the built program
	Dir      string // for data
	Postgres func(ctx context.Context) (string, error)
	Alerts   int
	Asks     int // how often each question is asked in a round
	Rounds   int // of all questions; the median counts
	Starts   int

	now time.Time // when the newest alert began
}

// Run measures on both databases.
func Run(ctx context.Context, w io.Writer, o Options) error {
	file := filepath.Join(o.Dir, "many.backup")
	begin := time.Now()
	o.now = begin
	if err := write(ctx, file, o.Alerts, o.now); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("look at the backup: %w", err)
	}
	fmt.Fprintf(w, "%s alerts of %s objects, 500 of them open, each with its event and a delivery: a backup of %d MB, written in %.0f s.\n\n",
		table.Thousands(float64(o.Alerts)), table.Thousands(objects), info.Size()/1e6, time.Since(begin).Seconds())
	fmt.Fprintf(w, "Each list and search is asked for %d times in each of %d rounds; its p50 and p99 are the medians of the rounds.\n\n", o.Asks, o.Rounds)
	t := table.Table{Head: []string{"", "SQLite", "PostgreSQL"}}
	var columns [2]*column
	for i, engine := range []string{"sqlite", "postgres"} {
		if columns[i], err = measure(ctx, o, engine, file); err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	for i, row := range columns[0].rows {
		t.Add(row[0], row[1], columns[1].rows[i][1])
	}
	if err := t.Write(w); err != nil {
		return err
	}
	for i, c := range columns {
		c.goals(w, t.Head[i+1])
	}
	return nil
}

// What is to be reached: how long a start takes, and how long every list and search does
// but for one in a hundred.
const (
	readyGoal = 300 * time.Millisecond
	listGoal  = 50 * time.Millisecond
)

// column is what was measured on one engine.
type column struct {
	rows  [][2]string
	ready time.Duration // the median
	lists int           // lists and searches that were measured
	slow  []string      // those that miss the goal, with what they took
	worst time.Duration // of their p99
}

func (c *column) add(what, figure string) { c.rows = append(c.rows, [2]string{what, figure}) }

// asked adds what a list or a search took.
func (c *column) asked(what string, a *answers) {
	p99 := a.at(99)
	c.add(fmt.Sprintf("%s (%s): p50, p99", what, a.found()), ms(a.at(50))+", "+ms(p99))
	c.lists++
	c.worst = max(c.worst, p99)
	if p99 >= listGoal {
		c.slow = append(c.slow, what+" "+ms(p99))
	}
}

// goals says what was reached.
func (c *column) goals(w io.Writer, engine string) {
	goal := func(reached bool, format string, args ...any) {
		word := "missed"
		if reached {
			word = "reached"
		}
		fmt.Fprintf(w, "- Goal on %s: "+format+": %s.\n", append(append([]any{engine}, args...), word)...)
	}
	goal(c.ready < readyGoal, "ready in less than %d ms, measured %s", readyGoal.Milliseconds(), ms(c.ready))
	goal(c.worst < listGoal, "the p99 of each of %d lists, searches and pages below %d ms, measured at most %s", c.lists, listGoal.Milliseconds(), ms(c.worst))
	if len(c.slow) > 0 {
		fmt.Fprintf(w, "  It is missed by: %s.\n", strings.Join(c.slow, "; "))
	}
}

func measure(ctx context.Context, o Options, engine, file string) (c *column, err error) {
	dir := filepath.Join(o.Dir, "many-"+engine)
	ho := hub.Options{Bin: o.Bin, Dir: dir}
	so := store.Options{DataDir: dir}
	if engine == "postgres" {
		if ho.Database, err = o.Postgres(ctx); err != nil {
			return nil, err
		}
		so.URL = ho.Database
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	c = &column{}
	begin := time.Now()
	if err := restore(ctx, so, file); err != nil {
		return nil, err
	}
	c.add("put back (`tocsin restore`)", fmt.Sprintf("%.0f s", time.Since(begin).Seconds()))
	begin = time.Now()
	if err := catalogue(ctx, so); err != nil {
		return nil, err
	}
	c.add("counted to blocks, without a pause", fmt.Sprintf("%.0f s", time.Since(begin).Seconds()))
	begin = time.Now()
	if engine == "postgres" { // as it does by itself, but then beside what is measured
		if err := vacuum(ctx, so.URL); err != nil {
			return nil, err
		}
		c.add("tidied up by PostgreSQL after these two", fmt.Sprintf("%.0f s", time.Since(begin).Seconds()))
	} else {
		c.add("tidied up by PostgreSQL after these two", "–")
	}
	begin = time.Now()
	if err := dump(ctx, so, io.Discard); err != nil {
		return nil, err
	}
	c.add("backed up (`tocsin backup`)", fmt.Sprintf("%.0f s", time.Since(begin).Seconds()))
	h, err := hub.New(ho)
	if err != nil {
		return nil, err
	}
	defer h.Kill()
	if _, err := h.CLI(ctx, password+"\n", "user", "add", "ops", "--role", "operator", "--password-stdin"); err != nil {
		return nil, err
	}
	said, err := h.CLI(ctx, "", "apikey", "add", "bench", "--scope", "admin", "--json")
	if err != nil {
		return nil, err
	}
	var key struct{ Key string }
	if err := json.Unmarshal(said, &key); err != nil {
		return nil, fmt.Errorf("read the API key: %w", err)
	}
	h.Key = key.Key
	var starts []time.Duration
	for range o.Starts {
		begin := time.Now()
		if err := h.Start(ctx); err != nil {
			return nil, err
		}
		starts = append(starts, time.Since(begin))
		if len(starts) < o.Starts {
			if err := h.Stop(ctx); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(starts)
	c.ready = starts[len(starts)/2]
	c.add("start to ready, the median", ms(c.ready))
	tab, err := h.SignIn(ctx, "ops", password)
	if err != nil {
		return nil, err
	}
	questions := o.questions(tab)
	got := make([]answers, len(questions))
	for range o.Rounds { // in turns: the machine's mood is the same for all
		for i, q := range questions {
			if err := got[i].ask(ctx, h, q, o.Asks); err != nil {
				return nil, fmt.Errorf("%s: %w", q.what, err)
			}
		}
	}
	for i, q := range questions {
		c.asked(q.what, &got[i])
	}
	if err := h.Stop(ctx); err != nil {
		return nil, err
	}
	deleted, took, err := prune(ctx, so, o.now)
	if err != nil {
		return nil, err
	}
	c.add("retention, alerts deleted in a second", table.Thousands(float64(deleted)/took.Seconds()))
	return c, nil
}

const password = "a long password"

// catalogue does at once what the hub does beside other work after an upgrade.
func catalogue(ctx context.Context, o store.Options) error {
	db, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	for n := 1; n > 0 && err == nil; {
		n, err = db.Catalogue(ctx, 512)
	}
	return errors.Join(err, db.Close())
}

// prune deletes the alerts of ten days, as the hub does it.
func prune(ctx context.Context, o store.Options, now time.Time) (n int, took time.Duration, err error) {
	db, err := store.Open(ctx, o)
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	for done := 1; done > 0 && err == nil; n += done {
		done, err = db.Prune(ctx, now.Add(-355*24*time.Hour), 200)
	}
	return n, time.Since(begin), errors.Join(err, db.Close())
}

func vacuum(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to tidy up: %w", err)
	}
	_, err = conn.Exec(ctx, "VACUUM ANALYZE")
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("tidy up: %w", err)
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

func restore(ctx context.Context, o store.Options, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	defer func() { _ = f.Close() }()
	_, err = store.Restore(ctx, o, func() (*backup.Reader, error) { return backup.NewReader(f) }, store.RestoreOptions{AsItWas: true})
	return err
}

func dump(ctx context.Context, o store.Options, to io.Writer) error {
	s, err := store.OpenSnapshot(ctx, o)
	if err != nil {
		return err
	}
	w, err := backup.NewWriter(to, backup.Manifest{Schema: s.Schema(), Engine: s.Engine(), Made: time.Now()})
	if err == nil {
		err = s.Dump(ctx, w, func(string, int64) {})
	}
	if err == nil {
		_, err = w.Close()
	}
	return errors.Join(err, s.Close())
}
