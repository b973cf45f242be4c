package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"html"
	"image"
	"image/png"
	"math"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	engine "tocsin/internal/demo/station"
	"tocsin/test/browser"
	"tocsin/test/browser/notifyd"
	"tocsin/test/hub"
	"tocsin/test/oidc"
	"tocsin/test/pushlab"
	lab "tocsin/test/pushlab/device"
)

// consolePictures are those of a team's hub on an ordinary day.
var consolePictures = []shown{
	{name: "sign-in", part: "document.querySelector('.door-card')", says: []string{"Sign in with a passkey", "Sign in with Example ID"}},
	{name: "account", path: "/console/account", part: upTo("main > .wide-card:last-of-type"), says: []string{"Anna’s laptop", "10 recovery codes are left", "Link an account at Example ID", "Where you are signed in"}},
	{name: "devices", path: "/console/me", part: upTo(".device-list"), says: []string{"You are told on this device also when no tab", "Anna’s phone", "this browser"}},
	{name: "notification", part: "document.querySelector('.screen')", says: []string{"HTTP on web01", "Acknowledge"}},
	{name: "notification-storm", part: "document.querySelector('.screen')", says: []string{"alerts"}},
	{name: "alerts", path: "/console/alerts", says: []string{"Disk /srv", "Acknowledged", "flapping", "downtime"}},
	{name: "alerts-phone", path: "/console/alerts", wide: 390, high: 780, says: []string{"Disk /srv", "Acknowledged", "flapping"}},
	{name: "alert", high: 900, says: []string{"Who was told", "Not told", "Told", "named this contact", "Timeline"}},
	{name: "acknowledged", part: "document.querySelector('.columns')", high: 700, says: []string{"Confirmed by nagios", "Moving the old backups away", "Remove"}},
	{name: "act", wide: 390, high: 700, says: []string{"HTTP", "Acknowledge", "30 min"}},
	{name: "deliveries", path: "/console/deliveries", part: page, high: 620, says: []string{"Why, and what became of it", "Told", "Web Push"}},
	{name: "sources", path: "/console/sources", part: page, says: []string{"nagios", "alertmanager", "Last event"}},
	{name: "source-setup", part: upTo(".setup"), high: 760, says: []string{"The token, shown once", "Connect the engine", "Copy"}},
	{name: "write-back", part: "document.querySelector('#tell')", says: []string{"It works"}},
	{name: "rules", path: "/console/rules", part: page, says: []string{"Web shop, day and night", "Who would be told now?"}},
	{name: "on-call", path: "/console/on-call", says: []string{"Operations", "you", "2 weeks"}},
	{name: "schedule", part: page, high: 900, says: []string{"What comes of it", "Weeks"}},
	{name: "policy", part: page, high: 900, says: []string{"In words", "Nobody takes it"}},
	{name: "quiet-hours", part: heads("Quiet hours"), says: []string{"Nights"}},
	{name: "windows", path: "/console/windows", part: page, says: []string{"Patch night", "Hall 2"}},
	{name: "simulate", part: "document.querySelector('.trial')", high: 900, says: []string{"What would come of it", "In order of time"}},
	{name: "users", path: "/console/users", part: page, says: []string{"Anna Berg", "Carla Ruiz", "Responder"}},
	{name: "keys", path: "/console/keys", part: page, says: []string{"wallboard", "Read alerts", "Revoke"}},
	{name: "audit-trail", path: "/console/audit-trail", part: page, high: 760, says: []string{"Anna Berg", "Before", "After"}},
	{name: "health", path: "/console/health", part: page, says: []string{"System health", "Database", "Deliveries"}},
	{name: "storm-settings", path: "/console/settings", part: heads("Storms"), says: []string{"Alerts that come together become one message"}},
}

// company is a hub with a team, its engine, its provider and its push services.
type company struct {
	*world
	engine   *engine.Station
	lab      *pushlab.Lab
	contacts map[string]string
	at       time.Time // of the next event
}

func newCompany(t *testing.T) *company {
	t.Helper()
	lab, err := pushlab.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	p := oidc.New(t, "tocsin", "secret")
	ctx, cancel := context.WithTimeout(t.Context(), patience())
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx, dir: t.TempDir()}
	w.hub, err = hub.New(hub.Options{Bin: bin, Dir: w.dir, Env: append(lab.Env(), "VAPID_SUBJECT=mailto:ops@example.com",
		"TOCSIN_OIDC_ISSUER="+p.Issuer(), "TOCSIN_OIDC_CLIENT_ID=tocsin", "TOCSIN_OIDC_CLIENT_SECRET=secret", "TOCSIN_OIDC_NAME=Example ID", "TOCSIN_OIDC_OPERATOR_GROUPS=ops")})
	w.must(err)
	c := &company{world: w, lab: lab, contacts: map[string]string{}}
	// Its paths are in a picture: short ones, which say nothing of the test.
	files, err := os.MkdirTemp("", "nagios") //nolint:usetesting // the test’s own folder has its name in it
	w.must(err)
	t.Cleanup(func() { _ = os.RemoveAll(files) })
	c.engine, err = engine.New(files)
	w.must(err)
	c.engine.Every = 100 * time.Millisecond
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- c.engine.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	w.token = w.field("token", "source", "add", "nagios", "--kind", "nagios", "--json")
	w.hub.Key = w.field("key", "apikey", "add", "configuration", "--scope", "admin", "--json")
	for _, u := range [][3]string{{"anna", "admin", "Anna Berg"}, {"ben", "operator", "Ben Okafor"}, {"carla", "responder", "Carla Ruiz"}, {"wall", "viewer", "Screen in the office"}} {
		w.cli(password+"\n", "user", "add", u[0], "--role", u[1], "--display-name", u[2], "--password-stdin")
	}
	w.cli("", "source", "write-back", "nagios", "--write-back", "command_file", "--command-file", c.engine.Commands, "--status-file", c.engine.Status)
	w.serve()
	return c
}

// furnish makes who is told of what, and when.
func (c *company) furnish() {
	c.Helper()
	var users struct{ Items []struct{ ID, Name string } }
	c.must(c.hub.Get(c.ctx, "/users", &users))
	ids := map[string]string{}
	for _, u := range users.Items {
		ids[u.Name] = u.ID
	}
	night := []map[string]string{{"from": "00:00", "to": "07:00"}, {"from": "22:00", "to": "24:00"}}
	days := map[string]any{}
	for _, day := range []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"} {
		days[day] = night
	}
	sleep := c.creates("/periods", map[string]any{"name": "Nights", "zone": zone, "weekdays": days})
	for _, k := range []map[string]any{
		{"name": "anna", "display_name": "Anna Berg", "user_id": ids["anna"], "email": "anna@example.com"},
		{"name": "ben", "display_name": "Ben Okafor", "user_id": ids["ben"], "email": "ben@example.com", "quiet_period_id": sleep, "quiet_pass": "critical"},
		{"name": "carla", "display_name": "Carla Ruiz", "user_id": ids["carla"]},
		{"name": "night-shift", "display_name": "Night shift"},
	} {
		c.contacts[k["name"].(string)] = c.creates("/contacts", k)
	}
	of := func(names ...string) (out []string) {
		for _, n := range names {
			out = append(out, c.contacts[n])
		}
		return out
	}
	monday := time.Now().AddDate(0, 0, -int(time.Now().Weekday()+6)%7-7).Format(time.DateOnly)
	operations := c.creates("/schedules", map[string]any{"name": "Operations", "zone": zone, "layers": []map[string]any{
		{"name": "Weeks", "contact_ids": of("ben", "anna", "carla"), "start": monday + "T09:00", "every": 1, "unit": "weeks"},
	}})
	c.creates("/schedules", map[string]any{"name": "Web shop", "zone": zone, "layers": []map[string]any{
		{"name": "Days", "contact_ids": of("anna", "ben", "carla"), "start": monday + "T08:00", "every": 2, "unit": "days"},
	}})
	policy := c.creates("/policies", map[string]any{"name": "Nobody takes it", "steps": []map[string]any{
		{"after_minutes": 10, "schedule_ids": []string{operations}}, {"after_minutes": 20, "contact_ids": of("anna")},
	}})
	shop := c.creates("/groups", map[string]any{"name": "Web shop", "contact_ids": of("anna", "ben")})
	c.creates("/rules", map[string]any{"name": "Web shop, day and night", "hosts": []string{"web*", "db*"}, "group_ids": []string{shop}, "policy_id": policy})
	c.creates("/rules", map[string]any{"name": "Disks to those who buy them", "services": []string{"Disk *"}, "contact_ids": of("carla")})
	c.creates("/rules", map[string]any{"name": "Everything to operations", "contact_ids": of("anna")})
	soon := time.Now().AddDate(0, 0, 3).Format(time.DateOnly)
	c.creates("/windows", map[string]any{"name": "Patch night", "zone": zone, "start": soon + "T22:00", "minutes": 120, "rrule": "FREQ=MONTHLY;BYDAY=-1SA", "hosts": []string{"web*", "db*"}, "note": "Kernels, one after the other"})
	c.creates("/windows", map[string]any{"name": "Hall 2", "zone": zone, "start": time.Now().Add(-20 * time.Minute).In(berlin(c.T)).Format("2006-01-02T15:04"), "minutes": 90, "hosts": []string{"switch-hall2", "printer-*"}, "note": "A new switch"})
	for _, k := range [][]string{{"wallboard", "alerts:read", "0"}, {"chatbot", "alerts:read,alerts:acknowledge", "90"}} {
		c.cli("", "apikey", "add", k[0], "--scope", k[1], "--days", k[2])
	}
}

func berlin(t *testing.T) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// say is an event of the engine, at a time.
func (c *company) say(kind, host, service string, state int, output string, more map[string]any) {
	c.Helper()
	e := map[string]any{
		"id": kind + host + service + output, "type": kind, "host": host, "state": state, "output": output,
		"time": c.at.Unix(), "labels": map[string]string{"site": "fra1"},
	}
	if service != "" {
		e["service"] = service
	}
	for k, v := range more {
		e[k] = v
	}
	author, _ := more["author"].(string)
	comment, _ := more["comment"].(string)
	word := []string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[state]
	if service == "" {
		word = []string{"UP", "DOWN", "UNREACHABLE"}[state]
	}
	c.engine.See(kind, host, service, word, author, comment)
	c.send(e)
}

// troubles are those of the day.
func (c *company) troubles() {
	c.Helper()
	all := map[string]any{"contacts": []string{"anna", "ben", "night-shift"}}
	with := func(author, comment string) map[string]any {
		return map[string]any{"author": author, "comment": comment}
	}
	now := time.Now()
	c.at = now.Add(-26 * time.Minute)
	c.say("PROBLEM", "ldap.example.com", "LDAP", 2, "Could not bind to the LDAP server", all)
	c.at = now.Add(-23 * time.Minute)
	c.say("RECOVERY", "ldap.example.com", "LDAP", 0, "LDAP OK - 0.004 seconds response time", all)
	c.at = now.Add(-19 * time.Minute)
	c.say("PROBLEM", "store01.example.com", "Disk /srv", 2, "DISK CRITICAL - free space: /srv 812 MiB (1 %)", all)
	c.at = now.Add(-12 * time.Minute)
	c.say("PROBLEM", "db02.example.com", "", 1, "PING CRITICAL - Packet loss = 100%", all)
	c.say("DOWNTIMESTART", "db02.example.com", "", 1, "PING CRITICAL - Packet loss = 100%", with("Ben Okafor", "New memory"))
	c.at = now.Add(-9 * time.Minute)
	c.say("PROBLEM", "web02.example.com", "HTTP", 1, "HTTP WARNING: 200 OK - 4.8 seconds response time", all)
	c.say("FLAPPINGSTART", "web02.example.com", "HTTP", 1, "HTTP WARNING: 200 OK - 4.8 seconds response time", nil)
	c.at = now.Add(-4 * time.Minute)
	c.say("PROBLEM", "mail.example.com", "Queue", 3, "UNKNOWN - postqueue: no such file or directory", all)
}

// TestPictures goes to the pages of the console that the documentation shows.
func TestPictures(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.furnish()
	anna := c.sitPush("anna", browser.Chromium, c.lab)
	tab, err := anna.browser.Open(c.ctx, c.hub.URL+"/console/sign-in")
	c.must(err)
	anna.tab = tab
	al := newAlbum(c.ctx, t, tab, consolePictures)
	visit := func(name string) { t.Helper(); al.visit(c.hub.URL, name) }
	open := func(path string) { t.Helper(); c.must(tab.Go(c.ctx, c.hub.URL+path)) }
	click := func(selector string) { t.Helper(); c.must(browser.Click(c.ctx, tab, selector)) }
	until := func(expr string) {
		t.Helper()
		soon, cancel := context.WithTimeout(c.ctx, moment)
		defer cancel()
		if err := browser.Until(soon, tab, expr); err != nil {
			have, _ := browser.Text(c.ctx, tab, "body")
			t.Fatalf("%v; the page is\n%s", err, have)
		}
	}

	// The ways in, and what somebody has of their own.
	_, err = browser.Plug(c.ctx, tab)
	c.must(err)
	open("/console/sign-in")
	until("document.querySelector('[data-passkey=get] button')?.checkVisibility()")
	al.take("sign-in")
	c.must(browser.Type(c.ctx, tab, "input[name=name]", "anna"))
	c.must(browser.Type(c.ctx, tab, "input[name=password]", password))
	click("button[type=submit]")
	anna.live(tab)
	open("/console/account")
	c.must(browser.Type(c.ctx, tab, "#passkey-name", "Anna’s laptop"))
	click("[data-passkey=add] button")
	until("document.querySelectorAll('.code-list li').length === 10")
	visit("account")

	// Her browser and her phone.
	anna.phone()
	open(devicesPage)
	click(turnOnButton)
	until("!document.querySelector('" + turnOffButton + "').hidden && document.querySelectorAll('.devices tbody tr').length >= 2")
	// A morning, and one problem that she sees as it comes.
	c.troubles()
	anna.live(tab)
	c.at = time.Now()
	c.say("PROBLEM", "web01.example.com", "HTTP", 2, "CRITICAL - Socket timeout after 10 seconds", map[string]any{"contacts": []string{"anna", "ben", "night-shift"}})
	n := anna.sees("PROBLEM: HTTP on web01.example.com is Critical!")
	al.drawn(c.drawing(n))
	al.take("notification")

	visit("devices")

	disk := c.alertOf("store01.example.com", "Disk /srv")
	open("/console/alerts/" + disk.ID)
	c.must(browser.Type(c.ctx, tab, "#comment", "Moving the old backups away"))
	click("#ack-button")
	anna.reads(tab, "Confirmed by nagios")
	al.take("acknowledged")
	visit("alerts")
	visit("alerts-phone")
	web := c.alertOf("web01.example.com", "HTTP")
	open("/console/alerts/" + web.ID)
	al.take("alert")
	open("/console/act/" + web.ID)
	al.take("act")
	visit("deliveries")

	// What an administrator sets.
	open("/console/sources/new")
	c.must(browser.Type(c.ctx, tab, "input[name=name]", "alertmanager"))
	c.must(tab.Eval(c.ctx, "(() => { const k = document.querySelector('[name=kind]'); k.value = 'alertmanager'; k.dispatchEvent(new Event('change', {bubbles: true})); })()", nil))
	click(".form-foot button.primary")
	until("document.querySelector('#token')")
	al.take("source-setup")
	visit("sources")
	c.must(browser.Click(c.ctx, tab, "tbody tr:last-child a"))
	until("document.querySelector('#tell')")
	anna.live(tab)
	c.must(tab.Eval(c.ctx, "document.querySelector('#tell .section-foot button').click()", nil)) // the page above it still grows
	until("document.querySelector('#tell .said-good')")
	al.take("write-back")
	visit("rules")
	visit("on-call")
	open("/console/schedules")
	click("main tbody a, main .card h2 a, main li a")
	until("document.querySelector('#means')")
	al.take("schedule")
	open("/console/policies")
	click(".policy-card h2 a")
	until("document.querySelector('#means')")
	al.take("policy")
	open("/console/contacts/" + c.contacts["ben"])
	al.take("quiet-hours")
	visit("windows")
	storms := func(set map[string]any) {
		t.Helper()
		c.must(c.hub.Call(c.ctx, "PUT", "/settings", c.hub.Key, map[string]any{"storm": set}, nil))
	}
	storms(map[string]any{"off": false})
	open("/console/simulate?example=storm")
	click("#simulate-form .form-foot .primary")
	until("document.querySelector('.trial')")
	al.take("simulate")
	visit("users")
	visit("keys")
	visit("health")
	visit("storm-settings")
	visit("audit-trail")

	// A switch fails.
	storms(map[string]any{"burst": 1, "wait": 2, "at_most": 20})
	open("/console/alerts")
	anna.live(tab)
	for i := range 14 {
		c.say("PROBLEM", fmt.Sprintf("rack07-%02d.example.com", i+1), "", 1, "CRITICAL - no route to host", map[string]any{"contacts": []string{"anna"}})
	}
	storm := anna.storm()
	al.drawn(c.drawing(storm))
	al.take("notification-storm")
}

// phone is a second device of somebody.
func (p *pushed) phone() {
	p.Helper()
	var key struct {
		ID string `json:"key_id"`
	}
	p.must(p.session.Ask(p.ctx, http.MethodGet, "/push/key", nil, &key))
	d, err := lab.New(p.lab.Google.Box, "phone", nil)
	p.must(err)
	d.Switch(true)
	p.Cleanup(func() { d.Switch(false) })
	p.must(p.session.Ask(p.ctx, http.MethodPut, "/push/devices", map[string]any{"subscription": d.Subscription("https://fcm.googleapis.com/fcm/send/phone"), "key_id": key.ID, "name": "Anna’s phone"}, nil))
}

// storm waits for the one notification of many alerts.
func (p *pushed) storm() notifyd.Notification {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, moment)
	defer cancel()
	n, err := p.desktop.Wait(ctx, func(n notifyd.Notification) bool {
		return strings.Contains(n.Summary, "13 alerts") || strings.Contains(n.Summary, "14 alerts")
	})
	if err != nil {
		p.Fatalf("no notification of the storm: %v\n%v", err, p.desktop)
	}
	return n
}

// drawing is a notification as the desktop got it from the browser, title, text, picture
// and buttons, in a frame of our own: each desktop has another one.
func (c *company) drawing(n notifyd.Notification) string {
	c.Helper()
	icon := ""
	if side := int(math.Sqrt(float64(len(n.Image) / 4))); side > 0 && side*side*4 == len(n.Image) {
		p := &image.NRGBA{Pix: n.Image, Stride: 4 * side, Rect: image.Rect(0, 0, side, side)}
		var b bytes.Buffer
		c.must(png.Encode(&b, p))
		icon = fmt.Sprintf(`<img alt="" width="48" height="48" src="data:image/png;base64,%s">`, base64.StdEncoding.EncodeToString(b.Bytes()))
	}
	from, body, ok := strings.Cut(n.Body, "\n\n")
	if !ok {
		from, body = "", n.Body
	}
	var buttons strings.Builder
	for i := 0; i+1 < len(n.Actions); i += 2 {
		if n.Actions[i] != "default" {
			fmt.Fprintf(&buttons, "<span>%s</span>", html.EscapeString(n.Actions[i+1]))
		}
	}
	return `<!doctype html><html lang="en"><meta charset="utf-8"><title>A notification</title><style>
:root { color-scheme: light dark; }
body { margin: 0; padding: 40px; background: light-dark(#dfe4ea, #0d1014); font: 14px/1.45 system-ui, "DejaVu Sans", sans-serif; }
.screen { width: 430px; padding: 4px; }
.box { padding: 14px 16px; border-radius: 14px; background: light-dark(#fff, #262b33); color: light-dark(#1d2127, #e6e9ee); box-shadow: 0 6px 22px rgb(0 0 0 / 22%); }
.from { display: flex; gap: 8px; margin: 0 0 8px; font-size: 12.5px; color: light-dark(#586170, #9ba5b4); }
.in { display: flex; gap: 14px; align-items: flex-start; }
.in div { flex: 1; min-width: 0; overflow-wrap: anywhere; }
strong { display: block; } p { margin: 3px 0 0; white-space: pre-line; }
.do { display: flex; gap: 8px; margin-top: 12px; } .do span { flex: 1; padding: 6px; border-radius: 8px; text-align: center; font-size: 13px; font-weight: 600; white-space: nowrap; background: light-dark(#eceef1, #363c46); }
</style><div class="screen"><div class="box"><p class="from">` + html.EscapeString(n.App+" · "+origin(from)) + `</p><div class="in">` + icon + `<div><strong>` + html.EscapeString(n.Summary) + `</strong><p>` + html.EscapeString(strings.TrimSpace(body)) + `</p></div></div>` +
		map[bool]string{true: `<div class="do">` + buttons.String() + `</div>`}[buttons.Len() > 0] + `</div></div></html>`
}

// origin is the text of the link that Chromium puts before a notification's own text.
func origin(link string) string {
	if _, after, ok := strings.Cut(link, ">"); ok {
		link, _, _ = strings.Cut(after, "<")
	}
	return strings.TrimSpace(link)
}
