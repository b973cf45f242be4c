// Package fetch gets the documents of another status page, for an import.
//
// It is for an address that somebody typed, so private ones are allowed; but what
// answers is not trusted: each answer is bounded in time and size, and none leads
// to another host.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
)

// Bounds of what is fetched.
const (
	MaxBody = 16 << 20         // bytes of an answer
	patient = 30 * time.Second // for an answer
	longest = 30 * time.Second // that is waited where a server asks to
	tries   = 3
	hops    = 3
)

// Options are how a Client fetches.
type Options struct {
	Proxy *url.URL // nil: none, whatever the environment says
	Agent string   // says who asks
	// Fetched is called after each answer.
	Fetched func(n int, address string)
	// Wait waits between tries; nil: it does.
	Wait func(ctx context.Context, d time.Duration) error
}

// Client fetches. It is for one import.
type Client struct {
	o    Options
	http *http.Client
	n    int
}

// New makes a Client.
func New(o Options) *Client {
	if o.Wait == nil {
		o.Wait = wait
	}
	dial := &net.Dialer{Timeout: 10 * time.Second}
	t := &http.Transport{DialContext: dial.DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: patient, MaxResponseHeaderBytes: 64 << 10,
		MaxConnsPerHost: 2, ForceAttemptHTTP2: true}
	if o.Proxy != nil {
		t.Proxy = http.ProxyURL(o.Proxy)
	}
	return &Client{o: o, http: &http.Client{Transport: t, Timeout: patient, CheckRedirect: redirect}}
}

// Close ends its connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// elsewhere is a redirect that is not followed.
type elsewhere struct{ to string }

func (e *elsewhere) Error() string { return "leads to " + e.to }

// redirect follows to the same host only, and never from https to http.
func redirect(r *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > hops || !strings.EqualFold(r.URL.Hostname(), first.Hostname()) || r.URL.Scheme != first.Scheme && (r.URL.Scheme != "https" || r.URL.Port() != "") ||
		r.URL.Scheme == first.Scheme && r.URL.Port() != first.Port() || r.URL.User != nil {
		return &elsewhere{r.URL.Scheme + "://" + r.URL.Host}
	}
	return nil
}

func refuse(problem, mend string) error {
	return &status.FieldError{Field: "address", Problem: problem, Mend: mend}
}

// Get answers the body of an address; transfer.ErrNone when there is nothing at it.
// Other errors are *status.FieldError with the mend.
func (c *Client) Get(ctx context.Context, address string) ([]byte, error) {
	for n := 1; ; n++ {
		body, again, err := c.once(ctx, address)
		if err == nil {
			c.n++
			if c.o.Fetched != nil {
				c.o.Fetched(c.n, address)
			}
			return body, nil
		}
		if again == 0 || n == tries {
			return nil, err
		}
		if err := c.o.Wait(ctx, again); err != nil {
			return nil, fmt.Errorf("fetch %s: %w", address, err)
		}
	}
}

// once fetches once; again is after how long to try anew, 0 for never.
func (c *Client) once(ctx context.Context, address string) (body []byte, again time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, 0, refuse(fmt.Sprintf("%q is none", address), "start it with https:// or http://")
	}
	r.Header.Set("Accept", "application/json")
	if c.o.Agent != "" {
		r.Header.Set("User-Agent", c.o.Agent)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, 0, c.failed(ctx, address, err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	switch {
	case res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone:
		return nil, 0, fmt.Errorf("fetch %s: %w", address, transfer.ErrNone)
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable:
		return nil, after(res.Header), refuse(fmt.Sprintf("%s answers %s", address, res.Status), "try again later")
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return nil, 0, refuse(fmt.Sprintf("%s answers %s", address, res.Status), "the page must be public, for this machine too; or save its JSON in a browser, and import the file")
	case res.StatusCode != http.StatusOK:
		return nil, 0, refuse(fmt.Sprintf("%s answers %s", address, res.Status), "open it in a browser: it must show the page's JSON")
	}
	body, err = io.ReadAll(io.LimitReader(res.Body, MaxBody+1))
	switch {
	case err != nil:
		return nil, 0, c.failed(ctx, address, err)
	case len(body) > MaxBody:
		return nil, 0, refuse(fmt.Sprintf("%s answers with more than %d MiB", address, MaxBody>>20), "no status page is that large: look whether the address is right")
	case strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || strings.HasPrefix(strings.TrimSpace(string(body[:min(len(body), 200)])), "<"):
		return nil, 0, refuse(address+" answers with a web page (HTML), not with JSON", "give the address of the status page itself; a sign-in or a firewall may stand before it")
	}
	return body, 0, nil
}

// after is how long a server asks to be left alone.
func after(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 1 {
		return time.Second
	}
	return min(time.Duration(n)*time.Second, longest)
}

// failed says what went wrong on the way.
func (c *Client) failed(ctx context.Context, address string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("fetch %s: %w", address, ctx.Err())
	}
	var to *elsewhere
	var timeout interface{ Timeout() bool }
	var unknown *net.DNSError
	switch {
	case errors.As(err, &to):
		return refuse(fmt.Sprintf("%s leads to %s", address, to.to), "give that address if it is the right one: nothing of another host is read")
	case errors.As(err, &unknown):
		return refuse(fmt.Sprintf("%s cannot be reached: its host is not known", address), "look whether it is spelled right")
	case errors.As(err, &timeout) && timeout.Timeout():
		return refuse(fmt.Sprintf("%s does not answer within %s", address, patient), "try again later, or save its JSON in a browser, and import the file")
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return refuse(fmt.Sprintf("%s cannot be reached: %v", address, err), "look whether it opens in a browser on this machine; an outgoing proxy is set by TOCSIN_PUSH_PROXY")
}
