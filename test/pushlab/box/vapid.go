package box

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"
)

// Claim is who an application server says it is.
type Claim struct {
	Key     string // base64url without padding
	Subject string
}

// CheckVAPID verifies an Authorization header by RFC 8292 ("vapid t=…, k=…"):
// the signature, the audience, the time (at most 24 hours ahead), the subject,
// and that the key is the one that the subscription was made with, unless that
// is nil. It answers what the header said of its sender as far as it was read.
func CheckVAPID(header string, key []byte, audience string, now time.Time) (Claim, error) {
	var c Claim
	rest, ok := strings.CutPrefix(header, "vapid ")
	if !ok {
		return c, errors.New("no vapid authorization")
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = strings.Trim(value, `"`)
	}
	public, err := decode(fields["k"])
	if err != nil || len(public) != 65 || public[0] != 4 {
		return c, errors.New("k is no public key")
	}
	c.Key = base64.RawURLEncoding.EncodeToString(public)
	claims, err := verify(fields["t"], public)
	if err != nil {
		return c, err
	}
	c.Subject = claims.Sub
	if claims.Aud != audience {
		return c, fmt.Errorf("aud is %q and not %q", claims.Aud, audience)
	}
	if end := time.Unix(claims.Exp, 0); !end.After(now) || end.After(now.Add(24*time.Hour)) {
		return c, fmt.Errorf("exp %d is past, or more than a day ahead", claims.Exp)
	}
	if err := checkSubject(claims.Sub); err != nil {
		return c, err
	}
	if key != nil && !bytes.Equal(key, public) {
		return c, errors.New("the subscription was made with another key")
	}
	return c, nil
}

type claims struct {
	Aud string `json:"aud"`
	Exp int64  `json:"exp"`
	Sub string `json:"sub"`
}

// verify reads a JWT that is signed with ES256.
func verify(token string, public []byte) (claims, error) {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, errors.New("t is no JWT")
	}
	var decoded [3][]byte
	for i, p := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(p); err != nil {
			return c, errors.New("the JWT is not base64url without padding")
		}
	}
	var head struct{ Typ, Alg string }
	if json.Unmarshal(decoded[0], &head) != nil || head.Alg != "ES256" || head.Typ != "JWT" {
		return c, errors.New("the JWT's header is not that of ES256")
	}
	if len(decoded[2]) != 64 {
		return c, errors.New("the signature is not 64 bytes long")
	}
	k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), public)
	if err != nil {
		return c, errors.New("k is no point of P-256")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(decoded[2][:32]), new(big.Int).SetBytes(decoded[2][32:])
	if !ecdsa.Verify(k, sum[:], r, s) {
		return c, errors.New("the signature is wrong")
	}
	if err := json.Unmarshal(decoded[1], &c); err != nil {
		return c, errors.New("the claims are not JSON")
	}
	return c, nil
}

// checkSubject is as strict as Apple: an address that somebody could write to.
func checkSubject(sub string) error {
	if address, ok := strings.CutPrefix(sub, "mailto:"); ok {
		_, domain, ok := strings.Cut(address, "@")
		if !ok || domain == "localhost" || strings.HasSuffix(domain, ".local") {
			return fmt.Errorf("sub %q is no address", sub)
		}
		return nil
	}
	u, err := url.Parse(sub)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.Hostname() == "localhost" {
		return fmt.Errorf("sub %q is neither a mailto nor an https address", sub)
	}
	return nil
}
