// Package webhook posts signed JSON to addresses that people gave.
//
// A Poster knows nothing of what it says nor of who gets it: visitors of public pages
// are told by one. A Channel tells webhooks of alerts, as people have set them up.
//
// Each request carries the headers of Standard Webhooks: Webhook-Id, the same for
// each time that one message is posted; Webhook-Timestamp, in seconds; and
// Webhook-Signature, "v1," and the base64 of the HMAC-SHA256 over
// ID.TIMESTAMP.BODY. Receivers refuse what is not signed or older than some
// minutes.
//
// No address leads into a network that is not public unless Options.Private has
// it: each is looked at just before it is dialled. No redirect is followed.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tocsin/internal/guard"
	"tocsin/internal/guard/dial"
)

// Options are what a Poster needs. The zero value of each is its default.
type Options struct {
	Private []netip.Prefix  // networks that may be called though they are not public
	Proxy   func() *url.URL // the outgoing proxy; nil, or answering nil: none
	// Plain: without encryption names are called, too, where they turn out to lead into
	// Private, and nothing else is.
	Plain    bool
	Timeout  time.Duration    // for one request, all in all; 10 s
	Resolver *net.Resolver    // nil: the system's
	Agent    string           // User-Agent; "Tocsin"
	Now      func() time.Time // for signatures
}

const mostAnswer = 4 << 10

// Poster posts. It is safe for use by several goroutines at once.
type Poster struct {
	o      Options
	client *http.Client
	slow   slow
}

// New makes a Poster.
func New(o Options) *Poster {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Agent == "" {
		o.Agent = "Tocsin"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Proxy == nil {
		o.Proxy = func() *url.URL { return nil }
	}
	check := func(address string) error {
		if at, err := netip.ParseAddrPort(address); o.Plain && (err != nil || !guard.Within(at.Addr().Unmap(), o.Private)) {
			return fmt.Errorf("%w for a message without encryption: %s", guard.ErrForbidden, address)
		}
		return guard.CheckDial(address, o.Private) //nolint:wrapcheck // ErrForbidden, with the address
	}
	client := dial.Client(dial.Options{Timeout: o.Timeout, Check: check, Proxy: o.Proxy, Resolver: o.Resolver})
	return &Poster{o: o, slow: slow{sites: map[string]*lag{}}, client: client}
}

// Close ends the connections that are idle.
func (p *Poster) Close() { p.client.CloseIdleConnections() }

// Request is one message to one address.
type Request struct {
	URL    string
	ID     string            // the same each time that the same message is posted
	Secret []byte            // nil: it is not signed
	Header map[string]string // besides those of the message itself
	Body   []byte            // JSON
}

// Verdict is what became of a request.
type Verdict int

// The verdicts.
const (
	Sent  Verdict = iota // answered with 2xx
	Gone                 // answered with 410: never again
	Later                // anything else may pass
)

// Result is a verdict with its reason.
type Result struct {
	Verdict Verdict
	Status  int           // 0: there was no answer
	After   time.Duration // as long as it asks to be left alone; 0: it says nothing
	Detail  string        // for people; does not name the address
	Passing bool          // of no answer: it may come by itself, and nobody need mend the address
	Body    []byte        // of the answer, its first 4 KiB
}

// Post posts a message, once.
func (p *Poster) Post(ctx context.Context, q Request) Result {
	u, err := url.Parse(q.URL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return Result{Verdict: Later, Detail: "the address is no web address"}
	}
	if err := p.allowed(u); err != nil {
		return Result{Verdict: Later, Detail: "the address is not a public one"}
	}
	if wait := p.slow.wait(u.Hostname(), p.o.Now()); wait > 0 {
		return Result{Verdict: Later, After: wait, Detail: "others at its host did not answer in time"}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, q.URL, bytes.NewReader(q.Body))
	if err != nil {
		return Result{Verdict: Later, Detail: "the address is no web address"}
	}
	now := p.o.Now()
	for name, value := range q.Header {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", p.o.Agent)
	r.Header.Set("Webhook-Id", q.ID)
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	if len(q.Secret) > 0 {
		r.Header.Set("Webhook-Signature", Sign(q.Secret, q.ID, now, q.Body))
	}
	answer, err := p.client.Do(r)
	if err != nil {
		var t interface{ Timeout() bool }
		if errors.As(err, &t) && t.Timeout() {
			p.slow.note(u.Hostname(), false, p.o.Now())
		}
		return Result{Verdict: Later, Detail: reason(err), Passing: !errors.Is(err, guard.ErrForbidden)}
	}
	defer func() { _ = answer.Body.Close() }() // nothing new can come of it
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer))
	p.slow.note(u.Hostname(), err == nil, p.o.Now()) // an answer that drips is none in time
	res := Result{Status: answer.StatusCode, Body: body, Detail: "answered " + strconv.Itoa(answer.StatusCode)}
	switch {
	case answer.StatusCode/100 == 2:
		res.Verdict = Sent
	case answer.StatusCode == http.StatusGone:
		res.Verdict = Gone
	case answer.StatusCode/100 == 3:
		res.Verdict, res.Detail = Later, res.Detail+", which leads elsewhere: redirects are not followed"
	default:
		res.Verdict = Later
		res.After = retryAfter(answer.Header.Get("Retry-After"), now)
	}
	return res
}

// longestAfter is for how long we are asked away at most.
const longestAfter = time.Hour

// retryAfter reads the header, which has seconds or a date; 0 for neither, and for
// what is over.
func retryAfter(text string, now time.Time) time.Duration {
	if s, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(s, 0), int(longestAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), longestAfter)
	}
	return 0
}

// allowed looks at what can be said before dialling; through a proxy that is all.
// Without encryption only what is allowed by its address is called.
func (p *Poster) allowed(u *url.URL) error {
	if err := guard.CheckHost(u.Hostname(), p.o.Private); err != nil {
		return err //nolint:wrapcheck // ErrForbidden, with the host
	}
	if u.Scheme == "http" && (!p.o.Plain || p.o.Proxy() != nil) {
		a, err := netip.ParseAddr(u.Hostname())
		if u.Hostname() == "localhost" {
			a, err = netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
		}
		if err != nil || !guard.Within(a.Unmap(), p.o.Private) {
			return guard.ErrForbidden
		}
	}
	return nil
}

// reason says why there was no answer, without the address.
func reason(err error) string {
	var dns *net.DNSError
	var t interface{ Timeout() bool }
	switch {
	case errors.Is(err, guard.ErrForbidden):
		return "the address is not a public one"
	case errors.As(err, &dns):
		return "its name cannot be found"
	case errors.As(err, &t) && t.Timeout():
		return "did not answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused the connection"
	case strings.Contains(err.Error(), "certificate"):
		return "its certificate is not good"
	}
	return "the connection failed"
}

// Sign answers the signature of a message.
func Sign(secret []byte, id string, at time.Time, body []byte) string {
	m := hmac.New(sha256.New, secret)
	fmt.Fprintf(m, "%s.%d.", id, at.Unix())
	m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// Secret is a secret as people are shown it, and as libraries take it.
func Secret(secret []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(secret) }
