//nolint:errcheck // services here write into connections that may have ended, which is what is tested
package wire_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"tocsin/internal/channel/webpush/wire"
)

// until waits for a condition that comes about elsewhere.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(30 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// moody is a service that does, with each frame, any of what services do.
func moody(s *session) {
	dice := rand.New(rand.NewPCG(uint64(s.number), 7))
	settings := []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 1 + dice.Uint32N(60)}, {ID: http2.SettingInitialWindowSize, Val: 200 + dice.Uint32N(2000)}}
	s.greet(settings...)
	var open []*asked
	highest := uint32(0)
	for {
		a, err := s.step()
		if err != nil {
			return
		}
		if a == nil {
			continue
		}
		highest = max(highest, a.id)
		if !a.closed {
			s.WriteWindowUpdate(a.id, 1+dice.Uint32N(900))
			continue
		}
		s.WriteWindowUpdate(0, uint32(len(a.body)+1))
		open = append(open, a)
		if dice.IntN(3) == 0 {
			continue
		}
		dice.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
		for _, a := range open {
			switch n := dice.IntN(200); {
			case n < 5:
				s.WriteRSTStream(a.id, http2.ErrCodeRefusedStream)
			case n < 8:
				s.WriteRSTStream(a.id, http2.ErrCodeInternal)
			case n < 12:
				s.respond(a, 429, "slower", "retry-after", "1")
			case n < 14:
				s.respond(a, 503, "")
			case n < 15:
				s.WriteGoAway(a.id, http2.ErrCodeNo, nil)
				s.respond(a, 201, "")
				return
			case n < 16:
				s.WriteGoAway(highest, http2.ErrCodeNo, nil)
			case n < 17:
				return
			case n < 18:
				s.conn.Write([]byte{0, 0, 1})
				return
			case n < 22:
				settings[1].Val = 1 + dice.Uint32N(2000)
				settings[0].Val = 1 + dice.Uint32N(100)
				s.greet(settings...)
				s.respond(a, 201, "")
			default:
				s.respond(a, 201, "")
			}
		}
		open = open[:0]
	}
}

func TestStorm(t *testing.T) {
	t.Run("each Done is called exactly once, whatever services do", func(t *testing.T) {
		origins := []string{hostile(t, moody), hostile(t, moody),
			standard(t, true, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }),
			standard(t, false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })}
		c := newClient(t, func(o *wire.Options) { o.Timeouts.Request, o.MaxConns = time.Second, 3 })
		const workers, each = 8, 120
		calls := make([]atomic.Int32, workers*each)
		var good, failed, taken atomic.Int64
		var pending, all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				dice := rand.New(rand.NewPCG(uint64(w), 1))
				for i := range each {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(dice.IntN(2000))*time.Millisecond)
					r := request(origins[dice.IntN(len(origins))], nil)
					r.Body = r.Body[:dice.IntN(len(r.Body)+1)]
					r.TTL, r.Topic, r.Index = dice.IntN(5), fmt.Sprint(dice.IntN(4)), w*each+i
					r.Done = func(r *wire.Request, a wire.Response) {
						if a.Err == nil {
							good.Add(1)
						} else {
							failed.Add(1)
						}
						if (a.Err == nil) == (a.Status == 0) {
							t.Errorf("got %+v", a)
						}
						if calls[r.Index].Add(1) == 1 {
							pending.Done()
						}
					}
					pending.Add(1)
					if err := c.Send(ctx, r); err != nil {
						calls[r.Index].Add(1)
						pending.Done()
					} else {
						taken.Add(1)
					}
					cancel()
				}
			})
		}
		all.Wait()
		pending.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		for i := range calls {
			if n := calls[i].Load(); n != 1 {
				t.Errorf("request %d ended %d times", i, n)
			}
		}
		if taken.Load() != good.Load()+failed.Load() || good.Load() < workers*each/2 {
			t.Errorf("%d taken, %d answered, %d failed", taken.Load(), good.Load(), failed.Load())
		}
	})
}

func TestClose(t *testing.T) {
	t.Run("what is under way is waited for", func(t *testing.T) {
		p := &patient{let: make(chan struct{})}
		to := hostile(t, p.act)
		c := newClient(t)
		done := make(chan result, 30)
		for range 30 {
			if err := c.Send(t.Context(), request(to, done)); err != nil {
				t.Fatal(err)
			}
		}
		closed := make(chan error, 1)
		go func() { closed <- c.Close(context.Background()) }()
		until(t, "Send refuses", func() bool { return errors.Is(c.Send(t.Context(), request(to, make(chan result, 1))), wire.ErrClosed) })
		close(p.let)
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		for range 30 {
			if a := wait(t, done); a.Status != 200 {
				t.Fatalf("got %+v", a.Response)
			}
		}
	})
	t.Run("what takes too long is cut off, and who waits is told", func(t *testing.T) {
		p := &patient{let: make(chan struct{})}
		to := hostile(t, p.act)
		c := newClient(t)
		done := make(chan result, 100)
		refused := make(chan error, 1)
		var sent atomic.Int64
		go func() {
			for {
				if err := c.Send(context.Background(), request(to, done)); err != nil {
					refused <- err
					return
				}
				sent.Add(1)
			}
		}()
		until(t, "the window is full", func() bool { s := c.Stats(); return len(s) == 1 && s[0].Waiting == 1 && p.now.Load() == 64 })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Close(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		close(p.let)
		if err := <-refused; !errors.Is(err, wire.ErrClosed) {
			t.Errorf("the waiting Send got %v", err)
		}
		for range sent.Load() {
			if a := wait(t, done); !errors.Is(a.Err, wire.ErrClosed) || !wire.MaybeProcessed(a.Err) {
				t.Fatalf("got %+v", a.Response)
			}
		}
	})
	t.Run("nothing is begun after it, and it may be called again", func(t *testing.T) {
		c := newClient(t)
		if err := errors.Join(c.Close(t.Context()), c.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := c.Warm(t.Context(), "https://"+name); !errors.Is(err, wire.ErrClosed) {
			t.Errorf("Warm: %v", err)
		}
	})
}

func TestRest(t *testing.T) {
	answering := func(t *testing.T) string { return hostile(t, func(s *session) { s.greet(); s.all() }) }
	t.Run("Warm dials, and the first message finds the connection", func(t *testing.T) {
		to := answering(t)
		c := newClient(t)
		for range 2 {
			if err := c.Warm(t.Context(), to); err != nil {
				t.Fatal(err)
			}
		}
		if s := c.Stats()[0]; s.Conns != 1 || s.Proto != "h2" {
			t.Fatalf("got %+v", s)
		}
		if a := send(t, c, to); a.Status != 201 || c.Stats()[0].Dials != 1 {
			t.Fatalf("got %+v", a)
		}
	})
	t.Run("Warm says why there is no connection", func(t *testing.T) {
		c := newClient(t, func(o *wire.Options) { o.RootCAs = newAuthority().pool })
		var e *wire.Error
		if err := c.Warm(t.Context(), answering(t)); !errors.As(err, &e) || e.Step != wire.StepTLS {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("unused connections are closed, unused origins are forgotten", func(t *testing.T) {
		over := make(chan error, 1)
		to := hostile(t, func(s *session) {
			s.greet()
			for {
				a, err := s.next()
				if err != nil {
					over <- err
					return
				}
				s.respond(a, 201, "")
			}
		})
		c := newClient(t, func(o *wire.Options) { o.Timeouts.Idle = 50 * time.Millisecond })
		send(t, c, to)
		if err := <-over; err == nil || err.Error() != "the connection is over: GOAWAY NO_ERROR" {
			t.Errorf("it ended with %v", err)
		}
		until(t, "the origin is forgotten", func() bool { return len(c.Stats()) == 0 })
		if a := send(t, c, to); a.Status != 201 {
			t.Errorf("afterwards: %+v", a)
		}
		<-over
	})
	t.Run("an origin too many takes the place of one that rests, and waits for none that works", func(t *testing.T) {
		p := &patient{let: make(chan struct{})}
		busy, a, b := hostile(t, p.act), answering(t), answering(t)
		c := newClient(t, func(o *wire.Options) { o.MaxOrigins = 2 })
		done := make(chan result, 3)
		if err := c.Send(t.Context(), request(busy, done)); err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{a, b, a} {
			if got := send(t, c, to); got.Status != 201 {
				t.Fatalf("got %+v", got)
			}
		}
		other := hostile(t, p.act)
		if err := c.Send(t.Context(), request(other, done)); err != nil {
			t.Fatal(err)
		}
		if got := send(t, c, b); !errors.Is(got.Err, wire.ErrTooMany) {
			t.Errorf("got %+v", got)
		}
		close(p.let)
		wait(t, done)
		wait(t, done)
	})
	for _, h2 := range []bool{true, false} {
		proto := map[bool]string{true: "h2", false: "http/1.1"}[h2]
		t.Run("another proxy is taken at once over "+proto, func(t *testing.T) {
			to := standard(t, h2, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
			first, seen1 := proxy(t, yes)
			second, seen2 := proxy(t, yes)
			var now atomic.Pointer[url.URL]
			now.Store(parse(t, "http://"+first))
			c := newClient(t, func(o *wire.Options) { o.Proxy = now.Load })
			send(t, c, to)
			now.Store(parse(t, "http://"+second))
			until(t, "the second proxy is asked", func() bool { return send(t, c, to).Status == 201 && len(seen2.list()) == 1 })
			if len(seen1.list()) != 1 {
				t.Errorf("the first was asked %d times", len(seen1.list()))
			}
		})
	}
	t.Run("a TLS session is resumed", func(t *testing.T) {
		resumed := make(chan bool, 2)
		to := standard(t, true, func(w http.ResponseWriter, r *http.Request) {
			resumed <- r.TLS.DidResume
			w.WriteHeader(http.StatusCreated)
		})
		c := newClient(t, func(o *wire.Options) { o.Timeouts.Idle = 50 * time.Millisecond })
		send(t, c, to)
		until(t, "the connection is closed", func() bool { s := c.Stats(); return len(s) == 0 || s[0].Conns == 0 })
		send(t, c, to)
		if <-resumed || !<-resumed {
			t.Error("it was not")
		}
	})
	t.Run("a service that is away fails what waits, quickly, and is tried again", func(t *testing.T) {
		c := newClient(t)
		for range 5 {
			a := send(t, c, "https://"+name+":1")
			var e *wire.Error
			if !errors.As(a.Err, &e) || e.Step != wire.StepConnect || e.Maybe {
				t.Fatalf("got %+v", a)
			}
		}
		if s := c.Stats()[0]; s.Dials > 3 {
			t.Errorf("dialled %d times", s.Dials)
		}
	})
}
