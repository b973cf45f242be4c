package chat

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Mattermost's limits, in characters: model.PostMessageMaxRunesV2 and
// model.PostPropsMaxRunes.
const (
	maxMessage = 16383
	maxProps   = 800_000
)

// Post is a post as everybody sees it: without what buttons carry.
type Post struct {
	ID, ChannelID, RootID, UserID string
	Message, Type                 string
	Attachments                   []Attachment
	Props                         map[string]any // without the attachments
	CreateAt, UpdateAt, EditAt    int64          // Unix milliseconds
	Replies                       int
	Arrived, Edited               time.Time // as CreateAt and UpdateAt, but exact
}

// Attachment is a message attachment.
type Attachment struct {
	ID         int      `json:"id"`
	Fallback   string   `json:"fallback"`
	Color      string   `json:"color"`
	Pretext    string   `json:"pretext"`
	AuthorName string   `json:"author_name"`
	AuthorLink string   `json:"author_link"`
	AuthorIcon string   `json:"author_icon"`
	Title      string   `json:"title"`
	TitleLink  string   `json:"title_link"`
	Text       string   `json:"text"`
	Fields     []Field  `json:"fields"`
	ImageURL   string   `json:"image_url"`
	ThumbURL   string   `json:"thumb_url"`
	Footer     string   `json:"footer"`
	FooterIcon string   `json:"footer_icon"`
	Timestamp  any      `json:"ts"`
	Actions    []Action `json:"actions,omitempty"`
}

// Field is a field of an attachment.
type Field struct {
	Title string `json:"title"`
	Value any    `json:"value"`
	Short flag   `json:"short"`
}

// flag takes "true", too.
type flag bool

func (f *flag) UnmarshalJSON(b []byte) error {
	*f = flag(strings.EqualFold(strings.Trim(string(b), `"`), "true"))
	return nil
}

// Action is a button or a select menu.
type Action struct {
	ID          string       `json:"id,omitempty"`
	Type        string       `json:"type,omitempty"`
	Name        string       `json:"name,omitempty"`
	Style       string       `json:"style,omitempty"`
	Options     []Option     `json:"options,omitempty"`
	Integration *Integration `json:"integration,omitempty"`
}

// Option is an entry of a select menu.
type Option struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

// Integration is what a click calls. It never leaves the server but to its URL.
type Integration struct {
	URL     string         `json:"url,omitempty"`
	Context map[string]any `json:"context,omitempty"`
}

// post is a post as stored.
type post struct {
	Post
	pending string
	deleted int64
}

// wire is the JSON of a post.
type wire struct {
	ID            string         `json:"id"`
	CreateAt      int64          `json:"create_at"`
	UpdateAt      int64          `json:"update_at"`
	EditAt        int64          `json:"edit_at"`
	DeleteAt      int64          `json:"delete_at"`
	IsPinned      bool           `json:"is_pinned"`
	UserID        string         `json:"user_id"`
	ChannelID     string         `json:"channel_id"`
	RootID        string         `json:"root_id"`
	ParentID      string         `json:"parent_id"`
	OriginalID    string         `json:"original_id"`
	Message       string         `json:"message"`
	Type          string         `json:"type"`
	Props         map[string]any `json:"props"`
	Hashtags      string         `json:"hashtags"`
	PendingPostID string         `json:"pending_post_id"`
	ReplyCount    int            `json:"reply_count"`
	LastReplyAt   int64          `json:"last_reply_at"`
	Participants  any            `json:"participants"`
	Metadata      map[string]any `json:"metadata"`
}

// public is the post without the integrations of its actions.
func (p *post) public() Post {
	out := p.Post
	out.Props = maps.Clone(p.Props)
	out.Attachments = slices.Clone(p.Attachments)
	for i := range out.Attachments {
		out.Attachments[i].Actions = slices.Clone(out.Attachments[i].Actions)
		for j := range out.Attachments[i].Actions {
			out.Attachments[i].Actions[j].Integration = nil
		}
	}
	return out
}

func (p *post) wire() wire {
	w := p.public().wire()
	w.PendingPostID, w.DeleteAt = p.pending, p.deleted
	return w
}

func (p Post) wire() wire {
	props, meta := maps.Clone(p.Props), map[string]any{}
	if props == nil {
		props = map[string]any{}
	}
	if p.Attachments != nil {
		props["attachments"] = p.Attachments
		meta["embeds"] = []any{map[string]any{"type": "message_attachment"}}
	}
	parent := p.RootID
	return wire{
		ID: p.ID, CreateAt: p.CreateAt, UpdateAt: p.UpdateAt, EditAt: p.EditAt, UserID: p.UserID, ChannelID: p.ChannelID,
		RootID: p.RootID, ParentID: parent, Message: p.Message, Type: p.Type, Props: props, Metadata: meta, ReplyCount: p.Replies,
	}
}

// setProps takes props as a program gives them: attachments are brought into
// their form, those that have none are left out, and actions get ids.
func (p *post) setProps(given map[string]any) {
	props := maps.Clone(given)
	p.Attachments = nil
	list, ok := props["attachments"].([]any)
	if ok {
		p.Attachments = []Attachment{}
		for _, one := range list {
			var a Attachment
			raw, err := json.Marshal(one)
			if err != nil || one == nil || json.Unmarshal(raw, &a) != nil {
				continue
			}
			a.Text, a.Pretext = slackLinks(a.Text), slackLinks(a.Pretext)
			for i, f := range a.Fields {
				if v, ok := f.Value.(string); ok {
					a.Fields[i].Value = slackLinks(v)
				}
			}
			for i := range a.Actions {
				if a.Actions[i].ID == "" {
					a.Actions[i].ID = newID()
				}
			}
			p.Attachments = append(p.Attachments, a)
		}
	}
	delete(props, "attachments")
	p.Props = props
}

// size is that of all props, as they are stored.
func (p *post) size() int {
	raw, err := json.Marshal(map[string]any{"attachments": p.Attachments, "props": p.Props})
	if err != nil {
		return maxProps + 1
	}
	return utf8.RuneCount(raw)
}

// action finds an action of the post.
func (p *post) action(id string) (Action, bool) {
	for _, a := range p.Attachments {
		for _, b := range a.Actions {
			if b.ID == id && b.Integration != nil {
				return b, true
			}
		}
	}
	return Action{}, false
}

var (
	linkWithText = regexp.MustCompile(`<([^\n<\|>]+)\|([^\|\n>]+)>`)
	announcement = regexp.MustCompile(`<!(channel|all|here)>`)
)

// slackLinks turns <url|text> into a link, which Mattermost does in attachments
// of every origin.
func slackLinks(text string) string { return linkWithText.ReplaceAllString(text, "[$2]($1)") }

// slackText is what becomes of texts of webhooks and slash commands, besides.
func slackText(text string) string {
	return slackLinks(announcement.ReplaceAllString(text, "@$1"))
}

var (
	codeSpan = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	escaped  = regexp.MustCompile("\\\\([!-/:-@\\[-`{-~])")
	mention  = regexp.MustCompile(`(?i)(?:^|[^a-z0-9@._-])@([a-z0-9][a-z0-9._-]*)`)
)

// Mentions are the names that the post calls, "channel", "here", "all" and user
// names, as Mattermost looks for them: in message, pretext, text and fields,
// outside of code, after backslashes have been taken away.
func (p Post) Mentions() []string {
	texts := []string{p.Message}
	for _, a := range p.Attachments {
		texts = append(texts, a.Pretext, a.Title, a.Text, a.Footer)
		for _, f := range a.Fields {
			if v, ok := f.Value.(string); ok {
				texts = append(texts, v)
			}
		}
	}
	var out []string
	for _, t := range texts {
		t = escaped.ReplaceAllString(codeSpan.ReplaceAllString(t, " "), "$1")
		for _, m := range mention.FindAllStringSubmatch(t, -1) {
			out = append(out, strings.TrimRight(strings.ToLower(m[1]), "._-"))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// cut shortens a text to n characters.
func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n])
}
