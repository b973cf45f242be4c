package publish_test

import (
	"context"
	"testing"

	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/status"
)

func TestWhatNamesNoPageIsOfNone(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		for name, do := range map[string]func(ctx context.Context) error{
			"an order": func(ctx context.Context) error { return r.desk.Reorder(ctx, mira, "", nil, nil) },
			"a group": func(ctx context.Context) error {
				_, err := r.desk.SaveGroup(ctx, mira, status.Group{Name: "Shop"})
				return err
			},
			"a component": func(ctx context.Context) error {
				_, err := r.desk.SaveComponent(ctx, mira, status.Component{Name: "Web"})
				return err
			},
			"a template": func(ctx context.Context) error {
				_, err := r.desk.SaveTemplate(ctx, mira, publish.Template{Name: "x", Title: "x", Body: "x"})
				return err
			},
			"a logo":     func(ctx context.Context) error { return r.desk.SetLogo(ctx, mira, "", nil) },
			"a deletion": func(ctx context.Context) error { return r.desk.DeletePage(ctx, mira, "") },
		} {
			if err := do(t.Context()); err == nil {
				t.Errorf("%s of no page is taken", name)
			} else {
				wants(t, err, fault.ErrNotFound)
			}
		}
	})
}
