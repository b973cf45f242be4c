package dispatch_test

import (
	"errors"
	"strings"
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

func TestAcknowledgeTellsThoseWhoWereTold(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		got := r.receive(t, event(named("jane", "joe")))[0]
		a, err := r.s.Acknowledge(t.Context(), got.AlertID, dispatch.AckRequest{
			UserID: janeUser, Author: "Jane\nDoe", Origin: alert.FromConsole, Sticky: true})
		must(t, err)
		if a.Status != alert.Acknowledged || a.Ack == nil || a.Ack.Author != "Jane Doe" || a.Ack.Comment != "Acknowledged by Jane Doe" ||
			!a.Ack.Sticky || a.Ack.UserID != janeUser || a.Ack.Confirmation != alert.Local {
			t.Errorf("alert %+v, ack %+v", a, a.Ack)
		}
		kinds := map[string]delivery.Delivery{}
		for _, d := range r.deliveries(t, got.AlertID) {
			kinds[string(d.Notice)+" "+d.ContactID] = d
		}
		for _, id := range []string{jane, joe} {
			if d := kinds["problem "+id]; d.State != delivery.Cancelled || !strings.Contains(d.Detail, "acknowledged by Jane Doe before it was sent") {
				t.Errorf("problem for %s: %+v", id, d)
			}
		}
		if d := kinds["acknowledgement "+joe]; d.State != delivery.Waiting || d.Reason != route.ReasonTold {
			t.Errorf("for joe: %+v", d)
		}
		if d := kinds["acknowledgement "+jane]; d.State != delivery.Skipped || d.Reason != route.ReasonOwn {
			t.Errorf("for jane, who did it: %+v", d)
		}
		events := r.timeline(t, alert.Object{Host: "web01", Service: "HTTP"})
		if len(events) != 2 || events[1].Type != alert.Acknowledgement || events[1].Outcome != alert.Acked || events[1].UserID != janeUser {
			t.Errorf("timeline %+v", events)
		}
	})
}

func TestAcknowledgeRefusesWhatCannotBe(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		ack := func(id string) error {
			_, err := r.s.Acknowledge(t.Context(), id, dispatch.AckRequest{Author: "Jane", Comment: "mine", Origin: alert.FromAPI})
			return err
		}
		unack := func(id string) error {
			_, err := r.s.Unacknowledge(t.Context(), id, dispatch.AckRequest{Author: "Jane", Origin: alert.FromAPI})
			return err
		}
		id := r.receive(t, event(call("1")))[0].AlertID
		for _, step := range []struct {
			name string
			err  error
			want error
		}{
			{"unknown", ack("0199c1f0-7a01-7f3e-8a55-2d1f0a9b7c11"), fault.ErrNotFound},
			{"give back what nobody took", unack(id), dispatch.ErrNotAcked},
			{"take", ack(id), nil},
			{"take again", ack(id), dispatch.ErrAckedBefore},
			{"give back", unack(id), nil},
			{"take once more", ack(id), nil},
		} {
			if !errors.Is(step.err, step.want) {
				t.Errorf("%s: %v", step.name, step.err)
			}
		}
		r.receive(t, event(recovered, call("2")))
		if err := ack(id); !errors.Is(err, dispatch.ErrNotOpen) {
			t.Errorf("take what is resolved: %v", err)
		}
		if err := unack(id); !errors.Is(err, dispatch.ErrNotOpen) {
			t.Errorf("give back what is resolved: %v", err)
		}
		if a, err := db.Alert(t.Context(), id); err != nil || a.Status != alert.Resolved || a.Ack == nil {
			t.Errorf("alert %+v, %v", a, err)
		}
		if s := r.s.Stats(); s.Acks != 3 || s.Failures != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestTheEnginesEchoOfAnAcknowledgementConfirmsIt(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		id := r.receive(t, event(named("jane"), call("1")))[0].AlertID
		_, err := r.s.Acknowledge(t.Context(), id, dispatch.AckRequest{Author: "Jane", Comment: "mine", Origin: alert.FromConsole})
		must(t, err)
		echo := event(named("jane"), call("2"), func(e *alert.Event) {
			e.Type, e.Author, e.Comment = alert.Acknowledgement, "Jane", "mine"
		})
		got := r.receive(t, echo)[0]
		if got.Outcome != alert.AckConfirmed || got.Deliveries != 0 {
			t.Errorf("got %+v", got)
		}
		if a, err := db.Alert(t.Context(), id); err != nil || a.Ack.Confirmation != alert.Confirmed {
			t.Errorf("alert %+v, %v", a, err)
		}
	})
}
