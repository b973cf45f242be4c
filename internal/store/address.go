package store

import (
	"context"
	"fmt"

	"tocsin/internal/alert"
	"tocsin/internal/delivery"
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

// mostShown is how many lines devices may add to a delivery's attempts.
const mostShown = 10

// ShownDelivery adds what a device says of a message that its push service took:
// "shown", "failed", "clicked" or "closed", and by what. A delivery that there
// is not, that was not sent by Web Push, or that has enough such lines is passed
// over.
func (db *DB) ShownDelivery(ctx context.Context, deliveryID, result, detail string) error {
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		ds, err := collect(ctx, w, scanDelivery, "SELECT "+deliveryColumns+" FROM delivery WHERE id = $1 AND channel = 'webpush' AND state = $2"+
			w.db.d.forUpdate, deliveryID, string(delivery.Sent))
		if err != nil || len(ds) == 0 {
			return err
		}
		var n int
		if err := w.row(ctx, "SELECT count(*) FROM attempt WHERE delivery_id = $1 AND result IN ('shown', 'failed', 'clicked', 'closed')",
			[]any{deliveryID}, &n); err != nil || n >= mostShown {
			return err
		}
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		return db.t.attempt.write(ctx, w, 1, func(_ int, args []any) []any {
			return append(args, deliveryID, int64(ds[0].Attempt), millis(now), db.node, cleaned(result, 20), cleaned(detail, mostDetail))
		})
	})
	if err != nil {
		return fmt.Errorf("add what a device said of delivery %s: %w", deliveryID, err)
	}
	return nil
}
