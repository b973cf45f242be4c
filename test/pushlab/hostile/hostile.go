// Package hostile is push services that misbehave on the wire: what they do is
// what a proxy on the way, an overloaded server or an attacker does. They are
// given to pushproxy as hosts; those that take messages at all hand them to the
// handler of a good one.
package hostile

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"tocsin/test/pushlab/pushproxy"
)

// Hangs takes requests and never answers, until its connection ends.
func Hangs() pushproxy.Host {
	return pushproxy.Host{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })}
}

// Silent takes connections and says nothing, not even in the TLS handshake.
func Silent() pushproxy.Host {
	return pushproxy.Host{Raw: func(c net.Conn) {
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}}
}

// Breaks ends each connection after the handshake.
func Breaks() pushproxy.Host {
	return pushproxy.Host{Conn: func(c *tls.Conn) { _ = c.NetConn().Close() }}
}

// Resets ends the first requests with RST_STREAM, as many as n says, and then
// is good.
func Resets(n int, good http.Handler) pushproxy.Host {
	var seen atomic.Int64
	return pushproxy.Host{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.Add(1) <= int64(n) {
			panic(http.ErrAbortHandler) // net/http resets the stream
		}
		good.ServeHTTP(w, r)
	})}
}

// Leaves says GOAWAY with each answer: every connection serves what is under
// way and no more.
func Leaves(good http.Handler) pushproxy.Host {
	return pushproxy.Host{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // net/http says GOAWAY
		good.ServeHTTP(w, r)
	})}
}

// Redirects answers with a redirect to an address inside.
func Redirects(to string) pushproxy.Host {
	return pushproxy.Host{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	})}
}

// Floods answers 500 with a body that does not end.
func Floods() pushproxy.Host {
	return pushproxy.Host{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		for junk := bytes.Repeat([]byte("no "), 4096); ; {
			if _, err := w.Write(junk); err != nil {
				return
			}
		}
	})}
}

// Old is a good service that speaks HTTP/1.1 only.
func Old(good http.Handler) pushproxy.Host { return pushproxy.Host{Handler: good, Old: true} }

// EndlessOld answers HTTP/1.1 with header lines without end.
func EndlessOld() pushproxy.Host {
	return pushproxy.Host{Old: true, Conn: func(c *tls.Conn) {
		defer c.Close()
		go func() { _, _ = io.Copy(io.Discard, c) }()
		_, err := io.WriteString(c, "HTTP/1.1 201 Created\r\n")
		for line := "X-More: " + strings.Repeat("x", 1000) + "\r\n"; err == nil; {
			_, err = io.WriteString(c, line)
		}
	}}
}

// Endless answers HTTP/2 with CONTINUATION frames without end.
func Endless() pushproxy.Host {
	return speaking(func(s *session, r *request) error {
		var head bytes.Buffer
		enc := hpack.NewEncoder(&head)
		if err := enc.WriteField(hpack.HeaderField{Name: ":status", Value: "201"}); err != nil {
			return err
		}
		if err := s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: r.stream, BlockFragment: head.Bytes()}); err != nil {
			return err
		}
		for {
			head.Reset()
			if err := enc.WriteField(hpack.HeaderField{Name: "x-more", Value: strings.Repeat("x", 4000)}); err != nil {
				return err
			}
			if err := s.framer.WriteContinuation(r.stream, false, head.Bytes()); err != nil {
				return err
			}
		}
	})
}

// Narrow takes each body byte by byte: its windows for streams are one byte.
func Narrow(good http.Handler) pushproxy.Host {
	return speaking(func(s *session, r *request) error { return s.answer(r, good) }, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
}

// Refuses serves one request on each connection, says GOAWAY that names it as
// the last one, and leaves those after it without a word: they were not looked
// at, and are to be sent again.
func Refuses(good http.Handler) pushproxy.Host {
	return speaking(func(s *session, r *request) error {
		if err := s.framer.WriteGoAway(r.stream, http2.ErrCodeNo, nil); err != nil {
			return err
		}
		if err := s.answer(r, good); err != nil {
			return err
		}
		return io.EOF
	})
}

// request is one that has come whole.
type request struct {
	stream uint32
	header http.Header
	path   string
	host   string
	body   bytes.Buffer
}

// session is one HTTP/2 connection.
type session struct {
	conn   net.Conn
	framer *http2.Framer
	narrow bool
	open   map[uint32]*request
}

// speaking is a host that speaks HTTP/2 by hand: serve gets each request that
// has come whole, and ends the connection with an error.
func speaking(serve func(*session, *request) error, settings ...http2.Setting) pushproxy.Host {
	return pushproxy.Host{Conn: func(c *tls.Conn) {
		defer c.Close()
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(c, preface); err != nil || string(preface) != http2.ClientPreface {
			return
		}
		s := &session{conn: c, framer: http2.NewFramer(c, c), narrow: len(settings) > 0, open: map[uint32]*request{}}
		s.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		if s.framer.WriteSettings(settings...) != nil {
			return
		}
		for {
			r, err := s.next()
			if err == nil && r != nil {
				err = serve(s, r)
			}
			if err != nil {
				return
			}
		}
	}}
}

// next reads one frame, and answers the request that it completed.
func (s *session) next() (*request, error) {
	frame, err := s.framer.ReadFrame()
	if err != nil {
		return nil, err
	}
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return nil, s.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return nil, s.framer.WritePing(true, f.Data)
		}
	case *http2.RSTStreamFrame:
		delete(s.open, f.StreamID)
	case *http2.MetaHeadersFrame:
		r := &request{stream: f.StreamID, header: http.Header{}, path: f.PseudoValue("path"), host: f.PseudoValue("authority")}
		for _, field := range f.RegularFields() {
			r.header.Add(field.Name, field.Value)
		}
		s.open[f.StreamID] = r
		if f.StreamEnded() {
			return r, nil
		}
	case *http2.DataFrame:
		return s.data(f)
	}
	return nil, nil
}

func (s *session) data(f *http2.DataFrame) (*request, error) {
	r := s.open[f.StreamID]
	if r == nil {
		return nil, nil // it was reset
	}
	r.body.Write(f.Data())
	if f.StreamEnded() {
		delete(s.open, f.StreamID)
		return r, nil
	}
	if n := uint32(len(f.Data())); s.narrow && n > 0 {
		// One byte more, each time one has come.
		if err := s.framer.WriteWindowUpdate(f.StreamID, n); err != nil {
			return nil, err
		}
		return nil, s.framer.WriteWindowUpdate(0, n)
	}
	return nil, nil
}

// answer gives the request to a handler and writes what it says.
func (s *session) answer(r *request, h http.Handler) error {
	req := httptest.NewRequest(http.MethodPost, r.path, &r.body)
	req.Header, req.Host, req.Proto, req.ProtoMajor, req.ProtoMinor = r.header, r.host, "HTTP/2.0", 2, 0
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	var head bytes.Buffer
	enc := hpack.NewEncoder(&head)
	fields := []hpack.HeaderField{{Name: ":status", Value: strconv.Itoa(w.Code)}}
	for name, values := range w.Header() {
		for _, v := range values {
			fields = append(fields, hpack.HeaderField{Name: strings.ToLower(name), Value: v})
		}
	}
	for _, f := range fields {
		if err := enc.WriteField(f); err != nil {
			return err
		}
	}
	return s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: r.stream, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: true})
}
