package store_test

import (
	"errors"
	"testing"
	"time"

	"tocsin/internal/chat"
	"tocsin/internal/fault"
	"tocsin/internal/store"
)

// The posts of alerts go with their alerts; those of storms, which are no alerts, when
// nothing was said in them for long.
func TestPostsOfStormsAreForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		long, lately := time.Now().Add(-40*24*time.Hour), time.Now().Add(-24*time.Hour)
		keep := map[string]bool{chat.StormPrefix + "old": false, chat.StormPrefix + "new": true, "storm": true, "a1": true}
		for id, kept := range keep {
			p := chat.Post{AlertID: id, Destination: "r1", PostID: "p-" + id, Created: long, Updated: long}
			if kept && id == chat.StormPrefix+"new" {
				p.Updated = lately
			}
			ok(t, db.SavePosts(ctx, []chat.Post{p}, nil))
		}
		_, err := db.Prune(ctx, long.Add(-time.Hour), 10)
		ok(t, err)
		for id, kept := range keep {
			_, err := db.Post(ctx, id, "r1")
			if there := !errors.Is(err, fault.ErrNotFound); there != kept {
				t.Errorf("%s is kept: %v", id, there)
			}
		}
	})
}
