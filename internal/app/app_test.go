package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/source"
	"tocsin/test/database"
	"tocsin/test/port"
)

func TestMain(m *testing.M) {
	// The test's PostgreSQL is one for the process and ends with it.
	goleak.VerifyTestMain(withLab{m}, goleak.IgnoreAnyFunction("tocsin/test/postgres.(*Server).start.func1"))
}

// hub is a running Tocsin on a database of its own.
type hub struct {
	*testing.T
	app   *app.App
	url   string
	token string // of the source "lab"
}

const password = "a quiet evening"

// patient has a limit: what hangs must fail its test and not hang all of them.
var patient = &http.Client{Timeout: time.Minute}

func startHub(t *testing.T, settings ...string) *hub {
	t.Helper()
	flags := map[string]string{"TOCSIN_LISTEN": "127.0.0.1:0", "TOCSIN_DATA": database.Folder(t)}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		flags[k] = v
	}
	cfg, err := config.Load(config.Sources{Flags: flags, File: os.DevNull})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), cfg, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	h := &hub{T: t, app: a, url: a.URL()}
	var hash, hint string
	h.token, hash, hint = auth.NewToken(auth.SourcePrefix)
	if err := a.Store().SaveSource(t.Context(), source.Source{ID: "source-lab", Name: "lab", Kind: "nagios", TokenHash: hash, TokenHint: hint, CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return h
}

// user makes a user and answers its id.
func (h *hub) user(name string, role auth.Role) string {
	h.Helper()
	u := auth.User{ID: "user-" + name, Name: name, Role: role, PasswordHash: database.Hash(password), CreatedAt: time.Now()}
	if err := h.app.Store().SaveUser(h.Context(), u); err != nil {
		h.Fatal(err)
	}
	return u.ID
}

// key makes an API key of those scopes.
func (h *hub) key(scopes ...auth.Scope) string {
	h.Helper()
	_, key, err := h.app.Auth().AddKey(h.Context(), fmt.Sprint(scopes), scopes, time.Time{})
	if err != nil {
		h.Fatal(err)
	}
	return key
}

// cookie signs in through the console and answers the session's cookie.
func (h *hub) cookie(name string) *http.Cookie {
	h.Helper()
	client := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(h.Context(), http.MethodPost, h.url+"/console/sign-in", strings.NewReader("name="+name+"&password="+strings.ReplaceAll(password, " ", "+")))
	if err != nil {
		h.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		if c.Name == auth.Cookie {
			return c
		}
	}
	h.Fatalf("signing in as %s set no cookie: %s", name, resp.Status)
	return nil
}

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   string
}

// said is the body without the id of the request, in which no two are alike.
func (a answer) said() string {
	return strings.ReplaceAll(a.body, a.header.Get("X-Request-Id"), "ID")
}

// field reads one field of a JSON object: "items.0.id".
func (a answer) field(t *testing.T, path string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("no JSON: %v in %s", err, a.body)
	}
	for part := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// call makes a request; who is nil, an API key or token, or a cookie.
func (h *hub) call(method, path string, who any, body string, headers ...string) answer {
	h.Helper()
	req, err := http.NewRequestWithContext(h.Context(), method, h.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		h.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	switch w := who.(type) {
	case string:
		req.Header.Set("Authorization", "Bearer "+w)
	case *http.Cookie:
		req.AddCookie(w)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if host := req.Header.Get("Host"); host != "" { // as through a proxy
		req.Host = host
	}
	resp, err := patient.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		h.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(got)}
}

// tell hands in one event and answers the id of its alert.
func (h *hub) tell(body string) string {
	h.Helper()
	got := h.call("POST", "/api/v1/sources/lab/events", h.token, body)
	if got.status != http.StatusOK {
		h.Fatalf("event refused: %d %s", got.status, got.body)
	}
	return got.field(h.T, "receipts.0.alert_id")
}

func TestStart(t *testing.T) {
	t.Run("a port that is taken is named with the mend", func(t *testing.T) {
		var lc net.ListenConfig
		l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		err = startError(t, l.Addr().String(), t.TempDir(), "")
		if !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "--listen") {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("a data folder that cannot be made is named with the mend", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		err := startError(t, "127.0.0.1:0", filepath.Join(file, "data"), "")
		if !strings.Contains(err.Error(), "data folder") || !strings.Contains(err.Error(), "--data") {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("a database that refuses is named without its password", func(t *testing.T) {
		err := startError(t, "127.0.0.1:0", t.TempDir(), "postgres://tocsin:sesame@127.0.0.1:1/tocsin")
		if !strings.Contains(err.Error(), "TOCSIN_DATABASE_URL") || strings.Contains(err.Error(), "sesame") {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("what was answered is there after a restart", func(t *testing.T) {
		dir := t.TempDir()
		var id, key string
		t.Run("before", func(t *testing.T) {
			h := startHub(t, "TOCSIN_DATA="+dir)
			id, key = h.tell(`{"type":"PROBLEM","host":"web01","state":1}`), h.key(auth.ReadAlerts)
		})
		t.Run("after", func(t *testing.T) {
			cfg, err := config.Load(config.Sources{Flags: map[string]string{"TOCSIN_LISTEN": "127.0.0.1:0", "TOCSIN_DATA": dir}, File: os.DevNull})
			if err != nil {
				t.Fatal(err)
			}
			a, err := app.Start(t.Context(), cfg, app.Options{})
			if err != nil {
				t.Fatal(err)
			}
			h := &hub{T: t, app: a, url: a.URL()}
			if got := h.call("GET", "/api/v1/alerts/"+id, key, ""); got.status != http.StatusOK {
				t.Errorf("alert is gone: %d %s", got.status, got.body)
			}
			http.DefaultClient.CloseIdleConnections()
			if err := a.Stop(); err != nil {
				t.Error(err)
			}
		})
	})
}

func startError(t *testing.T, listen, data, database string) error {
	t.Helper()
	cfg, err := config.Load(config.Sources{Flags: map[string]string{"TOCSIN_LISTEN": listen, "TOCSIN_DATA": data, "TOCSIN_DATABASE_URL": database}, File: os.DevNull})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), cfg, app.Options{})
	if err == nil {
		t.Fatal("it started", a.Stop())
	}
	return err
}

func TestRunStopsWhenAskedTo(t *testing.T) {
	address, err := port.Address()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Sources{Flags: map[string]string{"TOCSIN_LISTEN": address, "TOCSIN_DATA": t.TempDir(), "TOCSIN_LOG_LEVEL": "error"}, File: os.DevNull})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx, cfg) }()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for range look.C {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := patient.Do(req)
		if err == nil {
			resp.Body.Close()
			break
		}
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPlainPages(t *testing.T) {
	h := startHub(t)
	t.Run("alive and ready are told to everybody", func(t *testing.T) {
		if got := h.call("GET", "/healthz", nil, ""); got.status != http.StatusOK {
			t.Errorf("healthz: %d", got.status)
		}
		if got := h.call("GET", "/readyz", nil, ""); got.status != http.StatusOK || got.field(t, "ready") != "true" {
			t.Errorf("readyz: %d %s", got.status, got.body)
		}
	})
	t.Run("figures are told to this machine and to keys, not through a proxy", func(t *testing.T) {
		if got := h.call("GET", "/metrics", nil, ""); got.status != http.StatusOK || !strings.Contains(got.body, "tocsin_live_streams 0") {
			t.Errorf("metrics: %d", got.status)
		}
		for _, header := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via"} {
			if got := h.call("GET", "/metrics", nil, "", header, "192.0.2.1"); got.status != http.StatusUnauthorized {
				t.Errorf("metrics through a proxy that sends %s: %d", header, got.status)
			}
		}
		if got := h.call("GET", "/metrics", h.key(auth.ReadConfig), "", "X-Forwarded-For", "192.0.2.1"); got.status != http.StatusOK {
			t.Errorf("metrics with a key: %d", got.status)
		}
		if got := h.call("GET", "/metrics", h.key(auth.ReadAlerts), "", "X-Forwarded-For", "192.0.2.1"); got.status != http.StatusUnauthorized {
			t.Errorf("metrics with a key of another scope: %d", got.status)
		}
	})
	t.Run("figures ask for a key when the base URL lets a proxy be expected", func(t *testing.T) {
		for base, status := range map[string]int{
			"https://alerts.example.com": http.StatusUnauthorized,
			"http://alerts.example.com":  http.StatusUnauthorized,
			"https://localhost":          http.StatusUnauthorized,
			"http://LOCALHOST:9000":      http.StatusOK,
			"http://[::1]:9000":          http.StatusOK,
		} {
			listen, err := port.Address()
			if err != nil {
				t.Fatal(err)
			}
			behind := startHub(t, "TOCSIN_BASE_URL="+base, "TOCSIN_LISTEN="+listen)
			behind.url = "http://" + listen
			if got := behind.call("GET", "/metrics", nil, ""); got.status != status {
				t.Errorf("%s: metrics without a key: %d", base, got.status)
			}
			if got := behind.call("GET", "/metrics", behind.key(auth.ReadConfig), ""); got.status != http.StatusOK {
				t.Errorf("%s: metrics with a key: %d", base, got.status)
			}
		}
	})
	t.Run("the root leads to the sign-in with a strict policy", func(t *testing.T) {
		got := h.call("GET", "/", nil, "")
		if got.status != http.StatusOK || !strings.Contains(got.body, "password") {
			t.Errorf("root: %d", got.status)
		}
		if p := got.header.Get("Content-Security-Policy"); p == "" || strings.Contains(p, "unsafe") {
			t.Errorf("policy %q", p)
		}
	})
	t.Run("a manifest and a worker may be used, from here alone", func(t *testing.T) {
		got := h.call("GET", "/manifest.webmanifest", nil, "")
		p := got.header.Get("Content-Security-Policy")
		if got.status != http.StatusOK || !strings.Contains(p, "manifest-src 'self'") || !strings.Contains(p, "worker-src 'self'") ||
			!strings.HasPrefix(got.header.Get("Content-Type"), "application/manifest+json") {
			t.Errorf("manifest: %d %v", got.status, got.header)
		}
		if c := h.call("GET", "/sw-push.js", nil, "").header.Get("Cache-Control"); c != "no-cache" {
			t.Errorf("the worker is kept: %q", c)
		}
	})
	t.Run("the service worker may look after the whole site", func(t *testing.T) {
		if got := h.call("GET", "/sw-push.js", nil, ""); got.status != http.StatusOK || got.header.Get("Service-Worker-Allowed") != "/" {
			t.Errorf("worker: %d %v", got.status, got.header)
		}
	})
}
