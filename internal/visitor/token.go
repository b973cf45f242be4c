package visitor

import (
	"crypto/hmac"
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
	ErrToken        = errors.New("this is no link of ours")
	ErrTokenExpired = errors.New("the link's time has run out")
)

// Purpose is what a token allows: no token does another one's.
type Purpose byte

// The purposes. Manage also unsubscribes; Unsubscribe does nothing else.
const (
	Confirm     Purpose = 1
	Manage      Purpose = 2
	Unsubscribe Purpose = 3
)

// Tokens makes and checks what links in messages act by, for the one subscriber
// who was sent them. A token says all by itself: nothing is stored. What it is
// for is gone with its subscriber.
//
// Its 41 bytes are purpose, expiry, subscriber, and 20 bytes of HMAC-SHA256 over all
// before, as base64url.
type Tokens struct{ secret []byte }

const (
	tokenBody = 1 + 4 + 16
	tokenSize = tokenBody + 20
)

// NewTokens takes the secret, 32 bytes, the same on every node.
func NewTokens(secret []byte) (*Tokens, error) {
	if len(secret) != 32 {
		return nil, fmt.Errorf("the secret of visitors' links has %d bytes, not 32", len(secret))
	}
	return &Tokens{secret: append([]byte(nil), secret...)}, nil
}

// Make makes the token of a subscriber for a purpose; the zero time is without
// end. The id is a UUID.
func (t *Tokens) Make(p Purpose, id string, expires time.Time) (string, error) {
	var b [tokenSize]byte
	b[0] = byte(p)
	if !expires.IsZero() {
		binary.BigEndian.PutUint32(b[1:], uint32(expires.Unix()))
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(raw) != 16 || uuid(raw) != id {
		return "", fmt.Errorf("make a link: %q is no UUID", id)
	}
	copy(b[5:], raw)
	copy(b[tokenBody:], t.sign(b[:tokenBody]))
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// Check answers the subscriber whom a token is about. ErrToken is for a text that
// was not made here or for another purpose; ErrTokenExpired for one whose time is
// over.
func (t *Tokens) Check(p Purpose, token string, now time.Time) (string, error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return "", ErrToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != tokenSize || !hmac.Equal(b[tokenBody:], t.sign(b[:tokenBody])) || Purpose(b[0]) != p {
		return "", ErrToken
	}
	if until := binary.BigEndian.Uint32(b[1:]); until != 0 && now.Unix() >= int64(until) {
		return "", ErrTokenExpired
	}
	return uuid(b[5:21]), nil
}

func (t *Tokens) sign(body []byte) []byte {
	m := hmac.New(sha256.New, t.secret)
	m.Write([]byte("tocsin visitor\x00"))
	m.Write(body)
	return m.Sum(nil)[:tokenSize-tokenBody]
}

func uuid(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
