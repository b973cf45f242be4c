package store

import (
	"context"
	"database/sql"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/chat"
)

// AlertsWith answers the first page of DB.Alerts, and does something between its reading
// of what is open and of what is resolved.
func AlertsWith(ctx context.Context, db *DB, f alert.Filter, do func()) (items []alert.Alert, next string, err error) {
	l := alertList{db: db, f: f, limit: pageLimit(f.Limit)}
	if items, err = l.open(ctx); err != nil {
		return nil, "", err
	}
	do()
	return l.goOn(ctx, items)
}

// Exec runs a statement that only a test needs, such as one that lets time pass.
func Exec(ctx context.Context, db *DB, query string, args ...any) error {
	return db.plain(ctx, "change what only a test changes", query, args...)
}

// Count counts the rows of a table.
func Count(ctx context.Context, db *DB, table string) (n int, err error) {
	err = db.reads.row(ctx, "SELECT count(*) FROM "+table, nil, &n)
	return n, err
}

// CountWhere counts those rows of a table that a condition holds for.
func CountWhere(ctx context.Context, db *DB, table, condition string, args ...any) (n int, err error) {
	err = db.reads.row(ctx, "SELECT count(*) FROM "+table+" WHERE "+condition, args, &n)
	return n, err
}

// MigrateTo brings an empty database to an older version of the schema, and
// runs statements there.
func MigrateTo(ctx context.Context, engine string, pool *sql.DB, version int64, statements ...string) error {
	d := sqliteDialect()
	if engine == enginePostgres {
		d = postgresDialect()
	}
	p, err := migrator(pool, d)
	if err != nil {
		return err
	}
	if _, err := p.UpTo(ctx, version); err != nil {
		return err
	}
	for _, s := range statements {
		if _, err := pool.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// SealedColumns are those that are sealed, as table.column.
func SealedColumns() (list []string) {
	for _, c := range secretColumns() {
		list = append(list, c.table+"."+c.column)
	}
	return list
}

// PostsOf lists what stands of an alert anywhere, the first first.
func PostsOf(ctx context.Context, db *DB, alertID string) ([]chat.Post, error) {
	return collect(ctx, db.reads, scanPost, "SELECT "+postColumns+" FROM chat_post WHERE alert_id = $1 ORDER BY created, destination", alertID)
}

// Read has the snapshot read a table.
func (s *Snapshot) Read(ctx context.Context, table string) error {
	var n int
	return s.tx.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&n)
}

// SetPatience sets how long a list looks through blocks for one page.
func SetPatience(db *DB, d time.Duration) { db.patience = d }
