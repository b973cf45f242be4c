package mattermost

import (
	"context"
	"encoding/json"
	"time"
	"unicode/utf8"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/chat"
)

// What the tests look at without sending anything.
var (
	Escape       = escape
	EscapeInline = escapeInline
	Plain        = plain
)

// View is what a post depends on.
type View struct {
	Alert           alert.Alert
	Object          alert.Object
	Engine          string
	Buttons, Dialog bool
	Emoji           bool
	Now             time.Time
	Zone            *time.Location
}

func (v View) view() *view {
	return &view{
		alert: v.Alert, object: v.Object, url: "https://tocsin.example.com/console/alerts/" + v.Alert.ID, engine: v.Engine,
		callback: "https://tocsin.example.com", buttons: v.Buttons, dialog: v.Dialog, emoji: v.Emoji, now: v.Now, zone: v.Zone,
	}
}

// Render is the attachment as JSON, with secrets that tell nobody anything, how
// many characters it has, and its texts.
func (v View) Render() (raw []byte, size int, texts []string) {
	secrets := map[chat.Action]string{}
	for _, a := range v.view().actions() {
		secrets[a] = "secret-of-" + string(a)
	}
	at := v.view().render(secrets)
	compact, err := json.Marshal(at)
	if err != nil {
		panic(err)
	}
	raw, err = json.MarshalIndent(at, "", "  ")
	if err != nil {
		panic(err)
	}
	texts = []string{at.Text}
	for _, f := range at.Fields {
		texts = append(texts, f.Value)
	}
	return raw, utf8.RuneCount(compact), texts
}

// Reply is what stands in the thread about a message.
func (v View) Reply(m channel.Message) string { return v.view().reply(&m) }

// ReadClick reads a click as the handler does.
func ReadClick(body []byte) (user, channel, post, secret string, ok bool) {
	var k click
	ok = json.Unmarshal(body, &k) == nil && k.wellFormed()
	return k.UserID, k.ChannelID, k.PostID, k.Context.Secret, ok
}

// ReadSubmission reads what was filled into a dialog.
func ReadSubmission(body []byte) (comment string, minutes int, problem map[string]string) {
	var g submission
	if json.Unmarshal(body, &g) != nil {
		return "", 0, map[string]string{"comment": "malformed"}
	}
	comment, minutes, _, problem = g.read()
	return comment, minutes, problem
}

// Seal and Unseal make and read the state of a dialog.
func Seal(alertID, userID string, key []byte) string {
	text, err := seal(state{Alert: alertID, User: userID}, key)
	if err != nil {
		panic(err)
	}
	return text
}

func Unseal(text string, key []byte) (alertID string, ok bool) {
	s, ok := unseal(text, key)
	return s.Alert, ok
}

// RenderStorm is the attachment of a storm as JSON, and how many characters it has.
func RenderStorm(d channel.Digest, emoji bool) (raw []byte, size int) {
	v := stormView{digest: &d, base: "https://tocsin.example.com", emoji: emoji}
	at := v.render()
	compact, err := json.Marshal(at)
	if err != nil {
		panic(err)
	}
	raw, err = json.MarshalIndent(at, "", "  ")
	if err != nil {
		panic(err)
	}
	return raw, utf8.RuneCount(compact)
}

// Answered has a message judged that began at some time and was answered so; 0: well.
func (c *Channel) Answered(ctx context.Context, room chat.Room, began time.Time, status int) {
	var err error
	if status != 0 {
		err = &answerError{status: status}
	}
	_ = c.judge(ctx, &target{key: room.ID, id: room.ID, name: room.Name, room: room}, began, err)
}
