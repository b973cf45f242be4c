package push_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"tocsin/internal/push"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// refused checks that err names the field, and says what to do.
func refused(t *testing.T, err error, field string) {
	t.Helper()
	var f *push.FieldError
	if !errors.As(err, &f) || f.Field != field || f.Problem == "" || f.Mend == "" {
		t.Errorf("got %v, want an error about %s", err, field)
	}
}

func TestKeys(t *testing.T) {
	k, err := push.GenerateKey(noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a key that is made is read again as the same", func(t *testing.T) {
		if len(k.Public) != 87 || len(k.Private) != 43 || len(k.ID) != 22 || !k.Created.Equal(noon) || !k.Retired.IsZero() {
			t.Errorf("%d, %d, %d, %v", len(k.Public), len(k.Private), len(k.ID), k.Created)
		}
		again, err := push.ParseKey(k.Public, k.Private)
		if err != nil || again.ID != k.ID || again.Public != k.Public || again.Private != k.Private || push.KeyID(k.Public) != k.ID {
			t.Errorf("%v", err)
		}
	})
	t.Run("no two are the same", func(t *testing.T) {
		other, err := push.GenerateKey(noon)
		if err != nil || other.ID == k.ID || other.Private == k.Private {
			t.Errorf("%v", err)
		}
	})
	t.Run("padding, the other alphabet and space around are taken", func(t *testing.T) {
		standard := strings.NewReplacer("-", "+", "_", "/")
		again, err := push.ParseKey(" "+standard.Replace(k.Public)+"=\n", standard.Replace(k.Private)+"=")
		if err != nil || again.Public != k.Public || again.ID != k.ID {
			t.Errorf("%v", err)
		}
	})
	t.Run("the pair of the RFC 8291's application server fits", func(t *testing.T) {
		_, err := push.ParseKey("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8", "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
		if err != nil {
			t.Error(err)
		}
	})
	other, err := push.GenerateKey(noon)
	if err != nil {
		t.Fatal(err)
	}
	offCurve := []byte(k.Public)
	offCurve[50] ^= 1
	zeros := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	order := base64.RawURLEncoding.EncodeToString(must(hex.DecodeString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")))
	for _, c := range []struct{ name, public, private, field string }{
		{"the public key is missing", "", k.Private, "VAPID_PUBLIC_KEY"},
		{"the private key is missing", k.Public, "", "VAPID_PRIVATE_KEY"},
		{"they belong to different pairs", k.Public, other.Private, "VAPID_PRIVATE_KEY"},
		{"they are in each other's place", k.Private, k.Public, "VAPID_PUBLIC_KEY"},
		{"the public key is no point", string(offCurve), k.Private, "VAPID_PUBLIC_KEY"},
		{"the public key is short", k.Public[:86], k.Private, "VAPID_PUBLIC_KEY"},
		{"the public key is no base64", strings.Repeat("!", 87), k.Private, "VAPID_PUBLIC_KEY"},
		{"the private key is no base64", k.Public, strings.Repeat("!", 43), "VAPID_PRIVATE_KEY"},
		{"the private key is zero", k.Public, zeros, "VAPID_PRIVATE_KEY"},
		{"the private key is the order", k.Public, order, "VAPID_PRIVATE_KEY"},
		{"the private key is PEM", k.Public, "-----BEGIN PRIVATE KEY-----", "VAPID_PRIVATE_KEY"},
	} {
		t.Run("it is refused when "+c.name, func(t *testing.T) {
			_, err := push.ParseKey(c.public, c.private)
			refused(t, err, c.field)
			for _, secret := range []string{k.Private, other.Private} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Error("the error holds the private key")
				}
			}
		})
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestSubjects(t *testing.T) {
	for _, good := range []string{
		"mailto:ops@tocsin.example.org", "mailto:first.last+push@sub.domain.co.uk", "https://tocsin.example.com",
		"https://tocsin.example.com:8443/contact?x=1", "mailto:ops@EXAMPLE.ORG",
	} {
		if err := push.CheckSubject(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "ops@example.org", "http://example.org", "mailto:", "mailto:ops", "mailto:@example.org", "mailto:ops@", "tel:+4930",
		"mailto:ops@localhost", "https://localhost", "https://localhost:8080/", "mailto:ops@monitor", "https://monitor/",
		"mailto:ops@server.local", "https://tocsin.test", "https://a.invalid", "https://tocsin.example", "https://x.localhost",
		"https://tocsin.internal", "https://nas.lan", "https://nas.home.arpa", "https://TOCSIN.LOCAL", "https://x.onion",
		"https://192.168.0.1", "https://8.8.8.8", "https://[::1]", "https://[2001:db8::1]:443/", "https://127.1", "https://0x7f.0.0.0x1",
		"mailto:ops@10.0.0.1", "mailto:ops@[10.0.0.1]", "https://user:secret@example.org", "https://", "https:///path", "https:example.org",
		"https://example.org.", "https://example..org", "https://-a.org", "https://a_b.org/ x", "mailto:a@b.org,c@d.org", "mailto:a@b.org?subject=x",
		"mailto:a@b@c.org", "https://example.org/\n", "https://bücher.example.org", "mailto:ops@example.org\r\nX: y", "https://example.org/\\", "HTTPS://example.org",
		"https://" + strings.Repeat("a.", 130) + "org",
	} {
		t.Run("refused: "+bad, func(t *testing.T) { refused(t, push.CheckSubject(bad), "VAPID_SUBJECT") })
	}
	t.Run("the first that is good is taken", func(t *testing.T) {
		if s, err := push.Subject("", "https://x.local", "https://tocsin.example.org"); err != nil || s != "https://tocsin.example.org" {
			t.Errorf("%q, %v", s, err)
		}
		if s, err := push.Subject("mailto:a@b.org", "mailto:c@d.org"); err != nil || s != "mailto:a@b.org" {
			t.Errorf("%q, %v", s, err)
		}
		_, err := push.Subject("", "https://x.local", "http://localhost")
		if err == nil || !strings.Contains(err.Error(), ".local") {
			t.Errorf("the error is about %v", err)
		}
		_, err = push.Subject("", "")
		refused(t, err, "VAPID_SUBJECT")
	})
}

func TestP256dh(t *testing.T) {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := k.PublicKey().Bytes()
	if err := push.CheckP256dh(good); err != nil {
		t.Error(err)
	}
	compressed := append([]byte{2}, good[1:33]...)
	other := append([]byte(nil), good...)
	other[64] ^= 1
	hybrid := append([]byte{6}, good[1:]...)
	for name, bad := range map[string][]byte{
		"nothing": nil, "infinity": {0}, "compressed": compressed, "off the curve": other, "hybrid": hybrid, "zeros": make([]byte, 65), "long": append(good, 0),
	} {
		t.Run(name+" is refused", func(t *testing.T) { refused(t, push.CheckP256dh(bad), "keys.p256dh") })
	}
}

func TestTokens(t *testing.T) {
	tokens, err := push.NewTokens([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	const alertID, contactID = "0192f0c1-2345-7678-9abc-def012345678", "0192f0c1-0000-7000-8000-000000000001"
	token := func() string {
		t.Helper()
		text, err := tokens.Make(alertID, contactID, noon.Add(8*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	t.Run("a token says what it is for", func(t *testing.T) {
		text := token()
		a, err := tokens.Check(text, noon)
		if err != nil || a.AlertID != alertID || a.ContactID != contactID || !a.Expires.Equal(noon.Add(8*time.Hour)) || a.Nonce == "" || len(text) != 82 {
			t.Errorf("%+v, %v, %d characters", a, err, len(text))
		}
	})
	t.Run("no two are the same, so that each can be used once", func(t *testing.T) {
		a, _ := tokens.Check(token(), noon)
		b, _ := tokens.Check(token(), noon)
		if a.Nonce == b.Nonce {
			t.Error("the same nonce")
		}
	})
	t.Run("one whose time is over says so, and for what it was", func(t *testing.T) {
		text := token()
		if _, err := tokens.Check(text, noon.Add(8*time.Hour-time.Second)); err != nil {
			t.Error(err)
		}
		a, err := tokens.Check(text, noon.Add(8*time.Hour))
		if !errors.Is(err, push.ErrTokenExpired) || a.AlertID != alertID {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("changing any character forges nothing", func(t *testing.T) {
		text := token()
		for i := range text {
			for _, c := range []byte("A_9") {
				forged := []byte(text)
				if forged[i] == c {
					continue
				}
				forged[i] = c
				if _, err := tokens.Check(string(forged), noon); !errors.Is(err, push.ErrToken) {
					t.Fatalf("character %d as %c: %v", i, c, err)
				}
			}
		}
	})
	t.Run("what is none is none", func(t *testing.T) {
		text := token()
		for _, s := range []string{"", "x", text[:81], text + "A", text + "==", " " + text[1:], strings.Repeat("A", 82), strings.Repeat("A", 1<<20)} {
			if _, err := tokens.Check(s, noon); !errors.Is(err, push.ErrToken) {
				t.Errorf("%.20q: %v", s, err)
			}
		}
	})
	t.Run("another secret's tokens are not ours", func(t *testing.T) {
		other, err := push.NewTokens([]byte("another secret of the same sizes"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Check(token(), noon); !errors.Is(err, push.ErrToken) {
			t.Error(err)
		}
	})
	t.Run("ids that are no UUIDs and secrets of another length are refused", func(t *testing.T) {
		for _, id := range []string{"", "a1", strings.ToUpper(alertID), strings.ReplaceAll(alertID, "-", ""), "--" + alertID} {
			if _, err := tokens.Make(id, contactID, noon); err == nil {
				t.Errorf("alert %q", id)
			}
			if _, err := tokens.Make(alertID, id, noon); err == nil {
				t.Errorf("contact %q", id)
			}
		}
		if _, err := push.NewTokens([]byte("short")); err == nil {
			t.Error("a short secret")
		}
	})
}

func FuzzTokenCheck(f *testing.F) {
	tokens, err := push.NewTokens([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add(strings.Repeat("A", 82))
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := tokens.Check(s, noon); err == nil {
			t.Errorf("%q passes", s)
		}
	})
}

func BenchmarkTokenMake(b *testing.B) {
	tokens, err := push.NewTokens([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokens.Make("0192f0c1-2345-7678-9abc-def012345678", "0192f0c1-0000-7000-8000-000000000001", noon); err != nil {
			b.Fatal(err)
		}
	}
}

func TestWhoWantsOneIncidentHearsOfThatAlone(t *testing.T) {
	want := push.Want{Incident: "0190a000", Kinds: []push.Kind{push.IncidentUpdate}}
	for _, row := range []struct {
		name  string
		p     push.Publication
		wants bool
	}{
		{"an update of it", push.Publication{Kind: push.IncidentUpdate, Topic: "0190a000", Components: []string{"api"}}, true},
		{"its end, which was not asked for", push.Publication{Kind: push.IncidentResolved, Topic: "0190a000"}, false},
		{"another one", push.Publication{Kind: push.IncidentUpdate, Topic: "0190a001"}, false},
		{"one of the whole page", push.Publication{Kind: push.IncidentUpdate}, false},
	} {
		if got := want.Wants(&row.p); got != row.wants {
			t.Errorf("%s: %t", row.name, got)
		}
	}
}
