package e2e_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/source"
	"tocsin/internal/source/alertmanager"
	"tocsin/internal/source/icinga2"
	am "tocsin/test/alertmanager"
	"tocsin/test/hub"
	"tocsin/test/icinga"
)

// engineAlert is what the API shows of an alert, as far as these tests look.
type engineAlert struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	State  string `json:"state"`
	Output string `json:"output"`
	Object struct {
		Host     string `json:"host"`
		Service  string `json:"service"`
		Downtime bool   `json:"downtime"`

		Labels map[string]string `json:"labels"`
	} `json:"object"`
	Ack *struct {
		Author       string `json:"author"`
		Origin       string `json:"origin"`
		Confirmation string `json:"confirmation"`
		Words        string `json:"engine_words"`
	} `json:"acknowledgement"`
}

func (a engineAlert) confirmation() string {
	if a.Ack == nil {
		return ""
	}
	return a.Ack.Confirmation
}

// engineSource makes a source by the API and answers its token.
func (w *world) engineSource(fields map[string]any) string {
	w.Helper()
	var made struct {
		Token string `json:"token"`
	}
	w.must(w.hub.Post(w.ctx, "/sources", fields, &made))
	if made.Token == "" {
		w.Fatal("a source without a token was made")
	}
	return made.Token
}

// engineAlertOf waits for an alert of a service that is open, and answers it.
func (w *world) engineAlertOf(host, service string) (found engineAlert) {
	w.Helper()
	w.eventually("an alert of "+service+" on "+host, func() bool {
		var list struct {
			Items []engineAlert `json:"items"`
		}
		w.must(w.hub.Get(w.ctx, "/alerts", &list))
		for _, a := range list.Items {
			if a.Object.Host == host && a.Object.Service == service && a.Status != "resolved" {
				found = a
				return true
			}
		}
		return false
	})
	return found
}

// engineUntil waits for something to be true of an alert.
func (w *world) engineUntil(id, what string, ok func(engineAlert) bool) (a engineAlert) {
	w.Helper()
	w.eventually(what, func() bool {
		var out engineAlert
		w.must(w.hub.Get(w.ctx, "/alerts/"+id, &out))
		a = out
		return ok(out)
	})
	return a
}

func (w *world) engineAck(id, comment string) {
	w.Helper()
	w.must(w.hub.Post(w.ctx, "/alerts/"+id+"/acknowledge", map[string]any{"comment": comment}, nil))
}

// attempts are the check's, and how many there are: 1/1.
var attempts = regexp.MustCompile(`^[1-9]\d*/[1-9]\d*$`)

// TestIcingaThereAndBack goes with the real Icinga 2, set up by the very text
// that the console shows: alert out, acknowledgement back, confirmed, recovery.
func TestIcingaThereAndBack(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{})
	w.user("ops", "operator")
	w.serve()
	var text string
	for _, s := range icinga2.New().Snippets(source.Setup{BaseURL: w.hub.URL, Source: "icinga"}) {
		if strings.HasPrefix(s.Text, "object ") {
			text += s.Text + "\n"
		}
	}
	text = strings.NewReplacer("/usr/local/bin/tocsin", bin, "choose one", "s3cret").Replace(text)
	token := w.engineSource(map[string]any{"name": "icinga", "kind": "icinga2"})
	n, err := icinga.Start(w.ctx, icinga.Config{Dir: t.TempDir(), Hosts: []string{"web01"},
		Services: []icinga.Service{{Host: "web01", Name: "HTTP Check"}, {Host: "web01", Name: "Disk"}}, Extra: text,
		Env: []string{"TOCSIN_URL=" + w.hub.URL, "TOCSIN_TOKEN=" + token, "TOCSIN_SPOOL=" + t.TempDir()}})
	w.must(err)
	t.Cleanup(n.Stop)
	w.must(w.hub.Call(w.ctx, http.MethodPut, "/sources/icinga", w.hub.Key, map[string]any{"name": "icinga", "kind": "icinga2", "write_back_secret": "s3cret",
		"write_back": map[string]any{"kind": "icinga2", "url": n.URL, "user": "tocsin", "ca": n.CA, "server_name": icinga.Name, "notify": true}}, nil))
	attribute := func(service, name string) float64 {
		a, err := n.Attributes(w.ctx, "web01", service)
		w.must(err)
		v, _ := a[name].(float64)
		return v
	}

	w.must(n.Result(w.ctx, "web01", "HTTP Check", 2, `no "answer" $(id) ; --state=0`))
	a := w.engineAlertOf("web01", "HTTP Check")
	if a.State != "critical" || a.Output != `no "answer" $(id) ; --state=0` || !attempts.MatchString(a.Object.Labels["attempt"]) {
		t.Errorf("got %+v", a)
	}
	w.part("an acknowledgement goes back and is confirmed, once", func() {
		begin := time.Now()
		w.engineAck(a.ID, "on it;\nreally")
		a = w.engineUntil(a.ID, "the acknowledgement is confirmed", func(a engineAlert) bool { return a.confirmation() == "confirmed" })
		w.Logf("confirmed by Icinga after %v", time.Since(begin))
		if attribute("HTTP Check", "acknowledgement") == 0 || a.Ack.Origin == "engine" {
			w.Errorf("acknowledgement %v, %+v", attribute("HTTP Check", "acknowledgement"), a.Ack)
		}
		_, comments, err := n.Call(w.ctx, http.MethodGet, "/v1/objects/comments", nil)
		w.must(err)
		if c := strings.Count(string(comments), `"entry_type":4`); c != 1 {
			w.Errorf("%d acknowledgements in Icinga: %s", c, comments)
		}
	})
	w.part("it is taken back", func() {
		w.must(w.hub.Call(w.ctx, http.MethodDelete, "/alerts/"+a.ID+"/acknowledge", w.hub.Key, nil, nil))
		w.eventually("Icinga has no acknowledgement", func() bool { return attribute("HTTP Check", "acknowledgement") == 0 })
	})
	w.part("one that is made in Icinga is the engine's, and ours is refused with its words", func() {
		w.must(n.Result(w.ctx, "web01", "Disk", 1, "full"))
		disk := w.engineAlertOf("web01", "Disk")
		status, body, err := n.Call(w.ctx, http.MethodPost, "/v1/actions/acknowledge-problem", map[string]any{"type": "Service",
			"filter": `service.name == "Disk"`, "author": "Joe", "comment": "mine", "notify": false})
		w.must(err)
		if status != http.StatusOK {
			w.Fatalf("%d %s", status, body)
		}
		w.engineAck(disk.ID, "no, mine")
		disk = w.engineUntil(disk.ID, "the acknowledgement is refused", func(a engineAlert) bool { return a.confirmation() == "refused" })
		if !strings.Contains(disk.Ack.Words, "already acknowledged, by Joe: mine") {
			w.Errorf("words %q", disk.Ack.Words)
		}
	})
	w.part("a comment and a downtime", func() {
		w.must(w.hub.Post(w.ctx, "/alerts/"+a.ID+"/comments", map[string]any{"comment": "half done"}, nil))
		w.eventually("the comment stands in Icinga", func() bool {
			_, body, err := n.Call(w.ctx, http.MethodGet, "/v1/objects/comments", nil)
			w.must(err)
			return strings.Contains(string(body), "half done")
		})
		w.must(w.hub.Post(w.ctx, "/alerts/"+a.ID+"/downtime", map[string]any{"minutes": 30, "comment": "repair"}, nil))
		w.engineUntil(a.ID, "the object is in a downtime", func(a engineAlert) bool { return a.Object.Downtime })
		w.eventually("Icinga is in the downtime", func() bool { return attribute("HTTP Check", "downtime_depth") == 1 })
		w.must(w.hub.Call(w.ctx, http.MethodDelete, "/alerts/"+a.ID+"/downtime", w.hub.Key, nil, nil))
		w.engineUntil(a.ID, "the downtime is over", func(a engineAlert) bool { return !a.Object.Downtime })
	})
	w.part("an Icinga that is away is told when it is back", func() {
		n.Stop()
		w.engineAck(a.ID, "meanwhile")
		w.must(n.Restart(w.ctx))
		w.must(n.Result(w.ctx, "web01", "HTTP Check", 2, "still")) // it was killed, and has forgotten
		w.engineUntil(a.ID, "the acknowledgement is confirmed", func(a engineAlert) bool { return a.confirmation() == "confirmed" })
	})
	w.part("recovery", func() {
		w.must(n.Result(w.ctx, "web01", "HTTP Check", 0, "fine"))
		w.engineUntil(a.ID, "it is resolved", func(a engineAlert) bool { return a.Status == "resolved" })
	})
}

// TestAlertmanagerThereAndBack goes with the real Alertmanager and silences.
func TestAlertmanagerThereAndBack(t *testing.T) {
	t.Parallel()
	w := begin(t, hub.Options{})
	w.serve()
	token := w.engineSource(map[string]any{"name": "prom", "kind": alertmanager.New().Name()})
	a, err := am.Start(w.ctx, am.Config{Dir: t.TempDir(), Webhook: w.hub.URL + "/api/v1/sources/prom/events", Token: token})
	w.must(err)
	t.Cleanup(a.Stop)
	w.must(w.hub.Call(w.ctx, http.MethodPut, "/sources/prom", w.hub.Key, map[string]any{"name": "prom", "kind": "alertmanager",
		"write_back": map[string]any{"kind": "alertmanager", "url": a.URL, "silence": true}}, nil))
	labels := map[string]string{"alertname": "DiskFull", "instance": "web01:9100", "severity": "warning"}
	other := map[string]string{"alertname": "DiskFull", "instance": "web01:9100", "severity": "critical"}
	summary := map[string]string{"summary": "Disk 95% on web01"}
	active := func() (n int) {
		list, err := a.Silences(w.ctx)
		w.must(err)
		for _, s := range list {
			if s.Status.State == "active" {
				n++
			}
		}
		return n
	}

	starts := time.Now()
	w.must(a.Alert(w.ctx, labels, summary, starts, false))
	w.must(a.Alert(w.ctx, other, summary, starts, false))
	found := w.engineAlertOf("web01:9100", `DiskFull{severity="warning"}`)
	if found.State != "warning" || found.Output != "Disk 95% on web01" {
		t.Errorf("got %+v", found)
	}
	second := w.engineAlertOf("web01:9100", `DiskFull{severity="critical"}`)

	w.part("an acknowledgement makes a silence", func() {
		w.engineAck(found.ID, "on it")
		found = w.engineUntil(found.ID, "it is confirmed", func(a engineAlert) bool { return a.confirmation() == "confirmed" })
		if active() != 1 || !strings.Contains(found.Ack.Words, "silenced in Alertmanager until") {
			w.Errorf("%d silences, words %q", active(), found.Ack.Words)
		}
	})
	w.part("which ends when it is taken back", func() {
		w.must(w.hub.Call(w.ctx, http.MethodDelete, "/alerts/"+found.ID+"/acknowledge", w.hub.Key, nil, nil))
		w.eventually("no silence stands", func() bool { return active() == 0 })
	})
	w.part("recovery", func() {
		w.must(a.Alert(w.ctx, labels, summary, starts, true))
		w.engineUntil(found.ID, "it is resolved", func(a engineAlert) bool { return a.Status == "resolved" })
		var still engineAlert
		w.must(w.hub.Get(w.ctx, "/alerts/"+second.ID, &still))
		if still.Status != "firing" {
			w.Errorf("the other alert of the group is %s", still.Status)
		}
	})
	w.part("and at the end of the alert", func() {
		w.engineAck(second.ID, "this too")
		w.engineUntil(second.ID, "it is confirmed", func(a engineAlert) bool { return a.confirmation() == "confirmed" })
		// Alertmanager tells nothing of what is silenced: somebody else's news of it.
		w.must(w.hub.Call(w.ctx, http.MethodPost, "/sources/prom/events", token, map[string]any{"version": "4", "alerts": []any{map[string]any{
			"status": "resolved", "labels": other, "startsAt": starts, "endsAt": time.Now()}}}, nil))
		w.engineUntil(second.ID, "it is resolved", func(a engineAlert) bool { return a.Status == "resolved" })
		w.eventually("no silence stands", func() bool { return active() == 0 })
	})
}
