// Package oidc is a client of one OpenID provider: it sends a browser there, and
// verifies what the provider says of who came back.
//
//	p, err := oidc.New(oidc.Config{Issuer: "https://id.example.org", ClientID: "tocsin", …})
//	to, ask, err := p.Begin(ctx)           // the browser goes there; ask is kept on this side
//	who, err := p.Finish(ctx, ask, query)  // with the query that the browser came back with
//
// The authorization code flow with PKCE (S256), a state and a nonce is the only one.
// Whatever the provider answers is bounded in time and size, no redirect of it is
// followed, and no answer of it, which may hold tokens, is in an error.
package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// The bounds of what a provider may take and say.
const (
	Within   = 8 * time.Second
	mostSaid = 1 << 20
	// skew is by how much the provider's clock and ours may differ.
	skew = 2 * time.Minute
	// fresh is for how long what discovery said is believed; keys are looked for anew
	// whenever a token names one that is not known.
	fresh = time.Hour
)

// Error is a sign-in that came to nothing, in words that people may see: nothing of
// a token is in them. Cause is for the log.
type Error struct {
	Problem string // a sentence
	Mend    string // another
	Cause   error
	// Away says that the provider did not answer, or not as one: it is nobody's fault
	// here, and worth another try.
	Away bool
}

// Error is the problem with its cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Problem
	}
	return e.Problem + " " + e.Cause.Error()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Config is what is known of the provider, and what it knows of us.
type Config struct {
	Issuer       string // as its tokens have it, character for character
	ClientID     string
	ClientSecret string   // empty: none, PKCE alone
	RedirectURL  string   // exactly as it is registered there
	Scopes       []string // besides openid
	// Claim is the name of the claim that says somebody's groups; a.b is b within a.
	// Empty: groups are not asked for.
	Claim string
	Now   func() time.Time // nil: time.Now
	// Within is for how long the provider may take; zero: Within.
	Within time.Duration
	// Transport is what requests go by; nil: http.DefaultTransport without a proxy.
	Transport http.RoundTripper
}

// Provider is safe for concurrent use.
type Provider struct {
	c      Config
	client *http.Client

	life context.Context // until Close
	end  context.CancelFunc
	busy sync.WaitGroup

	mu     sync.Mutex
	have   *found
	asking *asking // nil: nobody asks just now
}

// asking is discovery under way, for all who wait for it.
type asking struct {
	done  chan struct{} // closed when the others are set
	found *found
	err   error
}

// found is what discovery said.
type found struct {
	*oidc.Provider
	at       time.Time
	verifier *oidc.IDTokenVerifier
	oauth    oauth2.Config
	end      string // where somebody signs out there, if there is such a place
	says     bool   // it names itself when it sends a browser back
}

// New makes the client. Nothing is asked of the provider yet.
func New(c Config) *Provider {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
		t.Proxy = nil
		c.Transport = t
	}
	if c.Within == 0 {
		c.Within = Within
	}
	p := &Provider{c: c, client: &http.Client{
		Timeout: c.Within, Transport: bounded{c.Transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	p.life, p.end = context.WithCancel(context.Background())
	return p
}

// Close ends what is asked just now, and lets go of connections that are kept.
func (p *Provider) Close() {
	p.end()
	p.busy.Wait()
	p.client.CloseIdleConnections()
}

// bounded cuts answers that are longer than any provider's.
type bounded struct{ next http.RoundTripper }

// errLong is an answer that is longer than any provider's.
var errLong = errors.New("the answer is too long")

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = &cut{resp.Body, mostSaid}
	}
	return resp, err
}

type cut struct {
	io.ReadCloser
	left int
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errLong
	}
	n, err := c.ReadCloser.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// CloseIdleConnections lets http.Client reach the transport's.
func (b bounded) CloseIdleConnections() {
	if c, ok := b.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// discover answers what the provider says of itself, asked at most once an hour. An
// answer that was refused is asked for anew. However many want it at one moment, it is
// asked for once, and each waits as long as its own request lasts, at most: strangers
// who begin sign-ins at a provider that hangs keep nobody waiting behind them.
func (p *Provider) discover(ctx context.Context) (*found, error) {
	p.mu.Lock()
	if have := p.have; have != nil && p.c.Now().Sub(have.at) < fresh {
		p.mu.Unlock()
		return have, nil
	}
	a := p.asking
	if a == nil {
		a = &asking{done: make(chan struct{})}
		p.asking = a
		// Whoever waits for the answer is served by it, though who asked goes away.
		p.busy.Go(func() { p.answer(a) })
	}
	p.mu.Unlock()
	select {
	case <-a.done:
		return a.found, a.err
	case <-ctx.Done():
		return nil, &Error{Problem: "The sign-in provider does not answer as one.", Mend: "Try again in a moment. The hub’s log says more.", Cause: ctx.Err(), Away: true}
	}
}

// answer asks, for all who wait.
func (p *Provider) answer(a *asking) {
	ctx, cancel := context.WithTimeout(p.life, p.c.Within)
	defer cancel()
	a.found, a.err = p.ask(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asking = nil; a.err == nil {
		p.have = a.found
	}
	close(a.done)
}

// ask asks the provider what it says of itself.
func (p *Provider) ask(ctx context.Context) (*found, error) {
	got, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.c.Issuer)
	var other *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &other):
		return nil, &Error{Problem: "The sign-in provider calls itself otherwise than is set here.", Mend: "TOCSIN_OIDC_ISSUER must be what its discovery document has as issuer, character for character.", Cause: fmt.Errorf("it says %.200q", other.Discovered)}
	case err != nil:
		return nil, &Error{Problem: "The sign-in provider does not answer as one.", Mend: "Try again in a moment. The hub’s log says more.", Cause: hushed(err), Away: true}
	}
	var more struct {
		End     string   `json:"end_session_endpoint"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
		Says    bool     `json:"authorization_response_iss_parameter_supported"`
		JWKS    string   `json:"jwks_uri"`
	}
	if err := got.Claims(&more); err != nil {
		return nil, &Error{Problem: "The sign-in provider does not answer as one.", Mend: "The hub’s log says more.", Cause: err, Away: true}
	}
	e := got.Endpoint()
	for _, at := range []string{e.AuthURL, e.TokenURL, more.JWKS} {
		if !p.allowed(at) {
			return nil, &Error{Problem: "The sign-in provider names an address that is not safe.", Mend: "All its addresses must be https.", Cause: fmt.Errorf("it names %.200q", at)}
		}
	}
	// Trying both ways would use up the code, which is good for one try.
	e.AuthStyle = oauth2.AuthStyleInHeader
	if len(more.Methods) > 0 && !slices.Contains(more.Methods, "client_secret_basic") || p.c.ClientSecret == "" {
		e.AuthStyle = oauth2.AuthStyleInParams
	}
	f := &found{
		Provider: got, at: p.c.Now(), end: more.End, says: more.Says,
		verifier: got.Verifier(&oidc.Config{
			ClientID: p.c.ClientID,
			// Never "none", and never an HMAC with a secret that is ours too.
			SupportedSigningAlgs: []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA},
			Now:                  func() time.Time { return p.c.Now().Add(-skew) },
		}),
		oauth: oauth2.Config{ClientID: p.c.ClientID, ClientSecret: p.c.ClientSecret, Endpoint: e, RedirectURL: p.c.RedirectURL, Scopes: append([]string{oidc.ScopeOpenID}, p.c.Scopes...)},
	}
	if !p.allowed(f.end) {
		f.end = ""
	}
	return f, nil
}

// allowed says whether an address may be gone to: https, or http where the issuer is
// http, which the configuration allows on this machine alone.
func (p *Provider) allowed(at string) bool {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && strings.HasPrefix(p.c.Issuer, "http:")
}

// Ask is what is remembered of a sign-in between its two halves.
type Ask struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // of PKCE
}

// Begin answers where the browser is sent, and what Finish needs.
func (p *Provider) Begin(ctx context.Context) (to string, ask Ask, err error) {
	f, err := p.discover(ctx)
	if err != nil {
		return "", ask, err
	}
	// Each has 256 random bits.
	ask = Ask{State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier()}
	return f.oauth.AuthCodeURL(ask.State, oidc.Nonce(ask.Nonce), oauth2.S256ChallengeOption(ask.Verifier)), ask, nil
}

// Who is somebody as the provider knows them. Issuer and Subject name them for good;
// the rest is for people and for the role, and never says who somebody is.
type Who struct {
	Issuer, Subject string
	Name            string // preferred_username, or else the e-mail address
	Display         string
	Groups          []string // empty also where the claim is not there
	Session         string   // the provider's name for its own session; empty: not said
}

// Finish exchanges the code for tokens, and verifies the ID token: its signature with
// the provider's keys, issuer, audience, times, and that its nonce is this sign-in's.
// *Error.
func (p *Provider) Finish(ctx context.Context, ask Ask, query url.Values) (Who, error) {
	f, err := p.discover(ctx)
	if err != nil {
		return Who{}, err
	}
	if !same(query.Get("state"), ask.State) {
		return Who{}, &Error{Problem: "This sign-in was not begun in this browser.", Mend: "Begin again."}
	}
	if iss := query.Get("iss"); iss != "" && iss != p.c.Issuer || iss == "" && f.says {
		return Who{}, &Error{Problem: "The answer comes from another provider than the one that was asked.", Mend: "Begin again."}
	}
	if code := query.Get("error"); code != "" {
		return Who{}, denied(code)
	}
	ctx, cancel := context.WithTimeout(ctx, p.c.Within)
	defer cancel()
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := f.oauth.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(ask.Verifier))
	if err != nil {
		return Who{}, exchangeError(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Who{}, &Error{Problem: "The sign-in provider did not say who you are.", Mend: "It must answer with an ID token: allow the client the scope openid there."}
	}
	id, err := f.verifier.Verify(ctx, raw)
	if err != nil {
		return Who{}, unbelieved(err)
	}
	if !same(id.Nonce, ask.Nonce) {
		return Who{}, unbelieved(errors.New("the nonce is not this sign-in's"))
	}
	if id.Subject == "" || len(id.Subject) > 255 {
		return Who{}, unbelieved(errors.New("it has no usable subject"))
	}
	if id.IssuedAt.After(p.c.Now().Add(skew)) {
		return Who{}, unbelieved(errors.New("it was issued in the future"))
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return Who{}, unbelieved(err)
		}
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return Who{}, unbelieved(errors.New("its claims cannot be read"))
	}
	if party, there := claims["azp"].(string); (len(id.Audience) > 1 || there) && party != p.c.ClientID {
		return Who{}, unbelieved(errors.New("it was made for another client"))
	}
	if err := p.more(ctx, f, token, id.Subject, claims); err != nil {
		return Who{}, err
	}
	return Who{
		Issuer: p.c.Issuer, Subject: id.Subject, Groups: groups(claims, p.c.Claim),
		Name:    short(first(claims, "preferred_username", "email", "name")),
		Display: short(first(claims, "name", "preferred_username")),
		Session: first(claims, "sid"),
	}, nil
}

// more adds what only the userinfo endpoint says: many providers leave groups, and
// names, out of the ID token. What the token says stays.
func (p *Provider) more(ctx context.Context, f *found, token *oauth2.Token, subject string, claims map[string]any) error {
	_, named := claims["preferred_username"]
	if (p.c.Claim == "" || within(claims, p.c.Claim) != nil) && named || f.UserInfoEndpoint() == "" || !p.allowed(f.UserInfoEndpoint()) {
		return nil
	}
	info, err := f.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return &Error{Problem: "The sign-in provider does not say more of you.", Mend: "Try again in a moment. The hub’s log says more.", Cause: hushed(err), Away: true}
	}
	if info.Subject != subject {
		return unbelieved(errors.New("userinfo is about somebody else"))
	}
	more := map[string]any{}
	if err := info.Claims(&more); err != nil {
		return unbelieved(errors.New("userinfo cannot be read"))
	}
	for name, v := range more {
		if _, there := claims[name]; !there {
			claims[name] = v
		}
	}
	return nil
}

// EndURL is where somebody signs out at the provider and comes back from to back;
// empty where there is no such place, or the provider was not met yet.
func (p *Provider) EndURL(back string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.have == nil || p.have.end == "" {
		return ""
	}
	u, err := url.Parse(p.have.end)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", p.c.ClientID)
	q.Set("post_logout_redirect_uri", back)
	u.RawQuery = q.Encode()
	return u.String()
}

// Check asks the provider what it says of itself.
func (p *Provider) Check(ctx context.Context) error {
	_, err := p.discover(ctx)
	return err
}

func same(a, b string) bool {
	return b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// denied gives an error of the provider its words. What else it says is its own.
func denied(code string) error {
	cause := fmt.Errorf("it answered %.100q", code)
	switch code {
	case "access_denied":
		return &Error{Problem: "The sign-in provider did not let you in, or you stopped there.", Mend: "Try again, or ask whoever runs it.", Cause: cause}
	case "temporarily_unavailable", "server_error":
		return &Error{Problem: "The sign-in provider has a problem.", Mend: "Try again in a moment.", Cause: cause, Away: true}
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		return &Error{Problem: "The sign-in provider wants to ask you something first.", Mend: "Sign in there, then try again.", Cause: cause}
	}
	return &Error{Problem: "The sign-in provider refused the request.", Mend: "Look at how this hub is registered there: its id, and its redirect address.", Cause: cause}
}

// exchangeError keeps the answer of the token endpoint to itself, but for its code.
func exchangeError(err error) error {
	var r *oauth2.RetrieveError
	if errors.As(err, &r) && r.ErrorCode != "" {
		e := &Error{Problem: "The sign-in provider did not take the code that it gave.", Mend: "Try again.", Cause: fmt.Errorf("it answered %.100q", r.ErrorCode)}
		if r.ErrorCode == "invalid_client" || r.ErrorCode == "unauthorized_client" {
			e.Problem, e.Mend = "The sign-in provider does not know this hub.", "TOCSIN_OIDC_CLIENT_ID and TOCSIN_OIDC_CLIENT_SECRET must be as they are registered there."
		}
		return e
	}
	return &Error{Problem: "The sign-in provider does not answer as one.", Mend: "Try again in a moment. The hub’s log says more.", Cause: hushed(err), Away: true}
}

func unbelieved(cause error) error {
	var late *oidc.TokenExpiredError
	mend := "Try again. If it stays so, whoever runs the hub finds the reason in its log."
	if errors.As(cause, &late) {
		mend = "Look whether the clocks of the provider and of the hub are right."
	}
	return &Error{Problem: "What the sign-in provider says of you cannot be believed.", Mend: mend, Cause: cause}
}

// hushed is an error without what the provider answered, which may hold a token.
func hushed(err error) error {
	var timeout interface{ Timeout() bool }
	var r *oauth2.RetrieveError
	switch {
	case errors.Is(err, errLong):
		return errLong
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("it took too long")
	case errors.As(err, &r):
		return fmt.Errorf("it answered %s", r.Response.Status)
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	// The rest begins with our library's words, and goes on with the answer.
	text, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "oidc: "), ": ")
	if len(text) > 100 {
		text = text[:100]
	}
	return errors.New(text)
}

// first is the first of some claims that is a text.
func first(claims map[string]any, names ...string) string {
	for _, n := range names {
		if s, ok := claims[n].(string); ok && strings.TrimSpace(s) != "" {
			return strings.TrimSpace(s)
		}
	}
	return ""
}

func short(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 100 {
		return string(r[:100])
	}
	return s
}

// within is a claim by its name; a.b is b within a, unless there is one called a.b.
func within(claims map[string]any, name string) any {
	if v, ok := claims[name]; ok {
		return v
	}
	head, rest, ok := strings.Cut(name, ".")
	if !ok {
		return nil
	}
	inner, _ := claims[head].(map[string]any)
	if inner == nil {
		return nil
	}
	return within(inner, rest)
}

// mostGroups bounds what is looked at.
const mostGroups = 2000

// groups reads a claim that is a list of texts, or one text.
func groups(claims map[string]any, name string) []string {
	if name == "" {
		return nil
	}
	switch v := within(claims, name).(type) {
	case string:
		return []string{v}
	case []any:
		out := make([]string, 0, min(len(v), mostGroups))
		for _, x := range v[:min(len(v), mostGroups)] {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// Text is an Ask as it is kept.
func (a Ask) Text() string {
	b, err := json.Marshal(a)
	if err != nil {
		panic("three texts are always JSON: " + err.Error())
	}
	return string(b)
}

// ReadAsk is the reverse of Text.
func ReadAsk(text string) (a Ask, err error) {
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return a, fmt.Errorf("read a sign-in that was begun: %w", err)
	}
	return a, nil
}
