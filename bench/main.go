// Command bench measures the program on this machine, prints tables, and
// writes them to docs/benchmarks.md with the machine named.
//
//	make bench                            everything
//	go run ./bench -parts ingest          one part; the file is left as it is
//	go run ./bench -parts ingest -write   and its section is put into the file
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tocsin/bench/ingest"
	"tocsin/bench/many"
	"tocsin/bench/mattermost"
	"tocsin/bench/notify"
	"tocsin/bench/page"
	"tocsin/bench/push"
	"tocsin/bench/storm"
	"tocsin/bench/streams"
	"tocsin/bench/table"
	"tocsin/test/postgres"
)

// part is one of the things that are measured.
type part struct {
	name, title string
	run         func(ctx context.Context, w io.Writer) error
}

// bench is what the parts have in common.
type bench struct {
	bin     string // the built program
	dir     string // for data, removed at the end
	rounds  int
	seconds int
	kills   int
	devices int
	alerts  int
	clicks  int
	away    time.Duration
	mix     time.Duration
	server  *postgres.Server
	bases   int // databases made
}

func (b *bench) parts() []part {
	return []part{
		{"ingest", "Durable ingest over HTTP", b.ingest},
		{"notify", "The notification command as a whole process", b.notify},
		{"streams", "Open event streams", b.streams},
		{"kill", "kill -9 while events come in", b.kill},
		{"nodes", "Several nodes", b.nodes},
		{"mixed", "Half an hour of everything", b.mixed},
		{"many", "A million alerts behind it", b.many},
		{"push", "Web Push", b.push},
		{"mattermost", "Mattermost in both directions", b.mattermost},
		{"page", "The public status page", b.page},
		{"storm", "When it rains", b.storm},
		{"simulate", "A day in the simulator", b.simulate},
		{"route", "Who hears of an event, with many rules", b.route},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	b := &bench{}
	names := flag.String("parts", "", "which to measure, with commas: ingest, notify, streams, kill, nodes, mixed, many, push, mattermost, page, storm, simulate, route; empty: all but mixed, and write the file")
	write := flag.Bool("write", false, "put the sections of these parts into the file, each as soon as it is measured; the others stay as they are")
	file := flag.String("out", "docs/benchmarks.md", "where the tables are written")
	flag.StringVar(&b.bin, "bin", "bin/tocsin", "the built program")
	flag.IntVar(&b.rounds, "rounds", 3, "runs of each figure of ingest, push and page; the median counts")
	flag.IntVar(&b.seconds, "seconds", 3, "length of each run of ingest and page")
	flag.IntVar(&b.kills, "kills", 100, "how often a hub or a node is killed, in all")
	flag.DurationVar(&b.away, "away", time.Minute, "how long PostgreSQL is away in nodes")
	flag.DurationVar(&b.mix, "mix", 30*time.Minute, "length of mixed")
	flag.IntVar(&b.alerts, "alerts", 1_000_000, "alerts in the database of many")
	flag.IntVar(&b.devices, "devices", 1_000_000, "devices of the large publication of push")
	flag.IntVar(&b.clicks, "clicks", 400, "clicks, and alerts, of each figure of mattermost")
	flag.Parse()
	bin, err := filepath.Abs(b.bin)
	if err != nil {
		return err
	}
	b.bin = bin
	if b.dir, err = os.MkdirTemp("", "tocsin-bench-"); err != nil {
		return fmt.Errorf("folder for data: %w", err)
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	if b.server, err = postgres.Start(postgres.Options{}); err != nil {
		return err
	}
	defer func() { _ = b.server.Stop() }()

	var text bytes.Buffer
	w := io.MultiWriter(os.Stdout, &text)
	if err := b.head(ctx, w); err != nil {
		return err
	}
	var titles []string
	for _, p := range b.parts() {
		titles = append(titles, p.title)
	}
	for _, p := range b.parts() {
		// What takes half an hour is done where it is asked for.
		if *names == "" && p.name == "mixed" || *names != "" && !strings.Contains(","+*names+",", ","+p.name+",") {
			continue
		}
		from := text.Len()
		fmt.Fprintf(w, "## %s\n\n", p.title)
		if *names != "" {
			fmt.Fprintf(w, "Measured by `go run ./bench -parts %s` in a run of its own, on %s.\n\n", p.name, time.Now().UTC().Format("2 January 2006"))
		}
		if err := p.run(ctx, w); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintln(w)
		if *names != "" && *write {
			if err := putSection(*file, p.title, text.String()[from:], titles); err != nil {
				return err
			}
		}
	}
	if *names != "" {
		return nil
	}
	return replaceAll(*file, text.String(), titles)
}

// head names the machine.
func (b *bench) head(ctx context.Context, w io.Writer) error {
	m, err := machine(b.bin)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, b.server.URL)
	if err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var version string
	if err := conn.QueryRow(ctx, "SHOW server_version").Scan(&version); err != nil {
		return fmt.Errorf("PostgreSQL's version: %w", err)
	}
	fmt.Fprintf(w, "# Benchmarks\n\nWritten by `make bench` on %s. Client, server and database share the machine; "+
		"figures of different machines cannot be compared, the ratios within one run can.\n\n", time.Now().UTC().Format("2 January 2006"))
	t := table.Table{Head: []string{"machine", ""}}
	for _, row := range append(m, [2]string{"PostgreSQL", version}) {
		t.Add(row[0], row[1])
	}
	return t.Write(w)
}

// database makes an empty database.
func (b *bench) database(ctx context.Context) (string, error) {
	b.bases++
	name := fmt.Sprintf("bench%d", b.bases)
	conn, err := pgx.Connect(ctx, b.server.URL)
	if err != nil {
		return "", fmt.Errorf("PostgreSQL: %w", err)
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return "", fmt.Errorf("make database %s: %w", name, err)
	}
	return strings.Replace(b.server.URL, "/postgres?", "/"+name+"?", 1), nil
}

func (b *bench) ingest(ctx context.Context, w io.Writer) error {
	return ingest.Run(ctx, w, ingest.Options{
		Bin: b.bin, Dir: b.dir, Postgres: b.database,
		Clients: []int{1, 8, 64, 256}, For: time.Duration(b.seconds) * time.Second, Rounds: b.rounds,
	})
}

func (b *bench) notify(_ context.Context, w io.Writer) error { return notify.Run(w, b.bin) }

func (b *bench) streams(_ context.Context, w io.Writer) error { return streams.Run(w) }

func (b *bench) many(ctx context.Context, w io.Writer) error {
	return many.Run(ctx, w, many.Options{Bin: b.bin, Dir: b.dir, Postgres: b.database, Alerts: b.alerts, Asks: 200, Rounds: b.rounds, Starts: 5})
}

func (b *bench) push(ctx context.Context, w io.Writer) error {
	return push.Run(ctx, w, push.Options{Bin: b.bin, Dir: b.dir, Devices: b.devices, Rounds: b.rounds})
}

func (b *bench) mattermost(ctx context.Context, w io.Writer) error {
	return mattermost.Run(ctx, w, mattermost.Options{Bin: b.bin, Dir: b.dir, Postgres: b.database, Clicks: b.clicks, Alerts: b.clicks})
}

func (b *bench) rain() storm.Options {
	return storm.Options{Bin: b.bin, Dir: b.dir, Postgres: b.database, Alerts: 2800, Contacts: 10, Day: 100_000, Rules: 10_000, Objects: 100_000, Rounds: 3 * b.rounds}
}

func (b *bench) storm(ctx context.Context, w io.Writer) error { return storm.Run(ctx, w, b.rain()) }

func (b *bench) simulate(ctx context.Context, w io.Writer) error {
	return storm.Simulate(ctx, w, b.rain())
}

func (b *bench) route(ctx context.Context, w io.Writer) error { return storm.Route(ctx, w, b.rain()) }

func (b *bench) page(ctx context.Context, w io.Writer) error {
	return page.Run(ctx, w, page.Options{Bin: b.bin, Dir: b.dir, Postgres: b.database, For: time.Duration(b.seconds) * time.Second, Rounds: b.rounds,
		Changes: 40, Starts: 3, Parts: 1000})
}
