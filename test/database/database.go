// Package database gives tests databases that have the program's schema
// already: made once by the store's own migrations, then copied, which takes a
// fraction of the time.
//
//	db, err := store.Open(ctx, store.Options{URL: database.Postgres(t)})
//
// A test of the migrations themselves begins with an empty database
// (test/postgres, or a path where no file is).
package database

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"tocsin/internal/store"
	"tocsin/test/postgres"
)

// Garbage is collected as seldom as the program itself does: with the race
// detector a fourth of a test's work is that.
var _ = seldom()

func seldom() bool {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300)
	}
	return true
}

// SQLite makes a database in a folder that goes with the test, and answers its
// URL.
func SQLite(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tocsin.db")
	Place(t, path)
	return "sqlite:" + path
}

// Place makes an SQLite database where there is none yet.
func Place(t testing.TB, path string) {
	t.Helper()
	file, err := pattern()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatalf("make the folder of a database: %v", err)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatalf("copy a database: %v", err)
	}
}

// Folder is a data folder with a database in it, which goes with the test.
func Folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	Place(t, filepath.Join(dir, "tocsin.db"))
	return dir
}

// Postgres makes a database in the PostgreSQL of the tests, which goes with the
// test, and answers its URL.
func Postgres(t testing.TB) string {
	t.Helper()
	key, err := version()
	if err != nil {
		t.Fatal(err)
	}
	return postgres.Copy(t, key, migrate)
}

// pattern is the file of a database in which nothing was written yet.
var pattern = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "tocsin-pattern-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for a database: %w", err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tocsin.db")
	if err := migrate("sqlite:" + path); err != nil {
		return nil, err
	}
	// Who closes a database last moves all of it into its one file.
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(errors.New("the database to copy is in two files"), err)
	}
	return os.ReadFile(path)
})

func migrate(url string) error {
	db, err := store.Open(context.Background(), store.Options{URL: url, Node: "pattern"})
	if err != nil {
		return err
	}
	return db.Close()
}

// version stands for all that may change the schema, the store's own files: a
// server that outlives this run has no old pattern for a new store.
var version = sync.OnceValues(func() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	sum := sha256.New()
	err := filepath.WalkDir(filepath.Join(filepath.Dir(here), "../../internal/store"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("look at the store's files: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
})
