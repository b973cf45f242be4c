package publish

import (
	"context"
	"fmt"

	"tocsin/internal/fault"
	"tocsin/internal/status"
)

// FollowAlerts takes a person's hand off a component: it is what its alerts say at
// once, and follows them from now on. Where it is bound to none it refuses.
func (d *Desk) FollowAlerts(ctx context.Context, who Who, id string, silent bool) (Told, error) {
	told, err := d.at(ctx, OfComponent, id, who, silent, func(j *job) error {
		bound, err := j.tx.Bound(ctx)
		if err != nil {
			return err
		}
		c, err := j.component("id", id)
		if err != nil {
			return fmt.Errorf("component %q: %w", id, fault.ErrNotFound)
		}
		if len(c.Bindings) == 0 {
			return refuse("bindings", "are none", "bind it to hosts, services or labels first, or set its state")
		}
		for i := range bound {
			if bound[i].Component.ID != id {
				continue
			}
			before := *c
			if err := j.apply([]status.Change{{ComponentID: id, To: bound[i].Watch.State}}, j.now, j.who.Name, false); err != nil {
				return err
			}
			return j.audit("component.follow", id, c.Name, &before, c)
		}
		return fmt.Errorf("component %q: %w", id, fault.ErrNotFound)
	})
	d.WakeAlerts()
	return told, err
}
