package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/test/browser"
	"tocsin/test/browser/notifyd"
	"tocsin/test/hub"
	"tocsin/test/pushlab"
	"tocsin/test/pushlab/box"
)

// What a person clicks on the page of devices.
const (
	devicesPage   = "/console/me"
	turnOnButton  = "#push-on"
	turnOffButton = "#push-off"
	testButton    = "#push-test"
)

// device is what the API says of one of mine.
type device struct {
	ID, Name, Service string
	KeyID             string `json:"key_id"`
	KeyCurrent        bool   `json:"key_current"`
	Failures          int
	LastError         string `json:"last_error"`
}

// beginPush starts a hub that reaches the browsers' push services, as the lab
// has them.
func beginPush(t *testing.T) (*world, *pushlab.Lab) {
	t.Helper()
	lab, err := pushlab.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	env := append(lab.Env(), "VAPID_SUBJECT=mailto:ops@example.org")
	w := begin(t, hub.Options{Proxy: true, Env: env})
	t.Cleanup(w.hub.Line.Close)
	return w, lab
}

// pushed is a person whose browser takes Web Push.
type pushed struct {
	*person
	lab   *pushlab.Lab
	start start
	dir   string
	// session is the same person at another machine, without a tab that would
	// be told: for what the API tells nobody but them.
	session *hub.Tab
	box     *box.Box // of the push service that the browser uses
	token   string   // of its subscription there
}

func (w *world) sitPush(name string, s start, lab *pushlab.Lab) *pushed {
	w.Helper()
	bus, err := notifyd.StartBus(w.ctx)
	w.must(err)
	w.Cleanup(bus.Close)
	p := &pushed{person: &person{world: w, name: name, desktop: bus}, lab: lab, start: s, dir: w.TempDir()}
	w.Cleanup(func() { p.browser.Close() })
	p.opens()
	p.session, err = w.hub.SignIn(w.ctx, name, password)
	w.must(err)
	return p
}

// opens starts the browser, with what it kept from before.
func (p *pushed) opens() {
	p.Helper()
	b, err := p.lab.Browser(p.ctx, p.start, browser.Options{Dir: p.dir, Env: p.desktop.Env(), Granted: []string{p.hub.URL}})
	p.must(err)
	p.browser = b
}

// devices answers those of the person.
func (p *pushed) devices() []device {
	p.Helper()
	var out struct{ Items []device }
	p.must(p.session.Ask(p.ctx, http.MethodGet, "/push/devices", nil, &out))
	return out.Items
}

// turnsOn subscribes by a click on the page of devices.
func (p *pushed) turnsOn() browser.Tab {
	p.Helper()
	tab := p.open(devicesPage)
	p.must(browser.Click(p.ctx, tab, turnOnButton))
	p.must(browser.Until(p.ctx, tab, "!document.querySelector('"+turnOffButton+"').hidden"))
	p.follows(tab)
	return tab
}

// follows looks up which subscription the browser has.
func (p *pushed) follows(tab browser.Tab) {
	p.Helper()
	var endpoint string
	p.must(tab.Eval(p.ctx, "navigator.serviceWorker.ready.then((r) => r.pushManager.getSubscription()).then((s) => s.endpoint)", &endpoint))
	var err error
	p.box, p.token, err = p.lab.Box(endpoint)
	p.must(err)
}

// waits waits for what the push service sees.
func (p *pushed) waits(what string, ok func() bool) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, moment)
	defer cancel()
	if err := p.box.Until(ctx, ok); err != nil {
		p.Fatalf("not seen: %s: %v", what, err)
	}
}

// press presses the button with that label on a notification.
func (p *pushed) press(n notifyd.Notification, label string) {
	p.Helper()
	for i := 0; i+1 < len(n.Actions); i += 2 {
		if n.Actions[i+1] == label {
			p.must(p.desktop.Click(n.ID, n.Actions[i]))
			return
		}
	}
	p.Fatalf("%q has no button %s, but %q", n.Summary, label, n.Actions)
}

// away waits until no notification with that title is on the screen.
func (p *pushed) away(title string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, moment)
	defer cancel()
	_, err := p.desktop.Wait(ctx, func(notifyd.Notification) bool {
		return !slices.ContainsFunc(p.desktop.OnScreen(), func(n notifyd.Notification) bool { return n.Summary == title })
	})
	if err != nil {
		p.Fatalf("%q stays on the screen: %v", title, err)
	}
}

// told waits until every delivery of a service's problem by that channel has
// ended as sent.
func (w *world) told(service, channel string) {
	w.Helper()
	w.eventually(fmt.Sprintf("the problem of %s was told by %s", service, channel), func() bool {
		found := 0
		for _, d := range w.alertOf("web01", service).Deliveries {
			if d.Channel != channel || d.Notice != "problem" {
				continue
			}
			if found++; d.State != "sent" {
				return false
			}
		}
		return found > 0
	})
}

// recovers sends the recovery of a service on web01.
func (w *world) recovers(service string) {
	w.Helper()
	w.send(map[string]any{
		"id": service + " recovered", "type": "RECOVERY", "host": "web01", "service": service, "state": 0, "output": "fine again",
		"contact": "anna", "time": time.Now().Unix(),
	})
}

func recoveryOf(service string) string { return fmt.Sprintf("RECOVERY: %s on web01 is OK!", service) }

// What a contact's device does from the click that turns it on to the end, with
// the real browsers: each part goes on where the one before it ended.
func TestPush(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, s start) {
		w, lab := beginPush(t)
		w.user("anna", "admin")
		w.serve()
		anna := w.sitPush("anna", s, lab)
		anna.signIn()
		for _, part := range []struct {
			name string
			run  func()
		}{
			{"a click turns it on", anna.turnedOn},
			{"a device is told with every tab closed", anna.toldWithoutTab},
			{"a click opens the alert, and what a push showed no tab shows again", anna.clickOpens},
			{"a tab and a push are one notification", anna.tabAndPush},
			{"an acknowledgement elsewhere replaces it", anna.acknowledgedElsewhere},
			{"the buttons acknowledge and snooze with every tab closed", anna.buttons},
			{"an acknowledgement without network is kept and sent", anna.offline},
			{"what came while the browser was closed is there when it starts", anna.closed},
			{"the test button", anna.tested},
			{"a new key: the old one sends until the browser comes by", anna.rotated},
			{"turned off", anna.turnsOff},
			{"a visitor gets what is published", anna.visits},
			{"a browser is a device and a visitor's, and each ends by itself", anna.both},
			{"a permission that is taken away ends the device", anna.revoked},
		} {
			w.part(part.name, part.run)
			if w.Failed() {
				return // each goes on where the one before it ended
			}
		}
	})
}

func (p *pushed) turnedOn() {
	tab := p.turnsOn()
	ds := p.devices()
	if len(ds) != 1 || !strings.HasSuffix(ds[0].Name, " on Linux") || !ds[0].KeyCurrent || !strings.Contains(ds[0].Service, ".") {
		p.Fatalf("the devices are %+v", ds)
	}
	// The same page once more makes no second one.
	p.must(tab.Go(p.ctx, p.hub.URL+devicesPage))
	p.live(tab)
	p.reads(tab, ds[0].Name)
	if again := p.devices(); len(again) != 1 || again[0].ID != ds[0].ID {
		p.Errorf("after a reload the devices are %+v", again)
	}
	p.must(tab.Close(p.ctx))
	p.must(p.tab.Close(p.ctx))
	p.eventually("no tab is open", func() bool { return p.streams() == 0 })
}

func (p *pushed) toldWithoutTab() {
	p.trouble("HTTP", "no answer in 10 s ✓ ünïcode")
	n := p.sees(problemOf("HTTP"))
	if !strings.Contains(n.Body, "no answer in 10 s ✓ ünïcode") {
		p.Errorf("anna reads %q", n.Body)
	}
	if len(n.Image) == 0 && n.Hints["image-path"] == "" {
		p.Errorf("no icon: %v", n.Hints)
	}
	for _, label := range []string{"Acknowledge", "Snooze 30 min"} {
		if !slices.Contains(n.Actions, label) {
			p.Errorf("no button %s, but %q", label, n.Actions)
		}
	}
	p.told("HTTP", "webpush")
	pushes := p.box.Pushes(p.token)
	if len(pushes) != 1 {
		p.Fatalf("the push service got %s", p.box)
	}
	if got := pushes[0]; got.Status != 201 || got.Urgency != "high" || got.Topic == "" || got.Proto != "HTTP/2.0" || got.Subject != "mailto:ops@example.org" || got.Bytes >= 2744 {
		p.Errorf("the push service got %+v", got)
	}
	p.eventually("the delivery says which browser showed it", func() bool {
		for _, d := range p.alertOf("web01", "HTTP").Deliveries {
			if d.Channel != "webpush" {
				continue
			}
			for _, a := range d.Attempts {
				if strings.Contains(a.Result+" "+a.Detail, "shown") && strings.Contains(a.Detail, "Linux") {
					return true
				}
			}
		}
		return false
	})
}

func (p *pushed) clickOpens() {
	p.must(p.desktop.Click(p.sees(problemOf("HTTP")).ID, "default"))
	ctx, cancel := context.WithTimeout(p.ctx, moment)
	defer cancel()
	tab, err := browser.UntilTab(ctx, p.browser, "/console/alerts/"+p.alertOf("web01", "HTTP").ID)
	p.must(err)
	p.live(tab)
	p.reads(tab, "Critical", "web01", "no answer in 10 s ✓ ünïcode")
	// The tab finds the delivery of the browser channel waiting, and answers for it.
	p.told("HTTP", "browser")
	if got := p.count(problemOf("HTTP")); got != 1 {
		p.Errorf("anna saw it %d times", got)
	}
	p.tab = tab
}

func (p *pushed) tabAndPush() {
	for _, service := range []string{"SMTP", "IMAP", "POP3"} {
		p.trouble(service, "no answer")
		p.sees(problemOf(service))
		p.told(service, "browser")
		p.told(service, "webpush")
		p.waits("the browser has the push", func() bool { return len(p.box.Waiting(p.token)) == 0 })
		if got := p.count(problemOf(service)); got != 1 {
			p.Errorf("anna saw %s %d times: %s", service, got, p.desktop)
		}
	}
}

func (p *pushed) acknowledgedElsewhere() {
	p.must(p.tab.Close(p.ctx))
	p.eventually("no tab is open", func() bool { return p.streams() == 0 })
	p.must(p.hub.Post(p.ctx, "/alerts/"+p.alertOf("web01", "SMTP").ID+"/acknowledge", map[string]any{"comment": "on it"}, nil))
	p.sees("Acknowledgement for web01/SMTP (Critical)")
	p.away(problemOf("SMTP"))
	p.recovers("IMAP")
	p.sees(recoveryOf("IMAP"))
	p.away(problemOf("IMAP"))
}

func (p *pushed) buttons() {
	p.trouble("LDAP", "no answer")
	p.press(p.sees(problemOf("LDAP")), "Acknowledge")
	p.eventually("the alert is acknowledged", func() bool { return p.alertOf("web01", "LDAP").Status == "acknowledged" })
	if a := p.alertOf("web01", "LDAP").Acknowledgement; a.Author != "anna" || a.Origin != "notification" {
		p.Errorf("acknowledged as %+v", *a)
	}
	p.away(problemOf("LDAP"))

	p.trouble("DNS", "no answer")
	p.press(p.sees(problemOf("DNS")), "Snooze 30 min")
	p.eventually("the alert is snoozed", func() bool {
		return slices.ContainsFunc(p.alertOf("web01", "DNS").Timeline, func(e event) bool {
			return e.Type == "SNOOZE" && e.Author == "anna"
		})
	})
	p.away(problemOf("DNS"))
}

func (p *pushed) offline() {
	// The browser is cut off from the hub, and the hub not from the push service.
	p.hub.Line.Cut()
	defer p.hub.Line.Mend()
	p.trouble("NTP", "offset of 12 s")
	p.press(p.sees(problemOf("NTP")), "Acknowledge")
	p.sees("Acknowledgement kept")
	if a := p.alertOf("web01", "NTP"); a.Status != "firing" {
		p.Fatalf("the line is cut, and the alert is %s", a.Status)
	}
	p.hub.Line.Mend()
	// The next message wakes the worker, if the browser has not done it by itself.
	p.trouble("Cron", "did not run")
	p.eventually("the acknowledgement arrives", func() bool { return p.alertOf("web01", "NTP").Status == "acknowledged" })
	if got := p.alertOf("web01", "NTP").Acknowledgement.Author; got != "anna" {
		p.Errorf("acknowledged by %q", got)
	}
	p.sees("Acknowledged")
}

func (p *pushed) closed() {
	p.waits("the browser has all", func() bool { return len(p.box.Waiting(p.token)) == 0 })
	p.browser.Close()
	p.waits("the browser is gone", func() bool { return !p.box.Online(p.token) })
	before := p.box.Accepted(p.token)
	accepted := func(n int) {
		p.Helper()
		p.waits(fmt.Sprintf("%d messages more", n), func() bool { return p.box.Accepted(p.token) == before+n })
	}
	p.trouble("Disk", "full")
	accepted(1)
	p.recovers("Disk")
	accepted(2)
	p.trouble("Swap", "full")
	accepted(3)
	if got := len(p.box.Waiting(p.token)); got != 2 {
		p.Errorf("%d messages wait; the recovery should have replaced its problem", got)
	}
	p.opens()
	p.sees(recoveryOf("Disk"))
	p.sees(problemOf("Swap"))
	if got := p.count(problemOf("Disk")); got != 0 {
		p.Errorf("what had recovered was shown: %s", p.desktop)
	}
}

func (p *pushed) tested() {
	p.tab = p.open(devicesPage)
	p.must(browser.Click(p.ctx, p.tab, testButton))
	n := p.sees("Test notification from Tocsin")
	p.must(p.tab.Close(p.ctx))
	p.eventually("the tab is closed", func() bool {
		tabs, err := p.browser.Tabs(p.ctx)
		p.must(err)
		return !slices.ContainsFunc(tabs, func(t browser.Tab) bool { return t.ID() == p.tab.ID() })
	})
	p.must(p.desktop.Click(n.ID, "default"))
	ctx, cancel := context.WithTimeout(p.ctx, moment)
	defer cancel()
	tab, err := browser.UntilTab(ctx, p.browser, devicesPage)
	p.must(err)
	p.must(browser.Until(ctx, tab, "document.querySelector('"+turnOffButton+"')"))
	p.must(tab.Close(p.ctx))
}

func (p *pushed) rotated() {
	old := p.devices()[0]
	p.must(p.hub.Post(p.ctx, "/push/keys/rotate", nil, nil))
	if p.devices()[0].KeyCurrent {
		p.Fatal("after the rotation the device has the current key")
	}
	p.trouble("Old key", "x")
	p.sees(problemOf("Old key"))
	last := func() box.Push {
		all := p.box.Pushes(p.token)
		return all[len(all)-1]
	}
	oldKey, oldToken := last().Key, p.token

	p.tab = p.open("/console/alerts")
	p.eventually("the device has moved to the new key", func() bool { return p.devices()[0].KeyCurrent })
	if ds := p.devices(); len(ds) != 1 || ds[0].ID != old.ID {
		p.Errorf("it was %+v, and is %+v", old, ds)
	}
	p.follows(p.tab)
	p.waits("the old subscription has ended", func() bool { return p.box.Gone(oldToken) })
	p.must(p.tab.Close(p.ctx))
	p.trouble("New key", "x")
	p.sees(problemOf("New key"))
	if got := last().Key; got == oldKey {
		p.Error("the old key signs for the new subscription")
	}
	var keys struct {
		Items []struct {
			Retired       *time.Time
			Subscriptions int
		}
	}
	p.must(p.hub.Get(p.ctx, "/push/keys", &keys))
	if len(keys.Items) != 2 || keys.Items[0].Subscriptions != 1 || keys.Items[1].Subscriptions != 0 || keys.Items[1].Retired == nil {
		p.Errorf("the keys are %+v", keys.Items)
	}
}

func (p *pushed) turnsOff() {
	p.tab = p.open(devicesPage)
	p.must(browser.Click(p.ctx, p.tab, turnOffButton))
	p.waits("the subscription has ended", func() bool { return p.box.Gone(p.token) })
	p.eventually("the hub has no device", func() bool { return len(p.devices()) == 0 })
}

// publication is what the API says of one.
type publication struct {
	ID       string
	Progress struct {
		Total, Sent, Gone, Failed, Waiting int
		Done                               bool
	}
}

func (p *pushed) visits() {
	p.must(p.hub.Post(p.ctx, "/status/pages", map[string]any{"slug": "main", "name": "Sandbank", "zone": "UTC"}, nil)) // what is followed
	tab := p.tab
	p.must(tab.Eval(p.ctx, "import('/static/js/push.js').then((m) => m.visitor.save({ kinds: ['incident_new'], min_impact: 'major' })).then(() => null)", nil))
	p.follows(tab)
	publish := func(impact, title string) publication {
		p.Helper()
		var out publication
		p.must(p.hub.Post(p.ctx, "/publications", map[string]any{
			"kind": "incident_new", "impact": impact, "topic": "inc-1", "url": "/console/alerts",
			"texts": map[string]any{"": map[string]string{"title": title, "body": "We look into it."}},
		}, &out))
		p.eventually("the publication is done", func() bool {
			p.must(p.hub.Get(p.ctx, "/publications/"+out.ID, &out))
			return out.Progress.Done
		})
		return out
	}
	if got := publish("minor", "Slow pages").Progress; got.Sent != 0 {
		p.Errorf("nobody wants to hear of what is minor: %+v", got)
	}
	if got := publish("critical", "No pages").Progress; got.Sent != 1 || got.Total != 1 {
		p.Errorf("progress %+v", got)
	}
	n := p.sees("No pages")
	if !strings.Contains(n.Body, "We look into it.") || p.count("Slow pages") != 0 {
		p.Errorf("the visitor saw %s", p.desktop)
	}
	if got := p.devices(); len(got) != 0 {
		p.Errorf("a visitor became anna's device: %+v", got)
	}
	p.press(n, "Unsubscribe")
	p.waits("the subscription has ended", func() bool { return p.box.Gone(p.token) })
	p.sees("Unsubscribed")
	if got := publish("critical", "Nobody is left").Progress; got.Total != 0 {
		p.Errorf("progress after the end %+v", got)
	}
	p.must(tab.Close(p.ctx))
}

func (p *pushed) both() {
	tab := p.turnsOn()
	run := func(what string) (state string) {
		p.Helper()
		p.must(tab.Eval(p.ctx, "import('/static/js/push.js').then(async (m) => { await "+what+"; return (await m.look()).state })", &state))
		return state
	}
	if got := run("m.visitor.save({})"); got != "on" || len(p.devices()) != 1 {
		p.Fatalf("a device that became a visitor's, too, is %q, with %d devices", got, len(p.devices()))
	}
	if got := run("m.visitor.remove()"); got != "on" || len(p.devices()) != 1 || p.box.Gone(p.token) {
		p.Fatalf("a device that is no visitor's any more is %q, with %d devices", got, len(p.devices()))
	}
	run("m.visitor.save({})")
	if got := run("m.turnOff()"); got != "off" || len(p.devices()) != 0 || p.box.Gone(p.token) {
		p.Fatalf("a visitor's that is no device any more is %q, with %d devices", got, len(p.devices()))
	}
	run("m.visitor.remove()")
	p.waits("the subscription has ended", func() bool { return p.box.Gone(p.token) })
	p.must(tab.Close(p.ctx))
}

func (p *pushed) revoked() {
	tab := p.turnsOn()
	p.must(tab.Close(p.ctx))
	if got := len(p.devices()); got != 1 {
		p.Fatalf("%d devices", got)
	}
	p.must(p.browser.Revoke(p.ctx, p.hub.URL))
	p.waits("the subscription has ended", func() bool { return p.box.Gone(p.token) })
	p.trouble("Revoked", "x")
	p.eventually("the push service says 410, and the device is gone", func() bool { return len(p.devices()) == 0 })
	// The next message waits for a tab, and for nothing else.
	p.trouble("Nobody", "x")
	p.eventually("it is left for a tab", func() bool {
		ds := p.alertOf("web01", "Nobody").Deliveries
		return len(ds) == 1 && ds[0].Channel == "browser" && ds[0].State == "waiting"
	})
}
