package app_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/config"
	"tocsin/internal/doctor"
	"tocsin/internal/hook"
	"tocsin/internal/mail"
	"tocsin/internal/push"
	"tocsin/internal/source"
	"tocsin/test/database"
	"tocsin/test/mailsink"
	"tocsin/test/port"
	"tocsin/test/postgres"
)

// examine looks at an installation with that configuration.
func examine(t *testing.T, settings ...string) *doctor.Report {
	t.Helper()
	flags := map[string]string{"TOCSIN_LISTEN": dead(t)}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		flags[k] = v
	}
	cfg, err := config.Load(config.Sources{Flags: flags, File: os.DevNull})
	return app.Examine(t.Context(), app.Examination{Config: cfg, Err: err})
}

// startAndStop lets a hub make what it makes at its start.
func startAndStop(t *testing.T, settings ...string) error {
	t.Helper()
	flags := map[string]string{"TOCSIN_LISTEN": "127.0.0.1:0"}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		flags[k] = v
	}
	cfg, err := config.Load(config.Sources{Flags: flags, File: os.DevNull})
	if err != nil {
		return err
	}
	a, err := app.Start(t.Context(), cfg, app.Options{})
	if err != nil {
		return err
	}
	return a.Stop()
}

// dead is an address at which nobody listens.
func dead(t *testing.T) string {
	t.Helper()
	address, err := port.Address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// finds wants a result and words of a finding.
func finds(t *testing.T, r *doctor.Report, id string, want doctor.Result, words ...string) {
	t.Helper()
	for _, f := range r.Findings {
		if f.ID != id {
			continue
		}
		if f.Result != want {
			t.Errorf("%s is %s and not %s: %s", id, f.Result, want, f.Detail)
		}
		if (want == doctor.Warning || want == doctor.Failed) && f.Mend == "" {
			t.Errorf("%s has no mend", id)
		}
		for _, w := range words {
			if !strings.Contains(f.Detail+"\n"+f.Mend, w) {
				t.Errorf("%s: %q and %q do not say %q", id, f.Detail, f.Mend, w)
			}
		}
		return
	}
	t.Errorf("there is no finding %s", id)
}

func TestTheDoctorBesideAHubThatServes(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			dir := database.Folder(t)
			settings := []string{"TOCSIN_DATA=" + dir}
			if engine == "postgres" {
				settings = append(settings, "TOCSIN_DATABASE_URL="+database.Postgres(t))
			}
			h := startHub(t, settings...)
			h.user("anna", auth.Admin)
			settings = append(settings, "TOCSIN_LISTEN="+strings.TrimPrefix(h.url, "http://"), "TOCSIN_PUSH_PRIVATE=127.0.0.1/32")
			secrets := furnish(t, h)
			r := examine(t, settings...)

			finds(t, r, "configuration", doctor.OK)
			finds(t, r, "database", doctor.OK, map[string]string{"sqlite": "SQLite", "postgres": "PostgreSQL 1"}[engine])
			finds(t, r, "schema", doctor.OK)
			finds(t, r, "hub", doctor.OK, "ready")
			finds(t, r, "base-url", doctor.Warning, "TOCSIN_BASE_URL")
			finds(t, r, "people", doctor.OK, "1 user")
			finds(t, r, "secrets", map[string]doctor.Result{"sqlite": doctor.OK, "postgres": doctor.Warning}[engine])
			finds(t, r, "ping", doctor.OK)
			finds(t, r, "push-key", doctor.Warning, "VAPID_SUBJECT")
			finds(t, r, "queue", doctor.OK)
			finds(t, r, "source:lab", doctor.Warning, "no event")
			finds(t, r, "source:refused", doctor.Warning, "body.host", "token")
			finds(t, r, "source:off", doctor.OK, "disabled")
			finds(t, r, "source:told", doctor.OK, "last event")
			finds(t, r, "source:job", doctor.OK, "last heartbeat came")
			finds(t, r, "source:late", doctor.Warning, "last event came 2 hours ago, and it is to be heard of every 30 minutes")
			finds(t, r, "engine:told", doctor.Failed, "127.0.0.1:1")
			finds(t, r, "mattermost", doctor.OK, "@tocsin")
			finds(t, r, "room:Ops", doctor.OK)
			finds(t, r, "room:Gone", doctor.Failed, "finds no")
			finds(t, r, "room:Hook", doctor.OK)
			finds(t, r, "email", doctor.Failed, "does not let us in")
			finds(t, r, "webhook:near", doctor.OK)
			finds(t, r, "webhook:guarded", doctor.Failed, "private network")
			finds(t, r, "webhook:dead", doctor.Failed, "refused")
			for _, f := range r.Findings {
				if strings.HasPrefix(f.ID, "push:") {
					finds(t, r, f.ID, doctor.Failed, "signed by nobody known here")
				}
			}
			if r.Code() != 2 || r.TookMS > 15_000 {
				t.Errorf("code %d after %d ms", r.Code(), r.TookMS)
			}
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range secrets {
				if strings.Contains(string(text), s) {
					t.Errorf("the report tells the secret %s", s)
				}
			}
		})
	}
}

// furnish sets up sources and ways of telling, some of them broken, and answers the
// secrets in it.
func furnish(t *testing.T, h *hub) []string {
	t.Helper()
	db, now := h.app.Store(), time.Now()
	var errs []error
	for _, s := range []source.Source{
		{ID: "s1", Name: "refused", Kind: "nagios", CreatedAt: now, LastError: "body.host is missing", LastErrorAt: now.Add(-time.Hour), LastEventAt: now.Add(-2 * time.Hour)},
		{ID: "s2", Name: "off", Kind: "nagios", CreatedAt: now, Disabled: true},
		{ID: "s3", Name: "told", Kind: "icinga2", CreatedAt: now, LastEventAt: now.Add(-time.Minute),
			WriteBack: source.WriteBack{Kind: "icinga2", URL: "https://127.0.0.1:1", User: "tocsin", Secret: "geheim-of-icinga"}},
		{ID: "s4", Name: "job", Kind: "generic", CreatedAt: now},
		{ID: "s5", Name: "late", Kind: "generic", CreatedAt: now, LastEventAt: now.Add(-2 * time.Hour), QuietMinutes: 30},
	} {
		errs = append(errs, db.SaveSource(t.Context(), s))
	}
	errs = append(errs, db.SourceAlive(t.Context(), "s4"))
	mm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v4/users/me":
			_, _ = w.Write([]byte(`{"id":"abcdefghijklmnopqrstuvwxyz","username":"tocsin"}`))
		case "/api/v4/teams/name/it/channels/name/ops":
			_, _ = w.Write([]byte(`{"id":"bbcdefghijklmnopqrstuvwxyz"}`))
		default:
			if r.Method != http.MethodGet {
				t.Errorf("it was asked %s %s", r.Method, r.URL.Path)
			}
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"id":"app.channel.get.existing","message":"Unable to find the existing channel."}`))
		}
	}))
	t.Cleanup(mm.Close)
	errs = append(errs, db.SaveChatSettings(t.Context(), chat.Settings{Enabled: true, ServerURL: mm.URL, BotToken: "geheim-of-mattermost"}))
	for _, r := range []chat.Room{
		{ID: "r1", Name: "Ops", Kind: chat.Bot, Team: "it", Channel: "ops", Created: now},
		{ID: "r2", Name: "Gone", Kind: chat.Bot, Team: "it", Channel: "gone", Created: now},
		{ID: "r3", Name: "Hook", Kind: chat.Webhook, WebhookURL: mm.URL + "/hooks/geheim-of-room", Created: now},
	} {
		errs = append(errs, db.SaveRoom(t.Context(), r))
	}
	sink := mailsink.New(t, mailsink.Options{Bare: true, User: "tocsin", Password: "right"})
	errs = append(errs, db.SaveMailSettings(t.Context(), mail.Settings{Enabled: true, Host: sink.Host, Port: sink.Port, Security: mail.Plain, Username: "tocsin", Password: "geheim-of-mail", From: "a@example.org"}))
	address, _ := receiver(t)
	for _, w := range []hook.Hook{
		{ID: "h1", Name: "near", Form: hook.JSON, Private: true, URL: address + "/geheim-of-hook", Created: now},
		{ID: "h2", Name: "guarded", Form: hook.JSON, URL: strings.Replace(address, "http:", "https:", 1) + "/geheim-of-hook", Created: now},
		{ID: "h3", Name: "dead", Form: hook.JSON, Private: true, URL: "https://" + dead(t) + "/geheim-of-hook", Created: now},
	} {
		errs = append(errs, db.SaveHook(t.Context(), w))
	}
	service := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(service.Close)
	errs = append(errs, db.AddServiceFigures(t.Context(), []push.ServiceFigures{{Origin: service.URL, Accepted: 1, LastSuccess: now}}))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return []string{"geheim", "right"}
}

// say has PostgreSQL do something.
func say(t *testing.T, address string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

// alter changes an SQLite database behind the program's back.
func alter(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)") // a hub may be at it
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestTheDoctorWhereTheHubCannotStart(t *testing.T) {
	t.Parallel()
	t.Run("nothing was ever started", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		r := examine(t, "TOCSIN_DATA="+dir)
		finds(t, r, "folder", doctor.Warning)
		finds(t, r, "database", doctor.Warning, "start the hub once")
		finds(t, r, "hub", doctor.Failed, "no hub serves")
		finds(t, r, "rest", doctor.Skipped)
		if _, err := os.Stat(dir); err == nil {
			t.Error("looking made the data folder")
		}
	})
	t.Run("the configuration is broken", func(t *testing.T) {
		r := examine(t, "TOCSIN_LISTEN=nonsense")
		finds(t, r, "configuration", doctor.Failed, "TOCSIN_LISTEN", "host:port")
		finds(t, r, "time-zones", doctor.OK)
	})
	t.Run("plain HTTP is open to everybody", func(t *testing.T) {
		finds(t, examine(t, "TOCSIN_LISTEN=0.0.0.0:8080", "TOCSIN_DATA="+t.TempDir()), "configuration", doctor.Failed, "TOCSIN_TRUSTED_PROXIES")
	})
	t.Run("the certificate's files are not there, and the provider neither", func(t *testing.T) {
		r := examine(t, "TOCSIN_TLS_CERT=/nowhere/cert.pem", "TOCSIN_TLS_KEY=/nowhere/key.pem", "TOCSIN_BASE_URL=https://tocsin.invalid", "TOCSIN_DATA="+t.TempDir(),
			"TOCSIN_OIDC_ISSUER=https://"+dead(t), "TOCSIN_OIDC_CLIENT_ID=tocsin", "TOCSIN_OIDC_DEFAULT_ROLE=viewer")
		finds(t, r, "certificate", doctor.Failed, "/nowhere/cert.pem")
		finds(t, r, "sign-in", doctor.Failed, "does not answer as a provider")
	})
	t.Run("the key of secrets is another one", func(t *testing.T) {
		dir := database.Folder(t)
		key := func() string {
			return base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(rand.Text(), "=", "") + "0123456789")[:32])
		}
		first := key()
		if err := startAndStop(t, "TOCSIN_DATA="+dir, "TOCSIN_SECRET_KEY="+first); err != nil {
			t.Fatal(err)
		}
		finds(t, examine(t, "TOCSIN_DATA="+dir, "TOCSIN_SECRET_KEY="+first), "secrets", doctor.OK, "opens them")
		finds(t, examine(t, "TOCSIN_DATA="+dir, "TOCSIN_SECRET_KEY="+key()), "secrets", doctor.Failed, "sealed with key")
	})
	t.Run("the database is no database", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "tocsin.db"), []byte(strings.Repeat("not a database. ", 500)), 0o600); err != nil {
			t.Fatal(err)
		}
		finds(t, examine(t, "TOCSIN_DATA="+dir), "database", doctor.Failed, "damaged", "restore the last backup")
	})
	t.Run("a restore was stopped when it was all but done", func(t *testing.T) {
		dir := database.Folder(t)
		if err := os.Rename(filepath.Join(dir, "tocsin.db"), filepath.Join(dir, "tocsin.db.restored")); err != nil {
			t.Fatal(err)
		}
		finds(t, examine(t, "TOCSIN_DATA="+dir), "database", doctor.Warning, "was being restored", "start the hub, which goes on with it")
		if err := startAndStop(t, "TOCSIN_DATA="+dir); err != nil {
			t.Fatal(err)
		}
		finds(t, examine(t, "TOCSIN_DATA="+dir), "database", doctor.OK)
	})
	t.Run("the data is another user's", func(t *testing.T) {
		dir := database.Folder(t)
		settings := "TOCSIN_DATA=" + dir
		if os.Geteuid() != 0 {
			settings = "TOCSIN_DATA=/etc"
		} else if err := os.Chown(filepath.Join(dir, "tocsin.db"), 65534, 65534); err != nil {
			t.Fatal(err)
		}
		finds(t, examine(t, settings), "folder", doctor.Failed, "belongs to", "chown -R")
	})
	t.Run("a newer version made the database", func(t *testing.T) {
		dir := database.Folder(t)
		alter(t, filepath.Join(dir, "tocsin.db"), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9000, TRUE); DELETE FROM counter WHERE name = 'schema'")
		r := examine(t, "TOCSIN_DATA="+dir)
		finds(t, r, "schema", doctor.Failed, "9000", "newer version")
		finds(t, r, "rest", doctor.Skipped)
	})
	t.Run("an older version made it, and looking leaves it so", func(t *testing.T) {
		dir := database.Folder(t)
		alter(t, filepath.Join(dir, "tocsin.db"), "DELETE FROM goose_db_version WHERE version_id > 3")
		for range 2 {
			r := examine(t, "TOCSIN_DATA="+dir)
			finds(t, r, "schema", doctor.Warning, "version 3", "backup")
			finds(t, r, "rest", doctor.Skipped)
		}
	})
	t.Run("PostgreSQL is not there", func(t *testing.T) {
		r := examine(t, "TOCSIN_DATA="+t.TempDir(), "TOCSIN_DATABASE_URL=postgres://u:geheim@"+dead(t)+"/d")
		finds(t, r, "database", doctor.Failed, "nothing listens", "systemctl start postgresql")
		r = examine(t, "TOCSIN_DATA="+t.TempDir(), "TOCSIN_DATABASE_URL=postgres://u:geheim@db.invalid/d")
		finds(t, r, "database", doctor.Failed, "name of its machine")
	})
	t.Run("PostgreSQL does not answer", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and nobody reads them
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		begin := time.Now()
		r := examine(t, "TOCSIN_DATA="+t.TempDir(), "TOCSIN_DATABASE_URL=postgres://u:geheim@"+l.Addr().String()+"/d")
		finds(t, r, "database", doctor.Failed, "in time")
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("PostgreSQL lets nobody in", func(t *testing.T) {
		u, err := url.Parse(database.Postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		as := func(user, name string) string {
			v := *u
			v.User, v.Path = url.UserPassword(user, "wrong-geheim"), name
			return v.String()
		}
		finds(t, examine(t, "TOCSIN_DATABASE_URL="+as("nobody-there", u.Path), "TOCSIN_DATA="+t.TempDir()), "database", doctor.Failed, "not let in")
		finds(t, examine(t, "TOCSIN_DATABASE_URL="+as(u.User.Username(), "/nothing-there"), "TOCSIN_DATA="+t.TempDir()), "database", doctor.Failed, "no such database")
		finds(t, examine(t, "TOCSIN_DATABASE_URL="+postgres.URL(t), "TOCSIN_DATA="+t.TempDir()), "database", doctor.Warning, "no tables")
	})
	t.Run("PostgreSQL wants another password", func(t *testing.T) {
		address := database.Postgres(t)
		say(t, address, "DO $$ BEGIN CREATE ROLE "+postgres.WithPassword+" LOGIN SUPERUSER PASSWORD 'right-geheim'; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
		with := func(password string) *doctor.Report {
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword(postgres.WithPassword, password)
			r := examine(t, "TOCSIN_DATABASE_URL="+u.String(), "TOCSIN_DATA="+t.TempDir())
			if text, err := json.Marshal(r); err != nil || strings.Contains(string(text), password) {
				t.Errorf("the report tells the password, or nothing: %v", err)
			}
			return r
		}
		finds(t, with("wrong-geheim"), "database", doctor.Failed, "the password is wrong", "ALTER ROLE")
		finds(t, with("right-geheim"), "database", doctor.OK)
	})
	t.Run("PostgreSQL's clock is another one", func(t *testing.T) {
		address := database.Postgres(t)
		// Found before PostgreSQL's own.
		say(t, address, "CREATE SCHEMA ahead", `CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
			$$ SELECT pg_catalog.clock_timestamp() + interval '90 minutes' $$`)
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set("search_path", "ahead,pg_catalog,public")
		u.RawQuery = q.Encode()
		finds(t, examine(t, "TOCSIN_DATABASE_URL="+u.String(), "TOCSIN_DATA="+t.TempDir()), "database", doctor.Warning, "its clock and this machine's differ by", "NTP")
		finds(t, examine(t, "TOCSIN_DATABASE_URL="+address, "TOCSIN_DATA="+t.TempDir()), "database", doctor.OK)
	})
}

// Programs go by the ids and the fields, so each stands in docs/doctor.md.
func TestTheDoctorsFindingsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	mine, err1 := filepath.Glob("doctor*.go")
	its, err2 := filepath.Glob("../doctor/*.go")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	named := map[string]string{"source:": "source:NAME", "engine:": "engine:NAME", "room:": "room:NAME", "webhook:": "webhook:NAME", "push:": "push:HOST"}
	n := 0
	for _, path := range append(mine, its...) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		code, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:\bID:\s*|Known\()"([a-z:-]+)"`).FindAllStringSubmatch(string(code), -1) {
			ids := []string{cmp.Or(named[m[1]], m[1])}
			if m[1] == "more-" {
				ids = []string{"more-sources", "more-rooms", "more-webhooks"}
			}
			for _, id := range ids {
				n++
				if !strings.Contains(string(text), "`"+id+"`") {
					t.Errorf("%s makes findings with the id %s, and nobody would know", path, id)
				}
			}
		}
	}
	if n < 25 {
		t.Errorf("only %d ids were found", n)
	}
	for _, of := range []reflect.Type{reflect.TypeFor[doctor.Report](), reflect.TypeFor[doctor.Finding]()} {
		for f := range of.Fields() {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); !strings.Contains(string(text), "`"+name+"`") {
				t.Errorf("the field %s is not there", name)
			}
		}
	}
}

func TestADatabaseThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	v := app.SQLiteFault(filepath.Join(t.TempDir(), "tocsin.db"), fmt.Errorf("read the database: %w", context.DeadlineExceeded))
	if v.Result != doctor.Failed || !strings.Contains(v.Detail, "does not answer in time") || !strings.Contains(v.Mend, "load") {
		t.Errorf("%+v", v)
	}
}
