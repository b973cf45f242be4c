package oidc

import (
	"crypto/hmac"
	"crypto/sha256"
)

// mac signs as HS256 does, with a secret that the client has as well.
func mac(secret, text string) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	_, _ = m.Write([]byte(text))
	return m.Sum(nil)
}
