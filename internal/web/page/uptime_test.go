package page_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

func TestTheChartSaysInWordsWhatItDraws(t *testing.T) {
	st, s, srv, pass := site(t)
	st.mu.Lock()
	for i := range st.r.Components {
		if st.r.Components[i].ID == "c20" {
			st.r.Components[i].Hidden = true
		}
	}
	st.r.Page.Version++
	st.mu.Unlock()
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := func(path string) string {
		t.Helper()
		res, body := get(t, srv.URL+path, "Accept-Encoding", "identity")
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d", path, res.StatusCode)
		}
		if strings.Contains(body, "<script>") || strings.Contains(body, "ZgotmplZ") {
			t.Errorf("%s: the template did not hold", path)
		}
		if _, err := html.Parse(strings.NewReader(body)); err != nil {
			t.Error(err)
		}
		return body
	}
	has := func(body string, all ...string) {
		t.Helper()
		for _, want := range all {
			if !strings.Contains(body, want) {
				t.Errorf("without %q", want)
			}
		}
	}
	body := read("/en/uptime")
	has(body, `role="img" aria-label="Sandbank Online: 9`, `href="/en/uptime/c01"`, "<h2>Payments</h2>", "All weeks as a table", "16 November 2026</th>")
	if n := strings.Count(body, "/en/uptime/c"); n != 49 {
		t.Errorf("%d components are listed", n)
	}
	has(read("/de/uptime/c01"), "Service 01", "in der Woche vom", "Alle Wochen als Tabelle")
	for _, path := range []string{"/uptime/c20", "/uptime/none", "/uptime/", "/uptime/c01/x"} {
		if res, _ := get(t, srv.URL+path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	st.mu.Lock()
	st.away = errors.New("the database is away")
	st.mu.Unlock()
	pass(5 * time.Minute)
	_ = s.Refresh(t.Context()) // says so
	has(read("/en/uptime"), "All weeks as a table")
}
