package e2e_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/test/hub"
	"tocsin/test/pushlab/autopush"
	"tocsin/test/pushlab/box"
	devices "tocsin/test/pushlab/device"
	"tocsin/test/pushlab/hostile"
	"tocsin/test/pushlab/pushproxy"
)

// gadget is a device without a browser that belongs to somebody.
type gadget struct {
	*devices.Device
	id       string // at the hub
	host     string // its push service
	endpoint string
}

// crowd is people with devices at many push services, good and bad.
type crowd struct {
	*world
	box   *box.Box
	proxy *pushproxy.Proxy
	key   struct {
		PublicKey string `json:"public_key"`
		KeyID     string `json:"key_id"`
	}
	tabs    map[string]*hub.Tab
	gadgets map[string]*gadget // by host
}

// gather starts a hub whose push services are those behind a proxy, which it
// knows by its setting. The good ones are all one box.
func gather(t *testing.T, users ...string) *crowd {
	t.Helper()
	mozilla, err := autopush.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mozilla.Close)
	proxy, err := pushproxy.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	certs, err := proxy.CertFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := begin(t, hub.Options{Env: []string{"SSL_CERT_FILE=" + certs, "VAPID_SUBJECT=mailto:ops@example.org"}})
	c := &crowd{world: w, box: mozilla.Box, proxy: proxy, tabs: map[string]*hub.Tab{}, gadgets: map[string]*gadget{}}
	for _, name := range users {
		w.user(name, "operator")
	}
	w.serve()
	w.must(w.hub.Call(w.ctx, http.MethodPut, "/settings", w.hub.Key, map[string]any{"push_proxy": proxy.URL}, nil))
	// Visitors subscribe to a page that there is.
	w.must(w.hub.Call(w.ctx, http.MethodPost, "/status/pages", w.hub.Key, map[string]any{"slug": "main", "name": "Example", "zone": "UTC"}, nil))
	w.must(w.hub.Get(w.ctx, "/push/key", &c.key))
	for _, name := range users {
		c.tabs[name], err = w.hub.SignIn(w.ctx, name, password)
		w.must(err)
	}
	return c
}

// at gives somebody a device at a push service.
func (c *crowd) at(user, host string, h pushproxy.Host) *gadget {
	c.Helper()
	c.must(c.proxy.Serve(host, h))
	key, err := base64.RawURLEncoding.DecodeString(c.key.PublicKey)
	c.must(err)
	token := "token-" + strings.ReplaceAll(host, ".", "-")
	d, err := devices.New(c.box, token, key)
	c.must(err)
	d.Switch(true)
	g := &gadget{Device: d, host: host, endpoint: "https://" + host + "/wpush/v2/" + token}
	var saved struct{ ID string }
	c.must(c.tabs[user].Ask(c.ctx, http.MethodPut, "/push/devices", map[string]any{
		"subscription": d.Subscription(g.endpoint), "key_id": c.key.KeyID, "name": host, "language": "en",
	}, &saved))
	g.id = saved.ID
	c.gadgets[host] = g
	return g
}

// happens sends a problem that names everybody.
func (c *crowd) happens(service string) {
	c.Helper()
	var names []string
	for name := range c.tabs {
		names = append(names, name)
	}
	c.send(map[string]any{
		"id": service, "type": "PROBLEM", "host": "web01", "service": service, "state": 2, "output": "no answer",
		"contacts": names, "time": time.Now().Unix(),
	})
}

// of answers the delivery of a service's problem to a device.
func (c *crowd) of(service string, g *gadget) delivery {
	c.Helper()
	for _, d := range c.alertOf("web01", service).Deliveries {
		if d.Destination == g.id {
			return d
		}
	}
	return delivery{}
}

// reads waits until a device has decrypted a message about a service.
func (c *crowd) arrives(service string, g *gadget) {
	c.Helper()
	c.eventually(fmt.Sprintf("%s reads of %s", g.host, service), func() bool {
		texts, err := g.Read()
		c.must(err)
		return slices.ContainsFunc(texts, func(text []byte) bool {
			var m struct {
				WebPush      int `json:"web_push"`
				Notification struct{ Title, Navigate string }
			}
			c.must(json.Unmarshal(text, &m))
			return m.WebPush == 8030 && m.Notification.Title == problemOf(service) && strings.HasPrefix(m.Notification.Navigate, c.hub.URL+"/")
		})
	})
}

// kept says whether the hub still has a device.
func (c *crowd) kept(user string, g *gadget) bool {
	c.Helper()
	var out struct{ Items []device }
	c.must(c.tabs[user].Ask(c.ctx, http.MethodGet, "/push/devices", nil, &out))
	return slices.ContainsFunc(out.Items, func(d device) bool { return d.ID == g.id })
}

// Push services that say no: each answer has its consequence, and no other.
func TestPushServicesThatRefuse(t *testing.T) {
	t.Parallel()
	c := gather(t, "anna", "ben")
	good := pushproxy.Host{Handler: c.box}
	mozilla := c.at("anna", autopush.Host, good)
	told := func(user, name string, answers ...box.Answer) *gadget {
		t.Helper()
		g := c.at(user, name+".push.services.mozilla.com", good)
		c.must(c.box.Fail(g.Token, answers...))
		return g
	}
	never := slices.Repeat([]box.Answer{{Status: 500}}, 1000)
	soon := http.Header{"Retry-After": {"1"}}
	gone := told("anna", "gone", box.Answer{Status: 410})
	unknown := told("anna", "unknown", box.Answer{Status: 404})
	unauthorized := told("anna", "unauthorized", slices.Repeat([]box.Answer{{Status: 401, Body: `{"code":401,"errno":109,"error":"Unauthorized","message":"no such key"}`}}, 100)...)
	forbidden := told("anna", "forbidden", slices.Repeat([]box.Answer{{Status: 403, Body: `{"reason":"BadJwtToken"}`}}, 100)...)
	paused := told("anna", "paused", box.Answer{Status: 429, Header: soon})
	busy := told("anna", "busy", box.Answer{Status: 503, Header: soon})
	broken := told("anna", "broken", never...)
	ours := told("anna", "ours", box.Answer{Status: 400, Body: "I do not understand"})
	large := told("anna", "large", box.Answer{Status: 413})
	odd := told("ben", "odd", box.Answer{Status: 302, Header: http.Header{"Location": {"https://updates.push.services.mozilla.com/wpush/v2/" + mozilla.Token}}})
	long := told("ben", "long", box.Answer{Status: 429, Header: http.Header{"Retry-After": {"99999999999999999999"}}})
	past := told("ben", "past", box.Answer{Status: 429, Header: http.Header{"Retry-After": {"Thu, 01 Jan 1970 00:00:00 GMT"}}})

	at := time.Now()
	c.happens("HTTP")
	c.arrives("HTTP", mozilla)
	t.Logf("the good service had it after %v, with 12 bad ones beside it", time.Since(at).Round(time.Millisecond))

	c.part("404 and 410 delete", func() {
		for _, g := range []*gadget{gone, unknown} {
			c.eventually(g.host+" is deleted", func() bool { return !c.kept("anna", g) })
			// Written down when its batch is done, a moment after the device is gone.
			c.eventually("the delivery to "+g.host+" is cancelled", func() bool {
				d := c.of("HTTP", g)
				return d.State == "cancelled" && d.Detail != ""
			})
		}
	})
	c.part("429, 503 and 413 are sent again", func() {
		for _, g := range []*gadget{paused, busy, large} {
			c.arrives("HTTP", g)
			c.eventually(g.host+" is sent", func() bool { return c.of("HTTP", g).State == "sent" })
		}
	})
	c.part("401 and 403 delete nothing, stop their service and warn", func() {
		for _, g := range []*gadget{unauthorized, forbidden} {
			var h struct {
				Warnings []struct{ Part, Problem, Mend string }
			}
			c.eventually("health warns of "+g.host, func() bool {
				c.must(c.hub.Get(c.ctx, "/health", &h))
				return slices.ContainsFunc(h.Warnings, func(w struct{ Part, Problem, Mend string }) bool {
					return strings.Contains(w.Problem+w.Mend, g.host) && w.Mend != ""
				})
			})
			if !c.kept("anna", g) {
				c.Errorf("%s was deleted", g.host)
			}
			if d := c.of("HTTP", g); d.State != "waiting" {
				c.Errorf("%s: the delivery is %+v", g.host, d)
			}
			if got := len(c.box.Pushes(g.Token)); got > 3 {
				c.Errorf("%s was asked %d times", g.host, got)
			}
		}
	})
	c.part("5xx waits, 400 ends, redirects are not followed", func() {
		if d := c.of("HTTP", broken); d.State != "waiting" || !c.kept("anna", broken) {
			c.Errorf("500: the delivery is %+v", d)
		}
		c.eventually("400 has ended", func() bool { return c.of("HTTP", ours).State == "dead" })
		if !c.kept("anna", ours) {
			c.Error("400 deleted the device")
		}
		if d := c.of("HTTP", odd); d.State == "sent" || !c.kept("ben", odd) {
			c.Errorf("302: the delivery is %+v", d)
		}
		if got := c.box.Accepted(mozilla.Token); got != 1 {
			c.Errorf("a redirect was followed: %d messages", got)
		}
	})
	c.part("a pause has bounds", func() {
		c.arrives("HTTP", past)
		if d := c.of("HTTP", long); d.State != "waiting" {
			c.Errorf("an endless pause: %+v", d)
		}
	})
	c.part("what was paused goes on, what is stopped stays so, and the good one hears all", func() {
		before := len(c.box.Pushes(unauthorized.Token))
		c.happens("SMTP")
		for _, g := range []*gadget{mozilla, paused, busy, large, ours} {
			c.arrives("SMTP", g)
		}
		if got := len(c.box.Pushes(unauthorized.Token)); got != before {
			c.Errorf("a service that refused the key was asked again at once: %d times", got-before)
		}
		var services struct {
			Items []struct{ Origin, State, Why string }
		}
		c.must(c.hub.Get(c.ctx, "/push/services", &services))
		for _, s := range services.Items {
			if s.Origin == "https://"+unauthorized.host && s.State != "stopped" {
				c.Errorf("the service that refuses the key is %+v", s)
			}
		}
	})
	c.part("the device test says which step failed", func() {
		var out struct {
			Accepted bool
			Status   int
			Detail   string
		}
		c.must(c.tabs["anna"].Ask(c.ctx, http.MethodPost, "/push/devices/"+mozilla.id+"/test", nil, &out))
		if !out.Accepted || out.Status != 201 {
			c.Errorf("the good service: %+v", out)
		}
		c.must(c.tabs["anna"].Ask(c.ctx, http.MethodPost, "/push/devices/"+forbidden.id+"/test", nil, &out))
		if out.Accepted || out.Detail == "" {
			c.Errorf("the service that refuses the key: %+v", out)
		}
	})
	c.part("no secret is in the log", func() {
		log := c.hub.Log()
		for _, g := range c.gadgets {
			sub := g.Subscription(g.endpoint)
			for _, secret := range []string{g.Token, sub.Keys.Auth} {
				if strings.Contains(log, secret) {
					c.Errorf("the log has a secret of %s", g.host)
				}
			}
		}
	})
}

// Push services that misbehave on the wire, all at once: each device whose
// service takes messages at all gets them, once, and none keeps the good one
// waiting.
func TestPushServicesThatMisbehave(t *testing.T) {
	t.Parallel()
	c := gather(t, "anna", "ben")
	foreign, err := pushproxy.NewAuthority()
	c.must(err)
	sign := func(cert tls.Certificate, err error) *tls.Certificate {
		t.Helper()
		c.must(err)
		return &cert
	}
	good := c.box
	mozilla := c.at("anna", autopush.Host, pushproxy.Host{Handler: good})
	late := map[string]*gadget{} // must arrive
	for name, h := range map[string]pushproxy.Host{
		"old":     hostile.Old(good),
		"leaves":  hostile.Leaves(good),
		"refuses": hostile.Refuses(good),
		"resets":  hostile.Resets(2, good),
		"narrow":  hostile.Narrow(good),
	} {
		late[name] = c.at("anna", name+".push.apple.com", h)
	}
	never := map[string]*gadget{}
	for name, h := range map[string]pushproxy.Host{
		"hangs":      hostile.Hangs(),
		"silent":     hostile.Silent(),
		"breaks":     hostile.Breaks(),
		"floods":     hostile.Floods(),
		"endless":    hostile.Endless(),
		"endlessold": hostile.EndlessOld(),
		"expired":    {Handler: good, Certificate: sign(c.proxy.Authority().Expired("expired.notify.windows.com"))},
		"othername":  {Handler: good, Certificate: sign(c.proxy.Authority().Certificate("elsewhere.notify.windows.com"))},
		"selfsigned": {Handler: good, Certificate: sign(foreign.Certificate("selfsigned.notify.windows.com"))},
		"redirects":  hostile.Redirects("http://" + c.hub.Listen + "/api/v1/push/key"),
	} {
		never[name] = c.at("ben", name+".notify.windows.com", h)
	}

	at := time.Now()
	services := []string{"HTTP", "SMTP", "IMAP", "LDAP", "DNS"}
	for _, s := range services {
		c.happens(s)
	}
	for _, s := range services {
		c.arrives(s, mozilla)
	}
	t.Logf("the good service had all %d after %v", len(services), time.Since(at).Round(time.Millisecond))
	for _, g := range late {
		for _, s := range services {
			c.arrives(s, g)
		}
		t.Logf("%s had all after %v", g.host, time.Since(at).Round(time.Millisecond))
		for _, s := range services {
			c.eventually(g.host+": "+s+" is sent", func() bool { return c.of(s, g).State == "sent" })
		}
		texts, err := g.Read()
		if err != nil || len(texts) != len(services) {
			t.Errorf("%s got %d messages of %d: %v", g.host, len(texts), len(services), err)
		}
	}
	for name, g := range never {
		if texts, _ := g.Read(); len(texts) > 0 {
			t.Errorf("%s got %s", g.host, texts)
		}
		if d := c.of("HTTP", g); d.State == "sent" || !c.kept("ben", g) {
			t.Errorf("%s: the delivery is %+v", name, d)
		}
	}
	// While all that goes on, the hub is well otherwise, and ends when it is told to.
	c.must(c.tabs["anna"].Ask(c.ctx, http.MethodGet, "/push/devices", nil, nil))
	at = time.Now()
	c.must(c.hub.Stop(c.ctx))
	if took := time.Since(at); took > 15*time.Second {
		t.Errorf("the hub took %v to end", took)
	}
	c.must(c.hub.Start(c.ctx))
	c.happens("after the restart")
	c.arrives("after the restart", mozilla)
}

// Endpoints come from outside: none may lead the hub anywhere but to a push
// service.
func TestPushEndpointsFromOutside(t *testing.T) {
	t.Parallel()
	c := gather(t, "anna")
	key, err := base64.RawURLEncoding.DecodeString(c.key.PublicKey)
	c.must(err)
	d, err := devices.New(c.box, "token", key)
	c.must(err)
	register := func(endpoint string) error {
		body := map[string]any{"subscription": d.Subscription(endpoint), "key_id": c.key.KeyID}
		visitor := c.hub.Call(c.ctx, http.MethodPut, "/push/subscription", "", body, nil)
		body["name"] = "x"
		mine := c.tabs["anna"].Ask(c.ctx, http.MethodPut, "/push/devices", body, nil)
		var r *hub.RefusedError
		if errors.As(visitor, &r) && r.Status == http.StatusTooManyRequests {
			return mine // visitors are many, and have a limit together
		}
		if (visitor == nil) != (mine == nil) {
			t.Errorf("%q: a visitor's %v, a device's %v", endpoint, visitor, mine)
		}
		return mine
	}
	refused := func(endpoint string) {
		t.Helper()
		var r *hub.RefusedError
		switch err := register(endpoint); {
		case err == nil:
			t.Errorf("taken: %q", endpoint)
		case !errors.As(err, &r) || r.Status < 400 || r.Status > 499:
			t.Errorf("%q: %v", endpoint, err)
		}
	}
	for _, endpoint := range []string{
		"", "x", "//fcm.googleapis.com/fcm/send/x", "http://fcm.googleapis.com/fcm/send/x", "HTTP://fcm.googleapis.com/", "ftp://fcm.googleapis.com/x",
		"file:///etc/passwd", "gopher://fcm.googleapis.com:443/x", "javascript:alert(1)",
		"https://localhost/x", "https://127.0.0.1/x", "https://127.1/x", "https://2130706433/x", "https://0x7f000001/x", "https://0177.0.0.1/x",
		"https://[::1]/x", "https://[::ffff:127.0.0.1]/x", "https://[::]/x", "https://0.0.0.0/x", "https://169.254.169.254/latest/meta-data", "https://10.0.0.1/x.google.com/",
		"https://metadata.google.internal/x", "https://example.org/x", "https://google.com/x", "https://googleapis.com/x", "https://mail.google.com/x",
		"https://fcm.googleapis.com.example.org/x", "https://example.org/fcm.googleapis.com/", "https://example.org?fcm.googleapis.com", "https://example.org#fcm.googleapis.com",
		"https://example.org\\@fcm.googleapis.com/x", "https://fcm.googleapis.com@example.org/x", "https://example.org@fcm.googleapis.com/x", "https://a:b@fcm.googleapis.com/x",
		"https://fcm.googleapis.com:22/x", "https://fcm.googleapis.com:8443/x", "https://fcm.googleapis.com:0443/x", "https://fcm.googleapis.com:443:443/x", "https://fcm.googleapis.com:/x",
		"https://evilfcm.googleapis.com.evil/x", "https://xfcm.googleapis.com.", "https://notfcm-googleapis.com/x", "https://evilpush.services.mozilla.com/x", "https://xpush.apple.com/x",
		"https://fcm.googleapis.com%2eexample.org/x", "https://fcm.googleapis.com%00.example.org/x", "https://fcm.googleapis.com\x00/x", "https://fcm.googleapis.com\r\nHost: x/x", "https://fcm.googleapis.com /x",
		"https://fcm.googleapis.com/x\r\nX-Injected: 1", "https://fcm.googleapis.com/x y", "https://ⓕcm.googleapis.com/x", "https://fcm。googleapis。com/x", "https://fcm.googleapis.com/" + strings.Repeat("x", 5000),
		" https://fcm.googleapis.com/x", "https:fcm.googleapis.com/x", "https:///fcm.googleapis.com/x", "https://fcm.googleapis.com/x#fragment",
	} {
		refused(endpoint)
	}

	c.part("a host of the setting is taken, and only that", func() {
		refused("https://push.example.org/x")
		c.must(c.hub.Call(c.ctx, http.MethodPut, "/settings", c.hub.Key, map[string]any{"push_hosts": []string{"push.example.org", "localhost:8443"}}, nil))
		c.must(register("https://push.example.org/x"))
		refused("https://xpush.example.org/x")
		refused("https://example.org/x")
		refused("https://push.example.org:8443/x")
		refused("https://localhost/x")
		for _, bad := range []string{"*", "*.example.org", "https://push.example.org", "push.example.org/x", "a b", "", "example.org:0", "example.org:99999", "user@example.org"} {
			if err := c.hub.Call(c.ctx, http.MethodPut, "/settings", c.hub.Key, map[string]any{"push_hosts": []string{bad}}, nil); err == nil {
				c.Errorf("push_hosts takes %q", bad)
			}
		}
	})

	// A name that may be pushed to, and then leads inside: what DNS rebinding
	// comes to. Here the name is localhost, and somebody listens there.
	c.part("the address is looked at again when it is dialled", func() {
		var reached atomic.Int64
		inside, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*mustCertificate(c, "localhost")}})
		c.must(err)
		defer inside.Close()
		go func() {
			for {
				conn, err := inside.Accept()
				if err != nil {
					return
				}
				reached.Add(1)
				_ = conn.Close()
			}
		}()
		_, port, err := net.SplitHostPort(inside.Addr().String())
		c.must(err)
		c.must(c.hub.Call(c.ctx, http.MethodPut, "/settings", c.hub.Key, map[string]any{"push_hosts": []string{"localhost:" + port}, "push_proxy": ""}, nil))
		c.must(register("https://localhost:" + port + "/x"))
		var out struct{ Items []device }
		c.must(c.tabs["anna"].Ask(c.ctx, http.MethodGet, "/push/devices", nil, &out))
		c.happens("HTTP")
		var answer struct {
			Accepted bool
			Detail   string
		}
		c.must(c.tabs["anna"].Ask(c.ctx, http.MethodPost, "/push/devices/"+out.Items[len(out.Items)-1].ID+"/test", nil, &answer))
		if answer.Accepted || answer.Detail == "" || reached.Load() != 0 {
			c.Errorf("answered %+v, and inside there were %d connections", answer, reached.Load())
		}
		c.Logf("it says: %s", answer.Detail)
	})
	if seen := c.proxy.Seen(); len(seen) > 0 {
		t.Errorf("the hub asked for %q", seen)
	}
}

func mustCertificate(c *crowd, name string) *tls.Certificate {
	c.Helper()
	cert, err := c.proxy.Authority().Certificate(name)
	c.must(err)
	return &cert
}
