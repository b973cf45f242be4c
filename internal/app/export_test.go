package app

import "tocsin/internal/channel/mattermost"

// Desk is what people in Mattermost have done here.
func (a *App) Desk() mattermost.Desk { return desk{a} }
