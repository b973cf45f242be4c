package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tocsin/internal/guard"
)

// The most that the head of a proxy's answer may have.
const maxProxyHead = 16 << 10

// failed makes the Error of a step before anything was sent.
func failed(origin string, step Step, err error) *Error {
	return &Error{Origin: origin, Step: step, Err: err}
}

// dial connects to the target and shakes hands, offering protos. It also
// answers through which proxy it went.
func (c *Client) dial(ctx context.Context, t target, protos ...string) (*tls.Conn, string, error) {
	raw, via, err := c.connect(ctx, t)
	if err != nil {
		return nil, via, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.t.TLS)
	defer cancel()
	conn := tls.Client(&bufferedConn{Conn: raw}, &tls.Config{
		ServerName: strings.TrimSuffix(t.host, "."),
		RootCAs:    c.o.RootCAs,
		MinVersion: tls.VersionTLS12,
		NextProtos: protos,
		// A write is many requests: small records at first would only cost.
		DynamicRecordSizingDisabled: true,
		ClientSessionCache:          c.sessions,
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, via, failed(t.origin, StepTLS, inTime(err))
	}
	return conn, via, nil
}

// connect opens the TCP connection, or the tunnel of a proxy.
func (c *Client) connect(ctx context.Context, t target) (net.Conn, string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.t.Dial)
	defer cancel()
	proxy := c.proxy()
	if proxy == nil {
		conn, err := c.direct(ctx, t)
		return conn, "", err
	}
	via := proxy.String()
	if err := guard.CheckHost(t.host, c.o.AllowPrivate); err != nil {
		return nil, via, failed(t.origin, StepCheck, err)
	}
	conn, err := tunnel(ctx, proxy, net.JoinHostPort(t.host, t.port))
	if err != nil {
		return nil, via, failed(t.origin, StepProxy, inTime(err))
	}
	return conn, via, nil
}

func (c *Client) proxy() *url.URL {
	if c.o.Proxy == nil {
		return nil
	}
	return c.o.Proxy()
}

// direct dials the target itself. The guard looks at each address just before
// it is dialled.
func (c *Client) direct(ctx context.Context, t target) (net.Conn, error) {
	d := net.Dialer{Control: c.control, KeepAlive: 30 * time.Second}
	if c.o.Lookup == nil {
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(t.host, t.port))
		if err != nil {
			return nil, dialError(t, err)
		}
		return conn, nil
	}
	addrs, err := c.o.Lookup(ctx, t.host)
	if err == nil && len(addrs) == 0 {
		err = errors.New("no addresses")
	}
	if err != nil {
		return nil, failed(t.origin, StepResolve, inTime(err))
	}
	var last error
	for _, a := range addrs[:min(len(addrs), 8)] {
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(a.String(), t.port))
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, dialError(t, last)
}

func dialError(t target, err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, ErrForbidden):
		return failed(t.origin, StepCheck, err)
	case errors.As(err, &dns):
		return failed(t.origin, StepResolve, inTime(err))
	}
	return failed(t.origin, StepConnect, inTime(err))
}

// inTime names a time-out as one.
func inTime(err error) error {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return err
}

// tunnel asks an HTTP proxy for a connection to address. Errors do not hold
// the proxy's password.
func tunnel(ctx context.Context, proxy *url.URL, address string) (net.Conn, error) {
	if proxy.Scheme != "http" || proxy.Hostname() == "" {
		return nil, errors.New("the proxy must be http://host:port")
	}
	port := proxy.Port()
	if port == "" {
		port = "80"
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(proxy.Hostname(), port))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // the conversation then ends with it
	if err := askTunnel(conn, proxy.User, address); err != nil {
		stop()
		conn.Close()
		return nil, err
	}
	if !stop() {
		conn.Close()
		return nil, ctx.Err()
	}
	return conn, nil
}

func askTunnel(conn net.Conn, user *url.Userinfo, address string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", address, address)
	if user != nil {
		password, _ := user.Password()
		b.WriteString("Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)) + "\r\n")
	}
	b.WriteString("\r\n")
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return err
	}
	limited := &io.LimitedReader{R: conn, N: maxProxyHead}
	r := bufio.NewReader(limited)
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		if limited.N <= 0 {
			return fmt.Errorf("the head of the proxy's answer is longer than %d bytes", maxProxyHead)
		}
		return fmt.Errorf("read the proxy's answer: %w", err)
	}
	answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusProxyAuthRequired:
		return errors.New("the proxy answered 407: it wants a user and a password, or other ones")
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return fmt.Errorf("the proxy answered %d to CONNECT", answer.StatusCode)
	case r.Buffered() > 0:
		// In a tunnel to a TLS service the client speaks first.
		return errors.New("the proxy sent more than its answer")
	}
	return nil
}

// bufferedConn reads what there is in one call: crypto/tls asks for little at
// a time, and a service may answer in many small records.
type bufferedConn struct {
	net.Conn
	buf  []byte
	r, w int
}

func (b *bufferedConn) Read(p []byte) (int, error) {
	if b.r == b.w {
		if b.buf == nil {
			b.buf = make([]byte, 16<<10)
		}
		n, err := b.Conn.Read(b.buf)
		b.r, b.w = 0, n
		if n == 0 {
			return 0, err
		}
	}
	n := copy(p, b.buf[b.r:b.w])
	b.r += n
	return n, nil
}
