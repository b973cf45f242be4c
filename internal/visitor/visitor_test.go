package visitor_test

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tocsin/internal/push"
	"tocsin/internal/visitor"
)

const id = "01a202dd-e8d9-7666-bd60-d0d389c99600"

func tokens(t testing.TB, secret string) *visitor.Tokens {
	t.Helper()
	k, err := visitor.NewTokens([]byte(strings.Repeat(secret, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestATokenIsGood(t *testing.T) {
	now := time.Now()
	k := tokens(t, "k")
	made, err := k.Make(visitor.Confirm, id, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("for its subscriber and purpose until its time is over", func(t *testing.T) {
		if got, err := k.Check(visitor.Confirm, made, now); err != nil || got != id {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := k.Check(visitor.Confirm, made, now.Add(time.Hour)); !errors.Is(err, visitor.ErrTokenExpired) {
			t.Errorf("an hour later: %v", err)
		}
	})
	t.Run("for ever where no time was given", func(t *testing.T) {
		made, err := k.Make(visitor.Unsubscribe, id, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Check(visitor.Unsubscribe, made, now.AddDate(50, 0, 0)); err != nil || got != id {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("for no other purpose, by no other secret", func(t *testing.T) {
		for _, p := range []visitor.Purpose{visitor.Manage, visitor.Unsubscribe} {
			if _, err := k.Check(p, made, now); !errors.Is(err, visitor.ErrToken) {
				t.Errorf("purpose %d: %v", p, err)
			}
		}
		if _, err := tokens(t, "x").Check(visitor.Confirm, made, now); !errors.Is(err, visitor.ErrToken) {
			t.Errorf("another secret: %v", err)
		}
	})
	t.Run("as it is, to the last bit", func(t *testing.T) {
		raw, err := base64.RawURLEncoding.DecodeString(made)
		if err != nil {
			t.Fatal(err)
		}
		for i := range raw {
			for bit := range 8 {
				raw[i] ^= 1 << bit
				if _, err := k.Check(visitor.Confirm, base64.RawURLEncoding.EncodeToString(raw), now); !errors.Is(err, visitor.ErrToken) {
					t.Fatalf("byte %d, bit %d: %v", i, bit, err)
				}
				raw[i] ^= 1 << bit
			}
		}
		for _, text := range []string{"", made + "A", made[1:], made[:len(made)-1] + "=", strings.Repeat("A", len(made)), strings.Repeat("x", 1<<20)} {
			if _, err := k.Check(visitor.Confirm, text, now); !errors.Is(err, visitor.ErrToken) {
				t.Errorf("%.60q: %v", text, err)
			}
		}
	})
	t.Run("for nobody who is no UUID", func(t *testing.T) {
		for _, who := range []string{"", "1", strings.ToUpper(id), strings.ReplaceAll(id, "-", "")} {
			if _, err := k.Make(visitor.Confirm, who, now); err == nil {
				t.Errorf("%q is taken", who)
			}
		}
	})
	t.Run("by a secret of 32 bytes alone", func(t *testing.T) {
		if _, err := visitor.NewTokens(make([]byte, 31)); err == nil {
			t.Error("31 bytes are taken")
		}
	})
}

func TestAddresses(t *testing.T) {
	private := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for text, want := range map[string]string{
		" https://Example.org ":        "https://example.org/",
		"https://example.org:8443/a?b": "https://example.org:8443/a?b",
		"http://127.0.0.1/hook":        "http://127.0.0.1/hook",
	} {
		if got, err := visitor.CheckURL(text, private); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "example.org", "http://example.org/", "https://", "https:///x", "https://u:p@example.org/", "ftp://example.org/", "javascript:alert(1)",
		"https://example.org:0/", "https://example.org:99999/", "https://127.0.0.1/", "https://[::1]/", "https://0.0.0.0/", "https://169.254.169.254/latest",
		"https://10.0.0.1/", "https://localhost/", "https://[::ffff:127.0.0.1]/", "https://2130706433/", "https://0x7f.1/", "https://exa mple.org/", "https://example.org/\r\nX: y",
		"https://example.org/" + strings.Repeat("a", visitor.MaxURL),
	} {
		if got, err := visitor.CheckURL(text, nil); err == nil {
			t.Errorf("%.80q is taken as %q", text, got)
		}
	}
}

func TestASubscriberIsRefusedWithTheField(t *testing.T) {
	for field, s := range map[string]visitor.Subscriber{
		"email":      {Channel: visitor.Email, Address: "nobody"},
		"url":        {Channel: visitor.Webhook, Address: "http://example.org/"},
		"min_impact": {Channel: visitor.Email, Address: "a@example.org", Want: push.Want{MinImpact: "huge"}},
	} {
		var fe *push.FieldError
		if err := s.Clean(nil); !errors.As(err, &fe) || fe.Field != field || fe.Mend == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
	s := visitor.Subscriber{Channel: "pigeon", Address: "a@example.org"}
	if err := s.Clean(nil); err == nil {
		t.Error("a channel that there is not is taken")
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, s := range []string{"https://example.org/hook", "https://[::1]/", "http://127.1/", "https://a@b/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := visitor.CheckURL(text, nil)
		if err != nil {
			return
		}
		if again, err := visitor.CheckURL(got, nil); err != nil || again != got {
			t.Errorf("%q is kept as %q, then %q, %v", text, got, again, err)
		}
	})
}
