package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/push"
	"tocsin/internal/source"
	"tocsin/test/database"
	"tocsin/test/pushlab"
	"tocsin/test/pushlab/autopush"
	"tocsin/test/pushlab/box"
	"tocsin/test/pushlab/device"
)

// lab are the push services of the world, one for all tests.
var lab *pushlab.Lab

// withLab runs the tests with it.
type withLab struct{ m *testing.M }

func (w withLab) Run() int {
	dir, err := os.MkdirTemp("", "tocsin-app-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if lab, err = pushlab.Start(dir); err != nil {
		panic(err)
	}
	defer lab.Close()
	for _, kv := range lab.Env() {
		if file, ok := strings.CutPrefix(kv, "SSL_CERT_FILE="); ok {
			if err := os.Setenv("SSL_CERT_FILE", file); err != nil {
				panic(err)
			}
		}
	}
	return w.m.Run()
}

// startPushHub is a hub that reaches the lab's push services.
func startPushHub(t *testing.T, settings ...string) *hub {
	t.Helper()
	return startHub(t, append(settings,
		"TOCSIN_PUSH_PROXY="+lab.Proxy.URL, "VAPID_SUBJECT=mailto:ops@tocsin-lab.org")...)
}

// browserOf is a device at Mozilla's push service, switched on.
func (h *hub) browserOf() (*device.Device, device.Subscription) {
	h.Helper()
	key, err := base64.RawURLEncoding.DecodeString(h.pushKey().Public)
	if err != nil {
		h.Fatal(err)
	}
	token := box.Token(40)
	d, err := device.New(lab.Mozilla.Box, token, key)
	if err != nil {
		h.Fatal(err)
	}
	d.Switch(true)
	h.Cleanup(func() { d.Switch(false) })
	return d, d.Subscription(autopush.Endpoint(token))
}

// pushKey is the key that browsers subscribe with.
func (h *hub) pushKey() push.Key {
	h.Helper()
	got := h.call("GET", "/api/v1/push/key", nil, "")
	if got.status != http.StatusOK {
		h.Fatalf("push key: %d %s", got.status, got.body)
	}
	return push.Key{Public: got.field(h.T, "public_key"), ID: got.field(h.T, "key_id")}
}

// text is v as JSON.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// fields makes a JSON object with further fields.
func (h *hub) subscribing(s device.Subscription, further ...any) string {
	out := map[string]any{"subscription": s, "key_id": h.pushKey().ID}
	for i := 0; i+1 < len(further); i += 2 {
		out[further[i].(string)] = further[i+1]
	}
	return text(out)
}

// publicPage makes a public page with components of those names, and answers its id
// and theirs once visitors see it.
func (h *hub) publicPage(slug string, names ...string) (id string, components []string) {
	h.Helper()
	_, key, err := h.app.Auth().AddKey(h.Context(), "page "+slug, []auth.Scope{auth.ReadConfig, auth.WriteConfig}, time.Time{})
	if err != nil {
		h.Fatal(err)
	}
	made := h.call("POST", "/api/v1/status/pages", key, `{"slug":"`+slug+`","name":"The `+slug+`","zone":"Europe/Berlin"}`)
	if made.status != http.StatusCreated {
		h.Fatalf("page %s: %d %s", slug, made.status, made.body)
	}
	id = made.field(h.T, "id")
	for _, name := range names {
		c := h.call("POST", "/api/v1/status/components", key, `{"page":"`+slug+`","name":"`+name+`"}`)
		if c.status != http.StatusCreated {
			h.Fatalf("component %s: %d %s", name, c.status, c.body)
		}
		components = append(components, c.field(h.T, "id"))
	}
	h.shows(slug, names...)
	return id, components
}

// shows waits until visitors of a page see some texts.
func (h *hub) shows(slug string, texts ...string) {
	h.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	deadline := time.Now().Add(30 * time.Second)
	for ; ; <-look.C {
		got := h.call("GET", "/s/"+slug, nil, "")
		if got.status == http.StatusOK && !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(got.body, s) }) {
			return
		}
		if time.Now().After(deadline) {
			h.Fatalf("the page %s does not show %q: %d", slug, texts, got.status)
		}
	}
}

// subscribe makes a device of the user and answers its id.
func (h *hub) subscribe(who *http.Cookie, s device.Subscription) string {
	h.Helper()
	got := h.call("PUT", "/api/v1/push/devices", who, h.subscribing(s, "name", "Firefox on Linux"))
	if got.status != http.StatusOK {
		h.Fatalf("device refused: %d %s", got.status, got.body)
	}
	return got.field(h.T, "id")
}

// operator makes a user with a contact of that name and answers the contact's id.
func (h *hub) operator(name string, role auth.Role) string {
	h.Helper()
	c := contact.NewContact(name)
	c.ID, c.UserID = uuid.Must(uuid.NewV7()).String(), h.user(name, role)
	if err := h.app.Store().SaveContact(h.Context(), c); err != nil {
		h.Fatal(err)
	}
	return c.ID
}

// wait waits for n messages of a device and answers the last one's notification.
func wait(t *testing.T, d *device.Device, n int) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := d.Wait(ctx, n)
	if err != nil {
		t.Fatalf("%d of %d messages: %v; %s", len(got), n, err, lab.Mozilla)
	}
	var m struct {
		WebPush      int            `json:"web_push"`
		Notification map[string]any `json:"notification"`
	}
	if err := json.Unmarshal(got[n-1], &m); err != nil || m.WebPush != 8030 {
		t.Fatalf("message %s: %v", got[n-1], err)
	}
	return m.Notification
}

func data(n map[string]any, field string) string {
	d, _ := n["data"].(map[string]any)
	return fmt.Sprint(d[field])
}

func TestAProblemReachesADeviceAndItsButtonAcknowledges(t *testing.T) {
	for engine, database := range map[string]func(t *testing.T) []string{
		"SQLite":     func(*testing.T) []string { return nil },
		"PostgreSQL": func(t *testing.T) []string { return []string{"TOCSIN_DATABASE_URL=" + database.Postgres(t)} },
	} {
		t.Run(engine, func(t *testing.T) {
			h := startPushHub(t, database(t)...)
			h.operator("ops", auth.Operator)
			d, s := h.browserOf()
			h.subscribe(h.cookie("ops"), s)
			id := h.tell(problem)
			n := wait(t, d, 1)
			if data(n, "alert_id") != id || data(n, "kind") != "alert" || n["tag"] != "alert-"+id {
				t.Errorf("notification %v", n)
			}
			got := h.call("POST", "/api/v1/push/act", nil, text(map[string]any{"token": data(n, "token"), "action": "acknowledge", "delivery_id": data(n, "delivery_id")}))
			if got.status != http.StatusOK || got.field(t, "result") != "acknowledged" || got.field(t, "message") != "You have acknowledged HTTP on web01." {
				t.Fatalf("act: %d %s", got.status, got.body)
			}
			key := h.key(auth.ReadAlerts)
			alert := h.call("GET", "/api/v1/alerts/"+id, key, "")
			if alert.field(t, "acknowledgement.author") != "ops" || alert.field(t, "acknowledgement.origin") != "notification" {
				t.Errorf("alert %s", alert.body)
			}
			if again := h.call("POST", "/api/v1/push/act", nil, text(map[string]any{"token": data(n, "token"), "action": "acknowledge"})); again.status != http.StatusGone {
				t.Errorf("the same button again: %d %s", again.status, again.body)
			}
			wait(t, d, 2) // the acknowledgement replaces what the device shows
		})
	}
}

func TestTheKeyOfWebPush(t *testing.T) {
	start := func(t *testing.T, flags ...string) (*app.App, *hub) {
		t.Helper()
		all := map[string]string{"TOCSIN_LISTEN": "127.0.0.1:0"}
		for _, f := range flags {
			k, v, _ := strings.Cut(f, "=")
			all[k] = v
		}
		cfg, err := config.Load(config.Sources{Flags: all, File: os.DevNull})
		if err != nil {
			t.Fatal(err)
		}
		a, err := app.Start(t.Context(), cfg, app.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return a, &hub{T: t, app: a, url: a.URL()}
	}
	stop := func(t *testing.T, a *app.App) {
		t.Helper()
		http.DefaultClient.CloseIdleConnections()
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}
	dir := "TOCSIN_DATA=" + t.TempDir()
	given, err := push.GenerateKey(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	env := []string{dir, "VAPID_PUBLIC_KEY=" + given.Public, "VAPID_PRIVATE_KEY=" + given.Private}

	a, h := start(t, dir)
	made := h.pushKey()
	if made.ID != push.KeyID(made.Public) {
		t.Errorf("key %+v", made)
	}
	h.user("root", auth.Admin)
	_, s := h.browserOf()
	h.subscribe(h.cookie("root"), s)
	stop(t, a)

	a, h = start(t, dir)
	if again := h.pushKey(); again.ID != made.ID {
		t.Errorf("after a restart another key: %s, not %s", again.ID, made.ID)
	}
	stop(t, a)

	a, h = start(t, env...)
	if now := h.pushKey(); now.Public != given.Public {
		t.Errorf("the given key is %s, the hub has %s", given.Public, now.Public)
	}
	admin := h.key(auth.Administer)
	keys := h.call("GET", "/api/v1/push/keys", admin, "")
	if keys.field(t, "items.0.id") != given.ID || keys.field(t, "items.0.environment") != "true" || keys.field(t, "items.0.retired") != "" ||
		keys.field(t, "items.1.id") != made.ID || keys.field(t, "items.1.retired") == "" || keys.field(t, "items.1.subscriptions") != "1" {
		t.Errorf("keys %s", keys.body)
	}
	if strings.Contains(keys.body, given.Private) {
		t.Error("the list tells a private key")
	}
	if got := h.call("POST", "/api/v1/push/keys/rotate", admin, ""); got.status != http.StatusConflict || !strings.Contains(got.body, "VAPID_PUBLIC_KEY") {
		t.Errorf("rotate a given key: %d %s", got.status, got.body)
	}
	stop(t, a)

	a, h = start(t, dir)
	if now := h.pushKey(); now.Public != given.Public {
		t.Errorf("without the environment the key is %s", now.Public)
	}
	rotated := h.call("POST", "/api/v1/push/keys/rotate", admin, "")
	if rotated.status != http.StatusCreated || h.pushKey().Public != rotated.field(t, "public_key") || rotated.field(t, "public_key") == given.Public {
		t.Errorf("rotate: %d %s", rotated.status, rotated.body)
	}
	stop(t, a)

	a, h = start(t, env...)
	if now := h.pushKey(); now.Public != given.Public {
		t.Errorf("a key that was retired and is given again is not the current one: %s", now.Public)
	}
	stop(t, a)
}

func TestDevices(t *testing.T) {
	h := startPushHub(t)
	h.operator("anna", auth.Operator)
	h.operator("bert", auth.Operator)
	h.user("root", auth.Admin)
	anna, bert, root := h.cookie("anna"), h.cookie("bert"), h.cookie("root")
	d, s := h.browserOf()
	id := h.subscribe(anna, s)
	t.Run("a browser that comes again is the same device", func(t *testing.T) {
		if again := h.subscribe(anna, s); again != id {
			t.Errorf("device %s, then %s", id, again)
		}
		mine := h.call("GET", "/api/v1/push/devices", anna, "")
		if mine.field(t, "items.0.id") != id || mine.field(t, "items.1") != "" || mine.field(t, "items.0.name") != "Firefox on Linux" ||
			mine.field(t, "items.0.service") != autopush.Host || mine.field(t, "items.0.key_current") != "true" {
			t.Errorf("devices %s", mine.body)
		}
		for _, secret := range []string{s.Endpoint, s.Keys.Auth, s.Keys.P256dh} {
			if strings.Contains(mine.body, secret) {
				t.Errorf("the list tells %s", secret)
			}
		}
	})
	t.Run("a test arrives, and is answered with what the push service said", func(t *testing.T) {
		got := h.call("POST", "/api/v1/push/devices/"+id+"/test", anna, "")
		if got.status != http.StatusOK || got.field(t, "accepted") != "true" || got.field(t, "status") != "201" {
			t.Fatalf("test: %d %s", got.status, got.body)
		}
		if n := wait(t, d, 1); data(n, "kind") != "test" {
			t.Errorf("notification %v", n)
		}
		if got := h.call("GET", "/api/v1/push/devices", anna, ""); !strings.Contains(got.body, `"last_success":"20`) {
			t.Errorf("it is not noted that the test went well: %s", got.body)
		}
	})
	t.Run("a test that is refused says so", func(t *testing.T) {
		if err := lab.Mozilla.Fail(d.Token, box.Answer{Status: http.StatusInternalServerError}); err != nil {
			t.Fatal(err)
		}
		got := h.call("POST", "/api/v1/push/devices/"+id+"/test", root, "")
		if got.status != http.StatusOK || got.field(t, "accepted") != "false" || got.field(t, "detail") == "" || strings.Contains(got.body, d.Token) {
			t.Errorf("test: %d %s", got.status, got.body)
		}
		if got := h.call("GET", "/api/v1/push/devices", anna, ""); !strings.Contains(got.body, `"failures":1`) {
			t.Errorf("it is not noted that the test failed: %s", got.body)
		}
	})
	t.Run("devices of others are not there", func(t *testing.T) {
		for _, call := range []string{"DELETE /api/v1/push/devices/" + id, "POST /api/v1/push/devices/" + id + "/test"} {
			method, path, _ := strings.Cut(call, " ")
			if got := h.call(method, path, bert, ""); got.status != http.StatusNotFound {
				t.Errorf("%s by bert: %d %s", call, got.status, got.body)
			}
		}
	})
	t.Run("who signs in at that browser takes the device over", func(t *testing.T) {
		if moved := h.subscribe(bert, s); moved == id {
			t.Error("what was on its way to anna's device comes to bert's")
		}
		if mine := h.call("GET", "/api/v1/push/devices", anna, ""); mine.field(t, "items.0") != "" {
			t.Errorf("anna still has %s", mine.body)
		}
		id = h.subscribe(anna, s)
	})
	t.Run("who has the address alone takes nothing over", func(t *testing.T) {
		_, forged := h.browserOf()
		forged.Endpoint = s.Endpoint
		if got := h.call("PUT", "/api/v1/push/devices", bert, h.subscribing(forged)); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "body.subscription.endpoint") {
			t.Errorf("answer %d %s", got.status, got.body)
		}
		if mine := h.call("GET", "/api/v1/push/devices", anna, ""); mine.field(t, "items.0.id") != id {
			t.Errorf("anna has %s", mine.body)
		}
	})
	t.Run("a new subscription replaces the one before", func(t *testing.T) {
		_, next := h.browserOf()
		got := h.call("PUT", "/api/v1/push/devices", anna, h.subscribing(next, "replaces", map[string]string{"endpoint": s.Endpoint, "auth": s.Keys.Auth}))
		if got.field(t, "id") != id {
			t.Errorf("answer %d %s", got.status, got.body)
		}
		s = next
	})
	t.Run("after a rotation the answer names the new key", func(t *testing.T) {
		old := h.subscribing(s)
		rotated := h.call("POST", "/api/v1/push/keys/rotate", root, "").field(t, "id")
		got := h.call("PUT", "/api/v1/push/devices", anna, old)
		if got.status != http.StatusOK || got.field(t, "key_id") != rotated {
			t.Errorf("answer %d %s", got.status, got.body)
		}
		if mine := h.call("GET", "/api/v1/push/devices", anna, ""); mine.field(t, "items.0.key_current") != "false" {
			t.Errorf("devices %s", mine.body)
		}
	})
	t.Run("Web Push that is switched off takes no device", func(t *testing.T) {
		h.call("PUT", "/api/v1/settings", root, `{"webpush_enabled":false}`)
		if got := h.call("PUT", "/api/v1/push/devices", anna, h.subscribing(s)); got.status != http.StatusConflict || !strings.Contains(got.body, "webpush_enabled") {
			t.Errorf("answer %d %s", got.status, got.body)
		}
		if got := h.call("GET", "/api/v1/push/key", nil, ""); got.field(t, "enabled") != "false" {
			t.Errorf("key %s", got.body)
		}
		if got := h.call("POST", "/api/v1/push/devices/"+id+"/test", anna, ""); got.field(t, "accepted") != "false" || !strings.Contains(got.body, "switched off") {
			t.Errorf("test %s", got.body)
		}
		h.call("PUT", "/api/v1/settings", root, `{"webpush_enabled":true}`)
	})
	t.Run("the device of somebody who was disabled hears nothing", func(t *testing.T) {
		alert := func(host string) answer {
			id := h.tell(`{"type":"PROBLEM","host":"` + host + `","state":1,"contact":"anna"}`)
			return h.call("GET", "/api/v1/alerts/"+id, root, "")
		}
		if got := alert("before"); !strings.Contains(got.body, `"channel":"webpush"`) || strings.Contains(got.body, `"no_device"`) {
			t.Errorf("before: %s", got.body)
		}
		users := h.call("GET", "/api/v1/users", root, "")
		for i := range 3 {
			if at := fmt.Sprintf("items.%d.", i); users.field(t, at+"name") == "anna" {
				yes := true
				if _, err := h.app.Auth().ChangeUser(t.Context(), users.field(t, at+"id"), auth.UserChange{Disabled: &yes}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := alert("after"); !strings.Contains(got.body, `"user_disabled"`) || strings.Contains(got.body, `"reason":"named_by_engine"`) {
			t.Errorf("after: %s", got.body)
		}
	})
	t.Run("an administrator may forget anybody's", func(t *testing.T) {
		if got := h.call("DELETE", "/api/v1/push/devices/"+id, root, ""); got.status != http.StatusNoContent {
			t.Errorf("answer %d %s", got.status, got.body)
		}
		if got := h.call("DELETE", "/api/v1/push/devices/"+id, root, ""); got.status != http.StatusNotFound {
			t.Errorf("again: %d %s", got.status, got.body)
		}
	})
}

// What a browser sends comes from anybody: each field is refused by its name.
func TestSubscriptionsFromOutsideAreRefusedByField(t *testing.T) {
	h := startHub(t)
	h.user("anna", auth.Operator)
	anna := h.cookie("anna")
	_, good := h.browserOf()
	endpoint := func(e string) func(map[string]any) {
		return func(m map[string]any) { m["subscription"].(map[string]any)["endpoint"] = e }
	}
	keys := func(field, value string) func(map[string]any) {
		return func(m map[string]any) {
			m["subscription"].(map[string]any)["keys"].(map[string]any)[field] = value
		}
	}
	offCurve := base64.RawURLEncoding.EncodeToString(append([]byte{4}, make([]byte, 64)...))
	for name, row := range map[string]struct {
		change func(m map[string]any)
		field  string
	}{
		"no https":                      {endpoint("http://updates.push.services.mozilla.com/x"), "subscription.endpoint"},
		"a host in the path":            {endpoint("https://10.0.0.1/x.google.com/"), "subscription.endpoint"},
		"a host as user":                {endpoint("https://fcm.googleapis.com@10.0.0.1/x"), "subscription.endpoint"},
		"a host as prefix":              {endpoint("https://fcm.googleapis.com.evil.example/x"), "subscription.endpoint"},
		"this machine":                  {endpoint("https://127.0.0.1/x"), "subscription.endpoint"},
		"another port":                  {endpoint("https://fcm.googleapis.com:8443/x"), "subscription.endpoint"},
		"an address that is none":       {endpoint("gopher"), "subscription.endpoint"},
		"an endless address":            {endpoint("https://fcm.googleapis.com/" + strings.Repeat("x", 4000)), "subscription.endpoint"},
		"a line break":                  {endpoint("https://fcm.googleapis.com/x\r\nHost: evil"), "subscription.endpoint"},
		"NUL":                           {endpoint("https://fcm.googleapis.com/\x00"), "subscription.endpoint"},
		"a public key that is too long": {keys("p256dh", strings.Repeat("A", 120)), "subscription.keys.p256dh"},
		"a public key off the curve":    {keys("p256dh", offCurve), "subscription.keys.p256dh"},
		"a public key with letters":     {keys("p256dh", "é"), "subscription.keys.p256dh"},
		"a secret of three bytes":       {keys("auth", "AAAA"), "subscription.keys.auth"},
		"an unknown field":              {func(m map[string]any) { m["user_id"] = "root" }, "user_id"},
		"an unknown field within":       {keys("p521", "AAAA"), "subscription.keys.p521"},
		"an end that is past":           {func(m map[string]any) { m["subscription"].(map[string]any)["expirationTime"] = 1 }, "subscription.expirationTime"},
		"an end that is no number":      {func(m map[string]any) { m["subscription"].(map[string]any)["expirationTime"] = "never" }, "subscription.expirationTime"},
		"a key of somebody else":        {func(m map[string]any) { m["key_id"] = "AAAAAAAAAAAAAAAAAAAAAA" }, "key_id"},
		"a language that is none":       {func(m map[string]any) { m["language"] = "de; DROP" }, "language"},
		"no subscription":               {func(m map[string]any) { delete(m, "subscription") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/api/v1/push/devices", "/api/v1/push/subscription"} {
				var m map[string]any
				if err := json.Unmarshal([]byte(h.subscribing(good)), &m); err != nil {
					t.Fatal(err)
				}
				row.change(m)
				who := any(anna)
				if strings.HasSuffix(path, "subscription") {
					who = nil
				}
				got := h.call("PUT", path, who, text(m))
				where := strings.TrimSuffix("body."+row.field, ".")
				if got.status != http.StatusUnprocessableEntity || got.field(t, "errors.0.location") != where || got.header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s: %d %s", path, got.status, got.body)
				}
			}
		})
	}
	for name, body := range map[string]string{"no JSON": "{", "an array": "[]", "a text": `"x"`, "null": "null", "nothing": ""} {
		for _, call := range []string{"PUT /subscription", "POST /subscription/lookup", "POST /subscription/delete", "POST /change", "POST /act", "POST /receipts"} {
			method, path, _ := strings.Cut(call, " ")
			if got := h.call(method, "/api/v1/push"+path, nil, body); got.status != http.StatusBadRequest && got.status != http.StatusUnprocessableEntity {
				t.Errorf("%s with %s: %d %s", call, name, got.status, got.body)
			}
		}
	}
	for _, call := range []string{"PUT /subscription", "POST /act", "POST /receipts", "POST /change"} {
		method, path, _ := strings.Cut(call, " ")
		if got := h.call(method, "/api/v1/push"+path, nil, `{"x":"`+strings.Repeat("x", 9<<10)+`"}`); got.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s with 9 KiB: %d", call, got.status)
		}
		if got := h.call(method, "/api/v1/push"+path, nil, `{}`, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); got.status != http.StatusForbidden {
			t.Errorf("%s from another site: %d", call, got.status)
		}
	}
}

func TestVisitors(t *testing.T) {
	h := startPushHub(t)
	h.operator("anna", auth.Operator)
	_, s := h.browserOf()
	proof := func(s device.Subscription) string {
		return text(map[string]string{"endpoint": s.Endpoint, "auth": s.Keys.Auth})
	}
	lookup := func(s device.Subscription) answer {
		return h.call("POST", "/api/v1/push/subscription/lookup", nil, proof(s))
	}
	main, _ := h.publicPage("main")
	shop, parts := h.publicPage("shop", "Web", "API")
	if main != "main" || shop == "main" {
		t.Fatalf("the pages are %s and %s", main, shop)
	}
	put := func(t *testing.T, s device.Subscription, further ...any) {
		t.Helper()
		got := h.call("PUT", "/api/v1/push/subscription", nil, h.subscribing(s, further...))
		if got.status != http.StatusOK || got.field(t, "key_id") != h.pushKey().ID || strings.Contains(got.body, `"id"`) {
			t.Fatalf("answer %d %s", got.status, got.body)
		}
	}
	t.Run("what it wants is kept, by its holder alone", func(t *testing.T) {
		put(t, s, "page", shop, "components", parts, "kinds", []string{"maintenance"}, "min_impact", "major", "language", "de-AT")
		got := lookup(s)
		if got.status != http.StatusOK || got.field(t, "page") != shop || got.field(t, "components.1") != parts[1] || got.field(t, "kinds.0") != "maintenance" ||
			got.field(t, "min_impact") != "major" || got.field(t, "language") != "de-AT" {
			t.Errorf("lookup: %d %s", got.status, got.body)
		}
		wrong := s
		wrong.Keys.Auth = "AAAAAAAAAAAAAAAAAAAAAA"
		unknown := s
		unknown.Endpoint += "x"
		a, b := lookup(wrong), lookup(unknown)
		if a.status != http.StatusNotFound || a.said() != b.said() {
			t.Errorf("a wrong secret: %d %s, an unknown address: %d %s", a.status, a.body, b.status, b.body)
		}
	})
	t.Run("who has the address alone changes nothing, and is told the same", func(t *testing.T) {
		_, forged := h.browserOf()
		forged.Endpoint = s.Endpoint
		put(t, forged, "page", main)
		if got := lookup(s); got.field(t, "page") != shop {
			t.Errorf("lookup: %s", got.body)
		}
		if got := h.call("POST", "/api/v1/push/subscription/delete", nil, proof(forged)); got.status != http.StatusNoContent {
			t.Errorf("delete: %d", got.status)
		}
		if got := lookup(s); got.status != http.StatusOK {
			t.Errorf("it is gone: %s", got.body)
		}
	})
	t.Run("the defaults are the main page and incidents", func(t *testing.T) {
		_, s := h.browserOf()
		put(t, s)
		if got := lookup(s); got.field(t, "page") != "main" || got.field(t, "kinds.2") != "incident_resolved" || got.field(t, "min_impact") != "none" {
			t.Errorf("lookup: %s", got.body)
		}
	})
	t.Run("a browser that was given another address takes its wishes along", func(t *testing.T) {
		put(t, s, "page", shop)
		_, next := h.browserOf()
		body := text(map[string]any{"old": map[string]string{"endpoint": s.Endpoint, "auth": s.Keys.Auth}, "subscription": next, "key_id": h.pushKey().ID})
		if got := h.call("POST", "/api/v1/push/change", nil, body); got.status != http.StatusOK {
			t.Fatalf("change: %d %s", got.status, got.body)
		}
		if got := lookup(next); got.field(t, "page") != shop {
			t.Errorf("lookup: %d %s", got.status, got.body)
		}
		if got := lookup(s); got.status != http.StatusNotFound {
			t.Errorf("the old one: %d %s", got.status, got.body)
		}
		if got := h.call("POST", "/api/v1/push/change", nil, body); got.status != http.StatusNotFound {
			t.Errorf("change again: %d %s", got.status, got.body)
		}
		s = next
	})
	t.Run("a contact's device stays one, whatever a page sends", func(t *testing.T) {
		_, mine := h.browserOf()
		anna := h.cookie("anna")
		id := h.subscribe(anna, mine)
		if got := lookup(mine); got.status != http.StatusNotFound {
			t.Errorf("lookup before it is a visitor's: %d %s", got.status, got.body)
		}
		if got := h.call("PUT", "/api/v1/push/subscription", nil, h.subscribing(mine)); got.status != http.StatusOK {
			t.Errorf("as a visitor: %d %s", got.status, got.body)
		}
		if got := lookup(mine); got.status != http.StatusOK || got.field(t, "page") != "main" {
			t.Errorf("lookup: %d %s", got.status, got.body)
		}
		if got := h.call("GET", "/api/v1/push/devices", anna, ""); got.field(t, "items.0.id") != id {
			t.Errorf("devices %s", got.body)
		}
		if got := h.call("POST", "/api/v1/push/subscription/delete", nil, proof(mine)); got.status != http.StatusNoContent {
			t.Errorf("delete: %d %s", got.status, got.body)
		}
		if got := lookup(mine); got.status != http.StatusNotFound {
			t.Errorf("lookup: %d %s", got.status, got.body)
		}
		_, next := h.browserOf()
		body := text(map[string]any{"old": map[string]string{"endpoint": mine.Endpoint, "auth": mine.Keys.Auth}, "subscription": next, "key_id": h.pushKey().ID})
		if got := h.call("POST", "/api/v1/push/change", nil, body); got.status != http.StatusOK {
			t.Errorf("change: %d %s", got.status, got.body)
		}
		if got := h.call("GET", "/api/v1/push/devices", anna, ""); got.field(t, "items.0.id") != id || got.field(t, "items.1") != "" {
			t.Errorf("devices %s", got.body)
		}
	})
	t.Run("deleted is deleted, and always answered alike", func(t *testing.T) {
		for range 2 {
			if got := h.call("POST", "/api/v1/push/subscription/delete", nil, proof(s)); got.status != http.StatusNoContent || got.body != "" {
				t.Errorf("delete: %d %s", got.status, got.body)
			}
		}
		if got := h.call("POST", "/api/v1/push/subscription/delete", nil, `{"endpoint":"x","auth":"%"}`); got.status != http.StatusNoContent {
			t.Errorf("delete of nothing: %d %s", got.status, got.body)
		}
		if got := lookup(s); got.status != http.StatusNotFound {
			t.Errorf("lookup: %d %s", got.status, got.body)
		}
	})
	t.Run("wishes that will not do are named", func(t *testing.T) {
		for field, value := range map[string]any{"page": "Shop!", "kinds[0]": []string{"gossip"}, "min_impact": "bad", "components[0]": []string{"a b"}} {
			name, _, _ := strings.Cut(field, "[")
			got := h.call("PUT", "/api/v1/push/subscription", nil, h.subscribing(s, name, value))
			if got.status != http.StatusUnprocessableEntity || got.field(t, "errors.0.location") != "body."+field {
				t.Errorf("%s: %d %s", field, got.status, got.body)
			}
		}
	})
}

func TestVisitorsAreLimited(t *testing.T) {
	h := startHub(t, "TOCSIN_TRUSTED_PROXIES=127.0.0.1")
	h.publicPage("main")
	from := func(address string) answer {
		_, s := h.browserOf()
		return h.call("PUT", "/api/v1/push/subscription", nil, h.subscribing(s), "X-Forwarded-For", address)
	}
	var refused answer
	for range 40 {
		if refused = from("192.0.2.1"); refused.status != http.StatusOK {
			break
		}
	}
	if refused.status != http.StatusTooManyRequests || refused.header.Get("Retry-After") == "" || refused.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("answer %d %v %s", refused.status, refused.header, refused.body)
	}
	if got := from("192.0.2.2"); got.status != http.StatusOK {
		t.Errorf("another address: %d %s", got.status, got.body)
	}
	if got := h.call("GET", "/api/v1/push/key", nil, "", "X-Forwarded-For", "192.0.2.1"); got.status != http.StatusOK {
		t.Errorf("the key: %d", got.status)
	}
	for range 70 {
		refused = h.call("POST", "/api/v1/push/act", nil, `{"token":"x","action":"snooze"}`, "X-Forwarded-For", "2001:db8::1")
		if refused.status != http.StatusUnauthorized {
			break
		}
	}
	if refused.status != http.StatusTooManyRequests {
		t.Errorf("guessing tokens: %d %s", refused.status, refused.body)
	}
	if got := h.call("POST", "/api/v1/push/act", nil, `{"token":"x","action":"snooze"}`, "X-Forwarded-For", "2001:db8::2"); got.status != http.StatusTooManyRequests {
		t.Errorf("the same household: %d", got.status)
	}
}

func TestButtonsOfNotifications(t *testing.T) {
	h := startHub(t)
	ops := h.operator("ops", auth.Operator)
	looks := h.operator("looks", auth.Viewer)
	secret, err := h.app.Store().Secret(t.Context(), "push-token")
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := push.NewTokens(secret)
	if err != nil {
		t.Fatal(err)
	}
	token := func(alertID, contactID string, good time.Duration) string {
		t.Helper()
		text, err := tokens.Make(alertID, contactID, time.Now().Add(good))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	act := func(token, action string) answer {
		return h.call("POST", "/api/v1/push/act", nil, text(map[string]any{"token": token, "action": action}))
	}
	forged := func(token string) string { // another contact's
		b := []byte(token)
		if b[40]++; b[40] == 'z'+1 {
			b[40] = 'a'
		}
		return string(b)
	}
	n := 0
	fresh := func() string {
		n++
		return h.tell(fmt.Sprintf(`{"type":"PROBLEM","host":"web%02d","state":1,"contact":"ops"}`, n))
	}
	says := func(t *testing.T, got answer, status int, words string) {
		t.Helper()
		if got.status != status || !strings.Contains(got.body, words) {
			t.Errorf("answer %d %s; want %d with %q", got.status, got.body, status, words)
		}
	}
	t.Run("a token is good once, also when two press at the same time", func(t *testing.T) {
		id := fresh()
		k := token(id, ops, time.Hour)
		var all sync.WaitGroup
		var mu sync.Mutex
		count := map[int]int{}
		for range 8 {
			all.Go(func() {
				got := act(k, "acknowledge")
				mu.Lock()
				defer mu.Unlock()
				count[got.status]++
			})
		}
		all.Wait()
		if count[http.StatusOK] != 1 || count[http.StatusGone]+count[http.StatusServiceUnavailable] != 7 {
			t.Errorf("answers %v", count)
		}
	})
	t.Run("what somebody else has acknowledged is said to be so", func(t *testing.T) {
		id := fresh()
		if got := h.call("POST", "/api/v1/alerts/"+id+"/acknowledge", h.key(auth.AckAlerts), ""); got.status != http.StatusOK {
			t.Fatal(got.body)
		}
		got := act(token(id, ops, time.Hour), "acknowledge")
		says(t, got, http.StatusOK, `"already"`)
		says(t, got, http.StatusOK, "has acknowledged web")
	})
	t.Run("a snooze is for the contact of the token", func(t *testing.T) {
		id := fresh()
		says(t, act(token(id, ops, time.Hour), "snooze"), http.StatusOK, "again in 30 minutes")
		if got := h.call("GET", "/api/v1/alerts/"+id, h.key(auth.ReadAlerts), ""); !strings.Contains(got.body, `"SNOOZE"`) {
			t.Errorf("timeline: %s", got.body)
		}
	})
	t.Run("each refusal is a sentence", func(t *testing.T) {
		id := fresh()
		good := token(id, ops, time.Hour)
		says(t, act(forged(good), "acknowledge"), http.StatusUnauthorized, "none that this Tocsin made")
		says(t, act(good+"A", "acknowledge"), http.StatusUnauthorized, "none that this Tocsin made")
		says(t, act("", "acknowledge"), http.StatusUnauthorized, "none that this Tocsin made")
		says(t, act(token(id, ops, -time.Minute), "acknowledge"), http.StatusGone, "too old")
		says(t, act(token(id, looks, time.Hour), "acknowledge"), http.StatusForbidden, "role viewer")
		says(t, act(token(id, uuid.NewString(), time.Hour), "acknowledge"), http.StatusForbidden, "is gone")
		says(t, act(token(uuid.NewString(), ops, time.Hour), "acknowledge"), http.StatusConflict, "no longer kept")
		says(t, act(good, "delete"), http.StatusUnprocessableEntity, "body.action")
	})
	t.Run("a token whose act failed may be used again", func(t *testing.T) {
		id := fresh()
		k := token(id, ops, time.Hour)
		h.tell(fmt.Sprintf(`{"type":"RECOVERY","host":"web%02d","state":0}`, n))
		says(t, act(k, "acknowledge"), http.StatusConflict, "has recovered already")
		says(t, act(k, "acknowledge"), http.StatusConflict, "has recovered already")
	})
	t.Run("who was disabled presses in vain", func(t *testing.T) {
		id := fresh()
		users, err := h.app.Store().Users(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range users {
			if u.Name == "ops" {
				yes := true
				if _, err := h.app.Auth().ChangeUser(t.Context(), u.ID, auth.UserChange{Disabled: &yes}); err != nil {
					t.Fatal(err)
				}
			}
		}
		says(t, act(token(id, ops, time.Hour), "acknowledge"), http.StatusForbidden, "disabled")
	})
	t.Run("receipts of nothing are passed over", func(t *testing.T) {
		for _, body := range []string{
			`{"receipts":[{"delivery_id":"nothing","result":"shown","detail":"Firefox on Linux"}]}`,
			`{"receipts":[{"delivery_id":"nothing\u0000","result":"closed","detail":"\u0000"}]}`,
		} {
			if got := h.call("POST", "/api/v1/push/receipts", nil, body); got.status != http.StatusNoContent {
				t.Errorf("answer %d %s", got.status, got.body)
			}
		}
		if got := h.call("POST", "/api/v1/push/receipts", nil, `{"receipts":[]}`); got.status != http.StatusUnprocessableEntity {
			t.Errorf("none: %d %s", got.status, got.body)
		}
	})
}

func TestSnoozeByAPI(t *testing.T) {
	h := startHub(t)
	ops := h.operator("ops", auth.Operator)
	h.user("alone", auth.Operator)
	id := h.tell(problem)
	path := "/api/v1/alerts/" + id + "/snooze"
	got := h.call("POST", path, h.cookie("ops"), `{"minutes":120}`)
	if got.status != http.StatusOK || got.field(t, "contacts.0") != ops {
		t.Fatalf("snooze: %d %s", got.status, got.body)
	}
	until, err := time.Parse(time.RFC3339, got.field(t, "until"))
	if err != nil || time.Until(until) < 118*time.Minute || time.Until(until) > 121*time.Minute {
		t.Errorf("until %v (%v)", until, err)
	}
	if got := h.call("GET", "/api/v1/alerts/"+id, h.cookie("ops"), ""); got.field(t, "snoozed_until") != until.Format(time.RFC3339Nano) {
		t.Errorf("the alert does not tell the snooze until %v: %s", until, got.body)
	}
	key := h.key(auth.AckAlerts)
	for name, row := range map[string]struct {
		who    any
		body   string
		status int
		field  string
	}{
		"by a key that names nobody":     {key, `{"minutes":5}`, 422, "body.contacts"},
		"by a key for a contact":         {key, `{"minutes":5,"contacts":["` + ops + `"]}`, 200, ""},
		"by somebody who is no contact":  {h.cookie("alone"), `{"minutes":5}`, 422, "body.contacts"},
		"for a contact that there isn't": {key, `{"minutes":5,"contacts":["nobody"]}`, 422, "body.contacts[0]"},
		"for no time":                    {key, `{"minutes":0}`, 422, "body.minutes"},
		"for two days":                   {key, `{"minutes":2880}`, 422, "body.minutes"},
	} {
		if got := h.call("POST", path, row.who, row.body); got.status != row.status || (row.field != "" && got.field(t, "errors.0.location") != row.field) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := h.call("POST", "/api/v1/alerts/nothing/snooze", key, `{"minutes":5,"contacts":["`+ops+`"]}`); got.status != http.StatusNotFound {
		t.Errorf("of nothing: %d %s", got.status, got.body)
	}
	for _, row := range []struct {
		name   string
		who    any
		query  string
		status int
	}{
		{"by a key that names nobody", key, "", 422}, {"by somebody who is no contact", h.cookie("alone"), "", 422},
		{"for a contact that there isn't", key, "?contact_id=nobody", 409}, {"by its contact", h.cookie("ops"), "", 200},
		{"a second time", h.cookie("ops"), "", 409}, {"by a key, a second time", key, "?contact_id=" + ops, 409},
	} {
		got := h.call("DELETE", path+row.query, row.who, "")
		if got.status != row.status {
			t.Errorf("ended %s: %d %s", row.name, got.status, got.body)
		}
		if row.status == 200 && (got.field(t, "id") != id || !strings.Contains(got.body, `"snoozed_until":null`)) {
			t.Errorf("ended: %s", got.body)
		}
		if row.status == 422 && got.field(t, "errors.0.location") != "query.contact_id" {
			t.Errorf("ended %s: %s", row.name, got.body)
		}
	}
	h.call("POST", path, key, `{"minutes":5,"contacts":["`+ops+`"]}`)
	if got := h.call("DELETE", path+"?contact_id=nobody,"+ops, key, ""); got.status != http.StatusOK {
		t.Errorf("ended by a key: %d %s", got.status, got.body)
	}
	h.tell(`{"type":"RECOVERY","host":"web01","service":"HTTP","state":0}`)
	if got := h.call("DELETE", path+"?contact_id="+ops, key, ""); got.status != http.StatusConflict {
		t.Errorf("ended after the recovery: %d %s", got.status, got.body)
	}
	if got := h.call("POST", path, key, `{"minutes":5,"contacts":["`+ops+`"]}`); got.status != http.StatusConflict {
		t.Errorf("after the recovery: %d %s", got.status, got.body)
	}
}

func TestAPublicationReachesWhoWantsIt(t *testing.T) {
	h := startPushHub(t)
	key := h.key(auth.WriteConfig, auth.ReadConfig)
	wanting, s := h.browserOf()
	other, o := h.browserOf()
	h.publicPage("main")
	shop, _ := h.publicPage("shop")
	for _, row := range []struct {
		s    device.Subscription
		page string
		lang string
	}{{s, shop, "de-AT"}, {o, "main", ""}} {
		if got := h.call("PUT", "/api/v1/push/subscription", nil, h.subscribing(row.s, "page", row.page, "language", row.lang)); got.status != http.StatusOK {
			t.Fatal(got.body)
		}
	}
	made := h.call("POST", "/api/v1/publications", key, `{"page":"`+shop+`","kind":"incident_new","impact":"major","texts":{"":{"title":"Down","body":"The shop is down."},"de":{"title":"Ausfall","body":"Der Shop steht."}},"url":"/incidents/1","topic":"incident-1"}`)
	if made.status != http.StatusCreated || made.field(t, "urgency") != "high" || made.field(t, "progress.done") == "" {
		t.Fatalf("publish: %d %s", made.status, made.body)
	}
	n := wait(t, wanting, 1)
	if n["title"] != "Ausfall" || data(n, "kind") != "page" || data(n, "publication") != made.field(t, "id") {
		t.Errorf("notification %v", n)
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	deadline := time.Now().Add(20 * time.Second)
	var got answer
	for range look.C {
		got = h.call("GET", "/api/v1/publications/"+made.field(t, "id"), key, "")
		if got.field(t, "progress.done") == "true" || time.Now().After(deadline) {
			break
		}
	}
	if got.field(t, "progress.sent") != "1" || got.field(t, "progress.waiting") != "0" || got.field(t, "progress.done") != "true" {
		t.Errorf("progress %s", got.body)
	}
	if read, _ := other.Read(); len(read) != 0 {
		t.Errorf("somebody of another page got %q", read)
	}
	if all := h.call("GET", "/api/v1/publications?limit=1", key, ""); all.field(t, "items.0.id") != made.field(t, "id") {
		t.Errorf("list %s", all.body)
	}
	for field, body := range map[string]string{
		"kind":        `{"kind":"gossip","texts":{"":{"title":"x","body":"y"}}}`,
		"texts":       `{"kind":"maintenance","texts":{"de":{"title":"x","body":"y"}}}`,
		"url":         `{"kind":"maintenance","texts":{"":{"title":"x","body":"y"}},"url":"javascript:alert(1)"}`,
		"ttl_minutes": `{"kind":"maintenance","texts":{"":{"title":"x","body":"y"}},"ttl_minutes":40321}`,
		"page":        `{"page":"../x","kind":"maintenance","texts":{"":{"title":"x","body":"y"}}}`,
		"nobody":      `{"kind":"maintenance","texts":{"":{"title":"x","body":"y"}},"nobody":1}`,
	} {
		if got := h.call("POST", "/api/v1/publications", key, body); got.status != http.StatusUnprocessableEntity || got.field(t, "errors.0.location") != "body."+field {
			t.Errorf("%s: %d %s", field, got.status, got.body)
		}
	}
	t.Run("figures of the push services are kept and told", func(t *testing.T) {
		services := h.call("GET", "/api/v1/push/services", key, "")
		if services.field(t, "items.0.origin") != "https://"+autopush.Host || services.field(t, "items.0.state") != "open" {
			t.Errorf("services %s", services.body)
		}
		if m := h.call("GET", "/metrics", nil, ""); !strings.Contains(m.body, `tocsin_push_messages_total{result="accepted",service="https://`+autopush.Host+`"} 1`) {
			t.Error("the figures do not tell the message")
		}
		if got := h.call("GET", "/api/v1/health", key, ""); !strings.Contains(got.body, `"push"`) || got.field(t, "ok") != "true" {
			t.Errorf("health %s", got.body)
		}
	})
	t.Run("names that visitors make up have no figures of their own", func(t *testing.T) {
		_, forged := h.browserOf()
		forged.Endpoint = "https://made-up.notify.windows.com/w/1"
		if got := h.call("PUT", "/api/v1/push/subscription", nil, h.subscribing(forged)); got.status != http.StatusOK {
			t.Fatalf("subscribe: %d %s", got.status, got.body)
		}
		h.call("POST", "/api/v1/publications", key, `{"kind":"incident_new","texts":{"":{"title":"Down","body":"x"}}}`)
		const tried = `tocsin_push_messages_total{result="retried",service="other"} `
		var m string
		for deadline := time.Now().Add(20 * time.Second); !strings.Contains(m, tried) || strings.Contains(m, tried+"0"); <-look.C {
			if m = h.call("GET", "/metrics", nil, "").body; time.Now().After(deadline) {
				t.Fatal("the figures do not tell the attempt")
			}
			if strings.Contains(m, "made-up") {
				t.Fatal("the figures have a name that a visitor made up")
			}
		}
	})
}

func TestWithoutASubjectWhoeverTurnsWebPushOnIsToldThatNothingCanBeSent(t *testing.T) {
	h := startHub(t, "TOCSIN_PUSH_PROXY="+lab.Proxy.URL)
	h.user("root", auth.Admin)
	root := h.cookie("root")
	healthy := func(want string) {
		t.Helper()
		deadline := time.Now().Add(30 * time.Second) // a report is good for a second
		got := h.call("GET", "/api/v1/health", root, "")
		for got.field(t, "ok") != want && time.Now().Before(deadline) {
			got = h.call("GET", "/api/v1/health", root, "")
		}
		if got.field(t, "ok") != want || want == "false" && !strings.Contains(got.body, "Set a subject under Settings → Notifications, or give VAPID_SUBJECT=mailto:…") {
			t.Errorf("health: %s", got.body)
		}
	}
	const mine = "Messages cannot go out yet"
	put := func(s device.Subscription) (warning string) {
		t.Helper()
		got := h.call("PUT", "/api/v1/push/devices", root, h.subscribing(s))
		if got.status != http.StatusOK {
			t.Fatalf("device: %d %s", got.status, got.body)
		}
		return got.field(t, "warning")
	}
	healthy("true")
	_, s := h.browserOf()
	if got := put(s); !strings.Contains(got, mine) || !strings.Contains(got, "administrator") {
		t.Errorf("the answer warns of %q", got)
	}
	healthy("false")
	if got := h.call("GET", "/console/me", root, ""); got.status != http.StatusOK || !strings.Contains(got.body, mine) {
		t.Errorf("the page does not tell: %d", got.status)
	}
	if got := h.call("PUT", "/api/v1/settings", root, `{"push_subject":"mailto:ops@tocsin-lab.org"}`); got.status != http.StatusOK {
		t.Fatalf("settings: %d %s", got.status, got.body)
	}
	healthy("true")
	if got := put(s); got != "" {
		t.Errorf("with a subject the answer warns of %q", got)
	}
	if got := h.call("GET", "/console/me", root, ""); strings.Contains(got.body, mine) {
		t.Error("the page tells, too")
	}
}

func TestPushSettingsAreInForceAtOnce(t *testing.T) {
	h := startHub(t, "TOCSIN_PUSH_PROXY=http://127.0.0.1:1", "VAPID_SUBJECT=mailto:ops@tocsin-lab.org")
	h.user("root", auth.Admin)
	root := h.cookie("root")
	set := func(t *testing.T, body string) {
		t.Helper()
		if got := h.call("PUT", "/api/v1/settings", root, body); got.status != http.StatusOK {
			t.Fatalf("settings: %d %s", got.status, got.body)
		}
	}
	d, s := h.browserOf()
	id := h.subscribe(root, s)
	test := func() answer { return h.call("POST", "/api/v1/push/devices/"+id+"/test", root, "") }
	if got := test(); got.status != http.StatusOK || got.field(t, "accepted") != "false" || got.field(t, "detail") == "" {
		t.Fatalf("through a proxy that is not there: %d %s", got.status, got.body)
	}
	t.Run("the outgoing proxy", func(t *testing.T) {
		proxy, err := url.Parse(lab.Proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		set(t, `{"push_proxy":"http://`+proxy.Host+`"}`)
		// After a dial that failed the client waits, for a second at most.
		deadline := time.Now().Add(30 * time.Second)
		got := test()
		for got.field(t, "accepted") != "true" && time.Now().Before(deadline) {
			got = test()
		}
		if got.field(t, "accepted") != "true" {
			t.Errorf("test: %d %s", got.status, got.body)
		}
		wait(t, d, 1)
	})
	t.Run("further push hosts", func(t *testing.T) {
		own := s
		own.Endpoint = "https://push.example.org:8443/x"
		if got := h.call("PUT", "/api/v1/push/devices", root, h.subscribing(own)); got.status != http.StatusUnprocessableEntity {
			t.Errorf("before: %d %s", got.status, got.body)
		}
		set(t, `{"push_hosts":["example.org:8443"]}`)
		if got := h.call("PUT", "/api/v1/push/devices", root, h.subscribing(own)); got.status != http.StatusOK {
			t.Errorf("after: %d %s", got.status, got.body)
		}
	})
	t.Run("what will not do is named", func(t *testing.T) {
		for field, body := range map[string]string{
			"push_proxy": `{"push_proxy":"http://me:secret@proxy:1"}`, "push_hosts[0]": `{"push_hosts":["https://x"]}`,
			"push_subject": `{"push_subject":"mailto:root@localhost"}`, "push_urgency.down": `{"push_urgency":{"down":"now"}}`,
			"push_ttl_minutes": `{"push_ttl_minutes":40321}`, "push_ready_max": `{"push_ready_max":1000001}`,
		} {
			got := h.call("PUT", "/api/v1/settings", root, body)
			if got.status != http.StatusUnprocessableEntity || got.field(t, "errors.0.location") != "body."+field || strings.Contains(got.body, "secret") {
				t.Errorf("%s: %d %s", field, got.status, got.body)
			}
		}
	})
}

// The services of the world may be out of reach, in the demo for instance:
// nothing hangs, and the log tells little.
func TestPushServicesOutOfReachHoldNothingUp(t *testing.T) {
	var lines lineCounter
	// Nobody answers: the connection is taken, and that is all.
	var lc net.ListenConfig
	mute, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	cfg, err := config.Load(config.Sources{File: os.DevNull, Flags: map[string]string{
		"TOCSIN_LISTEN": "127.0.0.1:0", "TOCSIN_DATA": t.TempDir(), "TOCSIN_PUSH_PROXY": "http://" + mute.Addr().String(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), cfg, app.Options{Log: slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{T: t, app: a, url: a.URL()}
	var hash, hint string
	h.token, hash, hint = auth.NewToken(auth.SourcePrefix)
	if err := a.Store().SaveSource(t.Context(), source.Source{ID: "source-lab", Name: "lab", Kind: "nagios", TokenHash: hash, TokenHint: hint, CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	h.operator("ops", auth.Operator)
	ops := h.cookie("ops")
	_, s := h.browserOf()
	h.subscribe(ops, s)
	h.publicPage("main")
	_, visitor := h.browserOf()
	if got := h.call("PUT", "/api/v1/push/subscription", nil, h.subscribing(visitor)); got.status != http.StatusOK {
		t.Fatal(got.body)
	}
	id := h.tell(problem)
	if got := h.call("POST", "/api/v1/publications", h.key(auth.WriteConfig), `{"kind":"incident_new","texts":{"":{"title":"x","body":"y"}}}`); got.status != http.StatusCreated {
		t.Fatal(got.body)
	}
	if got := h.call("GET", "/readyz", nil, ""); got.status != http.StatusOK {
		t.Errorf("not ready: %s", got.body)
	}
	if got := h.call("POST", "/api/v1/alerts/"+id+"/acknowledge", ops, ""); got.status != http.StatusOK {
		t.Errorf("acknowledge: %d %s", got.status, got.body)
	}
	http.DefaultClient.CloseIdleConnections()
	begin := time.Now()
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if n := lines.n.Load(); n > 3 {
		t.Errorf("%d lines in the log", n)
	}
}

// lineCounter counts what is written to it.
type lineCounter struct{ n atomic.Int64 }

func (c *lineCounter) Write(b []byte) (int, error) {
	c.n.Add(int64(bytes.Count(b, []byte("\n"))))
	return len(b), nil
}
