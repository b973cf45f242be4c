package chat

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is how a request fails. It meets requests of programs: those to webhooks,
// those to open dialogs, and those of bots; people's in the page go on.
type Fault struct {
	Method string // empty: any
	Path   string // how the path begins, "/api/v4/posts"; empty: any
	Take   bool   // it is done all the same; its answer is what is lost
	Hang   bool   // no answer until the client goes away, or the server ends
	Drop   bool   // the connection ends without an answer
	Status int    // what is answered else
	Header http.Header
	Body   string
}

type fault struct {
	Fault
	left int
}

// RateLimited is Mattermost's 429: to be tried again after d, in whole seconds.
func RateLimited(d time.Duration) Fault {
	seconds := strconv.Itoa(int((d + time.Second - 1) / time.Second))
	return Fault{Status: http.StatusTooManyRequests, Body: "limit exceeded\n", Header: http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "Retry-After": {seconds},
		"X-Ratelimit-Limit": {"101"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {seconds},
	}}
}

// Broken is a server, or a proxy before it, that is in trouble: 502, 503.
func Broken(status int) Fault {
	return Fault{Status: status, Header: http.Header{"Content-Type": {"text/plain"}}, Body: http.StatusText(status)}
}

// HTML is an address where there is something else than Mattermost's API.
func HTML() Fault {
	return Fault{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		Body: "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>"}
}

// Lost is a create that was done, and whose answer never arrives.
func Lost() Fault {
	return Fault{Method: http.MethodPost, Path: "/api/v4/posts", Take: true, Hang: true}
}

// Hanging is a request that is neither done nor answered.
func Hanging() Fault { return Fault{Hang: true} }

// Fail makes the next n requests that f fits fail so; n below 0: until Mend.
func (s *Server) Fail(n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault{f, n})
}

// Mend ends all faults.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Request is one that a program made: a bot's, or one to a webhook or to open a
// dialog.
type Request struct {
	Method, Path string
	Body         []byte
	Status       int // 0: it got no answer
	At           time.Time
}

// Requests are those of programs so far, the last 1000.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP serves programs, and the page.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.program(r) {
		s.mux.ServeHTTP(w, r)
		return
	}
	at := s.o.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		answer(w, http.StatusRequestEntityTooLarge, badBody("body"))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	note := func(status int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests = append(s.requests, Request{r.Method, r.URL.Path, body, status, at})
		if len(s.requests) > 1000 {
			s.requests = slices.Delete(s.requests, 0, len(s.requests)-1000)
		}
		s.touch()
	}
	f := s.meets(r)
	if f == nil {
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		s.mux.ServeHTTP(seen, r)
		note(seen.status)
		return
	}
	if f.Take {
		s.mux.ServeHTTP(unheard{http.Header{}}, r)
	}
	if f.Hang {
		note(0)
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
	}
	if f.Hang || f.Drop {
		if f.Drop {
			note(0)
		}
		panic(http.ErrAbortHandler) // net/http's way of closing the connection
	}
	note(f.Status)
	for k, v := range f.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}

// program says whether a request is a program's.
func (s *Server) program(r *http.Request) bool {
	if strings.HasPrefix(r.URL.Path, "/hooks/") || r.URL.Path == "/api/v4/actions/dialogs/open" {
		return true
	}
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		return false
	}
	id, ok := s.session(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	return !ok || s.users[id].Bot
}

// meets finds the fault that the request meets.
func (s *Server) meets(r *http.Request) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if (f.Method != "" && f.Method != r.Method) || !strings.HasPrefix(r.URL.Path, f.Path) || f.left == 0 {
			continue
		}
		if f.left--; f.left == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return f
	}
	return nil
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// unheard takes an answer that never arrives.
type unheard struct{ header http.Header }

func (u unheard) Header() http.Header         { return u.header }
func (u unheard) Write(b []byte) (int, error) { return len(b), nil }
func (u unheard) WriteHeader(int)             {}
