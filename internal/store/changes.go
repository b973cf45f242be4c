package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
)

// tables are the bulk statements, made once for each DB.
type tables struct {
	object, alert, event, call, delivery, attempt bulk // inserts
	join, cancel, complete, openAlert             bulk // updates
	ask, deliveryNote                             bulk
	seen, records, bareObjects, lockObjects       bulk // reads
	claimed, addresses                            bulk
	snooze                                        bulk
	post, button                                  bulk
	subscription, follow, note                    bulk
	retry, advanceRetry                           bulk
	days, interval, audit                         bulk
	pace, barePaces, paces                        bulk
	collecting, digestDue, endCollected           bulk
	moved, emptied                                bulk
	cancelCollected, storms, stormAlerts          bulk
	escalation, endEscalation                     bulk
	traces                                        bulk
	block, sign                                   bulk
}

// keepAlert is given as an object's alert_id by a write that says nothing of it.
const keepAlert = "="

// seenSQL is the event of a row's call. As a value of the row it is looked up by
// key on PostgreSQL too, however little is known of the table.
const seenSQL = "(SELECT c.event_id FROM event_call c WHERE c.source_id = v.column1 AND c.call_key = v.column2)"

func newTables(d dialect) tables {
	return tables{
		object: newInsert(d, "object", `id, source_id, host, service, host_display, service_display, url, labels,
			state, downtime, flapping, changed, search, alert_id, last_event_id, turns, flaps`, ` ON CONFLICT (id) DO UPDATE SET
			source_id = excluded.source_id, host = excluded.host, service = excluded.service,
			host_display = excluded.host_display, service_display = excluded.service_display, url = excluded.url,
			labels = excluded.labels, state = excluded.state, downtime = excluded.downtime,
			flapping = excluded.flapping, changed = excluded.changed, search = excluded.search,
			turns = excluded.turns, flaps = excluded.flaps,
			alert_id = CASE WHEN excluded.alert_id = '`+keepAlert+`' THEN object.alert_id ELSE excluded.alert_id END,
			last_event_id = CASE WHEN excluded.last_event_id = '' THEN object.last_event_id ELSE excluded.last_event_id END`),
		alert: newInsert(d, "alert", `id, object_id, status, rank, state, worst, output, long, search,
			since, updated, resolved, ack, ack_until, repeats, marks, snoozed, room`, ` ON CONFLICT (id) DO UPDATE SET
			status = excluded.status, rank = excluded.rank, state = excluded.state, worst = excluded.worst,
			output = excluded.output, long = excluded.long, search = excluded.search, block = 0,
			updated = excluded.updated, resolved = excluded.resolved, ack = excluded.ack,
			ack_until = excluded.ack_until, repeats = excluded.repeats, marks = excluded.marks, snoozed = excluded.snoozed, room = ''`),
		event: newInsert(d, "event", `id, call_id, source_id, alert_id, object_id, type, state, output, long, author,
			comment, user_id, origin, contacts, user_ids, happened, received, marks, sticky, outcome, why`, ""),
		call: newInsert(d, "event_call", "source_id, call_key, event_id, taken", ""),
		delivery: newInsert(d, "delivery", `id, event_id, alert_id, object_id, contact_id, contact_name, user_id, channel,
			notice, state, reason, why, detail, created, due, attempt, expires, done, destination, destination_name, quiet, room, bundle, storm`, ""),
		attempt: newInsert(d, "attempt", "delivery_id, number, happened, node, result, detail", ""),
		join:    newUpdate(d, "UPDATE event SET contacts = v.column2, user_ids = v.column3, marks = v.column4", 4, "event.id", ""),
		ask:     newUpdate(d, "UPDATE event SET until = v.column2, reply_to = v.column3, reply = v.column4", 4, "event.id", ""),
		cancel: newUpdate(d, "UPDATE delivery SET state = 'cancelled', detail = v.column3, done = v.column4, room = ''"+triedSQL(d), 6, "delivery.alert_id",
			" AND delivery.state IN ("+cancelled(d)+") AND "+cancelSQL+cancelledSQL),
		cancelCollected: newBulk(d, `WITH free AS (SELECT delivery.id, v.column3 AS why, v.column4 AS done, g.attempt FROM %s
			JOIN delivery ON delivery.alert_id = v.column1 AND delivery.alert_id = ANY($1) AND delivery.state = 'collected'
			AND `+cancelSQL+` JOIN delivery g ON g.id = delivery.bundle FOR UPDATE OF delivery SKIP LOCKED)
			UPDATE delivery SET state = 'cancelled', detail = free.why, done = free.done, attempt = free.attempt, room = ''
			FROM free WHERE delivery.id = free.id AND delivery.id = ANY(ARRAY(SELECT id FROM free))`+cancelledSQL, 6),
		complete: newUpdate(d, `UPDATE delivery SET state = v.column3, due = CASE WHEN v.column6 = 0 THEN v.column4 ELSE delivery.due END,
			detail = v.column5, done = v.column6, room = ''`, 6, "delivery.id", ` AND delivery.attempt = v.column2
			AND (delivery.state IN ('waiting', 'handed') OR delivery.state = 'expired' AND v.column3 = 'sent')
			RETURNING delivery.id, CASE WHEN delivery.notice = 'digest' THEN 1 ELSE 0 END`),
		deliveryNote: newUpdate(d, "UPDATE delivery SET note = v.column2", 2, "delivery.id", ""),
		openAlert:    newUpdate(d, "UPDATE object SET alert_id = v.column2", 2, "object.id", ""),
		seen:         newBulk(d, "SELECT v.column1, v.column2, "+seenSQL+" FROM %s WHERE "+seenSQL+" IS NOT NULL", 2),
		records: newLookup(d, "SELECT "+objectColumns+", "+orNone(alertColumns+", "+eventColumns)+` FROM object o
			LEFT JOIN alert a ON a.id = o.alert_id LEFT JOIN event e ON e.id = o.last_event_id WHERE %s`, "o.id"),
		bareObjects: newBulk(d, `INSERT INTO object (id, source_id, host, service, host_display, service_display, url, labels,
			state, downtime, flapping, changed, search, alert_id, last_event_id)
			SELECT v.column1, '', '', '', '', '', '', '', '', FALSE, FALSE, 0, '', '', '' FROM %s
			WHERE NOT EXISTS (SELECT 1 FROM object o WHERE o.id = v.column1)
			ORDER BY v.column1 ON CONFLICT (id) DO NOTHING RETURNING id`, 1),
		lockObjects: newLookup(d, "SELECT id FROM object WHERE %s ORDER BY id FOR UPDATE", "id"),
		claimed: newLookup(d, "SELECT "+orNone(objectColumns+", "+alertColumns+", "+eventColumns)+` FROM event e
			LEFT JOIN object o ON o.id = e.object_id LEFT JOIN alert a ON a.id = e.alert_id WHERE %s`, "e.id"),
		addresses: newLookup(d, addressesSQL, "alert_id"),
		snooze: newInsert(d, "snooze", "alert_id, contact_id, until, author, made", ` ON CONFLICT (alert_id, contact_id)
			DO UPDATE SET until = excluded.until, author = excluded.author, made = excluded.made`),
		post: newInsert(d, "chat_post", postColumns, ` ON CONFLICT (alert_id, destination) DO UPDATE SET channel_id = excluded.channel_id,
			post_id = excluded.post_id, webhook = excluded.webhook, nonce = excluded.nonce, tried = excluded.tried, hash = excluded.hash,
			last_event = excluded.last_event, replies = excluded.replies, gone = excluded.gone, updated = excluded.updated`),
		button: newInsert(d, "chat_button", buttonColumns, ` ON CONFLICT (hash) DO UPDATE SET
			channel_id = CASE WHEN chat_button.channel_id = '' THEN excluded.channel_id ELSE chat_button.channel_id END,
			post_id = CASE WHEN chat_button.post_id = '' THEN excluded.post_id ELSE chat_button.post_id END,
			expires = CASE WHEN chat_button.expires < excluded.expires THEN excluded.expires ELSE chat_button.expires END`),
		subscription: newInsert(d, "push_subscription", subscriptionColumns+", endpoint_hash, moved", " ON CONFLICT (endpoint_hash) DO NOTHING"),
		follow: newBulk(d, `INSERT INTO subscription_page (subscription_id, page_id, joined, want)
			SELECT v.column1, v.column2, v.column3, v.column4 FROM %s JOIN push_subscription ON id = v.column1`, 4),
		note: newUpdate(d, `UPDATE push_subscription SET
			last_success = CASE WHEN v.column2 > last_success THEN v.column2 ELSE last_success END,
			failures = CASE WHEN v.column2 > 0 THEN v.column3 ELSE failures + v.column3 END,
			last_error = v.column4`, 4, "push_subscription.id", ""),
		retry: newInsert(d, "publication_retry", "id, attempt, due, detail", " ON CONFLICT (id) DO NOTHING"),
		advanceRetry: newUpdate(d, "UPDATE publication_retry SET due = v.column3, detail = v.column4", 4, "publication_retry.id",
			" AND publication_retry.attempt = v.column2 RETURNING publication_retry.id"),
		days:     newInsert(d, "component_days", "component_id, month, page_id, days", " ON CONFLICT (component_id, month) DO UPDATE SET days = excluded.days"),
		interval: newInsert(d, "component_interval", "component_id, begins, ends, state, author, page_id", ""),
		audit:    newInsert(d, "page_audit", auditColumns, ""),
		pace: newInsert(d, "pace", "place, body, calm, used", ` ON CONFLICT (place) DO UPDATE SET
			body = excluded.body, calm = excluded.calm, used = excluded.used`),
		barePaces: newBulk(d, `INSERT INTO pace (place, body, calm, used) SELECT v.column1, '', 0, v.column2 FROM %s
			WHERE NOT EXISTS (SELECT 1 FROM pace p WHERE p.place = v.column1) ORDER BY v.column1 ON CONFLICT (place) DO NOTHING`, 2),
		paces: newLookup(d, "SELECT place, body FROM pace WHERE %s ORDER BY place"+d.forUpdate, "place"),
		collecting: newLookup(d, `SELECT id, CASE WHEN channel = 'browser' THEN 0 ELSE due END FROM delivery WHERE %s AND state = 'waiting' AND notice = 'digest' AND attempt = 0
			ORDER BY id`+d.skipLocked, "id"),
		digestDue: newUpdate(d, `UPDATE delivery SET due = v.column2, quiet = v.column3,
			expires = CASE WHEN expires = 0 THEN 0 ELSE expires + v.column2 - due END`, 3, "delivery.id",
			" AND delivery.state = 'waiting' AND delivery.attempt = 0"),
		moved: newUpdate(d, `UPDATE delivery SET state = v.column2, bundle = v.column3, storm = v.column4, due = v.column5,
			expires = v.column6, reason = v.column7, why = v.column8`, 8, "delivery.id",
			" AND delivery.state IN ('waiting', 'collected') AND delivery.attempt = 0"),
		emptied: newUpdate(d, "UPDATE delivery SET state = 'cancelled', detail = v.column2, done = v.column3, room = ''", 3, "delivery.id",
			` AND delivery.state = 'waiting' AND delivery.attempt = 0 AND NOT EXISTS
			(SELECT 1 FROM delivery c WHERE c.bundle = delivery.id AND c.bundle <> '' AND c.state = 'collected')`),
		endCollected: newUpdate(d, "UPDATE delivery SET state = v.column2, detail = v.column3, done = v.column4, room = ''", 4, "delivery.bundle",
			` AND delivery.bundle <> '' AND (delivery.state = 'collected' OR delivery.state = 'expired' AND v.column2 = 'sent')`),
		storms:      newLookup(d, stormSQL, "d.storm"),
		stormAlerts: newLookup(d, "SELECT "+objectColumns+", "+alertColumns+" FROM alert a JOIN object o ON o.id = a.object_id WHERE %s", "a.id"),
		escalation: newInsert(d, "escalation", "alert_id, policy_id, body, due", ` ON CONFLICT (alert_id) DO UPDATE SET
			policy_id = excluded.policy_id, body = excluded.body, due = excluded.due`),
		endEscalation: newLookup(d, "DELETE FROM escalation WHERE %s", "alert_id"),
		traces:        newLookup(d, "SELECT event_id, parent FROM trace WHERE %s", "event_id"),
		block: newInsert(d, "alert_block", blockColumns, ` ON CONFLICT (number) DO UPDATE SET last_since = excluded.last_since,
			last_id = excluded.last_id, alerts = excluded.alerts, signs = excluded.signs`),
		sign: newInsert(d, "alert_sign", "page, shelf, bits", " ON CONFLICT (page, shelf) DO UPDATE SET bits = excluded.bits"),
	}
}

// Write writes all of it. Of two values with one id the later counts.
func (t *tx) Write(ctx context.Context, c *dispatch.Changes) error {
	t.changes = c
	for _, part := range []struct {
		what  string
		write func(context.Context, *dispatch.Changes) error
	}{
		{"objects", t.writeObjects},
		{"alerts", t.writeAlerts},
		{"events", t.writeEvents},
		{"calls", t.writeCalls},
		{"deliveries", t.writeDeliveries},
		{"what was told at places", t.writePaces},
		{"when digests are due", t.writeDigestDues},
		{"what is told at another time", t.writeMoved},
		{"snoozes", t.writeSnoozes},
		{"escalations", t.writeEscalations},
		{"sources", t.writeSources},
		{"silent sources", t.writeSilent},
		{"the audit trail", t.writeTrail},
		{"what is traced", t.writeTraces},
		// Last, because its lock is the one that all nodes wait for.
		{"live frames", func(ctx context.Context, c *dispatch.Changes) error { return t.appendLive(ctx, c.Live) }},
	} {
		if err := part.write(ctx, c); err != nil {
			return fmt.Errorf("write %s: %w", part.what, err)
		}
	}
	return nil
}

func (t *tx) writeObjects(ctx context.Context, c *dispatch.Changes) error {
	if len(c.Objects) > 0 { // a downtime may have begun that no frame tells of
		t.wake(topicLive)
	}
	open := map[string]string{} // object to its open alert, "" for none
	for i := range c.Alerts {
		a := &c.Alerts[i]
		if a.Open() {
			open[a.Object.ID] = a.ID
		} else if _, other := open[a.Object.ID]; !other {
			open[a.Object.ID] = ""
		}
	}
	last := map[string]string{}
	for i := range c.Events {
		if e := &c.Events[i]; !e.Type.Ours() {
			last[e.Object.ID] = e.ID
		}
	}
	objects := latest(c.Objects, func(o *alert.Object) string { return o.ID })
	err := t.db.t.object.write(ctx, t, len(objects), func(i int, args []any) []any {
		o := objects[i]
		alertID, changed := open[o.ID]
		if !changed {
			alertID = keepAlert
		}
		delete(open, o.ID)
		event := last[o.ID]
		delete(last, o.ID)
		delete(t.bare, o.ID)
		return append(args, o.ID, o.SourceID, o.Host, o.Service, o.HostDisplay, o.ServiceDisplay, o.URL,
			encodeLabels(o.Labels), string(o.State), o.Downtime, o.Flapping, millis(o.Changed), searchable(o), alertID, event,
			encodeTimes(o.Turns), millis(o.Flaps))
	})
	if err != nil {
		return err
	}
	// What remains belongs to objects that themselves did not change.
	for _, id := range slices.Sorted(maps.Keys(last)) {
		if err := t.later(ctx, nil, "UPDATE object SET last_event_id = $1 WHERE id = $2", last[id], id); err != nil {
			return err
		}
	}
	ids := slices.Sorted(maps.Keys(open))
	return t.db.t.openAlert.write(ctx, t, len(ids), func(i int, args []any) []any {
		return append(args, ids[i], open[ids[i]])
	})
}

// searchable is what a search looks through: the names in lower case, for
// SQLite's own lower knows ASCII alone.
func searchable(o *alert.Object) string {
	s := o.Host
	for _, more := range []string{o.Service, o.HostDisplay, o.ServiceDisplay} {
		if more != "" {
			s += "\n" + more
		}
	}
	return strings.ToLower(s)
}

func (t *tx) writeAlerts(ctx context.Context, c *dispatch.Changes) error {
	alerts := latest(c.Alerts, func(a *alert.Alert) string { return a.ID })
	return t.db.t.alert.write(ctx, t, len(alerts), func(i int, args []any) []any {
		a := alerts[i]
		return append(args, a.ID, a.Object.ID, string(a.Status), rank(a.Status), string(a.State), string(a.Worst),
			a.Output, a.Long, strings.ToLower(a.Output), millis(a.Since), millis(a.Updated), millis(a.Resolved),
			encodeAck(a.Ack), ackUntil(a), int64(a.Repeats), encodeList(a.Marks), millis(a.Snoozed), t.db.d.alertRoom)
	})
}

func (t *tx) writeEvents(ctx context.Context, c *dispatch.Changes) error {
	err := t.db.t.event.write(ctx, t, len(c.Events), func(i int, args []any) []any {
		e := &c.Events[i]
		return append(args, e.ID, e.CallID, e.SourceID, e.AlertID, e.Object.ID, string(e.Type), string(e.State),
			e.Output, e.Long, e.Author, e.Comment, e.UserID, string(e.Origin), encodeList(e.Contacts),
			encodeList(e.UserIDs), millis(e.Time), millis(e.Received), encodeList(e.Marks), e.Sticky, string(e.Outcome), e.Why)
	})
	if err != nil {
		return err
	}
	// What a source tells has none of these, so its statement is not the longer for them.
	asked := those(c.Events, func(e *alert.Event) bool { return !e.Until.IsZero() || e.ReplyTo != "" || e.Reply != "" })
	err = t.db.t.ask.write(ctx, t, len(asked), func(i int, args []any) []any {
		e := asked[i]
		return append(args, e.ID, millis(e.Until), e.ReplyTo, string(e.Reply))
	})
	if err != nil {
		return err
	}
	joined := latest(c.Joined, func(e *alert.Event) string { return e.ID })
	return t.db.t.join.write(ctx, t, len(joined), func(i int, args []any) []any {
		e := joined[i]
		return append(args, e.ID, encodeList(e.Contacts), encodeList(e.UserIDs), encodeList(e.Marks))
	})
}

func (t *tx) writeCalls(ctx context.Context, c *dispatch.Changes) error {
	return t.db.t.call.write(ctx, t, len(c.Calls), func(i int, args []any) []any {
		k := &c.Calls[i]
		return append(args, k.SourceID, k.Key, k.EventID, millis(k.At))
	})
}

func (t *tx) writeDeliveries(ctx context.Context, c *dispatch.Changes) error {
	for i := range c.Deliveries {
		if d := &c.Deliveries[i]; unfinished(d.State) {
			t.wake(topicDelivery + "/" + d.Channel)
		}
	}
	err := t.db.t.delivery.write(ctx, t, len(c.Deliveries), func(i int, args []any) []any {
		d := &c.Deliveries[i]
		return append(args, d.ID, d.EventID, d.AlertID, d.ObjectID, d.ContactID, d.ContactName, d.UserID, d.Channel,
			string(d.Notice), string(d.State), string(d.Reason), d.Why, d.Detail, millis(d.Created), millis(d.Due),
			int64(d.Attempt), millis(d.Expires), millis(d.Done), d.Destination, d.DestinationName, d.Quiet, t.db.d.room(d.State),
			d.Bundle, d.Storm)
	})
	if err != nil {
		return err
	}
	noted := those(c.Deliveries, func(d *delivery.Delivery) bool { return d.Note != "" })
	err = t.db.t.deliveryNote.write(ctx, t, len(noted), func(i int, args []any) []any {
		return append(args, noted[i].ID, cleaned(noted[i].Note, mostNote))
	})
	if err != nil {
		return err
	}
	return t.recount(ctx, c.Joined)
}

// recount has Catalogue count the alerts of these events once more, if they are resolved:
// further contacts were told of them. An alert that another node counts just now is not
// yet seen in a block; the row is changed in any case, so that one waits for the other.
func (t *tx) recount(ctx context.Context, joined []alert.Event) error {
	var ids []string
	for i := range joined {
		if id := joined[i].AlertID; id != "" {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	// With +, for SQLite is to take the key.
	return t.later(ctx, nil, "UPDATE alert SET block = 0 WHERE "+t.db.d.among("id", t.db.d.list("$1"))+" AND +rank = 0", encodeList(ids))
}

func (t *tx) writeSources(ctx context.Context, c *dispatch.Changes) error {
	for _, id := range slices.Sorted(maps.Keys(c.Sources)) {
		at := millis(c.Sources[id])
		err := t.later(ctx, nil, `UPDATE source SET last_event = CASE WHEN last_event < $1 THEN $1 ELSE last_event END,
			last_error = '', last_error_at = 0 WHERE id = $2`, at, id)
		if err != nil {
			return err
		}
	}
	return nil
}

func unfinished(s delivery.State) bool { return s == delivery.Waiting || s == delivery.Handed }

// those are the values that fit.
func those[T any](list []T, fits func(*T) bool) []*T {
	var kept []*T
	for i := range list {
		if fits(&list[i]) {
			kept = append(kept, &list[i])
		}
	}
	return kept
}

// latest drops all but the last value of each id and keeps the order.
func latest[T any](list []T, id func(*T) string) []*T {
	last := make(map[string]int, len(list))
	for i := range list {
		last[id(&list[i])] = i
	}
	kept := make([]*T, 0, len(last))
	for i := range list {
		if last[id(&list[i])] == i {
			kept = append(kept, &list[i])
		}
	}
	return kept
}
