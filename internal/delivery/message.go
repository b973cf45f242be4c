package delivery

import (
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/route"
)

// Untrue says why a message is no longer true, empty if it still is. A problem
// stops being true when it is over or somebody has it. That somebody took it
// stays so, but after the recovery nobody needs to read it, for the recovery's
// own message says more; and a quiet one is about what the device shows, which
// follows the alert. A recovery stays true.
func (c *Claimed) Untrue() string {
	switch c.Notice {
	case alert.NoticeEngine:
		return c.unasked()
	case alert.NoticeDigest:
		return c.empty()
	}
	if c.Alert == nil || c.Notice != alert.NoticeProblem && c.Notice != alert.NoticeAck {
		return ""
	}
	switch status := c.Alert.Status; {
	case status == alert.Resolved:
		return "recovered before it was sent, at " + Moment(c.Alert.Resolved)
	case status == alert.Acknowledged && c.Notice == alert.NoticeProblem && !c.edits():
		a := c.Alert.Ack
		if a == nil {
			return "acknowledged before it was sent"
		}
		who := a.Author
		if who == "" {
			who = "somebody"
		}
		return "acknowledged by " + who + " before it was sent, at " + Moment(a.At)
	case status == alert.Firing && c.Notice == alert.NoticeAck && (c.Quiet || c.Event.Type == alert.EngineReply):
		return "the acknowledgement did not last until it was sent"
	}
	return ""
}

// edits says whether it only brings a post in Mattermost up to date, which then
// says what is true by then.
func (c *Claimed) edits() bool { return c.Quiet && c.Channel == route.Mattermost }

// unasked says why an engine need no longer be told what was done here; empty if
// it must be. Comments, downtimes and what it is to let go of stay wanted, and so
// does that an acknowledgement was taken back, or ended because the state changed,
// unless somebody made one again.
func (c *Claimed) unasked() string {
	a := c.Alert
	if a == nil {
		return ""
	}
	before := "before the engine was told"
	if c.Handed {
		before = "before the engine confirmed it"
	}
	switch c.Event.Type {
	case alert.Acknowledgement:
		switch {
		case a.Status == alert.Resolved:
			return "recovered " + before + ", at " + Moment(a.Resolved)
		case a.Ack == nil || a.Ack.EventID != c.EventID:
			return "the acknowledgement was taken back " + before
		}
	case alert.Unacknowledged, alert.Problem:
		if a.Status == alert.Acknowledged {
			return "it was acknowledged again " + before
		}
	}
	return ""
}

// Moment is a time as it stands in a delivery's detail, for people.
func Moment(t time.Time) string { return t.UTC().Format("15:04:05 MST on 2 January 2006") }

// Message is the delivery as its channel sends it. url is where a click leads,
// engineURL the engine's own page; either may be empty.
func (c *Claimed) Message(url, engineURL string) channel.Message {
	al, digest := c.Alert, c.digest()
	if digest != nil {
		al, url, engineURL = nil, digest.URL, ""
	}
	return channel.Message{
		DeliveryID: c.ID, Attempt: c.Attempt, Notice: c.Notice,
		Event: c.Event, Object: c.Object, Alert: al,
		ContactID: c.ContactID, Contact: c.ContactName, UserID: c.UserID,
		Destination: c.Destination, DestinationName: c.DestinationName, Quiet: c.Quiet,
		Snoozed: c.Reason == route.ReasonSnoozeOver,
		Digest:  digest, Duty: c.duty(), Reminder: c.Reason == route.ReasonReminder,
		URL: url, EngineURL: engineURL, ExpiresAt: c.Expires,
		Handed: c.Handed, Note: c.Note, Asked: c.Created,
	}
}
