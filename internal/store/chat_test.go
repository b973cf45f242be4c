package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/source"
	"tocsin/internal/store"
)

// What no error and no log may say.
const (
	hookURL  = "https://chat.example.com/hooks/9xmo1pqhbjnk5mm1bnm7m3ur6r"
	botToken = "kx7h1rmbqffhxbyg5e6p9aihre"
)

func directory(t testing.TB, db *store.DB) (d route.Directory) {
	t.Helper()
	inTx(t, db, func(ctx context.Context, tx dispatch.Tx) (err error) {
		d, _, err = tx.Directory(ctx)
		return err
	})
	return d
}

func TestChatSettings(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx := t.Context()
		got, err := db.ChatSettings(ctx)
		ok(t, err)
		if d := cmp.Diff(chat.Settings{}, got); d != "" {
			t.Fatal(d)
		}
		s := chat.Settings{Enabled: true, ServerURL: "https://chat.example.com", TwoWay: true, CallbackURL: "https://alerts.example.com", UseProxy: true,
			Unlinked: true, NoEmoji: true, APIKeyID: "k1", BotToken: botToken, CommandHashes: []string{"h1", "h2"}}
		raises(t, db, true, "settings", func() { ok(t, db.SaveChatSettings(ctx, s)) })
		got, err = open().ChatSettings(ctx)
		ok(t, err)
		if d := cmp.Diff(s, got); d != "" {
			t.Fatal(d)
		}
		t.Run("a secret that was taken away is gone", func(t *testing.T) {
			s.BotToken, s.CommandHashes = "", nil
			ok(t, db.SaveChatSettings(ctx, s))
			got, err := db.ChatSettings(ctx)
			ok(t, err)
			if d := cmp.Diff(s, got); d != "" {
				t.Fatal(d)
			}
		})
		t.Run("what cannot be read any more is not quoted", func(t *testing.T) {
			tamper(t, db, "UPDATE secret SET value = $1 WHERE name = 'mattermost'", []byte(botToken))
			_, err := db.ChatSettings(ctx)
			if err == nil || strings.Contains(err.Error(), botToken[:4]) {
				t.Fatalf("error is %v", err)
			}
		})
	})
}

func hook(id, name string) chat.Room {
	return chat.Room{ID: id, Name: name, Kind: chat.Webhook, WebhookURL: hookURL, Override: "town-square", Created: day()}
}

func TestRooms(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, open func() *store.DB) {
		ctx := t.Context()
		ops := hook("r1", "Operations")
		bot := chat.Room{ID: "r2", Name: "databases", Kind: chat.Bot, Team: "it", Channel: "dba", ChannelID: "c1", Everything: true, Created: day()}
		raises(t, db, true, "a room", func() { ok(t, db.SaveRoom(ctx, ops)) })
		ok(t, db.SaveRoom(ctx, bot))
		same(t, "who has the name is told, and not the address", "", says(db.SaveRoom(ctx, hook("r3", "OPERATIONS")), fault.ErrTaken, hookURL))
		got, err := db.Rooms(ctx)
		ok(t, err)
		if d := cmp.Diff([]chat.Room{bot, ops}, got); d != "" {
			t.Fatal(d)
		}
		_, err = db.Room(ctx, "nothing")
		wants(t, err, fault.ErrNotFound)
		room := func() chat.Room {
			t.Helper()
			r, err := db.Room(ctx, "r2")
			ok(t, err)
			return r
		}

		t.Run("how it went is noted beside the settings", func(t *testing.T) {
			raises(t, db, false, "a note", func() { ok(t, db.NoteRoom(ctx, "r2", day(), "")) })
			same(t, "last post", room().LastPost, day())
			ok(t, db.NoteRoom(ctx, "r2", day().Add(time.Second), "the bot's token was refused (401)"))
			r := room()
			same(t, "trouble", r.LastError, "the bot's token was refused (401)")
			same(t, "since", r.LastErrorAt, day().Add(time.Second))
			same(t, "last post", r.LastPost, day())
			bot.Everything, bot.LastPost, bot.LastError = false, time.Time{}, "" // edited from what was read before
			ok(t, db.SaveRoom(ctx, bot))
			same(t, "trouble after an edit", room().LastError, "the bot's token was refused (401)")
			ok(t, db.NoteRoom(ctx, "r2", day().Add(2*time.Second), ""))
			r = room()
			same(t, "trouble after a post", r.LastError, "")
			same(t, "its time", r.LastErrorAt, time.Time{})
			same(t, "last post", r.LastPost, day().Add(2*time.Second))
			wants(t, db.NoteRoom(ctx, "nothing", day(), ""), fault.ErrNotFound)
		})
		t.Run("the same again within a minute writes nothing", func(t *testing.T) {
			last := room().LastPost
			ok(t, db.NoteRoom(ctx, "r2", last.Add(59*time.Second), ""))
			same(t, "last post", room().LastPost, last)
			ok(t, db.NoteRoom(ctx, "r2", last.Add(time.Minute), ""))
			same(t, "last post after a minute", room().LastPost, last.Add(time.Minute))
			last = room().LastPost
			ok(t, db.NoteRoom(ctx, "r2", last, "gone"))
			ok(t, db.NoteRoom(ctx, "r2", last.Add(time.Second), "gone"))
			same(t, "trouble at", room().LastErrorAt, last)
			ok(t, db.NoteRoom(ctx, "r2", last.Add(time.Second), "not there"))
			same(t, "other trouble", room().LastError, "not there")
		})
		t.Run("what is noted late says nothing against what is newer", func(t *testing.T) {
			failed := room().LastErrorAt
			ok(t, db.NoteRoom(ctx, "r2", failed.Add(-time.Millisecond), ""))
			same(t, "trouble after an older post", room().LastError, "not there")
			ok(t, db.NoteRoom(ctx, "r2", failed, ""))
			ok(t, db.NoteRoom(ctx, "r2", failed.Add(-time.Millisecond), "not there"))
			same(t, "older trouble after a post", room().LastError, "")
			ok(t, db.NoteRoom(ctx, "r2", failed.Add(time.Second), "not there"))
		})
		t.Run("the channel's id stays while it is the same channel", func(t *testing.T) {
			bot.ChannelID = ""
			ok(t, db.SaveRoom(ctx, bot))
			same(t, "id", room().ChannelID, "c1")
			bot.Channel = "other"
			ok(t, db.SaveRoom(ctx, bot))
			same(t, "id of another channel", room().ChannelID, "")
			bot.ChannelID = "c2"
			ok(t, db.SaveRoom(ctx, bot))
			same(t, "id that is given", room().ChannelID, "c2")
		})
		t.Run("a room that is named stays", func(t *testing.T) {
			ok(t, db.SaveRule(ctx, route.Rule{ID: "u1", Name: "Night shift", Rooms: []string{"r1"}}))
			ok(t, db.SaveContact(ctx, contact.Contact{ID: "c1", Name: "ann", Mattermost: "r1"}))
			err := db.DeleteRoom(ctx, "r1")
			wants(t, err, fault.ErrInUse)
			for _, name := range []string{"rule “Night shift”", "contact “ann”"} {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%v does not say %s", err, name)
				}
			}
			ok(t, db.DeleteRule(ctx, "u1"))
			ok(t, db.SaveContact(ctx, contact.Contact{ID: "c1", Name: "ann", Mattermost: contact.MattermostDirect}))
		})
		t.Run("with a room go its posts, its buttons and what waits for it", func(t *testing.T) {
			c := problem(1, "u1", "u2")
			for i := range c.Deliveries {
				c.Deliveries[i].Channel, c.Deliveries[i].Destination = route.Mattermost, []string{"r1", "r2"}[i]
			}
			write(t, db, c)
			ok(t, db.SavePosts(ctx, []chat.Post{post(1, "r1"), post(1, "r2")}, []chat.Button{button("b1", 1, "r1"), button("b2", 1, "r2")}))
			raises(t, db, true, "a room goes", func() { ok(t, db.DeleteRoom(ctx, "r1")) })
			wants(t, db.DeleteRoom(ctx, "r1"), fault.ErrNotFound)
			posts, err := store.PostsOf(ctx, open(), c.Alerts[0].ID)
			ok(t, err)
			if d := cmp.Diff([]chat.Post{post(1, "r2")}, posts); d != "" {
				t.Fatal(d)
			}
			_, err = buttonByHash(ctx, db, "b1")
			wants(t, err, fault.ErrNotFound)
			_, err = buttonByHash(ctx, db, "b2")
			ok(t, err)
			d := deliveryOf(t, db, c.Alerts[0].ID, c.Deliveries[0].ID)
			same(t, "state", d.State, delivery.Cancelled)
			same(t, "detail", d.Detail, "the room was deleted")
			same(t, "of the other room", deliveryOf(t, db, c.Alerts[0].ID, c.Deliveries[1].ID).State, delivery.Waiting)
		})
	})
}

// says answers what is wrong with an error: it is another one, or tells a secret.
func says(err, want error, secrets ...string) string {
	if d := cmp.Diff(want, err, cmpopts.EquateErrors()); d != "" {
		return d
	}
	for _, s := range secrets {
		if strings.Contains(err.Error(), s) {
			return err.Error()
		}
	}
	return ""
}

func TestRoutingKnowsRoomsPeopleAndEngines(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		d := directory(t, db)
		if d.Chat || d.Rooms != nil || d.Direct != nil || d.Engines != nil {
			t.Fatalf("an empty database: %+v", d)
		}
		off := hook("r3", "Off")
		off.Disabled = true
		for _, r := range []chat.Room{hook("r1", "Ops"), {ID: "r2", Name: "All", Kind: chat.Bot, Team: "it", Channel: "all", Everything: true}, off} {
			ok(t, db.SaveRoom(ctx, r))
		}
		for _, id := range []string{"c1", "c2"} {
			ok(t, db.SaveContact(ctx, contact.Contact{ID: id, Name: id, Mattermost: contact.MattermostDirect}))
		}
		for i, p := range []chat.Person{{UserID: "m1", ContactID: "c1"}, {UserID: "m3", ContactID: "c1"}, {UserID: "m2", ContactID: "c2"}} {
			p.Linked = day().Add(time.Duration(i) * time.Hour)
			ok(t, db.SavePerson(ctx, p))
		}
		sources := []source.Source{
			{ID: "s1", Name: "nagios", Kind: "nagios", WriteBack: source.WriteBack{Kind: "command_file", CommandFile: "/run/nagios.cmd"}},
			{ID: "s2", Name: "am", Kind: "alertmanager", WriteBack: source.WriteBack{Kind: "alertmanager", URL: "http://am:9093", Silence: true}},
			{ID: "s3", Name: "off", Kind: "nagios", Disabled: true, WriteBack: source.WriteBack{Kind: "command_file"}},
			{ID: "s4", Name: "none", Kind: "nagios", WriteBack: source.WriteBack{Kind: "none"}},
			{ID: "s5", Name: "unset", Kind: "nagios"},
		}
		for _, s := range sources {
			ok(t, db.SaveSource(ctx, s))
		}
		ok(t, db.SaveChatSettings(ctx, chat.Settings{Enabled: true, BotToken: botToken}))
		d = directory(t, db)
		want := route.Directory{Chat: true,
			Rooms:   []route.Room{{ID: "r2", Name: "All", Everything: true, Bot: true}, {ID: "r1", Name: "Ops"}},
			Direct:  map[string]string{"c1": "m3", "c2": "m2"},
			Engines: map[string]route.WriteBack{"s1": {Name: "nagios"}, "s2": {Name: "am", Releases: true}},
		}
		got := route.Directory{Chat: d.Chat, Rooms: d.Rooms, Direct: d.Direct, Engines: d.Engines}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(route.Directory{})); diff != "" {
			t.Fatal(diff)
		}
		same(t, "contact", d.Contacts[0].Mattermost, contact.MattermostDirect)
		t.Run("who may not sign in any more gets no direct messages", func(t *testing.T) {
			u := auth.User{ID: "u2", Name: "bob"}
			ok(t, db.SaveUser(ctx, u))
			ok(t, db.SaveContact(ctx, contact.Contact{ID: "c2", Name: "c2", UserID: "u2", Mattermost: contact.MattermostDirect}))
			ok(t, db.SavePerson(ctx, chat.Person{UserID: "m2", ContactID: "c2", Linked: day()}))
			if d := directory(t, db); d.Direct["c2"] != "m2" || !d.ReachesRoom(chat.Direct("m2")) {
				t.Fatal(d.Direct)
			}
			u.Disabled = true
			ok(t, db.SaveUser(ctx, u))
			if d := directory(t, db); d.Direct["c2"] != "" || d.Direct["c1"] == "" || d.ReachesRoom(chat.Direct("m2")) {
				t.Fatal(d.Direct)
			}
		})
		t.Run("without a bot there are no direct messages", func(t *testing.T) {
			ok(t, db.SaveChatSettings(ctx, chat.Settings{Enabled: true}))
			if d := directory(t, db); d.Direct != nil {
				t.Fatal(d.Direct)
			}
		})
	})
}

func TestASourceKeepsHowItIsTold(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		s := source.Source{ID: "s1", Name: "icinga", Kind: "icinga2", CreatedAt: day(), Secret: "signs-its-requests",
			WriteBack: source.WriteBack{Kind: "icinga2", URL: "https://icinga:5665", User: "tocsin", CA: "-----BEGIN…", ServerName: "icinga", UseProxy: true,
				Expire: true, Notify: true, ConfirmSeconds: 30, Secret: "opens-the-api"},
			Mapping: &source.Mapping{Events: "/alerts", Host: "/labels/host", State: "/status", States: map[string]string{"firing": "critical"}}}
		ok(t, db.SaveSource(ctx, s))
		for what, read := range map[string]func() (source.Source, error){
			"by id":   func() (source.Source, error) { return db.SourceByID(ctx, "s1") },
			"by name": func() (source.Source, error) { return db.SourceByName(ctx, "ICINGA") },
			"listed": func() (source.Source, error) {
				list, err := db.Sources(ctx)
				if len(list) != 1 {
					t.Fatalf("there are %d sources", len(list))
				}
				return list[0], err
			},
		} {
			got, err := read()
			ok(t, err)
			if d := cmp.Diff(s, got); d != "" {
				t.Fatalf("%s: %s", what, d)
			}
		}
		other := s
		other.ID = "s2"
		same(t, "who has the name is told, and no secret", "", says(db.SaveSource(ctx, other), fault.ErrTaken, s.Secret, s.WriteBack.Secret))
		s.WriteBack, s.Mapping, s.Secret = source.WriteBack{}, nil, ""
		ok(t, db.SaveSource(ctx, s))
		got, err := db.SourceByID(ctx, "s1")
		ok(t, err)
		if d := cmp.Diff(s, got); d != "" {
			t.Fatal(d)
		}
	})
}

// A text that PostgreSQL refuses is not repeated in what is said of it.
func TestASecretThatIsRefusedIsNotRepeated(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		const bad = "geheim\x00geheim"
		for what, err := range map[string]error{
			"room":   db.SaveRoom(t.Context(), chat.Room{ID: "r1", Name: "Ops", Kind: chat.Webhook, WebhookURL: bad}),
			"source": db.SaveSource(t.Context(), source.Source{ID: "s1", Name: "n", Secret: bad, WriteBack: source.WriteBack{Kind: "x", Secret: bad}}),
		} {
			if db.Engine() == "postgres" && err == nil {
				t.Errorf("%s: it was taken", what)
			}
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func post(n int, destination string) chat.Post {
	return chat.Post{AlertID: problem(n).Alerts[0].ID, Destination: destination, ChannelID: "ch-" + destination, PostID: "p-" + destination, Webhook: true,
		Nonce: "n1", Tried: day().Add(time.Second), Hash: "h", LastEvent: "e1", Replies: "d1,d2", Created: day(), Updated: day().Add(time.Minute)}
}

func button(hash string, n int, destination string) chat.Button {
	return chat.Button{Hash: hash, AlertID: problem(n).Alerts[0].ID, Destination: destination, Action: chat.Ack, Made: day(), Expires: day().Add(time.Hour)}
}

func TestPruneTakesPostsAndButtonsAlong(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		for n := 1; n <= 2; n++ {
			c := problem(n)
			if n == 1 {
				c.Alerts[0].Status, c.Alerts[0].Resolved = alert.Resolved, day()
			}
			write(t, db, c)
			lasting := button([]string{"", "b1", "b2"}[n], n, "r1")
			lasting.Expires = time.Now().Add(time.Hour)
			ok(t, db.SavePosts(ctx, []chat.Post{post(n, "r1")}, []chat.Button{lasting}))
		}
		ok(t, db.SavePosts(ctx, nil, []chat.Button{button("over", 2, "r1")}))
		ok(t, db.SaveLink(ctx, chat.Link{Hash: "over", UserID: "m1", Expires: day()}))
		ok(t, db.SaveLink(ctx, chat.Link{Hash: "lasts", UserID: "m1", Expires: time.Now().Add(time.Hour)}))
		n, err := db.Prune(ctx, day().Add(time.Hour), 10)
		ok(t, err)
		same(t, "pruned", n, 1)
		same(t, "posts", count(t, db, "chat_post"), 1)
		same(t, "buttons", count(t, db, "chat_button"), 1)
		same(t, "links", count(t, db, "chat_link"), 1)
		_, err = db.Post(ctx, problem(2).Alerts[0].ID, "r1")
		ok(t, err)
		_, err = buttonByHash(ctx, db, "b2")
		ok(t, err)
	})
}
