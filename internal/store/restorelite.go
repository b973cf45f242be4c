package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tocsin/internal/backup"
)

// restoreSQLite makes a new file beside the one that is there, and gives it its
// name when all is well.
func restoreSQLite(ctx context.Context, path string, r *backup.Reader, know int64, ro RestoreOptions) (out Restored, err error) {
	out = Restored{Where: path, Schema: know}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return out, fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := lockFile(path+".lock", false)
	if errors.Is(err, errLocked) {
		return out, fmt.Errorf("a hub serves from the database %s: stop it first", path)
	} else if err != nil {
		return out, err
	}
	defer lock.release()
	migrating, err := lockFile(path+".migrate", true) // other commands wait until it is done
	if err != nil {
		return out, err
	}
	defer migrating.release()
	taken, err := filled(path)
	if err != nil {
		return out, err
	}
	if (taken || exists(path+ready)) && !ro.Force {
		return out, fmt.Errorf("%w at %s", ErrNotEmpty, path)
	}
	fresh := path + ".restoring"
	if err := removeLite(fresh); err != nil {
		return out, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeLite(fresh))
		}
	}()
	if out.Rows, out.Ended, err = fillSQLite(ctx, fresh, r, know, ro); err != nil {
		return out, err
	}
	out.Aside, err = putInPlace(ctx, fresh, path, taken)
	return out, err
}

// filled says whether there is anything in a file.
func filled(path string) (bool, error) {
	for _, p := range []string{path, path + "-wal"} {
		info, err := os.Lstat(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("look at the database: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() > 0 {
			return true, nil
		}
	}
	return false, nil
}

func removeLite(path string) error {
	for _, p := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what was left of a restore: %w", err)
		}
	}
	return nil
}

func fillSQLite(ctx context.Context, path string, r *backup.Reader, know int64, ro RestoreOptions) (rows, ended int64, err error) {
	if err := makePrivate(path); err != nil {
		return 0, 0, err
	}
	// Nobody needs this file before it is whole: it is synced once, at its end.
	q := url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)", "foreign_keys(OFF)", "cache_size(-65536)", "temp_store(MEMORY)"}}
	pool, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String())
	if err != nil {
		return 0, 0, fmt.Errorf("make the database: %w", err)
	}
	pool.SetMaxOpenConns(1)
	f := &filling{pool: pool, d: sqliteDialect(), insert: func(ctx context.Context, t backup.Table, next func([]any) error) (int64, error) {
		return insertLite(ctx, pool, t, next)
	}}
	rows, ended, err = f.fill(ctx, r, know, ro)
	if err == nil {
		err = checkLite(ctx, pool)
	}
	if err = errors.Join(err, pool.Close()); err != nil {
		return 0, 0, err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("sync the database: %w", err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return 0, 0, fmt.Errorf("sync the database: %w", err)
	}
	return rows, ended, nil
}

func insertLite(ctx context.Context, pool *sql.DB, t backup.Table, next func([]any) error) (n int64, err error) {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(t.Columns)), ", ")
	stmt, err := tx.PrepareContext(ctx, "INSERT INTO "+quoted(t.Name)+" ("+columnList(t)+") VALUES ("+marks+")") //nolint:gosec // names are of our own schema, quoted
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stmt.Close()) }()
	values := make([]any, len(t.Columns))
	for {
		if err := next(values); errors.Is(err, io.EOF) {
			return n, tx.Commit()
		} else if err != nil {
			return n, err
		}
		if _, err := stmt.ExecContext(ctx, values...); err != nil {
			return n, err
		}
		n++
	}
}

// checkLite has SQLite look at what was written, and at what refers to what.
func checkLite(ctx context.Context, pool *sql.DB) error {
	said, err := readTexts(ctx, pool, "PRAGMA quick_check(1)")
	if err != nil {
		return err
	}
	if len(said) != 1 || said[0] != "ok" {
		return fmt.Errorf("the restored database is not sound: %s", strings.Join(said, "; "))
	}
	broken, err := readTexts(ctx, pool, `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`)
	if err != nil {
		return err
	}
	if len(broken) > 0 {
		return fmt.Errorf("%w: a row of its table %s refers to one that there is not", backup.ErrDamaged, broken[0])
	}
	return nil
}

// putInPlace gives the new file its name; what was there goes aside, whose name is
// answered. Until the new file is called ready nothing was touched. From then on it
// takes its place, if need be when the database is opened next: ErrUnfinished then.
func putInPlace(ctx context.Context, fresh, path string, taken bool) (aside string, err error) {
	backup.Adopt(fresh)
	if taken {
		if err := alone(ctx, path); err != nil {
			return "", err
		}
	}
	if err := os.Rename(fresh, path+ready); err != nil {
		return "", fmt.Errorf("put the database in its place: %w", err)
	}
	if aside, err = takePlace(path); err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	return aside, nil
}

// ready is the end of the name of a restored database that is whole, and is taking its
// place.
const ready = ".restored"

// ErrUnfinished says that a restored database is whole and has not taken its place.
var ErrUnfinished = errors.New("the restored database is whole, and does not get to its place; the next start of the hub goes on with that, and so does the next restore")

// takePlace goes on from wherever a restore was stopped whose new file is ready. All
// that is here of the database before is one, so it goes aside under one name.
func takePlace(path string) (aside string, err error) {
	taken, err := filled(path)
	if err != nil {
		return "", err
	}
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("move the database of before aside: %w", err)
	}
	if taken {
		if aside, err = asideOf(path, time.Now()); err != nil {
			return fail(err)
		}
	}
	// What is left of another database's log would be read as the new one's.
	for _, end := range []string{"-wal", "-shm"} {
		if taken {
			err = os.Rename(path+end, aside+end)
		} else {
			err = os.Remove(path + end)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fail(err)
		}
	}
	if taken {
		// With a second name, so that at every moment something is there.
		err := os.Link(path, aside)
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) {
			err = os.Rename(path, aside)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !(errors.Is(err, fs.ErrExist) && sameFile(path, aside)) {
			return fail(err)
		}
	}
	if err := backup.SyncDir(filepath.Dir(path)); err != nil {
		return fail(err)
	}
	if err := os.Rename(path+ready, path); err != nil {
		return "", fmt.Errorf("put the database in its place: %w", err)
	}
	return aside, backup.SyncDir(filepath.Dir(path))
}

// asideOf is the name that what is at path goes to: that of a restore that was stopped
// while it moved it, else a new one.
func asideOf(path string, now time.Time) (string, error) {
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	begin := filepath.Base(path) + ".before-"
	for _, f := range list {
		if !strings.HasPrefix(f.Name(), begin) {
			continue
		}
		name := filepath.Join(filepath.Dir(path), strings.TrimSuffix(strings.TrimSuffix(f.Name(), "-wal"), "-shm"))
		half := !exists(name)
		for _, end := range []string{"-wal", "-shm"} {
			half = half && !(exists(path+end) && exists(name+end))
		}
		if half || sameFile(path, name) {
			return name, nil
		}
	}
	name := path + ".before-" + now.UTC().Format("20060102T150405Z")
	for exists(name) || exists(name+"-wal") || exists(name+"-shm") {
		name += "+"
	}
	return name, nil
}

// headed says whether a file begins as SQLite's do.
func headed(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	const begin = "SQLite format 3\x00"
	b := make([]byte, len(begin))
	_, err = io.ReadFull(f, b)
	return err == nil && string(b) == begin
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func sameFile(a, b string) bool {
	x, err1 := os.Lstat(a)
	y, err2 := os.Lstat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// finishRestore goes on with a restore that was stopped while its database took its
// place.
func finishRestore(path string, log *slog.Logger) error {
	if !exists(path + ready) {
		return nil
	}
	l, err := lockFile(path+".migrate", true)
	if err != nil {
		return err
	}
	defer l.release()
	if !exists(path + ready) { // it was not stopped, it was under way
		return nil
	}
	aside, err := takePlace(path)
	if err != nil {
		return fmt.Errorf("go on with a restore that was stopped: %w", err)
	}
	log.Warn("a restore that was stopped when it was all but done is finished now", "database", path, "what_was_there", aside)
	return nil
}

// alone moves what a database's log holds into its one file. One that is damaged is kept
// as it is: SQLite would throw away what it cannot read of its log. It fails while another process has the database open,
// which at its end would remove the log of the new one.
func alone(ctx context.Context, path string) error {
	if !headed(path) {
		return nil
	}
	pool, err := sql.Open("sqlite", sqliteURL(path, toWrite))
	if err != nil {
		return nil //nolint:nilerr // it is moved as it is
	}
	pool.SetMaxOpenConns(1)
	var mode string
	err = pool.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode)
	if e := (*sqlite.Error)(nil); errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY {
		return errors.Join(fmt.Errorf("another command has the database %s open: wait until it has ended", path), pool.Close())
	}
	_ = pool.Close() // what cannot be closed well is moved as it is, too
	return nil
}
