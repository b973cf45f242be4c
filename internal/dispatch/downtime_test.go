package dispatch_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/store"
)

// An engine that says nothing of what recovers in a downtime, nor of its end.
func TestADowntimeThatTheEngineEnds(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		withEngine(t, db)
		r, now := timedRig(t, db)
		got := r.receive(t, event())[0]
		_, err := r.s.ScheduleDowntime(t.Context(), got.AlertID, dispatch.DowntimeRequest{UserID: janeUser, Author: "Jane", Origin: alert.FromConsole, For: time.Hour})
		must(t, err)
		object := alert.ObjectID(sourceID, "web01", "HTTP")
		must(t, r.s.DowntimeGone(t.Context(), object, "too early", true)) // it is not confirmed yet
		must(t, r.s.DowntimeGone(t.Context(), object, "too early", false))
		events := r.timeline(t, alert.Object{Host: "web01", Service: "HTTP"})
		asked := events[len(events)-1]
		if asked.Type != alert.ScheduleDowntime {
			t.Fatalf("%+v", asked)
		}
		r.answer(t, got.AlertID, asked.ID, alert.Confirmed, "silenced")
		must(t, r.s.DowntimeGone(t.Context(), object, "seen before the problem was told", true))
		if a, err := db.Alert(t.Context(), got.AlertID); err != nil || a.Status != alert.Firing {
			t.Fatalf("%+v, %v", a, err)
		}
		now.move(2 * time.Minute)
		for range 2 {
			must(t, r.s.DowntimeGone(t.Context(), object, "it is not listed any more", true))
		}
		a, err := db.Alert(t.Context(), got.AlertID)
		must(t, err)
		if a.Status != alert.Resolved || !a.Object.Downtime || a.Object.State != alert.OK {
			t.Errorf("after the recovery: %+v", a)
		}
		for range 2 {
			must(t, r.s.DowntimeGone(t.Context(), object, "its time is over already", false))
		}
		if list, err := db.Downtimes(t.Context(), sourceID, "", 10); err != nil || len(list) != 0 {
			t.Errorf("after the end: %+v, %v", list, err)
		}
		var outcomes []string
		for _, e := range r.timeline(t, alert.Object{Host: "web01", Service: "HTTP"}) {
			outcomes = append(outcomes, string(e.Outcome))
		}
		if got, want := strings.Join(outcomes, " "), "opened noted downtime_began resolved downtime_over"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		must(t, r.s.DowntimeGone(t.Context(), "no such object", "", false))
	})
}
