package store

import (
	"context"
	"fmt"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
)

// addressesSQL asks where messages of alerts went; %s is the condition of the alerts.
const addressesSQL = `SELECT alert_id, contact_id, channel, destination, max(contact_name), max(user_id), max(destination_name),
	max(CASE WHEN state = 'sent' OR attempt > 0 THEN 1 ELSE 0 END), max(CASE WHEN notice = 'problem' THEN 1 ELSE 0 END)
	FROM delivery WHERE %s AND notice IN ('problem', 'acknowledgement') AND state <> 'skipped'
	GROUP BY alert_id, contact_id, channel, destination ORDER BY alert_id, contact_id, channel, destination`

func (t *tx) Addresses(ctx context.Context, alertIDs []string) (map[string][]dispatch.Address, error) {
	found := map[string][]dispatch.Address{}
	ids := distinct(alertIDs)
	err := t.db.t.addresses.read(ctx, t, len(ids), texts(ids), func(s scanner) error {
		var id string
		var a dispatch.Address
		var heard, problem int64
		err := s.Scan(&id, &a.ContactID, &a.Channel, &a.Destination, &a.ContactName, &a.UserID, &a.DestinationName, &heard, &problem)
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
	err := t.db.t.cancel.each(len(rows), func(i int, args []any) []any {
		r := &rows[i]
		return append(args, r.alert, r.notice, r.why, now, r.contact, r.quietTo)
	}, func(text string, args []any) error {
		list, err := collect(ctx, t, func(s scanner) (c dispatch.Cancelled, err error) {
			var notice string
			err = s.Scan(&c.AlertID, &c.ContactID, &c.Channel, &c.Destination, &notice, &c.Attempt)
			c.Notice = alert.Notice(notice)
			return c, err
		}, text, args...)
		ended = append(ended, list...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cancel deliveries: %w", err)
	}
	return ended, nil
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
