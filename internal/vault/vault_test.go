package vault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tocsin/internal/vault"
)

func TestSealedTexts(t *testing.T) {
	ring := vault.NewRing(vault.NewKey())
	at := vault.Place("hook.token", "h1")
	sealed, err := ring.Seal(at, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	again, _ := ring.Seal(at, "s3cret")
	if strings.Contains(sealed, "s3cret") || sealed == again || !vault.Sealed(sealed) {
		t.Errorf("sealed as %q and %q", sealed, again)
	}
	if got, err := ring.Open(at, sealed); err != nil || got != "s3cret" {
		t.Errorf("opens as %q, %v", got, err)
	}
	last := byte('A')
	if sealed[len(sealed)-1] == last {
		last = 'Q'
	}
	for name, try := range map[string]struct {
		ring  *vault.Ring
		place string
		text  string
		want  error
	}{
		"in another row":          {ring, vault.Place("hook.token", "h2"), sealed, vault.ErrOpen},
		"in another column":       {ring, vault.Place("hook.secret", "h1"), sealed, vault.ErrOpen},
		"changed":                 {ring, at, sealed[:len(sealed)-1] + string(last), vault.ErrOpen},
		"cut":                     {ring, at, sealed[:len(sealed)-8], vault.ErrOpen},
		"with another key":        {vault.NewRing(vault.NewKey()), at, sealed, vault.ErrNoKey},
		"without a key":           {nil, at, sealed, vault.ErrNoKey},
		"no base64 after its key": {ring, at, "sealed:1:" + ring.Current() + ":***", vault.ErrOpen},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := try.ring.Open(try.place, try.text); !errors.Is(err, try.want) || got != "" {
				t.Errorf("opens as %q, %v", got, err)
			}
		})
	}
	t.Run("what was never sealed opens as it is", func(t *testing.T) {
		for _, r := range []*vault.Ring{nil, ring} {
			if got, err := r.Open(at, "plain"); err != nil || got != "plain" {
				t.Errorf("opens as %q, %v", got, err)
			}
		}
	})
	t.Run("nothing stays nothing", func(t *testing.T) {
		if got, err := ring.Seal(at, ""); err != nil || got != "" {
			t.Errorf("sealed as %q, %v", got, err)
		}
	})
	t.Run("without a key a text that looks sealed is refused", func(t *testing.T) {
		var none *vault.Ring
		if _, err := none.Seal(at, sealed); !errors.Is(err, vault.ErrSealed) {
			t.Error(err)
		}
	})
	t.Run("with a key a text that looks sealed is a text", func(t *testing.T) {
		twice, err := ring.Seal(at, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ring.Open(at, twice); err != nil || got != sealed {
			t.Errorf("opens as %q, %v", got, err)
		}
	})
}

func TestAKeyThatIsMissingIsAskedFor(t *testing.T) {
	old, next := vault.NewKey(), vault.NewKey()
	sealed, err := vault.NewRing(next, old).Seal("p", "s")
	if err != nil {
		t.Fatal(err)
	}
	ring := vault.NewRing(old)
	ring.OnMissing(func(id string) {
		if id == next.ID() {
			ring.Set(next, old)
		}
	})
	if got, err := ring.Open("p", sealed); err != nil || got != "s" {
		t.Errorf("opens as %q, %v", got, err)
	}
}

func TestKeys(t *testing.T) {
	k := vault.NewKey()
	for name, text := range map[string]string{
		"base64":               k.Text(),
		"base64 for addresses": strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(k.Text()),
		"a file with comments": "# a comment\n\n" + k.Text() + "\n",
	} {
		if got, err := vault.ParseKey(text); err != nil || got != k {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := vault.ParseKey(strings.Repeat("0f", 32)); err != nil {
		t.Errorf("hex: %v", err)
	}
	for _, text := range []string{"", "short", strings.Repeat("00", 32), k.Text() + k.Text(), strings.Repeat("ü", 32)} {
		if _, err := vault.ParseKey(text); err == nil {
			t.Errorf("%q is taken for a key", text)
		}
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", k, k, k, struct{ K vault.Key }{k}); strings.Contains(shown, k.Text()[:8]) || !strings.Contains(shown, k.ID()) {
		t.Errorf("a key prints as %s", shown)
	}
	outer := vault.NewKey()
	sealed, err := vault.Wrap(outer, k)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := vault.Unwrap(outer, k.ID(), sealed); err != nil || got != k {
		t.Error(err)
	}
	if _, err := vault.Unwrap(vault.NewKey(), k.ID(), sealed); err == nil {
		t.Error("another key opens it")
	}
	if _, err := vault.Unwrap(outer, "other", sealed); err == nil {
		t.Error("it opens as another key")
	}
}

func TestTheFileOfAKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), vault.FileName)
	if _, ok, err := (vault.Source{File: path}).Read(); ok || err != nil {
		t.Errorf("without a file: %v, %v", ok, err)
	}
	keys := make([]vault.Key, 8)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			k, ok, err := vault.Source{File: path, Make: true}.Read()
			if !ok || err != nil {
				t.Errorf("made: %v, %v", ok, err)
			}
			keys[i] = k
		})
	}
	all.Wait()
	for _, k := range keys {
		if k != keys[0] {
			t.Error("programs that make it at once get different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	next := vault.NewKey()
	if err := vault.WriteFile(path, next, true); err != nil {
		t.Fatal(err)
	}
	if k, ok, err := (vault.Source{File: path, Make: true}).Read(); k != next || !ok || err != nil {
		t.Errorf("replaced: %v, %v", ok, err)
	}
	if err := os.WriteFile(path, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := (vault.Source{File: path, Make: true}).Read(); ok || err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("broken: %v, %v", ok, err)
	}
}

func BenchmarkOpen(b *testing.B) {
	ring := vault.NewRing(vault.NewKey())
	sealed, err := ring.Seal("hook.token\x00id", strings.Repeat("x", 40))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := ring.Open("hook.token\x00id", sealed); err != nil {
			b.Fatal(err)
		}
	}
}
