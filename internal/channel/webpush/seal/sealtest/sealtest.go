// Package sealtest is the other end: a device with its keys that opens what
// was sealed for it. It is written after RFC 8291 and 8188 on its own, with
// crypto/hkdf, and shares no code with package seal.
package sealtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Device is a browser's subscription with its private half.
type Device struct {
	Private *ecdh.PrivateKey
	Auth    []byte
}

// NewDevice makes one. It panics when the machine has no randomness.
func NewDevice() *Device {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	d := &Device{Private: private, Auth: make([]byte, 16)}
	_, _ = rand.Read(d.Auth)
	return d
}

// P256dh is its public key, 65 bytes.
func (d *Device) P256dh() []byte { return d.Private.PublicKey().Bytes() }

// Open decrypts a body and answers the text, and the padding's length.
func (d *Device) Open(body []byte) (text []byte, padding int, err error) {
	if len(body) < 21 {
		return nil, 0, errors.New("the body ends within the header")
	}
	salt, rs, idlen := body[:16], binary.BigEndian.Uint32(body[16:20]), int(body[20])
	if len(body) < 21+idlen {
		return nil, 0, errors.New("the body ends within the key id")
	}
	id, rest := body[21:21+idlen], body[21+idlen:]
	sender, err := ecdh.P256().NewPublicKey(id)
	if err != nil {
		return nil, 0, fmt.Errorf("the key id is no public key: %w", err)
	}
	if rs < 18 || uint64(len(rest)) > uint64(rs) {
		return nil, 0, fmt.Errorf("%d bytes do not fit into one record of %d", len(rest), rs)
	}
	shared, err := d.Private.ECDH(sender)
	if err != nil {
		return nil, 0, err
	}
	info := "WebPush: info\x00" + string(d.P256dh()) + string(id)
	ikm, err := hkdf.Key(sha256.New, shared, d.Auth, info, 32)
	if err != nil {
		return nil, 0, err
	}
	key, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, 0, err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, 0, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, 0, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, 0, err
	}
	record, err := gcm.Open(nil, nonce, rest, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("open the record: %w", err)
	}
	end := len(record) - 1
	for end >= 0 && record[end] == 0 {
		end--
	}
	if end < 0 || record[end] != 2 {
		return nil, 0, errors.New("the record has no delimiter of a last record")
	}
	return record[:end], len(record) - 1 - end, nil
}
