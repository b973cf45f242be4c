package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// once runs one write transaction on a connection of the pool, past database/sql,
// which waits for each statement.
func (w *pgWriter) once(ctx context.Context, fn func(context.Context, querier) error) error {
	conn, err := w.pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("begin to write: %w", err)
	}
	defer func() { _ = conn.Close() }() // gives it back to the pool
	return conn.Raw(func(c any) (err error) {
		t := &pgTx{conn: c.(*stdlib.Conn).Conn()}
		t.queue = []laterStatement{{query: "BEGIN"}}
		defer t.end(ctx)
		if err := fn(ctx, t); err != nil {
			return err
		}
		if err := t.commit(ctx); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		return nil
	})
}

// only needs no BEGIN and no COMMIT. Rows come when the statement has done all, so
// one that is tried again has given none.
func (w *pgWriter) only(ctx context.Context, scan func(scanner) error, query string, args ...any) error {
	return w.again(ctx, func() error {
		if scan == nil {
			_, err := w.pool.ExecContext(ctx, query, args...)
			return err
		}
		found, err := given(w.pool.QueryContext(ctx, query, args...))
		if err != nil {
			return err
		}
		return scanAll(found, scan)
	})
}

// pgTx is a write transaction that sends statements together: what is not waited
// for goes with the next one that is, in one round trip. PostgreSQL runs them in
// the order as given, each of them seeing what was committed before it, and none
// after one that failed. The first is BEGIN.
type pgTx struct {
	conn  *pgx.Conn
	queue []laterStatement
}

// laterStatement is a statement that was not sent yet.
type laterStatement struct {
	query string
	args  []any
	scan  func(scanner) error // nil: it has no rows
}

func (t *pgTx) later(_ context.Context, scan func(scanner) error, query string, args ...any) error {
	t.queue = append(t.queue, laterStatement{query, args, scan})
	return nil
}

// send sends what waits with one more statement, and answers the results when it
// is that one's turn.
func (t *pgTx) send(ctx context.Context, query string, args []any) (pgx.BatchResults, error) {
	queue := t.queue
	t.queue = nil
	var b pgx.Batch
	for i := range queue {
		b.Queue(queue[i].query, queue[i].args...)
	}
	b.Queue(query, args...)
	results := t.conn.SendBatch(ctx, &b)
	for i := range queue {
		if err := queue[i].take(results); err != nil {
			_ = results.Close() // it says the same
			return nil, err
		}
	}
	return results, nil
}

// take takes the statement's result.
func (s *laterStatement) take(results pgx.BatchResults) error {
	if s.scan == nil {
		_, err := results.Exec()
		return err
	}
	found, err := results.Query()
	if err != nil {
		return err
	}
	return scanAll(pgRows{found, nil}, s.scan)
}

func (t *pgTx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	results, err := t.send(ctx, query, args)
	if err != nil {
		return 0, err
	}
	tag, err := results.Exec()
	return tag.RowsAffected(), errors.Join(err, closed(results, err))
}

func (t *pgTx) query(ctx context.Context, query string, args ...any) (rows, error) {
	if len(t.queue) == 0 {
		found, err := t.conn.Query(ctx, query, args...)
		if err != nil {
			return nil, err
		}
		return pgRows{found, nil}, nil
	}
	results, err := t.send(ctx, query, args)
	if err != nil {
		return nil, err
	}
	found, err := results.Query()
	if err != nil {
		_ = results.Close() // it says the same
		return nil, err
	}
	return pgRows{found, results}, nil
}

func (t *pgTx) row(ctx context.Context, query string, args []any, dest ...any) error {
	found, err := t.query(ctx, query, args...)
	if err != nil {
		return err
	}
	n := 0
	err = scanAll(found, func(s scanner) error {
		n++
		if n > 1 {
			return nil // the first counts
		}
		return s.Scan(dest...)
	})
	if err == nil && n == 0 {
		return pgx.ErrNoRows // to errors.Is the same as that of database/sql
	}
	return err
}

// flush sends what waits.
func (t *pgTx) flush(ctx context.Context) error {
	n := len(t.queue) - 1
	if n < 0 {
		return nil
	}
	last := t.queue[n]
	t.queue = t.queue[:n]
	results, err := t.send(ctx, last.query, last.args)
	if err != nil {
		return err
	}
	err = last.take(results)
	return errors.Join(err, closed(results, err))
}

// commit sends the rest with COMMIT. Where nothing was sent before, there is
// nothing to commit but what waits.
func (t *pgTx) commit(ctx context.Context) error {
	if len(t.queue) == 1 && t.idle() {
		t.queue = nil
		return nil
	}
	results, err := t.send(ctx, "COMMIT", nil)
	if err != nil {
		return err
	}
	tag, err := results.Exec()
	if err := errors.Join(err, closed(results, err)); err != nil {
		return err
	}
	if tag.String() != "COMMIT" {
		return errors.New("PostgreSQL took the transaction back: " + tag.String())
	}
	return nil
}

// idle says whether no transaction has begun in PostgreSQL.
func (t *pgTx) idle() bool { return t.conn.PgConn().TxStatus() == 'I' }

// rollbackWithin is how long taking back may take.
const rollbackWithin = 5 * time.Second

// end takes back what was not committed. A connection that it cannot be said on is
// closed, which takes it back as well.
func (t *pgTx) end(ctx context.Context) {
	if t.conn.IsClosed() || t.idle() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackWithin)
	defer cancel()
	if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil || !t.idle() {
		_ = t.conn.Close(ctx)
	}
}

// closed closes results after err. Their own error is not said twice.
func closed(results pgx.BatchResults, err error) error {
	if e := results.Close(); err == nil {
		return e
	}
	return nil
}

// pgRows are the rows of a query, with the results that they are the last of, if any.
type pgRows struct {
	pgx.Rows
	of pgx.BatchResults
}

func (r pgRows) Close() error {
	r.Rows.Close()
	if r.of == nil {
		return nil
	}
	return closed(r.of, r.Err())
}
