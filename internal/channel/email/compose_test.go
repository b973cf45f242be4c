package email_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/channeltest"
	"tocsin/internal/channel/email"
	"tocsin/internal/mail"
	"tocsin/test/mailsink"
)

var update = flag.Bool("update", false, "write the goldens anew")

// said are the letters that people get, by the names of their goldens.
func said() map[string]channel.Message {
	at := noon.Add(-5 * time.Minute)
	base := func(change func(m *channel.Message)) channel.Message {
		m := channeltest.Message("d1")
		m.Contact, m.EngineURL = "Mira Example", "https://nagios.example.org/host?web01"
		m.Object.HostDisplay = "Web server 1"
		m.Object.Labels = map[string]string{"site": "Berlin", "team": "web"}
		m.Alert.Since, m.Alert.Long = at, "second line\nthird line"
		if change != nil {
			change(&m)
		}
		return m
	}
	acked := func(change func(m *channel.Message)) channel.Message {
		return base(func(m *channel.Message) {
			m.Notice, m.Event.Type, m.Event.Author, m.Event.Comment = alert.NoticeAck, alert.Acknowledgement, "Jane Doe", "on it\nback at 15:00"
			m.Alert.Status = alert.Acknowledged
			m.Alert.Ack = &alert.Ack{Author: "Jane Doe", Comment: "on it\nback at 15:00", At: noon, Until: noon.Add(time.Hour), Origin: alert.FromMail, Confirmation: alert.Pending}
			if change != nil {
				change(m)
			}
		})
	}
	digest := func(change func(d *channel.Digest)) channel.Message {
		return base(func(m *channel.Message) {
			d := &channel.Digest{Storm: "s1", Title: "Storm: Nagios Berlin", About: "source Nagios Berlin", Began: at, Total: 37, Open: 21, Acked: 4, Recovered: 12, New: 9, URL: "https://tocsin.example.org/console/alerts?storm=s1"}
			for i, s := range []alert.State{alert.Down, alert.Critical, alert.Critical, alert.Warning, alert.Warning} {
				o := alert.Object{ID: fmt.Sprint("o", i), Host: fmt.Sprintf("web%02d", i), Service: "HTTP"}
				if s == alert.Down {
					o.Service = ""
				}
				line := channel.Line{AlertID: fmt.Sprint("a", i), Object: o, State: s, Status: alert.Firing, Output: "connection refused", Since: at, URL: fmt.Sprint("https://tocsin.example.org/console/alerts/a", i)}
				if i == 2 {
					line.Status = alert.Acknowledged
				}
				d.Worst = append(d.Worst, line)
			}
			if change != nil {
				change(d)
			}
			m.Notice, m.Digest, m.Alert = alert.NoticeDigest, d, nil
		})
	}
	return map[string]channel.Message{
		"problem": base(nil),
		"host": base(func(m *channel.Message) {
			m.Object.Service, m.Alert.State, m.Alert.Long, m.EngineURL = "", alert.Down, "", ""
		}),
		"snoozed": base(func(m *channel.Message) { m.Snoozed = true }),
		"reminder": base(func(m *channel.Message) {
			m.Reminder, m.Duty = true, "not acknowledged for 1 h: reminder of policy “Night”"
		}),
		"escalated": base(func(m *channel.Message) {
			m.Duty = "not acknowledged for 15 minutes: step 2 of policy “Night”; on call in “Second line”"
		}),
		"recovery": base(func(m *channel.Message) {
			m.Notice, m.Event.Type, m.Event.State, m.Event.Output = alert.NoticeRecovery, alert.Recovery, alert.OK, "HTTP OK"
			m.Alert.Status, m.Alert.State, m.Alert.Resolved = alert.Resolved, alert.OK, noon
		}),
		"acknowledged": acked(nil),
		"given_back": acked(func(m *channel.Message) {
			m.Event.Type, m.Alert.Status, m.Alert.Ack = alert.Unacknowledged, alert.Firing, nil
		}),
		"downtime": base(func(m *channel.Message) {
			m.Notice, m.Event.Type, m.Event.Author, m.Event.Comment = alert.NoticeDowntime, alert.DowntimeStart, "Jane", "new disks"
		}),
		"flapping": base(func(m *channel.Message) {
			m.Notice, m.Event.Type, m.Alert = alert.NoticeFlapping, alert.FlappingStart, nil
		}),
		"custom": base(func(m *channel.Message) {
			m.Notice, m.Event.Type, m.Event.Author, m.Event.Comment = alert.NoticeCustom, alert.Custom, "Jane", "look at this"
		}),
		"storm": digest(nil),
		"held": digest(func(d *channel.Digest) {
			d.Held, d.Title, d.About, d.Total, d.Open, d.Acked, d.Recovered, d.New, d.Worst = true, "While quiet hours lasted", "", 3, 2, 0, 1, 3, d.Worst[1:3]
		}),
		"storm_over": digest(func(d *channel.Digest) { d.Over, d.Open, d.Acked, d.Recovered, d.New, d.Worst = true, 0, 0, 37, 0, nil }),
		"hostile": base(func(m *channel.Message) {
			evil := "<script>alert(1)</script>\r\nBcc: eve@example.org\r\n\r\n<img src=https://evil.example/x.png>"
			m.Contact, m.Duty, m.Object.HostDisplay, m.Object.Service, m.Object.Labels = evil, evil, evil, evil, map[string]string{evil: evil}
			m.Alert.Output, m.Alert.Long, m.Event.Author, m.Event.Comment, m.EngineURL = evil, evil+"\n-- \n.\nFrom nobody", evil, evil, "javascript:alert(1)"
		}),
	}
}

func TestLettersReadAsTheyAre(t *testing.T) {
	c := newChannel(t, nil, &desk{})
	for name, m := range said() {
		t.Run(name, func(t *testing.T) {
			link := email.Link{}
			if m.Notice == alert.NoticeProblem {
				link = email.Link{URL: "https://tocsin.example.org/a/TOKEN", Until: noon.Add(4 * time.Hour)}
			}
			l, err := c.Letter(&m, "mira@example.org", link)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", "Subject: "+l.Subject+"\nThread: "+l.Thread+fmt.Sprintf("\nUrgent: %v\n\n", l.Urgent)+l.Text)
			golden(t, name+".html", l.HTML)
			harmless(t, l)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

// harmless looks for what may not be in a letter: scripts, anything that a mail
// program would load, a link to what is no page.
func harmless(t *testing.T, l mail.Letter) {
	t.Helper()
	if strings.ContainsAny(l.Subject, "\r\n") {
		t.Errorf("subject is %q", l.Subject)
	}
	doc, err := html.Parse(strings.NewReader(l.HTML))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "img", "link", "iframe", "object", "form", "base", "svg", "video", "audio":
			t.Errorf("it has <%s>", n.Data)
		}
		for _, a := range n.Attr {
			if a.Key == "src" || a.Key == "background" || strings.HasPrefix(a.Key, "on") || strings.Contains(a.Val, "url(") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
			if a.Key == "href" && !strings.HasPrefix(a.Val, "https://") {
				t.Errorf("a link to %q", a.Val)
			}
		}
	}
}

func TestALetterSaysToMachinesWhatItIs(t *testing.T) {
	sink := mailsink.New(t, mailsink.Options{})
	c := sinkChannel(t, sink, &desk{})
	var msgs []channel.Message
	for _, name := range []string{"problem", "recovery", "storm", "hostile"} {
		msgs = append(msgs, said()[name])
	}
	for _, err := range c.SendAll(t.Context(), msgs) {
		if !channel.As(err).Accepted {
			t.Fatal(err)
		}
	}
	for i, l := range sink.Await(t, len(msgs)) {
		want := map[string]string{"Message-Id": "<d1@tocsin.example.org>", "References": "<a1@tocsin.example.org>", "In-Reply-To": "<a1@tocsin.example.org>", "Auto-Submitted": "auto-generated",
			"X-Tocsin-Delivery": "d1", "X-Tocsin-Alert": "a1", "X-Tocsin-Notice": "problem", "X-Tocsin-State": "critical", "X-Tocsin-Object": "o1", "X-Tocsin-Source": "s1", "X-Tocsin-Storm": "", "Bcc": "", "Cc": ""}
		switch i {
		case 1:
			want["X-Tocsin-Notice"], want["X-Tocsin-State"] = "recovery", "ok"
		case 2:
			want["References"], want["In-Reply-To"], want["X-Tocsin-Storm"], want["X-Tocsin-Notice"] = "<s1@tocsin.example.org>", "<s1@tocsin.example.org>", "s1", "digest"
			want["X-Tocsin-Alert"], want["X-Tocsin-State"], want["X-Tocsin-Object"], want["X-Tocsin-Source"] = "", "", "", ""
		}
		for key, value := range want {
			if got := l.Header.Get(key); got != value {
				t.Errorf("letter %d: %s is %q, want %q", i, key, got, value)
			}
		}
		if l.To != "mira@example.org" || l.Text == "" || l.HTML == "" {
			t.Errorf("letter %d is to %s: %q", i, l.To, l.Text)
		}
	}
}

func TestTheHostOfTheMessageIDIsOne(t *testing.T) {
	for base, want := range map[string]string{
		"https://Tocsin.Example.org:8443": "tocsin.example.org", "http://127.0.0.1:8080": "[127.0.0.1]", "http://[::1]:8080": "[IPv6:::1]", "": "tocsin.invalid",
	} {
		c, err := email.NewChannel(email.ChannelOptions{BaseURL: base})
		if err != nil {
			t.Fatal(err)
		}
		m := said()["problem"]
		if l, err := c.Letter(&m, "mira@example.org", email.Link{}); err != nil || l.Host != want {
			t.Errorf("%s: %s %v", base, l.Host, err)
		}
	}
}
