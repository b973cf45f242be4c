package live_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/live"
)

// memory is a live log in memory.
type memory struct {
	mu     sync.Mutex
	frames []live.Frame
	seq    int64
	broken error
}

func (m *memory) append(user, kind, body string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq++
	m.frames = append(m.frames, live.Frame{Seq: m.seq, UserID: user, Kind: kind, Body: body, At: time.Now()})
	return m.seq
}

func (m *memory) prune(keep int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frames = append([]live.Frame(nil), m.frames[len(m.frames)-keep:]...)
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

func (m *memory) LiveAfter(_ context.Context, after int64, userID string, limit int) ([]live.Frame, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []live.Frame
	for _, f := range m.frames {
		if f.Seq > after && len(out) < limit && (userID == "" || f.UserID == "" || f.UserID == userID) {
			out = append(out, f)
		}
	}
	return out, m.broken
}

func (m *memory) LiveBounds(context.Context) (int64, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.frames) == 0 {
		return 0, m.seq, m.broken
	}
	return m.frames[0].Seq, m.seq, m.broken
}

// node is a hub behind a server.
type node struct {
	*live.Hub
	log    *memory
	server *httptest.Server
}

// start runs a hub; who is asking stands in the query, as authentication would say it.
func start(t *testing.T, log *memory, o live.Options, how ...func(*httptest.Server)) *node {
	t.Helper()
	if o.Poll == 0 {
		o.Poll = 20 * time.Millisecond
	}
	hub := live.NewHub(log, o)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "given=before")
		hub.Serve(w, r, live.Viewer{UserID: r.URL.Query().Get("user"), Session: r.URL.Query().Get("session")})
	}))
	if len(how) == 0 {
		server.Start()
	}
	for _, f := range how {
		f(server)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := hub.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		server.CloseClientConnections()
		server.Close()
	})
	return &node{hub, log, server}
}

// got is one event as a client sees it.
type got struct{ id, event, data string }

// tab is a client.
type tab struct {
	t      *testing.T
	answer *http.Response
	lines  *bufio.Reader
	cancel context.CancelFunc
}

func (n *node) open(t *testing.T, query, lastID string) *tab {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.server.URL+"/?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	answer, err := n.server.Client().Do(r)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	c := &tab{t, answer, bufio.NewReader(answer.Body), cancel}
	t.Cleanup(c.close)
	return c
}

func (c *tab) close() { c.cancel(); _ = c.answer.Body.Close() }

// next answers the next event that is no ping; an empty one at the end.
func (c *tab) next() got {
	c.t.Helper()
	e, err := c.read()
	for err == nil && e.event == "ping" {
		e, err = c.read()
	}
	return e
}

func (c *tab) read() (got, error) {
	var e got
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return got{}, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.event = value
		case "data":
			e.data = value
		case "":
			if e.event != "" {
				return e, nil
			}
			e = got{}
		}
	}
}

func (c *tab) want(event, id string) got {
	c.t.Helper()
	e := c.next()
	if e.event != event || e.id != id {
		c.t.Fatalf("got %+v, want event %q with id %q", e, event, id)
	}
	return e
}

// until waits for what another goroutine will make true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within 30 s: %s", what)
		case <-tick.C:
		}
	}
}

func plain(t *testing.T, f func(t *testing.T, how ...func(*httptest.Server))) {
	t.Run("HTTP/1.1", func(t *testing.T) { f(t) })
	t.Run("HTTP/2", func(t *testing.T) {
		f(t, func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() })
	})
}

func TestStream(t *testing.T) {
	plain(t, func(t *testing.T, how ...func(*httptest.Server)) {
		t.Run("begins with hello, then the user's frames as they come", func(t *testing.T) {
			log := &memory{}
			log.append("", "alert", `{"old":1}`)
			n := start(t, log, live.Options{Node: "n1"}, how...)
			c := n.open(t, "user=anna", "")
			if h := c.answer.Header; h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" ||
				h.Get("X-Accel-Buffering") != "no" || h.Get("Set-Cookie") != "given=before" {
				t.Fatalf("head %v", h)
			}
			if e := c.want("hello", "1"); e.data != `{"seq":1,"until":1,"node":"n1","heartbeat":15}` {
				t.Fatalf("hello %s", e.data)
			}
			log.append("ben", "notification", `{"for":"ben"}`)
			log.append("anna", "notification", `{"for":"anna"}`)
			log.append("", "alert", "{\"a\":\n1}")
			n.Wake()
			c.want("notification", "3")
			if e := c.want("alert", "4"); e.data != `{"a": 1}` {
				t.Fatalf("line end in data: %q", e.data)
			}
		})

		t.Run("that comes back gets what it missed", func(t *testing.T) {
			log := &memory{}
			n := start(t, log, live.Options{}, how...)
			for i := range 10 {
				log.append([]string{"", "anna", "ben"}[i%3], "notification", "{}")
			}
			n.Wake()
			until(t, "frames read", func() bool { return n.Stats().Seq == 10 })
			c := n.open(t, "user=anna&last=1", "4") // the header goes before the query
			c.want("hello", "4")
			for _, id := range []string{"5", "7", "8", "10"} {
				c.want("notification", id)
			}
			log.append("", "alert", "{}")
			c.want("alert", "11")
		})

		t.Run("is reset where it cannot be given what it missed", func(t *testing.T) {
			log := &memory{}
			for range 30 {
				log.append("", "notification", "{}")
			}
			log.prune(20)
			n := start(t, log, live.Options{MaxReplay: 10}, how...)
			for last, reason := range map[string]string{"3": "old", "15": "many", "31": "unknown", "-2": "unknown", "x": "unknown", "99999999999999999999": "unknown"} {
				c := n.open(t, "user=anna&last="+last, "")
				c.want("hello", "")
				if e := c.want("reset", "30"); !strings.Contains(e.data, `"`+reason+`"`) {
					t.Fatalf("last %s: %s, want reason %s", last, e.data, reason)
				}
			}
			if got := n.Stats().Resets; got != 6 {
				t.Fatalf("%d resets counted", got)
			}
		})

		t.Run("ends with its session, its user, its node", func(t *testing.T) {
			log := &memory{}
			n := start(t, log, live.Options{}, how...)
			first, second, other := n.open(t, "user=anna&session=s1", ""), n.open(t, "user=anna&session=s2", ""), n.open(t, "user=ben&session=s3", "")
			for _, c := range []*tab{first, second, other} {
				c.want("hello", "0")
			}
			n.CloseSession("s1")
			first.want("signed-out", "")
			first.want("", "")
			n.CloseUser("anna")
			second.want("signed-out", "")
			second.want("", "")
			until(t, "one user left", func() bool { return n.Stats().Users == 1 && n.Stats().Streams == 1 })
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			n.Drain(ctx)
			other.want("moved", "")
			other.want("", "")
			if ctx.Err() != nil || n.Stats().Streams != 0 {
				t.Fatalf("after drain: %+v", n.Stats())
			}
			late := n.open(t, "user=ben", "")
			if late.answer.StatusCode != 503 || late.answer.Header.Get("Retry-After") == "" {
				t.Fatalf("a stream after drain: %s", late.answer.Status)
			}
		})

		t.Run("closed by its peer is noticed without traffic", func(t *testing.T) {
			n := start(t, &memory{}, live.Options{Heartbeat: time.Hour}, how...)
			c := n.open(t, "user=anna", "")
			c.want("hello", "0")
			c.close()
			until(t, "stream gone", func() bool { return n.Stats().Streams == 0 && len(n.ReachableUsers()) == 0 })
		})

		t.Run("is pinged", func(t *testing.T) {
			n := start(t, &memory{}, live.Options{Heartbeat: 50 * time.Millisecond}, how...)
			c := n.open(t, "user=anna", "")
			c.want("hello", "0")
			for range 3 {
				if e, err := c.read(); err != nil || e.event != "ping" || e.id != "" || !strings.HasPrefix(e.data, `{"at":"20`) {
					t.Fatalf("ping: %+v %v", e, err)
				}
			}
		})
	})
}

func TestStreamsAreCounted(t *testing.T) {
	t.Run("a user's oldest is replaced", func(t *testing.T) {
		n := start(t, &memory{}, live.Options{MaxPerUser: 2})
		a, b, c := n.open(t, "user=anna", ""), n.open(t, "user=anna", ""), n.open(t, "user=anna", "")
		a.want("hello", "0")
		b.want("hello", "0")
		c.want("hello", "0")
		a.want("replaced", "")
		a.want("", "")
		until(t, "two left", func() bool { return n.Stats().Streams == 2 })
	})
	t.Run("a user has no more than allowed, also when many open at once", func(t *testing.T) {
		n := start(t, &memory{}, live.Options{MaxPerUser: 3})
		var opening sync.WaitGroup
		for range 100 {
			opening.Go(func() { n.open(t, "user=anna", "") })
		}
		opening.Wait()
		until(t, "three left", func() bool { return n.Stats().Streams == 3 })
	})
	t.Run("too many are refused", func(t *testing.T) {
		n := start(t, &memory{}, live.Options{MaxStreams: 1})
		n.open(t, "user=anna", "").want("hello", "0")
		c := n.open(t, "user=ben", "")
		if c.answer.StatusCode != 503 || c.answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("answer %s", c.answer.Status)
		}
	})
	t.Run("who is reachable is told", func(t *testing.T) {
		n := start(t, &memory{}, live.Options{})
		reached := make(chan struct{}, 10)
		n.OnReach(func() { reached <- struct{}{} })
		n.open(t, "user=anna", "").want("hello", "0")
		n.open(t, "user=anna", "").want("hello", "0")
		n.open(t, "user=", "").want("hello", "0")
		if users := n.ReachableUsers(); len(users) != 1 || users[0] != "anna" {
			t.Fatalf("reachable: %v", users)
		}
		if len(reached) != 1 {
			t.Fatalf("told %d times", len(reached))
		}
	})
}

func TestUnreadableLog(t *testing.T) {
	log := &memory{}
	log.fail(errors.New("disk on fire"))
	n := start(t, log, live.Options{})
	if c := n.open(t, "user=anna", ""); c.answer.StatusCode != 503 {
		t.Fatalf("answer %s", c.answer.Status)
	}
	until(t, "error is shown", func() bool { return strings.Contains(n.Stats().LastError, "disk on fire") })
	log.fail(nil)
	until(t, "log is read again", func() bool { return n.Stats().LastError == "" })
	n.open(t, "user=anna", "").want("hello", "0")
}

func TestWhatIsTrueNow(t *testing.T) {
	plain(t, func(t *testing.T, how ...func(*httptest.Server)) {
		log := &memory{}
		n := start(t, log, live.Options{}, how...)
		before := n.open(t, "user=anna", "")
		before.want("hello", "0")
		log.fail(errors.New("disk on fire")) // nothing can be appended to the log, and yet it is heard
		n.Tell("health", `{"ok":false}`)
		if e := before.want("health", ""); e.data != `{"ok":false}` {
			t.Errorf("an open stream hears %+v", e)
		}
		log.fail(nil)
		n.Tell("health", `{"ok":true}`)
		later := n.open(t, "user=joe", "")
		later.want("hello", "0")
		if e := later.want("health", ""); e.data != `{"ok":true}` {
			t.Errorf("a later stream hears %+v", e)
		}
		log.append("", "alert", "{}")
		n.Wake()
		later.want("alert", "1")
	})
}

func TestStorm(t *testing.T) {
	alert := func(object int) string { return fmt.Sprintf(`{"object_id":"o%d"}`, object) }
	t.Run("of few objects leaves the newest of each", func(t *testing.T) {
		log := &memory{}
		n := start(t, log, live.Options{Poll: time.Hour})
		c := n.open(t, "user=anna", "")
		c.want("hello", "0")
		for i := range 100 {
			log.append("", "alert", alert(i%3))
		}
		log.append("anna", "notification", "{}")
		n.Wake()
		for _, id := range []string{"98", "99", "100"} {
			c.want("alert", id)
		}
		c.want("notification", "101")
	})
	t.Run("of many objects leaves one event", func(t *testing.T) {
		log := &memory{}
		n := start(t, log, live.Options{Poll: time.Hour})
		c := n.open(t, "user=anna", "")
		c.want("hello", "0")
		for i := range 100 {
			log.append("", "alert", alert(i))
			if i == 10 {
				log.append("anna", "notification", "{}")
			}
		}
		n.Wake()
		c.want("notification", "12")
		if e := c.want("many", "101"); e.data != `{"count":100}` {
			t.Fatalf("many: %s", e.data)
		}
		again := n.open(t, "user=anna&last=0", "")
		again.want("hello", "0")
		again.want("notification", "12")
		again.want("many", "101")
	})
}

func TestNothingIsMissedOrRepeated(t *testing.T) {
	plain(t, func(t *testing.T, how ...func(*httptest.Server)) {
		const total = 2000
		log := &memory{}
		n := start(t, log, live.Options{Poll: 5 * time.Millisecond, MaxReplay: total}, how...)
		go func() {
			for range total {
				log.append("", "notification", "{}")
				n.Wake()
			}
		}()
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				last := int64(0)
				for last < total {
					c := n.open(t, "user=anna", fmt.Sprint(last))
					// Each comes back again and again, after some more frames each time.
					for k := 0; k < 50+i*40 && last < total; k++ {
						e := c.next()
						if e.event == "hello" {
							continue
						}
						if e.id != fmt.Sprint(last+1) {
							t.Errorf("after %d came %+v", last, e)
							return
						}
						last++
					}
					c.close()
				}
			})
		}
		all.Wait()
	})
}

func TestSlowReader(t *testing.T) {
	// raw opens a stream on a connection that is not read.
	raw := func(t *testing.T, n *node) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", n.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "GET /?user=anna HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		until(t, "stream open", func() bool { return n.Stats().Streams == 1 })
		return conn
	}
	big := `{"fill":"` + strings.Repeat("x", 100_000) + `"}`

	t.Run("that reads on gets everything", func(t *testing.T) {
		log := &memory{}
		n := start(t, log, live.Options{MaxQueued: 64 << 20})
		conn := raw(t, n)
		for range 200 {
			log.append("", "notification", big)
		}
		n.Wake()
		until(t, "all handed out", func() bool { return n.Stats().FramesOut == 200 })
		c := &tab{t: t, lines: bufio.NewReader(conn), cancel: func() {}}
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		seen := 0
		for seen < 200 {
			e := c.next()
			if e.event == "notification" {
				seen++
				if e.data != big {
					t.Fatalf("frame %d is damaged", seen)
				}
			} else if e.event == "" {
				t.Fatalf("closed after %d frames", seen)
			}
		}
	})
	t.Run("that leaves too much waiting is closed", func(t *testing.T) {
		log := &memory{}
		n := start(t, log, live.Options{MaxQueued: 1 << 20})
		raw(t, n)
		for range 200 {
			log.append("", "notification", big)
		}
		until(t, "stream dropped", func() bool { return n.Stats().Dropped == 1 && n.Stats().Streams == 0 })
	})
	t.Run("that takes nothing is closed after a while", func(t *testing.T) {
		log := &memory{}
		n := start(t, log, live.Options{MaxQueued: 64 << 20, Heartbeat: 100 * time.Millisecond, WriteTimeout: 200 * time.Millisecond})
		raw(t, n)
		for range 200 {
			log.append("", "notification", big)
		}
		until(t, "stream dropped", func() bool { return n.Stats().Streams == 0 })
	})
}

func TestThousandStreams(t *testing.T) {
	log := &memory{}
	n := start(t, log, live.Options{Poll: time.Hour})
	var conns []net.Conn
	for i := range 1000 {
		conn, err := net.Dial("tcp", n.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := fmt.Fprintf(conn, "GET /?user=u%d HTTP/1.1\r\nHost: x\r\n\r\n", i); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	until(t, "1,000 users", func() bool { return n.Stats().Users == 1000 })
	log.append("", "alert", "{}")
	log.append("u7", "notification", "{}")
	n.Wake()
	for i, conn := range conns {
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		c := &tab{t: t, lines: bufio.NewReader(conn), cancel: func() {}}
		for c.next().event != "hello" {
		}
		c.want("alert", "1")
		if i == 7 {
			c.want("notification", "2")
		}
		_ = conn.Close()
	}
	until(t, "all gone", func() bool { return n.Stats().Streams == 0 })
	if got := n.Stats().FramesOut; got != 1001 {
		t.Fatalf("%d frames counted, want 1001", got)
	}
}

func FuzzPosition(f *testing.F) {
	for _, text := range []string{"", "0", "17", " 17 ", "-1", "+1", "9223372036854775807", "9223372036854775808", "1e3", "١", "\x00"} {
		f.Add(text, "")
		f.Add("", text)
	}
	f.Fuzz(func(t *testing.T, header, query string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Last-Event-Id"] = []string{header}
		q := r.URL.Query()
		q.Set("last", query)
		r.URL.RawQuery = q.Encode()
		seq, given, ok := live.Position(r)
		if seq < 0 || (!given && (seq != 0 || !ok)) {
			t.Fatalf("%q %q: %d %t %t", header, query, seq, given, ok)
		}
		if ok && given && strings.TrimSpace(header) != "" && strings.TrimLeft(strings.TrimSpace(header), "0") != strings.TrimLeft(fmt.Sprint(seq), "0") {
			t.Fatalf("%q became %d", header, seq)
		}
	})
}
