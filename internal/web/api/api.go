// Package api is /api/v1: JSON over HTTP for programs and for the scripts of
// our own pages, described by OpenAPI 3.1 at /api/v1/openapi.json.
//
// A request says who it is by "Authorization: Bearer KEY" (an API key) or by
// the session cookie; each route asks for one scope. Errors are problem
// documents (RFC 9457). Lists answer {"items":[…],"next":"…"}; give next back
// as ?cursor= until it is empty.
//
// The way in for events is apart from all that: a plain handler with the
// source's token, because it is the one route that must be fast.
package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/health"
	"tocsin/internal/live"
	"tocsin/internal/source"
	"tocsin/internal/trace"
	"tocsin/internal/web"
)

// Prefix is where the API lives.
const Prefix = "/api/v1"

// Store is what the API reads and changes.
type Store interface {
	web.Store
	web.Receipts
	// ConfigVersion rises whenever a source, among others, changed.
	ConfigVersion() int64
	// AppendLive puts frames into the live log.
	AppendLive(ctx context.Context, fs []live.Frame) error

	// UseToken reserves a notification's token, once: false when somebody did
	// before, fault.ErrInUse while it is not known what becomes of that. A
	// reservation that nobody finishes within 30 s is void.
	UseToken(ctx context.Context, nonce string, expires time.Time) (first bool, err error)
	FinishToken(ctx context.Context, nonce string) error
	ReleaseToken(ctx context.Context, nonce string) error
	// ShownDelivery adds what a device says to the attempts of a Web Push
	// delivery that was sent; others are passed over.
	ShownDelivery(ctx context.Context, deliveryID, result, detail string) error
}

// Dispatch takes events and acknowledgements; *dispatch.Service is one.
type Dispatch interface {
	Receive(ctx context.Context, sourceID string, events []alert.Event) ([]dispatch.Receipt, error)
	Acknowledge(ctx context.Context, alertID string, r dispatch.AckRequest) (alert.Alert, error)
	Unacknowledge(ctx context.Context, alertID string, r dispatch.AckRequest) (alert.Alert, error)
	Snooze(ctx context.Context, alertID string, r dispatch.SnoozeRequest) (until time.Time, err error)
	Unsnooze(ctx context.Context, alertID string, r dispatch.SnoozeRequest) (alert.Alert, error)
	Comment(ctx context.Context, alertID string, r dispatch.CommentRequest) (alert.Alert, error)
	ScheduleDowntime(ctx context.Context, alertID string, r dispatch.DowntimeRequest) (alert.Alert, error)
	CancelDowntime(ctx context.Context, alertID string, r dispatch.DowntimeRequest) (alert.Alert, error)
}

// Streams serves the live channel; *live.Hub is one.
type Streams interface {
	Serve(w http.ResponseWriter, r *http.Request, v live.Viewer)
}

// Deps are what the API works with.
type Deps struct {
	Store    Store
	Dispatch Dispatch
	Streams  Streams
	Auth     *auth.Service
	Kinds    []source.Kind
	// WriteBacks are the ways of telling engines, in the order in which they are
	// offered. Probe tries one source's without changing anything: nil, or an
	// error whose text says the mend.
	WriteBacks []source.WriteBackKind
	Probe      func(ctx context.Context, s source.Source) error
	// TestRoom posts a test message into a room of Mattermost.
	TestRoom func(ctx context.Context, r chat.Room) (web.RoomTest, error)
	Health   func(ctx context.Context) health.Report
	// Pending renders a user's unfinished notifications as the live channel does.
	Pending func(ctx context.Context, ds []delivery.Delivery) ([]json.RawMessage, error)
	// Test renders the test notification of this id in the same way.
	Test func(ctx context.Context, id string) (json.RawMessage, error)
	Push Push
	// Mail is what is set of e-mail, and TestMail tries it.
	Mail     web.Mail
	TestMail web.TestMail
	// Windows changes maintenance windows, TestHook tries a webhook, and Simulator
	// tries events.
	Windows   *web.WindowDesk
	TestHook  web.TestHook
	Simulator web.Simulator
	// Desk changes public pages, Status is what is stored of them, and Visitors
	// are those who look at them.
	Desk     web.Desk
	Status   Status
	Visitors Visitors // nil: everybody may see everything
	BaseURL  string
	Version  string
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now
	// Ingested is told of each call of the events route; nil: nobody.
	Ingested func(status, events int)
	// Tracer follows events; nil: nobody does.
	Tracer *trace.Tracer
	// Alive notes that a source said that it is alive.
	Alive func(ctx context.Context, sourceID string) error
}

// API serves /api/v1.
type API struct {
	d       Deps
	huma    huma.API
	mux     *http.ServeMux
	edge    http.Handler // everything but the events route
	sources *sources
	kinds   map[string]source.Kind

	open                                     map[string]bool // "METHOD /path" of routes that ask for nobody
	openEdge                                 http.Handler
	visits, newcomers, acts, tellings, feeds *limiter

	unstored atomic.Int64 // the second in which it was last logged that events were not stored
	buffers  sync.Pool    // of *bytes.Buffer
	jsonType []string     // shared by all answers of the events route, which never change it
	// The same of all answers.
	nosniff, nothingRuns []string
}

// New makes the API.
func New(d Deps) *API {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Version == "" {
		d.Version = "development"
	}
	a := &API{d: d, mux: http.NewServeMux(), kinds: map[string]source.Kind{}, jsonType: []string{"application/json"},
		nosniff: []string{"nosniff"}, nothingRuns: []string{"default-src 'none'; frame-ancestors 'none'"}}
	for _, k := range d.Kinds {
		a.kinds[k.Name()] = k
	}
	a.sources = &sources{st: d.Store, now: d.Now}
	a.open = map[string]bool{}
	// An office behind one address may all come at once in the morning; a
	// program that tries addresses or fills the table does not get far.
	a.visits = newLimiter(rate{60, 1}, rate{2000, 200}, d.Now)
	a.newcomers = newLimiter(rate{30, 0.1}, rate{1000, 20}, d.Now)
	a.acts = newLimiter(rate{30, 0.5}, rate{500, 50}, d.Now)
	// Calendar programs ask once an hour or so, those of a company from one address.
	a.feeds = newLimiter(rate{120, 1}, rate{1000, 50}, d.Now)
	a.tellings = newLimiter(rate{300, 10}, rate{5000, 1000}, d.Now)
	a.huma = humago.NewWithPrefix(a.mux, Prefix, describe(d.Version))
	a.routes()
	a.mux.HandleFunc(Prefix+"/", a.nowhere)
	a.edge = a.crossOrigin(a.signedIn(a.mux))
	a.openEdge = a.crossOrigin(a.mux)
	return a
}

// guard keeps browsers from making more of an answer than the data that it is: they do
// not guess what it is, show it in nobody's frame, and run nothing that is in it.
func (a *API) guard(h http.Header) {
	h["X-Content-Type-Options"] = a.nosniff
	h["Content-Security-Policy"] = a.nothingRuns
}

// ServeHTTP serves everything below /api/v1.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.guard(w.Header())
	if r.Method == http.MethodPost {
		if rest, ok := strings.CutPrefix(r.URL.Path, Prefix+"/sources/"); ok {
			if name, ok := strings.CutSuffix(rest, "/events"); ok && !strings.Contains(name, "/") {
				a.events(w, r, name)
				return
			}
			if name, ok := strings.CutSuffix(rest, "/heartbeat"); ok && !strings.Contains(name, "/") {
				a.heartbeat(w, r, name)
				return
			}
		}
	}
	if !web.LegibleURL(r.URL) {
		writeProblem(w, problem(http.StatusBadRequest, "The address has characters that are no text: send UTF-8 without NUL."))
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if a.open[r.Method+" "+strings.TrimPrefix(r.URL.Path, Prefix)] {
		// Whoever asks is nobody here, whatever cookie or key they send. Only Visitors
		// sees what they sent: there are pages that not everybody may see.
		r = r.Clone(context.WithValue(r.Context(), askedKey{}, r))
		r.Header.Del("Authorization")
		r.Header.Del("Cookie")
		a.openEdge.ServeHTTP(w, r)
		return
	}
	a.edge.ServeHTTP(w, r)
}

// OpenAPI is the description, in JSON.
func (a *API) OpenAPI() ([]byte, error) { return json.MarshalIndent(a.huma.OpenAPI(), "", "  ") }

func (a *API) routes() {
	a.describeEvents()
	a.describeHeartbeat()
	a.alertRoutes()
	a.deliveryRoutes()
	a.contactRoutes()
	a.groupRoutes()
	a.ruleRoutes()
	a.periodRoutes()
	a.sourceRoutes()
	a.userRoutes()
	a.keyRoutes()
	a.wayRoutes()
	a.systemRoutes()
	a.auditRoutes()
	a.liveRoutes()
	a.pushRoutes()
	a.mattermostRoutes()
	a.emailRoutes()
	a.roomRoutes()
	a.policyRoutes()
	a.scheduleRoutes()
	a.calendarRoutes()
	a.windowRoutes()
	a.webhookRoutes()
	a.simulateRoutes()
	a.statusRoutes()
}

// crossOrigin keeps other sites from using a person's cookie. A request with
// its own Authorization does not live on the cookie.
func (a *API) crossOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	if a.d.BaseURL != "" {
		if err := guard.AddTrustedOrigin(a.d.BaseURL); err != nil {
			a.d.Log.Warn("base URL is no origin", "error", err)
		}
	}
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, problem(http.StatusForbidden, "The request comes from another site; it was not carried out. "+
			"If it was made in Tocsin, set TOCSIN_BASE_URL to the address that the browser shows, and let a proxy in front pass Host on."))
	}))
	guarded := guard.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// signedIn finds out who makes the request. Nobody is fine here; each route
// asks for the scope that it needs.
func (a *API) signedIn(next http.Handler) http.Handler {
	bySession := a.d.Auth.Sessions(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("Authorization")
		if given == "" {
			bySession.ServeHTTP(w, r)
			return
		}
		p, err := a.d.Auth.Key(r.Context(), bearer(given), r.RemoteAddr)
		if err != nil {
			writeProblem(w, a.keyProblem(err))
			return
		}
		next.ServeHTTP(w, r.WithContext(auth.With(r.Context(), p)))
	})
}

// sourceToken is the token of a source's call: as Bearer, or as the password of
// Basic, whatever the user, for engines that can send nothing else.
func sourceToken(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	return bearer(r.Header.Get("Authorization"))
}

// bearer is the token of an Authorization header, empty if there is none.
func bearer(header string) string {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// nowhere answers for paths and methods that there are not.
func (a *API) nowhere(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := a.mux.Handler(probe); pattern != "" && pattern != Prefix+"/" {
			allowed = append(allowed, m)
		}
	}
	if (strings.HasSuffix(r.URL.Path, "/events") || strings.HasSuffix(r.URL.Path, "/heartbeat")) && strings.HasPrefix(r.URL.Path, Prefix+"/sources/") {
		allowed = append(allowed, http.MethodPost)
	}
	if len(allowed) == 0 {
		writeProblem(w, problem(http.StatusNotFound, "There is nothing at this address; "+Prefix+"/openapi.json lists what there is."))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeProblem(w, problem(http.StatusMethodNotAllowed, "This address takes "+strings.Join(allowed, ", ")+"."))
}
