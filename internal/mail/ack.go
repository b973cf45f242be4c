package mail

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"
)

// AckLink lets whoever has a letter acknowledge its alert, as the contact that it
// was written to, without signing in. The token stands in the letter and nowhere
// else.
type AckLink struct {
	Hash      string // of the token; see HashToken
	AlertID   string
	ContactID string
	Made      time.Time
	Expires   time.Time
	Used      time.Time // zero: it was not
}

// tokenSize is how many random bytes a token has: it cannot be guessed.
const tokenSize = 32

// NewToken makes the token of a link.
func NewToken() string {
	b := make([]byte, tokenSize)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// Token says whether a text has the form of a token, so that nothing else is
// looked up.
func Token(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == tokenSize
}

// HashToken is what is kept of a token, in 64 hexadecimal digits.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
