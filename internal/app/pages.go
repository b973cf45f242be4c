package app

import (
	"context"

	"tocsin/internal/push"
	"tocsin/internal/web/console"
)

// forConsole is what the pages get of Web Push.
func (p *webPush) forConsole() console.Push {
	return console.Push{
		KeysChanged: p.keys.forget, Reach: p.reach,
		Test: func(ctx context.Context, s push.Subscription) (console.PushTest, error) {
			got, err := p.test(ctx, s)
			return console.PushTest(got), err
		},
		Services: func(ctx context.Context) ([]console.PushService, error) {
			all, err := p.services(ctx)
			if err != nil {
				return nil, err
			}
			out := make([]console.PushService, 0, len(all))
			for _, s := range all {
				out = append(out, console.PushService(s))
			}
			return out, nil
		},
	}
}
