package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"tocsin/bench/kill"
	"tocsin/bench/mixed"
	"tocsin/bench/nodes"
	"tocsin/bench/table"
)

func (b *bench) kill(ctx context.Context, w io.Writer) error {
	fmt.Fprint(w, "A hub is killed while six clients send events, started again, and what was not answered is sent once more; "+
		"with three nodes it is one of them, by chance, and the others take what was not answered. "+
		"At the end every answered event is there once, and both contacts were told of each.\n\n")
	t := table.Table{Head: []string{"database", "nodes", "kills", "events answered", "sent again", "of these had been taken", "notifications shown", "lost", "slowest start"}}
	left := b.kills
	for i, k := range []struct {
		name     string
		postgres bool
		nodes    int
	}{{"SQLite", false, 1}, {"PostgreSQL", true, 1}, {"PostgreSQL", true, 3}} {
		dir, base := filepath.Join(b.dir, fmt.Sprintf("kill%d", i)), ""
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
		if k.postgres {
			var err error
			if base, err = b.database(ctx); err != nil {
				return err
			}
		}
		rounds := left / (3 - i)
		left -= rounds
		seed := uint64(time.Now().UnixNano())
		o := kill.Options{Bin: b.bin, Dir: dir, Database: base, Rounds: rounds, Clients: 6, Most: 150, Seed: seed}
		var r kill.Result
		var err error
		if k.nodes > 1 {
			r, err = kill.RunNodes(ctx, o, k.nodes)
		} else {
			r, err = kill.Run(ctx, o)
		}
		if err != nil {
			return fmt.Errorf("%s, %d nodes (seed %d): %w", k.name, k.nodes, seed, err)
		}
		t.Add(k.name, fmt.Sprint(k.nodes), fmt.Sprint(r.Rounds), table.Thousands(float64(r.Answered)), fmt.Sprint(r.Again), fmt.Sprint(r.Duplicates),
			table.Thousands(float64(r.Told)), "0", r.Slowest.Round(time.Millisecond).String())
	}
	return t.Write(w)
}

func (b *bench) nodes(ctx context.Context, w io.Writer) error {
	return nodes.Run(ctx, w, nodes.Options{Bin: b.bin, Dir: b.dir, Postgres: b.database, Clients: 32, For: time.Duration(b.seconds) * time.Second, Rounds: b.rounds, Away: b.away, Changes: 60})
}

func (b *bench) mixed(ctx context.Context, w io.Writer) error {
	return mixed.Run(ctx, w, mixed.Options{Bin: b.bin, Dir: b.dir, Postgres: b.database, For: b.mix, Streams: 5000})
}
