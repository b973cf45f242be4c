package store

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/publish"
)

// StatusSubscribers counts who hears of a page, by what they want. New are those
// that came since a time. It takes some 100 ms for a million.
func (db *DB) StatusSubscribers(ctx context.Context, pageID string, since time.Time) (publish.Subscribers, error) {
	s := publish.Subscribers{New: map[string]int{}, Asked: map[string]int{}}
	wishes := func(query string, args ...any) error {
		list, err := collect(ctx, db.many, func(s scanner) (w publish.Wish, err error) {
			var want string
			if err = s.Scan(&w.Channel, &want, &w.N); err != nil {
				return w, err
			}
			w.Wants, err = decodeWants(want)
			return w, err
		}, query, args...)
		if err != nil {
			return fmt.Errorf("count the subscribers of page %s: %w", pageID, err)
		}
		s.Wishes = append(s.Wishes, list...)
		return nil
	}
	type number struct {
		channel string
		n       int
	}
	numbers := func(into map[string]int, query string, args ...any) error {
		list, err := collect(ctx, db.many, func(s scanner) (x number, err error) { return x, s.Scan(&x.channel, &x.n) }, query, args...)
		if err != nil {
			return fmt.Errorf("count the subscribers of page %s: %w", pageID, err)
		}
		for _, x := range list {
			into[x.channel] = x.n
		}
		return nil
	}
	for _, f := range []func() error{
		func() error {
			return wishes("SELECT 'webpush', want, count(*) FROM subscription_page WHERE page_id = $1 GROUP BY want", pageID)
		},
		func() error {
			return wishes("SELECT channel, want, count(*) FROM visitor WHERE page_id = $1 AND confirmed > 0 GROUP BY channel, want", pageID)
		},
		func() error {
			return numbers(s.Asked, "SELECT channel, count(*) FROM visitor WHERE page_id = $1 AND confirmed = 0 GROUP BY channel", pageID)
		},
		func() error {
			return numbers(s.New, "SELECT channel, count(*) FROM visitor WHERE page_id = $1 AND confirmed >= $2 GROUP BY channel", pageID, millis(since))
		},
		func() error {
			return numbers(s.New, "SELECT 'webpush', count(*) FROM subscription_page WHERE page_id = $1 AND joined >= $2 HAVING count(*) > 0", pageID, millis(since))
		},
	} {
		if err := f(); err != nil {
			return s, err
		}
	}
	return s, nil
}
