package delivery_test

import (
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
)

func TestAReminderAfterASnoozeSaysThatItIsOne(t *testing.T) {
	c := delivery.Claimed{Object: alert.Object{ID: "o", Host: "web01", Service: "Disk"}, Alert: &alert.Alert{ID: "a", Status: alert.Firing, State: alert.Critical}}
	c.Notice, c.Event.State = alert.NoticeProblem, alert.Critical
	for reason, want := range map[route.Reason]string{
		route.ReasonSnoozeOver: "REMINDER: Disk on web01 is still Critical!",
		route.ReasonRule:       "PROBLEM: Disk on web01 is Critical!",
	} {
		c.Reason = reason
		m := c.Message("", "")
		if got := channel.Present(&m).Title; got != want {
			t.Errorf("%s: %q, not %q", reason, got, want)
		}
	}
}
