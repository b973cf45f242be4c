package seal_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"testing"
	"testing/quick"
	"unsafe"

	"tocsin/internal/channel/webpush/seal"
	"tocsin/internal/channel/webpush/seal/sealtest"
)

func bytesOf(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func private(t testing.TB, text string) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.P256().NewPrivateKey(bytesOf(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// RFC 8291, appendix A.
const (
	watermelon = "When I grow up, I want to be a watermelon"
	uaPrivate  = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
	asPrivate  = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
	auth       = "BTBZMqHH6r4Tts7J_aSIgg"
	salt       = "DGv6ra1nlYgDCS1FRnbzlw"
	sharedECDH = "kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs"
	prkKey     = "Snr3JMxaHVDXHWJn5wdC52WjpCtd2EIEGBykDcZW32k"
	ikm        = "S4lYMb_L0FxCeq0WhDx813KgSYqU26kOyzWUdsXYyrg"
	prk        = "09_eUZGrsvxChDCGRCdkLiDXrReGOEVeSCdCcPBSJSc"
	cek        = "oIhVW04MRdy2XN9CiKLxTg"
	nonce      = "4h_95klXJ5E_qnoN"
	body       = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)

func TestTheVectorsOfTheRFC(t *testing.T) {
	device := private(t, uaPrivate)
	ours := private(t, asPrivate)
	same := func(what string, got []byte, want string) {
		t.Helper()
		if !bytes.Equal(got, bytesOf(t, want)) {
			t.Errorf("%s is %s, want %s", what, base64.RawURLEncoding.EncodeToString(got), want)
		}
	}
	shared, err := ours.ECDH(device.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	same("the shared secret", shared, sharedECDH)
	same("PRK_key", seal.MAC(bytesOf(t, auth), shared), prkKey)
	info := "WebPush: info\x00" + string(device.PublicKey().Bytes()) + string(ours.PublicKey().Bytes()) + "\x01"
	same("IKM", seal.MAC(bytesOf(t, prkKey), []byte(info)), ikm)
	same("PRK", seal.MAC(bytesOf(t, salt), bytesOf(t, ikm)), prk)

	p, err := seal.PrepareWith(ours, device.PublicKey().Bytes(), bytesOf(t, auth), bytesOf(t, salt))
	if err != nil {
		t.Fatal(err)
	}
	gotKey, gotNonce := p.Inside()
	same("CEK", gotKey, cek)
	same("NONCE", gotNonce, nonce)
	same("the body", p.Seal(nil, []byte(watermelon), 0), body)

	t.Run("and the other end opens it", func(t *testing.T) {
		d := sealtest.Device{Private: device, Auth: bytesOf(t, auth)}
		text, padding, err := d.Open(bytesOf(t, body))
		if err != nil || string(text) != watermelon || padding != 0 {
			t.Errorf("%q, %d, %v", text, padding, err)
		}
	})
}

func TestSeal(t *testing.T) {
	d := sealtest.NewDevice()
	t.Run("what is sealed is opened, at any length and padding", func(t *testing.T) {
		for _, c := range []struct{ length, pad int }{
			{0, 0}, {1, 0}, {0, 1}, {41, 41}, {41, 40}, {41, 42}, {400, 512}, {3000, 2048}, {seal.MaxText, 0}, {seal.MaxText, seal.MaxText}, {0, seal.MaxText},
		} {
			text := bytes.Repeat([]byte{'x'}, c.length)
			body, err := seal.Seal(nil, d.P256dh(), d.Auth, text, c.pad)
			if err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			if want := max(c.length, c.pad) + seal.Overhead; len(body) != want || len(body) > seal.MaxBody {
				t.Errorf("%+v: %d bytes, want %d", c, len(body), want)
			}
			got, padding, err := d.Open(body)
			if err != nil || !bytes.Equal(got, text) || padding != max(0, c.pad-c.length) {
				t.Errorf("%+v: opened %d bytes and %d of padding, %v", c, len(got), padding, err)
			}
		}
	})
	t.Run("a text that ends in zeros keeps them", func(t *testing.T) {
		body, err := seal.Seal(nil, d.P256dh(), d.Auth, []byte{'a', 0, 2, 0}, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := d.Open(body); err != nil || !bytes.Equal(got, []byte{'a', 0, 2, 0}) {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("memory that is given is used and what stands in it does not show", func(t *testing.T) {
		dst := bytes.Repeat([]byte{0xff}, 4096)
		body, err := seal.Seal(append(dst[:0], "head"...), d.P256dh(), d.Auth, []byte("text"), 100)
		if err != nil || &body[0] != &dst[0] || string(body[:4]) != "head" {
			t.Fatalf("%q, %v", body[:4], err)
		}
		if got, _, err := d.Open(body[4:]); err != nil || string(got) != "text" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("no two messages share a key, a salt or a body", func(t *testing.T) {
		seen := map[string]bool{}
		for range 20 {
			body, err := seal.Seal(nil, d.P256dh(), d.Auth, []byte("the same"), 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{string(body[:16]), string(body[21:86]), string(body[86:])} {
				if seen[part] {
					t.Fatal("seen before")
				}
				seen[part] = true
			}
		}
	})
	t.Run("another device cannot open it", func(t *testing.T) {
		body, err := seal.Seal(nil, d.P256dh(), d.Auth, []byte("text"), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := sealtest.NewDevice().Open(body); err == nil {
			t.Error("opened")
		}
		body[len(body)-1] ^= 1
		if _, _, err := d.Open(body); err == nil {
			t.Error("opened what was changed on the way")
		}
	})
	t.Run("what cannot be sealed is refused", func(t *testing.T) {
		long := make([]byte, seal.MaxText+1)
		if _, err := seal.Seal(nil, d.P256dh(), d.Auth, long, 0); !errors.Is(err, seal.ErrTooLong) {
			t.Errorf("a long text: %v", err)
		}
		if _, err := seal.Seal(nil, d.P256dh(), d.Auth, nil, seal.MaxText+1); !errors.Is(err, seal.ErrTooLong) {
			t.Errorf("a long padding: %v", err)
		}
		offCurve := bytes.Clone(d.P256dh())
		offCurve[64] ^= 1
		compressed := append([]byte{2}, d.P256dh()[1:33]...)
		for _, key := range [][]byte{nil, {0}, offCurve, compressed, make([]byte, 65)} {
			if _, err := seal.Seal(nil, key, d.Auth, nil, 0); err == nil {
				t.Errorf("a key of %d bytes was taken", len(key))
			}
		}
		for _, n := range []int{0, 15, 17} {
			if _, err := seal.Seal(nil, d.P256dh(), make([]byte, n), nil, 0); err == nil {
				t.Errorf("a secret of %d bytes was taken", n)
			}
		}
	})
}

func TestPrepared(t *testing.T) {
	d := sealtest.NewDevice()
	prepare := func() seal.Prepared {
		t.Helper()
		p, err := seal.Prepare(d.P256dh(), d.Auth)
		if err != nil || !p.Ready() {
			t.Fatal(err)
		}
		return p
	}
	t.Run("it seals one message and no second", func(t *testing.T) {
		p := prepare()
		body := p.Seal(nil, []byte("text"), 10)
		if text, padding, err := d.Open(body); err != nil || string(text) != "text" || padding != 6 {
			t.Fatalf("%q, %d, %v", text, padding, err)
		}
		if again := p.Seal(nil, []byte("text"), 10); again != nil || p.Ready() {
			t.Error("sealed twice")
		}
		if p != (seal.Prepared{}) {
			t.Error("its secrets are still there")
		}
	})
	t.Run("what does not fit does not use it up", func(t *testing.T) {
		p := prepare()
		if p.Seal(nil, make([]byte, seal.MaxText+1), 0) != nil || p.Seal(nil, nil, seal.MaxText+1) != nil {
			t.Error("sealed what does not fit")
		}
		if !p.Ready() || p.Seal(nil, []byte("fits"), 0) == nil {
			t.Error("used up")
		}
	})
	t.Run("one that was never made seals nothing", func(t *testing.T) {
		if new(seal.Prepared).Seal(nil, []byte("text"), 0) != nil {
			t.Error("sealed with a key of zeros")
		}
	})
	t.Run("it is small, as there may be very many", func(t *testing.T) {
		if size := unsafe.Sizeof(seal.Prepared{}); size > 160 {
			t.Errorf("%d bytes", size)
		}
	})
}

// The derivation is written out for speed; here it is compared with the
// library's.
func TestDerivationAgreesWithTheLibrary(t *testing.T) {
	same := func(secret, salt [32]byte, text []byte) bool {
		text = text[:min(len(text), 140)]
		m := hmac.New(sha256.New, salt[:])
		m.Write(text)
		prk, err := hkdf.Extract(sha256.New, secret[:], salt[:])
		return err == nil && bytes.Equal(seal.MAC(salt[:], text), m.Sum(nil)) && bytes.Equal(seal.MAC(salt[:], secret[:]), prk)
	}
	if err := quick.Check(same, nil); err != nil {
		t.Error(err)
	}
}

func TestSealingAllocatesLittle(t *testing.T) {
	d := sealtest.NewDevice()
	p256dh, text, dst := d.P256dh(), make([]byte, 400), make([]byte, 0, 4096)
	ready := make([]seal.Prepared, 0, 200)
	for range cap(ready) {
		p, err := seal.Prepare(p256dh, d.Auth)
		if err != nil {
			t.Fatal(err)
		}
		ready = append(ready, p)
	}
	next := 0
	if n := testing.AllocsPerRun(100, func() {
		ready[next].Seal(dst[:0], text, 512)
		next++
	}); n > 2 {
		t.Errorf("sealing what is prepared allocates %v times", n)
	}
	if n := testing.AllocsPerRun(50, func() { _, _ = seal.Seal(dst[:0], p256dh, d.Auth, text, 512) }); n > 20 {
		t.Errorf("sealing allocates %v times", n)
	}
}

func BenchmarkSeal(b *testing.B) {
	d := sealtest.NewDevice()
	p256dh, text, dst := d.P256dh(), make([]byte, 400), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := seal.Seal(dst[:0], p256dh, d.Auth, text, 512); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPrepare(b *testing.B) {
	d := sealtest.NewDevice()
	p256dh := d.P256dh()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := seal.Prepare(p256dh, d.Auth); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPreparedSeal(b *testing.B) {
	d := sealtest.NewDevice()
	text, dst := make([]byte, 400), make([]byte, 0, 4096)
	made, err := seal.Prepare(d.P256dh(), d.Auth)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p := made // for the measurement only: a key must not be used twice
		if p.Seal(dst[:0], text, 512) == nil {
			b.Fatal("not sealed")
		}
	}
}

func BenchmarkDeriveWithTheLibrary(b *testing.B) {
	secret, salt, info := make([]byte, 32), make([]byte, 16), string(make([]byte, 144))
	b.ReportAllocs()
	for b.Loop() {
		ikm, _ := hkdf.Key(sha256.New, secret, salt, info, 32)
		prk, _ := hkdf.Extract(sha256.New, ikm, salt)
		_, _ = hkdf.Expand(sha256.New, prk, "Content-Encoding: aes128gcm\x00", 16)
		_, _ = hkdf.Expand(sha256.New, prk, "Content-Encoding: nonce\x00", 12)
	}
}

func BenchmarkDerive(b *testing.B) {
	secret, salt, info := make([]byte, 32), make([]byte, 16), make([]byte, 144)
	b.ReportAllocs()
	for b.Loop() {
		prk := seal.MAC(salt, secret)
		ikm := seal.MAC(prk, info)
		prk = seal.MAC(salt, ikm)
		seal.MAC(prk, info[:28])
		seal.MAC(prk, info[:25])
	}
}
