package store_test

import (
	"context"
	"testing"
	"time"

	"tocsin/internal/store"
	"tocsin/test/postgres"
)

// A backup has all tables open. A new version that changes one of them waits for it,
// and the hubs that serve do not wait behind that.
func TestAnUpgradeDuringABackupHoldsUpNobody(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := postgres.URL(t)
	pool := raw(t, url)
	ok(t, store.MigrateTo(ctx, "postgres", pool, 9)) // the next ones change the table source
	backup, err := store.OpenSnapshot(ctx, store.Options{URL: url})
	ok(t, err)
	ok(t, backup.Read(ctx, "source"))
	opened := make(chan error, 1)
	go func() {
		db, err := store.Open(ctx, store.Options{URL: url, Node: "newer"})
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	eventually(t, "the upgrade to wait for the table", func() bool {
		var n int
		ok(t, pool.QueryRowContext(ctx, "SELECT count(*) FROM pg_locks WHERE relation = 'source'::regclass AND NOT granted").Scan(&n))
		return n > 0
	})
	soon, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := pool.ExecContext(soon, "UPDATE source SET name = name"); err != nil {
		t.Errorf("who serves waits behind the upgrade: %v", err)
	}
	ok(t, backup.Close())
	if err := <-opened; err != nil {
		t.Errorf("the upgrade, when the backup has ended: %v", err)
	}
}
