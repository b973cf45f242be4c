package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin/internal/push"
)

// mostTries is how often a message to one device is tried at most, whatever
// the worker says: one that ends its worker each time ends as well.
const mostTries = 100

// retryID names a retry by one text, which is looked up by index on both engines.
func retryID(publicationID, subscriptionID string) string {
	return publicationID + "/" + subscriptionID
}

// retriesOf are the bounds of the ids of a publication's retries: '0' follows '/'.
func retriesOf(publicationID string) (above, below string) {
	return publicationID + "/", publicationID + "0"
}

// addRetries writes retries of a publication and answers how many.
func (w *work) addRetries(ctx context.Context, p *push.Publication, rs []push.Retry, now time.Time) (int64, error) {
	if len(rs) == 0 {
		return 0, nil
	}
	w.wake(topicPush)
	var added int64
	err := w.db.t.retry.each(len(rs), func(i int, args []any) []any {
		r := &rs[i]
		return append(args, retryID(p.ID, r.SubscriptionID), int64(r.Attempt), millis(retryDue(r, p, now)), cleaned(r.Detail, mostDetail))
	}, func(text string, args []any) error {
		n, err := w.exec(ctx, text, args...)
		added += n
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("write retries: %w", err)
	}
	return added, nil
}

// retryDue is when a retry is due: at the end of its publication at the latest,
// so that it is not waited for longer.
func retryDue(r *push.Retry, p *push.Publication, now time.Time) time.Time {
	due := r.Due
	if due.IsZero() {
		due = now
	}
	if p != nil && !p.Expires.IsZero() && due.After(p.Expires) {
		due = p.Expires
	}
	return due
}

// ClaimRetries takes up to limit retries that are due, the longest waiting
// first, and none that another worker holds. Attempt is raised at the claim. The
// claim is a lease. What need not be tried any more is ended here: the device
// has gone, the publication's time ran out, or it was tried too often.
func (db *DB) ClaimRetries(ctx context.Context, _ string, limit int, lease time.Duration) ([]push.Retry, error) {
	if limit <= 0 {
		return nil, nil
	}
	for {
		rs, now, err := db.takeRetries(ctx, limit, lease)
		if err != nil || len(rs) == 0 {
			return nil, err
		}
		live, over, err := db.situateRetries(ctx, rs, now)
		if err != nil {
			return nil, err
		}
		if err := db.CompleteRetries(ctx, over); err != nil {
			return nil, err
		}
		if len(live) > 0 {
			return live, nil
		}
	}
}

func (db *DB) takeRetries(ctx context.Context, limit int, lease time.Duration) (rs []push.Retry, now time.Time, err error) {
	var first int64
	if err := db.reads.row(ctx, "SELECT COALESCE(min(due), 0) FROM publication_retry", nil, &first); err != nil {
		return nil, now, fmt.Errorf("look for retries: %w", err)
	}
	if first == 0 {
		return nil, now, nil
	}
	err = db.write(ctx, func(ctx context.Context, w *work) (err error) {
		if now, err = db.now(ctx, w); err != nil {
			return err
		}
		rs, err = collect(ctx, w, func(s scanner) (r push.Retry, err error) {
			var id string
			var due int64
			err = s.Scan(&id, &r.Attempt, &due, &r.Detail)
			r.PublicationID, r.SubscriptionID, _ = strings.Cut(id, "/")
			r.Due = fromMillis(due)
			return r, err
		}, `WITH ready AS (SELECT id FROM publication_retry WHERE due <= $1 ORDER BY due, id LIMIT $2`+db.d.skipLocked+`)
			UPDATE publication_retry SET attempt = attempt + 1, due = $3 WHERE `+db.d.among("id", "SELECT id FROM ready")+
			" RETURNING id, attempt, due, detail", millis(now), int64(limit), millis(now.Add(lease)))
		return err
	})
	if err != nil {
		return nil, now, fmt.Errorf("claim retries: %w", err)
	}
	return rs, now, nil
}

// situateRetries gives each retry its device and its publication, and answers
// apart those that are over, as what.
func (db *DB) situateRetries(ctx context.Context, rs []push.Retry, now time.Time) (live []push.Retry, over []push.RetryResult, err error) {
	ids := make([]string, len(rs))
	pubs := map[string]*push.Publication{}
	for i := range rs {
		ids[i] = rs[i].SubscriptionID
		pubs[rs[i].PublicationID] = nil
	}
	devices, err := db.DevicesByID(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	for id := range pubs {
		p, err := readPublication(ctx, db.reads, id)
		if err != nil {
			return nil, nil, err
		}
		pubs[id] = &p
	}
	follows, err := db.followed(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rs {
		r.Publication = pubs[r.PublicationID]
		s, found := devices[r.SubscriptionID]
		s.Pages = follows[r.SubscriptionID]
		result := push.RetryResult{Retry: r}
		switch {
		case !found:
			result.Gone = true
		case s.Follows(r.Publication.PageID) == nil:
			result.Gone, result.Subscription = true, &s // from the page; what else it is, it stays
		case !r.Publication.Expires.IsZero() && !now.Before(r.Publication.Expires):
			result.Expired = true
		case r.Attempt > mostTries:
			result.Failed = true
		default:
			s.UserID, s.Name = "", "" // what is told here is told to the visitor
			r.Subscription = &s
			live = append(live, r)
			continue
		}
		over = append(over, result)
	}
	return live, over, nil
}

// followed are the pages that devices follow, by their ids.
func (db *DB) followed(ctx context.Context, ids []string) (map[string][]push.Follow, error) {
	found := make(map[string][]push.Follow, len(ids))
	_, err := collect(ctx, db.many, func(s scanner) (struct{}, error) {
		var id, text string
		var f push.Follow
		if err := s.Scan(&id, &f.PageID, &text); err != nil {
			return struct{}{}, err
		}
		var err error
		f.Wants, err = decodeWants(text)
		found[id] = append(found[id], f)
		return struct{}{}, err
	}, "SELECT subscription_id, page_id, want FROM subscription_page WHERE "+db.d.among("subscription_id", db.d.list("$1")), encodeList(ids))
	if err != nil {
		return nil, fmt.Errorf("read the pages of devices: %w", err)
	}
	return found, nil
}

// CompleteRetries writes what became of claimed retries. One that was claimed
// again meanwhile, or that has ended, is void.
func (db *DB) CompleteRetries(ctx context.Context, rs []push.RetryResult) error {
	if len(rs) == 0 {
		return nil
	}
	// In one order on every node, so that two cannot wait for each other.
	rs = slices.Clone(rs)
	slices.SortStableFunc(rs, func(a, b push.RetryResult) int {
		return strings.Compare(retryID(a.PublicationID, a.SubscriptionID), retryID(b.PublicationID, b.SubscriptionID))
	})
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		counted := make(map[string]bool, len(rs))
		err = db.t.advanceRetry.each(len(rs), func(i int, args []any) []any {
			r := &rs[i]
			return append(args, retryID(r.PublicationID, r.SubscriptionID), int64(r.Attempt), millis(retryDue(&r.Retry, r.Publication, now)),
				cleaned(r.Detail, mostDetail))
		}, func(text string, args []any) error {
			ids, err := collect(ctx, w, scanText, text, args...)
			for _, id := range ids {
				counted[id] = true
			}
			return err
		})
		if err != nil {
			return err
		}
		return w.endRetries(ctx, slices.DeleteFunc(slices.Clone(rs), func(r push.RetryResult) bool {
			return !counted[retryID(r.PublicationID, r.SubscriptionID)] || !r.Sent && !r.Gone && !r.Failed && !r.Expired
		}), now)
	})
	if err != nil {
		return fmt.Errorf("complete retries: %w", err)
	}
	return nil
}

// outcome is what became of some retries of one publication.
type outcome struct {
	sent, gone, failed, expired int64
	problems                    map[string]int
}

// endRetries deletes retries that ended, which are in the order of their ids,
// and counts them.
func (w *work) endRetries(ctx context.Context, rs []push.RetryResult, now time.Time) error {
	if len(rs) == 0 {
		return nil
	}
	outcomes := map[string]*outcome{}
	var ids, gone []string
	var notes []*push.RetryResult
	for i := range rs {
		r := &rs[i]
		o := outcomes[r.PublicationID]
		if o == nil {
			o = &outcome{problems: map[string]int{}}
			outcomes[r.PublicationID] = o
		}
		ids = append(ids, retryID(r.PublicationID, r.SubscriptionID))
		switch {
		case r.Sent:
			o.sent++
			if r.Subscription != nil && r.Subscription.Failures > 0 {
				notes = append(notes, r)
			}
		case r.Gone:
			o.gone++
			if r.Subscription == nil || r.Publication == nil || r.Subscription.Follows(r.Publication.PageID) != nil {
				gone = append(gone, r.SubscriptionID)
			}
		case r.Expired:
			o.expired++
		default:
			o.failed++
			o.problems[r.Detail]++
			notes = append(notes, r)
		}
	}
	d := w.db.d
	if _, err := w.exec(ctx, "DELETE FROM publication_retry WHERE "+d.among("id", d.list("$1")), encodeList(ids)); err != nil {
		return fmt.Errorf("delete retries: %w", err)
	}
	if err := w.deleteSubscriptions(ctx, gone, now); err != nil {
		return err
	}
	if err := w.noteRetries(ctx, notes, now); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(outcomes)) {
		if err := w.countRetries(ctx, id, outcomes[id], now); err != nil {
			return err
		}
	}
	return nil
}

// noteRetries keeps of devices whether they fail, and that they do no more.
func (w *work) noteRetries(ctx context.Context, rs []*push.RetryResult, now time.Time) error {
	slices.SortFunc(rs, func(a, b *push.RetryResult) int { return strings.Compare(a.SubscriptionID, b.SubscriptionID) })
	err := w.db.t.note.write(ctx, w, len(rs), func(i int, args []any) []any {
		if rs[i].Sent {
			return append(args, rs[i].SubscriptionID, millis(now), int64(0), "")
		}
		return append(args, rs[i].SubscriptionID, int64(0), int64(1), cleaned(rs[i].Detail, mostDetail))
	})
	if err != nil {
		return fmt.Errorf("note which devices fail: %w", err)
	}
	return nil
}

func (w *work) countRetries(ctx context.Context, id string, o *outcome, now time.Time) error {
	_, err := w.exec(ctx, `UPDATE publication SET sent = sent + $2, gone = gone + $3, failed = failed + $4, expired = expired + $5,
		ended = ended + $6 WHERE id = $1`, id, o.sent, o.gone, o.failed, o.expired, o.sent+o.gone+o.failed+o.expired)
	if err != nil {
		return fmt.Errorf("count the retries of publication %s: %w", id, err)
	}
	if err := w.addProblems(ctx, id, 0, o.problems); err != nil {
		return err
	}
	return w.finish(ctx, id, now)
}

// NextPush answers when ClaimPiece or ClaimRetries has something next, zero if
// there is nothing. It may lie in the past. What is claimed counts with the end
// of its lease.
func (db *DB) NextPush(ctx context.Context) (time.Time, error) {
	var times [3]int64
	err := db.reads.row(ctx, `SELECT COALESCE((SELECT min(due) FROM publication_piece WHERE NOT done), 0),
		COALESCE((SELECT min(due) FROM publication_retry), 0),
		COALESCE((SELECT min(taken) FROM publication WHERE finished = 0 AND NOT planned), 0)`, nil, &times[0], &times[1], &times[2])
	if err != nil {
		return time.Time{}, fmt.Errorf("look for what is to be pushed next: %w", err)
	}
	var next int64
	for _, t := range times {
		if t > 0 && (next == 0 || t < next) {
			next = t
		}
	}
	return fromMillis(next), nil
}
