package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/source"
	"tocsin/test/database"
)

const problem = `{"type":"PROBLEM","host":"web01","service":"HTTP","state":2,"output":"no answer","contact":"ops"}`

func TestIngestRefusals(t *testing.T) {
	h := startHub(t)
	reader := h.key(auth.Administer)
	events := "/api/v1/sources/lab/events"
	for name, row := range map[string]struct {
		path, body string
		who        any
		status     int
		says       string // somewhere in the answer
	}{
		"unknown source":                 {path: "/api/v1/sources/nobody/events", body: problem, who: h.token, status: 401, says: "not known, or the token is not its own"},
		"wrong token":                    {body: problem, who: "ts_wrong", status: 401, says: "not known, or the token is not its own"},
		"no token":                       {body: problem, status: 401, says: "not known, or the token is not its own"},
		"an API key is no token":         {body: problem, who: reader, status: 401, says: "token"},
		"malformed JSON":                 {body: `{"type":`, who: h.token, status: 400, says: `"location":"body`},
		"no JSON at all":                 {body: `PROBLEM web01`, who: h.token, status: 400, says: `"location":"body`},
		"empty body":                     {body: ``, who: h.token, status: 400, says: `"location":"body`},
		"10 MB body":                     {body: strings.Repeat("x", 10<<20), who: h.token, status: 413, says: "1 MiB"},
		"1,001 events":                   {body: "[" + strings.Repeat(`{"type":"CUSTOM","host":"a"},`, 1000) + `{"type":"CUSTOM","host":"a"}]`, who: h.token, status: 422, says: "1000 events"},
		"unknown field":                  {body: `{"type":"PROBLEM","host":"a","stat":2}`, who: h.token, status: 422, says: "body.stat"},
		"state out of range":             {body: `{"type":"PROBLEM","host":"a","service":"b","state":7}`, who: h.token, status: 422, says: `"location":"body.state"`},
		"state of the fourth of a batch": {body: `[` + strings.Repeat(`{"type":"PROBLEM","host":"a","state":1},`, 3) + `{"type":"PROBLEM","host":"a","state":"red"}]`, who: h.token, status: 422, says: `"location":"body.events[3].state"`},
		"unknown type":                   {body: `{"type":"PANIC","host":"a"}`, who: h.token, status: 422, says: `"location":"body.type"`},
		"no host":                        {body: `{"type":"PROBLEM","service":"b","state":2}`, who: h.token, status: 422, says: `"location":"body.host"`},
		"host with a control character":  {body: `{"type":"PROBLEM","host":"a\u0007b","state":1}`, who: h.token, status: 422, says: `"location":"body.host"`},
		"time that is none":              {body: `{"type":"PROBLEM","host":"a","state":1,"time":"yesterday"}`, who: h.token, status: 422, says: `"location":"body.time"`},
	} {
		t.Run(name, func(t *testing.T) {
			if row.path == "" {
				row.path = events
			}
			got := h.call("POST", row.path, row.who, row.body)
			if got.status != row.status || !strings.Contains(got.body, row.says) {
				t.Errorf("answer %d %s; want %d with %q", got.status, got.body, row.status, row.says)
			}
			if ct := got.header.Get("Content-Type"); ct != "application/problem+json" {
				t.Errorf("content type %q", ct)
			}
		})
	}
	t.Run("nothing of all that was stored", func(t *testing.T) {
		if got := h.call("GET", "/api/v1/alerts", reader, ""); got.field(t, "items.0.id") != "" {
			t.Errorf("alerts: %s", got.body)
		}
	})
	t.Run("the last refusal is remembered at the source and cleared by the next good call", func(t *testing.T) {
		if got := h.call("GET", "/api/v1/sources/lab", reader, ""); got.field(t, "last_error") == "" {
			t.Errorf("source: %s", got.body)
		}
		h.tell(problem)
		if got := h.call("GET", "/api/v1/sources/lab", reader, ""); got.field(t, "last_error") != "" {
			t.Errorf("source: %s", got.body)
		}
	})
	t.Run("a stranger's wrong token is shown at the source, and does not hide its own errors", func(t *testing.T) {
		h := startHub(t)
		admin := h.key(auth.Administer)
		lastError := func() string { return h.call("GET", "/api/v1/sources/lab", admin, "").field(t, "last_error") }
		h.call("POST", events, "ts_wrong", problem)
		if got := lastError(); got != source.WrongToken {
			t.Errorf("last error %q", got)
		}
		h.call("POST", events, h.token, `{"type":"PANIC","host":"a"}`)
		h.call("POST", events, "ts_wrong", problem)
		if got := lastError(); !strings.Contains(got, "PANIC") {
			t.Errorf("the source's own error gave way to %q", got)
		}
	})
	t.Run("a disabled source is told so", func(t *testing.T) {
		if got := h.call("PUT", "/api/v1/sources/lab", reader, `{"name":"lab","kind":"nagios","disabled":true}`); got.status != http.StatusOK {
			t.Fatalf("disable: %d %s", got.status, got.body)
		}
		if got := h.call("POST", events, h.token, problem); got.status != http.StatusForbidden {
			t.Errorf("answer %d %s", got.status, got.body)
		}
	})
}

func TestIngestSloppy(t *testing.T) {
	h := startHub(t)
	for name, row := range map[string]struct{ body, mark string }{
		"an empty state":            {`{"type":"PROBLEM","host":"a1","state":""}`, "state_missing"},
		"a time in the future":      {`{"type":"PROBLEM","host":"a2","state":1,"time":"` + time.Now().Add(48*time.Hour).UTC().Format(time.RFC3339) + `"}`, "clock_ahead"},
		"a time of last week":       {`{"type":"PROBLEM","host":"a3","state":1,"time":"` + time.Now().Add(-7*24*time.Hour).UTC().Format(time.RFC3339) + `"}`, "late"},
		"invalid UTF-8":             {"{\"type\":\"PROBLEM\",\"host\":\"a4\",\"state\":1,\"output\":\"caf\xe9\"}", "text_cleaned"},
		"NUL in the output":         {`{"type":"PROBLEM","host":"a5","state":1,"output":"a\u0000b"}`, "text_cleaned"},
		"control characters":        {`{"type":"PROBLEM","host":"a6","state":1,"output":"a\u001b[31mb"}`, "text_cleaned"},
		"a contact nobody knows":    {`{"type":"PROBLEM","host":"a7","state":1,"contact":"nobody"}`, "contact_unknown"},
		"a text beyond every limit": {`{"type":"PROBLEM","host":"a8","state":1,"output":"` + strings.Repeat("x", 200_000) + `"}`, "text_cut"},
	} {
		t.Run(name+" is accepted and marked", func(t *testing.T) {
			got := h.call("POST", "/api/v1/sources/lab/events", h.token, row.body)
			if got.status != http.StatusOK || !strings.Contains(got.field(t, "receipts.0.marks"), row.mark) {
				t.Errorf("answer %d %s; want the mark %s", got.status, got.body, row.mark)
			}
		})
	}
}

func TestIngest(t *testing.T) {
	for engine, settings := range map[string]func(t *testing.T) []string{
		"sqlite":   func(*testing.T) []string { return nil },
		"postgres": func(t *testing.T) []string { return []string{"TOCSIN_DATABASE_URL=" + database.Postgres(t)} },
	} {
		t.Run(engine, func(t *testing.T) {
			h := startHub(t, settings(t)...)
			admin := h.key(auth.Administer)
			t.Run("a repeated call changes nothing", func(t *testing.T) {
				body := `{"id":"call-1","type":"PROBLEM","host":"db01","state":1}`
				first := h.call("POST", "/api/v1/sources/lab/events", h.token, body)
				second := h.call("POST", "/api/v1/sources/lab/events", h.token, body)
				if first.field(t, "receipts.0.event_id") != second.field(t, "receipts.0.event_id") || second.field(t, "receipts.0.duplicate") != "true" {
					t.Errorf("%s then %s", first.body, second.body)
				}
			})
			t.Run("the name - is the source that the token belongs to", func(t *testing.T) {
				if got := h.call("POST", "/api/v1/sources/-/events", h.token, problem); got.status != http.StatusOK {
					t.Errorf("answer %d %s", got.status, got.body)
				}
			})
			t.Run("an alert tells who was told and who was not", func(t *testing.T) {
				id := h.tell(`{"type":"PROBLEM","host":"db02","state":1,"contact":"stranger"}`)
				got := h.call("GET", "/api/v1/alerts/"+id, admin, "")
				if got.field(t, "timeline.0.outcome") != "opened" || got.field(t, "deliveries.0.reason") != "contact_unknown" || got.field(t, "deliveries.0.why") == "" {
					t.Errorf("alert: %s", got.body)
				}
			})
			t.Run("its timeline, and that of its object, are read page by page", func(t *testing.T) {
				id := h.tell(`{"id":"tl-1","type":"PROBLEM","host":"db03","state":1}`)
				h.tell(`{"id":"tl-2","type":"PROBLEM","host":"db03","state":1}`)
				object := h.call("GET", "/api/v1/alerts/"+id, admin, "").field(t, "object.id")
				for _, path := range []string{"/api/v1/alerts/" + id + "/events?limit=1", "/api/v1/objects/" + object + "/events?limit=1"} {
					first := h.call("GET", path, admin, "")
					first.want(t, "first page of "+path, http.StatusOK, "")
					second := h.call("GET", path+"&cursor="+first.field(t, "next"), admin, "")
					second.want(t, "second page", http.StatusOK, "")
					if first.field(t, "items.0.type") != "PROBLEM" || second.field(t, "items.0.id") == first.field(t, "items.0.id") {
						t.Errorf("%s: %s then %s", path, first.body, second.body)
					}
				}
				if got := h.call("GET", "/api/v1/alerts/none/events", admin, ""); got.status != http.StatusNotFound {
					t.Errorf("of none: %d", got.status)
				}
			})
			t.Run("the length of the sender's spool is kept", func(t *testing.T) {
				h.call("POST", "/api/v1/sources/lab/events", h.token, problem, "Tocsin-Spool", "3")
				if got := h.call("GET", "/api/v1/sources/lab", admin, ""); got.field(t, "spooled") != "3" {
					t.Errorf("source: %s", got.body)
				}
			})
			t.Run("a rotated token is in force at once, the old one is void", func(t *testing.T) {
				got := h.call("POST", "/api/v1/sources/lab/token", admin, "")
				if got.status != http.StatusOK {
					t.Fatalf("rotate: %d %s", got.status, got.body)
				}
				if a := h.call("POST", "/api/v1/sources/lab/events", h.token, problem); a.status != http.StatusUnauthorized {
					t.Errorf("old token: %d", a.status)
				}
				if a := h.call("POST", "/api/v1/sources/lab/events", got.field(t, "token"), problem); a.status != http.StatusOK {
					t.Errorf("new token: %d %s", a.status, a.body)
				}
			})
		})
	}
}
