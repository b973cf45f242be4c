package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
	"tocsin/test/port"
)

// byHost is a request that comes by another host name.
func (h *hub) byHost(host, method, path string, who any, body string) answer {
	h.Helper()
	return h.call(method, path, who, body, "Host", host)
}

// eventually asks until an answer is as it should be: the site follows a moment
// after a change.
func (h *hub) eventually(what string, ask func() answer, ok func(answer) bool) answer {
	h.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-look.C {
		got := ask()
		if ok(got) {
			return got
		}
		if time.Now().After(deadline) {
			h.Fatalf("%s: %d %.300s", what, got.status, got.body)
		}
	}
}

func TestAPageOnItsOwnHost(t *testing.T) {
	h := startHub(t)
	h.user("root", auth.Admin)
	key, cookie := h.key(auth.Administer, auth.ReadConfig, auth.WriteConfig, auth.ReadAlerts), h.cookie("root")
	const host = "status.example.com"
	for _, body := range []string{
		`{"slug":"main","name":"The hub itself","zone":"UTC"}`, `{"slug":"shop","name":"The shop","zone":"UTC","host":"` + host + `"}`,
	} {
		h.call("POST", "/api/v1/status/pages", key, body).want(t, "page", http.StatusCreated, "")
	}
	at := func(path string) func() answer { return func() answer { return h.byHost(host, "GET", path, nil, "") } }
	h.eventually("the page on its host", at("/"), func(a answer) bool { return a.status == http.StatusOK && strings.Contains(a.body, "The shop") })
	t.Run("has all of the page", func(t *testing.T) {
		for _, path := range []string{"/", "/subscribe", "/history", "/uptime", "/embed", "/badge.svg", "/history.atom", "/maintenance.ics", "/api/v2/summary.json", "/status.webmanifest", "/sw-push.js",
			"/static/js/push.js", "/api/v1/push/key"} {
			if got := h.byHost(host, "GET", path, nil, ""); got.status != http.StatusOK || strings.Contains(got.body, "The hub itself") {
				t.Errorf("%s: %d %.100s", path, got.status, got.body)
			}
		}
	})
	t.Run("and nothing of the hub, whoever asks", func(t *testing.T) {
		for _, path := range []string{"/console/", "/console", "/console/sign-in", "/console/alerts", "/api/v1/alerts", "/api/v1/me", "/api/v1/status/pages", "/api/v1/openapi.json", "/api/v1/live",
			"/metrics", "/healthz", "/readyz", "/callback/mattermost/action", "/s/main", "/s/main/", "/manifest.webmanifest", "/api/v1/pushy", "/api/v1/push/../alerts", "/static/../console/alerts"} {
			for name, who := range map[string]any{"nobody": nil, "a key": key, "somebody signed in": cookie} {
				got := h.byHost(host, "GET", path, who, "")
				if got.status != http.StatusNotFound || strings.Contains(got.body, "hub itself") {
					t.Errorf("%s as %s: %d %.100s", path, name, got.status, got.body)
				}
			}
		}
		for _, path := range []string{"/console/sign-in", "/api/v1/contacts", "/callback/mattermost/action", "/api/v1/sources/lab/events"} {
			if got := h.byHost(host, "POST", path, key, `{}`); got.status != http.StatusNotFound && got.status != http.StatusMethodNotAllowed {
				t.Errorf("POST %s: %d %.100s", path, got.status, got.body)
			}
		}
	})
	t.Run("a page never takes the hub's own host over", func(t *testing.T) {
		u, err := url.Parse(h.url)
		if err != nil {
			t.Fatal(err)
		}
		// Such a name may be stored, as the hub may be moved there later: it stays the hub's.
		h.call("PUT", "/api/v1/status/pages/shop", key, `{"slug":"shop","name":"The shop","zone":"UTC","host":"hub.example.com"}`).want(t, "host", http.StatusOK, "")
		h.eventually("the other host", func() answer { return h.byHost("hub.example.com", "GET", "/", nil, "") }, func(a answer) bool { return strings.Contains(a.body, "The shop") })
		for _, path := range []string{"/console/sign-in", "/api/v1/openapi.json", "/healthz"} {
			if got := h.byHost(u.Host, "GET", path, nil, ""); got.status != http.StatusOK {
				t.Errorf("%s: %d", path, got.status)
			}
		}
		if got := h.call("GET", "/", nil, ""); !strings.Contains(got.body, "The hub itself") {
			t.Errorf("the main page is gone: %d %.100s", got.status, got.body)
		}
	})
}

func TestAPageNeverHidesTheConsoleOfItsHub(t *testing.T) {
	listen, err := port.Address()
	if err != nil {
		t.Fatal(err)
	}
	h := startHub(t, "TOCSIN_BASE_URL=https://alerts.example.com", "TOCSIN_LISTEN="+listen)
	h.url = "http://" + listen
	h.user("root", auth.Admin)
	key := h.key(auth.Administer, auth.ReadConfig, auth.WriteConfig)
	h.call("POST", "/api/v1/status/pages", key, `{"slug":"main","name":"Bold","zone":"UTC","host":"alerts.example.com"}`).want(t, "page", http.StatusCreated, "")
	from := func(path string) answer { return h.byHost("Alerts.Example.com.:443", "GET", path, nil, "") }
	h.eventually("the page", func() answer { return from("/") }, func(a answer) bool { return a.status == http.StatusOK && strings.Contains(a.body, "Bold") })
	for _, path := range []string{"/console/sign-in", "/api/v1/openapi.json", "/healthz"} {
		if got := from(path); got.status != http.StatusOK || strings.Contains(got.body, "Bold") {
			t.Errorf("%s: %d %.100s", path, got.status, got.body)
		}
	}
}
