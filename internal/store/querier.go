package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// querier runs statements: a pool for reads, or one write transaction.
type querier interface {
	exec(ctx context.Context, query string, args ...any) (int64, error)
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	row(ctx context.Context, query string, args []any, dest ...any) error
}

// scanner is one row to be read.
type scanner interface{ Scan(dest ...any) error }

// collect reads all rows of a query.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) (list []T, err error) {
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, rows.Err()
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

func (s *statements) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := s.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return s.pool.QueryContext(ctx, query, args...)
	}
	return st.QueryContext(ctx, args...)
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

// A bulk statement is prepared for 1, 2, 4 … 64 rows; any number of rows is
// written with few of them, and only seven texts are ever parsed.
const bulkSizes = 7

// bulk is a statement over many rows: the text before and after the rows of
// its VALUES, written out for each size.
type bulk struct {
	cols  int
	texts [bulkSizes]string
}

// newBulk makes it of the text around VALUES, which has no placeholders of its
// own. casts are for the columns of the first row, for a VALUES whose types
// PostgreSQL cannot know; nil for an INSERT. SQLite needs none, and with one in
// the first row it would keep the rows in a table of their own and search the
// other table in the order that it likes.
func newBulk(d dialect, head string, cols int, casts []string, tail string) bulk {
	b := bulk{cols: cols}
	for i := range b.texts {
		var t strings.Builder
		t.WriteString(head)
		for row := range 1 << i {
			if row > 0 {
				t.WriteString(", ")
			}
			t.WriteByte('(')
			for col := range cols {
				if col > 0 {
					t.WriteString(", ")
				}
				p := d.next(row*cols + col + 1)
				if row == 0 && casts != nil && d.engine == enginePostgres {
					p = "CAST(" + p + " AS " + casts[col] + ")"
				}
				t.WriteString(p)
			}
			t.WriteByte(')')
		}
		t.WriteString(tail)
		b.texts[i] = t.String()
	}
	return b
}

// newInsert makes the bulk INSERT of a table's columns.
func newInsert(d dialect, table, columns, tail string) bulk {
	return newBulk(d, "INSERT INTO "+table+" ("+columns+") VALUES ", strings.Count(columns, ",")+1, nil, tail)
}

// each calls do with the text and the arguments for one run of rows after the
// other. row appends one row's arguments.
func (b *bulk) each(n int, row func(i int, args []any) []any, do func(text string, args []any) error) error {
	var args []any
	for i := 0; i < n; {
		size := bulkSizes - 1
		for 1<<size > n-i {
			size--
		}
		if args == nil {
			args = make([]any, 0, b.cols<<size)
		}
		args = args[:0]
		for range 1 << size {
			args = row(i, args)
			i++
		}
		if err := do(b.texts[size], args); err != nil {
			return err
		}
	}
	return nil
}

// write runs the bulk statement for n rows.
func (b *bulk) write(ctx context.Context, q querier, n int, row func(i int, args []any) []any) error {
	return b.each(n, row, func(text string, args []any) error {
		_, err := q.exec(ctx, text, args...)
		return err
	})
}

// lookup is a SELECT with a list of rows to look for, in the place of the %s.
// The last run is filled up with repeats, so it must be the argument of an IN.
func newLookup(d dialect, text string, cols int) bulk {
	head, tail, _ := strings.Cut(text, "%s")
	b := newBulk(d, head, cols, nil, tail)
	if cols == 1 {
		for i := range b.texts {
			var t strings.Builder
			for p := range 1 << i {
				if p > 0 {
					t.WriteString(", ")
				}
				t.WriteString(d.next(p + 1))
			}
			b.texts[i] = head + t.String() + tail
		}
	}
	return b
}

// read runs the lookup for n rows and calls scan for each that is found.
func (b *bulk) read(ctx context.Context, q querier, n int, row func(i int, args []any) []any, scan func(scanner) error) error {
	const most = 1 << (bulkSizes - 1)
	for from := 0; from < n; from += most {
		size, count := 0, min(most, n-from)
		for 1<<size < count {
			size++
		}
		args := make([]any, 0, b.cols<<size)
		for i := range 1 << size {
			args = row(from+min(i, count-1), args)
		}
		if err := b.readOne(ctx, q, b.texts[size], args, scan); err != nil {
			return err
		}
	}
	return nil
}

func (b *bulk) readOne(ctx context.Context, q querier, text string, args []any, scan func(scanner) error) (err error) {
	rows, err := q.query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
