package page_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/markdown"
	"tocsin/internal/status"
	"tocsin/internal/web/page"
)

// shelf is a store that can be away.
type shelf struct {
	mu   sync.Mutex
	r    status.Record
	old  []status.Incident // that are not in r
	away error
}

// StatusDays are those of the record, and as many before them.
func (s *shelf) StatusDays(_ context.Context, _, from, to string) (map[string][]status.Day, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		return nil, s.away
	}
	days := map[string][]status.Day{}
	for id, list := range s.r.Days {
		for _, d := range list {
			for _, back := range []int{100, 0} {
				at, err := time.Parse(status.DateFormat, d.Date)
				if d.Date = at.AddDate(0, 0, -back).Format(status.DateFormat); err == nil && d.Date >= from && d.Date <= to {
					days[id] = append(days[id], d)
				}
				d.Date = at.Format(status.DateFormat)
			}
		}
	}
	return days, nil
}

func (s *shelf) StatusPages(context.Context) ([]status.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []status.Page{s.r.Page}, s.away
}

func (s *shelf) StatusRecord(context.Context, string) (status.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r, s.away
}

func (s *shelf) StatusMonth(_ context.Context, _ string, from, to time.Time) (in []status.Incident, work []status.Maintenance, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.old {
		if !i.Draft && !i.Started.Before(from) && i.Started.Before(to) {
			in = append(in, i)
		}
	}
	return in, nil, s.away
}

func (s *shelf) Incident(_ context.Context, id string) (status.Incident, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.old {
		if i.ID == id {
			return i, s.away
		}
	}
	return status.Incident{}, cmp.Or(s.away, fault.ErrNotFound)
}

func (s *shelf) Maintenance(context.Context, string) (status.Maintenance, error) {
	return status.Maintenance{}, fault.ErrNotFound
}

func site(t testing.TB) (*shelf, *page.Site, *httptest.Server, func(time.Duration)) {
	t.Helper()
	st := &shelf{r: company()}
	st.r.Page.Main, st.r.Page.Slug, st.r.Page.Zone, st.r.Page.Version = true, "main", "Europe/Berlin", 1
	clock := now
	s, err := page.NewSite(st, markdown.New(), page.Options{BaseURL: "https://status.example.com", Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.Handle(w, r) {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	return st, s, srv, func(d time.Duration) { clock = clock.Add(d) }
}

// patient has a limit: what hangs must fail its test and not hang all of them.
var patient = &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := patient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestAPageIsServedInTheVisitorsLanguageAndForm(t *testing.T) {
	_, _, srv, _ := site(t)
	res, body := get(t, srv.URL+"/", "Accept-Language", "de-DE,de;q=0.9", "Accept-Encoding", "identity")
	if res.StatusCode != 200 || !strings.Contains(body, `lang="de"`) || !strings.Contains(body, "Großer Ausfall") {
		t.Fatalf("%d %.200s", res.StatusCode, body)
	}
	if res.Header.Get("Set-Cookie") != "" || strings.Contains(res.Header.Get("Content-Security-Policy"), "script-src 'unsafe") {
		t.Errorf("%v", res.Header)
	}
	for encoding, want := range map[string]string{"gzip": "gzip", "gzip, br": "br", "br;q=0, gzip": "gzip", "identity": ""} {
		res, _ := get(t, srv.URL+"/", "Accept-Encoding", encoding)
		if got := res.Header.Get("Content-Encoding"); got != want {
			t.Errorf("%s: %q", encoding, got)
		}
		again, rest := get(t, srv.URL+"/", "Accept-Encoding", encoding, "If-None-Match", `"x", W/`+res.Header.Get("Etag"))
		if again.StatusCode != http.StatusNotModified || rest != "" {
			t.Errorf("%s: %d with its own tag", encoding, again.StatusCode)
		}
	}
	if res, body := get(t, srv.URL+"/?lang=en", "Accept-Language", "de"); !strings.Contains(body, "Major outage") {
		t.Errorf("%d %.100s", res.StatusCode, body)
	}
	if res, _ := get(t, srv.URL+"/s/other/"); res.StatusCode != 404 {
		t.Errorf("%d for a page that there is not", res.StatusCode)
	}
}

func TestProgramsReadIt(t *testing.T) {
	_, _, srv, _ := site(t)
	res, body := get(t, srv.URL+"/api/v2/summary.json")
	var got struct {
		Page       struct{ ID, Name, URL string }
		Components []struct {
			ID, Status string
			Group      bool
		}
		Incidents []struct{ Name, Impact, Status string }
		Status    struct{ Indicator string }
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Access-Control-Allow-Origin") != "*" || got.Status.Indicator != "critical" || len(got.Incidents) != 3 || len(got.Components) != 56 {
		t.Errorf("%v %+v", res.Header, got)
	}
	for _, p := range []string{"history.atom", "history.rss", "history.json", "maintenance.ics", "api/v2/status.json", "api/v2/scheduled-maintenances/upcoming.json"} {
		if res, body := get(t, srv.URL+"/"+p); res.StatusCode != 200 || body == "" {
			t.Errorf("%s: %d", p, res.StatusCode)
		}
	}
}

func TestAChangeIsSeenByTheNextRequestAndADatabaseThatIsAwayIsSaid(t *testing.T) {
	st, s, srv, pass := site(t)
	first, _ := get(t, srv.URL+"/")
	st.mu.Lock()
	st.r.Page.Version, st.r.Page.Name = 2, "Another name"
	st.mu.Unlock()
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	res, body := get(t, srv.URL+"/", "Accept-Encoding", "identity", "If-None-Match", first.Header.Get("Etag"))
	if res.StatusCode != 200 || !strings.Contains(body, "Another name") {
		t.Fatalf("%d", res.StatusCode)
	}
	st.mu.Lock()
	st.away = errors.New("the database is away")
	st.mu.Unlock()
	pass(time.Hour)
	if err := s.Refresh(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if _, body := get(t, srv.URL+"/?lang=en", "Accept-Encoding", "identity"); !strings.Contains(body, "The database cannot be reached; this is what was known at 22 November 2026, 13:34 CET.") {
		t.Error("the page does not say from when it is")
	}
	st.mu.Lock()
	st.away = nil
	st.mu.Unlock()
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, srv.URL+"/?lang=en", "Accept-Encoding", "identity"); strings.Contains(body, "cannot be reached") {
		t.Error("the page still says that the database is away")
	}
}

// sink is a connection that takes everything.
type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

// BenchmarkHandle is what an answer costs besides the connection.
func BenchmarkHandle(b *testing.B) {
	_, s, _, _ := site(b)
	for name, header := range map[string]http.Header{
		"page":        {"Accept-Encoding": {"gzip"}},
		"in German":   {"Accept-Encoding": {"gzip, deflate, br"}, "Accept-Language": {"de-DE,de;q=0.9,en;q=0.8"}},
		"not changed": {"Accept-Encoding": {"gzip"}, "If-None-Match": {`"old", "older"`}},
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.Header = header
			w := &sink{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				if !s.Handle(w, r) {
					b.Fatal("not handled")
				}
			}
		})
	}
}

// A page that changes all the time is written to the disk now and then, and as it
// was at the end.
func TestTheLastStateIsOnDiskAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	at := now
	st := &shelf{r: company()}
	st.r.Page.Main, st.r.Page.Slug, st.r.Page.Zone, st.r.Page.Version = true, "main", "Europe/Berlin", 1
	o := page.Options{Dir: dir, Now: func() time.Time { return at }}
	s, err := page.NewSite(st, markdown.New(), o)
	if err != nil {
		t.Fatal(err)
	}
	kept := func() string {
		t.Helper()
		again, err := page.NewSite(&shelf{away: errors.New("away")}, markdown.New(), o)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		again.Handle(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		for _, title := range []string{"First title", "Second title", "Third title"} {
			if strings.Contains(w.Body.String(), title) {
				return title
			}
		}
		return ""
	}
	change := func(title string) {
		t.Helper()
		st.r.Incidents[0].Title = title
		st.r.Page.Version++
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	change("First title")
	if got := kept(); got != "First title" {
		t.Fatalf("on disk is %q", got)
	}
	at = at.Add(time.Second)
	change("Second title")
	if got := kept(); got != "First title" {
		t.Errorf("a second later %q is on disk", got)
	}
	at = at.Add(10 * time.Second)
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := kept(); got != "Second title" {
		t.Errorf("some seconds later %q is on disk", got)
	}
	change("Third title")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := kept(); got != "Third title" {
		t.Errorf("at the end %q is on disk", got)
	}
}
