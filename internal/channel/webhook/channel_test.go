package webhook_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/channel"
	"tocsin/internal/channel/webhook"
	"tocsin/internal/hook"
	"tocsin/test/await"
)

func TestWhatAnswersMean(t *testing.T) {
	type want struct {
		accepted, permanent bool
		after               time.Duration // least
		most                time.Duration
		says                []string
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   want
	}{
		"200": {nil, want{accepted: true, says: []string{"accepted by 127.0.0.1:", ", 200"}}},
		"204": {status(204, ""), want{accepted: true, says: []string{", 204"}}},
		"500": {status(500, "database\tis\x00 down\n\nat line 5"), want{after: 5 * time.Second, most: 5 * time.Second, says: []string{"answered 500: “database is down at line 5”"}}},
		"429": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(429)
		}, want{after: 30 * time.Second, most: 30 * time.Second, says: []string{"answered 429"}}},
		"429 for ever": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "999999999999")
			w.WriteHeader(429)
		}, want{after: time.Hour, most: time.Hour}},
		"429 for less than nothing": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "-5")
			w.WriteHeader(429)
		}, want{after: time.Second, most: time.Minute}},
		"503 until a date": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", time.Now().Add(2*time.Minute).UTC().Format(http.TimeFormat))
			w.WriteHeader(503)
		}, want{after: 110 * time.Second, most: 121 * time.Second}},
		"404":             {status(404, `{"error":"no such hook"}`), want{permanent: true, says: []string{"answered 404: “{\"error\":\"no such hook\"}”"}}},
		"410":             {status(410, "gone"), want{permanent: true, says: []string{"answered 410: “gone”"}}},
		"401 with a page": {status(401, "<!doctype html><title>Sign in</title>"), want{permanent: true, says: []string{"answered 401"}}},
		"408":             {status(408, ""), want{after: time.Second, most: time.Minute}},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
		}, want{after: 5 * time.Minute, most: 5 * time.Minute, says: []string{"leads elsewhere (301)"}}},
		"text that turns around": {status(400, "a\u202egpj.exe"), want{permanent: true, says: []string{"“agpj.exe”"}}},
	} {
		t.Run(name, func(t *testing.T) {
			server := newReceiver(t, c.answer)
			r := newRig(t, webhook.ChannelOptions{}, to("h", server.URL+"/in"))
			e := channel.As(r.SendAll(t.Context(), []channel.Message{about("d1", "h", "a")})[0])
			if e.Accepted != c.want.accepted || e.Permanent != c.want.permanent || e.After < c.want.after || e.After > c.want.most {
				t.Fatalf("got %+v", e)
			}
			isIn(t, e.Error(), c.want.says...)
			if n := len(server.got()); n != 1 {
				t.Errorf("it was posted %d times", n)
			}
			problem := ""
			if !c.want.accepted {
				problem = e.Error()
			}
			if got := r.shelf.noted(); !slices.Equal(got, []string{"h: " + problem}) {
				t.Errorf("noted %q", got)
			}
		})
	}
}

func TestNothingSecretIsRepeated(t *testing.T) {
	h := to("h", "")
	server := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(404)
		_, _ = io.WriteString(w, r.URL.String()+" "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+r.URL.Query().Get("key")+" "+h.Secret)
	})
	h.URL, h.Token, h.Secret = server.URL+"/hooks/T0PSECRET99?key=K3Y99", "t0k3n", "s1gn"
	r := newRig(t, webhook.ChannelOptions{}, h)
	text := r.SendAll(t.Context(), []channel.Message{about("d1", "h", "a")})[0].Error()
	for _, secret := range []string{"T0PSECRET99", "K3Y99", "t0k3n", "s1gn"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q shows %s", text, secret)
		}
	}
	if !strings.Contains(text, "404: “") {
		t.Errorf("%q says nothing", text)
	}
}

func TestWhatIsPosted(t *testing.T) {
	server := newReceiver(t, nil)
	key := []byte("01234567890123456789012345678901")
	signed, gotify, ntfy, slack := to("json", server.URL+"/in"), to("gotify", server.URL), to("ntfy", server.URL), to("slack", server.URL)
	signed.Secret = "whsec_" + base64.StdEncoding.EncodeToString(key)
	signed.Headers = map[string]string{"X-Team": "shop"}
	gotify.Form, gotify.Token = hook.Gotify, "AbCd"
	ntfy.Form, ntfy.Token, ntfy.Topic = hook.Ntfy, "tk_1", "ops"
	slack.Form = hook.Slack
	r := newRig(t, webhook.ChannelOptions{Agent: "Tocsin/1", Source: func(context.Context, string) string { return "Nagios" }}, signed, gotify, ntfy, slack)
	for _, id := range []string{"json", "gotify", "ntfy", "slack"} {
		if e := channel.As(r.SendAll(t.Context(), []channel.Message{about("d-"+id, id, "a")})[0]); !e.Accepted {
			t.Fatal(e)
		}
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	header := func(i int, name string) string { return server.headers[i].Get(name) }
	seconds, err := strconv.ParseInt(header(0, "Webhook-Timestamp"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []map[string]string{
		{"Webhook-Id": "d-json", "Webhook-Signature": webhook.Sign(key, "d-json", time.Unix(seconds, 0), server.bodies[0]), "X-Team": "shop", "User-Agent": "Tocsin/1", "Content-Type": "application/json", "Authorization": ""},
		{"X-Gotify-Key": "AbCd", "Authorization": "", "Webhook-Signature": ""},
		{"Authorization": "Bearer tk_1", "X-Gotify-Key": ""},
		{"Authorization": ""},
	} {
		for name, value := range want {
			if got := header(i, name); got != value {
				t.Errorf("request %d has %s: %q, not %q", i, name, got, value)
			}
		}
	}
	if d := decode(t, server.bodies[0]); d["type"] != "problem" || d["source"].(map[string]any)["name"] != "Nagios" || d["url"] != "https://tocsin.example.com/console/alerts/a1" {
		t.Errorf("posted %v", d)
	}
	if d := decode(t, server.bodies[2]); d["topic"] != "ops" || d["priority"] != 5.0 {
		t.Errorf("posted %v", d)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := newReceiver(t, nil)
	server := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	h := to("h", server.URL)
	h.Token = "t0k3n"
	r := newRig(t, webhook.ChannelOptions{}, h)
	r.SendAll(t.Context(), []channel.Message{about("d1", "h", "a")})
	if got := elsewhere.got(); len(got) != 0 {
		t.Errorf("posted %v", got)
	}
}

func TestWhoIsNotThere(t *testing.T) {
	server := newReceiver(t, nil)
	off := to("off", server.URL)
	off.Disabled = true
	slack := to("slack", server.URL)
	slack.Form = hook.Slack
	r := newRig(t, webhook.ChannelOptions{}, off, slack, to("json", server.URL))
	quiet := about("d3", "json", "a")
	quiet.Quiet = true
	errs := r.SendAll(t.Context(), []channel.Message{about("d1", "gone", "a"), about("d2", "off", "a"), quiet, digest("d4", "slack", true), digest("d5", "json", true), digest("d6", "slack", false)})
	for i, want := range []struct{ moot, accepted bool }{{moot: true}, {moot: true}, {accepted: true}, {accepted: true}, {accepted: true}, {accepted: true}} {
		if e := channel.As(errs[i]); e.Moot != want.moot || e.Accepted != want.accepted {
			t.Errorf("message %d: %+v", i, e)
		}
	}
	got := server.got()
	if slices.Sort(got); !slices.Equal(got, []string{"d5", "d6"}) {
		t.Errorf("posted %v", got)
	}
}

// Of one alert nothing overtakes: what comes later waits for what is tried again.
func TestOneAlertsMessagesStayInOrder(t *testing.T) {
	var taken []string
	var mu sync.Mutex
	fails := true
	server := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if id := q.Header.Get("Webhook-Id"); id == "d1" && fails {
			w.WriteHeader(500)
		} else {
			taken = append(taken, id)
		}
	})
	r := newRig(t, webhook.ChannelOptions{}, to("h", server.URL))
	one, two, other := about("d1", "h", "a"), about("d2", "h", "a"), about("d3", "h", "b")
	errs := r.SendAll(t.Context(), []channel.Message{one, two, other})
	if e := channel.As(errs[0]); e.Permanent || e.After <= 0 {
		t.Fatalf("the first: %+v", e)
	}
	if e := channel.As(errs[1]); e.Accepted || e.Permanent || e.After <= 0 {
		t.Fatalf("the second: %+v", e)
	}
	if e := channel.As(errs[2]); !e.Accepted {
		t.Fatalf("one about another alert: %+v", e)
	}
	mu.Lock()
	fails = false
	mu.Unlock()
	r.clock.move(channel.As(errs[0]).After)
	if e := channel.As(r.SendAll(t.Context(), []channel.Message{two})[0]); e.Accepted {
		t.Fatal("the second went first")
	}
	if e := channel.As(r.SendAll(t.Context(), []channel.Message{one})[0]); !e.Accepted {
		t.Fatalf("the first again: %+v", e)
	}
	if e := channel.As(r.SendAll(t.Context(), []channel.Message{two})[0]); !e.Accepted {
		t.Fatalf("the second then: %+v", e)
	}
	if !slices.Equal(taken, []string{"d3", "d1", "d2"}) {
		t.Errorf("taken %v", taken)
	}
	// One that never comes again holds up the next no longer than it was to.
	server.says(status(500, ""))
	first := r.SendAll(t.Context(), []channel.Message{about("d4", "h", "a")})
	server.says(nil)
	r.clock.move(channel.As(first[0]).After + 5*time.Second)
	if e := channel.As(r.SendAll(t.Context(), []channel.Message{about("d5", "h", "a")})[0]); !e.Accepted {
		t.Errorf("after one that was cancelled: %+v", e)
	}
}

func TestAPauseIsForAllOfAReceiver(t *testing.T) {
	server := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(429)
	})
	other := newReceiver(t, nil)
	r := newRig(t, webhook.ChannelOptions{}, to("h", server.URL), to("o", other.URL))
	r.SendAll(t.Context(), []channel.Message{about("d1", "h", "a")})
	var msgs []channel.Message
	for i := range 20 {
		msgs = append(msgs, about(fmt.Sprintf("e%d", i), "h", fmt.Sprintf("a%d", i)))
	}
	msgs = append(msgs, about("f", "o", "a"))
	errs := r.SendAll(t.Context(), msgs)
	for i, err := range errs[:20] {
		if e := channel.As(err); e.After <= 50*time.Second || e.Permanent {
			t.Errorf("message %d: %+v", i, e)
		}
	}
	if e := channel.As(errs[20]); !e.Accepted {
		t.Errorf("another receiver: %+v", e)
	}
	if n := len(server.got()); n != 1 {
		t.Errorf("it was called %d times", n)
	}
	// Who changes the address need not wait for the old one.
	r.shelf.mu.Lock()
	r.shelf.hooks[0].URL = other.URL + "/new"
	r.shelf.mu.Unlock()
	if e := channel.As(r.SendAll(t.Context(), []channel.Message{about("g", "h", "g")})[0]); !e.Accepted {
		t.Errorf("after the address was changed: %+v", e)
	}
}

// A receiver that hangs holds up nobody: others are sent to meanwhile, by the same
// call and by others.
func TestOneSlowReceiverHoldsUpNobody(t *testing.T) {
	hangs := make(chan struct{})
	var calls atomic.Int64
	slow := newReceiver(t, func(_ http.ResponseWriter, q *http.Request) {
		calls.Add(1)
		select {
		case <-hangs:
		case <-q.Context().Done():
		}
	})
	quick := newReceiver(t, nil)
	r := newRig(t, webhook.ChannelOptions{Poster: webhook.Options{Timeout: 10 * time.Second}}, to("slow", slow.URL), to("quick", quick.URL))
	var msgs []channel.Message
	for i := range 40 {
		msgs = append(msgs, about(fmt.Sprintf("s%d", i), "slow", fmt.Sprintf("a%d", i)), about(fmt.Sprintf("q%d", i), "quick", fmt.Sprintf("a%d", i)))
	}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	done := make(chan []error)
	go func() { done <- r.SendAll(ctx, msgs) }()
	if err := await.Until(ctx, nil, func() bool { return len(quick.got()) == 40 && calls.Load() == 4 }); err != nil {
		t.Fatalf("%d of 40 got through beside a receiver that hangs, which was called %d times: %v", len(quick.got()), calls.Load(), err)
	}
	if e := channel.As(r.SendAll(ctx, []channel.Message{about("q", "quick", "z")})[0]); !e.Accepted {
		t.Fatalf("another call: %+v", e)
	}
	select {
	case <-done:
		t.Fatal("the receiver did not hang")
	default:
	}
	if n := calls.Load(); n != 4 {
		t.Errorf("%d requests are at the receiver that hangs", n)
	}
	close(hangs)
	for i, err := range <-done {
		if e := channel.As(err); !e.Accepted && (e.Permanent || e.After <= 0 || i%2 == 1) {
			t.Errorf("message %d: %+v", i, e)
		}
	}
}

func TestWhoDoesNotAnswerIsLeftAlone(t *testing.T) {
	server := newReceiver(t, func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
	r := newRig(t, webhook.ChannelOptions{Poster: webhook.Options{Timeout: 50 * time.Millisecond}}, to("h", server.URL))
	for i := range 30 {
		e := channel.As(r.SendAll(t.Context(), []channel.Message{about(fmt.Sprintf("d%d", i), "h", fmt.Sprintf("a%d", i))})[0])
		if e.Permanent || e.After <= 0 || e.After > 2*time.Minute {
			t.Fatalf("message %d: %+v", i, e)
		}
		isIn(t, e.Error(), server.host(), "did not answer in time")
	}
	if n := len(server.got()); n != 1 {
		t.Errorf("it was called %d times", n)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			for range 1000 {
				if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
					return
				}
			}
		},
		"many headers": func(w http.ResponseWriter, _ *http.Request) {
			for i := range 200 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
			}
			w.WriteHeader(400)
		},
		"drips": func(w http.ResponseWriter, q *http.Request) {
			w.WriteHeader(500)
			for q.Context().Err() == nil {
				if _, err := io.WriteString(w, "x"); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				select {
				case <-q.Context().Done():
				case <-time.After(20 * time.Millisecond):
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := newReceiver(t, answer)
			r := newRig(t, webhook.ChannelOptions{Poster: webhook.Options{Timeout: 300 * time.Millisecond}}, to("h", server.URL))
			begin := time.Now()
			err := r.SendAll(t.Context(), []channel.Message{about("d1", "h", "a")})[0]
			if e := channel.As(err); e.Accepted || len(e.Error()) > 500 {
				t.Errorf("%d bytes: %.100q", len(e.Error()), e.Error())
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestTheProxyIsForThoseWhoAsk(t *testing.T) {
	var asked []string
	var mu sync.Mutex
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, q.Method+" "+q.URL.String())
	}))
	defer proxy.Close()
	via, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	server := newReceiver(t, nil)
	by, direct, named, outside := to("by", server.URL+"/by"), to("direct", server.URL+"/direct"), to("named", "http://hooks.lan/in"), to("outside", "https://hooks.example.org/in")
	by.UseProxy, named.UseProxy, outside.UseProxy, outside.Private = true, true, true, false
	r := newRig(t, webhook.ChannelOptions{Proxy: func() *url.URL { return via }}, by, direct, named, outside)
	for id, accepted := range map[string]bool{"by": true, "direct": true, "named": false, "outside": false} {
		if e := channel.As(r.SendAll(t.Context(), []channel.Message{about("d-"+id, id, "a")})[0]); e.Accepted != accepted {
			t.Errorf("%s: %+v", id, e)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if slices.Sort(asked); !slices.Equal(asked, []string{"CONNECT //hooks.example.org:443", "POST " + server.URL + "/by"}) {
		t.Errorf("the proxy was asked for %v", asked)
	}
	if got := server.got(); !slices.Equal(got, []string{"d-direct"}) {
		t.Errorf("reached %v", got)
	}
}

func TestNotesAreFew(t *testing.T) {
	server := newReceiver(t, nil)
	r := newRig(t, webhook.ChannelOptions{}, to("h", server.URL))
	send := func(id string) { r.SendAll(t.Context(), []channel.Message{about(id, "h", id)}) }
	for i := range 10 {
		send(fmt.Sprintf("d%d", i))
	}
	server.says(status(400, "no"))
	send("e1")
	send("e2")
	server.says(nil)
	send("f")
	r.clock.move(2 * time.Minute)
	send("g")
	bad := "h: " + server.host() + " answered 400: “no”"
	if got := r.shelf.noted(); !slices.Equal(got, []string{"h: ", bad, "h: ", "h: "}) {
		t.Errorf("noted %q", got)
	}
	if got := r.Stats(); got["sent"] != 12 || got["refused"] != 2 || got["again"] != 0 {
		t.Errorf("counted %v", got)
	}
}

func TestATestMessage(t *testing.T) {
	server := newReceiver(t, nil)
	h := to("", server.URL)
	h.Name = "Ops"
	r := newRig(t, webhook.ChannelOptions{}, h)
	detail, err := r.Test(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	isIn(t, detail, "accepted by", "200")
	if d := decode(t, server.bodies[0]); d["type"] != "test" {
		t.Errorf("posted %v", d)
	}
	server.says(status(403, "bad token"))
	if _, err := r.Test(t.Context(), h); err == nil || !strings.Contains(err.Error(), "403: “bad token”") {
		t.Errorf("got %v", err)
	}
	h.URL = "ftp://example.org"
	if _, err := r.Test(t.Context(), h); err == nil {
		t.Error("an address that is none was taken")
	}
	if got := r.shelf.noted(); len(got) != 0 {
		t.Errorf("noted %q of one that is not stored", got)
	}
}

func TestAStoreThatIsAwayLosesNothing(t *testing.T) {
	r := newRig(t, webhook.ChannelOptions{})
	r.shelf.err = errors.New("away")
	if e := channel.As(r.SendAll(t.Context(), []channel.Message{about("d1", "h", "a")})[0]); e.Permanent || e.Accepted {
		t.Errorf("got %+v", e)
	}
}
