package browser_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/browser"
	"tocsin/internal/channel/channeltest"
	"tocsin/internal/config"
	"tocsin/internal/live"
)

// tabs is a live log that keeps what it gets, and who reads it.
type tabs struct {
	mu     sync.Mutex
	frames []live.Frame
	calls  int
	broken error
}

func (l *tabs) AppendLive(ctx context.Context, frames []live.Frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := errors.Join(ctx.Err(), l.broken); err != nil {
		return err
	}
	l.calls++
	l.frames = append(l.frames, frames...)
	return nil
}

func (l *tabs) ReachableUsers() []string { return []string{"u1"} }

func (l *tabs) notifications(t *testing.T) []browser.Notification {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []browser.Notification
	for _, f := range l.frames {
		var n browser.Notification
		if err := json.Unmarshal([]byte(f.Body), &n); err != nil {
			t.Fatal(err)
		}
		if f.Kind != browser.FrameKind || f.UserID == "" || strings.Contains(f.Body, "\n") {
			t.Errorf("frame %+v", f)
		}
		out = append(out, n)
	}
	return out
}

func settings(context.Context) (config.Settings, error) { return config.Defaults(), nil }

func TestChannel(t *testing.T) {
	channeltest.Run(t, func(t *testing.T) channeltest.Subject {
		l := &tabs{}
		return channeltest.Subject{
			Channel: browser.New(l, l, settings),
			Break: func(err error) {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.broken = err
			},
			Arrived: func() []string {
				var ids []string
				for _, n := range l.notifications(t) {
					ids = append(ids, n.DeliveryID)
				}
				return ids
			},
		}
	})
}

func TestABatchIsOneWriteAndWaitsForReceipts(t *testing.T) {
	l := &tabs{}
	c := browser.New(l, l, settings)
	nobody := channeltest.Message("d2")
	nobody.UserID = ""
	errs := c.SendAll(t.Context(), []channel.Message{channeltest.Message("d1"), nobody, channeltest.Message("d3")})
	for i, wantPermanent := range []bool{false, true, false} {
		e := channel.As(errs[i])
		if e.Permanent != wantPermanent || e.Handed == wantPermanent || e.Handed && e.After != 20*time.Second {
			t.Errorf("message %d: %+v", i, e)
		}
	}
	if l.calls != 1 || len(l.frames) != 2 {
		t.Errorf("%d writes of %d frames", l.calls, len(l.frames))
	}
}

func TestUnreadableSettingsAreAFaultThatPasses(t *testing.T) {
	l := &tabs{}
	c := browser.New(l, l, func(context.Context) (config.Settings, error) { return config.Settings{}, errors.New("away") })
	for _, err := range c.SendAll(t.Context(), []channel.Message{channeltest.Message("d1")}) {
		if e := channel.As(err); e.Permanent || e.Handed || len(l.frames) != 0 {
			t.Errorf("got %+v", e)
		}
	}
}

func TestWhatANotificationSays(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	svc := alert.Object{ID: "o", Host: "web01", Service: "HTTP", HostDisplay: "Web 1", ServiceDisplay: "Shop"}
	host := alert.Object{ID: "h", Host: "web01"}
	resolved := func(worst alert.State, d time.Duration) *alert.Alert {
		return &alert.Alert{ID: "a", Status: alert.Resolved, Worst: worst, Since: at.Add(-d), Resolved: at}
	}
	for _, c := range []struct {
		name                      string
		m                         channel.Message
		title, body, icon, colour string
		closes                    int
	}{
		{"a service's problem", channel.Message{Notice: alert.NoticeProblem, Object: svc, Event: alert.Event{State: alert.Warning, Output: "slow"}},
			"PROBLEM: Shop on Web 1 is Warning!", "slow", "service-warning", "#f0ad4e", 20},
		{"a host's problem", channel.Message{Notice: alert.NoticeProblem, Object: host, Event: alert.Event{State: alert.Down, Output: "no ping"}},
			"PROBLEM: web01 is Down!", "no ping", "host-down", "#d9534f", 0},
		{"a problem that became worse", channel.Message{Notice: alert.NoticeProblem, Object: svc, Event: alert.Event{State: alert.Warning, Output: "slow"},
			Alert: &alert.Alert{ID: "a", Status: alert.Firing, State: alert.Critical, Output: "dead"}},
			"PROBLEM: Shop on Web 1 is Critical!", "dead", "service-critical", "#d9534f", 0},
		{"a recovery", channel.Message{Notice: alert.NoticeRecovery, Object: svc, Event: alert.Event{State: alert.OK, Output: "fine\n"}, Alert: resolved(alert.Critical, 12*time.Minute)},
			"RECOVERY: Shop on Web 1 is OK!", "fine\nwas Critical for 12 min", "service-ok", "#5cb85c", 10},
		{"a recovery after hours", channel.Message{Notice: alert.NoticeRecovery, Object: host, Event: alert.Event{State: alert.Up}, Alert: resolved(alert.Down, 3*time.Hour+5*time.Minute)},
			"RECOVERY: web01 is Up!", "was Down for 3 h 5 min", "host-up", "#5cb85c", 10},
		{"a recovery after days", channel.Message{Notice: alert.NoticeRecovery, Object: host, Event: alert.Event{State: alert.Up}, Alert: resolved(alert.Unreachable, 49*time.Hour)},
			"RECOVERY: web01 is Up!", "was Unreachable for 2 d 1 h", "host-up", "#5cb85c", 10},
		{"a recovery after seconds", channel.Message{Notice: alert.NoticeRecovery, Object: host, Event: alert.Event{State: alert.Up}, Alert: resolved(alert.Down, 9*time.Second)},
			"RECOVERY: web01 is Up!", "was Down for 9 s", "host-up", "#5cb85c", 10},
		{"an acknowledgement", channel.Message{Notice: alert.NoticeAck, Object: svc, Event: alert.Event{State: alert.Critical, Author: "jane", Comment: "mine"}},
			"Acknowledgement for Web 1/Shop (Critical)", "jane: mine", "acknowledgement", "#1895f5", 10},
		{"a host's acknowledgement", channel.Message{Notice: alert.NoticeAck, Object: host, Event: alert.Event{State: alert.Down, Comment: "mine"}},
			"Acknowledgement for web01 (Down)", "mine", "acknowledgement", "#1895f5", 10},
		{"a downtime", channel.Message{Notice: alert.NoticeDowntime, Object: svc, Event: alert.Event{Type: alert.DowntimeStart, State: alert.OK, Author: "jane", Comment: "disk"}},
			"Downtime started for Shop on Web 1", "jane: disk", "downtime", "#1895f5", 10},
		{"flapping", channel.Message{Notice: alert.NoticeFlapping, Object: svc, Event: alert.Event{Type: alert.FlappingStart, State: alert.OK, Output: "up and down"}},
			"Flapping started for Shop on Web 1", "up and down", "flapping", "#1895f5", 15},
		{"custom", channel.Message{Notice: alert.NoticeCustom, Object: svc, Event: alert.Event{Type: alert.Custom, State: alert.OK, Author: "jane", Comment: "look"}},
			"Custom notification for Web 1/Shop (OK)", "jane: look", "custom", "#1895f5", 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.m.Event.Time = at
			n := browser.Frame(&c.m, config.Defaults())
			got := []any{n.Title, n.Body, n.Icon, n.Colour, n.AutoClose}
			want := []any{c.title, c.body, "/static/icons/" + c.icon + ".png", c.colour, c.closes}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			wantTag := "alert-" + c.m.Object.ID
			if c.m.Alert != nil {
				wantTag = "alert-a"
			}
			if n.Tag != wantTag || n.Test || !n.At.Equal(at) {
				t.Errorf("%+v", n)
			}
		})
	}
}

func TestALongTextIsCutBetweenCharacters(t *testing.T) {
	family := "👨‍👩‍👧‍👦" // seven characters that are seen as one
	m := channeltest.Message("d")
	m.Alert = nil
	m.Event.Output = strings.Repeat(family, 60)
	n := browser.Frame(&m, config.Defaults())
	if !strings.HasSuffix(n.Body, family+"…") || utf8.RuneCountInString(n.Body) > 300 || utf8.RuneCountInString(n.Body) < 290 {
		t.Errorf("%d characters: %q", utf8.RuneCountInString(n.Body), n.Body)
	}
	m.Event.Output = strings.Repeat("ü", 300)
	if n := browser.Frame(&m, config.Defaults()); n.Body != m.Event.Output {
		t.Errorf("what fits was cut: %q", n.Body)
	}
	m.Notice = alert.NoticeRecovery
	m.Event.Output = strings.Repeat("x", 500)
	m.Alert = &alert.Alert{ID: "a", Status: alert.Resolved, Worst: alert.Critical, Since: m.Event.Time, Resolved: m.Event.Time.Add(time.Minute)}
	if n := browser.Frame(&m, config.Defaults()); !strings.HasSuffix(n.Body, "…\nwas Critical for 1 min") || utf8.RuneCountInString(n.Body) != 300 {
		t.Errorf("%d characters: %q", utf8.RuneCountInString(n.Body), n.Body)
	}
}

func TestTheTestNotificationSaysThatItIsOne(t *testing.T) {
	n := browser.TestFrame("https://tocsin.example.com/console/", time.Now(), config.Defaults())
	if !n.Test || n.DeliveryID != "" || n.Title == "" || n.Icon != "/static/icons/app.png" || n.AutoClose != 20 {
		t.Errorf("%+v", n)
	}
}
