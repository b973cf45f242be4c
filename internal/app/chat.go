package app

import (
	"context"
	"strings"
	"sync/atomic"

	"tocsin/internal/auth"
	"tocsin/internal/channel/mattermost"
	"tocsin/internal/chat"
	"tocsin/internal/web"
)

// mattermostChat is Mattermost put together.
type mattermostChat struct {
	kept[chat.Settings]
	channel *mattermost.Channel
	apiKeys kept[[]auth.APIKey] // looked at with each click
	used    atomic.Int64        // when somebody last acted by it, in Unix seconds
	listing chan struct{}       // room for the one list of alerts that is being read
}

func newChat(a *App) *mattermostChat {
	return &mattermostChat{
		kept:    kept[chat.Settings]{version: a.db.ConfigVersion, read: a.db.ChatSettings},
		apiKeys: kept[[]auth.APIKey]{version: a.db.ConfigVersion, read: a.db.APIKeys},
		listing: make(chan struct{}, 1),
		channel: mattermost.New(mattermost.Options{
			Store: a.db, Desk: desk{a}, BaseURL: a.cfg.BaseURL, Proxy: a.push.proxy, Log: a.log,
		}),
	}
}

// test posts a test message into a room.
func (c *mattermostChat) test(ctx context.Context, r chat.Room) (web.RoomTest, error) {
	short, cancel := context.WithTimeout(ctx, testWithin)
	defer cancel()
	detail, err := c.channel.Test(short, r)
	if err != nil {
		return web.RoomTest{Detail: sentence(err.Error())}, nil // what stands in the way is the answer
	}
	return web.RoomTest{OK: true, Detail: sentence(detail)}, nil
}

// sentence begins with a capital and ends with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
