package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"tocsin/internal/fault"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// fullness remembers that there was no room for a change.
type fullness struct{ since atomic.Int64 } // Unix milliseconds, 0: there is room

// mark looks at how a change ended, and gives an error for want of room its name.
func (f *fullness) mark(err error) error {
	switch {
	case err == nil:
		if f.since.Load() != 0 {
			f.since.Store(0)
		}
		return nil
	case !outOfRoom(err) || errors.Is(err, fault.ErrFull):
		return err
	}
	f.since.CompareAndSwap(0, time.Now().UnixMilli())
	return fmt.Errorf("%w: %w", fault.ErrFull, err)
}

// outOfRoom says whether a database had no room: SQLite for its file, its log, or the
// memory that processes share about that; PostgreSQL for any of its files.
func outOfRoom(err error) bool {
	if pgCode(err) == "53100" {
		return true
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code()&0xff == sqlite3.SQLITE_FULL || e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE
}

// Full answers since when the database has no room for changes, zero if it has. Each
// change that goes well ends it; TryRoom sees to that where nobody changes anything.
func (db *DB) Full() time.Time {
	ms := db.full.since.Load()
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// TryRoom looks whether there is room again, if there was none: it writes something
// that is there already.
func (db *DB) TryRoom(ctx context.Context) error {
	if db.Full().IsZero() {
		return nil
	}
	return db.write(ctx, func(ctx context.Context, w *work) error {
		_, err := w.exec(ctx, "UPDATE counter SET value = value WHERE name = 'live'")
		return err
	})
}
