package main

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"tocsin/bench/push/device"
)

// request is what the head of a message says.
type request struct {
	method, path, encoding, ttl, topic, authorization string
	number                                            int  // of the device
	sample                                            bool // its body is read in full
}

func (r *request) set(name, value string) {
	switch name {
	case ":method":
		r.method = value
	case ":path":
		r.path = value
	case "content-encoding":
		r.encoding = value
	case "ttl":
		r.ttl = value
	case "topic":
		r.topic = value
	case "authorization":
		r.authorization = value
	}
}

// head1 reads the head of an HTTP/1.1 request.
func head1(in *bufio.Reader) (*request, int, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, 0, err
	}
	r := &request{}
	parts := strings.Fields(line)
	if len(parts) != 3 {
		return nil, 0, fmt.Errorf("no request: %q", line)
	}
	r.method, r.path = parts[0], parts[1]
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return nil, 0, fmt.Errorf("head: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return r, length, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		key := strings.ToLower(string(name))
		if key == "content-length" {
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 || length > 4096 {
				return nil, 0, fmt.Errorf("a body of %q bytes", value)
			}
		}
		r.set(key, string(value))
	}
}

// check refuses, with the end of the connection, what no sender may send.
func (s *service) check(r *request) error {
	n, ok := device.Number(r.path)
	switch {
	case r.method != "POST":
		return fmt.Errorf("method %q", r.method)
	case !ok || n >= len(s.counts):
		return fmt.Errorf("no device at %q", r.path)
	case r.encoding != "aes128gcm":
		return fmt.Errorf("content-encoding %q", r.encoding)
	case r.ttl == "":
		return errors.New("no TTL")
	}
	r.number, r.sample = n, n%s.every == 0
	if last := s.known.Load(); last == nil || *last != r.authorization {
		if err := s.vapid(r.authorization); err != nil {
			return fmt.Errorf("authorization: %w", err)
		}
		known := r.authorization // r is used again for other requests
		s.known.Store(&known)
	}
	return nil
}

// vapid verifies the signature of the header (RFC 8292).
func (s *service) vapid(header string) error {
	rest, ok := strings.CutPrefix(header, "vapid ")
	if !ok {
		return fmt.Errorf("%.20q is not of VAPID", header)
	}
	var token, key string
	for part := range strings.SplitSeq(rest, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name {
		case "t":
			token = value
		case "k":
			key = value
		}
	}
	public, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil || len(public) != 65 {
		return fmt.Errorf("key %q", key)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("no token")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		return errors.New("no signature")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), public)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if !ecdsa.Verify(k, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return errors.New("the signature is not of that key")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	var claims struct {
		Aud, Sub string
		Exp      int64
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	left := time.Until(time.Unix(claims.Exp, 0))
	if claims.Aud != s.origin || left <= 0 || left > 24*time.Hour || claims.Sub == "" {
		return fmt.Errorf("claims %s, this is %s", text, s.origin)
	}
	return nil
}

// decrypt reads a body as the browser of device n does (RFC 8291, RFC 8188).
func decrypt(n int, body []byte) ([]byte, error) {
	const header = 16 + 4 + 1 + 65
	if len(body) < header+17 || body[20] != 65 {
		return nil, fmt.Errorf("a body of %d bytes", len(body))
	}
	if size := binary.BigEndian.Uint32(body[16:]); int(size) < len(body)-header {
		return nil, fmt.Errorf("a record of %d bytes, more than its size of %d", len(body)-header, size)
	}
	salt, sender := body[:16], body[21:header]
	key, err := device.Key(n)
	if err != nil {
		return nil, err
	}
	public, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, fmt.Errorf("the sender's key: %w", err)
	}
	secret, err := key.ECDH(public)
	if err != nil {
		return nil, fmt.Errorf("shared secret: %w", err)
	}
	info := "WebPush: info\x00" + string(key.PublicKey().Bytes()) + string(sender)
	ikm, err := hkdf.Key(sha256.New, secret, device.Auth(n), info, 32)
	if err != nil {
		return nil, err
	}
	content, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(content)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	text, err := gcm.Open(nil, nonce, body[header:], nil)
	if err != nil {
		return nil, fmt.Errorf("device %d cannot read it: %w", n, err)
	}
	text = bytes.TrimRight(text, "\x00")
	if len(text) == 0 || text[len(text)-1] != 2 {
		return nil, errors.New("no end of the last record")
	}
	return text[:len(text)-1], nil
}
