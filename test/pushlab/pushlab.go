// Package pushlab is the world of push services on one machine: Mozilla's and
// Google's as real browsers know them, reached by an unmodified hub under their
// real names through a proxy.
//
//	lab, err := pushlab.Start(dir)
//	h, err := hub.New(hub.Options{Env: lab.Env(), …})
//	b, err := browser.Firefox(ctx, browser.Options{Prefs: lab.Mozilla.Prefs(), …})
//	err = lab.Mozilla.Until(ctx, func() bool { return lab.Mozilla.Accepted(token) == 1 })
package pushlab

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"tocsin/test/browser"
	"tocsin/test/pushlab/autopush"
	"tocsin/test/pushlab/box"
	"tocsin/test/pushlab/fakefcm"
	"tocsin/test/pushlab/pushproxy"
)

// Lab is the push services, running.
type Lab struct {
	Mozilla *autopush.Server
	Google  *fakefcm.Server
	Proxy   *pushproxy.Proxy
	certs   string
}

// Start starts them; dir gets the authority's certificate.
func Start(dir string) (*Lab, error) {
	l := &Lab{}
	var err error
	if l.Mozilla, err = autopush.Start(); err != nil {
		return nil, err
	}
	if l.Proxy, err = pushproxy.Start(map[string]pushproxy.Host{autopush.Host: {Handler: l.Mozilla}}); err != nil {
		return nil, err
	}
	cert, err := l.Proxy.Authority().Certificate("127.0.0.1")
	if err != nil {
		return nil, err
	}
	if l.Google, err = fakefcm.Start(cert, pushproxy.SPKI(cert)); err != nil {
		return nil, err
	}
	for _, name := range fakefcm.Hosts() {
		if err := l.Proxy.Serve(name, pushproxy.Host{Handler: l.Google}); err != nil {
			return nil, err
		}
	}
	l.certs, err = l.Proxy.CertFile(dir)
	return l, err
}

// Env is what a hub needs in its environment to reach them; the proxy is also
// its setting push_proxy.
func (l *Lab) Env() []string {
	return []string{"TOCSIN_PUSH_PROXY=" + l.Proxy.URL, "SSL_CERT_FILE=" + l.certs}
}

// Close ends them all.
func (l *Lab) Close() {
	l.Proxy.Close()
	l.Mozilla.Close()
	l.Google.Close()
}

// Browser starts a browser that subscribes at these services; start is
// browser.Chromium or browser.Firefox.
func (l *Lab) Browser(ctx context.Context, start func(context.Context, browser.Options) (browser.Browser, error), o browser.Options) (browser.Browser, error) {
	o.Flags, o.Prefs = l.Google.Flags(), l.Mozilla.Prefs()
	return start(ctx, o)
}

// Box answers the service that has an endpoint, and its token there.
func (l *Lab) Box(endpoint string) (*box.Box, string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, "", fmt.Errorf("endpoint: %w", err)
	}
	if u.Host == autopush.Host {
		return l.Mozilla.Box, u.Path[strings.LastIndexByte(u.Path, '/')+1:], nil
	}
	for _, name := range fakefcm.Hosts() {
		if u.Host == name {
			return l.Google.Box, u.Path[strings.LastIndexByte(u.Path, '/')+1:], nil
		}
	}
	return nil, "", fmt.Errorf("no service has %s", u.Host)
}
