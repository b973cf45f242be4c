package store

import (
	"context"
	"fmt"
	"strings"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
)

// heardSQL is 1 for a delivery that may have been seen: it was sent, or at least
// tried, alone or with what tells of it. One that was cancelled has the attempts that
// there were by then.
const heardSQL = `CASE WHEN state = 'sent' OR attempt > 0 THEN 1 WHEN bundle = '' OR state = 'cancelled' THEN 0
	ELSE COALESCE((SELECT CASE WHEN g.attempt > 0 THEN 1 ELSE 0 END FROM delivery g WHERE g.id = delivery.bundle), 0) END`

// addressesSQL asks where messages of alerts went, and by which storm, after the id
// of the last of them; %s is the condition of the alerts.
const addressesSQL = `SELECT alert_id, contact_id, channel, destination, max(contact_name), max(user_id), max(destination_name),
	max(` + heardSQL + `), max(CASE WHEN notice = 'problem' THEN 1 ELSE 0 END),
	max(CASE WHEN ` + heardSQL + ` = 1 THEN id || '/' || CASE WHEN bundle = '' THEN '' ELSE storm END ELSE '' END)
	FROM delivery WHERE %s AND notice IN ('problem', 'acknowledgement') AND state <> 'skipped'
	GROUP BY alert_id, contact_id, channel, destination ORDER BY alert_id, contact_id, channel, destination`

func (t *tx) Addresses(ctx context.Context, alertIDs []string) (map[string][]dispatch.Address, error) {
	found := map[string][]dispatch.Address{}
	ids := distinct(alertIDs)
	err := t.db.t.addresses.read(ctx, t, len(ids), texts(ids), func(s scanner) error {
		var id, last string
		var a dispatch.Address
		var heard, problem int64
		err := s.Scan(&id, &a.ContactID, &a.Channel, &a.Destination, &a.ContactName, &a.UserID, &a.DestinationName, &heard, &problem, &last)
		_, a.Storm, _ = strings.Cut(last, "/")
		a.Heard, a.Problem = heard > 0, problem > 0
		found[id] = append(found[id], a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read where messages of alerts went: %w", err)
	}
	return found, nil
}

func (t *tx) Cancel(ctx context.Context, cs []dispatch.Cancel) ([]dispatch.Cancelled, error) {
	type row struct{ alert, notice, why, contact, quietTo string }
	var rows []row
	for i := range cs {
		c := &cs[i]
		contacts := c.ContactIDs
		if contacts == nil {
			contacts = []string{""}
		}
		for _, n := range c.Notices {
			for _, id := range contacts {
				rows = append(rows, row{c.AlertID, string(n), c.Why, id, c.QuietTo})
			}
		}
	}
	var ended []dispatch.Cancelled
	now := millis(t.now)
	each := func(b *bulk, do func(text string, args []any) error) error {
		return b.each(len(rows), func(i int, args []any) []any {
			r := &rows[i]
			return append(args, r.alert, r.notice, r.why, now, r.contact, r.quietTo)
		}, do)
	}
	scan := func(s scanner) error {
		var c dispatch.Cancelled
		var notice string
		err := s.Scan(&c.AlertID, &c.ContactID, &c.Channel, &c.Destination, &notice, &c.Attempt)
		c.Notice = alert.Notice(notice)
		ended = append(ended, c)
		return err
	}
	err := each(&t.db.t.cancel, func(text string, args []any) error {
		if t.db.d.engine == enginePostgres {
			return t.later(ctx, scan, text, args...)
		}
		return t.scan(ctx, scan, text, args...)
	})
	if err == nil && t.db.d.engine == enginePostgres {
		err = each(&t.db.t.cancelCollected, func(text string, args []any) error { return t.scan(ctx, scan, text, args...) })
	}
	if err != nil {
		return nil, fmt.Errorf("cancel deliveries: %w", err)
	}
	return ended, nil
}

// scan runs a query and gives each row to scan.
func (w *work) scan(ctx context.Context, scan func(scanner) error, query string, args ...any) error {
	found, err := w.query(ctx, query, args...)
	if err != nil {
		return err
	}
	return scanAll(found, scan)
}

// What is collected is cancelled with the others on SQLite. On PostgreSQL it is a
// statement of its own, after them, which waits for nobody: what somebody else holds
// is ending at this moment, as its digest does. Whoever ends a digest holds that, and
// others besides, while it waits for what was collected; nobody may wait for those
// and hold that.

// cancelSQL is the condition of the other columns of a Cancel.
const cancelSQL = ` delivery.notice = v.column2
	AND (v.column5 = '' OR delivery.contact_id = v.column5 OR delivery.channel = 'mattermost' AND v.column5 = 'room:' || delivery.destination)
	AND (v.column6 = '' OR delivery.quiet AND delivery.attempt = 0 AND delivery.destination = v.column6)`

const cancelledSQL = ` RETURNING delivery.alert_id, delivery.contact_id, delivery.channel, delivery.destination, delivery.notice, delivery.attempt`

// cancelled are the states that the statement of a Cancel ends.
func cancelled(d dialect) string {
	if d.engine == enginePostgres {
		return "'waiting', 'handed'"
	}
	return "'waiting', 'handed', 'collected'"
}

// triedSQL gives what was collected the attempts of what was to tell of it.
func triedSQL(d dialect) string {
	if d.engine == enginePostgres {
		return ""
	}
	return `, attempt = CASE WHEN delivery.bundle = '' THEN delivery.attempt
		ELSE COALESCE((SELECT g.attempt FROM delivery g WHERE g.id = delivery.bundle), 0) END`
}

// mostShown is how many lines devices may add to each of a delivery's attempts.
const mostShown = 10

// saidOfSQL is the condition of a delivery of which its device may say something:
// it was sent, or was handed to the push service a moment ago, and the device is
// quicker than whoever writes that down.
const saidOfSQL = "id = $1 AND channel = 'webpush' AND (state = 'sent' OR state = 'waiting' AND attempt > 0)"

// ShownDelivery adds what a device says of a message that its push service took:
// "shown", "failed", "clicked" or "closed", and by what. A delivery that there
// is not, that was not sent by Web Push, or that has enough such lines is passed
// over, without keeping anybody from writing: strangers may ask for it.
func (db *DB) ShownDelivery(ctx context.Context, deliveryID, result, detail string) error {
	var n int
	err := db.reads.row(ctx, "SELECT count(*) FROM delivery WHERE "+saidOfSQL, []any{deliveryID}, &n)
	if err == nil && n > 0 {
		err = db.write(ctx, func(ctx context.Context, w *work) error { return w.shown(ctx, deliveryID, result, detail) })
	}
	if err != nil {
		return fmt.Errorf("add what a device said of delivery %s: %w", deliveryID, err)
	}
	return nil
}

func (w *work) shown(ctx context.Context, deliveryID, result, detail string) error {
	ds, err := collect(ctx, w, scanDelivery, "SELECT "+deliveryColumns+" FROM delivery WHERE "+saidOfSQL+w.db.d.forUpdate, deliveryID)
	if err != nil || len(ds) == 0 {
		return err
	}
	var n int
	// Of this attempt: "failed" is also what the worker says of those before it.
	if err := w.row(ctx, "SELECT count(*) FROM attempt WHERE delivery_id = $1 AND number = $2 AND result IN ('shown', 'failed', 'clicked', 'closed')",
		[]any{deliveryID, int64(ds[0].Attempt)}, &n); err != nil || n >= mostShown {
		return err
	}
	now, err := w.db.now(ctx, w)
	if err != nil {
		return err
	}
	return w.db.t.attempt.write(ctx, w, 1, func(_ int, args []any) []any {
		return append(args, deliveryID, int64(ds[0].Attempt), millis(now), w.db.node, cleaned(result, 20), cleaned(detail, mostDetail))
	})
}
