package browser

import (
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/config"
)

// Notification is the body of a frame of the kind FrameKind, for one user.
type Notification struct {
	DeliveryID string       `json:"delivery_id"` // empty for a test
	AlertID    string       `json:"alert_id"`
	ObjectID   string       `json:"object_id"`
	Notice     alert.Notice `json:"notice"`
	State      alert.State  `json:"state"`
	Title      string       `json:"title"`
	Body       string       `json:"body"`
	Icon       string       `json:"icon"`       // path of a PNG, 192 by 192
	Colour     string       `json:"colour"`     // #rrggbb
	Tag        string       `json:"tag"`        // notifications with the same tag replace each other
	URL        string       `json:"url"`        // where a click leads
	AutoClose  int          `json:"auto_close"` // seconds, 0: until somebody closes it
	At         time.Time    `json:"at"`
	Test       bool         `json:"test"`
	Quiet      bool         `json:"quiet"`           // brings up to date what is shown, and calls nobody
	Total      int          `json:"total,omitempty"` // how many alerts a digest tells of
}

// Frame is a message as open tabs show it.
func Frame(m *channel.Message, s config.Settings) Notification {
	t := channel.Present(m)
	n := Notification{
		DeliveryID: m.DeliveryID, AlertID: t.AlertID, ObjectID: m.Object.ID, Notice: m.Notice, State: t.State,
		Title: t.Title, Body: t.Body, Icon: t.Icon, Colour: t.Colour, Tag: t.Tag,
		URL: m.Leads(), AutoClose: s.AutoClose[t.Closes], At: t.At, Quiet: m.Quiet,
	}
	if m.Digest != nil {
		n.ObjectID, n.Total = "", m.Digest.Total // it is about no single one
	}
	return n
}

// TestFrame is the notification of "Send me a test notification": it has no
// delivery behind it. url is where a click leads.
func TestFrame(url string, now time.Time, s config.Settings) Notification {
	return Notification{
		Notice: alert.NoticeCustom,
		Title:  "Test notification from Tocsin",
		Body:   "If you can read this, alerts reach you in this browser.",
		Icon:   channel.Icon("app"), Colour: alert.Information, Tag: "test", URL: url,
		AutoClose: s.AutoClose["custom"], At: now.UTC(), Test: true,
	}
}
