package api

import (
	"context"
	"net/http"
	"time"

	"tocsin/internal/push"
	"tocsin/internal/web"
)

// PushKeyOut is a key that names this server to push services. Its private
// half is never told.
type PushKeyOut struct {
	ID            string     `json:"id"`
	PublicKey     string     `json:"public_key"`
	Created       time.Time  `json:"created"`
	Retired       *time.Time `json:"retired" doc:"Null: the one that new subscriptions are made with"`
	Environment   bool       `json:"environment" doc:"Given as VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY, not made here"`
	Subscriptions int        `json:"subscriptions" doc:"Devices that are still bound to it"`
}

// PushKeysOut are all keys.
type PushKeysOut struct {
	Items []PushKeyOut `json:"items" doc:"The current one first"`
}

// PushServiceOut is what one push service did, and how it stands.
type PushServiceOut struct {
	Origin      string     `json:"origin" example:"https://updates.push.services.mozilla.com"`
	State       string     `json:"state" enum:"open,paused,stopped" doc:"paused: it asked for a pause; stopped: it refuses our key"`
	Until       *time.Time `json:"until" doc:"When it is tried again"`
	Why         string     `json:"why"`
	Accepted    int64      `json:"accepted"`
	Gone        int64      `json:"gone" doc:"The device had unsubscribed"`
	Failed      int64      `json:"failed" doc:"Refused for good"`
	Retried     int64      `json:"retried" doc:"Asked to come again, or no answer"`
	Refused     int64      `json:"refused" doc:"401 and 403: our key"`
	LastSuccess *time.Time `json:"last_success"`
	LastFailure *time.Time `json:"last_failure"`
	LastError   string     `json:"last_error"`
}

// PushServicesOut are all push services that were met.
type PushServicesOut struct {
	Items []PushServiceOut `json:"items"`
}

func (a *API) pushKeyRoutes() {
	register(a, administer(), route("push", http.MethodGet, "/push/keys", "list-push-keys", "The keys that name this server to push services"),
		func(ctx context.Context, _ *struct{}) (*body[PushKeysOut], error) {
			keys, err := a.d.Store.PushKeys(ctx)
			if err != nil {
				return nil, err
			}
			return give(PushKeysOut{each(keys, pushKeyOut)}), nil
		})
	rotate := route("push", http.MethodPost, "/push/keys/rotate", "rotate-push-key", "Make a new key; devices move to it when their browsers come by")
	rotate.Description = "The old key goes on sending to the devices that are bound to it. 409 while VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY are given: change them there."
	rotate.DefaultStatus = http.StatusCreated
	rotate.Errors = []int{http.StatusConflict}
	register(a, administer(), rotate, func(ctx context.Context, _ *struct{}) (*body[PushKeyOut], error) {
		if current, err := a.currentKey(ctx); err == nil && current.Environment {
			return nil, problem(http.StatusConflict, "The key is given as VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY; give a new pair there (tocsin vapid generate) and start Tocsin again.")
		}
		k, err := push.GenerateKey(a.d.Now())
		if err != nil {
			return nil, err
		}
		if err := a.d.Store.SavePushKey(ctx, k); err != nil {
			return nil, err
		}
		a.d.Push.KeysChanged()
		return give(pushKeyOut(k)), nil
	})
	register(a, readConfig(), route("push", http.MethodGet, "/push/services", "list-push-services", "What became of messages at each push service"),
		func(ctx context.Context, _ *struct{}) (*body[PushServicesOut], error) {
			all, err := a.d.Push.Services(ctx)
			if err != nil {
				return nil, err
			}
			return give(PushServicesOut{each(all, func(s web.PushService) PushServiceOut {
				return PushServiceOut{
					Origin: s.Origin, State: s.State, Until: timeOut(s.Until), Why: s.Why, Accepted: s.Accepted, Gone: s.Gone, Failed: s.Failed,
					Retried: s.Retried, Refused: s.Refused, LastSuccess: timeOut(s.LastSuccess), LastFailure: timeOut(s.LastFailure), LastError: s.LastError,
				}
			})}), nil
		})
}

func pushKeyOut(k push.Key) PushKeyOut {
	return PushKeyOut{ID: k.ID, PublicKey: k.Public, Created: k.Created.UTC(), Retired: timeOut(k.Retired), Environment: k.Environment, Subscriptions: k.Subscriptions}
}
