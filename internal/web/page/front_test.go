package page_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"tocsin/internal/web/page"
)

// fronted serves a site by net/http alone, and with the front before it.
func fronted(t *testing.T) (plain, front string, f *page.Front, stop func()) {
	t.Helper()
	_, s, srv, _ := site(t)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f = s.Front(l)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Behind", "yes")
		if !s.Handle(w, r) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "behind: %s", body)
		}
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(f) }()
	stop = func() {
		if err := server.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		<-done
	}
	t.Cleanup(stop)
	return srv.Listener.Addr().String(), l.Addr().String(), f, stop
}

// talk sends bytes, in pieces, and reads answers to so many requests.
func talk(t *testing.T, address string, answers int, pieces ...string) (out []*http.Response, bodies []string) {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	for _, p := range pieces {
		if _, err := io.WriteString(c, p); err != nil {
			t.Fatal(err)
		}
	}
	b := bufio.NewReader(c)
	for range answers {
		res, err := http.ReadResponse(b, nil)
		if err != nil {
			t.Fatalf("answer %d to %q: %v", len(out)+1, pieces, err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		out, bodies = append(out, res), append(bodies, string(body))
	}
	return out, bodies
}

func TestTheFrontAnswersAsTheServerBehindItDoes(t *testing.T) {
	plain, front, f, _ := fronted(t)
	tag, _ := talk(t, plain, 1, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
	for name, request := range map[string]string{
		"packed":      "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, br;q=0\r\n\r\n",
		"in German":   "GET / HTTP/1.1\r\nhOST: a:80\r\nAccept-Language: de\r\nAccept-Encoding: br\r\n\r\n",
		"the same":    "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: a\r\nAccept-Encoding: gzip\r\n\r\n",
		"as it is":    "GET / HTTP/1.1\r\nHost: a\r\nCookie: x=y\r\n\r\n",
		"not changed": "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nIf-None-Match: W/" + tag[0].Header.Get("Etag") + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			before := f.Served()
			want, wantBody := talk(t, plain, 1, request)
			got, gotBody := talk(t, front, 1, request)
			if f.Served() != before+1 || got[0].Header.Get("X-Behind") != "" {
				t.Error("the front did not answer")
			}
			if got[0].StatusCode != want[0].StatusCode || gotBody[0] != wantBody[0] {
				t.Errorf("%d with %d bytes, not %d with %d", got[0].StatusCode, len(gotBody[0]), want[0].StatusCode, len(wantBody[0]))
			}
			for key := range want[0].Header {
				if key != "Date" && got[0].Header.Get(key) != want[0].Header.Get(key) {
					t.Errorf("%s: %q, not %q", key, got[0].Header.Get(key), want[0].Header.Get(key))
				}
			}
			if len(got[0].Header) != len(want[0].Header) {
				t.Errorf("%v, not %v", got[0].Header, want[0].Header)
			}
		})
	}
}

func TestTheFrontHandsOnWhatIsNotPlain(t *testing.T) {
	_, front, f, _ := fronted(t)
	for name, c := range map[string]struct {
		request, says string
		status        int
	}{
		"another method":     {"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "behind: hello", 200},
		"a body with GET":    {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "Sandbank", 200},
		"a body in pieces":   {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Sandbank", 200},
		"no host":            {"GET / HTTP/1.1\r\n\r\n", "", 400},
		"two hosts":          {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "", 400},
		"a folded line":      {"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", "Sandbank", 200},
		"a space in a name":  {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "", 400},
		"an old protocol":    {"GET / HTTP/1.0\r\nHost: a\r\n\r\n", "Sandbank", 200},
		"a proxy's host":     {"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: b\r\n\r\n", "Sandbank", 200},
		"a proxy's standard": {"GET / HTTP/1.1\r\nHost: a\r\nForwarded: for=192.0.2.1;host=b\r\n\r\n", "Sandbank", 200},
		"an unknown address": {"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "behind: ", 200},
		"a query":            {"GET /?lang=de HTTP/1.1\r\nHost: a\r\n\r\n", "Großer Ausfall", 200},
		"a long header":      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 10_000) + "\r\n\r\n", "Sandbank", 200},
	} {
		t.Run(name, func(t *testing.T) {
			before := f.Served()
			res, body := talk(t, front, 1, c.request)
			if res[0].StatusCode != c.status || !strings.Contains(body[0], c.says) || f.Served() != before {
				t.Errorf("%d %.100s", res[0].StatusCode, body[0])
			}
		})
	}
	t.Run("and all that comes after it", func(t *testing.T) {
		page := "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
		res, body := talk(t, front, 4, page+page[:10], page[10:]+"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel", "lo"+page)
		if res[0].Header.Get("X-Behind")+res[1].Header.Get("X-Behind") != "" || res[2].Header.Get("X-Behind") != "yes" || body[2] != "behind: hello" || body[3] != body[0] {
			t.Errorf("%q", body[2])
		}
	})
	t.Run("and a connection ends when it was asked to", func(t *testing.T) {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", front)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		all, err := io.ReadAll(c)
		if err != nil || !strings.Contains(string(all), "Connection: close\r\n") {
			t.Errorf("%v %.100s", err, all)
		}
	})
}

func TestTheFrontEndsWithItsServer(t *testing.T) {
	_, front, _, stop := fronted(t)
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", front)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	b := bufio.NewReader(c)
	res, err := http.ReadResponse(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	stop()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := b.ReadByte(); err != io.EOF {
		t.Errorf("an idle connection ended with %v", err)
	}
}

// Streams take the socket out of their connection, and the server closes one half
// of it: what is handed on is as good as what was accepted.
func TestAConnectionThatIsHandedOnHasItsSocket(t *testing.T) {
	_, s, _, _ := site(t)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := s.Front(l)
	defer f.Close()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\n\r\n")
	handed, err := f.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer handed.Close()
	if sc, ok := handed.(syscall.Conn); !ok {
		t.Error("it has no socket")
	} else if raw, err := sc.SyscallConn(); err != nil || raw.Control(func(uintptr) {}) != nil {
		t.Errorf("its socket cannot be taken: %v", err)
	}
	half, ok := handed.(interface{ CloseWrite() error })
	if !ok {
		t.Fatal("one half of it cannot be closed")
	}
	if err := half.CloseWrite(); err != nil {
		t.Error(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if _, err := io.WriteString(c, "more"); err != nil {
		t.Error(err)
	}
}
