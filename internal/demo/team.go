package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
	server "tocsin/internal/demo/chat"
	"tocsin/internal/web"
)

// team is the company's chat, with Tocsin's bot in it.
type team struct {
	*server.Server
	alerts, shop server.Channel
	linked       server.User // the visitor, who is known as the contact "ops"
	botToken     string
	command      server.Command
}

// chatPort is where the chat is, if nobody else is there; it is Mattermost's.
const chatPort = "8065"

// newTeam starts the chat, for this machine alone, at its usual port if that is free.
func newTeam(anyPort bool) (*team, error) {
	t := &team{Server: server.New(server.Options{Page: true})}
	at := net.JoinHostPort("127.0.0.1", chatPort)
	if anyPort || t.Start(at) != nil {
		if err := t.Start("127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// people makes the channels and who is in them. callback is Tocsin's address.
func (t *team) people(callback string) {
	company := t.AddTeam("harbour", "Harbour Shop")
	t.alerts = t.AddChannel(company.ID, "alerts", "Alerts", false)
	t.shop = t.AddChannel(company.ID, "web-shop", "Web shop", false)
	square := t.AddChannel(company.ID, "town-square", "Town Square", false)
	t.linked = t.AddUser("dana", "Dana Reyes")
	t.Describe(t.linked.ID, "linked to Operations")
	other := t.AddUser("kim", "Kim Park")
	t.Describe(other.ID, "not linked yet")
	bot, token := t.AddBot("tocsin", "Tocsin")
	t.botToken = token
	for _, c := range []server.Channel{t.alerts, t.shop, square} {
		t.Join(c.ID, t.linked.ID, other.ID, bot.ID)
	}
	t.command = t.AddCommand(company.ID, "tocsin", callback+"/callback/mattermost/command")
}

// furnish makes Tocsin know the chat: settings, rooms, and who the visitor is
// there. On a folder that was used before, the chat is a new one.
func (t *team) furnish(ctx context.Context, a *app.App) error {
	db := a.Store()
	s, err := db.ChatSettings(ctx)
	if err != nil {
		return err
	}
	s.Enabled, s.TwoWay, s.ServerURL, s.CallbackURL = true, true, t.URL(), ""
	s.BotToken, s.CommandHashes = t.botToken, []string{chat.Hash(t.command.Token)}
	if err := db.SaveChatSettings(ctx, s); err != nil {
		return err
	}
	if _, _, err := web.MattermostKey(ctx, db, a.Auth()); err != nil {
		return err
	}
	if err := t.rooms(ctx, a); err != nil {
		return err
	}
	known, err := db.People(ctx)
	if err != nil {
		return err
	}
	for _, p := range known { // of the chat of before
		if err := db.DeletePerson(ctx, p.UserID); err != nil {
			return err
		}
	}
	all, err := db.Contacts(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(k contact.Contact) bool { return k.Name == opsName })
	if i < 0 {
		return nil // the visitor of before has deleted it
	}
	return db.SavePerson(ctx, chat.Person{UserID: t.linked.ID, Name: t.linked.Name, ContactID: all[i].ID, Linked: time.Now()})
}

// rooms makes one room that gets everything and one that rules send to.
func (t *team) rooms(ctx context.Context, a *app.App) error {
	db := a.Store()
	before, err := db.Rooms(ctx)
	if err != nil {
		return err
	}
	for _, want := range []chat.Room{
		{Name: "Alerts", Team: "harbour", Channel: t.alerts.Name, ChannelID: t.alerts.ID, Everything: true},
		{Name: shopRoom, Team: "harbour", Channel: t.shop.Name, ChannelID: t.shop.ID},
	} {
		want.ID, want.Kind, want.Created = newID(), chat.Bot, time.Now()
		if i := slices.IndexFunc(before, func(r chat.Room) bool { return r.Name == want.Name }); i >= 0 {
			was := before[i]
			want.ID, want.Everything, want.Disabled, want.Created = was.ID, was.Everything, was.Disabled, was.Created
		}
		if err := db.SaveRoom(ctx, want); err != nil {
			return fmt.Errorf("room %s: %w", want.Name, err)
		}
		if want.Name == shopRoom && len(before) == 0 {
			if err := sendThere(ctx, a, want.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendThere makes the shop's rule send to the shop's room, too.
func sendThere(ctx context.Context, a *app.App, room string) error {
	rules, err := a.Store().Rules(ctx)
	if err != nil {
		return err
	}
	for _, r := range rules {
		if r.Name == shopRule {
			r.Rooms = append(r.Rooms, room)
			return a.Store().SaveRule(ctx, r)
		}
	}
	return errors.New("the shop's rule is not there")
}
