package webpush_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/channeltest"
	"tocsin/internal/channel/webpush"
	"tocsin/internal/channel/webpush/wire"
	"tocsin/internal/config"
	"tocsin/internal/push"
)

// drawer is the store of devices.
type drawer struct {
	mu      sync.Mutex
	devices map[string]push.Subscription
	notes   []push.Note
	broken  error
}

func (d *drawer) DevicesByID(ctx context.Context, ids []string) (map[string]push.Subscription, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]push.Subscription{}
	for _, id := range ids {
		if s, ok := d.devices[id]; ok {
			out[id] = s
		}
	}
	return out, errors.Join(ctx.Err(), d.broken)
}

func (d *drawer) NotePush(ctx context.Context, notes []push.Note) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notes = append(d.notes, notes...)
	return ctx.Err()
}

func (d *drawer) take() []push.Note {
	d.mu.Lock()
	defer d.mu.Unlock()
	notes := d.notes
	d.notes = nil
	return notes
}

const (
	alertID   = "0192f0c1-2345-7678-9abc-def012345678"
	contactID = "0192f0c1-0000-7000-8000-000000000001"
)

// desk is a rig with the channel on top and one device, s1.
type desk struct {
	*rig
	channel *webpush.Channel
	drawer  *drawer
	tokens  *push.Tokens
	phone   *phone
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	r := newRig(t, nil)
	tokens, err := push.NewTokens([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{rig: r, tokens: tokens, phone: r.phone("s1", fcm)}
	d.drawer = &drawer{devices: map[string]push.Subscription{"s1": d.phone.sub}}
	d.channel = webpush.New(r.sender, d.drawer, settingsOf(r), base, tokens)
	return d
}

func message(id string) channel.Message {
	m := channeltest.Message(id)
	m.ContactID, m.ExpiresAt = contactID, noon.Add(4*time.Hour)
	m.Alert.ID = alertID
	m.URL = base + "/console/alerts/" + alertID
	return m
}

// send sends one message; it answers what came to the device, if it did.
func (d *desk) sendMessage(t testing.TB, m channel.Message) (*channel.SendError, letter) {
	t.Helper()
	errs := d.channel.SendAll(t.Context(), []channel.Message{m})
	if len(errs) != 1 || errs[0] == nil {
		t.Fatalf("%v", errs)
	}
	got := append(d.office.take(), letter{})
	return channel.As(errs[0]), got[0]
}

func TestChannel(t *testing.T) {
	channeltest.Run(t, func(t *testing.T) channeltest.Subject {
		d := newDesk(t)
		return channeltest.Subject{
			Channel: d.channel,
			Break: func(err error) {
				if err == nil {
					d.pass(time.Minute)
					d.office.answers(201)
					return
				}
				d.office.answersWith(wire.Response{Err: err})
			},
			Arrived: func() []string {
				var ids []string
				d.office.mu.Lock()
				defer d.office.mu.Unlock()
				for _, l := range d.office.got {
					if d.office.answer != nil && d.office.answer(l).Err != nil {
						continue
					}
					ids = append(ids, d.phone.open(t, l)["notification"].(map[string]any)["data"].(map[string]any)["delivery_id"].(string))
				}
				if d.office.answer != nil && d.office.answer(letter{}).Err != nil {
					return nil
				}
				// What was refused before it worked again is not counted.
				slices.Reverse(ids)
				seen := map[string]bool{}
				ids = slices.DeleteFunc(ids, func(id string) bool { again := seen[id]; seen[id] = true; return again })
				slices.Reverse(ids)
				return ids
			},
		}
	})
}

func TestWhatAMessageSays(t *testing.T) {
	d := newDesk(t)
	e, l := d.sendMessage(t, message("d1"))
	if !e.Accepted || e.Permanent || e.Error() != "accepted by fcm.googleapis.com (201)" {
		t.Errorf("%+v", e)
	}
	if l.TTL != 4*3600 || l.Urgency != "high" || l.Topic != webpush.Topic("alert-"+alertID) {
		t.Errorf("%+v", l)
	}
	got := d.phone.open(t, l)
	data := got["notification"].(map[string]any)["data"].(map[string]any)
	a, err := d.tokens.Check(data["token"].(string), noon)
	if err != nil || a.AlertID != alertID || a.ContactID != contactID || a.Expires.Sub(noon) != 8*time.Hour {
		t.Errorf("%+v, %v", a, err)
	}
	delete(data, "token")
	want := map[string]any{
		"web_push": 8030.0, "mutable": true,
		"notification": map[string]any{
			"title": "PROBLEM: HTTP on web01 is Critical!", "body": "connection refused", "navigate": base + "/console/act/" + alertID,
			"lang": "en", "tag": "alert-" + alertID, "icon": base + "/static/icons/service-critical.png", "badge": base + "/static/icons/badge.png",
			"timestamp": float64(noon.UnixMilli()), "require_interaction": true, "mutable": true,
			"actions": []any{
				map[string]any{"action": "ack", "title": "Acknowledge", "navigate": base + "/console/act/" + alertID},
				map[string]any{"action": "snooze", "title": "Snooze 30 min", "navigate": base + "/console/act/" + alertID},
			},
			"data": map[string]any{
				"v": 1.0, "kind": "alert", "alert_id": alertID, "object_id": "o1", "delivery_id": "d1", "notice": "problem", "state": "critical",
				"url": base + "/console/alerts/" + alertID, "at": "2026-03-01T12:00:00Z", "auto_close": 0.0, "quiet": false, "renotify": true,
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if notes := d.drawer.take(); len(notes) != 1 || !notes[0].OK || notes[0].SubscriptionID != "s1" || !notes[0].At.Equal(noon) {
		t.Errorf("%+v", notes)
	}
}

// Safari follows navigate: there the page with the buttons stands in for them.
func TestWhereAClickLeads(t *testing.T) {
	const engine = "https://nagios.example.org/cgi-bin/extinfo.cgi?host=web01"
	for _, c := range []struct {
		name, navigate, url string
		change              func(m *channel.Message)
	}{
		{"a problem of a source that leads to its engine", base + "/console/act/" + alertID, engine, func(m *channel.Message) { m.URL = engine }},
		{"a problem whose engine's address is too long", base + "/console/act/" + alertID, base + "/console/act/" + alertID, func(m *channel.Message) { m.URL = engine + strings.Repeat("x", 3000) }},
		{"an acknowledgement", engine, engine, func(m *channel.Message) { m.URL, m.Notice = engine, alert.NoticeAck }},
		{"a problem of no alert", engine, engine, func(m *channel.Message) { m.URL, m.Alert = engine, nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			m := message("d1")
			c.change(&m)
			_, l := d.sendMessage(t, m)
			n := d.phone.open(t, l)["notification"].(map[string]any)
			if url := n["data"].(map[string]any)["url"]; n["navigate"] != c.navigate || url != c.url {
				t.Errorf("in Safari to %v, elsewhere to %v", n["navigate"], url)
			}
		})
	}
}

func TestMessagesByTheirKind(t *testing.T) {
	recovered := func(m *channel.Message) {
		m.Notice, m.Event.State = alert.NoticeRecovery, alert.OK
		m.Alert.Status, m.Alert.Resolved = alert.Resolved, noon.Add(time.Minute)
	}
	for _, c := range []struct {
		name              string
		change            func(d *desk, m *channel.Message)
		urgency           string
		ttl               int
		buttons, quiet    bool
		title             string
		renotify, demands bool
	}{
		{"a problem", func(*desk, *channel.Message) {}, "high", 4 * 3600, true, false, "PROBLEM: HTTP on web01 is Critical!", true, true},
		{"a recovery replaces it", func(_ *desk, m *channel.Message) { recovered(m) }, "normal", 4 * 3600, false, false, "RECOVERY: HTTP on web01 is OK!", true, false},
		{"a recovery elsewhere is quiet", func(_ *desk, m *channel.Message) { recovered(m); m.Quiet = true }, "normal", 4 * 3600, false, true, "RECOVERY: HTTP on web01 is OK!", false, false},
		{"a problem without a call", func(_ *desk, m *channel.Message) { m.Quiet = true }, "normal", 4 * 3600, true, true, "PROBLEM: HTTP on web01 is Critical!", false, true},
		{"an acknowledgement", func(_ *desk, m *channel.Message) { m.Notice = alert.NoticeAck }, "normal", 4 * 3600, false, false, "Acknowledgement for web01/HTTP (Critical)", true, false},
		{"a downtime", func(_ *desk, m *channel.Message) { m.Notice, m.Event.Type = alert.NoticeDowntime, alert.DowntimeStart }, "low", 4 * 3600, false, false, "Downtime started for HTTP on web01", true, false},
		{"a reminder", func(_ *desk, m *channel.Message) { m.Snoozed = true }, "high", 4 * 3600, true, false, "REMINDER: HTTP on web01 is still Critical!", true, true},
		{"a problem that is soon over", func(_ *desk, m *channel.Message) { m.ExpiresAt = noon.Add(90 * time.Second) }, "high", 90, true, false, "PROBLEM: HTTP on web01 is Critical!", true, true},
		{"the settings' urgency and time", func(d *desk, _ *channel.Message) {
			d.settings.PushUrgency["critical"], d.settings.PushTTL, d.settings.AutoClose["critical"] = "very-low", 10, 20
		}, "very-low", 600, true, false, "PROBLEM: HTTP on web01 is Critical!", true, false},
		{"an urgency that is none", func(d *desk, _ *channel.Message) { d.settings.PushUrgency = nil }, "high", 4 * 3600, true, false, "PROBLEM: HTTP on web01 is Critical!", true, true},
		{"a problem of no alert", func(_ *desk, m *channel.Message) { m.Alert = nil }, "high", 4 * 3600, false, false, "PROBLEM: HTTP on web01 is Critical!", true, true},
		{"a problem whose contact is none", func(_ *desk, m *channel.Message) { m.ContactID = "c1" }, "high", 4 * 3600, false, false, "PROBLEM: HTTP on web01 is Critical!", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			m := message("d1")
			c.change(d, &m)
			e, l := d.sendMessage(t, m)
			if !e.Accepted || l.Urgency != c.urgency || l.TTL != c.ttl {
				t.Errorf("%+v %+v", e, l)
			}
			n := d.phone.open(t, l)["notification"].(map[string]any)
			data := n["data"].(map[string]any)
			_, buttons := n["actions"]
			_, token := data["token"]
			silent, _ := n["silent"].(bool)
			demands, _ := n["require_interaction"].(bool)
			if n["title"] != c.title || buttons != c.buttons || token != c.buttons || silent != c.quiet || data["quiet"] != c.quiet || data["renotify"] != c.renotify || demands != c.demands {
				t.Errorf("%v", n)
			}
			if m.Alert != nil && l.Topic != webpush.Topic("alert-"+alertID) {
				t.Error("it has another topic, and replaces nothing")
			}
		})
	}
}

func TestWhatBecomesOfADelivery(t *testing.T) {
	for _, c := range []struct {
		name      string
		answer    wire.Response
		permanent bool
		after     time.Duration
		detail    string
		note      bool
		gone      bool
	}{
		{"the device is gone", wire.Response{Status: 410}, true, 0, "taken off the list", true, true},
		{"the service refuses our key", wire.Response{Status: 403}, false, time.Minute, "No device is deleted", true, false},
		{"the service wants fewer", wire.Response{Status: 429, RetryAfter: 30 * time.Second}, false, 30 * time.Second, "fewer", true, false},
		{"the service wants none for long", wire.Response{Status: 429, RetryAfter: time.Hour}, false, 5 * time.Minute, "fewer", true, false},
		{"the service is not able", wire.Response{Status: 503}, false, 0, "503", true, false},
		{"what we sent is wrong", wire.Response{Status: 400, Reason: "bad"}, true, 0, "400: bad", true, false},
		{"it is too large", wire.Response{Status: 413}, true, 0, "too large", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			d.office.answersWith(c.answer)
			e, _ := d.sendMessage(t, message("d1"))
			if e.Accepted || e.Handed || e.Permanent != c.permanent || e.After != c.after || !strings.Contains(e.Error(), c.detail) {
				t.Errorf("%+v", e)
			}
			if notes := d.drawer.take(); len(notes) != 1 || notes[0].OK || notes[0].Gone != c.gone || notes[0].Error == "" {
				t.Errorf("%+v", notes)
			}
		})
	}
	t.Run("a service that is left alone says nothing of the device", func(t *testing.T) {
		d := newDesk(t)
		d.office.answers(403)
		if e, _ := d.sendMessage(t, message("d1")); e.Permanent {
			t.Errorf("%+v", e)
		}
		d.drawer.take()
		if e, l := d.sendMessage(t, message("d2")); e.Permanent || e.After == 0 || l.Body != nil || len(d.drawer.take()) != 0 {
			t.Errorf("%+v", e)
		}
	})
	for _, c := range []struct {
		name, detail string
		permanent    bool
		change       func(d *desk, m *channel.Message)
	}{
		{"no device is named", "no device", true, func(_ *desk, m *channel.Message) { m.Destination = "" }},
		{"the device was removed", "removed", true, func(_ *desk, m *channel.Message) { m.Destination = "other" }},
		{"the device is somebody else's now", "somebody else", true, func(_ *desk, m *channel.Message) { m.UserID = "u2" }},
		{"its time is over", "ran out", true, func(d *desk, _ *channel.Message) { d.pass(5 * time.Hour) }},
		{"Web Push is off", "switched off", true, func(d *desk, _ *channel.Message) { d.settings.WebPush = false }},
		{"the settings cannot be read", "away", false, func(d *desk, _ *channel.Message) { d.broken = errors.New("away") }},
		{"the devices cannot be read", "away", false, func(d *desk, _ *channel.Message) { d.drawer.broken = errors.New("away") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			m := message("d1")
			c.change(d, &m)
			e, l := d.sendMessage(t, m)
			if e.Permanent != c.permanent || e.Accepted || !strings.Contains(e.Error(), c.detail) || l.Body != nil {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestMessagesAboutOneAlertAreNotMixedUp(t *testing.T) {
	d := newDesk(t)
	var msgs []channel.Message
	for i := range 40 {
		m := message(fmt.Sprintf("d%02d", i))
		if i%2 == 1 {
			m.Alert.ID = contactID // another alert
		}
		msgs = append(msgs, m)
	}
	d.channel.SendAll(t.Context(), msgs)
	last := map[string]string{}
	for _, l := range d.office.take() {
		data := d.phone.open(t, l)["notification"].(map[string]any)["data"].(map[string]any)
		about, id := data["alert_id"].(string), data["delivery_id"].(string)
		if id <= last[about] {
			t.Errorf("%s came after %s", id, last[about])
		}
		last[about] = id
	}
}

func TestTheTestMessage(t *testing.T) {
	d := newDesk(t)
	result := d.channel.SendTest(t.Context(), d.phone.sub)
	if result.Verdict != webpush.Sent || result.Status != 201 || result.Detail == "" {
		t.Errorf("%+v", result)
	}
	n := d.phone.open(t, d.office.take()[0])["notification"].(map[string]any)
	if n["title"] != "Test notification from Tocsin" || n["tag"] != "test" || n["data"].(map[string]any)["kind"] != "test" || n["actions"] != nil {
		t.Errorf("%v", n)
	}
	d.office.answers(410)
	if result := d.channel.SendTest(t.Context(), d.phone.sub); result.Verdict != webpush.Gone {
		t.Errorf("%+v", result)
	}
	if notes := d.drawer.take(); len(notes) != 2 || !notes[0].OK || !notes[1].Gone {
		t.Errorf("%+v", notes)
	}
}

// A message is as short as it must be whatever it is made of, and can be read.
func TestAMessageFits(t *testing.T) {
	family := "👨‍👩‍👧‍👦"
	d := newDesk(t)
	sizes := map[int]bool{}
	for _, c := range []struct{ name, output string }{
		{"short", "x"},
		{"long", strings.Repeat("x", 5000)},
		{"of families", strings.Repeat(family, 400)},
		{"of quotes", strings.Repeat("\"\\\n", 400)},
		{"of what JSON escapes", strings.Repeat("\u2028\x01", 400)},
		{"not valid", strings.Repeat("\xff", 400)},
	} {
		m := message("d1")
		m.Alert.Output = c.output
		m.Object.HostDisplay, m.Object.ServiceDisplay = strings.Repeat("höst ", 60), strings.Repeat("sérvice ", 40)
		m.URL = base + "/" + strings.Repeat("x", 300)
		e, l := d.sendMessage(t, m)
		if !e.Accepted || len(l.Body) >= 2744 {
			t.Errorf("%s: %d bytes, %v", c.name, len(l.Body), e)
		}
		sizes[len(l.Body)] = true
		n := d.phone.open(t, l)["notification"].(map[string]any)
		if body, _ := n["body"].(string); strings.ContainsRune(body, '👨') && !strings.HasSuffix(body, family+"…") {
			t.Errorf("%s: a family is torn apart: %q", c.name, body[len(body)-30:])
		}
		if n["title"] == "" || n["actions"] == nil {
			t.Errorf("%s: %v", c.name, n)
		}
	}
	if len(sizes) > 3 {
		t.Errorf("there are %d lengths", len(sizes))
	}
}

func TestPublicationPayload(t *testing.T) {
	p := &push.Publication{
		ID: "p1", PageID: "main", Kind: push.IncidentNew, URL: "/incidents/42", Topic: "incident-42", Created: noon,
		Texts: map[string]push.Text{"": {Title: "Shop is down", Body: "More soon."}, "de": {Title: "Shop gestört"}},
	}
	read := func(language string) map[string]any {
		t.Helper()
		text := webpush.PublicationPayload(p, language, base+"/")
		var out map[string]any
		if err := json.Unmarshal(text, &out); err != nil || webpush.Padded(text) != 512 && webpush.Padded(text) != 1024 {
			t.Fatalf("%v, %d bytes", err, len(text))
		}
		return out["notification"].(map[string]any)
	}
	n := read("fr")
	data := n["data"].(map[string]any)
	if n["title"] != "Shop is down" || n["lang"] != nil || n["tag"] != "page-incident-42" || n["navigate"] != base+"/incidents/42" ||
		n["icon"] != base+"/static/icons/app.png" || data["kind"] != "page" || data["page"] != "main" || data["publication"] != "p1" || data["url"] != n["navigate"] {
		t.Errorf("%v", n)
	}
	if n := read("de-AT"); n["title"] != "Shop gestört" || n["lang"] != "de" || n["body"] != nil {
		t.Errorf("%v", n)
	}
}

func FuzzPublicationPayload(f *testing.F) {
	f.Add("title", "body", "/path", "https://example.org/icon.png", "topic")
	f.Add("👨‍👩‍👧‍👦", "\u2028\x00\xff\"\\", "", "", "")
	f.Add("\xff", strings.Repeat("🇩🇪", 900), "/"+strings.Repeat("x", 999), "https://e.org/"+strings.Repeat("\xff", 900), strings.Repeat("t", 100))
	f.Fuzz(func(t *testing.T, title, body, url, icon, topic string) {
		if len(title) > 800 || len(url) > 1000 || len(icon) > 1000 || len(topic) > 400 {
			return // Validate refuses it
		}
		p := &push.Publication{ID: "p1", PageID: "main", Texts: map[string]push.Text{"": {Title: title, Body: body}}, URL: url, Icon: icon, Topic: topic, Created: noon}
		text := webpush.PublicationPayload(p, "", base)
		var out struct {
			Notification struct{ Title, Navigate string }
		}
		if err := json.Unmarshal(text, &out); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if len(text) > webpush.MaxPayload || webpush.Padded(text) > webpush.MaxPayload {
			t.Errorf("%d bytes", len(text))
		}
		if title != "" && out.Notification.Title == "" || !strings.HasPrefix(out.Notification.Navigate, "http") {
			t.Errorf("%+v", out)
		}
	})
}

func BenchmarkHeader(b *testing.B) {
	r := newRig(b, nil)
	header, err := webpush.Header(r.keys[0])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := header(fcm, "mailto:ops@example.org", noon); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMessagePayload(b *testing.B) {
	m := message("d1")
	m.Alert.Output = strings.Repeat("long ", 50)
	settings := config.Defaults()
	b.ReportAllocs()
	for b.Loop() {
		webpush.MessagePayload(&m, settings, base, strings.Repeat("t", 82))
	}
}

func BenchmarkPublicationPayload(b *testing.B) {
	p := &push.Publication{ID: "p1", PageID: "main", Texts: map[string]push.Text{"": {Title: "Shop is down", Body: strings.Repeat("long ", 50)}}, Created: noon}
	b.ReportAllocs()
	for b.Loop() {
		webpush.PublicationPayload(p, "de", base)
	}
}

func BenchmarkSendAll(b *testing.B) {
	for _, kind := range []string{"nothing prepared", "prepared"} {
		b.Run(kind, func(b *testing.B) {
			r := newRig(b, nil)
			var items []webpush.Item
			again := reuse{}
			for i := range 500 {
				p := r.phone(fmt.Sprint(i), fcm)
				items = append(items, item(p, strings.Repeat("x", 400)))
				if kind == "prepared" {
					again.prepare(b, p)
				}
			}
			o := webpush.SenderOptions{
				Client: sink{}, Keys: func(context.Context) ([]push.Key, error) { return r.keys, nil }, Settings: settingsOf(r), Now: time.Now,
			}
			if kind == "prepared" {
				o.Ready = again
			}
			sender := webpush.NewSender(o)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				sender.SendAll(b.Context(), items, func(int, webpush.Result) {})
				n += len(items)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/message")
		})
	}
}

// sink takes every message at once.
type sink struct{}

func (sink) Send(_ context.Context, r *wire.Request) error {
	r.Done(r, wire.Response{Status: 201})
	return nil
}

func (sink) Warm(context.Context, string) error { return nil }
