package dial_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/guard"
	"tocsin/internal/guard/dial"
)

func get(t *testing.T, o dial.Options, address string) (*http.Response, error) {
	t.Helper()
	o.Timeout = 10 * time.Second
	client := dial.Client(o)
	t.Cleanup(client.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err == nil {
		t.Cleanup(func() { _ = answer.Body.Close() })
	}
	return answer, err
}

func guarded(address string) error { return guard.CheckDial(address, nil) }

func anywhere(string) error { return nil }

func TestClient(t *testing.T) {
	var called atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	t.Cleanup(s.Close)
	t.Run("what is refused is not dialled", func(t *testing.T) {
		if _, err := get(t, dial.Options{Check: guarded}, s.URL); !errors.Is(err, guard.ErrForbidden) {
			t.Errorf("error %v", err)
		}
		if n := called.Load(); n != 0 {
			t.Errorf("%d calls came", n)
		}
	})
	t.Run("a redirect is not followed", func(t *testing.T) {
		answer, err := get(t, dial.Options{Check: anywhere}, s.URL)
		if err != nil || answer.StatusCode != http.StatusFound {
			t.Fatalf("%v, %v", answer, err)
		}
		if n := called.Load(); n != 1 {
			t.Errorf("%d calls came", n)
		}
	})
	t.Run("the proxy is dialled wherever it is", func(t *testing.T) {
		var asked atomic.Value
		via := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Store(r.RequestURI)
			w.WriteHeader(http.StatusNoContent)
		}))
		t.Cleanup(via.Close)
		proxy, err := url.Parse(via.URL)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := get(t, dial.Options{Check: guarded, Proxy: func() *url.URL { return proxy }}, "http://hooks.example/x")
		if err != nil || answer.StatusCode != http.StatusNoContent || asked.Load() != "http://hooks.example/x" {
			t.Errorf("%v, %v, asked for %v", answer, err, asked.Load())
		}
	})
}
