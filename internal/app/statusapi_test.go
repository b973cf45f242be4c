package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
	"tocsin/test/database"
)

// want fails unless an answer has a status, and names a field where one is given.
func (a answer) want(t *testing.T, what string, status int, location string) {
	t.Helper()
	if a.status != status || location != "" && a.field(t, "errors.0.location") != location {
		t.Fatalf("%s: %d %s, want %d %s", what, a.status, a.body, status, location)
	}
	if status >= 400 && (a.header.Get("Content-Type") != "application/problem+json" || a.field(t, "detail") == "") {
		t.Fatalf("%s: %s is no problem document", what, a.body)
	}
}

func TestNobodySubscribesToWhatHeMayNotSee(t *testing.T) {
	h := startPushHub(t)
	h.user("vera", auth.Viewer)
	key := h.key(auth.ReadConfig, auth.WriteConfig, auth.Publish)
	h.publicPage("main", "Web")
	inner, parts := h.publicPage("inner", "Payroll")
	put := h.call("PUT", "/api/v1/status/pages/inner", key, `{"slug":"inner","name":"Inner","zone":"UTC","private":{"signed_in":true}}`)
	put.want(t, "private", http.StatusOK, "")
	subscribe := func(who any, further ...any) answer {
		t.Helper()
		_, s := h.browserOf()
		return h.call("PUT", "/api/v1/push/subscription", who, h.subscribing(s, further...))
	}
	// The site follows a moment later.
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(30 * time.Second); h.call("GET", "/s/inner", nil, "").status == http.StatusOK; <-look.C {
		if time.Now().After(deadline) {
			t.Fatal("the page is still public")
		}
	}
	hidden := subscribe(nil, "page", inner)
	hidden.want(t, "a private page", http.StatusNotFound, "body.page")
	nowhere := subscribe(nil, "page", "nowhere")
	if nowhere.status != hidden.status || nowhere.said() != hidden.said() {
		t.Errorf("a page that there is not is told apart: %s, %s", nowhere.body, hidden.body)
	}
	subscribe(h.key(auth.Administer), "page", inner).want(t, "a key", http.StatusNotFound, "body.page")
	subscribe(h.cookie("vera"), "page", inner).want(t, "somebody signed in", http.StatusOK, "")
	subscribe(nil, "components", parts).want(t, "a component of another page", http.StatusUnprocessableEntity, "body.components[0]")
	subscribe(nil, "incident", "0190-made-up").want(t, "an incident that there is not", http.StatusUnprocessableEntity, "body.incident")
	made := h.call("POST", "/api/v1/status/incidents", key, `{"page":"main","title":"A draft","body":"b","draft":true}`)
	subscribe(nil, "incident", made.field(t, "id")).want(t, "a draft", http.StatusUnprocessableEntity, "body.incident")
	for _, n := range []string{"0", "1"} {
		got := h.call("GET", "/api/v1/status/pages/"+[]string{"main", "inner"}[n[0]-'0']+"/subscribers", key, "")
		if count := got.field(t, "channels.webpush"); n == "1" && count != "1" || n == "0" && count != "" {
			t.Errorf("subscribers %s", got.body)
		}
	}
}

func TestAnIncidentFromTheAPIIsSeenAndTold(t *testing.T) {
	for name, settings := range map[string]func() []string{
		"sqlite":   func() []string { return nil },
		"postgres": func() []string { return []string{"TOCSIN_DATABASE_URL=" + database.Postgres(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			h := startPushHub(t, settings()...)
			_, parts := h.publicPage("main", "Shop", "Mail")
			device, s := h.browserOf()
			h.call("PUT", "/api/v1/push/subscription", nil, h.subscribing(s, "components", parts[:1])).want(t, "subscribe", http.StatusOK, "")
			key := h.key(auth.ReadConfig, auth.Publish)
			reach := h.call("GET", "/api/v1/status/pages/main/reach?kind=incident_new&components="+parts[0], key, "")
			if reach.field(t, "channels.webpush") != "1" || reach.field(t, "on") != "true" {
				t.Errorf("reach %s", reach.body)
			}
			reach = h.call("GET", "/api/v1/status/pages/main/reach?kind=incident_new&components="+parts[1], key, "")
			if reach.field(t, "channels.webpush") != "0" {
				t.Errorf("reach of another component %s", reach.body)
			}
			const path = "/api/v1/status/incidents"
			body := `{"title":"Checkout is slow","impact":"major","body":"We are **looking**.","changes":[{"component_id":"` + parts[0] + `","to":"partial_outage"}]}`
			made := h.call("POST", path, key, body, "Idempotency-Key", "ticket-4711")
			made.want(t, "open", http.StatusCreated, "")
			id := made.field(t, "id")
			if made.field(t, "publications.0") == "" || made.field(t, "components.0") != parts[0] || made.field(t, "updates.0.changes.0.from") != "operational" {
				t.Errorf("made %s", made.body)
			}
			again := h.call("POST", path, key, body, "Idempotency-Key", "ticket-4711")
			again.want(t, "again", http.StatusOK, "")
			if again.field(t, "id") != id || again.field(t, "repeated") != "true" || again.field(t, "publications.0") != "" {
				t.Errorf("again %s", again.body)
			}
			if n := wait(t, device, 1); !strings.Contains(n["title"].(string), "Checkout is slow") {
				t.Errorf("notification %v", n)
			}
			if got := h.call("GET", "/api/v1/publications/"+made.field(t, "publications.0"), key, ""); got.status != http.StatusOK {
				t.Errorf("progress %d %s", got.status, got.body)
			}
			h.shows("main", "Checkout is slow", "<strong>looking</strong>")
			if got := h.call("GET", "/incidents/"+id, nil, ""); got.status != http.StatusOK || !strings.HasSuffix(made.field(t, "url"), "/incidents/"+id) {
				t.Errorf("its page %d, %s", got.status, made.field(t, "url"))
			}
			h.call("POST", path+"/"+id+"/updates", key, `{"phase":"resolved","body":"It is well.","restore":true}`).want(t, "resolve", http.StatusCreated, "")
			if got := h.call("GET", "/api/v1/status/components/"+parts[0], key, ""); got.field(t, "state") != "operational" {
				t.Errorf("component %s", got.body)
			}
			trail := h.call("GET", "/api/v1/status/audit?page=main&limit=2", key, "")
			if trail.field(t, "items.0.what") != "incident.update" || trail.field(t, "items.0.before.phase") != "investigating" || trail.field(t, "next") == "" {
				t.Errorf("audit %s", trail.body)
			}
			export := h.call("GET", "/api/v1/status/export?page=main", key, "")
			if export.status != http.StatusOK || !json.Valid([]byte(export.body)) || !strings.Contains(export.body, "Checkout is slow") {
				t.Errorf("export %d %.300s", export.status, export.body)
			}
		})
	}
}
