package dispatch

import (
	"context"

	"tocsin/internal/alert"
	"tocsin/internal/audit"
)

// actor is who asks for something, for the audit trail: the transaction is another
// goroutine's, in another context.
type actor struct {
	audit.Actor
	address string
	known   bool
}

func actorOf(ctx context.Context) (a actor) {
	a.Actor, a.known = audit.From(ctx)
	a.address = audit.Address(ctx)
	return a
}

// trail are the lines of what somebody did about alerts: each event of theirs is one.
// Who came by a button, a link or a chat is known by what was sent there, and may have
// no user here.
func (a actor) trail(events []alert.Event) (list []audit.Entry) {
	for i := range events {
		e := &events[i]
		did := done(e.Type)
		if did == "" || !e.Origin.Here() || e.Origin == alert.FromExpiry {
			continue
		}
		entry := audit.Entry{At: e.Received, Actor: a.Actor, Address: a.address, Action: "alert." + did, Note: e.Comment,
			Subject: audit.Subject{Kind: "alert", ID: e.AlertID, Name: e.Object.Name()}}
		switch e.Origin {
		case alert.FromMattermost, alert.FromNotification, alert.FromMail:
			entry.Actor = audit.Actor{Kind: audit.Channel, ID: e.UserID, Name: e.Author + " (" + words(e.Origin) + ")"}
		default:
			if !a.known {
				entry.Actor = audit.Actor{Kind: audit.User, ID: e.UserID, Name: e.Author}
			}
		}
		list = append(list, entry)
	}
	return list
}

// words is where a click came from, for people.
func words(o alert.Origin) string {
	switch o {
	case alert.FromMattermost:
		return "Mattermost"
	case alert.FromMail:
		return "link in an e-mail"
	}
	return "button of a notification"
}

// done is what an event of somebody here did to its alert; empty for one that nobody
// asks for.
func done(t alert.Type) string {
	switch t {
	case alert.Acknowledgement:
		return "acknowledged"
	case alert.Unacknowledged:
		return "unacknowledged"
	case alert.Snooze:
		return "snoozed"
	case alert.Unsnoozed:
		return "unsnoozed"
	case alert.Comment:
		return "commented"
	case alert.ScheduleDowntime:
		return "downtime_scheduled"
	case alert.CancelDowntime:
		return "downtime_cancelled"
	}
	return ""
}
