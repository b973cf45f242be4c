package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/route"
)

// sendingColumns are what a message to a device needs; all others say more
// about it.
const (
	sendingColumns      = "id, endpoint, keys, key_id, language, failures"
	subscriptionColumns = sendingColumns + ", user_id, name, created, seen, expires, last_success, last_error"
)

// The longest texts about devices that are kept, in bytes.
const (
	mostName   = 100
	mostDetail = 300
)

// devices reads rows of devices, one after the other. Of the same few wants there
// are very many, so each is decoded once.
type devices struct {
	v                               push.Subscription
	keys                            []byte
	page, text                      string // of a page that is followed, and its wants
	created, seen, expires, success int64
	dest                            []any
	pages                           map[string][]push.Follow // by text
}

// sending reads sendingColumns.
func (d *devices) sending(s scanner) (push.Subscription, error) {
	if d.dest == nil {
		d.dest = []any{&d.v.ID, &d.v.Endpoint, &d.keys, &d.v.KeyID, &d.v.Language, &d.v.Failures}
	}
	if err := s.Scan(d.dest...); err != nil {
		return d.v, err
	}
	return d.value()
}

// following reads sendingColumns and what is wanted of a page.
func (d *devices) following(s scanner) (push.Subscription, error) {
	if d.dest == nil {
		d.dest = []any{&d.v.ID, &d.v.Endpoint, &d.keys, &d.v.KeyID, &d.v.Language, &d.v.Failures, &d.text}
	}
	v, err := d.sending(s)
	if err != nil {
		return v, err
	}
	var known bool
	if v.Pages, known = d.pages[d.text]; known {
		return v, nil
	}
	wants, err := decodeWants(d.text)
	if err != nil {
		return v, err
	}
	if d.pages == nil {
		d.pages = map[string][]push.Follow{}
	}
	v.Pages = []push.Follow{{PageID: d.page, Wants: wants}}
	d.pages[d.text] = v.Pages
	return v, nil
}

// all reads subscriptionColumns.
func (d *devices) all(s scanner) (push.Subscription, error) {
	if d.dest == nil {
		d.dest = []any{&d.v.ID, &d.v.Endpoint, &d.keys, &d.v.KeyID, &d.v.Language, &d.v.Failures,
			&d.v.UserID, &d.v.Name, &d.created, &d.seen, &d.expires, &d.success, &d.v.LastError}
	}
	if err := s.Scan(d.dest...); err != nil {
		return d.v, err
	}
	d.v.Created, d.v.Seen, d.v.Expires, d.v.LastSuccess = fromMillis(d.created), fromMillis(d.seen), fromMillis(d.expires), fromMillis(d.success)
	return d.value()
}

// p256dhSize is the length of a device's public key in keys; the rest is its secret.
const p256dhSize = 65

func (d *devices) value() (push.Subscription, error) {
	if len(d.keys) < p256dhSize {
		return d.v, fmt.Errorf("read the keys of subscription %s: there are %d bytes", d.v.ID, len(d.keys))
	}
	// Scan gives each row memory of its own.
	d.v.P256dh, d.v.Auth = d.keys[:p256dhSize:p256dhSize], d.keys[p256dhSize:]
	return d.v, nil
}

// encodeKeys is the reverse: it refuses a public key that is none.
func encodeKeys(s *push.Subscription) ([]byte, error) {
	if len(s.P256dh) != p256dhSize {
		return nil, fmt.Errorf("a device's public key has %d bytes, this one %d", p256dhSize, len(s.P256dh))
	}
	return append(s.P256dh[:p256dhSize:p256dhSize], s.Auth...), nil
}

// decodeWants reads what is wanted of a page: an object, or a list of several;
// nothing for what nearly all want.
func decodeWants(text string) ([]push.Want, error) {
	list := make([]push.Want, 1)
	var err error
	switch {
	case text == "":
	case text[0] == '[':
		err = json.Unmarshal([]byte(text), &list)
	default:
		err = json.Unmarshal([]byte(text), &list[0])
	}
	if err != nil {
		return nil, fmt.Errorf("read what a stored subscription wants: %w", err)
	}
	return list, nil
}

func encodeWants(list []push.Want) string {
	if len(list) != 1 {
		return encodeJSON(list)
	}
	w := list[0]
	if len(w.Components) == 0 && len(w.Kinds) == 0 && w.MinImpact == "" && w.Incident == "" {
		return ""
	}
	return encodeJSON(w)
}

// pagesOf answers the pages that a device follows, in the order in which it came
// to them.
func pagesOf(ctx context.Context, q querier, id string) ([]push.Follow, error) {
	list, err := collect(ctx, q, func(s scanner) (f push.Follow, err error) {
		var text string
		if err = s.Scan(&f.PageID, &text); err != nil {
			return f, err
		}
		f.Wants, err = decodeWants(text)
		return f, err
	}, "SELECT page_id, want FROM subscription_page WHERE subscription_id = $1 ORDER BY joined, page_id", id)
	if err != nil {
		return nil, fmt.Errorf("read the pages of a subscription: %w", err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	return list, nil
}

// endpointHash stands for an endpoint in the index. Half of a SHA-256 is as
// hard to meet by chance or on purpose as a random id.
func endpointHash(endpoint string) []byte {
	h := sha256.Sum256([]byte(endpoint))
	return h[:16]
}

// cleaned is a text from outside as both engines take it, of so many bytes at most.
func cleaned(s string, most int) string {
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
	}
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// DevicesByID answers those of the subscriptions that there are, without the
// pages that they follow.
func (db *DB) DevicesByID(ctx context.Context, ids []string) (map[string]push.Subscription, error) {
	found := make(map[string]push.Subscription, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	var d devices
	list, err := collect(ctx, db.many, d.all, "SELECT "+subscriptionColumns+" FROM push_subscription WHERE "+
		db.d.among("id", db.d.list("$1")), encodeList(ids))
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	for _, s := range list {
		found[s.ID] = s
	}
	return found, nil
}

// Devices are the contacts' devices of a user, of all users when there is none
// given, oldest first.
func (db *DB) Devices(ctx context.Context, userID string) ([]push.Subscription, error) {
	var c conditions
	c.add("user_id <> ''")
	if userID != "" {
		c.add("user_id = " + c.arg(userID))
	}
	var d devices
	list, err := collect(ctx, db.many, d.all, "SELECT "+subscriptionColumns+" FROM push_subscription"+c.String()+" ORDER BY user_id, id", c.args...)
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	return list, nil
}

// routeDevices are all contacts' devices as routing needs them, nil if there are none.
func routeDevices(ctx context.Context, q querier) (map[string][]route.Device, error) {
	var found map[string][]route.Device
	_, err := collect(ctx, q, func(s scanner) (struct{}, error) {
		var user string
		var d route.Device
		err := s.Scan(&user, &d.ID, &d.Name)
		if found == nil {
			found = map[string][]route.Device{}
		}
		found[user] = append(found[user], d)
		return struct{}{}, err
	}, "SELECT user_id, id, name FROM push_subscription WHERE user_id <> '' ORDER BY user_id, id")
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	return found, nil
}

// SubscriptionByEndpoint answers a device, whatever it is;
// fault.ErrNotFound if there is none. Whoever asks must check Auth before it
// tells anybody.
func (db *DB) SubscriptionByEndpoint(ctx context.Context, endpoint string) (push.Subscription, error) {
	s, err := byEndpoint(ctx, db.many, endpoint, "")
	if err == nil && s == nil {
		err = fmt.Errorf("subscription: %w", fault.ErrNotFound) // the endpoint is a secret: not told
	}
	if err != nil {
		return push.Subscription{}, err
	}
	return *s, nil
}

// byEndpoint answers nil if there is none.
func byEndpoint(ctx context.Context, q querier, endpoint, lock string) (*push.Subscription, error) {
	var d devices
	s, err := one(ctx, q, d.all, "SELECT "+subscriptionColumns+" FROM push_subscription WHERE endpoint_hash = $1"+lock, endpointHash(endpoint))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("look for a subscription: %w", err)
	}
	s.Pages, err = pagesOf(ctx, q, s.ID)
	return &s, err
}

// SubscriptionsAfter answers devices with ids above the given one, contacts'
// and visitors', ascending, with what a message to them needs and no more.
func (db *DB) SubscriptionsAfter(ctx context.Context, after string, limit int) ([]push.Subscription, error) {
	var d devices
	list, err := collect(db.brief(ctx), db.many, d.sending, "SELECT "+sendingColumns+" FROM push_subscription WHERE id > $1 ORDER BY id LIMIT $2",
		after, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	return list, nil
}

// CountSubscriptions counts the visitors' devices of a page, contacts' that are
// visitors' as well among them.
func (db *DB) CountSubscriptions(ctx context.Context, pageID string) (int, error) {
	n := 0
	if pageID == "" {
		return 0, nil
	}
	if err := db.many.row(ctx, "SELECT count(*) FROM subscription_page WHERE page_id = $1", []any{pageID}, &n); err != nil {
		return 0, fmt.Errorf("count subscriptions: %w", err)
	}
	return n, nil
}

// DeleteSubscription ends that a device is its user's. Where its browser is also
// a visitor's it stays that, under its id. fault.ErrNotFound if it is no user's.
func (db *DB) DeleteSubscription(ctx context.Context, id string) error {
	return db.endPart(ctx, id, func(ctx context.Context, w *work, s *push.Subscription) (ended, rest bool, err error) {
		if s.UserID == "" {
			return false, false, nil
		}
		if err := w.noteDevice(ctx, "deleted", s); err != nil {
			return false, false, err
		}
		if !s.Subscribed() {
			return true, false, nil
		}
		return true, true, w.leaveUser(ctx, "id = $1", id)
	})
}

// DeleteVisitor ends that a device follows a page, all of them when none is
// named; with an incident, only what it wants of that. What it is besides it
// stays: a contact's, or a follower of other pages. fault.ErrNotFound if there is
// nothing to end.
func (db *DB) DeleteVisitor(ctx context.Context, id, pageID, incident string) error {
	return db.endPart(ctx, id, func(ctx context.Context, w *work, s *push.Subscription) (ended, rest bool, err error) {
		rest = s.UserID != ""
		for _, f := range s.Pages {
			if pageID != "" && f.PageID != pageID {
				rest = true
				continue
			}
			var left []push.Want
			if incident != "" {
				left = slices.DeleteFunc(slices.Clone(f.Wants), func(o push.Want) bool { return o.Incident == incident })
			}
			if len(left) > 0 {
				rest = true
			}
			if len(left) == len(f.Wants) {
				continue
			}
			ended = true
			if err := w.saveFollow(ctx, s.ID, f.PageID, left, time.Time{}); err != nil {
				return ended, rest, err
			}
		}
		return ended, rest, nil
	})
}

// saveFollow writes what a device wants of a page, where that is nothing by
// deleting. joined counts for a page that is new to it.
func (w *work) saveFollow(ctx context.Context, id, pageID string, wants []push.Want, joined time.Time) (err error) {
	if len(wants) == 0 {
		_, err = w.exec(ctx, "DELETE FROM subscription_page WHERE page_id = $1 AND subscription_id = $2", pageID, id)
	} else {
		_, err = w.exec(ctx, `INSERT INTO subscription_page (page_id, subscription_id, joined, want) VALUES ($1, $2, $3, $4)
			ON CONFLICT (page_id, subscription_id) DO UPDATE SET want = excluded.want`, pageID, id, millis(joined), encodeWants(wants))
	}
	if err != nil {
		return fmt.Errorf("write what a device wants of a page: %w", err)
	}
	return nil
}

// endPart has end take away a part of what a device is, and deletes the row when
// no rest remains.
func (db *DB) endPart(ctx context.Context, id string, end func(context.Context, *work, *push.Subscription) (ended, rest bool, err error)) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		var d devices
		s, err := find(ctx, w, d.all, "subscription", id, "SELECT "+subscriptionColumns+" FROM push_subscription WHERE id = $1"+db.d.forUpdate, id)
		if err != nil {
			return err
		}
		if s.Pages, err = pagesOf(ctx, w, s.ID); err != nil {
			return err
		}
		ended, rest, err := end(ctx, w, &s)
		if err == nil && !ended {
			err = notFound("subscription", id)
		}
		if err == nil && !rest {
			err = w.deleteSubscriptions(ctx, []string{id}, time.Time{})
		}
		return err
	})
}

// leaveUser makes visitors' alone of devices that are both. Of visitors only
// the day is kept on which they were seen.
func (w *work) leaveUser(ctx context.Context, which string, arg any) error {
	_, err := w.exec(ctx, `UPDATE push_subscription SET user_id = '', name = '', seen = seen - seen % 86400000 WHERE user_id <> ''
		AND EXISTS (SELECT 1 FROM subscription_page f WHERE f.subscription_id = push_subscription.id) AND `+which, arg)
	if err != nil {
		return fmt.Errorf("end that devices are a user's: %w", err)
	}
	return w.raise(ctx)
}

// leavePages makes a contact's alone of a device that is both.
func (w *work) leavePages(ctx context.Context, s *push.Subscription) error {
	if _, err := w.exec(ctx, "DELETE FROM subscription_page WHERE subscription_id = $1", s.ID); err != nil {
		return fmt.Errorf("end that a device is a visitor's: %w", err)
	}
	return nil
}

// movedLately is how long a device's new address is safe from what a push
// service says of the old one, which was on its way when it changed.
const movedLately = 2 * time.Minute

// deleteSubscriptions deletes devices. With now given it passes over those that
// have just moved to another endpoint: that their old one is gone is no news.
func (w *work) deleteSubscriptions(ctx context.Context, ids []string, now time.Time) error {
	ids = distinct(ids)
	if len(ids) == 0 {
		return nil
	}
	before := int64(1) << 62
	if !now.IsZero() {
		before = millis(now.Add(-movedLately))
	}
	d := w.db.d
	users, err := collect(ctx, w, scanText, "DELETE FROM push_subscription WHERE "+d.among("id", d.list("$1"))+
		" AND moved < $2 RETURNING user_id", encodeList(ids), before)
	if err != nil {
		return fmt.Errorf("delete subscriptions: %w", err)
	}
	if slices.ContainsFunc(users, func(u string) bool { return u != "" }) {
		return w.raise(ctx)
	}
	return nil
}

// NotePush writes down what push services said of devices. A device that is gone
// is deleted.
func (db *DB) NotePush(ctx context.Context, notes []push.Note) error {
	type sum struct {
		success  time.Time
		failures int64 // since the success, if there was one
		err      string
	}
	sums := map[string]*sum{}
	var gone []string
	for i := range notes {
		n := &notes[i]
		s := sums[n.SubscriptionID]
		if s == nil {
			s = &sum{}
			sums[n.SubscriptionID] = s
		}
		switch {
		case n.Gone:
			gone = append(gone, n.SubscriptionID)
		case n.OK:
			*s = sum{success: n.At}
		default:
			s.failures++
			s.err = cleaned(n.Error, mostDetail)
		}
	}
	for _, id := range gone {
		delete(sums, id)
	}
	if len(notes) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(sums))
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		err = db.t.note.write(ctx, w, len(ids), func(i int, args []any) []any {
			s := sums[ids[i]]
			return append(args, ids[i], millis(s.success), s.failures, s.err)
		})
		if err != nil {
			return err
		}
		err = w.deleteSubscriptions(ctx, gone, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("note what push services said: %w", err)
	}
	return nil
}

// distinct sorts texts and drops repeats: what is locked in one order by all
// cannot wait in a circle.
func distinct(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
