package store

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
)

// Downtimes answers the objects of a source that are in a downtime which was asked
// for here and of whose beginning the engine told nothing since, in the order of
// their ids and after the given one, each with the latest event that asked. Fewer
// than limit are the last.
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
			asked, err := collect(ctx, db.reads, scanEvent, "SELECT "+orNone(objectColumns)+", "+eventColumns+" FROM event e LEFT JOIN object o ON o.id = e.object_id WHERE "+
				db.d.among("e.id", "SELECT id FROM event WHERE "+db.d.among("alert_id", "SELECT id FROM alert WHERE object_id = $1")+
					" UNION ALL SELECT id FROM event WHERE alert_id = '' AND object_id = $1")+
				" AND e.type IN ($2, $3) ORDER BY e.id DESC LIMIT 1", d.Object.ID, string(alert.ScheduleDowntime), string(alert.DowntimeStart))
			if err != nil {
				return nil, fmt.Errorf("read who asked for the downtime of %s: %w", d.Object.ID, err)
			}
			if len(asked) == 0 || asked[0].Type == alert.DowntimeStart {
				continue // the engine began it, or tells of it: then it tells of its end, too
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
