package cert

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/crypto/acme"
)

const (
	orderWithin = 4 * time.Minute  // one order, from the account to the certificate
	endWithin   = 10 * time.Second // what is done at its end, though nobody waits for it any more
	leaseFor    = 6 * time.Minute  // no other node begins one meanwhile
	answerFor   = 10 * time.Minute // a challenge is answered
	callWithin  = 30 * time.Second // one call of the CA
)

// The ways to show a CA that a name is ours.
const (
	byTLS  = "tls-alpn-01" // at port 443
	byHTTP = "http-01"     // at port 80
)

// client speaks with the CA, in the name of the account that all nodes share.
func (k *Keeper) client(ctx context.Context, store Store) (*acme.Client, error) {
	k.mu.Lock()
	key := k.account
	k.mu.Unlock()
	if key == nil {
		fresh, text, err := newKey()
		if err != nil {
			return nil, err
		}
		had, err := store.ACMEAccount(ctx, k.o.Directory, text)
		if err != nil {
			return nil, fmt.Errorf("the key of the account: %w", err)
		}
		if key = fresh; had != text {
			if key, err = parseKey(had); err != nil {
				return nil, fmt.Errorf("the key of the account: %w", err)
			}
		}
		k.mu.Lock()
		k.account = key
		k.mu.Unlock()
	}
	return &acme.Client{Key: key, DirectoryURL: k.o.Directory, HTTPClient: k.http, UserAgent: "tocsin",
		// A nonce that is too old is tried again, and so is what fails for a moment;
		// what goes on failing is for the pause between two orders.
		RetryBackoff: func(n int, _ *http.Request, res *http.Response) time.Duration {
			nonce := res != nil && res.StatusCode == http.StatusBadRequest // of these, only a bad nonce is tried again
			switch {
			case nonce && n <= 10:
				return time.Duration(n) * 100 * time.Millisecond
			case n > 3 || res != nil && res.StatusCode == http.StatusTooManyRequests:
				return -1
			}
			return time.Duration(n) * time.Second
		}}, nil
}

// order gets one certificate, showing that the name is ours by one of the ways.
func (k *Keeper) order(ctx context.Context, store Store, name, way string) (got Kept, err error) {
	ctx, cancel := context.WithTimeout(ctx, orderWithin)
	defer cancel()
	c, err := k.client(ctx, store)
	if err != nil {
		return got, err
	}
	account := &acme.Account{}
	if k.o.Email != "" {
		account.Contact = []string{"mailto:" + k.o.Email}
	}
	// The CA's terms are accepted by whoever sets a domain: docs/https.md says so.
	if _, err := c.Register(ctx, account, acme.AcceptTOS); err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return got, &step{"make an account", err}
	}
	o, err := c.AuthorizeOrder(ctx, acme.DomainIDs(name))
	if err != nil {
		return got, &step{"order a certificate", err}
	}
	address := o.URI
	if o.Status == acme.StatusPending {
		for _, url := range o.AuthzURLs {
			if err := k.show(ctx, store, c, url, name, way); err != nil {
				return got, err
			}
		}
		if o, err = c.WaitOrder(ctx, o.URI); err != nil {
			return got, &step{"have the order made ready", err}
		}
	}
	key, text, err := newKey()
	if err != nil {
		return got, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, key)
	if err != nil {
		return got, fmt.Errorf("write the request for %s: %w", name, err)
	}
	o.URI = address // not every CA says it again
	ders, _, err := c.CreateCertFromOrder(ctx, o, request, true)
	if err != nil {
		return got, &step{"fetch the certificate", err}
	}
	var chain []byte
	for _, der := range ders {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	got = Kept{Name: name, Chain: string(chain), Key: text}
	pair, err := got.pair()
	if err != nil {
		return got, &step{"use the certificate", err}
	}
	got.Since, got.Until = pair.Leaf.NotBefore, pair.Leaf.NotAfter
	return got, nil
}

// show answers one authorization's challenge and waits until the CA has looked.
func (k *Keeper) show(ctx context.Context, store Store, c *acme.Client, url, name, way string) error {
	z, err := c.GetAuthorization(ctx, url)
	if err != nil {
		return &step{"read what the CA asks for", err}
	}
	if z.Status != acme.StatusPending {
		return nil
	}
	var ch *acme.Challenge
	for _, offered := range z.Challenges {
		if offered.Type == way {
			ch = offered
		}
	}
	if ch == nil {
		return &step{"show that the name is ours", fmt.Errorf("the CA does not offer %s", way)}
	}
	answer, err := c.HTTP01ChallengeResponse(ch.Token)
	if err != nil {
		return &step{"answer the challenge", err}
	}
	if err := store.SaveChallenge(ctx, Challenge{Token: ch.Token, Name: name, Answer: answer, Expires: k.o.Now().Add(answerFor)}); err != nil {
		return fmt.Errorf("keep the challenge: %w", err)
	}
	defer func() {
		done, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
		defer cancel()
		_ = store.DropChallenge(done, ch.Token) // it expires anyway
	}()
	if _, err := c.Accept(ctx, ch); err != nil {
		return &step{"have the challenge looked at", err}
	}
	if _, err := c.WaitAuthorization(ctx, z.URI); err != nil {
		// An authorization that is left open counts against a limit of the CA's.
		done, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
		defer cancel()
		_ = c.RevokeAuthorization(done, z.URI)
		return &step{"show that the name is ours by " + way, err}
	}
	return nil
}

func newKey() (crypto.Signer, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, "", fmt.Errorf("write a key: %w", err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

func parseKey(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("is no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("cannot be read")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("cannot sign")
	}
	return signer, nil
}

// pair is a certificate as handshakes take it.
func (k Kept) pair() (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair([]byte(k.Chain), []byte(k.Key))
	if err != nil {
		return nil, fmt.Errorf("the certificate of %s: %w", k.Name, err)
	}
	if err := pair.Leaf.VerifyHostname(k.Name); err != nil {
		return nil, fmt.Errorf("the certificate of %s: %w", k.Name, err)
	}
	return &pair, nil
}
