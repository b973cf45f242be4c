package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin/internal/dispatch"
	"tocsin/internal/storm"
)

// Paces answers what is remembered of places, which nobody else changes until the
// end of the transaction.
//
// On PostgreSQL whoever is first at a new place makes an empty row of it, so that
// there is something to hold; both are done in ascending order, as with objects.
// Where this node has written all of them before, they are there.
func (t *tx) Paces(ctx context.Context, places []string) (map[string]storm.Pace, error) {
	keys := distinct(places)
	found := make(map[string]storm.Pace, len(keys))
	if t.db.recall != nil { // nobody else writes
		for _, k := range keys {
			if p, ok := t.db.paces.take(k, ""); ok {
				found[k] = p
			}
		}
	}
	for len(found) < len(keys) {
		missing := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { _, ok := found[k]; return ok })
		if err := t.readPaces(ctx, missing, found); err != nil {
			return nil, fmt.Errorf("read what was told at places: %w", err)
		}
		if t.db.d.engine != enginePostgres {
			for _, k := range missing {
				if _, ok := found[k]; !ok {
					found[k] = storm.Pace{}
				}
			}
		} else { // what is missing was pruned meanwhile, and is made anew
			t.db.paces.drop(missing)
		}
	}
	return found, nil
}

func (t *tx) readPaces(ctx context.Context, places []string, found map[string]storm.Pace) error {
	if t.db.d.engine == enginePostgres && !t.db.paces.has(places) {
		err := t.db.t.barePaces.write(ctx, t, len(places), func(i int, args []any) []any { return append(args, places[i], millis(t.now)) })
		if err != nil {
			return err
		}
	}
	return t.db.t.paces.read(ctx, t, len(places), texts(places), func(s scanner) error {
		var place, body string
		if err := s.Scan(&place, &body); err != nil {
			return err
		}
		p, kept := storm.Pace{}, false
		if body != "" {
			p, kept = t.db.paces.take(place, body)
		}
		if !kept {
			var err error
			if p, err = decodePace(body); err != nil {
				return fmt.Errorf("%s: %w", place, err)
			}
		}
		found[place] = p
		return nil
	})
}

func decodePace(body string) (p storm.Pace, err error) {
	if body == "" {
		return p, nil
	}
	if err = json.Unmarshal([]byte(body), &p); err != nil {
		return p, fmt.Errorf("read a stored pace: %w", err)
	}
	return p, nil
}

func (t *tx) writePaces(ctx context.Context, c *dispatch.Changes) error {
	places := slices.Sorted(maps.Keys(c.Paces))
	if t.paces == nil {
		t.paces = make(map[string]keptPace, len(places))
	}
	return t.db.t.pace.write(ctx, t, len(places), func(i int, args []any) []any {
		p := c.Paces[places[i]]
		body := encodeJSON(p)
		t.paces[places[i]] = keptPace{body, p}
		return append(args, places[i], body, millis(p.Next()), millis(t.now))
	})
}

// CalmPlaces answers up to limit places where a storm may be over, the first that
// was first, and when to look for the next one, zero if there is none. That may
// lie in the past, when there are more than limit.
func (db *DB) CalmPlaces(ctx context.Context, limit int) (places []string, next time.Time, err error) {
	places, next, err = db.due(ctx, "SELECT place, calm FROM pace WHERE calm > 0 ORDER BY calm, place LIMIT $1", limit)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("look for storms that may be over: %w", err)
	}
	return places, next, nil
}

// due answers those rows of a query, keys with times in ascending order, whose time
// has come, at most limit, and the time of the next one.
func (db *DB) due(ctx context.Context, query string, limit int) (keys []string, next time.Time, err error) {
	limit = atLeastOne(limit)
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return nil, time.Time{}, err
	}
	type row struct {
		key string
		at  int64
	}
	rows, err := collect(ctx, db.reads, func(s scanner) (r row, err error) {
		err = s.Scan(&r.key, &r.at)
		return r, err
	}, query, int64(limit+1))
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, r := range rows {
		if r.at > millis(now) || len(keys) == limit {
			return keys, fromMillis(r.at), nil
		}
		keys = append(keys, r.key)
	}
	return keys, time.Time{}, nil
}
