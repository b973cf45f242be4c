package store_test

import (
	"errors"
	"fmt"
	neturl "net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/audit"
	"tocsin/internal/store"
	"tocsin/internal/vault"
)

// left comes back when nobody serves from the database any more: PostgreSQL ends the
// connections of a hub that was closed a moment later.
func left(t *testing.T, e engine, url string) {
	t.Helper()
	if e.name == "sqlite" {
		return
	}
	for number(t, url, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name IN ('tocsin', 'ours')") > 0 {
		ok(t, t.Context().Err())
	}
}

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
				if k := db.LostKey(); k.ID == "" || k.Where != from.Where() || k.Other != (from == wrong) {
					t.Errorf("the key that is lost: %+v", k)
				}
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

			left(t, e, url)
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

// A shell without the key of a hub that serves, or one that may not read its file, is
// no reason to give anything up.
func TestNothingIsGivenUpWhileTheKeyIsThere(t *testing.T) {
	t.Parallel()
	for _, e := range engines() {
		names := []string{""}
		if e.name == "postgres" {
			names = append(names, "ours") // as the URL may call connections
		}
		for _, name := range names {
			t.Run(e.name+name, func(t *testing.T) {
				t.Parallel()
				key := vault.NewKey()
				ctx, unnamed, right := t.Context(), e.fresh(t), vault.Source{Text: key.Text()}
				url := unnamed
				if name != "" {
					u, err := neturl.Parse(url)
					ok(t, err)
					q := u.Query()
					q.Set("application_name", name)
					u.RawQuery = q.Encode()
					url = u.String()
				}
				hub, err := store.Open(ctx, store.Options{URL: url, Node: "hub", Secrets: right, Exclusive: true})
				ok(t, err)
				t.Cleanup(func() { ok(t, hub.Close()) })
				fill(t, hub)
				giveUp := func(from vault.Source) error {
					db, err := store.Open(ctx, store.Options{URL: url, Node: "command", Secrets: from, KeyLost: true, Exclusive: true})
					if err != nil {
						return err
					}
					_, err = db.GiveUpSecrets(ctx)
					return errors.Join(err, db.Close())
				}
				none := vault.Source{File: filepath.Join(t.TempDir(), "none")}
				if err := giveUp(none); err == nil || !strings.Contains(err.Error(), "serv") {
					t.Errorf("while a hub serves: %v", err)
				}
				reads(t, hub)
				ok(t, hub.Close())
				if err := giveUp(vault.Source{File: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "cannot be read") {
					t.Errorf("a key that is there and cannot be read: %v", err)
				}
				stopped := vault.Source{File: filepath.Join(t.TempDir(), "key")} // amid a change of keys, whose file then went
				ok(t, vault.WriteFile(stopped.File+".new", key, true))
				wants(t, giveUp(stopped), store.ErrNotLost)
				hub, err = openWith(t, url, right)
				ok(t, err)
				reads(t, hub)
				ok(t, hub.Close())
				left(t, e, unnamed)
				ok(t, giveUp(none))
				wants(t, giveUp(none), store.ErrNotLost)
			})
		}
	}
}

// Of two who give up at once one does, and the other removes no key that a hub made since.
func TestAKeyIsGivenUpOnce(t *testing.T) {
	t.Parallel()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			ctx, url, right := t.Context(), e.fresh(t), vault.Source{Text: vault.NewKey().Text()}
			db, err := openWith(t, url, vault.Source{Text: vault.NewKey().Text()})
			ok(t, err)
			ok(t, db.Close())
			left(t, e, url)
			var both []*store.DB
			for range 2 {
				db, err := store.Open(ctx, store.Options{URL: url, Node: "command", Secrets: right, KeyLost: true})
				ok(t, err)
				t.Cleanup(func() { ok(t, db.Close()) })
				both = append(both, db)
			}
			_, err = both[0].GiveUpSecrets(ctx)
			ok(t, err)
			db, err = openWith(t, url, right)
			ok(t, err)
			fill(t, db)
			ok(t, db.Close())
			left(t, e, url)
			_, err = both[1].GiveUpSecrets(ctx)
			wants(t, err, store.ErrNotLost)
			db, err = openWith(t, url, right)
			ok(t, err)
			reads(t, db)
		})
	}
}
