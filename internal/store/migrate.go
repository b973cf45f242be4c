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
	"time"

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
		return db.up(ctx, p)
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

// What else has a table open may be a backup, for minutes. A change of that table
// waits for it, and behind the change all others who only want to read: they are let
// through after a moment each time.
const (
	lockWithin = "1s"
	lockAgain  = 3 * time.Second
)

// up brings the schema up to date.
func (db *DB) up(ctx context.Context, p *goose.Provider) error {
	for {
		_, err := p.Up(ctx)
		if err == nil {
			return nil
		}
		if pgCode(err) != "55P03" { // lock_not_available
			return fmt.Errorf("bring the database's schema up to date: %w", err)
		}
		db.log.Warn("a table that is to be changed is in use, by a backup for instance: it is tried again", "error", err)
		pause := time.NewTimer(lockAgain)
		select {
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("bring the database's schema up to date: a table is in use for long, by a backup for instance: start again when that has ended: %w", err)
		case <-pause.C:
		}
	}
}

// patient waits for tables only briefly while it has the lock of those who migrate.
type patient struct{ lock.SessionLocker }

// SessionLock takes the lock.
func (p patient) SessionLock(ctx context.Context, conn *sql.Conn) error {
	if err := p.SessionLocker.SessionLock(ctx, conn); err != nil {
		return err //nolint:wrapcheck // the caller says what it was
	}
	_, err := conn.ExecContext(ctx, "SELECT set_config('lock_timeout', $1, FALSE)", lockWithin)
	return err //nolint:wrapcheck // the same
}

// SessionUnlock gives it up.
func (p patient) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "RESET lock_timeout")
	return errors.Join(err, p.SessionLocker.SessionUnlock(ctx, conn))
}

// schemaAsksSQL is the version of the schema that a program must know at least.
const schemaAsksSQL = "SELECT value FROM counter WHERE name = 'schema'"

// ErrSuperseded says that a newer version changed the database while this program
// ran, and so that this one would do harm.
var ErrSuperseded = errors.New("a newer version of Tocsin has changed the database, which this one may no longer use: run the newer version")

// Superseded is closed when that was seen, within about a second, or something else
// for which this program must end; see Superseding.
func (db *DB) Superseded() <-chan struct{} { return db.superseded }

// Superseding answers why, when Superseded is closed: ErrSuperseded or ErrKeysGone.
func (db *DB) Superseding() error {
	<-db.superseded
	return db.whySuperseded
}

func (db *DB) end(why error) {
	db.superseding.Do(func() {
		db.whySuperseded = why
		close(db.superseded)
	})
}

// supersede looks at the version of the schema that programs must know. A database
// without one is that of a test, or of before there was one.
func (db *DB) supersede(asks int64) {
	if asks > db.knows {
		db.end(ErrSuperseded)
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
		opts = append(opts, goose.WithSessionLocker(patient{locker}))
	}
	p, err := goose.NewProvider(dialect, db, adapted{sub, d}, opts...)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return p, nil
}

// adapted gives each migration in the engine's own text, with its statements marked.
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
	return adaptedFile{f, bytes.NewReader([]byte(marked(a.d.migration(string(text)))))}, nil
}

// marked says where each statement of a migration begins and ends: with a line whose
// code ends with a semicolon. goose finds that too, with a buffer of 4 MB for each line.
func marked(text string) string {
	var out strings.Builder
	inside := false
	for line := range strings.Lines(text) {
		code, _, _ := strings.Cut(line, "--")
		code = strings.TrimSpace(code)
		if !inside && code != "" {
			inside = true
			out.WriteString("-- +goose StatementBegin\n")
		}
		out.WriteString(line)
		if inside && strings.HasSuffix(code, ";") {
			inside = false
			out.WriteString("-- +goose StatementEnd\n")
		}
	}
	return out.String()
}

type adaptedFile struct {
	fs.File
	text *bytes.Reader
}

func (f adaptedFile) Read(p []byte) (int, error) { return f.text.Read(p) }
