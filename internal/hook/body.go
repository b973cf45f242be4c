package hook

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
)

// Version is that of the form JSON. What is added does not raise it; readers let be
// what they do not know.
const Version = 1

// Types that are no notices.
const (
	typeOver = "storm_over"
	typeTest = "test"
)

// Around is what a message's body needs besides the message.
type Around struct {
	BaseURL string // this server's address as people reach it
	Source  string // the name of the object's source, empty if it is not known
}

// Left says why a message is not posted at all, for people; empty if it is. What was
// posted cannot be edited, so what only brings something up to date is left out; but
// programs are told that a storm is over.
func (h Hook) Left(m *channel.Message) string {
	switch {
	case m.Digest != nil && m.Digest.Over && h.Form != JSON && h.Form != Fields:
		return "nothing to post: that a storm is over is posted to webhooks of the forms json and fields"
	case m.Digest != nil && m.Digest.Over:
		return ""
	case m.Quiet:
		return "nothing to post: what a webhook was posted cannot be edited"
	}
	return ""
}

// Body is a message as it is posted.
func (h Hook) Body(m *channel.Message, a Around) ([]byte, error) {
	return h.body(newPost(m, a))
}

// Test is the body of a test message. It looks as others do and is about nothing
// that there is.
func (h Hook) Test(id string, now time.Time, a Around) ([]byte, error) {
	p := newPost(&channel.Message{
		DeliveryID: id, Notice: alert.NoticeCustom,
		Event: alert.Event{Type: alert.Custom, Author: "Tocsin", Comment: testText, Time: now},
		URL:   "/console/",
	}, a)
	p.kind, p.text.Title, p.text.Body = typeTest, "Test message from Tocsin", testText
	return h.body(p)
}

const testText = "If you can read this, alerts reach you here."

func (h Hook) body(p *post) ([]byte, error) {
	var v any
	switch h.Form {
	case Slack:
		v = p.slack()
	case Teams:
		v = p.teams()
	case Ntfy:
		v = p.ntfy(h.Topic)
	case Gotify:
		v = p.gotify()
	case Fields:
		labels := p.m.Object.Labels
		if p.m.Digest != nil {
			labels = nil // they are those of one of many
		}
		v = filled(h.Template, p.values(h), labels)
	default:
		v = p.document()
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write it in the form %s: %w", h.Form, err)
	}
	return raw, nil
}

// post is a message with what all forms say of it.
type post struct {
	m         *channel.Message
	text      channel.Text
	kind      string // what it tells: a notice, or one of our own types
	url       string // where it leads, whole
	engineURL string
	base      string
	source    string
}

func newPost(m *channel.Message, a Around) *post {
	p := &post{m: m, text: channel.Present(m), kind: string(m.Notice), base: strings.TrimRight(a.BaseURL, "/"), engineURL: m.EngineURL, source: a.Source}
	p.url = p.whole(m.URL)
	if d := m.Digest; d != nil {
		p.kind = string(alert.NoticeDigest)
		if d.URL != "" {
			p.url = p.whole(d.URL)
		}
		if d.Over {
			p.kind = typeOver
		}
	}
	return p
}

// whole makes an address of a path of ours; it lets an address be.
func (p *post) whole(s string) string {
	if s == "" || strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
		return s
	}
	return p.base + "/" + strings.TrimLeft(s, "/")
}

// key is the same for all messages about one thing.
func (p *post) key() string {
	switch {
	case p.m.Digest != nil:
		return p.m.Digest.Storm
	case p.m.Alert != nil:
		return p.m.Alert.ID
	case p.m.Object.ID != "":
		return p.m.Object.ID
	}
	return p.m.DeliveryID
}

// action is what an alert manager elsewhere is to do.
func (p *post) action() string {
	switch {
	case p.m.Digest != nil && p.m.Digest.Open+p.m.Digest.Acked == 0:
		return "resolve"
	case p.m.Digest != nil && p.m.Digest.Open == 0:
		return "acknowledge"
	case p.m.Digest != nil:
		return "trigger"
	case p.m.Alert != nil && p.m.Alert.Status == alert.Resolved:
		return "resolve"
	case p.m.Alert != nil && p.m.Alert.Status == alert.Acknowledged:
		return "acknowledge"
	}
	return "trigger"
}

// severity is a state in the words of those who know four.
func severity(s alert.State) string {
	switch s {
	case alert.Down, alert.Critical:
		return "critical"
	case alert.Unknown, alert.Unreachable:
		return "error"
	case alert.Warning:
		return "warning"
	}
	return "info"
}

// urgent is how much a message matters: 3 wakes somebody up, 2 is a problem, 1 is
// worth a look, 0 can wait.
func (p *post) urgent() int {
	problem := func(s alert.State) int {
		switch s.Severity() {
		case 0:
			return 1
		case 1, 2:
			return 2
		}
		return 3
	}
	switch {
	case p.kind == typeOver:
		return 0
	case p.m.Digest != nil:
		return problem(p.text.State)
	case p.m.Notice == alert.NoticeProblem:
		return problem(p.text.State)
	case p.m.Notice == alert.NoticeRecovery, p.m.Notice == alert.NoticeCustom:
		return 1
	}
	return 0
}

// fact is one line about an alert: what, and how it is with it.
type fact struct {
	name, value string
	short       bool
}

// facts are what stands below the text in forms that people read.
func (p *post) facts() []fact {
	m := p.m
	if p.kind == typeTest {
		return nil
	}
	if d := m.Digest; d != nil {
		about := d.About
		if strings.Contains(d.Title, about) {
			about = ""
		}
		return duty([]fact{{"Since", when(d.Began), true}, {"About", about, true}}, m)
	}
	fs := []fact{{"Host", m.Object.HostName(), true}}
	if m.Object.Service != "" {
		fs = append(fs, fact{"Service", m.Object.ServiceName(), true})
	}
	fs = append(fs, fact{"State", p.text.State.Word(), true})
	if p.source != "" {
		fs = append(fs, fact{"Source", p.source, true})
	}
	if a := m.Alert; a != nil {
		fs = append(fs, fact{"Since", when(a.Since), true})
		if k := a.Ack; k != nil && a.Status == alert.Acknowledged {
			fs = append(fs, fact{"Acknowledged by", k.Author, true}, fact{"Comment", k.Comment, false})
		}
	}
	return duty(fs, m)
}

func duty(fs []fact, m *channel.Message) []fact {
	fs = append(fs, fact{"Escalation", m.Duty, false})
	out := fs[:0]
	for _, f := range fs {
		if f.value != "" {
			out = append(out, f)
		}
	}
	return out
}

// when is a time for people.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006, 15:04 MST")
}

// said is the text without what stands among the facts: forms that have them need
// not say twice why somebody is told.
func (p *post) said() string {
	if p.m.Duty == "" {
		return p.text.Body
	}
	return strings.TrimSpace(strings.TrimSuffix(p.text.Body, channel.DutyLine(p.m)))
}
