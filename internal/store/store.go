// Package store keeps everything, in SQLite or in PostgreSQL.
//
// Open chooses the engine by the URL, brings the schema up to date and answers
// a DB that implements what the other rooms declare: dispatch.Store,
// delivery.Store, live.Log, auth.Store, and what the HTTP edge reads and
// changes. The SQL is written once; what differs between the engines is in
// dialect.
//
// Every change is one transaction and durable when the call returns. What
// others want to hear of at once, they register with OnWake; a wake may be
// lost (a connection to PostgreSQL breaks), so everybody polls as well.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/vault"
)

// Options say where the database is and who opens it.
type Options struct {
	URL     string // "" (tocsin.db in DataDir), "sqlite:PATH" or "postgres://…"
	DataDir string // for "" and for a relative PATH
	Node    string // this node's name, for people; in the record of attempts
	// Exclusive is for the program that serves: a second one on the same
	// SQLite file is refused. Commands beside it leave it false.
	Exclusive bool
	// Secrets is where the key comes from that secrets are sealed with. The zero one is,
	// beside SQLite, the file secret.key in the data folder, which who serves makes; and
	// beside PostgreSQL none.
	Secrets vault.Source
	// KeyLost opens a database whose key of secrets is lost, for LostSecrets and
	// GiveUpSecrets alone; ErrNotLost where it is not.
	KeyLost bool
	Log     *slog.Logger // nil: none
}

// DB is an open database. Its methods may be called from any goroutine.
type DB struct {
	d        dialect
	node     string
	log      *slog.Logger
	writer   writer
	reads    *statements // the pool that reads go to
	many     *statements // the same for devices, of which there may be a million: it keeps little of them in memory
	pools    []*sql.DB
	lock     *fileLock // of Exclusive on SQLite
	t        tables
	settings keptSettings
	closings keptDays
	recall   *recall // of the hub that serves from SQLite; else nil
	turns    *turns  // likewise
	paces    keptPaces
	vault    safe
	wakes    wakes
	full     fullness
	patience time.Duration // of a list that few alerts fit
	stop     context.CancelFunc
	done     sync.WaitGroup

	knows         int64         // the newest version of the schema that this program has
	superseded    chan struct{} // closed when the database is no longer for it
	superseding   sync.Once
	whySuperseded error

	closing sync.Once
	closed  error
}

// Open opens the database and brings its schema up to date. It fails with a
// sentence for people when another Tocsin serves from the same SQLite file,
// and when a newer version changed the database so that this one may not use it.
// ctx bounds the opening only.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{node: o.Node, log: o.Log, patience: patience, superseded: make(chan struct{}), vault: safe{source: o.Secrets, lost: o.KeyLost}}
	db.wakes.init()
	db.paces.kept = map[string]keptPace{}
	kind, _, _ := strings.Cut(o.URL, ":")
	var err error
	switch kind {
	case "", "sqlite":
		path := liteFile(strings.TrimPrefix(o.URL, "sqlite:"), o.DataDir)
		db.vault.source = besideSQLite(o, path)
		err = db.openSQLite(ctx, path, o.Exclusive)
	case "postgres", "postgresql":
		err = db.openPostgres(ctx, o.URL)
	default:
		err = fmt.Errorf("the database URL begins with %q: write sqlite:PATH or postgres://USER@HOST/NAME", kind+":")
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// start begins the work in the background, once the database is open.
func (db *DB) start(ctx context.Context, loops ...func(context.Context)) error {
	if err := db.readConfigVersion(ctx); err != nil {
		return err
	}
	if err := db.openVault(ctx); err != nil {
		return err
	}
	loops = append(loops, db.sealRest)
	run, stop := context.WithCancel(context.Background())
	db.stop = stop
	for _, loop := range append(loops, db.pollConfig) {
		db.done.Go(func() { loop(run) })
	}
	return nil
}

// Close ends the work in the background and closes all connections, once; what
// is being written is finished.
func (db *DB) Close() error {
	db.closing.Do(func() { db.closed = db.close() })
	return db.closed
}

func (db *DB) close() error {
	if db.stop != nil {
		db.stop()
		db.done.Wait()
	}
	var errs []error
	for _, s := range []*statements{db.reads, db.many} {
		if s != nil {
			errs = append(errs, s.close())
		}
	}
	if db.writer != nil {
		errs = append(errs, db.writer.close())
	}
	for _, p := range db.pools {
		errs = append(errs, p.Close())
	}
	db.lock.release()
	return errors.Join(errs...)
}

// Engine is "sqlite" or "postgres".
func (db *DB) Engine() string { return db.d.engine }

// Ping asks the database for an answer.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	if err := db.reads.row(ctx, "SELECT 1", nil, &one); err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	return nil
}

// SchemaVersion is the number of the latest migration that was applied.
func (db *DB) SchemaVersion(ctx context.Context) (int64, error) {
	var v int64
	if err := db.reads.row(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied", nil, &v); err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return v, nil
}

// now is the database's time on PostgreSQL, which all nodes share, and this
// machine's on SQLite.
func (db *DB) now(ctx context.Context, q querier) (time.Time, error) {
	if db.d.engine != enginePostgres {
		return time.Now(), nil
	}
	var ms int64
	if err := q.row(ctx, postgresClock, nil, &ms); err != nil {
		return time.Time{}, fmt.Errorf("ask the database for the time: %w", err)
	}
	return fromMillis(ms), nil
}

// clock is the argument of dialect.clock for the time that lies so far ahead of now.
func (db *DB) clock(ahead time.Duration) int64 {
	if db.d.engine == enginePostgres {
		return ahead.Milliseconds()
	}
	return millis(time.Now().Add(ahead))
}

// ClockOffset is how far the database's clock is ahead of this machine's,
// negative when it is behind; 0 on SQLite, which has none of its own. It is off
// by the half of what the question took, at most.
func (db *DB) ClockOffset(ctx context.Context) (time.Duration, error) {
	if db.d.engine != enginePostgres {
		return 0, nil
	}
	begin := time.Now()
	theirs, err := db.now(ctx, db.reads)
	if err != nil {
		return 0, err
	}
	return theirs.Sub(begin.Add(time.Since(begin) / 2)), nil
}

// brief is the context of a read that takes some milliseconds at most. SQLite's
// driver watches a context that can end at every row, which costs as much as
// the row.
func (db *DB) brief(ctx context.Context) context.Context {
	if db.d.engine == enginePostgres || ctx.Err() != nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// notFound says what there is not: notFound("contact", id).
func notFound(what, id string) error { return fmt.Errorf("%s %q: %w", what, id, fault.ErrNotFound) }
