package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/chat"
	"tocsin/internal/fault"
)

const postColumns = `alert_id, destination, channel_id, post_id, webhook, nonce, tried, hash, last_event, replies, gone, created, updated`

func scanPost(s scanner) (chat.Post, error) {
	var p chat.Post
	var tried, created, updated int64
	err := s.Scan(&p.AlertID, &p.Destination, &p.ChannelID, &p.PostID, &p.Webhook, &p.Nonce, &tried, &p.Hash, &p.LastEvent, &p.Replies, &p.Gone,
		&created, &updated)
	p.Tried, p.Created, p.Updated = fromMillis(tried), fromMillis(created), fromMillis(updated)
	return p, err
}

// Post answers what stands of an alert in a room, or with a person;
// fault.ErrNotFound if nothing is known of it.
func (db *DB) Post(ctx context.Context, alertID, destination string) (chat.Post, error) {
	return find(ctx, db.reads, scanPost, "post of alert", alertID, "SELECT "+postColumns+
		" FROM chat_post WHERE alert_id = $1 AND destination = $2", alertID, destination)
}

// SavePosts writes posts and buttons in one transaction. A post is inserted, or
// written anew but for its Created. A button is inserted; of one that there is,
// only what it was not bound to yet is taken, and the later Expires: what was
// used stays so. Of two with one key the later counts.
func (db *DB) SavePosts(ctx context.Context, posts []chat.Post, buttons []chat.Button) error {
	if len(posts) == 0 && len(buttons) == 0 {
		return nil
	}
	// In one order on every node, so that two cannot wait for each other.
	ps := latest(posts, func(p *chat.Post) string { return p.AlertID + " " + p.Destination })
	slices.SortFunc(ps, func(a, b *chat.Post) int {
		if n := strings.Compare(a.AlertID, b.AlertID); n != 0 {
			return n
		}
		return strings.Compare(a.Destination, b.Destination)
	})
	bs := latest(buttons, func(b *chat.Button) string { return b.Hash })
	slices.SortFunc(bs, func(a, b *chat.Button) int { return strings.Compare(a.Hash, b.Hash) })
	err := db.write(ctx, func(ctx context.Context, w *work) error { return w.savePosts(ctx, ps, bs) })
	if err != nil {
		return fmt.Errorf("save posts: %w", err)
	}
	return nil
}

func (w *work) savePosts(ctx context.Context, ps []*chat.Post, bs []*chat.Button) error {
	err := w.db.t.post.write(ctx, w, len(ps), func(i int, args []any) []any {
		p := ps[i]
		return append(args, p.AlertID, p.Destination, p.ChannelID, p.PostID, p.Webhook, p.Nonce, millis(p.Tried), p.Hash, p.LastEvent, p.Replies, p.Gone,
			millis(p.Created), millis(p.Updated))
	})
	if err != nil {
		return err
	}
	return w.db.t.button.write(ctx, w, len(bs), func(i int, args []any) []any {
		b := bs[i]
		return append(args, b.Hash, b.AlertID, b.Destination, string(b.Action), b.ChannelID, b.PostID, millis(b.Made), millis(b.Expires),
			millis(b.Used), b.UsedBy)
	})
}

// SaveClick is SavePosts for the post that a button was pressed in and its new
// buttons, and UseButton for that one, whoever was first, in one transaction.
func (db *DB) SaveClick(ctx context.Context, p chat.Post, buttons []chat.Button, hash, userID string, now time.Time) error {
	bs := latest(buttons, func(b *chat.Button) string { return b.Hash })
	slices.SortFunc(bs, func(a, b *chat.Button) int { return strings.Compare(a.Hash, b.Hash) })
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		if err := w.savePosts(ctx, []*chat.Post{&p}, bs); err != nil {
			return err
		}
		return w.later(ctx, nil, useButtonSQL, hash, userID, p.ChannelID, p.PostID, millis(now))
	})
	if err != nil {
		return fmt.Errorf("save what was clicked in: %w", err)
	}
	return nil
}

// SaveEdit is SavePosts for a post that was made anew, and deletes the buttons of
// its earlier renderings, in one transaction.
func (db *DB) SaveEdit(ctx context.Context, p chat.Post, madeBefore time.Time) error {
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		if err := w.savePosts(ctx, []*chat.Post{&p}, nil); err != nil {
			return err
		}
		return w.later(ctx, nil, "DELETE FROM chat_button WHERE alert_id = $1 AND destination = $2 AND made < $3",
			p.AlertID, p.Destination, millis(madeBefore))
	})
	if err != nil {
		return fmt.Errorf("save a post that was edited: %w", err)
	}
	return nil
}

const buttonColumns = "hash, alert_id, destination, action, channel_id, post_id, made, expires, used, used_by"

func scanButton(s scanner) (chat.Button, error) {
	var b chat.Button
	var action string
	var made, expires, used int64
	err := s.Scan(&b.Hash, &b.AlertID, &b.Destination, &action, &b.ChannelID, &b.PostID, &made, &expires, &used, &b.UsedBy)
	b.Action, b.Made, b.Expires, b.Used = chat.Action(action), fromMillis(made), fromMillis(expires), fromMillis(used)
	return b, err
}

// errNoButton does not name the button: what is looked for may come from anybody.
var errNoButton = fmt.Errorf("button: %w", fault.ErrNotFound)

// Clicked answers a button by its hash, used or not, expired or not, with where it
// stands and how Mattermost is set, all at once; fault.ErrNotFound if there is none.
func (db *DB) Clicked(ctx context.Context, hash string) (c chat.Clicked, err error) {
	const of = " = (SELECT destination FROM chat_button WHERE hash = $1)"
	known := false
	err = db.together(ctx, func(q querier) error {
		return errors.Join(
			q.later(ctx, func(s scanner) (err error) {
				known = true
				c.Button, err = scanButton(s)
				return err
			}, "SELECT "+buttonColumns+" FROM chat_button WHERE hash = $1", hash),
			q.later(ctx, func(s scanner) error {
				p, err := scanPost(s)
				c.Post = &p
				return err
			}, "SELECT "+postColumns+" FROM chat_post WHERE alert_id = (SELECT alert_id FROM chat_button WHERE hash = $1) AND destination"+of, hash),
			q.later(ctx, func(s scanner) error {
				r, err := db.scanRoom(s)
				c.Room = &r
				return err
			}, "SELECT "+roomColumns+" FROM chat_room WHERE id"+of, hash),
			q.later(ctx, func(s scanner) (err error) {
				c.Settings, err = db.scanChatSettings(s)
				return err
			}, chatSettingsSQL, chatName),
		)
	})
	switch {
	case err != nil:
		return chat.Clicked{}, fmt.Errorf("read what was clicked: %w", err)
	case !known:
		return chat.Clicked{}, errNoButton
	}
	return c, nil
}

const useButtonSQL = `UPDATE chat_button SET used = $5, used_by = $2,
	channel_id = CASE WHEN channel_id = '' THEN $3 ELSE channel_id END, post_id = CASE WHEN post_id = '' THEN $4 ELSE post_id END
	WHERE hash = $1 AND used = 0 AND expires > $5 AND (channel_id = '' OR channel_id = $3) AND (post_id = '' OR post_id = $4)`

// UseButton uses a button up and answers whether this is the first use: of many at
// once exactly one is. What it was not bound to before, a channel or a post, it is
// bound to from now on. It is not used when it has expired, or is bound to another
// channel or post; fault.ErrNotFound if there is none. Give it back with
// ReleaseButton when what it was pressed for failed.
func (db *DB) UseButton(ctx context.Context, hash, userID, channelID, postID string, now time.Time) (first bool, err error) {
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		first = false
		n, err := w.exec(ctx, useButtonSQL, hash, userID, channelID, postID, millis(now))
		if err != nil || n > 0 {
			first = n > 0
			return err
		}
		var known int
		if err := w.row(ctx, "SELECT count(*) FROM chat_button WHERE hash = $1", []any{hash}, &known); err != nil {
			return err
		}
		if known == 0 {
			return errNoButton
		}
		return nil
	})
	if errors.Is(err, fault.ErrNotFound) {
		return false, err
	} else if err != nil {
		return false, fmt.Errorf("use a button: %w", err)
	}
	return first, nil
}

// ReserveButton reserves the use of a button for what may not be done twice, and
// answers whether this is the first: of many at once exactly one is. It is not
// reserved where UseButton would not use it. Follow it with UseButton, or with
// ReleaseButton when what it was pressed for failed; without either, because the
// node was killed, it can be reserved again after half a minute.
func (db *DB) ReserveButton(ctx context.Context, hash, channelID, postID string, now time.Time) (first bool, err error) {
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		n, err := w.exec(ctx, `UPDATE chat_button SET reserved = $2 WHERE hash = $1 AND used = 0 AND reserved <= $3 AND expires > $2
			AND (channel_id = '' OR channel_id = $4) AND (post_id = '' OR post_id = $5)`,
			hash, millis(now), millis(now.Add(-reservedFor)), channelID, postID)
		first = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("reserve a button: %w", err)
	}
	return first, nil
}

// ReleaseButton gives back a button that was used or reserved. What it was bound to
// it stays.
func (db *DB) ReleaseButton(ctx context.Context, hash string) error {
	return db.plain(ctx, "release a button", "UPDATE chat_button SET used = 0, used_by = '', reserved = 0 WHERE hash = $1", hash)
}
