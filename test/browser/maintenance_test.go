package browser_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/dispatch"
	"tocsin/internal/health"
	"tocsin/internal/markdown"
	"tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/store"
	"tocsin/internal/web/console"
	"tocsin/internal/web/static"
	"tocsin/test/browser"
	"tocsin/test/browser/axe"
)

// desk is a console with a status page, for who plans maintenance.
type desk struct {
	*publish.Desk
	url   string
	page  status.Page
	parts []string
	zone  *time.Location
	now   time.Time // of all its days, though midnight comes meanwhile
}

func newDesk(t *testing.T) *desk {
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
	_, err = users.AddUser(ctx, auth.NewUser{Name: "anna", Role: auth.Admin, Password: "a short sentence"})
	check(err)
	d := &desk{}
	d.Desk, err = publish.New(db, publish.Options{Log: quiet})
	check(err)
	d.zone, err = time.LoadLocation("Europe/Berlin")
	check(err)
	d.now = time.Now().In(d.zone)
	d.page, err = d.SavePage(ctx, publish.Who{Name: "Anna"}, status.Page{Slug: "status", Name: "Sandbank", Zone: "Europe/Berlin", Language: "en", Triggers: map[string]bool{"maintenance": true}})
	check(err)
	for i := range 12 {
		k, err := d.SaveComponent(ctx, publish.Who{Name: "Anna"}, status.Component{PageID: d.page.ID, Name: fmt.Sprintf("Service %d", i+1)})
		check(err)
		d.parts = append(d.parts, k.ID)
	}
	pages := users.Sessions(console.New(console.Deps{Store: db, Auth: users, Desk: d, Log: quiet, Markdown: markdown.New().HTML,
		Acks: dispatch.New(db, dispatch.Options{Settings: db.Settings, Log: quiet}), Health: func(context.Context) health.Report { return health.Report{OK: true} }}))
	mux := http.NewServeMux()
	mux.Handle("/console/", pages)
	mux.Handle("/static/", static.Handler())
	mux.Handle("/manifest.webmanifest", static.ManifestHandler())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

// at is a time of day so many days ahead.
func (d *desk) at(days, hour, minute int) time.Time {
	return time.Date(d.now.Year(), d.now.Month(), d.now.Day()+days, hour, minute, 0, 0, d.zone)
}

func (d *desk) announce(t *testing.T, title string, start, end time.Time, parts ...string) string {
	t.Helper()
	m, _, err := d.SaveMaintenance(t.Context(), publish.Who{Name: "Anna"}, status.Maintenance{PageID: d.page.ID, Title: title, Start: start, End: end,
		Components: parts, AutoStart: true, AutoEnd: true}, publish.Note{Body: "We **replace** it."})
	if err != nil {
		t.Fatal(err)
	}
	return m.ID
}

func TestMaintenanceIsPlannedInABrowser(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	soon := d.announce(t, "New storage", d.at(1, 22, 0), d.at(3, 2, 0), d.parts[0])
	d.announce(t, "Certificates", d.at(1, 23, 0), d.at(1, 23, 30), d.parts[0], d.parts[1])
	going := d.announce(t, "Database", time.Now().Add(-time.Hour), time.Now().Add(time.Hour), d.parts[2])
	_, err := d.Tick(ctx)
	must(t, err)
	series, err := d.SaveSeries(ctx, publish.Who{Name: "Anna"}, status.Series{PageID: d.page.ID, Title: "Updates", Body: "Restarts.", Components: d.parts[3:5],
		Rule: "FREQ=WEEKLY;BYDAY=SU", Zone: "Europe/Berlin", Start: d.at(0, 4, 0), Minutes: 60})
	must(t, err)

	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(b.Close)
	tab, err := b.Open(ctx, d.url+"/console/sign-in?next=/console/maintenance")
	must(t, err)
	must(t, browser.Type(ctx, tab, "input[name=name]", "anna"))
	must(t, browser.Type(ctx, tab, "input[name=password]", "a short sentence"))
	must(t, browser.Click(ctx, tab, "button[type=submit]"))
	must(t, browser.Until(ctx, tab, "location.pathname === '/console/maintenance' && document.readyState === 'complete'"))

	t.Run("every page is for everybody", func(t *testing.T) {
		for _, path := range []string{"/console/maintenance", "/console/maintenance/new", "/console/maintenance/" + soon, "/console/maintenance/" + going,
			"/console/maintenance/" + soon + "/edit", "/console/maintenance/" + soon + "/cancel", "/console/series/new", "/console/series/" + series.ID, "/console/subscribers"} {
			must(t, tab.Go(ctx, d.url+path))
			for _, width := range []int{1280, 390} {
				for _, dark := range []bool{false, true} {
					if !axe.Looks(path, width, dark) {
						continue
					}
					must(t, tab.Size(ctx, width, 900))
					must(t, tab.Dark(ctx, dark))
					found, err := axe.Check(ctx, tab)
					must(t, err)
					for _, v := range found {
						t.Errorf("%s, %d wide, dark %v: %v", path, width, dark, v)
					}
				}
				var over int
				must(t, tab.Eval(ctx, "document.querySelector('main').scrollWidth - document.querySelector('main').clientWidth", &over))
				if over > 0 {
					t.Errorf("%s, %d wide, is %d wider than its window", path, width, over)
				}
			}
		}
		must(t, tab.Size(ctx, 1280, 900))
	})
	t.Run("the form says what comes of it while it is filled in", func(t *testing.T) {
		must(t, tab.Go(ctx, d.url+"/console/maintenance/new"))
		var x any
		must(t, tab.Eval(ctx, `(() => { const s = document.querySelector('[name=start]'); s.value = '`+d.at(1, 21, 30).Format("2006-01-02T15:04")+`';
			s.dispatchEvent(new Event('input', { bubbles: true })); s.dispatchEvent(new Event('change', { bubbles: true }));
			document.querySelector('[name=components][value="`+d.parts[0]+`"]').click(); return 1 })()`, &x))
		must(t, browser.Until(ctx, tab, "document.querySelector('.means').innerText.includes('on Service 1 too')"))
		var end, chosen string
		must(t, tab.Eval(ctx, "document.querySelector('[name=end]').value", &end))
		if want := d.at(1, 22, 30).Format("2006-01-02T15:04"); end != want {
			t.Errorf("the end has not moved with the beginning: %s, want %s", end, want)
		}
		must(t, tab.Eval(ctx, "document.querySelector('.parts-chosen').innerText", &chosen))
		if chosen != "1 chosen" {
			t.Errorf("counted %q", chosen)
		}
		must(t, browser.Type(ctx, tab, "[name=body]", "It is *slow*. <script>"))
		must(t, browser.Until(ctx, tab, "document.querySelector('.means em')?.innerText === 'slow' && !document.querySelector('.means script')"))
	})
	t.Run("components are found among many", func(t *testing.T) {
		must(t, browser.Type(ctx, tab, ".parts-search input", "12"))
		must(t, browser.Until(ctx, tab, "[...document.querySelectorAll('.parts-group label')].filter((l) => !l.hidden).map((l) => l.innerText.trim()).join() === 'Service 1,Service 12'"))
	})
	t.Run("the next dates follow the rule", func(t *testing.T) {
		must(t, tab.Go(ctx, d.url+"/console/series/new"))
		var x any
		must(t, tab.Eval(ctx, `(() => { const r = document.querySelector('[name=repeat]'); r.value = 'weekday';
			r.dispatchEvent(new Event('input', { bubbles: true })); r.dispatchEvent(new Event('change', { bubbles: true })); return 1 })()`, &x))
		must(t, browser.Until(ctx, tab, "document.querySelector('.means').innerText.includes('every month on the')"))
		var shown string
		must(t, tab.Eval(ctx, "[...document.querySelectorAll('.field')].filter((f) => !f.hidden && f.querySelector('[name=weekdays], [name=nth], [name=rule]')).map((f) => f.querySelector('[name]').name).join()", &shown))
		if shown != "nth" {
			t.Errorf("shows the fields %s", shown)
		}
	})
	t.Run("a click on a day announces something then", func(t *testing.T) {
		tomorrow := d.at(1, 0, 0)
		day := tomorrow.Format(status.DateFormat)
		must(t, tab.Go(ctx, d.url+"/console/maintenance?month="+tomorrow.Format("2006-01")))
		var x any
		must(t, tab.Eval(ctx, `(() => { setTimeout(() => document.querySelector('td[data-date="`+day+`"]').click(), 20); return 1 })()`, &x))
		must(t, browser.Until(ctx, tab, "location.pathname === '/console/maintenance/new' && document.querySelector('[name=start]')?.value.startsWith('"+day+"')"))
	})
}
