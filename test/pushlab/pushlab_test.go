package pushlab_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tocsin/test/browser"
	"tocsin/test/browser/notifyd"
	"tocsin/test/pushlab"
	"tocsin/test/pushlab/autopush"
	"tocsin/test/pushlab/box"
	"tocsin/test/pushlab/device"
	"tocsin/test/pushlab/fakefcm"
)

var b64 = base64.RawURLEncoding

// server is an application server, as small as one can be: the tests here are
// about the push services, and should not depend on Tocsin's sender.
type server struct {
	*testing.T
	lab    *pushlab.Lab
	key    *ecdsa.PrivateKey
	public []byte
	client *http.Client
}

func newServer(t *testing.T) *server {
	t.Helper()
	lab, err := pushlab.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(lab.Proxy.Authority().PEM)
	proxy, err := url.Parse(lab.Proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{T: t, lab: lab, client: &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true},
	}}
	t.Cleanup(s.client.CloseIdleConnections)
	s.newKey()
	return s
}

func (s *server) newKey() {
	s.Helper()
	var err error
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		s.Fatal(err)
	}
	if s.public, err = s.key.PublicKey.Bytes(); err != nil {
		s.Fatal(err)
	}
}

// sign makes the Authorization header.
func (s *server) sign(audience, subject string, expires time.Time) string {
	s.Helper()
	claims, err := json.Marshal(map[string]any{"aud": audience, "exp": expires.Unix(), "sub": subject})
	if err != nil {
		s.Fatal(err)
	}
	token := b64.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + b64.EncodeToString(claims)
	sum := sha256.Sum256([]byte(token))
	r, q, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		s.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), q.FillBytes(make([]byte, 32))...)
	return "vapid t=" + token + "." + b64.EncodeToString(signature) + ", k=" + b64.EncodeToString(s.public)
}

// seal encrypts by RFC 8291.
func (s *server) seal(sub device.Subscription, text string) []byte {
	s.Helper()
	must := func(b []byte, err error) []byte {
		s.Helper()
		if err != nil {
			s.Fatal(err)
		}
		return b
	}
	theirs, err := ecdh.P256().NewPublicKey(must(b64.DecodeString(sub.Keys.P256dh)))
	if err != nil {
		s.Fatal(err)
	}
	ours, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	auth := must(b64.DecodeString(sub.Keys.Auth))
	info := "WebPush: info\x00" + string(theirs.Bytes()) + string(ours.PublicKey().Bytes())
	ikm := must(hkdf.Key(sha256.New, must(ours.ECDH(theirs)), auth, info, 32))
	block, err := aes.NewCipher(must(hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)))
	if err != nil {
		s.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		s.Fatal(err)
	}
	nonce := must(hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12))
	body := slices.Concat(salt, []byte{0, 0, 16, 0, 65}, ours.PublicKey().Bytes())
	return gcm.Seal(body, nonce, append([]byte(text), 2), nil)
}

// push sends text; headers replace what a good request has, an empty value
// removes one.
func (s *server) push(sub device.Subscription, text string, headers ...string) *http.Response {
	s.Helper()
	return s.post(sub.Endpoint, s.seal(sub, text), headers...)
}

func (s *server) post(endpoint string, body []byte, headers ...string) *http.Response {
	s.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		s.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	h := req.Header
	h.Set("TTL", "60")
	h.Set("Content-Encoding", "aes128gcm")
	h.Set("Authorization", s.sign("https://"+u.Host, "mailto:ops@example.org", time.Now().Add(12*time.Hour)))
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			h.Del(headers[i])
		} else {
			h.Set(headers[i], headers[i+1])
		}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		s.Fatal(err)
	}
	return resp
}

func (s *server) gets(want int, resp *http.Response) {
	s.Helper()
	if resp.StatusCode != want {
		s.Errorf("answered %s, want %d", resp.Status, want)
	}
}

// Both services answer application servers as the vendors do.
func TestAnswers(t *testing.T) {
	s := newServer(t)
	services := map[string]struct {
		box              *box.Box
		endpoint         func(string) string
		unknown, notOurs int
	}{
		"autopush": {s.lab.Mozilla.Box, autopush.Endpoint, 404, 401},
		"fcm":      {s.lab.Google.Box, fakefcm.Endpoint, 410, 403},
	}
	for name, service := range services {
		t.Run(name, func(t *testing.T) {
			s := &server{T: t, lab: s.lab, key: s.key, public: s.public, client: s.client}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			origin, _, _ := strings.Cut(strings.TrimPrefix(service.endpoint("x"), "https://"), "/")
			origin = "https://" + origin
			d, err := device.New(service.box, "abc", s.public)
			if err != nil {
				t.Fatal(err)
			}
			sub := d.Subscription(service.endpoint("abc"))

			resp := s.push(sub, "first")
			s.gets(201, resp)
			if resp.Proto != "HTTP/2.0" || resp.Header.Get("Location") == "" || resp.Header.Get("TTL") != "60" {
				t.Errorf("%s with %v", resp.Proto, resp.Header)
			}
			s.gets(201, s.push(sub, "old state", "Topic", "alert"))
			s.gets(201, s.push(sub, "new state", "Topic", "alert"))
			s.gets(201, s.push(sub, "now or never", "TTL", "0"))
			s.gets(201, s.push(sub, "for a minute", "TTL", "60"))
			s.gets(201, s.push(sub, "for an hour", "TTL", "3600"))
			service.box.Advance(2 * time.Minute) // "first" and "new state" have a minute, too
			s.gets(201, s.push(sub, "last"))
			d.Switch(true)
			read, err := d.Wait(ctx, 2)
			if err != nil || fmt.Sprintf("%s", read) != "[for an hour last]" {
				t.Errorf("read %s, %v", read, err)
			}
			if service.box.Replaced() != 1 || service.box.Expired() != 3 {
				t.Errorf("%d were replaced, %d expired", service.box.Replaced(), service.box.Expired())
			}
			s.gets(201, s.push(sub, "and now", "TTL", "0"))
			if _, err := d.Wait(ctx, 3); err != nil {
				t.Error(err)
			}

			s.gets(400, s.push(sub, "x", "TTL", ""))
			s.gets(400, s.push(sub, "x", "TTL", "-1"))
			s.gets(400, s.push(sub, "x", "Topic", strings.Repeat("x", 33)))
			s.gets(400, s.push(sub, "x", "Topic", "no spaces"))
			s.gets(400, s.push(sub, "x", "Urgency", "urgent"))
			s.gets(400, s.push(sub, "x", "Content-Encoding", "aesgcm"))
			s.gets(400, s.post(sub.Endpoint, bytes.Repeat([]byte("x"), 300)))
			longest := strings.Repeat("x", 4096-86-17)
			s.gets(201, s.push(sub, longest))
			s.gets(413, s.push(sub, longest+"x"))

			ours, in12h := "mailto:ops@example.org", time.Now().Add(12*time.Hour)
			for _, header := range []string{
				"-", "vapid", "vapid t=a.b.c, k=x", strings.Replace(s.sign(origin, ours, in12h), "t=e", "t=f", 1),
				s.sign("https://example.org", ours, in12h), s.sign(origin+"/", ours, in12h),
				s.sign(origin, ours, time.Now().Add(-time.Minute)), s.sign(origin, ours, time.Now().Add(25*time.Hour)),
				s.sign(origin, "", in12h), s.sign(origin, "ops@example.org", in12h), s.sign(origin, "mailto:ops@localhost", in12h),
			} {
				s.gets(service.notOurs, s.push(sub, "x", "Authorization", header))
			}
			other := &server{T: t, lab: s.lab, client: s.client}
			other.newKey()
			other.gets(service.notOurs, other.push(sub, "x"))

			if err := service.box.Fail("abc", box.Answer{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, box.Answer{Status: 503}); err != nil {
				t.Fatal(err)
			}
			resp = s.push(sub, "x")
			s.gets(429, resp)
			if resp.Header.Get("Retry-After") != "7" {
				t.Error(resp.Header)
			}
			s.gets(503, s.push(sub, "x"))
			s.gets(201, s.push(sub, "x"))

			s.gets(service.unknown, s.post(service.endpoint("nobody"), nil))
			s.gets(404, s.post(origin+"/elsewhere", nil))
			service.box.Drop("abc")
			s.gets(410, s.push(sub, "x"))
			got := service.box.Pushes("abc")
			if first := got[0]; first.Subject != ours || first.Key != b64.EncodeToString(s.public) || first.Proto != "HTTP/2.0" || first.Online {
				t.Errorf("noted %+v", first)
			}
		})
	}
	t.Run("other hosts are refused", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.org/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := s.client.Do(req); err == nil {
			resp.Body.Close()
			t.Errorf("answered %s", resp.Status)
		}
	})
}

const (
	page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><script>
async function subscribe(key) {
  await navigator.serviceWorker.register('/worker.js');
  const registration = await navigator.serviceWorker.ready;
  return (await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key })).toJSON();
}
async function unsubscribe() {
  const registration = await navigator.serviceWorker.ready;
  return (await registration.pushManager.getSubscription()).unsubscribe();
}
</script>`
	worker = `self.addEventListener('push', (e) => e.waitUntil(self.registration.showNotification(e.data.text(), { tag: e.data.text() })));`
)

// Real browsers subscribe, receive, receive what came while they were closed,
// and end their subscriptions.
func TestBrowsers(t *testing.T) {
	s := newServer(t)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/worker.js" {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, worker)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, page)
	}))
	defer site.Close()
	origin := strings.Replace(site.URL, "127.0.0.1", "localhost", 1)
	for name, start := range map[string]func(context.Context, browser.Options) (browser.Browser, error){"chromium": browser.Chromium, "firefox": browser.Firefox} {
		t.Run(name, func(t *testing.T) {
			s := &server{T: t, lab: s.lab, key: s.key, public: s.public, client: s.client}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			bus, err := notifyd.StartBus(ctx)
			must(err)
			defer bus.Close()
			dir := t.TempDir()
			open := func() browser.Browser {
				t.Helper()
				b, err := s.lab.Browser(ctx, start, browser.Options{Dir: dir, Env: bus.Env(), Granted: []string{origin}})
				must(err)
				return b
			}
			b := open()
			defer func() { b.Close() }()
			subscribe := func() (browser.Tab, device.Subscription) {
				t.Helper()
				tab, err := b.Open(ctx, origin+"/")
				must(err)
				var sub device.Subscription
				must(tab.Eval(ctx, "subscribe("+strconv.Quote(b64.EncodeToString(s.public))+")", &sub))
				return tab, sub
			}
			sees := func(text string) {
				t.Helper()
				_, err := bus.Wait(ctx, func(n notifyd.Notification) bool { return n.Summary == text })
				must(err)
			}
			tab, sub := subscribe()
			box, token, err := s.lab.Box(sub.Endpoint)
			must(err)
			t.Logf("endpoint %.40s…", sub.Endpoint)
			must(tab.Close(ctx)) // its worker alone is left
			at := time.Now()
			s.gets(201, s.push(sub, "with every tab closed"))
			sees("with every tab closed")
			t.Logf("on screen after %v", time.Since(at).Round(time.Millisecond))
			must(box.Until(ctx, func() bool { return len(box.Waiting(token)) == 0 }))

			b.Close()
			must(box.Until(ctx, func() bool { return !box.Online(token) }))
			s.gets(201, s.push(sub, "while it was closed", "Topic", "t"))
			s.gets(201, s.push(sub, "and another one", "Topic", "t"))
			at = time.Now()
			b = open()
			sees("and another one")
			t.Logf("on screen %v after its start began", time.Since(at).Round(time.Millisecond))
			if strings.Contains(bus.String(), "while it was closed") {
				t.Errorf("the replaced message came: %s", bus)
			}

			tab, again := subscribe()
			if again.Endpoint != sub.Endpoint {
				t.Errorf("a new subscription after the restart")
			}
			must(tab.Eval(ctx, "unsubscribe()", nil))
			must(box.Until(ctx, func() bool { return box.Gone(token) }))
			s.gets(410, s.push(sub, "x"))

			_, sub = subscribe()
			box, token, err = s.lab.Box(sub.Endpoint)
			must(err)
			must(b.Revoke(ctx, origin))
			must(box.Until(ctx, func() bool { return box.Gone(token) }))
		})
	}
}
