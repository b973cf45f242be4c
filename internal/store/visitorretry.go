package store

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/visitor"
)

// ClaimVisitorRetries takes up to limit subscribers of a channel who are due to be
// told again, each with its publication. Those of who has unsubscribed since end
// here.
func (db *DB) ClaimVisitorRetries(ctx context.Context, c visitor.Channel, limit int, lease time.Duration) (list []visitor.Retry, err error) {
	var waiting int
	if err := db.reads.row(ctx, "SELECT count(*) FROM visitor_retry WHERE channel = $1", []any{string(c)}, &waiting); err != nil || waiting == 0 {
		return nil, err //nolint:wrapcheck // the caller says what it was
	}
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		list = nil
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		due, err := collect(ctx, w, func(s scanner) (r visitor.Retry, err error) {
			err = s.Scan(&r.PublicationID, &r.SubscriberID, &r.Attempt, &r.Detail)
			r.Channel = c
			return r, err
		}, "SELECT publication_id, visitor_id, attempt, detail FROM visitor_retry WHERE channel = $1 AND due <= $2 ORDER BY due LIMIT $3"+db.d.skipLocked,
			string(c), millis(now), int64(limit))
		if err != nil {
			return err
		}
		publications := map[string]*push.Publication{}
		for _, r := range due {
			subscribers, err := collect(ctx, w, w.db.scanVisitor, "SELECT "+visitorColumns+" FROM visitor WHERE id = $1 AND confirmed > 0", r.SubscriberID)
			if err != nil {
				return err
			}
			if len(subscribers) == 0 {
				if err := w.endRetry(ctx, &visitor.Outcome{Retry: r, Gone: "unsubscribed"}, now); err != nil {
					return err
				}
				continue
			}
			p := publications[r.PublicationID]
			if p == nil {
				if p, err = wholePublication(ctx, w, r.PublicationID); err != nil {
					return err
				}
				publications[r.PublicationID] = p
			}
			r.Subscriber, r.Publication = &subscribers[0], p
			r.Attempt++
			_, err = w.exec(ctx, "UPDATE visitor_retry SET attempt = $3, due = $4 WHERE publication_id = $1 AND visitor_id = $2",
				r.PublicationID, r.SubscriberID, int64(r.Attempt), millis(now.Add(lease)))
			if err != nil {
				return err
			}
			list = append(list, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim who is to be told again by %s: %w", c, err)
	}
	return list, nil
}

// CompleteVisitorRetry notes what became of a claimed retry; fault.ErrNotFound when
// the claim was lost.
func (db *DB) CompleteVisitorRetry(ctx context.Context, o visitor.Outcome) error {
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		if !o.Sent && !o.Failed && !o.Expired && o.Gone == "" {
			n, err := w.exec(ctx, "UPDATE visitor_retry SET due = $4, detail = $5 WHERE publication_id = $1 AND visitor_id = $2 AND attempt = $3",
				o.PublicationID, o.SubscriberID, int64(o.Attempt), millis(o.Due), cleaned(o.Detail, mostDetail))
			if err == nil && n == 0 {
				err = fault.ErrNotFound
			}
			return err
		}
		if err := w.endRetry(ctx, &o, now); err != nil {
			return err
		}
		switch {
		case o.Gone != "":
			return w.endVisitor(ctx, o.SubscriberID, o.Gone, now)
		case o.Sent && o.Subscriber != nil && o.Subscriber.Failures > 0:
			return w.noteVisitors(ctx, []string{o.SubscriberID}, nil)
		case o.Failed:
			return w.noteVisitors(ctx, nil, []string{o.SubscriberID})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note who was told again: %w", err)
	}
	return nil
}

// endRetry takes a retry away and counts what became of it.
func (w *work) endRetry(ctx context.Context, o *visitor.Outcome, now time.Time) error {
	n, err := w.exec(ctx, "DELETE FROM visitor_retry WHERE publication_id = $1 AND visitor_id = $2 AND attempt = $3", o.PublicationID, o.SubscriberID, int64(o.Attempt))
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.ErrNotFound
	}
	count := func(is bool) int64 {
		if is {
			return 1
		}
		return 0
	}
	_, err = w.exec(ctx, `UPDATE visitor_part SET ended = ended + 1, sent = sent + $3, gone = gone + $4, failed = failed + $5, expired = expired + $6
		WHERE publication_id = $1 AND channel = $2`, o.PublicationID, string(o.Channel), count(o.Sent), count(o.Gone != ""), count(o.Failed), count(o.Expired))
	if err != nil {
		return err
	}
	if why := o.Detail; (o.Failed || o.Expired) && why != "" {
		if err := w.addVisitorProblems(ctx, o.PublicationID, o.Channel, map[string]int{why: 1}); err != nil {
			return err
		}
	}
	return w.finishPart(ctx, o.PublicationID, o.Channel, now)
}

// LaterPublications are those of the same page and topic that were made after a
// publication, the oldest first.
func (db *DB) LaterPublications(ctx context.Context, p *push.Publication) ([]push.Publication, error) {
	if p.Topic == "" {
		return nil, nil
	}
	const most = 500
	list, err := collect(ctx, db.reads, scanPublication, "SELECT "+publicationColumns+" FROM publication p WHERE p.page_id = $1 AND p.id > $2 ORDER BY p.id LIMIT $3",
		p.PageID, p.ID, int64(most))
	if err != nil {
		return nil, fmt.Errorf("read what came after publication %s: %w", p.ID, err)
	}
	later := list[:0]
	for _, l := range list {
		if l.Topic == p.Topic {
			later = append(later, l)
		}
	}
	return later, nil
}
