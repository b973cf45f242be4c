package store_test

import (
	"testing"
	"time"

	"tocsin/internal/store"
)

func TestHubsThatListen(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		since, now, err := db.Listening(t.Context(), "ear", "a", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if now.Sub(since).Abs() > time.Second {
			t.Errorf("since %s at %s", since, now)
		}
		again, _, err := db.Listening(t.Context(), "ear", "b", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if !again.Equal(since) {
			t.Errorf("another node begins anew: %s, not %s", again, since)
		}
		for time.Since(since) < 2*time.Millisecond { // the next one is another time
		}
		// Nobody has listened for longer than the gap.
		anew, _, err := db.Listening(t.Context(), "ear", "b", -time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if !anew.After(since) {
			t.Errorf("after a gap it is still since %s", anew)
		}
	})
}

func TestOneNodeATime(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		turn := func(node string, lease time.Duration, want bool) {
			t.Helper()
			got, err := db.Turn(t.Context(), "ping", node, lease)
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("node %s has its turn: %t", node, got)
			}
		}
		turn("a", time.Minute, true)
		turn("b", time.Minute, false)
		turn("a", time.Minute, true)
		turn("b", -time.Second, true) // who had it was not seen for longer than that
		turn("a", time.Minute, false)
	})
}
