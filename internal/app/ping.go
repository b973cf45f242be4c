package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tocsin/internal/config"
	"tocsin/internal/health"
	"tocsin/internal/ping"
)

// pinger is telling an address outside that all is well.
type pinger struct {
	*ping.Pinger
	a     *App
	where kept[place]

	mu   sync.Mutex
	last place // as it was known last: without the database it is told that this is not well
}

// place is where to ping, and how often.
type place struct {
	address string
	every   time.Duration
	given   bool // by the environment
}

func newPinger(a *App) *pinger {
	p := &pinger{a: a, last: place{address: a.cfg.Observe.PingURL, every: time.Duration(config.Defaults().PingEvery) * time.Second, given: true}}
	p.where = kept[place]{version: a.db.ConfigVersion, read: p.read}
	p.Pinger = ping.New(ping.Options{
		Where: func(ctx context.Context) (string, time.Duration, error) {
			at := p.at(ctx)
			return at.address, at.every, nil
		},
		Health: a.Health, Private: a.cfg.Observe.PingPrivate, Proxy: a.push.proxy, Agent: "Tocsin/" + Version, Log: a.log,
		Turn: func(ctx context.Context, lease time.Duration) (bool, error) {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			return a.db.Turn(ctx, "ping", a.cfg.Node, lease)
		},
	})
	return p
}

// at answers where to ping, as it is set now or, while that cannot be read, as it was.
func (p *pinger) at(ctx context.Context) place {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	now, err := p.where.get(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.last = now
	}
	return p.last
}

func (p *pinger) read(ctx context.Context) (place, error) {
	s, err := p.a.db.Settings(ctx)
	if err != nil {
		return place{}, fmt.Errorf("where to ping: %w", err)
	}
	at := place{every: time.Duration(s.PingEvery) * time.Second}
	if at.address, err = p.a.db.PingURL(ctx); err != nil {
		return place{}, fmt.Errorf("where to ping: %w", err)
	}
	if at.address == "" {
		at.address, at.given = p.a.cfg.Observe.PingURL, true
	}
	return at, nil
}

func (p *pinger) facts(ctx context.Context) health.Ping {
	s, at := p.State(), p.at(ctx)
	if at.address == "" {
		return health.Ping{}
	}
	return health.Ping{
		Host: ping.Host(at.address), Other: s.Other, Every: at.every, Last: s.Last, Status: s.Status, Well: s.Well, LastOK: s.LastOK,
		Failing: s.Failing, Problem: s.Problem, Told: s.Taken, FromFile: at.given,
	}
}
