package hook

import (
	"cmp"
	"strings"
	"unicode"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
)

// gap is a zero-width space: where a form knows no escape for a character, it keeps
// what follows from being read together with it.
const gap = "\u200b"

// clean takes out what is not seen but does something: control characters and those
// that turn the direction of writing.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\r', unicode.IsControl(r) && r != '\t':
			return -1
		case r == '\t':
			return ' '
		case r == '\u200b', r == '\u200e', r == '\u200f', r == '\u061c', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func oneLine(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// ---- Slack and those who take the same

// What Slack's incoming webhooks take, and Mattermost's, Rocket.Chat's and, at
// /slack, Discord's: https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments
type slackMessage struct {
	Attachments []slackAttachment `json:"attachments"`
}

type slackAttachment struct {
	Fallback  string       `json:"fallback"`
	Colour    string       `json:"color"`
	Title     string       `json:"title"`
	TitleLink string       `json:"title_link,omitempty"`
	Text      string       `json:"text,omitempty"`
	Fields    []slackField `json:"fields,omitempty"`
	Footer    string       `json:"footer"`
	Time      int64        `json:"ts,omitempty"`
	// Nothing of it is Slack's Markdown. The others read Markdown all the same.
	Markdown []string `json:"mrkdwn_in"`
}

type slackField struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

// Discord takes the least: 256 characters of a title, 1,024 of a field, 6,000 in all.
// Escaped, a character may become five.
const (
	slackTitle = 200
	slackText  = 2500
	slackValue = 500
)

// slackText escapes as https://docs.slack.dev/messaging/formatting-message-text says:
// three characters, by which mentions and links are made. In Mattermost, Rocket.Chat
// and Discord nobody is mentioned, no picture is loaded and no link has another text
// than where it leads.
func slackEscape(s string, limit int) string {
	return slackEscapes.Replace(channel.Cut(clean(s), limit))
}

var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "@"+gap, "](", "]"+gap+"(", "][", "]"+gap+"[", "]:", "]"+gap+":", "`", "`"+gap)

func (p *post) slack() slackMessage {
	title := slackEscape(oneLine(p.text.Title), slackTitle)
	a := slackAttachment{
		Fallback: title, Colour: p.text.Colour, Title: title, TitleLink: p.url, Text: slackEscape(p.said(), slackText),
		Footer: "Tocsin", Markdown: []string{},
	}
	if at := p.m.Event.Time; !at.IsZero() {
		a.Time = at.Unix()
	}
	for _, f := range p.facts() {
		a.Fields = append(a.Fields, slackField{f.name, slackEscape(oneLine(f.value), slackValue), f.short})
	}
	return slackMessage{[]slackAttachment{a}}
}

// ---- Microsoft Teams

// What the trigger "When a Teams webhook request is received" takes:
// https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook
type teamsMessage struct {
	Type        string            `json:"type"`
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string  `json:"contentType"`
	ContentURL  *string `json:"contentUrl"`
	Content     card    `json:"content"`
}

// card is an Adaptive Card. A TextBlock reads Markdown and knows no certain escape; a
// TextRun shows its text as it is: https://adaptivecards.io/explorer/TextRun.html
type card struct {
	Schema  string         `json:"$schema"`
	Type    string         `json:"type"`
	Version string         `json:"version"`
	Body    []textBlock    `json:"body"`
	Actions []cardAction   `json:"actions,omitempty"`
	Teams   map[string]any `json:"msteams"`
}

type textBlock struct {
	Type    string    `json:"type"` // RichTextBlock
	Inlines []textRun `json:"inlines"`
	Spacing string    `json:"spacing,omitempty"`
}

type textRun struct {
	Type   string `json:"type"` // TextRun
	Text   string `json:"text"`
	Size   string `json:"size,omitempty"`
	Weight string `json:"weight,omitempty"`
	Colour string `json:"color,omitempty"`
	Subtle bool   `json:"isSubtle,omitempty"`
}

type cardAction struct {
	Type  string `json:"type"` // Action.OpenUrl
	Title string `json:"title"`
	URL   string `json:"url"`
}

// A message in Teams has 28 KB at most, cards included.
const (
	teamsTitle = 300
	teamsLine  = 600
	teamsLines = 12
)

func run(text string) textRun { return textRun{Type: "TextRun", Text: text} }

func (p *post) teams() teamsMessage {
	title := run(channel.Cut(oneLine(p.text.Title), teamsTitle))
	title.Size, title.Weight, title.Colour = "Medium", "Bolder", teamsColour(p.text)
	c := card{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.2",
		Body: []textBlock{{Type: "RichTextBlock", Inlines: []textRun{title}}}, Teams: map[string]any{"width": "Full"},
	}
	lines := strings.FieldsFunc(clean(p.said()), func(r rune) bool { return r == '\n' })
	for _, line := range lines[:min(len(lines), teamsLines)] {
		if line = channel.Cut(line, teamsLine); line != "" {
			c.Body = append(c.Body, textBlock{Type: "RichTextBlock", Inlines: []textRun{run(line)}, Spacing: "Small"})
		}
	}
	for _, f := range p.facts() {
		name := run(f.name + ": ")
		name.Subtle = true
		c.Body = append(c.Body, textBlock{Type: "RichTextBlock", Inlines: []textRun{name, run(channel.Cut(oneLine(f.value), teamsLine))}, Spacing: "None"})
	}
	if p.url != "" {
		c.Actions = append(c.Actions, cardAction{"Action.OpenUrl", p.opens(), p.url})
	}
	if p.engineURL != "" && p.engineURL != p.url {
		c.Actions = append(c.Actions, cardAction{"Action.OpenUrl", "Open in the engine", p.engineURL})
	}
	return teamsMessage{"message", []teamsAttachment{{ContentType: "application/vnd.microsoft.card.adaptive", Content: c}}}
}

// teamsColour is a colour in the words of Adaptive Cards, which know no others.
func teamsColour(t channel.Text) string {
	switch t.Colour {
	case alert.Critical.Colour():
		return "Attention"
	case alert.Warning.Colour():
		return "Warning"
	case alert.OK.Colour():
		return "Good"
	case alert.Information:
		return "Accent"
	}
	return "Default"
}

// opens is what the button says that leads to Tocsin.
func (p *post) opens() string {
	switch {
	case p.kind == typeTest:
		return "Open Tocsin"
	case p.m.Digest != nil:
		return "Open the list"
	case p.m.Alert != nil:
		return "Open the alert"
	}
	return "Open in Tocsin"
}

// ---- ntfy

// What ntfy takes as JSON at its root: https://docs.ntfy.sh/publish/#publish-as-json
type ntfyMessage struct {
	Topic    string       `json:"topic"`
	Title    string       `json:"title"`
	Message  string       `json:"message"`
	Priority int          `json:"priority"`
	Tags     []string     `json:"tags"`
	Click    string       `json:"click,omitempty"`
	Actions  []ntfyAction `json:"actions,omitempty"`
}

type ntfyAction struct {
	Action string `json:"action"` // view
	Label  string `json:"label"`
	URL    string `json:"url"`
}

// A message of more than 4,096 bytes becomes a file that is attached, and the JSON
// may have twice as many: https://docs.ntfy.sh/publish/#limitations
const (
	ntfyTitle = 150
	ntfyText  = 900 // characters, of which each may have four bytes
)

func (p *post) ntfy(topic string) ntfyMessage {
	text := cmp.Or(channel.Cut(clean(p.text.Body), ntfyText), channel.Cut(oneLine(p.text.Title), ntfyTitle)) // an empty one is shown as "triggered"
	out := ntfyMessage{
		Topic: topic, Title: channel.Cut(oneLine(p.text.Title), ntfyTitle), Message: text,
		Priority: [...]int{2, 3, 4, 5}[p.urgent()], Tags: p.ntfyTags(), Click: p.url,
	}
	if p.url != "" {
		out.Actions = append(out.Actions, ntfyAction{"view", p.opens(), p.url})
	}
	if p.engineURL != "" && p.engineURL != p.url {
		out.Actions = append(out.Actions, ntfyAction{"view", "Open in the engine", p.engineURL})
	}
	return out
}

// ntfyTags are an emoji, by its short code, and words to filter by.
func (p *post) ntfyTags() []string {
	sign := map[string]string{
		"problem": "warning", "recovery": "white_check_mark", "acknowledgement": "raised_hand", "flapping": "arrows_counterclockwise",
		"downtime": "construction", "custom": "speech_balloon", "digest": "cloud_with_lightning", typeOver: "sun_behind_small_cloud", typeTest: "bell",
	}[p.kind]
	if p.urgent() == 3 {
		sign = "rotating_light"
	}
	out := []string{}
	for _, t := range []string{sign, p.kind, string(p.text.State)} {
		if t != "" {
			out = append(out, t)
		}
	}
	return out
}

// ---- Gotify

// What Gotify takes: https://gotify.net/docs/pushmsg, https://gotify.net/docs/msgextras
type gotifyMessage struct {
	Title    string         `json:"title"`
	Message  string         `json:"message"`
	Priority int            `json:"priority"`
	Extras   map[string]any `json:"extras"`
}

const gotifyText = 4000

func (p *post) gotify() gotifyMessage {
	title := channel.Cut(oneLine(p.text.Title), slackTitle)
	extras := map[string]any{
		"client::display": map[string]any{"contentType": "text/plain"}, // whatever the check wrote
		"tocsin::alert":   map[string]any{"type": p.kind, "key": p.key(), "state": string(p.text.State)},
	}
	if p.url != "" {
		extras["client::notification"] = map[string]any{"click": map[string]any{"url": p.url}}
	}
	return gotifyMessage{
		// From 8 on a phone vibrates, from 4 on it sounds, below 1 it stays silent:
		// https://github.com/gotify/android#message-priorities
		Title: title, Message: cmp.Or(channel.Cut(clean(p.text.Body), gotifyText), title), Priority: [...]int{2, 4, 6, 8}[p.urgent()], Extras: extras,
	}
}
