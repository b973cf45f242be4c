package store

import (
	"context"
	"fmt"
	"time"
)

// Alone says whether this node may do what is named, which others may not do for
// the given time. It is for what goes over several transactions and must not be done
// twice; who crashes keeps nobody waiting for longer than that. Those that are over
// are forgotten.
func (db *DB) Alone(ctx context.Context, what string, d time.Duration) (bool, error) {
	ours := false
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		if _, err := w.exec(ctx, "DELETE FROM counter WHERE name LIKE 'alone %' AND value <= $1", millis(now)); err != nil {
			return err
		}
		n, err := w.exec(ctx, "INSERT INTO counter (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", "alone "+what, millis(now.Add(d)))
		ours = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("ask to do alone: %s: %w", what, err)
	}
	return ours, nil
}
