package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"tocsin/internal/store"
)

// Nobody else can be at a piece when the hub that serves from SQLite starts, so
// what it held when it was killed goes on at once, and what the killed one might
// still say of it is void.
func TestAHubThatStartsGoesOnWithItsPiecesAtOnce(t *testing.T) {
	o := store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "tocsin.db"), Node: "hub", Exclusive: true}
	db, err := store.Open(t.Context(), o)
	ok(t, err)
	many(t, db, 10)
	publish(t, db, "p1")
	before := claimPiece(t, db)
	ok(t, db.Close())

	db, err = store.Open(t.Context(), o)
	ok(t, err)
	defer func() { ok(t, db.Close()) }()
	after, err := db.ClaimPiece(t.Context(), "hub", time.Hour)
	ok(t, err)
	if after == nil {
		t.Fatal("the piece still rests")
	}
	same(t, "attempt", after.Attempt, before.Attempt+1)
}
