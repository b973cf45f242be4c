package store

import (
	"context"
	"fmt"
	"time"
)

// Prune deletes up to limit alerts that were resolved before the given time,
// with their timelines, deliveries and attempts, and as many events of that age
// that belong to no alert. It answers how many alerts and such events it
// deleted; call it again while that is limit or more. What Web Push needs no
// longer goes too, whatever its age is compared with: publications 30 days after
// their end, tokens, snoozes and subscriptions after theirs; and of Mattermost
// buttons and links, and of letters links, and places where nothing is told any
// more. An alert on which a message hangs that is still to tell of others stays.
func (db *DB) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	total := 0
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		total = 0
		alerts, err := collect(ctx, w, scanText, "SELECT id FROM alert"+db.d.by("alert_resolved")+` WHERE rank = 0 AND resolved < $1 AND NOT EXISTS (SELECT 1 FROM delivery d
			WHERE d.alert_id = alert.id AND d.notice = 'digest' AND d.state IN ('waiting', 'handed')) ORDER BY resolved LIMIT $2`,
			millis(before), int64(limit))
		if err != nil {
			return err
		}
		if err := w.pruneAlerts(ctx, alerts); err != nil {
			return err
		}
		events, err := collect(ctx, w, scanText, "SELECT id FROM event WHERE alert_id = '' AND received < $1 ORDER BY received LIMIT $2",
			millis(before), int64(limit))
		if err != nil {
			return err
		}
		if err := w.pruneEvents(ctx, events); err != nil {
			return err
		}
		total = len(alerts) + len(events)
		if total > 0 {
			db.recall.forget() // the latest event of an object may be among them
		}
		if len(alerts) < limit {
			if err := w.pruneBlocks(ctx, limit); err != nil {
				return err
			}
		}
		if _, err = w.exec(ctx, "DELETE FROM event_call WHERE taken < $1", millis(before)); err != nil {
			return err
		}
		return w.prunePush(ctx, limit)
	})
	if err != nil {
		return 0, fmt.Errorf("delete what is older than %s: %w", before.Format(time.DateOnly), err)
	}
	return total, nil
}

func (w *work) pruneAlerts(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	d, list := w.db.d, encodeList(ids)
	return w.each(ctx, list,
		"DELETE FROM attempt WHERE "+d.among("delivery_id", "SELECT id FROM delivery WHERE "+d.among("alert_id", d.list("$1"))),
		"DELETE FROM delivery WHERE "+d.among("alert_id", d.list("$1")),
		"DELETE FROM event WHERE "+d.among("alert_id", d.list("$1")),
		"DELETE FROM snooze WHERE "+d.among("alert_id", d.list("$1")),
		"DELETE FROM escalation WHERE "+d.among("alert_id", d.list("$1")),
		"DELETE FROM ack_link WHERE "+d.among("alert_id", d.list("$1")),
		"DELETE FROM chat_post WHERE "+d.among("alert_id", d.list("$1")),
		"DELETE FROM chat_button WHERE "+d.among("alert_id", d.list("$1")),
		"DELETE FROM incident_alert WHERE "+d.among("alert_id", d.list("$1")),
		"DELETE FROM alert WHERE "+d.among("id", d.list("$1")),
	)
}

func (w *work) pruneEvents(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	d, list := w.db.d, encodeList(ids)
	of := "alert_id = '' AND " + d.among("event_id", d.list("$1"))
	return w.each(ctx, list,
		"DELETE FROM attempt WHERE "+d.among("delivery_id", "SELECT id FROM delivery WHERE "+of),
		"DELETE FROM delivery WHERE "+of,
		"DELETE FROM event WHERE "+d.among("id", d.list("$1")),
	)
}

// publicationsKept is how long publications are shown after their end.
const publicationsKept = 30 * 24 * time.Hour

// Links in letters are known for a while after their end, so that whoever comes late
// is told so. A place where nothing was told for so long begins anew, as a new one
// does; nothing is held back for longer.
const (
	linksKept = 7 * 24 * time.Hour
	pacesKept = 30 * 24 * time.Hour
)

func (w *work) prunePush(ctx context.Context, limit int) error {
	now, err := w.db.now(ctx, w)
	if err != nil {
		return err
	}
	old, err := collect(ctx, w, scanText, "SELECT id FROM publication WHERE finished > 0 AND finished < $1 ORDER BY finished LIMIT $2",
		millis(now.Add(-publicationsKept)), int64(limit))
	if err != nil {
		return err
	}
	d := w.db.d
	if len(old) > 0 {
		err := w.each(ctx, encodeList(old),
			"DELETE FROM publication_piece WHERE "+d.among("publication_id", d.list("$1")),
			"DELETE FROM publication_problem WHERE "+d.among("publication_id", d.list("$1")),
			"DELETE FROM publication WHERE "+d.among("id", d.list("$1")))
		if err != nil {
			return err
		}
	}
	for _, s := range []string{"DELETE FROM used_token WHERE expires < $1", "DELETE FROM snooze WHERE until < $1",
		"DELETE FROM chat_button WHERE expires < $1", "DELETE FROM chat_link WHERE expires < $1"} {
		if _, err := w.exec(ctx, s, millis(now)); err != nil {
			return err
		}
	}
	for statement, kept := range map[string]time.Duration{
		"DELETE FROM ack_link WHERE expires < $1":       linksKept,
		"DELETE FROM pace WHERE calm = 0 AND used < $1": pacesKept,
		// Those of alerts go with their alerts. ; comes after :, so these are all storms.
		"DELETE FROM chat_post WHERE alert_id >= 'storm:' AND alert_id < 'storm;' AND updated < $1": pacesKept,
	} {
		if _, err := w.exec(ctx, statement, millis(now.Add(-kept))); err != nil {
			return err
		}
	}
	over, err := collect(ctx, w, scanText, "SELECT id FROM push_subscription WHERE expires > 0 AND expires < $1 ORDER BY expires LIMIT $2",
		millis(now), int64(limit))
	if err != nil {
		return err
	}
	err = w.deleteSubscriptions(ctx, over, time.Time{})
	return err
}

// each runs statements that have the same one argument.
func (w *work) each(ctx context.Context, arg string, statements ...string) error {
	for _, s := range statements {
		if _, err := w.exec(ctx, s, arg); err != nil {
			return err
		}
	}
	return nil
}
