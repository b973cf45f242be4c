package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
)

// Encrypted says whether this process speaks https itself.
func (c Config) Encrypted() bool { return len(c.Domains) > 0 || c.TLSCert != "" }

// OverPlain says whether it listens for plain HTTP where others than this machine
// may come in.
func (c Config) OverPlain() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return err == nil && !c.Encrypted() && !loopback(host)
}

// CheckPlain refuses to serve passwords and tokens in the open: plain HTTP is for
// this machine, for the proxies that are listed, and for networks that are named.
func (c Config) CheckPlain() error {
	if !c.OverPlain() || len(c.TrustedProxies) > 0 || len(c.PlainHTTP) > 0 {
		return nil
	}
	return &Error{"TOCSIN_LISTEN", c.Listen, "is open to other machines, and plain HTTP is not encrypted",
		"choose one: TOCSIN_DOMAIN for certificates by themselves; TOCSIN_TLS_CERT and TOCSIN_TLS_KEY; TOCSIN_TRUSTED_PROXIES with the address of the proxy that speaks https for it; TOCSIN_LISTEN on 127.0.0.1; or TOCSIN_PLAIN_HTTP with the networks that may do without. docs/https.md has more"}
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// readTLS reads how https is spoken. It comes before the base URL, of which it may be
// the default.
func readTLS(c *Config, f found) error {
	domain := f.get("TOCSIN_DOMAIN")
	for name := range strings.FieldsFuncSeq(domain.text, func(r rune) bool { return r == ',' || r == ' ' }) {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		_, err := netip.ParseAddr(name)
		if !hostName(name) || err == nil || name == "localhost" {
			return &Error{domain.where, "TOCSIN_DOMAIN", fmt.Sprintf("%q is no host name", name), "write the name that leads here, for example alerts.example.com, several with commas; without https:// and port"}
		}
		c.Domains = append(c.Domains, name)
	}
	cert, key := f.get("TOCSIN_TLS_CERT"), f.get("TOCSIN_TLS_KEY")
	switch {
	case cert.text != "" && key.text == "":
		return &Error{cert.where, "TOCSIN_TLS_CERT", "is given without TOCSIN_TLS_KEY", "give both, the certificate's file and its key's"}
	case cert.text == "" && key.text != "":
		return &Error{key.where, "TOCSIN_TLS_KEY", "is given without TOCSIN_TLS_CERT", "give both, the certificate's file and its key's"}
	case cert.text != "" && len(c.Domains) > 0:
		return &Error{cert.where, "TOCSIN_TLS_CERT", "is given as well as TOCSIN_DOMAIN", "keep one of them: files, or certificates by themselves"}
	}
	c.TLSCert, c.TLSKey = cert.text, key.text
	if c.Encrypted() && !f.given("TOCSIN_LISTEN") {
		c.Listen = ":443"
	}
	return readACME(c, f)
}

func readACME(c *Config, f found) error {
	email, directory, ca := f.get("TOCSIN_ACME_EMAIL"), f.get("TOCSIN_ACME_DIRECTORY"), f.get("TOCSIN_ACME_CA")
	for name, v := range map[string]value{"TOCSIN_ACME_EMAIL": email, "TOCSIN_ACME_DIRECTORY": directory, "TOCSIN_ACME_CA": ca} {
		if v.text != "" && len(c.Domains) == 0 {
			return &Error{v.where, name, "is given without TOCSIN_DOMAIN", "name the host that gets a certificate, or leave it out"}
		}
	}
	if email.text != "" {
		if a, err := mail.ParseAddress(email.text); err != nil || a.Address != email.text || strings.ContainsAny(email.text, "?, ") {
			return &Error{email.where, "TOCSIN_ACME_EMAIL", fmt.Sprintf("%q is no e-mail address", email.text), "write one, such as ops@example.com"}
		}
	}
	if directory.text != "" {
		u, err := url.Parse(directory.text)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
			return &Error{directory.where, "TOCSIN_ACME_DIRECTORY", fmt.Sprintf("%q is no https:// address", directory.text), "write the directory of the CA, as it tells, or leave it out for Let's Encrypt"}
		}
	}
	c.ACMEEmail, c.ACMEDirectory, c.ACMECA = email.text, directory.text, ca.text
	return nil
}

// readPlain reads where plain HTTP is spoken: where browsers are sent to https from,
// and which networks may do without https.
func readPlain(c *Config, f found) error {
	v := f.get("TOCSIN_LISTEN_HTTP")
	host, port, _ := net.SplitHostPort(c.Listen) // looked at before
	switch {
	case v.text == "off":
	case v.text != "":
		if !c.Encrypted() {
			return &Error{v.where, "TOCSIN_LISTEN_HTTP", "is given without https", "it sends browsers from http to https, for which TOCSIN_DOMAIN or TOCSIN_TLS_CERT is needed; TOCSIN_LISTEN is the address to listen on"}
		}
		if _, p, err := net.SplitHostPort(v.text); err != nil || p == "" {
			return &Error{v.where, "TOCSIN_LISTEN_HTTP", fmt.Sprintf("%q is no address", v.text), "write host:port, for example :80, or off"}
		}
		c.ListenHTTP, c.ListenHTTPGiven = v.text, true
	case c.Encrypted() && (port == "443" || port == "https"):
		c.ListenHTTP = net.JoinHostPort(host, "80")
	}
	var err error
	c.PlainHTTP, err = networks("TOCSIN_PLAIN_HTTP", f.get("TOCSIN_PLAIN_HTTP"))
	return err
}

// ownURL is the base URL of a process that speaks https itself.
func (c Config) ownURL(v value, host, port string) (string, error) {
	if v.text == "" && len(c.Domains) == 0 {
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
			return "", &Error{"default", "TOCSIN_BASE_URL", "is not given", "write how browsers reach it, for example https://alerts.example.com: its host name is in the certificate"}
		}
	}
	if v.text == "" {
		if len(c.Domains) > 0 {
			host = c.Domains[0]
		}
		if port == "443" || port == "https" {
			return "https://" + strings.TrimSuffix(net.JoinHostPort(host, ""), ":"), nil
		}
		return "https://" + net.JoinHostPort(host, port), nil
	}
	text, err := baseURL(v, host, port)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https":
		return "", &Error{v.where, "TOCSIN_BASE_URL", fmt.Sprintf("%q is not https, which is spoken here", v.text), "write https://, or leave it out"}
	case len(c.Domains) > 0 && !contains(c.Domains, u.Hostname()):
		return "", &Error{v.where, "TOCSIN_BASE_URL", fmt.Sprintf("%q has a host that TOCSIN_DOMAIN does not name", v.text), "write the same name in both, or leave it out"}
	}
	return text, nil
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
