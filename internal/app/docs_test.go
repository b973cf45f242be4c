package app_test

import (
	"net/http"
	"strings"
	"testing"

	"tocsin/internal/auth"
)

func TestDocumentation(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	t.Run("nobody reads it without signing in", func(t *testing.T) {
		for _, who := range []any{nil, h.key(auth.Administer)} {
			for _, path := range []string{"/docs/", "/docs/webpush.html", "/docs/images/alerts.png", "/docs/search.html?q=key", "/docs/search-index.js", "/docs/nowhere"} {
				got := h.call("GET", path, who, "")
				if strings.Contains(got.body, "Documentation</span>") || got.header.Get("Location") == "" && !strings.Contains(got.body, "Sign in") {
					t.Errorf("%s as %v: %d %.80s", path, who, got.status, got.body)
				}
			}
		}
	})
	for _, role := range auth.AllRoles() {
		h.user(string(role), role)
		cookie := h.cookie(string(role))
		got := h.call("GET", "/docs/", cookie, "")
		if got.status != http.StatusOK || !strings.Contains(got.body, `<a class="home" href="/console/">Console</a>`) {
			t.Errorf("%s is not shown the documentation: %d", role, got.status)
		}
		for header, part := range map[string]string{"Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cache-Control": "private"} {
			if !strings.Contains(got.header.Get(header), part) {
				t.Errorf("%s is %q", header, got.header.Get(header))
			}
		}
	}
	cookie := h.cookie("viewer")
	for path, want := range map[string]struct {
		status int
		mime   string
		part   string
	}{
		"/docs":                               {200, "text/html", "Documentation"},
		"/docs/webpush.html":                  {200, "text/html", `id="the-subject"`},
		"/docs/webpush":                       {200, "text/html", `id="the-subject"`},
		"/docs/adr/0052-the-docs-site":        {404, "text/html", "There is no such page"},
		"/docs/adr/":                          {200, "text/html", "Decisions"},
		"/docs/adr":                           {200, "text/html", "Decisions"},
		"/docs/images":                        {404, "text/html", "There is no such page"},
		"/docs/images/":                       {404, "text/html", "There is no such page"},
		"/docs/assets":                        {404, "text/html", "There is no such page"},
		"/docs/deploy":                        {404, "text/html", "There is no such page"},
		"/docs/deploy/kubernetes":             {404, "text/html", "There is no such page"},
		"/docs/deploy/nowhere.yaml":           {404, "text/html", "There is no such page"},
		"/docs/api/alerts.html":               {200, "text/html", "/api/v1/alerts/{id}/acknowledge"},
		"/docs/assets/site.css":               {200, "text/css", "--ground"},
		"/docs/assets/site.js":                {200, "text/javascript", "tocsinIndex"},
		"/docs/search-index.js":               {200, "text/javascript", "window.tocsinIndex"},
		"/docs/images/alerts.png":             {200, "image/png", "PNG"},
		"/docs/deploy/kubernetes/sqlite.yaml": {200, "text/plain", "kind:"},
		"/docs/search.html?q=vapid":           {200, "text/html", `<ol class="hits">`},
		"/docs/search.html?q=<script>zzz":     {200, "text/html", "&lt;script&gt;zzz"},
		"/docs/../go.mod":                     {404, "", ""},
		"/docs/%2e%2e/go.mod":                 {404, "", ""},
		"/docs/..%2f..%2fgo.mod":              {404, "", ""},
		"/docs/README.md":                     {404, "text/html", "There is no such page"},
		"/docs/nowhere/at/all":                {404, "text/html", `href="../../assets/site.css"`},
	} {
		got := h.call("GET", path, cookie, "")
		if got.status != want.status || !strings.Contains(got.body, want.part) || !strings.HasPrefix(got.header.Get("Content-Type"), want.mime) {
			t.Errorf("%s: %d %s %.120s", path, got.status, got.header.Get("Content-Type"), got.body)
		}
		if strings.Contains(got.body, "<script>zzz") {
			t.Errorf("%s gives back what it was sent", path)
		}
	}
	t.Run("a page is sent once, and packed", func(t *testing.T) {
		got := h.call("GET", "/docs/webpush.html", cookie, "", "Accept-Encoding", "gzip")
		if got.header.Get("Content-Encoding") != "gzip" || got.header.Get("ETag") == "" {
			t.Fatalf("headers %v", got.header)
		}
		if again := h.call("GET", "/docs/webpush.html", cookie, "", "Accept-Encoding", "gzip", "If-None-Match", got.header.Get("ETag")); again.status != http.StatusNotModified || again.body != "" {
			t.Errorf("asked again: %d", again.status)
		}
	})
	t.Run("nothing can be sent there", func(t *testing.T) {
		if got := h.call("POST", "/docs/", cookie, "x=1", "Origin", h.url); got.status != http.StatusMethodNotAllowed {
			t.Errorf("answered %d", got.status)
		}
	})
}
