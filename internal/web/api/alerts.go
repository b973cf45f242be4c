package api

import (
	"context"
	"net/http"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
)

// ObjectOut is a host or a service.
type ObjectOut struct {
	ID             string            `json:"id" doc:"32 hex digits" example:"9f2d0a4c1b7e4f52a1d3c9e8b7a60514"`
	Kind           string            `json:"kind" enum:"host,service"`
	SourceID       string            `json:"source_id" doc:"The source it is known from"`
	Host           string            `json:"host" doc:"The engine's name of the host" example:"web01"`
	Service        string            `json:"service" doc:"The engine's name of the service; empty for a host" example:"HTTP"`
	HostDisplay    string            `json:"host_display" doc:"The host's name for people, if it has another one"`
	ServiceDisplay string            `json:"service_display" doc:"The service's name for people, if it has another one"`
	Name           string            `json:"name" doc:"Both for people" example:"HTTP on web01"`
	URL            string            `json:"url" doc:"The engine's page of it, if known"`
	Labels         map[string]string `json:"labels" doc:"As the source gave them"`
	State          string            `json:"state" doc:"As last told" example:"critical"`
	Downtime       bool              `json:"downtime" doc:"In a downtime of the engine"`
	Flapping       bool              `json:"flapping" doc:"Flapping, as the engine says"`
	Changed        *time.Time        `json:"changed" doc:"When something last changed, in the engine's time"`
}

// AckOut is an acknowledgement.
type AckOut struct {
	EventID      string     `json:"event_id" doc:"The entry of the timeline that it came with"`
	Author       string     `json:"author" doc:"Who took it"`
	UserID       string     `json:"user_id" doc:"The user here; empty when it was made in the engine, or in Mattermost by somebody who is linked to nobody"`
	Comment      string     `json:"comment" doc:"What they wrote"`
	At           time.Time  `json:"at"`
	Until        *time.Time `json:"until" doc:"When it ends by itself; null: it stays"`
	Origin       string     `json:"origin" enum:"engine,console,api,notification,mattermost,email" doc:"Where it was made"`
	Sticky       bool       `json:"sticky" doc:"Stays until recovery, also when the state changes"`
	Confirmation string     `json:"confirmation" enum:"local,pending,confirmed,refused,unconfirmed" doc:"Whether the engine knows of it. local: its source takes nothing back; pending: it is being told; unconfirmed: it was not known after a time, which may still change"`
	Words        string     `json:"engine_words" doc:"What the engine said of it, or why it is not known"`
}

// AlertOut is an alert as lists show it.
type AlertOut struct {
	ID       string     `json:"id"`
	Object   ObjectOut  `json:"object" doc:"What it is about"`
	Status   string     `json:"status" enum:"firing,acknowledged,resolved"`
	State    string     `json:"state" doc:"As last told; once resolved the state it recovered to" example:"critical"`
	Worst    string     `json:"worst" doc:"The worst since it opened" example:"critical"`
	Output   string     `json:"output" doc:"The check's output"`
	Long     string     `json:"long_output" doc:"Its further lines"`
	Since    time.Time  `json:"since" doc:"When it opened"`
	Updated  time.Time  `json:"updated" doc:"The last change or event"`
	Resolved *time.Time `json:"resolved" doc:"When it recovered; null while open"`
	Ack      *AckOut    `json:"acknowledgement" doc:"Null when nobody has taken it"`
	Snoozed  *time.Time `json:"snoozed_until" doc:"When the last contact who snoozed it is told again; null when nobody has"`
	Repeats  int        `json:"repeats" doc:"How often the same problem was told again"`
	Marks    []string   `json:"marks" doc:"What was sloppy about its events"`
	URL      string     `json:"url" doc:"Its page in the console"`
}

// EventOut is one entry of a timeline.
type EventOut struct {
	ID       string    `json:"id"`
	AlertID  string    `json:"alert_id" doc:"Empty when the object had no alert then"`
	Type     string    `json:"type" example:"PROBLEM"`
	State    string    `json:"state" example:"critical"`
	Output   string    `json:"output"`
	Long     string    `json:"long_output"`
	Author   string    `json:"author"`
	Comment  string    `json:"comment"`
	UserID   string    `json:"user_id" doc:"The user here who caused it; empty when the engine did"`
	Origin   string    `json:"origin"`
	Contacts []string  `json:"contacts" doc:"Contacts that the engine named"`
	UserIDs  []string  `json:"user_ids" doc:"Contacts that the engine named by --user-id"`
	Time     time.Time `json:"time" doc:"In the engine's time"`
	Received time.Time `json:"received"`
	Marks    []string  `json:"marks" doc:"What was sloppy about it"`
	Outcome  string    `json:"outcome" doc:"What it did" example:"opened"`
	Why      string    `json:"why" doc:"Why it did that"`

	Until   *time.Time `json:"until" doc:"Of a snooze, an acknowledgement or a downtime asked for: when it ends"`
	ReplyTo string     `json:"reply_to" doc:"Of ENGINEREPLY: the entry that the engine was asked by"`
	Reply   string     `json:"reply" enum:",pending,confirmed,refused,unconfirmed" doc:"Of ENGINEREPLY: what became of it; comment has the engine's words"`
}

// AlertDetail is an alert with all that happened to it and all who were told.
type AlertDetail struct {
	AlertOut
	Timeline   []EventOut    `json:"timeline" doc:"Oldest first; of more than 500 events the latest. /alerts/{id}/events has all"`
	Deliveries []DeliveryOut `json:"deliveries" doc:"Who was told, how and why; and who was not, and why not"`

	Escalation *EscalationOut `json:"escalation" doc:"How far the policy is while nobody takes it; null: none runs"`
}

// ObjectDetail is an object with its latest events.
type ObjectDetail struct {
	ObjectOut
	Timeline []EventOut `json:"timeline" doc:"The latest 200, oldest first. /objects/{id}/events has all"`
}

type alertsIn struct {
	Paging
	Status  []string `query:"status" enum:"firing,acknowledged,resolved" doc:"Only these"`
	State   []string `query:"state" doc:"Only these states"`
	Source  []string `query:"source_id" doc:"Only of these sources"`
	Kind    string   `query:"kind" enum:"host,service" doc:"Only hosts, or only services"`
	Object  string   `query:"object_id" doc:"Only of this object"`
	Contact string   `query:"contact_id" doc:"Only those this contact was told of"`
	Storm   string   `query:"storm" maxLength:"100" doc:"Only those that the messages of this storm tell of"`
	Search  string   `query:"q" maxLength:"200" doc:"Part of a name or of the output, without regard to case"`
	Older   bool     `query:"older" doc:"Look until the page is full or there is no more, however long that takes; without it a page that few alerts fit may end before, and next goes on there"`
	Since   string   `query:"since" format:"date-time" doc:"Only those that began then or later"`
}

type ackIn struct {
	ID   string   `path:"id" maxLength:"100" doc:"The alert's id"`
	Body *AckBody // none is fine
}

// AckBody is what somebody says when they take an alert.
type AckBody struct {
	Comment string `json:"comment,omitempty" maxLength:"2000" doc:"What you do about it" example:"On it, disk is being replaced"`
	Sticky  *bool  `json:"sticky,omitempty" doc:"Stays until recovery, also when the state changes; none: as in the settings"`
	Minutes int    `json:"expires_minutes,omitempty" minimum:"0" maximum:"43200" doc:"After how many minutes it ends by itself, and whoever was told hears of the problem again; none or 0: it stays"`
	Origin  string `json:"origin,omitempty" enum:"console,notification" doc:"Where somebody who is signed in makes it; none: console. Of an API key it is always api, whatever this says"`
}

func (a *API) alertRoutes() {
	read, ack := access{scope: auth.ReadAlerts}, access{scope: auth.AckAlerts}
	register(a, read, route("alerts", http.MethodGet, "/alerts", "list-alerts", "List alerts, open ones first"),
		func(ctx context.Context, in *alertsIn) (*body[list[AlertOut]], error) {
			f := alert.Filter{
				SourceIDs: in.Source, Kind: alert.Kind(in.Kind), ObjectID: in.Object, ContactID: in.Contact, Storm: in.Storm,
				Search: in.Search, Older: in.Older, Cursor: in.Cursor, Limit: in.Limit,
			}
			for _, s := range in.Status {
				f.Status = append(f.Status, alert.Status(s))
			}
			for _, s := range in.State {
				f.States = append(f.States, alert.State(s))
			}
			if in.Since != "" {
				t, err := time.Parse(time.RFC3339, in.Since)
				if err != nil {
					return nil, problem(http.StatusUnprocessableEntity, "since is no RFC 3339 time.")
				}
				f.Since = t
			}
			items, next, err := a.d.Store.Alerts(ctx, f)
			if err != nil {
				return nil, err
			}
			return give(list[AlertOut]{Items: each(items, a.alertOut), Next: next}), nil
		})
	one := route("alerts", http.MethodGet, "/alerts/{id}", "get-alert", "One alert with its timeline and deliveries")
	one.Errors = []int{http.StatusNotFound}
	register(a, read, one,
		func(ctx context.Context, in *byID) (*body[AlertDetail], error) {
			out, err := a.alertDetail(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return give(out), nil
		})
	all := route("alerts", http.MethodGet, "/alerts/{id}/events", "list-alert-events", "The timeline of an alert, the newest first")
	all.Errors = []int{http.StatusNotFound}
	register(a, read, all, func(ctx context.Context, in *timelineIn) (*body[list[EventOut]], error) {
		if _, err := a.d.Store.Alert(ctx, in.ID); err != nil {
			return nil, err
		}
		return a.timeline(ctx, alert.TimelineFilter{AlertID: in.ID, Cursor: in.Cursor, Limit: in.Limit})
	})
	take := route("alerts", http.MethodPost, "/alerts/{id}/acknowledge", "acknowledge-alert", "Acknowledge an alert")
	take.Description = "409 when it is acknowledged already, or resolved."
	take.Errors = []int{http.StatusNotFound, http.StatusConflict}
	register(a, ack, take, func(ctx context.Context, in *ackIn) (*body[AlertOut], error) {
		said := AckBody{}
		if in.Body != nil {
			said = *in.Body
		}
		r := ackRequest(ctx, said.Origin)
		r.Comment = said.Comment
		if said.Minutes > 0 {
			r.Until = a.d.Now().Add(time.Duration(said.Minutes) * time.Minute)
		}
		if said.Sticky != nil {
			r.Sticky = *said.Sticky
		} else {
			s, err := a.d.Store.Settings(ctx)
			if err != nil {
				return nil, err
			}
			r.Sticky = s.AckSticky
		}
		got, err := a.d.Dispatch.Acknowledge(ctx, in.ID, r)
		if err != nil {
			return nil, err
		}
		return give(a.alertOut(got)), nil
	})
	back := route("alerts", http.MethodDelete, "/alerts/{id}/acknowledge", "unacknowledge-alert", "Take an acknowledgement back")
	back.Description = "409 when it is not acknowledged."
	back.Errors = []int{http.StatusNotFound, http.StatusConflict}
	register(a, ack, back, func(ctx context.Context, in *byID) (*body[AlertOut], error) {
		got, err := a.d.Dispatch.Unacknowledge(ctx, in.ID, ackRequest(ctx, ""))
		if err != nil {
			return nil, err
		}
		return give(a.alertOut(got)), nil
	})
	a.engineRoutes()
	object := route("alerts", http.MethodGet, "/objects/{id}", "get-object", "One host or service with its latest events")
	object.Errors = []int{http.StatusNotFound}
	register(a, read, object,
		func(ctx context.Context, in *byID) (*body[ObjectDetail], error) {
			o, err := a.d.Store.Object(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			events, err := a.d.Store.Events(ctx, "", in.ID, 200)
			if err != nil {
				return nil, err
			}
			return give(ObjectDetail{ObjectOut: objectOut(o), Timeline: each(events, eventOut)}), nil
		})
	history := route("alerts", http.MethodGet, "/objects/{id}/events", "list-object-events", "The history of a host or service, the newest first")
	history.Errors = []int{http.StatusNotFound}
	register(a, read, history, func(ctx context.Context, in *timelineIn) (*body[list[EventOut]], error) {
		if _, err := a.d.Store.Object(ctx, in.ID); err != nil {
			return nil, err
		}
		return a.timeline(ctx, alert.TimelineFilter{ObjectID: in.ID, Cursor: in.Cursor, Limit: in.Limit})
	})
}

// timelineIn names what a timeline is of, and a page of it.
type timelineIn struct {
	ID string `path:"id" maxLength:"100" doc:"Its id"` // not embedded: huma reads no fields of what is not exported
	Paging
}

func (a *API) timeline(ctx context.Context, f alert.TimelineFilter) (*body[list[EventOut]], error) {
	items, next, err := a.d.Store.Timeline(ctx, f)
	if err != nil {
		return nil, err
	}
	return give(list[EventOut]{Items: each(items, eventOut), Next: next}), nil
}

// ackRequest says who acknowledges, and from where. origin is what a person's
// page or notification says of it, empty for the console.
func ackRequest(ctx context.Context, origin string) dispatch.AckRequest {
	p, _ := auth.From(ctx)
	r := dispatch.AckRequest{UserID: p.UserID, Author: p.Label(), Origin: alert.Origin(origin)}
	if p.UserID == "" {
		r.Origin = alert.FromAPI // a key cannot claim to be a person's click
	} else if origin == "" {
		r.Origin = alert.FromConsole
	}
	return r
}

func (a *API) alertDetail(ctx context.Context, id string) (AlertDetail, error) {
	got, err := a.d.Store.Alert(ctx, id)
	if err != nil {
		return AlertDetail{}, err
	}
	events, err := a.d.Store.Events(ctx, id, "", 1000)
	if err != nil {
		return AlertDetail{}, err
	}
	ds, err := a.d.Store.AlertDeliveries(ctx, id, "")
	if err != nil {
		return AlertDetail{}, err
	}
	e, err := a.escalationOf(ctx, id)
	if err != nil {
		return AlertDetail{}, err
	}
	return AlertDetail{AlertOut: a.alertOut(got), Timeline: each(events, eventOut), Deliveries: each(ds, deliveryOut), Escalation: e}, nil
}

func (a *API) alertOut(x alert.Alert) AlertOut {
	out := AlertOut{
		ID: x.ID, Object: objectOut(x.Object), Status: string(x.Status), State: string(x.State), Worst: string(x.Worst),
		Output: x.Output, Long: x.Long, Since: x.Since.UTC(), Updated: x.Updated.UTC(), Resolved: timeOut(x.Resolved),
		Repeats: x.Repeats, Marks: words(x.Marks), URL: a.d.BaseURL + "/console/alerts/" + x.ID,
	}
	if x.Open() && x.Snoozed.After(a.d.Now()) {
		out.Snoozed = timeOut(x.Snoozed)
	}
	if k := x.Ack; k != nil {
		out.Ack = &AckOut{
			EventID: k.EventID, Author: k.Author, UserID: k.UserID, Comment: k.Comment, At: k.At.UTC(), Until: timeOut(k.Until),
			Origin: string(k.Origin), Sticky: k.Sticky, Confirmation: string(k.Confirmation), Words: k.Words,
		}
	}
	return out
}

func objectOut(o alert.Object) ObjectOut {
	labels := o.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return ObjectOut{
		ID: o.ID, Kind: string(o.Kind()), SourceID: o.SourceID, Host: o.Host, Service: o.Service,
		HostDisplay: o.HostDisplay, ServiceDisplay: o.ServiceDisplay, Name: o.Name(), URL: o.URL, Labels: labels,
		State: string(o.State), Downtime: o.Downtime, Flapping: o.Flapping, Changed: timeOut(o.Changed),
	}
}

func eventOut(e alert.Event) EventOut {
	return EventOut{
		ID: e.ID, AlertID: e.AlertID, Type: string(e.Type), State: string(e.State), Output: e.Output, Long: e.Long,
		Author: e.Author, Comment: e.Comment, UserID: e.UserID, Origin: string(e.Origin), Contacts: words(e.Contacts),
		UserIDs: words(e.UserIDs), Time: e.Time.UTC(), Received: e.Received.UTC(), Marks: words(e.Marks),
		Outcome: string(e.Outcome), Why: e.Why, Until: timeOut(e.Until), ReplyTo: e.ReplyTo, Reply: string(e.Reply),
	}
}

// timeOut is null for no time.
func timeOut(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// words makes texts of words, never null.
func words[T ~string](in []T) []string {
	return each(in, func(w T) string { return string(w) })
}

// DeliveryOut is one message to one contact by one channel, or the decision
// not to send it.
type DeliveryOut struct {
	ID          string       `json:"id"`
	EventID     string       `json:"event_id"`
	AlertID     string       `json:"alert_id"`
	ObjectID    string       `json:"object_id"`
	ContactID   string       `json:"contact_id" doc:"Empty for somebody the engine named whom we do not know"`
	ContactName string       `json:"contact_name"`
	UserID      string       `json:"user_id"`
	Channel     string       `json:"channel" example:"browser"`
	Destination string       `json:"destination" doc:"Of Web Push: the device's id; of Mattermost: the room's id, or direct: and a user's; of what an engine is told (channel engine): the source's id"`
	DestName    string       `json:"destination_name" doc:"The same for people" example:"Firefox on Linux"`
	Quiet       bool         `json:"quiet" doc:"Brings what the device shows up to date, without a sound"`
	Notice      string       `json:"notice" doc:"What kind of message" example:"problem"`
	State       string       `json:"state" enum:"waiting,handed,sent,expired,cancelled,dead,skipped,collected" doc:"collected: told together with others, by the delivery that bundle names"`
	Bundle      string       `json:"bundle" doc:"The delivery that tells of this one, and of others; empty: it is told by itself"`
	Storm       string       `json:"storm" doc:"What all messages of one storm, or of one stretch of being held back, have in common"`
	Reason      string       `json:"reason" doc:"Why this contact is told, or not, as a word" example:"named_by_engine"`
	Why         string       `json:"why" doc:"The same as a sentence"`
	Detail      string       `json:"detail" doc:"What became of it"`
	Created     time.Time    `json:"created"`
	Due         *time.Time   `json:"due" doc:"The next attempt, while it goes on"`
	Expires     *time.Time   `json:"expires"`
	Done        *time.Time   `json:"done" doc:"Null until it ended"`
	Attempt     int          `json:"attempt" doc:"How often it was tried"`
	Attempts    []AttemptOut `json:"attempts" doc:"Each try, oldest first; where one alert is looked at"`
}

// AttemptOut is one try of a delivery.
type AttemptOut struct {
	Number int       `json:"number"`
	At     time.Time `json:"at"`
	Node   string    `json:"node" doc:"Which process tried"`
	Result string    `json:"result" example:"handed"`
	Detail string    `json:"detail"`
}

func deliveryOut(d delivery.Delivery) DeliveryOut {
	out := DeliveryOut{
		ID: d.ID, EventID: d.EventID, AlertID: d.AlertID, ObjectID: d.ObjectID, ContactID: d.ContactID, ContactName: d.ContactName,
		UserID: d.UserID, Channel: d.Channel, Destination: d.Destination, DestName: d.DestinationName, Quiet: d.Quiet, Notice: string(d.Notice), State: string(d.State), Bundle: d.Bundle, Storm: d.Storm, Reason: string(d.Reason), Why: d.Why,
		Detail: d.Detail, Created: d.Created.UTC(), Expires: timeOut(d.Expires), Done: timeOut(d.Done), Attempt: d.Attempt,
		Attempts: each(d.Attempts, func(t delivery.Attempt) AttemptOut {
			return AttemptOut{Number: t.Number, At: t.At.UTC(), Node: t.Node, Result: t.Result, Detail: t.Detail}
		}),
	}
	if d.State == delivery.Waiting || d.State == delivery.Handed {
		out.Due = timeOut(d.Due)
	}
	return out
}

type deliveriesIn struct {
	Paging
	State   []string `query:"state" enum:"waiting,handed,sent,expired,cancelled,dead,skipped,collected" doc:"Only these"`
	Channel string   `query:"channel" doc:"Only by this channel"`
	Contact string   `query:"contact_id" doc:"Only to this contact"`
	Storm   string   `query:"storm" maxLength:"100" doc:"Only of this storm"`
	Bundle  string   `query:"bundle" maxLength:"100" doc:"Only those that this delivery tells of"`
}

func (a *API) deliveryRoutes() {
	register(a, access{scope: auth.ReadAlerts}, route("alerts", http.MethodGet, "/deliveries", "list-deliveries", "List deliveries, the newest first"),
		func(ctx context.Context, in *deliveriesIn) (*body[list[DeliveryOut]], error) {
			f := delivery.Filter{Channel: in.Channel, ContactID: in.Contact, Storm: in.Storm, Bundle: in.Bundle, Cursor: in.Cursor, Limit: in.Limit}
			for _, s := range in.State {
				f.States = append(f.States, delivery.State(s))
			}
			items, next, err := a.d.Store.Deliveries(ctx, f)
			if err != nil {
				return nil, err
			}
			return give(list[DeliveryOut]{Items: each(items, deliveryOut), Next: next}), nil
		})
}
