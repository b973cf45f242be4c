// Package console is what people see who are signed in: alerts as they happen,
// who was told and why, and everything that decides it.
//
// New answers one handler for /console/…. Pages are html/template with typed
// views and work without JavaScript; the modules in static/js add what is
// live. Who somebody is comes from auth.From, put into the request's context
// by the session middleware in front of this handler.
//
//	mux.Handle("/console/", sessions(console.New(console.Deps{…})))
package console

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/fault"
	"tocsin/internal/health"
	"tocsin/internal/hook"
	"tocsin/internal/push"
	"tocsin/internal/source"
	"tocsin/internal/web"
)

//go:embed templates/*.html
var templates embed.FS

type console struct {
	Deps
	pages  func() *template.Template
	trials trials
}

// visit is one request of somebody: what every page needs to know.
type visit struct {
	*http.Request
	who auth.Principal
	now time.Time
}

func (v *visit) may(s auth.Scope) bool { return v.who.May(s) }

// page answers a visit. An error it returns is shown as an error page; it has
// written nothing then.
type page func(w http.ResponseWriter, v *visit) error

// New answers the handler for /console/. It panics when a template does not
// parse, which is a fault of the build.
func New(d Deps) http.Handler {
	if d.NewID == nil {
		d.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	if d.Push.KeysChanged == nil {
		d.Push.KeysChanged = func() {}
	}
	if d.Push.Services == nil {
		d.Push.Services = func(context.Context) ([]web.PushService, error) { return nil, nil }
	}
	if d.Push.Test == nil {
		d.Push.Test = func(context.Context, push.Subscription) (web.PushTest, error) {
			return web.PushTest{Detail: "This hub sends no Web Push."}, nil
		}
	}
	if d.Mattermost.TestRoom == nil {
		d.Mattermost.TestRoom = func(context.Context, chat.Room) (web.RoomTest, error) {
			return web.RoomTest{Detail: "This hub posts nothing in Mattermost."}, nil
		}
	}
	if d.TestHook == nil {
		d.TestHook = func(context.Context, hook.Hook) (web.HookTest, error) {
			return web.HookTest{Detail: "This hub posts to no webhooks."}, nil
		}
	}
	if d.Simulator == nil {
		d.Simulator = noSimulator{}
	}
	if d.Windows == nil {
		d.Windows = &web.WindowDesk{Store: d.Store, Desk: d.Desk, Status: d.Store, Now: d.Now, Log: d.Log}
	}
	if d.Probe == nil {
		d.Probe = func(context.Context, source.Source) error { return errors.New("this hub reaches no engine") }
	}
	if d.Markdown == nil {
		d.Markdown = func(source string) template.HTML {
			return template.HTML(template.HTMLEscapeString(source)) //nolint:gosec // escaped
		}
	}
	if d.Health == nil {
		d.Health = func(context.Context) health.Report { return health.Report{OK: true} }
	}
	if d.Lately == nil {
		d.Lately = d.Health
	}
	c := &console{Deps: d}
	// Nobody waits for a hub to be ready until all pages are read.
	c.pages = sync.OnceValue(func() *template.Template { return c.parse("templates/*.html") })
	go c.pages()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /console/sign-in", c.signInForm)
	mux.HandleFunc("POST /console/sign-in", c.signIn)
	c.doors(mux)
	for _, r := range c.routes() {
		mux.HandleFunc(r.pattern, c.guard(r.scope, mostSent(r.pattern), r.page))
	}
	mux.HandleFunc("GET /console", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/console/alerts", http.StatusSeeOther)
	})

	// Same-site cookies stop forms of other sites already; this also stops
	// those of a sister host of the same site.
	csrf := http.NewCrossOriginProtection()
	if d.BaseURL != "" {
		if u, err := url.Parse(d.BaseURL); err == nil {
			// The origin as a browser sends it, for a proxy that rewrites Host.
			_ = csrf.AddTrustedOrigin(u.Scheme + "://" + u.Host)
		}
	}
	csrf.SetDenyHandler(http.HandlerFunc(c.fromElsewhere))
	return headers(csrf.Handler(mux))
}

// contentPolicy: nothing from elsewhere, no inline script or style.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !web.LegibleURL(r.URL) {
			http.Error(w, "The address has characters that are no text.", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fromElsewhere answers a form that another site sent. It is the same page for
// everybody: whose cookie came along does not matter.
func (c *console) fromElsewhere(w http.ResponseWriter, r *http.Request) {
	c.write(w, r, http.StatusForbidden, "elsewhere", "elsewhere", struct{ Title, Version string }{"Nothing was changed", c.Version})
}

// guard lets those in who are signed in and may do it, reads forms of up to most
// bytes, and turns errors into pages.
func (c *console) guard(scope auth.Scope, most int64, p page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, ok := auth.From(r.Context())
		if !ok || who.UserID == "" {
			c.sendToSignIn(w, r)
			return
		}
		v := &visit{Request: r, who: who, now: c.Now()}
		if r.Method == http.MethodPost {
			r.Body = http.MaxBytesReader(w, r.Body, most)
			err := r.ParseForm()
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				c.fail(w, v, http.StatusRequestEntityTooLarge, "That is too long", "A form may have "+strconv.FormatInt(most>>10, 10)+" KiB. Go back, make it shorter, and send it again.")
				return
			}
			if err != nil || !web.Legible(r.PostForm) {
				c.fail(w, v, http.StatusBadRequest, "That form could not be read", "Go back and send it again.")
				return
			}
		}
		if scope != "" && !who.May(scope) {
			c.fail(w, v, http.StatusForbidden, "That is not for your role",
				"You are signed in as "+string(who.Role)+". Ask an administrator to do it, or to give you another role.")
			return
		}
		if err := p(w, v); err != nil {
			c.problem(w, v, err)
		}
	}
}

func (c *console) sendToSignIn(w http.ResponseWriter, r *http.Request) {
	// A fragment must not be replaced by the sign-in page: the script reloads.
	if r.Header.Get("Tocsin-Fragment") != "" {
		http.Error(w, "signed out", http.StatusUnauthorized)
		return
	}
	to := "/console/sign-in"
	if r.Method == http.MethodGet && r.URL.Path != "/console/" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// problem shows an error in words for people; what is not theirs to know goes
// to the log alone.
func (c *console) problem(w http.ResponseWriter, v *visit, err error) {
	switch {
	case errors.Is(err, fault.ErrNotFound):
		c.fail(w, v, http.StatusNotFound, "There is nothing here",
			"It was deleted, or the address is mistyped. Resolved alerts go when their retention ends.")
	case errors.Is(err, fault.ErrCursor):
		c.fail(w, v, http.StatusBadRequest, "This list has no such place", "Its address was cut off or changed. Open the list from the menu.")
	case errors.Is(err, context.DeadlineExceeded):
		c.Log.ErrorContext(v.Context(), "console page took too long", "path", v.URL.Path, "error", err)
		c.fail(w, v, http.StatusServiceUnavailable, "The database does not answer", "Try again in a moment. What you sent may have been carried out: look before you send it again.")
	case errors.Is(err, context.Canceled):
		w.WriteHeader(499)
	default:
		c.Log.ErrorContext(v.Context(), "console page failed", "path", v.URL.Path, "error", err)
		c.fail(w, v, http.StatusInternalServerError, "This did not work",
			"The hub could not do what was asked; nothing was changed. Its log says why. Trying again in a moment may help.")
	}
}

type failView struct {
	shell
	Status  int
	Problem string
	Mend    string
}

func (c *console) fail(w http.ResponseWriter, v *visit, status int, problem, mend string) {
	view := failView{shell: c.shell(w, v, "", problem), Status: status, Problem: problem, Mend: mend}
	c.write(w, v.Request, status, "fail", "shell", view)
}

// local answers next if it leads into the console or the documentation, else the alerts.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !inside(u.Path) || !inside(path.Clean(u.Path)+"/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n") || strings.HasPrefix(u.Path, "/console/sign-") {
		return "/console/alerts"
	}
	return next
}

// inside says whether a path is one of the console or of the documentation.
func inside(path string) bool {
	return strings.HasPrefix(path, "/console/") || strings.HasPrefix(path, DocsPath)
}
