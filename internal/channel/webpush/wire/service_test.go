package wire_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"tocsin/internal/channel/webpush/wire"
)

// The name that the services of these tests have.
const name = "push.example"

func TestMain(m *testing.M) {
	if os.Getenv(sinkVariable) != "" {
		sinkProcess()
		return
	}
	goleak.VerifyTestMain(m)
}

// authority signs the certificates of these tests.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

var theAuthority = sync.OnceValue(newAuthority)

func newAuthority() *authority {
	a := &authority{pool: x509.NewCertPool()}
	a.key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key))
	a.cert = must(x509.ParseCertificate(der))
	a.pool.AddCert(a.cert)
	return a
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// leaf is a certificate for the names, good until the given time.
func (a *authority) leaf(until time.Time, names ...string) tls.Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: names, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func good() tls.Certificate { return theAuthority().leaf(time.Now().Add(time.Hour), name) }

// options reach the services of these tests, and are impatient.
func options() wire.Options {
	return wire.Options{
		RootCAs:      theAuthority().pool,
		AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
		Timeouts: wire.Timeouts{Dial: 5 * time.Second, TLS: 5 * time.Second, Settings: 5 * time.Second, Request: 10 * time.Second,
			Write: 5 * time.Second, Ping: 5 * time.Second, Idle: 30 * time.Second},
	}
}

func newClient(t testing.TB, change ...func(*wire.Options)) *wire.Client {
	t.Helper()
	o := options()
	for _, f := range change {
		f(&o)
	}
	c := wire.New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.Close(ctx) //nolint:errcheck // tests that care close themselves
	})
	return c
}

// result is a Done as it was called.
type result struct {
	r *wire.Request
	wire.Response
}

func request(origin string, done chan<- result) *wire.Request {
	return &wire.Request{
		Origin: origin, Path: "/p/secret", Authorization: "vapid t=token, k=key", Urgency: "high", Topic: "topic", TTL: 60,
		Body: []byte(strings.Repeat("sealed", 100)),
		Done: func(r *wire.Request, a wire.Response) { done <- result{r, a} },
	}
}

// send sends one request and waits for what becomes of it.
func send(t testing.TB, c *wire.Client, origin string, change ...func(*wire.Request)) wire.Response {
	t.Helper()
	done := make(chan result, 1)
	r := request(origin, done)
	for _, f := range change {
		f(r)
	}
	if err := c.Send(t.Context(), r); err != nil {
		return wire.Response{Err: err}
	}
	return wait(t, done).Response
}

func wait(t testing.TB, done <-chan result) result {
	t.Helper()
	select {
	case a := <-done:
		return a
	case <-time.After(20 * time.Second):
		t.Fatal("Done was not called")
		panic("unreachable")
	}
}

// standard is net/http's server, with HTTP/2 or without.
func standard(t *testing.T, h2 bool, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{good()}}
	s.EnableHTTP2 = h2
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return origin(s.Listener)
}

func origin(l net.Listener) string {
	return "https://" + net.JoinHostPort(name, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// session is one HTTP/2 connection of a service that does what a test wants.
type session struct {
	*http2.Framer
	conn   net.Conn
	number int // of the connection, from 1
	t      testing.TB
	reqs   map[uint32]*asked
	answer *hpack.Encoder
	buf    strings.Builder
	refill bool // the window of the connection is given back
}

// asked is a request as the service saw it.
type asked struct {
	id     uint32
	head   map[string]string
	never  map[string]bool // headers that must not be indexed
	body   []byte
	closed bool // END_STREAM has come
}

// hostile serves HTTP/2 by hand, each connection with act.
func hostile(t testing.TB, act func(s *session)) string {
	t.Helper()
	l := must(tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{good()}, NextProtos: []string{"h2"}}))
	var all sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	all.Go(func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			all.Go(func() {
				defer conn.Close()
				s := &session{conn: conn, number: n, refill: true, t: t, reqs: map[uint32]*asked{}}
				s.answer = hpack.NewEncoder(&s.buf)
				s.Framer = http2.NewFramer(conn, conn)
				s.AllowIllegalWrites = true
				s.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
				if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err == nil {
					act(s)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return origin(l)
}

var errOver = errors.New("the connection is over")

// next reads frames until a request is complete, or the connection ends.
func (s *session) next() (*asked, error) {
	for {
		a, err := s.step()
		if err != nil {
			return nil, err
		}
		if a != nil && a.closed {
			return a, nil
		}
	}
}

// step reads one frame and answers the request that it belongs to, if any.
func (s *session) step() (*asked, error) {
	f, err := s.ReadFrame()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errOver, err)
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return nil, s.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return nil, s.WritePing(true, f.Data)
		}
	case *http2.MetaHeadersFrame:
		a := &asked{id: f.StreamID, head: map[string]string{}, never: map[string]bool{}, closed: f.StreamEnded()}
		for _, h := range f.Fields {
			a.head[h.Name] = h.Value
			a.never[h.Name] = h.Sensitive
		}
		s.reqs[f.StreamID] = a
		return a, nil
	case *http2.DataFrame:
		a := s.reqs[f.StreamID]
		if a == nil {
			return nil, fmt.Errorf("%w: DATA for stream %d, which there is not", errOver, f.StreamID)
		}
		a.body = append(a.body, f.Data()...)
		a.closed = f.StreamEnded()
		return a, nil
	case *http2.GoAwayFrame:
		return nil, fmt.Errorf("%w: GOAWAY %v", errOver, f.ErrCode)
	}
	return nil, nil
}

// block is a header block.
func (s *session) block(fields ...string) []byte {
	s.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		s.answer.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) //nolint:errcheck // to memory
	}
	return []byte(s.buf.String())
}

// respond answers a request with a status and headers.
func (s *session) respond(a *asked, status int, body string, fields ...string) error {
	delete(s.reqs, a.id)
	block := s.block(append([]string{":status", fmt.Sprint(status)}, fields...)...)
	err := s.WriteHeaders(http2.HeadersFrameParam{StreamID: a.id, BlockFragment: block, EndHeaders: true, EndStream: body == ""})
	if err == nil && body != "" {
		err = s.WriteData(a.id, true, []byte(body))
	}
	return err
}

// all answers every request with 201 until the connection ends.
func (s *session) all() {
	for {
		a, err := s.next()
		if err != nil || len(a.body) > 0 && s.WriteWindowUpdate(0, uint32(len(a.body))) != nil || s.respond(a, 201, "") != nil {
			return
		}
	}
}

// greet sends the settings that a connection starts with.
func (s *session) greet(settings ...http2.Setting) bool { return s.WriteSettings(settings...) == nil }

func parse(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
