package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/config"
)

// journal is a log that can be read while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// echo is a server that refuses everything, and is so unkind as to repeat what it
// was asked for.
func echo(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, password, _ := r.BasicAuth()
		said := fmt.Sprintf("refused %s for %s %s", r.URL, r.Header.Get("Authorization"), password)
		fmt.Fprintf(w, `{"id":"api.refused","message":%[1]q,"status_code":401,"error":401,"status":%[1]q}`, said)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// await looks until ok, for at most half a minute.
func (h *hub) await(what string, ok func() bool) {
	h.Helper()
	look, end := time.NewTicker(20*time.Millisecond), time.NewTimer(30*time.Second)
	defer look.Stop()
	defer end.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-end.C:
			h.Fatalf("%s: not within half a minute", what)
		}
	}
}

// Secrets are saved wherever there is a place for one, and used where that fails.
// Then everything that can be asked for is asked for, and the log is read.
func TestSecretsAreNeverShownAgain(t *testing.T) {
	var log journal
	cfg, err := config.Load(config.Sources{File: os.DevNull, Flags: map[string]string{
		"TOCSIN_LISTEN": "127.0.0.1:0", "TOCSIN_DATA": t.TempDir(), "TOCSIN_PUSH_PROXY": "http://someone:secret-of-the-proxy@127.0.0.1:1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), cfg, app.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	h := &hub{T: t, app: a, url: a.URL()}
	h.user("root", auth.Admin)
	root, away := h.cookie("root"), echo(t)
	secrets := []string{"secret-of-the-proxy", password}
	do := func(method, path, body string, want int) answer {
		t.Helper()
		got := h.call(method, "/api/v1"+path, root, body)
		if got.status != want {
			t.Fatalf("%s %s: %d %s", method, path, got.status, got.body)
		}
		return got
	}
	keep := func(secret string) string {
		secrets = append(secrets, secret, auth.Hash(secret))
		return secret
	}
	probes := ""                 // what was answered when rooms and engines were tried
	shown := map[string]string{} // answers that show a secret this once
	icinga := do("POST", "/sources", `{"name":"icinga","kind":"icinga2","write_back":{"kind":"icinga2","url":"`+away+`","user":"tocsin","confirm_seconds":1},"write_back_secret":"`+keep("secret-of-icinga")+`"}`, http.StatusCreated)
	grafana := do("POST", "/sources", `{"name":"grafana","kind":"grafana","secret":"`+keep("secret-of-grafana")+`"}`, http.StatusCreated)
	for _, made := range []answer{icinga, grafana} {
		if strings.Contains(made.body, "secret-of") {
			t.Errorf("a secret is repeated where it is made: %s", made.body)
		}
		shown[made.field(t, "id")] = keep(made.field(t, "token"))
	}
	do("POST", "/sources", `{"name":"am","kind":"alertmanager","write_back":{"kind":"alertmanager","url":"`+away+`","silence":true},"write_back_secret":"`+keep("secret-of-alertmanager")+`"}`, http.StatusCreated)
	do("POST", "/sources", `{"name":"oitc","kind":"openitcockpit","write_back":{"kind":"openitcockpit","url":"`+away+`"},"write_back_secret":"`+keep("secret-of-openitcockpit")+`"}`, http.StatusCreated)
	secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte("tocsin:secret-of-icinga")))
	do("PUT", "/mattermost", `{"enabled":true,"two_way":true,"server_url":"`+away+`","bot_token":"`+keep("secretofthebotsecretofthebo")+`","command_tokens":["`+keep("secretofthecommand")+`"]}`, http.StatusOK)
	keep(do("POST", "/mattermost/key", "", http.StatusCreated).field(t, "key"))
	do("POST", "/mattermost/rooms", `{"name":"Hook","kind":"webhook","everything":true,"webhook_url":"`+away+`/hooks/`+keep("secretofthehook")+`"}`, http.StatusCreated)
	do("POST", "/mattermost/rooms", `{"name":"Bot","kind":"bot","everything":true,"team":"company","channel":"ops"}`, http.StatusCreated)
	posted := do("POST", "/webhooks", `{"name":"Out","form":"json","everything":true,"private":true,"url":"`+away+`/`+keep("secretoftheaddress")+`","secret":"`+keep("secret-of-the-signature")+`","token":"`+keep("secret-of-the-receiver")+`"}`, http.StatusCreated)
	owner := do("POST", "/contacts", `{"name":"anna"}`, http.StatusCreated)
	calendar := strings.TrimPrefix(do("POST", "/contacts/"+owner.field(t, "id")+"/calendar", "", http.StatusCreated).field(t, "url"), h.url)
	keep(strings.TrimSuffix(strings.TrimPrefix(calendar, "/oncall/"), ".ics"))

	// What is used is refused, and the refusals are kept for people to read.
	rooms := do("GET", "/mattermost/rooms", "", http.StatusOK)
	for _, i := range []string{"0", "1"} {
		if got := do("POST", "/mattermost/rooms/"+rooms.field(t, "items."+i+".id")+"/test", "", http.StatusOK); got.field(t, "ok") != "false" || got.field(t, "detail") == "" {
			t.Errorf("a room that refuses is tested: %s", got.body)
		} else {
			probes += got.body
		}
	}
	if got := do("POST", "/webhooks/"+posted.field(t, "id")+"/test", "", http.StatusOK); got.field(t, "ok") != "false" || got.field(t, "detail") == "" {
		t.Errorf("a webhook that refuses is tested: %s", got.body)
	} else {
		probes += got.body + posted.body
	}
	probes += h.call("GET", calendar, nil, "").body + h.call("GET", strings.TrimSuffix(calendar, ".ics"), nil, "").body + h.call("POST", calendar, nil, "{}").body
	for _, name := range []string{"icinga", "am", "oitc"} {
		got := do("POST", "/sources/"+name+"/probe", "", http.StatusOK)
		if got.field(t, "ok") != "false" || got.field(t, "detail") == "" {
			t.Errorf("an engine that refuses is tried: %s", got.body)
		}
		probes += got.body
	}
	told := h.call("POST", "/api/v1/sources/icinga/events", shown[icinga.field(t, "id")], problem)
	if told.status != http.StatusOK {
		t.Fatalf("event: %d %s", told.status, told.body)
	}
	id := told.field(t, "receipts.0.alert_id")
	do("POST", "/alerts/"+id+"/acknowledge", `{"comment":"mine"}`, http.StatusOK)
	h.await("both rooms, the webhook and the engine were tried", func() bool {
		tried := map[string]bool{}
		var list struct {
			Deliveries []struct {
				Channel, Destination string
				Attempts             []struct{ Detail string }
			}
		}
		if err := json.Unmarshal([]byte(h.call("GET", "/api/v1/alerts/"+id, root, "").body), &list); err != nil {
			t.Fatal(err)
		}
		for _, d := range list.Deliveries {
			if len(d.Attempts) > 0 {
				tried[d.Channel+d.Destination] = true
			}
		}
		return len(tried) == 4
	})
	for _, body := range []string{`{"token":"secretofthecommand"}`, "token=secretofthecommand&text=list&user_id=u1&user_name=u"} {
		h.call("POST", "/callback/mattermost/command", nil, body, "Authorization", "Token secretofthecommand")
	}
	h.call("POST", "/api/v1/sources/grafana/events", shown[grafana.field(t, "id")], `{"alerts":[]}`)

	look := func(what, text string) {
		t.Helper()
		for _, s := range secrets {
			if strings.Contains(text, s) || strings.Contains(html.UnescapeString(text), s) {
				at := strings.Index(text, s)
				t.Errorf("%s tells %q: …%.200s…", what, s, text[max(0, at-100):])
			}
		}
	}
	look("a try", probes)
	t.Run("not by the API", func(t *testing.T) {
		var doc struct {
			Paths map[string]map[string]any `json:"paths"`
		}
		if err := json.Unmarshal([]byte(h.call("GET", "/api/v1/openapi.json", nil, "").body), &doc); err != nil {
			t.Fatal(err)
		}
		n := 0
		for path, methods := range doc.Paths {
			if methods["get"] == nil || path == "/live" {
				continue
			}
			paths := []string{path}
			if list, one := strings.CutSuffix(path, "/{id}"); one {
				paths = nil
				for _, found := range regexp.MustCompile(`"id":"([^"]+)"`).FindAllStringSubmatch(h.call("GET", "/api/v1"+list, root, "").body, -1) {
					paths = append(paths, list+"/"+found[1])
				}
			}
			for _, p := range paths {
				n++
				look("GET "+p, h.call("GET", "/api/v1"+p, root, "").body)
			}
		}
		if n < 25 {
			t.Errorf("only %d answers were looked at", n)
		}
	})
	t.Run("nor by a page", func(t *testing.T) {
		seen := map[string]bool{}
		todo := []string{"/console/alerts", "/console/mattermost", "/console/sources", "/console/health", "/console/settings", "/console/keys", "/console/deliveries", "/console/webhooks", "/console/contacts"}
		for len(todo) > 0 && len(seen) < 200 {
			path := todo[0]
			todo = todo[1:]
			if seen[path] {
				continue
			}
			seen[path] = true
			got := h.call("GET", path, root, "")
			look(path, got.body)
			for _, l := range regexp.MustCompile(`href="(/console/[^"#]*)"`).FindAllStringSubmatch(got.body, -1) {
				todo = append(todo, html.UnescapeString(l[1]))
			}
		}
		if len(seen) < 20 {
			t.Errorf("only %d pages were looked at", len(seen))
		}
	})
	t.Run("nor by what is open, nor the figures, nor the log", func(t *testing.T) {
		for _, path := range []string{"/readyz", "/healthz", "/metrics", "/api/v1/openapi.json"} {
			look(path, h.call("GET", path, nil, "").body)
		}
		if text := log.String(); text == "" {
			t.Error("nothing was logged")
		} else {
			look("the log", text)
		}
	})
}
