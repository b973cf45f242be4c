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
	if c.Alert == nil || c.Notice != alert.NoticeProblem && c.Notice != alert.NoticeAck {
		return ""
	}
	switch status := c.Alert.Status; {
	case status == alert.Resolved:
		return "recovered before it was sent, at " + Moment(c.Alert.Resolved)
	case status == alert.Acknowledged && c.Notice == alert.NoticeProblem:
		a := c.Alert.Ack
		if a == nil {
			return "acknowledged before it was sent"
		}
		who := a.Author
		if who == "" {
			who = "somebody"
		}
		return "acknowledged by " + who + " before it was sent, at " + Moment(a.At)
	case status == alert.Firing && c.Notice == alert.NoticeAck && c.Quiet:
		return "the acknowledgement did not last until it was sent"
	}
	return ""
}

// Moment is a time as it stands in a delivery's detail, for people.
func Moment(t time.Time) string { return t.UTC().Format("15:04:05 MST on 2 January 2006") }

// Message is the delivery as its channel sends it. url is where a click leads,
// engineURL the engine's own page; either may be empty.
func (c *Claimed) Message(url, engineURL string) channel.Message {
	return channel.Message{
		DeliveryID: c.ID, Attempt: c.Attempt, Notice: c.Notice,
		Event: c.Event, Object: c.Object, Alert: c.Alert,
		ContactID: c.ContactID, Contact: c.ContactName, UserID: c.UserID,
		Destination: c.Destination, DestinationName: c.DestinationName, Quiet: c.Quiet,
		Snoozed: c.Reason == route.ReasonSnoozeOver,
		URL:     url, EngineURL: engineURL, ExpiresAt: c.Expires,
		Handed: c.Handed, Note: c.Note, Asked: c.Created,
	}
}
