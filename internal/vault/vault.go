// Package vault keeps secrets sealed at rest: whoever gets hold of the database, or of
// a copy of it, cannot read them without the key, which is kept elsewhere.
//
// There are two keys, one inside the other. The outer one comes from outside, out of a
// file or the environment (Source), and seals nothing but inner ones. Those are random,
// stand sealed in the database, and seal the values. So the values can be sealed anew
// while hubs serve, who find the new inner key in the database; and the outer key can
// be another one without anything being sealed anew.
//
//	ring := vault.NewRing(inner)
//	text := ring.Seal(vault.Place("hook.token", id), "s3cret")   // sealed:1:5f0c…:…
//	token, err := ring.Open(vault.Place("hook.token", id), text)
//
// A sealed text is bound to its place: moved to another row or column it does not open.
// It is AES-256-GCM with a random nonce for each text; under one key some four thousand
// million of them are safe. A text that was never sealed opens as it is, so that a
// database which had no key before can be sealed while it is in use. The empty text
// stays empty: that there is no secret is none.
package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// Mark is what every sealed text begins with, and the version of its form.
const Mark = "sealed:1:"

// The errors that callers branch on.
var (
	ErrNoKey  = errors.New("it is sealed, and there is no key")
	ErrOpen   = errors.New("it was sealed with another key, for another place, or was changed")
	ErrSealed = errors.New("it begins as sealed texts do")
)

// Key is a secret key. It prints as its id.
type Key struct{ bytes [KeySize]byte }

// NewKey makes a key.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k.bytes[:]) // it never fails
	return k
}

// ParseKey reads 32 bytes in base64, of either alphabet and with padding or without,
// or in hex.
func ParseKey(text string) (Key, error) {
	text = uncommented(text)
	if len(text) == 2*KeySize {
		if b, err := hex.DecodeString(text); err == nil {
			return keyOf(b)
		}
	}
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	b, err := base64.RawStdEncoding.Strict().DecodeString(plain)
	if err != nil {
		return Key{}, errors.New("is neither base64 nor hex")
	}
	return keyOf(b)
}

// uncommented is a text without lines that begin with #, as in a key's file.
func uncommented(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func keyOf(b []byte) (k Key, err error) {
	if len(b) != KeySize {
		return k, fmt.Errorf("has %d bytes, not %d", len(b), KeySize)
	}
	copy(k.bytes[:], b)
	if k == (Key{}) {
		return k, errors.New("is nothing but zeros")
	}
	return k, nil
}

// Text is the key itself, in base64: for the file that it is kept in, and nowhere else.
func (k Key) Text() string { return base64.StdEncoding.EncodeToString(k.bytes[:]) }

// ID names the key without telling anything of it.
func (k Key) ID() string {
	sum := sha256.Sum256(append([]byte("tocsin key id\x00"), k.bytes[:]...))
	return hex.EncodeToString(sum[:4])
}

// String is the id.
func (k Key) String() string { return "key " + k.ID() }

// GoString is the id, too: %#v does not show the key.
func (k Key) GoString() string { return k.String() }

// LogValue is the id.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Place names where a text is kept: the column, and the row's id.
func Place(column, id string) string { return column + "\x00" + id }

// Sealed says whether a text is sealed.
func Sealed(text string) bool { return strings.HasPrefix(text, Mark) }

// Beginning is how every text begins that is sealed with a key.
func Beginning(keyID string) string { return Mark + keyID + ":" }

// KeyID is the id of the key that a text is sealed with, empty if it is not sealed.
func KeyID(text string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(text, Mark), ":")
	if !Sealed(text) {
		return ""
	}
	return id
}

// Ring has the keys that texts are sealed with: one for new ones, and those before it.
// A nil Ring seals nothing. It is safe for concurrent use.
type Ring struct {
	mu      sync.RWMutex
	current string
	keys    map[string]cipher.AEAD
	missing func(id string)
}

// NewRing makes a ring with a current key and those before it.
func NewRing(current Key, older ...Key) *Ring {
	r := &Ring{}
	r.Set(current, older...)
	return r
}

// OnMissing has f called for a key that a text needs and the ring has not; f may Set
// the ring.
func (r *Ring) OnMissing(f func(id string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missing = f
}

// Set gives the ring its keys.
func (r *Ring) Set(current Key, older ...Key) {
	keys := map[string]cipher.AEAD{current.ID(): current.aead()}
	for _, k := range older {
		keys[k.ID()] = k.aead()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.keys = current.ID(), keys
}

// Current is the id of the key that new texts are sealed with.
func (r *Ring) Current() string {
	if r == nil {
		return ""
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.current
}

func (k Key) aead() cipher.AEAD {
	block, err := aes.NewCipher(k.bytes[:])
	if err != nil {
		panic("a key of 32 bytes is one of AES: " + err.Error())
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("AES has blocks as GCM needs them: " + err.Error())
	}
	return a
}

// Seal seals a text for a place. Without a ring it stays as it is; ErrSealed then for
// one that would be taken for a sealed one.
func (r *Ring) Seal(place, plain string) (string, error) {
	if plain == "" {
		return "", nil
	}
	if r == nil {
		if Sealed(plain) {
			return "", ErrSealed
		}
		return plain, nil
	}
	r.mu.RLock()
	id, a := r.current, r.keys[r.current]
	r.mu.RUnlock()
	sealed := a.Seal(nil, nil, []byte(plain), bound(id, place)) //nolint:gosec // this AEAD draws its nonce itself
	return Beginning(id) + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Open is the reverse of Seal. ErrNoKey and ErrOpen say, with the key's id, why it
// cannot be.
func (r *Ring) Open(place, text string) (string, error) {
	if !Sealed(text) {
		return text, nil
	}
	id := KeyID(text)
	if r == nil {
		return "", fmt.Errorf("%w: %s", ErrNoKey, id)
	}
	a, missing := r.key(id)
	if a == nil && missing != nil {
		missing(id)
		a, _ = r.key(id)
	}
	if a == nil {
		return "", fmt.Errorf("%w %s", ErrNoKey, id)
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(text, Beginning(id)))
	if err != nil {
		return "", ErrOpen
	}
	plain, err := a.Open(nil, nil, b, bound(id, place))
	if err != nil {
		return "", ErrOpen
	}
	return string(plain), nil
}

func (r *Ring) key(id string) (cipher.AEAD, func(string)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.keys[id], r.missing
}

// bound is what a sealed text is bound to.
func bound(id, place string) []byte { return []byte(Mark + id + "\x00" + place) }

// innerPlace is where an inner key is kept.
func innerPlace(id string) string { return Place("vault_key.sealed", id) }

// Wrap seals an inner key with an outer one.
func Wrap(outer, inner Key) (string, error) {
	return NewRing(outer).Seal(innerPlace(inner.ID()), inner.Text())
}

// Unwrap is the reverse of Wrap.
func Unwrap(outer Key, id, sealed string) (Key, error) {
	text, err := NewRing(outer).Open(innerPlace(id), sealed)
	if err != nil {
		return Key{}, err
	}
	k, err := ParseKey(text)
	if err != nil || k.ID() != id {
		return Key{}, ErrOpen
	}
	return k, nil
}
