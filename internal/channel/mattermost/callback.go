package mattermost

import "net/http"

// Callback answers what Mattermost calls: /callback/mattermost/action for buttons,
// …/dialog for dialogs, …/command for the slash command.
func (c *Channel) Callback() http.Handler { return http.NotFoundHandler() }
