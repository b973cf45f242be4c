package keep_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/notify"
	"tocsin/internal/source"
	"tocsin/test/database"
	"tocsin/test/postgres"
)

// small mounts a disk of so many MiB in memory, and answers where.
func small(t *testing.T, size int) string {
	t.Helper()
	// Not below t.TempDir, which other users may not enter: PostgreSQL has one of its own.
	dir, err := os.MkdirTemp("", "tocsin-small-") //nolint:usetesting // see above
	ok(t, err)
	t.Cleanup(func() { ok(t, os.Remove(dir)) })
	ok(t, os.Chmod(dir, 0o755))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", size)); err != nil {
		t.Fatalf("mount a small disk: %v; only root may do that: run this test as root", err)
	}
	t.Cleanup(func() { ok(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

// fill leaves no room on the disk of a folder; what it answers makes room again.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	ok(t, err)
	for _, size := range []int{1 << 20, 4096, 1} {
		for piece := make([]byte, size); err == nil; {
			_, err = f.Write(piece)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("fill the disk: %v", err)
		}
		err = nil
	}
	return func() { ok(t, errors.Join(f.Close(), os.Remove(f.Name()))) }
}

// onSmallDisk makes a PostgreSQL database whose tables are on a small disk, and its
// log is elsewhere: a server whose log has no room ends, and that is another test.
func onSmallDisk(t *testing.T, dir string) string {
	t.Helper()
	// A server of its own: while the disk is full, no checkpoint succeeds, for whichever
	// database it is.
	own, err := postgres.Start(postgres.Options{NoSync: true})
	ok(t, err)
	t.Cleanup(func() { ok(t, own.Stop()) })
	server := own.URL
	conn, err := pgx.Connect(t.Context(), server)
	ok(t, err)
	here := filepath.Join(dir, "tables")
	ok(t, os.Mkdir(here, 0o700))
	if u, err := user.Lookup("postgres"); err == nil && os.Geteuid() == 0 {
		uid, err := strconv.Atoi(u.Uid)
		ok(t, err)
		ok(t, os.Chown(here, uid, -1))
	}
	name := "small_" + strconv.Itoa(os.Getpid())
	exec := func(query string) {
		_, err := conn.Exec(context.WithoutCancel(t.Context()), query)
		ok(t, err)
	}
	exec("CREATE TABLESPACE " + name + " LOCATION '" + here + "'")
	exec("CREATE DATABASE " + name + " TABLESPACE " + name)
	t.Cleanup(func() {
		exec("DROP DATABASE " + name + " WITH (FORCE)")
		exec("DROP TABLESPACE " + name)
		ok(t, conn.Close(context.WithoutCancel(t.Context())))
	})
	u, err := url.Parse(server)
	ok(t, err)
	u.Path = "/" + name
	return u.String()
}

// patient has a limit: what hangs must fail its test and not hang all of them.
var patient = &http.Client{Timeout: time.Minute}

// kept is a hub on a small disk.
type kept struct {
	*testing.T
	url, token, key string
	spool           string
}

func (k *kept) get(path string, out any) int {
	k.Helper()
	return k.call(http.MethodGet, path, k.key, "", out).StatusCode
}

func (k *kept) call(method, path, token, body string, out any) *http.Response {
	k.Helper()
	req, err := http.NewRequestWithContext(k.Context(), method, k.url+"/api/v1"+path, strings.NewReader(body))
	ok(k, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := patient.Do(req)
	ok(k, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	ok(k, err)
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			k.Fatalf("%s %s answered %d: %s", method, path, res.StatusCode, text)
		}
	}
	return res
}

// notify is a call of the engine's command.
func (k *kept) notify(args ...string) (code int, said string) {
	k.Helper()
	env := map[string]string{"TOCSIN_URL": k.url, "TOCSIN_TOKEN": k.token, "TOCSIN_SPOOL": k.spool, "TOCSIN_NOTIFY_CONFIG": os.DevNull}
	var out bytes.Buffer
	code = notify.Run(k.Context(), args, strings.NewReader(""), &out, &out, func(key string) string { return env[key] })
	return code, out.String()
}

// hosts are those that there is an alert of, each once.
func (k *kept) hosts() map[string]bool {
	k.Helper()
	found := map[string]bool{}
	for next := ""; ; {
		var page struct {
			Items []struct {
				Object struct{ Host string }
			}
			Next string
		}
		if code := k.get("/alerts?limit=500&cursor="+url.QueryEscape(next), &page); code != http.StatusOK {
			k.Fatalf("the list of alerts answers %d", code)
		}
		for _, a := range page.Items {
			if found[a.Object.Host] {
				k.Errorf("%s is there twice", a.Object.Host)
			}
			found[a.Object.Host] = true
		}
		if next = page.Next; next == "" {
			return found
		}
	}
}

// warned says what health says of the database.
func (k *kept) warned() string {
	k.Helper()
	var report struct {
		Warnings []struct{ Part, Problem, Mend string }
	}
	k.get("/health", &report)
	for _, w := range report.Warnings {
		if w.Part == "database" {
			return w.Problem + " " + w.Mend
		}
	}
	return ""
}

func TestAFullDiskLosesNothing(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, dir string) map[string]string{
		"sqlite": func(t *testing.T, dir string) map[string]string {
			database.Place(t, filepath.Join(dir, "tocsin.db"))
			return map[string]string{"TOCSIN_DATA": dir}
		},
		"postgres": func(t *testing.T, dir string) map[string]string {
			return map[string]string{"TOCSIN_DATA": t.TempDir(), "TOCSIN_DATABASE_URL": onSmallDisk(t, dir)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := small(t, 32)
			flags := prepare(t, disk)
			flags["TOCSIN_LISTEN"] = "127.0.0.1:0"
			cfg, err := config.Load(config.Sources{Flags: flags, File: os.DevNull})
			ok(t, err)
			a, err := app.Start(t.Context(), cfg, app.Options{})
			ok(t, err)
			t.Cleanup(func() { ok(t, a.Stop()) })
			k := &kept{T: t, url: a.URL(), spool: filepath.Join(t.TempDir(), "spool")}
			var hash, hint string
			k.token, hash, hint = auth.NewToken(auth.SourcePrefix)
			ok(t, a.Store().SaveSource(t.Context(), source.Source{ID: "lab", Name: "lab", Kind: "nagios", TokenHash: hash, TokenHint: hint, CreatedAt: time.Now()}))
			_, k.key, err = a.Auth().AddKey(t.Context(), "test", []auth.Scope{auth.Administer}, time.Time{})
			ok(t, err)
			problem := func(host string) (int, string) {
				return k.notify("--type=Host", "--notificationtype=PROBLEM", "--hostname="+host, "--state=1", "--output="+strings.Repeat(host+" ", 500))
			}
			if code, said := problem("first"); code != 0 {
				t.Fatalf("with room: %d, %s", code, said)
			}
			free := fill(t, disk)

			// What is full differs: a page that has room takes some events still.
			sent := []string{"first"}
			full := false
			for i := 0; i < 3000 && !full; i++ {
				host := fmt.Sprintf("web%d", i)
				sent = append(sent, host)
				code, said := problem(host)
				if code != 0 {
					t.Fatalf("the engine's command ended with %d: %s", code, said)
				}
				left, err := filepath.Glob(filepath.Join(k.spool, "*", "[0-9]*.json"))
				ok(t, err)
				full = len(left) > 0
			}
			if !full {
				t.Fatal("the disk was never full")
			}
			if sum, err := a.Store().Full(), error(nil); sum.IsZero() || err != nil {
				t.Error("the store does not know that it is full")
			}
			// The sender is told so in clear words.
			event := fmt.Sprintf(`{"events":[{"id":"direct","type":"PROBLEM","host":"direct","state":1,"output":%q}]}`, strings.Repeat("x", 60_000))
			var said struct{ Detail string }
			res := k.call(http.MethodPost, "/sources/lab/events", k.token, event, &said)
			if after, err := strconv.Atoi(res.Header.Get("Retry-After")); res.StatusCode != http.StatusServiceUnavailable || after < 1 || err != nil ||
				!strings.Contains(said.Detail, "disk of the hub's database is full") {
				t.Errorf("answered %d, Retry-After %q: %s", res.StatusCode, res.Header.Get("Retry-After"), said.Detail)
			}
			// Reading goes on, and health says it with the mend.
			if !k.hosts()["first"] {
				t.Error("what was there is not in the list")
			}
			await(t, "health to say so", func() bool {
				return strings.Contains(k.warned(), "disk of the database is full") && strings.Contains(k.warned(), "Make room")
			})
			if code, out := k.notify("--flush"); code == 0 || !strings.Contains(out, "disk of the hub's database is full") {
				t.Errorf("a flush meanwhile: %d, %s", code, out)
			}

			free()
			await(t, "all to be well again", func() bool { return k.warned() == "" })
			if code, out := k.notify("--flush"); code != 0 {
				t.Errorf("the flush afterwards: %d, %s", code, out)
			}
			there := k.hosts()
			for _, host := range sent {
				if !there[host] {
					t.Errorf("%s is lost", host)
				}
			}
			if len(there) != len(sent) {
				t.Errorf("%d alerts, not %d", len(there), len(sent))
			}
		})
	}
}

// await waits until it is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
