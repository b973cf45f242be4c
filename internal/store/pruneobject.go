package store

import (
	"context"
	"fmt"
	"time"
)

// unusedSQL is the condition of an object that nobody has heard of since $1, and of which
// nothing is kept any more. Engines that name what they watch anew with each
// start, as clusters of containers are, would fill the table with such.
const unusedSQL = `object.changed < $1 AND object.alert_id = '' AND NOT object.downtime AND NOT EXISTS (SELECT 1 FROM alert a WHERE a.object_id = object.id)
	AND NOT EXISTS (SELECT 1 FROM event e WHERE e.alert_id = '' AND e.object_id = object.id)`

// PruneObjects deletes up to limit objects of which nothing has changed since the given
// time and nothing else is kept, and as many messages of that age that belong to no alert
// and no event. It answers how many; call it again while that is limit or more. What of
// an object is heard again later makes it anew.
func (db *DB) PruneObjects(ctx context.Context, before time.Time, limit int) (int, error) {
	// Looked for beside the writer, and once more by it: what an event has changed in
	// between stays.
	ids, err := collect(ctx, db.many, scanText, "SELECT object.id FROM object WHERE "+unusedSQL+" LIMIT $2", millis(before), int64(limit))
	if err != nil {
		return 0, fmt.Errorf("look for objects that are not used: %w", err)
	}
	total := 0
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		total = 0
		if len(ids) > 0 {
			db.recall.forget()
			n, err := w.exec(ctx, "DELETE FROM object WHERE "+unusedSQL+" AND "+db.d.among("object.id", db.d.list("$2")), millis(before), encodeList(ids))
			if err != nil {
				return err
			}
			total += int(n)
		}
		lone, err := collect(ctx, w, scanText, `SELECT id FROM delivery d WHERE alert_id = '' AND done > 0 AND done < $1
			AND NOT EXISTS (SELECT 1 FROM event e WHERE e.id = d.event_id) LIMIT $2`, millis(before), int64(limit))
		if err != nil || len(lone) == 0 {
			return err
		}
		total += len(lone)
		return w.each(ctx, encodeList(lone),
			"DELETE FROM attempt WHERE "+db.d.among("delivery_id", db.d.list("$1")),
			"DELETE FROM delivery WHERE "+db.d.among("id", db.d.list("$1")))
	})
	if err != nil {
		return 0, fmt.Errorf("delete objects that are not used: %w", err)
	}
	return total, nil
}
