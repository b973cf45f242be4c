package tls_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/test/browser"
)

const own, page, gone = "alerts.tocsin.test", "status.tocsin.test", "gone.tocsin.test"

// One hub, from nothing to a browser that follows alerts by https.
func TestADomainIsEnough(t *testing.T) {
	t.Parallel()
	c := startCA(t)
	base := site("https", own, c.tls)
	plain := site("http", own, c.http)
	n := newNode(t, "TOCSIN_DOMAIN="+own, "TOCSIN_LISTEN="+addr(c.tls), "TOCSIN_LISTEN_HTTP="+addr(c.http),
		"TOCSIN_ACME_DIRECTORY="+c.directory, "TOCSIN_ACME_CA="+c.rootFile, "TOCSIN_ACME_EMAIL=ops@tocsin.test")
	n.cli(password, "user", "add", "anna", "--role", "admin", "--password-stdin")
	key := n.key()
	n.start()
	client := c.client(t)
	until(t, "the certificate comes", func() bool { return c.leaf(own, c.tls) != nil })
	first := c.leaf(own, c.tls)
	until(t, "it serves", func() bool {
		status, _, _ := call(t, client, "GET", base+"/readyz", "", "")
		return status == http.StatusOK
	})

	t.Run("the API speaks HTTP/2, and browsers remember https of our own name", func(t *testing.T) {
		resp, err := client.Get(base + "/api/v1/openapi.json")
		must(t, err)
		defer resp.Body.Close()
		if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK {
			t.Errorf("%s %s", resp.Proto, resp.Status)
		}
		if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
			t.Errorf("HSTS %q", got)
		}
	})
	t.Run("the session's cookie is for https only", func(t *testing.T) {
		if k := signIn(t, client, base); !k.Secure {
			t.Errorf("%v", k)
		}
	})
	t.Run("http leads to https, and nothing is taken there", func(t *testing.T) {
		status, header, _ := call(t, client, "GET", plain+"/console/alerts?q=a%20b", "", "")
		if status != http.StatusPermanentRedirect || header.Get("Location") != base+"/console/alerts?q=a%20b" || header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%d %v", status, header)
		}
		for _, bad := range []func() int{
			func() int {
				status, _, _ := call(t, client, "POST", plain+"/api/v1/sources/x/events", "", "{}")
				return status
			},
			func() int { status, _, _ := call(t, client, "GET", plain+"/api/v1/alerts", key, ""); return status },
		} {
			if got := bad(); got != http.StatusForbidden {
				t.Errorf("answered %d", got)
			}
		}
		_, header, _ = call(t, client, "GET", site("http", "evil.example", c.http)+"/", "", "")
		if got := header.Get("Location"); got != base+"/" {
			t.Errorf("a name that is nobody's leads to %q", got)
		}
		status, _, _ = call(t, client, "GET", plain+"/.well-known/acme-challenge/unknown", "", "")
		if status != http.StatusNotFound {
			t.Errorf("a challenge that there is not: %d", status)
		}
	})
	t.Run("names of others get no certificate, and none is ordered", func(t *testing.T) {
		for _, name := range []string{"evil.example", "x." + own, page} {
			if c.leaf(name, c.tls) != nil {
				t.Errorf("%s has one", name)
			}
		}
		var list []map[string]any
		must(t, json.Unmarshal(n.cli("", "certificate", "list", "--json"), &list))
		if len(list) != 1 || list[0]["name"] != own {
			t.Errorf("ordered: %v", list)
		}
	})
	t.Run("a page's own host name gets a certificate, and no HSTS", func(t *testing.T) {
		status, _, body := call(t, client, "POST", base+"/api/v1/status/pages", key, `{"name":"Status","slug":"status","zone":"UTC","host":"`+page+`"}`)
		if status >= 300 {
			t.Fatalf("%d %s", status, body)
		}
		until(t, "the page's certificate comes", func() bool { return c.leaf(page, c.tls) != nil })
		status, header, body := call(t, client, "GET", site("https", page, c.tls)+"/", "", "")
		if status != http.StatusOK || !strings.Contains(body, "Status") || header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%d %v", status, header)
		}
		_, header, _ = call(t, client, "GET", site("http", page, c.http)+"/history", "", "")
		if got := header.Get("Location"); got != "https://"+page+"/history" {
			t.Errorf("http leads to %q", got)
		}
	})
	t.Run("what a CA refuses is said with its mend, and tried at once when a person asks", func(t *testing.T) {
		c.names.lose(gone, true)
		status, _, body := call(t, client, "POST", base+"/api/v1/status/pages", key, `{"name":"Gone","slug":"gone","zone":"UTC","host":"`+gone+`"}`)
		if status >= 300 {
			t.Fatalf("%d %s", status, body)
		}
		var said string
		until(t, "health says it", func() bool { said = warnings(t, client, base, key); return said != "" })
		if !strings.Contains(said, gone) || !strings.Contains(said, "DNS") {
			t.Errorf("it says %q", said)
		}
		if text := string(n.cli("", "certificate", "list")); !strings.Contains(text, "none yet") || !strings.Contains(text, "tried again in") {
			t.Errorf("the list says %q", text)
		}
		c.names.lose(gone, false)
		n.cli("", "certificate", "renew", gone)
		until(t, "its certificate comes", func() bool { return c.leaf(gone, c.tls) != nil })
		until(t, "health is well", func() bool { return warnings(t, client, base, key) == "" })
	})
	t.Run("Chromium follows alerts by HTTP/2, and has a service worker", func(t *testing.T) { inChromium(t, c, n, base, client) })
	t.Run("a start orders nothing that is there", func(t *testing.T) {
		n.stop()
		n.start()
		until(t, "it serves", func() bool { return c.leaf(own, c.tls) != nil })
		if got := c.leaf(own, c.tls); got.SerialNumber.Cmp(first.SerialNumber) != 0 {
			t.Error("another certificate")
		}
	})
}

func inChromium(t *testing.T, c *ca, n *node, base string, client *http.Client) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var source struct{ Token string }
	must(t, json.Unmarshal(n.cli("", "source", "add", "nagios", "--kind", "nagios", "--json"), &source))
	b, err := browser.Chromium(ctx, browser.Options{Dir: t.TempDir(), Flags: []string{
		"--host-resolver-rules=MAP *.tocsin.test 127.0.0.1", "--ignore-certificate-errors-spki-list=" + spki(c.leaf(own, c.tls))}})
	must(t, err)
	defer b.Close()
	tab, err := b.Open(ctx, base+"/console/sign-in")
	must(t, err)
	must(t, browser.Until(ctx, tab, `document.querySelector('[name=password]')`))
	must(t, browser.Type(ctx, tab, "[name=name]", "anna"))
	must(t, browser.Type(ctx, tab, "[name=password]", password))
	must(t, browser.Click(ctx, tab, "form button"))
	must(t, browser.Until(ctx, tab, `location.pathname === '/console/alerts'`))
	must(t, browser.Until(ctx, tab, `isSecureContext && performance.getEntriesByType('navigation')[0].nextHopProtocol === 'h2'`))
	must(t, browser.Until(ctx, tab, `(window.worker ??= navigator.serviceWorker.register('/sw-push.js').then(r => navigator.serviceWorker.ready).then(r => window.active = !!r.active), window.active)`))
	// The stream has said hello, and frames of an event that comes then reach the page.
	must(t, browser.Until(ctx, tab, `(window.stream ??= (() => { const s = new EventSource('/api/v1/live'); s.addEventListener('hello', () => window.hello = true); return s })(), window.hello)`))
	status, _, body := call(t, client, "POST", base+"/api/v1/sources/nagios/events", source.Token,
		`{"type":"PROBLEM","host":"router-by-https","state":"DOWN","output":"gone"}`)
	if status >= 300 {
		t.Fatalf("%d %s", status, body)
	}
	must(t, browser.Until(ctx, tab, `document.body.innerText.includes('router-by-https')`))
}

// Over TLS and HTTP/1.1, which proxies speak, a stream comes at once too.
func TestAStreamByHTTP1OverTLS(t *testing.T) {
	t.Parallel()
	pair := selfSigned(t, own)
	n, base, client := withFiles(t, pair)
	n.cli(password, "user", "add", "anna", "--role", "admin", "--password-stdin")
	n.start()
	until(t, "it serves", func() bool { return n.ready(client, base) })
	old := client.Transport.(*http.Transport).Clone()
	old.ForceAttemptHTTP2, old.TLSNextProto, old.TLSClientConfig.NextProtos = false, map[string]func(string, *tls.Conn) http.RoundTripper{}, []string{"http/1.1"}
	t.Cleanup(old.CloseIdleConnections)
	client = &http.Client{Transport: old, CheckRedirect: client.CheckRedirect}
	k := signIn(t, client, base)
	stream(t, client, base+"/api/v1/live", k, 1)
}

// stream reads the beginning of an event stream.
func stream(t *testing.T, client *http.Client, to string, k *http.Cookie, major int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", to, nil)
	must(t, err)
	req.AddCookie(k)
	resp, err := client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	if resp.ProtoMajor != major || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %s %v", resp.Proto, resp.Status, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if lines.Text() == "event: hello" {
			return
		}
	}
	t.Fatalf("no hello: %v", lines.Err())
}
