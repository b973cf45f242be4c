//nolint:errcheck // services here write into connections that may have ended, which is what is tested
package wire_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"tocsin/internal/channel/webpush/wire"
)

// raw writes a frame as it is given.
func (s *session) raw(kind http2.FrameType, flags http2.Flags, id uint32, p []byte) error {
	return s.WriteRawFrame(kind, flags, id, p)
}

// linger reads until the connection ends, and answers why: a GOAWAY, or the end.
func (s *session) linger() error {
	for {
		if _, err := s.step(); err != nil {
			return err
		}
	}
}

// first runs act on the first connection and answers everything on the others.
func first(act func(s *session)) func(s *session) {
	return func(s *session) {
		if s.number > 1 {
			s.greet()
			s.all()
			return
		}
		act(s)
	}
}

// asked1 greets and waits for a request.
func (s *session) asked1(settings ...http2.Setting) *asked {
	s.greet(settings...)
	a, err := s.next()
	if err != nil {
		return &asked{id: 1}
	}
	return a
}

func TestAnswers(t *testing.T) {
	date := time.Now().Add(90 * time.Second).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	tests := []struct {
		name   string
		act    func(s *session, a *asked) error
		status int
		after  time.Duration
		reason string
	}{
		{"accepted", func(s *session, a *asked) error { return s.respond(a, 201, "") }, 201, 0, ""},
		{"429 with seconds", func(s *session, a *asked) error { return s.respond(a, 429, "", "retry-after", "120") }, 429, 2 * time.Minute, ""},
		{"429 with a date", func(s *session, a *asked) error { return s.respond(a, 429, "", "retry-after", date) }, 429, 90 * time.Second, ""},
		{"429 with a date that is past", func(s *session, a *asked) error {
			return s.respond(a, 429, "", "retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")
		}, 429, 0, ""},
		{"429 with nonsense", func(s *session, a *asked) error { return s.respond(a, 429, "", "retry-after", "-5 or so") }, 429, 0, ""},
		{"503 with more seconds than there are", func(s *session, a *asked) error {
			return s.respond(a, 503, "", "retry-after", "99999999999999999999")
		}, 503, 24 * time.Hour, ""},
		{"500 with a text that is not safe to show", func(s *session, a *asked) error {
			return s.respond(a, 500, "  broken\x1b[31m \r\n\x00 badly\u202e  ", "content-type", "text/plain; charset=utf-8")
		}, 500, 0, "broken[31m badly"},
		{"400 with JSON", func(s *session, a *asked) error {
			return s.respond(a, 400, `{"errno":103}`, "content-type", "application/json")
		}, 400, 0, `{"errno":103}`},
		{"410 with a picture", func(s *session, a *asked) error { return s.respond(a, 410, "PNG", "content-type", "image/png") }, 410, 0, ""},
		{"413 with a long text", func(s *session, a *asked) error {
			return s.respond(a, 413, strings.Repeat("x", 1000))
		}, 413, 0, strings.Repeat("x", 300)},
		{"a redirect is an answer", func(s *session, a *asked) error {
			return s.respond(a, 307, "", "location", "https://127.0.0.1/elsewhere")
		}, 307, 0, ""},
		{"informational answers come first", func(s *session, a *asked) error {
			for _, status := range []string{"100", "103", "199"} {
				if err := s.raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, a.id, s.block(":status", status)); err != nil {
					return err
				}
			}
			return s.respond(a, 201, "")
		}, 201, 0, ""},
		{"trailers", func(s *session, a *asked) error {
			id := a.id
			if err := s.raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, id, s.block(":status", "404", "content-type", "text/plain")); err != nil {
				return err
			}
			if err := s.WriteData(id, false, []byte("no such device")); err != nil {
				return err
			}
			return s.raw(http2.FrameHeaders, 5, id, s.block("x-checksum", "1"))
		}, 404, 0, "no such device"},
		{"padding, priority and continuation", func(s *session, a *asked) error {
			b := s.block(":status", "400", "content-type", "text/plain")
			p := append([]byte{3, 0, 0, 0, 0, 9}, b[:1]...)
			if err := s.raw(http2.FrameHeaders, http2.FlagHeadersPadded|http2.FlagHeadersPriority, a.id, append(p, 0, 0, 0)); err != nil {
				return err
			}
			if err := s.raw(http2.FrameContinuation, 0, a.id, b[1:2]); err != nil {
				return err
			}
			if err := s.raw(http2.FrameContinuation, http2.FlagContinuationEndHeaders, a.id, b[2:]); err != nil {
				return err
			}
			if err := s.WriteDataPadded(a.id, false, []byte("pad"), make([]byte, 200)); err != nil {
				return err
			}
			return s.WriteDataPadded(a.id, true, []byte("ded"), make([]byte, 255))
		}, 400, 0, "padded"},
		{"a body without end is cut off", func(s *session, a *asked) error {
			if err := s.raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, a.id, s.block(":status", "502", "content-type", "text/plain")); err != nil {
				return err
			}
			for range 3 {
				if err := s.WriteData(a.id, false, []byte(strings.Repeat("gateway ", 500))); err != nil {
					return err
				}
			}
			return nil
		}, 502, 0, strings.Repeat("gateway ", 37) + "gate"},
		{"the rest of an answer may be reset", func(s *session, a *asked) error {
			if err := s.raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, a.id, s.block(":status", "413")); err != nil {
				return err
			}
			return s.WriteRSTStream(a.id, http2.ErrCodeNo)
		}, 413, 0, ""},
		{"unknown frames and settings mean nothing", func(s *session, a *asked) error {
			if err := s.raw(0xbb, 0xff, a.id, []byte("what")); err != nil {
				return err
			}
			if err := s.WriteSettings(http2.Setting{ID: 0x77, Val: 7}); err != nil {
				return err
			}
			if err := s.WritePriority(a.id, http2.PriorityParam{Weight: 3}); err != nil {
				return err
			}
			return s.respond(a, 201, "")
		}, 201, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			to := hostile(t, func(s *session) {
				s.greet()
				for {
					a, err := s.next()
					if err != nil || tt.act(s, a) != nil {
						return
					}
				}
			})
			c := newClient(t)
			for range 3 { // the connection stays good
				a := send(t, c, to)
				if a.Err != nil || a.Status != tt.status || a.Reason != tt.reason {
					t.Fatalf("got %+v", a)
				}
				if d := a.RetryAfter - tt.after; d > 0 || d < -3*time.Second {
					t.Errorf("Retry-After is %v, want %v", a.RetryAfter, tt.after)
				}
			}
			if s := c.Stats()[0]; s.Dials != 1 {
				t.Errorf("%d connections were dialled", s.Dials)
			}
		})
	}
}

// What becomes of one request when the first connection goes wrong at some
// point, and the next ones are good.
func TestConnectionsThatEnd(t *testing.T) {
	const answered = "answered"
	tests := []struct {
		name string
		act  func(s *session)
		want string // answered, or a part of the error
		is   error
		sure bool // it was certainly not delivered
	}{
		{"GOAWAY before anything", func(s *session) {
			s.greet()
			s.WriteGoAway(0, http2.ErrCodeNo, nil)
			s.linger()
		}, answered, nil, false},
		{"GOAWAY after the head", func(s *session) {
			s.greet()
			for {
				if a, err := s.step(); err != nil || a != nil {
					break
				}
			}
			s.WriteGoAway(0, http2.ErrCodeNo, nil)
			s.linger()
		}, answered, nil, false},
		{"GOAWAY after the request, which it does not take", func(s *session) {
			s.asked1()
			s.WriteGoAway(0, http2.ErrCodeNo, nil)
		}, answered, nil, false},
		{"GOAWAY in two steps, and an answer in between", func(s *session) {
			a := s.asked1()
			s.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
			s.WriteGoAway(a.id, http2.ErrCodeNo, nil)
			s.respond(a, 201, "")
			s.linger()
		}, answered, nil, false},
		{"GOAWAY after the request, which it takes and never answers", func(s *session) {
			a := s.asked1()
			s.WriteGoAway(a.id, http2.ErrCodeNo, nil)
		}, "closed the connection", nil, false},
		{"GOAWAY that complains", func(s *session) {
			s.asked1()
			s.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("too_many_pings"))
		}, answered, nil, false},
		{"refused", func(s *session) {
			a := s.asked1()
			s.WriteRSTStream(a.id, http2.ErrCodeRefusedStream)
			s.all()
		}, answered, nil, false},
		{"refused each time", func(s *session) {
			s.greet()
			for {
				a, err := s.next()
				if err != nil || s.WriteRSTStream(a.id, http2.ErrCodeRefusedStream) != nil {
					return
				}
			}
		}, "refused", wire.ErrRefused, true},
		{"reset", func(s *session) {
			a := s.asked1()
			s.WriteRSTStream(a.id, http2.ErrCodeInternal)
			s.all()
		}, "INTERNAL_ERROR", nil, false},
		{"closed after the request", func(s *session) { s.asked1() }, "closed the connection", nil, false},
		{"half a head", func(s *session) {
			a := s.asked1()
			s.conn.Write([]byte{0, 0, 100, 1, 4, 0, 0, 0, byte(a.id), 0x88})
		}, "closed the connection", nil, false},
		{"a body without a head", func(s *session) {
			a := s.asked1()
			s.WriteData(a.id, true, []byte("x"))
			s.all()
		}, "a body without a head", wire.ErrProtocol, false},
		{"a head without a status", func(s *session) {
			a := s.asked1()
			s.raw(http2.FrameHeaders, 5, a.id, s.block("server", "x"))
			s.all()
		}, "a good status", wire.ErrProtocol, false},
		{"a status of four digits", func(s *session) {
			a := s.asked1()
			s.raw(http2.FrameHeaders, 5, a.id, s.block(":status", "2010"))
			s.all()
		}, "a good status", wire.ErrProtocol, false},
		{"informational answers without end", func(s *session) {
			a := s.asked1()
			for s.raw(http2.FrameHeaders, 4, a.id, s.block(":status", "103")) == nil {
			}
		}, "informational", wire.ErrProtocol, false},
		{"headers without end", func(s *session) {
			a := s.asked1()
			s.raw(http2.FrameHeaders, 0, a.id, s.block(":status", "201"))
			junk := s.block(strings.Repeat("x", 100), strings.Repeat("y", 4000))
			for s.raw(http2.FrameContinuation, 0, a.id, junk) == nil {
			}
		}, "have no end", wire.ErrProtocol, false},
		{"empty continuations without end", func(s *session) {
			a := s.asked1()
			s.raw(http2.FrameHeaders, 0, a.id, s.block(":status", "201"))
			for s.raw(http2.FrameContinuation, 0, a.id, nil) == nil {
			}
		}, "have no end", wire.ErrProtocol, false},
		{"headers that unpack to very many", func(s *session) {
			a := s.asked1()
			b := s.block(":status", "201", "big", strings.Repeat("y", 3900))
			for range 3000 {
				b = append(b, 0x80|62)
			}
			s.raw(http2.FrameHeaders, 5, a.id, b)
			s.linger()
		}, "too large", wire.ErrProtocol, false},
		{"a block that does not decode", func(s *session) {
			a := s.asked1()
			s.raw(http2.FrameHeaders, 5, a.id, []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
			s.linger()
		}, "COMPRESSION_ERROR", wire.ErrProtocol, false},
		{"another frame within a header block", func(s *session) {
			a := s.asked1()
			s.raw(http2.FrameHeaders, 0, a.id, s.block(":status", "201"))
			s.WritePing(false, [8]byte{})
			s.linger()
		}, "interrupted", wire.ErrProtocol, false},
		{"a push", func(s *session) {
			a := s.asked1()
			s.WritePushPromise(http2.PushPromiseParam{StreamID: a.id, PromiseID: 2, EndHeaders: true, BlockFragment: s.block(":method", "GET")})
			s.linger()
		}, "pushes", wire.ErrProtocol, false},
		{"a stream that there is not", func(s *session) {
			s.asked1()
			s.WriteRSTStream(4711, http2.ErrCodeCancel)
			s.linger()
		}, "there never was", wire.ErrProtocol, false},
		{"a stream of the service's own", func(s *session) {
			s.asked1()
			s.raw(http2.FrameHeaders, 5, 2, s.block(":status", "201"))
			s.linger()
		}, "there never was", wire.ErrProtocol, false},
		{"a frame that is too long", func(s *session) {
			s.asked1()
			s.raw(0xbb, 0, 0, make([]byte, 16385))
			s.linger()
		}, "longer than was agreed", wire.ErrProtocol, false},
		{"a window that is too wide", func(s *session) {
			s.asked1()
			s.WriteWindowUpdate(0, 1<<31-1)
			s.linger()
		}, "FLOW_CONTROL_ERROR", wire.ErrProtocol, false},
		{"a window of a stream that is too wide", func(s *session) {
			a := s.asked1()
			s.WriteWindowUpdate(a.id, 1<<31-1)
			s.all()
		}, "WINDOW_UPDATE out of bounds", wire.ErrProtocol, false},
		{"a window update of nothing", func(s *session) {
			s.asked1()
			s.WriteWindowUpdate(0, 0)
			s.linger()
		}, "of nothing", wire.ErrProtocol, false},
		{"an initial window that is too wide", func(s *session) {
			s.asked1()
			s.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
			s.linger()
		}, "FLOW_CONTROL_ERROR", wire.ErrProtocol, false},
		{"a frame size out of bounds", func(s *session) {
			s.asked1()
			s.greet(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 100})
			s.linger()
		}, "frame size", wire.ErrProtocol, false},
		{"settings that are cut off", func(s *session) {
			s.asked1()
			s.raw(http2.FrameSettings, 0, 0, make([]byte, 7))
			s.linger()
		}, "FRAME_SIZE_ERROR", wire.ErrProtocol, false},
		{"PINGs without end", func(s *session) {
			s.asked1()
			go s.linger()
			for s.WritePing(false, [8]byte{}) == nil {
			}
		}, "ENHANCE_YOUR_CALM", wire.ErrProtocol, false},
		{"SETTINGS without end", func(s *session) {
			s.asked1()
			go s.linger()
			for s.greet() {
			}
		}, "ENHANCE_YOUR_CALM", wire.ErrProtocol, false},
		{"empty DATA without end", func(s *session) {
			a := s.asked1()
			s.raw(http2.FrameHeaders, 4, a.id, s.block(":status", "201"))
			go s.linger()
			for s.WriteData(a.id, false, nil) == nil {
			}
		}, answered, nil, false},
		{"frames for a stream that is over, without end", func(s *session) {
			a := s.asked1()
			s.WriteRSTStream(a.id, http2.ErrCodeCancel)
			go s.linger()
			for s.WriteRSTStream(a.id, http2.ErrCodeCancel) == nil {
			}
		}, "CANCEL", nil, false},
		{"nonsense", func(s *session) {
			s.asked1()
			s.conn.Write([]byte(strings.Repeat("HTTP/1.1 400 Bad Request\r\n\r\n", 1000)))
			s.linger()
		}, "longer than was agreed", wire.ErrProtocol, false},
		{"HTTP/1.1 in the place of settings", func(s *session) {
			s.conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			s.linger()
		}, "longer than was agreed", wire.ErrProtocol, true},
		{"no settings at first", func(s *session) {
			s.WritePing(false, [8]byte{})
			s.linger()
		}, "does not start with its settings", wire.ErrProtocol, true},
		{"closed before the settings", func(*session) {}, "closed the connection", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t)
			to := hostile(t, first(tt.act))
			a := send(t, c, to)
			switch {
			case tt.want == answered:
				if a.Err != nil || a.Status != 201 {
					t.Fatalf("got %+v", a)
				}
			case a.Err == nil || !strings.Contains(a.Err.Error(), tt.want):
				t.Fatalf("got %+v, want %q", a, tt.want)
			case wire.MaybeProcessed(a.Err) == tt.sure:
				t.Errorf("MaybeProcessed says %v of %v", !tt.sure, a.Err)
			case tt.is != nil && !errors.Is(a.Err, tt.is):
				t.Errorf("%v is not %v", a.Err, tt.is)
			}
			// The origin is good again, on this connection or another one.
			until := time.Now().Add(10 * time.Second)
			for tt.name != "refused each time" {
				if a = send(t, c, to); a.Err == nil && a.Status == 201 {
					break
				}
				if time.Now().After(until) {
					t.Fatalf("it does not recover: %+v", a)
				}
			}
		})
	}
}

func TestGoAwayBetweenRequests(t *testing.T) {
	t.Run("requests above the last stream go elsewhere, those below finish", func(t *testing.T) {
		to := hostile(t, first(func(s *session) {
			s.greet()
			var got []*asked
			for len(got) < 10 {
				a, err := s.next()
				if err != nil {
					return
				}
				got = append(got, a)
			}
			s.WriteGoAway(got[4].id, http2.ErrCodeNo, nil)
			for _, a := range got[:5] {
				s.respond(a, 202, "")
			}
			s.linger()
		}))
		c := newClient(t)
		done := make(chan result, 10)
		for range 10 {
			if err := c.Send(t.Context(), request(to, done)); err != nil {
				t.Fatal(err)
			}
		}
		count := map[int]int{}
		for range 10 {
			count[wait(t, done).Status]++
		}
		if count[202] != 5 || count[201] != 5 {
			t.Fatalf("got %v", count)
		}
		if s := c.Stats()[0]; s.Retried != 5 {
			t.Errorf("%d were sent again", s.Retried)
		}
	})
	t.Run("a service that sends everybody away is left alone after three times", func(t *testing.T) {
		to := hostile(t, func(s *session) {
			s.asked1()
			s.WriteGoAway(0, http2.ErrCodeNo, nil)
			s.linger()
		})
		a := send(t, newClient(t), to)
		if a.Err == nil || wire.MaybeProcessed(a.Err) {
			t.Fatalf("got %+v", a)
		}
	})
}

// A head that is broken off by garbage of every length.
func TestGarbage(t *testing.T) {
	frames := make([]byte, 0, 64)
	for kind := range byte(11) {
		frames = append(frames[:0], 0, 0, 3, kind, 0xff)
		frames = binary.BigEndian.AppendUint32(frames, uint32(kind&1))
		frames = append(frames, 1, 2, 3)
		to := hostile(t, first(func(s *session) {
			s.asked1()
			s.conn.Write(frames)
			s.conn.Write([]byte{0, 0, 0})
		}))
		if a := send(t, newClient(t), to); a.Err == nil || !wire.MaybeProcessed(a.Err) {
			t.Errorf("frame %d: got %+v", kind, a)
		}
	}
}
