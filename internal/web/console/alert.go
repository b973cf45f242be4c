package console

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
	"tocsin/internal/source"
)

const timelineLimit = 500

type alertView struct {
	shell
	A         *alert.Alert
	Source    source.Source
	EngineURL string
	MayAck    bool
	MayUnack  bool
	Sticky    bool
	Timeline  []moment
	Told      []toldRow
	NotTold   []toldRow
	Length    string // how long it lasted, once resolved
	Cut       bool   // the timeline is longer than what is shown
	Snoozed   snoozed
	Lengths   []option // of a snooze; empty for somebody who cannot
	Unlinked  bool     // no contact is linked to the visitor, who is not told of it

	Ends    []option // of an acknowledgement
	Engine  string   // name of the engine that is told what is done here; empty: it is not
	Says    engineSays
	Asked   *asked   // the downtime that was asked for here
	Lasts   []option // of a downtime
	MayTell bool     // comments, downtimes
	Hold    holdView // by maintenance windows
	Next    *escalating
}

// moment is one event of a timeline, with what it made us tell.
type moment struct {
	alert.Event
	Told    int
	Rooms   int // among those told
	NotTold int
	Says    *engineSays // what became of what it asked the engine for
	Engine  string      // name of the source
}

// Answers says whether it is the engine's answer to something asked for here.
func (m moment) Answers() bool { return m.Type == alert.EngineReply && m.Says != nil }

// Does says whether its outcome says more than its type.
func (m moment) Does() bool {
	switch m.Type {
	case alert.Comment, alert.ScheduleDowntime, alert.CancelDowntime, alert.Snooze, alert.Unsnoozed:
		return false
	}
	return true
}

// ToldWords counts who was told: contacts, and rooms of Mattermost.
func (m moment) ToldWords() string {
	var parts []string
	if n := m.Told - m.Rooms; n > 0 {
		parts = append(parts, count(n, "contact", "contacts"))
	}
	if m.Rooms > 0 {
		parts = append(parts, count(m.Rooms, "room", "rooms"))
	}
	return strings.Join(parts, " and ")
}

// toldRow is one contact and channel with one message, told or not.
type toldRow struct {
	delivery.Delivery
	First bool   // the first row of its contact
	Span  int    // rows of its contact
	Asks  string // of one to an engine: what it was asked for
}

// Sort says what else than a contact it is that was told.
func (r toldRow) Sort() string {
	switch {
	case r.Channel == route.Engine:
		return "engine"
	case r.Channel == route.Mattermost && r.ContactID == "" && r.ContactName != "":
		return "room"
	}
	return ""
}

// DoneOrDue is the time that the row is about.
func (r toldRow) DoneOrDue() time.Time {
	if !r.Done.IsZero() {
		return r.Done
	}
	return r.Created
}

func (c *console) alert(w http.ResponseWriter, v *visit) error {
	ctx := v.Context()
	a, err := c.Store.Alert(ctx, v.PathValue("id"))
	if err != nil {
		return err
	}
	events, err := c.Store.Events(ctx, a.ID, "", timelineLimit)
	if err != nil {
		return err
	}
	ds, err := c.Store.AlertDeliveries(ctx, a.ID, "")
	if err != nil {
		return err
	}
	s, err := c.Store.Settings(ctx)
	if err != nil {
		return err
	}
	view := alertView{
		shell: c.shell(w, v, "/console/alerts", stateOf(a.State).Word+": "+a.Object.Name()), A: &a, Sticky: s.AckSticky,
		MayAck:   a.Status == alert.Firing && v.may("alerts:acknowledge"),
		MayUnack: a.Status == alert.Acknowledged && v.may("alerts:acknowledge"),
		Cut:      len(events) == timelineLimit, Ends: ackLengths(), Lasts: downtimeLengths(),
		MayTell: a.Open() && v.may("alerts:acknowledge"),
	}
	if !a.Resolved.IsZero() {
		view.Length = length(a.Resolved.Sub(a.Since))
	}
	view.Told, view.NotTold = split(v.linked(ds), events)
	view.Source, view.EngineURL = c.engine(ctx, a.Object)
	view.Timeline = timeline(events, ds, view.Source.Name)
	view.Asked = askedOf(events, view.Source.Name, v.now)
	if tells(view.Source) {
		view.Engine = view.Source.Name
	}
	if a.Ack != nil {
		view.Says = ackSays(a.Ack, view.Source.Name)
	}
	if view.Snoozed, err = c.snoozedNow(v, &a); err != nil {
		return err
	}
	if view.Hold, err = c.hold(v, &a.Object); err != nil {
		return err
	}
	if view.Next, err = c.escalation(v, &a); err != nil {
		return err
	}
	if view.MayAck {
		mine, err := c.ownContacts(v)
		if err != nil {
			return err
		}
		if view.Unlinked = len(mine) == 0; !view.Unlinked {
			view.Lengths = snoozeLengths()
		}
	}
	return c.show(w, v, "alert", view)
}

// linked are deliveries as a page shows them: for who may not see contacts, their
// names lead nowhere.
func (v *visit) linked(ds []delivery.Delivery) []delivery.Delivery {
	if v.may(auth.ReadConfig) {
		return ds
	}
	out := slices.Clone(ds)
	for i := range out {
		out[i].ContactID = ""
	}
	return out
}

// engine is the source of an object and the engine's own page of it.
func (c *console) engine(ctx context.Context, o alert.Object) (source.Source, string) {
	src, err := c.Store.SourceByID(ctx, o.SourceID)
	if err != nil {
		return source.Source{Name: "a source that is gone"}, ""
	}
	link, err := src.ObjectURL(o)
	if err != nil {
		return src, ""
	}
	return src, link
}

// timeline turns the events round, the newest first, and counts who was told.
func timeline(events []alert.Event, ds []delivery.Delivery, engine string) []moment {
	out := make([]moment, 0, len(events))
	answers := replies(events)
	for _, e := range slices.Backward(events) {
		m := moment{Event: e, Engine: engine}
		if e.Type == alert.EngineReply {
			s := saysOf(e.Reply, e.Comment, engine, alert.FromConsole)
			m.Says = &s
		} else if r, ok := answers[e.ID]; ok {
			s := saysOf(r.Reply, "", engine, alert.FromConsole)
			m.Says = &s
		}
		// Contacts, not messages: one may have many devices. What quietly brings a
		// device up to date tells nobody anything.
		told, not, rooms := map[string]bool{}, map[string]bool{}, map[string]bool{}
		for _, d := range ds {
			switch {
			case d.EventID != e.ID, d.Quiet, d.Channel == route.Engine:
			case d.State == delivery.Skipped:
				not[d.ContactID+d.ContactName] = true
			default:
				told[d.ContactID+d.ContactName] = true
				if d.Channel == route.Mattermost && d.ContactID == "" {
					rooms[d.ContactName] = true
				}
			}
		}
		for who := range told {
			delete(not, who)
		}
		m.Told, m.Rooms, m.NotTold = len(told), len(rooms), len(not)
		out = append(out, m)
	}
	return out
}

// split sorts deliveries into those that tell and those that were decided not
// to, contact by contact, the newest message first.
func split(ds []delivery.Delivery, events []alert.Event) (told, not []toldRow) {
	asks := map[string]string{}
	for _, e := range events {
		asks[e.ID] = e.Type.Word()
	}
	for _, d := range ds {
		if d.Channel == route.Engine {
			told = append(told, toldRow{Delivery: d, Asks: asks[d.EventID]})
			continue
		}
		if d.State == delivery.Skipped {
			not = append(not, toldRow{Delivery: d})
		} else {
			told = append(told, toldRow{Delivery: d})
		}
	}
	for _, rows := range [][]toldRow{told, not} {
		slices.SortStableFunc(rows, func(a, b toldRow) int {
			if n := strings.Compare(strings.ToLower(a.ContactName), strings.ToLower(b.ContactName)); n != 0 {
				return n
			}
			if n := strings.Compare(a.Channel, b.Channel); n != 0 {
				return n
			}
			if n := strings.Compare(a.DestinationName+a.Destination, b.DestinationName+b.Destination); n != 0 {
				return n
			}
			return b.Created.Compare(a.Created)
		})
		first := -1
		for i := range rows {
			if first < 0 || rows[i].ContactName != rows[first].ContactName || rows[i].Channel != rows[first].Channel {
				rows[i].First, first = true, i
			}
			rows[first].Span++
		}
	}
	return told, not
}

type objectView struct {
	shell
	O         alert.Object
	Source    source.Source
	EngineURL string
	Alerts    []alertRow
	Timeline  []moment
	Told      []toldRow
	NotTold   []toldRow
	Hold      holdView
}

func (c *console) object(w http.ResponseWriter, v *visit) error {
	ctx := v.Context()
	o, err := c.Store.Object(ctx, v.PathValue("id"))
	if err != nil {
		return err
	}
	items, _, err := c.Store.Alerts(ctx, alert.Filter{ObjectID: o.ID, Limit: 20})
	if err != nil {
		return err
	}
	events, err := c.Store.Events(ctx, "", o.ID, 200)
	if err != nil {
		return err
	}
	// Events of an alert have their deliveries on the alert's page; here are
	// those of the others, the latest only.
	var ds []delivery.Delivery
	asked := 0
	for _, e := range slices.Backward(events) {
		if e.AlertID != "" || asked == 20 {
			continue
		}
		asked++
		of, err := c.Store.AlertDeliveries(ctx, "", e.ID)
		if err != nil {
			return err
		}
		ds = append(ds, of...)
	}
	view := objectView{shell: c.shell(w, v, "/console/alerts", o.Name()), O: o}
	view.Source, view.EngineURL = c.engine(ctx, o)
	view.Timeline = timeline(events, ds, view.Source.Name)
	view.Alerts = c.rowsOf(v, items, []source.Source{view.Source}, v.URL.RequestURI())
	view.Told, view.NotTold = split(v.linked(ds), events)
	if view.Hold, err = c.hold(v, &o); err != nil {
		return err
	}
	return c.show(w, v, "object", view)
}

// Icon is the picture of what happened.
func (m moment) Icon() string {
	switch m.Type {
	case alert.Acknowledgement, alert.Unacknowledged:
		return "acknowledgement"
	case alert.FlappingStart, alert.FlappingStop, alert.FlappingDisabled, alert.FlapDetected, alert.FlapCalm:
		return "flapping"
	case alert.DowntimeStart, alert.DowntimeEnd, alert.DowntimeCancelled:
		return "downtime"
	case alert.Custom:
		return "custom"
	case alert.Snooze, alert.Unsnoozed:
		return "snooze"
	case alert.ScheduleDowntime, alert.CancelDowntime:
		return "downtime"
	case alert.Comment:
		return "comment"
	case alert.EngineReply:
		return "engine"
	}
	return stateOf(m.State).Icon
}
