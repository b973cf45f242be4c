package store

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/fault"
	"tocsin/internal/push"
)

// mostDevices is how many devices a user may have.
const mostDevices = 20

// SaveSubscription keeps one row an endpoint, and answers it and whether it is a
// new one, or became another user's. With UserID it is saved as a contact's
// device, which leaves Pages as they are; without, as a visitor's, which leaves
// UserID and Name, and adds to Pages (see push.Following). One browser is often
// both, with one endpoint.
//
// A known endpoint keeps its id while it stays with its user, whatever becomes of
// its pages; with another user it gets another, so that what was meant for the
// former one finds nobody. A contact's device changes hands only for who knows
// its secret; fault.ErrTaken otherwise, and for more devices than a user may
// have. What is saved as a visitor's changes neither keys, nor end, nor endpoint
// of a contact's device: alerts depend on them, and anybody may be a visitor.
//
// When replaces, of which Endpoint and Auth count, is known, that row becomes
// this one. IDs and times are given here; saving again what is there writes
// nothing, or when it was seen, once an hour for a contact's device and once a
// day for a visitor's.
func (db *DB) SaveSubscription(ctx context.Context, s push.Subscription, replaces *push.Subscription) (push.Subscription, bool, error) {
	s.Name, s.Language, s.KeyID = cleaned(s.Name, mostName), cleaned(s.Language, mostName), cleaned(s.KeyID, mostName)
	s.Expires = fromMillis(millis(s.Expires))
	if s.UserID != "" {
		s.Pages = nil
	} else if !s.Subscribed() || slices.ContainsFunc(s.Pages, func(f push.Follow) bool { return f.PageID == "" || len(f.Wants) == 0 }) {
		return s, false, errors.New("a subscription is a user's or a page's, this one is neither")
	}
	if replaces != nil && replaces.Endpoint == s.Endpoint {
		replaces = nil
	}
	have, err := db.settled(ctx, &s, replaces)
	if err != nil {
		return s, false, err
	} else if have != nil {
		return *have, false, nil
	}
	var saved push.Subscription
	var created bool
	err = db.write(ctx, func(ctx context.Context, w *work) (err error) {
		if saved, created, err = w.saveSubscription(ctx, s, replaces); err == nil && created && s.UserID != "" {
			err = w.noteDevice(ctx, "created", &saved)
		}
		return err
	})
	if err != nil {
		return s, false, fmt.Errorf("save a subscription: %w", err)
	}
	return saved, created, nil
}

// settled answers the row when there is nothing to write, as for nearly every
// page that is loaded.
func (db *DB) settled(ctx context.Context, s, replaces *push.Subscription) (*push.Subscription, error) {
	have, err := byEndpoint(ctx, db.many, s.Endpoint, "")
	if err != nil || have == nil || !sameSecret(have, s) || time.Since(have.Seen) > seenFor(have) {
		return nil, err
	}
	if next := merged(have, s); !same(have, &next) {
		return nil, nil
	}
	if replaces != nil {
		if old, err := byEndpoint(ctx, db.many, replaces.Endpoint, ""); err != nil || old != nil {
			return nil, err
		}
	}
	return have, nil
}

// merged is what a row becomes when s is saved to it.
func merged(have, s *push.Subscription) push.Subscription {
	next := *have
	next.Language = s.Language
	if s.UserID != "" {
		next.UserID, next.Name = s.UserID, s.Name
	} else {
		next.Pages = push.Following(have.Pages, s.Pages)
		if have.UserID != "" {
			return next
		}
	}
	next.Endpoint, next.P256dh, next.Auth, next.KeyID, next.Expires = s.Endpoint, s.P256dh, s.Auth, s.KeyID, s.Expires
	return next
}

// seenFor is how long it is enough to know that a device was seen.
func seenFor(s *push.Subscription) time.Duration {
	if s.Visitor() {
		return 24 * time.Hour
	}
	return time.Hour
}

// seenAt is when a device was seen, of visitors the day alone.
func seenAt(s *push.Subscription, now time.Time) time.Time {
	if s.Visitor() {
		return now.UTC().Truncate(24 * time.Hour)
	}
	return now
}

// same says whether a row that becomes b changes in nothing but when it was seen.
func same(a, b *push.Subscription) bool {
	return a.UserID == b.UserID && a.Name == b.Name && slices.EqualFunc(a.Pages, b.Pages, sameFollow) &&
		sameKeys(a, b) && a.KeyID == b.KeyID && a.Language == b.Language && a.Expires.Equal(b.Expires)
}

func sameFollow(a, b push.Follow) bool {
	return a.PageID == b.PageID && encodeWants(a.Wants) == encodeWants(b.Wants)
}

func sameKeys(a, b *push.Subscription) bool {
	return a.Endpoint == b.Endpoint && bytes.Equal(a.P256dh, b.P256dh) && sameSecret(a, b)
}

func sameSecret(a, b *push.Subscription) bool { return subtle.ConstantTimeCompare(a.Auth, b.Auth) == 1 }

func (w *work) saveSubscription(ctx context.Context, s push.Subscription, replaces *push.Subscription) (push.Subscription, bool, error) {
	now, err := w.db.now(ctx, w)
	if err != nil {
		return s, false, err
	}
	have, err := byEndpoint(ctx, w, s.Endpoint, w.db.d.forUpdate)
	if err != nil {
		return s, false, err
	}
	if have != nil && have.UserID != "" && have.UserID != s.UserID && !sameSecret(have, &s) {
		return s, false, fmt.Errorf("this browser is the device of a contact already; switch it off there under My devices first: %w", fault.ErrTaken)
	}
	if replaces != nil {
		if have, err = w.replaced(ctx, have, replaces, &s); err != nil {
			return s, false, err
		}
	}
	if have != nil {
		return w.updateSubscription(ctx, have, &s, now)
	}
	s, err = w.addSubscription(ctx, s, now)
	return s, true, err
}

// replaced answers the row that s is to be saved to, when a former endpoint of
// the device may have one: the same user's rather than another. Of two, one
// goes, and the other gets its pages.
func (w *work) replaced(ctx context.Context, have, replaces, s *push.Subscription) (*push.Subscription, error) {
	old, err := byEndpoint(ctx, w, replaces.Endpoint, w.db.d.forUpdate)
	switch {
	case err != nil || old == nil || !sameSecret(old, replaces):
		return have, err
	case s.UserID == "" && old.UserID != "":
		// A visitor moves what is a visitor's of it.
		s.Pages = push.Following(old.Pages, s.Pages)
		return have, w.leavePages(ctx, old)
	case have == nil:
		return old, nil
	}
	kept, goes := have, old
	if s.UserID != "" && have.UserID != s.UserID && old.UserID == s.UserID {
		kept, goes = old, have
	}
	err = w.deleteSubscriptions(ctx, []string{goes.ID}, time.Time{})
	if err != nil {
		return kept, err
	}
	for _, f := range goes.Pages {
		if kept.Follows(f.PageID) != nil {
			continue
		}
		now, err := w.db.now(ctx, w)
		if err != nil {
			return kept, err
		}
		if err := w.saveFollow(ctx, kept.ID, f.PageID, f.Wants, now); err != nil {
			return kept, err
		}
		kept.Pages = append(kept.Pages, f)
	}
	return kept, nil
}

// updateSubscription saves s to a row, and says whether that is another user's now.
func (w *work) updateSubscription(ctx context.Context, have, s *push.Subscription, now time.Time) (push.Subscription, bool, error) {
	next := merged(have, s)
	if err := fewFollows(&next); err != nil {
		return next, false, err
	}
	next.Seen = fromMillis(millis(seenAt(&next, now)))
	changed := next.UserID != have.UserID
	if changed {
		if err := w.roomFor(ctx, next.UserID); err != nil {
			return next, false, err
		}
		id, err := uuid.NewV7()
		if err != nil {
			return next, false, fmt.Errorf("make an id: %w", err)
		}
		next.ID, next.Created, next.LastSuccess = id.String(), fromMillis(millis(now)), time.Time{}
		next.Failures, next.LastError = 0, ""
	}
	var moved time.Time
	if !sameKeys(have, &next) {
		next.Failures, next.LastError, moved = 0, "", now
	}
	keys, err := encodeKeys(&next)
	if err != nil {
		return next, false, err
	}
	_, err = w.exec(ctx, `UPDATE push_subscription SET id = $2, endpoint_hash = $3, endpoint = $4, keys = $5, key_id = $6, language = $7,
		failures = $8, user_id = $9, name = $10, created = $11, seen = $12, expires = $13, last_success = $14, last_error = $15,
		moved = CASE WHEN $16 > moved THEN $16 ELSE moved END
		WHERE id = $1`, have.ID, next.ID, endpointHash(next.Endpoint), next.Endpoint, keys, next.KeyID, next.Language,
		int64(next.Failures), next.UserID, next.Name, millis(next.Created),
		millis(next.Seen), millis(next.Expires), millis(next.LastSuccess), next.LastError, millis(moved))
	for i := 0; err == nil && i < len(next.Pages); i++ {
		f := &next.Pages[i]
		if was := have.Follows(f.PageID); was == nil || !sameFollow(*was, *f) {
			err = w.saveFollow(ctx, next.ID, f.PageID, f.Wants, now)
		}
	}
	if err == nil && s.UserID != "" && !same(have, &next) {
		err = w.raise(ctx)
	}
	return next, changed, err
}

func fewFollows(s *push.Subscription) error {
	if len(s.Pages) <= push.MaxFollows {
		return nil
	}
	return &push.FieldError{Field: "page", Problem: fmt.Sprintf("is one more than the %d that a browser may follow here", push.MaxFollows),
		Mend: "unsubscribe from another one first"}
}

func (w *work) addSubscription(ctx context.Context, s push.Subscription, now time.Time) (push.Subscription, error) {
	if s.UserID != "" {
		if err := w.roomFor(ctx, s.UserID); err != nil {
			return s, err
		}
	}
	s.Pages = push.Following(nil, s.Pages)
	if err := fewFollows(&s); err != nil {
		return s, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return s, fmt.Errorf("make an id: %w", err)
	}
	s.ID, s.Created, s.Seen = id.String(), fromMillis(millis(now)), fromMillis(millis(seenAt(&s, now)))
	s.LastSuccess, s.Failures, s.LastError = time.Time{}, 0, ""
	keys, err := encodeKeys(&s)
	if err != nil {
		return s, err
	}
	_, err = w.exec(ctx, `INSERT INTO push_subscription (`+subscriptionColumns+`, endpoint_hash, moved)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`, subscriptionRow(&s, keys, nil)...)
	for i := 0; err == nil && i < len(s.Pages); i++ {
		err = w.saveFollow(ctx, s.ID, s.Pages[i].PageID, s.Pages[i].Wants, now)
	}
	if err == nil && s.UserID != "" {
		err = w.raise(ctx)
	}
	return s, err
}

// roomFor says no when a user has as many devices as may be. The user's row is
// held, so that two nodes do not count at once.
func (w *work) roomFor(ctx context.Context, userID string) error {
	if _, err := collect(ctx, w, scanText, "SELECT id FROM users WHERE id = $1"+w.db.d.forUpdate, userID); err != nil {
		return err
	}
	var n int
	if err := w.row(ctx, "SELECT count(*) FROM push_subscription WHERE user_id <> '' AND user_id = $1", []any{userID}, &n); err != nil {
		return err
	}
	if n >= mostDevices {
		return fmt.Errorf("%d devices take notifications already, which is the most; remove one under My devices: %w", n, fault.ErrTaken)
	}
	return nil
}

func subscriptionRow(s *push.Subscription, keys []byte, args []any) []any {
	return append(args, s.ID, s.Endpoint, keys, s.KeyID, s.Language, int64(s.Failures),
		s.UserID, s.Name, millis(s.Created), millis(s.Seen), millis(s.Expires), millis(s.LastSuccess), s.LastError,
		endpointHash(s.Endpoint), int64(0))
}

// AddSubscriptions adds visitors' devices, as when they are moved here from
// another program, all in one transaction. It gives them ids, passes over those
// whose endpoint is known, and answers how many it added.
func (db *DB) AddSubscriptions(ctx context.Context, list []push.Subscription) (int, error) {
	added := 0
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		added = 0
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		rows, keys := slices.Clone(list), make([][]byte, len(list))
		for i := range rows {
			s := &rows[i]
			if s.UserID != "" || len(s.Pages) != 1 {
				return errors.New("only visitors' devices are added in bulk, each of a page")
			}
			if keys[i], err = encodeKeys(s); err != nil {
				return err
			}
			id, err := uuid.NewV7()
			if err != nil {
				return fmt.Errorf("make an id: %w", err)
			}
			s.ID, s.Created, s.Seen = id.String(), now, seenAt(s, now)
			s.Name, s.Language, s.KeyID, s.LastError = "", cleaned(s.Language, mostName), cleaned(s.KeyID, mostName), cleaned(s.LastError, mostDetail)
		}
		err = db.t.subscription.each(len(rows), func(i int, args []any) []any { return subscriptionRow(&rows[i], keys[i], args) },
			func(text string, args []any) error {
				n, err := w.exec(ctx, text, args...)
				added += int(n)
				return err
			})
		if err != nil {
			return err
		}
		// Of those alone that were added: the others' ids lead nowhere.
		return db.t.follow.write(ctx, w, len(rows), func(i int, args []any) []any {
			return append(args, rows[i].ID, rows[i].Pages[0].PageID, millis(now), encodeWants(rows[i].Pages[0].Wants))
		})
	})
	if err != nil {
		return 0, fmt.Errorf("add subscriptions: %w", err)
	}
	return added, nil
}
