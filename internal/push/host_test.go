package push_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/push"
)

func TestEndpointsOfPushServices(t *testing.T) {
	extra := []string{"push.example.org", "push.example.org:8443", "10.1.2.3:9000", "[fd00::1]", "autopush:8080"}
	for _, c := range []struct{ endpoint, origin string }{
		{"https://fcm.googleapis.com/fcm/send/cXk:APA91bH-x_y", "https://fcm.googleapis.com"},
		{"https://jmt17.google.com/fcm/send/abc", "https://jmt17.google.com"},
		{"https://android.googleapis.com/gcm/send/abc", "https://android.googleapis.com"},
		{"https://updates.push.services.mozilla.com/wpush/v2/gAAAAAB=", "https://updates.push.services.mozilla.com"},
		{"https://push.services.mozilla.com/x", "https://push.services.mozilla.com"},
		{"https://wns2-by3p.notify.windows.com/w/?token=BQYAAAC%2bKr", "https://wns2-by3p.notify.windows.com"},
		{"https://web.push.apple.com/QGuQyavXutnMH", "https://web.push.apple.com"},
		{"https://fcm.googleapis.com:443/x", "https://fcm.googleapis.com"},
		{"https://fcm.googleapis.com/", "https://fcm.googleapis.com"},
		{"https://push.example.org/x", "https://push.example.org"},
		{"https://a.b.push.example.org:8443/x", "https://a.b.push.example.org:8443"},
		{"https://10.1.2.3:9000/x", "https://10.1.2.3:9000"},
		{"https://[fd00::1]/x", "https://[fd00::1]"},
		{"https://autopush:8080/wpush/x", "https://autopush:8080"},
	} {
		if origin, err := push.CheckEndpoint(c.endpoint, extra); err != nil || origin != c.origin {
			t.Errorf("%s: %q, %v", c.endpoint, origin, err)
		}
	}
}

// tricks are addresses by which servers were made to call where they should
// not, and some that two parsers read in two ways.
var tricks = []string{
	"", " ", "fcm.googleapis.com", "//fcm.googleapis.com/x", "http://fcm.googleapis.com/x", "ftp://fcm.googleapis.com/x", "HTTPS://fcm.googleapis.com/x",
	"https:fcm.googleapis.com/x", "https:/fcm.googleapis.com/x", "https:///fcm.googleapis.com/x", "https://", "https:///", "file:///etc/passwd", "javascript:alert(1)",
	// Not a push service at all, or one only in the path, the query, the user.
	"https://evil.example/x", "https://evil.example/fcm.googleapis.com", "https://evil.example/?x=https://fcm.googleapis.com/",
	"https://10.0.0.1/x.google.com/", "https://evil.example/#@fcm.googleapis.com/", "https://evil.example#fcm.googleapis.com/",
	"https://fcm.googleapis.com@evil.example/x", "https://fcm.googleapis.com:443@evil.example/x", "https://user@fcm.googleapis.com/x", "https://user:pass@fcm.googleapis.com/x",
	"https://@fcm.googleapis.com/x", "https://evil.example\\@fcm.googleapis.com/x", "https://fcm.googleapis.com\\.evil.example/x", "https://evil.example\\fcm.googleapis.com/",
	"https://fcm.googleapis.com%2eevil.example/x", "https://fcm.googleapis.com%00.evil.example/x", "https://fcm.googleapis.com%2f@evil.example/",
	// Names that only look like one.
	"https://fcm.googleapis.com.evil.example/x", "https://evilfcm.googleapis.com/x", "https://notfcm.googleapis.com/x", "https://xpush.apple.com/x", "https://googleapis.com/x",
	"https://apple.com/x", "https://.push.apple.com/x", "https://a..push.apple.com/x", "https://push.apple.com./x", "https://fcm.googleapis.com./x", "https://-.push.apple.com/x",
	"https://PUSH.apple.com/x", "https://Fcm.GoogleApis.com/x", "https://fcm。googleapis。com/x", "https://ｆｃｍ.googleapis.com/x", "https://fcm.googleapis.cоm/x", "https://xn--.push.apple.com:1/x",
	"https://" + strings.Repeat("a", 64) + ".push.apple.com/x", "https://" + strings.Repeat("a.", 130) + "push.apple.com/x", "https://*.push.apple.com/x",
	// Addresses, in all their forms.
	"https://127.0.0.1/x", "https://127.1/x", "https://2130706433/x", "https://0x7f000001/x", "https://0x7f.0x0.0x0.0x1/x", "https://017700000001/x", "https://0/x", "https://0.0.0.0/x",
	"https://[::1]/x", "https://[::]/x", "https://[::ffff:127.0.0.1]/x", "https://[0:0:0:0:0:0:0:1]/x", "https://[fe80::1%25eth0]/x", "https://169.254.169.254/latest/meta-data/",
	"https://[fd00:0::1]/x", "https://[::ffff:10.1.2.3]:9000/x", "https://10.1.2.3/x", "https://010.1.2.3:9000/x", "https://10.1.515:9000/x", "https://167838211:9000/x", "https://10.1.2.3.:9000/x",
	"https://[10.1.2.3]:9000/x", "https://a.10.1.2.3:9000/x", "https://localhost/x", "https://localhost:8443/x",
	// Ports.
	"https://fcm.googleapis.com:80/x", "https://fcm.googleapis.com:8443/x", "https://fcm.googleapis.com:/x", "https://fcm.googleapis.com:0443/x", "https://fcm.googleapis.com:+443/x",
	"https://fcm.googleapis.com:443:443/x", "https://fcm.googleapis.com:65979/x", "https://fcm.googleapis.com:99999999999999999999/x", "https://fcm.googleapis.com:https/x",
	"https://push.example.org:9/x", "https://autopush/x", "https://[fd00::1]:8443/x", "https://[fd00::1/x", "https://fd00::1]/x", "https://[]/x",
	// Characters that end a line or a request, or change their meaning on the way.
	"https://fcm.googleapis.com/x\r\nHost: evil", "https://fcm.googleapis.com/x y", "https://fcm.googleapis.com/\t", "https://fcm.googleapis.com/\x00", "https://fcm.googleapis.com/\x7f",
	"https://fcm.googleapis.com\n/x", "https://fcm.google\tapis.com/x", " https://fcm.googleapis.com/x", "https://fcm.googleapis.com/x ", "https://fcm.googleapis.com/ü", "https://fcm.googleapis.com/\xff",
	"https://fcm.googleapis.com/x\\..\\y", "https://fcm.googleapis.com/<x>", "https://fcm.googleapis.com/\"x", "https://fcm.googleapis.com/{x}", "https://fcm.googleapis.com/%zz",
	// No path, or a fragment.
	"https://fcm.googleapis.com", "https://fcm.googleapis.com?x", "https://fcm.googleapis.com#/x", "https://fcm.googleapis.com/x#y", "https://fcm.googleapis.com/x#",
	"https://fcm.googleapis.com/" + strings.Repeat("x", 2048),
}

func TestTricksWithAddressesAreRefused(t *testing.T) {
	extra := []string{"push.example.org", "push.example.org:8443", "10.1.2.3:9000", "[fd00::1]", "autopush:8080"}
	for _, trick := range tricks {
		origin, err := push.CheckEndpoint(trick, extra)
		if err == nil {
			t.Errorf("%.80q passes as %s", trick, origin)
			continue
		}
		refused(t, err, "endpoint")
		if strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("%q: the error holds control characters", trick)
		}
	}
}

func TestAnErrorAboutAnEndpointDoesNotShowIt(t *testing.T) {
	_, err := push.CheckEndpoint("https://unknown.example/capability-url", nil)
	if err == nil || strings.Contains(err.Error(), "capability-url") || !strings.Contains(err.Error(), "unknown.example") {
		t.Error(err)
	}
}

func TestEntriesOfTheHostList(t *testing.T) {
	for _, good := range append(push.DefaultHosts(), "push.example.org", "push.example.org:8443", "autopush:8080", "10.1.2.3", "[fd00::1]:9000", "a_b.example.org") {
		if err := push.CheckHost(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", ".", "https://push.example.org", "push.example.org/", "push.example.org/x", "*.example.org", ".example.org", "example.org.", "PUSH.example.org", "a b", "push.example.org:",
		"push.example.org:0", "push.example.org:99999", "user@push.example.org", "127.1", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]", "::1", "fd00::1", "bücher.example", "a..b", "-a.b", "x\ny",
		"push.example.org, other.example.org", strings.Repeat("a", 300),
	} {
		t.Run("refused: "+bad, func(t *testing.T) { refused(t, push.CheckHost(bad), "push_hosts") })
	}
	t.Run("a bad entry lets nothing in", func(t *testing.T) {
		for _, entry := range []string{"", ".", "*", "*.evil.example", "https://evil.example", "evil.example/"} {
			if _, err := push.CheckEndpoint("https://evil.example/x", []string{entry}); err == nil {
				t.Errorf("%q", entry)
			}
		}
	})
}

// What passes is read by Go's parser as the same host, which is on the list.
func FuzzCheckEndpoint(f *testing.F) {
	for _, s := range tricks {
		f.Add(s)
	}
	f.Add("https://updates.push.services.mozilla.com/wpush/v2/gAAAAAB=")
	f.Add("https://wns2-by3p.notify.windows.com/w/?token=BQYAAAC%2bKr")
	f.Add("https://push.example.org:8443/x")
	hosts := append(push.DefaultHosts(), "push.example.org")
	f.Fuzz(func(t *testing.T, raw string) {
		origin, err := push.CheckEndpoint(raw, []string{"push.example.org:8443"})
		if err != nil {
			return
		}
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("%q passes and cannot be parsed: %v", raw, err)
		}
		host, port := u.Hostname(), u.Port()
		if u.Scheme != "https" || u.User != nil || u.Fragment != "" || len(raw) > 2048 || strings.ToLower(host) != host {
			t.Errorf("%q passes", raw)
		}
		if !slices.ContainsFunc(hosts, func(h string) bool { return host == h || strings.HasSuffix(host, "."+h) }) {
			t.Errorf("%q passes with the host %q", raw, host)
		}
		want := "https://" + host
		if port == "8443" {
			want += ":8443"
		} else if port != "" && port != "443" {
			t.Errorf("%q passes with the port %s", raw, port)
		}
		if origin != want {
			t.Errorf("%q has the origin %q", raw, origin)
		}
		rest, ok := strings.CutPrefix(raw, "https://"+u.Host)
		if !ok || !strings.HasPrefix(rest, "/") || strings.ContainsFunc(rest, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			t.Errorf("%q passes with the path %q", raw, rest)
		}
	})
}

func FuzzCheckSubject(f *testing.F) {
	for _, s := range []string{"mailto:a@b.org", "https://b.org/", "https://x.local", "https://1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if push.CheckSubject(s) != nil {
			return
		}
		if strings.ContainsAny(s, " \r\n\"\\") || len(s) > 255 || !strings.HasPrefix(s, "mailto:") && !strings.HasPrefix(s, "https://") {
			t.Errorf("%q passes", s)
		}
	})
}

func BenchmarkCheckEndpoint(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := push.CheckEndpoint("https://updates.push.services.mozilla.com/wpush/v2/gAAAAABlYx0000000000000000000000000000000000000000000000000000000000000", nil); err != nil {
			b.Fatal(err)
		}
	}
}

// A name without a dot is a machine's of one's own, or a whole top-level domain.
func TestAPushHostWithoutADotStandsForItselfAlone(t *testing.T) {
	extra := []string{"pushd", "com"}
	if _, err := push.CheckEndpoint("https://pushd/x", extra); err != nil {
		t.Error(err)
	}
	for _, e := range []string{"https://evil.com/x", "https://a.pushd/x"} {
		if _, err := push.CheckEndpoint(e, extra); err == nil {
			t.Errorf("%s is taken", e)
		}
	}
}
