package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBounce(t *testing.T) {
	notification, err := os.ReadFile("../../internal/mail/testdata/bounces/postfix.eml")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	status, answer := http.StatusOK, `{"noted":true,"detail":"The delivery came back"}`
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = nil
		if r.URL.Path != "/api/v1/email/bounces" || r.Header.Get("Authorization") != "Bearer tk_key" {
			t.Errorf("asked for %s with %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	defer hub.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("tk_key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(in string, args ...string) (code int, out, wrong string) {
		var o, e bytes.Buffer
		code = execute(t.Context(), append([]string{"bounce"}, args...), strings.NewReader(in), &o, &e)
		return code, o.String(), e.String()
	}
	usual := []string{"--url", hub.URL + "/", "--key-file", key}

	t.Run("a letter that came back is said to the hub", func(t *testing.T) {
		code, out, wrong := run(string(notification), usual...)
		if code != 0 || out != "The delivery came back\n" || wrong != "" {
			t.Errorf("%d %q %q", code, out, wrong)
		}
		if got["message_id"] != "0199e1f0-7a3b-7c00-8000-000000000001@tocsin.example.org" || got["recipients"].([]any)[0].(map[string]any)["action"] != "failed" {
			t.Errorf("said %v", got)
		}
	})
	t.Run("another letter is given back to the mail server", func(t *testing.T) {
		if code, _, wrong := run("Subject: hello\n\nI am away.\n", usual...); code != 65 || !strings.Contains(wrong, "no delivery status notification") || got["message_id"] == nil {
			t.Errorf("%d %q", code, wrong)
		}
	})
	t.Run("what may pass is tried again by the mail server", func(t *testing.T) {
		status, answer = http.StatusUnauthorized, `{"detail":"This key is none that is known."}`
		if code, _, wrong := run(string(notification), usual...); code != 75 || !strings.Contains(wrong, "none that is known") {
			t.Errorf("a refused key: %d %q", code, wrong)
		}
		status, answer = http.StatusOK, `<html>hello</html>`
		if code, _, wrong := run(string(notification), usual...); code != 75 || !strings.Contains(wrong, "is that its address?") {
			t.Errorf("another server: %d %q", code, wrong)
		}
		for name, args := range map[string][]string{
			"nobody answers": {"--url", "http://127.0.0.1:1", "--key-file", key}, "no address": {"--url", "", "--key-file", key},
			"no key": {"--url", hub.URL, "--key-file", ""}, "no such file": {"--url", hub.URL, "--key-file", key + "s"},
		} {
			code, _, wrong := run(string(notification), args...)
			if code != 75 || wrong == "" || strings.Contains(wrong, "tk_key") {
				t.Errorf("%s: %d %q", name, code, wrong)
			}
		}
	})
	t.Run("a word too much is an error of usage", func(t *testing.T) {
		if code, _, _ := run("", "now"); code != 2 {
			t.Errorf("%d", code)
		}
	})
}
