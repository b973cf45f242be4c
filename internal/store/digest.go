package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
)

// Collecting answers which digests still collect, and keeps them from being claimed
// until the end of the transaction.
//
// It waits for nobody: what another transaction holds is being told or ended at
// this moment, and collects no more. Who holds a digest waits for what it has
// collected, so waiting for digests here could become a circle.
func (t *tx) Collecting(ctx context.Context, ids []string) (map[string]bool, error) {
	keys := distinct(ids)
	found := make(map[string]bool, len(keys))
	err := t.db.t.collecting.read(ctx, t, len(keys), texts(keys), func(s scanner) error {
		var id string
		var due int64
		err := s.Scan(&id, &due)
		if due == 0 || due > millis(t.now) {
			found[id] = true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look which digests still collect: %w", err)
	}
	return found, nil
}

func (t *tx) writeDigestDues(ctx context.Context, c *dispatch.Changes) error {
	list := latest(c.Digests, func(d *dispatch.DigestDue) string { return d.ID })
	slices.SortFunc(list, func(a, b *dispatch.DigestDue) int { return strings.Compare(a.ID, b.ID) })
	return t.db.t.digestDue.write(ctx, t, len(list), func(i int, args []any) []any {
		return append(args, list[i].ID, millis(list[i].Due), list[i].Quiet)
	})
}

// ended is a delivery that has just ended, and as what.
type ended struct {
	id, notice, state, detail string
}

// endedSQL answers them.
const endedSQL = " RETURNING id, notice, state, detail"

func scanEnded(s scanner) (e ended, err error) {
	err = s.Scan(&e.id, &e.notice, &e.state, &e.detail)
	return e, err
}

const digestNotice = string(alert.NoticeDigest)

// endCollected ends what the digests among deliveries that have ended have
// collected, as what they have. Without digests it costs nothing. Whoever holds a
// digest and what it has collected took them in this order.
func (w *work) endCollected(ctx context.Context, list []ended, now time.Time) error {
	digests := those(list, func(e *ended) bool { return e.notice == digestNotice })
	slices.SortFunc(digests, func(a, b *ended) int { return strings.Compare(a.id, b.id) })
	return w.db.t.endCollected.write(ctx, w, len(digests), func(i int, args []any) []any {
		d := digests[i]
		return append(args, d.id, d.state, cleaned(delivery.Together(d.detail), mostDetail), millis(now))
	})
}
