package webpush_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/webpush"
)

func storm(id string, lines int) channel.Message {
	m := message(id)
	d := &channel.Digest{
		Storm: "st1", Title: "Storm: source Nagios", About: "source Nagios", Began: noon, Total: 12, Open: 12, New: 12, URL: "/console/alerts?storm=st1",
	}
	for i := range lines {
		o := alert.Object{ID: fmt.Sprintf("o%d", i), Host: fmt.Sprintf("web%02d", i), Service: "HTTP"}
		d.Worst = append(d.Worst, channel.Line{AlertID: fmt.Sprintf("a%d", i), Object: o, State: alert.Critical, Status: alert.Firing, Since: noon})
	}
	m.Notice, m.Alert, m.Digest = alert.NoticeDigest, nil, d
	return m
}

func TestADigestIsOneMessage(t *testing.T) {
	d := newDesk(t)
	e, l := d.sendMessage(t, storm("d1", 1))
	if !e.Accepted || l.Urgency != "high" {
		t.Fatalf("%+v, %+v", e, l)
	}
	got := d.phone.open(t, l)
	tag := got["notification"].(map[string]any)["tag"].(string)
	want := map[string]any{
		"web_push": 8030.0, "mutable": true,
		"notification": map[string]any{
			"title": "12 alerts – Storm: source Nagios", "body": "12 open\nCritical: HTTP on web00\nand 11 more", "navigate": base + "/console/alerts?storm=st1",
			"lang": "en", "tag": tag, "icon": base + "/static/icons/service-critical.png", "badge": base + "/static/icons/badge.png",
			"timestamp": float64(noon.UnixMilli()), "require_interaction": true, "mutable": true,
			"data": map[string]any{
				"v": 1.0, "kind": "storm", "delivery_id": "d1", "notice": "digest", "state": "critical", "url": base + "/console/alerts?storm=st1",
				"at": "2026-03-01T12:00:00Z", "auto_close": 0.0, "quiet": false, "renotify": true,
				"worst": []any{map[string]any{"id": "a0", "name": "HTTP on web00", "state": "critical", "status": "firing", "since": "2026-03-01T12:00:00Z"}},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(tag, "storm-") || l.Topic != webpush.Topic(tag) {
		t.Errorf("tag %s, topic %s", tag, l.Topic)
	}

	// What has not reached the device yet is replaced; what it shows is so without a sound.
	last := storm("d2", 0)
	last.Quiet, last.Digest.Over, last.Digest.Open, last.Digest.Recovered = true, true, 0, 12
	e, l2 := d.sendMessage(t, last)
	n := d.phone.open(t, l2)["notification"].(map[string]any)
	if !e.Accepted || l2.Topic != l.Topic || n["tag"] != tag || n["silent"] != true || n["title"] != "Over: Storm: source Nagios (12 alerts)" || n["require_interaction"] != nil {
		t.Errorf("%+v: %v", e, n)
	}
}

func TestADigestFits(t *testing.T) {
	d := newDesk(t)
	for _, name := range []string{"x", strings.Repeat("x", 2000), strings.Repeat("👨‍👩‍👧‍👦", 300), strings.Repeat("\"\\\n\u2028", 500)} {
		m := storm("d1", channel.MaxWorst)
		m.Digest.Title, m.Digest.About = name, name
		for i := range m.Digest.Worst {
			m.Digest.Worst[i].Object.Host, m.Digest.Worst[i].Object.Service, m.Digest.Worst[i].Output = name, name, name
		}
		e, l := d.sendMessage(t, m)
		if !e.Accepted || len(l.Body) >= 2744 {
			t.Errorf("%.20q: %d bytes, %v", name, len(l.Body), e)
		}
		n := d.phone.open(t, l)["notification"].(map[string]any)
		if !strings.Contains(n["body"].(string), "12 open") || n["title"] == "" || n["navigate"] != base+"/console/alerts?storm=st1" {
			t.Errorf("%.20q: %v", name, n)
		}
	}
}
