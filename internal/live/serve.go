package live

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Position reads where a tab that comes back was: the Last-Event-ID header, which
// an EventSource sends by itself when it reconnects, or else ?last=SEQ. given is
// false if it names nothing; ok is false if what it names cannot be a position.
func Position(r *http.Request) (seq int64, given, ok bool) {
	text := strings.TrimSpace(r.Header.Get("Last-Event-ID"))
	if text == "" {
		text = strings.TrimSpace(r.URL.Query().Get("last"))
	}
	if text == "" {
		return 0, false, true
	}
	// Digits alone: ParseInt also takes a sign.
	if strings.Trim(text, "0123456789") != "" {
		return 0, true, false
	}
	seq, err := strconv.ParseInt(text, 10, 64)
	return seq, true, err == nil
}

// Serve answers a request with a stream of events, for as long as the peer
// wants it. On Linux over plain HTTP/1.1 it takes the connection from net/http
// and returns at once; else it returns when the stream ends.
//
// The first event is hello {"seq","until","node","heartbeat"}. A tab that names its last
// position gets the frames since, in order, none left out and none twice; or a
// reset {"seq","reason"} if the log no longer has them ("old"), they are too many
// ("many"), or the position is none of this log's ("unknown"): it then has to
// load anew what it shows. What Tell said last follows. Then come the frames as
// they are appended, and a ping {"at"} every heartbeat. Before the hub closes a stream it says why: moved
// (come back: this node stops), signed-out, or replaced (too many of this user).
//
// A hub that cannot take the stream answers 503 with Retry-After.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, v Viewer) {
	if r.Method == http.MethodHead {
		head(w.Header())
		return
	}
	last, given, ok := Position(r)
	if seq := h.position(); seq < 0 || (ok && last > seq) {
		// Another node may have shown more of the log already.
		h.tail(r.Context())
	}
	if h.position() < 0 {
		h.refused.Add(1)
		refuse(w, "The live log cannot be read at the moment.")
		return
	}
	s := &stream{hub: h, session: strings.Clone(v.Session), fd: -1, index: -1}
	seq, surplus, entered := h.enter(s, Viewer{UserID: strings.Clone(v.UserID)})
	if !entered {
		refuse(w, "This node has as many open streams as it takes.")
		return
	}
	for _, old := range surplus {
		old.end(replaced)
	}
	opening, err := h.opening(r.Context(), v.UserID, last, given, ok, seq)
	if err != nil {
		s.cut()
		if r.Context().Err() == nil {
			h.refused.Add(1)
			h.o.Log.Error("missed frames cannot be read", "error", err)
			refuse(w, "The live log cannot be read at the moment.")
		}
		return
	}
	opening = append(opening, h.toldSoFar()...)
	if h.poller != nil && r.ProtoMajor == 1 && r.TLS == nil {
		if conn, rest, err := http.NewResponseController(w).Hijack(); err == nil {
			// What the peer may have sent ahead is in rest's reader; an event
			// stream is the last answer of its connection, so nobody wants it.
			_ = rest
			h.serveConn(s, conn, append(headBytes(w.Header()), opening...))
			return
		}
	}
	h.serveResponse(s, w, r, opening)
}

func (h *Hub) position() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seq
}

// opening is what a stream that entered at seq begins with.
func (h *Hub) opening(ctx context.Context, userID string, last int64, given, ok bool, seq int64) ([]byte, error) {
	b := []byte("retry: 2000\n\n")
	if !given {
		return h.hello(b, seq, seq, true), nil
	}
	again := func(reason string) ([]byte, error) {
		h.resets.Add(1)
		return reset(h.hello(b, seq, seq, false), seq, reason), nil
	}
	if !ok || last > seq {
		return again("unknown")
	}
	if last == seq {
		return h.hello(b, seq, seq, true), nil
	}
	frames, err := h.log.LiveAfter(ctx, last, userID, h.o.MaxReplay+1)
	if err != nil {
		return nil, fmt.Errorf("read the live log after %d: %w", last, err)
	}
	// Looked at after the reading: what was pruned in between counts as gone.
	oldest, _, err := h.log.LiveBounds(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the beginning of the live log: %w", err)
	}
	if oldest == 0 || last+1 < oldest {
		return again("old")
	}
	if len(frames) > h.o.MaxReplay {
		return again("many")
	}
	for i, f := range frames {
		if f.Seq > seq {
			frames = frames[:i] // these come as live ones
			break
		}
	}
	frames, left := collapse(frames)
	missed := renderFor(frames, userID)
	h.collapsed.Add(uint64(left))
	h.framesOut.Add(uint64(missed.frames))
	return append(h.hello(b, last, seq, true), missed.bytes...), nil
}

func head(to http.Header) {
	to.Set("Content-Type", "text/event-stream")
	to.Set("Cache-Control", "no-store")
	to.Set("X-Accel-Buffering", "no") // nginx would keep events back
}

// headBytes is the answer's head on a connection of our own. It has neither a
// length nor chunks: the body ends with the connection, as HTTP/1.0 did it and
// HTTP/1.1 still allows.
func headBytes(given http.Header) []byte {
	hdr := given.Clone()
	head(hdr)
	hdr.Set("Connection", "close")
	hdr.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	// Errors are those of a bytes.Buffer, which has none.
	_ = hdr.WriteSubset(&b, map[string]bool{"Content-Length": true, "Transfer-Encoding": true, "Content-Encoding": true})
	b.WriteString("\r\n")
	return b.Bytes()
}

// refuse answers that this node cannot take the stream now.
func refuse(w http.ResponseWriter, why string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "5")
	w.WriteHeader(http.StatusServiceUnavailable)
	// A peer that left cannot be told.
	_, _ = fmt.Fprintf(w, `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":%q}`, why)
}

// serveConn goes on with a connection taken from net/http.
func (h *Hub) serveConn(s *stream, conn net.Conn, opening []byte) {
	fd, err := takeSocket(conn, int((2*h.o.Heartbeat + h.o.WriteTimeout).Milliseconds()))
	if err == nil {
		s.open(fd, opening)
		return
	}
	// A listener that wraps its connections: they have no socket to take, so
	// this goroutine writes and another notices the end.
	h.o.Log.Debug("stream without a socket", "error", err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, conn)
	}()
	s.pump(ctx, opening, func(b []byte) error {
		if err := conn.SetWriteDeadline(time.Now().Add(h.o.WriteTimeout)); err != nil {
			return err
		}
		_, err := conn.Write(b)
		return err
	}, func() error { return nil })
	_ = conn.Close()
}

// serveResponse writes the stream through net/http: HTTP/2, TLS, other systems.
func (h *Hub) serveResponse(s *stream, w http.ResponseWriter, r *http.Request, opening []byte) {
	head(w.Header())
	rc := http.NewResponseController(w)
	// The server's limit for a request to arrive is not one for its answer.
	_ = rc.SetReadDeadline(time.Time{})
	// A deadline is set anew before each write, so that the server's own does
	// not end the stream, and taken off after it: HTTP/2 ends a stream when it
	// passes even if nothing is being written. Where there is none to set, the
	// queue's limit remains.
	s.pump(r.Context(), opening, func(b []byte) error {
		_ = rc.SetWriteDeadline(time.Now().Add(h.o.WriteTimeout))
		_, err := w.Write(b)
		return err
	}, func() error {
		err := rc.Flush()
		_ = rc.SetWriteDeadline(time.Time{})
		return err
	})
}

// pump writes what waits until the stream or ctx ends.
func (s *stream) pump(ctx context.Context, opening []byte, write func([]byte) error, flush func() error) {
	defer s.cut()
	s.mu.Lock()
	s.wake = make(chan struct{}, 1)
	s.mu.Unlock()
	s.open(-1, opening)
	for {
		queue, more := s.take()
		for _, b := range queue {
			if write(b) != nil {
				return
			}
		}
		if len(queue) > 0 && flush() != nil {
			return
		}
		if !more {
			return
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}
