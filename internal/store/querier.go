package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5/stdlib"
)

// querier runs statements: a pool for reads, or one write transaction.
type querier interface {
	exec(ctx context.Context, query string, args ...any) (int64, error)
	query(ctx context.Context, query string, args ...any) (rows, error)
	row(ctx context.Context, query string, args []any, dest ...any) error
	// later runs a statement whose outcome nothing depends on yet: on PostgreSQL
	// with the next statement that is waited for, or with the commit, in the same
	// round trip, and that one answers its error. scan is given its rows then; nil
	// where it has none.
	later(ctx context.Context, scan func(scanner) error, query string, args ...any) error
}

// rows are those of a query, to be read before the next statement.
type rows interface {
	scanner
	Next() bool
	Err() error
	Close() error
}

// scanAll gives each row to scan, and closes.
func scanAll(rows rows, scan func(scanner) error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// scanner is one row to be read.
type scanner interface{ Scan(dest ...any) error }

// collect reads all rows of a query.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) (list []T, err error) {
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	err = scanAll(rows, func(s scanner) error {
		item, err := scan(s)
		list = append(list, item)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// one reads the row of a query; sql.ErrNoRows if there is none.
func one[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	list, err := collect(ctx, q, scan, query, args...)
	if err == nil && len(list) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		var none T
		return none, err
	}
	return list[0], nil
}

// find is one with the error that callers branch on.
func find[T any](ctx context.Context, q querier, scan func(scanner) (T, error), what, key, query string, args ...any) (T, error) {
	item, err := one(ctx, q, scan, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return item, notFound(what, key)
	} else if err != nil {
		return item, fmt.Errorf("read %s %q: %w", what, key, err)
	}
	return item, nil
}

func scanText(s scanner) (text string, err error) {
	err = s.Scan(&text)
	return text, err
}

// together has fn read what it asks for with later, on PostgreSQL in one round trip.
func (db *DB) together(ctx context.Context, fn func(q querier) error) error {
	if db.d.engine != enginePostgres {
		return fn(atOnce{db.reads})
	}
	conn, err := db.reads.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // gives it back to the pool
	return conn.Raw(func(c any) error {
		t := &pgTx{conn: c.(*stdlib.Conn).Conn()}
		if err := fn(t); err != nil {
			return err
		}
		return t.flush(ctx)
	})
}

// atOnce is a pool for reads to which there is no way that could be spared.
type atOnce struct{ *statements }

func (a atOnce) later(ctx context.Context, scan func(scanner) error, query string, args ...any) error {
	found, err := a.query(ctx, query, args...)
	if err != nil {
		return err
	}
	return scanAll(found, scan)
}

// statements is a pool whose prepared statements are kept. pgx keeps its own;
// modernc.org/sqlite would parse each statement anew.
type statements struct {
	pool    *sql.DB
	prepare bool
	kept    sync.Map // SQL text to *sql.Stmt
}

// statement answers the prepared statement of a text, nil to use the pool as it is.
func (s *statements) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if !s.prepare {
		return nil, nil
	}
	if st, ok := s.kept.Load(query); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := s.pool.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if kept, loaded := s.kept.LoadOrStore(query, st); loaded {
		return kept.(*sql.Stmt), st.Close()
	}
	return st, nil
}

func (s *statements) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return 0, errors.New("a change outside of a write transaction")
}

func (s *statements) later(context.Context, func(scanner) error, string, ...any) error {
	return errors.New("a statement for later outside of a write transaction")
}

func (s *statements) query(ctx context.Context, query string, args ...any) (rows, error) {
	st, err := s.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return given(s.pool.QueryContext(ctx, query, args...))
	}
	return given(st.QueryContext(ctx, args...))
}

// given are rows of database/sql, none with an error.
func given(r *sql.Rows, err error) (rows, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (s *statements) row(ctx context.Context, query string, args []any, dest ...any) error {
	st, err := s.statement(ctx, query)
	if err != nil {
		return err
	}
	if st == nil {
		return s.pool.QueryRowContext(ctx, query, args...).Scan(dest...)
	}
	return st.QueryRowContext(ctx, args...).Scan(dest...)
}

func (s *statements) close() error {
	var errs []error
	s.kept.Range(func(_, st any) bool {
		errs = append(errs, st.(*sql.Stmt).Close())
		return true
	})
	return errors.Join(errs...)
}
