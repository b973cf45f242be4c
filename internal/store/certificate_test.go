package store_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"tocsin/internal/cert"
	"tocsin/internal/fault"
	"tocsin/internal/store"
)

var _ cert.Store = (*store.DB)(nil)

func TestCertificatesAreOrderedByOneNodeAtATime(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx, other := t.Context(), open()
		now := time.Now().Truncate(time.Millisecond).UTC()
		take := func(db *store.DB, node string, at time.Time) bool {
			t.Helper()
			got, err := db.TakeCertificate(ctx, "a.example.com", node, at, at.Add(time.Minute))
			ok(t, err)
			return got
		}
		same(t, "the first gets the order", true, take(db, "node-a", now))
		same(t, "another does not", false, take(other, "node-b", now))
		same(t, "an order that was left lying is taken up", true, take(other, "node-b", now.Add(2*time.Minute)))

		ok(t, other.NoteCertificate(ctx, cert.Kept{Name: "a.example.com", Tries: 1, Next: now.Add(time.Hour), Problem: "p", Mend: "m", ProblemAt: now}))
		same(t, "the pause is everybody's", false, take(db, "node-a", now.Add(30*time.Minute)))
		list, err := db.Certificates(ctx)
		ok(t, err)
		alike(t, "what went wrong is there", []cert.Kept{{Name: "a.example.com", Tries: 1, Next: now.Add(time.Hour), Problem: "p", Mend: "m", ProblemAt: now}}, list)
		ok(t, db.RenewCertificate(ctx, "a.example.com", now))
		same(t, "a person may end the pause", true, take(db, "node-a", now.Add(3*time.Minute)))

		k := cert.Kept{Name: "a.example.com", Chain: "chain", Key: "key", Since: now, Until: now.Add(time.Hour)}
		ok(t, db.SaveCertificate(ctx, k))
		list, err = other.Certificates(ctx)
		ok(t, err)
		alike(t, "the certificate is on all nodes, and nothing is wrong", []cert.Kept{k}, list)
		ok(t, db.RenewCertificate(ctx, "a.example.com", now))
		list, err = other.Certificates(ctx)
		ok(t, err)
		k.Asked = true
		alike(t, "one that is to be renewed is still there", []cert.Kept{k}, list)
		if err := db.RenewCertificate(ctx, "b.example.com", now); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("a name that there is not: %v", err)
		}
	})
}

func TestChallengesAreFoundUntilTheyExpire(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx, other := t.Context(), open()
		now := time.Now().Truncate(time.Millisecond).UTC()
		c := cert.Challenge{Token: "tok", Name: "a.example.com", Answer: "tok.print", Expires: now.Add(time.Minute)}
		ok(t, db.SaveChallenge(ctx, c))
		got, err := other.ChallengeByToken(ctx, "tok", now)
		ok(t, err)
		same(t, "by token, on any node", c, got)
		got, err = other.ChallengeByName(ctx, "a.example.com", now)
		ok(t, err)
		same(t, "by name", c, got)
		if _, err := db.ChallengeByToken(ctx, "tok", now.Add(2*time.Minute)); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("an expired one: %v", err)
		}
		ok(t, db.DropChallenge(ctx, "tok"))
		if _, err := db.ChallengeByName(ctx, "a.example.com", now); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("one that was dropped: %v", err)
		}
		first, err := db.ACMEAccount(ctx, "https://ca", "one")
		ok(t, err)
		second, err := other.ACMEAccount(ctx, "https://ca", "two")
		ok(t, err)
		same(t, "one account on all nodes", "one one", first+" "+second)
	})
}

func alike(t *testing.T, what string, want, got []cert.Kept) {
	t.Helper()
	if !slices.Equal(want, got) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
