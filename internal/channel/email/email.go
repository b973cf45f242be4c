// Package email brings letters to a mail server by SMTP. It knows nothing of what
// they say nor of who gets them: that is the rooms' that write them.
//
//	s := email.New(email.Options{Settings: db.MailSettings, Log: log})
//	defer s.Close()
//	r := s.Send(ctx, mail.Letter{To: "mira@example.org", Subject: "…", Text: "…", HTML: "…"})
//
// Without the encryption that is set nothing is sent, and a password never goes
// over a connection that anybody could read.
package email

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strconv"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"tocsin/internal/mail"
)

// Options are what a Sender needs. The zero value of each but Settings is its
// default.
type Options struct {
	Settings    func(ctx context.Context) (mail.Settings, error)
	Connections int           // to the server at the same time; 4
	Connect     time.Duration // for connecting, encryption and signing in; 15 s
	Letter      time.Duration // for one letter on a connection; 60 s
	Log         *slog.Logger
	Now         func() time.Time
}

const (
	// A server may end a connection that is idle after five minutes (RFC 5321,
	// 4.5.3.2.7); many do sooner.
	idleFor = 20 * time.Second
	// perConnection is how many letters a connection carries: many servers take a
	// hundred at most.
	perConnection = 80
)

// Sender sends letters, each to one person. It is safe for use by several
// goroutines at once.
type Sender struct {
	o    Options
	room chan struct{} // of connections that may be open

	mu     sync.Mutex
	idle   []*line
	closed bool
	state  State
	streak int       // letters in a row that were not taken, by a server that answers
	since  time.Time // the first of those
	counts map[string]int64
}

// mostRefused is how many letters in a row are refused before it is the server that
// has a problem, and not the letters.
const mostRefused = 10

// State is how sending goes.
type State struct {
	LastOK  time.Time // a letter was taken; zero: none since the start
	Failing time.Time // since when nothing gets through; zero: it does, or was not tried
	Problem string    // why, for people
}

// New makes a Sender. It connects when there is something to send.
func New(o Options) *Sender {
	if o.Connections <= 0 {
		o.Connections = 4
	}
	if o.Connect <= 0 {
		o.Connect = 15 * time.Second
	}
	if o.Letter <= 0 {
		o.Letter = time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sender{o: o, counts: map[string]int64{}, room: make(chan struct{}, o.Connections)}
}

// On says whether e-mail is switched on.
func (s *Sender) On(ctx context.Context) bool {
	set, err := s.o.Settings(ctx)
	return err == nil && set.Enabled
}

// State answers how sending goes.
func (s *Sender) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Stats are how many letters became what since the start: sent, refused (there is no
// such address), failed, later and down.
func (s *Sender) Stats() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// Send brings one letter to the server, and says what became of it. It never
// takes longer than connecting and one letter may.
func (s *Sender) Send(ctx context.Context, l mail.Letter) mail.Result {
	set, err := s.o.Settings(ctx)
	if err != nil {
		return mail.Result{Verdict: mail.Down, Detail: "the settings of e-mail cannot be read"}
	}
	if !set.Enabled {
		return mail.Result{Verdict: mail.Down, Detail: "e-mail is switched off"}
	}
	r := s.send(ctx, set, l)
	s.note(ctx, r)
	return r
}

// Test sends a letter by settings that need not be saved, over a connection of its
// own.
func (s *Sender) Test(ctx context.Context, set mail.Settings, l mail.Letter) mail.Result {
	n, err := s.dial(ctx, &set)
	if err != nil {
		return mail.Result{Verdict: mail.Down, Detail: words(&set, err)}
	}
	defer n.quit()
	r, _ := n.deliver(ctx, &set, l, s.o.Letter, s.o.Now())
	if r.Verdict == mail.Sent {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.well(s.o.Now())
	}
	return r
}

// Try connects by settings that need not be saved, signs in and takes leave: nothing is
// sent. The error is for people, with the mend.
func (s *Sender) Try(ctx context.Context, set mail.Settings) error {
	n, err := s.dial(ctx, &set)
	if err != nil {
		return errors.New(words(&set, err))
	}
	n.quit()
	return nil
}

// well says that the server takes letters. The lock is held.
func (s *Sender) well(at time.Time) {
	if !s.state.Failing.IsZero() {
		s.o.Log.Info("the mail server takes letters again")
	}
	s.state, s.streak = State{LastOK: at}, 0
}

// ill says that it does not, since when, and why. The lock is held.
func (s *Sender) ill(since time.Time, why string) {
	if s.state.Failing.IsZero() {
		s.state.Failing = since
		s.o.Log.Warn("no letter gets through", "problem", why)
	}
	s.state.Problem = why
}

// note keeps how it goes. That the program ends is nobody's trouble. A server that
// answers each letter with a refusal lets nothing through either.
func (s *Sender) note(ctx context.Context, r mail.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Verdict == mail.Down && ctx.Err() != nil {
		return
	}
	s.counts[r.Verdict.String()]++
	switch r.Verdict {
	case mail.Sent:
		s.well(s.o.Now())
	case mail.Refused: // it is the address that is no good
		s.streak = 0
	case mail.Down:
		s.ill(s.o.Now(), r.Detail)
	default:
		if s.streak++; s.streak == 1 {
			s.since = s.o.Now()
		}
		if s.streak >= mostRefused {
			s.ill(s.since, r.Detail)
		}
	}
}

func (s *Sender) send(ctx context.Context, set mail.Settings, l mail.Letter) mail.Result {
	select {
	case s.room <- struct{}{}:
		defer func() { <-s.room }()
	case <-ctx.Done():
		return mail.Result{Verdict: mail.Down, Detail: "there was no time left to send it"}
	}
	for {
		n, fresh := s.take(&set), false
		if n == nil {
			var err error
			if n, err = s.dial(ctx, &set); err != nil {
				return mail.Result{Verdict: mail.Down, Detail: words(&set, err)}
			}
			fresh = true
		}
		r, stale := n.deliver(ctx, &set, l, s.o.Letter, s.o.Now())
		if stale && !fresh {
			n.drop() // the server had ended it meanwhile, before it took anything
			continue
		}
		s.give(n)
		return r
	}
}

// line is a connection to the server, signed in.
type line struct {
	conn   net.Conn
	client *smtp.Client
	heard  *heard // what the server says, behind all encryption
	server string // of the settings it was made with
	used   int
	since  time.Time // idle
	broken bool
}

// take answers a connection that was left open for these settings, nil if there is
// none.
func (s *Sender) take(set *mail.Settings) *line {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.idle) > 0 {
		n := s.idle[len(s.idle)-1]
		s.idle = s.idle[:len(s.idle)-1]
		if n.server == key(set) && s.o.Now().Sub(n.since) < idleFor {
			return n
		}
		go n.quit()
	}
	return nil
}

// key is what two connections have in common that can be used for each other.
func key(set *mail.Settings) string { return set.Server() + "/" + set.Hello + "/" + set.Password }

// give leaves a connection open for the next letter, if it is still good.
func (s *Sender) give(n *line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case n.broken:
		n.drop()
	case s.closed || n.used >= perConnection:
		go n.quit()
	default:
		n.since = s.o.Now()
		s.idle = append(s.idle, n)
		time.AfterFunc(idleFor+time.Second, s.sweep)
	}
}

// sweep ends connections that nobody needed for a while.
func (s *Sender) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.idle[:0]
	for _, n := range s.idle {
		if s.o.Now().Sub(n.since) < idleFor {
			kept = append(kept, n)
		} else {
			go n.quit()
		}
	}
	s.idle = kept
}

// Close ends the connections that are idle; those in use end after their letter.
func (s *Sender) Close() {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.mu.Unlock()
	for _, n := range idle {
		n.quit()
	}
}

// drop ends a connection without a word.
func (n *line) drop() { _ = n.conn.Close() }

// quit takes leave first.
func (n *line) quit() {
	_ = n.conn.SetDeadline(time.Now().Add(2 * time.Second))
	_ = n.client.Quit()
	n.drop()
}

// Mechanisms by which the server may let us in, the best first. Without
// encryption PLAIN and LOGIN are refused by go-mail itself, but on this machine.
func mechanisms() []gomail.SMTPAuthType {
	return []gomail.SMTPAuthType{gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthCramMD5, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin}
}

// dial connects, encrypts and signs in.
func (s *Sender) dial(ctx context.Context, set *mail.Settings) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Connect)
	defer cancel()
	encryption := &tls.Config{ServerName: set.Host, MinVersion: tls.VersionTLS12}
	if set.CA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pool.AppendCertsFromPEM([]byte(set.CA))
		encryption.RootCAs = pool
	}
	n := &line{server: key(set)}
	// go-mail leaves a connection open whose greeting failed: it is kept here.
	open := func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err //nolint:wrapcheck // words says what it was
		}
		c = &bounded{Conn: c, left: mostHeard}
		n.conn = c
		if set.Security != mail.TLS {
			return c, nil
		}
		secure := tls.Client(c, encryption)
		return secure, secure.HandshakeContext(ctx)
	}
	options := []gomail.Option{gomail.WithPort(set.PortOr()), gomail.WithTimeout(s.o.Connect), gomail.WithTLSConfig(encryption), gomail.WithDialContextFunc(open)}
	switch set.Security {
	case mail.TLS:
		options = append(options, gomail.WithSSL())
	case mail.Plain:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if set.Hello != "" {
		options = append(options, gomail.WithHELO(set.Hello))
	}
	if set.Username != "" {
		options = append(options, gomail.WithUsername(set.Username), gomail.WithPassword(set.Password), gomail.WithOpportunisticSMTPAuth(mechanisms()...))
	}
	c, err := gomail.NewClient(set.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	n.client, err = c.DialToSMTPClientWithContext(ctx)
	if err != nil {
		if n.conn != nil {
			n.drop()
		}
		return nil, err //nolint:wrapcheck // words says what it was
	}
	n.heard = &heard{from: n.client.Text.R}
	n.client.Text.R = bufio.NewReader(n.heard)
	return n, nil
}

// mostHeard is how many bytes a server may say on one connection: an answer has
// some hundreds, and a line of it is kept whole.
const mostHeard = 1 << 20

// bounded is a connection that ends when the other side says too much.
type bounded struct {
	net.Conn
	left int
}

var errTalks = errors.New("the server does not stop talking")

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTalks
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err //nolint:wrapcheck // a net.Conn's own
}

// words says what keeps us from sending, with the mend.
func words(set *mail.Settings, err error) string {
	server := net.JoinHostPort(set.Host, strconv.Itoa(set.PortOr()))
	text := said(err)
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var header tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.As(err, &unknown):
		return server + " shows a certificate that nobody known here has signed: paste its CA's certificate, or take the name that it was made for"
	case errors.As(err, &name):
		return server + " shows a certificate for another name: write the name that it was made for"
	case errors.As(err, &header):
		return server + " does not speak TLS from the first byte: take STARTTLS, or another port"
	case errors.As(err, &dns):
		return "the name " + set.Host + " cannot be found: look whether it is written right"
	case contains(text, "does not support STARTTLS"):
		return server + " offers no STARTTLS: take TLS with port 465; without encryption nothing is sent"
	case contains(text, "AUTH failed"):
		return server + " does not let us in: look at user name and password (" + text + ")"
	case contains(text, "SMTP AUTH"), contains(text, "supported auth"), contains(text, "unencrypted connection"):
		return server + " lets nobody sign in over this connection: take STARTTLS or TLS, or leave the user name empty"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return server + " does not answer in time: look whether this machine reaches it, and at the port"
	}
	return server + " cannot be used: " + text
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
