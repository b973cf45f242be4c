package e2e_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"tocsin/test/browser"
	"tocsin/test/browser/notifyd"
	"tocsin/test/hub"
	"tocsin/test/mailsink"
	"tocsin/test/nagios"
)

// posted is what the receiver of a webhook took.
type posted struct {
	ID, Type, Title, URL string
	Alert                *struct{ ID, Status string }
	Digest               *struct {
		Storm                                string
		Total, Open, Acknowledged, Recovered int
		Over                                 bool
	}
}

// receiver is a program that takes webhooks, and believes what is signed.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []posted
	bad []string
}

const signedWith = "a secret of the receiver's"

func receive(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(io.LimitReader(q.Body, 1<<20))
		mac := hmac.New(sha256.New, []byte(signedWith))
		fmt.Fprintf(mac, "%s.%s.%s", q.Header.Get("Webhook-Id"), q.Header.Get("Webhook-Timestamp"), body)
		var p posted
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case err != nil || json.Unmarshal(body, &p) != nil:
			r.bad = append(r.bad, fmt.Sprintf("no JSON: %v: %s", err, body))
		case q.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) || p.ID != q.Header.Get("Webhook-Id"):
			r.bad = append(r.bad, "wrongly signed: "+p.Title)
		default:
			r.got = append(r.got, p)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) took() []posted {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// refused is what was wrong with what it did not take.
func (r *receiver) refused() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bad)
}

// entry is one line of the delivery log.
type entry struct {
	ID, Storm, Bundle, Channel, Notice, State, Reason, Why, Detail string
	AlertID                                                        string `json:"alert_id"`
	ContactName                                                    string `json:"contact_name"`
	Quiet                                                          bool
}

// log is all of the delivery log.
func (w *world) log(query string) []entry {
	w.Helper()
	var all []entry
	for next := ""; ; {
		var page struct {
			Items []entry
			Next  string
		}
		w.must(w.hub.Get(w.ctx, "/deliveries?limit=500"+query+"&cursor="+next, &page))
		all = append(all, page.Items...)
		if next = page.Next; next == "" {
			return all
		}
	}
}

// creates makes something by the API and answers its id.
func (w *world) creates(path string, in map[string]any) string {
	w.Helper()
	var out struct{ ID string }
	w.must(w.hub.Post(w.ctx, path, in, &out))
	return out.ID
}

// night is a station at which everything is set up for a night with a storm.
type night struct {
	*station
	sink     *mailsink.Sink
	board    *receiver
	anna     *person
	services []nagios.Service
	contacts map[string]string // name to id
	sleep    string            // the time period of Carl's quiet hours
	ids      map[string]string // service to alert
}

const storming = 25

// fall begins a night: Nagios names Anna (a browser and letters), Carl (letters, and
// he has quiet hours) and Dora (letters that her server refuses); Ben is on call,
// and a webhook gets everything.
func fall(t *testing.T) *night {
	w := begin(t, hub.Options{})
	sink := mailsink.New(t, mailsink.Options{Refuse: func(to string) *smtp.SMTPError {
		if strings.HasPrefix(to, "dora@") {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such mailbox here"}
		}
		return nil
	}})
	n := &night{sink: sink, board: receive(t), contacts: map[string]string{}, ids: map[string]string{}}
	hosts := []string{}
	for i := range storming {
		host := fmt.Sprintf("rack%02d", i/5)
		if i%5 == 0 {
			hosts = append(hosts, host)
		}
		n.services = append(n.services, nagios.Service{Host: host, Name: fmt.Sprintf("Check %02d", i)})
	}
	w.cli(password+"\n", "user", "add", "anna", "--role", "operator", "--password-stdin")
	engine := w.engineOf(hosts, n.services, "anna", "carl", "dora")
	n.station = &station{w, engine}
	w.cli("", "source", "write-back", "nagios", "--write-back", "command_file", "--command-file", engine.CommandFile(), "--status-file", engine.StatusFile())
	w.run()

	w.must(w.hub.Call(w.ctx, "PUT", "/email", w.hub.Key, map[string]any{
		"enabled": true, "host": sink.Host, "port": sink.Port, "security": "starttls", "ca": sink.CA, "from": "tocsin@example.org",
	}, nil))
	w.must(w.hub.Call(w.ctx, "PUT", "/settings", w.hub.Key, map[string]any{
		"storm": map[string]any{"wait": 3, "at_most": 15, "again": 5, "calm": 15},
	}, nil))
	var users struct{ Items []struct{ ID, Name string } }
	w.must(w.hub.Get(w.ctx, "/users", &users))
	// All of today and the days beside it: quiet hours must have an end.
	today := time.Now().UTC()
	n.sleep = w.creates("/periods", map[string]any{"name": "Sleep", "exceptions": []map[string]any{{"first": today.AddDate(0, 0, -1).Format(time.DateOnly),
		"last": today.AddDate(0, 0, 1).Format(time.DateOnly), "ranges": []map[string]string{{"from": "00:00", "to": "24:00"}}}}})
	for _, name := range []string{"anna", "ben", "carl", "dora"} {
		c := map[string]any{"name": name, "email": name + "@example.org", "mail_service": true}
		switch name {
		case "carl":
			c["quiet_period_id"] = n.sleep
		case "anna":
			c["user_id"] = users.Items[slices.IndexFunc(users.Items, func(u struct{ ID, Name string }) bool { return u.Name == "anna" })].ID
		}
		n.contacts[name] = w.creates("/contacts", c)
	}
	schedule := w.creates("/schedules", map[string]any{"name": "Servers", "layers": []map[string]any{
		{"contact_ids": []string{n.contacts["ben"]}, "start": "2026-01-05T09:00", "every": 1, "unit": "weeks"},
	}})
	policy := w.creates("/policies", map[string]any{"name": "Night", "steps": []map[string]any{{"after_minutes": 1, "schedule_ids": []string{schedule}}}})
	w.creates("/rules", map[string]any{"name": "Racks", "hosts": []string{"rack*"}, "policy_id": policy})
	w.creates("/webhooks", map[string]any{"name": "Board", "form": "json", "url": n.board.URL + "/alerts", "secret": signedWith, "everything": true, "private": true})
	n.anna = w.sit("anna", browser.Chromium, browser.Granted)
	n.anna.signIn()
	return n
}

// storm lets Nagios find everything broken, and waits until the hub knows.
func (n *night) storm() {
	n.Helper()
	for _, s := range n.services {
		n.must(n.nagios.Service(s.Host, s.Name, 2, "CRITICAL - no route to host"))
	}
	n.eventually("all alerts", func() bool {
		var list struct{ Items []alert }
		n.must(n.hub.Get(n.ctx, "/alerts?limit=500", &list))
		for _, a := range list.Items {
			n.ids[a.Object.Service] = a.ID
		}
		return len(n.ids) == storming
	})
}

// wait waits for a moment by the clock.
func (n *night) wait(until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-n.ctx.Done():
	}
}

// letters are those that somebody got, by the beginning of their subject.
func (n *night) letters(name, begins string) []mailsink.Letter {
	var out []mailsink.Letter
	for _, l := range n.sink.Letters() {
		if l.To == name+"@example.org" && strings.HasPrefix(l.Subject(), begins) {
			out = append(out, l)
		}
	}
	return out
}

// accounted waits until one line of the log for each alert has ended, of those to a
// contact by a channel, and answers them by alert.
func (n *night) accounted(name, channel, reason string, want int) map[string]entry {
	n.Helper()
	got := map[string]entry{}
	n.eventually(fmt.Sprintf("%d ends of %s to %s by %s", want, reason, name, channel), func() bool {
		clear(got)
		for _, d := range n.log("&channel=" + channel) {
			if d.ContactName != name || d.Notice != "problem" || d.Reason != reason {
				continue
			}
			if _, twice := got[d.AlertID]; twice {
				n.Fatalf("%s is told of %s twice", name, d.AlertID)
			}
			if d.State == "waiting" || d.State == "collected" || d.State == "handed" {
				return false
			}
			got[d.AlertID] = d
		}
		return len(got) == want
	})
	return got
}

var link = regexp.MustCompile(`http://\S+/a/[A-Za-z0-9_-]{20,}`)

func TestANightWithAStorm(t *testing.T) {
	t.Parallel() // most of it is waiting
	began := time.Now()
	n := fall(t)
	n.Logf("set up after %v", time.Since(began).Round(time.Millisecond))
	begun := time.Now()
	n.storm()
	stormed := time.Now()
	// Storms say more while they last, and they last as long as the machine needs.
	lasted := int(stormed.Sub(begun).Seconds())
	n.Logf("%d alerts after %v", storming, time.Since(began).Round(time.Millisecond))

	n.part("it is a few messages, and each alert is accounted for", func() {
		for _, to := range []struct{ name, channel, reason string }{{"anna", "email", "named_by_engine"}, {"anna", "browser", "named_by_engine"}, {"Board", "webhook", "hook_everything"}} {
			together := 0
			for id, d := range n.accounted(to.name, to.channel, to.reason, storming) {
				if d.State != "sent" {
					n.Errorf("%s by %s of %s: %s, %s", to.name, to.channel, id, d.State, d.Detail)
				}
				if d.Bundle != "" {
					together++
					if !strings.HasPrefix(d.Detail, "told together: ") || !strings.Contains(d.Why, "collected by the rule “by source: 5 at once") || d.Storm == "" {
						n.Errorf("%+v", d)
					}
				}
			}
			if together < storming-10 {
				n.Errorf("%s by %s: only %d were told together", to.name, to.channel, together)
			}
		}
		single, many := n.letters("anna", "PROBLEM: "), n.letters("anna", "STORM: ")
		if len(single) < 1 || len(single) > 8+lasted/20 || len(many) < 1 || len(many) > 6+lasted/5 {
			n.Errorf("Anna got %d letters of one alert and %d of many", len(single), len(many))
		}
		if last := many[len(many)-1]; !strings.Contains(last.Text, "Of: source nagios") || !strings.Contains(last.Text, "/console/alerts?storm=") {
			n.Errorf("the letter says:\n%s", last.Text)
		}
		n.onScreen(0)
		for _, complaint := range n.board.refused() {
			n.Error(complaint)
		}
	})

	n.part("a letter that is refused stands on each delivery, and with the contact", func() {
		for id, d := range n.accounted("dora", "email", "named_by_engine", storming) {
			if d.State != "dead" || !strings.Contains(d.Detail, "550 5.1.1 No such mailbox here") {
				n.Errorf("Dora of %s: %s, %s", id, d.State, d.Detail)
			}
		}
	})

	told := n.letters("anna", "PROBLEM: ")
	taken := n.service(told[0].Subject())
	n.part("a link in a letter asks, and then acknowledges, in Nagios too", func() { n.acknowledge(told[0].Text, taken) })

	var over []string // recovered
	n.part("what recovers is counted in the one notification, which is replaced", func() {
		singles := []string{}
		for _, l := range told {
			singles = append(singles, n.service(l.Subject()))
		}
		for _, s := range n.services {
			if len(over) < 10 && !slices.Contains(singles, s.Name) {
				over = append(over, s.Name)
				n.must(n.nagios.Service(s.Host, s.Name, 0, "OK - back"))
			}
		}
		n.onScreen(10)
	})

	n.part("what quiet hours held back is told when they end: what is still true", func() {
		held := 0
		for _, d := range n.log("&channel=email&contact_id=" + n.contacts["carl"]) {
			if d.Notice == "problem" && d.State == "collected" && d.Reason == "quiet_hours" {
				held++
			}
		}
		if got := n.letters("carl", ""); len(got) != 0 || held < storming-len(over)-1 {
			n.Fatalf("Carl got %d letters in his quiet hours; %d alerts are held back", len(got), held)
		}
		n.must(n.hub.Call(n.ctx, "PUT", "/periods/"+n.sleep, n.hub.Key, map[string]any{"name": "Sleep"}, nil))
		sent := 0
		for id, d := range n.accounted("carl", "email", "quiet_hours", storming) {
			if d.State == "sent" {
				sent++
			} else if d.State != "cancelled" || id != n.ids[taken] && !slices.ContainsFunc(over, func(s string) bool { return n.ids[s] == id }) {
				n.Errorf("Carl of %s: %s, %s", id, d.State, d.Detail)
			}
		}
		got := n.letters("carl", "")
		if len(got) != 1 {
			n.Fatalf("Carl got %d letters", len(got))
		}
		if sent > storming-len(over) || !strings.HasPrefix(got[0].Subject(), fmt.Sprintf("HELD BACK: %d alerts, ", sent)) {
			n.Errorf("Carl was told of %d: %q", sent, got[0].Subject())
		}
	})

	n.part("programs hear that the storm is over", func() {
		n.eventually("the end of the storm", func() bool {
			return slices.ContainsFunc(n.board.took(), func(p posted) bool {
				return p.Type == "storm_over" && p.Digest != nil && p.Digest.Recovered == len(over)
			})
		})
	})

	n.part("who is on call is told of what nobody has", func() {
		open := storming - len(over) - 1
		n.wait(stormed.Add(55 * time.Second)) // policies know no less than a minute
		for id, d := range n.accounted("ben", "email", "escalation", open) {
			if d.State != "sent" || !strings.HasPrefix(d.Why, "not acknowledged for 1 minute: step 1 of policy “Night”; ") || id == n.ids[taken] {
				n.Errorf("Ben of %s: %+v", id, d)
			}
		}
		single, many := n.letters("ben", "ESCALATED: "), n.letters("ben", "STORM: ")
		if len(single) < 1 || len(single) > 8 || len(many) < 1 || len(many) > 3 || len(single)+len(many) != len(n.letters("ben", "")) {
			n.Errorf("Ben got %d letters of one alert and %d of many", len(single), len(many))
		}
		for _, id := range []string{n.ids[taken], n.ids[over[0]]} {
			var a struct{ Escalation *struct{ Policy string } }
			n.must(n.hub.Get(n.ctx, "/alerts/"+id, &a))
			if a.Escalation != nil {
				n.Errorf("a policy goes on with %s", id)
			}
		}
	})
	n.Logf("over after %v; %d letters, %d calls", time.Since(began).Round(time.Millisecond), len(n.sink.Letters()), len(n.board.took()))
}

// onScreen waits until the one notification of the storm on Anna's screen counts so
// many as recovered.
func (n *night) onScreen(recovered int) {
	n.Helper()
	isStorm := func(x notifyd.Notification) bool { return strings.Contains(x.Summary, " alerts – Storm: ") }
	want := "open"
	if recovered > 0 {
		want = fmt.Sprintf("%d recovered", recovered)
	}
	n.eventually("the storm on Anna's screen with "+want, func() bool {
		storms := slices.DeleteFunc(n.anna.desktop.OnScreen(), func(x notifyd.Notification) bool { return !isStorm(x) })
		return len(storms) == 1 && strings.Contains(storms[0].Body, want)
	})
	if got := len(slices.DeleteFunc(n.anna.desktop.OnScreen(), isStorm)); got > 5 {
		n.Errorf("%d single notifications are on Anna's screen", got)
	}
}

// service is the one that a letter is about.
func (n *night) service(subject string) string {
	n.Helper()
	for _, s := range n.services {
		if strings.Contains(subject, s.Name+" ") {
			return s.Name
		}
	}
	n.Fatalf("%q names no service", subject)
	return ""
}

// acknowledge goes by the link in a letter.
func (n *night) acknowledge(letter, service string) {
	n.Helper()
	id, url := n.ids[service], link.FindString(letter)
	if url == "" {
		n.Fatalf("no link in\n%s", letter)
	}
	// A program that looks after mail opens it, and sends what it finds.
	for _, method := range []string{"GET", "HEAD", "POST"} {
		q, err := http.NewRequestWithContext(n.ctx, method, url, bytes.NewReader(nil))
		n.must(err)
		answer, err := http.DefaultClient.Do(q)
		n.must(err)
		_ = answer.Body.Close()
		if want := map[string]int{"GET": 200, "HEAD": 200, "POST": 403}[method]; answer.StatusCode != want {
			n.Errorf("%s answered %d", method, answer.StatusCode)
		}
	}
	if a := n.alert(id); a.Status != "firing" {
		n.Fatalf("opening the link has done it: %s", a.Status)
	}
	tab, err := n.anna.browser.Open(n.ctx, url)
	n.must(err)
	n.anna.reads(tab, "Do you take this alert?", service, "Acknowledge as anna")
	n.must(browser.Type(n.ctx, tab, "#comment", "Going there"))
	n.must(browser.Click(n.ctx, tab, "button[type=submit]"))
	n.anna.reads(tab, "Acknowledged", "Going there")
	n.confirmation(id, "confirmed")
	if a := n.alert(id); a.Ack.Origin != "email" || a.Ack.Author != "anna" || a.Ack.Comment != "Going there" {
		n.Errorf("%+v", a.Ack)
	}
	if got := n.commands("ACKNOWLEDGE_SVC_PROBLEM"); len(got) != 1 || !strings.HasSuffix(got[0], ";"+service+";2;0;1;anna;Going there") {
		n.Errorf("Nagios got %q", got)
	}
	n.shows(service, "problem_has_been_acknowledged=1")
}
