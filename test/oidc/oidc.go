// Package oidc is a small OpenID provider for tests: discovery, authorization with
// PKCE, tokens signed by RS256, userinfo and rotation of keys, as real ones have them;
// and it misbehaves as it is told to.
//
//	p := oidc.New(t, "tocsin", "a secret")
//	p.Be(oidc.Person{Subject: "4711", Name: "anna", Groups: []string{"ops"}})
//	// TOCSIN_OIDC_ISSUER=p.Issuer()
package oidc

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Person is who is signed in at the provider.
type Person struct {
	Subject, Name, Display, Email string
	Groups                        []string
	Session                       string // its session at the provider; empty: none is named
	// Beside says that groups and names are at the userinfo endpoint alone.
	Beside bool
}

// Misbehaviour is what the provider does wrong.
type Misbehaviour string

// The misbehaviours.
const (
	WrongNonce    Misbehaviour = "another nonce"
	NoNonce       Misbehaviour = "no nonce"
	WrongAudience Misbehaviour = "a token for another client"
	OtherParty    Misbehaviour = "a token of two audiences, made for the other"
	Expired       Misbehaviour = "a token that has expired"
	Future        Misbehaviour = "a token of the future"
	Unsigned      Misbehaviour = "a token that nobody signed"
	Symmetric     Misbehaviour = "a token signed with the client's secret"
	OtherKey      Misbehaviour = "a token signed with a key that is not published"
	OtherIssuer   Misbehaviour = "a token of another issuer"
	NoToken       Misbehaviour = "no ID token"
	NoSubject     Misbehaviour = "a token about nobody"
	SomebodyElse  Misbehaviour = "userinfo about somebody else"
	HugeToken     Misbehaviour = "an answer of megabytes"
	HugeDiscovery Misbehaviour = "a discovery document of megabytes"
	Liar          Misbehaviour = "a discovery document of another issuer"
	Unsafe        Misbehaviour = "a token endpoint that is no address"
	Hangs         Misbehaviour = "a token endpoint that does not answer"
	HangsFirst    Misbehaviour = "a discovery document that does not come"
	HangsKeys     Misbehaviour = "keys that do not come"
	HangsLast     Misbehaviour = "a userinfo endpoint that does not answer"
	Redirects     Misbehaviour = "a token endpoint elsewhere"
	Garbage       Misbehaviour = "an answer that is no JSON and holds a secret"
	Denies        Misbehaviour = "access denied"
)

// Secret stands in what the provider says when it answers garbage; it must be in no
// log and on no page.
const Secret = "at-1-5-a-5ecret-0f-the-pr0vider"

// Provider is one that runs until the test ends.
type Provider struct {
	client, secret string
	srv            *httptest.Server

	mu       sync.Mutex
	who      Person
	wrong    Misbehaviour
	key      *rsa.PrivateKey
	kid      int
	codes    map[string]grant
	tokens   map[string]Person
	n        int
	Asked    []url.Values // what browsers came with
	released chan struct{}
	hung     chan Misbehaviour
}

type grant struct {
	nonce, challenge, redirect string
	who                        Person
}

// New starts a provider that knows one client.
func New(t *testing.T, client, secret string) *Provider {
	t.Helper()
	p := &Provider{client: client, secret: secret, codes: map[string]grant{}, tokens: map[string]Person{}, released: make(chan struct{}), hung: make(chan Misbehaviour, 100)}
	p.Rotate()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", p.userinfo)
	mux.HandleFunc("GET /keys", p.keys)
	p.srv = httptest.NewServer(mux)
	t.Cleanup(func() { close(p.released); p.srv.Close() })
	return p
}

// Issuer is its address, and its name in tokens.
func (p *Provider) Issuer() string { return p.srv.URL }

// Be signs somebody in there.
func (p *Provider) Be(who Person) { p.mu.Lock(); p.who = who; p.mu.Unlock() }

// Do has it misbehave from now on; "" ends that.
func (p *Provider) Do(m Misbehaviour) { p.mu.Lock(); p.wrong = m; p.mu.Unlock() }

// Rotate gives it a new key; the one before is published no more.
func (p *Provider) Rotate() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = key
	p.kid++
}

func (p *Provider) is(m Misbehaviour) bool { return p.wrong == m }

func (p *Provider) say(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// hang waits, where it is told to, until whoever asks gives up, or the test ends.
func (p *Provider) hang(m Misbehaviour, r *http.Request) bool {
	p.mu.Lock()
	wrong := p.wrong
	p.mu.Unlock()
	if wrong != m {
		return false
	}
	p.hung <- m
	select {
	case <-p.released:
	case <-r.Context().Done():
	}
	return true
}

// Hung is told of each request that is not answered.
func (p *Provider) Hung() <-chan Misbehaviour { return p.hung }

func (p *Provider) discovery(w http.ResponseWriter, r *http.Request) {
	if p.hang(HangsFirst, r) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	doc := map[string]any{
		"issuer": p.srv.URL, "authorization_endpoint": p.srv.URL + "/authorize", "token_endpoint": p.srv.URL + "/token",
		"userinfo_endpoint": p.srv.URL + "/userinfo", "jwks_uri": p.srv.URL + "/keys", "end_session_endpoint": p.srv.URL + "/end",
		"id_token_signing_alg_values_supported":          []string{"none", "HS256", "RS256"},
		"authorization_response_iss_parameter_supported": true,
	}
	switch p.wrong {
	case Liar:
		doc["issuer"] = "https://accounts.example.com"
	case Unsafe:
		doc["token_endpoint"] = "file:///etc/passwd"
	case HugeDiscovery:
		doc["padding"] = strings.Repeat("x", 8<<20)
	}
	p.say(w, doc)
}

func (p *Provider) keys(w http.ResponseWriter, r *http.Request) {
	if p.hang(HangsKeys, r) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e := big.NewInt(int64(p.key.E)).Bytes()
	p.say(w, map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": fmt.Sprint(p.kid), "n": b64(p.key.N.Bytes()), "e": b64(e),
	}}})
}

// authorize lets whoever is signed in go back at once.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	p.Asked = append(p.Asked, q)
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != p.client || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" ||
		q.Get("nonce") == "" || !strings.Contains(" "+q.Get("scope")+" ", " openid ") {
		http.Error(w, "a request that no client of mine makes: "+r.URL.RawQuery, http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {q.Get("state")}, "iss": {p.srv.URL}}
	if p.is(Denies) {
		answer.Set("error", "access_denied")
		answer.Set("error_description", Secret)
	} else {
		p.n++
		code := fmt.Sprintf("code-%d-%s", p.n, Secret)
		p.codes[code] = grant{q.Get("nonce"), q.Get("code_challenge"), q.Get("redirect_uri"), p.who}
		answer.Set("code", code)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if p.hang(Hangs, r) {
		return
	}
	p.mu.Lock()
	wrong := p.wrong
	p.mu.Unlock()
	switch wrong {
	case Redirects:
		http.Redirect(w, r, p.srv.URL+"/elsewhere", http.StatusTemporaryRedirect)
		return
	case Garbage:
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("panic: " + Secret))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id, secret, ok := r.BasicAuth()
	secret, _ = url.QueryUnescape(secret) // RFC 6749, section 2.3.1
	if !ok || id != p.client || secret != p.secret {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":"invalid_client","error_description":"` + Secret + `"}`))
		return
	}
	g, there := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !there || b64(sum[:]) != g.challenge || r.PostFormValue("redirect_uri") != g.redirect {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return
	}
	p.n++
	access := fmt.Sprintf("access-%d-%s", p.n, Secret)
	p.tokens[access] = g.who
	out := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 300}
	if !p.is(NoToken) {
		out["id_token"] = p.idToken(g)
	}
	if p.is(HugeToken) {
		out["padding"] = strings.Repeat("x", 8<<20)
	}
	p.say(w, out)
}

func (p *Provider) idToken(g grant) string {
	now := time.Now()
	c := map[string]any{"iss": p.srv.URL, "sub": g.who.Subject, "aud": p.client, "nonce": g.nonce, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
	if !g.who.Beside {
		p.about(c, g.who)
	}
	if g.who.Session != "" {
		c["sid"] = g.who.Session
	}
	switch p.wrong {
	case WrongNonce:
		c["nonce"] = "of-another-sign-in"
	case NoNonce:
		delete(c, "nonce")
	case WrongAudience:
		c["aud"] = "another-client"
	case OtherParty:
		c["aud"], c["azp"] = []string{p.client, "another-client"}, "another-client"
	case Expired:
		c["iat"], c["exp"] = now.Add(-time.Hour).Unix(), now.Add(-30*time.Minute).Unix()
	case Future:
		c["iat"] = now.Add(time.Hour).Unix()
	case OtherIssuer:
		c["iss"] = "https://accounts.example.com"
	case NoSubject:
		c["sub"] = ""
	}
	return p.sign(c)
}

func (p *Provider) about(c map[string]any, who Person) {
	for name, v := range map[string]string{"preferred_username": who.Name, "name": who.Display, "email": who.Email} {
		if v != "" {
			c[name] = v
		}
	}
	if who.Groups != nil {
		c["groups"] = who.Groups
	}
}

func (p *Provider) sign(claims map[string]any) string {
	head := map[string]string{"typ": "JWT", "alg": "RS256", "kid": fmt.Sprint(p.kid)}
	key := p.key
	switch p.wrong {
	case Unsigned:
		head["alg"] = "none"
	case Symmetric:
		head["alg"] = "HS256"
	case OtherKey:
		other, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		key = other
	}
	text := part(head) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	switch p.wrong {
	case Unsigned:
		return text + "."
	case Symmetric:
		return text + "." + b64(mac(p.secret, text))
	}
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + b64(sig)
}

func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	if p.hang(HangsLast, r) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	who, ok := p.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !ok {
		http.Error(w, "no token of mine", http.StatusUnauthorized)
		return
	}
	c := map[string]any{"sub": who.Subject}
	if p.is(SomebodyElse) {
		c["sub"] = "somebody-else"
	}
	p.about(c, who)
	p.say(w, c)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func part(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b64(b)
}

// LogoutToken is what the provider sends when somebody signs out there; change makes
// it another one.
func (p *Provider) LogoutToken(change func(claims map[string]any)) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	now := time.Now()
	c := map[string]any{"iss": p.srv.URL, "aud": p.client, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": fmt.Sprint("logout-", p.n),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
	change(c)
	return p.sign(c)
}
