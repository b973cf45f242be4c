package dispatch

import (
	"fmt"
	"slices"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
	"tocsin/internal/storm"
)

// A turn is an alert being taken, given back or closed, and what else makes out of
// date what devices and posts show of it. What was to be said of it before may be
// no longer true. All of that is worked out once, at the end of the transaction,
// for all alerts that turned in it: one statement each, however many events came
// together.
type turn struct {
	event   *alert.Event
	outcome alert.Outcome
	devices alert.Notice // what devices are brought up to date with; none: they need not be
	posts   alert.Notice // likewise posts in Mattermost
	aloud   bool         // posts: people there are to notice
	wait    time.Duration
}

// share is what one call has of the deliveries: those from From on, up to the
// next one's.
type share struct {
	from    int
	receipt *Receipt
}

// turn notes that an alert turned, and takes back what this transaction itself
// was about to say of it. was is the alert before, nil for none.
func (w *work) turn(was *alert.Alert, result alert.Result, e *alert.Event) {
	_, before := w.turns[e.AlertID]
	if t, ok := w.turnOf(was, result, e); ok {
		if !before {
			w.turnOrder = append(w.turnOrder, e.AlertID)
		} else if t.minor() && !w.turns[e.AlertID].minor() {
			t.outcome, t.devices = w.turns[e.AlertID].outcome, w.turns[e.AlertID].devices
		}
		w.turns[e.AlertID] = t
	}
	notices, why := untrue(result, e)
	if notices == nil {
		return
	}
	for i := range w.changes.Deliveries {
		d := &w.changes.Deliveries[i]
		if d.AlertID == e.AlertID && slices.Contains(notices, d.Notice) && d.State == delivery.Waiting {
			d.State, d.Detail, d.Done = delivery.Cancelled, why, w.now
		}
	}
	if before {
		w.cancels = slices.DeleteFunc(w.cancels, func(c Cancel) bool { return c.AlertID == e.AlertID && c.QuietTo == "" })
	}
	w.cancels = append(w.cancels, Cancel{AlertID: e.AlertID, Notices: notices, Why: why})
}

// untrue says which messages about an alert are no longer true after an event,
// and why; nil: all still are. That somebody took it is not untrue after a
// recovery, but the recovery says more.
func untrue(result alert.Result, e *alert.Event) (notices []alert.Notice, why string) {
	switch result.Outcome {
	case alert.Closed:
		notices = []alert.Notice{alert.NoticeProblem}
		if result.Alert.Ack != nil {
			notices = append(notices, alert.NoticeAck)
		}
		return notices, "recovered before it was sent, at " + delivery.Moment(e.Time)
	case alert.Acked:
		by := ""
		if e.Author != "" {
			by = " by " + e.Author
		}
		return []alert.Notice{alert.NoticeProblem}, "acknowledged" + by + " before it was sent, at " + delivery.Moment(e.Time)
	}
	return nil, ""
}

// turnOf is what an event makes out of date: an alert that was given back is a
// problem as before. Posts also show states, and what the engine made of an
// acknowledgement; devices are told that only if it is worth another message. What
// the engine says at once stands in the acknowledgement's own messages.
func (w *work) turnOf(was *alert.Alert, result alert.Result, e *alert.Event) (turn, bool) {
	t := turn{event: e, outcome: result.Outcome}
	switch result.Outcome {
	case alert.Acked:
		t.devices, t.posts = alert.NoticeAck, alert.NoticeAck
	case alert.Unacked:
		t.devices, t.posts = alert.NoticeProblem, alert.NoticeProblem
	case alert.Closed:
		t.devices, t.posts = alert.NoticeRecovery, alert.NoticeRecovery
	case alert.Reopened:
		t.posts = alert.NoticeProblem
	case alert.Changed:
		t.posts = alert.NoticeProblem
		if result.Alert.Status == alert.Acknowledged {
			t.posts = alert.NoticeAck // a problem that somebody has is told to nobody
		}
		return t, w.directory.Chats()
	case alert.AckAnswered, alert.AckConfirmed:
		if was == nil || was.Ack == nil || was.Ack.Confirmation == alert.Local {
			return turn{}, false
		}
		t.aloud = result.Alert.Ack.Confirmation != alert.Confirmed
		if soon := w.answeredSoon(was); !soon {
			t.devices, t.posts = alert.NoticeAck, alert.NoticeAck
		} else if t.aloud {
			t.posts, t.wait = alert.NoticeAck, answerWait // behind the acknowledgement's
		}
		return t, t.posts != alert.NoNotice
	default:
		return turn{}, false
	}
	return t, true
}

// minor says whether another turn of the same transaction says more.
func (t turn) minor() bool {
	return t.outcome == alert.Changed || t.outcome == alert.AckAnswered || t.outcome == alert.AckConfirmed
}

// shows is what an address is brought up to date with; none if it need not be, or
// cannot be.
func (w *work) shows(t turn, x *Address) alert.Notice {
	switch x.Channel {
	case route.Webpush:
		if w.directory.Reaches(x.UserID, x.Destination) {
			return t.devices
		}
	case route.Mattermost:
		// What a webhook posted cannot be edited.
		if r, room := w.directory.Room(x.Destination); room && !r.Bot && !t.aloud {
			return alert.NoNotice
		}
		if w.directory.ReachesRoom(x.Destination) {
			return t.posts
		}
	}
	return alert.NoNotice
}

// unquiet takes back the quiet updates of an event for devices and posts that a
// further call of it tells aloud.
func (w *work) unquiet(e *alert.Event, told []delivery.Delivery) {
	for i := range told {
		d := &told[i]
		if d.State != delivery.Waiting || d.Destination == "" {
			continue
		}
		turned := e.Outcome == alert.Acked || e.Outcome == alert.Unacked || e.Outcome == alert.Closed
		if turned || d.Channel == route.Mattermost && (e.Outcome == alert.Changed || e.Outcome == alert.Reopened) {
			w.cancels = append(w.cancels, Cancel{AlertID: e.AlertID, Notices: []alert.Notice{d.Notice}, QuietTo: d.Destination,
				Why: "the same is told to " + d.ContactName + " aloud"})
		}
	}
}

// finish works out what depends on all that the transaction did.
func (w *work) finish() error {
	var ended []Cancelled
	if len(w.cancels) > 0 {
		var err error
		if ended, err = w.tx.Cancel(w.ctx, w.cancels); err != nil {
			return fmt.Errorf("cancel what is no longer true: %w", err)
		}
	}
	doubtful := w.doubtful(ended)
	ask := slices.Clone(doubtful)
	pushes, chats := w.directory.Pushes(), w.directory.Chats()
	for _, id := range w.turnOrder {
		if t := w.turns[id]; pushes && t.devices != alert.NoNotice || chats && t.posts != alert.NoNotice {
			ask = append(ask, id)
		}
	}
	if err := w.loadAddresses(ask); err != nil {
		return err
	}
	w.leaveUntold(doubtful)
	w.replaceQuietly()
	if err := w.escalations(); err != nil {
		return err
	}
	return w.gather()
}

// place is where messages of one alert go to one contact. A place in Mattermost is
// the same one for whomever it is told.
type place struct{ alert, contact, channel, destination string }

func newPlace(alertID, contactID, channel, destination string) place {
	if channel == route.Mattermost || channel == route.Webhook {
		contactID = ""
	}
	return place{alertID, contactID, channel, destination}
}

func placeOf(d *delivery.Delivery) place {
	return newPlace(d.AlertID, d.ContactID, d.Channel, d.Destination)
}

func (x *Address) place(alertID string) place {
	return newPlace(alertID, x.ContactID, x.Channel, x.Destination)
}

// doubtful answers the alerts of which somebody is about to hear the end who may
// never have heard the beginning. It costs nothing: mostly the problem was told
// long ago, so nothing was left to be cancelled and nobody needs to be asked.
func (w *work) doubtful(ended []Cancelled) []string {
	unsent := map[place]bool{}
	for _, c := range ended {
		if c.Attempt == 0 {
			unsent[newPlace(c.AlertID, c.ContactID, c.Channel, c.Destination)] = true
		}
	}
	for i := range w.changes.Deliveries {
		if d := &w.changes.Deliveries[i]; d.State == delivery.Cancelled {
			unsent[placeOf(d)] = true
		}
	}
	var out []string
	seen := map[string]bool{}
	for i := range w.changes.Deliveries {
		d := &w.changes.Deliveries[i]
		if endOf(d) && !seen[d.AlertID] && (unsent[placeOf(d)] || w.mayHaveEnded(d)) {
			seen[d.AlertID] = true
			out = append(out, d.AlertID)
		}
	}
	return out
}

// endOf says whether a delivery is to tell somebody of a recovery.
func endOf(d *delivery.Delivery) bool {
	return d.Notice == alert.NoticeRecovery && d.State == delivery.Waiting && d.AlertID != ""
}

// mayHaveEnded says whether messages about the alert of a recovery may have ended
// unsent before this transaction: when somebody took it, when their time ran
// out, or in the call that this one joined.
func (w *work) mayHaveEnded(d *delivery.Delivery) bool {
	a := w.alerts[d.AlertID]
	return a == nil || a.Ack != nil || w.joined[d.EventID] != nil || w.now.Sub(a.Since) >= w.lives(d.Channel)
}

// leaveUntold turns recoveries into the record of why they are not told, where
// of the problem nothing ever left us: who comes back to the desk after lunch
// need not read what ended before they could have known of it. Whoever had no
// message about the problem at all is told: the engine or a rule wants it so.
func (w *work) leaveUntold(doubtful []string) {
	if len(doubtful) == 0 {
		return
	}
	heard := map[place]bool{} // false: was to be told, and was not
	for _, id := range doubtful {
		for _, x := range w.addresses[id] {
			p := x.place(id)
			heard[p] = heard[p] || x.Heard
		}
	}
	for i := range w.changes.Deliveries { // what never got as far as the store
		if d := &w.changes.Deliveries[i]; d.State == delivery.Cancelled {
			if p := placeOf(d); !heard[p] {
				heard[p] = false
			}
		}
	}
	for i := range w.changes.Deliveries {
		d := &w.changes.Deliveries[i]
		if was, known := heard[placeOf(d)]; !endOf(d) || !known || was || w.took(d) {
			continue
		}
		d.State, d.Done, d.Reason = delivery.Skipped, w.now, route.ReasonNeverTold
		d.Why += ", but the problem was over before it was told"
		w.unshare(i)
	}
}

// took says whether the delivery is for somebody who took the alert here, and so
// knows of it, however that was learned.
func (w *work) took(d *delivery.Delivery) bool {
	a := w.alerts[d.AlertID]
	return a != nil && a.Ack != nil && a.Ack.UserID != "" && a.Ack.UserID == d.UserID
}

// unshare takes a delivery back from the receipt that counted it. What was no call
// of an engine has none.
func (w *work) unshare(i int) {
	at, exact := slices.BinarySearchFunc(w.shares, i, func(s share, i int) int { return s.from - i })
	for exact && at+1 < len(w.shares) && w.shares[at+1].from == i { // calls that made none
		at++
	}
	if !exact {
		at--
	}
	if at < 0 {
		return
	}
	w.shares[at].receipt.Deliveries--
}

// replaceQuietly brings devices and posts up to date that show a message about an
// alert which has turned, and that nobody tells of it aloud: the phone of whoever
// took it at the desk, or of somebody who wants to hear of no recoveries.
func (w *work) replaceQuietly() {
	if len(w.turnOrder) == 0 {
		return
	}
	type screen struct{ alert, destination string }
	done := map[screen]bool{}
	for i := range w.changes.Deliveries {
		if d := &w.changes.Deliveries[i]; d.State == delivery.Waiting && d.Destination != "" {
			done[screen{d.AlertID, d.Destination}] = true
		}
	}
	for _, id := range w.turnOrder {
		t := w.turns[id]
		for _, x := range w.addresses[id] {
			s, notice := screen{id, x.Destination}, w.shows(t, &x)
			if notice == alert.NoNotice || !x.Heard || done[s] {
				continue
			}
			done[s] = true
			if x.Storm != "" && (!t.aloud || x.Channel != route.Mattermost) {
				w.freshen(&x, t.event)
				continue
			}
			c := route.Decision{
				ContactID: x.ContactID, ContactName: x.ContactName, UserID: x.UserID,
				Channel: x.Channel, Destination: x.Destination, DestinationName: x.DestinationName,
				Told: true, Reason: route.ReasonReplace, Why: "replaces what this device shows",
			}
			if x.Channel == route.Mattermost {
				c.Why = "brings the post there up to date"
			}
			d := w.delivery(&c, t.event, t.event.Object.ID, notice)
			d.Quiet = !t.aloud || x.Channel != route.Mattermost
			d.Due = d.Due.Add(t.wait)
			if len(t.event.Contacts)+len(t.event.UserIDs) > 0 {
				// The engine calls once for each contact. This one's call may come
				// next, and tells it aloud.
				d.Due = w.now.Add(quietAfter)
			}
			w.changes.Deliveries = append(w.changes.Deliveries, d)
		}
	}
}

// freshen has the message of a storm brought up to date that told an address of an
// alert: it has none of its own there.
func (w *work) freshen(x *Address, e *alert.Event) {
	place := PlaceKey(x.Channel, x.Destination, x.ContactID)
	for i := range w.stale {
		if w.stale[i].place == place && w.stale[i].storm == x.Storm {
			return
		}
	}
	w.stale = append(w.stale, refresh{place: place, storm: x.Storm,
		to: storm.To{ContactID: x.ContactID, ContactName: x.ContactName, UserID: x.UserID,
			Channel: x.Channel, Destination: x.Destination, DestinationName: x.DestinationName},
		about: storm.About{EventID: e.ID, ObjectID: e.Object.ID, AlertID: e.AlertID}})
}

// quietAfter is for how long a quiet update waits for the calls of an event's
// further contacts.
const quietAfter = joinWithin / 2

// loadAddresses asks the store about those alerts of which it was not asked yet.
func (w *work) loadAddresses(alertIDs []string) error {
	var ask []string
	for _, id := range alertIDs {
		if _, known := w.addresses[id]; !known {
			ask = append(ask, id)
			w.addresses[id] = nil
		}
	}
	if len(ask) == 0 {
		return nil
	}
	found, err := w.tx.Addresses(w.ctx, ask)
	if err != nil {
		return fmt.Errorf("load who was told of %d alerts: %w", len(ask), err)
	}
	for _, id := range ask {
		w.addresses[id] = found[id]
	}
	return nil
}

// addressesOf are those of the store and those that this transaction adds.
func (w *work) addressesOf(alertID string) []Address {
	out := slices.Clone(w.addresses[alertID])
	for i := range w.changes.Deliveries {
		d := &w.changes.Deliveries[i]
		problem := d.Notice == alert.NoticeProblem
		if d.AlertID != alertID || d.State == delivery.Skipped || !problem && d.Notice != alert.NoticeAck {
			continue
		}
		at := slices.IndexFunc(out, func(x Address) bool { return x.place(alertID) == placeOf(d) })
		if at < 0 {
			out = append(out, Address{ContactID: d.ContactID, ContactName: d.ContactName, UserID: d.UserID,
				Channel: d.Channel, Destination: d.Destination, DestinationName: d.DestinationName, Problem: problem})
			continue
		}
		out[at].Problem = out[at].Problem || problem
	}
	return out
}
