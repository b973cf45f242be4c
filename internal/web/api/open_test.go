package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/web/api"
)

// nothing is a store that knows no subscription, and takes each.
type nothing struct {
	api.Store
	wrong *[]string // what was stored and should not have been
}

func (nothing) Settings(context.Context) (config.Settings, error) { return config.Defaults(), nil }

func (nothing) SubscriptionByEndpoint(context.Context, string) (push.Subscription, error) {
	return push.Subscription{}, fault.ErrNotFound
}

// SaveSubscription holds what comes through to what may be stored.
func (n nothing) SaveSubscription(_ context.Context, s push.Subscription, _ *push.Subscription) (push.Subscription, bool, error) {
	if err := s.Validate(nil); err != nil || !s.Visitor() || s.Name != "" || !s.Seen.Equal(s.Seen.Truncate(24*time.Hour)) {
		*n.wrong = append(*n.wrong, fmt.Sprintf("%+v: %v", s, err))
	}
	return s, true, nil
}

func (n nothing) ShownDelivery(_ context.Context, id, _, detail string) error {
	if strings.ContainsRune(id+detail, 0) {
		*n.wrong = append(*n.wrong, fmt.Sprintf("%q, %q", id, detail))
	}
	return nil
}

// openAPI is the API over such a store. Its clock goes on a minute with each
// look, so that nobody is limited, unless clock is given.
func openAPI(t testing.TB, wrong *[]string, clock func() time.Time) (*api.API, push.Key) {
	t.Helper()
	who, err := auth.NewService(nil, auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := push.GenerateKey(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if clock == nil {
		now := time.Now()
		clock = func() time.Time { now = now.Add(time.Minute); return now }
	}
	return api.New(api.Deps{Store: nothing{wrong: wrong}, Auth: who, Now: clock, Push: api.Push{
		Keys:       func(context.Context) ([]push.Key, error) { return []push.Key{key}, nil },
		CheckToken: func(context.Context, string) (push.Action, error) { return push.Action{}, push.ErrToken },
	}}), key
}

func send(a http.Handler, remote, route, body string) *httptest.ResponseRecorder {
	method, path, _ := strings.Cut(route, " ")
	r := httptest.NewRequest(method, api.Prefix+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = remote
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// FuzzOpenRoutes sends anything to the routes that ask for nobody: they answer
// with success or a problem document, never with a fault of ours.
func FuzzOpenRoutes(f *testing.F) {
	routes := []string{"PUT /push/subscription", "POST /push/subscription/lookup", "POST /push/subscription/delete", "POST /push/change", "POST /push/act", "POST /push/receipts"}
	const sub = `{"endpoint":"https://fcm.googleapis.com/x","expirationTime":null,"keys":{"p256dh":"BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}`
	f.Add(uint8(0), `{"subscription":`+sub+`,"key_id":"KEY","page":"main","components":["a"],"kinds":["maintenance"],"min_impact":"minor","language":"de"}`)
	f.Add(uint8(0), `{"subscription":{"endpoint":"https://fcm.googleapis.com@10.0.0.1/","expirationTime":1e400,"keys":{}},"key_id":"KEY"}`)
	f.Add(uint8(1), `{"endpoint":"https://fcm.googleapis.com/x","auth":"BTBZMqHH6r4Tts7J_aSIgg"}`)
	f.Add(uint8(3), `{"old":{"endpoint":"x","auth":"AA"},"subscription":`+sub+`,"key_id":"KEY"}`)
	f.Add(uint8(4), `{"token":"x","action":"snooze","minutes":30,"delivery_id":"\u0000"}`)
	f.Add(uint8(5), `{"receipts":[{"delivery_id":"\u0000","result":"shown","detail":"\u202e\ud800"}]}`)
	f.Add(uint8(5), `[[[[`)
	var wrong []string
	a, key := openAPI(f, &wrong, nil)
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		wrong = nil
		w := send(a, "192.0.2.1:1", routes[int(which)%len(routes)], strings.ReplaceAll(body, "KEY", key.ID))
		if w.Code >= 500 || w.Code == http.StatusTooManyRequests {
			t.Fatalf("answer %d %s", w.Code, w.Body)
		}
		if len(wrong) > 0 {
			t.Fatalf("stored %q", wrong)
		}
		if w.Code >= 400 {
			var p struct{ Detail string }
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Detail == "" || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Fatalf("answer %d %s is no problem document: %v", w.Code, w.Body, err)
			}
		}
	})
}

func TestOpenRoutesAreLimited(t *testing.T) {
	const route, body = "POST /push/act", `{"token":"x","action":"snooze"}`
	now := time.Now()
	a, _ := openAPI(t, nil, func() time.Time { return now })
	spend := func(remote string) (n int) {
		for n < 10_000 && send(a, remote, route, body).Code != http.StatusTooManyRequests {
			n++
		}
		return n
	}
	t.Run("an address has a burst, and then what comes back with time", func(t *testing.T) {
		if n := spend("192.0.2.1:1"); n != 30 {
			t.Errorf("%d in a burst", n)
		}
		refused := send(a, "192.0.2.1:2", route, body)
		if refused.Code != http.StatusTooManyRequests || refused.Header().Get("Retry-After") != "2" {
			t.Errorf("another port of it: %d, Retry-After %q", refused.Code, refused.Header().Get("Retry-After"))
		}
		now = now.Add(10 * time.Second)
		if n := spend("192.0.2.1:1"); n != 5 {
			t.Errorf("%d after ten seconds", n)
		}
	})
	t.Run("the addresses of one household are one, those of others are not", func(t *testing.T) {
		now = now.Add(time.Hour)
		if n := spend("[2001:db8:0:1::1]:1"); n != 30 {
			t.Errorf("%d in a burst", n)
		}
		if n := spend("[2001:db8:0:1:ffff::2]:1"); n != 0 {
			t.Errorf("%d for a neighbour within", n)
		}
		if n := spend("[2001:db8:0:2::1]:1"); n != 30 {
			t.Errorf("%d for the next household", n)
		}
		if n := spend("[::ffff:192.0.2.9]:1"); n != 30 || spend("192.0.2.9:1") != 0 {
			t.Errorf("%d for IPv4 within IPv6", n)
		}
	})
	t.Run("all addresses together are bounded, and come back too", func(t *testing.T) {
		now = now.Add(time.Hour)
		n := 0
		for i := range 40 {
			n += spend(fmt.Sprintf("198.51.100.%d:1", i))
		}
		if n != 500 {
			t.Errorf("%d from all", n)
		}
		now = now.Add(time.Second)
		if n := spend("203.0.113.1:1"); n != 30 {
			t.Errorf("%d from somebody new a second later", n)
		}
	})
	t.Run("many addresses do not fill the memory, nor forget who has just come", func(t *testing.T) {
		now = now.Add(time.Hour)
		spend("192.0.2.77:1")
		for i := range 12_000 {
			now = now.Add(20 * time.Millisecond / 1000)
			send(a, fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), route, body)
		}
		if n := spend("192.0.2.77:1"); n != 0 {
			t.Errorf("%d more", n)
		}
	})
}

// somebody is a store that knows one subscription, under another secret than
// anybody has.
type somebody struct {
	nothing
	endpoint string
}

func (s somebody) SubscriptionByEndpoint(_ context.Context, endpoint string) (push.Subscription, error) {
	if endpoint != s.endpoint {
		return push.Subscription{}, fault.ErrNotFound
	}
	return push.Subscription{ID: "one", Endpoint: endpoint, Auth: []byte("another's secret"), Pages: []push.Follow{{PageID: "main", Wants: []push.Want{{}}}}}, nil
}

func TestLimitOfNewcomersDoesNotTellWhoIsKnown(t *testing.T) {
	who, err := auth.NewService(nil, auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := push.GenerateKey(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	now := time.Now()
	a := api.New(api.Deps{
		Store: somebody{nothing{wrong: &wrong}, "https://fcm.googleapis.com/known"}, Auth: who, Now: func() time.Time { return now },
		Push: api.Push{Keys: func(context.Context) ([]push.Key, error) { return []push.Key{key}, nil }},
	})
	put := func(endpoint string) int {
		return send(a, "192.0.2.1:1", "PUT /push/subscription", `{"subscription":{"endpoint":"https://fcm.googleapis.com/`+endpoint+
			`","keys":{"p256dh":"BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8","auth":"BTBZMqHH6r4Tts7J_aSIgg"}},"key_id":"`+
			key.ID+`"}`).Code
	}
	for range 15 {
		if known, unknown := put("known"), put("unknown"); known != http.StatusOK || unknown != known {
			t.Fatalf("answers %d and %d", known, unknown)
		}
	}
	if known, unknown := put("known"), put("unknown"); known != http.StatusTooManyRequests || unknown != known {
		t.Errorf("past the limit: %d for an address that is known, %d for one that is not", known, unknown)
	}
}
