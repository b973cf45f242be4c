package e2e_test

import (
	"context"
	"testing"
	"time"

	"tocsin/bench/kill"
)

// The hub dies ten times while events come in. `make soak` does it 100 times.
func TestKilledHubLosesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), story)
	defer cancel()
	r, err := kill.Run(ctx, kill.Options{Bin: bin, Dir: t.TempDir(), Rounds: 10, Clients: 6, Most: 150, Seed: uint64(time.Now().UnixNano())})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills, %d events answered, %d sent again (%d of them had been taken), %d notifications, slowest start %v",
		r.Rounds, r.Answered, r.Again, r.Duplicates, r.Told, r.Slowest.Round(time.Millisecond))
}
