package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Dump answers all rows of all tables as text, in order.
func Dump(ctx context.Context, db *DB) (string, error) {
	list := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
	if db.d.engine == enginePostgres {
		list = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
	}
	tables, err := collect(ctx, db.reads, scanText, list)
	if err != nil {
		return "", err
	}
	slices.Sort(tables)
	var b strings.Builder
	for _, t := range tables {
		rows, err := db.pools[0].QueryContext(ctx, "SELECT * FROM "+t) //nolint:rowserrcheck // scanAll looks at it
		if err != nil {
			return "", err
		}
		columns, err := rows.Columns()
		if err != nil {
			return "", err
		}
		var lines []string
		err = scanAll(rows, func(s scanner) error {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			err := s.Scan(into...)
			lines = append(lines, fmt.Sprint(values...))
			return err
		})
		if err != nil {
			return "", err
		}
		slices.Sort(lines)
		fmt.Fprintf(&b, "%s %d\n%s\n", t, len(lines), strings.Join(lines, "\n"))
	}
	return b.String(), nil
}
