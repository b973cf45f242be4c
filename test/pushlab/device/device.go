// Package device is a device without a browser: it has the keys that a browser
// makes when it subscribes, is known to a push service, and reads what comes.
// It decrypts by RFC 8291 with the standard library alone, so that what reads is
// not what wrote.
package device

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"tocsin/test/pushlab/box"
)

// Keys are a subscription's, base64url without padding, as browsers write them.
type Keys struct {
	P256dh string `json:"p256dh"`
	Auth   string `json:"auth"`
}

// Subscription is a PushSubscription as JSON.
type Subscription struct {
	Endpoint       string `json:"endpoint"`
	ExpirationTime *int64 `json:"expirationTime"`
	Keys           Keys   `json:"keys"`
}

// Device is one device.
type Device struct {
	Token string
	box   *box.Box
	key   *ecdh.PrivateKey
	auth  []byte
	agent string

	mu    sync.Mutex
	read  [][]byte
	bad   []error
	leave func()
}

// New is a device that is known to b under a token. serverKey is the
// applicationServerKey, 65 bytes; nil lets any server send.
func New(b *box.Box, token string, serverKey []byte) (*Device, error) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key of a device: %w", err)
	}
	d := &Device{Token: token, box: b, key: key, auth: make([]byte, 16), agent: "device " + token}
	_, _ = rand.Read(d.auth) // crypto/rand never fails
	b.Subscribe(token, d.agent, token, serverKey)
	return d, nil
}

// Subscription is what its page would send, with the endpoint that its push
// service has for the token.
func (d *Device) Subscription(endpoint string) Subscription {
	b64 := base64.RawURLEncoding
	return Subscription{Endpoint: endpoint, Keys: Keys{P256dh: b64.EncodeToString(d.key.PublicKey().Bytes()), Auth: b64.EncodeToString(d.auth)}}
}

// Switch turns the device on or off. What came while it was off comes when it
// is on.
func (d *Device) Switch(on bool) {
	if d.leave != nil {
		d.leave()
		d.leave = nil
	}
	if on {
		d.leave = d.box.Connect(d.agent, d.take)
	}
}

func (d *Device) take(m *box.Message) error {
	text, err := Open(d.key, d.auth, m.Body)
	d.mu.Lock()
	if err != nil {
		d.bad = append(d.bad, err)
	} else {
		d.read = append(d.read, text)
	}
	d.mu.Unlock()
	d.box.Acknowledge(d.agent, m.ID)
	return nil
}

// Read answers the plaintexts that came so far, and an error if one could not
// be decrypted.
func (d *Device) Read() ([][]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([][]byte(nil), d.read...), errors.Join(d.bad...)
}

// Wait waits until n messages were read, and answers them.
func (d *Device) Wait(ctx context.Context, n int) ([][]byte, error) {
	err := d.box.Until(ctx, func() bool {
		read, err := d.Read()
		return len(read) >= n || err != nil
	})
	read, bad := d.Read()
	return read, errors.Join(bad, err)
}

// The length of a body's parts (RFC 8188, 2.1 with RFC 8291's key).
const (
	saltSize   = 16
	keySize    = 65
	headerSize = saltSize + 4 + 1 + keySize
)

// Open decrypts a body: one record of aes128gcm.
func Open(key *ecdh.PrivateKey, auth, body []byte) ([]byte, error) {
	if len(body) < headerSize+17 || body[saltSize+4] != keySize {
		return nil, fmt.Errorf("a body of %d bytes is no record of aes128gcm", len(body))
	}
	salt, sender := body[:saltSize], body[saltSize+5:headerSize]
	record := body[headerSize:]
	if size := binary.BigEndian.Uint32(body[saltSize:]); uint64(len(record)) > uint64(size) {
		return nil, fmt.Errorf("%d bytes are more than one record of %d", len(record), size)
	}
	theirs, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, fmt.Errorf("the sender's key: %w", err)
	}
	secret, err := key.ECDH(theirs)
	if err != nil {
		return nil, fmt.Errorf("shared secret: %w", err)
	}
	info := "WebPush: info\x00" + string(key.PublicKey().Bytes()) + string(sender)
	ikm, err := hkdf.Key(sha256.New, secret, auth, info, 32)
	if err != nil {
		return nil, err
	}
	cek, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	text, err := gcm.Open(nil, nonce, record, nil)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	// Padding is zeros after the delimiter 2 of the last record.
	for len(text) > 0 && text[len(text)-1] == 0 {
		text = text[:len(text)-1]
	}
	if len(text) == 0 || text[len(text)-1] != 2 {
		return nil, errors.New("no delimiter of a last record")
	}
	return text[:len(text)-1], nil
}
