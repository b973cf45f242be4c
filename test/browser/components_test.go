package browser_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/dispatch"
	"tocsin/internal/health"
	"tocsin/internal/publish"
	"tocsin/internal/source"
	"tocsin/internal/status"
	"tocsin/internal/store"
	"tocsin/internal/web/console"
	"tocsin/internal/web/static"
	"tocsin/test/browser"
	"tocsin/test/browser/axe"
)

// shopDesk is a console with a page that has components, and one browser before it.
type shopDesk struct {
	*testing.T
	ctx  context.Context
	db   *store.DB
	page status.Page
	url  string
	tab  browser.Tab
	ids  map[string]string // of components and groups, by name
	late sync.RWMutex      // while it is locked, console-status-page.js does not come
}

func (d *shopDesk) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func newShopDesk(t *testing.T, start func(context.Context, browser.Options) (browser.Browser, error)) *shopDesk {
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	t.Cleanup(cancel)
	d := &shopDesk{T: t, ctx: ctx, ids: map[string]string{}}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	d.db, err = store.Open(ctx, store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "tocsin.db"), Node: "test", Log: quiet})
	d.must(err)
	t.Cleanup(func() { _ = d.db.Close() })
	users, err := auth.NewService(d.db, auth.Options{Log: quiet})
	d.must(err)
	_, err = users.AddUser(ctx, auth.NewUser{Name: "mira", DisplayName: "Mira Sand", Role: auth.Admin, Password: "a short sentence"})
	d.must(err)
	shop, err := publish.New(d.db, publish.Options{Log: quiet})
	d.must(err)
	mira := publish.Who{Name: "Mira Sand"}
	d.page, err = shop.SavePage(ctx, mira, status.Page{Slug: "main", Name: "Sandbank", Zone: "Europe/Berlin", Language: "en"})
	d.must(err)
	_, err = shop.SavePage(ctx, mira, status.Page{Slug: "inside", Name: "Inside", Zone: "UTC", Private: status.Private{SignedIn: true}})
	d.must(err)
	group := func(name, parent string) {
		g, err := shop.SaveGroup(ctx, mira, status.Group{PageID: d.page.ID, Name: name, ParentID: d.ids[parent]})
		d.must(err)
		d.ids[name] = g.ID
	}
	part := func(name, in string, b ...status.Binding) {
		c, err := shop.SaveComponent(ctx, mira, status.Component{PageID: d.page.ID, Name: name, GroupID: d.ids[in], Bindings: b})
		d.must(err)
		d.ids[name] = c.ID
	}
	group("Banking", "")
	group("Europe", "Banking")
	group("Partners", "")
	part("Web", "", status.Binding{Hosts: []string{"web*"}})
	part("App", "")
	part("Cards", "Banking")
	part("SEPA", "Europe")
	var picture bytes.Buffer
	d.must(png.Encode(&picture, image.NewGray(image.Rect(0, 0, 120, 40))))
	d.must(shop.SetLogo(ctx, mira, d.page.ID, picture.Bytes()))
	d.must(d.db.SaveSource(ctx, source.Source{ID: "s1", Name: "hq", Kind: "nagios", TokenHash: "h", CreatedAt: time.Now()}))
	for i, s := range []alert.State{alert.Critical, alert.Warning, alert.OK} {
		o := alert.Object{SourceID: "s1", Host: fmt.Sprintf("web%02d", i+1), Service: "HTTP", State: s, Changed: time.Now()}
		o.ID = alert.ObjectID(o.SourceID, o.Host, o.Service)
		d.must(d.db.Commit(ctx, func(ctx context.Context, tx dispatch.Tx) error {
			return tx.Write(ctx, &dispatch.Changes{Objects: []alert.Object{o}})
		}))
	}
	_, err = shop.SetComponent(ctx, mira, d.ids["Web"], status.Degraded, true)
	d.must(err)

	mux := http.NewServeMux()
	mux.Handle("/console/", users.Sessions(console.New(console.Deps{Store: d.db, Auth: users, Desk: shop, Log: quiet,
		Acks: dispatch.New(d.db, dispatch.Options{Settings: d.db.Settings, Log: quiet}), Health: func(context.Context) health.Report { return health.Report{OK: true} }})))
	mux.Handle("/static/", static.Handler())
	mux.HandleFunc("/static/js/console-status-page.js", func(w http.ResponseWriter, r *http.Request) {
		d.late.RLock()
		defer d.late.RUnlock()
		static.Handler().ServeHTTP(w, r)
	})
	mux.Handle("/manifest.webmanifest", static.ManifestHandler())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	d.url = server.URL

	b, err := start(ctx, browser.Options{Dir: t.TempDir()})
	d.must(err)
	t.Cleanup(b.Close)
	d.tab, err = b.Open(ctx, server.URL+"/console/sign-in?next=/console/components")
	d.must(err)
	d.types("input[name=name]", "mira")
	d.types("input[name=password]", "a short sentence")
	d.click("button[type=submit]")
	d.until("location.pathname === '/console/components' && document.readyState === 'complete'")
	d.must(d.tab.Eval(ctx, "sessionStorage.setItem('tocsin-nudge', 'later')", nil))
	return d
}

func (d *shopDesk) goTo(path string) {
	d.Helper()
	d.soon(func(ctx context.Context) error { return d.tab.Go(ctx, d.url+path) })
}

// soon is for what should be there in a moment.
func (d *shopDesk) soon(do func(context.Context) error) {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.ctx, time.Minute)
	defer cancel()
	d.must(do(ctx))
}

func (d *shopDesk) until(expr string) {
	d.Helper()
	d.soon(func(ctx context.Context) error { return browser.Until(ctx, d.tab, expr) })
}

func (d *shopDesk) click(selector string) {
	d.Helper()
	d.soon(func(ctx context.Context) error { return browser.Click(ctx, d.tab, selector) })
}

func (d *shopDesk) types(selector, text string) {
	d.Helper()
	d.soon(func(ctx context.Context) error { return browser.Type(ctx, d.tab, selector, text) })
}

// press is click for what may move at that moment, because the page has just been
// loaded and scripts add to it.
func (d *shopDesk) press(selector string) {
	d.Helper()
	d.until(fmt.Sprintf("document.querySelector(%q)?.checkVisibility()", selector))
	d.must(d.tab.Eval(d.ctx, fmt.Sprintf("document.querySelector(%q).click()", selector), nil))
}

// order waits until the hub has the components and groups in an order.
func (d *shopDesk) order(want string) {
	d.Helper()
	have := func() string {
		groups, parts, err := d.db.StatusParts(d.ctx, d.page.ID)
		d.must(err)
		var list func(parent string) string
		list = func(parent string) (out string) {
			for _, c := range parts {
				if c.GroupID == parent {
					out += " " + c.Name
				}
			}
			for _, g := range groups {
				if g.ParentID == parent {
					out += " " + g.Name + "(" + list(g.ID) + " )"
				}
			}
			return out
		}
		return list("")
	}
	for end := time.Now().Add(time.Minute); have() != " "+want; {
		if time.Now().After(end) {
			d.Fatalf("the order is%s, not %s", have(), want)
		}
		d.must(d.tab.Eval(d.ctx, "new Promise((done) => setTimeout(done, 30))", nil))
	}
	// The list is drawn anew afterwards.
	d.until("document.querySelector('.toast') !== null")
	d.must(d.tab.Eval(d.ctx, "(() => { for (const t of document.querySelectorAll('.toast')) t.remove() })()", nil))
}

func (d *shopDesk) grip(name string) string {
	return fmt.Sprintf(`[data-id="%s"] [data-grip]`, d.ids[name])
}

// drag takes one thing by its grip to a height, given by a part of another.
func (d *shopDesk) drag(name, to string, part float64, aside float64) {
	d.Helper()
	var from, at struct{ X, Y, H float64 }
	where := func(selector string, out any) {
		d.must(d.tab.Eval(d.ctx, fmt.Sprintf("(() => { const r = document.querySelector(%q).getBoundingClientRect(); return { X: r.left, Y: r.top, H: r.height } })()", selector), out))
	}
	where(d.grip(name), &from)
	where(fmt.Sprintf(`[data-id="%s"]`, d.ids[to]), &at)
	d.must(d.tab.Drag(d.ctx, from.X+12, from.Y+12, from.X+12+aside, at.Y+at.H*part))
}

func TestComponentsAreMovedInABrowser(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(context.Context, browser.Options) (browser.Browser, error){"chromium": browser.Chromium, "firefox": browser.Firefox} {
		t.Run(name, func(t *testing.T) {
			d := newShopDesk(t, start)
			d.must(d.tab.Size(d.ctx, 1280, 1000))
			d.goTo("/console/components")
			d.until("document.querySelector('[data-grip]').checkVisibility()")
			// With keys: down past the end of a list goes on in the next one.
			d.must(d.tab.Eval(d.ctx, fmt.Sprintf("document.querySelector('%s').focus()", d.grip("Web")), nil))
			d.must(d.tab.Keys(d.ctx, browser.Enter))
			d.until("document.querySelector('[data-grip][aria-pressed=true]') !== null")
			d.must(d.tab.Keys(d.ctx, browser.Down+browser.Down))
			d.until("document.getElementById('tree-says').textContent === 'Web: 1 of 2 in Banking'")
			d.must(d.tab.Keys(d.ctx, browser.Enter))
			d.order("App Banking( Web Cards Europe( SEPA ) ) Partners( )")
			// Escape puts it back.
			d.must(d.tab.Keys(d.ctx, browser.Enter+browser.Up))
			d.until("document.getElementById('tree-says').textContent === 'Web: 2 of 2 in the top'")
			d.must(d.tab.Keys(d.ctx, browser.Escape))
			d.until("document.getElementById('tree-says').textContent === 'Web is back where it was.'")
			// A group goes out of another one, and into one.
			d.must(d.tab.Eval(d.ctx, fmt.Sprintf("document.querySelector('%s').focus()", d.grip("Europe")), nil))
			d.must(d.tab.Keys(d.ctx, browser.Enter+browser.Left+browser.Enter))
			d.order("App Banking( Web Cards ) Europe( SEPA ) Partners( )")
			d.must(d.tab.Keys(d.ctx, browser.Enter+browser.Right+browser.Enter))
			d.order("App Banking( Web Cards Europe( SEPA ) ) Partners( )")
			// With the mouse: to another group, and above another one there.
			d.drag("App", "Cards", 0.9, 0)
			d.order("Banking( Web App Cards Europe( SEPA ) ) Partners( )")
			d.drag("SEPA", "Partners", 2, 0)
			d.order("Banking( Web App Cards Europe( ) ) Partners( SEPA )")
			d.drag("Partners", "Banking", 0, 0)
			d.order("Partners( SEPA ) Banking( Web App Cards Europe( ) )")
			// With buttons, for those who have neither.
			d.click(d.grip("SEPA"))
			d.until("document.querySelector('.mover select') !== null")
			d.must(d.tab.Eval(d.ctx, `(() => { const s = document.querySelector('.mover select'); s.value = ''; s.dispatchEvent(new Event('change', { bubbles: true })) })()`, nil))
			d.click(".mover .primary")
			d.order("SEPA Partners( ) Banking( Web App Cards Europe( ) )")
			// And back.
			d.drag("Web", "Cards", 0.95, 0)
			d.until("document.querySelector('.toast button:not(.icon-button)') !== null")
			d.click(".toast button:not(.icon-button)")
			d.order("SEPA Partners( ) Banking( Web App Cards Europe( ) )")
		})
	}
}

func TestAComponentIsBoundInABrowser(t *testing.T) {
	t.Parallel()
	d := newShopDesk(t, browser.Chromium)
	t.Run("a new page's short name follows what was typed before the script came", func(t *testing.T) {
		d.late.Lock()
		come := sync.OnceFunc(d.late.Unlock)
		defer come()
		d.must(d.tab.Eval(d.ctx, "location.href = '/console/pages/new'", nil))
		d.until("location.pathname === '/console/pages/new' && document.getElementById('f-slug')")
		d.types("#f-name", "Deich")
		d.until("document.getElementById('f-name').value === 'Deich' && document.getElementById('f-slug').value === ''")
		come()
		d.until("document.getElementById('f-slug').value === 'deich'")
		d.must(d.tab.Keys(d.ctx, "hof"))
		d.until("document.getElementById('f-slug').value === 'deichhof'")
	})
	t.Run("what matches follows what is typed", func(t *testing.T) {
		d.goTo("/console/components/new?page=" + d.page.ID)
		d.types("#f-name", "Shop")
		d.click("button[name=add]")
		d.until("document.activeElement.id === 'f-b0_hosts'")
		d.must(d.tab.Keys(d.ctx, "web*"))
		d.until("document.querySelector('.matches').innerText.includes('3 objects match now') && document.querySelector('.matches').innerText.includes('Major outage')")
		d.types("#f-b0_services", "SMTP")
		d.until("document.querySelector('.matches').innerText.includes('Nothing matches now')")
	})
	t.Run("a second binding keeps the first, and what matters shows", func(t *testing.T) {
		d.click("button[name=add]")
		d.until("document.activeElement.id === 'f-b1_hosts' && document.getElementById('f-b0_hosts').value === 'web*'")
		d.until("!document.getElementById('f-b1_after').checkVisibility()")
		d.must(d.tab.Eval(d.ctx, `(() => { const s = document.getElementById('f-b1_incident'); s.value = 'publish'; s.dispatchEvent(new Event('change', { bubbles: true })) })()`, nil))
		d.until("document.getElementById('f-b1_after').checkVisibility()")
		d.click("button[name=remove][value='1']")
		d.until("document.querySelectorAll('[data-binding]').length === 1")
	})
	t.Run("it is saved", func(t *testing.T) {
		d.click(".form-foot .primary")
		d.until("location.pathname === '/console/components' && document.body.innerText.includes('Saved the component “Shop”')")
	})
	t.Run("its state is set over the list", func(t *testing.T) {
		d.goTo("/console/components")
		d.until("document.querySelector('[data-grip]').checkVisibility()") // the script runs
		d.press("#component-" + d.ids["App"] + " [data-state-form]")
		d.until("document.querySelector('dialog[open] input:checked') === document.activeElement")
		d.click("dialog input[value=major_outage]")
		d.click("dialog .primary")
		d.until("document.body.innerText.includes('“App”: Major outage. Nobody was told.')")
	})
	t.Run("a new page's short name follows its name", func(t *testing.T) {
		d.goTo("/console/pages/new")
		d.types("#f-name", "Kaese & Sohn ")
		d.until("document.getElementById('f-slug').value === 'kaese-sohn'")
		d.must(d.tab.Eval(d.ctx, "document.getElementById('f-slug').select()", nil))
		d.must(d.tab.Keys(d.ctx, "kaese"))
		d.types("#f-name", "GmbH")
		d.until("document.getElementById('f-name').value === 'Kaese & Sohn GmbH' && document.getElementById('f-slug').value === 'kaese'")
		d.must(d.tab.Eval(d.ctx, `(() => { const s = document.getElementById('f-seen_by'); s.value = 'some'; s.dispatchEvent(new Event('change', { bubbles: true })) })()`, nil))
		d.until("document.getElementById('f-password').checkVisibility()")
	})
	t.Run("every page is for everybody", func(t *testing.T) {
		for _, path := range []string{
			"/console/pages", "/console/pages/new", "/console/pages/" + d.page.ID, "/console/pages/" + d.page.ID + "/delete",
			"/console/components", "/console/components/new?page=" + d.page.ID, "/console/components/" + d.ids["Web"], "/console/components/" + d.ids["Web"] + "/state",
			"/console/components/" + d.ids["Web"] + "/delete", "/console/component-groups/" + d.ids["Banking"], "/console/component-groups/new?page=" + d.page.ID,
			"/console/components#moving", "/console/components#state",
		} {
			d.goTo("/console/health")
			d.goTo(path)
			if strings.Contains(path, "#") {
				d.until("document.querySelector('[data-grip]').checkVisibility()") // the script runs
			}
			switch {
			case path == "/console/components#moving":
				d.click(d.grip("Europe"))
				d.until("document.querySelector('.mover') !== null")
			case path == "/console/components#state":
				d.press("#component-" + d.ids["App"] + " [data-state-form]")
				d.until("document.querySelector('dialog[open]') !== null")
			}
			for _, dark := range []bool{false, true} {
				for _, width := range []int{1280, 390} {
					if !axe.Looks(path, width, dark) {
						continue
					}
					d.must(d.tab.Dark(d.ctx, dark))
					d.must(d.tab.Size(d.ctx, width, 900))
					// The hub's live channel is not here: its words are longer than those of one that is.
					d.must(d.tab.Eval(d.ctx, "(() => { for (const x of ['live-state', 'health-badge']) document.getElementById(x).hidden = true })()", nil))
					found, err := axe.Check(d.ctx, d.tab)
					d.must(err)
					for _, v := range found {
						t.Errorf("%s, dark %v, %d wide: %s", path, dark, width, v)
					}
					var over int
					d.must(d.tab.Eval(d.ctx, "document.documentElement.scrollWidth - innerWidth", &over))
					if over > 0 {
						t.Errorf("%s, %d wide: the page is %d pixels wider than the screen", path, width, over)
					}
				}
			}
		}
	})
}
