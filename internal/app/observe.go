package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"tocsin/internal/config"
	"tocsin/internal/guard"
	"tocsin/internal/web"
)

// newLog makes the program's log: a line each, as text or as JSON, with the id of the
// request that a line is about.
func newLog(w io.Writer, cfg config.Config) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.Observe.LogJSON {
		return slog.New(ofRequest{slog.NewJSONHandler(w, o)})
	}
	return slog.New(ofRequest{slog.NewTextHandler(w, o)})
}

// ofRequest adds the id of the request to what is logged about one.
type ofRequest struct{ slog.Handler }

// Handle logs a line.
func (h ofRequest) Handle(ctx context.Context, r slog.Record) error {
	if id := web.RequestID(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r) //nolint:wrapcheck // slog's own
}

// WithAttrs keeps adding.
func (h ofRequest) WithAttrs(attrs []slog.Attr) slog.Handler {
	return ofRequest{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps adding.
func (h ofRequest) WithGroup(name string) slog.Handler { return ofRequest{h.Handler.WithGroup(name)} }

// requestIDs makes ids of requests: eight digits that name this process, and a number.
type requestIDs struct {
	process string
	count   atomic.Uint64
}

func newRequestIDs() *requestIDs {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return &requestIDs{process: hex.EncodeToString(b[:])}
}

func (n *requestIDs) next() string {
	var b [32]byte
	return string(strconv.AppendUint(append(append(b[:0], n.process...), '-'), n.count.Add(1), 36))
}

// identified gives each request an id, which the answer, problem documents and the
// log have: that of a proxy that is trusted, else one of ours.
func (a *App) identified(next http.Handler) http.Handler {
	ids := newRequestIDs()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := ""
		if given := r.Header[web.RequestHeader]; len(given) == 1 && len(a.cfg.TrustedProxies) > 0 && fitsRequestID(given[0]) {
			if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && guard.Within(peer.Addr().Unmap(), a.cfg.TrustedProxies) {
				id = given[0]
			}
		}
		if id == "" {
			id = ids.next()
		}
		w.Header()[web.RequestHeader] = []string{id}
		r = r.WithContext(web.WithRequest(r.Context(), id))
		if !a.log.Enabled(r.Context(), slog.LevelDebug) {
			next.ServeHTTP(w, r)
			return
		}
		begin, said := time.Now(), &answered{ResponseWriter: w}
		next.ServeHTTP(said, r)
		a.log.DebugContext(r.Context(), "request", "method", r.Method, "path", loggedPath(r), "status", said.status, "took", time.Since(begin))
	})
}

// fitsRequestID says whether a proxy's id is one that may stand in a log and a header.
func fitsRequestID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' && c != ':' && c != '=' && c != '+' && c != '/' {
			return false
		}
	}
	return true
}

// loggedPath is a request's path where that tells no secret: links of visitors have
// theirs in it.
func loggedPath(r *http.Request) string {
	switch area(r) {
	case "", "events", "api", "console", "static":
		return linkPath(r.URL.Path)
	}
	return "…"
}

// answered remembers the status of an answer.
type answered struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first status.
func (w *answered) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write answers 200 where nothing else was said.
func (w *answered) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b) //nolint:wrapcheck // the server's own
}

// Unwrap lets streams flush and set their deadlines.
func (w *answered) Unwrap() http.ResponseWriter { return w.ResponseWriter }
