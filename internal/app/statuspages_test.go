package app_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/test/database"
	"tocsin/test/port"
)

func TestHeadersAndMethodsOfPublicPages(t *testing.T) {
	h := startHub(t)
	h.publicPage("main", "Web")
	h.shows("main", "Web")
	home := h.call("GET", "/", nil, "")
	policy := home.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy is %q, without %s", policy, want)
		}
	}
	if strings.Contains(policy, "script-src 'self' ") || strings.Contains(home.body, "<script>") || strings.Contains(home.body, " onclick=") || len(home.header.Values("Set-Cookie")) != 0 {
		t.Errorf("a script within, or a cookie: %v", home.header)
	}
	if home.header.Get("X-Content-Type-Options") != "nosniff" || home.header.Get("Referrer-Policy") == "" || home.header.Get("Etag") == "" {
		t.Errorf("headers %v", home.header)
	}
	if same := h.call("GET", "/", nil, "", "If-None-Match", home.header.Get("Etag")); same.status != http.StatusNotModified || same.body != "" {
		t.Errorf("not modified: %d", same.status)
	}
	t.Run("the small one may stand in a frame, and nothing else", func(t *testing.T) {
		small := h.call("GET", "/embed", nil, "")
		if small.status != http.StatusOK || !strings.Contains(small.header.Get("Content-Security-Policy"), "frame-ancestors *") || small.header.Get("X-Frame-Options") != "" {
			t.Errorf("embed: %d %v", small.status, small.header)
		}
		for _, path := range []string{"/history", "/subscribe", "/uptime", "/nothing"} {
			if got := h.call("GET", path, nil, ""); !strings.Contains(got.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
				t.Errorf("%s: %v", path, got.header)
			}
		}
	})
	t.Run("programs of other sites may read the JSON, and nothing may be written", func(t *testing.T) {
		for _, path := range []string{"/", "/history.atom", "/api/v2/summary.json", "/badge.svg"} {
			whole := h.call("GET", path, nil, "", "Accept-Encoding", "identity")
			head := h.call("HEAD", path, nil, "", "Accept-Encoding", "identity")
			if head.status != http.StatusOK || head.body != "" || head.header.Get("Etag") != whole.header.Get("Etag") || head.header.Get("Content-Type") != whole.header.Get("Content-Type") {
				t.Errorf("HEAD %s: %d %v", path, head.status, head.header)
			}
			for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
				if got := h.call(method, path, nil, "x"); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, HEAD" {
					t.Errorf("%s %s: %d", method, path, got.status)
				}
			}
		}
		if got := h.call("GET", "/api/v2/summary.json", nil, "", "Origin", "https://elsewhere.example"); got.header.Get("Access-Control-Allow-Origin") != "*" || got.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("JSON: %v", got.header)
		}
	})
	t.Run("the console keeps its own", func(t *testing.T) {
		got := h.call("GET", "/console/sign-in", nil, "")
		if !strings.Contains(got.header.Get("Content-Security-Policy"), "default-src 'none'") || got.header.Get("Cross-Origin-Opener-Policy") != "same-origin" {
			t.Errorf("headers %v", got.header)
		}
	})
}

// onGate is a hub's configuration whose PostgreSQL is behind a gate, and which
// listens where it is known before it does.
func onGate(t *testing.T) (*gate, config.Config) {
	t.Helper()
	dsn, err := url.Parse(database.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, dsn.Host)
	dsn.Host = g.address
	listen, err := port.Address()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Sources{Flags: map[string]string{"TOCSIN_LISTEN": listen, "TOCSIN_DATA": t.TempDir(), "TOCSIN_DATABASE_URL": dsn.String()}, File: os.DevNull})
	if err != nil {
		t.Fatal(err)
	}
	return g, cfg
}

const staleSign = `class="stale" role="status"`

func TestThePageOutlivesItsDatabaseAndARestart(t *testing.T) {
	gate, cfg := onGate(t)
	start := func(ctx context.Context) *app.App {
		a, err := app.Start(ctx, cfg, app.Options{AnswerTimeout: 500 * time.Millisecond})
		if err != nil {
			t.Error(err)
			return nil
		}
		return a
	}
	stop := func(a *app.App) {
		http.DefaultClient.CloseIdleConnections()
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}
	a := start(t.Context())
	if a == nil {
		return
	}
	h := &hub{T: t, app: a, url: a.URL()}
	key := h.key(auth.ReadConfig, auth.WriteConfig)
	h.publicPage("main", "Web")
	h.call("POST", "/api/v1/status/pages", key, `{"slug":"inner","name":"Inner","zone":"UTC","private":{"signed_in":true}}`).want(t, "page", http.StatusCreated, "")
	h.eventually("the private page", func() answer { return h.call("GET", "/s/inner", nil, "") }, func(a answer) bool { return a.status == http.StatusUnauthorized })
	home := func() answer { return h.call("GET", "/", nil, "") }
	old := func(a answer) bool {
		return a.status == http.StatusOK && strings.Contains(a.body, "Web") && strings.Contains(a.body, staleSign)
	}
	fresh := func(a answer) bool { return a.status == http.StatusOK && !strings.Contains(a.body, staleSign) }

	gate.shut()
	h.eventually("it says from when it is", home, old)
	for _, path := range []string{"/api/v2/summary.json", "/badge.svg", "/embed"} {
		if got := h.call("GET", path, nil, ""); got.status != http.StatusOK {
			t.Errorf("%s without database: %d", path, got.status)
		}
	}
	gate.open()
	h.eventually("it is new again", home, fresh)
	stop(a)

	gate.shut()
	started := make(chan *app.App, 1)
	go func() { started <- start(context.Background()) }()
	h.eventually("what was kept is shown, and from when", func() answer { return h.whenever("/") }, old)
	for path, status := range map[string]int{
		"/s/main": 200, "/api/v2/summary.json": 200, "/history.atom": 200, "/badge.svg": 200, "/embed": 200, "/healthz": 200, "/sw-push.js": 200,
		"/s/inner": 401, "/s/inner/api/v2/summary.json": 401, "/console/": 503, "/api/v1/alerts": 503, "/api/v1/sources/lab/events": 503, "/readyz": 503,
	} {
		if got := h.call("GET", path, nil, ""); got.status != status {
			t.Errorf("%s at a start without database: %d, not %d", path, got.status, status)
		}
	}
	gate.open()
	if a = <-started; a == nil {
		return
	}
	defer stop(a)
	h.app = a
	h.eventually("it is new again after the start", home, fresh)
	if got := h.call("GET", "/api/v1/status/pages", key, ""); got.status != http.StatusOK {
		t.Errorf("the hub itself: %d", got.status)
	}
}

// A start gives up when it is told to, also while it stands in.
func TestAStartThatWaitsForItsDatabaseCanBeStopped(t *testing.T) {
	gate, cfg := onGate(t)
	a, err := app.Start(t.Context(), cfg, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	(&hub{T: t, app: a, url: a.URL()}).publicPage("main", "Web")
	http.DefaultClient.CloseIdleConnections()
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	gate.shut()
	defer gate.open()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := app.Start(ctx, cfg, app.Options{})
		ended <- err
	}()
	h := &hub{T: t, url: "http://" + cfg.Listen}
	h.eventually("it stands in", func() answer {
		select {
		case err := <-ended:
			t.Fatalf("it gave up by itself: %v", err)
		default:
		}
		return h.whenever("/")
	}, func(a answer) bool { return a.status == http.StatusOK })
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-ended; err == nil {
		t.Error("it started without database")
	}
}

// whenever asks, where it may be that nobody listens yet.
func (h *hub) whenever(path string) answer {
	h.Helper()
	req, err := http.NewRequestWithContext(h.Context(), http.MethodGet, h.url+path, nil)
	if err != nil {
		h.Fatal(err)
	}
	resp, err := patient.Do(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}
