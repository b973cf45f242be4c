package mattermost_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/mattermost"
)

var update = flag.Bool("update", false, "write the goldens anew")

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func firing() mattermost.View {
	o := alert.Object{ID: "o", SourceID: "s", Host: "web_01", HostDisplay: "Web *1*", Service: "HTTP", State: alert.Critical, Labels: map[string]string{"attempt": "3/3"}}
	return mattermost.View{
		Object: o, Buttons: true, Dialog: true, Emoji: true, Now: at.Add(time.Minute), Engine: "Nagios north",
		Alert: alert.Alert{
			ID: "019528a0-0000-7000-8000-0123456789ab", Object: o, Status: alert.Firing, State: alert.Critical, Worst: alert.Critical, Since: at, Updated: at,
			Output: "connection refused by @channel, see http://x/a_b", Long: "| a | b |\n- c",
		},
	}
}

func acked(k alert.Ack) mattermost.View {
	v := firing()
	k.At = at.Add(time.Minute)
	v.Alert.Status, v.Alert.Ack = alert.Acknowledged, &k
	return v
}

func views() map[string]mattermost.View {
	snoozed := firing()
	snoozed.Alert.Snoozed = at.Add(30 * time.Minute)
	oneWay := firing()
	oneWay.Buttons, oneWay.Emoji = false, false
	noDialog := firing()
	noDialog.Dialog = false
	resolved := acked(alert.Ack{Author: "Jane", Comment: "on it", Origin: alert.FromMattermost, Confirmation: alert.Confirmed})
	resolved.Alert.Status, resolved.Alert.State, resolved.Alert.Resolved, resolved.Alert.Output = alert.Resolved, alert.OK, at.Add(12*time.Minute), "HTTP OK"
	abroad := acked(alert.Ack{Author: "Jane", Until: at.Add(time.Hour), Origin: alert.FromConsole, Confirmation: alert.Local})
	abroad.Zone = time.FixedZone("CET", 3600)
	host := firing()
	host.Object.Service, host.Alert.Object.Service, host.Alert.State, host.Alert.Worst = "", "", alert.Down, alert.Down
	return map[string]mattermost.View{
		"firing": firing(), "firing_snoozed": snoozed, "firing_one_way": oneWay, "firing_no_dialog": noDialog, "resolved": resolved, "host_down": host,
		"acked_pending":     acked(alert.Ack{Author: "Jane", Comment: "on it\n- @all", Until: at.Add(time.Hour), Origin: alert.FromMattermost, Confirmation: alert.Pending}),
		"acked_confirmed":   acked(alert.Ack{Author: "Jane", Origin: alert.FromConsole, Confirmation: alert.Confirmed}),
		"acked_refused":     acked(alert.Ack{Author: "Jane", Origin: alert.FromConsole, Confirmation: alert.Refused, Words: "409 `already` acknowledged"}),
		"acked_unconfirmed": acked(alert.Ack{Author: "@jane (Mattermost)", Origin: alert.FromMattermost, Confirmation: alert.Unconfirmed, Words: "handed over, but it does not show it"}),
		"acked_unsaid":      acked(alert.Ack{Author: "Jane", Comment: "Acknowledged by Jane", Origin: alert.FromMattermost, Confirmation: alert.Local}),
		"acked_abroad":      abroad,
		"acked_local":       acked(alert.Ack{Author: "Jane", Origin: alert.FromConsole, Confirmation: alert.Local}),
		"acked_in_engine":   acked(alert.Ack{Origin: alert.FromEngine, Confirmation: alert.Confirmed}),
	}
}

func TestRendering(t *testing.T) {
	for name, v := range views() {
		t.Run(name, func(t *testing.T) {
			got, _, _ := v.Render()
			file := filepath.Join("testdata", "render", name+".json")
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(bytes.TrimSpace(want), got) {
				t.Errorf("not as in %s:\n%s", file, got)
			}
		})
	}
}

func TestThreadReplies(t *testing.T) {
	e := func(typ alert.Type, out alert.Outcome) alert.Event {
		return alert.Event{Type: typ, Outcome: out, Author: "Jane", Comment: "on *it*"}
	}
	resolved := views()["resolved"]
	for _, c := range []struct {
		name string
		v    mattermost.View
		m    channel.Message
		want string
	}{
		{"it became worse", firing(), channel.Message{Notice: alert.NoticeProblem, Event: e(alert.Problem, alert.Changed)},
			"🔴 **Now Critical**: connection refused by @\u200bchannel, see http:\u200b//x/a\\_b"},
		{"it fires again", firing(), channel.Message{Notice: alert.NoticeProblem, Event: e(alert.Problem, alert.Reopened)},
			"🔴 **Now Critical**, so the acknowledgement ended: connection refused by @\u200bchannel, see http:\u200b//x/a\\_b"},
		{"a snooze is over", firing(), channel.Message{Notice: alert.NoticeProblem, Snoozed: true, Event: e(alert.Problem, alert.Opened)},
			"⏰ **Reminder**: still Critical: connection refused by @\u200bchannel, see http:\u200b//x/a\\_b"},
		{"acknowledged", views()["acked_confirmed"], channel.Message{Notice: alert.NoticeAck, Event: e(alert.Acknowledgement, alert.Acked)}, "🔵 **Acknowledged** by Jane: on \\*it\\*"},
		{"acknowledged without a word", views()["acked_unsaid"], channel.Message{Notice: alert.NoticeAck, Event: alert.Event{Type: alert.Acknowledgement, Author: "Jane", Comment: "Acknowledged by Jane"}},
			"🔵 **Acknowledged** by Jane"},
		{"given back", firing(), channel.Message{Notice: alert.NoticeAck, Event: e(alert.Unacknowledged, alert.Unacked)}, "↩️ **Acknowledgement removed** by Jane: on \\*it\\*"},
		{"its time ran out", firing(), channel.Message{Notice: alert.NoticeProblem, Event: alert.Event{Type: alert.Unacknowledged, Comment: "its time ran out"}},
			"🔴 **Not acknowledged any more**: its time ran out, still Critical"},
		{"recovered", resolved, channel.Message{Notice: alert.NoticeRecovery, Event: e(alert.Recovery, alert.Closed)}, "🟢 **Recovered**: OK after 12 min: HTTP OK"},
		{"the engine refused", views()["acked_refused"], channel.Message{Quiet: true, Notice: alert.NoticeAck, Event: e(alert.EngineReply, alert.AckAnswered)},
			"⚠️ Acknowledged by Jane, but refused by Nagios north: 409 \\`already\\` acknowledged"},
		{"the engine confirmed", views()["acked_confirmed"], channel.Message{Quiet: true, Notice: alert.NoticeAck, Event: e(alert.EngineReply, alert.AckAnswered)}, ""},
		{"only the post changes", firing(), channel.Message{Quiet: true, Notice: alert.NoticeAck, Event: e(alert.Acknowledgement, alert.Acked)}, ""},
		{"a custom notification", firing(), channel.Message{Notice: alert.NoticeCustom, Event: e(alert.Custom, alert.Noted)}, "🔵 **Custom notification** by Jane: on \\*it\\*"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.v.Reply(c.m); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestWhateverAnEngineSendsThePostFits(t *testing.T) {
	// Mattermost before 6.0 takes props of 8,000 characters, of which it needs 400,
	// and every one a text of 16,383.
	for _, piece := range []string{"x", "@channel ", "<", "\\", "*", "\n- ", "ü", "🔥", "&#64;", "👨‍👩‍👧‍👦", "\n\n", "\u202e", "|\n"} {
		long := strings.Repeat(piece, 16384)
		v := acked(alert.Ack{Author: long, Comment: long, Words: long, Origin: alert.FromConsole, Confirmation: alert.Refused})
		v.Object.HostDisplay, v.Object.ServiceDisplay, v.Alert.Output, v.Alert.Long = long, long, long, long
		for _, v := range []mattermost.View{v, {Alert: alert.Alert{ID: "a", Status: alert.Firing, Output: long}, Buttons: true, Dialog: true}} {
			_, size, texts := v.Render()
			if size > 7000 {
				t.Errorf("%q: %d characters", piece, size)
			}
			for _, text := range texts {
				if rest := escapedChar.ReplaceAllString(text, ""); strings.Contains(rest, `\`) || means["a mention"].MatchString(rest) {
					t.Errorf("%q was cut within an escape: %q", piece, text[max(0, len(text)-40):])
				}
			}
		}
	}
	v := firing()
	v.Alert.Output, v.Alert.Long = strings.Repeat("word ", 16384/5), ""
	if _, _, texts := v.Render(); len(texts[0]) < 4000 || !strings.HasSuffix(texts[0], "…") {
		t.Errorf("of a long output %d characters were left, ending in %q", len(texts[0]), texts[0][len(texts[0])-10:])
	}
}
