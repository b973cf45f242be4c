package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
)

// The columns of objects, alerts and events as o, a and e, in the order that
// their rows' dest reads them.
const (
	objectColumns = `o.id, o.source_id, o.host, o.service, o.host_display, o.service_display, o.url, o.labels, ` +
		`o.state, o.downtime, o.flapping, o.changed, o.turns, o.flaps`
	alertColumns = `a.id, a.object_id, a.status, a.state, a.worst, a.output, a.long, a.since, a.updated, a.resolved, ` +
		`a.ack, a.repeats, a.marks, a.snoozed`
	eventColumns = `e.id, e.call_id, e.source_id, e.alert_id, e.object_id, e.type, e.state, e.output, e.long, e.author, ` +
		`e.comment, e.user_id, e.origin, e.contacts, e.user_ids, e.happened, e.received, e.marks, e.sticky, e.outcome, e.why, ` +
		`e.until, e.reply_to, e.reply`
)

// orNone makes columns of an outer join readable where there is no row.
func orNone(columns string) string {
	list := strings.Split(columns, ", ")
	for i, c := range list {
		none := "''"
		switch c {
		case "o.downtime", "o.flapping", "e.sticky":
			none = "FALSE"
		case "o.changed", "o.flaps", "a.since", "a.updated", "a.resolved", "a.repeats", "a.snoozed", "e.happened", "e.received", "e.until":
			none = "0"
		}
		list[i] = "COALESCE(" + c + ", " + none + ")"
	}
	return strings.Join(list, ", ")
}

type objectRow struct {
	o       alert.Object
	state   string
	labels  string
	turns   string
	changed int64
	flaps   int64
}

func (r *objectRow) dest(more []any) []any {
	o := &r.o
	return append(more, &o.ID, &o.SourceID, &o.Host, &o.Service, &o.HostDisplay, &o.ServiceDisplay, &o.URL, &r.labels,
		&r.state, &o.Downtime, &o.Flapping, &r.changed, &r.turns, &r.flaps)
}

func (r *objectRow) value() (alert.Object, error) {
	r.o.State, r.o.Changed, r.o.Flaps = alert.State(r.state), fromMillis(r.changed), fromMillis(r.flaps)
	var err error
	if r.o.Labels, err = decodeLabels(r.labels); err != nil {
		return r.o, err
	}
	r.o.Turns, err = decodeTimes(r.turns)
	return r.o, err
}

type alertRow struct {
	a                        alert.Alert
	object                   string
	status, state, worst     string
	since, updated, resolved int64
	snoozed                  int64
	ack, marks               string
}

func (r *alertRow) dest(more []any) []any {
	a := &r.a
	return append(more, &a.ID, &r.object, &r.status, &r.state, &r.worst, &a.Output, &a.Long, &r.since, &r.updated, &r.resolved,
		&r.ack, &a.Repeats, &r.marks, &r.snoozed)
}

func (r *alertRow) value(o alert.Object) (alert.Alert, error) {
	a := r.a
	a.Object = o
	a.Status, a.State, a.Worst = alert.Status(r.status), alert.State(r.state), alert.State(r.worst)
	a.Since, a.Updated, a.Resolved = fromMillis(r.since), fromMillis(r.updated), fromMillis(r.resolved)
	a.Snoozed = fromMillis(r.snoozed)
	var err error
	if a.Ack, err = decodeAck(r.ack); err != nil {
		return a, err
	}
	a.Marks, err = decodeList[alert.Mark](r.marks)
	return a, err
}

type eventRow struct {
	e                           alert.Event
	object                      string
	typ, state, origin, outcome string
	contacts, users, marks      string
	reply                       string
	happened, received, until   int64
}

func (r *eventRow) dest(more []any) []any {
	e := &r.e
	return append(more, &e.ID, &e.CallID, &e.SourceID, &e.AlertID, &r.object, &r.typ, &r.state, &e.Output, &e.Long, &e.Author,
		&e.Comment, &e.UserID, &r.origin, &r.contacts, &r.users, &r.happened, &r.received, &r.marks, &e.Sticky, &r.outcome, &e.Why,
		&r.until, &e.ReplyTo, &r.reply)
}

func (r *eventRow) value(o alert.Object) (alert.Event, error) {
	e := r.e
	e.Object = o
	if o.ID == "" {
		e.Object.ID = r.object
	}
	e.Type, e.State, e.Origin, e.Outcome = alert.Type(r.typ), alert.State(r.state), alert.Origin(r.origin), alert.Outcome(r.outcome)
	e.Time, e.Received, e.Until = fromMillis(r.happened), fromMillis(r.received), fromMillis(r.until)
	e.Reply = alert.Confirmation(r.reply)
	var err error
	if e.Contacts, err = decodeList[string](r.contacts); err != nil {
		return e, err
	}
	if e.UserIDs, err = decodeList[string](r.users); err != nil {
		return e, err
	}
	e.Marks, err = decodeList[alert.Mark](r.marks)
	return e, err
}

// situationRow is an object with an alert and an event, either may be none.
type situationRow struct {
	o objectRow
	a alertRow
	e eventRow
}

func (r *situationRow) scan(s scanner) (o alert.Object, a *alert.Alert, e *alert.Event, err error) {
	if err = s.Scan(r.e.dest(r.a.dest(r.o.dest(make([]any, 0, 50))))...); err != nil {
		return o, nil, nil, err
	}
	if o, err = r.o.value(); err != nil {
		return o, nil, nil, err
	}
	if r.a.a.ID != "" {
		v, err := r.a.value(o)
		if err != nil {
			return o, nil, nil, err
		}
		a = &v
	}
	if r.e.e.ID != "" {
		v, err := r.e.value(o)
		if err != nil {
			return o, nil, nil, err
		}
		e = &v
	}
	return o, a, e, nil
}

func scanRecord(s scanner) (*dispatch.Record, error) {
	var r situationRow
	o, a, e, err := r.scan(s)
	if err != nil {
		return nil, err
	}
	return &dispatch.Record{Object: o, Known: true, Alert: a, Last: e}, nil
}

func scanObject(s scanner) (alert.Object, error) {
	var r objectRow
	if err := s.Scan(r.dest(nil)...); err != nil {
		return alert.Object{}, err
	}
	return r.value()
}

func scanAlert(s scanner) (alert.Alert, error) {
	var o objectRow
	var a alertRow
	if err := s.Scan(a.dest(o.dest(nil))...); err != nil {
		return alert.Alert{}, err
	}
	object, err := o.value()
	if err != nil {
		return alert.Alert{}, err
	}
	return a.value(object)
}

func scanEvent(s scanner) (alert.Event, error) {
	var o objectRow
	var e eventRow
	if err := s.Scan(e.dest(o.dest(nil))...); err != nil {
		return alert.Event{}, err
	}
	object, err := o.value()
	if err != nil {
		return alert.Event{}, err
	}
	return e.value(object)
}

// rank is the place of a status in the list of alerts, the highest first.
func rank(s alert.Status) int64 {
	switch s {
	case alert.Firing:
		return 2
	case alert.Acknowledged:
		return 1
	}
	return 0
}

// ack is an acknowledgement as it is kept.
type ack struct {
	EventID      string             `json:"event_id,omitempty"`
	Author       string             `json:"author,omitempty"`
	UserID       string             `json:"user_id,omitempty"`
	Comment      string             `json:"comment,omitempty"`
	At           int64              `json:"at"`
	Until        int64              `json:"until,omitempty"`
	Origin       alert.Origin       `json:"origin"`
	Sticky       bool               `json:"sticky,omitempty"`
	Confirmation alert.Confirmation `json:"confirmation"`
	Words        string             `json:"words,omitempty"`
}

func encodeAck(a *alert.Ack) string {
	if a == nil {
		return ""
	}
	return encodeJSON(ack{a.EventID, a.Author, a.UserID, a.Comment, millis(a.At), millis(a.Until), a.Origin, a.Sticky,
		a.Confirmation, a.Words})
}

// ackUntil is when an alert's acknowledgement ends by itself, 0 if it does not.
func ackUntil(a *alert.Alert) int64 {
	if a.Ack == nil {
		return 0
	}
	return millis(a.Ack.Until)
}

func decodeAck(text string) (*alert.Ack, error) {
	if text == "" {
		return nil, nil
	}
	var k ack
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return nil, fmt.Errorf("read a stored acknowledgement: %w", err)
	}
	return &alert.Ack{EventID: k.EventID, Author: k.Author, UserID: k.UserID, Comment: k.Comment, At: fromMillis(k.At),
		Until: fromMillis(k.Until), Origin: k.Origin, Sticky: k.Sticky, Confirmation: k.Confirmation, Words: k.Words}, nil
}

func readAlert(ctx context.Context, q querier, id string) (alert.Alert, error) {
	return find(ctx, q, scanAlert, "alert", id, "SELECT "+objectColumns+", "+alertColumns+
		" FROM alert a JOIN object o ON o.id = a.object_id WHERE a.id = $1", id)
}

// Alert answers one alert with its object, fault.ErrNotFound if there is none.
func (db *DB) Alert(ctx context.Context, id string) (alert.Alert, error) {
	return readAlert(ctx, db.reads, id)
}

// Object answers one object, fault.ErrNotFound if there is none.
func (db *DB) Object(ctx context.Context, id string) (alert.Object, error) {
	return find(ctx, db.reads, scanObject, "object", id, "SELECT "+objectColumns+" FROM object o WHERE o.id = $1", id)
}
