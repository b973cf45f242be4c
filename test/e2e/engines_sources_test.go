package e2e_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/demo/chat"
	"tocsin/test/hub"
	"tocsin/test/team"
)

// TestWhatAlertmanagerSentIsTaken hands in the bodies that real ones sent, and
// looks that each alert is one, however often it was told.
func TestWhatAlertmanagerSentIsTaken(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{})
	w.serve()
	for _, version := range []string{"0.25", "0.34"} {
		name := "prom-" + strings.ReplaceAll(version, ".", "-")
		token := w.engineSource(map[string]any{"name": name, "kind": "alertmanager"})
		text, err := os.ReadFile("../../internal/source/testdata/alertmanager-" + version + ".json")
		w.must(err)
		var sent []struct {
			Body json.RawMessage `json:"body"`
		}
		w.must(json.Unmarshal(text, &sent))
		for _, s := range sent {
			w.must(w.hub.Call(w.ctx, http.MethodPost, "/sources/"+name+"/events", token, s.Body, nil))
		}
	}
	// web01's and web02's disks recovered; the processor, and the alert without an
	// instance, did not.
	var list struct{ Items []alert }
	w.must(w.hub.Get(w.ctx, "/alerts", &list))
	open := map[string]int{}
	for _, a := range list.Items {
		if a.Status != "resolved" {
			open[a.Object.Host+" "+a.Object.Service]++
		}
	}
	if len(open) != 2 || open[`web01:9100 CPUHigh{cluster="prod"}`] != 2 || open[`alertmanager Retry{cluster="x"}`] != 2 {
		t.Errorf("open: %v", open)
	}
}

// TestGrafanaSigns hands in requests with signatures.
func TestGrafanaSigns(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{})
	w.serve()
	const secret = "between us"
	token := w.engineSource(map[string]any{"name": "grafana", "kind": "grafana", "secret": secret})
	post := func(signature, stamp string) int {
		body := `{"version":"1","orgId":1,"alerts":[{"status":"firing","labels":{"alertname":"High load","instance":"web01"},"annotations":{},"startsAt":"` +
			time.Now().UTC().Format(time.RFC3339) + `","fingerprint":"57c6d9296de2ad39"}],"title":"x","state":"alerting"}`
		if signature == "" {
			m := hmac.New(sha256.New, []byte(secret))
			m.Write([]byte(stamp + ":" + body))
			signature = hex.EncodeToString(m.Sum(nil))
		}
		r, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.hub.URL+"/api/v1/sources/grafana/events", bytes.NewReader([]byte(body)))
		w.must(err)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Grafana-Alerting-Signature", signature)
		r.Header.Set("X-Grafana-Alerting-Timestamp", stamp)
		res, err := http.DefaultClient.Do(r)
		w.must(err)
		w.must(res.Body.Close())
		return res.StatusCode
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	for _, bad := range []int{post("00", now), post("", "1795219190"), post("zz", "")} {
		if bad < 400 || bad > 499 {
			t.Errorf("a request that is not signed well was answered %d", bad)
		}
	}
	var list struct{ Items []alert }
	w.must(w.hub.Get(w.ctx, "/alerts", &list))
	if len(list.Items) != 0 {
		t.Errorf("it was taken: %+v", list.Items)
	}
	if status := post("", now); status < 200 || status > 299 {
		t.Errorf("a signed one was answered %d", status)
	}
	w.engineAlertOf("web01", "High load")
}

// TestAnyJSONIsUnderstoodByAMapping gives a generic source a mapping.
func TestAnyJSONIsUnderstoodByAMapping(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{})
	w.serve()
	token := w.engineSource(map[string]any{"name": "checks", "kind": "generic", "mapping": map[string]any{"events": "/checks", "host": "/machine",
		"service": "/name", "state": "/status", "states": map[string]string{"red": "critical", "green": "ok"}, "output": "/message"}})
	send := func(status string) error {
		return w.hub.Call(w.ctx, http.MethodPost, "/sources/checks/events", token,
			map[string]any{"checks": []any{map[string]any{"machine": "web01", "name": "HTTP", "status": status, "message": "no answer"}}}, nil)
	}
	w.must(send("red"))
	a := w.engineAlertOf("web01", "HTTP")
	if a.State != "critical" || a.Output != "no answer" {
		t.Errorf("got %+v", a)
	}
	if err := send("purple"); err == nil || !strings.Contains(err.Error(), "events[0].state (/status)") {
		t.Errorf("a word without a meaning: %v", err)
	}
	w.must(send("green"))
	w.engineUntil(a.ID, "it is resolved", func(a engineAlert) bool { return a.Status == "resolved" })
}

// TestOpenITCOCKPITsUUIDsBecomeNames has an alert go out with what is known at
// once, and its names follow by the API: in the list, and in the post that stands.
func TestOpenITCOCKPITsUUIDsBecomeNames(t *testing.T) {
	t.Parallel()
	const hostID, serviceID = "c36b8048-93ce-4385-ac19-ab5c90574b77", "74f14950-a58f-4f18-b6c3-5cfa9dffef4e"
	var mu sync.Mutex
	var queued []string
	posted := make(chan struct{}) // nobody learns a name before
	oitc := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/byUuid/") {
			select {
			case <-posted:
			case <-r.Context().Done():
			}
		}
		mu.Lock()
		defer mu.Unlock()
		answer := map[string]string{
			"/hosts/byUuid/" + hostID + ".json":        `{"host":{"uuid":"` + hostID + `","name":"web01"}}`,
			"/services/byUuid/" + serviceID + ".json":  `{"service":{"uuid":"` + serviceID + `","name":null,"servicetemplate":{"name":"Ping"}}}`,
			"/services/browser/" + serviceID + ".json": `{"servicestatus":{"isInMonitoring":true,"problemHasBeenAcknowledged":` + strconv.FormatBool(len(queued) > 0) + `,"scheduledDowntimeDepth":0}}`,
			"/nagios_module/cmd/submit.json":           `{"message":"Command added successfully to queue"}`,
		}[r.URL.Path]
		if r.Header.Get("Authorization") != "X-OITC-API key" || answer == "" {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPost {
			queued = append(queued, r.FormValue("command")+" "+r.FormValue("author")+": "+r.FormValue("comment"))
		}
		_, _ = rw.Write([]byte(answer))
	}))
	t.Cleanup(oitc.Close)
	f := newOffice(t, team.Options{})
	w := f.world
	token := w.engineSource(map[string]any{"name": "cockpit", "kind": "openitcockpit", "write_back_secret": "key",
		"write_back": map[string]any{"kind": "openitcockpit", "url": oitc.URL}})
	w.must(w.hub.Call(w.ctx, http.MethodPost, "/sources/cockpit/events", token,
		map[string]any{"type": "PROBLEM", "host": strings.ToUpper(hostID), "service": serviceID, "state": 2, "output": "100% lost"}, nil))
	a := w.engineAlertOf(hostID, serviceID)
	post, err := f.Post(f.soon(), func(p chat.Post) bool { return p.RootID == "" && strings.Contains(p.Text(), hostID) })
	w.must(err)
	close(posted)
	w.eventually("names for the UUIDs", func() bool {
		var shown struct {
			Object struct{ Name string }
		}
		w.must(w.hub.Get(w.ctx, "/alerts/"+a.ID, &shown))
		return shown.Object.Name == "Ping on web01"
	})
	if p := f.reads(post.ID, "web01", "Ping"); strings.Contains(p.Text(), hostID) || strings.Contains(p.Text(), serviceID) {
		t.Errorf("the post still says %q", p.Text())
	}
	w.engineAck(a.ID, "on it")
	w.engineUntil(a.ID, "it is confirmed", func(a engineAlert) bool { return a.confirmation() == "confirmed" })
	mu.Lock()
	defer mu.Unlock()
	if len(queued) != 1 || !strings.HasPrefix(queued[0], "ACKNOWLEDGE_SVC_PROBLEM ") || !strings.HasSuffix(queued[0], ": on it") {
		t.Errorf("queued: %q", queued)
	}
}
