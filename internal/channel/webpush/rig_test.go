package webpush_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/channel/webpush"
	"tocsin/internal/channel/webpush/seal"
	"tocsin/internal/channel/webpush/seal/sealtest"
	"tocsin/internal/channel/webpush/wire"
	"tocsin/internal/config"
	"tocsin/internal/push"
)

var _ webpush.Client = (*wire.Client)(nil)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const base = "https://tocsin.example.org"

// letter is a request as the push service got it.
type letter struct {
	Origin, Path, Authorization, Urgency, Topic string
	TTL                                         int
	Body                                        []byte
}

// office is the wire with push services behind it, which answer as they are
// told to.
type office struct {
	mu     sync.Mutex
	got    []letter
	warmed []string
	answer func(l letter) wire.Response // nil: 201
	refuse error                        // of Send
	held   chan *wire.Request           // not nil: answers wait in it
}

func (o *office) Send(ctx context.Context, r *wire.Request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refuse != nil {
		return o.refuse
	}
	l := letter{r.Origin, r.Path, r.Authorization, r.Urgency, r.Topic, r.TTL, bytes.Clone(r.Body)}
	o.got = append(o.got, l)
	if o.held != nil {
		o.held <- r
		return nil
	}
	answer := wire.Response{Status: 201, Proto: "h2"}
	if o.answer != nil {
		answer = o.answer(l)
	}
	go r.Done(r, answer)
	return nil
}

func (o *office) Warm(_ context.Context, origin string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.warmed = append(o.warmed, origin)
	return nil
}

// answers makes the services answer with a status.
func (o *office) answers(status int) { o.answersWith(wire.Response{Status: status}) }

func (o *office) answersWith(a wire.Response) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = func(letter) wire.Response { return a }
}

// take answers what came since the last time.
func (o *office) take() []letter {
	o.mu.Lock()
	defer o.mu.Unlock()
	got := o.got
	o.got = nil
	return got
}

// phone is a device and the subscription that we have of it.
type phone struct {
	*sealtest.Device
	sub push.Subscription
}

// open decrypts what came to it.
func (p *phone) open(t testing.TB, l letter) map[string]any {
	t.Helper()
	text, _, err := p.Open(l.Body)
	if err != nil {
		t.Fatalf("open what came to %s: %v", l.Path, err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return out
}

type rig struct {
	office   *office
	sender   *webpush.Sender
	keys     []push.Key
	settings config.Settings
	now      time.Time
	broken   error
	mu       sync.Mutex
}

func newRig(t testing.TB, ready webpush.Ready) *rig {
	t.Helper()
	r := &rig{office: &office{}, settings: config.Defaults(), now: noon}
	r.settings.PushSubject = "mailto:ops@example.org"
	for range 2 {
		k, err := push.GenerateKey(noon)
		if err != nil {
			t.Fatal(err)
		}
		r.keys = append(r.keys, k)
	}
	r.keys[1].Retired = noon
	r.sender = webpush.NewSender(webpush.SenderOptions{
		Client: r.office, Ready: ready, BaseURL: base,
		Keys: func(context.Context) ([]push.Key, error) { return r.keys, nil },
		Settings: func(context.Context) (config.Settings, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.settings, r.broken
		},
		Now: func() time.Time {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.now
		},
	})
	return r
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) phone(id, origin string) *phone {
	d := sealtest.NewDevice()
	return &phone{d, push.Subscription{
		ID: id, Endpoint: origin + "/send/" + id, P256dh: d.P256dh(), Auth: d.Auth, KeyID: r.keys[0].ID, UserID: "u1", Name: "Firefox on Linux",
	}}
}

const (
	fcm     = "https://fcm.googleapis.com"
	mozilla = "https://updates.push.services.mozilla.com"
)

func item(p *phone, text string) webpush.Item {
	return webpush.Item{Sub: &p.sub, Payload: []byte(text), Pad: 512, TTL: time.Hour, Urgency: push.High, Topic: webpush.Topic("x")}
}

// send sends one message and answers what became of it.
func (r *rig) send(t testing.TB, p *phone) webpush.Result {
	t.Helper()
	return r.all(t.Context(), t, item(p, `{"a":1}`))[0]
}

// all sends items and checks that each gets exactly one result.
func (r *rig) all(ctx context.Context, t testing.TB, items ...webpush.Item) []webpush.Result {
	t.Helper()
	out, count := make([]webpush.Result, len(items)), make([]int, len(items))
	var mu sync.Mutex
	r.sender.SendAll(ctx, items, func(i int, result webpush.Result) {
		mu.Lock()
		defer mu.Unlock()
		out[i] = result
		count[i]++
	})
	mu.Lock()
	defer mu.Unlock()
	if i := slices.IndexFunc(count, func(n int) bool { return n != 1 }); i >= 0 {
		t.Fatalf("item %d got %d results", i, count[i])
	}
	return slices.Clone(out)
}

// verified checks an Authorization header as a push service does, and answers
// its claims and its key.
func verified(header string) (claims struct {
	Aud, Sub string
	Exp      int64
}, key string, err error) {
	rest, ok := strings.CutPrefix(header, "vapid t=")
	token, key, ok2 := strings.Cut(rest, ", k=")
	parts := strings.Split(token, ".")
	if !ok || !ok2 || len(parts) != 3 {
		return claims, "", fmt.Errorf("%q is not of the form", header)
	}
	var raw [3][]byte
	for i := range parts {
		if raw[i], err = base64.RawURLEncoding.DecodeString(parts[i]); err != nil {
			return claims, "", err
		}
	}
	point, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil || len(point) != 65 || len(raw[2]) != 64 {
		return claims, "", errors.New("the key or the signature has another length")
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return claims, "", err
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(raw[2][:32]), new(big.Int).SetBytes(raw[2][32:])) {
		return claims, "", errors.New("the signature is not of this key")
	}
	var head struct{ Typ, Alg string }
	if err := json.Unmarshal(raw[0], &head); err != nil || head.Typ != "JWT" || head.Alg != "ES256" {
		return claims, "", fmt.Errorf("the header is %s", raw[0])
	}
	return claims, key, json.Unmarshal(raw[1], &claims)
}

func settingsOf(r *rig) func(context.Context) (config.Settings, error) {
	return func(context.Context) (config.Settings, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.settings, r.broken
	}
}

// reuse gives out the same again and again: for measurements only, as a key
// must never seal two messages.
type reuse map[string]seal.Prepared

func (r reuse) prepare(t testing.TB, p *phone) {
	made, err := seal.Prepare(p.P256dh(), p.Auth)
	if err != nil {
		t.Fatal(err)
	}
	r[p.sub.ID] = made
}

func (r reuse) Take(s *push.Subscription) (seal.Prepared, bool) { p, ok := r[s.ID]; return p, ok }

// mainPage is what nearly every visitor wants.
func mainPage() []push.Follow {
	return []push.Follow{{PageID: "main", Wants: []push.Want{{}}}}
}
