package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	if taken && !ro.Force {
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
	if taken {
		out.Aside = path + ".before-" + time.Now().UTC().Format("20060102T150405Z")
	}
	return out, putInPlace(ctx, fresh, path, out.Aside)
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

// putInPlace gives the new file its name. At every moment there is either the
// database of before or the new one.
func putInPlace(ctx context.Context, fresh, path, aside string) error {
	backup.Adopt(fresh)
	if aside != "" {
		if err := moveAside(ctx, path, aside); err != nil {
			return err
		}
	}
	// What is left of another database's log would be read as this one's.
	for _, p := range []string{path + "-wal", path + "-shm"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put the database in its place: %w", err)
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("put the database in its place: %w", err)
	}
	return backup.SyncDir(filepath.Dir(path))
}

// moveAside gives the database of before a second name, and with it all that its
// log holds.
func moveAside(ctx context.Context, path, aside string) error {
	whole, err := alone(ctx, path)
	if err != nil {
		return err
	}
	if whole {
		err := os.Link(path, aside)
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) {
			err = os.Rename(path, aside)
		}
		if err != nil {
			return fmt.Errorf("move the database of before aside: %w", err)
		}
		return nil
	}
	// It may be damaged, which is why somebody restores: its files are kept as they are.
	for _, end := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(path+end, aside+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move the database of before aside: %w", err)
		}
	}
	return nil
}

// alone moves what a database's log holds into its one file, and says whether there
// is nothing beside that any more. It fails while another process has the database
// open, which at its end would remove the log of the new one.
func alone(ctx context.Context, path string) (bool, error) {
	pool, err := sql.Open("sqlite", sqliteURL(path, toWrite))
	if err != nil {
		return false, nil //nolint:nilerr // it is moved as it is
	}
	pool.SetMaxOpenConns(1)
	var mode string
	err = pool.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode)
	if e := (*sqlite.Error)(nil); errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY {
		return false, errors.Join(fmt.Errorf("another command has the database %s open: wait until it has ended", path), pool.Close())
	}
	if errors.Join(err, pool.Close()) != nil || mode != "delete" {
		return false, nil //nolint:nilerr // it is moved as it is
	}
	info, err := os.Lstat(path + "-wal")
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0, nil
}
