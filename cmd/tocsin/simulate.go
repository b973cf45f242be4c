package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/simulate"
	"tocsin/internal/store"
)

// trial is `tocsin simulate`: what is tried, as it was written.
type trial struct {
	c            *cli
	at, from, to string
	zone, source string
	after        time.Duration
	clean        bool
	limit        int
	file         string
}

func (c *cli) simulate() *cobra.Command {
	t := &trial{c: c}
	cmd := &cobra.Command{
		Use:   "simulate [FILE]",
		Short: "Try events against the current rules, and tell nobody",
		Long: "Try events before the night: who would be told what, when, by which way, and why; and who would\nnot, and why not. FILE holds one event a line, as JSON, as tocsin notify and the API take them; - is\n" +
			"standard input. \"time\" may be \"+5m\", five minutes after the beginning; \"source\" names the source;\n\"by\" names a contact who acknowledges (or takes that back, or snoozes), for \"minutes\".\n" +
			"With --from and --to instead of FILE, what really came in is tried once more.\n\nThe database is only read. Nothing is written, and nobody is told.",
		Example: "  tocsin simulate night.jsonl --at 2026-03-29T01:30 --zone Europe/Berlin\n" +
			"  echo '{\"type\":\"PROBLEM\",\"host\":\"web01\",\"state\":1}' | tocsin simulate - --source nagios\n" +
			"  tocsin simulate --from 2026-03-01T00:00 --to 2026-03-02T00:00 --json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{fmt.Errorf("%s takes one file, not %d; see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				t.file = args[0]
			}
			return t.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.at, "at", "", "when it begins, e.g. 2026-03-29T02:30; the events keep their distances (default: their own times, else now)")
	f.StringVar(&t.zone, "zone", "UTC", "time zone of --at, --from, --to and of the answer, such as Europe/Berlin")
	f.StringVar(&t.from, "from", "", "try what came in from then on, instead of a file")
	f.StringVar(&t.to, "to", "", "up to then")
	f.StringVar(&t.source, "source", "", "name of the source that events are from which name none; of a history, the one that is tried")
	f.BoolVar(&t.clean, "clean", false, "begin with everything well, instead of with what is open now")
	f.DurationVar(&t.after, "after", simulate.DefaultAfter, "for how long to go on after the last event, at most 168h")
	f.IntVar(&t.limit, "limit", simulate.DefaultLines, "lines of the answer, at most")
	c.jsonFlag(cmd)
	return cmd
}

func (t *trial) run(ctx context.Context) error {
	q, err := t.request()
	if err != nil {
		return err
	}
	cfg, err := t.c.load()
	if err != nil {
		return err
	}
	db, err := store.OpenReadOnly(ctx, store.Options{URL: cfg.DatabaseURL, DataDir: cfg.DataDir, Node: "command", Secrets: cfg.Secrets})
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	debug.SetGCPercent(200)         // a day is much that is soon forgotten, and this process does nothing else
	debug.SetMemoryLimit(640 << 20) // but not three times as much as there is
	r, err := simulate.New(db, simulate.Options{Within: time.Hour}).Simulate(ctx, q)
	if err = errors.Join(err, db.Close()); err != nil {
		var wrong *simulate.Error
		if errors.As(err, &wrong) && wrong.Line > 0 && t.file != "" {
			return fmt.Errorf("%s: %w", t.file, err)
		}
		return err
	}
	if t.c.json {
		return t.c.answer(r, "")
	}
	var text strings.Builder
	if err := r.Write(&text); err != nil {
		return err
	}
	return t.c.answer(nil, text.String())
}

// request is what is tried.
func (t *trial) request() (q simulate.Request, err error) {
	history := t.from != "" || t.to != ""
	switch {
	case history && (t.from == "" || t.to == ""):
		return q, &usageError{errors.New("--from and --to go together")}
	case history && t.file != "":
		return q, &usageError{errors.New("tocsin simulate takes a file, or --from and --to; not both")}
	case !history && t.file == "":
		return q, &usageError{errors.New("tocsin simulate takes a file, or --from and --to; see tocsin simulate --help")}
	}
	q = simulate.Request{Zone: t.zone, Source: t.source, Clean: t.clean, After: t.after, Limit: t.limit}
	if t.at != "" {
		if q.At, err = simulate.Moment("--at", t.at, t.zone); err != nil {
			return q, &usageError{err}
		}
	}
	if !history {
		q.Events, err = t.read()
		return q, err
	}
	h := &simulate.History{Source: t.source}
	if h.From, err = simulate.Moment("--from", t.from, t.zone); err == nil {
		h.To, err = simulate.Moment("--to", t.to, t.zone)
	}
	if q.History = h; err != nil {
		return q, &usageError{err}
	}
	return q, nil
}

// read reads the events; too many are for Simulate to refuse.
func (t *trial) read() ([]byte, error) {
	in := t.c.in
	if t.file != "-" {
		f, err := os.Open(filepath.Clean(t.file))
		if err != nil {
			return nil, fmt.Errorf("open the events: %w", err)
		}
		defer func() { _ = f.Close() }() // only read
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, simulate.MaxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, fmt.Errorf("%s is empty: write one event a line, such as {\"type\":\"PROBLEM\",\"host\":\"web01\",\"state\":1}", t.file)
	}
	return b, nil
}
