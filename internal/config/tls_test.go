package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/config"
)

func TestHTTPS(t *testing.T) {
	for name, row := range map[string]struct {
		env  string
		want []string // listen, plain, base URL, domains
	}{
		"a domain is enough":                         {"TOCSIN_DOMAIN=Alerts.Example.com.", []string{":443", ":80", "https://alerts.example.com", "alerts.example.com"}},
		"several domains: the first is ours":         {"TOCSIN_DOMAIN=a.example.com, b.example.com", []string{":443", ":80", "https://a.example.com", "a.example.com b.example.com"}},
		"the base URL may be the second of them":     {"TOCSIN_DOMAIN=a.example.com,b.example.com;TOCSIN_BASE_URL=https://b.example.com", []string{":443", ":80", "https://b.example.com", "a.example.com b.example.com"}},
		"another port is in the base URL":            {"TOCSIN_DOMAIN=a.example.com;TOCSIN_LISTEN=10.0.0.1:8443", []string{"10.0.0.1:8443", "", "https://a.example.com:8443", "a.example.com"}},
		"port 80 follows the address of 443":         {"TOCSIN_DOMAIN=a.example.com;TOCSIN_LISTEN=10.0.0.1:443", []string{"10.0.0.1:443", "10.0.0.1:80", "https://a.example.com", "a.example.com"}},
		"plain HTTP may be elsewhere":                {"TOCSIN_DOMAIN=a.example.com;TOCSIN_LISTEN_HTTP=:8080", []string{":443", ":8080", "https://a.example.com", "a.example.com"}},
		"plain HTTP may be off":                      {"TOCSIN_DOMAIN=a.example.com;TOCSIN_LISTEN_HTTP=off", []string{":443", "", "https://a.example.com", "a.example.com"}},
		"files of a certificate need the base URL":   {"TOCSIN_TLS_CERT=/c;TOCSIN_TLS_KEY=/k;TOCSIN_BASE_URL=https://x.example.com", []string{":443", ":80", "https://x.example.com", ""}},
		"without either everything is as it was":     {"TOCSIN_LISTEN=:8080", []string{":8080", "", "http://localhost:8080", ""}},
		"an address of IPv6 is written with its []s": {"TOCSIN_TLS_CERT=/c;TOCSIN_TLS_KEY=/k;TOCSIN_LISTEN=[2001:db8::1]:443", []string{"[2001:db8::1]:443", "[2001:db8::1]:80", "https://[2001:db8::1]", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := config.Load(config.Sources{Environ: strings.Split(row.env, ";"), File: os.DevNull})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(row.want, []string{c.Listen, c.ListenHTTP, c.BaseURL, strings.Join(c.Domains, " ")}); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestHTTPSRefusals(t *testing.T) {
	for name, row := range map[string]struct{ env, want string }{
		"an address as domain":         {"TOCSIN_DOMAIN=192.0.2.1", "no host name"},
		"a URL as domain":              {"TOCSIN_DOMAIN=https://a.example.com", "without https://"},
		"a wildcard as domain":         {"TOCSIN_DOMAIN=*.example.com", "no host name"},
		"localhost as domain":          {"TOCSIN_DOMAIN=localhost", "no host name"},
		"a certificate without a key":  {"TOCSIN_TLS_CERT=/c", "without TOCSIN_TLS_KEY"},
		"a key without a certificate":  {"TOCSIN_TLS_KEY=/k", "without TOCSIN_TLS_CERT"},
		"files and a domain":           {"TOCSIN_TLS_CERT=/c;TOCSIN_TLS_KEY=/k;TOCSIN_DOMAIN=a.example.com", "keep one"},
		"files without the base URL":   {"TOCSIN_TLS_CERT=/c;TOCSIN_TLS_KEY=/k", "TOCSIN_BASE_URL"},
		"a base URL of http":           {"TOCSIN_DOMAIN=a.example.com;TOCSIN_BASE_URL=http://a.example.com", "not https"},
		"a base URL of another name":   {"TOCSIN_DOMAIN=a.example.com;TOCSIN_BASE_URL=https://b.example.com", "TOCSIN_DOMAIN"},
		"a CA without a domain":        {"TOCSIN_ACME_EMAIL=ops@example.com", "without TOCSIN_DOMAIN"},
		"a CA by http":                 {"TOCSIN_DOMAIN=a.example.com;TOCSIN_ACME_DIRECTORY=http://ca.example.com/dir", "https://"},
		"an e-mail address that is no": {"TOCSIN_DOMAIN=a.example.com;TOCSIN_ACME_EMAIL=ops", "e-mail"},
		"plain HTTP without https":     {"TOCSIN_LISTEN_HTTP=:80", "without https"},
		"plain HTTP at no address":     {"TOCSIN_DOMAIN=a.example.com;TOCSIN_LISTEN_HTTP=80", "host:port"},
		"plain HTTP from no network":   {"TOCSIN_PLAIN_HTTP=everybody", "TOCSIN_PLAIN_HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(config.Sources{Environ: strings.Split(row.env, ";"), File: os.DevNull})
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %q", err, row.want)
			}
		})
	}
}

func TestPlainHTTPIsForThisMachineAndProxies(t *testing.T) {
	for env, refused := range map[string]bool{
		"":                             false,
		"TOCSIN_LISTEN=localhost:8080": false,
		"TOCSIN_LISTEN=[::1]:8080":     false,
		"TOCSIN_LISTEN=:8080":          true,
		"TOCSIN_LISTEN=0.0.0.0:8080":   true,
		"TOCSIN_LISTEN=10.0.0.5:8080":  true,
		"TOCSIN_LISTEN=tocsin.lan:80":  true,
		"TOCSIN_LISTEN=:8080;TOCSIN_TRUSTED_PROXIES=10.0.0.1": false,
		"TOCSIN_LISTEN=:8080;TOCSIN_PLAIN_HTTP=10.0.0.0/8":    false,
		"TOCSIN_DOMAIN=a.example.com":                         false,
	} {
		c, err := config.Load(config.Sources{Environ: strings.Split(env, ";"), File: os.DevNull})
		if err != nil {
			t.Fatal(err)
		}
		err = c.CheckPlain()
		if (err != nil) != refused {
			t.Errorf("%q: %v", env, err)
		}
		if err != nil && !strings.Contains(err.Error(), "TOCSIN_TRUSTED_PROXIES") {
			t.Errorf("%q: %v says no mend", env, err)
		}
	}
}
