package page

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Front is a listener before an http.Server that answers what everybody asks for
// by itself: GET of public documents that are in memory, by one read and one
// write. Everything else it hands on, with what it has read, and never sees
// again; so it understands only the plainest of requests, and needs to refuse
// none.
//
//	srv.Serve(site.Front(listener))
//
// net/http spends 48 µs of CPU on such an answer, of which Handle is 0.3 µs; this
// spends 15 to 20, as nginx does on a file.
type Front struct {
	net.Listener
	site   *Site
	handed chan net.Conn
	done   chan struct{}
	close  sync.Once
	served atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

const (
	// FrontIdle is how long a connection may wait for its next request, or take to
	// take an answer.
	FrontIdle = 60 * time.Second
	// FrontHead is how long it may take to send a request that it has begun.
	FrontHead = 10 * time.Second
	// headMost is how much of a request is looked at here.
	headMost = 4 << 10
	// refresh is how much of FrontIdle may pass before it begins anew: timers cost.
	refresh = 5 * time.Second
)

// Front puts a front before a listener. Close it, as http.Server does, to end it
// and its connections.
func (s *Site) Front(l net.Listener) *Front {
	f := &Front{Listener: l, site: s, handed: make(chan net.Conn), done: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	go f.run()
	return f
}

// Served is how many requests were answered here.
func (f *Front) Served() int64 { return f.served.Load() }

// Accept answers connections that are not for us.
func (f *Front) Accept() (net.Conn, error) {
	select {
	case c := <-f.handed:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

// Close ends the listener, and connections as soon as they have their answer.
func (f *Front) Close() error {
	err := f.Listener.Close()
	f.close.Do(func() {
		close(f.done)
		f.mu.Lock()
		defer f.mu.Unlock()
		for c := range f.conns {
			_ = c.SetReadDeadline(time.Unix(1, 0))
		}
	})
	if err != nil {
		return fmt.Errorf("close the listener: %w", err)
	}
	return nil
}

func (f *Front) run() {
	const most = time.Second
	pause := 5 * time.Millisecond
	for {
		c, err := f.Listener.Accept()
		if err == nil {
			pause = 5 * time.Millisecond
			go f.serve(c)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			_ = f.Close()
			return
		}
		f.site.o.Log.Warn("connection cannot be taken", "error", err)
		select { // out of files, most likely
		case <-time.After(pause):
			pause = min(2*pause, most)
		case <-f.done:
			return
		}
	}
}

// note keeps a connection for Close; false when it is too late.
func (f *Front) note(c net.Conn, here bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !here {
		delete(f.conns, c)
		return true
	}
	select {
	case <-f.done:
		return false
	default:
		f.conns[c] = struct{}{}
		return true
	}
}

// serve answers a connection until it ends or is handed on.
func (f *Front) serve(c net.Conn) {
	kept := false
	defer func() {
		if v := recover(); v != nil {
			f.site.o.Log.Error("request panicked", "panic", fmt.Sprint(v))
			kept = false
		}
		f.note(c, false)
		if !kept {
			_ = c.Close()
		}
	}()
	if !f.note(c, true) {
		return
	}
	r := reader{c: c, buf: make([]byte, headMost)}
	for {
		head, ok := r.head(f.done)
		if !ok {
			return
		}
		out, last, ours := f.answer(head)
		if !ours {
			kept = f.hand(c, r.buf[:r.have])
			return
		}
		f.served.Add(1)
		if !r.answering() {
			return
		}
		if err := out.send(c); err != nil || last {
			return
		}
		r.next(len(head))
	}
}

// reader reads one request after the other, none longer than its buffer.
type reader struct {
	c     net.Conn
	buf   []byte
	have  int
	set   time.Time // when the deadline was
	begun bool      // a request has, and the deadline is for the rest of it
}

// head answers a request up to its empty line, or as much as there is room for;
// false when the connection ends.
func (r *reader) head(done <-chan struct{}) ([]byte, bool) {
	for {
		if end := bytes.Index(r.buf[:r.have], headEnd); end >= 0 {
			return r.buf[:end+len(headEnd)], true
		}
		if r.have == len(r.buf) {
			return r.buf, true
		}
		if !r.waiting() {
			return nil, false
		}
		select {
		case <-done: // Close may have set its deadline before this one
			return nil, false
		default:
		}
		n, err := r.c.Read(r.buf[r.have:])
		if r.have += n; err != nil {
			return nil, false
		}
	}
}

// waiting sets how long the next bytes may take: a request that has begun is waited
// for by its beginning, whichever read brought that.
func (r *reader) waiting() bool {
	now := time.Now()
	switch {
	case r.begun:
		return true
	case r.have > 0:
		r.begun, r.set = true, now
		return r.c.SetDeadline(now.Add(FrontHead)) == nil
	case now.Sub(r.set) > refresh:
		r.set = now
		return r.c.SetDeadline(now.Add(FrontIdle)) == nil
	}
	return true
}

// answering gives an answer its time, of which the request may have used some.
func (r *reader) answering() bool {
	if now := time.Now(); r.begun || now.Sub(r.set) > refresh {
		r.begun, r.set = false, now
		return r.c.SetDeadline(now.Add(FrontIdle)) == nil
	}
	return true
}

func (r *reader) next(used int) {
	r.have = copy(r.buf, r.buf[used:r.have])
}

var headEnd = []byte("\r\n\r\n")

// hand gives a connection to who accepts, with what was read of it.
func (f *Front) hand(c net.Conn, read []byte) bool {
	if c.SetDeadline(time.Time{}) != nil {
		return false
	}
	f.note(c, false)
	select {
	case f.handed <- &handedConn{Conn: c, read: bytes.Clone(read)}:
		return true
	case <-f.done:
		return false
	}
}

// handedConn begins with what was read before.
type handedConn struct {
	net.Conn
	read []byte
}

func (c *handedConn) Read(p []byte) (int, error) {
	if len(c.read) > 0 {
		n := copy(p, c.read)
		if c.read = c.read[n:]; len(c.read) == 0 {
			c.read = nil
		}
		return n, nil
	}
	return c.Conn.Read(p) //nolint:wrapcheck // a connection's own error
}

// SyscallConn is what takes the socket out, as streams do to need less memory.
func (c *handedConn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn() //nolint:wrapcheck // a connection's own error
	}
	return nil, errors.ErrUnsupported
}

// CloseWrite lets the server end its half, and the client read why before it finds
// that nobody listens.
func (c *handedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // a connection's own error
	}
	return nil
}

// wire is an answer in two pieces.
type wire struct{ head, rest []byte }

// send writes both at once.
func (w *wire) send(c net.Conn) error {
	b := net.Buffers{w.head, w.rest}
	_, err := b.WriteTo(c)
	return err //nolint:wrapcheck // nobody reads it
}

// simple is a request as far as it is understood here.
type simple struct {
	path, host                string
	encoding, language, known []string
	asked                     []string // X-Forwarded-Host
	last                      bool     // the connection ends with it
}

// answer finds what a request asks for; false where that is not for us.
func (f *Front) answer(head []byte) (out wire, last, ok bool) {
	lines, ok := bytes.CutSuffix(head, headEnd[:2]) // each line keeps its own end
	if !ok {
		return out, false, false
	}
	q, ok := parse(lines)
	if !ok {
		return out, false, false
	}
	d := f.site.quick(&q)
	if d == nil || d.status != 0 {
		return out, false, false
	}
	return d.wire(&q), q.last, true
}

// quick answers the document that a request is for, if that is public and made.
func (s *Site) quick(q *simple) *document {
	if strings.HasPrefix(q.path, "/"+assetsBelow) {
		return assets().documents[q.path[1:]]
	}
	set, path := s.made.Load().find(q.host, q.path)
	if set == nil || set.at.Private {
		return nil
	}
	language := set.language
	if len(q.language) > 0 && q.language[0] != "" && forPeople(path) {
		language = s.renderer.languages.Accept(q.language[0], set.page.Language)
	}
	if path == "" && language == set.language {
		return set.home
	}
	return set.docs.peek(language.Tag + "/" + path)
}

// parse reads the plainest of requests.
func parse(head []byte) (q simple, ok bool) {
	line, rest, ok := bytes.Cut(head, []byte("\r\n"))
	if !ok {
		return q, false
	}
	target, ok := bytes.CutPrefix(line, []byte("GET /"))
	if !ok {
		return q, false
	}
	if target, ok = bytes.CutSuffix(target, []byte(" HTTP/1.1")); !ok {
		return q, false
	}
	for _, c := range target {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '/' || c == '-' || c == '_' || c == '.') {
			return q, false
		}
	}
	q.path = string(line[len("GET ") : len(line)-len(" HTTP/1.1")])
	hosts := 0
	for len(rest) > 0 {
		if line, rest, ok = bytes.Cut(rest, []byte("\r\n")); !ok {
			return q, false
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !plainLine(name, value) {
			return q, false
		}
		value = bytes.Trim(value, " \t") // and no other space, as net/http
		switch len(name) {
		case len("host"):
			if fold(name, "host") {
				q.host = string(value)
				hosts++
			}
		case len("accept-encoding"): // as long as accept-language
			if fold(name, "accept-encoding") {
				q.encoding = append(q.encoding, string(value))
			} else if fold(name, "accept-language") {
				q.language = append(q.language, string(value))
			}
		case len("if-none-match"):
			if fold(name, "if-none-match") {
				q.known = append(q.known, string(value))
			}
		case len("connection"):
			if fold(name, "connection") {
				switch {
				case fold(value, "keep-alive"):
				case fold(value, "close"):
					q.last = true
				default:
					return q, false
				}
			}
		case len("content-length"):
			if fold(name, "content-length") {
				return q, false
			}
		case len("transfer-encoding"):
			if fold(name, "transfer-encoding") {
				return q, false
			}
		case len("expect"):
			if fold(name, "expect") {
				return q, false
			}
		case len("forwarded"): // it may name another host, which only the server knows whether to believe
			if fold(name, "forwarded") {
				return q, false
			}
		case len("x-forwarded-host"):
			if fold(name, "x-forwarded-host") {
				q.asked = append(q.asked, string(value))
			}
		case len("upgrade"): // as long as trailer
			if fold(name, "upgrade") || fold(name, "trailer") {
				return q, false
			}
		}
	}
	for _, h := range q.asked {
		if h != q.host { // as for forwarded
			return q, false
		}
	}
	return q, hosts == 1 && plainHost(q.host)
}

// plainHost says whether a host is written as hosts are; net/http refuses others.
func plainHost(host string) bool {
	for i := range len(host) {
		c := host[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == ':' || c == '_' || c == '[' || c == ']') {
			return false
		}
	}
	return host != ""
}

// plainLine says whether a header line is one that nobody reads in two ways.
func plainLine(name, value []byte) bool {
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return len(name) > 0
}

// fold compares letters without their case; lower is in small ones.
func fold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// clock is the beginning of answers, made once a second.
type clockHeads struct {
	second      int64
	ok, unmoved []byte
}

var heads atomic.Pointer[clockHeads] //nolint:gochecknoglobals // the time is the same for all

func headsNow() *clockHeads {
	now := time.Now()
	if h := heads.Load(); h != nil && h.second == now.Unix() {
		return h
	}
	date := "\r\nDate: " + now.UTC().Format(http.TimeFormat) + "\r\n"
	h := &clockHeads{now.Unix(), []byte("HTTP/1.1 200 OK" + date), []byte("HTTP/1.1 304 Not Modified" + date)}
	heads.Store(h)
	return h
}

// wire is what serve writes, for a request that is no secret's.
func (d *document) wire(q *simple) wire {
	i := d.choose(q.encoding)
	h := headsNow()
	w := d.wires.Load()
	if w == nil {
		w = d.forWire()
		d.wires.Store(w)
	}
	x, head, rest := &w[i], h.ok, w[i].full
	if len(q.known) > 0 && d.matches(q.known) {
		head, rest = h.unmoved, x.unmoved
	}
	if q.last {
		head = append(bytes.Clone(head), "Connection: close\r\n"...)
	}
	return wire{head, rest}
}

// wired is an answer after its date.
type wired struct{ full, unmoved []byte }

// forWire writes the header of each form, and the whole answer.
func (d *document) forWire() *[3]wired {
	var out [3]wired
	for i := range d.forms {
		f := &d.forms[i]
		if f.etag == nil {
			continue
		}
		h := http.Header{}
		d.headers(h, f, false)
		delete(h, "Content-Type") // net/http leaves it out, too
		var b bytes.Buffer
		_ = h.Write(&b) // into memory
		out[i].unmoved = append(bytes.Clone(b.Bytes()), "\r\n"...)
		h["Content-Type"], h["Content-Length"] = d.kind, f.length
		if f.encoding != nil {
			h["Content-Encoding"] = f.encoding
		}
		b.Reset()
		_ = h.Write(&b)
		b.WriteString("\r\n")
		b.Write(f.body)
		out[i].full = b.Bytes()
	}
	return &out
}
