package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
)

// tellingEnds is after how long at the latest what was to tell an engine of an
// acknowledgement has ended.
const tellingEnds = 25 * time.Hour

// AckedAlerts answers acknowledged alerts of a source, in the order of their ids
// and after the given one, whose acknowledgement was made here and stands in the
// engine as far as is known, or of which it is not known: Confirmed or
// Unconfirmed, or Pending although nothing will tell the engine any more. Fewer
// than limit are the last.
func (db *DB) AckedAlerts(ctx context.Context, sourceID, after string, limit int) ([]alert.Alert, error) {
	limit = atLeastOne(limit)
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return nil, err
	}
	watched := func(k *alert.Ack) bool {
		if k == nil || !k.Origin.Here() {
			return false
		}
		return k.Confirmation == alert.Confirmed || k.Confirmation == alert.Unconfirmed ||
			k.Confirmation == alert.Pending && now.Sub(k.At) > tellingEnds
	}
	var found []alert.Alert
	for {
		step, err := collect(ctx, db.reads, scanAlert, "SELECT "+objectColumns+", "+alertColumns+` FROM alert a JOIN object o ON o.id = a.object_id
			WHERE a.rank = 1 AND o.source_id = $1 AND a.id > $2 ORDER BY a.id LIMIT $3`, sourceID, after, int64(limit))
		if err != nil {
			return nil, fmt.Errorf("list the acknowledged alerts of source %s: %w", sourceID, err)
		}
		for i := range step {
			if !watched(step[i].Ack) {
				continue
			}
			if found = append(found, step[i]); len(found) == limit {
				return found, nil
			}
		}
		if len(step) < limit {
			return found, nil
		}
		after = step[len(step)-1].ID
	}
}

// ExpiredAcks answers up to limit acknowledgements whose time ran out, the first
// to end first, and when the next of those that it does not answer ends, zero if
// none does. That one may lie in the past, when there are more than limit.
func (db *DB) ExpiredAcks(ctx context.Context, limit int) (ids []dispatch.AckEnd, next time.Time, err error) {
	limit = atLeastOne(limit)
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return nil, time.Time{}, err
	}
	type row struct {
		dispatch.AckEnd
		until time.Time
	}
	rows, err := collect(ctx, db.reads, func(s scanner) (r row, err error) {
		var text string
		var until int64
		if err := s.Scan(&r.AlertID, &text, &until); err != nil {
			return r, err
		}
		k, err := decodeAck(text)
		if k != nil {
			r.EventID = k.EventID
		}
		r.until = fromMillis(until)
		return r, err
	}, "SELECT id, ack, ack_until FROM alert WHERE ack_until > 0 AND rank = 1 ORDER BY ack_until, id LIMIT $1", int64(limit+1))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("look for acknowledgements whose time ran out: %w", err)
	}
	for _, r := range rows {
		if r.until.After(now) || len(ids) == limit {
			return ids, r.until, nil
		}
		ids = append(ids, r.AckEnd)
	}
	return ids, time.Time{}, nil
}

// atLeastOne is a limit that a caller of ours gives, who counts on it.
func atLeastOne(n int) int { return max(n, 1) }

// FindAlerts answers open alerts whose id ends in the given text, at most limit:
// people write the last characters of an id alone.
func (db *DB) FindAlerts(ctx context.Context, suffix string, limit int) ([]alert.Alert, error) {
	if suffix == "" {
		return nil, nil
	}
	like := strings.TrimSuffix(likeEscaped(strings.ToLower(suffix)), "%")
	list, err := collect(ctx, db.reads, scanAlert, "SELECT "+objectColumns+", "+alertColumns+` FROM alert a JOIN object o ON o.id = a.object_id
		WHERE a.rank IN (1, 2) AND a.id LIKE $1 ESCAPE '\' ORDER BY a.rank DESC, a.since DESC, a.id DESC LIMIT $2`, like, int64(atLeastOne(limit)))
	if err != nil {
		return nil, fmt.Errorf("look for an alert by the end of its id: %w", err)
	}
	return list, nil
}
