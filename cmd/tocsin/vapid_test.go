package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"tocsin/internal/push"
)

// Scripts made for `npx web-push generate-vapid-keys` (3.6.7) read what it
// prints, byte by byte.
func TestVAPIDKeysArePrintedAsByWebPush(t *testing.T) {
	run := func(args ...string) string {
		t.Helper()
		var out, errOut bytes.Buffer
		if code := execute(t.Context(), append([]string{"vapid", "generate"}, args...), strings.NewReader(""), &out, &errOut); code != 0 || errOut.Len() > 0 {
			t.Fatalf("ended with %d: %s", code, errOut.String())
		}
		return out.String()
	}
	rule := strings.Repeat("=", 39)
	form := regexp.MustCompile(`\A\n` + rule + `\n\nPublic Key:\n([A-Za-z0-9_-]{87})\n\nPrivate Key:\n([A-Za-z0-9_-]{43})\n\n` + rule + `\n\n\z`)
	printed := run()
	m := form.FindStringSubmatch(printed)
	if m == nil || len(printed) != 242 {
		t.Fatalf("%d bytes: %q", len(printed), printed)
	}
	if _, err := push.ParseKey(m[1], m[2]); err != nil {
		t.Errorf("they are no pair: %v", err)
	}
	t.Run("in JSON too", func(t *testing.T) {
		printed := run("--json")
		var pair struct{ PublicKey, PrivateKey string }
		if err := json.Unmarshal([]byte(printed), &pair); err != nil {
			t.Fatal(err)
		}
		if want := `{"publicKey":"` + pair.PublicKey + `","privateKey":"` + pair.PrivateKey + `"}` + "\n"; printed != want {
			t.Errorf("printed %q", printed)
		}
		if _, err := push.ParseKey(pair.PublicKey, pair.PrivateKey); err != nil {
			t.Errorf("they are no pair: %v", err)
		}
	})
}
