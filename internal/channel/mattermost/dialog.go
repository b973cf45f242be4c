package mattermost

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"tocsin/internal/alert"
	"tocsin/internal/chat"
	"tocsin/internal/fault"
)

const (
	// dialogLasts is how long a dialog may stay open before it is submitted.
	dialogLasts = time.Hour
	// keyName is the name of the secret that signs the state of dialogs.
	keyName = "mattermost-dialog"
	// stateFor keeps what is signed here from meaning anything elsewhere.
	stateFor = "tocsin mattermost dialog\x00"
)

// dialogRequest opens a dialog.
type dialogRequest struct {
	TriggerID string `json:"trigger_id"`
	URL       string `json:"url"`
	Dialog    dialog `json:"dialog"`
}

type dialog struct {
	CallbackID   string    `json:"callback_id"`
	Title        string    `json:"title"` // at most 24 characters
	Introduction string    `json:"introduction_text"`
	Elements     []element `json:"elements"`
	SubmitLabel  string    `json:"submit_label"`
	State        string    `json:"state"`
}

type element struct {
	Name        string   `json:"name"`
	DisplayName string   `json:"display_name"` // at most 24 characters
	Type        string   `json:"type"`
	Default     string   `json:"default,omitempty"`
	Placeholder string   `json:"placeholder,omitempty"`
	Help        string   `json:"help_text,omitempty"`
	Optional    bool     `json:"optional"`
	MaxLength   int      `json:"max_length,omitempty"`
	Options     []option `json:"options,omitempty"`
}

// expiries are after how long an acknowledgement may end by itself, in minutes.
var expiries = []option{{"Never", "0"}, {"After 1 hour", "60"}, {"After 4 hours", "240"}, {"After 1 day", "1440"}, {"After 1 week", "10080"}}

// state is what a dialog is about. It goes through the person's own client and
// back, so it is signed, and good for the one who opened it, once.
type state struct {
	Alert       string `json:"a"`
	Destination string `json:"d"`
	User        string `json:"u"`
	UserName    string `json:"n"`
	Channel     string `json:"c"`
	Post        string `json:"p"`
	Expires     int64  `json:"e"` // Unix seconds
	Nonce       string `json:"o"`
}

// keyring is the key of dialogs, once it was read.
type keyring struct {
	mu  sync.Mutex
	key []byte
}

func (c *Channel) dialogKey(ctx context.Context) ([]byte, error) {
	c.key.mu.Lock()
	defer c.key.mu.Unlock()
	if c.key.key != nil {
		return c.key.key, nil
	}
	key, err := c.o.Store.Secret(ctx, keyName)
	if err != nil {
		return nil, fmt.Errorf("read the key of dialogs: %w", err)
	}
	if len(key) < 32 {
		return nil, fmt.Errorf("the key of dialogs has %d bytes, not 32", len(key))
	}
	c.key.key = key
	return key, nil
}

// seal writes a state as text that nobody else can make: base64url of the JSON, a
// dot, and base64url of its HMAC-SHA256.
func seal(s state, key []byte) (string, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("write the state of a dialog: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(raw)
	return text + "." + base64.RawURLEncoding.EncodeToString(sum(text, key)), nil
}

// unseal reads what seal wrote.
func unseal(text string, key []byte) (s state, ok bool) {
	body, mac, found := strings.Cut(text, ".")
	if !found || len(text) > 3000 {
		return s, false
	}
	given, err := base64.RawURLEncoding.Strict().DecodeString(mac)
	if err != nil || !hmac.Equal(given, sum(body, key)) {
		return s, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	return s, err == nil && json.Unmarshal(raw, &s) == nil
}

func sum(text string, key []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(stateFor))
	m.Write([]byte(text))
	return m.Sum(nil)
}

// askForComment opens the dialog. Its trigger lives for three seconds, so nothing
// slow comes before.
func (c *Channel) askForComment(ctx context.Context, s *sight, b *chat.Button, k *click) any {
	a, err := c.o.Desk.Alert(ctx, b.AlertID)
	if err == nil && !a.Open() {
		err = ErrNotOpen
	} else if err == nil && a.Status == alert.Acknowledged {
		err = ErrAcked
	}
	if err != nil {
		return c.unable(ctx, s, b, k, a, err)
	}
	key, err := c.dialogKey(ctx)
	if err != nil {
		c.failed(actions, "read the key of dialogs", err)
		return private(saysFailed)
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // it never answers an error: see crypto/rand
	sealed, err := seal(state{
		Alert: b.AlertID, Destination: b.Destination, User: k.UserID, UserName: k.UserName, Channel: k.ChannelID, Post: k.PostID,
		Expires: c.o.Now().Add(dialogLasts).Unix(), Nonce: "mattermost-" + base64.RawURLEncoding.EncodeToString(nonce[:]),
	}, key)
	if err != nil {
		c.failed(actions, "write the state of a dialog", err)
		return private(saysFailed)
	}
	sv := c.server(s.settings)
	err = c.client.openDialog(ctx, &sv, dialogRequest{
		TriggerID: k.TriggerID, URL: s.callback + "/callback/mattermost/dialog", Dialog: ackDialog(a, sealed),
	})
	if err != nil {
		c.figures.count(actions, "failed")
		t := diagnose(err, sv.host(), "", false)
		c.o.Log.Warn("a dialog could not be opened", "alert_id", b.AlertID, "error", err)
		return private("The dialog could not be opened: " + escape(t.words) + "\nNothing was done. You can type `/tocsin ack " + shortID(b.AlertID) + " comment` instead.")
	}
	c.figures.count(actions, "opened")
	return struct{}{}
}

func ackDialog(a alert.Alert, sealed string) dialog {
	return dialog{
		CallbackID: "acknowledge", Title: "Acknowledge", SubmitLabel: "Acknowledge", State: sealed,
		Introduction: named(a) + " is " + a.State.Word() + ".",
		Elements: []element{
			{Name: "comment", DisplayName: "Comment", Type: "textarea", MaxLength: maxDialogComment, Placeholder: "What you know, and what you do about it"},
			{Name: "expire", DisplayName: "It ends by itself", Type: "select", Options: expiries, Default: "0", Optional: true},
			{Name: "sticky", DisplayName: "Sticky", Type: "bool", Default: "true", Optional: true, Placeholder: "stays until recovery, also when the state changes"},
		},
	}
}

const maxDialogComment = 1000

// submission is what Mattermost sends when a dialog is submitted. Everything in it
// but the user comes from that user's client.
type submission struct {
	Type       string                     `json:"type"`
	State      string                     `json:"state"`
	UserID     string                     `json:"user_id"`
	ChannelID  string                     `json:"channel_id"`
	Cancelled  bool                       `json:"cancelled"`
	Submission map[string]json.RawMessage `json:"submission"`
}

// dialog answers a submission: {} closes the dialog.
func (c *Channel) dialog(ctx context.Context, r *http.Request, body []byte) any {
	var g submission
	if err := json.Unmarshal(body, &g); err != nil || g.Type != "dialog_submission" || !isID(g.UserID) {
		c.refuse(dialogs, "malformed", "it cannot be read", r)
		return wrong(saysNotOurs)
	}
	key, err := c.dialogKey(ctx)
	if err != nil {
		c.failed(dialogs, "read the key of dialogs", err)
		return wrong(saysFailed)
	}
	st, ok := unseal(g.State, key)
	switch {
	case !ok:
		c.refuse(dialogs, "forged", "the state is not signed by us", r)
		return wrong(saysNotOurs)
	case st.User != g.UserID:
		c.refuse(dialogs, "forged", "the state is another user's", r)
		return wrong(saysNotOurs)
	case g.ChannelID != "" && st.Channel != g.ChannelID:
		c.refuse(dialogs, "forged", "the state is another channel's", r)
		return wrong(saysNotOurs)
	case g.Cancelled:
		c.figures.count(dialogs, "answered")
		return struct{}{}
	}
	if !c.door.user(g.UserID) {
		c.figures.count(dialogs, "limited")
		return wrong(saysMany)
	}
	if c.o.Now().Unix() >= st.Expires {
		c.figures.count(dialogs, "expired")
		return wrong("This dialog was open for more than an hour, so nothing was done. Please close it and click again.")
	}
	return c.submit(ctx, &g, &st)
}

func (c *Channel) submit(ctx context.Context, g *submission, st *state) any {
	s, err := c.sight(ctx)
	if err != nil {
		c.failed(dialogs, "read the settings", err)
		return wrong(saysFailed)
	}
	if !s.buttons {
		c.figures.count(dialogs, "off")
		return wrong(saysOff)
	}
	comment, minutes, sticky, problem := g.read()
	if problem != nil {
		c.figures.count(dialogs, "refused")
		return dialogAnswer{problem}
	}
	who, says, err := c.actor(ctx, s.settings, g.UserID, st.UserName)
	if err != nil {
		c.failed(dialogs, "find out who it is", err)
		return wrong(saysFailed)
	}
	if says != "" {
		c.figures.count(dialogs, "refused")
		return wrong(says)
	}
	first, err := c.o.Store.UseToken(ctx, st.Nonce, time.Unix(st.Expires, 0))
	switch {
	case errors.Is(err, fault.ErrInUse):
		c.figures.count(dialogs, "replayed")
		return wrong("This dialog is being submitted at this moment. Please look at the post.")
	case err != nil:
		c.failed(dialogs, "use the dialog", err)
		return wrong(saysFailed)
	case !first:
		c.figures.count(dialogs, "replayed")
		return wrong("This dialog was submitted before, so nothing was done. What stands in the post now is how the alert stands.")
	}
	var until time.Time
	if minutes > 0 {
		until = c.o.Now().Add(time.Duration(minutes) * time.Minute)
	}
	a, err := c.o.Desk.Acknowledge(ctx, st.Alert, who, comment, until, &sticky)
	after, cancel := detached(ctx)
	defer cancel()
	if err != nil {
		if e := c.o.Store.ReleaseToken(after, st.Nonce); e != nil {
			c.o.Log.Error("giving back a dialog of mattermost failed", "alert_id", st.Alert, "error", e)
		}
		says := c.why(after, s, st.Alert, &a, err)
		if says == "" {
			c.failed(dialogs, "acknowledge", err)
			return wrong(saysFailed)
		}
		c.figures.count(dialogs, "refused")
		return wrong(says)
	}
	c.figures.count(dialogs, "done")
	if err := c.o.Store.FinishToken(after, st.Nonce); err != nil {
		c.o.Log.Error("marking a dialog of mattermost as used failed", "alert_id", st.Alert, "error", err)
	}
	return struct{}{}
}

// read answers what was filled in, or what is wrong with it by field.
func (g *submission) read() (comment string, minutes int, sticky bool, problem map[string]string) {
	// A field of another type than it should have is as good as empty.
	_ = json.Unmarshal(g.Submission["comment"], &comment)
	comment = strings.TrimSpace(printable(comment))
	switch n := utf8.RuneCountInString(comment); {
	case n == 0:
		return "", 0, false, map[string]string{"comment": "Please write a comment."}
	case n > maxDialogComment:
		return "", 0, false, map[string]string{"comment": fmt.Sprintf("It has %d characters; %d are the most.", n, maxDialogComment)}
	}
	var expire string
	if raw := g.Submission["expire"]; len(raw) > 0 && string(raw) != "null" {
		if json.Unmarshal(raw, &expire) != nil {
			expire = "?"
		}
	}
	if expire != "" {
		known := false
		for _, o := range expiries {
			known = known || o.Value == expire
		}
		if minutes, _ = strconv.Atoi(expire); !known {
			return "", 0, false, map[string]string{"expire": "Please choose one of these."}
		}
	}
	// A box that was never touched is sent as a truth value, a text, or not at all.
	raw := string(g.Submission["sticky"])
	return comment, minutes, raw == "true" || raw == `"true"`, nil
}

// shortID is what /tocsin ack takes: the end of an alert's id.
func shortID(id string) string { return id[max(0, len(id)-shortest):] }

// shortest is how many characters of an alert's id are taken at least: of UUIDv7
// the end is random, so six tell apart what is open at one time.
const shortest = 6
