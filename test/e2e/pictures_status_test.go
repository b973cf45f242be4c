package e2e_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"tocsin/internal/demo"
	"tocsin/test/browser"
)

// statusPictures are those of the demo's company, whose public page has half a year of
// history.
var statusPictures = []shown{
	{name: "incident", high: 1000, says: []string{"New incident", "Who will be told", "What visitors will see", "Orders"}},
	{name: "status", path: "/", high: 1000, says: []string{"Orders are slow or fail", "Partial outage", "Operational"}},
	{name: "status-phone", path: "/", wide: 390, high: 844, says: []string{"Orders are slow or fail"}},
	{name: "subscribe", path: "/subscribe", high: 900, says: []string{"What do you want to hear of?", "Subscribe in this browser"}},
	{name: "history", high: 900, says: []string{"Orders could not be placed"}},
	{name: "components", path: "/console/components", part: page, high: 800, says: []string{"Web shop", "Behind the shop", "Orders"}},
	{name: "component", part: page, high: 900, says: []string{"Orders"}},
	{name: "status-settings", part: page, high: 900, says: []string{"Logo"}},
	{name: "maintenance", path: "/console/maintenance", part: page, high: 860, says: []string{"New switch in Hall 2", "As a list"}},
	{name: "private", path: "/s/partners", wide: 800, high: 420, says: []string{"Password"}},
	{name: "mattermost-rooms", path: "/console/mattermost", part: "document.querySelector('section[aria-labelledby=rooms]')", says: []string{"Web shop", "Rooms", "Test"}},
	{name: "import", path: "/console/pages/import", part: page, high: 760, says: []string{"Statuspage"}},
}

// The pictures of the public page, and of the pages of the console that make it.
func TestPicturesOfTheStatusPage(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience())
	ready, ended := make(chan demo.Access, 1), make(chan error, 1)
	go func() {
		ended <- demo.Run(ctx, demo.Options{Listen: "127.0.0.1:0", First: time.Hour, Pace: time.Hour, Log: slog.New(slog.DiscardHandler), Ready: func(a demo.Access) { ready <- a }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var at demo.Access
	select {
	case at = <-ready:
	case <-ctx.Done():
		t.Fatal("the demo does not start")
	}
	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir(), Flags: []string{"--accept-lang=en-GB"}})
	must(err)
	t.Cleanup(b.Close)
	must(b.Permit(ctx, at.URL, browser.Granted)) // nothing on the page asks for it then
	tab, err := b.Open(ctx, at.URL+"/console/sign-in?next=/console/incidents/new")
	must(err)
	until := func(expr string) {
		t.Helper()
		short, cancel := context.WithTimeout(ctx, moment)
		defer cancel()
		if err := browser.Until(short, tab, expr); err != nil {
			have, _ := browser.Text(ctx, tab, "body")
			t.Fatalf("%v; the page is\n%s", err, have)
		}
	}
	al := newAlbum(ctx, t, tab, statusPictures)
	must(browser.Type(ctx, tab, "input[name=name]", at.Name))
	must(browser.Type(ctx, tab, "input[name=password]", at.Password))
	must(browser.Click(ctx, tab, "button[type=submit]"))
	until("location.pathname === '/console/incidents/new' && document.readyState === 'complete' && document.querySelector('#template option:nth-child(2)')")
	must(tab.Size(ctx, 1280, 1000))
	must(tab.Eval(ctx, "(() => { const t = document.querySelector('#template'); t.value = [...t.options].find(o => o.text.startsWith('Orders')).value; })()", nil))
	must(browser.Click(ctx, tab, "button[value=template]"))
	until("document.querySelector('input[name=title]')?.value.startsWith('Orders are slow')")
	must(tab.Eval(ctx, `(() => {
		const row = [...document.querySelectorAll('.states-row')].find(r => r.dataset.name === 'Orders').querySelector('select');
		row.value = 'partial_outage';
		row.dispatchEvent(new Event('input', {bubbles: true}));
		row.dispatchEvent(new Event('change', {bubbles: true}));
	})()`, nil))
	until("document.querySelector('#preview').contentDocument?.body?.innerText.includes('We are looking for the cause')")
	must(tab.Eval(ctx, "scrollTo(0, 0)", nil))
	al.take("incident")
	must(browser.Click(ctx, tab, "button.primary[value=publish]"))
	until(`/^\/console\/incidents\/[0-9a-f-]{36}$/.test(location.pathname)`)
	must(tab.Go(ctx, at.URL+"/"))
	until("document.body.innerText.includes('Orders are slow')")
	for _, name := range []string{"status", "status-phone", "subscribe"} {
		al.visit(at.URL, name)
	}
	// What happened some days ago is on the page of the month before, while this one is young.
	must(tab.Go(ctx, at.URL+"/history"))
	must(tab.Eval(ctx, "(() => { if (!document.body.innerText.includes('Orders could not be placed')) location = document.querySelector('a[rel=prev]').href })()", nil))
	until("document.readyState === 'complete' && document.body.innerText.includes('Orders could not be placed')")
	al.take("history")
	al.visit(at.URL, "components")
	must(tab.Eval(ctx, "location = [...document.querySelectorAll('main a')].find((a) => a.innerText.includes('Orders') && /^.console.components.[0-9a-f-]{36}$/.test(a.pathname)).href", nil))
	until("location.pathname !== '/console/components' && document.querySelector('input[name=name]')")
	al.take("component")
	must(tab.Go(ctx, at.URL+"/console/pages"))
	must(tab.Eval(ctx, "location = [...document.querySelectorAll('main a')].find((a) => /^.console.pages.(?!new|import)[^/]+$/.test(a.pathname)).href", nil))
	until("document.querySelector('#logo')")
	al.take("status-settings")
	for _, name := range []string{"maintenance", "mattermost-rooms", "import"} {
		al.visit(at.URL, name)
	}
	// A page that opens to whoever knows its password.
	must(tab.Eval(ctx, `fetch('/api/v1/status/pages', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(
		{slug: 'partners', name: 'For our partners', zone: 'Europe/Berlin', language: 'en', private: {password: 'a quiet evening'}})}).then(async (r) => { if (!r.ok) throw await r.text(); })`, nil))
	must(tab.Eval(ctx, "fetch('/console/sign-out', {method: 'POST', redirect: 'manual'}).then(() => 1)", nil))
	al.visit(at.URL, "private")
}
