package app

import (
	"context"
	"errors"

	"tocsin/internal/channel/mattermost"
)

// Desk is what people in Mattermost have done here.
func (a *App) Desk() mattermost.Desk { return desk{a} }

// MendWindows looks after windows and their status pages as it is done now and then,
// for as long as it takes to find out that something is left.
func (a *App) MendWindows(ctx context.Context) error {
	return errors.Join(a.planning.windows.Mend(ctx), a.planning.windows.Mend(ctx))
}
