package store

import "context"

// Exec runs a statement that only a test needs, such as one that lets time pass.
func Exec(ctx context.Context, db *DB, query string, args ...any) error {
	return db.plain(ctx, "change what only a test changes", query, args...)
}

// Count counts the rows of a table.
func Count(ctx context.Context, db *DB, table string) (n int, err error) {
	err = db.reads.row(ctx, "SELECT count(*) FROM "+table, nil, &n)
	return n, err
}
