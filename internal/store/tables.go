package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"tocsin/internal/backup"
)

// newest is the version of the schema that this program brings a database to.
func newest() (int64, error) {
	names, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, fmt.Errorf("list the migrations: %w", err)
	}
	var v int64
	for _, n := range names {
		var number int64
		if _, err := fmt.Sscanf(n.Name(), "%d_", &number); err != nil {
			return 0, fmt.Errorf("the migration %s has no number: %w", n.Name(), err)
		}
		v = max(v, number)
	}
	return v, nil
}

// newerError says that a database or a backup is of a newer version.
func newerError(what string, have, know int64) error {
	return fmt.Errorf("%s is of a newer version of Tocsin (its schema is %d, this program knows %d): use that version, or a newer one", what, have, know)
}

// tablesOf answers all tables of a version of the schema, those that others refer
// to first. It asks an empty database in memory: what a database has besides is
// not ours.
func tablesOf(ctx context.Context, version int64) ([]backup.Table, error) {
	know, err := newest()
	if err != nil {
		return nil, err
	}
	if version > know {
		return nil, newerError("the database", version, know)
	}
	pool, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		return nil, fmt.Errorf("make a schema to compare with: %w", err)
	}
	defer func() { _ = pool.Close() }() // nothing in it is kept
	pool.SetMaxOpenConns(1)             // each connection would have a memory of its own
	if err := migrateTo(ctx, pool, sqliteDialect(), version); err != nil {
		return nil, err
	}
	names, err := readTexts(ctx, pool, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version' ORDER BY name")
	if err != nil {
		return nil, err
	}
	var tables []backup.Table
	for len(names) > 0 {
		before := len(names)
		var rest []string
		for _, name := range names {
			parents, err := readTexts(ctx, pool, `SELECT "table" FROM pragma_foreign_key_list($1)`, name)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(parents, func(p string) bool { return p != name && slices.Contains(names, p) }) {
				rest = append(rest, name)
				continue
			}
			t, err := describe(ctx, pool, name)
			if err != nil {
				return nil, err
			}
			tables = append(tables, t)
		}
		if names = rest; len(rest) == before {
			return nil, fmt.Errorf("the tables %s refer to each other in a circle", strings.Join(rest, ", "))
		}
	}
	return tables, nil
}

func describe(ctx context.Context, pool *sql.DB, name string) (backup.Table, error) {
	t := backup.Table{Name: name}
	rows, err := pool.QueryContext(ctx, "SELECT name, type FROM pragma_table_info($1) ORDER BY cid", name)
	if err != nil {
		return t, fmt.Errorf("describe the table %s: %w", name, err)
	}
	defer rows.Close()
	kinds := map[string]backup.Kind{"TEXT": backup.Text, "BIGINT": backup.Int, "INTEGER": backup.Int, "BOOLEAN": backup.Bool, "BLOB": backup.Bytes}
	for rows.Next() {
		var column, kind string
		if err := rows.Scan(&column, &kind); err != nil {
			return t, fmt.Errorf("describe the table %s: %w", name, err)
		}
		if kinds[kind] == "" {
			return t, fmt.Errorf("the column %s.%s is %s, which no backup knows", name, column, kind)
		}
		t.Columns = append(t.Columns, backup.Column{Name: column, Kind: kinds[kind]})
	}
	return t, rows.Err()
}

func readTexts(ctx context.Context, pool *sql.DB, query string, args ...any) (list []string, err error) {
	rows, err := pool.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		text, err := scanText(rows)
		if err != nil {
			return nil, errors.Join(errors.New("read the schema"), err)
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

// migrateTo brings an empty or older database to a version of the schema.
func migrateTo(ctx context.Context, pool *sql.DB, d dialect, version int64) error {
	p, err := migrator(pool, d)
	if err != nil {
		return err
	}
	if _, err := p.UpTo(ctx, version); err != nil {
		return fmt.Errorf("make the schema %d: %w", version, err)
	}
	return nil
}

// liteFile is where the SQLite database is.
func liteFile(path, dataDir string) string {
	if path == "" {
		path = "tocsin.db"
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dataDir, path)
	}
	return path
}
