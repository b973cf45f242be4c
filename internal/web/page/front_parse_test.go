package page

import (
	"strings"
	"testing"
)

// What net/http refuses is not answered here.
func TestTheFrontLeavesOddHostsAndSpacesToTheServer(t *testing.T) {
	for _, lines := range []string{"Host: a b", "Host: <a>", "Host: a/b", "Host: a\u00a0", "Host: \u0085a", "Host: a@b\\c", "Host: a\r\nConnection: close\u00a0"} {
		if q, ok := parse([]byte("GET / HTTP/1.1\r\n" + lines + "\r\n")); ok {
			t.Errorf("%q is understood as %+v", lines, q)
		}
	}
	for _, host := range []string{"status.example.com", "Status.Example.com.:443", "[::1]:80", "a_b-c.d"} {
		if q, ok := parse([]byte("GET / HTTP/1.1\r\nHost: " + host + "\r\nX: ü\r\n")); !ok || !strings.EqualFold(q.host, host) {
			t.Errorf("%q is not understood", host)
		}
	}
}
