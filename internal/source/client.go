package source

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What one request to an engine's API may take.
const (
	engineTime   = 8 * time.Second
	engineAnswer = 4 << 20 // bytes
)

// Client asks one engine's HTTP API. It follows no redirects, for they would
// carry the password elsewhere; it waits 8 s at most and reads 4 MiB at most;
// and it uses the proxy that it was given or none, never one of the environment.
// It is safe for use by several goroutines.
type Client struct {
	base      string
	http      *http.Client
	authorize func(*http.Request)
}

// NewClient makes a client of the API at w.URL, without touching it yet.
// authorize puts the credentials into each request. A *FieldError names the
// setting that is wrong.
func NewClient(w WriteBack, o EngineOptions, authorize func(*http.Request)) (*Client, error) {
	u, err := url.Parse(w.URL)
	switch {
	case w.URL == "":
		return nil, &FieldError{Field: "write_back.url", Problem: "is missing", Mend: "give the address of the engine's API, such as https://monitoring.example.com"}
	case len(w.URL) > MaxURL || !isAddress(w.URL) || err != nil:
		return nil, &FieldError{Field: "write_back.url", Problem: "is no web address", Mend: "start it with https:// or http:// and the engine's host name"}
	case u.User != nil:
		return nil, &FieldError{Field: "write_back.url", Problem: "has a user or a password in it", Mend: "put them into their own fields"}
	case u.RawQuery != "" || u.Fragment != "":
		return nil, &FieldError{Field: "write_back.url", Problem: "has a ? or a # in it", Mend: "give the address up to there"}
	case strings.ContainsAny(w.User, "\r\n\x00") || strings.ContainsAny(w.Secret, "\r\n\x00"):
		return nil, &FieldError{Field: "write_back.secret", Problem: "has a line break in it", Mend: "give user and password in one line each"}
	}
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  engineTime,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    2,
		MaxConnsPerHost:        8,
		IdleConnTimeout:        time.Minute,
		DisableCompression:     true, // what a few bytes grow to could be large
		ForceAttemptHTTP2:      true,
	}
	if t.TLSClientConfig, err = w.tls(); err != nil {
		return nil, err
	}
	if w.UseProxy {
		if o.Proxy == nil {
			return nil, &FieldError{Field: "write_back.use_proxy", Problem: "is set, but there is no outgoing proxy", Mend: "set one in the configuration (push_proxy), or switch this off"}
		}
		t.Proxy = http.ProxyURL(o.Proxy)
	}
	return &Client{base: strings.TrimRight(w.URL, "/"), authorize: authorize, http: &http.Client{Transport: t, Timeout: engineTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

func (w WriteBack) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: w.ServerName}
	if w.CA == "" {
		return c, nil
	}
	c.RootCAs = x509.NewCertPool()
	if len(w.CA) > 256<<10 || !c.RootCAs.AppendCertsFromPEM([]byte(w.CA)) {
		return nil, &FieldError{Field: "write_back.ca", Problem: "has no certificate in it", Mend: "paste the whole file that begins with -----BEGIN CERTIFICATE-----"}
	}
	return c, nil
}

// APIAnswer is what an engine's API answered, whatever its status.
type APIAnswer struct {
	Status int
	Body   []byte
	html   bool
}

// Call sends one request. A body may be nil, url.Values (sent as a form) or
// anything that can be JSON. An error says that there was no answer, or one
// that cannot be the API's: a redirect, or too long.
func (c *Client) Call(ctx context.Context, method, path string, header http.Header, body any) (APIAnswer, error) {
	var content io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case url.Values:
		content, kind = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return APIAnswer{}, fmt.Errorf("write %s %s as JSON: %w", method, path, err)
		}
		content, kind = bytes.NewReader(text), "application/json"
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return APIAnswer{}, fmt.Errorf("make the request %s %s: %w", method, path, bare(err))
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "Tocsin")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	c.authorize(r)
	credential := lastWord(r.Header.Get("Authorization"))
	res, err := c.http.Do(r)
	if err != nil {
		// What is no HTTP is repeated in net/http's error.
		if text := bare(err).Error(); len(text) > maxError || repeats(text, credential) {
			return APIAnswer{}, errors.New("could not be reached: something answers there that is no HTTP")
		}
		return APIAnswer{}, fmt.Errorf("could not be reached: %w%s", bare(err), mend(err))
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return APIAnswer{}, fmt.Errorf("answered with a redirect (%d), which is not followed: give the address that it leads to", res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, engineAnswer+1))
	if err != nil {
		return APIAnswer{}, fmt.Errorf("its answer broke off: %w", bare(err))
	}
	if len(text) > engineAnswer {
		return APIAnswer{}, fmt.Errorf("its answer is longer than %d MiB", engineAnswer>>20)
	}
	if repeats(string(text), credential) {
		text = bytes.ReplaceAll(text, []byte(credential), []byte("…"))
	}
	return APIAnswer{Status: res.StatusCode, Body: text, html: strings.HasPrefix(res.Header.Get("Content-Type"), "text/html")}, nil
}

// maxError is how long an error of net/http is that says what people can use.
const maxError = 1000

// repeats says whether an engine, or a proxy before it, repeats what it was sent to
// let us in: its words are shown to people. What is shorter than any token is a word
// like others.
func repeats(text, credential string) bool {
	return len(credential) >= 12 && strings.Contains(text, credential)
}

// lastWord is the credential of an Authorization header.
func lastWord(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }

// JSON reads the body.
func (a APIAnswer) JSON(into any) error {
	if err := json.Unmarshal(a.Body, into); err != nil {
		if a.html || bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("<")) {
			return fmt.Errorf("answered a web page (%d): is this the address of its API?", a.Status)
		}
		return fmt.Errorf("answered something that is not its API's (%d)", a.Status)
	}
	return nil
}

// Words are the beginning of the body in one line, for people.
func (a APIAnswer) Words() string {
	text, _, _ := Line(string(a.Body[:min(len(a.Body), 2000)]), 300)
	return strings.Join(strings.Fields(text), " ")
}

// bare is an error without the address, which every caller knows, in front.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// mend says what to do about an error in reaching an engine.
func mend(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "; give the certificate of who signed the engine's (CA)"
	case errors.As(err, &name):
		return "; give the name that stands in its certificate (server name)"
	case errors.As(err, &record):
		return "; it does not speak TLS there: should the address begin with http://?"
	}
	return ""
}

// ReplyWords are words as a Reply holds them: one line of at most 500 characters.
func ReplyWords(s string) string {
	s, _, _ = Line(strings.TrimSpace(s), 500)
	return s
}
