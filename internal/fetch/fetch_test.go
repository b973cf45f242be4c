package fetch_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tocsin/internal/fetch"
	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
)

func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// get fetches without waiting between tries; waited is how long it would have.
func get(t *testing.T, o fetch.Options, address string) (body []byte, waited time.Duration, err error) {
	t.Helper()
	o.Wait = func(_ context.Context, d time.Duration) error {
		waited += d
		return nil
	}
	c := fetch.New(o)
	defer c.Close()
	body, err = c.Get(t.Context(), address)
	return body, waited, err
}

func refused(t *testing.T, err error, words string) {
	t.Helper()
	var f *status.FieldError
	if !errors.As(err, &f) || f.Mend == "" || !strings.Contains(f.Problem, words) {
		t.Fatalf("error is %v, want one that says %q", err, words)
	}
}

func TestDocumentsAreFetchedWithinBounds(t *testing.T) {
	t.Parallel()
	elsewhere := server(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"secret":1}`)) })
	busy := 0
	here := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			_, _ = w.Write([]byte(`{"a":"` + r.UserAgent() + `"}`))
		case "/moved":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/elsewhere":
			http.Redirect(w, r, elsewhere+"/x", http.StatusFound)
		case "/html":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte("<!doctype html><title>Sign in"))
		case "/html-as-json":
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("\n <html>"))
		case "/busy":
			if busy++; busy < 3 {
				w.Header().Set("Retry-After", "900")
				http.Error(w, "slow down", http.StatusTooManyRequests)
				return
			}
			_, _ = w.Write([]byte(`{}`))
		case "/closed":
			http.Error(w, "no", http.StatusForbidden)
		case "/large":
			for range fetch.MaxBody>>16 + 1 {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		default:
			http.NotFound(w, r)
		}
	})
	body, _, err := get(t, fetch.Options{Agent: "tocsin/test"}, here+"/moved")
	if err != nil || string(body) != `{"a":"tocsin/test"}` {
		t.Fatalf("a redirect within the host answers %s, %v", body, err)
	}
	_, waited, err := get(t, fetch.Options{}, here+"/busy")
	if err != nil || waited != time.Minute {
		t.Fatalf("a busy server is asked again after %s, with %v", waited, err)
	}
	_, _, err = get(t, fetch.Options{}, here+"/nothing")
	if !errors.Is(err, transfer.ErrNone) {
		t.Fatalf("error is %v", err)
	}
	for path, words := range map[string]string{"/elsewhere": "leads to " + elsewhere, "/round": "leads to", "/html": "web page (HTML)", "/html-as-json": "web page (HTML)", "/closed": "403", "/large": "more than 16 MiB"} {
		_, _, err := get(t, fetch.Options{}, here+path)
		refused(t, err, words)
	}
	_, _, err = get(t, fetch.Options{}, "https://nowhere.invalid/x")
	refused(t, err, "cannot be reached")
	_, _, err = get(t, fetch.Options{}, "http://127.0.0.1:1/x")
	refused(t, err, "cannot be reached")
}

func TestWhoGivesUpIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	here := server(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	c := fetch.New(fetch.Options{})
	defer c.Close()
	if _, err := c.Get(ctx, here); !errors.Is(err, context.Canceled) {
		t.Fatalf("error is %v", err)
	}
}

func TestOnlyTheGivenProxyIsAsked(t *testing.T) {
	asked := make(chan string, 1)
	proxy := server(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.String()
		_, _ = w.Write([]byte(`{}`))
	})
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, fetch.Options{Proxy: u}, "http://status.example.com/x"); err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got != "http://status.example.com/x" {
		t.Fatalf("the proxy was asked for %s", got)
	}
}
