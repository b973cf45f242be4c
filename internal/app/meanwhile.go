package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tocsin/internal/auth"
	"tocsin/internal/markdown"
	"tocsin/internal/status"
	"tocsin/internal/store"
	"tocsin/internal/web"
	"tocsin/internal/web/api"
	"tocsin/internal/web/console"
	"tocsin/internal/web/page"
	"tocsin/internal/web/static"
)

// A start whose database is away has nothing but the public pages that were kept on
// disk. They are served until the database is there: that is when everybody looks.

const (
	soon       = time.Second     // a database that answers within this needs nobody to stand in
	openWithin = time.Minute     // one try to open it
	openAgain  = 2 * time.Second // between two
)

// openOrStandIn opens the database. Where PostgreSQL cannot be reached and public
// pages are kept, it serves them and tries on until ctx ends.
func (a *App) openOrStandIn(ctx context.Context) (*store.DB, error) {
	type opened struct {
		db  *store.DB
		err error
	}
	try := func() <-chan opened {
		done := make(chan opened, 1)
		go func() {
			ctx, cancel := context.WithTimeout(ctx, openWithin)
			defer cancel()
			db, err := store.Open(ctx, store.Options{URL: a.cfg.DatabaseURL, DataDir: a.cfg.DataDir, Node: a.cfg.Node, Exclusive: true, Secrets: a.cfg.Secrets, Log: a.log})
			done <- opened{db, err}
		}()
		return done
	}
	done := try()
	late := time.NewTimer(soon)
	defer late.Stop()
	var first opened
	select {
	case first = <-done:
		if first.err == nil || !a.cfg.Postgres() || !unreachable(first.err) {
			return first.db, first.err
		}
		done = nil
	case <-late.C:
	}
	end, err := a.standIn()
	if err != nil || end == nil { // nobody misses a page
		if done != nil {
			first = <-done
		}
		return first.db, errors.Join(first.err, err)
	}
	defer end()
	for {
		if done != nil {
			got := <-done
			if got.err == nil || !unreachable(got.err) || ctx.Err() != nil {
				return got.db, got.err
			}
			first = got
		}
		a.log.Warn("the database cannot be reached: public pages are shown as they were kept, and it is tried again", "error", first.err)
		pause := time.NewTimer(openAgain)
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil, first.err
		case <-pause.C:
		}
		done = try()
	}
}

// unreachable says whether a database is away, and not wrong: a name, a password or
// a version that is not right is for somebody to mend.
func unreachable(err error) bool {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		switch said.Code[:min(2, len(said.Code))] {
		case "08", "53", "57": // connection, too many of something, starting or stopping
			return true
		}
		return false
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded)
}

// standIn serves the pages that are kept until end is called, which leaves the
// listener open; end is nil where none is.
func (a *App) standIn() (end func(), err error) {
	site, err := page.NewSite(nothing{}, markdown.New(), page.Options{
		BaseURL: a.cfg.BaseURL, Dir: filepath.Join(a.cfg.DataDir, pagesBelow), Log: a.log,
		// Passwords open pages, with a cookie that is worth nothing once the database with
		// its key is there; nobody can be signed in.
		Gate: page.Gate{
			Verify: func(_ context.Context, hash, password string) (bool, error) {
				return auth.VerifyPassword(hash, password)
			},
			SignedIn: func(*http.Request) bool { return false }, SignIn: "/console/",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("show the pages that were kept: %w", err)
	}
	if !site.Ready() {
		return nil, nil
	}
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	mux.Handle("/sw-push.js", static.WorkerHandler())
	mux.HandleFunc("GET /healthz", api.Healthz)
	for _, path := range []string{"/console", "/console/", "/metrics", "/readyz", api.Prefix + "/", callbackPrefix, web.CalendarPath, console.AckLinkPath} {
		mux.HandleFunc(path, away)
	}
	known := &public{host: hostOf(a.cfg.BaseURL)}
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, ours := mux.Handler(r)
		if strings.HasPrefix(r.URL.Path, "/static/") || r.URL.Path == "/sw-push.js" || ours != "" && !(known.elsewhere(r) && site.Hosts(r.Host)) {
			guardHeaders(w.Header())
			mux.ServeHTTP(w, r)
			return
		}
		if !site.Handle(w, r) {
			away(w, r)
		}
	})
	a.gate.site.Store(site)
	if a.gate.keeper != nil {
		a.gate.keeper.Recall()
	}
	lent := &lent{Listener: a.listener}
	server := &http.Server{Handler: a.calm(a.gate.handler(inner)), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 5 * time.Minute, IdleTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(a.gate.over(lent)); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("the pages that were kept are not served", "error", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close()
		}
		<-served
		lent.back()
	}, nil
}

// away is the answer for what needs the database. Programs that hand in events keep
// them and try again.
func away(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "10")
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "The database cannot be reached at the moment; it is tried again all the time.", http.StatusServiceUnavailable)
}

// lent is a listener that outlives the server that it is lent to.
type lent struct{ net.Listener }

// Close ends the waiting for connections, and leaves the listener open.
func (l *lent) Close() error { return l.until(time.Unix(1, 0)) }

// back makes it as it was.
func (l *lent) back() { _ = l.until(time.Time{}) }

func (l *lent) until(t time.Time) error {
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		return d.SetDeadline(t) //nolint:wrapcheck // as net says it
	}
	return nil
}

// nothing is a store that is away.
type nothing struct{}

var errAway = errors.New("the database is away")

func (nothing) StatusPages(context.Context) ([]status.Page, error) { return nil, errAway }
func (nothing) StatusRecord(context.Context, string) (status.Record, error) {
	return status.Record{}, errAway
}
func (nothing) StatusMonth(context.Context, string, time.Time, time.Time) ([]status.Incident, []status.Maintenance, error) {
	return nil, nil, errAway
}
func (nothing) StatusDays(context.Context, string, string, string) (map[string][]status.Day, error) {
	return nil, errAway
}
func (nothing) Incident(context.Context, string) (status.Incident, error) {
	return status.Incident{}, errAway
}
func (nothing) Maintenance(context.Context, string) (status.Maintenance, error) {
	return status.Maintenance{}, errAway
}
