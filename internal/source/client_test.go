package source_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/source"
)

func client(t *testing.T, w source.WriteBack, proxy *url.URL) *source.Client {
	t.Helper()
	c, err := source.NewClient(w, source.EngineOptions{Proxy: proxy, Now: time.Now}, func(r *http.Request) { r.SetBasicAuth("u", "s3cret") })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAPasswordIsCarriedNowhereElse(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	engine := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer engine.Close()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		_, err := client(t, source.WriteBack{URL: engine.URL}, nil).Call(t.Context(), method, "/v1", nil, url.Values{"a": {"b"}})
		if err == nil || !strings.Contains(err.Error(), "redirect (307)") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v", err)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went on", n)
	}
}

func TestOnlyTheGivenProxyIsUsed(t *testing.T) {
	var through atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.Add(1)
		if r.URL.Host != "icinga.example.com" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer proxy.Close()
	engine := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer engine.Close()
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	if _, err := client(t, source.WriteBack{URL: engine.URL}, u).Call(t.Context(), http.MethodGet, "/", nil, nil); err != nil || through.Load() != 0 {
		t.Errorf("%v, %d through a proxy that is not asked for", err, through.Load())
	}
	a, err := client(t, source.WriteBack{URL: "http://icinga.example.com", UseProxy: true}, u).Call(t.Context(), http.MethodGet, "/", nil, nil)
	if err != nil || a.Status != http.StatusOK || through.Load() != 1 {
		t.Errorf("%v, %d, %d through the proxy", err, a.Status, through.Load())
	}
}

func TestAnEngineThatHangsIsLeftAlone(t *testing.T) {
	release := make(chan struct{})
	engine := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer engine.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client(t, source.WriteBack{URL: engine.URL}, nil).Call(ctx, http.MethodGet, "/", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// What an engine answers is shown to people: it must not tell them how we got in.
func TestAnEngineThatRepeatsWhatItWasSent(t *testing.T) {
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/none" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"status":"you sent ` + r.Header.Get("Authorization") + `"}`))
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = conn.Write([]byte("HTTP/1.1 " + r.Header.Get("Authorization") + strings.Repeat("z", 9000) + "\r\n\r\n"))
		_ = conn.Close()
	}))
	defer engine.Close()
	c := client(t, source.WriteBack{URL: engine.URL}, nil)
	a, err := c.Call(t.Context(), http.MethodGet, "/v1", nil, nil)
	if err != nil || a.Words() != `{"status":"you sent Basic …"}` {
		t.Errorf("%q, %v", a.Words(), err)
	}
	if _, err := c.Call(t.Context(), http.MethodGet, "/none", nil, nil); err == nil || len(err.Error()) > 300 || strings.Contains(err.Error(), "dTpzM2NyZXQ") {
		t.Errorf("%.300v", err)
	}
}
