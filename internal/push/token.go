package push

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of Tokens.Check.
var (
	ErrToken        = errors.New("this is no token of ours")
	ErrTokenExpired = errors.New("the token's time has run out")
)

// Tokens makes and checks the tokens by which a notification acts on the one
// alert that it is about, for the one contact that it was sent to. A token says
// all by itself: nothing is stored until it is used.
//
// Its 61 bytes are version, expiry, alert, contact, nonce, and 16 bytes of
// HMAC-SHA256 over all before; as base64url 82 characters.
type Tokens struct {
	secret []byte
}

// Action is what a token allows.
type Action struct {
	AlertID   string
	ContactID string
	Nonce     string // what makes the token usable once: kept by the store when it is used
	Expires   time.Time
}

const (
	tokenVersion = 1
	tokenBody    = 1 + 4 + 16 + 16 + 8
	tokenSize    = tokenBody + 16
)

// NewTokens takes the secret, 32 bytes, the same on every node.
func NewTokens(secret []byte) (*Tokens, error) {
	if len(secret) != 32 {
		return nil, fmt.Errorf("the secret of the action tokens has %d bytes, not 32", len(secret))
	}
	return &Tokens{secret: append([]byte(nil), secret...)}, nil
}

// Make makes a token, each time another. The ids are UUIDs.
func (t *Tokens) Make(alertID, contactID string, expires time.Time) (string, error) {
	var b [tokenSize]byte
	b[0] = tokenVersion
	binary.BigEndian.PutUint32(b[1:], uint32(expires.Unix()))
	if err := putUUID(b[5:21], alertID); err != nil {
		return "", fmt.Errorf("make a token for the alert: %w", err)
	}
	if err := putUUID(b[21:37], contactID); err != nil {
		return "", fmt.Errorf("make a token for the contact: %w", err)
	}
	_, _ = rand.Read(b[37:tokenBody]) // it never answers an error: see crypto/rand
	copy(b[tokenBody:], t.sign(b[:tokenBody]))
	return encode(b[:]), nil
}

// Check answers what a token allows. ErrToken is for a text that was not made
// here; ErrTokenExpired for one that was, and then the Action is filled, too.
func (t *Tokens) Check(token string, now time.Time) (Action, error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return Action{}, ErrToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != tokenSize || !hmac.Equal(b[tokenBody:], t.sign(b[:tokenBody])) || b[0] != tokenVersion {
		return Action{}, ErrToken
	}
	a := Action{
		AlertID: uuid(b[5:21]), ContactID: uuid(b[21:37]), Nonce: encode(b[37:tokenBody]),
		Expires: time.Unix(int64(binary.BigEndian.Uint32(b[1:])), 0).UTC(),
	}
	if !now.Before(a.Expires) {
		return a, ErrTokenExpired
	}
	return a, nil
}

func (t *Tokens) sign(body []byte) []byte {
	m := hmac.New(sha256.New, t.secret)
	m.Write([]byte("tocsin push action\x00"))
	m.Write(body)
	return m.Sum(nil)[:tokenSize-tokenBody]
}

// putUUID writes the 16 bytes of a UUID in its usual form.
func putUUID(dst []byte, id string) error {
	hexadecimal := strings.ReplaceAll(id, "-", "")
	b, err := hex.DecodeString(hexadecimal)
	if err != nil || len(b) != 16 || uuid(b) != id {
		return fmt.Errorf("%q is not a UUID", id)
	}
	copy(dst, b)
	return nil
}

func uuid(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
