package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
)

func TestHowAnEngineIsTold(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	made := h.call("POST", "/api/v1/sources", admin, `{"name":"icinga","kind":"icinga2","write_back":{"kind":"icinga2","url":"https://127.0.0.1:1","user":"tocsin"},"write_back_secret":"geheim"}`)
	if made.status != http.StatusCreated || made.field(t, "write_back.kind") != "icinga2" || made.field(t, "has_write_back_secret") != "true" || made.field(t, "setup.0.text") == "" {
		t.Fatalf("made: %d %s", made.status, made.body)
	}
	path := "/api/v1/sources/" + made.field(t, "id")
	put := func(body string) answer {
		return h.call("PUT", path, admin, `{"name":"icinga","kind":"icinga2"`+body+`}`)
	}
	secret := func(t *testing.T) string {
		t.Helper()
		s, err := h.app.Store().SourceByID(t.Context(), made.field(t, "id"))
		if err != nil {
			t.Fatal(err)
		}
		return s.WriteBack.Secret
	}
	t.Run("what is left out stays", func(t *testing.T) {
		if got := put(`,"straight":true`); got.status != http.StatusOK || got.field(t, "write_back.user") != "tocsin" || secret(t) != "geheim" {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := put(`,"write_back":{"kind":"icinga2","url":"https://127.0.0.1:1","user":"other"}`); got.status != http.StatusOK || secret(t) != "geheim" {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	t.Run("a secret goes to no other address", func(t *testing.T) {
		if got := put(`,"write_back":{"kind":"icinga2","url":"https://evil.example.com","user":"tocsin"}`); got.status != http.StatusUnprocessableEntity || got.field(t, "errors.0.location") != "body.write_back_secret" {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	t.Run("what will not do is named", func(t *testing.T) {
		for body, where := range map[string]string{
			`,"write_back":{"kind":"command_file","command_file":"/x"}`:                            "body.write_back.kind",
			`,"write_back":{"kind":"icinga2","url":"nonsense","user":"t"},"write_back_secret":"x"`: "body.write_back.url",
			`,"write_back":{"kind":"icinga2","url":"https://127.0.0.1:1"},"write_back_secret":"x"`: "body.write_back.user",
			`,"write_back":{"kind":"icinga2","secret":"x"}`:                                        "body.write_back.secret",
			`,"secret":"x"`:            "body.secret",
			`,"mapping":{"host":"/h"}`: "body.mapping",
		} {
			if got := put(body); got.status != http.StatusUnprocessableEntity || got.field(t, "errors.0.location") != where {
				t.Errorf("%s: %d %s", body, got.status, got.body)
			}
		}
	})
	t.Run("it is tried, and what stands in the way is said", func(t *testing.T) {
		got := h.call("POST", path+"/probe", admin, "")
		if got.status != http.StatusOK || got.field(t, "ok") != "false" || !strings.Contains(got.field(t, "detail"), "127.0.0.1:1") {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := h.call("POST", "/api/v1/sources/lab/probe", admin, ""); got.field(t, "ok") != "false" || !strings.Contains(got.field(t, "detail"), "told nothing") {
			t.Errorf("one that is told nothing: %s", got.body)
		}
	})
	t.Run("none forgets all of it", func(t *testing.T) {
		if got := put(`,"write_back":{"kind":"none"}`); got.status != http.StatusOK || got.field(t, "has_write_back_secret") != "false" || got.field(t, "write_back.url") != "" || secret(t) != "" {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	t.Run("the kinds say what fits them", func(t *testing.T) {
		got := h.call("GET", "/api/v1/sources/kinds", admin, "")
		for _, want := range []string{`"name":"nagios"`, `"name":"command_file"`, `"name":"grafana"`, `"signs":true`, `"maps":true`, `"name":"secret"`} {
			if !strings.Contains(got.body, want) {
				t.Errorf("no %s in %s", want, got.body)
			}
		}
	})
}

const grafana = `{"receiver":"tocsin","status":"firing","version":"1","orgId":1,"title":"t","state":"alerting","message":"m","externalURL":"https://grafana.example.com/",
	"groupKey":"{}","truncatedAlerts":0,"groupLabels":{},"commonLabels":{},"commonAnnotations":{},
	"alerts":[{"status":"firing","labels":{"alertname":"HighLoad","instance":"web01"},"annotations":{"summary":"load is 9"},"startsAt":"2026-11-22T06:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://grafana.example.com/x","fingerprint":"c6eadffa33fcdf37"}]}`

func TestSignedRequests(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	made := h.call("POST", "/api/v1/sources", admin, `{"name":"grafana","kind":"grafana","secret":"hush"}`)
	token, path := made.field(t, "token"), "/api/v1/sources/grafana/events"
	sign := func(secret, body string) string {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte(body))
		return hex.EncodeToString(m.Sum(nil))
	}
	const header = "X-Grafana-Alerting-Signature"
	for name, headers := range map[string][]string{
		"none": nil, "another secret's": {header, sign("other", grafana)}, "another body's": {header, sign("hush", grafana+" ")}, "nonsense": {header, "zz"},
	} {
		if got := h.call("POST", path, token, grafana, headers...); got.status != http.StatusUnauthorized || strings.Contains(got.body, "hush") {
			t.Errorf("signature %s: %d %s", name, got.status, got.body)
		}
	}
	if got := h.call("POST", path, token, grafana, header, sign("hush", grafana)); got.status != http.StatusOK || got.field(t, "receipts.0.outcome") != "opened" {
		t.Errorf("signed: %d %s", got.status, got.body)
	}
	if got := h.call("POST", path, "ts_wrong", grafana, header, sign("hush", grafana)); got.status != http.StatusUnauthorized {
		t.Errorf("signed, without the token: %d %s", got.status, got.body)
	}
	if got := h.call("PUT", "/api/v1/sources/grafana", admin, `{"name":"grafana","kind":"grafana","secret":""}`); got.field(t, "has_secret") != "false" {
		t.Fatalf("removed: %s", got.body)
	}
	if got := h.call("POST", path, token, grafana); got.status != http.StatusOK {
		t.Errorf("unsigned, where nothing is asked for: %d %s", got.status, got.body)
	}
}

func TestATokenAsThePasswordOfBasic(t *testing.T) {
	h := startHub(t)
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	for name, row := range map[string]struct {
		path, given string
		want        int
	}{
		"with any user":         {"lab", basic("alertmanager", h.token), http.StatusOK},
		"with no user":          {"lab", basic("", h.token), http.StatusOK},
		"where the name is -":   {"-", basic("x", h.token), http.StatusOK},
		"the wrong one":         {"lab", basic("x", "ts_wrong"), http.StatusUnauthorized},
		"as the user":           {"lab", basic(h.token, ""), http.StatusUnauthorized},
		"what is not base64":    {"lab", "Basic ???", http.StatusUnauthorized},
		"nothing":               {"lab", "Basic", http.StatusUnauthorized},
		"of another's name":     {"other", basic("x", h.token), http.StatusUnauthorized},
		"by another scheme":     {"lab", "Digest " + h.token, http.StatusUnauthorized},
		"as it is usually sent": {"lab", "Bearer " + h.token, http.StatusOK},
	} {
		if got := h.call("POST", "/api/v1/sources/"+row.path+"/events", nil, problem, "Authorization", row.given); got.status != row.want {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := h.call("GET", "/api/v1/me", nil, "", "Authorization", basic("x", h.key(auth.Administer))); got.status != http.StatusUnauthorized {
		t.Errorf("an API key as a password: %d", got.status)
	}
}

func TestAMappedJSON(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	made := h.call("POST", "/api/v1/sources", admin, `{"name":"sensors","kind":"generic","mapping":{"events":"/readings","host":"/device/name","service":"=Temperature","state":"/level",
		"states":{"hot":"critical","fine":"ok"},"output":"/text"}}`)
	if made.status != http.StatusCreated || made.field(t, "mapping.host") != "/device/name" {
		t.Fatalf("%d %s", made.status, made.body)
	}
	path := "/api/v1/sources/sensors/events"
	got := h.call("POST", path, made.field(t, "token"), `{"readings":[{"device":{"name":"rack 7"},"level":"hot","text":"41 °C"}]}`)
	if got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	al := h.call("GET", "/api/v1/alerts/"+got.field(t, "receipts.0.alert_id"), admin, "")
	if al.field(t, "object.name") != "Temperature on rack 7" || al.field(t, "state") != "critical" || al.field(t, "output") != "41 °C" {
		t.Errorf("%s", al.body)
	}
	if got := h.call("POST", path, made.field(t, "token"), `{"readings":[{"device":{},"level":"hot"}]}`); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "/device/name") {
		t.Errorf("a pointer that leads nowhere: %d %s", got.status, got.body)
	}
	if got := h.call("PUT", "/api/v1/sources/sensors", admin, `{"name":"sensors","kind":"generic","mapping":{}}`); got.status != http.StatusOK || got.field(t, "mapping") != "" {
		t.Errorf("removed: %d %s", got.status, got.body)
	}
}

func TestCommentsDowntimesAndExpiry(t *testing.T) {
	h := startHub(t)
	admin := h.key(auth.Administer)
	h.user("olga", auth.Operator)
	olga := h.cookie("olga")
	id := h.tell(problem)
	path := "/api/v1/alerts/" + id
	t.Run("a comment stands on the timeline where no engine takes it", func(t *testing.T) {
		if got := h.call("POST", path+"/comments", olga, `{"comment":"the disk is ordered"}`); got.status != http.StatusOK || got.field(t, "status") != "firing" {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if got := h.call("GET", path, admin, ""); got.field(t, "timeline.1.type") != "COMMENT" || got.field(t, "timeline.1.author") != "olga" ||
			got.field(t, "timeline.1.comment") != "the disk is ordered" || got.field(t, "timeline.1.origin") != "console" {
			t.Errorf("%s", got.body)
		}
		for _, body := range []string{`{}`, `{"comment":""}`, `{"comment":" \n "}`, `{"comment":"` + strings.Repeat("x", 2001) + `"}`} {
			if got := h.call("POST", path+"/comments", olga, body); got.status != http.StatusUnprocessableEntity {
				t.Errorf("%.40s: %d %s", body, got.status, got.body)
			}
		}
	})
	t.Run("a downtime needs an engine that takes it", func(t *testing.T) {
		for _, method := range []string{"POST", "DELETE"} {
			body := ""
			if method == "POST" {
				body = `{"minutes":60}`
			}
			if got := h.call(method, path+"/downtime", olga, body); got.status != http.StatusConflict || !strings.Contains(got.body, "takes nothing back") {
				t.Errorf("%s: %d %s", method, got.status, got.body)
			}
		}
		if got := h.call("POST", path+"/downtime", olga, `{"minutes":43201}`); got.status != http.StatusUnprocessableEntity {
			t.Errorf("too long: %d %s", got.status, got.body)
		}
	})
	t.Run("an acknowledgement says when it ends", func(t *testing.T) {
		if got := h.call("POST", path+"/acknowledge", olga, `{"expires_minutes":43201}`); got.status != http.StatusUnprocessableEntity {
			t.Errorf("too long: %d %s", got.status, got.body)
		}
		got := h.call("POST", path+"/acknowledge", olga, `{"expires_minutes":90}`)
		until, err := time.Parse(time.RFC3339, got.field(t, "acknowledgement.until"))
		if err != nil || time.Until(until).Round(time.Minute) != 90*time.Minute || got.field(t, "acknowledgement.confirmation") != "local" || got.field(t, "acknowledgement.event_id") == "" {
			t.Errorf("%d %s", got.status, got.body)
		}
		h.call("DELETE", path+"/acknowledge", olga, "")
		if got := h.call("POST", path+"/acknowledge", olga, `{"expires_minutes":0}`); got.field(t, "acknowledgement.until") != "" {
			t.Errorf("one that stays: %s", got.body)
		}
		h.call("DELETE", path+"/acknowledge", olga, "")
	})
	t.Run("what an engine is to be told waits for it, and is seen", func(t *testing.T) {
		got := h.call("PUT", "/api/v1/sources/lab", admin, `{"name":"lab","kind":"nagios","write_back":{"kind":"command_file","command_file":"`+t.TempDir()+`/nagios.cmd"}}`)
		if got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if got := h.call("POST", path+"/acknowledge", olga, `{}`); got.field(t, "acknowledgement.confirmation") != "pending" {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := h.call("POST", path+"/downtime", olga, `{"minutes":60,"comment":"disk"}`); got.status != http.StatusOK || got.field(t, "object.downtime") != "false" {
			t.Errorf("%d %s", got.status, got.body)
		}
		h.await("the engine was tried, and System health knows it", func() bool {
			got := h.call("GET", "/api/v1/health", admin, "").body
			return strings.Contains(got, `"name":"engines"`) && strings.Contains(got, "1 cannot be reached")
		})
		got = h.call("GET", "/api/v1/deliveries?channel=engine", admin, "")
		if got.field(t, "items.0.reason") != "write_back" || got.field(t, "items.0.destination") != "source-lab" || got.field(t, "items.0.contact_id") != "" {
			t.Errorf("%s", got.body)
		}
		if got := h.call("GET", "/metrics", nil, "").body; !strings.Contains(got, `tocsin_writeback_total{kind="command_file",result=`) || !strings.Contains(got, "tocsin_writeback_failing 1") {
			t.Error("the figures do not tell of it")
		}
	})
}
