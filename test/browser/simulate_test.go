package browser_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/test/browser"
	"tocsin/test/browser/axe"
)

func TestSimulatorInABrowser(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	if err := o.db.SaveRule(t.Context(), route.Rule{ID: "all", Name: "All", Enabled: true, ContactIDs: []string{"c0"}, PolicyID: "night"}); err != nil {
		t.Fatal(err)
	}
	starts := map[string]func(context.Context, browser.Options) (browser.Browser, error){"chromium": browser.Chromium, "firefox": browser.Firefox}
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
			defer cancel()
			b, err := start(ctx, browser.Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			tab, err := b.Open(ctx, o.url+"/console/sign-in?next=/console/rules")
			p := &planner{t: t, ctx: ctx, tab: tab, office: o}
			p.must(err)
			p.must(browser.Type(ctx, tab, "input[name=name]", "anna"))
			p.must(browser.Type(ctx, tab, "input[name=password]", "a short sentence"))
			p.must(browser.Click(ctx, tab, "button[type=submit]"))
			p.until("location.pathname === '/console/rules' && document.readyState === 'complete'")
			p.click(".page-head a[href='/console/simulate']")
			p.until("location.pathname === '/console/simulate' && document.readyState === 'complete' && document.querySelector('[name=from]').disabled")
			p.axed("example")
			p.triesTheExample()
			p.axed("answer")
			p.choosesSomebody()
			p.isToldWhatIsWrong()
			p.axed("refused")
			p.replays()
		})
	}
}

// axed has a page as it stands looked at, by axe and for what is wider than its
// window. With TOCSIN_TEST_SHOTS each look is kept there as a picture.
func (p *planner) axed(what string) {
	p.t.Helper()
	for _, width := range []int{1280, 390} {
		p.must(p.tab.Size(p.ctx, width, 900))
		for _, dark := range []bool{false, true} {
			if !axe.Looks(what, width, dark) {
				continue
			}
			p.must(p.tab.Dark(p.ctx, dark))
			found, err := axe.Check(p.ctx, p.tab)
			p.must(err)
			for _, v := range found {
				p.t.Errorf("%s, %d wide, dark %v: %v", what, width, dark, v)
			}
			if dir := os.Getenv("TOCSIN_TEST_SHOTS"); dir != "" {
				shot, err := p.tab.Shot(p.ctx, true)
				p.must(err)
				p.must(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d-%v.png", filepath.Base(p.t.Name()), strings.ReplaceAll(what, "/", "_"), width, dark)), shot, 0o600))
			}
		}
		var over int
		p.must(p.tab.Eval(p.ctx, "document.querySelector('main').scrollWidth - document.querySelector('main').clientWidth", &over))
		if over > 0 {
			p.t.Errorf("%s, %d wide, is %d wider than its window", what, width, over)
		}
	}
	p.must(p.tab.Size(p.ctx, 1280, 900))
	p.must(p.tab.Dark(p.ctx, false))
}

// triesTheExample tries what stands there, with one click, and from the keyboard
// cannot begin it twice.
func (p *planner) triesTheExample() {
	p.t.Helper()
	p.click("#simulate-form .form-foot .primary")
	p.until("document.querySelector('.trial-days')?.innerText.includes('Told') && !document.querySelector('#simulate-form .form-foot .primary').disabled")
	p.until("document.querySelector('.trial-people').innerText.includes('Anna') && document.activeElement.id === 'answer'")
	p.until("document.querySelector('#trial-command').textContent.startsWith('tocsin simulate -') && document.querySelector('#trial-progress').hidden")
}

// choosesSomebody sees the part of one contact, and keeps the focus where it is.
func (p *planner) choosesSomebody() {
	p.t.Helper()
	var x any
	p.must(p.tab.Eval(p.ctx, "(document.querySelector('select[name=contact]').focus(), 1)", &x))
	p.set("contact", "c0")
	p.until("document.querySelectorAll('.trial-people tbody tr').length >= 1 && document.activeElement.name === 'contact' && document.activeElement.value === 'c0' && document.querySelector('#trial-progress').hidden")
	p.until("![...document.querySelectorAll('.trial-told strong')].some((x) => x.innerText !== 'Anna')")
}

func (p *planner) isToldWhatIsWrong() {
	p.t.Helper()
	p.set("events", `{"type":"PROBLEM","host":"a","state":"down"}`+"\n"+`{"type":"PROBLEM","host":"b","state":"broken"}`)
	p.click("#simulate-form .form-foot .primary")
	p.until("document.querySelector('#f-events-problem')?.innerText.includes('Line 2, state') && document.activeElement.name === 'events' && document.activeElement.selectionStart === 45")
}

func (p *planner) replays() {
	p.t.Helper()
	p.set("mode", "history")
	p.until("document.querySelector('[name=events]').closest('[data-for]').hidden && !document.querySelector('[name=from]').disabled")
	p.set("zone", "UTC")
	p.set("from", time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04"))
	p.set("to", time.Now().UTC().Add(time.Hour).Format("2006-01-02T15:04"))
	p.click("#simulate-form .form-foot .primary")
	p.until("document.querySelector('.trial-days')?.innerText.includes('HTTP on web01') && document.querySelector('#trial-command').textContent.includes('--from')")
}

// TestPagesOfStormsInABrowser looks at the pages and forms on which storms, quiet
// hours, e-mail, webhooks and escalation are set and seen.
func TestPagesOfStormsInABrowser(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(o.db.SaveRule(ctx, route.Rule{ID: "all", Name: "All", Enabled: true, ContactIDs: []string{"c0"}, ScheduleIDs: []string{"week"}, Hooks: []string{"phone"}, PolicyID: "night"}))
	ids := o.storm(ctx, t)
	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir()})
	check(err)
	t.Cleanup(b.Close)
	tab, err := b.Open(ctx, o.url+"/console/sign-in?next=/console/rules")
	p := &planner{t: t, ctx: ctx, tab: tab, office: o}
	p.must(err)
	p.must(browser.Type(ctx, tab, "input[name=name]", "anna"))
	p.must(browser.Type(ctx, tab, "input[name=password]", "a short sentence"))
	p.must(browser.Click(ctx, tab, "button[type=submit]"))
	p.until("location.pathname === '/console/rules' && document.readyState === 'complete'")
	storm := ""
	rows, _, err := o.db.Deliveries(ctx, delivery.Filter{States: []delivery.State{delivery.Collected}, Limit: 1})
	check(err)
	if len(rows) > 0 {
		storm = rows[0].Storm
	}
	if storm == "" {
		t.Fatal("there was no storm")
	}
	for name, path := range map[string]string{"contact": "/console/contacts/c0", "contacts": "/console/contacts", "group": "/console/groups/new", "rules": "/console/rules", "rule": "/console/rules/all",
		"settings": "/console/settings", "alert": "/console/alerts/" + ids[0], "alerts": "/console/alerts?storm=" + storm, "deliveries": "/console/deliveries?storm=" + storm, "policies": "/console/policies"} {
		p.goTo(path)
		p.axed(name)
	}
}

// storm has nine services go wrong at once, and answers their alerts' ids.
func (o *office) storm(ctx context.Context, t *testing.T) []string {
	t.Helper()
	service := dispatch.New(o.db, dispatch.Options{Node: "test", Settings: o.db.Settings, Log: slog.New(slog.DiscardHandler)})
	run, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = service.Run(run) }()
	defer func() { stop(); <-ended }()
	var ids []string
	for i := range 9 {
		now := time.Now()
		x := alert.Object{SourceID: "s1", Host: fmt.Sprintf("app%02d.example.com", i), Service: "Disk /srv", State: alert.Critical}
		x.ID = alert.ObjectID(x.SourceID, x.Host, x.Service)
		got, err := service.Receive(ctx, "s1", []alert.Event{{SourceID: "s1", Object: x, Type: alert.Problem, State: alert.Critical,
			Output: "DISK CRITICAL - free space: /srv 812 MiB (1 %)", Time: now, Received: now}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, got[0].AlertID)
	}
	return ids
}
