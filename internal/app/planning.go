package app

import (
	"context"
	"time"

	"tocsin/internal/health"
	"tocsin/internal/simulate"
	"tocsin/internal/web"
)

// planning is what people plan ahead put together: windows with their status pages,
// and trying it before the night.
type planning struct {
	a         *App
	windows   *web.WindowDesk
	simulator *simulate.Simulator
}

func newPlanning(a *App) *planning {
	return &planning{
		a:         a,
		windows:   &web.WindowDesk{Store: a.db, Desk: a.public.desk, Status: a.db, Alone: a.db.Alone, Log: a.log},
		simulator: simulate.New(a.db, simulate.Options{Within: simulateWithin, Log: a.log}),
	}
}

const (
	simulateWithin = time.Minute
	mendEvery      = time.Minute
)

// run brings windows and status pages into step again that a crash left apart.
func (p *planning) run(ctx context.Context) error {
	tick := time.NewTicker(mendEvery)
	defer tick.Stop()
	for {
		if err := p.windows.Mend(ctx); err != nil && ctx.Err() == nil {
			p.a.log.Warn("a window and its status page are not in step", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// facts are what System health says of schedules, policies and webhooks.
func (p *planning) facts(ctx context.Context, f *health.Facts) {
	all, err := web.OnCallAt(ctx, p.a.db, f.Now)
	if err != nil {
		return // without the database, its part says so
	}
	rules, err := p.a.db.Rules(ctx)
	if err != nil {
		return
	}
	groups, err := p.a.db.Groups(ctx)
	if err != nil {
		return
	}
	policies, err := p.a.db.Policies(ctx)
	if err != nil {
		return
	}
	contacts, err := p.a.db.Contacts(ctx)
	if err != nil {
		return
	}
	reach := web.ReachOf(contacts, groups, all)
	used := web.UsedSchedules(rules, groups, policies)
	out := &health.Planning{}
	for _, o := range all {
		out.Schedules = append(out.Schedules, health.Rota{Name: o.Schedule, Used: used[o.ScheduleID], Nobody: o.Now.Nobody(), OnPurpose: o.Now.OverrideID != "", Until: o.Until, Problem: o.Problem})
	}
	named := map[string]bool{}
	for _, r := range rules {
		named[r.PolicyID] = r.Enabled || named[r.PolicyID]
	}
	for i := range policies {
		steps := reach.Nobody(&policies[i])
		out.Policies = append(out.Policies, health.Policy{Name: policies[i].Name, Used: named[policies[i].ID], Steps: len(policies[i].Steps), Nobody: steps})
	}
	f.Planning = out
	if hooks, err := p.a.hooks.Hooks(ctx); err == nil {
		p.hookFacts(ctx, f, len(hooks) > 0)
	}
}

func (p *planning) hookFacts(ctx context.Context, f *health.Facts, some bool) {
	if !some {
		return
	}
	hooks, err := p.a.db.Hooks(ctx) // the list at hand knows not how posting went
	if err != nil {
		return
	}
	for _, h := range hooks {
		if !h.Disabled {
			f.Hooks = append(f.Hooks, health.Hook{Name: h.Name, LastSent: h.LastSent, Problem: h.LastError, ProblemAt: h.LastErrorAt})
		}
	}
}
