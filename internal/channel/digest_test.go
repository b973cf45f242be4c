package channel_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/channeltest"
)

func storm() channel.Digest {
	line := func(id, host, service string, s alert.State, st alert.Status) channel.Line {
		return channel.Line{AlertID: id, Object: alert.Object{ID: "o" + id, Host: host, Service: service}, State: s, Status: st}
	}
	return channel.Digest{
		Storm: "st1", Title: "Storm: source Nagios Berlin", About: "source Nagios Berlin", Total: 12, Open: 9, Acked: 2, Recovered: 1, New: 12,
		Worst: []channel.Line{
			line("a1", "web01", "", alert.Down, alert.Acknowledged), line("a2", "web02", "HTTP", alert.Critical, alert.Firing), line("a3", "web03", "HTTP", alert.Warning, alert.Firing),
		},
		URL: "/console/alerts?storm=st1",
	}
}

func TestDigests(t *testing.T) {
	for _, c := range []struct {
		name        string
		change      func(*channel.Digest)
		title, body string
		icon        string
		colour      string
		state       alert.State
		closes      string
	}{
		{"a storm", func(*channel.Digest) {}, "12 alerts – Storm: source Nagios Berlin",
			"9 open, 2 acknowledged, 1 recovered\nDown: web01 (acknowledged)\nCritical: HTTP on web02\nWarning: HTTP on web03\nand 8 more",
			"service-critical", "#d9534f", alert.Critical, "critical"},
		{"all of it is in hand", func(d *channel.Digest) { d.Open, d.Acked, d.Recovered, d.Worst = 0, 1, 11, d.Worst[:1] }, "12 alerts – Storm: source Nagios Berlin",
			"1 acknowledged, 11 recovered\nDown: web01 (acknowledged)", "acknowledgement", "#1895f5", alert.Down, "acknowledgement"},
		{"all of it is over", func(d *channel.Digest) { d.Open, d.Acked, d.Recovered, d.Worst = 0, 0, 12, nil }, "12 alerts – Storm: source Nagios Berlin",
			"12 recovered", "service-ok", "#5cb85c", alert.OK, "recovery"},
		{"the storm is over, and something is open", func(d *channel.Digest) { d.Over, d.Open, d.Acked, d.Recovered, d.Worst = true, 1, 0, 11, d.Worst[1:2] },
			"Over: Storm: source Nagios Berlin (12 alerts)", "1 open, 11 recovered\nCritical: HTTP on web02", "service-critical", "#d9534f", alert.Critical, "recovery"},
		{"held back", func(d *channel.Digest) { d.Held, d.Title, d.Total, d.Open = true, "While quiet hours lasted", 3, 1 }, "3 alerts – While quiet hours lasted",
			"1 open, 2 acknowledged, 1 recovered\nDown: web01 (acknowledged)\nCritical: HTTP on web02\nWarning: HTTP on web03", "service-critical", "#d9534f", alert.Critical, "critical"},
		{"one without a name", func(d *channel.Digest) { d.Title, d.Total, d.Worst = "", 1, nil }, "1 alert – Several alerts together",
			"9 open, 2 acknowledged, 1 recovered", "app", "#d9534f", alert.OK, "critical"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := storm()
			c.change(&d)
			m := channeltest.Message("d")
			m.Notice, m.Alert, m.Digest = alert.NoticeDigest, nil, &d
			got := channel.Present(&m)
			if got.Title != c.title || got.Body != c.body || got.Icon != "/static/icons/"+c.icon+".png" || got.Colour != c.colour || got.State != c.state || got.Closes != c.closes {
				t.Errorf("%+v", got)
			}
			if got.AlertID != "" || !strings.HasPrefix(got.Tag, "storm-") || m.Leads() != "/console/alerts?storm=st1" {
				t.Errorf("%+v leads to %s", got, m.Leads())
			}
		})
	}
}

// A tab and a device each have storms of their own; on one screen they are one.
func TestDigestsOfOneKindReplaceEachOther(t *testing.T) {
	tag := func(change func(*channel.Digest)) string {
		d := storm()
		change(&d)
		m := channeltest.Message("d")
		m.Digest = &d
		return channel.Present(&m).Tag
	}
	one := tag(func(*channel.Digest) {})
	if other := tag(func(d *channel.Digest) { d.Storm, d.Total, d.Over = "st2", 99, true }); other != one {
		t.Errorf("%s and %s", one, other)
	}
	night := tag(func(d *channel.Digest) { d.Held, d.Title, d.About = true, "While quiet hours lasted", "host web01" })
	if later := tag(func(d *channel.Digest) { d.Held, d.Title, d.About = true, "While quiet hours lasted", "" }); later != night {
		t.Errorf("%s and %s", night, later)
	}
	for name, change := range map[string]func(*channel.Digest){
		"another source": func(d *channel.Digest) { d.About = "source Nagios Rome" }, "held back": func(d *channel.Digest) { d.Held = true },
	} {
		if tag(change) == one {
			t.Errorf("%s has the same tag", name)
		}
	}
}

func TestDigestsAreShort(t *testing.T) {
	d := storm()
	long := strings.Repeat("👨‍👩‍👧‍👦x", 200)
	d.Title = long
	for i := range d.Worst {
		d.Worst[i].Object.Host = long
	}
	m := channeltest.Message("d")
	m.Digest = &d
	if got := channel.Present(&m); utf8.RuneCountInString(got.Title) > 150 || utf8.RuneCountInString(got.Body) > 300 || !strings.Contains(got.Body, "and ") {
		t.Errorf("%+v", got)
	}
}

func TestWhoIsToldLaterReadsWhy(t *testing.T) {
	m := channeltest.Message("d")
	m.Duty = "not acknowledged for 15 minutes: step 2 of “Night”"
	if got := channel.Present(&m); got.Title != "PROBLEM: HTTP on web01 is Critical!" || got.Body != "connection refused\nEscalation: not acknowledged for 15 minutes: step 2 of “Night”" {
		t.Errorf("%+v", got)
	}
	m.Duty, m.Reminder = "", true
	if got := channel.Present(&m); got.Title != "REMINDER: HTTP on web01 is still Critical!" || got.Body != "connection refused" {
		t.Errorf("%+v", got)
	}
	m.Duty, m.Alert.Output = strings.Repeat("x", 500), strings.Repeat("y", 500)
	if got := channel.Present(&m); utf8.RuneCountInString(got.Body) > 300 || !strings.Contains(got.Body, "…\nEscalation: xxx") {
		t.Errorf("%q", got.Body)
	}
}
