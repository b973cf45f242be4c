package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// OWASP's second recommendation for argon2id: 19 MiB, two passes, one lane.
// Memory counts more than lanes against guessing on graphics cards.
const (
	argonMemory = 19 * 1024 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

// The bounds of a password, in characters. The upper one keeps a request from
// buying a long hash.
const (
	MinPassword = 10
	MaxPassword = 200
)

// errHash is for a stored hash that is none.
var errHash = errors.New("the stored password hash cannot be read")

// CheckPassword says what is wrong with a new password; nil if nothing.
func CheckPassword(name, password string) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password):
		return &FieldError{"password", "is not valid UTF-8", "type another one"}
	case n < MinPassword:
		return &FieldError{"password", fmt.Sprintf("has %d characters", n), fmt.Sprintf("take at least %d; a short sentence is good", MinPassword)}
	case n > MaxPassword:
		return &FieldError{"password", fmt.Sprintf("has %d characters", n), fmt.Sprintf("take at most %d", MaxPassword)}
	case name != "" && strings.EqualFold(password, name):
		return &FieldError{"password", "is the user's name", "take something that others cannot guess"}
	case strings.Count(password, password[:1]) == len(password):
		return &FieldError{"password", "is one character repeated", "take something that others cannot guess"}
	}
	return nil
}

// UnknownPassword makes the hash of a password that nobody knows, for what is to
// stay closed until somebody sets one.
func UnknownPassword() (string, error) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return HashPassword(base64.RawURLEncoding.EncodeToString(b[:]))
}

// HashPassword makes the argon2id hash of a password in PHC form.
func HashPassword(password string) (string, error) {
	var salt [argonSalt]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	key := argon2.IDKey([]byte(password), salt[:], argonTime, argonMemory, argonLanes, argonKey)
	return phc(salt[:], key), nil
}

func phc(salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// VerifyPassword says whether password is the one that hash was made of. It
// takes the same time whichever it is.
func VerifyPassword(hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errHash
	}
	var version int
	var memory, passes uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil {
		return false, errHash
	}
	// Bounds, so that a row somebody tampered with cannot take all memory.
	if memory < 8 || memory > 1<<20 || passes < 1 || passes > 16 || lanes < 1 || lanes > 16 {
		return false, errHash
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, errHash
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) < 16 || len(want) > 64 {
		return false, errHash
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// hasher bounds how many hashes are made at once: each takes 19 MiB and a
// core, and anybody may ask for one by trying to sign in.
type hasher struct {
	slots chan struct{}
	dummy string // verified for names that there are not, so that the time taken tells nothing
}

func newHasher() (*hasher, error) {
	// Nobody has hashed anything to get this, which would take 19 MiB at every
	// start; to verify it takes the same time.
	var none [argonSalt + argonKey]byte
	if _, err := rand.Read(none[:]); err != nil {
		return nil, fmt.Errorf("make a hash of no password: %w", err)
	}
	return &hasher{slots: make(chan struct{}, max(1, runtime.NumCPU())), dummy: phc(none[:argonSalt], none[argonSalt:])}, nil
}

func (h *hasher) verify(ctx context.Context, hash, password string) (bool, error) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if hash == "" {
		_, err := VerifyPassword(h.dummy, password)
		return false, err
	}
	return VerifyPassword(hash, password)
}
