// Package keep_test looks whether everything is kept: through power cuts, full
// disks, and from one database to another.
package keep_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/source"
	"tocsin/internal/store"
	"tocsin/test/database"
	"tocsin/test/hub"
	"tocsin/test/keep/cut"
	"tocsin/test/port"
)

// all has every point tried, which `make soak` does; else as many as points.
var all = os.Getenv("TOCSIN_TEST_CUTS") == "all"

const points = 7

// chosen are the points to try of so many, the first and the last among them.
func chosen(n int) (list []int) {
	step := 1
	if !all && n > points {
		step = (n + points - 1) / points
	}
	for i := 1; i < n; i += step {
		list = append(list, i)
	}
	return append(list, n)
}

// folder is a data folder with a source in it, whose token is answered.
func folder(t *testing.T) (dir, token string) {
	t.Helper()
	dir = database.Folder(t)
	db, err := store.Open(t.Context(), store.Options{DataDir: dir})
	ok(t, err)
	token, hash, hint := auth.NewToken(auth.SourcePrefix)
	err = db.SaveSource(t.Context(), source.Source{ID: "lab", Name: "lab", Kind: "nagios", TokenHash: hash, TokenHint: hint, CreatedAt: time.Now()})
	ok(t, errors.Join(err, db.Close()))
	return dir, token
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// recorded is how much is done in each run: events of one id each, one after the other.
func recorded() int {
	if all {
		return 25
	}
	return 5
}

func body(n int) string {
	return fmt.Sprintf(`{"events":[{"id":"call-%d","type":"PROBLEM","host":"web%d","state":1,"output":"no answer"}]}`, n, n)
}

// serve runs the hub on dir until its n-th sync, and sends what is recorded. It
// answers how many of it were answered with success.
func serve(t *testing.T, bin, dir, token string, n int) (answered int, e cut.Ended) {
	t.Helper()
	listen, err := port.Address()
	ok(t, err)
	cmd := exec.Command(bin, "serve")
	cmd.Env = append(os.Environ(), "TOCSIN_LISTEN="+listen, "TOCSIN_DATA="+dir)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	stop, stopped := context.WithCancel(ctx)
	defer stopped()
	done := make(chan error, 1)
	go func() {
		var err error
		e, err = cut.Run(stop, cmd, n)
		stopped()
		done <- err
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	post := func(i int) bool {
		req, err := http.NewRequestWithContext(stop, http.MethodPost, "http://"+listen+"/api/v1/sources/lab/events", strings.NewReader(body(i)))
		ok(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := client.Do(req)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return err == nil && res.StatusCode == http.StatusOK
	}
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for answered < recorded() && stop.Err() == nil {
		if post(answered + 1) {
			answered++
			continue
		}
		select { // it is not up yet, or gone for good
		case <-tick.C:
		case <-stop.Done():
		}
	}
	stopped() // SIGTERM, if it still runs
	ok(t, <-done)
	if !e.Killed && e.Code != 0 {
		t.Fatalf("the hub ended with %d: %s", e.Code, &log)
	}
	return answered, e
}

// sound has SQLite look through all of the database.
func sound(t *testing.T, dir string) {
	t.Helper()
	pool, err := sql.Open("sqlite", filepath.Join(dir, "tocsin.db"))
	ok(t, err)
	defer pool.Close()
	var said string
	ok(t, pool.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&said))
	if said != "ok" {
		t.Errorf("the database is not sound: %s", said)
	}
}

func TestAPowerCutAtAnySyncOfTheHubLosesNothing(t *testing.T) {
	bin, err := hub.Build(t.Context(), t.TempDir())
	ok(t, err)
	dir, token := folder(t)
	answered, whole := serve(t, bin, dir, token, 0)
	if answered != recorded() || whole.Points < recorded() {
		t.Fatalf("the recorded run: %d of %d answered, %d syncs", answered, recorded(), whole.Points)
	}
	t.Logf("the recorded run syncs %d times", whole.Points)
	killed := 0
	for _, n := range chosen(whole.Points) {
		dir, token := folder(t)
		answered, e := serve(t, bin, dir, token, n)
		if e.Killed {
			killed++
		}
		sound(t, dir)
		db, err := store.Open(t.Context(), store.Options{DataDir: dir, Exclusive: true})
		ok(t, err)
		there, _, err := db.Alerts(t.Context(), alert.Filter{})
		ok(t, errors.Join(err, db.Close()))
		found := map[string]int{}
		for _, a := range there {
			found[a.Object.Host]++
		}
		for i := 1; i <= answered; i++ {
			if host := fmt.Sprintf("web%d", i); found[host] != 1 {
				t.Errorf("cut at sync %d of %d: %s was answered and is there %d times", n, whole.Points, host, found[host])
			}
		}
		// Who got no answer sends it again: a call counts once.
		if again, e := serve(t, bin, dir, token, 0); again != recorded() || e.Killed {
			t.Fatalf("after a cut at sync %d only %d of %d were answered", n, again, recorded())
		}
		db, err = store.Open(t.Context(), store.Options{DataDir: dir, Exclusive: true})
		ok(t, err)
		there, _, err = db.Alerts(t.Context(), alert.Filter{})
		ok(t, err)
		for _, a := range there {
			events, err := db.Events(t.Context(), a.ID, "", 100)
			ok(t, err)
			if len(events) != 1 {
				t.Errorf("cut at sync %d: %s has %d events", n, a.Object.Host, len(events))
			}
		}
		if ok(t, db.Close()); len(there) != recorded() {
			t.Errorf("cut at sync %d: there are %d alerts in the end, not %d", n, len(there), recorded())
		}
	}
	if killed == 0 {
		t.Error("no run was cut")
	}
}

// taking is a hub that takes events, or is away.
type taking struct {
	mu   sync.Mutex
	seen map[string]int // by id
}

func (h *taking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Events []struct{ ID, Output string }
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var out struct {
		Receipts []map[string]string `json:"receipts"`
	}
	for _, e := range in.Events {
		h.seen[e.Output]++
		out.Receipts = append(out.Receipts, map[string]string{"event_id": e.ID})
	}
	_ = json.NewEncoder(w).Encode(out)
}

func TestAPowerCutAtAnySyncOfTheSpoolLosesNothing(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "client")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "tocsin/test/notify-kill/client")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the client: %v\n%s", err, out)
	}
	h := &taking{seen: map[string]int{}}
	s := httptest.NewUnstartedServer(h)
	address := s.Listener.Addr().String()
	ok(t, s.Listener.Close()) // the hub is away until it is started
	run := func(spool string, n int, args ...string) cut.Ended {
		t.Helper()
		cmd := exec.Command(bin, args...)
		cmd.Env = append(os.Environ(), "TOCSIN_URL=http://"+address, "TOCSIN_TOKEN=ts_cut", "TOCSIN_SPOOL="+spool, "TOCSIN_NOTIFY_CONFIG="+os.DevNull)
		e, err := cut.Run(t.Context(), cmd, n)
		ok(t, err)
		return e
	}
	call := func(name string) []string {
		return []string{"--type=Host", "--notificationtype=PROBLEM", "--hostname=web01", "--state=1", "--output=" + name}
	}
	type attempt struct {
		name   string // of the events
		before bool   // another call had made the spool's box
		spool  string
		e      cut.Ended
	}
	var attempts []attempt
	for _, before := range []bool{false, true} {
		begin := func(name string) (spool string) {
			spool = filepath.Join(t.TempDir(), "spool")
			if !before {
				return spool
			}
			if e := run(spool, 0, call("before "+name)...); e.Code != 0 {
				t.Fatalf("a call before the cut: %+v", e)
			}
			return spool
		}
		// The event is to be in the spool when the call ends with 0.
		whole := run(begin("recorded"), 0, call("recorded")...)
		if whole.Points == 0 || whole.Code != 0 {
			t.Fatalf("the recorded run: %+v", whole)
		}
		for n := 1; n <= whole.Points+1; n++ {
			name := fmt.Sprintf("%d of %d (a box was there: %v)", n, whole.Points, before)
			spool := begin(name)
			e := run(spool, n, call("cut "+name)...)
			if e.Killed != (n <= whole.Points) {
				t.Errorf("cut at sync %s: %+v", name, e)
			}
			if e := run(spool, 0, call("after "+name)...); e.Code != 0 {
				t.Errorf("a call after the cut: %+v", e)
			}
			attempts = append(attempts, attempt{name, before, spool, e})
		}
	}
	var err error
	s.Listener, err = net.Listen("tcp", address)
	ok(t, err)
	s.Start()
	defer s.Close()
	for _, a := range attempts {
		if e := run(a.spool, 0, "--flush"); e.Code != 0 {
			t.Errorf("the flush after a cut at sync %s: %+v", a.name, e)
		}
		h.mu.Lock()
		for name, sure := range map[string]bool{"before": a.before, "cut": !a.e.Killed, "after": true} {
			if got := h.seen[name+" "+a.name]; got > 1 || sure && got != 1 {
				t.Errorf("cut at sync %s: %q was handed in %d times", a.name, name, got)
			}
		}
		h.mu.Unlock()
		left, err := filepath.Glob(filepath.Join(a.spool, "*", "[0-9]*.json"))
		if err != nil || len(left) > 0 {
			t.Errorf("the spool still holds %v, %v", left, err)
		}
	}
}
