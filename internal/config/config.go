package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"tocsin/internal/vault"
)

// Config is what the machine needs to start.
type Config struct {
	Listen      string // host:port
	DataDir     string
	DatabaseURL string // "sqlite:PATH" or "postgres://…"
	// BaseURL is how browsers and engines reach this Tocsin, without a slash at
	// its end. With https, cookies are for https only.
	BaseURL  string
	LogLevel slog.Level
	Observe  Observe // how it is seen from outside
	// TrustedProxies are the addresses whose Forwarded and X-Forwarded-… are believed.
	TrustedProxies []netip.Prefix
	// PlainHTTP are the networks that may come by plain HTTP, besides this machine and
	// the proxies.
	PlainHTTP []netip.Prefix
	// Domains are the host names for which certificates are got by ACME, the base
	// URL's first; else TLSCert and TLSKey are the files of a pair. With neither,
	// plain HTTP is spoken.
	Domains         []string
	TLSCert, TLSKey string
	// ListenHTTP is where browsers are sent to https from; empty: nowhere. Unless it
	// was given, it may be missing.
	ListenHTTP      string
	ListenHTTPGiven bool
	// The CA: who is told of trouble there, its directory and the file of its root;
	// empty: nobody, Let's Encrypt, and the system's.
	ACMEEmail, ACMEDirectory, ACMECA string
	// Node names this process among several on one database; empty: made at start.
	Node string
	// Drain is how long a node that is told to end still takes requests, while
	// /readyz says that it is not ready: until the balancer has noticed.
	Drain time.Duration

	// The key pair that names us to push services, both or neither, as
	// `tocsin vapid generate` prints them; and who is told of trouble there.
	VAPIDPublicKey  string
	VAPIDPrivateKey string
	VAPIDSubject    string
	// Secrets is where the key comes from that secrets in the database are sealed with.
	Secrets vault.Source
	// OIDC is the provider by which people sign in, if there is one.
	OIDC OIDC

	// PushProxy is the outgoing proxy unless the settings name one: http://host:port,
	// with user and password where it asks for them. A secret.
	PushProxy string
	// PushPrivate are the networks in which push services may stand though
	// nothing else there is ever dialled.
	PushPrivate []netip.Prefix
	// WebhookPrivate are the networks in which visitors' webhooks may stand though
	// nothing else there is ever called for a visitor.
	WebhookPrivate []netip.Prefix
}

// Error is a configuration that will not do: where it was found, what is wrong,
// and the mend.
type Error struct {
	Where   string // "/etc/tocsin/tocsin.env line 3", "environment", "flag --listen"
	Key     string
	Problem string
	Mend    string
}

// Error is one line.
func (e *Error) Error() string {
	text := e.Where + ": " + e.Key + " " + e.Problem
	if e.Mend != "" {
		text += "; " + e.Mend
	}
	return text
}

// Secure says whether browsers reach us by https.
func (c Config) Secure() bool { return strings.HasPrefix(c.BaseURL, "https:") }

// Postgres says whether the database is PostgreSQL.
func (c Config) Postgres() bool {
	return strings.HasPrefix(c.DatabaseURL, "postgres:") || strings.HasPrefix(c.DatabaseURL, "postgresql:")
}

// fill makes a Config of the values that were found.
func fill(f found) (Config, error) {
	c := Config{
		Node:            f.get("TOCSIN_NODE").text,
		VAPIDPublicKey:  f.get("VAPID_PUBLIC_KEY").text,
		VAPIDPrivateKey: f.get("VAPID_PRIVATE_KEY").text,
		VAPIDSubject:    f.get("VAPID_SUBJECT").text,
	}
	listen := f.get("TOCSIN_LISTEN")
	c.Listen = listen.text
	if err := readTLS(&c, f); err != nil {
		return c, err
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port == "" {
		return c, &Error{listen.where, "TOCSIN_LISTEN", fmt.Sprintf("%q is no address", c.Listen), "write host:port, for example 127.0.0.1:8080 or :8080"}
	}
	dir := f.get("TOCSIN_DATA")
	if c.DataDir, err = filepath.Abs(dir.text); err != nil {
		return c, &Error{dir.where, "TOCSIN_DATA", fmt.Sprintf("%q is no folder: %v", dir.text, err), "write the path of a folder"}
	}
	if c.DatabaseURL, err = databaseURL(f.get("TOCSIN_DATABASE_URL"), c.DataDir); err != nil {
		return c, err
	}
	base := baseURL
	if c.Encrypted() {
		base = c.ownURL
	}
	if c.BaseURL, err = base(f.get("TOCSIN_BASE_URL"), host, port); err != nil {
		return c, err
	}
	if err = readPlain(&c, f); err != nil {
		return c, err
	}
	level := f.get("TOCSIN_LOG_LEVEL")
	if err := c.LogLevel.UnmarshalText([]byte(level.text)); err != nil {
		return c, &Error{level.where, "TOCSIN_LOG_LEVEL", fmt.Sprintf("%q is no level", level.text), "take debug, info, warn or error"}
	}
	if c.TrustedProxies, err = networks("TOCSIN_TRUSTED_PROXIES", f.get("TOCSIN_TRUSTED_PROXIES")); err != nil {
		return c, err
	}
	if c.Observe, err = observe(f); err != nil {
		return c, err
	}
	if c.Secrets, err = secrets(f); err != nil {
		return c, err
	}
	if c.PushPrivate, err = networks("TOCSIN_PUSH_PRIVATE", f.get("TOCSIN_PUSH_PRIVATE")); err != nil {
		return c, err
	}
	if c.WebhookPrivate, err = networks("TOCSIN_WEBHOOK_PRIVATE", f.get("TOCSIN_WEBHOOK_PRIVATE")); err != nil {
		return c, err
	}
	if c.Drain, err = drain(f, c.Postgres()); err != nil {
		return c, err
	}
	if c.PushProxy, err = pushProxy(f.get("TOCSIN_PUSH_PROXY")); err != nil {
		return c, err
	}
	if c.OIDC, err = oidc(f); err != nil {
		return c, err
	}
	return c, vapid(f.get("VAPID_PUBLIC_KEY"), f.get("VAPID_PRIVATE_KEY"), f.get("VAPID_SUBJECT"))
}

func databaseURL(v value, dataDir string) (string, error) {
	scheme, path, _ := strings.Cut(v.text, ":")
	switch {
	case v.text == "":
		return "sqlite:" + filepath.Join(dataDir, "tocsin.db"), nil
	case scheme == "sqlite" && path != "":
		return v.text, nil
	case scheme == "postgres" || scheme == "postgresql":
		if _, err := url.Parse(v.text); err != nil {
			// The error of net/url repeats the URL, and with it the password.
			return "", &Error{v.where, "TOCSIN_DATABASE_URL", "cannot be read", "write postgres://user:password@host:5432/database, with special characters of the password as %XX"}
		}
		return v.text, nil
	}
	return "", &Error{v.where, "TOCSIN_DATABASE_URL", fmt.Sprintf("begins with %q", scheme), "write postgres://user:password@host:5432/database, or sqlite:PATH, or leave it out"}
}

func baseURL(v value, host, port string) (string, error) {
	if v.text == "" {
		// Nobody can open http://0.0.0.0 in a browser everywhere.
		if ip, err := netip.ParseAddr(host); host == "" || (err == nil && ip.IsUnspecified()) {
			host = "localhost"
		}
		return "http://" + net.JoinHostPort(host, port), nil
	}
	u, err := url.Parse(v.text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", &Error{v.where, "TOCSIN_BASE_URL", fmt.Sprintf("%q is no address of a site", v.text), "write how browsers reach it, for example https://alerts.example.com"}
	}
	if strings.Trim(u.Path, "/") != "" {
		return "", &Error{v.where, "TOCSIN_BASE_URL", fmt.Sprintf("%q has a path", v.text), "give Tocsin a host name of its own; it does not run below a path"}
	}
	return u.Scheme + "://" + u.Host, nil
}

// networks reads addresses and networks, with commas or blanks between them.
func networks(key string, v value) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for text := range strings.FieldsFuncSeq(v.text, func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return nil, &Error{v.where, key, fmt.Sprintf("%q is no address or network", text), "write for example 10.0.0.5 or 10.0.0.0/24, several with commas"}
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}
