package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/test/database"
)

// ask calls with headers of its own.
func (h *hub) ask(method, path, token, body string, headers ...string) *http.Response {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := patient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

func TestRequestsHaveIDs(t *testing.T) {
	ours := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-z]+$`)
	h := startHub(t)
	a := h.ask("GET", "/healthz", "", "", "X-Request-Id", "from-a-stranger")
	if id := a.Header.Get("X-Request-Id"); !ours.MatchString(id) {
		t.Errorf("a stranger's id becomes %q", id)
	}
	for _, row := range [][3]string{
		{"GET", "/api/v1/alerts", ""},                                           // refused before it is carried out
		{"GET", "/api/v1/nothing", ""},                                          // nowhere
		{"POST", "/api/v1/sources/lab/events", h.token},                         // outside of huma
		{"GET", "/api/v1/alerts?limit=many", h.key(auth.ReadAlerts)},            // by huma itself
		{"GET", "/api/v1/alerts/none", h.key(auth.ReadAlerts, auth.ReadConfig)}, // by the table of errors
	} {
		a := h.ask(row[0], row[1], row[2], "no json")
		var p struct{ Instance string }
		if err := json.NewDecoder(a.Body).Decode(&p); err != nil || a.StatusCode < 400 {
			t.Errorf("%v: %d %v", row, a.StatusCode, err)
		}
		if id := a.Header.Get("X-Request-Id"); !ours.MatchString(id) || p.Instance != "urn:request:"+id {
			t.Errorf("%v: the answer's id is %q, the problem's %q", row, id, p.Instance)
		}
	}
	h = startHub(t, "TOCSIN_TRUSTED_PROXIES=127.0.0.1")
	if id := h.ask("GET", "/healthz", "", "", "X-Request-Id", "edge/7f3a:1").Header.Get("X-Request-Id"); id != "edge/7f3a:1" {
		t.Errorf("a proxy's id becomes %q", id)
	}
	for _, bad := range []string{"a b", "a\tb", `"`, strings.Repeat("x", 200)} {
		if id := h.ask("GET", "/healthz", "", "", "X-Request-Id", bad).Header.Get("X-Request-Id"); !ours.MatchString(id) {
			t.Errorf("%q is taken over as %q", bad, id)
		}
	}
}

func TestTheLogNamesRequests(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		cfg, err := config.Load(config.Sources{File: os.DevNull, Flags: map[string]string{
			"TOCSIN_LISTEN": "127.0.0.1:0", "TOCSIN_DATA": database.Folder(t), "TOCSIN_LOG_LEVEL": "debug", "TOCSIN_LOG_FORMAT": format}})
		if err != nil {
			t.Fatal(err)
		}
		var log journal
		a, err := app.Start(t.Context(), cfg, app.Options{Log: app.NewLog(&log, cfg)})
		if err != nil {
			t.Fatal(err)
		}
		h := &hub{T: t, app: a, url: a.URL()}
		id := h.ask("GET", "/healthz", "", "").Header.Get("X-Request-Id")
		if err := a.Stop(); err != nil {
			t.Fatal(err)
		}
		found := false
		for line := range strings.Lines(log.String()) {
			if format == "json" && !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %s", line)
			}
			found = found || strings.Contains(line, id) && strings.Contains(line, "request_id")
		}
		if id == "" || !found {
			t.Errorf("%s: %q is not in the log:\n%s", format, id, log.String())
		}
	}
}

// What somebody outside has written can neither begin a line of the log nor steer a terminal.
func TestHostileTextInTheLog(t *testing.T) {
	t.Parallel()
	for _, json := range []bool{false, true} {
		var cfg config.Config
		cfg.Observe.LogJSON = json
		var log journal
		app.NewLog(&log, cfg).Warn("not well", "problem", "web01\nlevel=ERROR msg=forged\r\x1b[31m\x00")
		if got := log.String(); strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\r\x1b\x00") {
			t.Errorf("it is logged as %q", got)
		}
	}
}

// span is one as a collector gets it.
type span struct {
	TraceID, SpanID, ParentSpanID, Name string
}

func TestAnEventIsOneTraceUntilItIsTold(t *testing.T) {
	spans := make(chan span, 100)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var got struct {
			ResourceSpans []struct{ ScopeSpans []struct{ Spans []span } }
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		if strings.Contains(string(body), "connection refused") {
			t.Errorf("what people are told is in it: %s", body)
		}
		for _, s := range got.ResourceSpans[0].ScopeSpans[0].Spans {
			spans <- s
		}
	}))
	defer collector.Close()
	h := startHub(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)
	address, told := receiver(t)
	if made := h.call("POST", "/api/v1/webhooks", h.key(auth.Administer), `{"name":"Ops","form":"json","everything":true,"private":true,"url":"`+address+`"}`); made.status != http.StatusCreated {
		t.Fatal(made.body)
	}
	const trace = "0af7651916cd43dd8448eb211c80319c"
	a := h.ask("POST", "/api/v1/sources/lab/events", h.token, `{"type":"PROBLEM","host":"web01","service":"HTTP","state":2,"output":"connection refused"}`,
		"Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	if a.StatusCode != http.StatusOK {
		t.Fatal(a.Status)
	}
	next(t, told)
	found := map[string]span{}
	for len(found) < 4 {
		select {
		case s := <-spans:
			found[s.Name] = s
		case <-time.After(20 * time.Second):
			t.Fatalf("only %+v", found)
		}
	}
	above := "b7ad6b7169203331"
	for _, name := range []string{"receive events", "commit", "deliver webhook", "send webhook"} {
		s := found[name]
		if s.TraceID != trace || s.ParentSpanID != above {
			t.Errorf("%s is %+v, not below %s", name, s, above)
		}
		above = s.SpanID
	}
	// What somebody does about it is another one, until the others have heard of that.
	var receipts struct {
		Receipts []struct {
			AlertID string `json:"alert_id"`
		}
	}
	if err := json.NewDecoder(a.Body).Decode(&receipts); err != nil {
		t.Fatal(err)
	}
	if got := h.call("POST", "/api/v1/alerts/"+receipts.Receipts[0].AlertID+"/acknowledge", h.key(auth.AckAlerts), `{"comment":"connection refused, I am on it"}`); got.status != http.StatusOK {
		t.Fatal(got.status, got.body)
	}
	clear(found)
	for len(found) < 4 {
		select {
		case s := <-spans:
			found[s.Name] = s
		case <-time.After(20 * time.Second):
			t.Fatalf("only %+v", found)
		}
	}
	above = ""
	for _, name := range []string{"acknowledge", "commit", "deliver webhook", "send webhook"} {
		s := found[name]
		if s.TraceID != found["acknowledge"].TraceID || s.TraceID == trace || s.ParentSpanID != above {
			t.Errorf("%s is %+v, not below %q", name, s, above)
		}
		above = s.SpanID
	}
}
