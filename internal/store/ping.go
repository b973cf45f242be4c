package store

import (
	"context"
	"fmt"

	"tocsin/internal/audit"
)

// pingName is the name of the address that is pinged, in the table of secrets.
const pingName = "ping"

// PingURL answers the address that is told that all is well; empty for none.
func (db *DB) PingURL(ctx context.Context) (string, error) {
	return db.readPingURL(ctx, db.reads)
}

func (db *DB) readPingURL(ctx context.Context, q querier) (string, error) {
	var kept []byte
	if err := q.row(ctx, "SELECT (SELECT value FROM secret WHERE name = $1)", []any{pingName}, &kept); err != nil {
		return "", fmt.Errorf("read where to ping: %w", err)
	}
	var address string
	err := db.open(secretValue, pingName, string(kept), &address)
	return address, err
}

// SavePingURL replaces it; the empty one removes it.
func (db *DB) SavePingURL(ctx context.Context, address string) error {
	sealed, err := db.sealed(pingName, secretValue, address)
	if err != nil {
		return err
	}
	return db.changeOf(ctx, db.pingThing(), func(ctx context.Context, w *work) error {
		_, err := w.exec(ctx, `INSERT INTO secret (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, pingName, []byte(sealed[0]))
		if err != nil {
			return fmt.Errorf("save where to ping: %w", err)
		}
		return nil
	})
}

func (db *DB) pingThing() thing {
	return thing{"settings", pingName, func(ctx context.Context, w *work) (*audit.State, error) {
		address, err := db.readPingURL(ctx, w)
		return &audit.State{Name: "Ping to the outside", Shown: struct{}{}, Secrets: map[string]string{"ping_url": address}}, err
	}}
}
