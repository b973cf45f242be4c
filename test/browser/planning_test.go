package browser_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/dispatch"
	"tocsin/internal/escalation"
	"tocsin/internal/health"
	"tocsin/internal/hook"
	"tocsin/internal/markdown"
	"tocsin/internal/oncall"
	"tocsin/internal/publish"
	"tocsin/internal/simulate"
	"tocsin/internal/source"
	"tocsin/internal/status"
	"tocsin/internal/store"
	"tocsin/internal/web"
	"tocsin/internal/web/console"
	"tocsin/internal/web/static"
	"tocsin/internal/window"
	"tocsin/test/browser"
	"tocsin/test/browser/axe"
)

// office is a console with people, of whom anna is signed in, two schedules, a policy,
// windows and a webhook.
type office struct {
	db     *store.DB
	url    string
	object string
}

func newOffice(t *testing.T) *office {
	t.Helper()
	ctx := t.Context()
	quiet := slog.New(slog.DiscardHandler)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := store.Open(ctx, store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "tocsin.db"), Node: "test", Log: quiet})
	check(err)
	t.Cleanup(func() { _ = db.Close() })
	users, err := auth.NewService(db, auth.Options{Log: quiet})
	check(err)
	anna, err := users.AddUser(ctx, auth.NewUser{Name: "anna", Role: auth.Admin, Password: "a short sentence"})
	check(err)
	acks := dispatch.New(db, dispatch.Options{Node: "test", Settings: db.Settings, Log: quiet})
	run, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = acks.Run(run) }()
	t.Cleanup(func() { stop(); <-ended })
	o := &office{db: db}
	now := time.Now()
	for i, name := range []string{"Anna", "Ben", "Cleo", "Dmitri"} {
		k := contact.NewContact(strings.ToLower(name))
		k.ID, k.DisplayName = fmt.Sprintf("c%d", i), name
		if i == 0 {
			k.UserID = anna.ID
		}
		check(db.SaveContact(ctx, k))
	}
	check(db.SaveSource(ctx, source.Source{ID: "s1", Name: "hq", Kind: "nagios", TokenHash: "x", CreatedAt: now}))
	// No shift begins or ends while somebody looks at it: the office's ended an hour ago at
	// least, or goes on, or begins in two hours at the soonest; the week's changes in six.
	berlin, err := time.LoadLocation("Europe/Berlin")
	check(err)
	hour := now.In(berlin).Hour()
	begin := (hour + 3) % 12
	day, monday := []contact.Range{{From: begin * 60, To: (begin + 8) * 60}}, fmt.Sprintf("2026-01-05T%02d:00", (hour+6)%24)
	check(db.SaveSchedule(ctx, oncall.Schedule{ID: "week", Name: "Servers", Zone: "Europe/Berlin",
		Layers: []oncall.Layer{
			{Name: "Week", ContactIDs: []string{"c1", "c2", "c3"}, Start: monday, Every: 1, Unit: oncall.Weeks},
			{Name: "Office", ContactIDs: []string{"c3"}, Start: "2026-01-05T09:00", Every: 1, Unit: oncall.Days, Weekdays: [7][]contact.Range{nil, day, day, day, day, day, nil}},
		},
		Overrides: []oncall.Override{{ID: "o1", ContactID: "c1", From: now.Add(48 * time.Hour).UTC(), To: now.Add(60 * time.Hour).UTC(), By: "Anna", Note: "Ben swaps"}}}))
	check(db.SaveSchedule(ctx, oncall.Schedule{ID: "gaps", Name: "Databases", Zone: "America/New_York",
		Layers: []oncall.Layer{{Name: "Days", ContactIDs: []string{"c0"}, Start: "2026-01-05T09:00", Every: 1, Unit: oncall.Days, Weekdays: [7][]contact.Range{nil, day, day, day, day, day, nil}}}}))
	check(db.SavePolicy(ctx, escalation.Policy{ID: "night", Name: "Night", Rounds: 2, Remind: 30, Steps: []escalation.Step{{After: 15, ScheduleIDs: []string{"week"}}, {After: 30, ContactIDs: []string{"c2"}}}}))
	check(db.SaveHook(ctx, hook.Hook{ID: "phone", Name: "Phone", Form: hook.Ntfy, URL: "https://ntfy.example.org", Host: "ntfy.example.org", Topic: "ops", Everything: true, Created: now}))
	check(db.SaveWindow(ctx, window.Window{ID: "patch", Name: "Patch night", Enabled: true, Zone: "UTC", Start: now.UTC().Add(-time.Hour).Format(window.StartFormat), Minutes: 180, Hosts: []string{"mail*"}, Created: now}))
	host := alert.Object{SourceID: "s1", Host: "web01", Service: "HTTP", State: alert.Critical}
	host.ID = alert.ObjectID(host.SourceID, host.Host, host.Service)
	o.object = host.ID
	_, err = acks.Receive(ctx, "s1", []alert.Event{{SourceID: "s1", Object: host, Type: alert.Problem, State: alert.Critical, Output: "refused", Time: now, Received: now}})
	check(err)
	desk, err := publish.New(db, publish.Options{Log: quiet})
	check(err)
	_, err = desk.SavePage(ctx, publish.Who{Name: "Anna"}, status.Page{Slug: "status", Name: "Sandbank", Zone: "Europe/Berlin", Language: "en"})
	check(err)
	pages := users.Sessions(console.New(console.Deps{Store: db, Auth: users, Acks: acks, Desk: desk, Mail: db, Log: quiet, Markdown: markdown.New().HTML, Simulator: simulate.New(db, simulate.Options{}),
		Health: func(context.Context) health.Report { return health.Report{OK: true} },
		TestHook: func(context.Context, hook.Hook) (web.HookTest, error) {
			return web.HookTest{OK: true, Detail: "the receiver answered 200"}, nil
		}}))
	mux := http.NewServeMux()
	mux.Handle("/console/", pages)
	mux.Handle("/static/", static.Handler())
	mux.Handle("/manifest.webmanifest", static.ManifestHandler())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

func TestOnCallIsPlannedInABrowser(t *testing.T) {
	t.Parallel()
	starts := map[string]func(context.Context, browser.Options) (browser.Browser, error){"chromium": browser.Chromium, "firefox": browser.Firefox}
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
			defer cancel()
			b, err := start(ctx, browser.Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			tab, err := b.Open(ctx, o.url+"/console/sign-in?next=/console/on-call")
			p := &planner{t: t, ctx: ctx, tab: tab, office: o}
			p.must(err)
			p.must(browser.Type(ctx, tab, "input[name=name]", "anna"))
			p.must(browser.Type(ctx, tab, "input[name=password]", "a short sentence"))
			p.must(browser.Click(ctx, tab, "button[type=submit]"))
			p.until("location.pathname === '/console/on-call' && document.readyState === 'complete'")
			for _, flow := range []struct {
				says string
				does func(string)
			}{
				{"somebody takes over, and hands over", p.takesOver}, {"a schedule is made, by keyboard and pointer", p.makesASchedule}, {"a policy is made", p.makesAPolicy},
				{"a window is planned, and an object held", p.plansAWindow}, {"a webhook is added", p.addsAWebhook}, {"every page is for everybody", p.looks},
			} {
				t.Run(flow.says, func(t *testing.T) {
					p.t = t
					flow.does(name)
				})
			}
		})
	}
}

// planner is anna in one browser.
type planner struct {
	*office
	t   *testing.T
	ctx context.Context
	tab browser.Tab
}

func (p *planner) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *planner) goTo(path string) {
	p.t.Helper()
	p.must(p.tab.Go(p.ctx, p.url+path))
	p.until("document.readyState === 'complete'")
}

func (p *planner) until(expr string) {
	p.t.Helper()
	p.must(browser.Until(p.ctx, p.tab, expr))
}

// click presses what a selector finds, wherever it is by then: what asks for
// notifications comes a moment after the page, and moves all below it.
func (p *planner) click(selector string) {
	p.t.Helper()
	p.until(fmt.Sprintf("document.querySelector(%q) !== null", selector))
	var x any
	p.must(p.tab.Eval(p.ctx, fmt.Sprintf("(setTimeout(() => document.querySelector(%q).click()), 1)", selector), &x))
}

// set gives a control a value as somebody would.
func (p *planner) set(name, value string) {
	p.t.Helper()
	var x any
	p.must(p.tab.Eval(p.ctx, fmt.Sprintf(`(() => { const x = document.querySelector('[name="%s"]'); x.value = %q;
		x.dispatchEvent(new Event('input', { bubbles: true })); x.dispatchEvent(new Event('change', { bubbles: true })); return 1 })()`, name, value), &x))
}

// looks has every page looked at, by axe and for what is wider than its window; in
// Firefox those that are drawn in ways of their own.
func (p *planner) looks(name string) {
	p.t.Helper()
	paths := []string{"/console/on-call", "/console/on-call?weeks=4", "/console/on-call/override", "/console/schedules", "/console/schedules/week", "/console/schedules/new", "/console/schedules/week/delete",
		"/console/policies", "/console/policies/night", "/console/windows", "/console/windows/patch", "/console/windows/new", "/console/webhooks", "/console/webhooks/phone", "/console/webhooks/new", "/console/objects/" + p.object}
	if name == "firefox" {
		paths = []string{"/console/on-call", "/console/schedules/week", "/console/policies/night"}
	}
	for _, path := range paths {
		p.goTo(path)
		for _, width := range []int{1280, 390} {
			p.must(p.tab.Size(p.ctx, width, 900))
			for _, dark := range []bool{false, true} {
				if !axe.Looks(path, width, dark) {
					continue
				}
				p.must(p.tab.Dark(p.ctx, dark))
				found, err := axe.Check(p.ctx, p.tab)
				p.must(err)
				for _, v := range found {
					p.t.Errorf("%s, %d wide, dark %v: %v", path, width, dark, v)
				}
			}
			var over int
			p.must(p.tab.Eval(p.ctx, "document.querySelector('main').scrollWidth - document.querySelector('main').clientWidth", &over))
			if over > 0 {
				p.t.Errorf("%s, %d wide, is %d wider than its window", path, width, over)
			}
		}
	}
	p.must(p.tab.Size(p.ctx, 1280, 900))
	p.must(p.tab.Dark(p.ctx, false))
}

// takesOver puts anna on call from the page itself, and hands a shift over from the
// list.
func (p *planner) takesOver(string) {
	p.t.Helper()
	p.goTo("/console/on-call")
	p.click("#schedule-week .duty-do summary")
	p.click("#schedule-week .duty-do button")
	p.until("document.querySelector('#schedule-week.duty-mine')?.innerText.includes('Anna') && document.querySelector('.flash-good')?.innerText.includes('Anna is on call')")
	p.click(".my-shift-now a.button")
	p.until("location.pathname === '/console/on-call/override' && document.querySelector('[name=to]').value !== ''")
	p.set("contact", "c3")
	p.click("form.form button.primary")
	p.until("location.pathname === '/console/on-call' && document.querySelector('#schedule-week')?.innerText.includes('Dmitri')")
}

func (p *planner) makesASchedule(name string) {
	p.t.Helper()
	p.goTo("/console/schedules/new")
	p.set("name", "Night of "+name)
	for i, id := range []string{"c1", "c2", "c3"} {
		p.set("l0_add", id)
		p.until(fmt.Sprintf("document.querySelectorAll('.turn').length === %d", i+1))
	}
	p.until("document.querySelectorAll('.shift-list li').length > 3")
	// By keyboard: a button takes the focus along with whom it moves.
	var x any
	p.must(p.tab.Eval(p.ctx, "(document.querySelector('[aria-label=\"Dmitri: earlier\"]').focus(), 1)", &x))
	p.must(p.tab.Keys(p.ctx, " "))
	p.until("[...document.querySelectorAll('.turn-name')].map((x) => x.innerText).join() === 'Ben,Dmitri,Cleo' && document.activeElement.getAttribute('aria-label') === 'Dmitri: earlier'")
	// With the pointer: by the grip.
	var from, to struct{ X, Y float64 }
	const middle = "(() => { const r = document.querySelectorAll('[data-turn-grip]')[%d].getBoundingClientRect(); return { x: r.x + r.width / 2, y: r.y + r.height / 2 } })()"
	p.must(p.tab.Eval(p.ctx, "(document.querySelector('.turns').scrollIntoView({ block: 'center' }), 1)", &x))
	p.must(p.tab.Eval(p.ctx, fmt.Sprintf(middle, 2), &from))
	p.must(p.tab.Eval(p.ctx, fmt.Sprintf(middle, 0), &to))
	p.must(p.tab.Drag(p.ctx, from.X, from.Y, to.X, to.Y-8))
	p.until("[...document.querySelectorAll('.turn-name')].map((x) => x.innerText).join() === 'Cleo,Ben,Dmitri'")
	p.set("l0_unit", "hours")
	p.set("l0_every", "5")
	p.until("document.querySelector('.means').innerText.includes('other times each day')")
	p.set("l0_every", "12")
	p.until("document.querySelector('.shift-list')")
	p.click("#part-add")
	p.until("document.querySelectorAll('.part-box').length === 2 && document.activeElement.closest('.part-box') === document.querySelector('.part-box')")
	p.click(".part-box .part-do .danger")
	p.until("document.querySelectorAll('.part-box').length === 1")
	p.click("form[data-parts-form] button.primary")
	p.until("location.pathname === '/console/on-call' && document.querySelector('.duties').innerText.includes('Night of " + name + "')")
}

func (p *planner) makesAPolicy(name string) {
	p.t.Helper()
	p.goTo("/console/policies/new")
	p.set("name", "Escalation of "+name)
	p.click("[name=s0_who][value='schedule:week']")
	p.until("document.querySelector('.means').innerText.includes('who is on call in “Servers”')")
	p.click("#part-add")
	p.until("document.querySelectorAll('.part-box').length === 2")
	p.click("[name=s1_who][value='contact:c2']")
	p.set("s1_after", "45")
	p.until("document.querySelector('.means').innerText.includes('After 1 h') && document.querySelector('.means').innerText.includes('Cleo')")
	p.click("form[data-parts-form] button.primary")
	p.until("location.pathname === '/console/policies' && document.querySelector('.policy-cards').innerText.includes('Escalation of " + name + "')")
}

func (p *planner) plansAWindow(name string) {
	p.t.Helper()
	p.goTo("/console/windows/new")
	p.set("name", "Window of "+name)
	p.set("repeat", "week")
	p.set("hosts", "web*")
	p.until("document.querySelector('.means').innerText.includes('every week on') && document.querySelector('.means').innerText.includes('1 object matches now')")
	p.click("form.form button.primary:not(.sr-button)")
	p.until("location.pathname === '/console/windows' && document.querySelector('main').innerText.includes('Window of " + name + "')")
	p.goTo("/console/objects/" + p.object)
	p.click(".hold-card button[value='60']")
	p.until("document.querySelector('.hold-card .hold')?.innerText.includes('held back')")
	p.click(".hold-card .hold button")
	p.until("!document.querySelector('.hold-card .hold') && document.querySelector('.hold-card button[value=\"60\"]')")
}

func (p *planner) addsAWebhook(name string) {
	p.t.Helper()
	p.goTo("/console/webhooks/new")
	p.set("name", "Tickets of "+name)
	p.set("form", "fields")
	p.until("document.querySelector('.hook-body')?.innerText.includes('HTTP on web01')")
	p.set("template", `{"what": "{{state_word}}"}`)
	p.until(`document.querySelector('.hook-body')?.innerText.includes('"what": "Critical"')`)
	p.set("template", `{"what": "{{nothing}}"}`)
	p.until("document.querySelector('.means').innerText.includes('which there is not')")
	p.set("template", `{"what": "{{title}}"}`)
	p.set("url", "https://tickets.example.org/in")
	p.click("form.form button.primary:not(.sr-button)")
	p.until("document.querySelector('#token')?.innerText.startsWith('whsec_')")
	p.goTo("/console/webhooks")
	p.until("document.querySelector('main').innerText.includes('Tickets of " + name + "') && !document.querySelector('#token')")
	p.click("#hook-phone form button")
	p.until("document.querySelector('.device-said')?.innerText.includes('The receiver answered 200')")
}
