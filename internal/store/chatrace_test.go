package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/store"
)

func TestPosts(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		id := problem(1).Alerts[0].ID
		_, err := db.Post(ctx, id, "r1")
		wants(t, err, fault.ErrNotFound)
		p, q := post(1, "r1"), post(1, chat.Direct("m1"))
		q.Created = day().Add(time.Hour)
		ok(t, db.SavePosts(ctx, nil, nil))
		ok(t, db.SavePosts(ctx, []chat.Post{q, p, post(2, "r1")}, nil))
		got, err := db.Post(ctx, id, chat.Direct("m1"))
		ok(t, err)
		if d := cmp.Diff(q, got); d != "" {
			t.Fatal(d)
		}
		p = chat.Post{AlertID: id, Destination: "r1", Gone: true, Created: day().Add(time.Minute)}
		older := p
		older.Hash = "older"
		ok(t, db.SavePosts(ctx, []chat.Post{older, p}, nil))
		list, err := store.PostsOf(ctx, db, id)
		ok(t, err)
		p.Created = day()
		if d := cmp.Diff([]chat.Post{p, q}, list); d != "" {
			t.Fatal(d)
		}
	})
}

func TestButtons(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		now := day().Add(time.Minute)
		of := func(hash string) chat.Button {
			t.Helper()
			b, err := buttonByHash(ctx, db, hash)
			ok(t, err)
			return b
		}
		use := func(hash, channel, post string, at time.Time) bool {
			t.Helper()
			first, err := db.UseButton(ctx, hash, "m1", channel, post, at)
			ok(t, err)
			return first
		}
		bound := button("bound", 1, "r1")
		bound.ChannelID, bound.PostID = "ch1", "p1"
		ok(t, db.SavePosts(ctx, []chat.Post{post(1, "r1")}, []chat.Button{button("free", 1, "r1"), bound}))
		if d := cmp.Diff(bound, of("bound")); d != "" {
			t.Fatal(d)
		}
		t.Run("a button that is not there is not named", func(t *testing.T) {
			_, err := buttonByHash(ctx, db, "nothing")
			same(t, "said", says(err, fault.ErrNotFound, "nothing"), "")
			_, err = db.UseButton(ctx, "nothing", "m1", "ch1", "p1", now)
			same(t, "said of its use", says(err, fault.ErrNotFound, "nothing"), "")
		})
		t.Run("elsewhere and too late it is not used", func(t *testing.T) {
			same(t, "in another channel", use("bound", "ch2", "p1", now), false)
			same(t, "in another post", use("bound", "ch1", "p2", now), false)
			same(t, "at its end", use("bound", "ch1", "p1", bound.Expires), false)
			same(t, "used", of("bound").Used, time.Time{})
		})
		t.Run("the first use counts, and binds", func(t *testing.T) {
			same(t, "first", use("free", "ch7", "p7", now), true)
			b := of("free")
			same(t, "used", b.Used, now)
			same(t, "by", b.UsedBy, "m1")
			same(t, "channel", b.ChannelID, "ch7")
			same(t, "post", b.PostID, "p7")
			same(t, "second", use("free", "ch7", "p7", now), false)
		})
		t.Run("what is saved again stays used and bound", func(t *testing.T) {
			again := button("free", 1, "r1")
			again.ChannelID, again.PostID, again.Expires = "ch9", "p9", again.Expires.Add(time.Hour)
			ok(t, db.SavePosts(ctx, nil, []chat.Button{again}))
			b := of("free")
			same(t, "post", b.PostID, "p7")
			same(t, "expires", b.Expires, again.Expires)
			same(t, "use", use("free", "ch7", "p7", now), false)
		})
		t.Run("one that is given back is good again, in its post alone", func(t *testing.T) {
			ok(t, db.ReleaseButton(ctx, "free"))
			same(t, "by", of("free").UsedBy, "")
			same(t, "in another post", use("free", "ch7", "p8", now), false)
			same(t, "first", use("free", "ch7", "p7", now), true)
		})
		t.Run("one that is reserved and never used, for its node was killed, is good again soon", func(t *testing.T) {
			ok(t, db.SavePosts(ctx, nil, []chat.Button{button("held", 1, "r1")}))
			reserve := func(hash string, at time.Time) bool {
				t.Helper()
				first, err := db.ReserveButton(ctx, hash, "ch1", "p1", at)
				ok(t, err)
				return first
			}
			same(t, "of one that is not there", reserve("nothing", now), false)
			same(t, "in another post", reserve("bound", bound.Expires), false)
			same(t, "first", reserve("held", now), true)
			same(t, "used", of("held").Used, time.Time{})
			same(t, "second", reserve("held", now.Add(29*time.Second)), false)
			same(t, "after half a minute", reserve("held", now.Add(30*time.Second)), true)
			ok(t, db.ReleaseButton(ctx, "held"))
			same(t, "given back", reserve("held", now.Add(31*time.Second)), true)
			same(t, "used by who reserved it", use("held", "ch1", "p1", now), true)
			same(t, "after it was used", reserve("held", now.Add(time.Hour)), false)
		})
		t.Run("a click saves the post and its new buttons, and uses the old one", func(t *testing.T) {
			ok(t, db.SavePosts(ctx, nil, []chat.Button{button("pressed", 3, "r1")}))
			clicked := post(3, "r1")
			clicked.ChannelID, clicked.PostID, clicked.Hash = "ch1", "p1", "anew"
			ok(t, db.SaveClick(ctx, clicked, []chat.Button{button("anew", 3, "r1")}, "pressed", "m1", now))
			b := of("pressed")
			same(t, "used by", b.UsedBy+" "+b.ChannelID+" "+b.PostID, "m1 ch1 p1")
			same(t, "used", b.Used, now)
			same(t, "the new one", of("anew").Used, time.Time{})
			p, err := db.Post(ctx, clicked.AlertID, "r1")
			ok(t, err)
			same(t, "the post", p.Hash, "anew")
			ok(t, db.SaveClick(ctx, clicked, nil, "pressed", "m2", now.Add(time.Minute)))
			same(t, "used first by", of("pressed").UsedBy, "m1")
			ok(t, db.SaveClick(ctx, clicked, nil, "nothing", "m2", now)) // dropped meanwhile
		})
		t.Run("older renderings' are dropped", func(t *testing.T) {
			late := button("late", 1, "r1")
			late.Made = day().Add(time.Second)
			ok(t, db.SavePosts(ctx, nil, []chat.Button{late, button("other alert", 2, "r1"), button("other room", 1, "r2")}))
			edited := post(1, "r1")
			edited.Hash = "edited"
			same(t, "alert", edited.AlertID, late.AlertID)
			ok(t, db.SaveEdit(ctx, edited, late.Made))
			p, err := db.Post(ctx, late.AlertID, "r1")
			ok(t, err)
			same(t, "the post", p.Hash, "edited")
			for _, hash := range []string{"late", "other alert", "other room"} {
				of(hash)
			}
			for _, hash := range []string{"free", "bound"} {
				_, err := buttonByHash(ctx, db, hash)
				wants(t, err, fault.ErrNotFound)
			}
		})
	})
}

func buttonByHash(ctx context.Context, db *store.DB, hash string) (chat.Button, error) {
	c, err := db.Clicked(ctx, hash)
	return c.Button, err
}

// atOnce runs f on several connections at once, and each some times.
func atOnce(db *store.DB, open func() *store.DB, f func(db *store.DB, worker int)) {
	nodes := []*store.DB{db, open()}
	var wg sync.WaitGroup
	start := make(chan struct{})
	for w := range 6 {
		wg.Go(func() {
			<-start
			f(nodes[w%2], w)
		})
	}
	close(start)
	wg.Wait()
}

func TestOfManyWhoPressAButtonExactlyOneIsFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		const n = 20
		var buttons []chat.Button
		for i := range n {
			buttons = append(buttons, button(fmt.Sprint("b", i), i, "r1"))
		}
		ok(t, db.SavePosts(t.Context(), nil, buttons))
		var firsts [n]atomic.Int64
		atOnce(db, open, func(db *store.DB, w int) {
			for i := range n {
				first, err := db.UseButton(t.Context(), buttons[i].Hash, fmt.Sprint("m", w), "ch1", "p1", day().Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
				if first {
					firsts[i].Add(1)
				}
			}
		})
		for i := range firsts {
			same(t, "who was first with "+buttons[i].Hash, firsts[i].Load(), 1)
		}
	})
}

func TestALinkIsTakenOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx := t.Context()
		const n = 20
		l := chat.Link{Hash: "h0", UserID: "m1", Name: "jane", Expires: day().Add(10 * time.Minute)}
		for i := range n {
			l.Hash = fmt.Sprint("h", i)
			ok(t, db.SaveLink(ctx, l))
		}
		now := day().Add(time.Minute)
		got, err := db.PeekLink(ctx, "h0", now)
		ok(t, err)
		l.Hash = "h0"
		if d := cmp.Diff(l, got); d != "" {
			t.Fatal(d)
		}
		for _, look := range []func() error{
			func() error { _, err := db.PeekLink(ctx, "h0", l.Expires); return err },
			func() error { _, err := db.TakeLink(ctx, "h0", l.Expires); return err },
			func() error { _, err := db.TakeLink(ctx, "strange", now); return err },
		} {
			same(t, "said", says(look(), fault.ErrNotFound, "h0", "strange"), "")
		}
		var taken [n]atomic.Int64
		atOnce(db, open, func(db *store.DB, _ int) {
			for i := range n {
				got, err := db.TakeLink(ctx, fmt.Sprint("h", i), now)
				if err == nil && got.UserID == "m1" {
					taken[i].Add(1)
				} else if !errors.Is(err, fault.ErrNotFound) {
					t.Error(got, err)
				}
			}
		})
		for i := range taken {
			same(t, "taken", taken[i].Load(), 1)
		}
		same(t, "left", count(t, db, "chat_link"), 0)
	})
}

// Two nodes that render the same posts, in any order, neither lose one nor wait
// for each other for ever; what was pressed meanwhile stays pressed.
func TestPostsAreSavedByManyAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx := t.Context()
		const n = 15
		var buttons []chat.Button
		for i := range n {
			buttons = append(buttons, button(fmt.Sprint("b", i), i, "r1"))
		}
		ok(t, db.SavePosts(ctx, nil, buttons))
		atOnce(db, open, func(db *store.DB, w int) {
			var posts []chat.Post
			for i := range n {
				p := post(i, "r1")
				p.Hash = fmt.Sprint("by ", w)
				posts = append(posts, p)
			}
			mine := slices.Clone(buttons)
			if w%2 == 0 {
				slices.Reverse(posts)
				slices.Reverse(mine)
			}
			for range 3 {
				if err := db.SavePosts(ctx, posts, mine); err != nil {
					t.Error(err)
				}
				elsewhere := posts[0]
				elsewhere.Destination = "r2"
				if err := db.SaveEdit(ctx, elsewhere, day()); err != nil {
					t.Error(err)
				}
			}
			if _, err := db.UseButton(ctx, mine[w].Hash, "m1", "ch1", "p1", day().Add(time.Minute)); err != nil {
				t.Error(err)
			}
		})
		same(t, "posts", count(t, db, "chat_post"), n+2)
		same(t, "buttons", count(t, db, "chat_button"), n)
		by := map[string]bool{}
		used := 0
		for i := range n {
			p, err := db.Post(ctx, problem(i).Alerts[0].ID, "r1")
			ok(t, err)
			by[p.Hash] = true
			b, err := buttonByHash(ctx, db, buttons[i].Hash)
			ok(t, err)
			if !b.Used.IsZero() {
				used++
			}
		}
		same(t, "those who were last", len(by), 1)
		same(t, "used", used, 6)
	})
}

func TestPeopleOfMattermost(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		for _, id := range []string{"c1", "c2"} {
			ok(t, db.SaveContact(ctx, contact.Contact{ID: id, Name: id}))
		}
		p := chat.Person{UserID: "m1", Name: "jane", ContactID: "c1", Linked: day()}
		raises(t, db, true, "somebody is linked", func() { ok(t, db.SavePerson(ctx, p)) })
		raises(t, db, false, "the same again", func() { ok(t, db.SavePerson(ctx, p)) })
		p.ContactID, p.Linked = "c2", day().Add(time.Hour)
		raises(t, db, true, "somebody is another contact", func() { ok(t, db.SavePerson(ctx, p)) })
		second := chat.Person{UserID: "m2", ContactID: "c2", Linked: day()}
		ok(t, db.SavePerson(ctx, second))
		got, err := db.Person(ctx, "m1")
		ok(t, err)
		if d := cmp.Diff(p, got); d != "" {
			t.Fatal(d)
		}
		list, err := db.People(ctx)
		ok(t, err)
		if d := cmp.Diff([]chat.Person{second, p}, list); d != "" {
			t.Fatal(d)
		}
		wants(t, db.SavePerson(ctx, chat.Person{UserID: "m3", ContactID: "nobody"}), fault.ErrNotFound)
		_, err = db.Person(ctx, "m3")
		wants(t, err, fault.ErrNotFound)
		raises(t, db, true, "somebody is unlinked", func() { ok(t, db.DeletePerson(ctx, "m2")) })
		wants(t, db.DeletePerson(ctx, "m2"), fault.ErrNotFound)
		ok(t, db.DeleteContact(ctx, "c2"))
		_, err = db.Person(ctx, "m1")
		wants(t, err, fault.ErrNotFound)
	})
}

// Whoever is linked acts in the name of the contact's user, and never in that of
// one who came after.
func TestALinkEndsWithTheUserThatItWasMadeFor(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		for _, id := range []string{"u1", "u2"} {
			ok(t, db.SaveUser(ctx, auth.User{ID: id, Name: id}))
		}
		c := contact.Contact{ID: "c1", Name: "ann"}
		other := chat.Person{UserID: "m9", ContactID: "c9", Linked: day()}
		ok(t, db.SaveContact(ctx, contact.Contact{ID: "c9", Name: "joe", UserID: "u2"}))
		ok(t, db.SavePerson(ctx, other))
		for _, step := range []struct {
			what       string
			user, next string
			act        func() error
			linked     bool
		}{
			{"the same user", "u1", "u1", nil, true},
			// Else whoever changes contacts could act in anybody's name: link themselves
			// to a contact of nobody's, and then say whose it is.
			{"nobody's becomes somebody's", "", "u1", nil, false},
			{"nobody's stays nobody's", "", "", nil, true},
			{"somebody else's", "u1", "u2", nil, false},
			{"nobody's", "u1", "", nil, false},
			{"a deleted user's", "u1", "", func() error { return db.DeleteUser(ctx, "u1", nil) }, false},
		} {
			ok(t, db.SaveContact(ctx, contact.Contact{ID: "c1", Name: "ann"}))
			c.UserID = step.user
			ok(t, db.SaveContact(ctx, c))
			ok(t, db.SavePerson(ctx, chat.Person{UserID: "m1", ContactID: "c1", Linked: day()}))
			if step.act != nil {
				ok(t, step.act())
			} else {
				c.UserID = step.next
				ok(t, db.SaveContact(ctx, c))
			}
			_, err := db.Person(ctx, "m1")
			if linked := err == nil; linked != step.linked || err != nil && !errors.Is(err, fault.ErrNotFound) {
				t.Errorf("%s: linked %t, %v", step.what, linked, err)
			}
			got, err := db.Contact(ctx, "c1")
			ok(t, err)
			same(t, step.what, got.UserID, step.next)
			_, err = db.Person(ctx, "m9")
			ok(t, err)
		}
	})
}
