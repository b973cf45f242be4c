package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/internal/cert"
	"tocsin/internal/config"
	"tocsin/internal/forwarded"
	"tocsin/internal/health"
	"tocsin/internal/web/page"
)

// gate is where requests come in: by https, or by http from this machine, from
// proxies that are listed and from networks that may do without.
type gate struct {
	cfg    config.Config
	log    *slog.Logger
	own    string      // the host of the base URL, in small letters
	hsts   bool        // browsers may remember that it speaks https
	holder cert.Holder // nil: https is not spoken here
	keeper *cert.Keeper
	site   atomic.Pointer[page.Site] // nil: not there yet

	door        *http.Server // nil: http is not answered beside https
	doorMissing string       // why not, where it is not asked for

	refused  stranger // by plain HTTP, from where it is not taken
	unlisted stranger // proxies
}

// certificatesBelow is the folder of the data folder where certificates are kept for
// a start without database.
const certificatesBelow = "certificates"

func newGate(cfg config.Config, log *slog.Logger) (*gate, error) {
	g := &gate{cfg: cfg, log: log, own: hostOf(cfg.BaseURL)}
	_, noName := netip.ParseAddr(g.own)
	g.hsts = cfg.Secure() && noName != nil && g.own != "localhost" && !strings.HasSuffix(g.own, ".localhost")
	if len(cfg.PlainHTTP) > 0 && !cfg.Encrypted() {
		log.Warn("plain HTTP is taken, as TOCSIN_PLAIN_HTTP says: passwords and tokens can be read on the way", "from", cfg.PlainHTTP)
	}
	switch {
	case cfg.TLSCert != "":
		files, err := cert.NewFiles(cfg.TLSCert, cfg.TLSKey, log)
		if err != nil {
			return nil, fmt.Errorf("TOCSIN_TLS_CERT and TOCSIN_TLS_KEY: %w", err)
		}
		files.Attend()
		g.holder = files
	case len(cfg.Domains) > 0:
		o := cert.Options{Names: g.names, Node: cfg.Node, Directory: cfg.ACMEDirectory, Email: cfg.ACMEEmail,
			HTTP: cfg.ListenHTTP != "", Log: log}
		if cfg.Postgres() { // only then may the database be away at a start
			o.Dir = filepath.Join(cfg.DataDir, certificatesBelow)
		}
		if cfg.ACMECA != "" {
			text, err := os.ReadFile(cfg.ACMECA)
			if err != nil {
				return nil, fmt.Errorf("TOCSIN_ACME_CA %s cannot be read: %w: give a file that this user may read", cfg.ACMECA, cause(err))
			}
			o.Roots = x509.NewCertPool()
			if !o.Roots.AppendCertsFromPEM(text) {
				return nil, fmt.Errorf("TOCSIN_ACME_CA %s has no certificate: give the CA's root certificate, PEM", cfg.ACMECA)
			}
		}
		keeper, err := cert.NewKeeper(o)
		if err != nil {
			return nil, err //nolint:wrapcheck // the constructor's own words
		}
		g.holder, g.keeper = keeper, keeper
	}
	return g, nil
}

// names are the host names that get certificates: our own first, then the pages'.
func (g *gate) names() []string {
	names := append([]string{g.own}, g.cfg.Domains...)
	if s := g.site.Load(); s != nil {
		names = append(names, s.HostNames()...)
	}
	return names
}

// knows says whether a host name is ours or a page's.
func (g *gate) knows(host string) bool {
	name := cert.Name(host)
	for _, n := range g.names() {
		if n == name && name != "" {
			return true
		}
	}
	return false
}

// open begins to answer plain HTTP beside https. That it cannot is an error only
// where it was asked for: certificates come by the other port too.
func (g *gate) open(ctx context.Context) error {
	if g.cfg.ListenHTTP == "" {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", g.cfg.ListenHTTP)
	if err != nil {
		if g.cfg.ListenHTTPGiven {
			return fmt.Errorf("listen on %s (TOCSIN_LISTEN_HTTP): %w: choose another address, or off", g.cfg.ListenHTTP, err)
		}
		g.doorMissing = err.Error()
		g.log.Warn("browsers are not sent from http to https", "error", err)
		return nil
	}
	handler := cert.Door(g.cfg.BaseURL, g.knows)
	if g.keeper != nil {
		handler = g.keeper.Challenges(handler)
	}
	g.door = &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug)}
	go func() {
		if err := g.door.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			g.log.Error("browsers are no longer sent from http to https", "error", err)
		}
	}()
	return nil
}

func (g *gate) close() {
	if g.door != nil {
		_ = g.door.Close()
	}
}

// over puts TLS over a listener, where https is spoken here.
func (g *gate) over(l net.Listener) net.Listener {
	if g.holder == nil {
		return l
	}
	return tls.NewListener(l, cert.Config(g.holder))
}

// run keeps certificates fresh.
func (g *gate) run(ctx context.Context) error {
	if g.holder == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return g.holder.Run(ctx) //nolint:wrapcheck // ctx's
}

// yearOfHTTPS is the year for which browsers remember it, of our own name alone:
// others of the domain, and the pages', are not ours to promise for.
const yearOfHTTPS = "max-age=31536000"

// handler lets in who may come in, in the name of whoever a trusted proxy says.
func (g *gate) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var peer netip.Addr
		if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			peer = at.Addr().Unmap().WithZone("")
		}
		said, believed, err := forwarded.Read(r.Header, peer, g.cfg.TrustedProxies)
		if err != nil {
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "Who sends this cannot be told: "+err.Error()+". The proxy should replace these headers, not pass on what it was sent.", http.StatusBadRequest)
			return
		}
		encrypted := r.TLS != nil
		if !encrypted && !g.mayBePlain(peer, r.URL.Path) {
			g.refused.note(peer)
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "Plain HTTP is taken from this machine, from listed proxies and from listed networks alone. Use "+g.cfg.BaseURL+"; who runs this Tocsin finds more in docs/https.md.", http.StatusForbidden)
			return
		}
		switch {
		case believed:
			r = r.WithContext(r.Context()) // a copy
			if said.For.IsValid() {
				r.RemoteAddr = netip.AddrPortFrom(said.For, 0).String()
			}
			if said.Host != "" && g.knows(said.Host) {
				r.Host = said.Host
			}
			encrypted = encrypted || said.Proto == "https"
		case forwarded.Names(r.Header) && !forwarded.Within(peer, g.cfg.TrustedProxies) && (!encrypted || peer.IsLoopback() || peer.IsPrivate()):
			g.unlisted.note(peer)
		}
		if encrypted && g.hsts && cert.Name(r.Host) == g.own {
			w.Header().Set("Strict-Transport-Security", yearOfHTTPS)
		}
		next.ServeHTTP(w, r)
	})
}

// mayBePlain says whether a request may come unencrypted. Whether the program lives
// is no secret, and who asks for it (an orchestrator) has no certificate to trust.
func (g *gate) mayBePlain(peer netip.Addr, path string) bool {
	return !g.cfg.OverPlain() || !peer.IsValid() || peer.IsLoopback() || path == "/healthz" || path == "/readyz" ||
		forwarded.Within(peer, g.cfg.TrustedProxies) || forwarded.Within(peer, g.cfg.PlainHTTP)
}

// stranger counts requests that were not as they should be, and from where the last
// of them came.
type stranger struct {
	mu    sync.Mutex
	seen  health.Stranger
	begun time.Time // of the hour that is counted
}

func (s *stranger) note(from netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.begun) > time.Hour {
		s.begun, s.seen.Count = now, 0
	}
	s.seen.Count++
	s.seen.From, s.seen.At = from.String(), now
}

func (s *stranger) get() health.Stranger {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// facts are what health shows of it.
func (g *gate) facts() *health.HTTPS {
	h := &health.HTTPS{Own: g.own, Spoken: g.holder != nil, Secure: g.cfg.Secure(), ACME: g.keeper != nil, DoorMissing: g.doorMissing, Refused: g.refused.get(), Unlisted: g.unlisted.get()}
	for _, n := range g.cfg.PlainHTTP {
		h.Plain = append(h.Plain, n.String())
	}
	if g.holder == nil {
		return h
	}
	for _, s := range g.holder.States() {
		h.Certificates = append(h.Certificates, health.Certificate{Name: s.Name, Hosts: s.Hosts, Until: s.Until, Since: s.Since,
			Problem: s.Problem, Mend: s.Mend, Next: s.Next, Tries: s.Tries})
	}
	if g.keeper == nil {
		h.Wanted = g.names()
	}
	return h
}

// withPort is the base URL with the port that the system chose.
func withPort(base string, l net.Listener) string {
	u, err := url.Parse(base)
	if err != nil || u.Port() != "0" {
		return base
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port)
}
