package app

import (
	"context"
	"time"

	"tocsin/internal/channel/webhook"
	"tocsin/internal/hook"
	"tocsin/internal/store"
	"tocsin/internal/web"
)

// hooks is telling webhooks of alerts put together. Its connections are not those
// for visitors: other networks are open to it.
type hooks struct {
	list    kept[[]hook.Hook]
	channel *webhook.Channel
	db      *store.DB
}

func newHooks(a *App) *hooks {
	h := &hooks{db: a.db, list: kept[[]hook.Hook]{version: a.db.ConfigVersion, read: a.db.Hooks}}
	h.channel = webhook.NewChannel(webhook.ChannelOptions{
		Store: h, BaseURL: a.cfg.BaseURL, Proxy: a.push.proxy, Agent: "Tocsin/" + Version, Log: a.log,
		Source: func(ctx context.Context, id string) string { return a.links.source(ctx, id).Name },
	})
	return h
}

// Hooks are all webhooks, as they were when a setting was last changed.
func (h *hooks) Hooks(ctx context.Context) ([]hook.Hook, error) { return h.list.get(ctx) }

// NoteHook keeps how posting to one went.
func (h *hooks) NoteHook(ctx context.Context, id, problem string, at time.Time) error {
	return h.db.NoteHook(ctx, id, problem, at) //nolint:wrapcheck // says which webhook
}

// test posts a test message to a webhook.
func (h *hooks) test(ctx context.Context, w hook.Hook) (web.HookTest, error) {
	short, cancel := context.WithTimeout(ctx, testWithin)
	defer cancel()
	detail, err := h.channel.Test(short, w)
	if err != nil {
		return web.HookTest{Detail: sentence(err.Error())}, nil // what stands in the way is the answer
	}
	return web.HookTest{OK: true, Detail: sentence(detail)}, nil
}

// figures are for Prometheus.
func (h *hooks) figures(count func(name, help string, v float64, kv ...string)) {
	for result, n := range h.channel.Stats() {
		count("tocsin_webhook_posts_total", "Messages posted to webhooks that are told of alerts, by what became of the attempt.", float64(n), "result", result)
	}
}

func (h *hooks) close() { h.channel.Close() }
