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
