package app

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/markdown"
	"tocsin/internal/publish"
	"tocsin/internal/web/api"
	"tocsin/internal/web/page"
)

// public is the status pages put together: the desk changes them, the site shows
// them.
type public struct {
	desk  *publish.Desk
	text  *markdown.Renderer
	site  *page.Site
	front *page.Front // nil until requests are taken
	host  string      // of the hub itself; no page may take it over
}

// pagesBelow is the folder of the data folder where pages are kept for a start
// without database.
const pagesBelow = "pages"

func newPublic(ctx context.Context, a *App) (*public, error) {
	key, err := a.db.Secret(ctx, "page-gate")
	if err != nil {
		return nil, err //nolint:wrapcheck // says which secret
	}
	text := markdown.New()
	p := &public{text: text, host: hostOf(a.cfg.BaseURL)}
	p.desk, err = publish.New(a.db, publish.Options{Text: text.Text, Node: a.cfg.Node, Log: a.log})
	if err != nil {
		return nil, err //nolint:wrapcheck // the constructor's own words
	}
	p.site, err = page.NewSite(a.db, text, page.Options{
		BaseURL: a.cfg.BaseURL, Dir: filepath.Join(a.cfg.DataDir, pagesBelow), Log: a.log,
		Image: func(ctx context.Context, id string) (string, []byte, error) {
			i, err := a.db.StatusImage(ctx, id)
			return i.Kind, i.Body, err //nolint:wrapcheck // the page's to branch on
		},
		Ways: a.visitors.ways,
		Gate: page.Gate{
			Key: key,
			Verify: func(_ context.Context, hash, password string) (bool, error) {
				return auth.VerifyPassword(hash, password)
			},
			SignedIn: a.signedIn, SignIn: "/console/",
		},
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // the constructor's own words
	}
	a.db.OnWake("page", p.site.Wake)
	a.db.OnWake("page", p.desk.WakeClock)
	a.db.OnWake("live", p.desk.WakeAlerts)
	return p, nil
}

// hostOf is the hub's own host name, in small letters.
func hostOf(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// firstLook is for how long a start waits for the pages.
const firstLook = 5 * time.Second

// first makes the pages before requests are taken: whoever knocks at a start finds
// the status and not the sign-in. What goes wrong is tried again, and said, by Run.
func (p *public) first(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	_ = p.site.Refresh(ctx)
}

// served is how many requests were answered without troubling the server.
func (p *public) served() int64 {
	if p.front == nil {
		return 0
	}
	return p.front.Served()
}

// signedIn says whether somebody who sends a request is signed in. It changes
// nothing of the session.
func (a *App) signedIn(r *http.Request) bool {
	if !a.auth.Carries(r) {
		return false
	}
	var in bool
	look := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, in = auth.From(r.Context()) })
	a.auth.Sessions(look).ServeHTTP(unheard{http.Header{}}, r)
	return in
}

// unheard is where an answer goes that nobody waits for.
type unheard struct{ header http.Header }

func (u unheard) Header() http.Header         { return u.header }
func (u unheard) Write(b []byte) (int, error) { return len(b), nil }
func (u unheard) WriteHeader(int)             {}

// shared are the paths that every page needs on its own host too: the worker, the
// icons, and subscribing.
func shared(path string) bool {
	return path == "/sw-push.js" || path == "/favicon.ico" || strings.HasPrefix(path, "/static/") || strings.HasPrefix(path, api.Prefix+"/push/")
}

// elsewhere says whether a request came by a host name that is not the hub's own.
// Only there does a page stand before everything else.
func (p *public) elsewhere(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return !strings.EqualFold(strings.TrimSuffix(host, "."), p.host)
}

// What was recorded of components is kept so long; closed days stay for ever.
const keepStatus = 2 * 366 * 24 * time.Hour

// tidyTrail deletes the audit trail from before a time.
func (a *App) tidyTrail(ctx context.Context, before time.Time) error {
	const some = 500
	for ctx.Err() == nil {
		n, err := a.db.PruneTrail(ctx, before, some)
		if err != nil {
			return err //nolint:wrapcheck // says what it was
		}
		if n < some {
			return nil
		}
	}
	return ctx.Err()
}

func (a *App) tidyStatus(ctx context.Context, now time.Time) error {
	const some = 500
	for ctx.Err() == nil {
		n, err := a.db.PruneStatus(ctx, now.Add(-keepStatus), some)
		if err != nil {
			return err //nolint:wrapcheck // says what it was
		}
		if n < some {
			return nil
		}
	}
	return ctx.Err()
}
