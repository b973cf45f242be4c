package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"tocsin/internal/backup"
)

// Snapshot is a database as it is at one moment, to be read as a whole while
// others go on writing. It changes nothing, the schema included: what an older
// version made is read as that left it.
type Snapshot struct {
	d      dialect
	schema int64
	tables []backup.Table
	pool   *sql.DB
	tx     *sql.Tx
}

// OpenSnapshot opens the database for one Dump. It fails when there is none, or
// one that a newer version made. The hub may be serving from it.
func OpenSnapshot(ctx context.Context, o Options) (*Snapshot, error) {
	s := &Snapshot{d: sqliteDialect()}
	var err error
	if path, lite := o.sqlitePath(); lite {
		err = s.openSQLite(ctx, path)
	} else {
		err = s.openPostgres(ctx, o.URL)
	}
	if err == nil {
		err = s.begin(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Snapshot) openSQLite(ctx context.Context, path string) error {
	if err := finishRestore(path, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return fmt.Errorf("there is no database at %s: say where it is with --data or TOCSIN_DATA", path)
	} else if err != nil {
		return fmt.Errorf("look at the database: %w", err)
	}
	s.pool, err = sql.Open("sqlite", sqliteURL(path, toReadMany))
	if err != nil {
		return fmt.Errorf("open the database %s: %w", path, err)
	}
	if err := s.pool.PingContext(ctx); err != nil {
		return fmt.Errorf("open the database %s: %w", path, err)
	}
	return nil
}

func (s *Snapshot) openPostgres(ctx context.Context, url string) error {
	s.d = postgresDialect()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("read the database URL: %w", err)
	}
	cfg.RuntimeParams["application_name"] = backupName
	s.pool = stdlib.OpenDB(*cfg)
	if err := s.pool.PingContext(ctx); err != nil {
		return fmt.Errorf("connect to the PostgreSQL database %s on %s:%d: %w", cfg.Database, cfg.Host, cfg.Port, err)
	}
	return nil
}

// begin takes the snapshot: SQLite's begins with the first read.
func (s *Snapshot) begin(ctx context.Context) error {
	o := &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
	if s.d.engine == engineSQLite {
		o = nil // every read transaction is one, and the connection refuses to write
	}
	var err error
	if s.tx, err = s.pool.BeginTx(ctx, o); err != nil {
		return fmt.Errorf("begin to read the database: %w", err)
	}
	err = s.tx.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&s.schema)
	if err != nil {
		return fmt.Errorf("there is no database of Tocsin to back up: %w", err)
	}
	if s.tables, err = tablesOf(ctx, s.schema); err != nil {
		return err
	}
	return nil
}

// Engine is "sqlite" or "postgres".
func (s *Snapshot) Engine() string { return s.d.engine }

// Schema is the number of the latest migration that the database has.
func (s *Snapshot) Schema() int64 { return s.schema }

// SecretKeyID names the key from outside that the database's secrets are sealed
// with, empty where they are plain.
func (s *Snapshot) SecretKeyID(ctx context.Context) (string, error) {
	if !slices.ContainsFunc(s.tables, func(t backup.Table) bool { return t.Name == "vault_key" }) {
		return "", nil
	}
	var id string
	err := s.tx.QueryRowContext(ctx, "SELECT outer_id FROM vault_key WHERE retired = 0").Scan(&id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look which key secrets are sealed with: %w", err)
	}
	return id, nil
}

// Close ends the reading.
func (s *Snapshot) Close() error {
	var errs []error
	if s.tx != nil {
		errs = append(errs, s.tx.Rollback())
	}
	if s.pool != nil {
		errs = append(errs, s.pool.Close())
	}
	return errors.Join(errs...)
}

// tellEvery is after how many rows somebody who waits is told.
const tellEvery = 10_000

// Dump writes all rows of all tables. It keeps one row at a time; tell hears now
// and then of how many were written, and of the table that they are of.
func (s *Snapshot) Dump(ctx context.Context, w *backup.Writer, tell func(table string, rows int64)) error {
	var n int64
	for _, t := range s.tables {
		tell(t.Name, n)
		if err := s.dumpTable(ctx, w, t, func() {
			if n++; n%tellEvery == 0 {
				tell(t.Name, n)
			}
		}); err != nil {
			return fmt.Errorf("back up the table %s: %w", t.Name, err)
		}
	}
	return nil
}

func (s *Snapshot) dumpTable(ctx context.Context, w *backup.Writer, t backup.Table, written func()) error {
	if err := w.Table(t); err != nil {
		return err
	}
	rows, err := s.tx.QueryContext(ctx, "SELECT "+columnList(t)+" FROM "+quoted(t.Name)) //nolint:gosec // names are of our own schema, quoted
	if err != nil {
		return err
	}
	defer rows.Close()
	dest, values := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i, c := range t.Columns {
		switch c.Kind {
		case backup.Int:
			dest[i] = new(sql.NullInt64)
		case backup.Bool:
			dest[i] = new(sql.NullBool)
		case backup.Bytes:
			dest[i] = new([]byte)
		default:
			dest[i] = new(sql.NullString)
		}
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		for i := range dest {
			values[i] = given1(dest[i])
		}
		if err := w.Row(values); err != nil {
			return err
		}
		written()
	}
	return rows.Err()
}

// given1 is what was scanned, nil for NULL.
func given1(dest any) any {
	switch v := dest.(type) {
	case *sql.NullInt64:
		if v.Valid {
			return v.Int64
		}
	case *sql.NullBool:
		if v.Valid {
			return v.Bool
		}
	case *sql.NullString:
		if v.Valid {
			return v.String
		}
	case *[]byte:
		if *v != nil {
			return *v
		}
	}
	return nil
}

// backupName is the application_name of connections for a backup, or to give secrets
// up, which a hub that serves has not.
const backupName = "tocsin backup"

// sqlitePath answers the path of the SQLite database, false for another one.
func (o Options) sqlitePath() (string, bool) {
	kind, path, _ := strings.Cut(o.URL, ":")
	if kind != "" && kind != "sqlite" {
		return "", false
	}
	return liteFile(path, o.DataDir), true
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func columnList(t backup.Table) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quoted(c.Name)
	}
	return strings.Join(names, ", ")
}
