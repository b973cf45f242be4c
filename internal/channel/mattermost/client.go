package mattermost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/channel"
)

const (
	// patience is how long Mattermost may take for one request.
	patience = 10 * time.Second
	// dialogWithin is how long it may take to open a dialog: its trigger lives for
	// three seconds on old servers.
	dialogWithin = 2 * time.Second
	// maxAnswer is how much of an answer is read: a post of full length is less. Of
	// a list, maxList: 200 of them are less.
	maxAnswer = 1 << 20
	maxList   = 16 << 20
)

// server is one Mattermost as one user of it.
type server struct {
	base  string // without a slash at its end
	token string
	proxy *url.URL
}

// host names it for people.
func (s *server) host() string { return hostOf(s.base) }

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "Mattermost"
	}
	return u.Host
}

// answerError is an answer that is no success.
type answerError struct {
	status int
	id     string        // Mattermost's own, "api.context.permissions.app_error"
	words  string        // its message, cut
	after  time.Duration // how long it asks to be left alone
	html   bool
}

func (e *answerError) Error() string {
	switch {
	case e.html:
		return "it answered HTML"
	case e.words != "":
		return fmt.Sprintf("it answered %d: %s", e.status, e.words)
	}
	return fmt.Sprintf("it answered %d", e.status)
}

// awayError is a request that got no answer. What was asked for may have been done.
type awayError struct {
	err   error
	words string // for people
}

func (e *awayError) Error() string { return e.words }
func (e *awayError) Unwrap() error { return e.err }

type client struct {
	http *http.Client
	now  func() time.Time
}

type viaKey struct{}

func newClient(o Options) *client {
	if o.Client != nil {
		return &client{o.Client, o.Now}
	}
	return &client{now: o.Now, http: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: func(r *http.Request) (*url.URL, error) {
				via, _ := r.Context().Value(viaKey{}).(*url.URL)
				return via, nil
			},
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  patience,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    8,
			IdleConnTimeout:        90 * time.Second,
			ForceAttemptHTTP2:      true,
		},
	}}
}

// call asks the API. in and out are JSON, either may be nil.
func (c *client) call(ctx context.Context, s *server, method, path string, in, out any) error {
	limit := maxAnswer
	if _, list := out.(*postList); list {
		limit = maxList
	}
	raw, err := c.do(ctx, s, method, s.base+"/api/v4"+path, in, limit)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return &answerError{status: http.StatusOK, words: "something that is not what its API answers"}
	}
	return nil
}

// hook posts to an incoming webhook.
func (c *client) hook(ctx context.Context, s *server, address string, in any) error {
	_, err := c.do(ctx, s, http.MethodPost, address, in, maxAnswer)
	return err
}

func (c *client) do(ctx context.Context, s *server, method, address string, in any, limit int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, viaKey{}, s.proxy), patience)
	defer cancel()
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, errors.New("its address is not a URL") // the error has the address, which may be a secret
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Tocsin")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	secrets := secretsOf(s.token, req.URL.Path)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, away(err, secrets)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, away(err, secrets)
	case len(raw) > limit:
		return nil, &answerError{status: res.StatusCode, words: "more than it should"}
	case res.StatusCode >= 200 && res.StatusCode < 300 && !isHTML(res, raw):
		return raw, nil
	}
	return nil, c.refusal(res, raw, secrets)
}

// secretsOf is what may be secret of a request: the token, and the parts of its
// path, of which a webhook's last one is.
func secretsOf(token, path string) []string {
	all := append(strings.Split(path, "/"), token)
	return slices.DeleteFunc(all, func(s string) bool { return len(s) < shortestSecret })
}

// shortestSecret keeps words like "posts", parts of addresses that are no secrets,
// in what people read.
const shortestSecret = 12

// shown is words of a server's as people read them: some of them, in a line, and
// without what is secret of the request, should a server, or a proxy before it,
// repeat what it was asked for.
func shown(words string, secrets []string) string {
	for _, secret := range secrets {
		words = strings.ReplaceAll(words, secret, "…")
	}
	return channel.Cut(oneLine(words), 200)
}

// away is an error of net/http, which may repeat what somebody answered that is no
// HTTP.
func away(err error, secrets []string) error {
	err = withoutAddress(err)
	return &awayError{err, shown(err.Error(), secrets)}
}

// withoutAddress takes the address off an error of net/http: that of a webhook is
// a secret.
func withoutAddress(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %d s", int(patience/time.Second))
	}
	return err
}

func isHTML(res *http.Response, raw []byte) bool {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return kind == "text/html" || bytes.HasPrefix(bytes.TrimSpace(raw[:min(len(raw), 512)]), []byte("<"))
}

// refusal is an answer that says no.
func (c *client) refusal(res *http.Response, raw []byte, secrets []string) *answerError {
	e := &answerError{status: res.StatusCode, html: isHTML(res, raw), after: c.after(res.Header)}
	var body struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	}
	if json.Unmarshal(raw[:min(len(raw), 64<<10)], &body) == nil {
		e.id, e.words = shown(body.ID, secrets), shown(body.Message, secrets)
	}
	return e
}

// after is how long a server asks to be left alone. X-Ratelimit-Reset has the
// seconds until then, or by its documentation the time itself.
func (c *client) after(h http.Header) time.Duration {
	const longest = 10 * time.Minute
	for _, name := range []string{"Retry-After", "X-Ratelimit-Reset"} {
		value := strings.TrimSpace(h.Get(name))
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			if n > 1_000_000_000 {
				n -= c.now().Unix()
			}
			n = min(max(n, 1), int64(longest/time.Second)) // before it is a time, which has an end
			return time.Duration(n) * time.Second
		}
		if t, err := http.ParseTime(value); err == nil {
			return min(max(t.Sub(c.now()), time.Second), longest)
		}
	}
	return 0
}
