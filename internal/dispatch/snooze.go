package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
)

// The lengths of a snooze.
const (
	ShortestSnooze = time.Minute
	LongestSnooze  = 24 * time.Hour
)

// The refusals of Snooze besides those of Acknowledge.
var (
	ErrSnoozeLength  = errors.New("a snooze lasts from 1 minute to 24 hours")
	ErrSnoozeContact = errors.New("there is no contact to snooze it for")
)

// SnoozeRequest is what a person asks for who wants to be left in peace about
// an alert for a while.
type SnoozeRequest struct {
	ContactIDs []string // whose messages; all must exist
	// RoomDestinations are places in Mattermost whose messages they are. Of both
	// together at least one is needed.
	RoomDestinations []string
	UserID           string // the user here; empty for an API key
	Author           string // the name that others see
	For              time.Duration
	Origin           alert.Origin
}

// Snooze keeps problem notices of an alert from contacts for a while, at whose
// end they are reminded where they had been told, if the problem is still there
// and nobody has taken it. Recoveries and acknowledgements are told meanwhile,
// and end it. Another snooze of the same contact replaces the one before. It
// answers the end. The refusals: fault.ErrNotFound (no such alert), ErrNotOpen,
// ErrAckedBefore (somebody has it, so nobody is told anyhow), ErrSnoozeLength,
// ErrSnoozeContact (none given, or one that does not exist), and ErrBusy.
func (s *Service) Snooze(ctx context.Context, alertID string, r SnoozeRequest) (until time.Time, err error) {
	if r.For < ShortestSnooze || r.For > LongestSnooze {
		return time.Time{}, ErrSnoozeLength
	}
	a, err := s.call(ctx, &request{does: "snooze", snooze: &snoozeCall{alertID: alertID, SnoozeRequest: r}})
	return a.until, err
}

// Unsnooze ends the snoozes that the contacts have of an alert before their
// time. They hear of what happens from now on; the reminder is cancelled, and
// nothing is sent now, for who ends a snooze knows of the problem. r.For is not
// looked at; contacts that have it not snoozed are passed over. It answers the
// alert as it is then. The refusals: fault.ErrNotFound, ErrNotOpen,
// ErrNotSnoozed (none of them has it snoozed), and ErrBusy.
func (s *Service) Unsnooze(ctx context.Context, alertID string, r SnoozeRequest) (alert.Alert, error) {
	a, err := s.call(ctx, &request{does: "unsnooze", snooze: &snoozeCall{alertID: alertID, SnoozeRequest: r, undo: true}})
	return a.alert, err
}

type snoozeCall struct {
	alertID string
	SnoozeRequest
	undo bool
}

func (w *work) snoozeOrEnd(c snoozeCall) (until time.Time, a alert.Alert, err error) {
	if c.undo {
		a, err = w.unsnooze(c)
		return time.Time{}, a, err
	}
	until, err = w.snooze(c)
	return until, alert.Alert{}, err
}

// snooze answers refusals as errors that refused knows.
func (w *work) snooze(c snoozeCall) (time.Time, error) {
	rec, err := w.open(c.alertID)
	if err != nil {
		return time.Time{}, err
	}
	if rec.Alert.Status == alert.Acknowledged {
		return time.Time{}, ErrAckedBefore
	}
	people, rooms, err := w.asleep(c)
	if err != nil {
		return time.Time{}, err
	}
	until := w.now.Add(c.For).Truncate(time.Millisecond)
	e := c.event(rec.Alert, "until "+delivery.Moment(until)+", for "+shownNames(people, rooms))
	e.Until = until
	e.Received, e.Time = w.now, w.now
	if _, err := w.apply(rec, e); err != nil {
		return time.Time{}, err
	}
	if err := w.loadAddresses([]string{c.alertID}); err != nil {
		return time.Time{}, err
	}
	var ids []string
	asleep := func(id string) {
		ids = append(ids, id)
		w.changes.Snoozes = append(w.changes.Snoozes, Snooze{AlertID: c.alertID, ContactID: id, Until: until, By: e.Author, At: w.now})
	}
	for i := range people {
		asleep(people[i].ID)
		w.remind(w.waysTo(&people[i], e, rec.Alert, until), e, rec.Alert, until)
	}
	for _, room := range rooms {
		asleep(route.SnoozedRoom(room.Destination))
		w.remind([]route.Decision{room}, e, rec.Alert, until)
	}
	w.cancels = append(w.cancels, Cancel{AlertID: c.alertID, Notices: []alert.Notice{alert.NoticeProblem}, ContactIDs: ids,
		Why: "snoozed by " + named(e.Author) + " before it was sent, until " + delivery.Moment(until)})
	return until, nil
}

// unsnooze answers refusals as errors that refused knows.
func (w *work) unsnooze(c snoozeCall) (alert.Alert, error) {
	rec, err := w.open(c.alertID)
	if err != nil {
		return alert.Alert{}, err
	}
	left, err := w.snoozesOf(rec.Alert, alert.NoticeProblem)
	if err != nil {
		return alert.Alert{}, err
	}
	left = maps.Clone(left)
	var people []contact.Contact
	var ids []string
	var rooms []route.Decision
	end := func(id string) bool {
		_, ok := left[id]
		if delete(left, id); ok {
			ids = append(ids, id)
		}
		return ok
	}
	for _, id := range c.ContactIDs {
		if who, known := w.directory.Contact(id); end(id) && known {
			people = append(people, who)
		}
	}
	for _, destination := range c.RoomDestinations {
		if room, known := w.room(destination); end(route.SnoozedRoom(destination)) && known {
			rooms = append(rooms, room)
		}
	}
	if len(ids) == 0 {
		return alert.Alert{}, ErrNotSnoozed
	}
	comment := ""
	if len(people)+len(rooms) > 0 {
		comment = "for " + shownNames(people, rooms)
	}
	e := c.event(rec.Alert, comment)
	e.Type = alert.Unsnoozed
	for _, until := range left {
		if until.After(e.Until) {
			e.Until = until
		}
	}
	e.Received, e.Time = w.now, w.now
	receipt, err := w.apply(rec, e)
	if err != nil {
		return alert.Alert{}, err
	}
	if len(left) > 0 { // else apply has ended them all
		for _, id := range ids {
			w.changes.Snoozes = append(w.changes.Snoozes, Snooze{AlertID: c.alertID, ContactID: id, By: e.Author, At: w.now})
		}
	}
	w.cancels = append(w.cancels, Cancel{AlertID: c.alertID, Notices: []alert.Notice{alert.NoticeProblem}, ContactIDs: ids,
		Why: "the snooze was ended by " + named(e.Author) + " before it was over, at " + delivery.Moment(w.now)})
	return *w.alerts[receipt.AlertID], nil
}

func shownNames(people []contact.Contact, rooms []route.Decision) string {
	names := make([]string, 0, len(people)+len(rooms))
	for i := range people {
		names = append(names, people[i].ShownName())
	}
	for i := range rooms {
		names = append(names, rooms[i].ContactName)
	}
	return strings.Join(names, ", ")
}

// asleep answers whose snooze it is to be, each once.
func (w *work) asleep(c snoozeCall) (people []contact.Contact, rooms []route.Decision, err error) {
	for i, id := range c.ContactIDs {
		if slices.Contains(c.ContactIDs[:i], id) {
			continue
		}
		who, ok := w.directory.Contact(id)
		if !ok {
			return nil, nil, fmt.Errorf("contact %s: %w", id, ErrSnoozeContact)
		}
		people = append(people, who)
	}
	for i, destination := range c.RoomDestinations {
		if slices.Contains(c.RoomDestinations[:i], destination) {
			continue
		}
		room, ok := w.room(destination)
		if !ok {
			return nil, nil, fmt.Errorf("place %q in Mattermost: %w", destination, ErrSnoozeContact)
		}
		rooms = append(rooms, room)
	}
	if len(people)+len(rooms) == 0 {
		return nil, nil, ErrSnoozeContact
	}
	return people, rooms, nil
}

// room is a place in Mattermost as something that is told; false if it is not to
// be reached.
func (w *work) room(destination string) (route.Decision, bool) {
	d := route.Decision{Channel: route.Mattermost, Destination: destination, Told: true}
	if r, ok := w.directory.Room(destination); ok {
		d.ContactName, d.DestinationName = r.Name, r.Name
		return d, true
	}
	user, direct := chat.DirectUser(destination)
	if !direct || !w.directory.Chat {
		return route.Decision{}, false
	}
	for _, id := range slices.Sorted(maps.Keys(w.directory.Direct)) {
		if who, ok := w.directory.Contact(id); ok && w.directory.Direct[id] == user {
			d.ContactID, d.ContactName, d.UserID, d.DestinationName = who.ID, who.ShownName(), who.UserID, "direct message"
			return d, true
		}
	}
	return route.Decision{}, false
}

// event is the request as an event on the alert's timeline. It carries the state
// and output of the problem, for it is what the reminder will be about.
func (c snoozeCall) event(a *alert.Alert, comment string) *alert.Event {
	e := &alert.Event{
		SourceID: a.Object.SourceID, Object: a.Object, Type: alert.Snooze, State: a.State, Output: a.Output,
		UserID: c.UserID, Origin: c.Origin,
	}
	say(e, c.Author, comment)
	return e
}

// waysTo is how a contact is reminded: where it was told, or, if it never was,
// wherever it can be.
func (w *work) waysTo(who *contact.Contact, e *alert.Event, a *alert.Alert, until time.Time) []route.Decision {
	var told []route.Decision
	for _, x := range w.addressesOf(a.ID) {
		if x.ContactID == who.ID && x.UserID == who.UserID && x.Problem && w.there(&x) {
			told = append(told, route.Decision{ContactID: who.ID, ContactName: who.ShownName(), UserID: who.UserID,
				Channel: x.Channel, Destination: x.Destination, DestinationName: x.DestinationName, Told: true})
		}
	}
	if len(told) > 0 {
		return told
	}
	return route.Decide(w.directory, route.Question{
		Event: alert.Event{SourceID: e.SourceID, Object: a.Object, Type: alert.Problem, State: a.State, Origin: e.Origin},
		Alert: a, Notice: alert.NoticeProblem, Told: []route.Told{{ContactID: who.ID}}, Now: until,
	})
}

// there says whether messages can still go to an address.
func (w *work) there(x *Address) bool {
	switch x.Channel {
	case route.Webpush:
		return w.directory.Reaches(x.UserID, x.Destination)
	case route.Mattermost:
		return w.directory.ReachesRoom(x.Destination)
	case route.Email:
		return w.directory.Mails(x.ContactID)
	case route.Webhook:
		_, ok := w.directory.Hook(x.Destination)
		return ok
	}
	return true
}

// remind makes the messages of the end of a snooze. Whether they are still true is
// looked at when they are sent.
func (w *work) remind(told []route.Decision, e *alert.Event, a *alert.Alert, until time.Time) {
	for i := range told {
		if told[i].Told {
			told[i].HoldUntil = time.Time{} // who asks for a reminder at a time wants it then
			told[i].Reason, told[i].Why = route.ReasonSnoozeOver, named(e.Author)+" snoozed it and asked for a reminder at "+delivery.Moment(until)
		}
		d := w.delivery(&told[i], e, a.Object.ID, alert.NoticeProblem)
		if told[i].Told {
			d.Due, d.Expires = until, until.Add(w.lives(d.Channel))
		}
		w.changes.Deliveries = append(w.changes.Deliveries, d)
	}
}

func named(author string) string {
	if author == "" {
		return "somebody"
	}
	return author
}
