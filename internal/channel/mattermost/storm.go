package mattermost

import (
	"fmt"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/chat"
)

// stormKey is what the post of a storm is kept by, where that of an alert is kept by
// the alert's id.
func stormKey(m *channel.Message) string { return chat.StormPrefix + m.Digest.Storm }

func postKey(m *channel.Message) string {
	if m.Digest != nil {
		return stormKey(m)
	}
	return m.Alert.ID
}

// stormView is all that the post of a storm depends on: one for all of it, which is
// edited as it goes on.
type stormView struct {
	digest *channel.Digest
	base   string
	emoji  bool
	zone   *time.Location
}

func (v *stormView) render() attachment {
	d := v.digest
	title := channel.Cut(d.Headline(), 2*fullLimits.name)
	at := attachment{Fallback: plain(title), Title: plain(title), TitleLink: v.link(d.URL), Color: d.Colour(), Footer: "Tocsin"}
	if at.TitleLink == "" {
		at.Title = escapeInline(title)
	}
	if v.emoji {
		at.Title = stateMark(d.State()) + " " + at.Title
	}
	at.Fields = []field{short("Now", d.Counts(), fullLimits.name), short("Since", when(d.Began, v.zone), fullLimits.name)}
	if d.About != "" && !strings.Contains(d.Title, d.About) {
		at.Fields = append(at.Fields, short("About", d.About, fullLimits.name))
	}
	for part := 1; part <= 8; part *= 2 {
		at.Text = v.lines(fullLimits.name/part, maxNote/part)
		if size(&at) <= maxProps {
			break
		}
	}
	return at
}

// lines are the worst, of which each leads to its page.
func (v *stormView) lines(name, output int) string {
	out := ""
	for i := range v.digest.Worst {
		l := &v.digest.Worst[i]
		if i > 0 {
			out += "\n"
		}
		out += v.line(l, name, output)
	}
	if rest := v.digest.Open + v.digest.Acked - len(v.digest.Worst); rest > 0 && out != "" {
		out += fmt.Sprintf("\nand %d more", rest)
	}
	return out
}

func (v *stormView) line(l *channel.Line, name, output int) string {
	what := escapeInline(channel.Cut(l.Object.Name(), name))
	if to := v.link(l.URL); to != "" {
		what = "[" + what + "](" + to + ")"
	}
	s := "**" + l.State.Word() + "**: " + what
	if v.emoji {
		s = stateMark(l.State) + " " + s
	}
	if l.Status == alert.Acknowledged {
		s += " (acknowledged)"
	}
	if said := escapeInline(channel.Cut(l.Output, output)); said != "" {
		s += " – " + said
	}
	return s
}

// link makes an address of a path of ours, empty where it is not known how people
// reach us.
func (v *stormView) link(s string) string {
	if s == "" || v.base == "" {
		return ""
	}
	if s[0] == '/' {
		return v.base + s
	}
	return s
}

// reply is what stands in the thread when more has come: that the post was edited
// nobody notices.
func (v *stormView) reply(m *channel.Message) string {
	d := v.digest
	if m.Quiet || d.Over || d.New <= 0 {
		return ""
	}
	s := "**" + channel.Count(d.New, "more alert") + "**, now " + d.Counts()
	if v.emoji {
		s = stateMark(d.State()) + " " + s
	}
	return s
}
