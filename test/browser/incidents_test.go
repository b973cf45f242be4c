package browser_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/dispatch"
	"tocsin/internal/health"
	"tocsin/internal/markdown"
	"tocsin/internal/publish"
	"tocsin/internal/source"
	"tocsin/internal/status"
	"tocsin/internal/store"
	"tocsin/internal/web/console"
	public "tocsin/internal/web/page"
	"tocsin/internal/web/static"
	"tocsin/test/browser"
	"tocsin/test/browser/axe"
)

// The editor of incidents, in a browser: what visitors will see and who will be
// told follow what is typed, and nothing is published by accident.
func TestAnIncidentIsWrittenInABrowser(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	quiet := slog.New(slog.DiscardHandler)
	db, err := store.Open(ctx, store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "tocsin.db"), Node: "test", Log: quiet})
	must(err)
	t.Cleanup(func() { _ = db.Close() })
	users, err := auth.NewService(db, auth.Options{Log: quiet})
	must(err)
	_, err = users.AddUser(ctx, auth.NewUser{Name: "mira", DisplayName: "Mira Sand", Role: auth.Admin, Password: "a short sentence"})
	must(err)
	text := markdown.New()
	desk, err := publish.New(db, publish.Options{Log: quiet, Text: text.Text})
	must(err)
	mira := publish.Who{Name: "Mira Sand"}
	page, err := desk.SavePage(ctx, mira, status.Page{Slug: "main", Name: "Sandbank", Zone: "Europe/Berlin", Language: "en"})
	must(err)
	part := func(name string, b ...status.Binding) status.Component {
		c, err := desk.SaveComponent(ctx, mira, status.Component{PageID: page.ID, Name: name, Bindings: b})
		must(err)
		return c
	}
	part("Website", status.Binding{Hosts: []string{"web*"}, Incident: "draft"})
	api := part("API Service")
	for _, name := range []string{"Mail", "Cards", "App", "Transfers", "Branches", "Cash machines", "Telephone", "Statements", "Brokerage"} {
		part(name)
	}
	_, err = desk.SaveTemplate(ctx, mira, publish.Template{PageID: page.ID, Name: "We are on it", Title: "Trouble", Body: "We know, and we are on it.", Phase: status.Identified})
	must(err)
	must(db.SaveSource(ctx, source.Source{ID: "s1", Name: "hq", Kind: "nagios", TokenHash: "h", CreatedAt: time.Now()}))
	now := time.Now()
	o := alert.Object{ID: alert.ObjectID("s1", "web01", "HTTP"), SourceID: "s1", Host: "web01", Service: "HTTP", State: alert.Critical, Changed: now}
	a := alert.Alert{ID: "0197aa00-0000-7000-8000-0000000000a1", Object: o, Status: alert.Firing, State: alert.Critical, Worst: alert.Critical, Since: now, Updated: now, Output: "Socket timeout"}
	must(db.Commit(ctx, func(ctx context.Context, tx dispatch.Tx) error {
		return tx.Write(ctx, &dispatch.Changes{Objects: []alert.Object{o}, Alerts: []alert.Alert{a}})
	}))
	_, err = desk.Watch(ctx)
	must(err)
	drafts, err := db.Drafts(ctx, page.ID)
	must(err)
	if len(drafts) != 1 {
		t.Fatalf("%d drafts", len(drafts))
	}
	over, _, err := desk.OpenIncident(ctx, mira, publish.Opening{PageID: page.ID, Title: "Statements came late", Note: publish.Note{Body: "They are late."}})
	must(err)
	_, _, err = desk.PostUpdate(ctx, mira, over.ID, publish.Note{Phase: status.Resolved, Body: "All are out."})
	must(err)
	_, err = desk.Postmortem(ctx, mira, over.ID, "## A disk\n\nIt was full.", true)
	must(err)
	open, _, err := desk.OpenIncident(ctx, mira, publish.Opening{PageID: page.ID, Title: "Transfers are slow", Note: publish.Note{Body: "We look into it.", Changes: []status.Change{{ComponentID: api.ID, To: status.Degraded}}}})
	must(err)
	title := "Transfers are very slow"
	_, err = desk.EditIncident(ctx, mira, open.ID, publish.Edit{Title: &title})
	must(err)

	site, err := public.NewSite(db, text, public.Options{Log: quiet})
	must(err)
	must(site.Refresh(ctx))
	mux := http.NewServeMux()
	mux.Handle("/console/", users.Sessions(console.New(console.Deps{Store: db, Auth: users, Desk: desk, Preview: site.Preview, Markdown: text.HTML, Log: quiet,
		Acks: dispatch.New(db, dispatch.Options{Settings: db.Settings, Log: quiet}), Health: func(context.Context) health.Report { return health.Report{OK: true} }})))
	mux.Handle("/static/", static.Handler())
	mux.Handle("/manifest.webmanifest", static.ManifestHandler())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir()})
	must(err)
	t.Cleanup(b.Close)
	at := server.URL + "/console/incidents"
	tab, err := b.Open(ctx, server.URL+"/console/sign-in?next=/console/incidents")
	must(err)
	must(browser.Type(ctx, tab, "input[name=name]", "mira"))
	must(browser.Type(ctx, tab, "input[name=password]", "a short sentence"))
	must(browser.Click(ctx, tab, "button[type=submit]"))
	must(browser.Until(ctx, tab, "location.pathname === '/console/incidents' && document.readyState === 'complete'"))
	const frame = "document.querySelector('iframe').contentDocument.body.innerText"

	t.Run("the preview follows what is typed, and Enter publishes nothing", func(t *testing.T) {
		must(tab.Go(ctx, at+"/new"))
		must(browser.Type(ctx, tab, "#f-title", "Cards <b>fail</b>\r"))
		must(browser.Until(ctx, tab, frame+".includes('Cards <b>fail</b>')"))
		must(browser.Type(ctx, tab, "#f-body", "It is **bad**."))
		must(browser.Until(ctx, tab, "document.querySelector('iframe').contentDocument.querySelector('.text strong')?.innerText === 'bad'"))
		must(tab.Eval(ctx, `(() => { const s = document.getElementById('c-`+api.ID+`'); s.value = 'major_outage'; s.dispatchEvent(new Event('change', { bubbles: true })) })()`, nil))
		must(browser.Until(ctx, tab, frame+".includes('API Service')"))
		must(tab.Eval(ctx, `(() => { const s = document.getElementById('lang'); s.value = 'de'; s.dispatchEvent(new Event('change', { bubbles: true })) })()`, nil))
		must(browser.Until(ctx, tab, frame+".includes('Betrifft')"))
		list, err := db.OpenIncidents(ctx, page.ID)
		must(err)
		if len(list) != 2 { // the draft, and the one that is open
			t.Errorf("%d incidents are open", len(list))
		}
	})
	t.Run("a silent change says so on the button", func(t *testing.T) {
		must(browser.Click(ctx, tab, "#f-silent"))
		must(browser.Until(ctx, tab, "document.querySelector('[data-publishes]').textContent === 'Publish silently'"))
	})
	t.Run("a long list of components is narrowed", func(t *testing.T) {
		must(browser.Type(ctx, tab, "[data-find]", "cash"))
		must(browser.Until(ctx, tab, "[...document.querySelectorAll('.states-row')].filter((r) => !r.hidden).length === 2")) // the one that is chosen stays
	})
	t.Run("it is published", func(t *testing.T) {
		must(browser.Click(ctx, tab, "[data-publishes]"))
		must(browser.Until(ctx, tab, "document.body.innerText.includes('Nobody was told.') && document.querySelector('h1').innerText === 'Cards <b>fail</b>'"))
	})
	t.Run("a quick update from the list", func(t *testing.T) {
		must(tab.Go(ctx, at))
		must(browser.Click(ctx, tab, ".quick summary"))
		must(browser.Until(ctx, tab, "document.querySelector('.quick .reach') !== null && document.activeElement.matches('textarea')"))
		must(tab.Keys(ctx, "A part is on its way."))
		must(browser.Click(ctx, tab, ".quick [data-publishes]"))
		must(browser.Until(ctx, tab, "document.body.innerText.includes('A part is on its way.') && location.pathname !== '/console/incidents'"))
	})
	t.Run("every page is for everybody", func(t *testing.T) {
		one := "/" + open.ID
		for _, path := range []string{"", "/new", "/new?alert=" + a.ID, one, one + "/update?phase=resolved", one + "/edit", one + "/updates/" + open.Updates[0].ID, one + "/delete",
			"/" + drafts[0].ID, "/" + drafts[0].ID + "/draft", "/" + over.ID, "/" + over.ID + "/postmortem", "/audit", "/audit?subject=" + open.ID, "/../templates", "/../templates/new"} {
			must(tab.Go(ctx, at+path))
			for width, dark := range map[int]bool{1280: false, 390: true} {
				must(tab.Size(ctx, width, 900))
				must(tab.Dark(ctx, dark))
				found, err := axe.Check(ctx, tab)
				must(err)
				for _, v := range found {
					t.Errorf("%s, %d wide, dark %v: %v", path, width, dark, v)
				}
				var over int
				must(tab.Eval(ctx, "document.querySelector('main').scrollWidth - document.querySelector('main').clientWidth", &over))
				if over > 0 {
					t.Errorf("%s, %d wide, is %d wider than its window", path, width, over)
				}
			}
		}
	})
}
