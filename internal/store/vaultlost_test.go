package store_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/audit"
	"tocsin/internal/store"
	"tocsin/internal/vault"
)

// Whoever lost the key is told what is lost with it, can give that up, and no more
// than that, and goes on with another key.
func TestSecretsOfALostKeyAreGivenUp(t *testing.T) {
	t.Parallel()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			ctx, url, right := t.Context(), e.fresh(t), vault.Source{Text: vault.NewKey().Text()}
			db, err := openWith(t, url, right)
			ok(t, err)
			fill(t, db)
			ok(t, db.Close())
			lost := func(from vault.Source) (*store.DB, error) {
				db, err := store.Open(ctx, store.Options{URL: url, Node: "test", Secrets: from, KeyLost: true})
				if err == nil {
					t.Cleanup(func() { ok(t, db.Close()) })
				}
				return db, err
			}
			if _, err := lost(right); err == nil || !strings.Contains(err.Error(), store.ErrNotLost.Error()) {
				t.Fatalf("with the key: %v", err)
			}
			wrong := vault.Source{Text: vault.NewKey().Text()}
			for _, from := range []vault.Source{wrong, {File: filepath.Join(t.TempDir(), "none")}} {
				db, err := lost(from)
				ok(t, err)
				all, err := db.LostSecrets(ctx)
				ok(t, err)
				text := fmt.Sprintf("%+v", all)
				for _, want := range []string{"icinga", "pager", "ops", "sessions", "k1", "subscribers"} {
					if !strings.Contains(text, want) {
						t.Errorf("it does not say that %s lost something: %s", want, text)
					}
				}
				if strings.Contains(text, known) || len(all) < 8 {
					t.Errorf("%s", text)
				}
				ok(t, db.Close())
			}
			db, err = openWith(t, url, right) // to look is to change nothing
			ok(t, err)
			reads(t, db)
			ok(t, db.Close())

			db, err = lost(wrong)
			ok(t, err)
			before, err := db.LostSecrets(ctx)
			ok(t, err)
			gone, err := db.GiveUpSecrets(ctx)
			ok(t, err)
			same(t, "what was given up", fmt.Sprint(gone), fmt.Sprint(before))
			ok(t, db.Close())
			if strings.Contains(dumped(t, e, url), "sealed:1:") && e.name != "sqlite" { // a file keeps what was deleted, sealed
				t.Error("something sealed is left")
			}
			db, err = openWith(t, url, wrong)
			ok(t, err)
			s, err := db.SourceByID(ctx, "s1")
			ok(t, err)
			h, err := db.Hook(ctx, "h1")
			ok(t, err)
			if s.Name != "icinga" || s.TokenHash != "hash" || s.Secret+s.WriteBack.Secret != "" || s.WriteBack.Kind != "icinga2" || h.Name != "pager" || h.URL+h.Secret+h.Token != "" {
				t.Errorf("%+v %+v", s, h)
			}
			keys, err := db.PushKeys(ctx)
			ok(t, err)
			same(t, "keys of Web Push", len(keys), 0)
			_, err = db.Secret(ctx, "sessions")
			ok(t, err)
			v, err := db.Vault(ctx)
			ok(t, err)
			same(t, "sealed, and how many are not", fmt.Sprint(v.Sealed, v.Plain), "true 0")
			trail, _, err := db.Trail(ctx, audit.Filter{Subject: "secret_key"})
			ok(t, err)
			if !slices.ContainsFunc(trail, func(e audit.Entry) bool { return e.Action == "secret_key.given_up" }) {
				t.Errorf("the trail has %+v", trail)
			}
		})
	}
}
