package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tocsin/internal/store"
)

// newer does what the next version of the program would have done.
func newer(t *testing.T, pool *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range append(statements, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9000, TRUE)") {
		_, err := pool.ExecContext(t.Context(), s)
		ok(t, err)
	}
}

// A node of before starts beside newer ones as long as they have only added.
func TestNewerDatabaseThatOnlyHasMoreIsUsed(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url := e.fresh(t)
			running := openURL(t, url)
			newer(t, raw(t, url), "CREATE TABLE later (id TEXT)", "ALTER TABLE source ADD COLUMN later TEXT NOT NULL DEFAULT ''")
			db := openURL(t, url)
			write(t, db, problem(1, "u1"))
			write(t, running, problem(2, "u1"))
			v, err := db.SchemaVersion(t.Context())
			ok(t, err)
			same(t, "version", v, 9000)
			select {
			case <-running.Superseded():
				t.Error("a node ends though it may go on")
			default:
			}
		})
	}
}

// One whose tables are no longer what it takes them for is told, while it runs.
func TestProgramThatTheSchemaLeavesBehindIsTold(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url := e.fresh(t)
			running := openURL(t, url)
			newer(t, raw(t, url), "UPDATE counter SET value = 9000 WHERE name = 'schema'")
			select {
			case <-running.Superseded():
			case <-time.After(20 * time.Second):
				t.Fatal("nobody told it")
			}
			_, err := store.Open(t.Context(), store.Options{URL: url})
			if err == nil {
				t.Fatal("it could be opened again")
			}
		})
	}
}

// additive is what a migration may do that programs of before can live with. An index
// that goes, which is not unique, makes them slower at worst.
var additive = regexp.MustCompile(`^(?s:CREATE TABLE .*|CREATE (UNIQUE )?INDEX .*|DROP INDEX \w+|ALTER TABLE \w+ ADD COLUMN \w+ \w+( NOT NULL DEFAULT .*)?|INSERT INTO .*)$`)

// Who changes an alert must take it out of its block (ADR 53): programs that do not know
// that may not go on beside one that makes blocks.
func TestProgramsThatKnowNoBlocksEnd(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			if asks := number(t, e.ready(t), "SELECT value FROM counter WHERE name = 'schema'"); asks < 12 {
				t.Errorf("a program of version %d of the schema may go on", asks)
			}
		})
	}
}

// Each migration either only adds, or says that programs of before may not go on.
func TestMigrationsSayWhatTheyBreak(t *testing.T) {
	files, err := filepath.Glob("migrations/*.sql")
	ok(t, err)
	for _, file := range files {
		number, err := strconv.Atoi(filepath.Base(file)[:5])
		ok(t, err)
		if number < 11 { // of before it could be said
			continue
		}
		text, err := os.ReadFile(file)
		ok(t, err)
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		up = regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(up, "")
		breaks := regexp.MustCompile(`UPDATE counter SET value = `+strconv.Itoa(number)+` WHERE name = 'schema'`).MatchString(up) || number == 11
		for s := range strings.SplitSeq(up, ";") {
			if s = strings.TrimSpace(s); s != "" && !breaks && !additive.MatchString(s) {
				t.Errorf("%s does more than to add, so it must say UPDATE counter SET value = %d WHERE name = 'schema':\n%s", file, number, s)
			}
		}
	}
}
