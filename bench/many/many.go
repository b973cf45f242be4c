// Package many measures a hub with very many alerts behind it: how long it takes to
// be ready, and how long lists and searches take.
package many

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

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
	Asks     int // how often each question is asked
	Starts   int
}

// Run measures on both databases.
func Run(ctx context.Context, w io.Writer, o Options) error {
	file := filepath.Join(o.Dir, "many.backup")
	begin := time.Now()
	if err := write(ctx, file, o.Alerts); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("look at the backup: %w", err)
	}
	fmt.Fprintf(w, "%s alerts of %s objects, 500 of them open, each with its event and a delivery: a backup of %d MB, written in %.0f s.\n\n",
		table.Thousands(float64(o.Alerts)), table.Thousands(objects), info.Size()/1e6, time.Since(begin).Seconds())
	t := table.Table{Head: []string{"", "SQLite", "PostgreSQL"}}
	var columns [2][][2]string
	for i, engine := range []string{"sqlite", "postgres"} {
		if columns[i], err = measure(ctx, o, engine, file); err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	for i, row := range columns[0] {
		t.Add(row[0], row[1], columns[1][i][1])
	}
	return t.Write(w)
}

func measure(ctx context.Context, o Options, engine, file string) (rows [][2]string, err error) {
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
	add := func(what, figure string) { rows = append(rows, [2]string{what, figure}) }
	begin := time.Now()
	if err := restore(ctx, so, file); err != nil {
		return nil, err
	}
	add("put back (`tocsin restore`)", fmt.Sprintf("%.0f s", time.Since(begin).Seconds()))
	begin = time.Now()
	if err := dump(ctx, so, io.Discard); err != nil {
		return nil, err
	}
	add("backed up (`tocsin backup`)", fmt.Sprintf("%.0f s", time.Since(begin).Seconds()))
	h, err := hub.New(ho)
	if err != nil {
		return nil, err
	}
	defer h.Kill()
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
	add("start to ready, the median", ms(starts[len(starts)/2]))
	for _, q := range questions() {
		took, found, err := ask(ctx, h, q, o.Asks)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.what, err)
		}
		add(fmt.Sprintf("%s (finds %s): p50, p99", q.what, found), ms(took[len(took)/2])+", "+ms(took[len(took)*99/100]))
	}
	return rows, nil
}

// question is something that people ask the list of alerts.
type question struct {
	what  string
	query func(r *rand.Rand) url.Values
}

func questions() []question {
	search := func(text func(r *rand.Rand) string) func(r *rand.Rand) url.Values {
		return func(r *rand.Rand) url.Values { return url.Values{"q": {text(r)}} }
	}
	always := func(v url.Values) func(*rand.Rand) url.Values { return func(*rand.Rand) url.Values { return v } }
	return []question{
		{"first page", always(url.Values{})},
		{"first page of 500", always(url.Values{"limit": {"500"}})},
		{"resolved ones", always(url.Values{"status": {"resolved"}})},
		{"open ones", always(url.Values{"status": {"firing", "acknowledged"}})},
		{"of a state", always(url.Values{"state": {"unknown"}})},
		{"hosts only", always(url.Values{"kind": {"host"}})},
		{"search: a host", search(func(r *rand.Rand) string { return host(r.IntN(hosts)) })},
		{"search: many hosts", search(func(r *rand.Rand) string { return fmt.Sprintf("rack%02d", r.IntN(100)) })},
		{"search: a common word of outputs", search(func(*rand.Rand) string { return "packet loss" })},
		{"search: a rare one", search(func(r *rand.Rand) string { return fmt.Sprintf("ticket %07d", r.IntN(1_000_000)) })},
		{"search: what there is not", search(func(r *rand.Rand) string { return fmt.Sprintf("nothing like this %d", r.Int()) })},
	}
}

func ask(ctx context.Context, h *hub.Hub, q question, n int) (took []time.Duration, found string, err error) {
	r := rand.New(rand.NewPCG(1, 2))
	least, most := 1<<30, 0
	for i := range n + 3 {
		var page struct{ Items []json.RawMessage }
		begin := time.Now()
		if err := h.Call(ctx, http.MethodGet, "/alerts?"+q.query(r).Encode(), h.Key, nil, &page); err != nil {
			if refused := (*hub.RefusedError)(nil); errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable && time.Since(begin) > tooLong {
				return []time.Duration{time.Since(begin)}, "no answer in time", nil // that is the figure
			}
			log := h.Log()
			return nil, "", fmt.Errorf("%w; the end of its log: %s", err, log[max(0, len(log)-1000):])
		}
		if i < 3 {
			continue // the first ones warm it up
		}
		took = append(took, time.Since(begin))
		least, most = min(least, len(page.Items)), max(most, len(page.Items))
	}
	slices.Sort(took)
	if found = fmt.Sprint(least); most > least {
		found += fmt.Sprintf(" to %d", most)
	}
	return took, found, nil
}

// tooLong is after what the hub gives up on a question, or nearly.
const tooLong = 9 * time.Second

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
