// Package postgres gives tests a real PostgreSQL from Debian's packages.
//
//	db, err := store.Open(ctx, store.Options{URL: postgres.URL(t)})
//
// The server is started once for a test process, on a spare port of 127.0.0.1
// with its data in a temporary folder, and ends with the process. A run of
// several packages shares one server with
//
//	go run ./test/postgres/withpostgres -- go test ./...
//
// which says where it is in TOCSIN_TEST_POSTGRES. A missing PostgreSQL fails a
// test and names the command that mends it; no test is passed over.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tocsin/test/port"
)

// Env names the variable with the URL of a server that runs already. Its user
// must be allowed to create databases.
const Env = "TOCSIN_TEST_POSTGRES"

// install is what to do when there is no PostgreSQL.
const install = "PostgreSQL is missing; install it with: apt-get install --no-install-recommends -y postgresql"

// URL makes a fresh, empty database that is dropped after the test, and answers
// its URL.
func URL(t testing.TB) string {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return database(t, server, "")
}

// Copy is URL with what fill once wrote into a database of that key, which
// stays on the server for other tests and packages: at most 40 letters and
// digits, another one when fill would write something else.
func Copy(t testing.TB, key string, fill func(url string) error) string {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	pattern := "tocsin_pattern_" + key
	patterns.Lock()
	defer patterns.Unlock()
	if !patterns.made[pattern] {
		if err := makePattern(server, pattern, fill); err != nil {
			t.Fatalf("make a database to copy: %v", err)
		}
		patterns.made[pattern] = true
	}
	return database(t, server, " TEMPLATE "+pattern)
}

// patterns are the databases that this process knows to be there.
var patterns = struct {
	sync.Mutex
	made map[string]bool
}{made: map[string]bool{}}

// makePattern makes a database that others are copied from, unless it is there:
// one process at a time, and under its name only once it is whole.
func makePattern(server, pattern string, fill func(url string) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtext($1))", pattern); err != nil {
		return err
	}
	var there bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", pattern).Scan(&there); err != nil || there {
		return err
	}
	unfinished := pattern + "_new"
	for _, query := range []string{"DROP DATABASE IF EXISTS " + unfinished + " WITH (FORCE)", "CREATE DATABASE " + unfinished} {
		if _, err := conn.Exec(ctx, query); err != nil {
			return err
		}
	}
	u, err := of(server, unfinished)
	if err != nil {
		return err
	}
	if err := fill(u); err != nil {
		return err
	}
	// With no connection allowed no vacuum comes between either.
	for _, query := range []string{
		"ALTER DATABASE " + unfinished + " ALLOW_CONNECTIONS false",
		"ALTER DATABASE " + unfinished + " RENAME TO " + pattern,
	} {
		if _, err := conn.Exec(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// database makes a database that goes with the test.
func database(t testing.TB, server, like string) string {
	t.Helper()
	name := "tocsin_" + strings.ToLower(rand.Text())
	exec := func(query string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, query)
		return errors.Join(err, conn.Close(ctx))
	}
	if err := exec("CREATE DATABASE " + name + like); err != nil {
		t.Fatalf("make a database to test with: %v", err)
	}
	t.Cleanup(func() {
		if err := exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop the database of the test: %v", err)
		}
	})
	u, err := of(server, name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// of is the URL of a database on a server.
func of(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("%s is not a URL: %w", Env, err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

// shared starts the server of this process once.
var shared = sync.OnceValues(func() (string, error) {
	if u := os.Getenv(Env); u != "" {
		return u, nil
	}
	s, err := Start(Options{NoSync: true}) // no test pulls the plug
	if err != nil {
		return "", err
	}
	return s.URL, nil
})

// WithPassword is a user, once a test makes it, whom a server that Start started asks
// for a password; all others it trusts.
const WithPassword = "tocsin_with_password"

// Options say how a server is started.
type Options struct {
	// NoSync leaves out the fsync of each commit: faster, and not what is measured.
	NoSync bool
	// Networks are those from which it may be reached, as 10.1.2.0/30, besides this
	// machine.
	Networks []string
}

// Server is a PostgreSQL that we started.
type Server struct {
	URL  string // of its database postgres, as superuser
	Port string
	dir  string
	cmd  *exec.Cmd
	done chan error
}

// Start starts a server, which ends with Stop, or with the process that started
// it, however that ends.
func Start(o Options) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tocsin-postgres-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	s := &Server{dir: dir, done: make(chan error, 1)}
	if err := s.start(bin, o); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Server) start(bin string, o Options) error {
	cred, err := credential(s.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "tocsin", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
	initdb.Dir = s.dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if err := demand(filepath.Join(data, "pg_hba.conf")); err != nil {
		return err
	}
	spare, err := port.Spare()
	if err != nil {
		return err
	}
	listen := "127.0.0.1"
	if len(o.Networks) > 0 {
		listen = "*"
		if err := allow(filepath.Join(data, "pg_hba.conf"), o.Networks); err != nil {
			return err
		}
	}
	fsync := "on"
	if o.NoSync {
		fsync = "off"
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return fmt.Errorf("make PostgreSQL's log: %w", err)
	}
	defer log.Close()
	// The shell ends the server when this process is gone and its end of the
	// pipe with it: kill -9 of a test leaves nothing behind.
	// Where there is a file called hold, it is started again when that has gone.
	script := `trap 'over=1; kill -INT $pg' TERM INT; (cat; rm -f "$TOCSIN_PG_DIR/hold"; kill -INT $(head -n 1 "$TOCSIN_PG_DIR/data/postmaster.pid")) <&3 & cat=$!
		while :; do
			"$@" 3<&- & pg=$!; wait $pg; rc=$?
			[ -z "$over" ] && [ -e "$TOCSIN_PG_DIR/hold" ] || break
			: >"$TOCSIN_PG_DIR/held"
			while [ -e "$TOCSIN_PG_DIR/hold" ]; do sleep 0.02; done
			rm "$TOCSIN_PG_DIR/held"
		done
		kill $cat 2>/dev/null; rm -rf "$TOCSIN_PG_DIR"; exit $rc`
	s.cmd = exec.Command("/bin/sh", "-c", script, "postgres", filepath.Join(bin, "postgres"), "-D", data,
		"-p", strconv.Itoa(spare), "-c", "listen_addresses="+listen, "-c", "unix_socket_directories=", "-c", "fsync="+fsync,
		"-c", "max_connections=200", "-c", "shared_buffers=128MB")
	s.cmd.Dir = s.dir
	s.cmd.Env = append(os.Environ(), "TOCSIN_PG_DIR="+s.dir)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: true}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	alive, hold, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer alive.Close()
	holds.Lock()
	holds.open = append(holds.open, hold) // kept until the process ends
	holds.Unlock()
	s.cmd.ExtraFiles = []*os.File{alive}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	s.Port = strconv.Itoa(spare)
	s.URL = "postgres://tocsin@127.0.0.1:" + s.Port + "/postgres?sslmode=disable"
	return s.ready()
}

// holds are the pipes by which servers know that this process lives.
var holds struct {
	sync.Mutex
	open []*os.File
}

// ready waits until the server answers.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case ended := <-s.done:
			s.done <- ended
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("PostgreSQL ended: %w\n%s", ended, log)
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the server and removes its data.
func (s *Server) Stop() error {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-s.done:
			s.done <- err
		case <-time.After(20 * time.Second):
			return fmt.Errorf("PostgreSQL (process %d) does not end", s.cmd.Process.Pid)
		}
	}
	return os.RemoveAll(s.dir)
}

// binaries finds the newest installed PostgreSQL.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", errors.New(install)
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// credential is the user to run as: PostgreSQL refuses root, so then it is
// Debian's user postgres, who gets the folder. nil: as we are.
func credential(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%s (%w)", install, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, fmt.Errorf("give the folder to user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
