package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin/internal/dispatch"
)

// writeTraces keeps below which span the deliveries of events are traced. The rows are
// made before anybody can claim the deliveries.
func (t *tx) writeTraces(ctx context.Context, c *dispatch.Changes) error {
	for _, id := range slices.Sorted(maps.Keys(c.Traces)) {
		err := t.later(ctx, nil, "INSERT INTO trace (event_id, parent, made) VALUES ($1, $2, $3) ON CONFLICT (event_id) DO NOTHING",
			id, c.Traces[id], millis(t.now))
		if err != nil {
			return err
		}
	}
	return nil
}

// Traces answers below which span the deliveries of events are traced, by event; those
// that are not traced are not in it.
func (db *DB) Traces(ctx context.Context, eventIDs []string) (map[string]string, error) {
	found := make(map[string]string, len(eventIDs))
	err := db.t.traces.read(ctx, db.reads, len(eventIDs), texts(eventIDs), func(s scanner) error {
		var id, parent string
		if err := s.Scan(&id, &parent); err != nil {
			return err
		}
		found[id] = parent
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what is traced: %w", err)
	}
	return found, nil
}

// PruneTraces deletes what was traced before a time.
func (db *DB) PruneTraces(ctx context.Context, before time.Time) error {
	return db.plain(ctx, "delete what was traced", "DELETE FROM trace WHERE made < $1", millis(before))
}
