package webpush

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/webpush/seal"
	"tocsin/internal/config"
	"tocsin/internal/push"
)

// Mozilla's bridge to mobile devices takes bodies of less than 2,744 bytes;
// MaxPayload is what is left of that for the text and its padding.
const (
	maxBody    = 2743
	MaxPayload = maxBody - seal.Overhead
)

// Padded is how many bytes a payload is filled up to: one of a few sizes, so
// that the length of a message tells little of it.
func Padded(payload []byte) int {
	for _, size := range [...]int{512, 1024, 2048, MaxPayload} {
		if len(payload) <= size {
			return size
		}
	}
	return len(payload)
}

// Topic is what push services know an alert, an incident or the like by: of two
// undelivered messages with the same topic only the later one stays. It is 32
// characters long, the most there may be, and says nothing of the id. Empty for
// an empty id.
func Topic(id string) string {
	if id == "" {
		return ""
	}
	h := sha256.Sum256([]byte("tocsin topic\x00" + id))
	return base64.RawURLEncoding.EncodeToString(h[:24])
}

// payload is a message as devices get it: a declarative push message, which
// Safari can show by itself, and what our worker reads.
type payload struct {
	WebPush      int          `json:"web_push"` // 8030: this is one
	Mutable      bool         `json:"mutable"`  // the worker is asked first, where there is one
	Notification notification `json:"notification"`
}

// notification has the members of the declarative form (snake case); the
// worker reads the same.
type notification struct {
	Title              string   `json:"title"`
	Body               string   `json:"body,omitempty"`
	Navigate           string   `json:"navigate"`
	Lang               string   `json:"lang,omitempty"`
	Tag                string   `json:"tag,omitempty"`
	Icon               string   `json:"icon,omitempty"`
	Badge              string   `json:"badge,omitempty"`
	Timestamp          int64    `json:"timestamp,omitempty"` // Unix milliseconds
	Silent             bool     `json:"silent,omitempty"`
	RequireInteraction bool     `json:"require_interaction,omitempty"`
	Mutable            bool     `json:"mutable"` // where Safari 18.4 looks for it
	Actions            []action `json:"actions,omitempty"`
	Data               data     `json:"data"`
}

type action struct {
	Action   string `json:"action"`
	Title    string `json:"title"`
	Navigate string `json:"navigate"`
}

// data is what only our worker reads.
type data struct {
	V           int          `json:"v"`
	Kind        string       `json:"kind"` // alert, storm, page, test
	AlertID     string       `json:"alert_id,omitempty"`
	ObjectID    string       `json:"object_id,omitempty"`
	DeliveryID  string       `json:"delivery_id,omitempty"`
	Notice      alert.Notice `json:"notice,omitempty"`
	State       alert.State  `json:"state,omitempty"`
	URL         string       `json:"url"`
	At          time.Time    `json:"at"` // written as the browser channel writes it: both name the message by it
	AutoClose   int          `json:"auto_close"`
	Quiet       bool         `json:"quiet"`
	Renotify    bool         `json:"renotify"`
	Token       string       `json:"token,omitempty"`
	Page        string       `json:"page,omitempty"`
	Publication string       `json:"publication,omitempty"`
	Worst       []known      `json:"worst,omitempty"` // of a digest
}

// known is one alert of a digest, for the list that a device keeps of what is open.
type known struct {
	ID     string       `json:"id"`
	Name   string       `json:"name"`
	State  alert.State  `json:"state"`
	Status alert.Status `json:"status"`
	Since  time.Time    `json:"since"`
}

// messagePayload is an alert's message for one device. token is empty for none.
func messagePayload(m *channel.Message, s config.Settings, base, token string) ([]byte, channel.Text) {
	t := channel.Present(m)
	leads := absolute(base, m.Leads())
	n := notification{
		Title: t.Title, Body: t.Body, Navigate: leads, Lang: "en", Tag: t.Tag,
		Icon: absolute(base, t.Icon), Badge: absolute(base, badge), Timestamp: milliseconds(t.At),
		Silent: m.Quiet,
		Data: data{
			Kind: "alert", AlertID: t.AlertID, ObjectID: m.Object.ID, DeliveryID: m.DeliveryID, Notice: m.Notice, State: t.State,
			URL: leads, At: t.At, AutoClose: s.AutoClose[t.Closes], Quiet: m.Quiet, Renotify: !m.Quiet, Token: token,
		},
	}
	if m.Notice == alert.NoticeProblem {
		n.RequireInteraction = n.Data.AutoClose == 0
		if t.AlertID != "" {
			// Who follows navigate is Safari, which has no buttons: there the page
			// with the big ones stands in for them, wherever a click leads elsewhere.
			n.Navigate = absolute(base, "/console/act/"+t.AlertID)
		}
		if act := n.Navigate; t.AlertID != "" && token != "" {
			n.Actions = []action{{"ack", "Acknowledge", act}, {"snooze", "Snooze 30 min", act}}
		}
	}
	if m.Digest != nil {
		n.Data.Kind, n.Data.ObjectID = "storm", ""
		n.RequireInteraction = n.Data.AutoClose == 0
		for _, l := range m.Digest.Worst {
			n.Data.Worst = append(n.Data.Worst, known{l.AlertID, cutBytes(l.Object.Name(), 100), l.State, l.Status, l.Since.UTC()})
		}
	}
	return fit(n, base, MaxPayload), t
}

// testPayload is that of a device's test button.
func testPayload(base string, now time.Time, s config.Settings) []byte {
	leads := absolute(base, "/console/me")
	return fit(notification{
		Title: "Test notification from Tocsin", Body: "If you can read this, alerts reach you on this device.",
		Navigate: leads, Lang: "en", Tag: "test",
		Icon: absolute(base, channel.Icon("app")), Badge: absolute(base, badge), Timestamp: milliseconds(now),
		Data: data{
			Kind: "test", Notice: alert.NoticeCustom, URL: leads, At: now.UTC(),
			AutoClose: s.AutoClose[string(alert.NoticeCustom)], Renotify: true,
		},
	}, base, MaxPayload)
}

// PublicationPayload is a publication as a device with this language gets it:
// the same for all devices with the language. baseURL is this server's address
// as browsers reach it.
func PublicationPayload(p *push.Publication, language, baseURL string) []byte {
	text := p.Text(language)
	leads := absolute(baseURL, p.URL)
	icon, small := p.Icon, p.Badge
	if icon == "" {
		icon = channel.Icon("app")
	}
	if small == "" {
		small = badge
	}
	topic := p.Topic
	if topic == "" {
		topic = p.ID
	}
	return fit(notification{
		Title: text.Title, Body: strings.TrimSpace(text.Body), Navigate: leads, Lang: textLanguage(p, language), Tag: "page-" + topic,
		Icon: absolute(baseURL, icon), Badge: absolute(baseURL, small), Timestamp: milliseconds(p.Created),
		Data: data{
			Kind: "page", Notice: alert.Notice(p.Kind), URL: leads, At: p.Created.UTC(), Renotify: true,
			Page: p.PageID, Publication: p.ID,
		},
	}, baseURL, MaxPayload)
}

// textLanguage is the language that Text answered the text of, empty for the
// default, of which it is not known.
func textLanguage(p *push.Publication, language string) string {
	for l := language; l != ""; {
		if _, ok := p.Texts[l]; ok {
			return l
		}
		l = l[:max(strings.LastIndexByte(l, '-'), 0)]
	}
	return ""
}

// badge is the one-coloured picture beside the clock on Android.
const badge = "/static/icons/badge.png"

// absolute makes an address of a path of ours; it lets an address be.
func absolute(base, s string) string {
	if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
		return s
	}
	return strings.TrimRight(base, "/") + "/" + strings.TrimLeft(s, "/")
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fit writes a notification with at most limit bytes. What is too long is made
// shorter in this order: the list of a digest, the body, then what only decorates, the buttons (a
// click still leads to them), the title, and at last where a click leads.
func fit(n notification, base string, limit int) []byte {
	n.Mutable, n.Data.V = true, 1
	out := encode(n)
	for _, shorten := range []func(over int){
		func(int) { n.Data.Worst = nil },
		func(over int) { n.Body = cutBytes(n.Body, jsonLen(n.Body)-over) },
		func(int) { n.Icon, n.Badge = absolute(base, channel.Icon("app")), "" }, // one of ours may be shorter
		func(int) { n.Icon = "" },
		func(int) { n.Actions = nil },
		func(over int) { n.Title = atLeast(cutBytes(n.Title, max(jsonLen(n.Title)-over, 40))) },
		func(int) { n.Data.URL = n.Navigate },
		func(int) { n.Navigate = absolute(base, ""); n.Data.URL = n.Navigate },
		func(int) { n.Tag = cutBytes(n.Tag, 100) },
	} {
		over := len(out) - limit
		if over <= 0 {
			return out
		}
		shorten(over)
		out = encode(n)
	}
	return out
}

// atLeast keeps a title from being empty: without one it is no declarative
// message.
func atLeast(title string) string {
	if title == "" {
		return "…"
	}
	return title
}

func encode(n notification) []byte {
	var b bytes.Buffer
	b.Grow(1024)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(payload{8030, true, n}); err != nil {
		// Nothing in it can fail but a year of five digits in At.
		n.Data.At = time.Time{}
		b.Reset()
		_ = e.Encode(payload{8030, true, n})
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// shorter makes a payload smaller, to at most limit bytes where that can be
// done, for a service that found it too large. ok is false when it is not one
// of ours or cannot be made smaller.
func shorter(text []byte, base string, limit int) (out []byte, ok bool) {
	var p payload
	if err := json.Unmarshal(text, &p); err != nil || p.WebPush != 8030 {
		return nil, false
	}
	if base == "" {
		base = p.Notification.Navigate
		if u, err := url.Parse(base); err == nil {
			base = u.Scheme + "://" + u.Host
		}
	}
	out = fit(p.Notification, base, limit)
	return out, len(out) < len(text)
}

// cutBytes shortens a text to at most limit bytes, as JSON counts them, the
// ellipsis included, without tearing apart what is seen as one character.
func cutBytes(s string, limit int) string {
	if jsonLen(s) <= limit {
		return s
	}
	const ellipsis = "…"
	used, keep := 0, 0
	state, rest := -1, s
	for rest != "" {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used += jsonLen(cluster); used > limit-len(ellipsis) {
			break
		}
		keep += len(cluster)
	}
	if keep == 0 {
		return ""
	}
	return strings.TrimRight(s[:keep], " \n\t") + ellipsis
}

// jsonLen is how many bytes a text has in JSON, without the quotes.
func jsonLen(s string) int {
	n := 0
	for i, r := range s {
		switch {
		case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t' || r == '\b' || r == '\f':
			n += 2
		case r < 0x20 || r == '\u2028' || r == '\u2029':
			n += 6
		case r < 0x80:
			n++
		case r == '\uFFFD' && s[i] != 0xEF: // not valid UTF-8: written as an escape
			n += 6
		case r < 0x800:
			n += 2
		case r < 0x10000:
			n += 3
		default:
			n += 4
		}
	}
	return n
}
