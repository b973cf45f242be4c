package app_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/test/database"
)

// PostgreSQL refuses NUL and what is not UTF-8, so it would be a fault of ours
// that such text gets as far as the database.
func TestTextThatNoDatabaseTakesIsRefused(t *testing.T) {
	h := startHub(t, "TOCSIN_DATABASE_URL="+database.Postgres(t))
	h.user("root", auth.Admin)
	key, cookie := h.key(auth.Administer), h.cookie("root")
	for _, bad := range []string{"%00", "a%00b", "%ff"} {
		for _, c := range []struct {
			method, path string
			who          any
		}{
			{"GET", "/api/v1/alerts?q=" + bad, key},
			{"GET", "/api/v1/alerts/" + bad, key},
			{"POST", "/api/v1/alerts/" + bad + "/acknowledge", key},
			{"DELETE", "/api/v1/users/" + bad, key},
			{"GET", "/console/alerts?q=" + bad, cookie},
			{"GET", "/console/users/" + bad, cookie},
			{"POST", "/console/contacts/" + bad + "/delete", cookie},
		} {
			got := h.call(c.method, c.path, c.who, "")
			if got.status != http.StatusBadRequest {
				t.Errorf("%s %s: %d %.200s", c.method, c.path, got.status, got.body)
			}
			if ct := got.header.Get("Content-Type"); strings.HasPrefix(c.path, "/api/") && ct != "application/problem+json" {
				t.Errorf("%s %s: content type %q", c.method, c.path, ct)
			}
		}
		form := "name=" + bad + "&password=" + bad
		for _, path := range []string{"/console/sign-in", "/console/contacts/new", "/console/users/new"} {
			got := h.call("POST", path, cookie, form, "Content-Type", "application/x-www-form-urlencoded")
			if got.status != http.StatusBadRequest {
				t.Errorf("POST %s %s: %d", path, form, got.status)
			}
		}
	}
}

// The same text may come in JSON, where every field of a body can have it.
func TestTextInJSONThatNoDatabaseTakesIsNoFaultOfOurs(t *testing.T) {
	h := startHub(t, "TOCSIN_DATABASE_URL="+database.Postgres(t))
	h.user("root", auth.Admin)
	key, cookie := h.key(auth.Administer), h.cookie("root")
	id := h.tell(problem)
	for _, bad := range []string{`a\u0000b`, "a\xffb", `\ud800`, `a\u0007`, strings.Repeat("ü", 1900)} {
		for _, c := range []struct {
			method, path, body string
			who                any
		}{
			{"PUT", "/mattermost", `{"server_url":"https://X"}`, key},
			{"PUT", "/mattermost", `{"callback_url":"X"}`, key},
			{"PUT", "/mattermost", `{"server_url":"https://chat.example.com","bot_token":"X"}`, key},
			{"PUT", "/mattermost", `{"command_tokens":["XXXXXXXX"]}`, key},
			{"POST", "/mattermost/rooms", `{"name":"X","kind":"bot","team":"X","channel":"X"}`, key},
			{"POST", "/mattermost/rooms", `{"name":"1","kind":"bot","team":"X","channel":"c"}`, key},
			{"POST", "/mattermost/rooms", `{"name":"2","kind":"webhook","webhook_url":"https://a.example/hooks/X","channel_override":"X"}`, key},
			{"POST", "/mattermost/link", `{"token":"X","contact_id":"X"}`, cookie},
			{"POST", "/contacts", `{"name":"c","mattermost":"X"}`, key},
			{"POST", "/rules", `{"name":"r","rooms":["X"]}`, key},
			{"POST", "/sources", `{"name":"s1","kind":"icinga2","write_back":{"kind":"icinga2","url":"https://a.example","user":"u"},"write_back_secret":"X"}`, key},
			{"POST", "/sources", `{"name":"s2","kind":"icinga2","write_back":{"kind":"icinga2","url":"https://a.example","user":"X","server_name":"X","ca":"X"},"write_back_secret":"s"}`, key},
			{"POST", "/sources", `{"name":"s3","kind":"nagios","write_back":{"kind":"command_file","command_file":"/X","status_file":"/X"}}`, key},
			{"POST", "/sources", `{"name":"s4","kind":"grafana","secret":"X"}`, key},
			{"POST", "/sources", `{"name":"s5","kind":"generic","mapping":{"host":"/X","state":"=X","states":{"X":"ok"}}}`, key},
			{"POST", "/alerts/" + id + "/comments", `{"comment":"X"}`, key},
			{"POST", "/alerts/" + id + "/downtime", `{"minutes":5,"comment":"X"}`, key},
			{"POST", "/alerts/" + id + "/acknowledge", `{"comment":"X"}`, key},
		} {
			got := h.call(c.method, "/api/v1"+c.path, c.who, strings.ReplaceAll(c.body, "X", bad))
			if got.status >= 500 {
				t.Errorf("%s %s %s with %.20q: %d %s", c.method, c.path, c.body, bad, got.status, got.body)
			}
		}
		for _, path := range []string{"action", "dialog", "command"} {
			for _, body := range []string{
				`{"user_id":"X","channel_id":"X","post_id":"X","context":{"secret":"X","alert":"X","action":"X"}}`,
				`{"type":"dialog_submission","state":"X","user_id":"X","submission":{"comment":"X"}}`, "token=%00&text=list+%00&user_id=%00%ff",
			} {
				if got := h.call("POST", "/callback/mattermost/"+path, nil, strings.ReplaceAll(body, "X", bad)); got.status != http.StatusOK || strings.Contains(got.body, "went wrong") {
					t.Errorf("%s with %.20q: %d %s", path, bad, got.status, got.body)
				}
			}
		}
	}
}

func TestAPlaceInAListThatNobodyGaveIsNoFaultOfOurs(t *testing.T) {
	h := startHub(t)
	h.user("root", auth.Admin)
	cookie := h.cookie("root")
	for _, path := range []string{"/console/alerts?cursor=x", "/console/deliveries?cursor=x"} {
		if got := h.call("GET", path, cookie, ""); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

// A client that only reads when all is written gets the answer, not a reset.
func TestABodyThatIsTooLargeIsReadBeforeItIsRefused(t *testing.T) {
	h := startHub(t)
	for name, head := range map[string]string{
		"with its length": fmt.Sprintf("Content-Length: %d\r\n\r\n", 10<<20),
		"in chunks":       fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", 10<<20),
	} {
		t.Run(name, func(t *testing.T) {
			conn := h.dial()
			send(t, conn, "POST /api/v1/sources/lab/events HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer "+h.token+"\r\n"+head+strings.Repeat("x", 10<<20))
			if strings.Contains(head, "chunked") {
				send(t, conn, "\r\n0\r\n\r\n")
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("answer %s", resp.Status)
			}
		})
	}
}

// Who says that a body comes and never sends it must not hold a connection
// for ever: strangers can do that at the sign-in.
func TestABodyThatNeverComesIsNotWaitedFor(t *testing.T) {
	cfg, err := config.Load(config.Sources{Flags: map[string]string{"TOCSIN_LISTEN": "127.0.0.1:0", "TOCSIN_DATA": t.TempDir()}, File: "/dev/null"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), cfg, app.Options{ReadTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}()
	h := &hub{T: t, app: a, url: a.URL()}
	for _, path := range []string{"/console/sign-in", "/console/sign-out", "/api/v1/contacts", "/api/v1/sources/lab/events", "/healthz"} {
		conn := h.dial()
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		send(t, conn, "POST "+path+" HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nname=")
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Errorf("%s: the connection is not closed: %v", path, err)
		}
	}
}

// A database that takes connections and then says nothing is the worst kind.
func TestADatabaseThatHangsIsNotWaitedForWithoutEnd(t *testing.T) {
	dsn, err := url.Parse(database.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	gate := newGate(t, dsn.Host)
	dsn.Host = gate.address
	cfg, err := config.Load(config.Sources{Flags: map[string]string{
		"TOCSIN_LISTEN": "127.0.0.1:0", "TOCSIN_DATA": t.TempDir(), "TOCSIN_DATABASE_URL": dsn.String(),
	}, File: os.DevNull})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), cfg, app.Options{AnswerTimeout: 1500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}()
	h := &hub{T: t, app: a, url: a.URL()}
	h.user("root", auth.Admin)
	key, cookie := h.key(auth.Administer), h.cookie("root")
	gate.shut()
	for _, path := range []string{"/api/v1/alerts", "/console/alerts", "/console/sign-in"} {
		who := any(cookie)
		if strings.HasPrefix(path, "/api/") {
			who = key
		}
		begin := time.Now()
		if got := h.call("GET", path, who, ""); got.status != http.StatusServiceUnavailable || time.Since(begin) > 5*time.Second {
			t.Errorf("%s: %d after %s", path, got.status, time.Since(begin))
		}
	}
	gate.open()
	if got := h.call("GET", "/api/v1/alerts", key, ""); got.status != http.StatusOK {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}

// gate is a way to a server that can be shut: connections stay, and nothing
// goes through.
type gate struct {
	address string
	mu      sync.RWMutex
	closed  atomic.Bool
}

func (g *gate) shut() { g.mu.Lock(); g.closed.Store(true) }
func (g *gate) open() {
	if g.closed.CompareAndSwap(true, false) {
		g.mu.Unlock()
	}
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{address: l.Addr().String()}
	var running sync.WaitGroup
	t.Cleanup(func() {
		g.open() // a test that failed may have left it shut
		_ = l.Close()
		running.Wait()
	})
	pass := func(to, from net.Conn) {
		defer to.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			g.mu.RLock()
			_, failed := to.Write(buf[:n])
			g.mu.RUnlock()
			if err != nil || failed != nil {
				return
			}
		}
	}
	running.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			var d net.Dialer
			out, err := d.DialContext(context.Background(), "tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			running.Go(func() { pass(out, in) })
			running.Go(func() { pass(in, out) })
		}
	})
	return g
}

func (h *hub) dial() net.Conn {
	h.Helper()
	u, err := url.Parse(h.url)
	if err != nil {
		h.Fatal(err)
	}
	var d net.Dialer
	conn, err := d.DialContext(h.Context(), "tcp", u.Host)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = conn.Close() })
	return conn
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatalf("the hub does not listen to the end: %v", err)
	}
}

// Who asks and never takes the answers must not hold a connection for ever either.
func TestAnAnswerThatNobodyTakesIsNotHeldForEver(t *testing.T) {
	cfg, err := config.Load(config.Sources{Flags: map[string]string{"TOCSIN_LISTEN": "127.0.0.1:0", "TOCSIN_DATA": t.TempDir()}, File: "/dev/null"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), cfg, app.Options{WriteTimeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}()
	h := &hub{T: t, app: a, url: a.URL()}
	conn := h.dial()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	many := strings.Repeat("GET /console/sign-in?x HTTP/1.1\r\nHost: hub\r\n\r\n", 100)
	for {
		_, err := io.WriteString(conn, many)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the connection is held for as long as its client likes")
		}
		if err != nil {
			return
		}
	}
}
