package store

import (
	"context"
	"fmt"

	"tocsin/internal/chat"
)

// ClaimPost writes down that a post is about to be made, with its buttons, in one
// transaction, and answers whether it was the first to do so: of many nodes at
// once exactly one is. before is the nonce of the try, or of the webhook's post,
// that it takes the place of; empty for none. Where there is another post, or
// somebody else took the place, nothing is written.
func (db *DB) ClaimPost(ctx context.Context, p chat.Post, before string, buttons []chat.Button) (won bool, err error) {
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		n, err := w.exec(ctx, `INSERT INTO chat_post (`+postColumns+`) VALUES ($1, $2, $3, '', $4, $5, $6, $7, $8, '', FALSE, $9, $9)
			ON CONFLICT (alert_id, destination) DO UPDATE SET channel_id = excluded.channel_id, post_id = '', webhook = excluded.webhook,
			nonce = excluded.nonce, tried = excluded.tried, hash = excluded.hash, last_event = excluded.last_event, replies = '', gone = FALSE,
			updated = excluded.updated
			WHERE chat_post.nonce = $10 AND (chat_post.post_id = '' OR chat_post.webhook)`,
			p.AlertID, p.Destination, p.ChannelID, p.Webhook, p.Nonce, millis(p.Tried), p.Hash, p.LastEvent, millis(p.Created), before)
		won = n > 0
		if err != nil || !won {
			return err
		}
		return db.t.button.write(ctx, w, len(buttons), func(i int, args []any) []any {
			b := &buttons[i]
			return append(args, b.Hash, b.AlertID, b.Destination, string(b.Action), b.ChannelID, b.PostID, millis(b.Made), millis(b.Expires),
				millis(b.Used), b.UsedBy)
		})
	})
	if err != nil {
		return false, fmt.Errorf("claim a post: %w", err)
	}
	return won, nil
}
