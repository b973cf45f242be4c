// Package page measures the public status page of the built program: under load
// beside nginx with the same bytes, while incidents are published, at its first
// start, and with five years behind it.
package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tocsin/bench/table"
	"tocsin/internal/store"
	"tocsin/test/hub"
)

// Options say what is measured.
type Options struct {
	Bin      string
	Dir      string                                    // for data
	Postgres func(ctx context.Context) (string, error) // an empty database
	For      time.Duration                             // each run of wrk
	Rounds   int                                       // of each figure; the median counts
	Changes  int                                       // updates that are waited for
	Starts   int                                       // cold starts
	Parts    int                                       // components of the large page
}

// Run measures and writes the tables.
func Run(ctx context.Context, w io.Writer, o Options) error {
	dir := filepath.Join(o.Dir, "page")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	l := &lab{o: o, dir: dir}
	if err := l.open(ctx); err != nil {
		return err
	}
	defer l.close()
	if err := l.load(ctx, w); err != nil {
		return err
	}
	if err := l.bothChanges(ctx, w); err != nil {
		return err
	}
	for _, part := range []func(context.Context, io.Writer) error{l.firstVisit, l.coldStarts} {
		if err := part(ctx, w); err != nil {
			return err
		}
	}
	l.close()
	return l.years(ctx, w)
}

// lab is a hub with a page, on one core.
type lab struct {
	o    Options
	dir  string
	url  string // of the database; empty: SQLite in dir
	hub  *hub.Hub
	text int // of updates, so that no two are alike
}

func (l *lab) open(ctx context.Context) (err error) {
	l.hub, err = hub.New(hub.Options{Bin: l.o.Bin, Dir: l.dir, Database: l.url, Env: []string{"GOMAXPROCS=1"}})
	if err != nil {
		return err //nolint:wrapcheck // says what was tried
	}
	key, err := l.hub.CLI(ctx, "", "apikey", "add", "bench", "--scope", "admin", "--json")
	if err != nil {
		return err //nolint:wrapcheck // says which command
	}
	if l.hub.Key, err = field(key, "key"); err != nil {
		return err
	}
	url := l.url
	if url == "" {
		url = "sqlite:" + filepath.Join(l.dir, "tocsin.db")
	}
	db, err := store.Open(ctx, store.Options{URL: url})
	if err != nil {
		return fmt.Errorf("open the hub's database: %w", err)
	}
	if err := errors.Join(fill(ctx, db), db.Close()); err != nil {
		return err
	}
	return l.start(ctx)
}

func (l *lab) start(ctx context.Context) error {
	if err := l.hub.Start(ctx); err != nil {
		return err //nolint:wrapcheck // says what was tried
	}
	return pin(l.hub.Pid(), serverCPU)
}

func (l *lab) close() {
	if l.hub != nil {
		l.hub.Kill()
	}
}

// publish has an update told of the first incident, and answers its words.
func (l *lab) publish(ctx context.Context) (string, error) {
	l.text++
	words := fmt.Sprintf("Word number %d of what we know.", l.text)
	err := l.hub.Post(ctx, "/status/incidents/i0/updates", map[string]any{"body": words}, nil)
	if err != nil {
		return "", fmt.Errorf("publish an update: %w", err)
	}
	return words, nil
}

// bothChanges measures when changes are seen, on both databases.
func (l *lab) bothChanges(ctx context.Context, w io.Writer) error {
	t := table.Table{Head: []string{"an update is seen", "updates", "API call p50", "seen p50", "seen p99", "slowest"}}
	if err := l.changes(ctx, "SQLite", &t); err != nil {
		return err
	}
	address, err := l.o.Postgres(ctx)
	if err != nil {
		return err
	}
	other := &lab{o: l.o, dir: filepath.Join(l.dir, "postgres"), url: address}
	if err := os.Mkdir(other.dir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := other.open(ctx); err != nil {
		return err
	}
	defer other.close()
	if err := other.changes(ctx, "PostgreSQL", &t); err != nil {
		return err
	}
	fmt.Fprint(w, "An update of an incident is published by the API. From its answer on the page is asked for, again and again, until "+
		"it has the update; the time ends with that answer. The goal is 100 ms.\n\n")
	return t.Write(w) //nolint:wrapcheck // says what was tried
}

// changes measures from the answer to an update to the first page that has it.
func (l *lab) changes(ctx context.Context, name string, t *table.Table) error {
	var took, asked []time.Duration
	for range l.o.Changes {
		begin := time.Now()
		words, err := l.publish(ctx)
		if err != nil {
			return err
		}
		answered := time.Now()
		asked = append(asked, answered.Sub(begin))
		for {
			body, err := get(ctx, l.hub.URL+"/", http.Header{"Accept-Encoding": {"identity"}})
			if err != nil {
				return err
			}
			if strings.Contains(string(body), words) {
				break
			}
			if time.Since(answered) > 10*time.Second {
				return errors.New("an update is never seen")
			}
		}
		took = append(took, time.Since(answered))
	}
	slices.Sort(took)
	slices.Sort(asked)
	t.Add(name, fmt.Sprint(len(took)), ms(at(asked, 50)), ms(at(took, 50)), ms(at(took, 99)), ms(took[len(took)-1]))
	return nil
}

var client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 4}}

// get reads an address; an answer that is no success is an error.
func get(ctx context.Context, url string, header http.Header) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	if header != nil {
		req.Header = header
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s answered %s", url, res.Status)
	}
	return body, nil
}

// at is a percentile of what is sorted.
func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }

// median of figures; it sorts them.
func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}
