package app

import (
	"context"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"tocsin/internal/audit"
	"tocsin/internal/channel"
	"tocsin/internal/web"
	"tocsin/internal/web/api"
	"tocsin/internal/web/console"
	"tocsin/internal/web/static"
)

// handler is everything that is served, each answer within patience.
func (a *App) handler(patience time.Duration) http.Handler {
	pages := a.auth.Sessions(console.New(console.Deps{
		Store: shelf{a.db, a}, Acks: a.dispatch, Auth: a.auth, Health: a.Health, Lately: a.healthLately, Kinds: Kinds(), Push: a.push.forConsole(),
		WriteBacks: WriteBacks(), Probe: a.engines.probe, Mattermost: a.chat.forConsole(), Desk: a.public.desk, Mail: a.db, TestMail: a.visitors.testMail, Markdown: a.public.text.HTML, Preview: a.public.site.Preview,
		Windows: a.planning.windows, Simulator: a.planning.simulator, TestHook: a.hooks.test,
		BaseURL: a.cfg.BaseURL, Version: Version, Log: a.log,
	}))
	mux := http.NewServeMux()
	mux.Handle("/console/", pages)
	mux.Handle("/console", http.RedirectHandler("/console/", http.StatusSeeOther))
	mux.Handle(console.DocsPath, a.documentation())
	mux.Handle("/docs", http.RedirectHandler(console.DocsPath, http.StatusSeeOther))
	mux.Handle(console.AckLinkPath, a.letters.links())
	mux.Handle("/static/", static.Handler())
	mux.Handle("/sw-push.js", static.WorkerHandler())
	mux.Handle("/manifest.webmanifest", static.ManifestHandler())
	mux.HandleFunc(web.CalendarPath, a.api.Calendar)
	mux.HandleFunc("GET /healthz", api.Healthz)
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.Handle("GET /metrics", a.metrics.handler(a))
	mux.Handle("GET /favicon.ico", http.RedirectHandler(static.URL("icons/app.png"), http.StatusFound))
	for _, ch := range a.channels {
		if c, ok := ch.(channel.Callback); ok {
			mux.Handle(callbackPrefix+ch.Name()+"/", heardBack(c.Callback()))
		}
	}

	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if a.public.elsewhere(r) && !shared(path) && a.public.site.Hosts(r.Host) {
			if a.visitors.handle(w, r) || a.public.site.Handle(w, r) {
				return
			}
			guardHeaders(w.Header())
			http.NotFound(w, r)
			return
		}
		if strings.HasPrefix(path, api.Prefix+"/") {
			a.api.ServeHTTP(w, r)
			return
		}
		// What is nobody's is a public page's, which brings its own headers.
		_, ours := mux.Handler(r)
		if ours == "" && (a.visitors.handle(w, r) || a.public.site.Handle(w, r)) {
			return
		}
		guardHeaders(w.Header())
		if ours == "" && path == "/" { // nothing is public yet
			http.Redirect(w, r, "/console/", http.StatusSeeOther)
			return
		}
		mux.ServeHTTP(w, r)
	})
	return a.calm(a.farewell(a.gate.handler(a.timed(patience, inner))))
}

// callbackPrefix is below what others call us: /callback/mattermost/action.
const callbackPrefix = "/callback/"

// heardBack is a channel's handler of what it hears back. No person is behind such
// a request: it has no session, and no cookie gets there or is set; the handler
// alone says whom it believes.
func heardBack(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Cookie")
		w.Header().Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}

// guardHeaders are for every page: nothing from elsewhere, in nobody's frame.
func guardHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'self'; manifest-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	// Notifications and push are no features of this header; what is here is not used.
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
}

// timed measures each kind of request and bounds it: nobody waits for ever for
// a database that hangs. Streams are left out, because they last; and events,
// which the committer bounds.
func (a *App) timed(patience time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		area := area(r)
		if area != "" && area != "events" {
			within := patience
			if strings.HasSuffix(r.URL.Path, "/simulate") && r.Method == http.MethodPost {
				within = max(within, simulateWithin+time.Second) // it bounds itself
			}
			ctx, cancel := context.WithTimeout(audit.At(r.Context(), r.RemoteAddr), within)
			defer cancel()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
		if area != "" {
			a.metrics.served(area, time.Since(begin))
		}
	})
}

// area is a request's kind, of which there are few.
func area(r *http.Request) string {
	path := r.URL.Path
	switch {
	case path == api.Prefix+"/live":
		return ""
	case strings.HasPrefix(path, api.Prefix+"/sources/") && strings.HasSuffix(path, "/events"):
		return "events"
	case strings.HasPrefix(path, api.Prefix+"/"):
		return "api"
	case strings.HasPrefix(path, "/console"):
		return "console"
	case strings.HasPrefix(path, "/static/"):
		return "static"
	case strings.HasPrefix(path, callbackPrefix):
		return "callback"
	case strings.HasPrefix(path, web.CalendarPath):
		return "calendar"
	}
	return "other"
}

// calm keeps one request's panic from being more than that request's.
func (a *App) calm(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				a.log.Error("request panicked", "method", r.Method, "path", linkPath(r.URL.Path), "panic", v, "stack", string(debug.Stack()))
				http.Error(w, "Something went wrong here; the program's log says what.", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}
