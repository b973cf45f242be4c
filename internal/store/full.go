package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
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
	if err == nil || !outOfRoom(err) || errors.Is(err, fault.ErrFull) {
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

// Full answers since when the database has no room for changes, zero if it has, or
// TryRoom found that it has again.
func (db *DB) Full() time.Time {
	ms := db.full.since.Load()
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// What TryRoom writes, and the row of it: more than a change finds here and
// there when a disk is full, and nothing that could be packed.
const (
	roomSize = 256 << 10
	roomName = "room"
)

// TryRoom looks whether there is room again, if there was none: it writes something,
// and takes it back.
func (db *DB) TryRoom(ctx context.Context) error {
	if db.Full().IsZero() {
		return nil
	}
	noise := make([]byte, roomSize/4*3)
	_, _ = rand.Read(noise)
	err := db.plain(ctx, "try whether there is room", "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
		roomName, base64.StdEncoding.EncodeToString(noise))
	if err != nil {
		return err
	}
	if err := db.plain(ctx, "tidy up what tried for room", "DELETE FROM setting WHERE name = $1", roomName); err != nil {
		return err
	}
	db.full.since.Store(0)
	return nil
}
