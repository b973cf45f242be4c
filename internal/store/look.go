package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Sight is what Look saw of a database before anything of ours in it was read.
type Sight struct {
	Engine  string
	Where   string        // for people: a file, or a database on a server
	Server  string        // PostgreSQL's version, as it says it
	Took    time.Duration // to connect and answer
	Offset  time.Duration // how far its clock is ahead of ours; 0 on SQLite
	Standby bool          // a PostgreSQL that follows another one, and takes no changes
	Used    int           // connections to PostgreSQL, of all that use it
	Most    int           // that it takes; 0: not known

	Schema int64 // 0: it has none yet
	Knows  int64 // what this program knows
	Asks   int64 // what a program must know to use it
}

// ErrNone is answered where there is no database yet.
var ErrNone = errors.New("there is no database yet")

// Look opens a database to look at it: nothing in it is changed, nothing beside it is
// made for good, and its schema is taken as it is. The caller may read of the DB what
// Sight's schema lets expect, and must close it. The DB is nil with an error; Sight
// says even then what was seen.
func Look(ctx context.Context, o Options) (*DB, Sight, error) {
	db := &DB{node: o.Node, log: o.Log, vault: safe{source: o.Secrets}}
	db.wakes.init()
	db.writer = lookingOnly{}
	var s Sight
	var err error
	if kind, _, _ := strings.Cut(o.URL, ":"); kind == "postgres" || kind == "postgresql" {
		err = db.lookPostgres(ctx, o.URL, &s)
	} else {
		path := cmp.Or(strings.TrimPrefix(o.URL, "sqlite:"), "tocsin.db")
		if !filepath.IsAbs(path) {
			path = filepath.Join(o.DataDir, path)
		}
		db.vault.source = besideSQLite(o, path)
		err = db.lookSQLite(ctx, path, &s)
	}
	if err == nil {
		err = db.lookSchema(ctx, &s)
	}
	if err != nil {
		return nil, s, errors.Join(err, db.Close())
	}
	return db, s, nil
}

// lookingOnly refuses every change.
type lookingOnly struct{}

var errLooking = errors.New("the database was opened to look at it only")

func (lookingOnly) transact(context.Context, func(context.Context, querier) error) error {
	return errLooking
}
func (lookingOnly) only(context.Context, func(scanner) error, string, ...any) error {
	return errLooking
}
func (lookingOnly) close() error { return nil }

func (db *DB) lookSQLite(ctx context.Context, path string, s *Sight) error {
	db.d = sqliteDialect()
	s.Engine, s.Where = db.d.engine, path
	if exists(path + ready) {
		return ErrUnfinished
	}
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return ErrNone
	} else if err != nil {
		return fmt.Errorf("look at the database: %w", err)
	}
	// The driver says of a file that it may not open only that it cannot.
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(2000)", "query_only(ON)", "cache_size(-4096)"}}
	begin := time.Now()
	pool, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String())
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	pool.SetMaxOpenConns(2)
	db.pools = append(db.pools, pool)
	db.reads = &statements{pool: pool}
	db.many = db.reads
	var one int
	if err := db.reads.row(ctx, "SELECT count(*) FROM sqlite_master", nil, &one); err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	s.Took = time.Since(begin)
	return nil
}

func (db *DB) lookPostgres(ctx context.Context, address string, s *Sight) error {
	db.d = postgresDialect()
	s.Engine = db.d.engine
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		return fmt.Errorf("read the database URL: %w", err) // pgx hides the password in it
	}
	s.Where = fmt.Sprintf("%s on %s:%d", cfg.Database, cfg.Host, cfg.Port)
	cfg.RuntimeParams["application_name"] = "tocsin doctor"
	begin := time.Now()
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(2)
	db.pools = append(db.pools, pool)
	db.reads = &statements{pool: pool}
	db.many = db.reads
	if err := pool.PingContext(ctx); err != nil {
		return fmt.Errorf("connect to the PostgreSQL database %s: %w", s.Where, err)
	}
	s.Took = time.Since(begin)
	if err := db.reads.row(ctx, "SELECT current_setting('server_version'), pg_is_in_recovery(), current_setting('max_connections')::int, (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')",
		nil, &s.Server, &s.Standby, &s.Most, &s.Used); err != nil {
		return fmt.Errorf("ask the PostgreSQL database %s for its state: %w", s.Where, err)
	}
	s.Offset, err = db.ClockOffset(ctx)
	return err
}

// lookSchema finds out whose schema it is.
func (db *DB) lookSchema(ctx context.Context, s *Sight) error {
	p, err := migrator(db.pools[0], db.d)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	s.Knows = sources[len(sources)-1].Version
	there := "SELECT count(*) FROM sqlite_master WHERE name = 'goose_db_version'"
	if db.d.engine == enginePostgres {
		there = "SELECT count(to_regclass('goose_db_version'))"
	}
	var n int
	if err := db.reads.row(ctx, there, nil, &n); err != nil {
		return fmt.Errorf("look whether there is a schema: %w", err)
	}
	if n == 0 {
		return ErrNone
	}
	if s.Schema, err = db.SchemaVersion(ctx); err != nil {
		return err
	}
	// What a newer version says of older programs; without a word none may.
	s.Asks = s.Schema
	if err := db.reads.row(ctx, schemaAsksSQL, nil, &s.Asks); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read which programs the schema is for: %w", err)
	}
	return nil
}

// Keys says whether secrets in the database are sealed, and whether they can be opened
// with the key that was given: the error is the sentence by which a hub refuses to start.
func (db *DB) Keys(ctx context.Context) (sealed bool, err error) {
	rows, err := readInnerKeys(ctx, db.reads)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	return true, db.openVault(ctx)
}
