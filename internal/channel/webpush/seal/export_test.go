package seal

import "crypto/ecdh"

// PrepareWith is Prepare with a given key pair and salt: for the vectors of the
// RFC, and for nothing else.
func PrepareWith(ours *ecdh.PrivateKey, p256dh, auth, salt []byte) (Prepared, error) {
	device, err := ecdh.P256().NewPublicKey(p256dh)
	if err != nil {
		return Prepared{}, err
	}
	return prepare(ours, device, p256dh, auth, [saltSize]byte(salt))
}

// Inside shows the key and the nonce.
func (p *Prepared) Inside() (key, nonce []byte) { return p.key[:], p.nonce[:] }

// MAC is mac.
func MAC(key, text []byte) []byte { m := mac(key, text); return m[:] }
