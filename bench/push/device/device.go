// Package device makes the browsers that the push benchmark sends to: numbered,
// the same in every process, so that the push service can read what was sent to
// any of them without being told a key.
package device

import (
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
)

// Pool is how many key pairs there are. Devices share them by number modulo
// Pool, since making a million takes longer than it proves; each device has a
// secret of its own, and so a content key of its own.
const Pool = 1000

// path is what a push service puts in front of its token, and digits how long
// the number at the end of it is. With both an address is about as long as
// those of the big services.
const (
	path   = "/wpush/v2/"
	digits = 8
	// fill stands for the rest of the token.
	fill = "gAAAAABl0mYkQv7w3JrTn9cUe4oZs8Xb1HfPd6LaRg5MiVx2CtEyNqOuWj0SBkGzKlFhIpAD-_" +
		"Yw7Rr3Tt9Uu4Zz8Xx1Hh6Ll5Mm2Cc0Nn-Oo_JjSsBbGgKkFfIiAaDdEeQqVvPpWw"
)

// Key is the private key of device i.
func Key(i int) (*ecdh.PrivateKey, error) {
	seed := sha256.Sum256(fmt.Appendf(nil, "bench device %d", i%Pool))
	key, err := ecdh.P256().NewPrivateKey(seed[:])
	if err != nil {
		return nil, fmt.Errorf("key of device %d: %w", i, err)
	}
	return key, nil
}

// Keys are the public keys of all pairs of the pool, 65 bytes each.
func Keys() ([][]byte, error) {
	out := make([][]byte, Pool)
	for i := range out {
		key, err := Key(i)
		if err != nil {
			return nil, err
		}
		out[i] = key.PublicKey().Bytes()
	}
	return out, nil
}

// Auth is the secret of device i, 16 bytes.
func Auth(i int) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(i))
	sum := sha256.Sum256(b[:])
	return sum[:16]
}

// Endpoint is the address of device i at the push service of that origin.
func Endpoint(origin string, i int) string {
	return fmt.Sprintf("%s%s%s%0*d", origin, path, fill, digits, i)
}

// Number is the device that a path is the address of.
func Number(p string) (int, bool) {
	if len(p) != len(path)+len(fill)+digits || p[:len(path)] != path {
		return 0, false
	}
	n, err := strconv.Atoi(p[len(p)-digits:])
	return n, err == nil && n >= 0
}
