package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"tocsin/internal/channel/mattermost"
	"tocsin/internal/doctor"
	"tocsin/internal/store"
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

// listened is a hub that has listened for a day.
type listened struct{ *store.DB }

func (listened) Listening(context.Context, string, string, time.Duration) (since, now time.Time, err error) {
	now = time.Now()
	return now.AddDate(0, 0, -1), now, nil
}

// LookForSilence looks for silent sources as a hub does that has listened for a day.
func (a *App) LookForSilence(ctx context.Context) { a.dispatch.Heartbeats(ctx, listened{a.db}) }

// SQLiteFault is what the doctor says of a database that could not be opened.
func SQLiteFault(where string, err error) doctor.Verdict {
	return sqliteFault(&store.Sight{Engine: "sqlite", Where: where}, err)
}
