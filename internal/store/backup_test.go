package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/backup"
	"tocsin/internal/store"
)

// archive backs a database up.
func archive(t *testing.T, url string) []byte {
	t.Helper()
	ctx := t.Context()
	s, err := store.OpenSnapshot(ctx, store.Options{URL: url})
	ok(t, err)
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, backup.Manifest{Schema: s.Schema(), Engine: s.Engine(), Made: time.Unix(1_800_000_000, 0)})
	ok(t, err)
	ok(t, s.Dump(ctx, w, func(string, int64) {}))
	_, err = w.Close()
	ok(t, errors.Join(err, s.Close()))
	return out.Bytes()
}

func reading(file []byte) func() (*backup.Reader, error) {
	return func() (*backup.Reader, error) { return backup.NewReader(bytes.NewReader(file)) }
}

// rowsOf are all rows of a backup, sorted, by table.
func rowsOf(t *testing.T, file []byte) map[string][]string {
	t.Helper()
	r, err := reading(file)()
	ok(t, err)
	all := map[string][]string{}
	for {
		table, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		ok(t, err)
		values := make([]any, len(table.Columns))
		for {
			if err := r.Row(values); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			row := map[string]any{}
			for i, c := range table.Columns {
				row[c.Name] = values[i]
			}
			all[table.Name] = append(all[table.Name], fmt.Sprint(row))
		}
		slices.Sort(all[table.Name])
	}
}

// fillAll puts two odd rows into every table that there is, whatever it is for.
func fillAll(t *testing.T, url string) {
	t.Helper()
	pool := raw(t, url)
	r, err := reading(archive(t, url))()
	ok(t, err)
	for {
		table, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		ok(t, err)
		for n := 1; n <= 2; n++ {
			var names, marks []string
			var args []any
			for i, c := range table.Columns {
				names, marks = append(names, c.Name), append(marks, fmt.Sprintf("$%d", i+1))
				var v any
				switch c.Kind {
				case backup.Int:
					v = int64(n) << 20
				case backup.Bool:
					v = n == 1
				case backup.Bytes:
					v = []byte{0, 255, byte(n)}
				default:
					v = fmt.Sprintf("r%d", n)
					if c.Name == "body" || c.Name == "output" || c.Name == "detail" {
						v = fmt.Sprintf("r%d \"quoted\" \\ \t\nzweite Zeile, ü 🔔 \u2028 <&>", n)
					}
				}
				args = append(args, v)
			}
			_, err := pool.ExecContext(t.Context(), "INSERT INTO "+table.Name+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", args...)
			if err != nil {
				t.Fatalf("fill %s: %v", table.Name, err)
			}
		}
	}
}

func TestABackupIsRestoredIntoEitherEngine(t *testing.T) {
	for _, from := range engines() {
		t.Run("from "+from.name, func(t *testing.T) {
			t.Parallel()
			url := from.ready(t)
			fillAll(t, url)
			file := archive(t, url)
			want := rowsOf(t, file)
			if len(want) < 50 {
				t.Fatalf("only %d tables", len(want))
			}
			for _, to := range engines() {
				t.Run("to "+to.name, func(t *testing.T) {
					there := to.fresh(t)
					done, err := store.Restore(t.Context(), store.Options{URL: there}, reading(file), store.RestoreOptions{AsItWas: true})
					ok(t, err)
					got := rowsOf(t, archive(t, there))
					for _, leaps := range []string{"counter", "page", "live_event"} { // numbers that others remember
						delete(got, leaps)
					}
					for name, rows := range want {
						if got[name] != nil && !slices.Equal(got[name], rows) {
							t.Errorf("%s: %s", name, cmp.Diff(rows, got[name]))
						}
						if got[name] == nil && name != "counter" && name != "page" && name != "live_event" {
							t.Errorf("%s is empty", name)
						}
					}
					if done.Ended != 0 || done.Aside != "" {
						t.Errorf("restored: %+v", done)
					}
				})
			}
		})
	}
}

// waiting writes what is under way in a hub.
func waiting(t *testing.T, url string) {
	t.Helper()
	pool := raw(t, url)
	for i, state := range []string{"waiting", "handed", "collected", "sent"} {
		_, err := pool.ExecContext(t.Context(), `INSERT INTO delivery (id, event_id, alert_id, object_id, contact_id, contact_name, user_id, channel, notice, state, reason, why, detail,
			created, due, attempt, expires, done) VALUES ($1, 'e', 'a', 'o', 'c', 'Ann', 'u', 'browser', 'problem', $2, 'rule', '', '', 1, 1, 0, 0, 0)`, fmt.Sprint("d", i), state)
		ok(t, err)
	}
	for _, s := range []string{
		"INSERT INTO session (token, user_id, data, expires) VALUES ('t', 'u', '', 9999999999999)",
		"INSERT INTO escalation (alert_id, policy_id, body, due) VALUES ('a', 'p', '{}', 5)",
		"INSERT INTO pace (place, body, calm, used) VALUES ('x', '{}', 0, 0)",
		"INSERT INTO live_event (seq, begins, frames, happened) VALUES (7, 7, '', 1)",
	} {
		_, err := pool.ExecContext(t.Context(), s)
		ok(t, err)
	}
}

// number asks by a connection of its own, which nobody finds open afterwards.
func number(t *testing.T, url, query string) (n int64) {
	t.Helper()
	once(t, url, func(pool *sql.DB) error { return pool.QueryRowContext(t.Context(), query).Scan(&n) })
	return n
}

func changeIn(t *testing.T, url, query string, args ...any) {
	t.Helper()
	once(t, url, func(pool *sql.DB) error {
		_, err := pool.ExecContext(t.Context(), query, args...)
		return err
	})
}

func once(t *testing.T, url string, f func(pool *sql.DB) error) {
	t.Helper()
	t.Run("in the database", func(t *testing.T) { ok(t, f(raw(t, url))) }) // which closes what it opened
}

func TestWhatWaitedIsNotToldAfterARestore(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			url := e.ready(t)
			waiting(t, url)
			file := archive(t, url)
			there := e.fresh(t)
			done, err := store.Restore(t.Context(), store.Options{URL: there}, reading(file), store.RestoreOptions{})
			ok(t, err)
			if done.Ended != 3 {
				t.Errorf("%d messages were ended, not 3", done.Ended)
			}
			for query, want := range map[string]int64{
				"SELECT count(*) FROM delivery WHERE state = 'cancelled' AND done > 0 AND detail LIKE 'not told: it waited when the backup of 2027-01-15 08:00 UTC%'": 3,
				"SELECT count(*) FROM delivery WHERE state = 'sent'":        1,
				"SELECT count(*) FROM session":                              0,
				"SELECT count(*) FROM pace":                                 0,
				"SELECT count(*) FROM escalation WHERE due > 0":             0,
				"SELECT count(*) FROM live_event":                           0,
				"SELECT value FROM counter WHERE name = 'live'":             1_000_000,
				"SELECT value / 1000000 FROM counter WHERE name = 'config'": 1,
			} {
				if n := number(t, there, query); n != want {
					t.Errorf("%s: %d, not %d", query, n, want)
				}
			}
			// A tab that comes back with an older number learns that it missed something.
			if oldest, newest, err := openURL(t, there).LiveBounds(t.Context()); err != nil || oldest != 0 || newest != 1_000_000 {
				t.Errorf("the live log begins at %d and ends at %d, %v", oldest, newest, err)
			}
		})
	}
}

func TestADatabaseThatIsThereIsNeverLost(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			url := e.ready(t)
			file := archive(t, url)
			changeIn(t, url, "INSERT INTO secret (name, value) VALUES ('precious', $1)", []byte("x"))
			_, err := store.Restore(ctx, store.Options{URL: url}, reading(file), store.RestoreOptions{})
			if !errors.Is(err, store.ErrNotEmpty) {
				t.Fatalf("a database that is there: %v", err)
			}
			damaged := slices.Clone(file)
			damaged[len(damaged)/2] ^= 1
			if _, err := store.Restore(ctx, store.Options{URL: url}, reading(damaged), store.RestoreOptions{Force: true}); err == nil {
				t.Fatal("a damaged backup was restored")
			}
			if n := number(t, url, "SELECT count(*) FROM secret WHERE name = 'precious'"); n != 1 {
				t.Fatalf("what was there is lost after refusals")
			}
			done, err := store.Restore(ctx, store.Options{URL: url}, reading(file), store.RestoreOptions{Force: true})
			ok(t, err)
			if n := number(t, url, "SELECT count(*) FROM secret WHERE name = 'precious'"); n != 0 {
				t.Errorf("the old row is in the restored database")
			}
			query, aside := "SELECT count(*) FROM secret WHERE name = 'precious'", url
			if e.name == "sqlite" {
				aside = "sqlite:" + done.Aside
			} else {
				schema := strings.Fields(done.Aside)[2]
				query = strings.Replace(query, "FROM secret", "FROM "+schema+".secret", 1)
			}
			if n := number(t, aside, query); n != 1 {
				t.Errorf("the old row is not in %s", done.Aside)
			}
			openURL(t, url) // it can be used
			if path, lite := strings.CutPrefix(url, "sqlite:"); lite {
				left, err := filepath.Glob(filepath.Join(filepath.Dir(strings.ReplaceAll(path, "[", "")), "*.restoring*"))
				if err != nil || len(left) > 0 {
					t.Errorf("left behind: %v, %v", left, err)
				}
				if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("the database has mode %v, %v", info.Mode(), err)
				}
			}
		})
	}
	t.Run("a damaged SQLite file too is kept when a backup takes its place", func(t *testing.T) {
		url := engines()[0].ready(t)
		file := archive(t, url)
		path := strings.TrimPrefix(url, "sqlite:")
		ok(t, os.WriteFile(path, []byte("no database at all"), 0o600))
		done, err := store.Restore(t.Context(), store.Options{URL: url}, reading(file), store.RestoreOptions{Force: true})
		ok(t, err)
		if b, err := os.ReadFile(done.Aside); err != nil || string(b) != "no database at all" {
			t.Errorf("aside is %q, %v", b, err)
		}
		openURL(t, url)
	})
}

func TestNothingIsRestoredUnderAHub(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			url := e.ready(t)
			file := archive(t, url)
			db, err := store.Open(t.Context(), store.Options{URL: url, Node: "a", Exclusive: true})
			ok(t, err)
			t.Cleanup(func() { ok(t, db.Close()) })
			_, err = store.Restore(t.Context(), store.Options{URL: url}, reading(file), store.RestoreOptions{Force: true})
			if err == nil || !strings.Contains(err.Error(), "a hub serves from") {
				t.Errorf("while a hub serves: %v", err)
			}
		})
	}
}

func TestABackupOfAnOlderVersionIsBroughtUpToDate(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			url := e.fresh(t)
			if path, lite := strings.CutPrefix(url, "sqlite:"); lite {
				ok(t, os.MkdirAll(filepath.Dir(path), 0o700))
			}
			ok(t, store.MigrateTo(t.Context(), e.name, raw(t, url), 2,
				"INSERT INTO secret (name, value) VALUES ('old', 'x')"))
			file := archive(t, url) // and that did not bring it up to date
			if n := number(t, url, "SELECT max(version_id) FROM goose_db_version"); n != 2 {
				t.Fatalf("a backup made the schema %d", n)
			}
			there := e.fresh(t)
			_, err := store.Restore(t.Context(), store.Options{URL: there}, reading(file), store.RestoreOptions{})
			ok(t, err)
			db := openURL(t, there)
			if v, err := db.SchemaVersion(t.Context()); err != nil || v < 6 {
				t.Errorf("schema %d, %v", v, err)
			}
			if n, err := store.Count(t.Context(), db, "secret"); err != nil || n != 1 {
				t.Errorf("%d secrets, %v", n, err)
			}
		})
	}
}

func TestABackupIsOfOneMoment(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			url := e.ready(t)
			pool := raw(t, url)
			for _, table := range []string{"secret", "setting"} {
				_, err := pool.ExecContext(ctx, "INSERT INTO "+table+" (name, value) VALUES ('a', $1)", "x")
				ok(t, err)
			}
			s, err := store.OpenSnapshot(ctx, store.Options{URL: url})
			ok(t, err)
			defer func() { ok(t, s.Close()) }()
			var out bytes.Buffer
			w, err := backup.NewWriter(&out, backup.Manifest{Schema: s.Schema()})
			ok(t, err)
			changed := false
			ok(t, s.Dump(ctx, w, func(string, int64) {
				if !changed { // in the middle
					changed = true
					_, err := pool.ExecContext(ctx, "DELETE FROM secret")
					ok(t, err)
					_, err = pool.ExecContext(ctx, "DELETE FROM setting")
					ok(t, err)
				}
			}))
			_, err = w.Close()
			ok(t, err)
			rows := rowsOf(t, out.Bytes())
			if len(rows["secret"]) != 1 || len(rows["setting"]) != 1 {
				t.Errorf("secrets %v, settings %v", rows["secret"], rows["setting"])
			}
		})
	}
}

func TestBackupsThatDoNotFitAreRefused(t *testing.T) {
	url := engines()[0].ready(t)
	s, err := store.OpenSnapshot(t.Context(), store.Options{URL: url})
	ok(t, err)
	schema := s.Schema()
	ok(t, s.Close())
	column := []backup.Column{{Name: "name", Kind: backup.Text}}
	for name, row := range map[string]struct {
		schema int64
		tables []backup.Table
		says   string
	}{
		"of a newer version":         {schema + 90, nil, "is of a newer version of Tocsin"},
		"without a schema":           {0, nil, "its schema is 0"},
		"that lacks tables":          {schema, nil, "it lacks the table"},
		"with a table of its own":    {schema, []backup.Table{{Name: "sqlite_schema", Columns: column}}, "is none of this schema"},
		"with a path for a name":     {schema, []backup.Table{{Name: "../../etc/passwd", Columns: column}}, "is none of this schema"},
		"with SQL for a name":        {schema, []backup.Table{{Name: `secret"; DROP TABLE users; --`, Columns: column}}, "is none of this schema"},
		"with a table too few times": {schema, []backup.Table{{Name: "setting", Columns: column}}, "has 1 columns and not 2"},
		"with a column of its own": {schema, []backup.Table{{Name: "setting", Columns: []backup.Column{{Name: "name", Kind: backup.Text},
			{Name: `value") VALUES (1); --`, Kind: backup.Text}}}}, "is none of this schema"},
		"with a column twice": {schema, []backup.Table{{Name: "setting", Columns: []backup.Column{{Name: "name", Kind: backup.Text},
			{Name: "name", Kind: backup.Text}}}}, "is none of this schema"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			w, err := backup.NewWriter(&out, backup.Manifest{Schema: row.schema})
			ok(t, err)
			for _, table := range row.tables {
				ok(t, w.Table(table))
			}
			_, err = w.Close()
			ok(t, err)
			dir := t.TempDir()
			_, err = store.Restore(t.Context(), store.Options{DataDir: dir}, reading(out.Bytes()), store.RestoreOptions{})
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "tocsin.db")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("there is a database: %v", err)
			}
		})
	}
}
