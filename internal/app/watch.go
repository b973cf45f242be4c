package app

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/health"
)

// workers remembers what has stopped though it must not.
type workers struct {
	mu   sync.Mutex
	dead map[string]bool
}

func (w *workers) stop(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead == nil {
		w.dead = map[string]bool{}
	}
	w.dead[name] = true
}

func (w *workers) stopped(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead[name]
}

// watchUsers closes the streams of users who were changed: also when that was
// done by the command line, or on another node.
func (a *App) watchUsers(ctx context.Context, changed <-chan struct{}) error {
	before := map[string]auth.User{}
	for {
		users, err := a.db.Users(ctx)
		if err == nil {
			now := make(map[string]auth.User, len(users))
			for _, u := range users {
				now[u.ID] = u
			}
			for id, old := range before {
				u, there := now[id]
				if !there || u.Disabled || u.Role != old.Role || u.PasswordHash != old.PasswordHash {
					a.hub.CloseUser(id)
				}
			}
			before = now
		} else if ctx.Err() == nil {
			a.log.Warn("users not read", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// sessionsEvery bounds how long a stream outlives a session that ended elsewhere.
const sessionsEvery = 5 * time.Second

// watchSessions looks after the sessions of open streams.
func (a *App) watchSessions(ctx context.Context) error {
	tick := time.NewTicker(sessionsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := a.auth.Attend(ctx, a.hub.Sessions()); err != nil && ctx.Err() == nil {
			a.log.Warn("sessions of streams not looked after", "error", err)
		}
	}
}

// watchEvery is how often is looked whether everything is well.
const watchEvery = 5 * time.Second

// watchHealth tells all tabs of this node when something is no longer well, and
// when it is again, so that their header says so without a reload.
func (a *App) watchHealth(ctx context.Context) error {
	type summary struct {
		OK       bool `json:"ok"`
		Warnings int  `json:"warnings"`
	}
	var told *summary
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		r := a.Health(ctx)
		now := summary{r.OK, len(r.Warnings)}
		if ctx.Err() == nil && (told == nil || now != *told) {
			body, err := json.Marshal(now)
			if err != nil {
				return fmt.Errorf("render health: %w", err)
			}
			a.hub.Tell("health", string(body))
			if told != nil || !r.OK {
				a.logHealth(r)
			}
			told = &now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *App) logHealth(r health.Report) {
	if r.OK {
		a.log.Info("all is well again")
	}
	for _, w := range r.Warnings {
		a.log.Warn("not well", "part", w.Part, "problem", w.Problem, "mend", w.Mend)
	}
}

// How long the live log is kept: a tab that was away longer loads its page anew.
const keepLive = 48 * time.Hour

// upkeep deletes what is past its time, now and then, a little at a time, and keeps the
// list of alerts in order.
func (a *App) upkeep(ctx context.Context) error {
	tick, order := time.NewTicker(10*time.Minute), time.NewTicker(catalogueEvery)
	defer tick.Stop()
	defer order.Stop()
	for {
		if err := a.tidy(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("upkeep not finished", "error", err)
		}
		for due := false; !due; {
			a.catalogue(ctx)
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				due = true
			case <-order.C:
			}
		}
	}
}

func (a *App) tidy(ctx context.Context) error {
	now, _, _, err := a.time(ctx) // a node whose own clock is wrong deletes nothing for it
	if err != nil {
		return err
	}
	if err := a.auth.Sweep(ctx); err != nil {
		return fmt.Errorf("sweep sessions: %w", err)
	}
	if _, err := a.db.PruneLive(ctx, now.Add(-keepLive)); err != nil {
		return fmt.Errorf("prune the live log: %w", err)
	}
	if err := a.push.dropKeys(ctx, now); err != nil {
		return err
	}
	if may, err := a.mayDelete(ctx); err != nil || !may {
		return err
	}
	if err := a.tidyStatus(ctx, now); err != nil {
		return err
	}
	if err := a.db.PruneTraces(ctx, now.Add(-keepTraces)); err != nil {
		return err //nolint:wrapcheck // says what it was
	}
	if err := a.db.PruneVisitors(ctx); err != nil {
		return err //nolint:wrapcheck // says what it was
	}
	s, err := a.db.Settings(ctx)
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	if err := a.tidyTrail(ctx, now.AddDate(0, 0, -s.AuditDays)); err != nil {
		return err
	}
	before := now.AddDate(0, 0, -s.RetentionDays)
	for ctx.Err() == nil {
		n, err := a.db.Prune(ctx, before, 200)
		if err != nil {
			return fmt.Errorf("prune alerts: %w", err)
		}
		if n == 0 {
			break
		}
	}
	for ctx.Err() == nil {
		if n, err := a.db.PruneObjects(ctx, before, 500); err != nil || n == 0 {
			return err //nolint:wrapcheck // says what it was
		}
	}
	return ctx.Err()
}
