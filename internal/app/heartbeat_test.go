package app_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/source"
	"tocsin/test/database"
)

func TestASourceSaysThatItIsAlive(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	path := "/api/v1/sources/lab/heartbeat"
	for name, row := range map[string]struct {
		method, path string
		who          any
		status       int
	}{
		"no token":              {path: path, status: 401},
		"wrong token":           {path: path, who: "ts_wrong", status: 401},
		"unknown source":        {path: "/api/v1/sources/nobody/heartbeat", who: h.token, status: 401},
		"an API key":            {path: path, who: admin, status: 401},
		"read":                  {method: "GET", path: path, who: h.token, status: 401},
		"with an API key, read": {method: "GET", path: path, who: admin, status: 405},
		"right":                 {path: path, who: h.token, status: 204},
		"by its token":          {path: "/api/v1/sources/-/heartbeat", who: h.token, status: 204},
	} {
		t.Run(name, func(t *testing.T) {
			if row.method == "" {
				row.method = http.MethodPost
			}
			if got := h.call(row.method, row.path, row.who, "anything"); got.status != row.status {
				t.Errorf("%d %s, want %d", got.status, got.body, row.status)
			}
		})
	}
	got := h.call("GET", "/api/v1/sources/lab", admin, "")
	if got.field(t, "last_heartbeat_at") == "" || got.field(t, "last_event_at") != "" {
		t.Errorf("after it: %s", got.body)
	}
	id := got.field(t, "id")
	put := func(minutes string, status int) {
		t.Helper()
		if got := h.call("PUT", "/api/v1/sources/"+id, admin, `{"name":"lab","kind":"nagios"`+minutes+`}`); got.status != status {
			t.Errorf("%s is answered %d %s", minutes, got.status, got.body)
		}
	}
	put(`,"silent_after_minutes":30`, 200)
	put(`,"silent_after_minutes":-1`, 422)
	put(`,"silent_after_minutes":43201`, 422)
	put(``, 200) // left out, it stays
	if got := h.call("GET", "/api/v1/sources/lab", admin, ""); got.field(t, "silent_after_minutes") != "30" {
		t.Errorf("kept: %s", got.body)
	}
	if got := h.call("GET", "/api/v1/openapi.json", nil, ""); !strings.Contains(got.body, "/sources/{name}/heartbeat") {
		t.Error("it is not described")
	}
}

func TestTheAddressThatIsPingedIsASecret(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	const address = "https://hc.invalid/5f0c-secret-word"
	if got := h.call("PUT", "/api/v1/settings", admin, `{"ping_url":"`+address+`","ping_every_seconds":30}`); got.status != 200 || strings.Contains(got.body, "secret-word") || got.field(t, "has_ping_url") != "true" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := h.call("PUT", "/api/v1/settings", admin, `{"ping_url":"gopher://secret-word"}`); got.status != 422 || strings.Contains(got.body, "secret-word") || !strings.Contains(got.body, "ping_url") {
		t.Errorf("a wrong one: %d %s", got.status, got.body)
	}
	if got := h.call("PUT", "/api/v1/settings", admin, `{"ping_every_seconds":5}`); got.status != 422 {
		t.Errorf("too often: %d %s", got.status, got.body)
	}
	for _, path := range []string{"/api/v1/settings", "/api/v1/health"} {
		if got := h.call("GET", path, admin, ""); got.status != 200 || strings.Contains(got.body, "secret-word") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	tick := time.NewTicker(50 * time.Millisecond) // a report is good for a second
	defer tick.Stop()
	for !strings.Contains(h.call("GET", "/api/v1/health", admin, "").body, `"hc.invalid"`) {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("health does not show it")
		}
	}
	if got := h.call("PUT", "/api/v1/settings", admin, `{"ping_url":""}`); got.status != 200 || got.field(t, "has_ping_url") != "false" {
		t.Errorf("removed: %d %s", got.status, got.body)
	}
}

func TestTheOutsideIsToldThatAllIsWell(t *testing.T) {
	t.Parallel()
	calls := make(chan string, 100)
	outside := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { calls <- r.Method + " " + r.URL.Path }))
	defer outside.Close()
	h := startHub(t, "TOCSIN_PING_URL="+outside.URL+"/5f0c-secret-word", "TOCSIN_PING_PRIVATE=127.0.0.1")
	select {
	case got := <-calls:
		if got != "GET /5f0c-secret-word" {
			t.Errorf("called %q", got)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was called")
	}
	if got := h.call("GET", "/metrics", nil, ""); strings.Contains(got.body, "secret-word") {
		t.Error("the address is in the figures")
	}
}

func TestASourceThatIsSilentCanBeRemoved(t *testing.T) {
	t.Parallel()
	dir := database.Folder(t)
	h := startHub(t, "TOCSIN_DATA="+dir)
	admin := h.key(auth.Administer, auth.ReadAlerts)
	for _, s := range []source.Source{
		{ID: "s1", Name: "dead", Kind: "nagios", TokenHash: "h1", CreatedAt: time.Now().Add(-time.Hour), LastEventAt: time.Now().Add(-time.Hour), QuietMinutes: 5},
		{ID: "s2", Name: "busy", Kind: "nagios", TokenHash: "h2", CreatedAt: time.Now().Add(-time.Hour), QuietMinutes: 5},
	} {
		if err := h.app.Store().SaveSource(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	alter(t, filepath.Join(dir, "tocsin.db"), "UPDATE source SET quiet_since = created")
	h.app.LookForSilence(t.Context())
	open := h.call("GET", "/api/v1/alerts?status=firing", admin, "")
	if n := strings.Count(open.body, `"service":"heartbeat"`); n != 2 {
		t.Fatalf("%d are alerted of: %s", n, open.body)
	}
	if got := h.call("DELETE", "/api/v1/sources/dead", admin, ""); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	// With an alert of something else besides it stays, and so does that of its silence.
	token := h.call("POST", "/api/v1/sources/busy/token", admin, "").field(t, "token")
	if got := h.call("POST", "/api/v1/sources/busy/events", token, problem); got.status != 200 {
		t.Fatal(got.body)
	}
	if got := h.call("DELETE", "/api/v1/sources/busy", admin, ""); got.status != 409 {
		t.Errorf("%d %s", got.status, got.body)
	}
}
