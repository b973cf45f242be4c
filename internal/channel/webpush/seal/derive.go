package seal

import "crypto/sha256"

// derive is the key derivation of RFC 8291, section 3.4: HKDF twice, written
// out. Every message under it is known to be short, so that all of it stays on
// the stack; crypto/hkdf takes twice as long (see the benchmarks).
func (p *Prepared) derive(shared, auth, device []byte) {
	// PRK_key = HMAC(auth, ecdh_secret); IKM = HMAC(PRK_key, key_info || 1)
	prk := mac(auth, shared)
	var info [len(keyInfo) + 2*publicSize + 1]byte
	n := copy(info[:], keyInfo)
	n += copy(info[n:], device)
	n += copy(info[n:], p.public[:])
	info[n] = 1
	ikm := mac(prk[:], info[:])
	// PRK = HMAC(salt, IKM); what follows is the first block of each expansion.
	prk = mac(p.salt[:], ikm[:])
	key := mac(prk[:], []byte(cekInfo))
	nonce := mac(prk[:], []byte(nonceInfo))
	copy(p.key[:], key[:])
	copy(p.nonce[:], nonce[:])
}

const (
	keyInfo   = "WebPush: info\x00"
	cekInfo   = "Content-Encoding: aes128gcm\x00\x01"
	nonceInfo = "Content-Encoding: nonce\x00\x01"
)

// longest is the longest text that mac is given.
const longest = len(keyInfo) + 2*publicSize + 1

// mac is HMAC-SHA256 for keys and texts as they are here: a key of at most a
// block, a text of at most longest bytes.
func mac(key, text []byte) [sha256.Size]byte {
	var inner [sha256.BlockSize + longest]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	copy(inner[:], key)
	copy(outer[:], key)
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	n := sha256.BlockSize + copy(inner[sha256.BlockSize:], text)
	sum := sha256.Sum256(inner[:n])
	copy(outer[sha256.BlockSize:], sum[:])
	return sha256.Sum256(outer[:])
}
