package webhook_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/channeltest"
	"tocsin/internal/channel/webhook"
	"tocsin/internal/hook"
)

// shelf keeps webhooks, and what is noted of them.
type shelf struct {
	mu    sync.Mutex
	hooks []hook.Hook
	notes []string // "id: problem"
	err   error
}

func (s *shelf) Hooks(context.Context) ([]hook.Hook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hooks), s.err
}

func (s *shelf) NoteHook(_ context.Context, id, problem string, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, id+": "+problem)
	return nil
}

func (s *shelf) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notes)
}

// receiver is a real HTTP server and what reached it.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	ids     []string
	headers []http.Header
	bodies  [][]byte
	answer  http.HandlerFunc // nil: 200
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.ids, r.headers, r.bodies = append(r.ids, q.Header.Get("Webhook-Id")), append(r.headers, q.Header), append(r.bodies, body)
		answer := r.answer
		r.mu.Unlock()
		if answer != nil {
			answer(w, q)
		}
	}))
	t.Cleanup(func() { r.CloseClientConnections(); r.Close() })
	return r
}

func (r *receiver) says(answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids)
}

func (r *receiver) host() string {
	u, _ := url.Parse(r.URL)
	return u.Host
}

// clock is one that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type rig struct {
	*webhook.Channel
	shelf *shelf
	clock *clock
}

func newRig(t *testing.T, o webhook.ChannelOptions, hooks ...hook.Hook) *rig {
	t.Helper()
	r := &rig{shelf: &shelf{hooks: hooks}, clock: &clock{at: time.Now()}}
	o.Store, o.Now, o.BaseURL = r.shelf, r.clock.now, "https://tocsin.example.org"
	if o.Poster.Timeout == 0 {
		o.Poster.Timeout = 5 * time.Second
	}
	r.Channel = webhook.NewChannel(o)
	t.Cleanup(r.Close)
	return r
}

// to is a webhook in the form JSON.
func to(id, address string) hook.Hook {
	return hook.Hook{ID: id, Name: "Hook " + id, Form: hook.JSON, URL: address, Private: true}
}

// about is a message for a webhook about an alert.
func about(id, hookID, alertID string) channel.Message {
	m := channeltest.Message(id)
	a := *m.Alert
	a.ID = alertID
	m.Alert, m.Destination, m.DestinationName = &a, hookID, "Hook "+hookID
	return m
}

func digest(id, hookID string, over bool) channel.Message {
	m := about(id, hookID, "a")
	m.Notice, m.Alert, m.Quiet = alert.NoticeDigest, nil, over
	m.Digest = &channel.Digest{Storm: "st1", Title: "Storm: source Nagios", Total: 3, Open: 3, Over: over}
	return m
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func TestChannel(t *testing.T) {
	channeltest.Run(t, func(t *testing.T) channeltest.Subject {
		server := newReceiver(t, nil)
		h := to("s1", server.URL)
		r := newRig(t, webhook.ChannelOptions{}, h)
		return channeltest.Subject{
			Channel: r, Break: func(err error) {
				r.clock.move(time.Hour)
				if err == nil {
					server.says(nil)
					return
				}
				server.mu.Lock()
				server.ids = nil
				server.mu.Unlock()
				server.says(func(w http.ResponseWriter, _ *http.Request) {
					server.mu.Lock()
					server.ids = server.ids[:len(server.ids)-1] // it did not take it
					server.mu.Unlock()
					w.WriteHeader(http.StatusServiceUnavailable)
				})
			}, Arrived: server.got,
		}
	})
}

func decode(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return v
}

func isIn(t *testing.T, s string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(s, p) {
			t.Errorf("%q lacks %q", s, p)
		}
	}
}
