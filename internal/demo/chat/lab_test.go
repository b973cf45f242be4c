package chat_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/demo/chat"
)

// integration is the other end of buttons, dialogs and commands.
type integration struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	answer string
	kind   string
	got    []got
	wait   chan struct{}
}

type got struct {
	path   string
	header http.Header
	body   []byte
}

func newIntegration(t *testing.T) *integration {
	i := &integration{status: http.StatusOK, answer: "{}", kind: "application/json"}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		i.mu.Lock()
		i.got = append(i.got, got{r.URL.Path, r.Header.Clone(), body})
		status, answer, kind, wait := i.status, i.answer, i.kind, i.wait
		i.mu.Unlock()
		if wait != nil {
			select {
			case <-wait:
			case <-r.Context().Done():
			}
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(i.Server.Close)
	return i
}

func (i *integration) answers(status int, body string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status, i.answer = status, body
}

func (i *integration) last(t *testing.T) got {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.got) == 0 {
		t.Fatal("the integration got nothing")
	}
	return i.got[len(i.got)-1]
}

func (i *integration) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.got)
}

// lab is the server with what the capture had.
type lab struct {
	*chat.Server
	t          *testing.T
	team       chat.Team
	room       chat.Channel
	jane, eve  chat.User
	bot        chat.User
	token      string
	hook       chat.Hook
	other      *integration
	httpClient *http.Client
}

func newLab(t *testing.T, o chat.Options) *lab {
	t.Helper()
	s := chat.New(o)
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	l := &lab{Server: s, t: t, other: newIntegration(t), httpClient: &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}}
	t.Cleanup(l.httpClient.CloseIdleConnections)
	l.team = s.AddTeam("ops", "Operations")
	l.room = s.AddChannel(l.team.ID, "alerts", "Alerts", true)
	l.jane, l.eve = s.AddUser("jane", "Jane Doe"), s.AddUser("eve", "Eve")
	l.bot, l.token = s.AddBot("alertbot", "Alert bot")
	s.Join(l.room.ID, l.jane.ID, l.bot.ID)
	l.hook = s.AddHook(l.room.ID, l.jane.ID, "hub")
	return l
}

// do is a request with a token; the body is JSON, or nothing.
func (l *lab) do(token, method, path string, body any) (status int, out map[string]any) {
	l.t.Helper()
	var r io.Reader
	if text, ok := body.(string); ok {
		r = strings.NewReader(text)
	} else if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			l.t.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	q, err := http.NewRequestWithContext(l.t.Context(), method, l.URL()+path, r)
	if err != nil {
		l.t.Fatal(err)
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := l.httpClient.Do(q)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	if json.Unmarshal(raw, &out) != nil {
		out = map[string]any{"text": string(raw)}
	}
	return resp.StatusCode, out
}

type object = map[string]any

// attachments are those of the capture's post.
func (l *lab) attachments() []any {
	at := func(path string) object {
		return object{"url": l.other.URL + path, "context": object{"action": "ack", "alert_id": "a1", "sig": "deadbeef"}}
	}
	return []any{object{
		"fallback": "CRITICAL web01/HTTP Check", "color": "#d00000", "title": "web01 / HTTP Check is CRITICAL",
		"title_link": "http://127.0.0.1:28080/ui", "text": "connection refused",
		"fields": []any{object{"title": "Host", "value": "web01", "short": true}, object{"title": "Service", "value": "HTTP Check", "short": "true"}},
		"actions": []any{
			object{"id": "ack", "type": "button", "name": "Acknowledge", "style": "primary", "integration": at("/mm/ack")},
			object{"id": "snooze", "type": "select", "name": "Snooze", "options": []any{object{"text": "1 h", "value": "3600"}, object{"text": "4 h", "value": "14400"}},
				"integration": object{"url": l.other.URL + "/mm/snooze", "context": object{"alert_id": "a1"}}},
			object{"type": "button", "name": "No id", "integration": object{"url": l.other.URL + "/mm/noid", "context": object{"n": 1}}},
			object{"id": "ack_me-2", "name": "bad id", "integration": at("/mm/bad")},
		},
	}}
}

func (l *lab) post() string {
	l.t.Helper()
	status, p := l.do(l.token, http.MethodPost, "/api/v4/posts", object{"channel_id": l.room.ID, "message": "**PROBLEM** web01", "props": object{"attachments": l.attachments()}})
	if status != http.StatusCreated {
		l.t.Fatalf("create: %d %v", status, p)
	}
	return p["id"].(string)
}
