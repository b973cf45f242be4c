package delivery_test

import (
	"strings"
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

func TestAnEngineIsToldOnlyWhatStillHolds(t *testing.T) {
	mine := &alert.Ack{EventID: "e1", Author: "jane"}
	firing := &alert.Alert{Status: alert.Firing}
	acked := &alert.Alert{Status: alert.Acknowledged, Ack: mine}
	over := &alert.Alert{Status: alert.Resolved, Ack: mine}
	another := &alert.Alert{Status: alert.Acknowledged, Ack: &alert.Ack{EventID: "e2"}}
	for _, c := range []struct {
		name   string
		asked  alert.Type
		alert  *alert.Alert
		handed bool
		why    string // empty: it is told
	}{
		{"an acknowledgement", alert.Acknowledgement, acked, false, ""},
		{"one of what recovered", alert.Acknowledgement, over, false, "recovered before the engine was told"},
		{"one that was handed over, of what recovered", alert.Acknowledgement, over, true, "recovered before the engine confirmed it"},
		{"one that was taken back", alert.Acknowledgement, firing, false, "the acknowledgement was taken back before the engine was told"},
		{"one that another took the place of", alert.Acknowledgement, another, true, "the acknowledgement was taken back before the engine confirmed it"},
		{"one taken back", alert.Unacknowledged, firing, false, ""},
		{"one taken back of what recovered", alert.Unacknowledged, over, false, ""},
		{"one taken back and made anew", alert.Unacknowledged, another, false, "it was acknowledged again before the engine was told"},
		{"a comment", alert.Comment, over, false, ""},
		{"a downtime", alert.ScheduleDowntime, over, false, ""},
		{"its end", alert.CancelDowntime, firing, false, ""},
		{"what is to be let go of", alert.Recovery, over, false, ""},
		{"what is to be let go of, while nobody has it", alert.Problem, firing, false, ""},
		{"what is to be let go of, of what recovered", alert.Problem, over, false, ""},
		{"what is to be kept again", alert.Problem, another, false, "it was acknowledged again before the engine was told"},
		{"what has no alert", alert.Acknowledgement, nil, false, ""},
	} {
		d := delivery.Claimed{Alert: c.alert, Handed: c.handed}
		d.Channel, d.Notice, d.EventID, d.Event.Type = route.Engine, alert.NoticeEngine, "e1", c.asked
		if got := d.Untrue(); !strings.HasPrefix(got, c.why) || c.why == "" && got != "" {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestAQuietMessageIsAboutWhatTheAlertIs(t *testing.T) {
	for _, c := range []struct {
		name   string
		d      delivery.Delivery
		event  alert.Type
		status alert.Status
		sent   bool
	}{
		{"a post of what somebody has, after its state changed", delivery.Delivery{Channel: route.Mattermost, Notice: alert.NoticeProblem, Quiet: true}, alert.Problem, alert.Acknowledged, true},
		{"a device", delivery.Delivery{Channel: route.Webpush, Notice: alert.NoticeProblem, Quiet: true}, alert.Problem, alert.Acknowledged, false},
		{"a post that is told aloud", delivery.Delivery{Channel: route.Mattermost, Notice: alert.NoticeProblem}, alert.Problem, alert.Acknowledged, false},
		{"an engine's no", delivery.Delivery{Channel: route.Mattermost, Notice: alert.NoticeAck}, alert.EngineReply, alert.Acknowledged, true},
		{"an engine's no to what was taken back", delivery.Delivery{Channel: route.Mattermost, Notice: alert.NoticeAck}, alert.EngineReply, alert.Firing, false},
	} {
		d := delivery.Claimed{Delivery: c.d, Alert: &alert.Alert{Status: c.status, Ack: &alert.Ack{}}}
		d.Event.Type = c.event
		if got := d.Untrue(); (got == "") != c.sent {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
