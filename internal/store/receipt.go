package store

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/delivery"
)

// A delivery that tabs keep failing to show is given up after this many
// attempts; receipts after an end are kept up to this many, for the record.
const (
	mostFailures = 8
	mostReceipts = 20
)

// Receive takes what a user's tabs say of deliveries that they were handed, and
// answers how many it ended. The first good receipt ends a delivery; later
// ones are only added to its attempts. What failed is tried again, a little
// later each time. Receipts for other users' deliveries are passed over.
func (db *DB) Receive(ctx context.Context, userID string, rs []delivery.Receipt) (int, error) {
	if len(rs) == 0 || userID == "" {
		return 0, nil
	}
	ended := 0
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		ended = 0
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		ids := make([]string, len(rs))
		for i := range rs {
			ids[i] = rs[i].DeliveryID
		}
		// In ascending order, as CompleteDeliveries, so that nobody waits in a circle.
		ds, err := collect(ctx, w, scanDelivery, "SELECT "+deliveryColumns+" FROM delivery WHERE "+db.d.among("id", db.d.list("$1"))+
			" AND user_id = $2 ORDER BY id"+db.d.forUpdate, encodeList(ids), userID)
		if err != nil {
			return err
		}
		byID := make(map[string]*delivery.Delivery, len(ds))
		for i := range ds {
			byID[ds[i].ID] = &ds[i]
		}
		for _, r := range rs {
			d := byID[r.DeliveryID]
			if d == nil {
				continue
			}
			if err := w.receive(ctx, d, r, now); err != nil {
				return err
			}
		}
		for i := range ds {
			if ds[i].Done.Equal(now) && ds[i].State == delivery.Sent {
				ended++
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("take receipts: %w", err)
	}
	return ended, nil
}

// receive applies one receipt to the delivery, in the database and in d.
func (w *work) receive(ctx context.Context, d *delivery.Delivery, r delivery.Receipt, now time.Time) error {
	state, due, detail := receiptMeans(d, r, now)
	if unfinished(d.State) {
		d.State, d.Detail, d.Due = state, detail, due
		if !unfinished(state) {
			d.Done = now
		} else {
			w.wake(topicDelivery + "/" + d.Channel)
		}
		_, err := w.exec(ctx, "UPDATE delivery SET state = $1, detail = $2, due = $3, done = $4, room = '' WHERE id = $5",
			string(d.State), d.Detail, millis(d.Due), millis(d.Done), d.ID)
		if err != nil {
			return err
		}
		if !unfinished(state) {
			if err := w.endCollected(ctx, []ended{{d.ID, string(d.Notice), string(state), detail}}, now); err != nil {
				return err
			}
		}
	} else {
		var n int
		if err := w.row(ctx, "SELECT count(*) FROM attempt WHERE delivery_id = $1", []any{d.ID}, &n); err != nil {
			return err
		}
		if n >= mostReceipts {
			return nil
		}
	}
	return w.db.t.attempt.write(ctx, w, 1, func(_ int, args []any) []any {
		return append(args, d.ID, int64(d.Attempt), millis(now), w.db.node, r.Result, detail)
	})
}

// receiptMeans says what becomes of a delivery, and in which words.
func receiptMeans(d *delivery.Delivery, r delivery.Receipt, now time.Time) (delivery.State, time.Time, string) {
	by := r.Detail
	if by == "" {
		by = "a browser"
	}
	switch r.Result {
	case "shown":
		return delivery.Sent, d.Due, "shown by " + by
	case "collapsed":
		return delivery.Sent, d.Due, "shown together with others that were missed, by " + by
	case "page":
		return delivery.Sent, d.Due, "shown in the page only: no permission for notifications in " + by
	}
	detail := "could not be shown by " + by
	if d.Attempt >= mostFailures {
		return delivery.Dead, d.Due, fmt.Sprintf("%s; given up after %d attempts", detail, d.Attempt)
	}
	// 15 s, 30 s, 1 min … 16 min.
	return delivery.Waiting, now.Add(15 * time.Second << max(0, d.Attempt-1)), detail
}
