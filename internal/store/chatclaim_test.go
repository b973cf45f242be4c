package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/chat"
	"tocsin/internal/store"
)

func TestOfManyWhoMakeAPostOneDoes(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		now := time.Now()
		claim := func(nonce, before string) bool {
			won, err := db.ClaimPost(ctx, chat.Post{AlertID: "a", Destination: "r", ChannelID: "c", Nonce: nonce, Tried: now, Created: now}, before,
				[]chat.Button{{Hash: "of-" + nonce, AlertID: "a", Destination: "r", Action: chat.Ack, Made: now, Expires: now.Add(time.Hour)}})
			ok(t, err)
			return won
		}
		at := func(before string, round int) string {
			var won atomic.Int64
			var who atomic.Value
			var running sync.WaitGroup
			for i := range 8 {
				running.Go(func() {
					if nonce := fmt.Sprintf("n%d-%d", round, i); claim(nonce, before) {
						won.Add(1)
						who.Store(nonce)
					}
				})
			}
			running.Wait()
			if won.Load() != 1 {
				t.Fatalf("round %d: %d won", round, won.Load())
			}
			return who.Load().(string)
		}
		first := at("", 1)
		second := at(first, 2) // the first one's try came to nothing
		if claim("late", first) || claim("late", "") {
			t.Error("somebody took a place that was taken")
		}
		p, err := db.Post(ctx, "a", "r")
		ok(t, err)
		if p.Nonce != second {
			t.Errorf("%+v", p)
		}
		if _, err := buttonByHash(ctx, db, "of-"+second); err != nil {
			t.Error(err)
		}
		if _, err := buttonByHash(ctx, db, "of-late"); err == nil {
			t.Error("who lost has buttons")
		}
		p.PostID = "post"
		ok(t, db.SavePosts(ctx, []chat.Post{p}, nil))
		if claim("late", second) {
			t.Error("a post that stands was claimed")
		}
		p.Webhook = true
		ok(t, db.SavePosts(ctx, []chat.Post{p}, nil))
		if !claim("bot", second) {
			t.Error("a room that was a webhook cannot become a bot's")
		}
	})
}
