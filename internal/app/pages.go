package app

import "tocsin/internal/web/console"

// forConsole is what the pages get of Web Push.
func (p *webPush) forConsole() console.Push {
	return console.Push{KeysChanged: p.keys.forget, Reach: p.reach, Test: p.test, Services: p.services}
}

// forConsole is what the pages get of Mattermost.
func (c *mattermostChat) forConsole() console.Mattermost {
	return console.Mattermost{TestRoom: c.test}
}
