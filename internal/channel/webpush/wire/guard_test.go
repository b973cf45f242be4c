//nolint:errcheck // services here write into connections that may have ended, which is what is tested
package wire_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"tocsin/internal/channel/webpush/wire"
)

func TestGuard(t *testing.T) {
	resolving := func(addr string) func(*wire.Options) {
		return func(o *wire.Options) {
			o.AllowPrivate = nil
			o.Lookup = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr(addr)}, nil
			}
		}
	}
	t.Run("no address is dialled that is not public", func(t *testing.T) {
		for _, addr := range []string{
			"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "169.254.169.254",
			"172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255",
			"198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
			"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1",
			"fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1",
			"64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::", "2002:c0a8:101::1",
			"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1", "2600::5efe:10.0.0.1", "2600::200:5efe:127.0.0.1",
		} {
			a := send(t, newClient(t, resolving(addr)), "https://"+name)
			var e *wire.Error
			if !errors.Is(a.Err, wire.ErrForbidden) || !errors.As(a.Err, &e) || e.Step != wire.StepCheck || e.Maybe {
				t.Errorf("%s: got %v", addr, a.Err)
			}
		}
	})
	t.Run("hosts that are addresses, however written, are no way around it", func(t *testing.T) {
		for _, host := range []string{"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "2130706433", "0x7f000001", "0177.0.0.1",
			"127.1", "0x7f.1", "localhost", "localhost.", "127.0.0.1.", "[64:ff9b::7f00:1]"} {
			c := newClient(t, func(o *wire.Options) { o.AllowPrivate, o.Lookup = nil, nil })
			if a := send(t, c, "https://"+host); a.Err == nil {
				t.Errorf("%s was reached", host)
			}
		}
	})
	t.Run("a name that changes its address is caught when it is dialled", func(t *testing.T) {
		n := 0
		c := newClient(t, func(o *wire.Options) {
			o.AllowPrivate = nil
			o.Lookup = func(context.Context, string) ([]netip.Addr, error) {
				n++
				return []netip.Addr{netip.MustParseAddr([]string{"::ffff:127.0.0.1", "127.0.0.1"}[n%2])}, nil
			}
		})
		to := standard(t, true, func(http.ResponseWriter, *http.Request) { t.Error("the service was reached") })
		for range 4 {
			if a := send(t, c, to); !errors.Is(a.Err, wire.ErrForbidden) {
				t.Errorf("got %v", a.Err)
			}
		}
	})
	t.Run("networks that are allowed may be dialled, mapped or not", func(t *testing.T) {
		to := standard(t, true, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
		for _, addr := range []string{"127.0.0.1", "::ffff:127.0.0.1"} {
			c := newClient(t, resolving(addr), func(o *wire.Options) { o.AllowPrivate = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
			if a := send(t, c, to); a.Status != 201 {
				t.Errorf("%s: got %+v", addr, a)
			}
		}
	})
	t.Run("an origin is one and nothing more", func(t *testing.T) {
		for _, o := range []string{"", "https://", "http://push.example", "https://push.example/", "https://push.example/x", "https://user@push.example",
			"https://push.example?x", "https://push.example#x", "https://push.example:", "https://push.example:0", "https://push.example:65536",
			"https://push.example:x", "https://PUSH.example", "https://push.example\\@evil", "https://pu sh", "https://p\u00fcsh.example", "https://push%2eexample",
			"https://[::1", "https://:443", "ftp://push.example", "https://push.example\r\nx"} {
			if a := send(t, newClient(t), o); !errors.Is(a.Err, wire.ErrBadRequest) {
				t.Errorf("%q: got %v", o, a.Err)
			}
		}
	})
	t.Run("a request that would write more than it says is refused", func(t *testing.T) {
		for _, change := range []func(*wire.Request){
			func(r *wire.Request) { r.Path = "" },
			func(r *wire.Request) { r.Path = "x" },
			func(r *wire.Request) { r.Path = "/a b" },
			func(r *wire.Request) { r.Path = "/a\r\nHost: x" },
			func(r *wire.Request) { r.Path = "/" + strings.Repeat("x", 5000) },
			func(r *wire.Request) { r.Authorization = "vapid\r\nX: y" },
			func(r *wire.Request) { r.Topic = "a\nb" },
			func(r *wire.Request) { r.Urgency = "h\x00" },
			func(r *wire.Request) { r.ContentType = "\u00fc" },
			func(r *wire.Request) { r.TTL = -1 },
			func(r *wire.Request) { r.Body = make([]byte, 64<<10+1) },
		} {
			a := send(t, newClient(t), "https://"+name, change)
			if !errors.Is(a.Err, wire.ErrBadRequest) || strings.Contains(a.Err.Error(), "secret") {
				t.Errorf("got %v", a.Err)
			}
		}
	})
}

// proxy is an HTTP proxy; each CONNECT goes to answer first, which says
// whether to open the tunnel.
func proxy(t *testing.T, answer func(conn net.Conn, r *http.Request) bool) (string, *seenTunnels) {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	seen := &seenTunnels{}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				br := bufio.NewReader(conn)
				r, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				seen.add(r)
				if !answer(conn, r) {
					return
				}
				_, port, _ := net.SplitHostPort(r.Host)
				to, err := net.Dial("tcp", "127.0.0.1:"+port)
				if err != nil {
					return
				}
				defer to.Close()
				all.Go(func() { io.Copy(to, br); to.Close() })
				io.Copy(conn, to)
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String(), seen
}

type seenTunnels struct {
	mu  sync.Mutex
	all []*http.Request
}

func (s *seenTunnels) add(r *http.Request) { s.mu.Lock(); s.all = append(s.all, r); s.mu.Unlock() }
func (s *seenTunnels) list() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

func yes(conn net.Conn, _ *http.Request) bool {
	_, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
	return err == nil
}

func through(raw string) func(*wire.Options) {
	return func(o *wire.Options) {
		u := must(url.Parse(raw))
		o.Proxy = func() *url.URL { return u }
		o.AllowPrivate = nil // the proxy itself is not guarded
		o.Lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("the proxy resolves") }
	}
}

func TestProxy(t *testing.T) {
	for _, h2 := range []bool{true, false} {
		proto := map[bool]string{true: "h2", false: "http/1.1"}[h2]
		t.Run("a message goes through the tunnel over "+proto, func(t *testing.T) {
			to := standard(t, h2, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
			via, seen := proxy(t, yes)
			c := newClient(t, through("http://us%40er:p%3Ass@"+via))
			for range 3 {
				if a := send(t, c, to); a.Status != 201 || a.Proto != proto {
					t.Fatalf("got %+v", a)
				}
			}
			r := seen.list()
			if len(r) != 1 || r[0].Method != "CONNECT" || "https://"+r[0].Host != to || r[0].Header.Get("Proxy-Authorization") != "Basic dXNAZXI6cDpzcw==" {
				t.Fatalf("the proxy saw %d: %+v", len(r), r[0])
			}
		})
	}
	tests := []struct {
		name   string
		answer string
		want   string
	}{
		{"wants a password", "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407"},
		{"refuses", "HTTP/1.1 403 Forbidden\r\n\r\nno", "403"},
		{"has headers without end", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Y: "+strings.Repeat("z", 100)+"\r\n", 1000), "longer than"},
		{"says nonsense", "SSH-2.0-OpenSSH_9.9\r\n\r\n", "proxy's answer"},
		{"says more than its answer", "HTTP/1.1 200 OK\r\n\r\nand more", "more than its answer"},
		{"closes", "", "proxy's answer"},
	}
	for _, tt := range tests {
		t.Run("a proxy that "+tt.name, func(t *testing.T) {
			via, _ := proxy(t, func(conn net.Conn, _ *http.Request) bool {
				io.WriteString(conn, tt.answer)
				return false
			})
			a := send(t, newClient(t, through("http://user:hush@"+via)), "https://"+name)
			var e *wire.Error
			if !errors.As(a.Err, &e) || e.Step != wire.StepProxy || e.Maybe || !strings.Contains(a.Err.Error(), tt.want) || strings.Contains(a.Err.Error(), "hush") {
				t.Fatalf("got %v", a.Err)
			}
		})
	}
	t.Run("targets that are addresses of no public network are not asked for", func(t *testing.T) {
		via, seen := proxy(t, yes)
		for _, host := range []string{"127.0.0.1", "10.1.2.3", "[::1]", "[::ffff:10.0.0.1]", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1.",
			"localhost", "a.localhost.", "[2002:7f00:1::]", "0x7f.0.0.0x1", "push.example.0"} {
			if a := send(t, newClient(t, through("http://"+via)), "https://"+host); !errors.Is(a.Err, wire.ErrForbidden) {
				t.Errorf("%s: got %v", host, a.Err)
			}
		}
		if n := len(seen.list()); n != 0 {
			t.Errorf("the proxy was asked %d times", n)
		}
	})
}
