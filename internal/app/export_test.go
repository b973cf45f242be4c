package app

import (
	"context"
	"errors"
	"sync"

	"tocsin/internal/channel/mattermost"
	"tocsin/internal/web"
)

// Desk is what people in Mattermost have done here.
func (a *App) Desk() mattermost.Desk { return desk{a} }

// MendWindows looks after windows and their status pages as it is done now and then,
// for as long as it takes to find out that something is left.
func (a *App) MendWindows(ctx context.Context) error {
	return errors.Join(a.planning.windows.Mend(ctx), a.planning.windows.Mend(ctx))
}

// MendWindowsOnTwoNodes has two nodes do so at the same moment.
func (a *App) MendWindowsOnTwoNodes(ctx context.Context) error {
	nodes := []*web.WindowDesk{newPlanning(a).windows, newPlanning(a).windows}
	errs := make([]error, len(nodes))
	for range 2 {
		var all sync.WaitGroup
		for i, n := range nodes {
			all.Go(func() { errs[i] = errors.Join(errs[i], n.Mend(ctx)) })
		}
		all.Wait()
	}
	return errors.Join(errs...)
}

// NewLog is the program's log, to another place.
var NewLog = newLog
