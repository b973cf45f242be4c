package simulate

import (
	"time"

	"tocsin/internal/alert"
)

// rest is what is kept of the last event of an object whose alert is over for a while:
// what a further call of it is known by, in a third of the room. A day has a hundred
// thousand of them.
type rest struct {
	id, alertID       string
	typ               alert.Type
	state             alert.State
	origin            alert.Origin
	outcome           alert.Outcome
	author, comment   string
	happened, came    time.Time
	contacts, userIDs []string
}

// lay has an object's last event kept so, if it is of an alert.
func (m *mem) lay(objectID, alertID string) {
	rec := m.records[objectID]
	if rec == nil || rec.Alert != nil || rec.Last == nil || rec.Last.AlertID != alertID {
		return
	}
	e := rec.Last
	m.rests[objectID] = &rest{id: e.ID, alertID: e.AlertID, typ: e.Type, state: e.State, origin: e.Origin, outcome: e.Outcome,
		author: e.Author, comment: e.Comment, happened: e.Time, came: e.Received, contacts: e.Contacts, userIDs: e.UserIDs}
	rec.Last = nil
}

// event is the event again.
func (x *rest) event(o *alert.Object) *alert.Event {
	return &alert.Event{ID: x.id, AlertID: x.alertID, SourceID: o.SourceID, Object: *o, Type: x.typ, State: x.state, Origin: x.origin, Outcome: x.outcome,
		Author: x.author, Comment: x.comment, Time: x.happened, Received: x.came, Contacts: x.contacts, UserIDs: x.userIDs}
}
