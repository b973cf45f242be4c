package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"tocsin/internal/alert"
)

const (
	// recentOutputs is how many of the newest resolved alerts have their output looked
	// through. Names are few and are looked for in all there is; outputs are one for each
	// alert, and a million of them take seconds.
	recentOutputs = 5000

	// fewObjects is up to how many objects of a name their alerts are read and sorted.
	// More of them are met often enough in the order of the list.
	fewObjects = 200
)

const alertsFrom = "SELECT " + objectColumns + ", " + alertColumns + " FROM alert a JOIN object o ON o.id = a.object_id"

// listAlerts answers up to limit alerts in the order of the list.
func (db *DB) listAlerts(ctx context.Context, c conditions, limit int) ([]alert.Alert, error) {
	return collect(ctx, db.reads, scanAlert, alertsFrom+c.String()+" ORDER BY a.rank DESC, a.since DESC, a.id DESC LIMIT "+c.arg(int64(limit)), c.args...)
}

// searchAlerts is listAlerts for those with a text in a name, or in the output: of all
// that are open, and of resolved ones that are recent, unless older ones are asked for too.
func (db *DB) searchAlerts(ctx context.Context, f alert.Filter, c conditions, limit int) ([]alert.Alert, error) {
	pattern := likeEscaped(strings.ToLower(f.Search))
	named, err := db.namedAlerts(ctx, pattern, c.copied(), limit)
	if err != nil {
		return nil, err
	}
	if !f.Older {
		since, err := collect(ctx, db.reads, func(s scanner) (ms int64, err error) {
			err = s.Scan(&ms)
			return ms, err
		}, "SELECT since FROM alert WHERE rank = 0 ORDER BY since DESC, id DESC LIMIT 1 OFFSET $1", int64(recentOutputs))
		if err != nil {
			return nil, fmt.Errorf("find what is recent: %w", err)
		}
		if len(since) > 0 {
			c.add("(a.rank, a.since) >= (0, " + c.arg(since[0]) + ")")
		}
	}
	c.add("a.search LIKE " + c.arg(pattern) + ` ESCAPE '\'`)
	said, err := db.listAlerts(ctx, c, limit)
	if err != nil {
		return nil, err
	}
	all := append(named, said...)
	slices.SortFunc(all, func(a, b alert.Alert) int {
		return cmp.Or(cmp.Compare(rank(b.Status), rank(a.Status)), cmp.Compare(millis(b.Since), millis(a.Since)), strings.Compare(b.ID, a.ID))
	})
	all = slices.CompactFunc(all, func(a, b alert.Alert) bool { return a.ID == b.ID })
	return all[:min(limit, len(all))], nil
}

// namedAlerts are those of objects with the text in a name.
func (db *DB) namedAlerts(ctx context.Context, pattern string, c conditions, limit int) ([]alert.Alert, error) {
	objects, err := collect(ctx, db.reads, scanText, `SELECT id FROM object WHERE search LIKE $1 ESCAPE '\' LIMIT $2`, pattern, int64(fewObjects+1))
	if err != nil || len(objects) == 0 {
		return nil, err
	}
	if len(objects) > fewObjects {
		c.add("o.search LIKE " + c.arg(pattern) + ` ESCAPE '\'`)
		return db.listAlerts(ctx, c, limit)
	}
	c.add(db.d.among("a.object_id", db.d.list(c.arg(encodeList(objects)))))
	// With + in front no index serves the order, so the objects' is taken.
	return collect(ctx, db.reads, scanAlert, alertsFrom+c.String()+" ORDER BY +a.rank DESC, a.since DESC, a.id DESC LIMIT "+c.arg(int64(limit)), c.args...)
}

// copied may be added to by itself.
func (c *conditions) copied() conditions {
	return conditions{terms: slices.Clone(c.terms), args: slices.Clone(c.args)}
}
