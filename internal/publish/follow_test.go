package publish_test

import (
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/fault"
	"tocsin/internal/status"
)

func TestAComponentIsGivenBackToItsAlerts(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		web := r.component("Web", status.Binding{Hosts: []string{"web*"}})
		r.alert("web01", "HTTP", alert.Critical)
		r.watch()
		same(t, "state", r.state(web.ID).State, status.Major)
		_, err := r.desk.SetComponent(ctx, mira, web.ID, status.Operational, true)
		must(t, err)
		r.watch()
		if c := r.state(web.ID); c.State != status.Operational || !c.ByHand {
			t.Fatalf("a person's word did not hold: %+v", c)
		}
		version := r.version()
		_, err = r.desk.FollowAlerts(ctx, mira, web.ID, true)
		must(t, err)
		if c := r.state(web.ID); c.State != status.Major || c.ByHand {
			t.Fatalf("it does not follow: %+v", c)
		}
		if r.version() <= version {
			t.Error("visitors are shown the old state")
		}
		containsAll(t, "lines", r.lines(), "component.follow")
		r.alert("web01", "HTTP", alert.OK)
		r.watch()
		same(t, "state", r.state(web.ID).State, status.Operational)

		bare := r.component("Bare")
		_, err = r.desk.FollowAlerts(ctx, mira, bare.ID, true)
		refused(t, err, "bindings")
		_, err = r.desk.FollowAlerts(ctx, mira, "none", true)
		wants(t, err, fault.ErrNotFound)
	})
}
