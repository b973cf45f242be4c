// Package dial makes the HTTP clients for addresses that people gave: each address of
// the network is looked at just before it is dialled, by package guard mostly, and no
// redirect is followed.
//
//	client := dial.Client(dial.Options{Timeout: 10 * time.Second, Check: func(address string) error { return guard.CheckDial(address, nil) }})
package dial

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// Options say how.
type Options struct {
	Timeout  time.Duration              // of one request, with its answer
	Check    func(address string) error // an error refuses an address, host:port
	Proxy    func() *url.URL            // the outgoing proxy; nil, or answering nil: none
	Resolver *net.Resolver              // nil: the machine's
}

// maxHeader is how much of an answer's header is read.
const maxHeader = 32 << 10

// Client makes a client. Its transport is a *http.Transport, so connections can be let
// go of. What the proxy is told to call is looked at by nobody: a proxy has its own
// rules.
func Client(o Options) *http.Client {
	if o.Proxy == nil {
		o.Proxy = func() *url.URL { return nil }
	}
	guarded := &net.Dialer{Timeout: o.Timeout, Resolver: o.Resolver, Control: func(_, address string, _ syscall.RawConn) error { return o.Check(address) }}
	direct := &net.Dialer{Timeout: o.Timeout}
	return &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: func(*http.Request) (*url.URL, error) { return o.Proxy(), nil },
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if via := o.Proxy(); via != nil && address == dialled(via) {
					return direct.DialContext(ctx, network, address) // the administrator's own
				}
				return guarded.DialContext(ctx, network, address)
			},
			MaxIdleConns: 50, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: o.Timeout, ResponseHeaderTimeout: o.Timeout,
			MaxResponseHeaderBytes: maxHeader, ForceAttemptHTTP2: true,
		},
	}
}

// dialled is the address at which a proxy is dialled: a port may be left out of its
// URL.
func dialled(via *url.URL) string {
	if via.Port() != "" {
		return via.Host
	}
	port := map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[via.Scheme]
	return net.JoinHostPort(via.Hostname(), cmp.Or(port, "80"))
}
