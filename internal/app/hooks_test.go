package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/channel/webhook"
	"tocsin/test/await"
)

// posted is a message as a webhook's receiver got it.
type posted struct {
	header http.Header
	raw    []byte
	body   map[string]any
}

// receiver is a program that is told of alerts.
func receiver(t *testing.T) (address string, got chan posted) {
	t.Helper()
	got = make(chan posted, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p := posted{header: r.Header}
		p.raw, _ = io.ReadAll(r.Body)
		_ = json.Unmarshal(p.raw, &p.body)
		got <- p
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

func next(t *testing.T, got chan posted) posted {
	t.Helper()
	select {
	case p := <-got:
		return p
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was posted")
		return posted{}
	}
}

func TestAWebhookIsToldOfAlerts(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	address, got := receiver(t)
	made := h.call("POST", "/api/v1/webhooks", admin, `{"name":"Ops","form":"json","everything":true,"private":true,"url":"`+address+`/T0PSECRET99","secret":"k3yk3yk3y","token":"t0k3n"}`)
	if made.status != http.StatusCreated || strings.Contains(made.body, "T0PSECRET99") || strings.Contains(made.body, "k3yk3yk3y") || strings.Contains(made.body, "t0k3n") {
		t.Fatalf("%d %s", made.status, made.body)
	}
	path := "/api/v1/webhooks/" + made.field(t, "id")

	tried := h.call("POST", path+"/test", admin, "")
	if p := next(t, got); tried.status != http.StatusOK || tried.field(t, "ok") != "true" || p.body["type"] != "test" {
		t.Fatalf("%d %s: %v", tried.status, tried.body, p.body)
	}

	event := func(typ, state, output string) {
		t.Helper()
		body := fmt.Sprintf(`{"events":[{"type":%q,"host":"web01","service":"HTTP","state":%q,"output":%q}]}`, typ, state, output)
		if a := h.call("POST", "/api/v1/sources/lab/events", h.token, body); a.status/100 != 2 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	event("PROBLEM", "critical", "connection refused")
	p := next(t, got)
	if p.body["type"] != "problem" || p.body["severity"] != "critical" || p.body["source"].(map[string]any)["name"] != "lab" || p.header.Get("Authorization") != "Bearer t0k3n" {
		t.Fatalf("%v: %v", p.header, p.body)
	}
	seconds, err := strconv.ParseInt(p.header.Get("Webhook-Timestamp"), 10, 64)
	if err != nil || p.header.Get("Webhook-Signature") != webhook.Sign([]byte("k3yk3yk3y"), p.body["id"].(string), time.Unix(seconds, 0), p.raw) {
		t.Errorf("signed %v", p.header)
	}
	alertID := p.body["alert"].(map[string]any)["id"].(string)
	if !strings.HasSuffix(p.body["url"].(string), "/console/alerts/"+alertID) || !strings.HasPrefix(p.body["url"].(string), h.url) {
		t.Errorf("leads to %v", p.body["url"])
	}
	log := ""
	err = await.Until(t.Context(), nil, func() bool { // what is on its way may still be overtaken
		log = h.call("GET", "/api/v1/deliveries?channel=webhook", admin, "").body
		return strings.Contains(log, "accepted by 127.0.0.1:")
	})
	if err != nil || strings.Contains(log, "T0PSECRET99") {
		t.Errorf("%v: %s", err, log)
	}
	if a := h.call("POST", "/api/v1/alerts/"+alertID+"/acknowledge", admin, `{"comment":"on it"}`); a.status/100 != 2 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if p := next(t, got); p.body["type"] != "acknowledgement" || p.body["action"] != "acknowledge" || p.body["key"] != alertID {
		t.Errorf("%v", p.body)
	}
	event("RECOVERY", "ok", "200 OK")
	if p := next(t, got); p.body["type"] != "recovery" || p.body["action"] != "resolve" {
		t.Errorf("%v", p.body)
	}
	if now := h.call("GET", path, admin, ""); now.field(t, "last_sent") == "" || now.field(t, "last_error") != "" {
		t.Errorf("%s", now.body)
	}
}

// A storm reaches a webhook as the first of it, and then all together.
func TestAStormReachesAWebhookTogether(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	s, err := h.app.Store().Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Storm.Burst, s.Storm.Refill, s.Storm.Place, s.Storm.Wait, s.Storm.AtMost, s.Storm.Again, s.Storm.CalmFor = 1, 3600, 1, 1, 1, 1, 10
	if err := s.Storm.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := h.app.Store().SaveSettings(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	address, got := receiver(t)
	if a := h.call("POST", "/api/v1/webhooks", admin, `{"name":"Ops","form":"json","everything":true,"private":true,"url":"`+address+`"}`); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var events []string
	for i := range 40 {
		events = append(events, fmt.Sprintf(`{"type":"PROBLEM","host":"web%02d","state":"down","output":"no answer"}`, i))
	}
	if a := h.call("POST", "/api/v1/sources/lab/events", h.token, `{"events":[`+strings.Join(events, ",")+`]}`); a.status/100 != 2 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if p := next(t, got); p.body["type"] != "problem" {
		t.Fatalf("first: %v", p.body)
	}
	p := next(t, got)
	d, _ := p.body["digest"].(map[string]any)
	if p.body["type"] != "digest" || d["new"] != 39.0 || d["open"] != 39.0 || len(d["worst"].([]any)) != 5 || p.body["severity"] != "critical" || d["about"] != "source lab" {
		t.Fatalf("then: %s", p.raw)
	}
	if p := next(t, got); p.body["type"] != "storm_over" || p.body["key"] != d["storm"] {
		t.Errorf("at last: %s", p.raw)
	}
}
