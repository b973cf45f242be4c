package console_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/config"
	"tocsin/internal/push"
)

// device makes a browser of a user take Web Push.
func (h *hub) device(user, name, keyID string) push.Subscription {
	h.t.Helper()
	u, err := h.db.UserByName(h.t.Context(), user)
	if err != nil {
		h.t.Fatal(err)
	}
	k, err := push.GenerateKey(time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	p256dh, err := base64.RawURLEncoding.DecodeString(k.Public)
	if err != nil {
		h.t.Fatal(err)
	}
	s, _, err := h.db.SaveSubscription(h.t.Context(), push.Subscription{
		ID: "0197aa00-0000-7000-8000-" + k.ID[:12], Endpoint: "https://updates.push.services.mozilla.com/wpush/v2/secret-" + k.ID,
		P256dh: p256dh, Auth: []byte("0123456789abcdef"), KeyID: keyID, UserID: u.ID, Name: name, Created: time.Now(), Seen: time.Now(),
	}, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *hub) key() push.Key {
	h.t.Helper()
	k, err := push.GenerateKey(time.Now())
	if err == nil {
		err = h.db.SavePushKey(h.t.Context(), k)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return k
}

func TestSettingsOfNotifications(t *testing.T) {
	const path = "/console/settings/notifications"
	h := newHub(t)
	admin := h.as("admin")
	typed := func(changes ...string) url.Values {
		d := config.Defaults()
		in := url.Values{"webpush_enabled": {"on"}, "push_ttl_minutes": {"60"}, "push_ready_max": {"0"}}
		for k := range d.AutoClose {
			in.Set("auto_close_"+k, "7")
			in.Set("push_urgency_"+k, "low")
		}
		for i := 0; i+1 < len(changes); i += 2 {
			in.Set(changes[i], changes[i+1])
		}
		return in
	}
	t.Run("what is wrong stands at its field, and nothing is lost of what was typed", func(t *testing.T) {
		for _, c := range []struct{ name, value, want string }{
			{"push_subject", "ops@example.org", `id="f-push_subject-problem"`},
			{"push_subject", "mailto:ops@localhost", `id="f-push_subject-problem"`},
			{"push_hosts", "https://push.example.org/", `id="f-push_hosts-problem"`},
			{"push_proxy", "http://user:secret@proxy:3128", `id="f-push_proxy-problem"`},
			{"push_ttl_minutes", "soon", `id="f-push_ttl_minutes-problem"`},
			{"push_ttl_minutes", "40321", `id="f-push_ttl_minutes-problem"`},
			{"auto_close_critical", "-1", `id="f-auto_close_critical-problem"`},
			{"push_urgency_flapping", "shouting", `id="f-push_urgency_flapping-problem"`},
		} {
			res, body := admin.post(path, typed(c.name, c.value))
			if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
				t.Errorf("%s=%q: %d, and the page lacks %s", c.name, c.value, res.StatusCode, c.want)
			}
			if !strings.Contains(body, `name="push_ready_max" id="f-push_ready_max" value="0"`) {
				t.Errorf("%s=%q: the other fields are not as typed", c.name, c.value)
			}
		}
	})
	t.Run("they are kept, and the other settings stay", func(t *testing.T) {
		in := typed("push_subject", "mailto:ops@example.org", "push_hosts", "push.example.org\nother.example.org:8443", "auto_close_down", "0", "push_urgency_down", "high")
		in.Del("webpush_enabled")
		if res, body := admin.post(path, in); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		s, err := h.db.Settings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.WebPush || s.PushSubject != "mailto:ops@example.org" || len(s.PushHosts) != 2 || s.PushTTL != 60 || s.PushReady != 0 ||
			s.AutoClose["down"] != 0 || s.AutoClose["custom"] != 7 || s.PushUrgency["down"] != "high" || s.PushUrgency["custom"] != "low" {
			t.Errorf("%+v", s)
		}
		if d := config.Defaults(); s.RetentionDays != d.RetentionDays || s.BrowserTTL != d.BrowserTTL {
			t.Errorf("general settings changed: %+v", s)
		}
		if _, body := admin.get(path); !strings.Contains(body, "Web Push is off") {
			t.Error("the page does not say that it is off")
		}
		general := admin.filled("/console/settings", "/console/settings")
		general.Set("retention_days", "30")
		if res, _ := admin.post("/console/settings", general); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("general settings: %d", res.StatusCode)
		}
		if s, err := h.db.Settings(t.Context()); err != nil || s.PushSubject != "mailto:ops@example.org" || s.AutoClose["custom"] != 7 || s.RetentionDays != 30 {
			t.Errorf("they are gone after the general ones were saved: %+v %v", s, err)
		}
	})
}

func TestKeysOfWebPush(t *testing.T) {
	const path = "/console/settings/notifications"
	h := newHub(t)
	admin := h.as("admin")
	old := h.key()
	phone := h.device("admin", "Chrome on Android", old.ID)
	t.Run("a new one is made after it was said what it means", func(t *testing.T) {
		if _, body := admin.get(path + "/rotate"); !strings.Contains(body, "1 device that is bound to it") {
			t.Error("the question does not say how many devices are bound")
		}
		if res, _ := admin.post(path+"/rotate", nil); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d", res.StatusCode)
		}
		keys, err := h.db.PushKeys(t.Context())
		if err != nil || len(keys) != 2 || keys[0].ID == old.ID || keys[1].Retired.IsZero() {
			t.Fatalf("%+v %v", keys, err)
		}
		_, body := admin.get(path)
		for _, want := range []string{keys[0].Public, old.ID, "sends until they have moved"} {
			if !strings.Contains(body, want) {
				t.Errorf("page lacks %q", want)
			}
		}
		if strings.Contains(body, old.Private) || strings.Contains(body, keys[0].Private) {
			t.Error("a private key is shown")
		}
	})
	t.Run("the old one goes when no device is bound to it", func(t *testing.T) {
		if _, body := admin.get(path + "/keys/" + old.ID + "/delete"); !strings.Contains(body, "still bound to it") {
			t.Error("the page offers to delete a key that is in use")
		}
		admin.post(path+"/keys/"+old.ID+"/delete", nil)
		if keys, _ := h.db.PushKeys(t.Context()); len(keys) != 2 {
			t.Fatalf("%d keys after a refusal", len(keys))
		}
		if err := h.db.DeleteSubscription(t.Context(), phone.ID); err != nil {
			t.Fatal(err)
		}
		admin.post(path+"/keys/"+old.ID+"/delete", nil)
		if keys, _ := h.db.PushKeys(t.Context()); len(keys) != 1 || keys[0].ID == old.ID {
			t.Errorf("%+v", keys)
		}
	})
	t.Run("one that is given by the environment is changed there", func(t *testing.T) {
		k, err := push.GenerateKey(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		k.Environment = true
		if err := h.db.SavePushKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		admin.post(path+"/rotate", nil)
		if keys, _ := h.db.PushKeys(t.Context()); keys[0].ID != k.ID {
			t.Error("it was replaced")
		}
		if _, body := admin.get(path + "/rotate"); !strings.Contains(body, "VAPID_PUBLIC_KEY") {
			t.Error("the page does not say where")
		}
	})
}

func TestDevices(t *testing.T) {
	h := newHub(t)
	key := h.key()
	phone, laptop := h.device("operator", "Chrome on Android", key.ID), h.device("admin", "Firefox on Linux", key.ID)
	operator, admin, viewer := h.as("operator"), h.as("admin"), h.as("viewer")
	if err := h.db.NotePush(t.Context(), []push.Note{{SubscriptionID: phone.ID, At: time.Now(), Error: "it answered 503"}}); err != nil {
		t.Fatal(err)
	}
	t.Run("everybody sees their own, administrators all, nobody an address", func(t *testing.T) {
		_, mine := operator.get("/console/me")
		if !strings.Contains(mine, phone.Name) || strings.Contains(mine, laptop.Name) || !strings.Contains(mine, "it answered 503") {
			t.Error("my devices are not mine alone, or the failure is not said")
		}
		_, all := admin.get("/console/settings/notifications")
		if !strings.Contains(all, phone.Name) || !strings.Contains(all, laptop.Name) {
			t.Error("an administrator does not see all devices")
		}
		_, look := viewer.get("/console/settings/notifications")
		if strings.Contains(look, phone.Name) || strings.Contains(look, laptop.Name) {
			t.Error("a viewer sees the devices of others")
		}
		for _, body := range []string{mine, all, look} {
			if strings.Contains(body, "secret-") {
				t.Error("the address of a device is shown: whoever has it can push to it")
			}
		}
	})
	t.Run("a test says what became of it", func(t *testing.T) {
		res, _ := operator.post("/console/devices/"+phone.ID+"/test", nil)
		if res.StatusCode != http.StatusSeeOther || h.tested != phone.ID {
			t.Fatalf("%d, tested %q", res.StatusCode, h.tested)
		}
		if to := res.Header.Get("Location"); to != "/console/me#device-"+phone.ID {
			t.Errorf("leads to %q", to)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.server.URL+"/console/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range res.Cookies() {
			r.AddCookie(c)
		}
		_, body := operator.do(r)
		if _, row, _ := strings.Cut(body, `id="device-`+phone.ID); !strings.Contains(row, "The push service took the test.") || strings.Count(body, "took the test") != 1 {
			t.Error("the result does not stand beside the device, and there alone")
		}
	})
	t.Run("those of others are not there", func(t *testing.T) {
		for _, do := range []string{"/test", "/remove"} {
			if res, _ := operator.post("/console/devices/"+laptop.ID+do, nil); res.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d", do, res.StatusCode)
			}
		}
		if res, _ := operator.get("/console/devices/" + laptop.ID + "/remove"); res.StatusCode != http.StatusNotFound {
			t.Errorf("the question: %d", res.StatusCode)
		}
	})
	t.Run("one is removed after a question, by its owner or an administrator", func(t *testing.T) {
		if _, body := admin.get("/console/devices/" + phone.ID + "/remove?from=settings"); !strings.Contains(body, "operator is not told on it") {
			t.Error("the question does not say whose it is")
		}
		res, _ := admin.post("/console/devices/"+phone.ID+"/remove?from=settings", nil)
		if to := res.Header.Get("Location"); to != "/console/settings/notifications#devices" {
			t.Errorf("leads to %q", to)
		}
		left, err := h.db.Devices(t.Context(), "")
		if err != nil || len(left) != 1 || left[0].ID != laptop.ID {
			t.Errorf("%+v %v", left, err)
		}
	})
}

// said is what the next page says of what was done.
func said(t *testing.T, res *http.Response) string {
	t.Helper()
	all := ""
	for _, c := range res.Cookies() {
		b, err := base64.RawURLEncoding.DecodeString(c.Value)
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	return all
}

func TestSnooze(t *testing.T) {
	h := newHub(t)
	admin, operator, viewer := h.as("admin"), h.as("operator"), h.as("viewer")
	at := "/console/alerts/" + h.alert
	t.Run("it is offered to those who are told", func(t *testing.T) {
		if _, body := admin.get(at); !strings.Contains(body, "Snooze for 30 min") {
			t.Error("not offered to a contact's user")
		}
		if _, body := operator.get(at); strings.Contains(body, "Snooze for") {
			t.Error("offered to somebody who is no contact")
		}
		if res, _ := viewer.post(at+"/snooze", url.Values{"minutes": {"30"}}); res.StatusCode != http.StatusForbidden {
			t.Errorf("a viewer: %d", res.StatusCode)
		}
	})
	t.Run("what will not do is said", func(t *testing.T) {
		for _, minutes := range []string{"", "a while", "0", "100000"} {
			res, _ := admin.post(at+"/snooze", url.Values{"minutes": {minutes}})
			if a, err := h.db.Alert(t.Context(), h.alert); res.StatusCode != http.StatusSeeOther || err != nil || !a.Snoozed.IsZero() {
				t.Errorf("%q: %d, snoozed until %v", minutes, res.StatusCode, a.Snoozed)
			}
		}
	})
	t.Run("the page says until when and by whom, and the list that it is", func(t *testing.T) {
		res, _ := admin.post(at+"/snooze", url.Values{"minutes": {"120"}, "back": {"/console/act/" + h.alert}})
		if to := res.Header.Get("Location"); to != "/console/act/"+h.alert {
			t.Errorf("leads to %q", to)
		}
		a, err := h.db.Alert(t.Context(), h.alert)
		if err != nil || time.Until(a.Snoozed) < 119*time.Minute {
			t.Fatalf("%v %v", a.Snoozed, err)
		}
		for _, path := range []string{at, "/console/act/" + h.alert} {
			if _, body := admin.get(path); !strings.Contains(body, "<strong>Snoozed</strong> for you until") || !strings.Contains(body, "End snooze") {
				t.Errorf("%s does not say it", path)
			}
		}
		if _, body := admin.get("/console/alerts"); !strings.Contains(body, "> snoozed</span>") {
			t.Error("the list does not say it")
		}
		h.ahead = 3 * time.Hour
		defer func() { h.ahead = 0 }()
		if _, body := admin.get(at); strings.Contains(body, "for you until") {
			t.Error("the page says it after it is over")
		}
	})
	t.Run("who has it not snoozed sees for whom it is, and has nothing to end", func(t *testing.T) {
		if _, body := operator.get(at); !strings.Contains(body, "Snoozed for ops until") || strings.Contains(body, "End snooze") || strings.Contains(body, "for you until") {
			t.Error("another one's snooze is not told as such")
		}
		res, _ := operator.post(at+"/unsnooze", nil)
		if a, err := h.db.Alert(t.Context(), h.alert); err != nil || a.Snoozed.IsZero() {
			t.Errorf("a bystander ended it: %v %v", a.Snoozed, err)
		}
		if said := said(t, res); !strings.Contains(said, "not snoozed for you any more") {
			t.Errorf("a bystander is told %q", said)
		}
		if res, _ := viewer.post(at+"/unsnooze", nil); res.StatusCode != http.StatusForbidden {
			t.Errorf("a viewer: %d", res.StatusCode)
		}
	})
	t.Run("one's own is ended by a button", func(t *testing.T) {
		res, _ := admin.post(at+"/unsnooze", url.Values{"back": {"/console/act/" + h.alert}})
		if to := res.Header.Get("Location"); to != "/console/act/"+h.alert {
			t.Errorf("leads to %q", to)
		}
		if a, err := h.db.Alert(t.Context(), h.alert); err != nil || !a.Snoozed.IsZero() {
			t.Errorf("snoozed until %v, %v", a.Snoozed, err)
		}
		if _, body := admin.get("/console/act/" + h.alert); !strings.Contains(said(t, res), "The snooze is ended") || strings.Contains(body, "for you until") {
			t.Error("the page does not follow")
		}
		if _, body := admin.get(at); !strings.Contains(body, "Snooze ended") {
			t.Error("the timeline does not say it")
		}
	})
}

func TestThePageForAThumb(t *testing.T) {
	h := newHub(t)
	path := "/console/act/" + h.alert
	if res, _ := h.as("").get(path); res.Header.Get("Location") != "/console/sign-in?next="+url.QueryEscape(path) {
		t.Errorf("a stranger is led to %q", res.Header.Get("Location"))
	}
	admin := h.as("admin")
	_, body := admin.get(path)
	for _, want := range []string{"Critical", "Acknowledge</button>", "30 min</button>", "8 h</button>"} {
		if !strings.Contains(body, want) {
			t.Errorf("page lacks %q", want)
		}
	}
	res, _ := admin.post("/console/alerts/"+h.alert+"/acknowledge", url.Values{"back": {path}})
	if res.Header.Get("Location") != path {
		t.Errorf("led to %q", res.Header.Get("Location"))
	}
	if a, err := h.db.Alert(t.Context(), h.alert); err != nil || a.Status != alert.Acknowledged {
		t.Fatalf("%s %v", a.Status, err)
	}
	if _, body := admin.get(path); strings.Contains(body, "Acknowledge</button>") || !strings.Contains(body, "Acknowledged") {
		t.Error("it is offered once more")
	}
	if _, body := h.as("viewer").get(path); strings.Contains(body, "/acknowledge") || strings.Contains(body, "/snooze") {
		t.Error("a viewer is offered buttons")
	}
}

func TestADeliveryNamesItsDevice(t *testing.T) {
	h := newHub(t)
	h.device("admin", "Firefox on Linux", h.key().ID)
	o := alert.Object{SourceID: "s1", Host: "db01", State: alert.Down}
	o.ID = alert.ObjectID(o.SourceID, o.Host, "")
	now := time.Now()
	got, err := h.acks.Receive(context.WithoutCancel(t.Context()), "s1", []alert.Event{{SourceID: "s1", Object: o, Type: alert.Problem, State: alert.Down, Time: now, Received: now, Contacts: []string{"ops"}}})
	if err != nil {
		t.Fatal(err)
	}
	admin := h.as("admin")
	for path, want := range map[string]string{
		"/console/alerts/" + got[0].AlertID:   "Web Push: Firefox on Linux",
		"/console/deliveries?channel=webpush": "Firefox on Linux",
		"/console/rules/new":                  `value="webpush"`,
		"/console/rules?host=db01":            "Web Push",
	} {
		if _, body := admin.get(path); !strings.Contains(body, want) {
			t.Errorf("%s lacks %q", path, want)
		}
	}
	if _, body := admin.get("/console/alerts/" + got[0].AlertID); !strings.Contains(body, "told 1 contact<") {
		t.Error("a contact with a tab and a device is counted twice")
	}
}
