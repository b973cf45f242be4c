package webhook_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/channel/webhook"
)

func own() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func TestAMessageIsSigned(t *testing.T) {
	secret := []byte("01234567890123456789012345678901")
	var header http.Header
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
	}))
	defer s.Close()
	p := webhook.New(webhook.Options{Private: own()})
	defer p.Close()
	r := p.Post(t.Context(), webhook.Request{URL: s.URL, ID: "m1", Secret: secret, Body: []byte(`{"a":1}`)})
	if r.Verdict != webhook.Sent || r.Status != 200 {
		t.Fatalf("result is %+v", r)
	}
	seconds, err := strconv.ParseInt(header.Get("Webhook-Timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)) > time.Minute {
		t.Fatalf("timestamp is %q", header.Get("Webhook-Timestamp"))
	}
	if want := webhook.Sign(secret, "m1", time.Unix(seconds, 0), body); header.Get("Webhook-Signature") != want || header.Get("Webhook-Id") != "m1" {
		t.Fatalf("headers are %v", header)
	}
}

// A message that is recorded and sent again later is refused by its time.
func TestTheTimeIsSigned(t *testing.T) {
	secret := []byte("\x31\xf2\x90") // any
	if a, b := webhook.Sign(secret, "m", time.Unix(1, 0), []byte("x")), webhook.Sign(secret, "m", time.Unix(2, 0), []byte("x")); a == b || !strings.HasPrefix(a, "v1,") {
		t.Fatal("the time is not signed")
	}
}

func TestAnswers(t *testing.T) {
	var elsewhere bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/busy":
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(http.StatusTooManyRequests)
		case "/away":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "/elsewhere":
			elsewhere = true
		case "/hang":
			<-r.Context().Done()
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		}
	}))
	defer s.Close()
	p := webhook.New(webhook.Options{Private: own(), Timeout: 300 * time.Millisecond})
	defer p.Close()
	for path, want := range map[string]webhook.Verdict{"/gone": webhook.Gone, "/busy": webhook.Later, "/away": webhook.Later, "/hang": webhook.Later, "/long": webhook.Sent} {
		r := p.Post(t.Context(), webhook.Request{URL: s.URL + path, ID: "m"})
		if r.Verdict != want || len(r.Body) > 4096 {
			t.Errorf("%s is %+v", path, r.Verdict)
		}
		if path == "/busy" && r.After != 30*time.Second {
			t.Errorf("it is to be left alone for %s", r.After)
		}
		if strings.Contains(r.Detail, "127.0.0.1") {
			t.Errorf("%q names the address", r.Detail)
		}
	}
	if elsewhere {
		t.Error("a redirect was followed")
	}
}

func TestASiteThatNeverAnswersHoldsUpNobody(t *testing.T) {
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if calls.Add(1); r.URL.Path != "/quick" {
			_, _ = io.Copy(io.Discard, r.Body) // else nobody hears that the other side is gone
			<-r.Context().Done()
		}
	}))
	defer s.Close()
	clock := time.Now()
	p := webhook.New(webhook.Options{Private: own(), Timeout: 30 * time.Millisecond, Now: func() time.Time { return clock }})
	defer p.Close()
	post := func(path string) webhook.Result {
		return p.Post(t.Context(), webhook.Request{URL: s.URL + path, ID: "m", Body: []byte("{}")})
	}
	for i := range 100 {
		if i%3 == 0 {
			post("/quick")
		} else if r := post("/hangs"); r.Verdict != webhook.Later {
			t.Fatalf("result is %+v", r)
		}
	}
	if n := calls.Load(); n > 10 {
		t.Fatalf("%d of 100 were waited for", n)
	}
	if r := post("/quick"); r.Verdict != webhook.Later || r.After <= 0 {
		t.Fatalf("result is %+v", r)
	}
	clock = clock.Add(2 * time.Minute)
	for range 8 {
		post("/quick") // it is tried again, and well
		clock = clock.Add(2 * time.Minute)
	}
	if r := post("/quick"); r.Verdict != webhook.Sent {
		t.Fatalf("result is %+v", r)
	}
}

func TestNothingPrivateIsCalled(t *testing.T) {
	called := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	port := u.Port()
	p := webhook.New(webhook.Options{Timeout: time.Second})
	defer p.Close()
	for _, to := range []string{s.URL, "https://127.0.0.1:" + port, "http://localhost:" + port, "https://[::1]:" + port, "https://2130706433:" + port, "https://0x7f.1:" + port,
		"https://169.254.169.254/latest", "https://10.0.0.1/", "http://example.org/", "ftp://example.org/", "file:///etc/passwd"} {
		if r := p.Post(t.Context(), webhook.Request{URL: to, ID: "m"}); r.Verdict != webhook.Later || r.Status != 0 {
			t.Errorf("%s is answered %+v", to, r)
		}
	}
	if called {
		t.Error("it was called")
	}
}
