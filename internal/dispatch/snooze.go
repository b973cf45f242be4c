package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
	"tocsin/internal/source"
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
	ContactIDs []string // whose messages; at least one, all must exist
	UserID     string   // the user here; empty for an API key
	Author     string   // the name that others see
	For        time.Duration
	Origin     alert.Origin
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
	a, err := s.call(ctx, &request{snooze: &snoozeCall{alertID: alertID, SnoozeRequest: r}})
	return a.until, err
}

type snoozeCall struct {
	alertID string
	SnoozeRequest
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
	people, err := w.people(c.ContactIDs)
	if err != nil {
		return time.Time{}, err
	}
	until := w.now.Add(c.For).Truncate(time.Millisecond)
	e := c.event(rec.Alert, people, until)
	e.Received, e.Time = w.now, w.now
	if _, err := w.apply(rec, e); err != nil {
		return time.Time{}, err
	}
	if err := w.loadAddresses([]string{c.alertID}); err != nil {
		return time.Time{}, err
	}
	ids := make([]string, len(people))
	for i := range people {
		ids[i] = people[i].ID
		w.changes.Snoozes = append(w.changes.Snoozes, Snooze{AlertID: c.alertID, ContactID: ids[i], Until: until, By: e.Author, At: w.now})
		w.remind(&people[i], e, rec.Alert, until)
	}
	w.cancels = append(w.cancels, Cancel{AlertID: c.alertID, Notices: []alert.Notice{alert.NoticeProblem}, ContactIDs: ids,
		Why: "snoozed by " + named(e.Author) + " before it was sent, until " + delivery.Moment(until)})
	return until, nil
}

// people answers the contacts, each once.
func (w *work) people(ids []string) ([]contact.Contact, error) {
	var out []contact.Contact
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			continue
		}
		who, ok := w.directory.Contact(id)
		if !ok {
			return nil, fmt.Errorf("contact %s: %w", id, ErrSnoozeContact)
		}
		out = append(out, who)
	}
	if len(out) == 0 {
		return nil, ErrSnoozeContact
	}
	return out, nil
}

// event is the request as an event on the alert's timeline. It carries the state
// and output of the problem, for it is what the reminder will be about.
func (c snoozeCall) event(a *alert.Alert, people []contact.Contact, until time.Time) *alert.Event {
	e := &alert.Event{
		SourceID: a.Object.SourceID, Object: a.Object, Type: alert.Snooze, State: a.State, Output: a.Output,
		UserID: c.UserID, Origin: c.Origin, Until: until,
	}
	author, cleaned, cut := source.Line(strings.TrimSpace(c.Author), source.MaxAuthor)
	e.Author = author
	if cleaned {
		mark(e, alert.MarkText)
	}
	if cut {
		mark(e, alert.MarkCut)
	}
	names := make([]string, len(people))
	for i := range people {
		names[i] = people[i].ShownName()
	}
	comment, _, _ := source.Text("until "+delivery.Moment(until)+", for "+strings.Join(names, ", "), source.MaxComment)
	e.Comment = comment
	return e
}

// remind makes the messages that a contact gets at the end of a snooze: where it
// was told, or, if it never was, wherever it can be. Whether they are still
// true is looked at when they are sent.
func (w *work) remind(who *contact.Contact, e *alert.Event, a *alert.Alert, until time.Time) {
	var told []route.Decision
	for _, x := range w.addressesOf(a.ID) {
		gone := x.Channel == route.Webpush && !w.directory.Reaches(x.UserID, x.Destination)
		if x.ContactID == who.ID && x.UserID == who.UserID && x.Problem && !gone {
			told = append(told, route.Decision{ContactID: who.ID, ContactName: who.ShownName(), UserID: who.UserID,
				Channel: x.Channel, Destination: x.Destination, DestinationName: x.DestinationName, Told: true})
		}
	}
	if len(told) == 0 {
		told = route.Decide(w.directory, route.Question{
			Event: alert.Event{SourceID: e.SourceID, Object: a.Object, Type: alert.Problem, State: a.State, Origin: e.Origin},
			Alert: a, Notice: alert.NoticeProblem, Told: []route.Told{{ContactID: who.ID}}, Now: until,
		})
	}
	for i := range told {
		if told[i].Told {
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
