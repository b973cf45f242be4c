package push

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// The names that a key pair has in the environment; errors of ParseKey name
// them, as that is where a wrong one comes from.
const (
	PublicKeyName  = "VAPID_PUBLIC_KEY"
	PrivateKeyName = "VAPID_PRIVATE_KEY"
	SubjectName    = "VAPID_SUBJECT"
)

// GenerateKey makes a key pair.
func GenerateKey(now time.Time) (Key, error) {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("make a key pair: %w", err)
	}
	return keyOf(private, now), nil
}

func keyOf(private *ecdh.PrivateKey, now time.Time) Key {
	public := encode(private.PublicKey().Bytes())
	return Key{ID: KeyID(public), Public: public, Private: encode(private.Bytes()), Created: now.UTC()}
}

// ParseKey reads a key pair as VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY hold it:
// base64url without padding, as web-push prints it; padding and the other
// alphabet are taken too. It answers a *FieldError, which never holds the
// private key, for what is no key, and for two that do not belong together.
func ParseKey(public, private string) (Key, error) {
	point, err := decode(public, 65)
	if err != nil {
		return Key{}, &FieldError{PublicKeyName, err.Error(), mendKey}
	}
	if err := CheckP256dh(point); err != nil {
		return Key{}, &FieldError{PublicKeyName, "is no point of the curve P-256", mendKey}
	}
	scalar, err := decode(private, 32)
	if err != nil {
		return Key{}, &FieldError{PrivateKeyName, err.Error(), mendKey}
	}
	pair, err := ecdh.P256().NewPrivateKey(scalar)
	if err != nil {
		return Key{}, &FieldError{PrivateKeyName, "is no private key of the curve P-256", mendKey}
	}
	k := keyOf(pair, time.Time{})
	if k.Public != encode(point) {
		return Key{}, &FieldError{PrivateKeyName, "does not belong to " + PublicKeyName, "give both lines of one `tocsin vapid generate`"}
	}
	return k, nil
}

const mendKey = "give the two lines that `tocsin vapid generate` prints"

// KeyID names a key by its public half, so that every node makes the same one:
// 22 characters, base64url.
func KeyID(public string) string {
	h := sha256.Sum256([]byte(public))
	return encode(h[:16])
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// decode reads n bytes of base64 in either alphabet, with or without padding.
// Its errors do not hold the text, which may be a secret.
func decode(text string, n int) ([]byte, error) {
	if text == "" {
		return nil, fmt.Errorf("is missing")
	}
	plain := strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimSpace(text)), "=")
	if len(plain) != base64.RawURLEncoding.EncodedLen(n) {
		return nil, fmt.Errorf("has %d characters, not the %d of a key", len(plain), base64.RawURLEncoding.EncodedLen(n))
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(plain)
	if err != nil {
		return nil, fmt.Errorf("is not base64url")
	}
	return b, nil
}

// CheckP256dh says whether b is a public key as a device has one: 65 bytes, an
// uncompressed point of P-256 that is on the curve.
func CheckP256dh(b []byte) error {
	if len(b) != 65 {
		return &FieldError{"keys.p256dh", fmt.Sprintf("has %d bytes, not 65", len(b)), "give it as PushSubscription.getKey(\"p256dh\") answers it"}
	}
	if _, err := ecdh.P256().NewPublicKey(b); err != nil {
		return &FieldError{"keys.p256dh", "is no point of the curve P-256", "give it as PushSubscription.getKey(\"p256dh\") answers it"}
	}
	return nil
}
