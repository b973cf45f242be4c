package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"tocsin/internal/backup"
)

// scratch is the schema in which a backup is put together.
const scratch = "tocsin_restoring"

// restorePostgres puts a backup into a schema of its own, whose tables then go to
// where those of the hub are, in one transaction with those of before going aside.
func restorePostgres(ctx context.Context, url string, r *backup.Reader, know int64, ro RestoreOptions) (out Restored, err error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return out, fmt.Errorf("read the database URL: %w", err)
	}
	out = Restored{Where: fmt.Sprintf("the PostgreSQL database %s on %s:%d", cfg.Database, cfg.Host, cfg.Port), Schema: know}
	name := cfg.RuntimeParams["application_name"]
	cfg.RuntimeParams["application_name"] = backupName
	pool := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, pool.Close()) }()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return out, fmt.Errorf("connect to %s: %w", out.Where, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	t := &pgTarget{conn: conn, name: name}
	if err := t.look(ctx); err != nil {
		return out, err
	}
	if t.taken && !ro.Force {
		return out, fmt.Errorf("%w in %s", ErrNotEmpty, out.Where)
	}
	if err := t.makeScratch(ctx); err != nil {
		return out, err
	}
	defer func() {
		if err != nil {
			_, drop := conn.ExecContext(context.WithoutCancel(ctx), "DROP SCHEMA IF EXISTS "+scratch+" CASCADE")
			err = errors.Join(err, drop)
		}
	}()
	if out.Rows, out.Ended, err = fillPostgres(ctx, cfg, r, know, ro); err != nil {
		return out, err
	}
	if t.taken {
		out.Aside = "tocsin_before_" + time.Now().UTC().Format("20060102_150405")
	}
	if err := t.swap(ctx, out.Aside); err != nil {
		return out, err
	}
	if out.Aside != "" {
		out.Aside = "the schema " + out.Aside + " of that database"
	}
	return out, nil
}

// pgTarget is the database that a backup goes to.
type pgTarget struct {
	conn  *sql.Conn
	name  string // what hubs call their connections, besides "tocsin"
	home  string // the schema in which the hub has its tables
	taken bool
}

func (t *pgTarget) look(ctx context.Context) error {
	var mine bool
	if err := t.conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", int64(migrationLock+1)).Scan(&mine); err != nil {
		return fmt.Errorf("begin to restore: %w", err)
	} else if !mine {
		return errors.New("another restore is under way in this database")
	}
	if err := t.idle(ctx, t.conn); err != nil {
		return err
	}
	var home sql.NullString
	if err := t.conn.QueryRowContext(ctx, "SELECT current_schema(), to_regclass('goose_db_version') IS NOT NULL").Scan(&home, &t.taken); err != nil {
		return fmt.Errorf("look at the database: %w", err)
	}
	if t.home = home.String; !home.Valid {
		return errors.New("the database has no schema to put tables into: make one that is in the user's search_path")
	}
	return nil
}

// idle fails while a hub, or a command, has the database open.
func (t *pgTarget) idle(ctx context.Context, q interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) error {
	var n int
	err := q.QueryRowContext(ctx, servedBy, t.name).Scan(&n)
	return served(n, err)
}

// servedBy counts the connections of hubs and of commands; $1 is what they are called
// besides "tocsin", or empty.
const servedBy = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
	AND (application_name = 'tocsin' OR application_name = $1 AND $1 <> '')`

// served is the error of servedBy's answer.
func served(n int, err error) error {
	if err != nil {
		return fmt.Errorf("look who uses the database: %w", err)
	}
	if n > 0 {
		return fmt.Errorf("a hub serves from this database (%d connections): stop all of them first", n)
	}
	return nil
}

func (t *pgTarget) makeScratch(ctx context.Context) error {
	_, err := t.conn.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+scratch+" CASCADE")
	if err == nil {
		_, err = t.conn.ExecContext(ctx, "CREATE SCHEMA "+scratch)
	}
	if pgCode(err) == "42501" {
		return fmt.Errorf("this user may not make a schema in the database, which a restore works in: GRANT CREATE ON DATABASE … TO …: %w", err)
	} else if err != nil {
		return fmt.Errorf("make a schema to restore into: %w", err)
	}
	return nil
}

func fillPostgres(ctx context.Context, cfg *pgx.ConnConfig, r *backup.Reader, know int64, ro RestoreOptions) (rows, ended int64, err error) {
	there := cfg.Copy()
	there.RuntimeParams["search_path"] = scratch
	pool := stdlib.OpenDB(*there)
	defer func() { err = errors.Join(err, pool.Close()) }()
	f := &filling{pool: pool, d: postgresDialect(), insert: func(ctx context.Context, t backup.Table, next func([]any) error) (n int64, err error) {
		conn, err := pool.Conn(ctx)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		columns := make([]string, len(t.Columns))
		for i, c := range t.Columns {
			columns[i] = c.Name
		}
		err = conn.Raw(func(c any) error {
			n, err = c.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{t.Name}, columns, &copied{next: next, values: make([]any, len(columns))})
			return err
		})
		return n, err
	}}
	rows, ended, err = f.fill(ctx, r, know, ro)
	if err != nil {
		return 0, 0, err
	}
	if _, err := pool.ExecContext(ctx, "ANALYZE"); err != nil { // else the first lists are planned as for empty tables
		return 0, 0, fmt.Errorf("count what was restored: %w", err)
	}
	return rows, ended, nil
}

// copied gives rows to COPY.
type copied struct {
	next   func([]any) error
	values []any
	err    error
}

// Next reads a row.
func (c *copied) Next() bool {
	c.err = c.next(c.values)
	if errors.Is(c.err, io.EOF) {
		c.err = nil
		return false
	}
	return c.err == nil
}

// Values is the row.
func (c *copied) Values() ([]any, error) { return c.values, nil }

// Err is why there is no other.
func (c *copied) Err() error { return c.err }

// swap puts the tables in their place, and those of before into a schema of their own.
func (t *pgTarget) swap(ctx context.Context, aside string) error {
	tx, err := t.conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("put the tables in their place: %w", err)
	}
	defer tx.Rollback()
	if err := t.idle(ctx, tx); err != nil {
		return err
	}
	moves := []struct{ from, to string }{{scratch, t.home}}
	if aside != "" {
		if _, err := tx.ExecContext(ctx, "CREATE SCHEMA "+quoted(aside)); err != nil {
			return fmt.Errorf("move the tables of before aside: %w", err)
		}
		moves = []struct{ from, to string }{{t.home, aside}, {scratch, t.home}}
	}
	// What the new tables are called is in the way, and whatever else the program that
	// had the database has made: a table that refers to another's is one of them.
	for _, m := range moves {
		tables, err := pgTables(ctx, tx, m.from)
		if err != nil {
			return err
		}
		for _, name := range tables {
			if _, err := tx.ExecContext(ctx, "ALTER TABLE "+quoted(m.from)+"."+quoted(name)+" SET SCHEMA "+quoted(m.to)); err != nil {
				return fmt.Errorf("move the table %s to the schema %s: %w", name, m.to, err)
			}
		}
	}
	if _, err := tx.ExecContext(ctx, "DROP SCHEMA "+scratch); err != nil {
		return fmt.Errorf("put the tables in their place: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("put the tables in their place: %w", err)
	}
	return nil
}

// pgTables lists the tables of a schema that belong to no extension.
func pgTables(ctx context.Context, tx *sql.Tx, schema string) (list []string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY c.relname`, schema)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		name, err := scanText(rows)
		if err != nil {
			return nil, fmt.Errorf("list the tables: %w", err)
		}
		list = append(list, name)
	}
	return list, rows.Err()
}
