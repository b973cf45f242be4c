// Package pushproxy presents push services of a test under the real names of
// the vendors' hosts to a program that knows nothing of it: a CONNECT proxy on
// loopback that answers for these names itself, with TLS, HTTP/2 and
// certificates of an authority that it made up. It refuses every other host, so
// nothing leaves the machine.
//
//	p, err := pushproxy.Start(map[string]pushproxy.Host{"fcm.googleapis.com": {Handler: fcm}})
//	// the hub: push_proxy = p.URL, SSL_CERT_FILE = p.CertFile(dir)
package pushproxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Host is who answers under a name.
type Host struct {
	Handler http.Handler
	// Conn serves the connection after the handshake instead of Handler, for
	// what no HTTP server does. It closes it.
	Conn func(*tls.Conn)
	// Raw serves it before the handshake, instead of both.
	Raw func(net.Conn)
	// Old speaks HTTP/1.1 only.
	Old bool
	// Certificate is shown instead of a good one.
	Certificate *tls.Certificate
}

// Proxy is the proxy with its hosts.
type Proxy struct {
	URL       string
	authority *Authority
	server    *http.Server

	mu    sync.Mutex
	hosts map[string]*service
	seen  []string
	conns map[net.Conn]bool
	busy  sync.WaitGroup
}

// service is one host that answers.
type service struct {
	Host
	tls     *tls.Config
	server  *http.Server // nil with Conn or Raw
	arrived *arrivals
}

// Start starts the proxy on a port of its own.
func Start(hosts map[string]Host) (*Proxy, error) {
	a, err := NewAuthority()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("pushproxy: %w", err)
	}
	p := &Proxy{URL: "http://" + l.Addr().String(), authority: a, hosts: map[string]*service{}, conns: map[net.Conn]bool{}}
	for name, h := range hosts {
		if err := p.Serve(name, h); err != nil {
			_ = l.Close()
			return nil, err
		}
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = p.server.Serve(l) }()
	return p, nil
}

// Serve lets a host answer under a name from now on, instead of who did before.
func (p *Proxy) Serve(name string, h Host) error {
	s := &service{Host: h, tls: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}}
	if h.Old {
		s.tls.NextProtos = []string{"http/1.1"}
	}
	if h.Certificate != nil {
		s.tls.Certificates = []tls.Certificate{*h.Certificate}
	} else {
		c, err := p.authority.Certificate(name)
		if err != nil {
			return err
		}
		s.tls.Certificates = []tls.Certificate{c}
	}
	if h.Handler != nil {
		s.arrived = &arrivals{conns: make(chan net.Conn), closed: make(chan struct{})}
		s.server = &http.Server{Handler: h.Handler, ReadHeaderTimeout: 30 * time.Second}
		go func() { _ = s.server.Serve(s.arrived) }()
	}
	p.mu.Lock()
	old := p.hosts[name]
	p.hosts[name] = s
	p.mu.Unlock()
	if old != nil && old.server != nil {
		return old.server.Close()
	}
	return nil
}

// Authority is the one that signs the hosts' certificates.
func (p *Proxy) Authority() *Authority { return p.authority }

// CertFile writes the authority's certificate into dir, for SSL_CERT_FILE.
func (p *Proxy) CertFile(dir string) (string, error) {
	file := filepath.Join(dir, "push-ca.pem")
	return file, os.WriteFile(file, p.authority.PEM, 0o600)
}

// Seen answers the targets that were asked for so far, "host:port" each; those
// that were refused begin with "refused ".
func (p *Proxy) Seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

// Cut breaks all connections that stand; new ones are let through.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Close ends it and all connections, and waits for what serves them.
func (p *Proxy) Close() {
	_ = p.server.Close()
	p.mu.Lock()
	hosts := slices.Collect(maps.Values(p.hosts))
	p.mu.Unlock()
	for _, s := range hosts {
		if s.server != nil {
			_ = s.server.Close()
		}
	}
	p.Cut()
	p.busy.Wait()
}

// ServeHTTP is the proxy itself.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, port, err := net.SplitHostPort(r.Host)
	p.mu.Lock()
	s := p.hosts[name]
	refused := err != nil || s == nil || port != "443" || r.Method != http.MethodConnect
	if refused {
		p.seen = append(p.seen, "refused "+r.Host)
	} else {
		p.seen = append(p.seen, r.Host)
	}
	p.mu.Unlock()
	if refused {
		http.Error(w, "pushproxy does not lead to "+r.Host, http.StatusForbidden)
		return
	}
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		_ = c.Close()
		return
	}
	p.lead(s, p.keep(c))
}

// lead gives a connection to the host that serves it.
func (p *Proxy) lead(s *service, c net.Conn) {
	switch {
	case s.Raw != nil:
		p.busy.Go(func() { s.Raw(c) })
	case s.Conn != nil:
		p.busy.Go(func() {
			t := tls.Server(c, s.tls)
			if t.Handshake() != nil {
				_ = c.Close()
				return
			}
			s.Conn(t)
		})
	default:
		s.arrived.take(tls.Server(c, s.tls))
	}
}

// kept is a connection that Cut finds.
type kept struct {
	net.Conn
	p *Proxy
}

func (p *Proxy) keep(c net.Conn) net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return &kept{c, p}
}

// Close closes it and forgets it.
func (k *kept) Close() error {
	k.p.mu.Lock()
	delete(k.p.conns, k.Conn)
	k.p.mu.Unlock()
	return k.Conn.Close()
}

// arrivals is a listener for connections that come through the proxy.
type arrivals struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (a *arrivals) take(c net.Conn) {
	select {
	case a.conns <- c:
	case <-a.closed:
		_ = c.Close()
	}
}

// Accept waits for one.
func (a *arrivals) Accept() (net.Conn, error) {
	select {
	case c := <-a.conns:
		return c, nil
	case <-a.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (a *arrivals) Close() error {
	a.once.Do(func() { close(a.closed) })
	return nil
}

// Addr is none that anybody could dial.
func (a *arrivals) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
