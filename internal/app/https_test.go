package app_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/config"
	"tocsin/internal/health"
)

// The gate by itself: who may come in, and as whom.
func TestWhoMayComeIn(t *testing.T) {
	load := func(env ...string) config.Config {
		t.Helper()
		c, err := config.Load(config.Sources{Environ: env, File: os.DevNull})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	open := load("TOCSIN_LISTEN=:8080", "TOCSIN_BASE_URL=https://alerts.example.com", "TOCSIN_TRUSTED_PROXIES=10.0.0.0/24", "TOCSIN_PLAIN_HTTP=192.168.7.0/24")
	for name, row := range map[string]struct {
		from, path string
		headers    []string
		want       string // address host hsts, or the status
	}{
		"a stranger by plain HTTP":              {"192.0.2.7", "/console/", nil, "403"},
		"a stranger who asks whether it lives":  {"192.0.2.7", "/healthz", nil, "192.0.2.7 alerts.example.com -"},
		"a stranger who says that it is https":  {"192.0.2.7", "/console/", []string{"X-Forwarded-Proto", "https", "X-Forwarded-For", "127.0.0.1"}, "403"},
		"this machine":                          {"127.0.0.1", "/console/", nil, "127.0.0.1 alerts.example.com -"},
		"a network that is named":               {"192.168.7.9", "/console/", nil, "192.168.7.9 alerts.example.com -"},
		"a proxy, by https":                     {"10.0.0.3", "/console/", []string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https"}, "192.0.2.7 alerts.example.com hsts"},
		"a proxy, by http":                      {"10.0.0.3", "/console/", []string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "http"}, "192.0.2.7 alerts.example.com -"},
		"the standard":                          {"10.0.0.3", "/console/", []string{"Forwarded", `for="[2001:db8::7]:99";proto=https`}, "2001:db8::7 alerts.example.com hsts"},
		"a proxy that hides who came":           {"10.0.0.3", "/console/", []string{"Forwarded", "for=_hidden;proto=https"}, "0.0.0.0 alerts.example.com hsts"},
		"two headers that differ":               {"10.0.0.3", "/console/", []string{"Forwarded", "for=10.9.9.9", "X-Forwarded-For", "192.0.2.7"}, "400"},
		"a host that is nobody's stays outside": {"10.0.0.3", "/console/", []string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-Host", "evil.example"}, "192.0.2.7 alerts.example.com -"},
		"a network's word is not believed":      {"192.168.7.9", "/console/", []string{"X-Forwarded-For", "127.0.0.1"}, "192.168.7.9 alerts.example.com -"},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			h, _ := app.Gate(open, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				at, _ := netip.ParseAddrPort(r.RemoteAddr)
				got = at.Addr().String() + " " + r.Host + " -"
				if w.Header().Get("Strict-Transport-Security") != "" {
					got = strings.TrimSuffix(got, "-") + "hsts"
				}
			}))
			r := httptest.NewRequest(http.MethodGet, row.path, nil)
			r.Host, r.RemoteAddr = "alerts.example.com", row.from+":4711"
			for i := 0; i < len(row.headers); i += 2 {
				r.Header.Add(row.headers[i], row.headers[i+1])
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got == "" {
				got = http.StatusText(w.Code)
				if row.want == "403" && w.Code == http.StatusForbidden || row.want == "400" && w.Code == http.StatusBadRequest {
					got = row.want
				}
			}
			if got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	t.Run("health says what was refused, and which proxy is not listed", func(t *testing.T) {
		h, facts := app.Gate(open, http.NotFoundHandler())
		ask := func(from string, headers ...string) {
			r := httptest.NewRequest(http.MethodGet, "/console/", nil)
			r.RemoteAddr = from + ":4711"
			for i := 0; i < len(headers); i += 2 {
				r.Header.Add(headers[i], headers[i+1])
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		ask("192.0.2.7")
		for range 10 {
			ask("192.168.7.9", "X-Forwarded-For", "192.0.2.9")
		}
		var said []string
		for _, w := range health.Assess(health.Facts{Now: time.Now(), HTTPS: facts()}).Warnings {
			if w.Part == "https" {
				said = append(said, w.Problem)
			}
		}
		text := strings.Join(said, "\n")
		if len(said) != 2 || !strings.Contains(text, "192.0.2.7") || !strings.Contains(text, "192.168.7.9 that is not in TOCSIN_TRUSTED_PROXIES") {
			t.Errorf("%q", text)
		}
	})
	t.Run("localhost and addresses are never remembered as https", func(t *testing.T) {
		for _, base := range []string{"https://localhost:8443", "https://192.0.2.1"} {
			h, _ := app.Gate(load("TOCSIN_BASE_URL="+base, "TOCSIN_TRUSTED_PROXIES=127.0.0.1"), http.NotFoundHandler())
			r := httptest.NewRequest(http.MethodGet, base+"/", nil)
			r.RemoteAddr = "127.0.0.1:1"
			r.Header.Set("X-Forwarded-Proto", "https")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got := w.Header().Get("Strict-Transport-Security"); got != "" {
				t.Errorf("%s: %s", base, got)
			}
		}
	})
}
