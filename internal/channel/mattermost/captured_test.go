package mattermost_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"tocsin/internal/channel/mattermost"
	"tocsin/internal/chat"
)

// captured are requests that Mattermost 5.37 made.
type captured struct {
	URI     string            `json:"uri"`
	Headers map[string]string `json:"headers"`
	JSON    json.RawMessage   `json:"json"`
	Body    string            `json:"body"`
}

var handlers = map[string]string{"/mm/ack": "action", "/mm/snooze": "action", "/mm/noid": "action", "/mm/dialog": "dialog", "/mm/slash": "command"}

func TestWhatMattermostReallySendsIsUnderstood(t *testing.T) {
	raw, err := os.ReadFile("testdata/captured-5.37-callbacks.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []captured
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.settings(func(s *chat.Settings) {
		s.Unlinked = true
		s.CommandHashes = append(s.CommandHashes, chat.Hash("upid58hjtbftjpgqnfa7t5sqbe"))
	})
	for _, c := range all {
		body := c.Body
		if len(c.JSON) > 0 {
			body = string(c.JSON)
		}
		req := httptest.NewRequest(http.MethodPost, "/callback/mattermost/"+handlers[c.URI], strings.NewReader(body))
		for k, v := range c.Headers {
			req.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		r.ch.Callback().ServeHTTP(w, req)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %s", c.URI, w.Code, w.Body)
		}
	}
	// Their secrets are not ours: clicks and dialogs are forgeries, commands are not.
	s := r.ch.Stats()
	if s.Actions["forged"]+s.Actions["malformed"] == 0 || s.Dialogs["forged"] != 3 || s.Commands["refused"] == 0 {
		t.Errorf("%+v", s)
	}
}

// What comes in is from anywhere.
func FuzzWhatComesIn(f *testing.F) {
	raw, err := os.ReadFile("testdata/captured-5.37-callbacks.json")
	if err != nil {
		f.Fatal(err)
	}
	var all []captured
	if err := json.Unmarshal(raw, &all); err != nil {
		f.Fatal(err)
	}
	for _, c := range all {
		f.Add([]byte(c.JSON))
	}
	f.Add([]byte(`{"type":"dialog_submission","submission":{"comment":1,"sticky":null,"expire":{}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if user, channel, post, secret, ok := mattermost.ReadClick(body); ok && (len(user)+len(channel)+len(post) > 192 || secret == "" || len(secret) > 200) {
			t.Errorf("%q %q %q %q", user, channel, post, secret)
		}
		comment, minutes, problem := mattermost.ReadSubmission(body)
		if problem == nil && (comment == "" || len([]rune(comment)) > 1000 || minutes < 0 || minutes > 10080 || !utf8.ValidString(comment)) {
			t.Errorf("%q %d", comment, minutes)
		}
	})
}

func FuzzDialogState(f *testing.F) {
	key := []byte("01234567890123456789012345678901")
	good := mattermost.Seal("a", "u", key)
	f.Add(good)
	f.Add("")
	f.Add(".")
	f.Add(good + "A")
	f.Add(strings.Repeat("A", 4000))
	f.Fuzz(func(t *testing.T, state string) {
		// base64 without padding has one text for each content, and the signature is
		// over the text: only what was sealed is opened.
		if _, ok := mattermost.Unseal(state, key); ok && state != good {
			t.Errorf("%q was opened", state)
		}
		if _, ok := mattermost.Unseal(state, []byte("another")); ok {
			t.Errorf("%q was opened with another key", state)
		}
	})
}

func TestADialogsStateComesBackAsItWas(t *testing.T) {
	key := []byte("01234567890123456789012345678901")
	if alertID, ok := mattermost.Unseal(mattermost.Seal("alert", "user", key), key); !ok || alertID != "alert" {
		t.Errorf("%q %v", alertID, ok)
	}
}
