package cert_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// ca is as much of a CA (RFC 8555) as it takes to order from it, with a clock that is
// set by hand. It looks at no signature: that a real CA takes ours is shown by
// test/tls.
type ca struct {
	*httptest.Server
	t    *testing.T
	root *x509.Certificate
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	now    time.Time
	life   time.Duration
	asked  []string                         // what was asked for: "order", "authorization revoked", …
	ways   []string                         // the challenges that were accepted
	order  func(w http.ResponseWriter) bool // answers a new order instead; true: it did
	denies string                           // the problem of an authorization, JSON
	name   string                           // is in certificates instead of the one that was asked for
	pem    string
	dealt  int64
}

func newCA(t *testing.T) *ca {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &ca{t: t, key: key, now: time.Now(), life: 90 * 24 * time.Hour}
	c.root = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a CA"}, NotBefore: c.now.AddDate(-1, 0, 0), NotAfter: c.now.AddDate(9, 0, 0), IsCA: true, BasicConstraintsValid: true}
	mux := http.NewServeMux()
	mux.HandleFunc("/dir", func(w http.ResponseWriter, _ *http.Request) {
		say(w, 200, map[string]string{"newNonce": c.URL + "/nonce", "newAccount": c.URL + "/account", "newOrder": c.URL + "/order", "revokeCert": c.URL + "/revoke", "keyChange": c.URL + "/change"})
	})
	mux.HandleFunc("/nonce", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("/account", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", c.URL+"/account/1")
		say(w, 201, map[string]string{"status": "valid"})
	})
	mux.HandleFunc("/order", c.newOrder)
	mux.HandleFunc("/order/{name}", func(w http.ResponseWriter, r *http.Request) { c.sayOrder(w, 200, r.PathValue("name")) })
	mux.HandleFunc("/authorization/{name}", c.authorization)
	mux.HandleFunc("/challenge/{way}", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ways = append(c.ways, r.PathValue("way"))
		say(w, 200, c.challenge(r.PathValue("way")))
	})
	mux.HandleFunc("/finalize/{name}", c.finalize)
	mux.HandleFunc("/certificate", func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		fmt.Fprint(w, c.pem)
	})
	n := 0
	c.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		n++
		w.Header().Set("Replay-Nonce", fmt.Sprint("nonce", n))
		c.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

// roots trust the CA's own https.
func (c *ca) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Certificate())
	return pool
}

func (c *ca) clock() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

// after lets time go by.
func (c *ca) after(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

// count is how often something was asked for.
func (c *ca) count(what string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.asked {
		if a == what {
			n++
		}
	}
	return n
}

func say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// refuse answers with a problem, and how long to wait.
func refuse(w http.ResponseWriter, status int, kind, detail, wait string) {
	w.Header().Set("Content-Type", "application/problem+json")
	if wait != "" {
		w.Header().Set("Retry-After", wait)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:ietf:params:acme:error:" + kind, "detail": detail, "status": status})
}

// payload is what a client signed.
func payload(r *http.Request, v any) {
	var jws struct{ Payload string }
	_ = json.NewDecoder(r.Body).Decode(&jws)
	text, _ := base64.RawURLEncoding.DecodeString(jws.Payload)
	_ = json.Unmarshal(text, v)
}

func (c *ca) newOrder(w http.ResponseWriter, r *http.Request) {
	var asks struct{ Identifiers []struct{ Value string } }
	payload(r, &asks)
	c.mu.Lock()
	c.asked = append(c.asked, "order")
	instead := c.order
	c.mu.Unlock()
	if instead != nil && instead(w) {
		return
	}
	name := asks.Identifiers[0].Value
	w.Header().Set("Location", c.URL+"/order/"+name)
	c.sayOrder(w, 201, name)
}

func (c *ca) sayOrder(w http.ResponseWriter, status int, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	is := "pending"
	if len(c.ways) > 0 {
		is = "ready"
	}
	out := map[string]any{"status": is, "identifiers": []map[string]string{{"type": "dns", "value": name}},
		"authorizations": []string{c.URL + "/authorization/" + name}, "finalize": c.URL + "/finalize/" + name}
	say(w, status, out)
}

func (c *ca) challenge(way string) map[string]any {
	out := map[string]any{"type": way, "url": c.URL + "/challenge/" + way, "token": "token-of-" + way, "status": "pending"}
	if c.denies != "" && len(c.ways) > 0 {
		out["status"], out["error"] = "invalid", json.RawMessage(c.denies)
	}
	return out
}

func (c *ca) authorization(w http.ResponseWriter, r *http.Request) {
	var asks struct{ Status string }
	payload(r, &asks)
	c.mu.Lock()
	defer c.mu.Unlock()
	is := "pending"
	switch {
	case asks.Status == "deactivated":
		c.asked, is = append(c.asked, "authorization revoked"), "deactivated"
		c.ways = nil
	case len(c.ways) > 0 && c.denies != "":
		is = "invalid"
	case len(c.ways) > 0:
		is = "valid"
	}
	say(w, 200, map[string]any{"status": is, "identifier": map[string]string{"type": "dns", "value": r.PathValue("name")},
		"challenges": []any{c.challenge("tls-alpn-01"), c.challenge("http-01")}})
}

func (c *ca) finalize(w http.ResponseWriter, r *http.Request) {
	var asks struct{ CSR string }
	payload(r, &asks)
	der, _ := base64.RawURLEncoding.DecodeString(asks.CSR)
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		refuse(w, 400, "badCSR", "no request", "")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dealt++
	names := csr.DNSNames
	if c.name != "" {
		names = []string{c.name}
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(100 + c.dealt), DNSNames: names, NotBefore: c.now, NotAfter: c.now.Add(c.life)}
	der, err = x509.CreateCertificate(rand.Reader, leaf, c.root, csr.PublicKey, c.key)
	if err != nil {
		c.t.Error(err)
	}
	c.pem, c.ways = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
	w.Header().Set("Location", c.URL+"/order/"+strings.Join(csr.DNSNames, ""))
	say(w, 200, map[string]any{"status": "valid", "certificate": c.URL + "/certificate", "finalize": c.URL + "/finalize/x"})
}
