package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin/internal/dispatch"
)

const heartbeatColumns = "id, name, disabled, quiet_minutes, quiet_since, created, last_event, last_sign, silent_since"

func scanHeartbeat(s scanner) (dispatch.Heartbeat, error) {
	var h dispatch.Heartbeat
	var minutes, set, created, event, sign, silent int64
	if err := s.Scan(&h.SourceID, &h.Name, &h.Disabled, &minutes, &set, &created, &event, &sign, &silent); err != nil {
		return h, err
	}
	h.Within = time.Duration(minutes) * time.Minute
	h.Set, h.Created, h.LastEvent, h.LastSign, h.Silent = fromMillis(set), fromMillis(created), fromMillis(event), fromMillis(sign), fromMillis(silent)
	return h, nil
}

// Heartbeats answers the sources whose silence is watched, and those that are alerted
// of as silent.
func (db *DB) Heartbeats(ctx context.Context) ([]dispatch.Heartbeat, error) {
	list, err := collect(ctx, db.reads, scanHeartbeat, "SELECT "+heartbeatColumns+" FROM source WHERE quiet_minutes > 0 OR silent_since > 0 ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("look which sources are silent: %w", err)
	}
	return list, nil
}

func (t *tx) Heartbeat(ctx context.Context, sourceID string) (dispatch.Heartbeat, error) {
	return find(ctx, t, scanHeartbeat, "source", sourceID, "SELECT "+heartbeatColumns+" FROM source WHERE id = $1", sourceID)
}

// SourceAlive notes that a source said that it is alive.
func (db *DB) SourceAlive(ctx context.Context, sourceID string) error {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return err
	}
	return db.plain(ctx, "note a source's sign of life", "UPDATE source SET last_sign = $1 WHERE id = $2", millis(now), sourceID)
}

func (t *tx) writeSilent(ctx context.Context, c *dispatch.Changes) error {
	for _, id := range slices.Sorted(maps.Keys(c.Silent)) {
		if err := t.later(ctx, nil, "UPDATE source SET silent_since = $1 WHERE id = $2", millis(c.Silent[id]), id); err != nil {
			return err
		}
	}
	return nil
}

// watchEvery is how old what was noted may be before it is noted again: who looks
// more often only reads.
const watchEvery = 10 * time.Second

// Listening notes that a hub looks after something now, and answers since when hubs on
// this database have done so without a gap: longer than gap nobody was there, or the
// clock jumped, and it begins anew. now is the time that it is measured by.
func (db *DB) Listening(ctx context.Context, name, node string, gap time.Duration) (since, now time.Time, err error) {
	if now, err = db.now(ctx, db.reads); err != nil {
		return since, now, err
	}
	w, err := db.readWatch(ctx, name)
	if err != nil {
		return since, now, err
	}
	if quiet := now.Sub(w.seen); quiet >= 0 && quiet < min(watchEvery, gap) && !w.since.After(now) {
		return w.since, now, nil
	}
	err = db.plain(ctx, "note that a hub listens", `INSERT INTO watch (name, node, since, seen) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET node = excluded.node, seen = excluded.seen,
			since = CASE WHEN watch.seen < $5 OR watch.seen > $6 OR watch.since > $7 THEN excluded.since ELSE watch.since END`,
		name, node, millis(now), millis(now), millis(now.Add(-gap)), millis(now.Add(clockSlack)), millis(now))
	if err != nil {
		return since, now, err
	}
	w, err = db.readWatch(ctx, name)
	return w.since, now, err
}

// clockSlack is how far ahead of the clock something may have been noted that was
// noted by the same clock: by a transaction that ended later than it began.
const clockSlack = 2 * time.Second

// Turn says whether it is this node's turn to do what one node at a time does: nobody
// does, or this one did last, or who did has not for longer than lease.
func (db *DB) Turn(ctx context.Context, name, node string, lease time.Duration) (bool, error) {
	now, err := db.now(ctx, db.reads)
	if err != nil {
		return false, err
	}
	err = db.plain(ctx, "take a turn", `INSERT INTO watch (name, node, since, seen) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET
			since = CASE WHEN watch.node = excluded.node THEN watch.since ELSE excluded.since END, node = excluded.node, seen = excluded.seen
		WHERE watch.node = excluded.node OR watch.seen < $5 OR watch.seen > $6`,
		name, node, millis(now), millis(now), millis(now.Add(-lease)), millis(now.Add(lease)))
	if err != nil {
		return false, err
	}
	w, err := db.readWatch(ctx, name)
	return w.node == node, err
}

type watched struct {
	node        string
	since, seen time.Time
}

func (db *DB) readWatch(ctx context.Context, name string) (watched, error) {
	list, err := collect(ctx, db.reads, func(s scanner) (watched, error) {
		var w watched
		var since, seen int64
		err := s.Scan(&w.node, &since, &seen)
		w.since, w.seen = fromMillis(since), fromMillis(seen)
		return w, err
	}, "SELECT node, since, seen FROM watch WHERE name = $1", name)
	if err != nil {
		return watched{}, fmt.Errorf("read who does %s: %w", name, err)
	}
	if len(list) == 0 {
		return watched{}, nil
	}
	return list[0], nil
}
