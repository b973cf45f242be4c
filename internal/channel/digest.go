package channel

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"tocsin/internal/alert"
)

// DutyLine is why somebody is told who was not at first, as it stands below a text;
// empty where that is not so.
func DutyLine(m *Message) string {
	if m.Duty == "" {
		return ""
	}
	return "Escalation: " + Cut(m.Duty, maxBody/2)
}

// withDuty is a text with the reason below it, for which it is cut.
func withDuty(m *Message, text string) string {
	line := DutyLine(m)
	if line == "" {
		return Cut(text, maxBody)
	}
	if text = Cut(text, maxBody-len([]rune(line))-1); text == "" {
		return line
	}
	return text + "\n" + line
}

// presentDigest puts what one message tells of many alerts into words.
func presentDigest(d *Digest, t Text) Text {
	t.AlertID, t.Tag = "", "storm-"+d.group()
	t.Title = Cut(d.Headline(), maxBody/2)
	t.State, t.Colour, t.Icon = d.State(), d.Colour(), Icon("app")
	t.Closes = string(t.State)
	switch worst := d.worst(); {
	case worst != nil:
		t.Icon = stateIcon(worst.Object.Kind(), worst.State)
	case d.Open > 0: // of which it is not said how bad it is
		t.Closes = string(alert.Critical)
	case d.Acked > 0:
		t.Icon, t.Closes = Icon("acknowledgement"), string(alert.NoticeAck)
	default:
		t.Icon, t.Closes = Icon("service-ok"), string(alert.NoticeRecovery)
	}
	if d.Over {
		t.Closes = string(alert.NoticeRecovery)
	}
	t.Body = Cut(d.words(maxBody), maxBody)
	return t
}

// group is what digests of one kind have in common at all places of somebody: each
// place has storms of its own, but a device that is reached by a tab and by Web Push
// shows one of them and not both. What was held back has in common what is in it at
// the moment, which says nothing of which it is.
func (d *Digest) group() string {
	about := d.About
	if d.Held {
		about = ""
	}
	h := sha256.Sum256(fmt.Appendf(nil, "%t\x00%s\x00%s", d.Held, d.Title, about))
	return hex.EncodeToString(h[:8])
}

// Headline is a digest in one line: how many, and of what.
func (d *Digest) Headline() string {
	title := d.Title
	if title == "" {
		title = "Several alerts together"
	}
	if d.Over {
		return "Over: " + title + " (" + Count(d.Total, "alert") + ")"
	}
	return Count(d.Total, "alert") + " – " + title
}

// Counts says how the alerts of a digest stand: "9 open, 2 acknowledged, 1 over".
func (d *Digest) Counts() string {
	var parts []string
	for _, p := range []struct {
		n    int
		word string
	}{{d.Open, "open"}, {d.Acked, "acknowledged"}, {d.Recovered, "recovered"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	if len(parts) == 0 {
		return "nothing is open"
	}
	return strings.Join(parts, ", ")
}

// State is the worst that is open, or that somebody has taken where nothing is open;
// OK where all is over.
func (d *Digest) State() alert.State {
	if w := d.worst(); w != nil {
		return w.State
	}
	state := alert.OK
	for i := range d.Worst {
		if s := d.Worst[i].State; d.Worst[i].Status == alert.Acknowledged && s.Severity() > state.Severity() {
			state = s
		}
	}
	return state
}

// worst is the worst line that fires, nil if none does.
func (d *Digest) worst() *Line {
	var out *Line
	for i := range d.Worst {
		if l := &d.Worst[i]; l.Status == alert.Firing && (out == nil || l.State.Severity() > out.State.Severity()) {
			out = l
		}
	}
	return out
}

// Colour is that of the worst that is open; blue where people have what is not
// over; green where all is over.
func (d *Digest) Colour() string {
	switch w := d.worst(); {
	case w != nil:
		return w.State.Colour()
	case d.Open > 0:
		return alert.Critical.Colour()
	case d.Acked > 0:
		return alert.Information
	}
	return alert.OK.Colour()
}

// words are the counts and as many of the worst as fit whole, in at most limit
// characters.
func (d *Digest) words(limit int) string {
	out := d.Counts()
	named := 0
	for i := range d.Worst {
		l := &d.Worst[i]
		line := "\n" + l.Words()
		if len([]rune(out))+len([]rune(line)) > limit-20 { // for what is left out
			break
		}
		out += line
		named++
	}
	if rest := d.Open + d.Acked - named; rest > 0 && named > 0 {
		out += fmt.Sprintf("\nand %d more", rest)
	}
	return out
}

// Words is a line for people: "Critical: HTTP on web01".
func (l *Line) Words() string {
	s := l.State.Word() + ": " + Cut(l.Object.Name(), 100)
	if l.Status == alert.Acknowledged {
		s += " (acknowledged)"
	}
	return s
}

// Count is a number with its noun: "1 alert", "2 alerts".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Leads is where a click on a message leads: to the list of a digest's alerts, else
// where the message says.
func (m *Message) Leads() string {
	if m.Digest != nil && m.Digest.URL != "" {
		return m.Digest.URL
	}
	return m.URL
}
