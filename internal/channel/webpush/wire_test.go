package webpush_test

import (
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tocsin/internal/channel/webpush"
	"tocsin/internal/channel/webpush/wire"
	"tocsin/internal/push"
)

// Over the real client to a push service on this machine: what stands in the
// request, and what is made of its answers.
func TestOverTheRealWire(t *testing.T) {
	type request struct {
		header http.Header
		path   string
		body   []byte
	}
	got := make(chan request, 10)
	service := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- request{r.Header, r.URL.RequestURI(), body}
		switch {
		case strings.HasSuffix(r.URL.Path, "/gone"):
			w.WriteHeader(http.StatusGone)
		case strings.HasSuffix(r.URL.Path, "/busy"):
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		case strings.HasSuffix(r.URL.Path, "/wrong"):
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "InvalidTopic")
		default:
			w.WriteHeader(http.StatusCreated)
		}
	}))
	service.EnableHTTP2 = true
	service.StartTLS()
	t.Cleanup(service.Close)
	roots := x509.NewCertPool()
	roots.AddCert(service.Certificate())
	client := wire.New(wire.Options{RootCAs: roots, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(func() {
		if err := client.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})

	r := newRig(t, nil)
	r.settings.PushHosts = []string{strings.TrimPrefix(service.URL, "https://")}
	sender := webpush.NewSender(webpush.SenderOptions{
		Client: client, Keys: func(context.Context) ([]push.Key, error) { return r.keys, nil }, Settings: settingsOf(r), Now: time.Now,
	})
	r.sender = sender
	p := r.phone("a", service.URL)
	if result := r.send(t, p); result.Verdict != webpush.Sent {
		t.Fatalf("%+v", result)
	}
	l := <-got
	claims, key, err := verified(l.header.Get("Authorization"))
	if err != nil || claims.Aud != service.URL || key != r.keys[0].Public {
		t.Errorf("%+v, %v", claims, err)
	}
	for name, want := range map[string]string{
		"Content-Encoding": "aes128gcm", "Content-Type": "application/notification+json", "Ttl": "3600", "Urgency": "high", "Topic": webpush.Topic("x"),
	} {
		if l.header.Get(name) != want {
			t.Errorf("%s is %q", name, l.header.Get(name))
		}
	}
	if text, padding, err := p.Open(l.body); err != nil || string(text) != `{"a":1}` || padding != 512-7 || l.path != "/send/a" {
		t.Errorf("%q, %d, %v at %s", text, padding, err, l.path)
	}
	for id, want := range map[string]webpush.Result{
		"gone":  {Verdict: webpush.Gone, Status: 410},
		"busy":  {Verdict: webpush.Paused, Status: 429, After: 7 * time.Second},
		"wrong": {Verdict: webpush.Ours, Status: 400},
	} {
		result := r.send(t, r.phone(id, service.URL))
		if result.Verdict != want.Verdict || result.Status != want.Status || result.After != want.After {
			t.Errorf("%s: %+v", id, result)
		}
		if id == "wrong" && !strings.Contains(result.Detail, "InvalidTopic") {
			t.Errorf("the service's words are missing: %s", result.Detail)
		}
		<-got
	}
}
