package browser_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin"
	"tocsin/internal/site"
	"tocsin/test/browser"
	"tocsin/test/browser/axe"
)

// The documentation as a reader has it: from a server with the headers of a hub, and from a
// folder.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	api, err := os.ReadFile("../../internal/web/api/testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := site.New(site.Options{Files: tocsin.Documents, API: api, Version: "v1", Home: "/console/"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'")
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tab, err := b.Open(ctx, server.URL+"/index.html")
	must(err)
	dir := os.Getenv("TOCSIN_DOCS_SHOTS") // where to leave pictures for somebody who looks at them
	for _, page := range []string{"index.html", "webpush.html", "alert-states.html", "api/alerts.html", "adr/0001-one-sql-text-on-two-databases.html", "search.html?q=permission+denied", "nowhere.html"} {
		must(tab.Go(ctx, server.URL+"/"+page))
		for _, dark := range []bool{false, true} {
			for _, width := range []int{1400, 390} {
				if !axe.Looks(page, width, dark) && dir == "" {
					continue
				}
				must(tab.Dark(ctx, dark))
				must(tab.Size(ctx, width, 900))
				found, err := axe.Check(ctx, tab)
				must(err)
				for _, v := range found {
					t.Errorf("%s, dark %v, %d wide: %s", page, dark, width, v)
				}
				var over int
				must(tab.Eval(ctx, "document.documentElement.scrollWidth - innerWidth", &over))
				if over > 0 {
					t.Errorf("%s, %d wide: the page is %d pixels wider than the screen", page, width, over)
				}
				if dir != "" {
					shot, err := tab.Shot(ctx, false)
					must(err)
					name := strings.NewReplacer("/", "-", "?", "-", ".html", "").Replace(page)
					must(os.WriteFile(filepath.Join(dir, name+map[bool]string{true: "-dark", false: ""}[dark]+map[bool]string{true: "-narrow", false: ""}[width < 800]+".png"), shot, 0o644))
				}
			}
		}
	}
	must(tab.Dark(ctx, false))
	must(tab.Size(ctx, 1400, 900))
	in := func(tab browser.Tab, expr string) string {
		t.Helper()
		var out string
		must(tab.Eval(ctx, expr, &out))
		return out
	}

	// Typed words are found at the same place as by the program.
	must(tab.Go(ctx, server.URL+"/adr/index.html"))
	for _, words := range []string{"vapid subject", "TOCSIN_DOMAIN", "restore a backup"} {
		must(tab.Eval(ctx, "document.getElementById('find').value = ''", nil))
		must(browser.Type(ctx, tab, "#find", words))
		want := s.Search(words)[0].URL()
		if err := browser.Until(ctx, tab, "document.querySelector('#found:not([hidden]) a')?.getAttribute('href') === '../"+want+"'"); err != nil {
			t.Errorf("%q: the first is %s, and the program's %s", words, in(tab, "document.querySelector('#found a')?.href ?? 'nothing'"), want)
		}
	}
	must(tab.Keys(ctx, browser.Down+browser.Enter))
	must(browser.Until(ctx, tab, "location.pathname.endsWith('/backup.html') && document.readyState === 'complete'"))

	// Colours are chosen, and pictures follow.
	must(tab.Go(ctx, server.URL+"/about.html"))
	must(browser.Until(ctx, tab, "document.documentElement.dataset.theme === 'light'"))
	must(browser.Click(ctx, tab, "#theme"))
	must(browser.Click(ctx, tab, "#theme"))
	if got := in(tab, "document.documentElement.dataset.theme + ' ' + document.querySelector('picture source').media"); got != "dark all" {
		t.Errorf("dark was chosen, and the page is %s", got)
	}
	must(tab.Eval(ctx, "localStorage.clear()", nil))

	// What is copied of a dialogue with a terminal is what is typed there.
	must(tab.Eval(ctx, "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (t) => { window.copied = t; }}})", nil))
	must(tab.Eval(ctx, "document.querySelector('code[data-language=console]').closest('.code').querySelector('.copy').click()", nil))
	if got := in(tab, "window.copied"); !strings.HasPrefix(got, "make demo") || strings.Contains(got, "$ ") {
		t.Errorf("copied %q", got)
	}

	// Narrow, the menu is a button.
	must(tab.Size(ctx, 390, 800))
	must(browser.Click(ctx, tab, ".menu-button"))
	must(browser.Until(ctx, tab, "document.querySelector('#menu:popover-open [aria-current]')?.textContent.length > 0"))

	// From a folder it is the same.
	folder := filepath.Join(t.TempDir(), "html")
	must(s.Write(folder))
	must(tab.Go(ctx, "file://"+folder+"/search.html?q=vapid+subject"))
	if err := browser.Until(ctx, tab, "document.querySelector('#hits a')?.getAttribute('href') === '"+s.Search("vapid subject")[0].URL()+"'"); err != nil {
		t.Errorf("from a folder nothing is found: %v", err)
	}
}
