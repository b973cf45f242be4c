package webpush

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/push"
)

const (
	// passLife is how long a header holds (RFC 8292 allows 24 hours): as long
	// again is left for clocks that are wrong.
	passLife = 12 * time.Hour
	// passRenew is when the next is made, so that none runs out on its way.
	passRenew = 11 * time.Hour
)

// signer makes Authorization headers with one key.
type signer struct {
	private *ecdsa.PrivateKey
	key     push.Key
}

func newSigner(k push.Key) (*signer, error) {
	// It is checked again here: what is in the database may be somebody's edit.
	if _, err := push.ParseKey(k.Public, k.Private); err != nil {
		return nil, fmt.Errorf("read the server key %s: %w", k.ID, err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(k.Private)
	if err != nil {
		return nil, fmt.Errorf("the server key %s is not base64url", k.ID)
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		return nil, fmt.Errorf("the server key %s is none", k.ID)
	}
	return &signer{private: private, key: k}, nil
}

// claims are RFC 8292's.
type claims struct {
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Subject  string `json:"sub"`
}

// jwtHeader is {"typ":"JWT","alg":"ES256"}.
const jwtHeader = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9"

// authorization is the header for requests to an origin until expires.
func (s *signer) authorization(origin, subject string, expires time.Time) (string, error) {
	if subject == "" {
		return "", errors.New("no subject is set; give one under Settings → Notifications, or as VAPID_SUBJECT")
	}
	body, err := json.Marshal(claims{origin, expires.Unix(), subject})
	if err != nil {
		return "", fmt.Errorf("write the claims: %w", err)
	}
	token := jwtHeader + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(token))
	r, t, err := ecdsa.Sign(rand.Reader, s.private, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign for %s: %w", origin, err)
	}
	var signature [64]byte // ES256 wants both numbers raw, not as ASN.1
	r.FillBytes(signature[:32])
	t.FillBytes(signature[32:])
	return "vapid t=" + token + "." + base64.RawURLEncoding.EncodeToString(signature[:]) + ", k=" + s.key.Public, nil
}
