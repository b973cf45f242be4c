package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"tocsin/internal/guard"
	"tocsin/internal/health"
)

// Way is how something outside is called.
type Way struct {
	Proxy *url.URL // outgoing; nil: none
	// Guarded refuses addresses that are not public and not in Allow, as the hub does
	// for what people outside named.
	Guarded bool
	Allow   []netip.Prefix
	// Blind takes any certificate: for the hub's own door, reached by its address.
	Blind bool
	Roots *x509.CertPool // nil: the system's
}

// Answer is what came back.
type Answer struct {
	Status  int
	Header  http.Header
	Expires time.Time // of the certificate; zero without TLS
	Took    time.Duration
	Body    []byte // the first of it
}

// mostBody is how much of an answer is read.
const mostBody = 4 << 10

func (w *Way) client() *http.Client {
	d := net.Dialer{Timeout: 4 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		if !w.Guarded || w.Proxy != nil {
			return nil
		}
		return guard.CheckDial(address, w.Allow)
	}}
	t := &http.Transport{DialContext: d.DialContext, TLSHandshakeTimeout: 4 * time.Second, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.Roots, InsecureSkipVerify: w.Blind}} //nolint:gosec // Blind is for our own door only, and nothing secret is sent there
	if w.Proxy != nil {
		t.Proxy = http.ProxyURL(w.Proxy)
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Ask makes one request without a body.
func (w *Way) Ask(ctx context.Context, method, address string) (*Answer, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("its address is none")
	}
	if w.Guarded {
		if err := guard.CheckHost(u.Hostname(), w.Allow); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return nil, errors.New("its address is none")
	}
	r.Header.Set("User-Agent", "Tocsin doctor")
	c := w.client()
	defer c.CloseIdleConnections()
	begin := time.Now()
	res, err := c.Do(r)
	if err != nil {
		return nil, plain(err)
	}
	defer func() { _ = res.Body.Close() }()
	a := &Answer{Status: res.StatusCode, Header: res.Header, Took: time.Since(begin), Body: make([]byte, mostBody)}
	if res.TLS != nil && len(res.TLS.PeerCertificates) > 0 {
		a.Expires = res.TLS.PeerCertificates[0].NotAfter
	}
	n := 0
	for n < mostBody {
		k, err := res.Body.Read(a.Body[n:])
		n += k
		if err != nil {
			break
		}
	}
	a.Body = a.Body[:n]
	return a, nil
}

// Knock connects to host:port, by TLS if secure, and says nothing: for addresses where
// a request would do something. It answers when the certificate expires.
func (w *Way) Knock(ctx context.Context, u *url.URL) (expires time.Time, err error) {
	if w.Proxy != nil {
		// A proxy connects only for a request. HEAD of the bare host does nothing there.
		a, err := w.Ask(ctx, http.MethodHead, u.Scheme+"://"+u.Host+"/")
		if err != nil {
			return time.Time{}, err
		}
		return a.Expires, nil
	}
	if w.Guarded {
		if err := guard.CheckHost(u.Hostname(), w.Allow); err != nil {
			return time.Time{}, err //nolint:wrapcheck // the guard's own words
		}
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[u.Scheme]
	}
	if port == "" {
		port = "80"
	}
	d := net.Dialer{Timeout: 4 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		if !w.Guarded {
			return nil
		}
		return guard.CheckDial(address, w.Allow)
	}}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return time.Time{}, plain(err)
	}
	defer func() { _ = c.Close() }()
	if u.Scheme != "https" {
		return time.Time{}, nil
	}
	t := tls.Client(c, &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12, RootCAs: w.Roots})
	if err := t.HandshakeContext(ctx); err != nil {
		return time.Time{}, plain(err)
	}
	if certs := t.ConnectionState().PeerCertificates; len(certs) > 0 {
		expires = certs[0].NotAfter
	}
	return expires, nil
}

// What stands in the way, so that callers can say the mend.
var (
	ErrName        = errors.New("its name cannot be found")
	ErrRefused     = errors.New("nothing listens there: the connection was refused")
	ErrTimeout     = errors.New("it does not answer in time")
	ErrUnknownCA   = errors.New("its certificate is signed by nobody known here")
	ErrOtherName   = errors.New("its certificate is for another name")
	ErrExpired     = errors.New("its certificate has expired, or is not valid yet")
	ErrNotTLS      = errors.New("it does not speak TLS")
	ErrUnreachable = errors.New("there is no way to it from here")
)

// plain is an error in few words, without the address, which may be a secret.
func plain(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, guard.ErrForbidden):
		return err
	case errors.As(err, &dns):
		return ErrName
	case errors.Is(err, syscall.ECONNREFUSED):
		return ErrRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return ErrUnreachable
	case errors.As(err, &unknown):
		return ErrUnknownCA
	case errors.As(err, &name):
		return ErrOtherName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ErrExpired
	case errors.As(err, &header), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return ErrNotTLS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return ErrTimeout
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}

// MendOf is what usually mends that something outside cannot be reached.
func MendOf(err error) string {
	switch {
	case errors.Is(err, ErrName):
		return "look at the spelling, and at this machine's name server (/etc/resolv.conf)"
	case errors.Is(err, ErrRefused):
		return "look whether it runs, and at the port"
	case errors.Is(err, ErrTimeout), errors.Is(err, ErrUnreachable):
		return "look at the firewall between this machine and it, and whether an outgoing proxy is needed (TOCSIN_PUSH_PROXY)"
	case errors.Is(err, ErrUnknownCA):
		return "add its authority to this machine's (update-ca-certificates), or have it send the whole chain"
	case errors.Is(err, ErrOtherName):
		return "use the name that the certificate is for, or have one made for this name"
	case errors.Is(err, ErrExpired):
		return "renew its certificate, and look at this machine's clock"
	case errors.Is(err, ErrNotTLS):
		return "write http:// if that is meant, or switch on TLS there"
	case errors.Is(err, guard.ErrForbidden):
		return "allow its network: TOCSIN_PUSH_PRIVATE for push services, “private network” on the webhook's page"
	}
	return "look whether it can be reached from this machine"
}

// Expiry judges until when a certificate is good.
func Expiry(at, now time.Time) Verdict {
	left := at.Sub(now)
	day := at.UTC().Format("2 January 2006")
	switch {
	case left <= 0:
		return Bad("its certificate expired on "+day, "renew it now; browsers refuse the page and with it every notification")
	case left < 14*24*time.Hour:
		return Worry(fmt.Sprintf("its certificate expires in %s, on %s", health.Age(left), day), "renew it, and look why that did not happen by itself")
	}
	return Good("its certificate is good until %s", day)
}
