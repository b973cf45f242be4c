package store

import (
	"context"
	"errors"
	"fmt"

	"tocsin/internal/fault"
)

// isOver says whether an incident or a maintenance ended before a time, or is not
// there at all.
func isOver(ctx context.Context, q querier, id string, old int64) (bool, error) {
	open, err := one(ctx, q, func(s scanner) (n int64, err error) {
		err = s.Scan(&n)
		return n, err
	}, `SELECT (SELECT count(*) FROM incident WHERE id = $1 AND (ended = 0 OR ended >= $2)) +
		(SELECT count(*) FROM maintenance WHERE id = $1 AND (ended = 0 OR ended >= $2))`, id, old)
	if err != nil {
		return false, fmt.Errorf("look for incident %s: %w", id, err)
	}
	return open == 0, nil
}

// followsAtOnce is how many rows pruneFollows has in memory.
const followsAtOnce = 1000

// pruneFollows takes from devices what they wanted of single incidents and
// maintenances that have been over for publicationsKept: until then one may be
// opened again, or get its postmortem. A device that wanted nothing else is
// forgotten.
func (db *DB) pruneFollows(ctx context.Context) error {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return err
	}
	old := millis(now.Add(-publicationsKept))
	type row struct{ page, id, want string }
	over := map[string]bool{}
	for last := (row{}); ; {
		list, err := collect(ctx, db.many, func(s scanner) (r row, err error) {
			err = s.Scan(&r.page, &r.id, &r.want)
			return r, err
		}, `SELECT page_id, subscription_id, want FROM subscription_page WHERE (page_id, subscription_id) > ($1, $2)
			AND want LIKE '%"incident":"%' ORDER BY page_id, subscription_id LIMIT $3`, last.page, last.id, int64(followsAtOnce))
		if err != nil {
			return fmt.Errorf("list them: %w", err)
		}
		for _, r := range list {
			wants, err := decodeWants(r.want)
			if err != nil {
				return err
			}
			for _, w := range wants {
				if w.Incident == "" {
					continue
				}
				if _, known := over[w.Incident]; !known {
					if over[w.Incident], err = isOver(ctx, db.reads, w.Incident, old); err != nil {
						return err
					}
				}
				if !over[w.Incident] {
					continue
				}
				// One that is gone by now was ended by its owner.
				if err := db.DeleteVisitor(ctx, r.id, r.page, w.Incident); err != nil && !errors.Is(err, fault.ErrNotFound) {
					return err
				}
			}
		}
		if len(list) < followsAtOnce {
			return nil
		}
		last = list[len(list)-1]
	}
}
