package store_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"tocsin/internal/source"
	"tocsin/internal/store"
	"tocsin/internal/vault"
)

// swapKeys makes what is in the table of keys something else at one moment, as who
// gives up or restores does while a hub is cut off from its database.
func swapKeys(t *testing.T, url string, outer vault.Key, keys ...vault.Key) {
	t.Helper()
	once(t, url, func(pool *sql.DB) error {
		tx, err := pool.BeginTx(t.Context(), nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(t.Context(), "DELETE FROM vault_key"); err != nil {
			return err
		}
		for _, k := range keys {
			sealed, err := vault.Wrap(outer, k)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(t.Context(), "INSERT INTO vault_key (id, sealed, outer_id, created, retired) VALUES ($1, $2, $3, 1, 0)", k.ID(), sealed, outer.ID()); err != nil {
				return err
			}
		}
		return tx.Commit()
	})
}

// A hub that had no connection while its keys were given up seals nothing with them
// when it is back: nobody could open it.
func TestAHubWhoseKeysWereGivenUpEnds(t *testing.T) {
	t.Parallel()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			outer, others := vault.NewKey(), vault.NewKey()
			for name, after := range map[string]func(url string){
				"and nothing is there":     func(url string) { swapKeys(t, url, outer) },
				"and others made a key":    func(url string) { swapKeys(t, url, others, vault.NewKey()) },
				"and it was put back once": func(url string) { swapKeys(t, url, others, vault.NewKey()); swapKeys(t, url, outer) },
			} {
				url := e.fresh(t)
				hub, err := openWith(t, url, vault.Source{Text: outer.Text()})
				ok(t, err)
				after(url)
				select {
				case <-hub.Superseded():
					wants(t, hub.Superseding(), store.ErrKeysGone)
				case <-time.After(20 * time.Second):
					t.Errorf("%s: it goes on", name)
				}
				ok(t, hub.Close())
			}
		})
	}
}

// After a restore there may be other keys that the hub's own opens: it goes on with these.
func TestAHubGoesOnWithTheKeysOfARestoredDatabase(t *testing.T) {
	t.Parallel()
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			outer, older, url := vault.NewKey(), vault.NewKey(), e.fresh(t)
			hub, err := openWith(t, url, vault.Source{Text: outer.Text()})
			ok(t, err)
			swapKeys(t, url, outer, older)
			n := 0
			eventually(t, "a key that is there seals", func() bool {
				n++
				id := fmt.Sprint("s", n)
				// What is sealed at the moment of the change is refused, and nothing of it stays.
				if err := hub.SaveSource(t.Context(), source.Source{ID: id, Name: id, Kind: "icinga2", Secret: "secret"}); err != nil {
					t.Log(err)
					return false
				}
				var text string
				once(t, url, func(pool *sql.DB) error {
					return pool.QueryRowContext(t.Context(), "SELECT secret FROM source WHERE id = $1", id).Scan(&text)
				})
				return vault.KeyID(text) == older.ID()
			})
			select {
			case <-hub.Superseded():
				t.Error("it ends:", hub.Superseding())
			default:
			}
		})
	}
}
