package store

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the key of PostgreSQL's advisory lock that one migrating
// node holds: "tocsin" as a number.
const migrationLock = 0x746f6373696e

// migrate brings the schema to this program's version. Forward only. A database
// that a newer version changed is taken as it is where that says that this one may
// use it, and refused else.
func (db *DB) migrate(ctx context.Context, pool *sql.DB) error {
	p, err := migrator(pool, db.d)
	if err != nil {
		return err
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	sources := p.ListSources()
	db.knows = sources[len(sources)-1].Version
	switch {
	case have == db.knows:
		return nil
	case have < db.knows:
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("bring the database's schema up to date: %w", err)
		}
		return nil
	}
	var asks int64
	err = pool.QueryRowContext(ctx, schemaAsksSQL).Scan(&asks)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read which programs the schema is for: %w", err)
	}
	if err != nil || asks > db.knows {
		return fmt.Errorf("the database was made by a newer version of Tocsin (its schema is %d, this program knows %d): "+
			"run the newer version, or restore a backup made before it", have, db.knows)
	}
	db.log.Info("a newer version has added to the database, which this one may go on to use", "schema", have, "knows", db.knows)
	return nil
}

// schemaAsksSQL is the version of the schema that a program must know at least.
const schemaAsksSQL = "SELECT value FROM counter WHERE name = 'schema'"

// ErrSuperseded says that a newer version changed the database while this program
// ran, and so that this one would do harm.
var ErrSuperseded = errors.New("a newer version of Tocsin has changed the database, which this one may no longer use: run the newer version")

// Superseded is closed when that was seen, within about a second.
func (db *DB) Superseded() <-chan struct{} { return db.superseded }

// supersede looks at the version of the schema that programs must know. A database
// without one is that of a test, or of before there was one.
func (db *DB) supersede(asks int64) {
	if asks > db.knows {
		db.superseding.Do(func() { close(db.superseded) })
	}
}

func migrator(db *sql.DB, d dialect) (*goose.Provider, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read the embedded migrations: %w", err)
	}
	dialect := goose.DialectSQLite3
	opts := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if d.engine == enginePostgres {
		dialect = goose.DialectPostgres
		// Once a second for two minutes: the other node is migrating meanwhile.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 120))
		if err != nil {
			return nil, fmt.Errorf("prepare the migration lock: %w", err)
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db, adapted{sub, d}, opts...)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return p, nil
}

// adapted gives each migration in the engine's own text.
type adapted struct {
	fs.FS
	d dialect
}

func (a adapted) Open(name string) (fs.File, error) {
	f, err := a.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return f, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	return adaptedFile{f, bytes.NewReader([]byte(a.d.migration(string(text))))}, nil
}

type adaptedFile struct {
	fs.File
	text *bytes.Reader
}

func (f adaptedFile) Read(p []byte) (int, error) { return f.text.Read(p) }
