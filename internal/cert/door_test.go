package cert_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tocsin/internal/cert"
)

// Whatever is asked for by plain HTTP: it leads to our own name or to a page's, and
// nowhere else.
func TestTheDoorLeadsHomeAlone(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(cert.Door("https://alerts.example.com:8443", func(host string) bool { return host == "status.example.com" }))
	t.Cleanup(s.Close)
	for request, want := range map[string]string{
		"GET /console/alerts?q=a%20b HTTP/1.1\r\nHost: alerts.example.com":   "https://alerts.example.com:8443/console/alerts?q=a%20b",
		"GET / HTTP/1.1\r\nHost: status.example.com:80":                      "https://status.example.com/",
		"GET / HTTP/1.1\r\nHost: evil.example":                               "https://alerts.example.com:8443/",
		"GET / HTTP/1.1\r\nHost: alerts.example.com@evil.example":            "",
		"GET //evil.example/x HTTP/1.1\r\nHost: alerts.example.com":          "https://alerts.example.com:8443//evil.example/x",
		"GET http://evil.example/x HTTP/1.1\r\nHost: alerts.example.com":     "https://alerts.example.com:8443/x",
		"GET x:@evil.example/ HTTP/1.1\r\nHost: alerts.example.com":          "",
		"GET x:.evil.example/ HTTP/1.1\r\nHost: alerts.example.com":          "",
		"POST / HTTP/1.1\r\nHost: alerts.example.com\r\nContent-Length: 0":   "",
		"GET / HTTP/1.1\r\nHost: alerts.example.com\r\nAuthorization: Basic": "",
	} {
		t.Run(strings.ReplaceAll(request, "/", "_"), func(t *testing.T) {
			t.Parallel()
			var d net.Dialer
			conn, err := d.DialContext(t.Context(), "tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := fmt.Fprintf(conn, "%s\r\nConnection: close\r\n\r\n", request); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got := resp.Header.Get("Location"); got != want || (want == "") != (resp.StatusCode >= 400) {
				t.Errorf("%d to %q, want %q", resp.StatusCode, got, want)
			}
		})
	}
}
