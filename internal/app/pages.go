package app

import (
	"context"
	"strings"

	"tocsin/internal/chat"
	"tocsin/internal/web"
	"tocsin/internal/web/console"
)

// forConsole is what the pages get of Web Push.
func (p *webPush) forConsole() console.Push {
	return console.Push{KeysChanged: p.keys.forget, Reach: p.reach, Test: p.test, Services: p.services}
}

// forConsole is what the pages get of Mattermost.
func (c *mattermostChat) forConsole() console.Mattermost {
	return console.Mattermost{TestRoom: c.test, CheckBot: c.checkBot}
}

// checkBot looks whether the server lets the bot in, and what it sees there.
func (c *mattermostChat) checkBot(ctx context.Context, s chat.Settings) (web.RoomTest, error) {
	seen, err := c.channel.Check(ctx, s)
	if err != nil {
		return web.RoomTest{Detail: sentence(err.Error())}, nil // what stands in the way is the answer
	}
	where := "It is in no team yet: add it to one."
	if len(seen.Teams) > 0 {
		where = "It is in " + strings.Join(seen.Teams, ", ") + "."
	}
	kind := ""
	if !seen.Bot {
		kind = ", a person’s account: a bot’s is better"
	}
	return web.RoomTest{OK: true, Detail: "Mattermost lets it in as @" + seen.UserName + kind + ". " + where}, nil
}
