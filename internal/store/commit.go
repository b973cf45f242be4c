package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/config"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
)

// Commit runs fn in one write transaction and is durable when it returns nil.
// fn may run again, from the start and with a new tx, when PostgreSQL ends it
// to resolve a deadlock: it must keep nothing from a run that failed. On SQLite
// ctx ends only the waiting for a turn.
func (db *DB) Commit(ctx context.Context, fn func(ctx context.Context, tx dispatch.Tx) error) error {
	if db.turns != nil {
		db.turns.yield(ctx)
	}
	return db.write(ctx, func(ctx context.Context, w *work) error {
		t := &tx{work: w, held: map[string]bool{}, bare: map[string]bool{}}
		if err := t.begin(ctx); err != nil {
			return err
		}
		if err := fn(ctx, t); err != nil {
			return err
		}
		if t.changes != nil {
			db.recall.keep(t.read, t.changes)
			db.paces.put(t.paces)
			if db.turns != nil {
				db.turns.await(t.changes)
			}
		}
		return t.dropBare(ctx)
	})
}

// tx is dispatch's view of a write transaction.
type tx struct {
	*work
	now     time.Time
	version int64
	config  string                      // the settings as they are kept
	held    map[string]bool             // objects that are locked
	bare    map[string]bool             // objects made by lockObjects that nobody has written yet
	read    map[string]*dispatch.Record // as they were before, of those that were not recalled; see recall
	changes *dispatch.Changes           // what was written
	paces   map[string]keptPace         // likewise, of places
}

// begin reads what nearly every transaction asks for, in one round trip.
func (t *tx) begin(ctx context.Context) error {
	t.now = time.Now()
	if err := t.db.recall.begin(ctx, t); err != nil {
		return err
	}
	var ms int64
	err := t.row(ctx, "SELECT value, "+t.db.d.clock("$1")+", COALESCE((SELECT value FROM setting WHERE name = 'settings'), '') FROM counter WHERE name = 'config'",
		[]any{t.db.clock(0)}, &t.version, &ms, &t.config)
	if err != nil {
		return fmt.Errorf("read the configuration's version: %w", err)
	}
	if t.db.d.engine == enginePostgres {
		t.now = fromMillis(ms)
	}
	return nil
}

func (t *tx) Settings() (config.Settings, error) { return t.db.settings.decode(t.config) }

func (t *tx) Now() time.Time { return t.now }

func (t *tx) DirectoryVersion(context.Context) (int64, error) { return t.version, nil }

// Directory answers the version that was read before the rest: what changes in
// between is loaded once more, never missed.
func (t *tx) Directory(ctx context.Context) (route.Directory, int64, error) {
	d, err := t.db.loadDirectory(ctx, t)
	return d, t.version, err
}

func (t *tx) Seen(ctx context.Context, calls []dispatch.CallKey) (map[dispatch.CallKey]string, error) {
	seen := map[dispatch.CallKey]string{}
	row := func(i int, args []any) []any { return append(args, calls[i].SourceID, calls[i].Key) }
	err := t.db.t.seen.read(ctx, t, len(calls), row, func(s scanner) error {
		var k dispatch.CallKey
		var id string
		if err := s.Scan(&k.SourceID, &k.Key, &id); err != nil {
			return err
		}
		seen[k] = id
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for calls taken before: %w", err)
	}
	return seen, nil
}

func (t *tx) Records(ctx context.Context, objectIDs []string) (map[string]*dispatch.Record, error) {
	ids := slices.Compact(slices.Sorted(slices.Values(objectIDs)))
	if err := t.lockObjects(ctx, ids); err != nil {
		return nil, err
	}
	recs := make(map[string]*dispatch.Record, len(ids))
	unknown := ids
	if t.db.recall != nil {
		unknown = make([]string, 0, len(ids))
		for _, id := range ids {
			if rec := t.db.recall.find(id); rec != nil {
				recs[id] = rec
			} else {
				unknown = append(unknown, id)
			}
		}
	}
	err := t.db.t.records.read(ctx, t, len(unknown), texts(unknown), func(s scanner) error {
		r, err := scanRecord(s)
		if err == nil && !t.bare[r.Object.ID] {
			recs[r.Object.ID] = r
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	for _, id := range unknown {
		if recs[id] == nil {
			recs[id] = &dispatch.Record{Object: alert.Object{ID: id}}
		}
		if t.db.recall != nil {
			if t.read == nil {
				t.read = make(map[string]*dispatch.Record, len(unknown))
			}
			before := *recs[id] // dispatch goes on with the other one
			t.read[id] = &before
		}
	}
	return recs, nil
}

// lockObjects holds the objects, which are in ascending order, until the end of
// the transaction; on SQLite the transaction itself does. Who is first to see
// a new object makes a bare row of it, so that there is something to hold. All
// nodes make rows before they lock, and do both in ascending order: no circle.
// What is read afterwards is read by another statement, because PostgreSQL
// would join what it had seen before it waited.
func (t *tx) lockObjects(ctx context.Context, ids []string) error {
	if t.db.d.engine != enginePostgres {
		return nil
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return t.held[id] })
	err := t.db.t.bareObjects.each(len(ids), texts(ids), func(text string, args []any) error {
		return t.later(ctx, func(s scanner) error {
			id, err := scanText(s)
			t.bare[id] = true
			return err
		}, text, args...)
	})
	if err != nil {
		return fmt.Errorf("make new objects: %w", err)
	}
	err = t.db.t.lockObjects.each(len(ids), texts(ids), func(text string, args []any) error { return t.later(ctx, t.holds, text, args...) })
	if err != nil {
		return fmt.Errorf("lock objects: %w", err)
	}
	return nil
}

// holds notes that an object is locked.
func (t *tx) holds(s scanner) error {
	id, err := scanText(s)
	t.held[id] = true
	return err
}

// dropBare takes back the rows of objects that nobody wrote after all.
func (t *tx) dropBare(ctx context.Context) error {
	for id := range t.bare {
		if _, err := t.exec(ctx, "DELETE FROM object WHERE id = $1", id); err != nil {
			return fmt.Errorf("take back object %s: %w", id, err)
		}
	}
	return nil
}

func (t *tx) AlertByID(ctx context.Context, id string) (*alert.Alert, error) {
	if t.db.d.engine == enginePostgres {
		// An alert's object never changes. What is read by the next statement is as it
		// is when the lock is had, in the same round trip.
		err := t.later(ctx, t.holds, "SELECT id FROM object WHERE id = (SELECT object_id FROM alert WHERE id = $1) FOR UPDATE", id)
		if err != nil {
			return nil, err
		}
	}
	a, err := readAlert(ctx, t, id)
	return &a, err
}

// texts gives the rows of a bulk statement over one column of texts.
func texts(list []string) func(i int, args []any) []any {
	return func(i int, args []any) []any { return append(args, list[i]) }
}
