package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// bulk is a statement over many rows, of any number. PostgreSQL is given each
// column as one array, so that it is one statement and one round trip. SQLite
// knows no arrays: there it is prepared for 1, 2, 4 … 64 rows, and any number
// of rows is written with few of them, so that only seven texts are ever parsed.
type bulk struct {
	d     dialect
	text  string            // with %s where the rows belong
	cols  int               // of a row
	texts [bulkSizes]string // SQLite's
	// single is PostgreSQL's for one row of a lookup, where there is one: it plans a
	// lookup by an array each time that it runs, because how many values there will
	// be is not known beforehand, and that takes longer than to look them up.
	single string
}

const (
	bulkSizes = 7
	bulkMost  = 1 << (bulkSizes - 1)
)

// newInsert makes the bulk INSERT of a table's columns.
func newInsert(d dialect, table, columns, tail string) bulk {
	n := strings.Count(columns, ",") + 1
	if d.engine == enginePostgres {
		return bulk{d: d, cols: n, text: "INSERT INTO " + table + " (" + columns + ") SELECT * FROM %s" + tail}
	}
	// OR FAIL: what fails ends the transaction, so SQLite need not keep a copy of
	// every page for taking back the statement alone.
	return newBulk(d, "INSERT OR FAIL INTO "+table+" ("+columns+") VALUES %s"+tail, n)
}

// newBulk makes it of a text with %s in the place of the rows, which has no
// placeholders of its own. The rows are a table v with column1, column2 and so
// on, or what follows VALUES in an INSERT of SQLite.
func newBulk(d dialect, text string, cols int) bulk {
	b := bulk{d: d, text: text, cols: cols}
	if d.engine != enginePostgres {
		from := strings.Contains(text, "FROM %s")
		b.prepare(func(rows int) string {
			one := "(" + strings.Repeat("?, ", cols-1) + "?)"
			list := one + strings.Repeat(", "+one, rows-1)
			if from {
				return "(VALUES " + list + ") AS v"
			}
			return list
		})
	}
	return b
}

// newUpdate makes an UPDATE with %s in the place of the rows, of those where key,
// a text, is column1. That is said of the array too: PostgreSQL looks up an
// array by index, and may join rows by reading the whole table.
func newUpdate(d dialect, text string, cols int, key, tail string) bulk {
	text += " FROM %s WHERE " + key + " = v.column1"
	if d.engine == enginePostgres {
		text += " AND " + key + " = ANY($1)"
	}
	return newBulk(d, text+tail, cols)
}

// newLookup makes a SELECT with %s in the place of the condition that the
// column has one of the values.
func newLookup(d dialect, text, column string) bulk {
	b := bulk{d: d, text: strings.Replace(text, "%s", column+" = ANY($1)", 1), single: strings.Replace(text, "%s", column+" = $1", 1), cols: 1}
	if d.engine != enginePostgres {
		b.text = text
		b.prepare(func(rows int) string { return column + " IN (?" + strings.Repeat(", ?", rows-1) + ")" })
	}
	return b
}

// prepare writes the texts for SQLite, whose parameters have no names: it finds
// each name in a list, and over a thousand of them most of the time went there.
func (b *bulk) prepare(rows func(n int) string) {
	for i := range b.texts {
		b.texts[i] = strings.Replace(b.text, "%s", rows(1<<i), 1)
	}
}

// each calls do with the text and the arguments for one run of rows after the
// other. row appends one row's arguments.
func (b *bulk) each(n int, row func(i int, args []any) []any, do func(text string, args []any) error) error {
	if n == 0 {
		return nil
	}
	if b.d.engine == enginePostgres && n == 1 && b.single != "" {
		return do(b.single, row(0, nil))
	}
	if b.d.engine == enginePostgres {
		args, types := b.columns(n, row)
		return do(strings.Replace(b.text, "%s", unnest(types), 1), args)
	}
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

// columns answers the rows as an array for each column, and PostgreSQL's names
// of their types.
func (b *bulk) columns(n int, row func(i int, args []any) []any) (arrays []any, types []string) {
	arrays, types = make([]any, b.cols), make([]string, b.cols)
	var args []any
	for i := range n {
		args = row(i, args[:0])
		for col, arg := range args {
			switch v := arg.(type) {
			case string:
				types[col] = "TEXT"
				arrays[col] = appendTo(arrays[col], n, v)
			case int64:
				types[col] = "BIGINT"
				arrays[col] = appendTo(arrays[col], n, v)
			case bool:
				types[col] = "BOOLEAN"
				arrays[col] = appendTo(arrays[col], n, v)
			case []byte:
				types[col] = "BYTEA"
				arrays[col] = appendTo(arrays[col], n, v)
			default:
				panic(fmt.Sprintf("a row with a %T", arg))
			}
		}
	}
	return arrays, types
}

// appendTo appends to an array that will have n values.
func appendTo[T any](array any, n int, v T) []T {
	list, _ := array.([]T)
	if list == nil {
		list = make([]T, 0, n)
	}
	return append(list, v)
}

// unnest makes a table v of the parameters, one array for each column.
func unnest(types []string) string {
	var arrays, names []string
	for i, t := range types {
		n := strconv.Itoa(i + 1)
		arrays = append(arrays, "CAST($"+n+" AS "+t+"[])")
		names = append(names, "column"+n)
	}
	return "unnest(" + strings.Join(arrays, ", ") + ") AS v (" + strings.Join(names, ", ") + ")"
}

// write runs the bulk statement for n rows, later.
func (b *bulk) write(ctx context.Context, q querier, n int, row func(i int, args []any) []any) error {
	return b.each(n, row, func(text string, args []any) error { return q.later(ctx, nil, text, args...) })
}

// read runs the lookup for n rows and calls scan for each that is found.
func (b *bulk) read(ctx context.Context, q querier, n int, row func(i int, args []any) []any, scan func(scanner) error) error {
	if n == 0 {
		return nil
	}
	if b.d.engine == enginePostgres && n == 1 && b.single != "" {
		return b.readOne(ctx, q, b.single, row(0, nil), scan)
	}
	if b.d.engine == enginePostgres {
		arrays, types := b.columns(n, row)
		return b.readOne(ctx, q, strings.Replace(b.text, "%s", unnest(types), 1), arrays, scan)
	}
	for from := 0; from < n; from += bulkMost {
		size, count := 0, min(bulkMost, n-from)
		for 1<<size < count {
			size++
		}
		args := make([]any, 0, b.cols<<size)
		for i := range 1 << size { // filled up with repeats
			args = row(from+min(i, count-1), args)
		}
		if err := b.readOne(ctx, q, b.texts[size], args, scan); err != nil {
			return err
		}
	}
	return nil
}

func (b *bulk) readOne(ctx context.Context, q querier, text string, args []any, scan func(scanner) error) error {
	rows, err := q.query(ctx, text, args...)
	if err != nil {
		return err
	}
	return scanAll(rows, scan)
}
