package delivery

import (
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
)

// Untrue says why a message is no longer true, empty if it still is. Only a
// problem can stop being true: that something recovered, or that somebody took
// it, stays so.
func (c *Claimed) Untrue() string {
	if c.Notice != alert.NoticeProblem || c.Alert == nil {
		return ""
	}
	switch c.Alert.Status {
	case alert.Resolved:
		return "recovered before it was sent, at " + Moment(c.Alert.Resolved)
	case alert.Acknowledged:
		a := c.Alert.Ack
		if a == nil {
			return "acknowledged before it was sent"
		}
		who := a.Author
		if who == "" {
			who = "somebody"
		}
		return "acknowledged by " + who + " before it was sent, at " + Moment(a.At)
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
		URL: url, EngineURL: engineURL, ExpiresAt: c.Expires,
	}
}
