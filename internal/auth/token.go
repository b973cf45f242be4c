package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// The prefixes of secrets, so that people and leak scanners know what one is.
const (
	KeyPrefix      = "tk_" // an API key
	SourcePrefix   = "ts_" // a source's token
	CalendarPrefix = "tc_" // the address of somebody's calendar
)

// NewToken makes a secret: prefix and 32 random bytes in base64url. The token
// is shown once; hash is what is stored, hint its last four characters.
func NewToken(prefix string) (token, hash, hint string) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the program
	token = prefix + base64.RawURLEncoding.EncodeToString(b[:])
	return token, Hash(token), token[len(token)-4:]
}

// Hash is the SHA-256 of a token in hex. A plain hash is enough: tokens have
// 256 random bits, nobody guesses them from it.
func Hash(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// sessionHash is what the session store knows a cookie's value by.
func sessionHash(cookie string) string {
	h := sha256.Sum256([]byte(cookie))
	return base64.RawURLEncoding.EncodeToString(h[:])
}
