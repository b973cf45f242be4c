// Package mailsink is a mail server for tests: it takes letters and keeps them,
// speaks TLS from the start or by STARTTLS, asks for a password, refuses whom it
// is told to refuse, and can hang or end connections.
package mailsink

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Options are how the server behaves.
type Options struct {
	TLS      bool   // from the first byte
	Bare     bool   // offers no STARTTLS
	User     string // who may sign in; empty: nobody needs to
	Password string
	// Refuse says what becomes of a letter by its recipient; nil is taken.
	Refuse func(to string) *smtp.SMTPError
	// RefuseSender and RefuseData are the same for the sender, and once all of the
	// letter is there.
	RefuseSender func(from string) *smtp.SMTPError
	RefuseData   func(to string) *smtp.SMTPError
	// Before is called when a letter is there, before it is taken: it may wait.
	Before func(to string)
	// Dies says of a letter that was taken how the connection ends: by what it answers
	// before it does, which may be nothing or half an answer. ok false: it goes on.
	Dies func(to string) (answer string, ok bool)
}

// Letter is one that was taken.
type Letter struct {
	From, To string
	Header   mail.Header
	Raw      []byte
	Text     string // of its plain part
	HTML     string
}

// Sink is a running server.
type Sink struct {
	Host string
	Port int
	CA   string // that signed its certificate, PEM

	o        Options
	server   *smtp.Server
	listener net.Listener
	mu       sync.Mutex
	got      []Letter
	opened   int
	news     chan struct{} // closed and made anew with each letter
}

// New starts a server on this machine's own address; it ends with the test.
func New(t testing.TB, o Options) *Sink {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return Serve(t, l, o)
}

// Serve starts a server on a listener.
func Serve(t testing.TB, l net.Listener, o Options) *Sink {
	t.Helper()
	cert, ca := certificate(t)
	s := &Sink{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, CA: ca, o: o, news: make(chan struct{})}
	s.server = smtp.NewServer(smtp.BackendFunc(s.session))
	s.server.Domain = "mail.example.org"
	s.server.AllowInsecureAuth = true
	s.server.ReadTimeout, s.server.WriteTimeout = 30*time.Second, 30*time.Second
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	if !o.Bare && !o.TLS {
		s.server.TLSConfig = config
	}
	if o.TLS {
		l = tls.NewListener(l, config)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.server.Serve(l)
	}()
	s.listener = l // what Close misses when Serve has not begun yet
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return s
}

// Close ends the server and its connections.
func (s *Sink) Close() {
	_ = s.server.Close()
	_ = s.listener.Close()
}

// Change has the server behave in another way from now on.
func (s *Sink) Change(change func(o *Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.o)
}

func (s *Sink) options() Options {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.o
}

// Letters are all that were taken, in their order.
func (s *Sink) Letters() []Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Letter(nil), s.got...)
}

// Connections is how many there were.
func (s *Sink) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// Await waits until so many letters were taken, and answers them all.
func (s *Sink) Await(t testing.TB, n int) []Letter {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		got, news := append([]Letter(nil), s.got...), s.news
		s.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-news:
		case <-late:
			t.Fatalf("%d letters came, not %d", len(got), n)
		}
	}
}

func (s *Sink) session(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	x := session{s: s, conn: c, in: s.o.User == ""}
	if s.o.User != "" {
		return &authSession{x}, nil
	}
	return &x, nil
}

type session struct {
	s        *Sink
	conn     *smtp.Conn
	in       bool
	from, to string
}

func (x *session) Reset()        { x.from, x.to = "", "" }
func (x *session) Logout() error { return nil }

func (x *session) Mail(from string, _ *smtp.MailOptions) error {
	if !x.in {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	if f := x.s.options().RefuseSender; f != nil {
		if e := f(from); e != nil {
			return e
		}
	}
	x.from = from
	return nil
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if f := x.s.options().Refuse; f != nil {
		if e := f(to); e != nil {
			return e
		}
	}
	x.to = to
	return nil
}

func (x *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	l, err := read(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, Message: "This is no letter: " + err.Error()}
	}
	l.From, l.To = x.from, x.to
	o := x.s.options()
	if o.Before != nil {
		o.Before(l.To)
	}
	if o.RefuseData != nil {
		if e := o.RefuseData(l.To); e != nil {
			return e
		}
	}
	x.s.keep(l)
	if o.Dies != nil {
		if answer, ok := o.Dies(l.To); ok {
			_, _ = io.WriteString(x.conn.Conn(), answer)
			_ = x.conn.Conn().Close()
		}
	}
	return nil
}

func (s *Sink) keep(l Letter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, l)
	close(s.news)
	s.news = make(chan struct{})
}

// authSession asks for a password.
type authSession struct{ session }

func (x *authSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (x *authSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if o := x.s.options(); user != o.User || password != o.Password {
			return errors.New("no such user or password")
		}
		x.in = true
		return nil
	}), nil
}

// read takes a letter apart as a mail program does.
func read(raw []byte) (Letter, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Letter{}, err
	}
	l := Letter{Header: m.Header, Raw: raw}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return l, err
	}
	if !strings.HasPrefix(kind, "multipart/") {
		l.Text, err = decoded(m.Body, m.Header.Get("Content-Transfer-Encoding"))
		return l, err
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return l, nil
		} else if err != nil {
			return l, err
		}
		text, err := decoded(p, p.Header.Get("Content-Transfer-Encoding"))
		if err != nil {
			return l, err
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			l.HTML = text
		} else {
			l.Text = text
		}
	}
}

func decoded(r io.Reader, encoding string) (string, error) {
	if strings.EqualFold(encoding, "quoted-printable") {
		r = quotedprintable.NewReader(r)
	}
	b, err := io.ReadAll(r)
	return string(b), err
}

// Subject is a letter's, decoded.
func (l *Letter) Subject() string {
	text, err := (&mime.WordDecoder{}).DecodeHeader(l.Header.Get("Subject"))
	if err != nil {
		return l.Header.Get("Subject")
	}
	return text
}

func certificate(t testing.TB) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.org"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
