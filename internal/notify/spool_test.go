package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tocsin/internal/notify"
)

func TestAnEventIsAcceptedOrSpooled(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, h.URL)
	got := c.tell("one", "--json")
	var a struct {
		ID                string
		Accepted, Spooled bool
		Receipt           struct {
			EventID string `json:"event_id"`
		}
	}
	if err := json.Unmarshal([]byte(got.out), &a); err != nil || got.code != 0 || !a.Accepted || a.Spooled || a.Receipt.EventID != "e-"+a.ID {
		t.Errorf("accepted: ended with %+v", got)
	}
	if left := c.files(t, ""); len(left) != 0 {
		t.Errorf("accepted events stay in the spool: %v", left)
	}
	c = newCaller(t, "http://127.0.0.1:1")
	c.tell("one")
	got = c.tell("two", "--json")
	var s struct {
		Accepted, Spooled bool
		Waiting           int
		Reason            string
	}
	if err := json.Unmarshal([]byte(got.out), &s); err != nil || got.code != 0 || s.Accepted || !s.Spooled || s.Waiting != 2 || s.Reason == "" {
		t.Errorf("spooled: ended with %+v", got)
	}
	if !strings.Contains(got.err, "connection refused") || !strings.Contains(got.err, "2 events wait") {
		t.Errorf("a spooled call says %q", got.err)
	}
}

// Each trouble keeps the first event out; when it is over, the next call hands
// in both, in order, and no event is there twice.
func TestTroubleIsOvercome(t *testing.T) {
	after := make(chan struct{})
	t.Cleanup(func() { close(after) })
	tests := []struct {
		name    string
		say     string
		trouble func(w http.ResponseWriter, r *http.Request, take func()) bool
	}{
		{"the hub hangs", "no answer", func(w http.ResponseWriter, r *http.Request, _ func()) bool {
			select {
			case <-r.Context().Done():
			case <-after:
			}
			return true
		}},
		{"the hub fails", "500", func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			http.Error(w, "oh", http.StatusInternalServerError)
			return true
		}},
		{"the hub is full", "503", func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			problem(w, http.StatusServiceUnavailable, `{"detail":"the queue is full"}`)
			return true
		}},
		{"too many calls", "429", func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			http.Error(w, "slowly", http.StatusTooManyRequests)
			return true
		}},
		{"the token is not the source's", "leave TOCSIN_SOURCE out or correct it, or put a new token of the source into TOCSIN_TOKEN_FILE", func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			problem(w, http.StatusUnauthorized, `{"detail":"unknown token"}`)
			return true
		}},
		{"the source is disabled", "enable it in the console under Sources", func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			problem(w, http.StatusForbidden, `{}`)
			return true
		}},
		{"the address is not Tocsin's", "TOCSIN_URL does not lead to Tocsin", func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			problem(w, http.StatusNotFound, `{}`)
			return true
		}},
		{"a proxy refuses", "400", func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			http.Error(w, "<html>", http.StatusBadRequest)
			return true
		}},
		{"a redirect", "https://elsewhere.example/", func(w http.ResponseWriter, r *http.Request, _ func()) bool {
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusMovedPermanently)
			return true
		}},
		{"something else answers", "no Tocsin hub", func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			_, _ = io.WriteString(w, "<html>Welcome</html>")
			return true
		}},
		{"receipts are missing", "no Tocsin hub", func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			_, _ = io.WriteString(w, `{"receipts":[]}`)
			return true
		}},
		{"the connection is cut before the answer", "reach the hub", func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
			cut(w)
			return true
		}},
		{"the events are taken and the connection is cut", "reach the hub", func(w http.ResponseWriter, _ *http.Request, take func()) bool {
			take()
			cut(w)
			return true
		}},
		{"the answer breaks off", "reach the hub", func(w http.ResponseWriter, _ *http.Request, take func()) bool {
			take()
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"receipts":[`)
			return true
		}},
		{"the answer never ends", "no Tocsin hub", func(w http.ResponseWriter, r *http.Request, take func()) bool {
			take()
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1<<16)); err != nil {
					break
				}
			}
			return true
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			h.set(tt.trouble)
			c := newCaller(t, h.URL)
			c.env["TOCSIN_TIMEOUT"] = "400ms"
			start := time.Now()
			got := c.tell("one")
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("the call took %s", took)
			}
			if got.code != 0 || !strings.Contains(got.err, tt.say) || strings.Count(got.err, "\n") != 1 || len(c.files(t, "")) != 1 {
				t.Fatalf("in trouble: ended with %+v, spool %v", got, c.files(t, ""))
			}
			h.set(nil)
			c.env["TOCSIN_TIMEOUT"] = "10s"
			// A hub that kept a call waiting is left alone for a moment.
			if got := c.tell("two"); got.code != 0 {
				t.Fatalf("afterwards: ended with %+v", got)
			}
			if got := c.run("--flush"); got.code != 0 {
				t.Fatalf("flush: ended with %+v", got)
			}
			if got := strings.Join(h.outputs(), " "); got != "one two" {
				t.Errorf("the hub has %q", got)
			}
			if left := c.files(t, ""); len(left) > 0 {
				t.Errorf("the spool holds %v", left)
			}
		})
	}
}

func TestAHubThatHangsIsLeftAloneForAMoment(t *testing.T) {
	h := newHub(t)
	h.set(func(w http.ResponseWriter, r *http.Request, _ func()) bool { <-r.Context().Done(); return true })
	c := newCaller(t, h.URL)
	c.env["TOCSIN_TIMEOUT"] = "300ms"
	c.tell("one")
	if got, calls := c.tell("two"), h.count(); got.code != 0 || calls > 1 || len(c.files(t, "")) != 2 { // none yet where all is slow
		t.Errorf("ended with %+v after %d calls of the hub", got, calls)
	}
	h.set(nil)
	if got := c.run("--flush"); got.code != 0 || got.out != "handed in 2 of 2\n" {
		t.Errorf("flush: ended with %+v", got)
	}
}

func TestRetryAfterIsHeeded(t *testing.T) {
	h := newHub(t)
	h.set(func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
		w.Header().Set("Retry-After", "7")
		http.Error(w, "slowly", http.StatusTooManyRequests)
		return true
	})
	c := newCaller(t, h.URL)
	c.tell("one")
	if got, calls := c.tell("two"), h.count(); got.code != 0 || calls != 1 || !strings.Contains(got.err, "429") {
		t.Errorf("ended with %+v after %d calls of the hub", got, calls)
	}
}

func TestARefusedEventIsSetAside(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, h.URL)
	got := c.run("--notificationtype=PROBLEM", "--hostname=refuse-me", "--output=x")
	aside := c.files(t, "rejected")
	if got.code != 1 || !strings.Contains(got.err, "is refused here") || strings.Count(got.err, "\n") != 1 || len(aside) != 1 || !strings.Contains(got.err, aside[0]) {
		t.Fatalf("ended with %+v, set aside %v", got, aside)
	}
	body, err := os.ReadFile(aside[0])
	var r struct {
		Reason string
		Status int
		Event  sent
	}
	if err != nil || json.Unmarshal(body, &r) != nil || r.Status != 422 || r.Event.Host != "refuse-me" || !strings.Contains(r.Reason, "events[0].host") {
		t.Errorf("set aside as %s (%v)", body, err)
	}
	if got := c.tell("next"); got.code != 0 || strings.Join(h.outputs(), "") != "next" {
		t.Errorf("afterwards: ended with %+v", got)
	}
}

func TestARefusedEventDoesNotHoldUpABatch(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, h.URL)
	up := c.env["TOCSIN_TOKEN"]
	delete(c.env, "TOCSIN_TOKEN")
	var want []string
	for i := range 23 {
		if i == 5 || i == 17 {
			c.run("--notificationtype=PROBLEM", "--hostname=refuse-me")
			continue
		}
		want = append(want, fmt.Sprint(i))
		c.tell(fmt.Sprint(i))
	}
	c.env["TOCSIN_TOKEN"] = up
	got := c.run("--flush")
	if got.code != 0 || !strings.HasSuffix(got.out, "handed in 21 of 23\n") || strings.Join(h.outputs(), " ") != strings.Join(want, " ") || len(c.files(t, "rejected")) != 2 {
		t.Errorf("ended with %+v\nthe hub has %v", got, h.outputs())
	}
}

func TestTheSpoolIsHandedInByTheNextCall(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, h.URL)
	c.env["TOCSIN_TOKEN_FILE"] = "/nonexistent"
	delete(c.env, "TOCSIN_TOKEN")
	var want []string
	for i := range 250 {
		want = append(want, fmt.Sprint(i))
		if got := c.tell(fmt.Sprint(i)); got.code != 0 {
			t.Fatal(got)
		}
	}
	c.env["TOCSIN_TOKEN"] = "ts_secret"
	if got := c.tell("last"); got.code != 0 || got.err != "" {
		t.Fatal(got)
	}
	if got := strings.Join(h.outputs(), " "); got != strings.Join(append(want, "last"), " ") {
		t.Errorf("the hub has %s", got)
	}
	if got := strings.Join(h.waiting, " "); got != "151 51 0" {
		t.Errorf("Tocsin-Spool was %s", got)
	}
	if got := c.run("--flush"); got.code != 0 || !strings.HasPrefix(got.out, "no event waits") {
		t.Errorf("an empty flush ended with %+v", got)
	}
}

func TestLargeEventsShareNoBatch(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, "http://127.0.0.1:1")
	long := strings.Repeat("é", 150<<10)
	for i := range 6 {
		c.tell(fmt.Sprint(i), "--longoutput="+long)
	}
	for _, path := range c.files(t, "") {
		if info, err := os.Stat(path); err != nil || info.Size() > 200<<10 {
			t.Errorf("%v, %v", info.Size(), err)
		}
	}
	rehome(t, c, h.URL)
	if got := c.run("--flush"); got.code != 0 || strings.Join(h.outputs(), "") != "012345" || h.count() != 2 {
		t.Errorf("ended with %+v after %d calls, the hub has %v", got, h.count(), h.outputs())
	}
}

// rehome lets the events that c has spooled for one hub wait for another.
func rehome(t *testing.T, c *caller, url string) {
	t.Helper()
	from := c.files(t, "")
	token := c.env["TOCSIN_TOKEN"]
	c.env["TOCSIN_URL"], c.env["TOCSIN_TOKEN"] = url, ""
	c.run("--flush") // makes the folder
	dirs, err := filepath.Glob(filepath.Join(c.env["TOCSIN_SPOOL"], "*", "target"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if body, err := os.ReadFile(d); err == nil && strings.Contains(string(body), url) {
			for _, f := range from {
				if err := os.Rename(f, filepath.Join(filepath.Dir(d), filepath.Base(f))); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	c.env["TOCSIN_TOKEN"] = token
}

func TestCallsAtOnceLeaveNothingBehind(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, h.URL)
	c.env["TOCSIN_TIMEOUT"] = "30s"
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 12 {
				if got := c.tell(fmt.Sprintf("%d/%d", worker, i)); got.code != 0 || got.err != "" {
					t.Errorf("ended with %+v", got)
				}
			}
		})
	}
	wg.Wait()
	if left := c.files(t, ""); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	next := make(map[string]int)
	for _, o := range h.outputs() {
		worker, i, _ := strings.Cut(o, "/")
		if fmt.Sprint(next[worker]) != i {
			t.Errorf("worker %s: %s came when %d was due", worker, i, next[worker])
		}
		next[worker]++
	}
	if len(h.events) != 96 {
		t.Errorf("the hub has %d events", len(h.events))
	}
}

func TestOrderSurvivesAClockSetBack(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, "http://127.0.0.1:1")
	c.tell("one")
	last, err := filepath.Glob(filepath.Join(c.env["TOCSIN_SPOOL"], "*", "last"))
	if err != nil || len(last) != 1 {
		t.Fatal(last, err)
	}
	// As if the call before had been made by a clock an hour ahead.
	ahead := time.Now().Add(time.Hour).UnixNano()
	write(t, last[0], fmt.Sprintf("%019d\n", ahead))
	c.tell("two")
	c.tell("three")
	names := c.files(t, "")
	if len(names) != 3 || !strings.HasPrefix(filepath.Base(names[1]), fmt.Sprint(ahead+1)) || !strings.HasPrefix(filepath.Base(names[2]), fmt.Sprint(ahead+2)) {
		t.Errorf("spooled as %v", names)
	}
	rehome(t, c, h.URL)
	if got := c.run("--flush"); got.code != 0 || strings.Join(h.outputs(), " ") != "one two three" {
		t.Errorf("ended with %+v, the hub has %v", got, h.outputs())
	}
}

func TestTwoHubsOrSourcesShareASpool(t *testing.T) {
	a, b := newHub(t), newHub(t)
	c := newCaller(t, a.URL)
	c.env["TOCSIN_TOKEN"] = ""
	c.tell("for a")
	c.env["TOCSIN_URL"] = b.URL
	c.tell("for b")
	c.env["TOCSIN_TOKEN"] = "ts_b"
	got := c.run("--flush")
	if got.code != 0 || !strings.Contains(got.err, "1 event waits for another hub") || len(a.events) != 0 || strings.Join(b.outputs(), "") != "for b" {
		t.Errorf("ended with %+v", got)
	}
}

func TestASpoolThatCannotBeWritten(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	write(t, blocked, "")
	t.Run("does not keep an event from a hub that is there", func(t *testing.T) {
		h := newHub(t)
		c := newCaller(t, h.URL)
		c.env["TOCSIN_SPOOL"] = blocked
		if got := c.tell("x", "--json"); got.code != 0 || len(h.events) != 1 || !strings.Contains(got.err, "TOCSIN_SPOOL") {
			t.Errorf("ended with %+v", got)
		}
		if got := c.run("--notificationtype=PROBLEM", "--hostname=refuse-me"); got.code != 1 || !strings.Contains(got.err, "refused") {
			t.Errorf("ended with %+v", got)
		}
	})
	t.Run("is exit 1 with the mend when the hub is away too", func(t *testing.T) {
		c := newCaller(t, "http://127.0.0.1:1")
		c.env["TOCSIN_SPOOL"] = blocked
		if got := c.tell("x"); got.code != 1 || !strings.Contains(got.err, "neither sent") || !strings.Contains(got.err, "TOCSIN_SPOOL") || strings.Count(got.err, "\n") != 1 {
			t.Errorf("ended with %+v", got)
		}
	})
}

func TestAFullSpoolRefusesTheNewest(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, "http://127.0.0.1:1")
	c.tell("one")
	dir := filepath.Dir(c.files(t, "")[0])
	// One file whose name says that it fills the bound, but for the first event.
	big := filepath.Join(dir, fmt.Sprintf("%019d-0000001-00000000-%07d.json", time.Now().UnixNano(), 256<<20))
	write(t, big, "")
	if got := c.tell("two"); got.code != 1 || !strings.Contains(got.err, "the spool is full") || !strings.Contains(got.err, "--flush") || len(c.files(t, "")) != 2 {
		t.Errorf("ended with %+v", got)
	}
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(big, old, old); err != nil {
		t.Fatal(err)
	}
	rehome(t, c, h.URL)
	if got := c.tell("three"); got.code != 0 || strings.Join(h.outputs(), " ") != "one three" {
		t.Errorf("ended with %+v, the hub has %v", got, h.outputs())
	}
}

func TestBrokenFilesAreMovedAside(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, "http://127.0.0.1:1")
	c.tell("before")
	dir := filepath.Dir(c.files(t, "")[0])
	now := time.Now().UnixNano()
	write(t, filepath.Join(dir, fmt.Sprintf("%019d-0000001-00000001-0000005.json", now)), "nojsn")
	short := filepath.Join(dir, fmt.Sprintf("%019d-0000001-00000002-0000050.json", now))
	write(t, short, `{"id":`)
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(short, old, old); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "README"), "not ours")
	said := c.tell("after").err
	rehome(t, c, h.URL)
	got := c.run("--flush")
	if got.code != 0 || len(c.files(t, "corrupt")) != 2 || strings.Join(h.outputs(), " ") != "before after" || strings.Count(said, "/corrupt/") != 2 {
		t.Errorf("ended with %+v, having said %s, the hub has %v", got, said, h.outputs())
	}
}

func TestWhatElseLiesInTheSpoolHoldsUpNothing(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, "http://127.0.0.1:1")
	c.tell("before")
	dir := filepath.Dir(c.files(t, "")[0])
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, `{"id":"stolen","output":"stolen"}`)
	made, n := time.Now().UnixNano(), 0
	name := func(size int) string {
		n++
		return filepath.Join(dir, fmt.Sprintf("%019d-0000001-%08x-%07d.json", made, n, size))
	}
	for what, put := range map[string]func() error{
		"is none":               func() error { return os.WriteFile(name(0), nil, 0o600) },
		"what is in it is none": func() error { return os.WriteFile(name(7), []byte(`["a"] 1`), 0o600) },
		"more than an event has": func() error {
			p := name(9 << 20)
			return errors.Join(os.WriteFile(p, nil, 0o600), os.Truncate(p, 9<<20))
		},
		"more than were written":       func() error { return os.WriteFile(name(3), []byte(`{"id":"x"}`), 0o600) },
		"it is no plain file (a pipe)": func() error { return syscall.Mkfifo(name(5), 0o600) },
		"it is no plain file (a link)": func() error { return os.Symlink(secret, name(33)) },
		"it is no plain file":          func() error { return os.Mkdir(name(5), 0o700) },
	} {
		if err := put(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	c.tell("after")
	rehome(t, c, h.URL)
	said := c.run("--flush")
	if aside := c.files(t, "corrupt"); said.code != 0 || strings.Join(h.outputs(), " ") != "before after" || len(aside) != 7 {
		t.Errorf("ended with %+v, set aside %v", said, aside)
	}
	var notes strings.Builder
	for _, f := range c.files(t, "corrupt") {
		text, err := os.ReadFile(f + ".note")
		if err != nil {
			t.Error(err)
		}
		notes.Write(text)
	}
	for _, why := range []string{"it is no plain file", "what is in it is none", "more than an event has", "more than were written"} {
		if !strings.Contains(notes.String(), why) {
			t.Errorf("no note says %q: %s", why, notes.String())
		}
	}
}

func TestAFlushSaysHowFarItCame(t *testing.T) {
	h := newHub(t)
	c := newCaller(t, h.URL)
	c.env["TOCSIN_TOKEN"] = ""
	for i := range 150 {
		c.tell(fmt.Sprint(i))
	}
	c.env["TOCSIN_TOKEN"] = "ts"
	h.set(func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.calls > 1 {
			http.Error(w, "oh", http.StatusBadGateway)
		}
		return h.calls > 1
	})
	if got := c.run("--flush"); got.code != 1 || !strings.HasSuffix(got.out, "handed in 100 of 150\n") || !strings.Contains(got.err, "50 events still wait") {
		t.Errorf("ended with %+v", got)
	}
	h.set(nil)
	if got := c.run("--flush", "--json"); got.code != 0 || strings.TrimSpace(got.out) != `{"handed":50,"aside":0,"waiting":0}` {
		t.Errorf("ended with %+v", got)
	}
}

func TestACallEndsInTimeWithAnAddressThatNeverAnswers(t *testing.T) {
	// A listener whose queue is never emptied accepts, and says nothing.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c := newCaller(t, "http://"+l.Addr().String())
	start := time.Now()
	if got := c.tell("x"); got.code != 0 || len(c.files(t, "")) != 1 {
		t.Errorf("ended with %+v", got)
	}
	if took := time.Since(start); took < time.Second || took > 3*time.Second {
		t.Errorf("took %s, the limit is 2s", took)
	}
}

func TestACancelledCallLeavesItsEvent(t *testing.T) {
	h := newHub(t)
	ctx, cancel := context.WithCancel(context.Background())
	h.set(func(_ http.ResponseWriter, r *http.Request, _ func()) bool {
		cancel()
		<-r.Context().Done()
		return true
	})
	c := newCaller(t, h.URL)
	code := notify.Run(ctx, []string{"--notificationtype=PROBLEM", "--hostname=w"}, nil, io.Discard, io.Discard, func(k string) string { return c.env[k] })
	if code != 0 || len(c.files(t, "")) != 1 {
		t.Errorf("ended with %d, spool %v", code, c.files(t, ""))
	}
}

func FuzzSpoolFile(f *testing.F) {
	f.Add([]byte(`{"id":"a","type":"PROBLEM","host":"w","state":1,"time":1}`))
	f.Add([]byte(`{"id":""}`))
	f.Add([]byte(``))
	f.Add([]byte("{\"id\":\"x\"}]}\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var last []byte
		s := startSink(t, func(b []byte) { last = b })
		c := newCaller(t, "http://127.0.0.1:1")
		c.tell("good")
		dir := filepath.Dir(c.files(t, "")[0])
		path := filepath.Join(dir, fmt.Sprintf("%019d-0000001-00000001-%07d.json", 1, len(body)))
		write(t, path, string(body))
		rehome(t, c, s)
		got := c.run("--flush")
		if got.code != 0 || !json.Valid(last) || !strings.Contains(string(last), `"good"`) {
			t.Fatalf("%q: ended with %+v, the hub got %q", body, got, last)
		}
	})
}
