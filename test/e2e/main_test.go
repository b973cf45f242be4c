// Package e2e goes the whole way with what people use: the built binary, set
// up by its own command line; Debian's Nagios that runs `tocsin notify`; the
// real Chromium and the real Firefox; and a desktop on a private D-Bus that
// shows what a person would see.
package e2e_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/test/await"
	"tocsin/test/browser"
	"tocsin/test/browser/notifyd"
	"tocsin/test/hub"
)

var (
	update = flag.Bool("update", false, "write the pictures of docs/images anew")
	bin    string // the built program
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tocsin-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if bin, err = hub.Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// On a machine with more to do than this all takes its time. None of these is how soon
// something must happen: only how long it is waited for before it counts as missing.
const (
	moment = time.Minute     // what comes by itself
	story  = 8 * time.Minute // a whole test
)

const password = "correct horse battery"

// world is one hub with its people, for one test.
type world struct {
	*testing.T
	ctx   context.Context
	hub   *hub.Hub
	token string // of the source "nagios"
	dir   string
}

// begin starts a hub with the source "nagios" and an API key.
func begin(t *testing.T, o hub.Options) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), story)
	t.Cleanup(cancel)
	w := &world{T: t, ctx: ctx, dir: t.TempDir()}
	o.Bin, o.Dir = bin, w.dir
	h, err := hub.New(o)
	w.must(err)
	w.hub = h
	w.token = w.field("token", "source", "add", "nagios", "--kind", "nagios", "--json")
	h.Key = w.field("key", "apikey", "add", "test", "--scope", "admin", "--json")
	return w
}

// serve starts the hub; it ends with the test, and says what it logged if
// the test failed.
func (w *world) serve() {
	w.Helper()
	w.run()
	w.must(w.hub.OneByOne(w.ctx)) // each story looks at each message by itself
}

// run is the same with storms as they are set.
func (w *world) run() {
	w.Helper()
	w.must(w.hub.Start(w.ctx))
	w.Cleanup(func() {
		w.hub.Kill()
		if w.Failed() {
			w.Logf("the hub said:\n%s", w.hub.Log())
		}
	})
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// part is one part of a story: what fails in it is named by it.
func (w *world) part(name string, f func()) {
	whole := w.T
	whole.Run(name, func(t *testing.T) {
		w.T = t
		defer func() { w.T = whole }()
		f()
	})
}

// cli runs a command of the program.
func (w *world) cli(stdin string, args ...string) []byte {
	w.Helper()
	out, err := w.hub.CLI(w.ctx, stdin, args...)
	w.must(err)
	return out
}

// field runs a command that prints JSON and answers one of its fields.
func (w *world) field(name string, args ...string) string {
	w.Helper()
	out := w.cli("", args...)
	var m map[string]any
	w.must(json.Unmarshal(out, &m))
	s, _ := m[name].(string)
	if s == "" {
		w.Fatalf("tocsin %s: no %s in %s", strings.Join(args, " "), name, out)
	}
	return s
}

// user makes a user and a contact of the same name.
func (w *world) user(name, role string) {
	w.Helper()
	w.cli(password+"\n", "user", "add", name, "--role", role, "--password-stdin")
	w.cli("", "contact", "add", name, "--user", name)
}

// send posts one event as the source does.
func (w *world) send(event map[string]any) {
	w.Helper()
	w.must(w.hub.Call(w.ctx, "POST", "/sources/nagios/events", w.token, event, nil))
}

// person sits before one browser and one desktop.
type person struct {
	*world
	name    string
	browser browser.Browser
	desktop *notifyd.Daemon
	tab     browser.Tab // the first one
}

type start func(context.Context, browser.Options) (browser.Browser, error)

// sit starts a browser with a desktop of its own, for a user that there is.
func (w *world) sit(name string, s start, p browser.Permission) *person {
	w.Helper()
	bus, err := notifyd.StartBus(w.ctx)
	w.must(err)
	w.Cleanup(bus.Close)
	b, err := s(w.ctx, browser.Options{Dir: w.TempDir(), Env: bus.Env()})
	w.must(err)
	w.Cleanup(b.Close)
	w.must(b.Permit(w.ctx, w.hub.URL, p))
	return &person{world: w, name: name, browser: b, desktop: bus}
}

// signIn signs in in a new tab and waits until its page is live.
func (p *person) signIn() {
	p.Helper()
	tab, err := p.browser.Open(p.ctx, p.hub.URL+"/console/sign-in")
	p.must(err)
	p.tab = tab
	p.must(browser.Type(p.ctx, tab, "input[name=name]", p.name))
	p.must(browser.Type(p.ctx, tab, "input[name=password]", password))
	p.must(browser.Click(p.ctx, tab, "button[type=submit]"))
	p.live(tab)
}

// live waits until a tab says that it is live.
func (p *person) live(tab browser.Tab) {
	p.Helper()
	p.must(browser.Until(p.ctx, tab, "document.querySelector('#live-state')?.dataset.state === 'live'"))
}

// open opens a page of the console in a new tab and waits until it is live.
func (p *person) open(path string) browser.Tab {
	p.Helper()
	tab, err := p.browser.Open(p.ctx, p.hub.URL+path)
	p.must(err)
	p.live(tab)
	return tab
}

// sees waits for a notification with that title, and answers it.
func (p *person) sees(title string) notifyd.Notification {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, moment)
	defer cancel()
	n, err := p.desktop.Wait(ctx, func(n notifyd.Notification) bool { return n.Summary == title })
	if err != nil {
		p.Fatalf("%s does not see %q: %v", p.name, title, err)
	}
	return n
}

// reads waits until the visible text of the page has each of the texts.
func (p *person) reads(tab browser.Tab, texts ...string) {
	p.Helper()
	for _, text := range texts {
		ctx, cancel := context.WithTimeout(p.ctx, moment)
		err := browser.Until(ctx, tab, fmt.Sprintf("document.body.innerText.includes(%q)", text))
		cancel()
		if err != nil {
			have, _ := browser.Text(p.ctx, tab, "body")
			p.Fatalf("%s does not read %q, but:\n%s", p.name, text, have)
		}
	}
}

// eventually waits until ok says yes: the API has no event for everything.
func (w *world) eventually(what string, ok func() bool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, moment)
	defer cancel()
	if err := await.True(ctx, ok); err != nil {
		w.Fatalf("not seen: %s: %v", what, err)
	}
}

// alert is what the API says of one.
type alert struct {
	ID     string
	Object struct {
		ID, Host, Service string
		SourceID          string `json:"source_id"`
		Downtime          bool
	}
	Status          string
	State           string
	Acknowledgement *struct{ Author, Comment, Origin, Confirmation string }
	Timeline        []event
	Deliveries      []delivery
}

// event is one entry of a timeline.
type event struct{ Type, Outcome, Author, Comment, Output, Why string }

// delivery is who was told how, and what became of it.
type delivery struct {
	ContactName                                 string `json:"contact_name"`
	Channel, Notice, State, Reason, Why, Detail string
	Destination                                 string // of Web Push: the device
	Attempt                                     int
	Attempts                                    []struct {
		Number         int
		Result, Detail string
	}
}

// alertOf answers the newest alert of a service, or of a host when service is
// empty.
func (w *world) alertOf(host, service string) alert {
	w.Helper()
	var list struct{ Items []alert }
	w.must(w.hub.Get(w.ctx, "/alerts?limit=500", &list))
	for _, a := range list.Items {
		if a.Object.Host == host && a.Object.Service == service {
			var whole alert
			w.must(w.hub.Get(w.ctx, "/alerts/"+a.ID, &whole))
			return whole
		}
	}
	w.Fatalf("no alert of %q on %s", service, host)
	return alert{}
}
