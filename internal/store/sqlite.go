package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"tocsin/internal/dispatch"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// openSQLite opens the file, one connection that writes and a pool that reads.
func (db *DB) openSQLite(ctx context.Context, path string, exclusive bool) error {
	db.d = sqliteDialect()
	db.t = newTables(db.d)
	// 0700: the database holds password hashes, secrets and what people wrote.
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if exclusive {
		l, err := lockFile(path+".lock", false)
		if errors.Is(err, errLocked) {
			return fmt.Errorf("the database %s is in use by another Tocsin that is serving: "+
				"stop that one, or give this one its own TOCSIN_DATA", path)
		} else if err != nil {
			return err
		}
		db.lock = l
	}
	if err := finishRestore(path, db.log); err != nil {
		return err
	}
	if err := makePrivate(path); err != nil {
		return err
	}
	write, err := sql.Open("sqlite", sqliteURL(path, toWrite))
	if err != nil {
		return fmt.Errorf("open the database %s: %w", path, err)
	}
	write.SetMaxOpenConns(2) // the one that writes, and the one that checkpoints
	db.pools = append(db.pools, write)
	if err := db.migrateSQLite(ctx, write, path); err != nil {
		return fmt.Errorf("open the database %s: %w", path, err)
	}
	w := &liteWriter{pool: write, turn: make(chan struct{}, 1), ended: make(chan struct{}), full: make(chan struct{}, 1)}
	if err := w.connect(ctx); err != nil {
		return fmt.Errorf("open the database %s: %w", path, err)
	}
	if exclusive {
		db.recall = &recall{kept: map[string]dispatch.Record{}, paces: &db.paces}
		w.recall = db.recall
		db.turns = &turns{}
	}
	db.writer = w
	if db.reads, err = db.readSQLite(path, toRead, max(4, 2*runtime.GOMAXPROCS(0))); err != nil {
		return err
	}
	if db.many, err = db.readSQLite(path, toReadMany, max(2, runtime.GOMAXPROCS(0))); err != nil {
		return err
	}
	if exclusive {
		if err := errors.Join(db.takeBackPieces(ctx), db.takeBackParts(ctx)); err != nil {
			return fmt.Errorf("open the database %s: %w", path, err)
		}
	}
	return db.start(ctx, func(ctx context.Context) { w.checkpoint(ctx, db.log) })
}

// makePrivate makes the file, if there is none, for this user alone: it holds
// tokens and passwords of engines and of Mattermost. SQLite takes an empty file
// for a new database, and gives the files beside it the same mode.
func makePrivate(path string) error {
	f, err := openOwn(path)
	if err != nil {
		return fmt.Errorf("make the database %s: %w", path, err)
	}
	return f.Close()
}

// readSQLite opens a pool of n connections that read.
func (db *DB) readSQLite(path string, p purpose, n int) (*statements, error) {
	pool, err := sql.Open("sqlite", sqliteURL(path, p))
	if err != nil {
		return nil, fmt.Errorf("open the database %s to read: %w", path, err)
	}
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	db.pools = append(db.pools, pool)
	return &statements{pool: pool, prepare: true}, nil
}

// migrateSQLite lets one process at a time change the schema. The lock is a
// file's because goose opens and ends its own transactions.
func (db *DB) migrateSQLite(ctx context.Context, write *sql.DB, path string) error {
	l, err := lockFile(path+".migrate", true)
	if err != nil {
		return err
	}
	defer l.release()
	return db.migrate(ctx, write)
}

// purpose is what a connection is for.
type purpose int

const (
	toWrite    purpose = iota
	toRead             // as fast as it goes: the file is mapped into memory
	toReadMany         // walks through tables of a million rows and keeps 2 MB of them
)

// sqliteURL is the driver's name of the file. synchronous FULL: a commit is on
// disk when it returns, also in WAL mode. What is mapped counts as the
// program's own memory, so what would map all of a large table does not.
func sqliteURL(path string, p purpose) string {
	q := url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
		"temp_store(MEMORY)", "wal_autocheckpoint(16000)", "journal_size_limit(67108864)",
	}}
	switch p {
	case toWrite:
		q.Set("_txlock", "immediate")
		q.Add("_pragma", "cache_size(-32768)")
	case toRead:
		q.Add("_pragma", "query_only(ON)")
		q.Add("_pragma", "cache_size(-32768)")
		q.Add("_pragma", "mmap_size(268435456)")
	case toReadMany:
		q.Add("_pragma", "query_only(ON)")
		q.Add("_pragma", "cache_size(-2048)")
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// liteWriter is the one connection that writes to SQLite. It is held for good,
// with its statements prepared, and given to one transaction after the other.
type liteWriter struct {
	pool   *sql.DB
	turn   chan struct{} // holds one token while somebody writes, and after close
	ended  chan struct{} // closed by close
	conn   *sql.Conn
	stmts  map[string]*sql.Stmt
	execs  map[string]driver.StmtExecContext // statements that answer no rows
	args   []driver.NamedValue               // of the statement that is executed
	pages  int                               // written since the last checkpoint was asked for
	full   chan struct{}                     // asks for one
	recall *recall
}

// checkpointAfter is how many pages are written between two checkpoints.
const checkpointAfter = 4000

// checkpoint moves what was committed from the WAL into the database beside
// the writer, which would else stand still for it, some tenths of a second on a
// slow disk. The writer's own, after four times as many pages, finds little
// left to do, and begins the WAL anew: that needs a moment without a writer.
func (w *liteWriter) checkpoint(ctx context.Context, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.full:
		}
		if _, err := w.pool.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil && ctx.Err() == nil {
			log.Warn("no checkpoint in the background", "error", err)
		}
	}
}

// wrote counts what a commit wrote. Where that is not to be had, the commit is
// no less done, and SQLite checkpoints by itself at its own mark.
func (w *liteWriter) wrote() {
	_ = w.conn.Raw(func(c any) error {
		n, _, err := c.(sqlite.DBStatus).Status(sqlite.DBStatusCacheWrite, true)
		if w.pages += n; w.pages >= checkpointAfter {
			w.pages = 0
			select {
			case w.full <- struct{}{}:
			default:
			}
		}
		return err
	})
}

func (w *liteWriter) connect(ctx context.Context) error {
	conn, err := w.pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to write: %w", err)
	}
	w.conn, w.stmts, w.execs = conn, map[string]*sql.Stmt{}, map[string]driver.StmtExecContext{}
	return nil
}

func (w *liteWriter) close() error {
	w.turn <- struct{}{} // whoever writes finishes first; nobody gets a turn again
	close(w.ended)
	var errs []error
	for _, st := range w.stmts {
		errs = append(errs, st.Close())
	}
	for _, st := range w.execs {
		errs = append(errs, st.(driver.Stmt).Close())
	}
	if w.conn != nil {
		errs = append(errs, w.conn.Close())
	}
	return errors.Join(errs...)
}

// errClosed is answered for a change after Close.
var errClosed = errors.New("the database is closed")

// transact runs fn in one transaction. ctx ends the waiting for a turn; what
// has begun is short and is finished, because an interrupt could come after
// the commit and call a change lost that is there.
func (w *liteWriter) transact(ctx context.Context, fn func(context.Context, querier) error) (err error) {
	select {
	case w.turn <- struct{}{}:
	case <-w.ended:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-w.turn }()
	ctx = context.WithoutCancel(ctx)
	if _, err := w.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
			return errors.Join(err, w.connect(ctx))
		}
		return fmt.Errorf("begin to write: %w", err)
	}
	committed := false
	defer func() {
		if !committed {
			w.recall.forget()
			// An error here only says that SQLite has rolled back by itself.
			_, _ = w.exec(ctx, "ROLLBACK")
		}
	}()
	if err := fn(ctx, w); err != nil {
		return err
	}
	if _, err := w.exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	w.wrote()
	return nil
}

func (w *liteWriter) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := w.stmts[query]; st != nil {
		return st, nil
	}
	st, err := w.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	w.stmts[query] = st
	return st, nil
}

// exec goes to the driver past database/sql, which copies each of the thousand
// arguments of a bulk statement and looks at it twice.
func (w *liteWriter) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = w.conn.Raw(func(c any) error {
		st := w.execs[query]
		if st == nil {
			prepared, err := c.(driver.ConnPrepareContext).PrepareContext(ctx, query)
			if err != nil {
				return err
			}
			st = prepared.(driver.StmtExecContext)
			w.execs[query] = st
		}
		w.args = w.args[:0]
		for i, arg := range args {
			v, err := driver.DefaultParameterConverter.ConvertValue(arg)
			if err != nil {
				return fmt.Errorf("argument %d: %w", i+1, err)
			}
			w.args = append(w.args, driver.NamedValue{Ordinal: i + 1, Value: v})
		}
		res, err := st.ExecContext(ctx, w.args)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}

func (w *liteWriter) only(ctx context.Context, scan func(scanner) error, query string, args ...any) error {
	return w.transact(ctx, func(ctx context.Context, q querier) error { return q.later(ctx, scan, query, args...) })
}

// later is now: there is no way to SQLite that could be spared.
func (w *liteWriter) later(ctx context.Context, scan func(scanner) error, query string, args ...any) error {
	if scan == nil {
		_, err := w.exec(ctx, query, args...)
		return err
	}
	rows, err := w.query(ctx, query, args...)
	if err != nil {
		return err
	}
	return scanAll(rows, scan)
}

func (w *liteWriter) query(ctx context.Context, query string, args ...any) (rows, error) {
	st, err := w.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return given(st.QueryContext(ctx, args...))
}

func (w *liteWriter) row(ctx context.Context, query string, args []any, dest ...any) error {
	st, err := w.statement(ctx, query)
	if err != nil {
		return err
	}
	return st.QueryRowContext(ctx, args...).Scan(dest...)
}

// liteTaken says whether an error is SQLite's for a name or id that there is.
func liteTaken(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) &&
		(e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}
