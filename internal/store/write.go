package store

import (
	"context"
	"fmt"

	"tocsin/internal/fault"
)

// writer runs write transactions on one engine.
type writer interface {
	// transact commits what fn did, or nothing when fn fails. On PostgreSQL fn
	// may run again after a deadlock.
	transact(ctx context.Context, fn func(ctx context.Context, q querier) error) error
	// only runs one statement as a transaction of its own, and gives its rows, if
	// scan is not nil, when all is done.
	only(ctx context.Context, scan func(scanner) error, query string, args ...any) error
	close() error
}

// work is one write transaction and what it leads to once it is committed.
type work struct {
	querier
	db     *DB
	topics map[string]bool // whom to wake
	config int64           // the new version of the configuration, 0: unchanged
}

// wake wakes a topic after the commit.
func (w *work) wake(topic string) { w.topics[topic] = true }

// raise says that routing, people or settings changed.
func (w *work) raise(ctx context.Context) error {
	w.wake(topicConfig)
	return w.row(ctx, "UPDATE counter SET value = value + 1 WHERE name = 'config' RETURNING value", nil, &w.config)
}

// write runs fn in one transaction, and wakes whom it concerns once it is committed.
func (db *DB) write(ctx context.Context, fn func(ctx context.Context, w *work) error) error {
	if db.writer == nil {
		return errClosed
	}
	var w *work
	err := db.writer.transact(ctx, func(ctx context.Context, q querier) error {
		w = &work{querier: q, db: db, topics: map[string]bool{}}
		return fn(ctx, w)
	})
	if err := db.full.mark(err); err != nil {
		return err
	}
	if w.config > 0 {
		db.wakes.raise(w.config)
	}
	for topic := range w.topics {
		db.wakes.wake(topic)
		db.wakes.tellOthers(topic)
	}
	return nil
}

// change is write for what routing or settings depend on.
func (db *DB) change(ctx context.Context, fn func(ctx context.Context, w *work) error) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		if err := fn(ctx, w); err != nil {
			return err
		}
		return w.raise(ctx)
	})
}

// taken gives a broken UNIQUE the error that callers branch on.
func taken(err error, what, name string) error {
	if liteTaken(err) || pgCode(err) == "23505" {
		return fmt.Errorf("%s %q: %w", what, name, fault.ErrTaken)
	} else if err != nil {
		return fmt.Errorf("save %s %q: %w", what, name, err)
	}
	return nil
}
