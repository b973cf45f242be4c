package store

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
)

// Downtimes answers the objects of a source that are in a downtime which was asked
// for here, in the order of their ids and after the given one, each with the
// latest event that asked. Fewer than limit are the last.
func (db *DB) Downtimes(ctx context.Context, sourceID, after string, limit int) ([]dispatch.Downtime, error) {
	limit = atLeastOne(limit)
	var found []dispatch.Downtime
	for {
		step, err := collect(ctx, db.reads, scanDowntime, "SELECT "+objectColumns+`, COALESCE(a.since, 0)
			FROM object o LEFT JOIN alert a ON a.id = o.alert_id AND a.rank > 0
			WHERE o.downtime AND o.source_id = $1 AND o.id > $2 ORDER BY o.id LIMIT $3`, sourceID, after, int64(limit))
		if err != nil {
			return nil, fmt.Errorf("list the downtimes of source %s: %w", sourceID, err)
		}
		for _, d := range step {
			asked, err := collect(ctx, db.reads, scanEvent, "SELECT "+orNone(objectColumns)+", "+eventColumns+` FROM event e LEFT JOIN object o ON o.id = e.object_id
				WHERE e.alert_id IN (SELECT id FROM alert WHERE object_id = $1) AND e.type = $2 ORDER BY e.id DESC LIMIT 1`,
				d.Object.ID, string(alert.ScheduleDowntime))
			if err != nil {
				return nil, fmt.Errorf("read who asked for the downtime of %s: %w", d.Object.ID, err)
			}
			if len(asked) == 0 {
				continue // the engine began it
			}
			d.Asked = asked[0]
			if found = append(found, d); len(found) == limit {
				return found, nil
			}
		}
		if len(step) < limit {
			return found, nil
		}
		after = step[len(step)-1].Object.ID
	}
}

func scanDowntime(s scanner) (d dispatch.Downtime, err error) {
	var o objectRow
	var since int64
	if err := s.Scan(append(o.dest(nil), &since)...); err != nil {
		return d, err
	}
	if since != 0 {
		d.Since = time.UnixMilli(since).UTC()
	}
	d.Object, err = o.value()
	return d, err
}
