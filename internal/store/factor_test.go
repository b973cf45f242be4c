package store_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/audit"
	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/store"
)

func TestWaysIn(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		ok(t, db.SaveUser(ctx, auth.User{ID: "u1", Name: "anna", Role: auth.Admin, PasswordHash: "$argon2id$x", CreatedAt: day()}))

		p := auth.Passkey{ID: "p1", UserID: "u1", Credential: "Y3JlZA", Name: "Laptop", Body: `{"flags":1}`, Made: day()}
		ok(t, db.AddPasskey(ctx, p))
		wants(t, db.AddPasskey(ctx, auth.Passkey{ID: "p2", UserID: "u1", Credential: "Y3JlZA"}), fault.ErrTaken)
		wants(t, db.AddPasskey(ctx, auth.Passkey{ID: "p3", UserID: "nobody", Credential: "eA"}), fault.ErrNotFound)
		ok(t, db.UsePasskey(ctx, "p1", `{"flags":2}`, day().Add(time.Hour)))
		wants(t, db.UsePasskey(ctx, "p9", "{}", day()), fault.ErrNotFound)
		wants(t, db.RenamePasskey(ctx, "u2", "p1", "mine now"), fault.ErrNotFound)
		ok(t, db.RenamePasskey(ctx, "u1", "p1", "Old laptop"))
		p.Name, p.Body, p.LastUsed = "Old laptop", `{"flags":2}`, day().Add(time.Hour)
		all, err := db.Passkeys(ctx, "u1")
		ok(t, err)
		if d := cmp.Diff([]auth.Passkey{p}, all); d != "" {
			t.Fatal(d)
		}
		who, err := db.PasskeyUsers(ctx)
		ok(t, err)
		same(t, "users with a passkey", len(who), 1)

		ok(t, db.SaveRecoveryCodes(ctx, "u1", []string{"old"}, day()))
		ok(t, db.SaveRecoveryCodes(ctx, "u1", []string{"h1", "h2"}, day()))
		for hash, want := range map[string]bool{"old": false, "h3": false} {
			first, err := db.UseRecoveryCode(ctx, "u1", hash, day())
			ok(t, err)
			same(t, "use of "+hash, first, want)
		}
		first, err := db.UseRecoveryCode(ctx, "u2", "h1", day())
		ok(t, err)
		same(t, "use by another", first, false)
		same(t, "of many at once", howOften(func() bool {
			first, err := db.UseRecoveryCode(ctx, "u1", "h1", day())
			return err == nil && first
		}), 1)
		left, made, err := db.RecoveryCodes(ctx, "u1")
		ok(t, err)
		same(t, "codes left", left, 1)
		same(t, "made", made.Equal(day()), true)

		// With the last passkey the codes go.
		wants(t, db.DeletePasskey(ctx, "u2", "p1"), fault.ErrNotFound)
		ok(t, db.DeletePasskey(ctx, "u1", "p1"))
		left, _, err = db.RecoveryCodes(ctx, "u1")
		ok(t, err)
		same(t, "codes left", left, 0)
		ok(t, db.AddPasskey(ctx, p))
		n, err := db.ResetFactors(ctx, "u1")
		ok(t, err)
		same(t, "passkeys removed", n, 1)

		i := auth.Identity{Issuer: "https://id.example", Subject: "4711", UserID: "u1", Name: "anna@id", Made: day()}
		ok(t, db.AddIdentity(ctx, i, nil))
		bert := auth.User{ID: "u2", Name: "bert", Role: auth.Viewer, CreatedAt: day()}
		taken := i
		taken.UserID = "u2"
		wants(t, db.AddIdentity(ctx, taken, &bert), fault.ErrTaken)
		_, err = db.UserByID(ctx, "u2")
		wants(t, err, fault.ErrNotFound) // nothing was left half done
		wants(t, db.AddIdentity(ctx, auth.Identity{Issuer: "https://id.example", Subject: "4712", UserID: "u2"}, &auth.User{ID: "u2", Name: "ANNA"}), fault.ErrTaken)
		ok(t, db.AddIdentity(ctx, auth.Identity{Issuer: "https://id.example", Subject: "4712", UserID: "u2"}, &bert))
		ok(t, db.UseIdentity(ctx, i.Issuer, i.Subject, "anna.new@id", day().Add(time.Hour)))
		i.Name, i.LastUsed = "anna.new@id", day().Add(time.Hour)
		got, err := db.Identity(ctx, i.Issuer, i.Subject)
		ok(t, err)
		if d := cmp.Diff(i, got); d != "" {
			t.Fatal(d)
		}
		ids, err := db.Identities(ctx, "")
		ok(t, err)
		same(t, "accounts", len(ids), 2)
		wants(t, db.DeleteIdentity(ctx, "u2", i.Issuer, i.Subject), fault.ErrNotFound)
		ok(t, db.DeleteIdentity(ctx, "u1", i.Issuer, i.Subject))
		ok(t, db.DeleteUser(ctx, "u2", nil))
		_, err = db.Identity(ctx, i.Issuer, "4712")
		wants(t, err, fault.ErrNotFound)

		trail, _, err := db.Trail(ctx, audit.Filter{SubjectID: "u1", Limit: 100})
		ok(t, err)
		done := map[string]int{}
		for _, e := range trail {
			done[e.Action]++
		}
		for _, action := range []string{"passkey.created", "passkey.changed", "passkey.deleted", "recovery_codes.created", "factors.reset", "identity.created", "identity.deleted"} {
			if done[action] == 0 {
				t.Errorf("the audit trail has no %s: %v", action, done)
			}
		}
	})
}

func TestStepsOfASignIn(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		x := auth.Step{Hash: "h", Kind: "second", UserID: "u1", Body: "one", Expires: time.Now().Add(time.Minute).UTC().Truncate(time.Millisecond)}
		ok(t, db.SaveStep(ctx, x))
		x.Body = "two"
		ok(t, db.SaveStep(ctx, x))
		got, err := db.Step(ctx, "h", "second")
		ok(t, err)
		if d := cmp.Diff(x, got); d != "" {
			t.Fatal(d)
		}
		_, err = db.Step(ctx, "h", "link")
		wants(t, err, fault.ErrNotFound)
		same(t, "of many at once", howOften(func() bool {
			_, err := db.TakeStep(ctx, "h", "second")
			return err == nil
		}), 1)
		_, err = db.TakeStep(ctx, "h", "second")
		wants(t, err, fault.ErrNotFound)
		x.Expires = time.Now().Add(-time.Second)
		ok(t, db.SaveStep(ctx, x))
		_, err = db.TakeStep(ctx, "h", "second")
		wants(t, err, fault.ErrNotFound)
		ok(t, db.SweepSteps(ctx))
	})
}

// howOften runs f eight times at once, and says how often it was true.
func howOften(f func() bool) int {
	var yes atomic.Int64
	together(8, func(int) {
		if f() {
			yes.Add(1)
		}
	})
	return int(yes.Load())
}
