package channel_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/channeltest"
)

func TestAReminderSaysThatItIsOne(t *testing.T) {
	m := channeltest.Message("d")
	m.Snoozed = true
	text := channel.Present(&m)
	if text.Title != "REMINDER: HTTP on web01 is still Critical!" || text.Closes != "critical" || text.Tag != "alert-a1" || text.AlertID != "a1" {
		t.Errorf("%+v", text)
	}
	m.Alert.Status, m.Alert.Resolved, m.Notice = alert.Resolved, m.Event.Time.Add(time.Minute), alert.NoticeRecovery
	if text := channel.Present(&m); !strings.HasPrefix(text.Title, "RECOVERY:") || text.Closes != "recovery" {
		t.Errorf("%+v", text)
	}
}

func TestCut(t *testing.T) {
	family := "👨‍👩‍👧‍👦"
	for _, c := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 5, ""}, {" short ", 5, "short"}, {"exact", 5, "exact"}, {"longer", 5, "long…"}, {"a b c d", 5, "a b…"},
		{"e\u0301e\u0301e\u0301", 5, "e\u0301e\u0301…"}, {family + family, 8, family + "…"}, {family, 3, "…"}, {"🇩🇪🇫🇷", 3, "🇩🇪…"},
	} {
		if got := channel.Cut(c.text, c.limit); got != c.want {
			t.Errorf("Cut(%q, %d) is %q, want %q", c.text, c.limit, got, c.want)
		}
	}
}

func TestAnAcceptedMessageIsASuccessWithADetail(t *testing.T) {
	e := channel.As(channel.Accepted("accepted by fcm.googleapis.com"))
	if !e.Accepted || e.Permanent || e.Handed || e.Error() != "accepted by fcm.googleapis.com" {
		t.Errorf("%+v", e)
	}
}

func TestAnAcknowledgementSaysWhetherTheEngineKnows(t *testing.T) {
	acked := func(c alert.Confirmation, words string, origin alert.Origin) channel.Message {
		m := channeltest.Message("d")
		m.Notice, m.Event.Type, m.Event.Author, m.Event.Comment = alert.NoticeAck, alert.Acknowledgement, "Jane", "on it"
		m.Alert.Status = alert.Acknowledged
		m.Alert.Ack = &alert.Ack{Author: "Jane", Comment: "on it", Origin: origin, Confirmation: c, Words: words}
		return m
	}
	answer := acked(alert.Refused, "no such service", alert.FromMattermost)
	answer.Event.Type, answer.Event.Author, answer.Event.Comment = alert.EngineReply, "", "no such service"
	back := acked(alert.Pending, "", alert.FromConsole)
	back.Event.Type = alert.Unacknowledged
	long := acked(alert.Refused, strings.Repeat("x", 500), alert.FromAPI)
	long.Event.Comment = strings.Repeat("y", 500)
	for _, c := range []struct {
		name, want string
		m          channel.Message
	}{
		{"pending", "Jane: on it\nwaiting for the engine to confirm", acked(alert.Pending, "", alert.FromConsole)},
		{"confirmed", "Jane: on it\nconfirmed by the engine", acked(alert.Confirmed, "", alert.FromNotification)},
		{"refused", "Jane: on it\nrefused by the engine: no such service", acked(alert.Refused, "no such service", alert.FromAPI)},
		{"unconfirmed", "Jane: on it\nnot confirmed by the engine: it does not show it", acked(alert.Unconfirmed, "it does not show it", alert.FromConsole)},
		{"a source that takes nothing", "Jane: on it", acked(alert.Local, "", alert.FromConsole)},
		{"made in the engine", "Jane: on it", acked(alert.Confirmed, "", alert.FromEngine)},
		{"the engine's answer", "Jane: on it\nrefused by the engine: no such service", answer},
		{"taken back", "Jane: on it", back},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := channel.Present(&c.m).Body; got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	if got := []rune(channel.Present(&long).Body); len(got) > 300 {
		t.Errorf("%d characters", len(got))
	}
}
