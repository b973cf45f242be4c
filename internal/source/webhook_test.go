package source_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// captured is one request as a real Alertmanager sent it.
type captured struct {
	Body json.RawMessage `json:"body"`
}

func capturedFrom(t testing.TB, version string) []captured {
	t.Helper()
	text, err := os.ReadFile("testdata/alertmanager-" + version + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var list []captured
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func webhook(t *testing.T, at time.Time, body string) []alert.Event {
	t.Helper()
	events, err := source.DecodeWebhook([]byte(body), at, source.MaxEvents, "alertmanager")
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return events
}

func TestWhatAlertmanagerSentBecomesEvents(t *testing.T) {
	for version, at := range map[string]time.Time{
		"0.25": time.Date(2026, 11, 21, 22, 24, 57, 0, time.UTC),
		"0.34": time.Date(2026, 11, 21, 22, 31, 14, 0, time.UTC),
	} {
		type told struct {
			Call, Type, State, Host, HostDisplay, Service, ServiceDisplay, URL, Output, Long string
			Labels                                                                           map[string]string
			Time                                                                             time.Time
			Marks                                                                            []alert.Mark
		}
		var events []told
		for _, c := range capturedFrom(t, version) {
			for _, e := range webhook(t, at, string(c.Body)) {
				o := e.Object
				events = append(events, told{e.CallID, string(e.Type), string(e.State), o.Host, o.HostDisplay, o.Service, o.ServiceDisplay, o.URL,
					e.Output, e.Long, o.Labels, e.Time, e.Marks})
			}
		}
		got, err := json.MarshalIndent(events, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		golden := "testdata/alertmanager-" + version + ".golden.json"
		if *update {
			if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
			t.Error(version, diff)
		}
	}
}

func TestFingerprintsAreThoseOfAlertmanager(t *testing.T) {
	for _, version := range []string{"0.25", "0.34"} {
		for _, c := range capturedFrom(t, version) {
			var body struct {
				Alerts []struct {
					Labels      map[string]string `json:"labels"`
					Fingerprint string            `json:"fingerprint"`
				} `json:"alerts"`
			}
			if err := json.Unmarshal(c.Body, &body); err != nil {
				t.Fatal(err)
			}
			for _, a := range body.Alerts {
				if got := source.Fingerprint(a.Labels); got != a.Fingerprint {
					t.Errorf("%v: got %s, want %s", a.Labels, got, a.Fingerprint)
				}
			}
		}
	}
}

// group is a body with alerts of these labels, firing since start.
func group(start time.Time, labels ...string) string {
	var alerts []string
	for _, l := range labels {
		alerts = append(alerts, fmt.Sprintf(`{"status":"firing","labels":%s,"annotations":{},"startsAt":%q,"endsAt":"0001-01-01T00:00:00Z"}`, l, start.Format(time.RFC3339Nano)))
	}
	return `{"version":"4","status":"firing","alerts":[` + strings.Join(alerts, ",") + `]}`
}

func TestAlertsAreOneObjectExactlyIfTheirLabelsAreTheSame(t *testing.T) {
	all := []string{
		`{"alertname":"A"}`, `{"alertname":"A","instance":"x"}`,
		// Grafana's of one rule, which may follow each other at once.
		`{"alertname":"R","rulename":"R"}`, `{"alertname":"DatasourceNoData","rulename":"R"}`, `{"alertname":"DatasourceError","rulename":"R"}`,
		`{"alertname":"Größe\u0301","instance":"x"}`, `{"alertname":"Größé","instance":"x"}`, `{"alertname":"A","host":"x"}`, `{"alertname":"A","instance":" x"}`,
		`{"alertname":"A","instance":"alertmanager"}`, `{"alertname":"A","instance":"x","severity":"warning"}`,
		`{"alertname":"A","instance":"x","severity":"critical"}`, `{"alertname":"A","a":"1\",b=\"2"}`, `{"alertname":"A","a":"1","b":"2"}`,
		`{"alertname":"A","a":"x\u0000"}`, `{"alertname":"A","a":"x"}`, `{"alertname":"A","a":"x\n"}`, `{"alertname":"A","a":"x "}`, `{}`,
		`{"alertname":"A","l":"` + strings.Repeat("x", 2000) + `1"}`, `{"alertname":"A","l":"` + strings.Repeat("x", 2000) + `2"}`,
		`{"alertname":"A","instance":"` + strings.Repeat("x", 300) + `1"}`, `{"alertname":"A","instance":"` + strings.Repeat("x", 300) + `2"}`,
	}
	seen := map[string]string{}
	for i, e := range webhook(t, now, group(now, all...)) {
		id := alert.ObjectID("s", e.Object.Host, e.Object.Service)
		if other, twice := seen[id]; twice {
			t.Errorf("%.60s and %.60s are one object %s %s", all[i], other, e.Object.Host, e.Object.Service)
		}
		seen[id] = all[i]
		check(t, e)
		if exact := source.Fingerprint(e.Object.Labels) + "/"; !strings.HasPrefix(e.CallID, exact) && e.Object.Labels[source.TrueFingerprint] == "" {
			t.Errorf("%.60s: the labels are not those of %s and it does not say so: %v", all[i], e.CallID, e.Object.Labels)
		}
	}
}

func TestNamesForPeople(t *testing.T) {
	for _, c := range []struct{ labels, host, hostDisplay, service, serviceDisplay string }{
		{`{"alertname":"Disk","instance":"web01:9100","severity":"warning"}`, "web01:9100", "web01", `Disk{severity="warning"}`, "Disk"},
		{`{"alertname":"Disk","instance":"web01","mountpoint":"/var"}`, "web01", "", `Disk{mountpoint="/var"}`, "Disk (/var)"},
		{`{"alertname":"Up"}`, "alertmanager", "", "Up", ""},
		{`{"alertname":"Crash","pod":"p-1","namespace":"shop"}`, "p-1", "", `Crash{namespace="shop",pod="p-1"}`, "Crash (shop)"},
		{`{"alertname":"DatasourceError","rulename":"Latency"}`, "alertmanager", "", `Latency{alertname="DatasourceError",rulename="Latency"}`, "Latency"},
	} {
		o := webhook(t, now, group(now, c.labels))[0].Object
		if o.Host != c.host || o.HostDisplay != c.hostDisplay || o.Service != c.service || o.ServiceDisplay != c.serviceDisplay {
			t.Errorf("%s: got %q %q %q %q", c.labels, o.Host, o.HostDisplay, o.Service, o.ServiceDisplay)
		}
	}
}

// What an alert is must not depend on what changes while it fires.
func TestAnAlertIsTheSameFromFiringToResolved(t *testing.T) {
	const firing = `{"alerts":[{"status":"firing","labels":{"alertname":"Größe 📏","instance":"büro:9100","a":"\u202ex","ü":"ß","empty":""},
		"annotations":{"summary":"91%"},"startsAt":"2026-11-21T22:31:04.123456789Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"84f7db0000000000",
		"generatorURL":"https://g.example.com/alerting/grafana/cdeqmlhvflz40f/view?orgId=1","values":{"A":1e3},"valueString":"1"}]}`
	const resolved = `{"alerts":[{"endsAt":"2026-11-21T22:41:04Z","startsAt":"2026-11-21T22:31:04.123456789Z","fingerprint":"84f7db0000000000",
		"generatorURL":"https://g.example.com/alerting/grafana/cdeqmlhvflz40f/view?orgId=1&from=2","annotations":{"summary":"12%","more":"x"},
		"labels":{"ü":"ß","a":"\u202ex","instance":"b\u00fcro:9100","alertname":"Gr\u00f6\u00dfe \ud83d\udccf"},"status":"resolved","values":null}]}`
	for _, fallback := range []string{"alertmanager", "grafana"} {
		var got []alert.Event
		for _, body := range []string{firing, resolved} {
			events, err := source.DecodeWebhook([]byte(body), now, source.MaxEvents, fallback)
			if err != nil {
				t.Fatal(err)
			}
			check(t, events[0])
			got = append(got, events...)
		}
		if a, b := got[0].Object, got[1].Object; a.Host != b.Host || a.Service != b.Service || got[0].Type == got[1].Type || got[0].CallID == got[1].CallID {
			t.Errorf("%s: %q %q became %q %q", fallback, a.Host, a.Service, b.Host, b.Service)
		}
	}
}

// Grafana takes its own labels out before it sends an alert. One of them tells
// apart the alerts of rules that bear the same name.
func TestAlertsOfTwoRulesOfGrafanaAreTwo(t *testing.T) {
	const one = `{"status":"firing","labels":{"alertname":"Load","grafana_folder":"Prod"},"fingerprint":"%s","generatorURL":"https://g.example.com/sub/alerting/grafana/%s/view?orgId=1"}`
	body := `{"alerts":[` + fmt.Sprintf(one, "1111111111111111", "cdeq-mlh_vflz40f") + "," + fmt.Sprintf(one, "2222222222222222", "bug036") + `]}`
	events, err := source.DecodeWebhook([]byte(body), now, source.MaxEvents, "grafana")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`Load{__alert_rule_uid__="cdeq-mlh_vflz40f",grafana_folder="Prod"}`, `Load{__alert_rule_uid__="bug036",grafana_folder="Prod"}`} {
		if o := events[i].Object; o.Service != want || o.ServiceDisplay != "Load" || o.Labels["__alert_rule_uid__"] != "" {
			t.Errorf("got %q, %q", o.Service, o.ServiceDisplay)
		}
	}
}

// The bodies are of the shape that Grafana's documentation and reports of its
// users show.
func TestWhatGrafanaCouldNotJudgeSaysSo(t *testing.T) {
	const body = `{"receiver":"Tocsin","status":"firing","alerts":[
		{"status":"firing","labels":{"alertname":"DatasourceNoData","datasource_uid":"prom","grafana_folder":"Prod","ref_id":"A","rulename":"Queue depth","severity":"warning"},
		 "annotations":{"summary":"Queue depth is high"},"startsAt":"2026-11-21T22:31:04Z","endsAt":"0001-01-01T00:00:00Z",
		 "generatorURL":"https://g.example.com/alerting/grafana/eewi8oa4ccef4e/view?orgId=1","fingerprint":"c50ae7bba42b3626","values":null,"valueString":"","orgId":1},
		{"status":"firing","labels":{"alertname":"DatasourceError","datasource_uid":"prom","grafana_folder":"Prod","ref_id":"A","rulename":"Queue depth"},
		 "annotations":{"Error":"[sse.dataQueryError] connection refused"},"startsAt":"2026-11-21T22:31:04Z","endsAt":"0001-01-01T00:00:00Z",
		 "generatorURL":"","fingerprint":"b5a3e0633aff0a2f","values":{},"orgId":1},
		{"status":"resolved","labels":{"alertname":"DatasourceNoData","rulename":"Queue depth"},"annotations":{"summary":"Queue depth is high"},"startsAt":"2026-11-21T22:31:04Z","endsAt":"2026-11-21T22:41:04Z"},
		{"status":"firing","labels":{"alertname":"Queue depth"},"annotations":{"summary":"High","grafana_state_reason":"NoData"},"startsAt":"2026-11-21T22:31:04Z","endsAt":"","values":{"B":null}}],
		"groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"https://g.example.com/","version":"1","groupKey":"{}","truncatedAlerts":0,"orgId":1,
		"title":"[FIRING:1]","state":"alerting","message":"…"}`
	events, err := source.DecodeWebhook([]byte(body), now, source.MaxEvents, "grafana")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"PROBLEM unknown No data: Queue depth is high", "PROBLEM unknown The query failed: [sse.dataQueryError] connection refused",
		"RECOVERY ok Queue depth is high", "PROBLEM critical High",
	} {
		if got := fmt.Sprint(events[i].Type, " ", events[i].State, " ", events[i].Output); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if events[i].Object.Host != "grafana" {
			t.Errorf("host %q", events[i].Object.Host)
		}
	}
	if !strings.Contains(events[3].Long, "grafana_state_reason: NoData") {
		t.Errorf("long %q", events[3].Long)
	}
}

func TestSeverities(t *testing.T) {
	for labels, want := range map[string]alert.State{
		`{"severity":"critical"}`: alert.Critical, `{"severity":"page"}`: alert.Critical, `{}`: alert.Critical, `{"severity":""}`: alert.Critical,
		`{"severity":"Warning"}`: alert.Warning, `{"severity":"info"}`: alert.Warning, `{"severity":"none"}`: alert.Warning,
		`{"priority":"low"}`: alert.Warning, `{"severity":"unknown"}`: alert.Unknown, `{"alertname":"DatasourceNoData"}`: alert.Unknown,
	} {
		if got := webhook(t, now, group(now, labels))[0].State; got != want {
			t.Errorf("%s: got %s, want %s", labels, got, want)
		}
	}
}

func TestAnAlertThatFiresAgainWithItsOldStartIsNotLost(t *testing.T) {
	start := now.Add(-10 * time.Minute)
	body := group(start, `{"alertname":"A"}`)
	first := webhook(t, start.Add(30*time.Second), body)[0]
	if !first.Time.Equal(start) {
		t.Errorf("the first is of %s, want its start", first.Time)
	}
	resolved := webhook(t, now.Add(-5*time.Minute), strings.Replace(strings.ReplaceAll(body, "firing", "resolved"), "0001-01-01T00:00:00Z", now.Add(-6*time.Minute).Format(time.RFC3339), 1))[0]
	if resolved.Type != alert.Recovery || resolved.State != alert.OK {
		t.Errorf("got %s %s", resolved.Type, resolved.State)
	}
	again := webhook(t, now, body)[0]
	if !again.Time.After(resolved.Time) || again.CallID == first.CallID {
		t.Errorf("it is of %s and the call %s, as if it had been told before", again.Time, again.CallID)
	}
	if !strings.Contains(again.Long, "Firing since 2026-11-21T23:50:00Z") {
		t.Errorf("long %q", again.Long)
	}
	if repeated := webhook(t, now.Add(time.Second), body)[0]; repeated.CallID != again.CallID {
		t.Error("a request that is sent again is another call")
	}
}

func TestGrafanasOwnFields(t *testing.T) {
	e := webhook(t, now, `{"receiver":"Tocsin","status":"firing","orgId":1,"alerts":[{"status":"firing",
		"labels":{"alertname":"High load","grafana_folder":"Prod","instance":"web01"},"annotations":{"summary":"Load is 12","runbook_url":"https://wiki.example.com/load","__dashboardUid__":"x"},
		"startsAt":"2026-11-22T00:59:50+01:00","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://grafana.example.com/alerting/grafana/x/view?orgId=1",
		"fingerprint":"57c6d9296de2ad39","silenceURL":"https://grafana.example.com/alerting/silence/new","dashboardURL":"https://grafana.example.com/d/abc","panelURL":"https://grafana.example.com/d/abc?viewPanel=1",
		"values":{"A":12.5},"valueString":"[ var='A' value=12.5 ]"}],"groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"https://grafana.example.com/",
		"version":"1","groupKey":"{}","truncatedAlerts":2,"title":"[FIRING:1]","state":"alerting","message":"…"}`)[0]
	if e.Output != "Load is 12" || e.Object.URL != "https://grafana.example.com/d/abc?viewPanel=1" || e.Object.ServiceDisplay != "High load" {
		t.Errorf("got %+v", e)
	}
	for _, part := range []string{"runbook_url: https://wiki.example.com/load", "Values: [ var='A' value=12.5 ]", "2 further alerts of this group were left out"} {
		if !strings.Contains(e.Long, part) {
			t.Errorf("%q is not in %q", part, e.Long)
		}
	}
	if strings.Contains(e.Long, "__") || !cmp.Equal(e.Marks, []alert.Mark{alert.MarkCut}) || !e.Time.Equal(now.Add(-10*time.Second)) {
		t.Errorf("long %q, marks %v, time %s", e.Long, e.Marks, e.Time)
	}
}

func TestWebhooksThatAreRefused(t *testing.T) {
	many := make([]string, source.MaxEvents+1)
	for i := range many {
		many[i] = "{}"
	}
	for _, c := range []struct{ name, body, field, says string }{
		{"nothing", ``, "body", "cut off"},
		{"cut off", `{"alerts":[`, "body", "cut off"},
		{"no JSON", `alerts`, "body", "not JSON"},
		{"something after the end", group(now, `{}`) + "x", "body", "after its end"},
		{"an array", `[]`, "body", "wrong type"},
		{"canonical JSON", typical, "alerts", "missing"},
		{"no alerts", `{"alerts":[]}`, "alerts", "empty"},
		{"alerts that are no array", `{"alerts":{}}`, "alerts", "wrong type"},
		{"labels that are no texts", `{"alerts":[{"status":"firing","labels":{"a":1}}]}`, "alerts.labels", "wrong type"},
		{"another status", `{"alerts":[{"status":"firing"},{"status":"pending"}]}`, "alerts[1].status", `"pending"`},
		{"too many", group(now, many...), "alerts", "1001"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := source.DecodeWebhook([]byte(c.body), now, source.MaxEvents, "x")
			var f *source.FieldError
			if !errors.As(err, &f) || f.Field != c.field || !strings.Contains(f.Problem, c.says) || f.Mend == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzDecodeWebhook(f *testing.F) {
	for _, version := range []string{"0.25", "0.34"} {
		for _, c := range capturedFrom(f, version) {
			f.Add([]byte(c.Body))
		}
	}
	f.Add([]byte(group(now, `{"instance":"\u202e:1","a\u0000":"\ud800"}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := source.DecodeWebhook(body, now, source.MaxEvents, "alertmanager")
		if err != nil {
			var f *source.FieldError
			if !errors.As(err, &f) || f.Field == "" || f.Problem == "" || f.Mend == "" {
				t.Fatalf("%q is refused without saying why: %v", body, err)
			}
			return
		}
		for _, e := range events {
			check(t, e)
		}
	})
}
