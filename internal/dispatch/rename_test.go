package dispatch_test

import (
	"errors"
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

func TestPostsFollowNamesThatAreLearnedLater(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withRooms(t, db)
		r := newRig(t, db)
		r.device(t, joeUser, "phone")
		seen := 0
		id := r.receive(t, event(named("joe"), call("1")))[0].AlertID
		object := alert.ObjectID(sourceID, "web01", "HTTP")
		rename := func(host, service string) { t.Helper(); must(t, r.s.Rename(t.Context(), object, host, service)) }
		r.chatted(t, id, &seen)
		rename("Web", "")
		same(t, "nothing was posted yet", r.chatted(t, id, &seen))
		r.send(t)
		before, events := len(r.deliveries(t, id)), len(r.timeline(t, alert.Object{Host: "web01", Service: "HTTP"}))
		rename("Web server", "Shop")
		same(t, "another name", r.chatted(t, id, &seen), "problem Hall waiting quiet", "problem Ops waiting quiet", "problem direct waiting quiet")
		for _, d := range r.deliveries(t, id)[before:] {
			if d.Channel != route.Mattermost || d.Reason != route.ReasonReplace || d.State != delivery.Waiting || d.Due.After(d.Created) {
				t.Errorf("%+v", d)
			}
		}
		if a, err := db.Alert(t.Context(), id); err != nil || a.Object.Name() != "Shop on Web server" {
			t.Errorf("%+v, %v", a.Object, err)
		}
		rename("Web server", "Shop")
		rename("", "")
		same(t, "the same names", r.chatted(t, id, &seen))
		if n := len(r.timeline(t, alert.Object{Host: "web01", Service: "HTTP"})); n != events {
			t.Errorf("%d events, there were %d", n, events)
		}
		r.send(t)

		r.take(t, id)
		r.send(t)
		seen = 0
		r.chatted(t, id, &seen)
		rename("Web server 2", "")
		same(t, "of one that somebody has", r.chatted(t, id, &seen),
			"acknowledgement Hall waiting quiet", "acknowledgement Ops waiting quiet", "acknowledgement direct waiting quiet")
		r.send(t)
		r.receive(t, event(recovered, call("2")))
		seen = 0
		r.chatted(t, id, &seen)
		rename("Web server 3", "")
		same(t, "of one that is over", r.chatted(t, id, &seen))
		if err := r.s.Rename(t.Context(), "nothing", "x", "y"); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("error is %v", err)
		}
	})
}
