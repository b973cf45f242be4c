package console_test

import (
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"tocsin"
	"tocsin/internal/web/console"
)

var helpLink = regexp.MustCompile(`<p class="help-link"><a href="/docs/([a-z-]+)\.html">`)

func TestHelp(t *testing.T) {
	t.Parallel()
	admin := newHub(t).as("admin")
	n := 0
	for _, path := range console.Paths() {
		res, body := admin.get(path)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		if !strings.Contains(body, `<a href="/docs/">`) && path != "/console/account/confirm" {
			t.Errorf("the menu of %s has no documentation", path)
		}
		m := helpLink.FindStringSubmatch(body)
		if m == nil {
			continue
		}
		n++
		if _, err := fs.Stat(tocsin.Documents, "docs/"+m[1]+".md"); err != nil {
			t.Errorf("%s leads to the help %s: %v", path, m[1], err)
		}
	}
	if n < 30 {
		t.Errorf("only %d pages have help", n)
	}
}

func TestAfterSigningInTheDocumentationIsShown(t *testing.T) {
	t.Parallel()
	v := newHub(t).as("")
	for next, want := range map[string]string{"/docs/webpush.html?q=a": "/docs/webpush.html?q=a", "/docs/../a": "/console/alerts", "/docsx": "/console/alerts", "//docs/": "/console/alerts", "/docs/": "/docs/", "https://x.example/docs/": "/console/alerts", "/console/deliveries": "/console/deliveries"} {
		res, _ := v.post("/console/sign-in", url.Values{"name": {"admin"}, "password": {password}, "next": {next}})
		if to := res.Header.Get("Location"); to != want {
			t.Errorf("after signing in %s leads to %s", next, to)
		}
	}
}
