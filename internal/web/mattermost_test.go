package web_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/store"
	"tocsin/internal/web"
	"tocsin/test/database"
)

// field is the field that an error refuses, empty for none.
func field(err error) string {
	var fe *config.FieldError
	if errors.As(err, &fe) {
		return fe.Field
	}
	return ""
}

func TestCheckRoom(t *testing.T) {
	hook := chat.Room{Name: "Operations", Kind: chat.Webhook, WebhookURL: "https://chat.example.com/hooks/abc"}
	bot := chat.Room{Name: "Operations", Kind: chat.Bot, Team: "company", Channel: "operations"}
	for name, row := range map[string]struct {
		room   chat.Room
		change func(*chat.Room)
		field  string
	}{
		"a webhook will do":             {hook, func(*chat.Room) {}, ""},
		"one below a path will do":      {hook, func(r *chat.Room) { r.WebhookURL = "http://127.0.0.1:8065/chat/hooks/abc" }, ""},
		"a bot's room will do":          {bot, func(*chat.Room) {}, ""},
		"a name is needed":              {hook, func(r *chat.Room) { r.Name = "" }, "name"},
		"a name is one line":            {hook, func(r *chat.Room) { r.Name = "a\nb" }, "name"},
		"a name has an end":             {hook, func(r *chat.Room) { r.Name = strings.Repeat("x", 101) }, "name"},
		"a webhook is an address":       {hook, func(r *chat.Room) { r.WebhookURL = "chat.example.com/hooks/abc" }, "webhook_url"},
		"a webhook is no file":          {hook, func(r *chat.Room) { r.WebhookURL = "file:///hooks/abc" }, "webhook_url"},
		"a webhook has no password":     {hook, func(r *chat.Room) { r.WebhookURL = "https://a:b@chat.example.com/hooks/abc" }, "webhook_url"},
		"a webhook is one of hooks":     {hook, func(r *chat.Room) { r.WebhookURL = "https://other.example.com/" }, "webhook_url"},
		"a webhook is there":            {hook, func(r *chat.Room) { r.WebhookURL = "" }, "webhook_url"},
		"a bot's room has a team":       {bot, func(r *chat.Room) { r.Team = "" }, "team"},
		"a channel is no path":          {bot, func(r *chat.Room) { r.Channel = "a/b" }, "channel"},
		"a channel is without its sign": {bot, func(r *chat.Room) { r.Channel = "#ops" }, "channel"},
		"a kind is one of two":          {bot, func(r *chat.Room) { r.Kind = "mail" }, "kind"},
	} {
		t.Run(name, func(t *testing.T) {
			r := row.room
			row.change(&r)
			err := web.CheckRoom(r)
			if field(err) != row.field || (err == nil) != (row.field == "") {
				t.Errorf("error %v, want one of %q", err, row.field)
			}
			if err != nil && r.WebhookURL != "" && strings.Contains(err.Error(), r.WebhookURL) {
				t.Errorf("the error tells the webhook's address: %v", err)
			}
		})
	}
}

func TestChangedRoom(t *testing.T) {
	was := chat.Room{ID: "1", Name: "old", Kind: chat.Webhook, WebhookURL: "https://chat.example.com/hooks/abc", Created: time.Unix(1, 0), LastError: "x"}
	got := web.ChangedRoom(was, chat.Room{Name: "new", Kind: chat.Webhook}, nil)
	if got.WebhookURL != was.WebhookURL || got.ID != "1" || got.Name != "new" || !got.Created.Equal(was.Created) || got.LastError != "x" {
		t.Errorf("a webhook's address that is left out does not stay: %+v", got)
	}
	if got := web.ChangedRoom(was, chat.Room{Name: "new", Kind: chat.Bot, Team: "t", Channel: "c"}, nil); got.WebhookURL != "" {
		t.Errorf("a bot's room keeps a webhook")
	}
	was = chat.Room{ID: "2", Kind: chat.Bot, Team: "t", Channel: "c", ChannelID: "id"}
	if got := web.ChangedRoom(was, chat.Room{Kind: chat.Bot, Team: "t", Channel: "c"}, nil); got.ChannelID != "id" {
		t.Errorf("the channel that was found is forgotten")
	}
	if got := web.ChangedRoom(was, chat.Room{Kind: chat.Bot, Team: "t", Channel: "d"}, nil); got.ChannelID != "" {
		t.Errorf("another channel has the id of the one before")
	}
}

func TestCheckMattermost(t *testing.T) {
	good := chat.Settings{ServerURL: "https://chat.example.com/sub", CallbackURL: "http://10.0.0.1:8080", BotToken: "abcdefghijklmnopqrstuvwxyz"}
	for name, row := range map[string]struct {
		change func(*chat.Settings)
		field  string
	}{
		"all of it will do":            {func(*chat.Settings) {}, ""},
		"nothing will do":              {func(s *chat.Settings) { *s = chat.Settings{} }, ""},
		"a server is an address":       {func(s *chat.Settings) { s.ServerURL = "chat.example.com" }, "server_url"},
		"a server is no script":        {func(s *chat.Settings) { s.ServerURL = "javascript://x/y" }, "server_url"},
		"a server has no password":     {func(s *chat.Settings) { s.ServerURL = "https://a:b@chat.example.com" }, "server_url"},
		"an address has no query":      {func(s *chat.Settings) { s.CallbackURL = "https://a.example.com/?x" }, "callback_url"},
		"a token needs a server":       {func(s *chat.Settings) { s.ServerURL = "" }, "server_url"},
		"a token is one word":          {func(s *chat.Settings) { s.BotToken = "a b" }, "bot_token"},
		"a token is no header's end":   {func(s *chat.Settings) { s.BotToken = "a\r\nX: y" }, "bot_token"},
		"a zone is one there is":       {func(s *chat.Settings) { s.TimeZone = "Mars/Olympus" }, "time_zone"},
		"a zone is not this machine's": {func(s *chat.Settings) { s.TimeZone = "Local" }, "time_zone"},
		"a zone is no path":            {func(s *chat.Settings) { s.TimeZone = "../../etc/passwd" }, "time_zone"},
		"a zone will do":               {func(s *chat.Settings) { s.TimeZone = "UTC" }, ""},
		"there are not endless teams":  {func(s *chat.Settings) { s.CommandHashes = make([]string, 51) }, "command_tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			row.change(&s)
			if err := web.CheckMattermost(s); field(err) != row.field || (err == nil) != (row.field == "") {
				t.Errorf("error %v, want one of %q", err, row.field)
			}
		})
	}
	t.Run("of tokens of slash commands only hashes are kept, each once", func(t *testing.T) {
		got, err := web.CommandHashes([]string{" abcdefghijkl ", "abcdefghijkl", "mnopqrstuvwx"})
		if err != nil || !slices.Equal(got, []string{auth.Hash("abcdefghijkl"), auth.Hash("mnopqrstuvwx")}) {
			t.Errorf("hashes %v, %v", got, err)
		}
		if _, err := web.CommandHashes([]string{"short"}); field(err) != "command_tokens[0]" || strings.Contains(err.Error(), "short\"") {
			t.Errorf("a short one: %v", err)
		}
	})
}

func TestMayLink(t *testing.T) {
	anna := auth.Principal{UserID: "anna", Scopes: auth.Operator.Scopes()}
	viewer := auth.Principal{UserID: "vera", Scopes: auth.Viewer.Scopes()}
	admin := auth.Principal{UserID: "root", Scopes: auth.Admin.Scopes()}
	own, nobodys := contact.Contact{UserID: "anna"}, contact.Contact{}
	for _, row := range []struct {
		who  auth.Principal
		what contact.Contact
		want bool
		says string
	}{
		{anna, own, true, "one's own"}, {viewer, contact.Contact{UserID: "vera"}, true, "a viewer's own"},
		{admin, own, false, "another one's, not even by an admin"},
		{anna, nobodys, true, "nobody's, by who changes contacts"}, {viewer, nobodys, false, "nobody's, by who does not"},
	} {
		if web.MayLink(row.who, row.what) != row.want {
			t.Errorf("%s: %v", row.says, !row.want)
		}
	}
}

// shelf keeps settings of Mattermost and API keys.
type shelf struct {
	web.Chat
	settings chat.Settings
	live     map[string]string // id to name
	made     int
}

func (s *shelf) ChatSettings(context.Context) (chat.Settings, error) { return s.settings, nil }
func (s *shelf) SaveChatSettings(_ context.Context, c chat.Settings) error {
	s.settings = c
	return nil
}

func (s *shelf) AddKey(_ context.Context, name string, scopes []auth.Scope, _ time.Time) (auth.APIKey, string, error) {
	for _, n := range s.live {
		if n == name {
			return auth.APIKey{}, "", fault.ErrTaken
		}
	}
	s.made++
	id := strings.Repeat("k", s.made)
	s.live[id] = name
	return auth.APIKey{ID: id, Name: name, Scopes: scopes}, "tk_" + id, nil
}

func (s *shelf) RevokeKey(_ context.Context, id string) error {
	if _, ok := s.live[id]; !ok {
		return fault.ErrNotFound
	}
	delete(s.live, id)
	return nil
}

func TestMattermostKey(t *testing.T) {
	s := &shelf{settings: chat.Settings{Enabled: true}, live: map[string]string{"mine": "Mattermost"}}
	for range 2 {
		k, token, err := web.MattermostKey(t.Context(), s, s)
		if err != nil || token == "" || !slices.Equal(k.Scopes, []auth.Scope{auth.AckAlerts}) {
			t.Fatalf("key %+v, %v", k, err)
		}
		if s.settings.APIKeyID != k.ID || !s.settings.Enabled || len(s.live) != 2 {
			t.Errorf("settings %+v, live keys %v", s.settings, s.live)
		}
	}
	if s.live["mine"] == "" {
		t.Error("a key of the same name that somebody made is revoked")
	}
	delete(s.live, s.settings.APIKeyID)
	if _, _, err := web.MattermostKey(t.Context(), s, s); err != nil {
		t.Errorf("after somebody removed it: %v", err)
	}
}

// between is a store in which something happens while a link is used.
type between struct {
	*store.DB
	do func()
}

func (b between) TakeLink(ctx context.Context, hash string, now time.Time) (chat.Link, error) {
	b.do()
	return b.DB.TakeLink(ctx, hash, now)
}

// Whoever changes contacts could else link themselves to one of nobody's, and at
// that moment say whose it is.
func TestAContactThatBecomesSomebodysAtThatMomentIsNotLinked(t *testing.T) {
	ctx := t.Context()
	db, err := store.Open(ctx, store.Options{URL: database.SQLite(t), Node: "test"})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	defer func() { must(db.Close()) }()
	must(db.SaveUser(ctx, auth.User{ID: "boss", Name: "boss"}))
	c := contact.NewContact("desk")
	c.ID = "desk"
	must(db.SaveContact(ctx, c))
	must(db.SaveLink(ctx, chat.Link{Hash: auth.Hash("token"), UserID: "mm", Expires: time.Now().Add(time.Minute)}))
	_, err = web.LinkPerson(ctx, between{db, func() {
		c.UserID = "boss"
		must(db.SaveContact(ctx, c))
	}}, auth.Principal{UserID: "olga", Scopes: auth.Operator.Scopes()}, "token", "desk", time.Now())
	if field(err) != "contact_id" {
		t.Errorf("answered %v", err)
	}
	if _, err := db.Person(ctx, "mm"); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("linked all the same: %v", err)
	}
}
