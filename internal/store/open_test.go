package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/live"
	"tocsin/internal/store"
	"tocsin/test/postgres"
)

var update = flag.Bool("update", false, "write the goldens anew")

func cursorError() error { return fault.ErrCursor }

func frames(at time.Time, users ...string) (fs []live.Frame) {
	for _, u := range users {
		fs = append(fs, live.Frame{UserID: u, Kind: "alert", Body: `{"for":"` + u + `"}`, At: at})
	}
	return fs
}

// raw opens the database as another program would.
func raw(t *testing.T, url string) *sql.DB {
	t.Helper()
	driver, name := "pgx", url
	if path, found := strings.CutPrefix(url, "sqlite:"); found {
		driver, name = "sqlite", path
	}
	if driver == "sqlite" {
		name = "file:" + strings.NewReplacer("%", "%25", "#", "%23", " ", "%20").Replace(name)
	}
	db, err := sql.Open(driver, name)
	ok(t, err)
	t.Cleanup(func() { ok(t, db.Close()) })
	return db
}

func texts(t *testing.T, db *sql.DB, query string, args ...any) (list []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	ok(t, err)
	defer rows.Close()
	for rows.Next() {
		var s string
		ok(t, rows.Scan(&s))
		list = append(list, s)
	}
	ok(t, rows.Err())
	return list
}

// The whole SQL text relies on it: other SQLite drivers bind $2, $1 by order.
func TestPlaceholdersAreBoundByNumber(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url := e.fresh(t)
			openURL(t, url)
			var a, b, c string
			ok(t, raw(t, url).QueryRowContext(t.Context(), "SELECT CAST($2 AS TEXT), CAST($1 AS TEXT), CAST($2 AS TEXT)", "one", "two").Scan(&a, &b, &c))
			same(t, "order", a+" "+b+" "+c, "two one two")
		})
	}
}

// The schema as the migrations leave it, for reviews. go test -update writes it.
func TestSchema(t *testing.T) {
	queries := map[string][]string{
		"sqlite": {"SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%' ORDER BY tbl_name, type DESC, name"},
		"postgres": {`SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || COALESCE(collation_name, '') || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END
			FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%' ORDER BY table_name, ordinal_position`,
			"SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'goose%' ORDER BY tablename, indexname",
			"SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' ORDER BY 1"},
	}
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url := e.fresh(t)
			db := openURL(t, url)
			same(t, "engine", db.Engine(), e.name)
			ok(t, db.Ping(t.Context()))
			off, err := db.ClockOffset(t.Context())
			ok(t, err)
			// Both databases of the tests are on this machine.
			if off.Abs() > time.Second || (db.Engine() == "sqlite" && off != 0) {
				t.Errorf("the database's clock is %v ahead", off)
			}
			v, err := db.SchemaVersion(t.Context())
			ok(t, err)
			same(t, "version", v, 13)
			var dump []string
			for _, q := range queries[e.name] {
				dump = append(dump, texts(t, raw(t, url), q)...)
			}
			got := strings.Join(dump, "\n") + "\n"
			golden := filepath.Join("testdata", "schema."+e.name+".txt")
			if *update {
				ok(t, os.MkdirAll("testdata", 0o755))
				ok(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			ok(t, err)
			if d := cmp.Diff(string(want), got); d != "" {
				t.Fatal(d)
			}
		})
	}
}

// A database that the first version made, by its own statements, keeps all that
// it has, and all that goes on with it works.
func TestOlderDatabaseIsBroughtUpToDate(t *testing.T) {
	const deliver = `INSERT INTO delivery (id, event_id, alert_id, object_id, contact_id, contact_name, user_id, channel, notice, state, reason, why,
		detail, created, due, attempt, expires, done) VALUES `
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url := e.fresh(t)
			if path, found := strings.CutPrefix(url, "sqlite:"); found {
				ok(t, os.MkdirAll(filepath.Dir(path), 0o700))
			}
			c := problem(1)
			o, a := c.Objects[0], c.Alerts[0]
			ok(t, store.MigrateTo(t.Context(), e.name, raw(t, url), 1,
				`INSERT INTO object (id, source_id, host, service, host_display, service_display, url, labels, state, downtime, flapping, changed, search, alert_id, last_event_id)
					VALUES ('`+o.ID+`', 's1', 'web0001', 'http', '', '', '', '', 'critical', FALSE, FALSE, 1, '', '`+a.ID+`', 'e1')`,
				`INSERT INTO alert (id, object_id, status, rank, state, worst, output, long, search, since, updated, resolved, ack, repeats, marks)
					VALUES ('`+a.ID+`', '`+o.ID+`', 'firing', 2, 'critical', 'critical', 'gone', '', '', 1, 1, 0, '', 0, '')`,
				`INSERT INTO event (id, call_id, source_id, alert_id, object_id, type, state, output, long, author, comment, user_id, origin, contacts,
					user_ids, happened, received, marks, sticky, outcome, why)
					VALUES ('e1', 'call', 's1', '`+a.ID+`', '`+o.ID+`', 'PROBLEM', 'critical', 'gone', '', '', '', '', 'engine', '', '', 1, 1, '', FALSE, 'opened', '')`,
				deliver+`('d1', 'e1', '`+a.ID+`', '`+o.ID+`', 'c1', 'Ann', 'u1', 'browser', 'problem', 'waiting', 'rule', '', '', 1, 1, 0, 0, 0),
					('d2', 'e1', '`+a.ID+`', '`+o.ID+`', 'c2', 'Bob', 'u2', 'browser', 'problem', 'waiting', 'rule', '', '', 1, 1, 0, 0, 0),
					('d3', 'e1', '`+a.ID+`', '`+o.ID+`', 'c3', 'Cy', 'u3', 'browser', 'problem', 'sent', 'rule', '', '', 1, 1, 1, 0, 1),
					('d4', 'e1', '`+a.ID+`', '`+o.ID+`', 'c4', 'Di', 'u4', 'browser', 'problem', 'waiting', 'rule', '', '', 1, 1, 0, 1000, 0)`))
			db := openURL(t, url)
			got, err := db.Alert(t.Context(), a.ID)
			ok(t, err)
			same(t, "output", got.Output, "gone")
			same(t, "snoozed", got.Snoozed, time.Time{})
			d := deliveryOf(t, db, a.ID, "d1")
			same(t, "contact", d.ContactName, "Ann")
			same(t, "destination", d.Destination, "")
			same(t, "quiet", d.Quiet, false)

			state := func(id string, want delivery.State) {
				t.Helper()
				same(t, id, deliveryOf(t, db, a.ID, id).State, want)
			}
			claimed := claim(t, db, []string{"u1"}, 10, time.Hour)
			same(t, "claimed", len(claimed), 1)
			same(t, "its event", claimed[0].Event.ID, "e1")
			ok(t, db.CompleteDeliveries(t.Context(), "n", []delivery.Completion{{ID: "d1", Attempt: 1, State: delivery.Sent, Result: "sent"}}))
			state("d1", delivery.Sent)
			n, err := db.ExpireDeliveries(t.Context(), 10)
			ok(t, err)
			same(t, "expired", n, 1)
			state("d4", delivery.Expired)
			// The next event of its object: it finds the alert open, and closes it.
			rec := records(t, db, o.ID)[o.ID]
			same(t, "open alert", rec.Alert.ID, a.ID)
			same(t, "latest event", rec.Last.ID, "e1")
			next := problem(1, "u1", "u2")
			next.Alerts[0] = *rec.Alert
			next.Alerts[0].Status, next.Alerts[0].Resolved = alert.Resolved, day()
			inTx(t, db, func(ctx context.Context, tx dispatch.Tx) error {
				ended, err := tx.Cancel(ctx, []dispatch.Cancel{{AlertID: a.ID, Notices: []alert.Notice{alert.NoticeProblem}, Why: "it has recovered"}})
				same(t, "cancelled", len(ended), 1)
				return errors.Join(err, tx.Write(ctx, &next))
			})
			state("d2", delivery.Cancelled)
			state("d3", delivery.Sent)
			state(next.Deliveries[0].ID, delivery.Waiting)
			got, err = db.Alert(t.Context(), a.ID)
			ok(t, err)
			same(t, "status", got.Status, alert.Resolved)
			same(t, "open alert", records(t, db, o.ID)[o.ID].Alert, nil)
		})
	}
}

// What was released is not edited: databases that it made are there. What
// changes goes into the next migration.
func TestReleasedMigrationsStayAsTheyAre(t *testing.T) {
	for name, want := range map[string]string{
		"00001_first.sql":   "8288ab0c0bbbdb985a5f0c893d4eed5c04962fd918888f6126ce53e32017a928",
		"00002_webpush.sql": "385d80113b6571f97ce23c5f569e4a71cebfa480f08805b0b2f44ad998653748",
	} {
		text, err := os.ReadFile(filepath.Join("migrations", name))
		ok(t, err)
		same(t, name, fmt.Sprintf("%x", sha256.Sum256(text)), want)
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url := e.fresh(t)
			ok(t, openURL(t, url).Close())
			newer(t, raw(t, url), "UPDATE counter SET value = 9000 WHERE name = 'schema'")
			_, err := store.Open(t.Context(), store.Options{URL: url})
			if err == nil || !strings.Contains(err.Error(), "made by a newer version of Tocsin (its schema is 9000") {
				t.Fatalf("error is %v", err)
			}
		})
	}
}

// Several nodes that start at once on an empty database.
func TestManyOpenAtOnce(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url := e.fresh(t)
			errs := make(chan error)
			for range 4 {
				go func() {
					db, err := store.Open(t.Context(), store.Options{URL: url})
					if err == nil {
						err = db.Close()
					}
					errs <- err
				}()
			}
			for range 4 {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]string{
		"mysql://x":  `begins with "mysql:": write sqlite:PATH or postgres://`,
		"postgres:/": "",
		"postgres://tocsin:geheim@127.0.0.1:1/x?sslmode=disable": "connect to the PostgreSQL database x on 127.0.0.1:1",
	} {
		db, err := store.Open(t.Context(), store.Options{URL: url, DataDir: t.TempDir()})
		if err == nil {
			ok(t, db.Close())
			t.Errorf("%s was opened", url)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// secondEnv makes this test binary the second process, see TestMain.
const secondEnv = "TOCSIN_STORE_SECOND"

func TestMain(m *testing.M) {
	dir := os.Getenv(secondEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	db, err := store.Open(context.Background(), store.Options{DataDir: dir, Exclusive: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	if err := db.Close(); err != nil {
		os.Exit(4)
	}
}

func TestSecondProcessOnOneSQLite(t *testing.T) {
	dir := t.TempDir()
	second := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), secondEnv+"="+dir)
		var out bytes.Buffer
		cmd.Stderr = &out
		err := cmd.Run()
		return out.String(), err
	}
	hub, err := store.Open(t.Context(), store.Options{DataDir: dir, Exclusive: true})
	ok(t, err)
	if said, err := second(); err == nil || !strings.Contains(said, "is in use by another Tocsin that is serving") {
		t.Fatalf("a second hub: %v, %s", err, said)
	}
	t.Run("a command beside it works, and the hub notices", func(t *testing.T) {
		before := hub.ConfigVersion()
		beside, err := store.Open(t.Context(), store.Options{DataDir: dir})
		ok(t, err)
		ok(t, beside.SaveUser(t.Context(), auth.User{ID: "u1", Name: "ann"}))
		ok(t, beside.Close())
		eventually(t, "the hub notices", func() bool { return hub.ConfigVersion() > before })
		_, err = hub.UserByName(t.Context(), "ann")
		ok(t, err)
	})
	ok(t, hub.Close())
	if said, err := second(); err != nil {
		t.Fatalf("after the first has ended: %v, %s", err, said)
	}
}

// A new database is its user's alone, and so are the files beside it, whatever
// the folder lets in.
func TestANewDatabaseIsPrivate(t *testing.T) {
	dir := t.TempDir()
	ok(t, os.Chmod(dir, 0o755))
	db, err := store.Open(t.Context(), store.Options{DataDir: dir, Exclusive: true})
	ok(t, err)
	defer func() { ok(t, db.Close()) }()
	ok(t, db.SaveUser(t.Context(), auth.User{ID: "u1", Name: "ann"}))
	files, err := filepath.Glob(filepath.Join(dir, "tocsin.db*"))
	ok(t, err)
	if len(files) < 4 { // itself, its WAL with index, and the lock
		t.Fatal(files)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		ok(t, err)
		same(t, filepath.Base(f), info.Mode().Perm(), 0o600)
	}
}

func TestWakes(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		counts := map[string]*atomic.Int64{"live": {}, "delivery": {}, "config": {}}
		for topic, n := range counts {
			db.OnWake(topic, func() { n.Add(1) })
		}
		expect := func(live, delivery, config int64) {
			t.Helper()
			same(t, "live", counts["live"].Swap(0), live)
			same(t, "delivery", counts["delivery"].Swap(0), delivery)
			same(t, "config", counts["config"].Swap(0), config)
		}
		write(t, db, problem(1))
		expect(1, 0, 0)
		write(t, db, problem(2, "u1"))
		expect(1, 1, 0)
		// A downtime without an alert: pages may show it, and no tab has anything new.
		c := problem(3)
		c.Alerts, c.Events, c.Live = nil, nil, nil
		c.Objects[0].Downtime = true
		write(t, db, c)
		expect(1, 0, 0)
		in, err := db.Troubles(t.Context())
		ok(t, err)
		if len(in) == 0 || in[len(in)-1].AlertID != "" || in[len(in)-1].Object.ID != c.Objects[0].ID {
			t.Errorf("the downtime of an object that never had an alert is not seen: %v", in)
		}
		before := db.ConfigVersion()
		ok(t, db.SaveUser(t.Context(), auth.User{ID: "u1", Name: "ann"}))
		expect(0, 0, 1)
		if db.ConfigVersion() <= before {
			t.Fatal("the version did not rise")
		}
		ok(t, db.AppendLive(t.Context(), frames(day(), "u1")))
		expect(1, 0, 0)
		if err := db.SaveUser(t.Context(), auth.User{ID: "u2", Name: "ann"}); err == nil {
			t.Fatal("saved")
		}
		expect(0, 0, 0)
	})
}

func TestAWakeSaysForWhichChannel(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		other := db
		if db.Engine() == "postgres" {
			other = open()
		}
		var browser, engine, whole atomic.Int64
		other.OnWake("delivery/browser", func() { browser.Add(1) })
		other.OnWake("delivery/engine", func() { engine.Add(1) })
		other.OnWake("delivery", func() { whole.Add(1) })
		n := 0
		eventually(t, "a wake", func() bool {
			n++
			write(t, db, problem(n, "u1"))
			return browser.Load() > 0 && whole.Load() > 0
		})
		same(t, "of another channel", engine.Load(), 0)
	})
}

// What a transaction did is done or not as a whole, also where the statement that
// fails is one that nothing waited for.
func TestATransactionThatFailsLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		write(t, db, problem(1, "u1"))
		again := problem(2, "u1")
		again.Events[0].ID = "event-000001" // there is one
		err := db.Commit(t.Context(), func(ctx context.Context, tx dispatch.Tx) error { return tx.Write(ctx, &again) })
		if err == nil {
			t.Fatal("written twice")
		}
		_, err = db.Alert(t.Context(), again.Alerts[0].ID)
		wants(t, err, fault.ErrNotFound)
		_, err = db.Object(t.Context(), again.Objects[0].ID)
		wants(t, err, fault.ErrNotFound)
		first, last, err := db.LiveBounds(t.Context())
		ok(t, err)
		write(t, db, problem(3, "u1")) // the connection is as good as before
		_, now, err := db.LiveBounds(t.Context())
		ok(t, err)
		same(t, "frames of it", now-last, 1)
		same(t, "the first frame", first, 1)
	})
}

// Another node's commits are heard of, also after the connection that listens
// was ended by the server.
func TestOtherNodesAreHeard(t *testing.T) {
	url := postgres.URL(t)
	a, b := openURL(t, url), openURL(t, url)
	var heard atomic.Int64
	b.OnWake("live", func() { heard.Add(1) })
	told := func() bool {
		ok(t, a.AppendLive(t.Context(), frames(day(), "")))
		return heard.Load() > 0
	}
	eventually(t, "a wake", told)

	conn, err := pgx.Connect(t.Context(), url)
	ok(t, err)
	defer func() { ok(t, conn.Close(context.Background())) }()
	var killed int
	ok(t, conn.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND query LIKE 'LISTEN %'`).Scan(&killed))
	same(t, "connections ended", killed, 2)
	heard.Store(0)
	eventually(t, "a wake after the connection was lost", told)
}
