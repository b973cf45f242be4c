//nolint:errcheck // services here write into connections that may have ended, which is what is tested
package wire_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"tocsin/internal/channel/webpush/wire"
	"tocsin/test/await"
)

func TestFlowControl(t *testing.T) {
	body := make([]byte, 600)
	for i := range body {
		body[i] = byte(i)
	}
	window := func(n uint32) http2.Setting { return http2.Setting{ID: http2.SettingInitialWindowSize, Val: n} }
	check := func(s *session, a *asked) {
		status := 201
		if len(a.body) > 0 && s.refill {
			s.WriteWindowUpdate(0, uint32(len(a.body)))
		}
		if !bytes.Equal(a.body, body) {
			status = 500
		}
		s.respond(a, status, "")
	}
	tests := []struct {
		name string
		act  func(s *session)
	}{
		{"windows of one byte", func(s *session) {
			s.refill = false
			s.greet(window(1))
			for {
				a, err := s.step()
				switch {
				case err != nil:
					return
				case a == nil:
				case a.closed:
					check(s, a)
				case len(a.body) > 0:
					s.WriteWindowUpdate(a.id, 1)
					s.WriteWindowUpdate(0, 1)
				}
			}
		}},
		{"a window that opens late", func(s *session) {
			s.greet(window(0))
			for {
				a, err := s.step()
				switch {
				case err != nil:
					return
				case a == nil:
				case a.closed:
					check(s, a)
				default:
					s.WriteWindowUpdate(a.id, 100)
					s.WriteWindowUpdate(a.id, 600)
				}
			}
		}},
		{"a window that is taken back while it is used, and is negative then", func(s *session) {
			s.greet(window(300))
			for n := 0; ; n++ {
				a, err := s.step()
				switch {
				case err != nil:
					return
				case a == nil:
				case a.closed:
					check(s, a)
					s.greet(window(300))
				case len(a.body) == 300:
					s.greet(window(10)) // now -290
					s.WriteWindowUpdate(a.id, 290)
					s.WriteWindowUpdate(a.id, 1)
				case len(a.body) == 301:
					s.greet(window(1000))
				}
			}
		}},
		{"a connection whose window ends", func(s *session) {
			s.refill = false
			s.greet()
			for used := 0; ; {
				a, err := s.step()
				if err != nil {
					return
				}
				if a != nil && a.closed {
					check(s, a)
					if used += len(a.body); used > 65535-700 {
						s.WriteWindowUpdate(0, uint32(used))
						used = 0
					}
				}
			}
		}},
		{"one stream at a time", func(s *session) {
			s.greet(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
			for {
				a, err := s.next()
				if err != nil {
					return
				}
				if len(s.reqs) > 1 {
					s.t.Error("a second stream was opened")
				}
				check(s, a)
			}
		}},
		{"settings that change under way", func(s *session) {
			s.greet(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
			for n := uint32(0); ; n++ {
				a, err := s.next()
				if err != nil {
					return
				}
				if a.head["authorization"] != "vapid t=token, k=key" || a.head["ttl"] != "60" || !a.never[":path"] {
					a.body = nil
				}
				check(s, a)
				s.greet(http2.Setting{ID: http2.SettingHeaderTableSize, Val: n * 61 % 500},
					http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1 + n%700})
				s.greet(http2.Setting{ID: http2.SettingHeaderTableSize, Val: n * 97 % 5000})
			}
		}},
		{"answers with bodies, for which the window is given back", func(s *session) {
			s.greet()
			for open := 65535; ; {
				a, err := s.nextBut(func(n uint32) { open += int(n) })
				if err != nil {
					return
				}
				if open < 4000 {
					s.t.Error("the window of the connection was not given back")
					return
				}
				open -= 4000
				s.WriteWindowUpdate(0, 600)
				s.WriteHeaders(http2.HeadersFrameParam{StreamID: a.id, BlockFragment: s.block(":status", "201"), EndHeaders: true})
				s.WriteData(a.id, true, make([]byte, 4000))
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			to := hostile(t, tt.act)
			c := newClient(t)
			const many = 120
			done := make(chan result, many)
			for range many {
				r := request(to, done)
				r.Body = body
				if err := c.Send(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			for range many {
				if a := wait(t, done); a.Err != nil || a.Status != 201 {
					t.Fatalf("got %+v", a.Response)
				}
			}
		})
	}
}

// nextBut is next, and tells of wider windows of the connection.
func (s *session) nextBut(wider func(uint32)) (*asked, error) {
	for {
		f, err := s.ReadFrame()
		if err != nil {
			return nil, err
		}
		switch f := f.(type) {
		case *http2.WindowUpdateFrame:
			wider(f.Increment)
		case *http2.SettingsFrame:
			if !f.IsAck() {
				s.WriteSettingsAck()
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				return &asked{id: f.StreamID}, nil
			}
		}
	}
}

func TestTimeouts(t *testing.T) {
	short := func(o *wire.Options) {
		o.Timeouts.Settings, o.Timeouts.Ping, o.Timeouts.Request = 100*time.Millisecond, 100*time.Millisecond, 400*time.Millisecond
		o.Timeouts.Write = 200 * time.Millisecond
	}
	tests := []struct {
		name string
		act  func(s *session)
		want string
		sure bool
	}{
		{"no settings", func(s *session) { s.conn.Read(make([]byte, 1<<20)); s.conn.Read(make([]byte, 1)) }, "settings", true},
		{"settings are never acknowledged", func(s *session) {
			s.greet()
			for {
				if _, err := s.ReadFrame(); err != nil {
					return
				}
			}
		}, "settings", false},
		{"silent", func(s *session) {
			s.asked1()
			for {
				if _, err := s.ReadFrame(); err != nil {
					return
				}
			}
		}, "PING", false},
		{"alive, and without an answer", func(s *session) { s.asked1(); s.linger() }, "no answer in time", false},
		{"a window that never opens", func(s *session) {
			s.asked1(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			s.linger()
		}, "no answer in time", false},
		{"no stream is ever allowed", func(s *session) {
			s.greet(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
			s.linger()
		}, "no answer in time", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			a := send(t, newClient(t, short), hostile(t, tt.act))
			if !errors.Is(a.Err, wire.ErrTimeout) || !strings.Contains(a.Err.Error(), tt.want) || wire.MaybeProcessed(a.Err) == tt.sure {
				t.Fatalf("got %+v (maybe %v)", a, wire.MaybeProcessed(a.Err))
			}
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
	t.Run("a service that does not read", func(t *testing.T) {
		stop := make(chan struct{})
		to := hostile(t, func(s *session) {
			s.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
			s.WriteWindowUpdate(0, 1<<30)
			<-stop
		})
		defer close(stop)
		c := newClient(t, short, func(o *wire.Options) {
			o.Timeouts.Request, o.Timeouts.Settings, o.MaxConns = 20*time.Second, 20*time.Second, 1
		})
		const many = 120
		done := make(chan result, many)
		go func() {
			for range many {
				r := request(to, done)
				r.Body = make([]byte, 64<<10)
				if err := c.Send(context.Background(), r); err != nil {
					done <- result{r, wire.Response{Err: err}}
				}
			}
		}()
		for range many {
			if a := wait(t, done); a.Err == nil {
				t.Fatalf("got %+v", a.Response)
			}
		}
	})
	t.Run("a service over HTTP/1.1 that does not answer", func(t *testing.T) {
		stop := make(chan struct{})
		to := standard(t, false, func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-stop
		})
		defer close(stop)
		a := send(t, newClient(t, short), to)
		if !errors.Is(a.Err, wire.ErrTimeout) || !wire.MaybeProcessed(a.Err) {
			t.Fatalf("got %+v", a)
		}
	})
}

func TestCertificates(t *testing.T) {
	stranger := newAuthority()
	tests := []struct {
		name   string
		config *tls.Config
	}{
		{"for another name", &tls.Config{Certificates: []tls.Certificate{theAuthority().leaf(time.Now().Add(time.Hour), "other.example")}}},
		{"that has ended", &tls.Config{Certificates: []tls.Certificate{theAuthority().leaf(time.Now().Add(-time.Hour), name)}}},
		{"of somebody unknown", &tls.Config{Certificates: []tls.Certificate{stranger.leaf(time.Now().Add(time.Hour), name)}}},
		{"good, but TLS 1.1", &tls.Config{Certificates: []tls.Certificate{good()}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}},
	}
	for _, tt := range tests {
		t.Run("a certificate "+tt.name, func(t *testing.T) {
			l := must(tls.Listen("tcp", "127.0.0.1:0", tt.config))
			defer l.Close()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go func() { defer conn.Close(); conn.Read(make([]byte, 1)) }()
				}
			}()
			a := send(t, newClient(t), origin(l))
			var e *wire.Error
			if !errors.As(a.Err, &e) || e.Step != wire.StepTLS || e.Maybe {
				t.Fatalf("got %+v", a)
			}
		})
	}
}

// patient holds every answer back until it is let go.
type patient struct {
	let   chan struct{}
	now   atomic.Int64
	peak  atomic.Int64
	conns atomic.Int64
}

func (p *patient) act(s *session) {
	p.conns.Add(1)
	s.greet(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 20})
	var mu sync.Mutex
	for {
		a, err := s.next()
		if err != nil {
			return
		}
		n := p.now.Add(1)
		for old := p.peak.Load(); n > old && !p.peak.CompareAndSwap(old, n); old = p.peak.Load() {
		}
		go func() {
			<-p.let
			mu.Lock()
			defer mu.Unlock()
			p.now.Add(-1)
			s.WriteWindowUpdate(0, 600)
			s.WriteHeaders(http2.HeadersFrameParam{StreamID: a.id, BlockFragment: []byte{0x88}, EndHeaders: true, EndStream: true})
		}()
	}
}

func TestWindow(t *testing.T) {
	t.Run("Send blocks while the window is full, and honours its context", func(t *testing.T) {
		p := &patient{let: make(chan struct{})}
		to := hostile(t, p.act)
		c := newClient(t)
		done := make(chan result, 1000)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		sent := 0
		for ; sent < 1000; sent++ {
			if err := c.Send(ctx, request(to, done)); err != nil {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatal(err)
				}
				break
			}
		}
		s := c.Stats()[0]
		if sent == 1000 || sent != s.Window || s.Active != sent {
			t.Fatalf("%d were taken, %+v", sent, s)
		}
		slow, end := context.WithTimeout(t.Context(), 30*time.Second)
		defer end()
		if err := await.Until(slow, nil, func() bool { return p.conns.Load() >= 4 }); err != nil || p.conns.Load() != 4 { // 64 requests, 20 on each
			t.Errorf("%d connections were opened", p.conns.Load())
		}
		close(p.let)
		for range sent {
			if a := wait(t, done); a.Status != 200 {
				t.Fatalf("got %+v", a.Response)
			}
		}
	})
	t.Run("it never has more streams or connections than are allowed", func(t *testing.T) {
		p := &patient{let: make(chan struct{})}
		to := hostile(t, p.act)
		close(p.let)
		c := newClient(t, func(o *wire.Options) { o.MaxConns = 3 })
		done := make(chan result, 3000)
		for range 3000 {
			if err := c.Send(t.Context(), request(to, done)); err != nil {
				t.Fatal(err)
			}
		}
		for range 3000 {
			if a := wait(t, done); a.Status != 200 {
				t.Fatalf("got %+v", a.Response)
			}
		}
		if s := c.Stats()[0]; p.peak.Load() > 60 || p.conns.Load() > 3 || s.Window > 60 {
			t.Errorf("%d at a time on %d connections, %+v", p.peak.Load(), p.conns.Load(), s)
		}
	})
	t.Run("a burst dials once, not once a message", func(t *testing.T) {
		to := hostile(t, func(s *session) { s.greet(); s.all() })
		c := newClient(t)
		done := make(chan result, 60)
		for range 60 {
			if err := c.Send(t.Context(), request(to, done)); err != nil {
				t.Fatal(err)
			}
		}
		for range 60 {
			wait(t, done)
		}
		if s := c.Stats()[0]; s.Dials != 1 {
			t.Errorf("dialled %d times", s.Dials)
		}
	})
	for _, status := range []int{429, 503} {
		t.Run(fmt.Sprintf("it shrinks on %d and grows again", status), func(t *testing.T) {
			var ill atomic.Bool
			ill.Store(true)
			to := standard(t, true, func(w http.ResponseWriter, _ *http.Request) {
				if ill.Load() {
					w.WriteHeader(status)
					return
				}
				w.WriteHeader(http.StatusCreated)
			})
			c := newClient(t)
			for range 20 {
				send(t, c, to)
			}
			s := c.Stats()[0]
			if s.Window > 2 || s.Shrinks < 5 {
				t.Fatalf("after 20 refusals: %+v", s)
			}
			ill.Store(false)
			done := make(chan result, 2000)
			for range 2000 {
				if err := c.Send(t.Context(), request(to, done)); err != nil {
					t.Fatal(err)
				}
			}
			for range 2000 {
				wait(t, done)
			}
			if s := c.Stats()[0]; s.Window < 20 {
				t.Errorf("after 2000 successes: %+v", s)
			}
		})
	}
}
