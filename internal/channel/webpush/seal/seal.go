// Package seal encrypts messages to devices, as RFC 8291 says: aes128gcm of
// RFC 8188 with one record, keys agreed by ECDH on P-256.
//
//	body, err := seal.Seal(body[:0], sub.P256dh, sub.Auth, payload, 1024)
//
// Most of the cost is making a key pair and agreeing on the secret (see the
// benchmarks), and none of that depends on the message. Prepare does it ahead,
// Prepared.Seal does the rest when there is something to say.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	saltSize   = 16
	publicSize = 65
	headerSize = saltSize + 4 + 1 + publicSize
	tagSize    = 16
	recordSize = 4096

	// Overhead is by how much a body is longer than its text, with padding.
	Overhead = headerSize + 1 + tagSize
	// MaxBody is how long a body may be: every push service takes 4,096 bytes.
	MaxBody = 4096
	// MaxText is how long a text may be, with padding.
	MaxText = MaxBody - Overhead

	// lastRecord follows the text in the last record, and we have but one.
	lastRecord = 2
)

// ErrTooLong is for a text above MaxText.
var ErrTooLong = errors.New("the text is too long for one record")

// Seal appends the body of a message to dst: text, filled up with padding to
// pad bytes where it is shorter, encrypted to the device with the public key
// p256dh (65 bytes) and the secret auth (16 bytes). Each call makes a key pair
// and a salt of its own. ErrTooLong when text or pad is above MaxText.
func Seal(dst, p256dh, auth, text []byte, pad int) ([]byte, error) {
	if max(len(text), pad) > MaxText {
		return nil, ErrTooLong
	}
	p, err := Prepare(p256dh, auth)
	if err != nil {
		return nil, err
	}
	return p.Seal(dst, text, pad), nil
}

// Prepared is everything of a message's encryption that does not depend on the
// message. It serves one message and is of no use then. It holds secrets: keep
// it in memory only.
type Prepared struct {
	public [publicSize]byte // ours, for this one message
	salt   [saltSize]byte
	key    [16]byte
	nonce  [12]byte
	ready  bool
}

// Prepare makes a key pair and a salt for the next message to a device, and
// derives the key that the text is encrypted with.
func Prepare(p256dh, auth []byte) (Prepared, error) {
	device, err := ecdh.P256().NewPublicKey(p256dh)
	if err != nil || len(p256dh) != publicSize {
		return Prepared{}, errors.New("the device's public key is no point of P-256")
	}
	ours, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return Prepared{}, fmt.Errorf("make a key pair: %w", err)
	}
	var salt [saltSize]byte
	_, _ = rand.Read(salt[:]) // it never answers an error: see crypto/rand
	return prepare(ours, device, p256dh, auth, salt)
}

func prepare(ours *ecdh.PrivateKey, device *ecdh.PublicKey, p256dh, auth []byte, salt [saltSize]byte) (Prepared, error) {
	if len(auth) != 16 {
		return Prepared{}, fmt.Errorf("the device's secret has %d bytes, not 16", len(auth))
	}
	shared, err := ours.ECDH(device)
	if err != nil {
		return Prepared{}, fmt.Errorf("agree on a secret: %w", err)
	}
	p := Prepared{salt: salt, ready: true}
	copy(p.public[:], ours.PublicKey().Bytes())
	p.derive(shared, auth, p256dh)
	return p, nil
}

// Ready says whether it can still seal a message.
func (p *Prepared) Ready() bool { return p.ready }

// Seal is Seal for the device that p was prepared for. It works once: the key
// must never encrypt a second text. It answers nil, and uses nothing up, when
// text or pad is above MaxText; and nil when p was used before or never made.
func (p *Prepared) Seal(dst, text []byte, pad int) []byte {
	length := max(len(text), pad)
	if !p.ready || length > MaxText {
		return nil
	}
	block, err := aes.NewCipher(p.key[:])
	if err != nil {
		return nil // not with 16 bytes
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil // not with AES
	}
	at := len(dst)
	total := at + Overhead + length
	if cap(dst) < total {
		grown := make([]byte, at, total)
		copy(grown, dst)
		dst = grown
	}
	dst = dst[:total]
	head := dst[at:]
	copy(head, p.salt[:])
	binary.BigEndian.PutUint32(head[saltSize:], recordSize)
	head[saltSize+4] = publicSize
	copy(head[saltSize+5:], p.public[:])
	record := head[headerSize : headerSize+length+1]
	n := copy(record, text)
	record[n] = lastRecord
	clear(record[n+1:])
	gcm.Seal(record[:0], p.nonce[:], record, nil)
	*p = Prepared{}
	return dst
}
