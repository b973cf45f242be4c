package api

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/source"
	"tocsin/internal/web"
)

// Push is what the API needs of Web Push besides the store.
type Push struct {
	// Keys are the server's keys, the current one first; read often.
	Keys func(ctx context.Context) ([]push.Key, error)
	// KeysChanged is called when a key was made here.
	KeysChanged func()
	// CheckToken says what a token of a notification allows; push.ErrToken and
	// push.ErrTokenExpired refuse one.
	CheckToken func(ctx context.Context, token string) (push.Action, error)
	// Reach says whether it is known how push services reach who runs this:
	// without, nothing is sent. nil: it is.
	Reach func(ctx context.Context) (bool, error)
	// Test sends a test to one device and answers what its push service said.
	Test func(ctx context.Context, s push.Subscription) (web.PushTest, error)
	// Services are the push services that were met, with what holds them up.
	Services func(ctx context.Context) ([]web.PushService, error)
}

// maxPushBody is the most that a call of a browser's worker may bring.
const maxPushBody = 8 << 10

// KeysIn are the keys of a subscription, in base64url.
type KeysIn struct {
	P256dh string `json:"p256dh" maxLength:"100" doc:"The device's public key: 65 bytes"`
	Auth   string `json:"auth" maxLength:"40" doc:"The device's secret: 16 bytes"`
}

// SubscriptionIn is a subscription as PushSubscription.toJSON() gives it.
type SubscriptionIn struct {
	Endpoint   string `json:"endpoint" maxLength:"2048" doc:"The address at the push service"`
	Expiration *int64 `json:"expirationTime,omitempty" nullable:"true" minimum:"0" maximum:"9007199254740991" doc:"Unix milliseconds; null for no end"`
	Keys       KeysIn `json:"keys"`
}

// Holder proves that somebody has a subscription.
type Holder struct {
	Endpoint string `json:"endpoint" maxLength:"2048" doc:"The address at the push service"`
	Auth     string `json:"auth" maxLength:"40" doc:"The subscription's secret, keys.auth"`
}

// DeviceIn is the browser of somebody who is signed in.
type DeviceIn struct {
	Subscription SubscriptionIn `json:"subscription"`
	KeyID        string         `json:"key_id" maxLength:"64" doc:"The key that it subscribed with, from GET /push/key"`
	Name         string         `json:"name,omitempty" maxLength:"100" doc:"For its owner" example:"Firefox on Linux"`
	Language     string         `json:"language,omitempty" maxLength:"35" pattern:"^[A-Za-z0-9-]*$" doc:"navigator.language" example:"de-AT"`
	Replaces     *Holder        `json:"replaces,omitempty" doc:"The subscription that this browser had before"`
}

// DeviceSaved is a device that was taken.
type DeviceSaved struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	KeyID   string    `json:"key_id" doc:"The current key; if it is another than yours, subscribe anew with it"`
	Created time.Time `json:"created"`
	Warning string    `json:"warning" doc:"Why nothing can be sent to it yet, and the mend, for people; empty: nothing is in the way"`
}

// DeviceOut is one of my devices.
type DeviceOut struct {
	ID          string     `json:"id"`
	Name        string     `json:"name" example:"Firefox on Linux"`
	Service     string     `json:"service" doc:"Its push service" example:"updates.push.services.mozilla.com"`
	Language    string     `json:"language"`
	Created     time.Time  `json:"created"`
	Seen        *time.Time `json:"seen" doc:"When its browser last came by"`
	Expires     *time.Time `json:"expires" doc:"As the browser said; mostly null"`
	LastSuccess *time.Time `json:"last_success" doc:"When its push service last accepted a message"`
	Failures    int        `json:"failures" doc:"In a row"`
	LastError   string     `json:"last_error" doc:"Of the last failure; empty after a success"`
	KeyCurrent  bool       `json:"key_current" doc:"Bound to the current key; else it moves when its browser comes by"`
}

// DevicesOut are my devices.
type DevicesOut struct {
	Items []DeviceOut `json:"items"`
}

// BrowserKeyOut is what a browser needs to subscribe.
type BrowserKeyOut struct {
	PublicKey string `json:"public_key" doc:"applicationServerKey: base64url, 65 bytes"`
	KeyID     string `json:"key_id" doc:"Send it with the subscription"`
	Enabled   bool   `json:"enabled" doc:"False: Web Push is switched off in the settings"`
}

// TestPushOut says what the push service said of a test.
type TestPushOut struct {
	Accepted bool   `json:"accepted" doc:"The push service took it; the notification should be there in a moment"`
	Status   int    `json:"status" doc:"What the push service answered; 0: nothing" example:"201"`
	Detail   string `json:"detail" doc:"Which step failed, and the mend"`
}

func (a *API) pushRoutes() {
	key := route("push", http.MethodGet, "/push/key", "get-push-key", "The key that browsers subscribe with")
	registerOpen(a, nil, key, func(ctx context.Context, _ *struct{}) (*body[BrowserKeyOut], error) {
		s, err := a.d.Store.Settings(ctx)
		if err != nil {
			return nil, err
		}
		current, err := a.currentKey(ctx)
		if err != nil {
			return nil, err
		}
		return give(BrowserKeyOut{PublicKey: current.Public, KeyID: current.ID, Enabled: s.WebPush}), nil
	})
	a.deviceRoutes()
	a.visitorRoutes()
	a.actRoutes()
	a.pushKeyRoutes()
	a.publicationRoutes()
}

func (a *API) deviceRoutes() {
	mine := access{scope: auth.ReadAlerts, sessionOnly: true}
	put := route("push", http.MethodPut, "/push/devices", "put-push-device", "Tell this browser of my alerts by Web Push, with no tab open")
	put.Description = "Sent again at each visit: a browser is one device, however often it comes. 409 when Web Push is switched off, or when you have too many devices."
	put.MaxBodyBytes = maxPushBody
	put.Errors = []int{http.StatusConflict}
	register(a, mine, put, a.putDevice)
	register(a, mine, route("push", http.MethodGet, "/push/devices", "list-push-devices", "My devices"),
		func(ctx context.Context, _ *struct{}) (*body[DevicesOut], error) {
			p, _ := auth.From(ctx)
			all, err := a.d.Store.Devices(ctx, p.UserID)
			if err != nil {
				return nil, err
			}
			current, err := a.currentKey(ctx)
			if err != nil {
				return nil, err
			}
			return give(DevicesOut{each(all, func(s push.Subscription) DeviceOut { return deviceOut(s, current.ID) })}), nil
		})
	del := route("push", http.MethodDelete, "/push/devices/{id}", "delete-push-device", "Forget one of my devices; administrators: anybody's")
	del.Errors = []int{http.StatusNotFound}
	register(a, mine, del, func(ctx context.Context, in *byID) (*struct{}, error) {
		s, err := a.device(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return nil, a.d.Store.DeleteSubscription(ctx, s.ID)
	})
	test := route("push", http.MethodPost, "/push/devices/{id}/test", "test-push-device", "Send a test to one device now")
	test.Description = "200 also when it was not accepted: `detail` says which step failed."
	test.Errors = []int{http.StatusNotFound}
	register(a, mine, test, func(ctx context.Context, in *byID) (*body[TestPushOut], error) {
		s, err := a.device(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		got, err := a.d.Push.Test(ctx, s)
		if err != nil {
			return nil, err
		}
		return give(TestPushOut(got)), nil
	})
}

func deviceOut(s push.Subscription, current string) DeviceOut {
	return DeviceOut{
		ID: s.ID, Name: s.Name, Service: serviceOf(s.Endpoint), Language: s.Language, Created: s.Created.UTC(),
		Seen: timeOut(s.Seen), Expires: timeOut(s.Expires), LastSuccess: timeOut(s.LastSuccess),
		Failures: s.Failures, LastError: s.LastError, KeyCurrent: s.KeyID == current,
	}
}

// serviceOf is the host of an endpoint. The rest of it is a secret: whoever
// has it may try to push there.
func serviceOf(endpoint string) string {
	rest := strings.TrimPrefix(endpoint, "https://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// device answers one that the request may touch; others are not there.
func (a *API) device(ctx context.Context, id string) (push.Subscription, error) {
	p, _ := auth.From(ctx)
	found, err := a.d.Store.DevicesByID(ctx, []string{id})
	if err != nil {
		return push.Subscription{}, err
	}
	s, ok := found[id]
	if !ok || s.Visitor() || (s.UserID != p.UserID && !p.May(auth.Administer)) {
		return push.Subscription{}, fmt.Errorf("device %w", fault.ErrNotFound)
	}
	return s, nil
}

func (a *API) putDevice(ctx context.Context, in *postIn[DeviceIn]) (*body[DeviceSaved], error) {
	p, _ := auth.From(ctx)
	s, err := in.Body.Subscription.read(in.Body.KeyID, in.Body.Language, a.d.Now())
	if err != nil {
		return nil, err
	}
	s.UserID = p.UserID
	if s.Name, _, _ = source.Line(strings.TrimSpace(in.Body.Name), push.MaxDeviceName); s.Name == "" {
		s.Name = "A browser"
	}
	current, err := a.acceptable(ctx, &s)
	if err != nil {
		return nil, err
	}
	replaces, err := in.Body.Replaces.subscription("replaces")
	if err != nil {
		return nil, err
	}
	_, err = a.held(ctx, &s)
	if errors.Is(err, errNotHolder) {
		return nil, fieldProblem("subscription.endpoint", "belongs to another device; unsubscribe in this browser, then subscribe anew", nil)
	}
	if err != nil {
		return nil, err
	}
	saved, _, err := a.d.Store.SaveSubscription(ctx, s, replaces)
	if errors.Is(err, fault.ErrTaken) {
		return nil, problem(http.StatusConflict, "You have as many devices as one may have; remove one under My devices, and switch this one on again.")
	}
	if err != nil {
		return nil, err
	}
	out := DeviceSaved{ID: saved.ID, Name: saved.Name, KeyID: current.ID, Created: saved.Created.UTC()}
	if a.d.Push.Reach != nil {
		switch reach, err := a.d.Push.Reach(ctx); {
		case err != nil:
			return nil, err
		case !reach:
			out.Warning = push.NoSubject
		}
	}
	return give(out), nil
}

// errNotHolder is for an endpoint that is known with another secret.
var errNotHolder = errors.New("the secret is not that of the subscription")

// held answers the row that s is known by, an empty one if it is new. Who has
// the endpoint alone may not change it.
func (a *API) held(ctx context.Context, s *push.Subscription) (push.Subscription, error) {
	old, err := a.d.Store.SubscriptionByEndpoint(ctx, s.Endpoint)
	if errors.Is(err, fault.ErrNotFound) {
		return push.Subscription{}, nil
	}
	if err != nil {
		return old, err
	}
	if subtle.ConstantTimeCompare(old.Auth, s.Auth) != 1 {
		return push.Subscription{}, errNotHolder
	}
	return old, nil
}

// acceptable says whether a device can be told at all: Web Push is on, its
// address is one of a push service, its key one of ours. It answers the current
// key.
func (a *API) acceptable(ctx context.Context, s *push.Subscription) (push.Key, error) {
	settings, err := a.d.Store.Settings(ctx)
	if err != nil {
		return push.Key{}, err
	}
	if !settings.WebPush {
		return push.Key{}, webPushIsOff()
	}
	err = s.Validate(settings.PushHosts)
	var fe *push.FieldError
	if errors.As(err, &fe) && (fe.Field == "endpoint" || strings.HasPrefix(fe.Field, "keys.")) {
		return push.Key{}, fieldProblem("subscription."+fe.Field, fe.Problem+"; "+fe.Mend, nil)
	}
	if err != nil {
		return push.Key{}, err
	}
	keys, err := a.d.Push.Keys(ctx)
	if err != nil {
		return push.Key{}, err
	}
	if !slices.ContainsFunc(keys, func(k push.Key) bool { return k.ID == s.KeyID }) {
		return push.Key{}, fieldProblem("key_id", "is none of this server's keys; fetch /api/v1/push/key and subscribe anew with it", nil)
	}
	return keys[0], nil
}

// read takes what a browser sent; acceptable checks the rest.
func (in SubscriptionIn) read(keyID, language string, now time.Time) (push.Subscription, error) {
	s := push.Subscription{ID: newID(), Endpoint: in.Endpoint, KeyID: keyID, Language: language, Created: now, Seen: now}
	var err error
	if s.P256dh, err = base64URL("subscription.keys.p256dh", in.Keys.P256dh); err != nil {
		return s, err
	}
	if s.Auth, err = base64URL("subscription.keys.auth", in.Keys.Auth); err != nil {
		return s, err
	}
	if in.Expiration != nil {
		s.Expires = time.UnixMilli(*in.Expiration)
		if !s.Expires.After(now) {
			return s, fieldProblem("subscription.expirationTime", "is past; subscribe anew", nil)
		}
		// Years from now is as good as no end, and every database takes it.
		if s.Expires.After(now.AddDate(20, 0, 0)) {
			s.Expires = time.Time{}
		}
	}
	return s, nil
}

// subscription is who h says it is, nil for nobody.
func (h *Holder) subscription(field string) (*push.Subscription, error) {
	if h == nil {
		return nil, nil
	}
	secret, err := base64URL(field+".auth", h.Auth)
	if err != nil {
		return nil, err
	}
	return &push.Subscription{Endpoint: h.Endpoint, Auth: secret}, nil
}

// base64URL reads base64url, with or without padding.
func base64URL(field, text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, fieldProblem(field, "is no base64url; send it as PushSubscription.toJSON() gives it", nil)
	}
	return b, nil
}

func webPushIsOff() *huma.ErrorModel {
	return problem(http.StatusConflict, "Web Push is switched off in the settings (webpush_enabled).")
}

func (a *API) currentKey(ctx context.Context) (push.Key, error) {
	keys, err := a.d.Push.Keys(ctx)
	if err != nil {
		return push.Key{}, err
	}
	if len(keys) == 0 {
		return push.Key{}, errors.New("no key for Web Push has been made")
	}
	return keys[0], nil
}
