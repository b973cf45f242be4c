package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	flags := []string{"--type=Host", "--notificationtype=PROBLEM", "--hostname=web01", "--state=1", "--output=gone"}
	for name, c := range map[string]struct {
		args []string
		code int
		said string
		sent bool
	}{
		"by its own name":         {flags, 0, "", true},
		"under the name tocsin":   {append([]string{"notify"}, flags...), 0, "", true},
		"another command":         {[]string{"serve"}, 2, "the others are in the program tocsin", false},
		"a flag that there isn't": {[]string{"notify", "--colour=red"}, 2, "colour", false},
		"nothing":                 {nil, 2, "the host is missing", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := make(chan string, 1)
			hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				sent <- string(body)
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"receipts":[{"event_id":"01900000-0000-7000-8000-000000000000","duplicate":false,"outcome":"opened","deliveries":1}]}`)
			}))
			defer hub.Close()
			env := map[string]string{"TOCSIN_URL": hub.URL, "TOCSIN_TOKEN": "ts_x", "TOCSIN_SPOOL": t.TempDir()}
			var out, said bytes.Buffer
			code := run(c.args, strings.NewReader(""), &out, &said, func(key string) string { return env[key] })
			if code != c.code || !strings.Contains(said.String(), c.said) || (c.said == "" && said.Len() > 0) {
				t.Errorf("exit %d: %s", code, said.String())
			}
			select {
			case body := <-sent:
				if !c.sent || !strings.Contains(body, "web01") {
					t.Errorf("sent %s", body)
				}
			default:
				if c.sent {
					t.Error("nothing came")
				}
			}
		})
	}
}
