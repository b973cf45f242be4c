package store

import (
	"context"
	"fmt"
	"time"

	"tocsin/internal/fault"
)

// reservedFor is how long somebody who used a token may take to act on it,
// before the token counts as unused again: the node may have been killed.
const reservedFor = 30 * time.Second

// UseToken reserves the use of a token by its nonce, and answers whether this
// is the first: of many at once exactly one is. A token whose time has passed
// has no first use. fault.ErrInUse while somebody who reserved it has neither
// finished nor released it: what it is for may still not come to be. Follow it with FinishToken, or with ReleaseToken when what
// the token was for failed.
func (db *DB) UseToken(ctx context.Context, nonce string, expires time.Time) (bool, error) {
	var n, held int64
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		n, held = 0, 0
		now, err := db.now(ctx, w)
		if err != nil || !now.Before(expires) {
			return err
		}
		n, err = w.exec(ctx, `INSERT INTO used_token (nonce, expires, reserved, finished) VALUES ($1, $2, $3, FALSE)
			ON CONFLICT (nonce) DO UPDATE SET reserved = excluded.reserved
			WHERE NOT used_token.finished AND used_token.reserved <= $4`, nonce, millis(expires), millis(now), millis(now.Add(-reservedFor)))
		if err != nil || n > 0 {
			return err
		}
		return w.row(ctx, "SELECT count(*) FROM used_token WHERE nonce = $1 AND NOT finished", []any{nonce}, &held)
	})
	if err != nil {
		return false, fmt.Errorf("use a token: %w", err)
	}
	if held > 0 {
		return false, fmt.Errorf("the token %w", fault.ErrInUse)
	}
	return n > 0, nil
}

// FinishToken says that what the token was for was done: it is never used again.
func (db *DB) FinishToken(ctx context.Context, nonce string) error {
	return db.plain(ctx, "finish a token", "UPDATE used_token SET finished = TRUE WHERE nonce = $1", nonce)
}

// ReleaseToken gives back a token that was reserved and not finished.
func (db *DB) ReleaseToken(ctx context.Context, nonce string) error {
	return db.plain(ctx, "release a token", "DELETE FROM used_token WHERE nonce = $1 AND NOT finished", nonce)
}
