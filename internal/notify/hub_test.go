package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tocsin/internal/notify"
)

// sent is an event as it comes over the wire.
type sent struct {
	ID             string            `json:"id"`
	Type           string            `json:"type"`
	Host           string            `json:"host"`
	Service        string            `json:"service"`
	HostDisplay    string            `json:"host_display"`
	ServiceDisplay string            `json:"service_display"`
	State          any               `json:"state"`
	Output         string            `json:"output"`
	LongOutput     string            `json:"long_output"`
	Author         string            `json:"author"`
	Comment        string            `json:"comment"`
	Contact        string            `json:"contact"`
	Contacts       []string          `json:"contacts"`
	UserID         string            `json:"user_id"`
	Time           any               `json:"time"`
	URL            string            `json:"url"`
	Labels         map[string]string `json:"labels"`
	NoEmoji        bool              `json:"no_emoji"`
}

// hub answers as the real one does: it takes one id once. trouble may answer
// instead of it, before or after the events were taken.
type hub struct {
	t       *testing.T
	URL     string
	mu      sync.Mutex
	events  []sent
	seen    map[string]bool
	calls   int
	twice   int
	waiting []string
	paths   []string
	tokens  []string
	// trouble answers a call itself and says so; take keeps its events.
	trouble func(w http.ResponseWriter, r *http.Request, take func()) bool
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{t: t, seen: make(map[string]bool)}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	h.URL = s.URL
	return h
}

// count is how many calls there were.
func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client was killed
	}
	var in struct{ Events []sent }
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		h.t.Errorf("the hub got %.200q: %v", body, err)
		return
	}
	h.mu.Lock()
	h.calls++
	h.waiting = append(h.waiting, r.Header.Get("Tocsin-Spool"))
	h.paths = append(h.paths, r.URL.Path)
	h.tokens = append(h.tokens, r.Header.Get("Authorization"))
	trouble := h.trouble
	h.mu.Unlock()
	if trouble != nil && trouble(w, r, func() { h.take(in.Events) }) {
		return
	}
	bad := -1
	for i, e := range in.Events {
		if e.Host == "refuse-me" {
			bad = i
		}
	}
	if bad >= 0 {
		problem(w, http.StatusUnprocessableEntity, fmt.Sprintf(`{"title":"Unprocessable Entity","status":422,"detail":"one event is wrong","errors":[{"location":"body.events[%d].host","message":"is refused here"}]}`, bad))
		return
	}
	receipts := h.take(in.Events)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"receipts": receipts})
}

func (h *hub) take(events []sent) []map[string]any {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []map[string]any
	for _, e := range events {
		if h.seen[e.ID] {
			h.twice++
		} else {
			h.seen[e.ID] = true
			h.events = append(h.events, e)
		}
		out = append(out, map[string]any{"event_id": "e-" + e.ID, "outcome": "opened"})
	}
	return out
}

func (h *hub) set(f func(w http.ResponseWriter, r *http.Request, take func()) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trouble = f
}

func (h *hub) outputs() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, e := range h.events {
		out = append(out, e.Output)
	}
	return out
}

func problem(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter) {
	if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
		_ = c.Close()
	}
}

// caller runs the command with its own spool.
type caller struct {
	env map[string]string
}

func newCaller(t *testing.T, url string) *caller {
	t.Helper()
	empty := filepath.Join(t.TempDir(), "notify.env")
	write(t, empty, "# nothing\n")
	return &caller{env: map[string]string{"TOCSIN_URL": url, "TOCSIN_TOKEN": "ts_secret", "TOCSIN_NOTIFY_CONFIG": empty,
		"TOCSIN_SPOOL": filepath.Join(t.TempDir(), "spool")}}
}

type ended struct {
	code     int
	out, err string
}

func (c *caller) run(args ...string) ended {
	var out, errs strings.Builder
	code := notify.Run(context.Background(), args, strings.NewReader("ts_from_stdin\n"), &out, &errs, func(k string) string { return c.env[k] })
	return ended{code, out.String(), errs.String()}
}

// tell sends an event whose output is text.
func (c *caller) tell(text string, more ...string) ended {
	return c.run(append([]string{"--type=Host", "--notificationtype=PROBLEM", "--hostname=web01", "--state=1", "--output=" + text}, more...)...)
}

func (c *caller) files(t *testing.T, under string) []string {
	t.Helper()
	got, err := filepath.Glob(filepath.Join(c.env["TOCSIN_SPOOL"], "*", under, "[0-9]*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// startSink takes any events and hands on the body of each call.
func startSink(t *testing.T, got func(body []byte)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got(body)
		var in struct{ Events []json.RawMessage }
		_ = json.Unmarshal(body, &in)
		_ = json.NewEncoder(w).Encode(map[string]any{"receipts": make([]struct{}, len(in.Events))})
	}))
	t.Cleanup(s.Close)
	return s.URL
}
