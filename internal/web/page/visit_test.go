package page_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/markdown"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/web/page"
)

// serve makes a site of a store, with a clock that stands still.
func serve(t *testing.T, st *shelf, o page.Options) (*page.Site, *httptest.Server) {
	t.Helper()
	o.BaseURL = "https://status.example.com"
	if o.Now == nil {
		o.Now = func() time.Time { return now }
	}
	s, err := page.NewSite(st, markdown.New(), o)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Refresh(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Frame-Options", "DENY")
		if !s.Handle(w, r) {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	return s, srv
}

func full() *shelf {
	st := &shelf{r: company()}
	p := &st.r.Page
	p.Main, p.Slug, p.Zone, p.Version, p.Created = true, "main", "Europe/Berlin", 1, now.AddDate(0, -3, 0)
	long := now.AddDate(-1, -1, 0)
	st.old = append(append([]status.Incident{}, st.r.Incidents...), status.Incident{ID: "ancient", PageID: "p", Title: "The first of all", Phase: status.Resolved, Started: long, ResolvedAt: long.Add(50 * time.Hour),
		Updates: []status.Update{{Phase: status.Resolved, Body: "Done.", At: long}}},
		status.Incident{ID: "others", PageID: "another", Title: "Of another page"}, status.Incident{ID: "draft", PageID: "p", Draft: true, Title: "Not yet", Started: long})
	return st
}

func TestEachIncidentAndEachMonthHasAPage(t *testing.T) {
	st := full()
	_, srv := serve(t, st, page.Options{})
	for path, want := range map[string][]string{
		"/incidents/i0":       {"200", "Card payments are refused", `href="/subscribe?incident=i0"`, "Current status"},
		"/de/incidents/i0":    {"200", "Kritische Auswirkung", `href="/de/subscribe?incident=i0"`, `href="/en/incidents/i0"`},
		"/incidents/m":        {"200", "New storage", "Service 10"},
		"/incidents/ancient":  {"200", "The first of all", "Lasted 2 days 2 h"},
		"/incidents/others":   {"404", "There is nothing at this address"},
		"/incidents/draft":    {"404"},
		"/incidents/..%2fx":   {"404"},
		"/incidents/none":     {"404"},
		"/history":            {"200", "November 2026", "Sign-in did not work", `rel="prev" href="/history/2026-10"`},
		"/history/2025-10":    {"200", "The first of all", `rel="next" href="/history/2025-11"`},
		"/de/history/2025-10": {"200", "Oktober 2025", `rel="next" href="/de/history/2025-11"`},
		"/history/2025-09":    {"404"},
		"/history/2026-12":    {"404"},
		"/history/2026-13":    {"404"},
		"/subscribe":          {"200", `value="incident_new" checked`, "history.atom", `data-renew="Save"`},
	} {
		res, body := get(t, srv.URL+path, "Accept-Encoding", "identity")
		if fmt.Sprint(res.StatusCode) != want[0] {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		for _, w := range want[1:] {
			if !strings.Contains(body, w) {
				t.Errorf("%s does not say %q", path, w)
			}
		}
	}
	if _, body := get(t, srv.URL+"/history/2025-10"); strings.Contains(body, `rel="prev"`) {
		t.Error("there is a month before the first")
	}
	st.mu.Lock()
	st.away = errors.New("away")
	st.mu.Unlock()
	for path, code := range map[string]int{"/history/2025-10": 200, "/incidents/ancient": 200, "/incidents/i0": 200, "/history/2025-12": 503, "/incidents/unknown": 503} {
		if res, _ := get(t, srv.URL+path); res.StatusCode != code {
			t.Errorf("%s without database: %d, not %d", path, res.StatusCode, code)
		}
	}
}

func TestVisitorsCannotWantWhatIsNotShown(t *testing.T) {
	st := full()
	st.r.Components[3].Hidden = true
	s, _ := serve(t, st, page.Options{})
	for _, c := range []struct {
		page  string
		want  push.Want
		field string
	}{
		{"p", push.Want{}, ""}, {"p", push.Want{Components: []string{"c01", "g2"}, Incident: "i0"}, ""},
		{"q", push.Want{}, "page"}, {"p", push.Want{Components: []string{"c01", "another"}}, "components[1]"},
		{"p", push.Want{Components: []string{"c03"}}, "components[0]"}, {"p", push.Want{Incident: "draft"}, "incident"}, {"p", push.Want{Incident: st.r.Maintenances[0].ID}, ""},
	} {
		err := s.CheckWant(c.page, &c.want)
		var field *status.FieldError
		if got := errors.As(err, &field); got != (c.field != "") || got && field.Field != c.field {
			t.Errorf("%+v: %v", c.want, err)
		}
	}
}

func TestBadgesAndTheSmallPageStandOnOtherSites(t *testing.T) {
	_, srv := serve(t, full(), page.Options{})
	for path, want := range map[string]string{"/badge.svg": "Sandbank Online: Major outage", "/badge/c01.svg": "Service 01: Major outage", "/badge/g2.svg": "Accounts: Degraded performance", "/de/badge/c00.svg": "Service 00: Betriebsbereit"} {
		res, body := get(t, srv.URL+path)
		var svg struct {
			Title string `xml:"title"`
		}
		if err := xml.Unmarshal([]byte(body), &svg); err != nil || svg.Title != want || res.Header.Get("Content-Type") != "image/svg+xml" || res.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
			t.Errorf("%s: %q %v %v", path, svg.Title, err, res.Header)
		}
	}
	if res, _ := get(t, srv.URL+"/badge/nobody.svg"); res.StatusCode != http.StatusNotFound {
		t.Error(res.StatusCode)
	}
	res, body := get(t, srv.URL+"/embed", "Accept-Encoding", "identity")
	if !strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-ancestors *") || res.Header.Get("X-Frame-Options") != "" || !strings.Contains(body, `href="https://status.example.com/incidents/i0"`) {
		t.Errorf("%v", res.Header)
	}
	if res, _ := get(t, srv.URL+"/"); !strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || res.Header.Get("X-Frame-Options") == "" {
		t.Error("the page itself may stand in a frame")
	}
	_, body = get(t, srv.URL+"/status.webmanifest")
	var m struct {
		Start string `json:"start_url"`
		Icons []struct{ Src string }
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil || m.Start != "/" || len(m.Icons) != 4 {
		t.Errorf("%v %s", err, body)
	}
}

// Nothing of a page that is not public may be seen: whatever is asked for, by
// whichever address.
func TestAClosedPageTellsNothing(t *testing.T) {
	st := full()
	st.r.Page.Private = status.Private{PasswordHash: "hash of sesame", SignedIn: true, Networks: []string{"192.0.2.0/24"}}
	clock := now
	s, srv := serve(t, st, page.Options{Now: func() time.Time { return clock }, Gate: page.Gate{SignIn: "/console/sign-in",
		SignedIn: func(r *http.Request) bool { return r.Header.Get("X-Test-User") == "anna" },
		Verify:   func(_ context.Context, hash, password string) (bool, error) { return hash == "hash of "+password, nil }}})
	paths := []string{"/", "/de/", "/?lang=en", "/subscribe", "/history", "/history/2026-11", "/incidents/i0", "/embed", "/logo", "/history.atom", "/de/history.rss", "/history.json",
		"/maintenance.ics", "/badge.svg", "/badge/c01.svg", "/live.json", "/status.webmanifest", "/api/v2/summary.json", "/api/v2/status.json", "/api/v2/components.json",
		"/api/v2/incidents.json", "/api/v2/incidents/unresolved.json", "/api/v2/scheduled-maintenances.json", "/api/v2/scheduled-maintenances/upcoming.json",
		"/api/v2/scheduled-maintenances/active.json", "/unlock", "/s/main/", "/s/main/api/v2/summary.json", "/nothing"}
	for _, p := range paths {
		res, body := get(t, srv.URL+p, "Accept-Encoding", "identity")
		if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Cache-Control") != "private, no-store" || res.Header.Get("Etag") != "" || res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", p, res.StatusCode, res.Header)
		}
		for _, secret := range []string{"Sandbank", "Service 01", "Card payments", "Major outage", "major_outage"} {
			if strings.Contains(body, secret) {
				t.Errorf("%s tells %q", p, secret)
			}
		}
	}
	if res, _ := get(t, srv.URL+"/api/v2/summary.json", "X-Test-User", "anna"); res.StatusCode != 200 || res.Header.Get("Cache-Control") != "private, no-store" || res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("who is signed in: %d %v", res.StatusCode, res.Header)
	}

	unlock := func(password, to string, header ...string) *http.Response {
		t.Helper()
		form := url.Values{"password": {password}, "to": {to}}.Encode()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/unlock", strings.NewReader(form))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return res
	}
	if res := unlock("sesame", "/", "Sec-Fetch-Site", "cross-site"); res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 {
		t.Errorf("from another site: %d", res.StatusCode)
	}
	res := unlock("sesame", "/incidents/i0")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/incidents/i0" || len(res.Cookies()) != 1 {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	c := res.Cookies()[0]
	if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
		t.Errorf("%+v", c)
	}
	cookie := c.Name + "=" + c.Value
	asks := httptest.NewRequest(http.MethodPut, "/api/v1/push/subscription", http.NoBody)
	asks.RemoteAddr = "203.0.113.9:1234"
	if s.MaySee("p", asks) || s.MaySee("nothing", asks) {
		t.Error("whoever may not see it may be told of it")
	}
	if asks.Header.Set("Cookie", cookie); !s.MaySee("p", asks) {
		t.Error("who may see it may not be told of it")
	}
	asks.Header.Del("Cookie")
	if asks.RemoteAddr = "192.0.2.77:1234"; !s.MaySee("p", asks) {
		t.Error("who is in its network may not see it")
	}
	if res, body := get(t, srv.URL+"/history.atom", "Cookie", cookie); res.StatusCode != 200 || !strings.Contains(body, "Card payments") {
		t.Errorf("with the cookie: %d", res.StatusCode)
	}
	for _, to := range []string{"//evil.example/", "https://evil.example/", `/\evil.example`, "javascript:alert(1)", ""} {
		if got := unlock("sesame", to).Header.Get("Location"); got != "/" {
			t.Errorf("%q leads to %q", to, got)
		}
	}
	for _, bad := range []string{cookie[:len(cookie)-2] + "xx", c.Name + "=", c.Name + "=AAAA"} {
		if res, _ := get(t, srv.URL+"/", "Cookie", bad); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%q opens it", bad)
		}
	}
	clock = now.AddDate(0, 0, 31)
	if res, _ := get(t, srv.URL+"/", "Cookie", cookie); res.StatusCode != http.StatusUnauthorized {
		t.Error("the cookie lives on")
	}
	wrong := 0
	for range 20 {
		res := unlock("guess", "/")
		if len(res.Cookies()) > 0 {
			t.Fatal("a guess opens it")
		}
		if res.StatusCode == http.StatusUnauthorized {
			wrong++
		} else if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
			t.Fatal(res.StatusCode)
		}
	}
	if wrong != 5 {
		t.Errorf("%d guesses were looked at", wrong)
	}
	clock = clock.Add(13 * time.Second)
	if res := unlock("sesame", "/"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("after a while: %d", res.StatusCode)
	}
}

func TestAStartWithoutDatabaseShowsWhatWasKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pages")
	st := full()
	serve(t, st, page.Options{Dir: dir})
	if err := os.WriteFile(filepath.Join(dir, "broken.page.json.gz"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	st.away = errors.New("away")
	later := now.Add(time.Hour)
	s, srv := serve(t, st, page.Options{Dir: dir, Now: func() time.Time { return later }})
	if _, body := get(t, srv.URL+"/en/", "Accept-Encoding", "identity"); !strings.Contains(body, "this is what was known at 22 November 2026, 13:34 CET") || !strings.Contains(body, "Service 49") {
		t.Errorf("%.200s", body)
	}
	// Cold and without database: all who come are answered.
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			res, err := (&http.Client{Timeout: time.Minute}).Get(srv.URL + []string{"/", "/api/v2/summary.json", "/history.atom", "/badge.svg"}[i%4])
			if err != nil || res.StatusCode != 200 {
				t.Errorf("%v", err)
				return
			}
			_ = res.Body.Close()
		})
	}
	wg.Wait()
	st.away = nil
	st.r.Page.ID, st.r.Page.Slug = "q", "another"
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 2 { // of q, and the broken one
		t.Errorf("%v", left)
	}
	info, err := os.Stat(filepath.Join(dir, "q.page.json.gz"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

func TestACopyCanBeServedByAnyServer(t *testing.T) {
	dir := t.TempDir()
	s, _ := serve(t, full(), page.Options{})
	out, err := s.ExportStatic(t.Context(), dir)
	if err != nil || len(out.Pages) != 1 || len(out.Skipped) != 0 {
		t.Fatalf("%+v %v", out, err)
	}
	srv := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer srv.Close()
	seen := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		if path, _, _ = strings.Cut(path, "?"); seen[path] || !strings.HasPrefix(path, "/") {
			return
		}
		seen[path] = true
		res, err := (&http.Client{Timeout: time.Minute}).Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != 200 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
			return
		}
		if !strings.Contains(string(body), "This is a copy.") && !strings.Contains(string(body), "Dies ist eine Kopie.") {
			t.Errorf("%s does not say that it is a copy", path)
		}
		for part := range strings.SplitSeq(string(body), `href="`) {
			link, _, _ := strings.Cut(part, `"`)
			visit(link)
		}
	}
	visit("/")
	for _, p := range []string{"/history/2025-10", "/de/incidents/ancient", "/api/v2/summary.json", "/badge/c01.svg", "/embed/"} {
		if !seen[p] {
			if res, err := (&http.Client{Timeout: time.Minute}).Get(srv.URL + p); err != nil || res.StatusCode != 200 {
				t.Errorf("%s: %v", p, err)
			}
		}
	}
	closed := full()
	closed.r.Page.Private.SignedIn = true
	s, _ = serve(t, closed, page.Options{})
	empty := t.TempDir()
	if out, err := s.ExportStatic(t.Context(), empty); err != nil || len(out.Skipped) != 1 || len(out.Pages) != 0 {
		t.Errorf("%+v %v", out, err)
	}
	if _, err := os.Stat(filepath.Join(empty, "index.html")); err == nil {
		t.Error("a page that is not public is copied")
	}
}

// A first visit is one answer to see something, and below 30 KB with all that
// comes after it; the worker and the icons of the static folder are 17 KB of that
// and not counted here.
func TestAFirstVisitIsSmall(t *testing.T) {
	_, srv := serve(t, full(), page.Options{})
	res, body := get(t, srv.URL+"/", "Accept-Encoding", "identity")
	sum := 0
	weigh := func(path string) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, http.NoBody)
		req.Header.Set("Accept-Encoding", "gzip")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%s: %v", path, err)
		}
		defer res.Body.Close()
		raw, _ := io.ReadAll(res.Body)
		if res.Header.Get("Content-Encoding") == "gzip" {
			if _, err := gzip.NewReader(strings.NewReader(string(raw))); err != nil {
				t.Error(err)
			}
		}
		t.Logf("%s: %d", path, len(raw))
		sum += len(raw)
	}
	weigh("/")
	weigh("/live.json")
	weigh("/status.webmanifest")
	for _, mark := range []string{`src="/assets/`, `href="/assets/`} {
		for part := range strings.SplitSeq(body, mark) {
			name, _, _ := strings.Cut(part, `"`)
			if strings.HasSuffix(name, ".js") || strings.HasSuffix(name, ".svg") {
				weigh("/assets/" + name)
			}
		}
	}
	if sum > 12<<10 {
		t.Errorf("%d bytes", sum)
	}
	if strings.Contains(body, "<link rel=\"stylesheet\"") || res.Header.Get("Set-Cookie") != "" {
		t.Error("the page needs a second answer to be seen, or sets a cookie")
	}
}
