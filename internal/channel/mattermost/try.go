package mattermost

import (
	"context"
	"errors"
	"slices"

	"tocsin/internal/alert"
	"tocsin/internal/chat"
)

// Test posts a test message into a room, as it is given: it need not be stored.
// detail says what Mattermost answered; err is about what stands in the way, with
// what mends it.
func (c *Channel) Test(ctx context.Context, room chat.Room) (detail string, err error) {
	s, err := c.sight(ctx)
	if err != nil {
		return "", err
	}
	d, err := c.roomTarget(s.settings, room)
	if err != nil {
		return "", err
	}
	c.servers.release(&d.server, d.id) // somebody has mended it, perhaps
	v := view{emoji: !s.settings.NoEmoji}
	at := attachment{
		Fallback: "Test message from Tocsin", Title: v.title("Test message from Tocsin", "🔵"), Color: alert.Information, Footer: "Tocsin",
		Text: "If you can read this, alerts reach you in this channel.",
	}
	began := c.o.Now()
	detail, err = c.try(ctx, d, at)
	if err == nil {
		c.note(ctx, d, "", began)
		return detail, nil
	}
	name := d.name
	if room.Team != "" {
		name += " (" + room.Team + "/" + room.Channel + ")"
	}
	t := diagnose(err, d.server.host(), name, d.webhook)
	c.note(ctx, d, t.words, began)
	return "", errors.New(t.words)
}

func (c *Channel) try(ctx context.Context, d *target, at attachment) (string, error) {
	if d.webhook {
		err := c.client.hook(ctx, &d.server, d.room.WebhookURL, hookPost{Channel: d.room.Override, Attachments: []attachment{at}})
		return "Mattermost took the message from the webhook.", err
	}
	me, err := c.who(ctx, &d.server)
	if err != nil {
		return "", err
	}
	channelID, err := c.channelOf(ctx, d)
	if err != nil {
		return "", err
	}
	_, err = c.client.create(ctx, &d.server, newPost{ChannelID: channelID, Props: props{Attachments: []attachment{at}}})
	return "Posted as @" + me.Username + " in " + d.room.Team + "/" + d.room.Channel + ".", err
}

// Check answers what a bot's token can see of a server, without changing anything.
// err says what stands in the way, with what mends it.
func (c *Channel) Check(ctx context.Context, settings chat.Settings) (Seen, error) {
	if settings.ServerURL == "" || settings.BotToken == "" {
		return Seen{}, errors.New("the server’s address and a bot’s token are needed")
	}
	sv := c.server(settings)
	me, err := c.client.me(ctx, &sv)
	var teams []string
	if err == nil {
		teams, err = c.client.teams(ctx, &sv)
	}
	if err != nil {
		return Seen{}, errors.New(diagnose(err, sv.host(), "", false).words)
	}
	slices.Sort(teams)
	return Seen{UserID: me.ID, UserName: me.Username, Bot: me.Bot, Teams: teams}, nil
}

// Look asks, as the bot, who it is and whether there is the channel of a room, and posts
// nothing. Of a room with a webhook nothing can be asked: detail is empty then. err is
// about what stands in the way, with what mends it.
func (c *Channel) Look(ctx context.Context, room chat.Room) (detail string, err error) {
	s, err := c.sight(ctx)
	if err != nil {
		return "", err
	}
	d, err := c.roomTarget(s.settings, room)
	if err != nil || d.webhook {
		return "", err
	}
	me, err := c.who(ctx, &d.server)
	if err == nil {
		_, err = c.channelOf(ctx, d)
	}
	if err != nil {
		return "", errors.New(diagnose(err, d.server.host(), d.name, false).words)
	}
	return "@" + me.Username + " finds " + room.Team + "/" + room.Channel, nil
}

// Bot asks who the bot is, for where there is no room yet.
func (c *Channel) Bot(ctx context.Context) (username string, err error) {
	s, err := c.sight(ctx)
	if err != nil {
		return "", err
	}
	d, err := c.roomTarget(s.settings, chat.Room{ID: "bot", Name: "the bot", Kind: chat.Bot})
	if err != nil {
		return "", err
	}
	me, err := c.who(ctx, &d.server)
	if err != nil {
		return "", errors.New(diagnose(err, d.server.host(), "", false).words)
	}
	return me.Username, nil
}
