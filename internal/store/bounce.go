package store

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"tocsin/internal/delivery"
)

// mostBounceText is how many bytes of what a mail server said are kept.
const mostBounceText = 1000

// NoteBounce writes down what a mail server said of a letter after it was taken: an
// attempt of that number, and with failed the end of the delivery, if it counted as
// sent; what it told together with it ends likewise. noted is false when there is no
// such delivery by e-mail that was ever sent. At most 20 are kept of one delivery.
func (db *DB) NoteBounce(ctx context.Context, deliveryID, detail string, failed bool) (noted bool, err error) {
	if len(detail) > mostBounceText || !utf8.ValidString(detail) {
		return false, fmt.Errorf("note a bounce: a text of %d bytes", len(detail))
	}
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		noted = false
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		ds, err := collect(ctx, w, scanDelivery, "SELECT "+deliveryColumns+" FROM delivery WHERE id = $1 AND channel = 'email' AND attempt > 0"+db.d.forUpdate, deliveryID)
		if err != nil || len(ds) == 0 {
			return err
		}
		noted = true
		d := ds[0]
		result := "delayed"
		if failed {
			result = "bounced"
		}
		if failed && d.State == delivery.Sent {
			if _, err := w.exec(ctx, "UPDATE delivery SET state = 'dead', detail = $1, done = $2 WHERE id = $3 OR bundle = $3 AND bundle <> '' AND state = 'sent'",
				detail, millis(now), d.ID); err != nil {
				return err
			}
		}
		var n int
		if err := w.row(ctx, "SELECT count(*) FROM attempt WHERE delivery_id = $1", []any{d.ID}, &n); err != nil {
			return err
		}
		if n >= d.Attempt+mostReceipts {
			return nil
		}
		return w.db.t.attempt.write(ctx, w, 1, func(_ int, args []any) []any {
			return append(args, d.ID, int64(d.Attempt), millis(now), w.db.node, result, detail)
		})
	})
	if err != nil {
		return false, fmt.Errorf("note a bounce of delivery %s: %w", deliveryID, err)
	}
	return noted, nil
}

// DeadLetters are the letters of contacts, or of one when contactID is given, that
// were refused or came back since a time, the last first.
func (db *DB) DeadLetters(ctx context.Context, contactID string, since time.Time, limit int) ([]delivery.Delivery, error) {
	ds, err := collect(ctx, db.reads, scanDelivery, "SELECT "+deliveryColumns+" FROM delivery"+db.d.by("delivery_done")+" WHERE "+doneSQL+" AND state = 'dead' AND done > $1 AND channel = 'email' AND ($2 = '' OR contact_id = $2)"+
		" ORDER BY done DESC LIMIT $3", millis(since), contactID, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list letters that did not arrive: %w", err)
	}
	return ds, nil
}
