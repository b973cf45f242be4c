package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/auth"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

// device makes a subscription that differs from all with another n.
func device(n int) push.Subscription {
	p256dh := binary.BigEndian.AppendUint64(bytes.Repeat([]byte{4}, 57), uint64(n))
	return push.Subscription{
		Endpoint: fmt.Sprintf("https://push.example/wpush/v2/%s%d", strings.Repeat("gAAAAABm", 20), n),
		P256dh:   p256dh, Auth: p256dh[49:], KeyID: "key-1", Language: "de-AT",
	}
}

// follow is what is wanted of one page.
func follow(page string, wants ...push.Want) []push.Follow {
	return []push.Follow{{PageID: page, Wants: wants}}
}

func visitor(n int) push.Subscription {
	s := device(n)
	s.Pages = follow("main", push.Want{})
	return s
}

func deviceOf(user string, n int) push.Subscription {
	s := device(n)
	s.UserID, s.Name = user, fmt.Sprintf("Firefox %d on Linux", n)
	return s
}

func save(t testing.TB, db *store.DB, s push.Subscription) push.Subscription {
	t.Helper()
	saved, _, err := db.SaveSubscription(t.Context(), s, nil)
	ok(t, err)
	return saved
}

// visitors saves devices of visitors, and answers them in the order of their ids.
func visitors(t testing.TB, db *store.DB, from, n int) (list []push.Subscription) {
	t.Helper()
	for i := range n {
		list = append(list, save(t, db, visitor(from+i)))
	}
	return list
}

func publication(id string) push.Publication {
	return push.Publication{
		ID: id, PageID: "main", Components: []string{"api"}, Kind: push.IncidentNew, Impact: push.ImpactMajor,
		Texts: map[string]push.Text{"": {Title: "Störung", Body: "“API” is slow\n…"}, "en": {Title: "Trouble"}},
		URL:   "/incidents/1", Icon: "/i.png", Badge: "/b.png", Topic: "incident-1", Urgency: push.High, By: "Ann",
		Created: day(), Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond),
	}
}

func publish(t testing.TB, db *store.DB, id string) {
	t.Helper()
	ok(t, db.CreatePublication(t.Context(), publication(id)))
}

// claimPiece claims one that must be there.
func claimPiece(t testing.TB, db *store.DB) *push.Piece {
	t.Helper()
	p, err := db.ClaimPiece(t.Context(), "node-a", time.Hour)
	ok(t, err)
	if p == nil {
		t.Fatal("no piece to claim")
	}
	return p
}

// raises runs f and says whether the version that routing depends on rose.
func raises(t *testing.T, db *store.DB, want bool, what string, f func()) {
	t.Helper()
	before := db.ConfigVersion()
	f()
	if rose := db.ConfigVersion() > before; rose != want {
		t.Errorf("%s: the configuration's version rose: %t, want %t", what, rose, want)
	}
}

func TestSubscriptions(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		t.Run("what was saved comes back", func(t *testing.T) {
			s := visitor(1)
			s.Pages = follow("main", push.Want{Components: []string{"api", "web"}, Kinds: []push.Kind{push.Maintenance}, MinImpact: push.ImpactMinor})
			s.Expires = day().Add(1000 * time.Hour)
			saved, created, err := db.SaveSubscription(ctx, s, nil)
			ok(t, err)
			same(t, "created", created, true)
			got, err := db.SubscriptionByEndpoint(ctx, s.Endpoint)
			ok(t, err)
			if d := cmp.Diff(saved, got); d != "" {
				t.Fatal(d)
			}
			s.ID, s.Created, s.Seen = saved.ID, saved.Created, saved.Seen
			if d := cmp.Diff(s, saved); d != "" {
				t.Fatal(d)
			}
			if s.Seen.Truncate(24*time.Hour) != s.Seen || time.Since(s.Created).Abs() > time.Minute {
				t.Errorf("seen at %v, created at %v", s.Seen, s.Created)
			}
			_, err = db.SubscriptionByEndpoint(ctx, "https://push.example/none")
			wants(t, err, fault.ErrNotFound)
			if strings.Contains(err.Error(), "push.example") {
				t.Errorf("the error tells the endpoint: %v", err)
			}
		})
		t.Run("ids ascend in the order of their making", func(t *testing.T) {
			list := visitors(t, db, 10, 20)
			for i := 1; i < len(list); i++ {
				if list[i].ID <= list[i-1].ID {
					t.Fatalf("%s after %s", list[i].ID, list[i-1].ID)
				}
			}
			got, err := db.SubscriptionsAfter(ctx, list[4].ID, 7)
			ok(t, err)
			same(t, "first", got[0].ID, list[5].ID)
			same(t, "number", len(got), 7)
			n, err := db.CountSubscriptions(ctx, "main")
			ok(t, err)
			same(t, "of the page", n, 21)
		})
		t.Run("one endpoint is one row, brought up to date", func(t *testing.T) {
			first := save(t, db, visitor(40))
			again := visitor(40)
			again.KeyID, again.Language, again.Pages = "key-2", "en", follow("main", push.Want{MinImpact: push.ImpactCritical})
			saved, created, err := db.SaveSubscription(ctx, again, nil)
			ok(t, err)
			same(t, "created", created, false)
			same(t, "id", saved.ID, first.ID)
			got, err := db.SubscriptionByEndpoint(ctx, again.Endpoint)
			ok(t, err)
			same(t, "key", got.KeyID, "key-2")
			same(t, "impact", got.Pages[0].Wants[0].MinImpact, push.ImpactCritical)
			same(t, "created at", got.Created, first.Created)
		})
		t.Run("a subscription made anew replaces the old one", func(t *testing.T) {
			old := save(t, db, visitor(50))
			wrong := old
			wrong.Auth = []byte("something else..")
			other, created, err := db.SaveSubscription(ctx, visitor(51), &wrong)
			ok(t, err)
			same(t, "created without the secret", created, true)
			moved, created, err := db.SaveSubscription(ctx, visitor(52), &push.Subscription{Endpoint: old.Endpoint, Auth: old.Auth})
			ok(t, err)
			same(t, "created with the secret", created, false)
			same(t, "id", moved.ID, old.ID)
			_, err = db.SubscriptionByEndpoint(ctx, old.Endpoint)
			wants(t, err, fault.ErrNotFound)
			t.Run("and where both are known, one remains", func(t *testing.T) {
				s, created, err := db.SaveSubscription(ctx, visitor(51), &moved)
				ok(t, err)
				same(t, "created", created, false)
				same(t, "id", s.ID, other.ID)
				_, err = db.SubscriptionByEndpoint(ctx, moved.Endpoint)
				wants(t, err, fault.ErrNotFound)
			})
		})
		t.Run("a device changes hands with its secret alone, and gets another id", func(t *testing.T) {
			s := save(t, db, visitor(60))
			raises(t, db, true, "a visitor becomes a contact", func() {
				mine, created, err := db.SaveSubscription(ctx, deviceOf("u1", 60), nil)
				ok(t, err)
				same(t, "created", created, true)
				if mine.ID <= s.ID {
					t.Errorf("id %s after %s", mine.ID, s.ID)
				}
				s = mine
			})
			stranger := visitor(60)
			stranger.Auth = []byte("something else..")
			_, _, err := db.SaveSubscription(ctx, stranger, nil)
			wants(t, err, fault.ErrTaken)
			stranger.UserID, stranger.Pages = "u2", nil
			_, _, err = db.SaveSubscription(ctx, stranger, nil)
			wants(t, err, fault.ErrTaken)
			raises(t, db, true, "another contact signs in there", func() {
				theirs := save(t, db, deviceOf("u2", 60))
				same(t, "user", theirs.UserID, "u2")
				found, err := db.DevicesByID(ctx, []string{s.ID, theirs.ID, "none"})
				ok(t, err)
				same(t, "found", len(found), 1)
				same(t, "found", found[theirs.ID].Name, theirs.Name)
			})
			raises(t, db, true, "and switches it off", func() {
				theirs, err := db.SubscriptionByEndpoint(ctx, device(60).Endpoint)
				ok(t, err)
				ok(t, db.DeleteSubscription(ctx, theirs.ID))
			})
			list, err := db.Devices(ctx, "")
			ok(t, err)
			same(t, "devices", len(list), 0)
		})
		t.Run("text that PostgreSQL refuses is cleaned", func(t *testing.T) {
			s := deviceOf("u1", 70)
			s.Name, s.Language = "Fire\x00fox\xff "+strings.Repeat("ä", 100), "d\x00e"
			saved := save(t, db, s)
			same(t, "language", saved.Language, "de")
			if len(saved.Name) > 100 || !strings.HasPrefix(saved.Name, "Firefox\uFFFD ä") || !utf8.ValidString(saved.Name) {
				t.Errorf("name is %q", saved.Name)
			}
			ok(t, db.DeleteSubscription(ctx, saved.ID))
			wants(t, db.DeleteSubscription(ctx, saved.ID), fault.ErrNotFound)
		})
		t.Run("keys that are none are refused", func(t *testing.T) {
			s := visitor(80)
			s.P256dh = s.P256dh[:64]
			if _, _, err := db.SaveSubscription(ctx, s, nil); err == nil {
				t.Error("saved")
			}
		})
		t.Run("a device of nobody and of no page is refused, and a message to no page, which would go to all contacts", func(t *testing.T) {
			if _, _, err := db.SaveSubscription(ctx, device(81), nil); err == nil {
				t.Error("saved")
			}
			p := publication("p1")
			p.PageID = ""
			if err := db.CreatePublication(ctx, p); err == nil {
				t.Error("published")
			}
		})
	})
}

func TestDevices(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		for _, u := range []string{"u1", "u2"} {
			ok(t, db.SaveUser(ctx, auth.User{ID: u, Name: u}))
		}
		phone, laptop := deviceOf("u1", 1), deviceOf("u1", 2)
		raises(t, db, true, "a new device", func() { phone = save(t, db, phone) })
		laptop = save(t, db, laptop)
		other := save(t, db, deviceOf("u2", 3))
		raises(t, db, false, "a visitor", func() { save(t, db, visitor(4)) })

		t.Run("routing knows them", func(t *testing.T) {
			var d route.Directory
			ok(t, db.Commit(ctx, func(ctx context.Context, tx dispatch.Tx) (err error) {
				d, _, err = tx.Directory(ctx)
				return err
			}))
			want := map[string][]route.Device{"u1": {{ID: phone.ID, Name: phone.Name}, {ID: laptop.ID, Name: laptop.Name}},
				"u2": {{ID: other.ID, Name: other.Name}}}
			if diff := cmp.Diff(want, d.Devices); diff != "" {
				t.Fatal(diff)
			}
			same(t, "switch", d.WebPush, true)
			s, err := db.Settings(ctx)
			ok(t, err)
			s.WebPush = false
			raises(t, db, true, "the switch", func() { ok(t, db.SaveSettings(ctx, s)) })
			ok(t, db.Commit(ctx, func(ctx context.Context, tx dispatch.Tx) (err error) {
				d, _, err = tx.Directory(ctx)
				return err
			}))
			same(t, "switch", d.WebPush, false)
		})
		t.Run("saved again as it is, nothing is written", func(t *testing.T) {
			raises(t, db, false, "the same again", func() {
				got, created, err := db.SaveSubscription(ctx, deviceOf("u1", 1), nil)
				ok(t, err)
				same(t, "created", created, false)
				if d := cmp.Diff(phone, got); d != "" {
					t.Fatal(d)
				}
			})
			named := deviceOf("u1", 1)
			named.Name = "Firefox 200 on Linux"
			raises(t, db, true, "another name", func() { phone = save(t, db, named) })
		})
		t.Run("what push services said", func(t *testing.T) {
			at := recent()
			raises(t, db, false, "notes", func() {
				ok(t, db.NotePush(ctx, []push.Note{{SubscriptionID: phone.ID, At: at, OK: true},
					{SubscriptionID: laptop.ID, At: at, Error: "answered 500"}, {SubscriptionID: laptop.ID, At: at, Error: "answered\x00 503"},
					{SubscriptionID: "none", At: at, OK: true}}))
			})
			list, err := db.Devices(ctx, "u1")
			ok(t, err)
			same(t, "devices", len(list), 2)
			same(t, "success", list[0].LastSuccess, at)
			same(t, "failures", list[1].Failures, 2)
			same(t, "error", list[1].LastError, "answered 503")
			ok(t, db.NotePush(ctx, []push.Note{{SubscriptionID: laptop.ID, At: at, OK: true}, {SubscriptionID: phone.ID, At: at, Error: "answered 500"}}))
			list, err = db.Devices(ctx, "u1")
			ok(t, err)
			same(t, "failures", list[0].Failures, 1)
			same(t, "success stays", list[0].LastSuccess, at)
			same(t, "failures after a success", list[1].Failures, 0)
			same(t, "error after a success", list[1].LastError, "")
		})
		t.Run("one that is gone goes", func(t *testing.T) {
			raises(t, db, true, "a device is gone", func() {
				ok(t, db.NotePush(ctx, []push.Note{{SubscriptionID: laptop.ID, At: recent(), Gone: true}}))
			})
			list, err := db.Devices(ctx, "u1")
			ok(t, err)
			same(t, "devices", len(list), 1)
		})
		t.Run("one that has just moved does not, for it was its old address that is gone", func(t *testing.T) {
			moved, created, err := db.SaveSubscription(ctx, deviceOf("u1", 9), &push.Subscription{Endpoint: phone.Endpoint, Auth: phone.Auth})
			ok(t, err)
			same(t, "created", created, false)
			same(t, "failures of the new address", moved.Failures, 0)
			ok(t, db.NotePush(ctx, []push.Note{{SubscriptionID: moved.ID, At: recent(), Gone: true}}))
			list, err := db.Devices(ctx, "u1")
			ok(t, err)
			same(t, "devices", len(list), 1)
		})
		t.Run("a user has a few, not any number", func(t *testing.T) {
			for n := 100; ; n++ {
				_, _, err := db.SaveSubscription(ctx, deviceOf("u1", n), nil)
				if err != nil {
					wants(t, err, fault.ErrTaken)
					same(t, "devices", n-100, 19)
					break
				}
			}
		})
		t.Run("they go with their user", func(t *testing.T) {
			ok(t, db.DeleteUser(ctx, "u1", nil))
			list, err := db.Devices(ctx, "")
			ok(t, err)
			same(t, "devices", len(list), 1)
			same(t, "of", list[0].UserID, "u2")
		})
	})
}

// together runs f of n at once and waits for all.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func TestTwoNodesSaveTheSameEndpoint(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		nodes := []*store.DB{db, open()}
		for round := range 10 {
			var created atomic.Int64
			ids := make([]string, 4)
			together(len(ids), func(i int) {
				s, fresh, err := nodes[i%2].SaveSubscription(t.Context(), visitor(round), nil)
				if err != nil {
					t.Error(err)
				}
				if ids[i] = s.ID; fresh {
					created.Add(1)
				}
			})
			same(t, "created", created.Load(), 1)
			for _, id := range ids {
				same(t, "id", id, ids[0])
			}
		}
		n, err := db.CountSubscriptions(t.Context(), "main")
		ok(t, err)
		same(t, "rows", n, 10)
	})
}

func TestPushKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx := t.Context()
		key := func(n int) push.Key {
			return push.Key{ID: fmt.Sprintf("key-%d", n), Public: fmt.Sprintf("public-%d", n), Private: fmt.Sprintf("private-%d", n), Created: day()}
		}
		raises(t, db, true, "a key", func() { ok(t, db.SavePushKey(ctx, key(1))) })
		env := key(2)
		env.Environment = true
		ok(t, db.SavePushKey(ctx, env))
		save(t, db, visitor(1)) // bound to key-1
		ks, err := db.PushKeys(ctx)
		ok(t, err)
		same(t, "keys", len(ks), 2)
		if d := cmp.Diff(env, ks[0]); d != "" {
			t.Fatal(d)
		}
		same(t, "retired", ks[1].Retired.IsZero(), false)
		same(t, "devices", ks[1].Subscriptions, 1)
		wants(t, db.DeletePushKey(ctx, "key-2"), fault.ErrInUse)
		wants(t, db.DeletePushKey(ctx, "key-1"), fault.ErrInUse)
		wants(t, db.DeletePushKey(ctx, "key-9"), fault.ErrNotFound)
		again := visitor(1)
		again.KeyID = "key-2"
		save(t, db, again)
		ok(t, db.DeletePushKey(ctx, "key-1"))

		t.Run("rotated by two nodes at once, one is the current one", func(t *testing.T) {
			nodes := []*store.DB{db, open()}
			together(6, func(i int) {
				if err := nodes[i%2].SavePushKey(ctx, key(10+i)); err != nil {
					t.Error(err)
				}
			})
			ks, err := db.PushKeys(ctx)
			ok(t, err)
			same(t, "keys", len(ks), 7)
			for i, k := range ks {
				same(t, "current", k.Retired.IsZero(), i == 0)
			}
		})
		t.Run("a retired one may come back", func(t *testing.T) {
			ok(t, db.SavePushKey(ctx, env))
			ks, err := db.PushKeys(ctx)
			ok(t, err)
			same(t, "current", ks[0].ID, "key-2")
			same(t, "private half", ks[0].Private, "private-2")
			same(t, "keys", len(ks), 7)
		})
	})
}

func TestSecretIsOneForAllNodes(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		nodes := []*store.DB{db, open()}
		got := make([][]byte, 6)
		together(len(got), func(i int) {
			var err error
			if got[i], err = nodes[i%2].Secret(t.Context(), "push-token"); err != nil {
				t.Error(err)
			}
		})
		for _, s := range got {
			same(t, "secret", string(s), string(got[0]))
		}
		same(t, "length", len(got[0]), 32)
		other, err := db.Secret(t.Context(), "another")
		ok(t, err)
		if bytes.Equal(other, got[0]) {
			t.Error("two names have one secret")
		}
	})
}

func TestTokensAreUsedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx, nodes := t.Context(), []*store.DB{db, open()}
		later := time.Now().Add(time.Hour)
		first := func(nonce string) int64 {
			var n atomic.Int64
			together(8, func(i int) {
				first, err := nodes[i%2].UseToken(ctx, nonce, later)
				if err != nil && !errors.Is(err, fault.ErrInUse) {
					t.Error(err)
				}
				if first {
					n.Add(1)
				}
			})
			return n.Load()
		}
		same(t, "first uses", first("a"), 1)
		ok(t, db.ReleaseToken(ctx, "a"))
		same(t, "first uses after a release", first("a"), 1)
		if _, err := nodes[1].UseToken(ctx, "a", later); !errors.Is(err, fault.ErrInUse) {
			t.Errorf("while it is acted on: %v", err)
		}
		ok(t, db.FinishToken(ctx, "a"))
		ok(t, db.ReleaseToken(ctx, "a"))
		same(t, "first uses after the end", first("a"), 0)
		used, err := db.UseToken(ctx, "b", recent())
		ok(t, err)
		same(t, "first use of an expired one", used, false)
	})
}

func TestServiceFigures(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		ok(t, db.AddServiceFigures(ctx, []push.ServiceFigures{
			{Origin: "https://a.example", Accepted: 5, LastSuccess: day()},
			{Origin: "https://b.example", Refused: 1, LastFailure: day(), LastError: "401"},
			{Origin: "https://a.example", Gone: 2, Failed: 1, Retried: 3, LastFailure: day(), LastError: "answered\x00 500"}}))
		ok(t, db.AddServiceFigures(ctx, []push.ServiceFigures{{Origin: "https://a.example", Accepted: 1, LastSuccess: day().Add(time.Hour)}}))
		got, err := db.ServiceFigures(ctx)
		ok(t, err)
		if d := cmp.Diff([]push.ServiceFigures{
			{Origin: "https://a.example", Accepted: 6, Gone: 2, Failed: 1, Retried: 3, LastSuccess: day().Add(time.Hour), LastFailure: day(), LastError: "answered 500"},
			{Origin: "https://b.example", Refused: 1, LastFailure: day(), LastError: "401"}}, got); d != "" {
			t.Fatal(d)
		}
		var many []push.ServiceFigures
		for i := range 600 {
			many = append(many, push.ServiceFigures{Origin: fmt.Sprintf("https://%d.example", i), Accepted: 1})
		}
		ok(t, db.AddServiceFigures(ctx, many))
		got, err = db.ServiceFigures(ctx)
		ok(t, err)
		same(t, "services", len(got), 500)
	})
}
