package app_test

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/test/database"
)

// stream is an open tab's stream of events.
type stream struct {
	t      *testing.T
	body   *bufio.Scanner
	status int
}

// open opens a stream, which ends with the test.
func (h *hub) open(t *testing.T, who any) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/api/v1/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	switch w := who.(type) {
	case string:
		req.Header.Set("Authorization", "Bearer "+w)
	case *http.Cookie:
		req.AddCookie(w)
	}
	client := &http.Client{Transport: &http.Transport{}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		resp.Body.Close()
		client.CloseIdleConnections()
	})
	return &stream{t, bufio.NewScanner(resp.Body), resp.StatusCode}
}

// until reads to the first event of that kind and answers its data; false when
// the stream ended before.
func (s *stream) until(kind string) (string, bool) {
	s.t.Helper()
	hit := false
	for s.body.Scan() {
		line := s.body.Text()
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			hit = name == kind
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok && hit {
			return data, true
		}
	}
	return "", false
}

func TestStreamsEndWithASessionThatEndedAtAnotherNode(t *testing.T) {
	database := "TOCSIN_DATABASE_URL=" + database.Postgres(t)
	a := startHub(t, database)
	cfg, err := config.Load(config.Sources{Flags: map[string]string{
		"TOCSIN_LISTEN": "127.0.0.1:0", "TOCSIN_DATA": t.TempDir(), "TOCSIN_DATABASE_URL": strings.TrimPrefix(database, "TOCSIN_DATABASE_URL="),
	}, File: os.DevNull})
	if err != nil {
		t.Fatal(err)
	}
	other, err := app.Start(t.Context(), cfg, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		if err := other.Stop(); err != nil {
			t.Error(err)
		}
	}()
	b := &hub{T: t, app: other, url: other.URL()}
	a.user("anna", auth.Operator)
	goes, stays := a.cookie("anna"), a.cookie("anna")
	first, second := b.open(t, goes), b.open(t, stays)
	if _, ok := first.until("hello"); !ok {
		t.Fatal("no stream")
	}
	a.call("POST", "/console/sign-out", goes, "", "Content-Type", "application/x-www-form-urlencoded")
	if _, ok := first.until("signed-out"); !ok {
		t.Error("the stream ended without a word")
	}
	second.until("hello")
	b.call("POST", "/api/v1/live/test", stays, "")
	if _, ok := second.until("notification"); !ok {
		t.Error("the stream of another session ended as well")
	}
}

func TestLive(t *testing.T) {
	h := startHub(t)
	id := h.user("anna", auth.Operator)
	h.user("root", auth.Admin)
	ops := contact.NewContact("ops")
	ops.ID, ops.UserID = "contact-ops", id
	if err := h.app.Store().SaveContact(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	anna := h.cookie("anna")
	t.Run("streams are for people who are signed in", func(t *testing.T) {
		if s := h.open(t, nil); s.status != http.StatusUnauthorized {
			t.Errorf("nobody: %d", s.status)
		}
		if s := h.open(t, h.key(auth.Administer)); s.status != http.StatusForbidden {
			t.Errorf("a key: %d", s.status)
		}
	})
	t.Run("a tab hears whether the hub is well", func(t *testing.T) {
		s := h.open(t, anna)
		if data, ok := s.until("health"); !ok || !strings.Contains(data, `"warnings":`) {
			t.Errorf("health %q", data)
		}
	})
	t.Run("a problem reaches the tab and its receipt ends the delivery", func(t *testing.T) {
		s := h.open(t, anna)
		if _, ok := s.until("hello"); !ok {
			t.Fatal("no hello")
		}
		alertID := h.tell(problem)
		data, ok := s.until("notification")
		if !ok || !strings.Contains(data, "PROBLEM: HTTP on web01 is Critical!") || !strings.Contains(data, `"url":"/console/alerts/`+alertID+`"`) {
			t.Fatalf("notification %q", data)
		}
		frame := answer{body: data}
		pending := h.call("GET", "/api/v1/live/pending", anna, "")
		if pending.field(t, "items.0.title") != frame.field(t, "title") || pending.field(t, "items.0.url") != frame.field(t, "url") {
			t.Errorf("pending: %s", pending.body)
		}
		got := h.call("POST", "/api/v1/live/receipts", anna, `{"receipts":[{"delivery_id":"`+frame.field(t, "delivery_id")+`","result":"shown","detail":"Firefox"}]}`)
		if got.field(t, "ended") != "1" {
			t.Errorf("receipt: %d %s", got.status, got.body)
		}
		if got := h.call("GET", "/api/v1/alerts/"+alertID, anna, ""); got.field(t, "deliveries.0.state") != "sent" {
			t.Errorf("alert: %s", got.body)
		}
		if got := h.call("GET", "/api/v1/live/pending", anna, ""); got.field(t, "items.0.title") != "" {
			t.Errorf("still pending: %s", got.body)
		}
	})
	t.Run("a test notification reaches its own tab", func(t *testing.T) {
		s := h.open(t, anna)
		s.until("hello")
		made := h.call("POST", "/api/v1/live/test", anna, "")
		data, _ := s.until("notification")
		if made.status != http.StatusAccepted || !strings.Contains(data, "test-"+made.field(t, "id")) || !strings.Contains(data, `"test":true`) {
			t.Errorf("asked %d %s, got %q", made.status, made.body, data)
		}
	})
	t.Run("signing out ends the session's streams", func(t *testing.T) {
		own := h.cookie("anna")
		s := h.open(t, own)
		s.until("hello")
		h.call("POST", "/console/sign-out", own, "", "Content-Type", "application/x-www-form-urlencoded")
		if _, ok := s.until("never"); ok {
			t.Error("the stream goes on")
		}
		if got := h.call("GET", "/api/v1/me", own, ""); got.status != http.StatusUnauthorized {
			t.Errorf("the session goes on: %d", got.status)
		}
	})
	t.Run("a disabled user's sessions and streams end", func(t *testing.T) {
		s := h.open(t, anna)
		s.until("hello")
		if got := h.call("PUT", "/api/v1/users/"+id, h.cookie("root"), `{"disabled":true}`); got.status != http.StatusOK {
			t.Fatalf("disable: %d %s", got.status, got.body)
		}
		if _, ok := s.until("never"); ok {
			t.Error("the stream goes on")
		}
		if got := h.call("GET", "/api/v1/me", anna, ""); got.status != http.StatusUnauthorized {
			t.Errorf("the session goes on: %d", got.status)
		}
	})
}
