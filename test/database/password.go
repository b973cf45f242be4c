package database

import (
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// Hash is a user's PasswordHash that is checked at nearly no cost, for tests in
// which many sign in: made with the least that argon2 takes.
func Hash(password string) string {
	const salt, memory, passes, lanes = "0123456789abcdef", 8, 1, 1
	key := argon2.IDKey([]byte(password), []byte(salt), passes, memory, lanes, 32)
	text := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, lanes, text([]byte(salt)), text(key))
}
